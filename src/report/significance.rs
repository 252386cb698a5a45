//! Whether the difference between the best setting and the next one is more than chance, and how many seeds would show it.

use super::ReportedTrial;
use super::numbers::significant;
use crate::evaluation;
use crate::folder::TrialFolder;
use crate::metrics::{Metric, Split};
use crate::record::evaluation::Recipe;
use crate::record::tables;
use crate::scores::power::{PowerSettings, seeds_needed};
use crate::scores::statistics::{Difference, paired, welch};
use crate::text::counted;

/// Below this probability, a difference is called significant.
const SIGNIFICANCE: f64 = 0.05;

/// A larger number of seeds is not worth telling.
const MANY_SEEDS: usize = 1_000;

/// The column of the negative log-likelihood, and the metric that measures it.
const NLL: (&str, &str) = ("nll_nats", "nll");

/// A sentence on the difference between the two best settings, each with its trials that are done, in the metric that they are sorted by, over their seeds; `None` with
/// fewer than two settings or two seeds.
pub(super) fn of_seeds(settings: &[Vec<&ReportedTrial>], metric: &str, split: Split) -> Option<String> {
    let [first, second, ..] = settings else { return None };
    let values = |setting: &Vec<&ReportedTrial>| -> Vec<f64> {
        setting.iter().filter_map(|trial| trial.kept(split)?.get(metric)).filter(|value| value.is_finite()).collect()
    };
    let (one, other) = (values(first), values(second));
    if one.len().min(other.len()) < 2 {
        return None;
    }
    let about = format!("{metric} of the two best settings ({} and {} seeds)", one.len(), other.len());
    match welch(&one, &other) {
        Ok(difference) if difference.p_value < SIGNIFICANCE => Some(sentence(&about, &difference, "Welch's test")),
        Ok(difference) => {
            // The deviation of a seed, pooled over both settings.
            let deviation = difference.standard_error / (1.0 / one.len() as f64 + 1.0 / other.len() as f64).sqrt();
            let needed = seeds_needed(difference.difference, deviation, &PowerSettings::default()).ok().flatten();
            let needed = needed.map(|seeds| {
                let about = match seeds as usize {
                    seeds if seeds > MANY_SEEDS => format!("more than {}", counted(MANY_SEEDS, "seed")),
                    seeds => format!("about {}", counted(seeds, "seed")),
                };
                format!("; to show a difference of this size, {about} for each are needed")
            });
            Some(sentence(&about, &difference, "Welch's test") + &needed.unwrap_or_default())
        }
        // Equal seeds have no spread to compare with.
        Err(_) => None,
    }
}

/// A sentence on the difference in likelihood of the two settings with the lowest, over the same images.
pub(super) fn of_images(settings: &[Vec<&ReportedTrial>]) -> Option<String> {
    let mut sorted: Vec<(f64, Vec<f64>)> = Vec::new();
    let mut first: Option<&Recipe> = None;
    let split = Split::ALL.into_iter().rev().find(|split| {
        settings.iter().filter(|setting| setting.iter().any(|trial| number(trial, *split).is_some())).count() > 1
    })?;
    for setting in settings {
        // The mean over the seeds of each image.
        let mut sums: Vec<f64> = Vec::new();
        let mut count = 0.0;
        for trial in setting.iter().filter(|trial| number(trial, split).is_some()) {
            let nats = nats_of_images(trial, split)?;
            // Only the same images and numbers of samples are comparable.
            let recipe = recipe(trial, split)?;
            let first = *first.get_or_insert(recipe);
            let is_same =
                (recipe.recipe, &recipe.settings, &recipe.data) == (first.recipe, &first.settings, &first.data);
            if !is_same {
                return None;
            }
            if sums.is_empty() {
                sums = vec![0.0; nats.len()];
            }
            if sums.len() != nats.len() {
                return None;
            }
            sums.iter_mut().zip(&nats).for_each(|(sum, nats)| *sum += nats);
            count += 1.0;
        }
        if count > 0.0 {
            sums.iter_mut().for_each(|sum| *sum /= count);
            sorted.push((sums.iter().sum::<f64>() / sums.len() as f64, sums));
        }
    }
    sorted.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    let [(_, first), (_, second), ..] = &*sorted else { return None };
    let difference = paired(first, second).ok()?;
    let about =
        format!("{}_{} of the two settings where it is lowest, {}", split.name(), NLL.0, counted(first.len(), "image"));
    Some(sentence(&about, &difference, "paired over the images: of these trained models, not of other seeds"))
}

/// The mean negative log-likelihood of a trial on a split; `None` if it was not measured.
fn number(trial: &ReportedTrial, split: Split) -> Option<f64> {
    let metric = Metric::new(NLL.0, crate::metrics::MetricKind::Number, "", "");
    trial.evaluation.as_ref()?.number(&evaluation::column_name(&metric, Some(split)))
}

/// How it was measured.
fn recipe(trial: &ReportedTrial, split: Split) -> Option<&Recipe> {
    let results = trial.evaluation.as_ref()?.results.iter();
    results.map(|result| &result.recipe).find(|recipe| recipe.metric == NLL.1 && recipe.split == Some(split))
}

/// The negative log-likelihood of each image; `None` if the table cannot be read.
fn nats_of_images(trial: &ReportedTrial, split: Split) -> Option<Vec<f64>> {
    let path = TrialFolder::new(&trial.folder).evaluation_table(&format!("{}_{}", split.name(), NLL.1));
    tables::read_numbers(&path, NLL.0).ok()
}

fn sentence(about: &str, difference: &Difference, test: &str) -> String {
    let interval = difference.interval(1.0 - SIGNIFICANCE);
    let interval = interval.map(|interval| {
        format!(" (95 % interval {} to {})", significant(interval.low, 3), significant(interval.high, 3))
    });
    let verdict = if difference.p_value < SIGNIFICANCE { "significant" } else { "not significant" };
    format!(
        "{about}: difference {}{}, {verdict} ({test}, p = {})",
        significant(difference.difference, 3),
        interval.unwrap_or_default(),
        significant(difference.p_value, 2),
    )
}
