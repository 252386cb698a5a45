//! Finding out where a trial was: its last sound checkpoint, and whether its event log is still whole.

use super::TrialError;
use crate::folder::{FileError, TrialFolder};
use crate::plan::Trial;
use crate::record::checkpoint::{CheckpointError, History, read_checkpoint};
use crate::record::tables;
use crate::train::{Execute, SnapshotError, Trainer};
use std::io::ErrorKind;
use std::path::Path;

/// How a training begins.
pub(super) struct Beginning {
    /// What earlier processes have to show.
    pub(super) past: History,
    /// Whether the event log has nothing but what this process writes.
    pub(super) log_is_new: bool,
    /// What is wrong with files of earlier processes.
    pub(super) note: Option<String>,
}

/// Puts training where the last sound checkpoint left it, or leaves it at its start where there is none.
///
/// # Errors
/// A file cannot be read, or a damaged one not be removed.
pub(super) fn resume<B: Execute>(
    folder: &TrialFolder,
    trial: &Trial,
    trainer: &mut Trainer<B>,
) -> Result<Beginning, TrialError> {
    let (mut past, mut faults) = (History::default(), Vec::new());
    let table = has_epochs(folder);
    let saved = folder.previous_checkpoint().exists() || !matches!(table, Ok(false));
    for path in [folder.checkpoint(), folder.previous_checkpoint()] {
        if !path.exists() {
            if saved && path == folder.checkpoint() {
                faults.push(format!("not from {}: it is missing", path.display()));
            }
            continue;
        }
        match resume_from(&path, trainer, trial.id()) {
            Ok(earlier) => {
                past = earlier;
                break;
            }
            // Sound, perhaps, and out of reach at this moment.
            Err(CheckpointError::File(error)) => return Err(error.into()),
            Err(error) => {
                faults.push(format!("not from {error}"));
                // It must not take the place of a sound one.
                std::fs::remove_file(&path).map_err(FileError::at("remove", &path))?;
            }
        }
    }
    if let Err(error) = table {
        faults.push(format!("with a table of metrics written anew: {error}"));
    }
    let mut damaged = past.log.iter().map(|(name, seal)| (folder.file(name), seal));
    if let Some((path, _)) = damaged.find(|(path, seal)| !seal.holds(path)) {
        let path = path.display();
        faults.push(format!("with an event log written anew, without earlier pictures, as {path} is damaged"));
        past.log.clear();
    }
    // Events of a training that is begun anew would be drawn over the new ones.
    let log_is_new = past.log.is_empty();
    if log_is_new {
        folder.remove_events()?;
    }
    Ok(Beginning { past, log_is_new, note: (!faults.is_empty()).then(|| faults.join("; ")) })
}

/// Whether the table of metrics shows that an epoch has ended, whose two rows are in it; it has a checkpoint then.
fn has_epochs(folder: &TrialFolder) -> Result<bool, FileError> {
    match tables::read_metrics(&folder.metrics()) {
        Ok(rows) => Ok(rows.len() > 1),
        Err(error) if error.source.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Puts training where a checkpoint left it; what the trial had to show by then.
fn resume_from<B: Execute>(path: &Path, trainer: &mut Trainer<B>, trial: &str) -> Result<History, CheckpointError> {
    let (snapshot, past) = read_checkpoint(path, trial)?;
    let misfit =
        |error: SnapshotError| CheckpointError::Content { path: path.to_path_buf(), reason: error.to_string() };
    trainer.restore(snapshot).map_err(misfit)?;
    Ok(past)
}
