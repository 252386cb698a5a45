//! One trial in training: starts or resumes it.

use super::resume::{Beginning, Origin, resume};
use super::saving::{Drawing, Saving};
use super::{Run, TrialError};
use crate::plan::Trial;
use crate::record::checkpoint::History;
use crate::record::event_log::EventLog;
use crate::record::trial::{Continued, TrialRecord};
use crate::train::{BestEpoch, Execute, Trainer};
use std::cell::Cell;
use std::time::Instant;

/// The wall time of a trial, over all its processes.
pub(super) struct Clock {
    pub(super) begin: Instant,
    /// Seconds of earlier processes, and of the trial that this one continues.
    pub(super) earlier: Cell<f64>,
}

impl Clock {
    pub(super) fn seconds(&self) -> f64 {
        self.earlier.get() + self.begin.elapsed().as_secs_f64()
    }
}

/// A trial in training, and everything that the writers need.
pub(super) struct Session<'s, 'r, B: Execute> {
    pub(super) trial: &'s Trial,
    pub(super) clock: &'s Clock,
    pub(super) run: &'s mut Run<'r>,
    pub(super) record: &'s mut TrialRecord,
    pub(super) trainer: Trainer<B>,
    pub(super) past: History,
    /// The best epoch of `past`.
    pub(super) best: BestEpoch,
    pub(super) saving: Saving,
    pub(super) drawing: Drawing,
    pub(super) log: EventLog,
    /// Whether the event log only has the events of this process.
    pub(super) log_is_new: bool,
    /// The shorter trial whose state training begins with in this process.
    pub(super) continued: Option<Continued>,
    /// Problems with files of earlier processes.
    pub(super) note: Option<String>,
}

impl<'s, 'r, B: Execute> Session<'s, 'r, B> {
    /// Starts a trial, or resumes it from its checkpoint.
    pub(super) fn new(
        device: B::Device,
        trial: &'s Trial,
        clock: &'s Clock,
        run: &'s mut Run<'r>,
        record: &'s mut TrialRecord,
    ) -> Result<Self, TrialError> {
        run.folder.create_inner()?;
        run.folder.remove_leftovers()?;
        let mut trainer = Trainer::<B>::new(device, trial.training(), run.threads)?;
        let Beginning { past, log_is_new, note, origin } = resume(run.folder, trial, &mut trainer, record)?;
        let mut continued = None;
        match origin {
            Origin::Own => {}
            Origin::New => {
                record.continued = None;
                run.folder.remove_metrics()?;
            }
            Origin::Prefix(prefix) => {
                // Once, although a process may be killed before its first checkpoint.
                if record.continued.is_none() {
                    clock.earlier.update(|seconds| seconds + prefix.seconds);
                }
                continued = Some(Continued { trial: prefix.trial, epochs: trainer.epoch() });
                record.continued.clone_from(&continued);
                // Before the first checkpoint, after which this process cannot tell any more.
                record.seconds = clock.seconds();
                record.write(run.folder)?;
            }
        }
        let log = EventLog::open(run.folder, if log_is_new { 0 } else { trainer.position().steps });
        let (best, saving, drawing) = (BestEpoch::of(&past.rows), Saving::new(), Drawing::new());
        let mut session = Session {
            trial,
            clock,
            run,
            record,
            trainer,
            past,
            best,
            saving,
            drawing,
            log,
            log_is_new,
            continued,
            note,
        };
        session.keep_best()?;
        Ok(session)
    }

    /// The epoch whose weights the trial would have if it ended now.
    pub(super) fn kept_epoch(&self) -> u64 {
        self.past.best.as_ref().map_or(self.trainer.epoch(), |best| best.epoch)
    }
}
