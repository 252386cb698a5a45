//! What a search writes to the record of a trial: that it was stopped early, or given up.

use crate::folder::TrialFolder;
use crate::launch::{LaunchError, lock};
use crate::record::trial::{Pruned, Status, TrialRecord};
use std::time::Duration;

/// How long the lock of a trial is waited for: its process is ending.
const PATIENCE: Duration = Duration::from_secs(2);

/// Writes to the record of a trial that it was stopped early, or that it was not.
pub(super) fn mark(folder: Option<&TrialFolder>, place: Option<&Pruned>) -> Result<(), LaunchError> {
    change(folder, |record| {
        let status = match (place, record.status) {
            (_, Status::Done | Status::Diverged) => return None,
            // One that was killed after it had reached the rung would be resumed.
            (_, Status::Failed) if place.is_none() || !record.from_outside => return None,
            (Some(_), Status::Pruned) if record.pruned.as_ref() == place => return None,
            (Some(_), _) => Status::Pruned,
            // Its rung is open again.
            (None, Status::Pruned) => Status::Paused,
            (None, _) => return None,
        };
        let (error, from_outside) = match record.status {
            Status::Failed => (None, false),
            _ => (record.error, record.from_outside),
        };
        Some(TrialRecord { status, pruned: place.cloned(), error, from_outside, ..record })
    })
}

/// Writes to the record of a trial why it is not started again.
pub(super) fn give_up(folder: Option<&TrialFolder>, reason: &str) -> Result<(), LaunchError> {
    change(folder, |record| record.error.is_none().then(|| TrialRecord { error: Some(reason.to_owned()), ..record }))
}

/// Changes the record of a trial; `changed` gives `None` if nothing is to be changed.
fn change(
    folder: Option<&TrialFolder>,
    changed: impl Fn(TrialRecord) -> Option<TrialRecord>,
) -> Result<(), LaunchError> {
    let read = |folder: &TrialFolder| TrialRecord::read(folder).ok().and_then(&changed);
    let Some(folder) = folder.filter(|folder| read(folder).is_some()) else { return Ok(()) };
    let _lock = match lock::take(folder.path(), PATIENCE) {
        // Another process uses it; it is changed when the search is run again.
        Err(LaunchError::Busy { .. }) => return Ok(()),
        lock => lock?,
    };
    // Read again: the process that had the lock may have written its last record meanwhile.
    read(folder).map_or(Ok(()), |record| Ok(record.write(folder)?))
}
