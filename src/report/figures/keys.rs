//! Metrics by key: for each key that varies and each metric, the means of the settings, with their intervals over other seeds.

use super::chart::{Axis, Chart, Point, SERIES, Series};
use super::{Shown, file_part, split};
use crate::plan::value_text;
use crate::report::columns::{MetricColumn, columns};
use crate::report::comparison::Setting;
use crate::report::numbers::Summary;
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn charts(shown: &[Shown<'_>]) -> Vec<Chart> {
    // Each key once, with its short name.
    let mut keys: BTreeMap<&str, &str> = BTreeMap::new();
    for one in shown {
        keys.extend(one.comparison.varied.iter().map(|key| (*key, one.comparison.short(key))));
    }
    let is_varied =
        |key: &str| settings(shown).map(|(_, one)| value_text(one.value(key))).collect::<BTreeSet<_>>().len() > 1;
    // A short name is that of one key only in its experiment.
    let shorts: Vec<&str> = keys.values().copied().collect();
    let is_short = |short: &str| shorts.iter().filter(|one| **one == short).count() == 1;
    let keys = keys.iter().filter(|(key, _)| is_varied(key));
    let keys = keys.map(|(key, short)| (*key, if is_short(short) { *short } else { *key }));
    let metrics = || columns().iter().filter(|column| column.with_deviation);
    keys.flat_map(|key| metrics().filter_map(move |column| chart(shown, key, column))).collect()
}

fn settings<'s, 'a>(shown: &'s [Shown<'a>]) -> impl Iterator<Item = (&'s Shown<'a>, &'s Setting<'a>)> {
    shown.iter().flat_map(|one| one.comparison.settings.iter().map(move |setting| (one, setting)))
}

/// The chart of a key, given with its short name, and a metric; `None` if no setting has the metric.
fn chart(shown: &[Shown<'_>], (key, short): (&str, &str), column: &MetricColumn) -> Option<Chart> {
    let number = |setting: &Setting<'_>| setting.value(key)?.as_f64();
    let mut categories: Vec<String> = Vec::new();
    if settings(shown).any(|(_, setting)| number(setting).is_none()) {
        categories.extend(settings(shown).map(|(_, setting)| value_text(setting.value(key))));
        categories.sort();
        categories.dedup();
    }
    let place = |setting: &Setting<'_>| match categories.binary_search(&value_text(setting.value(key))) {
        Ok(index) => Some(index as f64),
        Err(_) => number(setting),
    };
    // One line for each combination of the other keys; if these are many, only the points of each experiment.
    let others = settings(shown).map(|(one, setting)| one.name_of(setting, Some(key))).collect::<BTreeSet<_>>();
    let are_few = others.len() <= SERIES;
    let mut lines: BTreeMap<String, Vec<Point>> = BTreeMap::new();
    for (one, setting) in settings(shown) {
        let Some(summary) = setting.summary(column, one.comparison.split).filter(Summary::is_finite) else { continue };
        let point = Point { at: [place(setting)?, summary.mean], intervals: [None, summary.interval()] };
        let name = if are_few { one.name_of(setting, Some(key)) } else { one.name.clone().unwrap_or_default() };
        lines.entry(name).or_default().push(point);
    }
    if lines.is_empty() {
        return None;
    }
    let series = lines.into_iter().map(|(name, points)| Series { name, points, ..Series::default() });
    let mut series: Vec<Series> = series.collect();
    for one in series.iter_mut().filter(|_| are_few && categories.is_empty()) {
        one.points.sort_by(|one, other| one.at[0].total_cmp(&other.at[0]));
        one.line = one.points.iter().map(|point| point.at).collect();
    }
    let is_log = categories.is_empty() && shown.iter().any(|one| one.comparison.is_logarithmic(one.experiment, key));
    let is_log = is_log && settings(shown).all(|(_, setting)| number(setting).is_some_and(|number| number > 0.0));
    let ticks = settings(shown).filter_map(|(_, setting)| number(setting)).collect();
    Some(Chart {
        name: format!("by-{}-{}", file_part(short), file_part(column.name)),
        x: Axis { title: short.to_owned(), is_log, ticks, categories, ..Axis::default() },
        y: Axis { title: column.title_on(split(shown)).into_owned(), ..Axis::default() },
        series,
    })
}
