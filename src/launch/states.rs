//! How the trials of an experiment stand, from their folders and from the scheduler that they were given to.

use super::cluster::{self, Task};
use super::{Folders, Frozen, LaunchError, lock};
use crate::data::Split;
use crate::log::record::{Status, TrialRecord};
use crate::log::tables;
use crate::trial::names;
use std::collections::BTreeMap;
use std::path::Path;

/// Where a trial is, beyond what its record can know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// As the record says: it ended, or was not started.
    Recorded(Status),
    /// Waiting in the scheduler's queue.
    Queued,
    /// A process trains it.
    Running,
    /// It was training, and its process is gone without a word.
    Stopped,
    /// Its record is missing or cannot be read.
    Unknown,
}

impl Phase {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Recorded(status) => status.name(),
            Phase::Queued => "queued",
            Phase::Running => Status::Running.name(),
            Phase::Stopped => "stopped",
            Phase::Unknown => "unknown",
        }
    }

    /// Whether something is yet to come without anybody starting it.
    pub fn is_pending(self) -> bool {
        matches!(self, Phase::Queued | Phase::Running)
    }
}

/// How a trial stands.
#[derive(Clone, Debug)]
pub struct State {
    /// Its id.
    pub id: String,
    /// Where it is.
    pub phase: Phase,
    /// Its record, where it can be read.
    pub record: Option<TrialRecord>,
    /// Epochs that are done, and the validation loss of the last one.
    pub epoch: Option<(u64, f64)>,
    /// The scheduler's job and task that it is in.
    pub task: Option<Task>,
    /// What went wrong.
    pub error: Option<String>,
}

/// How the trials of an experiment's frozen plan stand, in its order.
///
/// # Errors
/// Slurm cannot be asked.
pub fn states(experiment: &Path, plan: &Frozen) -> Result<Vec<State>, LaunchError> {
    let mut tasks = cluster::active(experiment, &plan.name)?;
    let folders = Folders::of(experiment);
    Ok(plan.trials.iter().map(|trial| state(folders.find(&trial.id), &trial.id, &mut tasks)).collect())
}

/// Of a trial in its folder; it has none where it was left out so far.
fn state(folder: Option<&Path>, id: &str, tasks: &mut BTreeMap<String, Task>) -> State {
    let (record, error) = match folder.map(TrialRecord::read) {
        Some(Ok(record)) => (Some(record), None),
        None => (None, None),
        Some(Err(error)) => (None, Some(error.to_string())),
    };
    let task = tasks.remove(id);
    let status = record.as_ref().map(|record| record.status);
    let phase = match (status, &task) {
        (Some(status @ (Status::Done | Status::Failed | Status::Diverged)), _) => Phase::Recorded(status),
        (_, Some(task)) if !task.running => Phase::Queued,
        (_, Some(_)) => Phase::Running,
        (Some(Status::Running), None) if folder.and_then(lock::holder).is_some() => Phase::Running,
        (Some(Status::Running), None) => Phase::Stopped,
        (Some(status), None) => Phase::Recorded(status),
        (None, None) if error.is_none() => Phase::Recorded(Status::Planned),
        (None, None) => Phase::Unknown,
    };
    let rows = folder.and_then(|folder| tables::read_metrics(&folder.join(names::METRICS)).ok()).unwrap_or_default();
    let last = rows.iter().rfind(|row| row.split == Split::Validation);
    let epoch = last.map(|row| (row.epoch, row.loss));
    let error = error.or_else(|| record.as_ref()?.error.clone());
    State { id: id.to_owned(), phase, record, epoch, task, error }
}
