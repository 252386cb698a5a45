//! The metrics of an epoch. Each measure has a file, which defines and computes its metrics, and a line in `MEASURES`. All
//! tables, charts and messages are made from that list, in its order.

mod active_units;
mod batch;
mod bits_per_dim;
mod capacity_nats;
mod effective_beta;
mod elbo_nats;
mod grad_norm;
mod images_per_second;
mod kl_nats;
mod kl_weight;
mod learning_rate;
mod loss;
mod mse;
mod recon_nats;
mod seconds;
mod sums;
mod terms;

pub use active_units::MEAN_VARIANCE_AXIS;
pub use batch::{Decoded, MeasuredBatch};
pub use bits_per_dim::BITS_PER_DIM;
pub use capacity_nats::CAPACITY_NATS;
pub use effective_beta::EFFECTIVE_BETA;
pub use elbo_nats::ELBO_NATS;
pub use images_per_second::IMAGES_PER_SECOND;
pub use kl_nats::KL_AXIS_NATS;
pub use kl_weight::KL_WEIGHT;
pub use loss::LOSS;
pub use seconds::SECONDS;

pub(super) use kl_nats::axis_nats;
pub use sums::Sums;

use crate::metrics::{Metric, Row, Split, Value};
use crate::objective::{self, At, Loss};
use std::sync::LazyLock;

/// Every measure, in the order of the tables' columns.
const MEASURES: &[&dyn Measure] = &[
    &loss::Loss,
    &elbo_nats::ElboNats,
    &recon_nats::ReconNats,
    &kl_nats::KlNats,
    &mse::Mse,
    &bits_per_dim::BitsPerDim,
    &active_units::ActiveUnits,
    &effective_beta::EffectiveBeta,
    &kl_weight::KlWeight,
    &capacity_nats::CapacityNats,
    &learning_rate::LearningRate,
    &grad_norm::GradNorm,
    &images_per_second::ImagesPerSecond,
    &seconds::Seconds,
];

/// Computes one or several metrics.
pub(super) trait Measure: Sync {
    /// Its metrics. The other methods are only called for splits that one of them is measured on.
    fn metrics(&self) -> Vec<Metric>;

    /// The number of its sums, for a code with `latent` axes.
    fn sums(&self, _latent: usize) -> usize {
        0
    }

    /// Adds the images of a micro-batch.
    fn add(&self, _batch: &MeasuredBatch, _sums: &mut [f64]) {}

    /// Adds a training step.
    fn step(&self, _step: TrainingStep, _sums: &mut [f64]) {}

    /// The first metric of each image; only called if that metric has a standard error.
    fn each(&self, _batch: &MeasuredBatch) -> Vec<f64> {
        Vec::new()
    }

    /// The values of its metrics, in their order; none if the objective does not have them.
    fn values(&self, end: &End) -> Vec<Value>;
}

/// A training step.
#[derive(Clone, Copy, Debug)]
pub(super) struct TrainingStep {
    /// Images in its batch.
    pub(super) images: f64,
    /// Mean loss of its images.
    pub(super) loss: f64,
    /// Norm of the gradient before clipping.
    pub(super) norm: f64,
}

/// The end of an epoch on one split.
pub(super) struct End<'a> {
    /// Sums over its images and steps.
    pub(super) sums: &'a Sums,
    /// Seconds spent on the split.
    pub(super) seconds: f64,
    pub(super) objective: &'a dyn Loss,
    /// The last step.
    pub(super) at: At,
    /// Learning rate at the last step.
    pub(super) learning_rate: f64,
    /// What is added to the bits of a value to get those of a whole value: 0 for a probability, the bits of a unit of the data for
    /// a density of dequantized values; `None` if the likelihood is neither.
    pub(super) bits_offset: Option<f64>,
}

impl End<'_> {
    /// Fills a row with the metrics of its split.
    pub(super) fn fill(&self, row: &mut Row) {
        for entry in entries(row.split) {
            let error = entry.has_error(row.split).then(|| Value::Number(self.sums.standard_error(entry)));
            for (metric, value) in entry.metrics.iter().zip(entry.measure.values(self).into_iter().chain(error)) {
                if metric.is_of(row.split) {
                    row.set(metric, value);
                }
            }
        }
    }
}

/// Mean loss of a batch.
pub(super) fn loss_of(sums: &Sums, objective: &dyn Loss, at: At) -> f64 {
    loss::of(sums, objective, at)
}

/// Mean loss of an epoch's steps so far.
pub(super) fn loss_so_far(sums: &Sums) -> f64 {
    sums.mean(LOSS, 0)
}

/// A measure and its metrics. If the first one has a standard error, that is the last one.
pub(super) struct Entry {
    measure: &'static dyn Measure,
    metrics: Vec<Metric>,
}

static ENTRIES: LazyLock<Vec<Entry>> = LazyLock::new(|| {
    let entry = |measure: &'static dyn Measure| {
        let mut metrics = measure.metrics();
        let error = metrics.first().and_then(Metric::error);
        metrics.extend(error);
        Entry { measure, metrics }
    };
    let terms = objective::all_terms().into_iter().map(|term| term as &dyn Measure);
    MEASURES.iter().copied().chain(terms).map(entry).collect()
});

impl Entry {
    fn has_error(&self, split: Split) -> bool {
        split == Split::Validation && self.metrics.first().is_some_and(|metric| metric.standard_error)
    }
}

/// The measures of a split.
fn entries(split: Split) -> impl Iterator<Item = &'static Entry> {
    ENTRIES.iter().filter(move |entry| entry.metrics.iter().any(|metric| metric.is_of(split)))
}

/// Every metric, in the order of the tables' columns.
pub fn all() -> impl Iterator<Item = &'static Metric> + Clone {
    ENTRIES.iter().flat_map(|entry| &entry.metrics)
}

/// The name of the column with a metric's value in the last epoch.
pub fn final_name(metric: &Metric, split: Split) -> String {
    format!("final_{}_{}", split.name(), metric.name)
}

/// The name of the column with a metric's value in the epoch whose weights are kept.
pub fn kept_name(metric: &Metric, split: Split) -> String {
    format!("kept_{}_{}", split.name(), metric.name)
}

/// The metrics that have a best value: validation metrics of which lower or higher values are better.
pub fn with_best() -> impl Iterator<Item = &'static Metric> + Clone {
    all().filter(|metric| metric.is_of(Split::Validation) && metric.sign().is_some())
}

/// The name of the column with a metric's best value over the epochs.
pub fn best_name(metric: &Metric) -> String {
    format!("best_{}_{}", Split::Validation.name(), metric.name)
}

/// A row of made-up numbers for tests: the given values, and other values for the other metrics of the split.
#[cfg(test)]
pub(crate) fn example(epoch: u64, split: Split, given: &[(&str, f64)]) -> Row {
    use crate::metrics::MetricKind;
    let mut row = Row::new(epoch, split, epoch * 100, epoch * 1600);
    for (index, metric) in all().filter(|metric| metric.is_of(split)).enumerate() {
        let value = given.iter().find(|(name, _)| *name == metric.name).map(|(_, value)| *value);
        let value = match metric.kind {
            MetricKind::Number => Value::Number(value.unwrap_or(index as f64 + 0.25)),
            MetricKind::Count => Value::Count(value.unwrap_or(2.0) as u64),
            MetricKind::List => Value::List(vec![value.unwrap_or(4.5), 2.0]),
            MetricKind::Text => Value::Text("word".to_owned()),
        };
        row.set(metric, value);
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{POSITION, named};
    use crate::model::ModelSettings;
    use crate::objective::ObjectiveSettings;
    use crate::settings::Keys;
    use std::collections::BTreeSet;

    #[test]
    fn every_metric_has_a_unique_name_and_a_meaning() {
        let names: BTreeSet<&str> = all().map(|metric| &*metric.name).chain(POSITION.map(|(name, _)| name)).collect();
        assert_eq!(names.len(), all().count() + POSITION.len());
        for metric in all() {
            assert!(metric.doc.len() > 8 && metric.doc.ends_with('.'), "{}: {}", metric.name, metric.doc);
            assert!(!metric.splits.is_empty(), "{}", metric.name);
            let takes_sign = metric.column.is_none() || metric.unit != "nats" || metric.sign().is_some();
            assert!(takes_sign || metric.name == "kl_nats", "{}", metric.name);
        }
    }

    /// Images are (reconstruction, means, log-variances).
    fn measured(split: Split, images: &[(f32, [f32; 2], [f32; 2])]) -> Sums {
        let recon: Vec<f32> = images.iter().map(|image| image.0).collect();
        let mean = images.iter().map(|image| image.1).collect::<Vec<_>>().concat();
        let log_variance = images.iter().map(|image| image.2).collect::<Vec<_>>().concat();
        let mut sums = Sums::new(split, 2);
        sums.measure(&MeasuredBatch::new(&recon, None, [&mean, &log_variance], &|| Decoded::default()));
        sums
    }

    const IMAGES: [(f32, [f32; 2], [f32; 2]); 2] = [(3.0, [1.0, 0.05], [0.0; 2]), (5.0, [-1.0, -0.05], [0.0; 2])];

    fn row(sums: &Sums, split: Split) -> Row {
        let written = [("objective.kl_weight".to_owned(), toml::Value::Float(2.0))].into();
        let (settings, _) = Keys::read(&written, |keys| {
            keys.table("model", "", "", ModelSettings::read);
            keys.table("objective", "", "", ObjectiveSettings::read)
        });
        let at = At { step: 0, steps_per_epoch: 1, images: 2, values: 4, latent: 2 };
        let bits_offset = Some(8.0);
        let end = End { sums, seconds: 0.5, objective: &settings.kind, at, learning_rate: 0.1, bits_offset };
        let mut row = Row::new(1, split, 1, 2);
        end.fill(&mut row);
        row
    }

    #[test]
    fn sums_do_not_depend_on_the_batches_and_axes_are_separate() {
        let whole = measured(Split::Validation, &IMAGES);
        let mut parts = measured(Split::Validation, &IMAGES[..1]);
        parts.add(&measured(Split::Validation, &IMAGES[1..]));
        for sums in [whole, parts] {
            let row = row(&sums, Split::Validation);
            let get = |name| row.get(name).unwrap();
            assert_eq!(get("recon_nats"), 4.0);
            assert!((get("kl_nats") - 0.50125).abs() < 1e-9);
            assert!((row.list("kl_axis_nats")[0] - 0.5).abs() < 1e-12);
            assert_eq!(get("active_units"), 1.0, "variances are 1 and 0.0025");
            assert_eq!(get("elbo_nats"), -get("recon_nats") - get("kl_nats"));
            // 4 values in an image.
            assert!((get("bits_per_dim") - (4.50125 / (4.0 * std::f64::consts::LN_2) + 8.0)).abs() < 1e-9);
            assert!((get("loss") - (4.0 + 2.0 * 0.50125)).abs() < 1e-9);
            // Both KLs are equal: the ELBO's deviation is that of 3 and 5, 2 / sqrt(2).
            assert!((get("elbo_nats_se") - 1.0).abs() < 1e-9);
            assert_eq!((get("images_per_second"), get("seconds")), (4.0, 0.5));
        }
    }

    #[test]
    fn a_split_has_only_its_metrics_and_steps_are_averaged() {
        let mut sums = measured(Split::Train, &IMAGES);
        sums.step(TrainingStep { images: 1.0, loss: 3.0, norm: 1.0 });
        sums.step(TrainingStep { images: 1.0, loss: 5.0, norm: 2.0 });
        let train = row(&sums, Split::Train);
        assert_eq!(
            (train.get("loss"), train.get("grad_norm"), train.get("elbo_nats_se")),
            (Some(4.0), Some(1.5), None)
        );
        let validation = row(&measured(Split::Validation, &IMAGES), Split::Validation);
        assert_eq!(validation.get("grad_norm"), None);
        for row in [&train, &validation] {
            let names: Vec<&str> = row.values().map(|(metric, _)| &*metric.name).collect();
            let terms = objective::all_terms();
            let is_own = |name: &str| name == "capacity_nats" || terms.iter().any(|term| term.name == name);
            let has = |one: &&Metric| one.is_of(row.split) && !is_own(&one.name);
            let expected: Vec<&str> = all().filter(has).map(|one| &*one.name).collect();
            assert_eq!(names, expected);
        }
        assert_eq!(named([&train, &validation])["validation_recon_nats"], 4.0);
    }

    #[test]
    fn a_plain_autoencoder_has_no_kl_per_axis() {
        let mut sums = Sums::new(Split::Train, 2);
        sums.measure(&MeasuredBatch::new(&[1.0], None, [&[0.5, 0.5], &[]], &|| Decoded::default()));
        let row = row(&sums, Split::Train);
        assert_eq!((row.get("kl_nats"), row.value("kl_axis_nats")), (Some(0.0), Some(&Value::List(Vec::new()))));
        assert_eq!(row.get("bits_per_dim"), None);
    }

    #[test]
    fn a_sampled_kl_has_no_axes() {
        let mut sums = Sums::new(Split::Validation, 2);
        for kl in [[3.0], [5.0]] {
            let codes: [&[f32]; 2] = [&[0.5, 0.5], &[0.0, 0.0]];
            sums.measure(&MeasuredBatch::new(&[1.0], Some(&kl), codes, &|| Decoded::default()));
        }
        let row = row(&sums, Split::Validation);
        assert_eq!((row.get("kl_nats"), row.value("kl_axis_nats")), (Some(4.0), None));
        assert_eq!((row.get("elbo_nats"), row.get("elbo_nats_se")), (Some(-5.0), Some(1.0)));
    }

    #[test]
    fn saved_sums_are_only_read_by_the_same_list_of_measures() {
        let sums = measured(Split::Train, &IMAGES);
        let numbers = sums.numbers();
        assert_eq!(Sums::from_numbers(Split::Train, 2, &numbers).map(|sums| sums.numbers()), Some(numbers.clone()));
        let mut of_others = numbers.clone();
        of_others[0] += 1.0;
        assert!(Sums::from_numbers(Split::Train, 2, &of_others).is_none());
        assert!(Sums::from_numbers(Split::Train, 3, &numbers).is_none());
        assert!(Sums::from_numbers(Split::Train, 2, &numbers[1..]).is_none());
    }
}
