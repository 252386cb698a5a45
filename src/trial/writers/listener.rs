//! Tells whoever started the trial what happens in it.

use super::{TrainingEvent, Writer};
use crate::train::{Position, Spread};
use crate::trial::event::finite;
use crate::trial::session::Session;
use crate::trial::{Event, TrialError, named_metrics};

/// The run's listener.
pub(super) struct Listener;

impl<B: Spread> Writer<B> for Listener {
    fn on(&self, event: &TrainingEvent<'_>, session: &mut Session<'_, '_, B>) -> Result<(), TrialError> {
        match *event {
            TrainingEvent::Started => {
                let Position { epoch: epochs_done, steps: steps_done, .. } = session.trainer.position();
                let (epochs, steps) = (session.trial.spec().train.epochs, session.trial.steps());
                let note = session.note.take();
                (session.run.emit)(Event::Started { epochs_done, steps_done, epochs, steps, note });
            }
            TrainingEvent::Epoch { train, validation } => (session.run.emit)(Event::Epoch {
                epoch: train.epoch,
                step: train.step,
                loss: finite(train.loss),
                validation_loss: finite(validation.loss),
                metrics: named_metrics([train, validation]),
                images_per_second: train.images_per_second,
            }),
            _ => {}
        }
        Ok(())
    }
}
