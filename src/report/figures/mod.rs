//! The figures of a report as vector files for papers. Several experiments are drawn over one another.

mod axes;
mod chart;
mod curves;
mod keys;
mod rate;

use super::comparison::{Comparison, Setting};
use super::{Experiment, Report};
use crate::metrics::Split;
use crate::plan::value_text;
pub(super) use chart::SERIES;
use chart::{Chart, Series};
use std::io;

/// The kinds of figures, in order.
const KINDS: [fn(&[Shown<'_>]) -> Vec<Chart>; 4] = [rate::charts, keys::charts, curves::charts, axes::charts];

/// An experiment in figures.
struct Shown<'a> {
    experiment: &'a Experiment,
    /// Its name, if there are several.
    name: Option<String>,
    comparison: Comparison<'a>,
}

impl Shown<'_> {
    /// The name of a setting in a legend: its values without that of the key `except`, and the experiment if there are several; empty
    /// if there is nothing to tell.
    fn name_of(&self, setting: &Setting<'_>, except: Option<&str>) -> String {
        let keys = self.comparison.varied.iter().filter(|key| Some(**key) != except);
        let value = |key: &&str| format!("{} = {}", self.comparison.short(key), value_text(setting.value(key)));
        let values = keys.map(value).collect::<Vec<_>>().join(", ");
        match &self.name {
            Some(name) if values.is_empty() => name.clone(),
            Some(name) => format!("{name}: {values}"),
            None => values,
        }
    }
}

/// The figures of a report: the names of their files without the ending, and their SVG text.
///
/// # Errors
/// A figure cannot be drawn.
pub(super) fn all(report: &Report) -> io::Result<Vec<(String, String)>> {
    let shown = report.experiments.iter().map(|experiment| Shown {
        experiment,
        name: None,
        comparison: Comparison::of(experiment),
    });
    let mut shown: Vec<Shown<'_>> = shown.collect();
    // Metrics of different splits are not comparable: the names say the split.
    let has_one_split = split(&shown).is_some();
    for one in shown.iter_mut().filter(|_| report.experiments.len() > 1) {
        let split = if has_one_split { String::new() } else { format!(" ({})", one.comparison.split.name()) };
        one.name = Some(format!("{}{split}", report.heading(one.experiment)));
    }
    let charts = KINDS.iter().flat_map(|kind| kind(&shown)).filter(|chart| !chart.series.is_empty());
    let drawn = charts.map(|chart| match chart.svg() {
        Ok(svg) => Ok((chart.name, svg)),
        Err(error) => Err(io::Error::other(format!("the figure {}: {error}", chart.name))),
    });
    drawn.collect()
}

/// The split of the metrics; `None` if they are of several.
fn split(shown: &[Shown<'_>]) -> Option<Split> {
    let mut splits = shown.iter().map(|one| one.comparison.split);
    let first = splits.next()?;
    splits.all(|split| split == first).then_some(first)
}

/// A line for each of the best settings, of as many as there are colours; each experiment has as many as the others, at least one.
fn best(shown: &[Shown<'_>], series: impl Fn(&Shown<'_>, &Setting<'_>) -> Option<Series>) -> Vec<Series> {
    let each = (SERIES / shown.len().max(1)).max(1);
    let of_experiment = |one: &Shown<'_>| {
        let named = |setting| Some(Series { name: one.name_of(setting, None), ..series(one, setting)? });
        let lines = one.comparison.settings.iter().filter_map(named).filter(|series| series.line.len() > 1);
        lines.take(each).collect::<Vec<_>>()
    };
    shown.iter().flat_map(of_experiment).collect()
}

/// A name as a part of a file name.
fn file_part(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || "_-".contains(c) { c } else { '_' }).collect()
}
