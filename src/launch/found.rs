//! What earlier runs left of a plan's trials, sorted out before a run begins.

use super::cluster::Task;
use super::prospect::Earlier;
use super::{Changes, LaunchError, Options, RunEvent, Summary};
use crate::folder::TrialFolder;
use crate::plan::Trial;
use crate::record::trial::TrialRecord;
use crate::trial;

/// What there is to say before a run begins.
#[derive(Default)]
pub(super) struct Found<'p> {
    pub(super) changes: Option<Changes>,
    pub(super) warnings: Vec<String>,
    /// What is wrong with files of an earlier run.
    pub(super) damaged: Vec<String>,
    /// Trials that are done.
    pub(super) kept: Vec<&'p Trial>,
    /// Trials that are a scheduler's.
    pub(super) submitted: Vec<(&'p Trial, Task)>,
    /// Trials that failed by themselves.
    pub(super) failed: Vec<(&'p Trial, Box<TrialRecord>)>,
}

/// A trial that is to be trained, as earlier runs left it.
pub(super) struct Unfinished<'p> {
    pub(super) trial: &'p Trial,
    pub(super) folder: TrialFolder,
    pub(super) record: Option<Box<TrialRecord>>,
}

impl<'p> Found<'p> {
    /// Looks at what earlier runs left of a trial; `None` if nothing is to be trained.
    ///
    /// # Errors
    /// A file of the trial cannot be written.
    pub(super) fn sort_out(
        &mut self,
        trial: &'p Trial,
        folder: TrialFolder,
        options: &Options,
    ) -> Result<Option<Unfinished<'p>>, LaunchError> {
        let record = match Earlier::of(&folder, options) {
            Earlier::Done(mut record) => {
                // A run may have been killed while it noted that the trial's process was, which had just finished.
                folder.remove_leftovers()?;
                if trial::update(&folder, trial, &mut record)? {
                    let path = folder.spec();
                    self.damaged.push(format!("{} is damaged or missing; it is written again", path.display()));
                }
                self.kept.push(trial);
                return Ok(None);
            }
            Earlier::Failed(record) => {
                folder.remove_leftovers()?;
                // It may have been corrected.
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
        Ok(Some(Unfinished { trial, folder, record }))
    }

    /// Tells all of it, and counts it.
    pub(super) fn tell(&self, summary: &mut Summary, observe: &mut dyn FnMut(RunEvent<'_>)) {
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
