//! The results of earlier runs, classified before a run starts.

use super::cluster::Task;
use super::prospect::Earlier;
use super::{Changes, LaunchError, Options, RunEvent, Summary, lock};
use crate::folder::TrialFolder;
use crate::plan::Trial;
use crate::record::trial::TrialRecord;
use crate::trial;

/// The results of earlier runs, and what to print about them before a run starts.
#[derive(Default)]
pub(super) struct Found<'p> {
    pub(super) changes: Option<Changes>,
    pub(super) warnings: Vec<String>,
    /// Messages about damaged files of earlier runs.
    pub(super) damaged: Vec<String>,
    /// Trials that are done.
    pub(super) kept: Vec<&'p Trial>,
    /// Trials that are queued or running in a scheduler.
    pub(super) submitted: Vec<(&'p Trial, Task)>,
    /// Trials that failed in an earlier run, by themselves, and are not retried.
    pub(super) failed: Vec<(&'p Trial, Box<TrialRecord>)>,
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
        let earlier = Earlier::of(&folder, trial, options)?;
        let is_trained = matches!(earlier, Earlier::Unevaluated(_));
        let record = match earlier {
            Earlier::Done(mut record) | Earlier::Unevaluated(mut record) => {
                // A run may have been killed while it wrote the record of a trial that had just finished. An evaluation that
                // is running has temporary files of its own.
                if lock::holder(folder.path())?.is_none() {
                    folder.remove_leftovers()?;
                    folder.remove_checkpoints()?;
                }
                if trial::update(&folder, trial, &mut record)? {
                    let path = folder.spec();
                    self.damaged.push(format!("{} is damaged or missing; it was written again", path.display()));
                }
                if !is_trained {
                    self.kept.push(trial);
                    return Ok(None);
                }
                Some(record)
            }
            Earlier::Failed(record) => {
                folder.remove_leftovers()?;
                // The status may have been corrected.
                if TrialRecord::read(&folder)?.status != record.status {
                    record.write(&folder)?;
                }
                self.failed.push((trial, record));
                return Ok(None);
            }
            Earlier::Unfinished(record) => record,
            Earlier::Damaged(record, fault) => {
                self.damaged.push(fault);
                record
            }
        };
        Ok(Some(Unfinished { is_trained, trial, folder, record }))
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
