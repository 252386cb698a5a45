//! The figures of a report as vector files for papers. Several experiments are drawn over one another.

mod axes;
mod chart;
mod curves;
mod keys;
mod rate;

use super::Report;
use super::comparison::{Comparison, Setting};
use crate::plan::value_text;
use chart::{Chart, SERIES, Series};
use std::io;

/// The kinds of figures, in order.
const KINDS: [fn(&[Shown<'_>]) -> Vec<Chart>; 4] = [rate::charts, keys::charts, curves::charts, axes::charts];

/// An experiment in figures.
struct Shown<'a> {
    /// Its name, if there are several.
    name: Option<&'a str>,
    comparison: Comparison<'a>,
}

impl Shown<'_> {
    /// The name of a setting in a legend: its values without that of the key `except`, and the experiment if there are several; empty
    /// if there is nothing to tell.
    fn name_of(&self, setting: &Setting<'_>, except: Option<&str>) -> String {
        let keys = self.comparison.varied.iter().filter(|key| Some(**key) != except);
        let value = |key: &&str| format!("{} = {}", self.comparison.short(key), value_text(setting.value(key)));
        let values = keys.map(value).collect::<Vec<_>>().join(", ");
        match self.name {
            Some(name) if values.is_empty() => name.to_owned(),
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
    let names = report.experiments.iter().map(|one| Some(&*one.name).filter(|_| report.experiments.len() > 1));
    let comparisons = report.experiments.iter().map(Comparison::of);
    let shown: Vec<Shown<'_>> = names.zip(comparisons).map(|(name, comparison)| Shown { name, comparison }).collect();
    let charts = KINDS.iter().flat_map(|kind| kind(&shown)).filter(|chart| !chart.series.is_empty());
    let drawn = charts.map(|chart| match chart.svg() {
        Ok(svg) => Ok((chart.name, svg)),
        Err(error) => Err(io::Error::other(format!("the figure {}: {error}", chart.name))),
    });
    drawn.collect()
}

/// A series for each of the best settings, of as many as there are colours; each experiment has as many as the others.
fn best(shown: &[Shown<'_>], series: impl Fn(&Shown<'_>, &Setting<'_>) -> Option<Series>) -> Vec<Series> {
    let each = (SERIES / shown.len().max(1)).max(1);
    let of_experiment = |one: &Shown<'_>| {
        let named = |setting| Some(Series { name: one.name_of(setting, None), ..series(one, setting)? });
        one.comparison.settings.iter().take(each).filter_map(named).collect::<Vec<_>>()
    };
    shown.iter().flat_map(of_experiment).take(SERIES).collect()
}

/// A name as a part of a file name.
fn file_part(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || "_-".contains(c) { c } else { '_' }).collect()
}
