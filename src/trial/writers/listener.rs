//! Reports the events of a trial to its caller.

use super::{TrainingEvent, Writer};
use crate::metrics::named;
use crate::train::measure::IMAGES_PER_SECOND;
use crate::train::{Execute, Position};
use crate::trial::event::{finite, finite_loss};
use crate::trial::session::Session;
use crate::trial::{Event, TrialError};

/// Calls `Run::emit`.
pub(super) struct Listener;

impl<B: Execute> Writer<B> for Listener {
    fn on(&self, event: &TrainingEvent<'_>, session: &mut Session<'_, '_, B>) -> Result<(), TrialError> {
        match *event {
            TrainingEvent::Started => {
                let Position { epoch: epochs_done, steps: steps_done, .. } = session.trainer.position();
                let (epochs, steps) = (session.trial.spec().train.epochs, session.trial.steps());
                let (continued, note) = (session.continued.take(), session.note.take());
                (session.run.emit)(Event::Started { epochs_done, steps_done, epochs, steps, continued, note });
            }
            TrainingEvent::Epoch { train, validation, .. } => (session.run.emit)(Event::Epoch {
                epoch: train.epoch,
                step: train.step,
                loss: finite_loss(train),
                validation_loss: validation.and_then(finite_loss),
                metrics: named([train].into_iter().chain(validation)),
                images_per_second: train.get(IMAGES_PER_SECOND).and_then(finite),
            }),
            _ => {}
        }
        Ok(())
    }
}
