//! What the record of a trial says about being stopped early.

use crate::folder::TrialFolder;
use crate::launch::{LaunchError, lock};
use crate::record::trial::{Pruned, Status, TrialRecord};
use std::time::Duration;

/// How long the lock of a trial that is stopped early is waited for: its process is ending.
const PATIENCE: Duration = Duration::from_secs(2);

/// Writes to the record of a trial that it was stopped early, or that it was not.
pub(super) fn mark(folder: Option<&TrialFolder>, place: Option<&Pruned>) -> Result<(), LaunchError> {
    let Some((folder, record)) = folder.and_then(|folder| Some((folder, TrialRecord::read(folder).ok()?))) else {
        return Ok(());
    };
    let status = match (place, record.status) {
        (_, Status::Done | Status::Failed | Status::Diverged) => return Ok(()),
        (Some(_), Status::Pruned) if record.pruned.as_ref() == place => return Ok(()),
        (Some(_), _) => Status::Pruned,
        // Its rung is open again.
        (None, Status::Pruned) => Status::Paused,
        (None, _) => return Ok(()),
    };
    let _lock = match lock::take(folder.path(), PATIENCE) {
        // Another process uses it; it is marked when the search is run again.
        Err(LaunchError::Busy { .. }) => return Ok(()),
        lock => lock?,
    };
    Ok(TrialRecord { status, pruned: place.cloned(), ..record }.write(folder)?)
}
