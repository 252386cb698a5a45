//! What the record of a trial says about being stopped early.

use crate::folder::TrialFolder;
use crate::launch::{LaunchError, lock};
use crate::record::trial::{Pruned, Status, TrialRecord};
use std::time::Duration;

/// How long the lock of a trial that is stopped early is waited for: its process is ending.
const PATIENCE: Duration = Duration::from_secs(2);

/// Writes to the record of a trial that it was stopped early, or that it was not.
pub(super) fn mark(folder: Option<&TrialFolder>, place: Option<&Pruned>) -> Result<(), LaunchError> {
    let Some(folder) = folder.filter(|folder| marked(folder, place).is_some()) else { return Ok(()) };
    let _lock = match lock::take(folder.path(), PATIENCE) {
        // Another process uses it; it is marked when the search is run again.
        Err(LaunchError::Busy { .. }) => return Ok(()),
        lock => lock?,
    };
    // Read again: the process that had the lock may have written its last record meanwhile.
    marked(folder, place).map_or(Ok(()), |record| Ok(record.write(folder)?))
}

/// The record with the mark; `None` if it has the right one.
fn marked(folder: &TrialFolder, place: Option<&Pruned>) -> Option<TrialRecord> {
    let record = TrialRecord::read(folder).ok()?;
    let status = match (place, record.status) {
        (_, Status::Done | Status::Failed | Status::Diverged) => return None,
        (Some(_), Status::Pruned) if record.pruned.as_ref() == place => return None,
        (Some(_), _) => Status::Pruned,
        // Its rung is open again.
        (None, Status::Pruned) => Status::Paused,
        (None, _) => return None,
    };
    Some(TrialRecord { status, pruned: place.cloned(), ..record })
}

/// Writes to the record of a trial why it is not started again.
pub(super) fn give_up(folder: Option<&TrialFolder>, reason: &str) -> Result<(), LaunchError> {
    let Some(folder) = folder else { return Ok(()) };
    let _lock = match lock::take(folder.path(), PATIENCE) {
        Err(LaunchError::Busy { .. }) => return Ok(()),
        lock => lock?,
    };
    match TrialRecord::read(folder) {
        Ok(record) if record.error.is_none() => {
            Ok(TrialRecord { error: Some(reason.to_owned()), ..record }.write(folder)?)
        }
        _ => Ok(()),
    }
}
