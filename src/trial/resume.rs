//! Resuming a trial: finds its last intact checkpoint, and checks that its event log is intact.

use super::TrialError;
use crate::folder::{FileError, TrialFolder, exists};
use crate::plan::Trial;
use crate::record::checkpoint::{CheckpointError, History, read_checkpoint};
use crate::record::tables;
use crate::train::{Execute, SnapshotError, Trainer};
use std::io::ErrorKind;
use std::path::Path;

/// The state that training starts with.
pub(super) struct Beginning {
    /// The results of earlier processes.
    pub(super) past: History,
    /// Whether the event log only has the events of this process.
    pub(super) log_is_new: bool,
    /// Problems with files of earlier processes.
    pub(super) note: Option<String>,
}

/// Restores the last intact checkpoint, if there is one; else training starts from scratch.
///
/// # Errors
/// A file cannot be read, or a damaged file cannot be removed.
pub(super) fn resume<B: Execute>(
    folder: &TrialFolder,
    trial: &Trial,
    trainer: &mut Trainer<B>,
) -> Result<Beginning, TrialError> {
    let (mut past, mut faults) = (History::default(), Vec::new());
    let table = has_epochs(folder);
    let saved = exists(&folder.previous_checkpoint())? || !matches!(table, Ok(false));
    for path in [folder.checkpoint(), folder.previous_checkpoint()] {
        if !exists(&path)? {
            if saved && path == folder.checkpoint() {
                faults.push(format!("cannot resume from {}: it is missing", path.display()));
            }
            continue;
        }
        match resume_from(&path, trainer, trial.id()) {
            Ok(earlier) => {
                past = earlier;
                break;
            }
            // The file may be intact, but cannot be read at this time.
            Err(CheckpointError::File(error)) => return Err(error.into()),
            Err(error) => {
                faults.push(format!("cannot resume from {error}"));
                // The next checkpoint must not overwrite the intact previous one with it.
                std::fs::remove_file(&path).map_err(FileError::at("remove", &path))?;
            }
        }
    }
    if let Err(error) = table {
        faults.push(format!("the table of metrics is written again: {error}"));
    }
    let mut damaged = past.log.iter().map(|(name, seal)| (folder.file(name), seal));
    if let Some((path, _)) = damaged.find(|(path, seal)| !seal.holds(path)) {
        let path = path.display();
        faults.push(format!("the event log is written again, without earlier pictures: {path} is damaged"));
        past.log.clear();
    }
    // TensorBoard would show the events of an earlier training together with the new ones.
    let log_is_new = past.log.is_empty();
    if log_is_new {
        folder.remove_events()?;
    }
    Ok(Beginning { past, log_is_new, note: (!faults.is_empty()).then(|| faults.join("; ")) })
}

/// Whether the table of metrics has the two rows of a finished epoch; the trial then has a checkpoint.
fn has_epochs(folder: &TrialFolder) -> Result<bool, FileError> {
    match tables::read_metrics(&folder.metrics()) {
        Ok(rows) => Ok(rows.len() > 1),
        Err(error) if error.source.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Restores a checkpoint; returns the trial's results until then.
fn resume_from<B: Execute>(path: &Path, trainer: &mut Trainer<B>, trial: &str) -> Result<History, CheckpointError> {
    let (snapshot, past) = read_checkpoint(path, trial)?;
    let misfit =
        |error: SnapshotError| CheckpointError::Content { path: path.to_path_buf(), reason: error.to_string() };
    trainer.restore(snapshot).map_err(misfit)?;
    Ok(past)
}
