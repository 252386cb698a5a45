//! What a run tells while it goes on, and how it ended.

use super::Changes;
use super::cluster::Task;
use crate::plan::Trial;
use crate::record::trial::TrialRecord;
use crate::trial::Event;

/// What happens while a plan runs.
#[derive(Debug)]
pub enum RunEvent<'a> {
    /// The plan is not the one that was run before.
    Changed(&'a Changes),
    /// A file of an earlier run is damaged, and is made again.
    Damaged(&'a str),
    /// Something to know about the run.
    Warning(&'a str),
    /// The trial was finished before and is not trained again.
    Kept(&'a Trial),
    /// A scheduler has the trial already.
    Submitted(&'a Trial, &'a Task),
    /// The trial failed before, by itself, and is not tried again.
    KeptFailed(&'a Trial, &'a TrialRecord),
    /// Something happened in a trial.
    Event(&'a Trial, &'a Event),
}

/// How the trials ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Trained to the end, now or before.
    pub done: usize,
    /// Failed or diverged.
    pub failed: usize,
    /// Of these, the ones that failed before and were not tried again.
    pub failed_before: usize,
    /// Of these, the ones that something from outside ended: a signal, a full disk.
    pub from_outside: usize,
    /// Stopped, or not started since the run was stopped.
    pub interrupted: usize,
    /// Whether the run was stopped because its disk takes nothing more.
    pub disk_is_full: bool,
}
