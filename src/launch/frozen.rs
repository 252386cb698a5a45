//! plan.json, the frozen plan: what was asked for, resolved. It tells a later run what changed.

use crate::files::{self, BLANK_SEAL, FileError, SealPlace, write_whole};
use crate::plan::Plan;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::io::{self, ErrorKind};
use std::path::Path;

/// Name of the file in an experiment's folder.
pub const PLAN_FILE: &str = "plan.json";

/// How a plan differs from the one that its folder had before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Trials that are new.
    pub added: usize,
    /// Trials that were asked for before too.
    pub kept: usize,
    /// Ids of trials that are no longer asked for; their folders stay.
    pub dropped: Vec<String>,
    /// The version of vaex that the plan before is of, if it is another one.
    pub version: Option<String>,
}

/// The content of plan.json.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Frozen {
    /// SHA-256 of the file, taken with zeros in its place.
    checksum: String,
    /// The experiment's name.
    pub name: String,
    /// Version of vaex that planned it.
    version: String,
    /// The dotted keys that vary.
    pub varied: Vec<String>,
    /// The trials, in the order of the sweep.
    pub trials: Vec<FrozenTrial>,
}

/// A trial in plan.json.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct FrozenTrial {
    /// Its id.
    #[serde(rename = "trial")]
    pub id: String,
    /// Its resolved spec.
    spec: serde_json::Value,
}

impl FrozenTrial {
    /// The value of a dotted key in its spec; `None` if it has no such key.
    pub fn value(&self, key: &str) -> Option<&serde_json::Value> {
        key.split('.').try_fold(&self.spec, |table, part| table.get(part)).filter(|value| !value.is_null())
    }
}

impl Frozen {
    /// Reads an experiment's plan.
    ///
    /// # Errors
    /// The file cannot be read, is damaged, or holds something else.
    pub fn read(experiment: &Path) -> Result<Frozen, FileError> {
        let path = experiment.join(PLAN_FILE);
        let bytes = std::fs::read(&path).map_err(FileError::at("read", &path))?;
        if !SealPlace::First.holds(&bytes) {
            return Err(files::damaged(&path));
        }
        serde_json::from_slice(&bytes).map_err(io::Error::from).map_err(FileError::at("read", &path))
    }
}

/// How the plan differs from the frozen one; nothing where there is none, or both have the same trials.
///
/// # Errors
/// There is one that cannot be read.
pub(super) fn changes(plan: &Plan, experiment: &Path) -> Result<Option<Changes>, FileError> {
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
pub(super) fn freeze(plan: &Plan, experiment: &Path) -> Result<(), FileError> {
    let path = experiment.join(PLAN_FILE);
    let trial = |trial: &crate::plan::Trial| Ok(FrozenTrial { id: trial.id().to_owned(), spec: trial.spec().tables() });
    let bytes = || -> io::Result<Vec<u8>> {
        let frozen = Frozen {
            checksum: BLANK_SEAL.to_owned(),
            name: plan.name().to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            varied: plan.varied().to_vec(),
            trials: plan.trials().iter().map(trial).collect::<io::Result<_>>()?,
        };
        Ok(serde_json::to_vec_pretty(&frozen)?)
    };
    let mut bytes = bytes().map_err(FileError::at("write", &path))?;
    SealPlace::First.seal(&mut bytes);
    write_whole(&path, &bytes)
}
