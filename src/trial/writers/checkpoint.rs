//! The checkpoint, from which another process can resume, and the previous one.

use super::{TrainingEvent, Writer};
use crate::folder::{FileError, exists};
use crate::record::checkpoint::write_checkpoint;
use crate::train::Execute;
use crate::trial::TrialError;
use crate::trial::session::Session;

/// checkpoint.safetensors; the existing one becomes checkpoint.previous.safetensors.
pub(super) struct Checkpoint;

impl<B: Execute> Writer<B> for Checkpoint {
    fn on(&self, event: &TrainingEvent<'_>, session: &mut Session<'_, '_, B>) -> Result<(), TrialError> {
        if !matches!(event, TrainingEvent::Save) {
            return Ok(());
        }
        session.past.log.extend(session.log.seal());
        let snapshot = session.trainer.snapshot()?;
        let (path, previous) = (session.run.folder.checkpoint(), session.run.folder.previous_checkpoint());
        if exists(&path)? {
            // A hard link, so that there is always a checkpoint, even if the disk is full. If the file system has no hard
            // links, the file is renamed, which replaces a previous checkpoint that could not be removed.
            let _ = std::fs::remove_file(&previous);
            if std::fs::hard_link(&path, &previous).is_err() {
                std::fs::rename(&path, &previous).map_err(FileError::at("rename", &path))?;
            }
        }
        Ok(write_checkpoint(&path, &snapshot, session.trial.id(), &session.past)?)
    }
}
