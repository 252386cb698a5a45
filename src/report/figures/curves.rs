//! Learning curves: the mean over the seeds of each of the best settings, with a band from the lowest to the highest seed.

use super::chart::{Axis, Chart, Series};
use super::{Shown, best, file_part, split};
use crate::metrics::{Metric, Split};
use crate::report::comparison::Setting;
use crate::train::measure;
use std::collections::BTreeMap;

/// Largest number of epochs of a curve; of longer ones, only every n-th epoch is drawn.
const EPOCHS: usize = 400;

pub(super) fn charts(shown: &[Shown<'_>]) -> Vec<Chart> {
    let title = |metric: &'static Metric| match split(shown) {
        Some(split) => metric.title_on(split_of(metric, split)),
        None => metric.title.clone(),
    };
    let chart = |metric: &'static Metric| Chart {
        name: format!("curve-{}", file_part(&metric.name)),
        x: Axis { title: "epoch".to_owned(), is_whole: true, ..Axis::default() },
        y: Axis { title: title(metric).into_owned(), ..Axis::default() },
        series: best(shown, |one, setting| curve(one, setting, metric)),
    };
    measure::all().filter(|metric| metric.is_curve).map(chart).collect()
}

/// The split of a curve: that of the other figures, if the metric is measured on it.
fn split_of(metric: &Metric, split: Split) -> Split {
    if metric.is_of(split) { split } else { Split::Train }
}

fn curve(one: &Shown<'_>, setting: &Setting<'_>, metric: &Metric) -> Option<Series> {
    let split = split_of(metric, one.comparison.split);
    let mut epochs: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
    for trial in setting.done() {
        let numbers = trial.epochs.numbers(&metric.name)?;
        for (index, epoch, _) in trial.epochs.places().filter(|(_, _, of)| *of == split) {
            epochs.entry(epoch).or_default().extend(numbers.get(index).copied().flatten());
        }
    }
    // Where a seed ends before the others, the mean would jump.
    let seeds = setting.done().count();
    epochs.retain(|_, values| values.len() == seeds);
    let step = epochs.len().div_ceil(EPOCHS).max(1);
    let last = epochs.len().checked_sub(1)?;
    let chosen = epochs.iter().enumerate().filter(|(index, _)| index % step == 0 || *index == last);
    let (mut line, mut band) = (Vec::new(), Vec::new());
    for (_, (epoch, values)) in chosen {
        let place = *epoch as f64;
        line.push([place, values.iter().sum::<f64>() / seeds as f64]);
        let [low, high] = [f64::min, f64::max].map(|of| values.iter().copied().reduce(of));
        band.extend(low.zip(high).map(|(low, high)| [place, low, high]));
    }
    band.truncate(if seeds > 1 { band.len() } else { 0 });
    Some(Series { line, band, ..Series::default() })
}
