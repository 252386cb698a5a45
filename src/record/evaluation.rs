//! evaluation.json: the metrics of a trial that are measured after training, and the numbers of an unfinished one.

use crate::evaluation::EvaluateSettings;
use crate::folder::{self, BLANK_SEAL, FileError, SealPlace, TrialFolder, write_whole};
use crate::metrics::Split;
use crate::plan::value_text;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::Path;

/// The content of evaluation.json.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Evaluation {
    /// SHA-256 of the file, computed with zeros in place of this value.
    pub checksum: String,
    /// The trial's id.
    pub trial: String,
    /// What was measured.
    pub results: Vec<Evaluated>,
    /// The latent axes of the rows of evaluation/traversals.png; empty without that picture.
    #[serde(default)]
    pub traversals: Vec<usize>,
}

/// What determines the values of a metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Recipe {
    /// Its name in `evaluate.metrics`.
    pub metric: String,
    /// The images that were measured; null for all images of the data.
    pub split: Option<Split>,
    /// The version of its recipe.
    pub recipe: u64,
    /// Its settings.
    pub settings: serde_json::Value,
    /// SHA-256 of model.safetensors.
    pub weights: String,
    /// The hash of the images of all splits, with their labels.
    #[serde(default)]
    pub data: String,
}

impl Recipe {
    /// Whether `settings` ask for it on a split; it may be of the images of all splits.
    pub fn is_asked(&self, settings: &EvaluateSettings, split: Split) -> bool {
        settings.chosen().any(|measure| measure.word().name == self.metric) && self.split.is_none_or(|own| own == split)
    }

    /// Its images in words, to follow the name of the metric: ` of the test images`; empty for those of all splits.
    pub fn of_images(&self) -> String {
        self.split.map(|split| format!(" of the {} images", split.in_words())).unwrap_or_default()
    }

    /// Its settings on one line: `samples=5000 seed=0`.
    pub fn settings_text(&self) -> String {
        let settings = self.settings.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
        settings.map(|(name, value)| format!("{name}={}", value_text(Some(value)))).collect::<Vec<_>>().join(" ")
    }
}

/// A metric that was measured, or why it was not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Evaluated {
    /// What determines its values.
    #[serde(flatten)]
    pub recipe: Recipe,
    /// The version of vaex that measured it.
    pub version: String,
    /// Wall time in seconds, over all processes that measured it.
    pub seconds: f64,
    /// Time at which it was measured, in seconds since 1970.
    #[serde(default)]
    pub ended: f64,
    /// Its values, by the names of the columns of trials.parquet; null where undefined.
    pub values: BTreeMap<String, serde_json::Value>,
    /// What else was found, such as the matrix that a score was computed from.
    pub details: serde_json::Value,
    /// Why it has no values; null if it has.
    pub refused: Option<String>,
}

impl Evaluation {
    /// Reads the evaluation of a trial; `None` if there is none.
    ///
    /// # Errors
    /// The file cannot be read, or is damaged.
    pub fn read(folder: &TrialFolder) -> Result<Option<Evaluation>, FileError> {
        read(&folder.evaluation())
    }

    /// Writes it atomically, with its checksum.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, folder: &TrialFolder) -> Result<(), FileError> {
        write(&folder.evaluation(), &Evaluation { checksum: BLANK_SEAL.to_owned(), ..self.clone() })
    }

    /// The result with this recipe.
    pub fn find(&self, recipe: &Recipe) -> Option<&Evaluated> {
        self.results.iter().find(|one| one.recipe == *recipe)
    }

    /// A warning, if a result with this recipe will replace one with other settings.
    pub fn replaced(&self, recipe: &Recipe) -> Option<String> {
        let is_same = |one: &Recipe| {
            (&one.metric, one.split, &one.weights, &one.data)
                == (&recipe.metric, recipe.split, &recipe.weights, &recipe.data)
        };
        let old = self.results.iter().find(|one| is_same(&one.recipe) && one.refused.is_none())?;
        (old.recipe.settings != recipe.settings).then(|| {
            format!(
                "{}{} was measured with {} before; measuring it with {} replaces that",
                recipe.metric,
                recipe.of_images(),
                old.recipe.settings_text(),
                recipe.settings_text()
            )
        })
    }

    /// Adds a result. It replaces those of the same metric and split.
    pub fn set(&mut self, result: Evaluated) {
        let is_same =
            |one: &Evaluated| (&one.recipe.metric, one.recipe.split) == (&result.recipe.metric, result.recipe.split);
        match self.results.iter_mut().find(|one| is_same(one)) {
            Some(old) => *old = result,
            None => self.results.push(result),
        }
    }

    /// The value of a column; `None` if it was not measured.
    pub fn value(&self, column: &str) -> Option<&serde_json::Value> {
        self.results.iter().find_map(|result| result.values.get(column)).filter(|value| !value.is_null())
    }

    /// The number of a column; `None` if it was not measured or is not a number.
    pub fn number(&self, column: &str) -> Option<f64> {
        self.value(column)?.as_f64()
    }
}

/// The numbers of a metric that is not finished.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Unfinished {
    /// SHA-256 of the file.
    checksum: String,
    #[serde(flatten)]
    recipe: Recipe,
    /// Seconds spent on them.
    pub seconds: f64,
    /// Numbers of a row.
    pub width: usize,
    /// The bits of the numbers, because JSON has no NaN.
    bits: Vec<u64>,
}

impl Unfinished {
    /// The numbers of a metric so far.
    pub fn new(recipe: &Recipe, seconds: f64, width: usize, values: &[f64]) -> Unfinished {
        let bits = values.iter().map(|value| value.to_bits()).collect();
        Unfinished { checksum: BLANK_SEAL.to_owned(), recipe: recipe.clone(), seconds, width, bits }
    }

    /// Reads those of a recipe; `None` if there are none, or if the file is damaged: then they are computed again.
    pub fn read(folder: &TrialFolder, recipe: &Recipe) -> Option<Unfinished> {
        let found: Option<Unfinished> = read(&folder.unfinished_evaluation()).ok()?;
        found.filter(|found| found.recipe == *recipe)
    }

    /// Writes them atomically.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, folder: &TrialFolder) -> Result<(), FileError> {
        write(&folder.unfinished_evaluation(), self)
    }

    /// The numbers.
    pub fn values(&self) -> Vec<f64> {
        self.bits.iter().map(|bits| f64::from_bits(*bits)).collect()
    }
}

/// Reads a sealed JSON file; `None` if there is none.
fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, FileError> {
    let bytes = match std::fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        bytes => bytes.map_err(FileError::at("read", path))?,
    };
    if !SealPlace::First.holds(&bytes) {
        return Err(folder::damaged(path));
    }
    serde_json::from_slice(&bytes).map_err(io::Error::from).map_err(FileError::at("read", path)).map(Some)
}

/// Writes a JSON file with a blank seal, sealed.
fn write(path: &Path, content: &impl Serialize) -> Result<(), FileError> {
    let bytes = || -> io::Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec_pretty(content)?;
        SealPlace::First.seal(&mut bytes)?;
        Ok(bytes)
    };
    write_whole(path, &bytes().map_err(FileError::at("write", path))?)
}
