//! Trains a trial epoch by epoch, and passes events to the writers.

use super::event::{finite, finite_loss};
use super::record::not_finite;
use super::saving::Saving;
use super::session::Session;
use super::writers::{TrainingEvent, Writer, writers};
use super::{Event, TrialError};
use crate::language::PictureEpochs;
use crate::metrics::Row;
use crate::record::checkpoint::Best;
use crate::train::{EpochEnd, Execute, Keep, Progress};
use std::time::{Duration, Instant};

/// How training ended.
pub(super) enum Outcome {
    Done {
        /// The epoch whose weights the trial has.
        kept_epoch: u64,
        /// The epoch after which `train.patience` ended training.
        stopped_after: Option<u64>,
    },
    Diverged(String),
    Interrupted,
    /// It has reached the epoch after which it pauses.
    Paused,
}

impl<B: Execute> Session<'_, '_, B> {
    /// Trains to the end, until `Run::stop` is set, or until the epoch `Run::until` is done.
    pub(super) fn train(mut self) -> Result<Outcome, TrialError> {
        self.tell(&TrainingEvent::Started)?;
        // Version 0.1.0 continued after such rows.
        if let Some(what) = self.past.rows.iter().find(|row| !row.is_finite()).map(not_finite) {
            return self.diverged(Vec::new(), &what);
        }
        if self.is_at_end() {
            self.tell(&TrainingEvent::Recovered)?;
        }
        // The first step is reported at once, so that users see that training runs.
        let (mut last, mut has_trained) = (None::<Instant>, false);
        while !self.is_at_end() {
            if self.run.until.is_some_and(|until| self.trainer.epoch() >= until) {
                match has_trained || !self.run.folder.has_progress()? {
                    true => self.save()?,
                    // Tables that are missing are written again from its checkpoint.
                    false => self.tell(&TrainingEvent::Recovered)?,
                }
                return Ok(Outcome::Paused);
            }
            let (emit, saving) = (&mut self.run.emit, &self.saving);
            let mut progress = |progress: Progress| {
                if last.is_none_or(|last| last.elapsed() > Duration::from_millis(100)) {
                    last = Some(Instant::now());
                    let Progress { epoch, step, loss, images_per_second } = progress;
                    let images_per_second = finite(images_per_second);
                    emit(Event::Progress { epoch, step, loss: finite(loss), images_per_second });
                }
                saving.is_due()
            };
            match self.trainer.train_epoch(self.run.stop, &mut progress)? {
                EpochEnd::Interrupted => {
                    self.save()?;
                    return Ok(Outcome::Interrupted);
                }
                EpochEnd::Pause => self.save()?,
                EpochEnd::Diverged(metrics) => {
                    let what = if finite_loss(&metrics).is_some() { "gradient" } else { "loss" };
                    let (step, epoch) = (metrics.step + 1, metrics.epoch);
                    let what = format!("the training {what} is not finite at step {step} (epoch {epoch})");
                    return self.diverged(vec![metrics], &what);
                }
                EpochEnd::Finished(metrics) => {
                    has_trained = true;
                    let validation = self.trainer.validate()?;
                    // The last step can have a finite loss, but leave weights that are not finite.
                    let rows: Vec<Row> = [metrics].into_iter().chain(validation).collect();
                    if let Some(what) = rows.iter().find(|row| !row.is_finite()).map(not_finite) {
                        return self.diverged(rows, &what);
                    }
                    self.past.rows.extend(rows.iter().cloned());
                    self.best.add(&self.past.rows);
                    self.keep_best()?;
                    let (draws, start) = (self.draws(), Instant::now());
                    self.tell(&TrainingEvent::Epoch { train: &rows[0], validation: rows.get(1), draws })?;
                    if draws {
                        self.drawing.add(start);
                    }
                    if !self.is_at_end() && (self.saving.is_due() || self.trainer.is_after_checkpoint_steps()) {
                        self.save()?;
                    }
                }
            }
        }
        if let Some(best) = self.past.best.clone().filter(|best| best.epoch < self.trainer.epoch()) {
            let last = self.trainer.weights()?;
            self.trainer.set_weights(&best.weights);
            self.tell(&TrainingEvent::BestRestored)?;
            self.trainer.set_weights(&last);
        }
        // A process that is killed before the record of the finished trial must not lose its time.
        self.record.seconds = self.clock.seconds();
        self.record.write_unsynced(self.run.folder)?;
        self.tell(&TrainingEvent::Finished)?;
        let (kept_epoch, last) = (self.kept_epoch(), self.trainer.epoch());
        self.record.set_rows(self.past.rows.iter().filter(|row| [kept_epoch, last].contains(&row.epoch)));
        let stopped_after = (last < self.trial.spec().train.epochs).then_some(last);
        if let (Some(epoch), Some(best_epoch)) = (stopped_after, self.best.epoch()) {
            (self.run.emit)(Event::Exhausted { epoch, best_epoch });
        }
        Ok(Outcome::Done { kept_epoch, stopped_after })
    }

    /// Whether pictures are drawn after this epoch: after the last one, after those that the spec names, and by default after
    /// epochs 1, 2, 4, 8, ..., if there is time.
    fn draws(&self) -> bool {
        let pictures = self.trial.spec().log.pictures;
        let is_affordable = || matches!(pictures, PictureEpochs::Every(_)) || self.drawing.is_affordable();
        self.is_at_end() || pictures.contain(self.trainer.epoch()) && is_affordable()
    }

    /// Saves what was computed, so that another process can resume.
    fn save(&mut self) -> Result<(), TrialError> {
        let (saving, result) = Saving::measure(|| self.tell(&TrainingEvent::Save));
        self.saving = saving;
        result
    }

    /// Whether no epoch is left, or `train.patience` ends training.
    pub(super) fn is_at_end(&self) -> bool {
        let settings = &self.trial.spec().train;
        self.trainer.epoch() >= settings.epochs
            || settings.patience.is_some_and(|patience| self.best.is_exhausted(patience))
    }

    /// Keeps the present weights if they are those of the best epoch and the trial keeps them.
    pub(super) fn keep_best(&mut self) -> Result<(), TrialError> {
        if self.trial.spec().train.keep == Keep::Last {
            return Ok(());
        }
        let position = self.trainer.position();
        if self.best.epoch().is_some_and(|epoch| position.is_end_of(epoch)) {
            self.past.best = Some(Best { epoch: position.epoch, weights: self.trainer.weights()? });
        }
        Ok(())
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
