//! The trained weights, and what is needed to train them for more epochs.

use super::{TrainingEvent, Writer};
use crate::folder::{TrialFolder, remove_if_present};
use crate::record::checkpoint::{write_model, write_state};
use crate::train::Execute;
use crate::trial::TrialError;
use crate::trial::session::Session;

/// model.safetensors, written when training is done, and state.safetensors. If the weights of an earlier epoch are kept,
/// model.last.safetensors has the last ones.
pub(super) struct ModelFile;

impl<B: Execute> Writer<B> for ModelFile {
    fn on(&self, event: &TrainingEvent<'_>, session: &mut Session<'_, '_, B>) -> Result<(), TrialError> {
        if let TrainingEvent::Finished = event {
            // The state has the seals of the event files, as a checkpoint has.
            let seal = session.log.seal();
            session.past.log.extend(seal);
            let (folder, trial, past) = (session.run.folder, session.trial, &session.past);
            let (spec, architecture, stored) = (trial.toml(), trial.architecture(), trial.dataset().stored);
            let snapshot = session.trainer.snapshot()?;
            let last = &snapshot.weights;
            let file = match past.best.as_ref().filter(|best| best.epoch < snapshot.position.epoch) {
                Some(best) => {
                    write_model(&folder.last_model(), last, &spec, architecture, stored)?;
                    write_model(&folder.model(), &best.weights, &spec, architecture, stored)?;
                    TrialFolder::LAST_MODEL
                }
                None => {
                    // An earlier training may have left one.
                    remove_if_present(&folder.last_model())?;
                    write_model(&folder.model(), last, &spec, architecture, stored)?;
                    TrialFolder::MODEL
                }
            };
            write_state(&folder.state(), &snapshot, trial.id(), past, file)?;
        }
        Ok(())
    }
}
