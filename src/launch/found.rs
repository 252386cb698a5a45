//! The results of earlier runs, classified before a run starts.

use super::cluster::Task;
use super::inspect::{Inspected, inspect};
use super::{Changes, LaunchError, Options, RunEvent, Summary};
use crate::folder::TrialFolder;
use crate::plan::Trial;
use crate::record::trial::TrialRecord;
use std::borrow::Cow;

/// The results of earlier runs, and what to print about them before a run starts.
#[derive(Default)]
pub(super) struct Found<'p> {
    pub(super) changes: Option<Changes>,
    pub(super) warnings: Vec<String>,
    /// Messages about damaged files of earlier runs.
    pub(super) damaged: Vec<String>,
    /// Trials that are done.
    pub(super) kept: Vec<Cow<'p, Trial>>,
    /// Trials that are queued or running in a scheduler.
    pub(super) submitted: Vec<(Cow<'p, Trial>, Task)>,
    /// Trials that failed in an earlier run, by themselves, and are not retried.
    pub(super) failed: Vec<(Cow<'p, Trial>, Box<TrialRecord>)>,
}

/// A trial to train, with its folder and record of an earlier run.
pub(super) struct Unfinished<'p> {
    /// Whether it is trained, and only metrics are missing.
    pub(super) is_trained: bool,
    pub(super) trial: &'p Trial,
    pub(super) folder: TrialFolder,
    pub(super) record: Option<Box<TrialRecord>>,
}

impl<'p> Found<'p> {
    /// Classifies a trial by the results of earlier runs; `None` if it need not be trained.
    ///
    /// # Errors
    /// A file of the trial cannot be written.
    pub(super) fn classify(
        &mut self,
        trial: &'p Trial,
        folder: TrialFolder,
        options: &Options,
    ) -> Result<Option<Unfinished<'p>>, LaunchError> {
        let (inspected, damaged) = inspect(&folder, trial, options)?;
        self.damaged.extend(damaged);
        match inspected {
            Inspected::Kept => self.kept.push(Cow::Borrowed(trial)),
            Inspected::Failed(record) => self.failed.push((Cow::Borrowed(trial), record)),
            Inspected::Unfinished { is_trained, record } => {
                return Ok(Some(Unfinished { is_trained, trial, folder, record }));
            }
        }
        Ok(None)
    }

    /// Sends an event for each result, and counts the results.
    pub(super) fn report(&self, summary: &mut Summary, observe: &mut dyn FnMut(RunEvent<'_>)) {
        if let Some(changes) = &self.changes {
            observe(RunEvent::Changed(changes));
        }
        for warning in &self.warnings {
            observe(RunEvent::Warning(warning));
        }
        for fault in &self.damaged {
            observe(RunEvent::Damaged(fault));
        }
        for trial in &self.kept {
            summary.done += 1;
            observe(RunEvent::Kept(trial));
        }
        for (trial, task) in &self.submitted {
            observe(RunEvent::Submitted(trial, task));
        }
        for (trial, record) in &self.failed {
            summary.failed += 1;
            summary.failed_before += 1;
            observe(RunEvent::KeptFailed(trial, record));
        }
    }
}
