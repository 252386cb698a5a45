//! One trial: a resolved spec, its data, and what follows from them.

use super::{NUMERICS, Problem, checks, id};
use crate::data::Dataset;
use crate::folder::digest;
use crate::language::Spec;
use crate::model::Architecture;
use crate::train::Training;
use serde_json::Value;
use std::collections::BTreeMap;

/// One training that can run: nothing that is known before the first step can be wrong with it.
#[derive(Clone, Debug)]
pub struct Trial {
    id: String,
    spec: Spec,
    /// What determines the result, beside the images.
    determining: BTreeMap<String, Value>,
    dataset: Dataset,
    architecture: Architecture,
    /// What deserves a look and stops nothing.
    warnings: Vec<Problem>,
}

/// Bytes of a label, at most: a folder's name has up to 255 on most file systems.
const LABEL_BYTES: usize = 120;

impl Trial {
    /// The trial of a spec on its images, or all that is wrong with them, `problems` that are known among it.
    pub(super) fn new(
        spec: Spec,
        dataset: Result<Dataset, Vec<Problem>>,
        mut problems: Vec<Problem>,
        mut warnings: Vec<Problem>,
    ) -> Result<Trial, Vec<Problem>> {
        // Where there are no images, of one pixel.
        let sides = dataset.as_ref().map_or([1, 1], |dataset| [dataset.train.height(), dataset.train.width()]);
        let architecture = spec.architecture(sides);
        problems.extend(checks::parameters(&architecture));
        let dataset = match dataset {
            Ok(dataset) => dataset,
            Err(of_data) => return Err(of_data.into_iter().chain(problems).collect()),
        };
        problems.extend(checks::batch(&spec, &dataset));
        if !problems.is_empty() {
            return Err(problems);
        }
        warnings.extend(checks::warnings(&spec, &dataset, &architecture));
        let determining = id::determining(&spec, &architecture);
        let id = id::id(NUMERICS, &dataset.hash, &determining);
        Ok(Trial { id, spec, determining, dataset, architecture, warnings })
    }

    /// Ten hexadecimal digits that are the same for all trials with the same result.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The experiment's name.
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// The resolved spec, every applicable key filled in, without a sweep.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// The resolved spec as TOML.
    pub fn toml(&self) -> String {
        self.spec.to_toml()
    }

    /// Hash of what determines the result, beside the images.
    pub fn spec_hash(&self) -> String {
        id::hash(&self.determining)
    }

    /// Hash of what trials of one setting share: the images, and all that determines the result but for the seed.
    pub fn setting_hash(&self) -> String {
        let mut keys = self.determining.clone();
        keys.remove("seed");
        digest(&[id::hash(&keys).as_bytes(), self.dataset.hash.as_bytes()], 32)
    }

    /// What training needs.
    pub fn training(&self) -> Training<'_> {
        Training {
            seed: self.spec.seed,
            data: &self.spec.data,
            dataset: &self.dataset,
            architecture: &self.architecture,
            objective: &self.spec.objective,
            train: &self.spec.train,
        }
    }

    /// The images.
    pub fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    /// The network.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// What deserves a look and stops nothing.
    pub(super) fn problems(&self) -> &[Problem] {
        &self.warnings
    }

    /// What deserves a look and stops nothing, without what to do about it.
    pub fn warnings(&self) -> Vec<String> {
        self.warnings.iter().map(|problem| problem.message.clone()).collect()
    }

    /// Steps in an epoch; the last one takes what is left.
    pub fn steps_per_epoch(&self) -> u64 {
        self.training().steps_per_epoch()
    }

    /// Steps in all.
    pub fn steps(&self) -> u64 {
        self.steps_per_epoch() * self.spec.train.epochs
    }

    /// Every key of the resolved spec, dotted.
    pub fn values(&self) -> BTreeMap<String, Value> {
        self.spec.values()
    }

    /// What sets the trial apart, `latent_dim_2,hidden_64x32`, in characters that are harmless in a path; `trial` where
    /// nothing does. An `=` is none of them: where a folder has one in its name, DuckDB takes it for a column of the files
    /// in it, in the place of their own.
    pub fn label(&self, varied: &[String]) -> String {
        let values = self.values();
        let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
        let parts = varied.iter().filter_map(|key| {
            let value = value_text(Some(values.get(key)?));
            // `[64, 32]` as 64x32.
            let value = value.trim_matches(['[', ']']).replace(',', "x");
            Some(format!("{}_{value}", last(key)))
        });
        let mut label = parts.collect::<Vec<_>>().join(",");
        label.retain(|c| c.is_ascii_alphanumeric() || ",._+-".contains(c));
        label.truncate(LABEL_BYTES);
        if label.is_empty() { "trial".to_owned() } else { label }
    }

    /// The values of dotted keys, as text; `-` where the trial does not have one.
    pub fn texts(&self, keys: &[String]) -> Vec<String> {
        let values = self.values();
        keys.iter().map(|key| value_text(values.get(key))).collect()
    }
}

/// A spec's value: text without quotes, numbers as short as they can be, the rest as JSON; `-` for none.
pub fn value_text(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) if number.is_f64() => {
            let text = format!("{:?}", number.as_f64().unwrap_or(f64::NAN));
            text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
        }
        Some(other) => other.to_string(),
    }
}
