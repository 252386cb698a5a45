//! The KL of each latent axis, largest first: the mean over the seeds of each of the best settings.

use super::chart::{Axis, Chart, Series};
use super::{Shown, best, split};
use crate::report::comparison::Setting;
use crate::train::measure::KL_AXIS_NATS;

pub(super) fn charts(shown: &[Shown<'_>]) -> Vec<Chart> {
    let of_split = split(shown).map_or(String::new(), |split| format!("{} ", split.in_words()));
    vec![Chart {
        name: "kl-axes".to_owned(),
        x: Axis { title: "latent axis, by KL".to_owned(), is_whole: true, ..Axis::default() },
        y: Axis { title: format!("{of_split}KL (nats)"), ..Axis::default() },
        series: best(shown, series),
    }]
}

fn series(one: &Shown<'_>, setting: &Setting<'_>) -> Option<Series> {
    let mut means: Vec<f64> = Vec::new();
    let seeds = setting.done().count() as f64;
    for trial in setting.done() {
        let mut axes = trial.kept(one.comparison.split)?.list(KL_AXIS_NATS).to_vec();
        axes.sort_by(|one, other| other.total_cmp(one));
        means.resize(means.len().max(axes.len()), 0.0);
        means.iter_mut().zip(axes).for_each(|(mean, kl)| *mean += kl / seeds);
    }
    let line: Vec<[f64; 2]> = means.iter().enumerate().map(|(axis, kl)| [axis as f64 + 1.0, *kl]).collect();
    Some(Series { line, ..Series::default() })
}
