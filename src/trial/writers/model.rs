//! The trained weights.

use super::{TrainingEvent, Writer};
use crate::record::checkpoint::write_model;
use crate::train::Execute;
use crate::trial::TrialError;
use crate::trial::session::Session;

/// model.safetensors, written when training is done.
pub(super) struct ModelFile;

impl<B: Execute> Writer<B> for ModelFile {
    fn on(&self, event: &TrainingEvent<'_>, session: &mut Session<'_, '_, B>) -> Result<(), TrialError> {
        if let TrainingEvent::Finished = event {
            let (path, spec) = (session.run.folder.model(), session.trial.toml());
            let (architecture, stored) = (session.trial.architecture(), session.trial.dataset().stored);
            write_model(&path, &session.trainer.snapshot(), &spec, architecture, stored)?;
        }
        Ok(())
    }
}
