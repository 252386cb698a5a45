//! plan.json, the frozen plan: the resolved trials of the last run. The next run compares its plan with it.

use crate::folder::{self, BLANK_SEAL, ExperimentFolder, FileError, SealPlace, write_whole};
use crate::plan::{Expected, Plan, Proposed, Searching, Trial};
use crate::record::trial::Pruned;
use crate::search::{Axis, Outcome, Setting, Stop};
use crate::settings::as_json;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
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
    /// The search, with its proposals; absent without a search.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<FrozenSearch>,
}

/// The search in plan.json.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FrozenSearch {
    /// Hash of all that the proposals depend on, apart from results.
    hash: String,
    /// How settings are proposed: `tpe` or `random`.
    pub method: String,
    /// The metric of epochs that settings are compared by, with its split.
    pub metric: String,
    /// The number of settings; null if `hours` is given.
    pub trials: Option<u64>,
    /// The hours for which settings are proposed.
    pub hours: Option<f64>,
    /// The number of seeds of each setting.
    pub seeds: u64,
    /// The axes of the space.
    pub axes: Vec<Axis>,
    /// How settings are stopped early: `halving`, `asha`, `median` or `none`.
    pub stop: String,
    /// The epochs at which settings are compared; the last is the end.
    pub rungs: Vec<u64>,
    /// The epochs of all trials together, as far as they are known before; null if they depend on the time.
    pub epochs: Option<u64>,
    /// The seconds that proposing and training have taken so far.
    pub seconds: f64,
    /// The settings, in the order of their proposals.
    pub settings: Vec<FrozenSetting>,
    /// The numbers of the settings that were promoted from each rung, if `stop` is `asha`; in the order of their promotion.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub promoted: Vec<Vec<usize>>,
}

/// A setting that a search has proposed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FrozenSetting {
    /// Its values, by dotted key.
    pub values: BTreeMap<String, serde_json::Value>,
    /// Its place in the space: a number for each axis, null where it does not apply.
    pub place: Setting,
    /// Its proposal saw the results of this number of settings, the first ones.
    pub seen: u64,
    /// The result that later proposals saw; null if none has seen it yet.
    pub result: Option<FrozenResult>,
    /// Where it was stopped early; null if it was not.
    #[serde(default)]
    pub stopped: Option<Pruned>,
    /// The ids of its trials, one for each seed.
    pub trials: Vec<String>,
    /// Why it cannot be trained; null if it can.
    pub error: Option<String>,
}

/// The result of a setting, as the proposals of later settings saw it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FrozenResult {
    /// It had this value.
    Value(f64),
    /// It was stopped early.
    Pruned {
        /// The epochs until then.
        epochs: u64,
        /// Its value.
        value: f64,
    },
    /// It failed.
    Failed,
}

impl FrozenResult {
    /// An outcome, whose values are multiplied by `sign` so that lower ones are better.
    pub(super) fn of(outcome: Outcome, sign: f64) -> FrozenResult {
        match outcome {
            Outcome::Done(value) => FrozenResult::Value(sign * value),
            Outcome::Pruned { reached, value } => FrozenResult::Pruned { epochs: reached, value: sign * value },
            Outcome::Failed | Outcome::Pending => FrozenResult::Failed,
        }
    }

    pub(super) fn outcome(self, sign: f64) -> Outcome {
        match self {
            FrozenResult::Value(value) => Outcome::Done(sign * value),
            FrozenResult::Pruned { epochs, value } => Outcome::Pruned { reached: epochs, value: sign * value },
            FrozenResult::Failed => Outcome::Failed,
        }
    }
}

impl FrozenSetting {
    pub(super) fn new(proposed: &Proposed, seen: u64) -> FrozenSetting {
        FrozenSetting {
            values: proposed.values.clone(),
            place: proposed.setting.clone(),
            seen,
            result: None,
            stopped: None,
            trials: proposed.trials.iter().flatten().map(|trial| trial.id().to_owned()).collect(),
            error: proposed.trials.as_ref().err().cloned(),
        }
    }
}

impl FrozenSearch {
    /// A search without settings yet.
    pub(super) fn new(searching: &Searching) -> FrozenSearch {
        let rules = searching.rules();
        FrozenSearch {
            hash: searching.hash().to_owned(),
            method: rules.method.name().to_owned(),
            metric: searching.search().metric_name(),
            trials: rules.settings,
            hours: searching.search().hours,
            seeds: searching.seeds() as u64,
            axes: searching.space().into_vec(),
            stop: rules.stop.name().to_owned(),
            rungs: rules.rungs.clone(),
            epochs: None,
            seconds: 0.0,
            settings: Vec::new(),
            promoted: Vec::new(),
        }
    }

    /// Takes over how long the search is now.
    pub(super) fn describe(&mut self, searching: &Searching) {
        (self.trials, self.hours) = (searching.rules().settings, searching.search().hours);
        self.rungs.clone_from(&searching.rules().rungs);
        let are_equal = !searching.search().keys().any(|key| key == "train.epochs");
        // Of the others, results decide how many reach a rung.
        let is_exact = matches!(searching.rules().stop, Stop::Never | Stop::Halving { .. });
        self.epochs = searching
            .rules()
            .epochs()
            .filter(|_| are_equal && is_exact)
            .map(|epochs| epochs.saturating_mul(self.seeds));
    }
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
    // A search adds its trials one by one.
    let is_same = |before: &FrozenSearch| plan.search().is_some_and(|now| now.hash() == before.hash);
    if before.search.as_ref().is_some_and(is_same) {
        return Ok(None);
    }
    let now: BTreeSet<&str> = plan.trials().iter().map(|trial| trial.id()).collect();
    let (kept, dropped): (Vec<_>, Vec<_>) =
        before.trials.into_iter().map(|trial| trial.id).partition(|id| now.contains(&**id));
    let version = Some(before.version).filter(|version| version != env!("CARGO_PKG_VERSION"));
    let changes = Changes { added: now.len() - kept.len(), kept: kept.len(), dropped, version };
    Ok((changes.added > 0 || !changes.dropped.is_empty()).then_some(changes))
}

/// The search with this hash in plan.json; `None` if there is none, or the file cannot be read.
pub(super) fn search_of(experiment: &ExperimentFolder, hash: &str) -> Option<FrozenSearch> {
    Frozen::read(experiment).ok()?.search.filter(|search| search.hash == hash)
}

/// Writes plan.json.
pub(super) fn freeze(plan: &Plan, experiment: &ExperimentFolder) -> Result<(), FileError> {
    write(plan, plan.trials().iter(), None, experiment)
}

/// Writes plan.json of a search, with the trials of all its settings.
pub(super) fn freeze_search<'t>(
    plan: &Plan,
    trials: impl Iterator<Item = &'t Trial>,
    search: &FrozenSearch,
    experiment: &ExperimentFolder,
) -> Result<(), FileError> {
    // A trial may be of several settings.
    let mut known = BTreeSet::new();
    write(plan, trials.filter(|trial| known.insert(trial.id().to_owned())), Some(search), experiment)
}

fn write<'t>(
    plan: &Plan,
    trials: impl Iterator<Item = &'t Trial>,
    search: Option<&FrozenSearch>,
    experiment: &ExperimentFolder,
) -> Result<(), FileError> {
    let path = experiment.plan();
    let trial = |trial: &Trial| FrozenTrial { id: trial.id().to_owned(), spec: trial.spec().tables() };
    let bytes = move || -> io::Result<Vec<u8>> {
        let frozen = Frozen {
            checksum: BLANK_SEAL.to_owned(),
            name: plan.name().to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            varied: plan.varied().to_vec(),
            trials: trials.map(trial).collect(),
            expect: plan.expected().iter().map(FrozenExpectation::new).collect(),
            search: search.cloned(),
        };
        let mut bytes = serde_json::to_vec_pretty(&frozen)?;
        SealPlace::First.seal(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = bytes().map_err(FileError::at("write", &path))?;
    write_whole(&path, &bytes)
}
