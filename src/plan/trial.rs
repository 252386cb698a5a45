//! One trial: a resolved spec, its data, and what follows from them.

use super::check::{self, Checks};
use super::{Problem, to_toml};
use crate::data::Dataset;
use crate::folder::digest;
use crate::language::Spec;
use crate::model::Architecture;
use serde_json::Value;
use std::collections::BTreeMap;

/// The version of the numbers that a trial comes to: a change of vaex that changes the bits of any result raises it, so that
/// results of both are never taken for those of one trial. Versions of vaex before 0.2.0 have 1.
pub const NUMERICS: u64 = 2;

/// One training that can run: nothing that is known before the first step can be wrong with it.
#[derive(Clone, Debug)]
pub struct Trial {
    id: String,
    spec: Spec,
    spec_hash: String,
    dataset: Dataset,
    architecture: Architecture,
}

/// Bytes of a label, at most: a folder's name has up to 255 on most file systems.
const LABEL_BYTES: usize = 120;

impl Trial {
    /// Fills in what the spec leaves to defaults, and checks that it can run on that data. What the trial has no use
    /// for is to be taken out before. Where there is no data, what does not depend on it is checked all the same, so
    /// that all problems are reported at once.
    pub(super) fn resolve(mut spec: Spec, dataset: Result<Dataset, Vec<Problem>>) -> Result<Trial, Vec<Problem>> {
        spec.sweep = Default::default();
        check::fill_defaults(&mut spec);
        let mut checks = Checks::default();
        check::name(&mut checks, spec.name.as_deref().unwrap_or_default());
        check::paths(&mut checks, &spec);
        check::data(&mut checks, &spec);
        check::objective(&mut checks, &spec);
        let images = dataset.as_ref().ok().map(|dataset| &dataset.train);
        check::train(&mut checks, &spec, images);
        let architecture = check::model(&mut checks, &spec, images);
        match (architecture, dataset) {
            (Some(architecture), Ok(dataset)) if checks.problems.is_empty() => {
                let spec_hash = spec_hash(&spec);
                let id = digest(&[&NUMERICS.to_le_bytes(), spec_hash.as_bytes(), dataset.hash.as_bytes()], 10);
                Ok(Trial { id, spec, spec_hash, dataset, architecture })
            }
            (_, Ok(_)) => Err(checks.problems),
            (_, Err(problems)) => Err(problems.into_iter().chain(checks.problems).collect()),
        }
    }

    /// Ten hexadecimal digits: a hash of [`NUMERICS`], of the resolved spec, without its name and its files' paths, and of the
    /// data.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The experiment's name.
    pub fn name(&self) -> &str {
        self.spec.name.as_deref().unwrap_or_default()
    }

    /// The resolved spec, every applicable key filled in, without a sweep.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// The resolved spec as TOML.
    pub fn toml(&self) -> String {
        to_toml(&self.spec)
    }

    /// Hash of the resolved spec, without its name and its files' paths.
    pub fn spec_hash(&self) -> &str {
        &self.spec_hash
    }

    /// Hash of what trials of one setting share: the data, and all of the spec that the trial's hash has but for the seed.
    pub fn setting_hash(&self) -> String {
        let spec = spec_hash(&Spec { seed: 0, ..self.spec.clone() });
        digest(&[spec.as_bytes(), self.dataset.hash.as_bytes()], 32)
    }

    /// The images.
    pub fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    /// The network.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// What deserves a look and stops nothing, without what to do about it.
    pub fn warnings(&self) -> Vec<String> {
        check::warnings(self).into_iter().map(|problem| problem.message).collect()
    }

    /// Steps in an epoch; the last one takes what is left.
    pub fn steps_per_epoch(&self) -> u64 {
        (self.dataset.train.len() as u64).div_ceil(self.spec.train.batch_size)
    }

    /// Steps in all.
    pub fn steps(&self) -> u64 {
        self.steps_per_epoch() * self.spec.train.epochs
    }

    /// Every key of the resolved spec, dotted.
    pub fn values(&self) -> BTreeMap<String, Value> {
        values_of(&self.spec)
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

/// Every key of a spec that has a value, dotted.
pub(super) fn values_of(spec: &Spec) -> BTreeMap<String, Value> {
    let mut values = BTreeMap::new();
    flatten("", &serde_json::to_value(spec).unwrap_or_default(), &mut values);
    values
}

fn flatten(prefix: &str, value: &Value, values: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                let dotted = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                flatten(&dotted, value, values);
            }
        }
        _ => {
            values.insert(prefix.to_owned(), value.clone());
        }
    }
}

/// Dotted keys that change nothing of a trial's result: names, where the files are, how often it is saved.
const WITHOUT_EFFECT: [&str; 7] =
    ["name", "tags", "data.images", "data.labels", "data.test_images", "data.test_labels", "train.checkpoint_steps"];

/// Whether a dotted key has a part in what a trial comes to, beside its data.
pub fn determines(key: &str) -> bool {
    !WITHOUT_EFFECT.contains(&key) && !key.starts_with("log.")
}

/// What does not change the result does not change the hash: see [`determines`].
pub fn spec_hash(spec: &Spec) -> String {
    let mut spec = spec.clone();
    spec.name = None;
    spec.tags = Vec::new();
    spec.data.images = None;
    spec.data.labels = None;
    spec.data.test_images = None;
    spec.data.test_labels = None;
    spec.train.checkpoint_steps = None;
    spec.log = Default::default();
    digest(&[to_toml(&spec).as_bytes()], 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_of_the_keys_that_determine_the_result() {
        let mut spec: Spec = toml::from_str(
            "name = \"a\"\ntags = [\"b\"]\n[data]\nimages = \"c\"\nlabels = \"d\"\ntest_images = \"e\"\n\
             test_labels = \"f\"\n[train]\ncheckpoint_steps = 5\n[log]\npictures_every = 3",
        )
        .unwrap();
        let plain = Spec::default();
        assert_eq!(spec_hash(&spec), spec_hash(&plain));
        let (values, others) = (values_of(&spec), values_of(&plain));
        let differ = values.keys().filter(|key| values.get(*key) != others.get(*key));
        assert_eq!(differ.filter(|key| determines(key)).count(), 0);
        spec.seed = 1;
        assert!(spec_hash(&spec) != spec_hash(&plain) && determines("seed"));
    }
}
