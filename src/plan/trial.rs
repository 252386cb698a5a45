//! One trial: a resolved spec, its images and its network.

use super::{NUMERICS, Problem, checks, id};
use crate::data::{BYTES, Dataset, ImageShape};
use crate::folder::digest;
use crate::language::Spec;
use crate::model::Architecture;
use crate::settings::as_json;
use crate::train::{INIT_FROM_DOTTED, Initial, Training};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A training that can run: everything that can be checked before the first step is checked.
#[derive(Clone, Debug)]
pub struct Trial {
    id: String,
    spec: Spec,
    dataset: Arc<Dataset>,
    architecture: Architecture,
    initial: Option<Arc<Initial>>,
    /// The warnings.
    warnings: Arc<[Problem]>,
}

/// The maximum number of bytes of a label: on most file systems, a folder name has at most 255.
const LABEL_BYTES: usize = 120;

impl Trial {
    /// The trial of a spec on its images, or all errors, including the `problems` found before.
    pub(super) fn new(
        mut spec: Spec,
        dataset: Result<Arc<Dataset>, Vec<Problem>>,
        initial: &mut dyn FnMut(&Spec, &Architecture) -> Result<Option<Arc<Initial>>, Problem>,
        mut problems: Vec<Problem>,
        warnings: Vec<Problem>,
    ) -> Result<Trial, Vec<Problem>> {
        // Without images, the checks assume images of one pixel.
        let (image, stored) =
            dataset.as_ref().map_or((ImageShape::grey(1, 1), BYTES), |dataset| (dataset.train.shape(), dataset.stored));
        let architecture = spec.architecture(image, stored);
        problems.extend(checks::device(&spec));
        // With an error in a layer, sizes would be those of the other layers alone.
        let is_whole = architecture.network.is_whole();
        problems.extend(is_whole.then(|| checks::parameters(&architecture)).flatten());
        let dataset = match dataset {
            Ok(dataset) => dataset,
            Err(of_data) => return Err(of_data.into_iter().chain(problems).collect()),
        };
        let misfits = architecture.misfits();
        if misfits.is_empty() && is_whole {
            if checks::parameters(&architecture).is_none() {
                problems.extend(checks::activations(&architecture));
            }
            problems.extend(checks::output_bias(&architecture));
        }
        problems.extend(misfits);
        problems.extend(checks::batch(&spec, &dataset));
        problems.extend(checks::dequantize(&spec, &dataset));
        problems.extend(checks::likelihood(&architecture, &dataset));
        problems.extend(checks::selection(&spec, training(&spec, &dataset, &architecture, None)));
        // Only of a model that can be built.
        let initial = if problems.is_empty() { initial(&spec, &architecture) } else { Ok(None) };
        let initial = initial.unwrap_or_else(|problem| {
            problems.push(problem);
            None
        });
        if !problems.is_empty() {
            return Err(problems);
        }
        spec.state_interval(dataset.stored, dataset.train.element());
        let mut trial = Trial { id: String::new(), spec, dataset, architecture, initial, warnings: Arc::default() };
        trial.id = id::id(NUMERICS, &trial.dataset.hash, &trial.determining());
        trial.warnings = warnings.into_iter().chain(checks::warnings(&trial)).collect();
        Ok(trial)
    }

    /// Shares with another trial what is the same in it, to save memory.
    pub(super) fn share(&mut self, other: &Trial) {
        self.spec.share(&other.spec);
        if self.warnings == other.warnings {
            self.warnings = other.warnings.clone();
        }
    }

    /// The id: ten hexadecimal digits, equal for all trials with the same result.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The experiment's name.
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// The resolved spec: all keys that apply, without a sweep.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// The resolved spec as TOML.
    pub fn toml(&self) -> String {
        self.spec.to_toml()
    }

    /// The hash of what determines the result, apart from the images.
    pub fn spec_hash(&self) -> String {
        id::hash(&self.determining())
    }

    /// The hash of a setting: the images, and all that determines the result except the seed.
    pub fn setting_hash(&self) -> String {
        let mut keys = self.determining();
        keys.remove("seed");
        digest(&[id::hash(&keys).as_bytes(), self.dataset.hash.as_bytes()], 32)
    }

    /// The hash of all that determines the result except the number of epochs. Trials with the same hash pass through the same
    /// states, if [`Trial::can_continue`].
    pub fn course_hash(&self) -> String {
        let mut keys = self.determining();
        keys.remove("train.epochs");
        digest(&[&NUMERICS.to_le_bytes(), id::hash(&keys).as_bytes(), self.dataset.hash.as_bytes()], 32)
    }

    /// Whether a longer trial begins with the states of a shorter one: no step depends on the number of epochs.
    pub fn can_continue(&self) -> bool {
        !self.spec.train.schedule.depends_on_end()
    }

    /// The hash of what the time of an epoch depends on. Trials with the same hash take equally long per epoch.
    pub fn epoch_hash(&self) -> String {
        let keys = id::of_epoch(&self.spec, &self.architecture);
        digest(&[id::hash(&keys).as_bytes(), self.dataset.hash.as_bytes()], 32)
    }

    /// What determines the result, apart from the images. It is not stored: a sweep may have a million trials.
    fn determining(&self) -> BTreeMap<String, Value> {
        let mut keys = id::determining(&self.spec, &self.architecture);
        keys.extend(self.initial.as_ref().map(|one| (INIT_FROM_DOTTED.to_owned(), one.hash.clone().into())));
        keys
    }

    /// The inputs of training.
    pub fn training(&self) -> Training<'_> {
        training(&self.spec, &self.dataset, &self.architecture, self.initial.as_deref())
    }

    /// The images.
    pub fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    /// The network.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// The warnings.
    pub(super) fn problems(&self) -> &[Problem] {
        &self.warnings
    }

    /// The messages of the warnings.
    pub fn warnings(&self) -> Vec<String> {
        self.warnings.iter().map(|problem| problem.message.clone()).collect()
    }

    /// The number of steps per epoch; the last step may have fewer images.
    pub fn steps_per_epoch(&self) -> u64 {
        self.training().steps_per_epoch()
    }

    /// The total number of steps.
    pub fn steps(&self) -> u64 {
        self.steps_per_epoch().saturating_mul(self.spec.train.epochs)
    }

    /// The values of the resolved spec, by dotted key.
    pub fn values(&self) -> BTreeMap<String, Value> {
        self.spec.values()
    }

    /// A label from the values of the varied keys, for example `latent_dim_2,hidden_64x32`, in characters that are safe in a
    /// path; `trial` if no key varies. It has no `=`, because DuckDB would read `key=value` in a folder name as a column of
    /// the files in it.
    pub fn label(&self, varied: &[String]) -> String {
        let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
        let parts = varied.iter().filter_map(|key| {
            let value = match &self.value(key)? {
                Value::Array(layers) if layers.iter().any(Value::is_object) => format!("{}_layers", layers.len()),
                // `[64, 32]` as 64x32.
                value => value_text(Some(value)).trim_matches(['[', ']']).replace(',', "x"),
            };
            Some(format!("{}_{value}", last(key)))
        });
        let mut label = parts.collect::<Vec<_>>().join(",");
        label.retain(|c| c.is_ascii_alphanumeric() || ",._+-".contains(c));
        label.truncate(LABEL_BYTES);
        if label.is_empty() { "trial".to_owned() } else { label }
    }

    /// The values of dotted keys, as text; `-` where the trial does not have one.
    pub fn texts(&self, keys: &[String]) -> Vec<String> {
        keys.iter().map(|key| value_text(self.value(key).as_ref())).collect()
    }

    /// The value of a dotted key of the resolved spec; `None` if the trial does not have it.
    fn value(&self, key: &str) -> Option<Value> {
        let setting = self.spec.settings().iter().find(|setting| setting.key == key)?;
        Some(as_json(&setting.value))
    }
}

fn training<'a>(
    spec: &'a Spec,
    dataset: &'a Dataset,
    architecture: &'a Architecture,
    initial: Option<&'a Initial>,
) -> Training<'a> {
    Training {
        seed: spec.seed,
        data: &spec.data,
        dataset,
        architecture,
        objective: &spec.objective,
        train: &spec.train,
        initial,
    }
}

/// A value of a spec as text: text without quotes, numbers in their shortest form, the rest as JSON; `-` for `None`.
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

/// A key with its value, without its table: `kl_weight=0.5`.
pub fn assignment_text(key: &str, value: Option<&Value>) -> String {
    format!("{}={}", key.rsplit('.').next().unwrap_or(key), value_text(value))
}

/// Whether two values are equal; 1 equals 1.0.
pub(super) fn same(one: &Value, other: Option<&Value>) -> bool {
    match (one, other) {
        (Value::Number(one), Some(Value::Number(other))) => match (one.as_i64(), other.as_i64()) {
            (Some(one), Some(other)) => one == other,
            _ => one.as_f64() == other.as_f64(),
        },
        (Value::Array(one), Some(Value::Array(other))) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, Some(other)))
        }
        (one, other) => Some(one) == other,
    }
}
