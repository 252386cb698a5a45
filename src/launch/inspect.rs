//! The result of a trial in earlier runs, with what a killed run has left in its folder put right.

use super::prospect::Earlier;
use super::{LaunchError, Options, lock};
use crate::folder::TrialFolder;
use crate::plan::Trial;
use crate::record::trial::TrialRecord;
use crate::trial;

/// What is left to do of a trial.
pub(super) enum Inspected {
    /// Nothing: it is done.
    Kept,
    /// Nothing: it failed in an earlier run, by itself, and is not retried.
    Failed(Box<TrialRecord>),
    /// It is to be trained, or only evaluated.
    Unfinished {
        /// Whether it is trained, and only metrics are missing.
        is_trained: bool,
        /// Its record of an earlier run.
        record: Option<Box<TrialRecord>>,
    },
}

/// Inspects the folder of a trial. Also returns a message about a damaged file.
///
/// # Errors
/// A file of the trial cannot be read or written.
pub(super) fn inspect(
    folder: &TrialFolder,
    trial: &Trial,
    options: &Options,
) -> Result<(Inspected, Option<String>), LaunchError> {
    let earlier = Earlier::of(folder, trial, options)?;
    let is_trained = matches!(earlier, Earlier::Unevaluated(_));
    let unfinished = |record| Inspected::Unfinished { is_trained, record };
    Ok(match earlier {
        Earlier::Done(mut record) | Earlier::Unevaluated(mut record) => {
            // A run may have been killed while it wrote the record of a trial that had just finished. An evaluation that is
            // running has temporary files of its own.
            if lock::holder(folder.path())?.is_none() {
                folder.remove_leftovers()?;
                folder.remove_checkpoints()?;
            }
            let path = folder.spec();
            let damaged = trial::update(folder, trial, &mut record)?
                .then(|| format!("{} is damaged or missing; it was written again", path.display()));
            (if is_trained { unfinished(Some(record)) } else { Inspected::Kept }, damaged)
        }
        Earlier::Failed(record) => {
            folder.remove_leftovers()?;
            // The status may have been corrected.
            if TrialRecord::read(folder)?.status != record.status {
                record.write(folder)?;
            }
            (Inspected::Failed(record), None)
        }
        Earlier::Unfinished(record) => (unfinished(record), None),
        Earlier::Damaged(record, fault) => (unfinished(record), Some(fault)),
    })
}
