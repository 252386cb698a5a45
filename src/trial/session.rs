//! One trial in training: starts or resumes it.

use super::resume::{Beginning, resume};
use super::{Run, TrialError};
use crate::plan::Trial;
use crate::record::checkpoint::History;
use crate::record::event_log::EventLog;
use crate::record::trial::TrialRecord;
use crate::train::{Execute, Trainer};
use std::time::Instant;

/// The wall time of a trial, over all its processes.
#[derive(Clone, Copy)]
pub(super) struct Clock {
    pub(super) begin: Instant,
    /// Seconds of earlier processes.
    pub(super) earlier: f64,
}

impl Clock {
    pub(super) fn seconds(self) -> f64 {
        self.earlier + self.begin.elapsed().as_secs_f64()
    }
}

/// A trial in training, and everything that the writers need.
pub(super) struct Session<'s, 'r, B: Execute> {
    pub(super) trial: &'s Trial,
    pub(super) clock: Clock,
    pub(super) run: &'s mut Run<'r>,
    pub(super) record: &'s mut TrialRecord,
    pub(super) trainer: Trainer<B>,
    pub(super) past: History,
    pub(super) log: EventLog,
    /// Whether the event log only has the events of this process.
    pub(super) log_is_new: bool,
    /// Problems with files of earlier processes.
    pub(super) note: Option<String>,
}

impl<'s, 'r, B: Execute> Session<'s, 'r, B> {
    /// Starts a trial, or resumes it from its checkpoint.
    pub(super) fn new(
        device: B::Device,
        trial: &'s Trial,
        clock: Clock,
        run: &'s mut Run<'r>,
        record: &'s mut TrialRecord,
    ) -> Result<Self, TrialError> {
        run.folder.create_inner()?;
        run.folder.remove_leftovers()?;
        let mut trainer = Trainer::<B>::new(device, trial.training(), run.threads)?;
        let Beginning { past, log_is_new, note } = resume(run.folder, trial, &mut trainer)?;
        let log = EventLog::open(run.folder, if log_is_new { 0 } else { trainer.position().steps });
        Ok(Session { trial, clock, run, record, trainer, past, log, log_is_new, note })
    }
}
