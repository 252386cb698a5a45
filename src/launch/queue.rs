//! The source of trials of a launch.

use super::lock::{self, Lock};
use super::{LaunchError, SearchEvent};
use crate::folder::{FileError, TrialFolder, exists};
use crate::plan::Trial;
use crate::record::trial::{Status, TrialRecord};
use crate::trial;
use std::borrow::Cow;
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

/// How long the lock of old results is waited for: other trials wait meanwhile.
const LOCK_PATIENCE: Duration = Duration::from_millis(100);

/// A trial that waits to be trained.
pub struct Waiting<'p> {
    /// The trial: from the plan, or proposed during the run.
    pub trial: Cow<'p, Trial>,
    /// Its folder.
    pub folder: TrialFolder,
    /// The initial record, if the folder must first be emptied; `None` if the folder is ready.
    pub fresh_record: Option<Box<TrialRecord>>,
    /// The id of the trial that it continues, if that trial is trained in this launch too.
    pub after: Option<String>,
    /// The epoch after which it pauses; `None` to train it to the end.
    pub until: Option<u64>,
}

impl Waiting<'_> {
    /// Locks old results that will be removed: an evaluation may have started since the run was prepared.
    ///
    /// # Errors
    /// Another process uses them.
    pub(super) fn lock_results(&self) -> Result<Option<Lock>, LaunchError> {
        let path = self.folder.path();
        let is_removed = self.fresh_record.is_some() && exists(path)?;
        is_removed.then(|| lock::take(path, LOCK_PATIENCE)).transpose()
    }

    /// Prepares the folder. Only now are the old results of a trial removed that is trained again with --fresh; the caller has
    /// locked them.
    ///
    /// # Errors
    /// The folder cannot be emptied or written.
    pub(super) fn prepare_folder(&mut self) -> Result<(), FileError> {
        let Some(record) = self.fresh_record.take() else { return Ok(()) };
        let path = self.folder.path();
        if exists(path)? {
            std::fs::remove_dir_all(path).map_err(FileError::at("remove the folder", path))?;
        }
        trial::prepare(&self.folder, &self.trial, &record)
    }
}

/// A source of trials. A launch requests a trial whenever another one can run, and reports how each trial ended, so that
/// later proposals can depend on earlier results.
pub trait Proposer<'p> {
    /// The next trial; `None` if a running trial must end first, or if no trial is left.
    fn propose(&mut self) -> Option<Waiting<'p>>;

    /// Receives the status with which a proposed trial ended.
    fn ended(&mut self, trial: &Trial, status: Status);

    /// Receives that a proposed trial was handed to a scheduler: it is trained elsewhere.
    fn handed_over(&mut self, trial: &Trial) {
        self.ended(trial, Status::Planned);
    }

    /// The maximum number of trials that it will still propose. If it is not 0 and no trial is running, `propose` returns one.
    fn left(&self) -> usize;

    /// Whether the next call of `propose` may return a trial although the last one returned none and no trial has ended since.
    fn is_at_work(&self) -> bool {
        false
    }

    /// Makes it propose no further trials.
    fn stop(&mut self);

    /// What has happened since the last call, apart from its trials.
    fn take_events(&mut self) -> Vec<SearchEvent> {
        Vec::new()
    }
}

/// A fixed list of trials, of which some continue others.
#[derive(Default)]
pub(super) struct ListedTrials<'p> {
    waiting: VecDeque<Waiting<'p>>,
    /// The ids of those that have not ended.
    pending: BTreeSet<String>,
}

impl<'p> FromIterator<Waiting<'p>> for ListedTrials<'p> {
    fn from_iter<I: IntoIterator<Item = Waiting<'p>>>(trials: I) -> Self {
        let waiting: VecDeque<Waiting<'p>> = trials.into_iter().collect();
        let pending = waiting.iter().map(|waiting| waiting.trial.id().to_owned()).collect();
        ListedTrials { waiting, pending }
    }
}

impl<'p> Proposer<'p> for ListedTrials<'p> {
    fn propose(&mut self) -> Option<Waiting<'p>> {
        let is_ready = |one: &Waiting<'p>| one.after.as_ref().is_none_or(|after| !self.pending.contains(after));
        let index = self.waiting.iter().position(is_ready)?;
        self.waiting.remove(index)
    }

    fn ended(&mut self, trial: &Trial, _: Status) {
        self.pending.remove(trial.id());
    }

    fn left(&self) -> usize {
        self.waiting.len()
    }

    fn stop(&mut self) {
        self.waiting.clear();
    }
}
