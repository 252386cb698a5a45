//! plan.json, the frozen plan: the resolved trials of the last run. The next run compares its plan with it.

use crate::folder::{self, BLANK_SEAL, ExperimentFolder, FileError, SealPlace, write_whole};
use crate::plan::{Expected, Plan};
use crate::settings::as_json;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};

/// The differences between a plan and the plan of the last run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Number of new trials.
    pub added: usize,
    /// Number of trials that are in both plans.
    pub kept: usize,
    /// Ids of trials that are no longer in the plan; their folders are kept.
    pub dropped: Vec<String>,
    /// The version of vaex that wrote the last plan; `None` if it is this version.
    pub version: Option<String>,
}

/// The content of plan.json.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Frozen {
    /// SHA-256 of the file, computed with zeros in place of this value.
    checksum: String,
    /// The experiment's name.
    pub name: String,
    /// Version of vaex that wrote the plan.
    version: String,
    /// The varied keys, by their dotted names.
    pub varied: Vec<String>,
    /// The trials, in the order of the sweep.
    pub trials: Vec<FrozenTrial>,
    /// What the experiment is expected to give; absent in plans of earlier versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expect: Vec<FrozenExpectation>,
}

/// The mean of a metric over the seeds of a setting, as it is expected, in plan.json.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FrozenExpectation {
    /// The metric: a column of trials.parquet, or with `epoch` a metric of epochs with its split.
    pub metric: String,
    /// The epoch; null if the metric is a column of trials.parquet.
    pub epoch: Option<u64>,
    /// The expected value.
    pub value: f64,
    /// The largest difference from it.
    pub within: f64,
    /// The values of the setting that the spec names, by dotted key.
    #[serde(rename = "where")]
    pub keys: BTreeMap<String, serde_json::Value>,
    /// Where the value was published.
    pub source: Option<String>,
    /// The ids of the trials of the setting.
    pub trials: Vec<String>,
}

impl FrozenExpectation {
    /// An expectation of a plan.
    pub fn new(Expected { expectation, trials }: &Expected) -> FrozenExpectation {
        FrozenExpectation {
            metric: expectation.metric.clone(),
            epoch: expectation.epoch,
            value: expectation.value,
            within: expectation.within,
            keys: expectation.keys.iter().map(|(key, value)| (key.clone(), as_json(value))).collect(),
            source: expectation.source.clone(),
            trials: trials.clone(),
        }
    }
}

/// A trial in plan.json.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct FrozenTrial {
    /// Id of the trial.
    #[serde(rename = "trial")]
    pub id: String,
    /// Resolved spec of the trial.
    spec: serde_json::Value,
}

impl FrozenTrial {
    /// The value of a dotted key in the trial's spec; `None` if absent.
    pub fn value(&self, key: &str) -> Option<&serde_json::Value> {
        key.split('.').try_fold(&self.spec, |table, part| table.get(part)).filter(|value| !value.is_null())
    }
}

impl Frozen {
    /// Reads the plan of an experiment.
    ///
    /// # Errors
    /// The file cannot be read, is damaged or is not a plan.
    pub fn read(experiment: &ExperimentFolder) -> Result<Frozen, FileError> {
        let path = experiment.plan();
        let bytes = std::fs::read(&path).map_err(FileError::at("read", &path))?;
        if !SealPlace::First.holds(&bytes) {
            return Err(folder::damaged(&path));
        }
        serde_json::from_slice(&bytes).map_err(io::Error::from).map_err(FileError::at("read", &path))
    }
}

/// The differences between the plan and the frozen plan; `None` if there is no frozen plan or both have the same trials.
///
/// # Errors
/// The frozen plan exists but cannot be read.
pub(super) fn changes(plan: &Plan, experiment: &ExperimentFolder) -> Result<Option<Changes>, FileError> {
    let before = match Frozen::read(experiment) {
        Err(error) if error.source.kind() == ErrorKind::NotFound => return Ok(None),
        before => before?,
    };
    let now: std::collections::BTreeSet<&str> = plan.trials().iter().map(|trial| trial.id()).collect();
    let (kept, dropped): (Vec<_>, Vec<_>) =
        before.trials.into_iter().map(|trial| trial.id).partition(|id| now.contains(&**id));
    let version = Some(before.version).filter(|version| version != env!("CARGO_PKG_VERSION"));
    let changes = Changes { added: now.len() - kept.len(), kept: kept.len(), dropped, version };
    Ok((changes.added > 0 || !changes.dropped.is_empty()).then_some(changes))
}

/// Writes plan.json.
pub(super) fn freeze(plan: &Plan, experiment: &ExperimentFolder) -> Result<(), FileError> {
    let path = experiment.plan();
    let trial = |trial: &crate::plan::Trial| Ok(FrozenTrial { id: trial.id().to_owned(), spec: trial.spec().tables() });
    let bytes = || -> io::Result<Vec<u8>> {
        let frozen = Frozen {
            checksum: BLANK_SEAL.to_owned(),
            name: plan.name().to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            varied: plan.varied().to_vec(),
            trials: plan.trials().iter().map(trial).collect::<io::Result<_>>()?,
            expect: plan.expected().iter().map(FrozenExpectation::new).collect(),
        };
        let mut bytes = serde_json::to_vec_pretty(&frozen)?;
        SealPlace::First.seal(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = bytes().map_err(FileError::at("write", &path))?;
    write_whole(&path, &bytes)
}
