//! One trial in training: starts or resumes it, trains epoch by epoch, and passes events to the writers.

use super::event::{finite, finite_loss};
use super::record::not_finite;
use super::resume::{Beginning, resume};
use super::writers::{TrainingEvent, Writer, writers};
use super::{Event, Run, TrialError};
use crate::metrics::Row;
use crate::plan::Trial;
use crate::record::checkpoint::History;
use crate::record::event_log::EventLog;
use crate::record::trial::TrialRecord;
use crate::train::{EpochEnd, Execute, Progress, Trainer};
use std::time::{Duration, Instant};

/// How training ended.
pub(super) enum Outcome {
    Done,
    Diverged(String),
    Interrupted,
}

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

    /// Trains to the end, or until `Run::stop` is set.
    pub(super) fn train(mut self) -> Result<Outcome, TrialError> {
        self.tell(&TrainingEvent::Started)?;
        // Version 0.1.0 continued after such rows.
        if let Some(what) = self.past.rows.iter().find(|row| !row.is_finite()).map(not_finite) {
            return self.diverged(Vec::new(), &what);
        }
        let epochs = self.trial.spec().train.epochs;
        if self.trainer.epoch() == epochs {
            self.tell(&TrainingEvent::Recovered)?;
        }
        // The first step is reported at once, so that users see that training runs.
        let mut last: Option<Instant> = None;
        while self.trainer.epoch() < epochs {
            let emit = &mut self.run.emit;
            let mut progress = |progress: Progress| {
                if last.is_none_or(|last| last.elapsed() > Duration::from_millis(100)) {
                    last = Some(Instant::now());
                    let Progress { epoch, step, loss, images_per_second } = progress;
                    emit(Event::Progress { epoch, step, loss: finite(loss), images_per_second });
                }
            };
            match self.trainer.train_epoch(self.run.stop, &mut progress)? {
                EpochEnd::Interrupted => {
                    self.tell(&TrainingEvent::Paused)?;
                    return Ok(Outcome::Interrupted);
                }
                EpochEnd::Pause => self.tell(&TrainingEvent::Paused)?,
                EpochEnd::Diverged(metrics) => {
                    let what = if finite_loss(&metrics).is_some() { "gradient" } else { "loss" };
                    let (step, epoch) = (metrics.step + 1, metrics.epoch);
                    let what = format!("the training {what} is not finite at step {step} (epoch {epoch})");
                    return self.diverged(vec![metrics], &what);
                }
                EpochEnd::Finished(metrics) => {
                    let validation = self.trainer.validate()?;
                    // The last step can have a finite loss, but leave weights that are not finite.
                    let fault = [&metrics, &validation].into_iter().find(|row| !row.is_finite()).map(not_finite);
                    if let Some(what) = fault {
                        return self.diverged(vec![metrics, validation], &what);
                    }
                    self.past.rows.extend([metrics.clone(), validation.clone()]);
                    self.tell(&TrainingEvent::Epoch { train: &metrics, validation: &validation })?;
                }
            }
        }
        self.tell(&TrainingEvent::Finished)?;
        Ok(Outcome::Done)
    }

    /// Ends training because something is not finite: `what`. `rows` are the rows of the last epoch.
    fn diverged(&mut self, rows: Vec<Row>, what: &str) -> Result<Outcome, TrialError> {
        self.past.rows.extend(rows.iter().cloned());
        self.tell(&TrainingEvent::Diverged { rows: &rows })?;
        Ok(Outcome::Diverged(format!("{what}; {}", self.trial.spec().diverged_advice())))
    }

    fn tell(&mut self, event: &TrainingEvent<'_>) -> Result<(), TrialError> {
        writers::<B>().into_iter().try_for_each(|writer: &dyn Writer<B>| writer.on(event, self))
    }
}
