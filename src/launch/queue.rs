//! Where a launch takes its trials from, one by one.

use crate::folder::{FileError, TrialFolder};
use crate::plan::Trial;
use crate::record::trial::{Status, TrialRecord};
use crate::trial;
use std::borrow::Cow;
use std::collections::VecDeque;

/// A trial that is to be trained.
pub struct Waiting<'p> {
    /// The trial: one of the plan, or one that was proposed since.
    pub trial: Cow<'p, Trial>,
    /// Its folder.
    pub folder: TrialFolder,
    /// The record to begin with, in an empty folder; `None` if the folder is ready.
    pub anew: Option<Box<TrialRecord>>,
}

impl Waiting<'_> {
    /// Makes the folder ready: what is in it of a trial that is to be trained anew is lost now, and no earlier.
    ///
    /// # Errors
    /// The folder cannot be emptied or written.
    pub(super) fn begin(&mut self) -> Result<(), FileError> {
        let Some(record) = self.anew.take() else { return Ok(()) };
        let path = self.folder.path();
        if path.exists() {
            std::fs::remove_dir_all(path).map_err(FileError::at("remove the folder", path))?;
        }
        trial::prepare(&self.folder, &self.trial, &record)
    }
}

/// A source of trials. A launch asks it for a trial whenever it has room for one, and tells it how each ended, so that it can
/// propose trials by the results of others.
pub trait Proposer<'p> {
    /// The next trial; `None` if there is none before a running one has ended, or none any more.
    fn propose(&mut self) -> Option<Waiting<'p>>;

    /// Takes note of how a proposed trial ended.
    fn ended(&mut self, trial: &Trial, status: Status);

    /// Trials that it will still propose, at most. Where that is not 0 and none is running, it has one to propose.
    fn left(&self) -> usize;

    /// Proposes none any more.
    fn stop(&mut self);
}

/// The trials of a plan's grid: known from the start, whatever the others come to.
#[derive(Default)]
pub(super) struct ListedTrials<'p>(VecDeque<Waiting<'p>>);

impl<'p> FromIterator<Waiting<'p>> for ListedTrials<'p> {
    fn from_iter<I: IntoIterator<Item = Waiting<'p>>>(trials: I) -> Self {
        ListedTrials(trials.into_iter().collect())
    }
}

impl<'p> Proposer<'p> for ListedTrials<'p> {
    fn propose(&mut self) -> Option<Waiting<'p>> {
        self.0.pop_front()
    }

    fn ended(&mut self, _: &Trial, _: Status) {}

    fn left(&self) -> usize {
        self.0.len()
    }

    fn stop(&mut self) {
        self.0.clear();
    }
}
