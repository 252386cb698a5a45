//! The evaluation of a trained model: the numbers that papers print.
//!
//! Each metric has a file, with its recipe, and a line in [`METRICS`]. The spec's `[evaluate]`, `vaex evaluate`, evaluation.json,
//! trials.parquet, the report and the reference are made from that list, in its order.

mod active_units;
mod aggregate;
mod beta_vae_score;
mod classifier;
mod dci;
mod elbo;
mod factor_vae_score;
mod factors;
mod frechet_labels;
mod irs;
mod labels;
mod mig;
mod mig_sampled;
mod mmd;
mod modularity;
mod nll;
mod reconstruction;
mod sap;
mod settings;
mod subject;
mod udr;
mod unsupervised;

pub use settings::{EvaluateSettings, SPLITS};
pub use subject::{Kept, Subject, Watch};
pub use udr::of_models;

use crate::metrics::{Metric, Split, Value};
use crate::settings::Word;
use crate::tensor::backend::DeviceError;
use std::sync::LazyLock;

/// Everything that can be measured, in the order of the tables.
pub const METRICS: &[&dyn Evaluate] = &[
    &elbo::Elbo,
    &nll::Nll,
    &active_units::ActiveUnits,
    &aggregate::Aggregate,
    &reconstruction::Reconstruction,
    &labels::Labels,
    &mmd::Mmd,
    &frechet_labels::FrechetLabels,
    &beta_vae_score::BetaVaeScore,
    &factor_vae_score::FactorVaeScore,
    &mig::Mig,
    &mig_sampled::MigSampled,
    &dci::DciScores,
    &sap::SapScore,
    &modularity::ModularityScore,
    &irs::IrsScore,
    &unsupervised::UnsupervisedScores,
    &udr::UdrScore,
];

/// The images that a metric is measured on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Those of a split.
    Split,
    /// All images of the data that have factors.
    Factors,
    /// Those of a split, by all trials of a setting: it belongs to the setting.
    Setting,
}

/// Measures one or several metrics of a trained model.
pub trait Evaluate: Sync {
    /// Its name in `evaluate.metrics`, and what it measures.
    fn word(&self) -> &'static Word;

    /// Its metrics.
    fn metrics(&self) -> Vec<Metric>;

    /// The images that it is measured on.
    fn scope(&self) -> Scope {
        Scope::Split
    }

    /// The version of its recipe. A change that changes its values increments it.
    fn recipe(&self) -> u64 {
        1
    }

    /// Whether it is measured when no metrics are named.
    fn is_default(&self) -> bool {
        true
    }

    /// The settings that its values depend on, for readers and to know whether they must be measured again.
    fn settings(&self, settings: &EvaluateSettings) -> serde_json::Value;

    /// Why a model does not have it; `None` if it has.
    fn refusal(&self, subject: &Subject<'_>) -> Option<String>;

    /// Measures it.
    ///
    /// # Errors
    /// The values are undefined for this model, the computation failed, or it was asked to stop.
    fn measure(&self, subject: &Subject<'_>, watch: &mut dyn Watch) -> Result<Measured, EvaluateError>;

    /// What readers of its values should know, from what else was found; `None` if there is nothing.
    fn remark(&self, _details: &serde_json::Value) -> Option<String> {
        None
    }

    /// Floating-point operations, roughly, for a number of images, given those of the encoder and the decoder for one image.
    fn operations(&self, settings: &EvaluateSettings, images: u64, of_networks: [f64; 2]) -> f64;

    /// Bytes of memory, roughly, in addition to the codes of the images, for images with a number of values.
    fn memory(&self, _: u64, _: usize) -> f64 {
        0.0
    }
}

/// The values of a metric's file.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// The values of its metrics, in their order; `None` where undefined.
    pub values: Vec<Option<Value>>,
    /// What else is worth keeping, such as the matrix that a score is computed from.
    pub details: serde_json::Value,
    /// Values of each image: their names and numbers, for a table of its own.
    pub of_images: Vec<(&'static str, Vec<f64>)>,
}

/// Why a metric has no value.
#[derive(Debug, thiserror::Error)]
pub enum EvaluateError {
    /// It is not defined for this model or data.
    #[error("{0}")]
    Undefined(String),
    /// The computation failed.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// It was asked to stop.
    #[error("stopped")]
    Stopped,
}

/// A metric's file with its metrics. A metric with a standard error is followed by it.
pub struct Entry {
    /// What measures it.
    pub measure: &'static dyn Evaluate,
    /// Its metrics.
    pub metrics: Vec<Metric>,
}

/// Every metric's file, with its metrics.
pub fn entries() -> &'static [Entry] {
    static ENTRIES: LazyLock<Vec<Entry>> = LazyLock::new(|| {
        METRICS.iter().map(|measure| Entry { measure: *measure, metrics: measure.metrics() }).collect()
    });
    &ENTRIES
}

/// The metric's file with a name; `None` if there is none.
pub fn find(name: &str) -> Option<&'static dyn Evaluate> {
    METRICS.iter().copied().find(|metric| metric.word().name == name)
}

impl EvaluateSettings {
    /// What they ask for.
    pub fn chosen(&self) -> impl Iterator<Item = &'static dyn Evaluate> {
        METRICS.iter().copied().filter(|metric| match &self.metrics {
            Some(names) => names.contains(&metric.word().name),
            None => metric.is_default(),
        })
    }
}

/// The name of the column with a metric's value: that of the split, if it is measured on one, and that of the metric.
pub fn column_name(metric: &Metric, split: Option<Split>) -> String {
    match split {
        Some(split) => format!("{}_{}", split.name(), metric.name),
        None => metric.name.to_string(),
    }
}

/// The metrics of a metric's file, with the names of their columns for a split.
pub fn columns_of(name: &str, split: Option<Split>) -> impl Iterator<Item = (&'static Metric, String)> {
    let entry = entries().iter().find(|entry| entry.measure.word().name == name);
    let metrics = entry.into_iter().flat_map(|entry| &entry.metrics);
    metrics.map(move |metric| (metric, column_name(metric, split)))
}

/// Every column: the splits that each metric can be measured on.
pub fn columns() -> impl Iterator<Item = (&'static Entry, &'static Metric, Option<Split>)> {
    entries().iter().flat_map(|entry| {
        let splits = match entry.measure.scope() {
            Scope::Split => vec![Some(Split::Train), Some(Split::Validation), Some(Split::Test)],
            Scope::Factors | Scope::Setting => vec![None],
        };
        splits.into_iter().flat_map(move |split| entry.metrics.iter().map(move |metric| (entry, metric, split)))
    })
}
