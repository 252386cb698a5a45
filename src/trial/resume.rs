//! The state with which training starts: that of the trial's last intact checkpoint, that of a shorter trial, or a new one.
//! Checks that the event log is intact.

use super::TrialError;
use crate::folder::{ArraysError, ExperimentFolder, FileError, TrialFolder, exists};
use crate::metrics::Row;
use crate::plan::Trial;
use crate::record::checkpoint::{History, read_checkpoint, read_state};
use crate::record::tables;
use crate::record::trial::{Gpu, Status, TrialRecord};
use crate::train::{BestEpoch, Execute, Keep, Snapshot, SnapshotError, Trainer, best_row};
use std::io::ErrorKind;
use std::path::Path;

/// The state that training starts with.
pub(super) struct Beginning {
    /// The results so far.
    pub(super) past: History,
    /// Whether the event log only has the events of this process.
    pub(super) log_is_new: bool,
    /// Problems with files of earlier processes.
    pub(super) note: Option<String>,
    /// Where the state is from.
    pub(super) origin: Origin,
}

/// Where the state is from that training starts with.
pub(super) enum Origin {
    /// It is new.
    New,
    /// From the trial's own files.
    Own,
    /// From a shorter trial, which has this record.
    Prefix(Box<TrialRecord>),
}

/// Restores the last intact checkpoint or the state of the trial, if there is one; else the state of the longest of the shorter trials
/// that its record names.
///
/// # Errors
/// A file cannot be read, or a damaged file cannot be removed.
pub(super) fn resume<B: Execute>(
    folder: &TrialFolder,
    trial: &Trial,
    trainer: &mut Trainer<B>,
    record: &TrialRecord,
) -> Result<Beginning, TrialError> {
    let mut faults = Vec::new();
    let (mut past, mut origin) = match own_state(folder, trial, trainer, record, &mut faults)? {
        Some(past) => (past, Origin::Own),
        None => (History { gpu: record.gpu.clone(), ..History::default() }, Origin::New),
    };
    let experiment = ExperimentFolder::containing(folder).filter(|_| matches!(origin, Origin::New));
    let others = experiment.filter(|_| !record.shorter.is_empty()).map(|experiment| experiment.trials()).transpose()?;
    for id in &record.shorter {
        let Some(other) = others.as_ref().and_then(|others| others.find(id)) else { continue };
        // It may not be done yet.
        let Ok(of_other) = TrialRecord::read(other) else { continue };
        if of_other.status != Status::Done {
            continue;
        }
        match read_state(other, id).and_then(|read| restore(read, (trial, record), trainer, &other.state())) {
            // Its event log stays there.
            Ok(of_prefix) => {
                past = History { log: Default::default(), ..of_prefix };
                origin = Origin::Prefix(Box::new(of_other));
                break;
            }
            Err(error) => faults.push(format!("cannot continue the trial {id}: {error}")),
        }
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
    Ok(Beginning { past, log_is_new, note: (!faults.is_empty()).then(|| faults.join("; ")), origin })
}

/// Restores the trial's last intact checkpoint, or the state that it had when it was done; returns its results until then. `None`
/// if there is neither.
fn own_state<B: Execute>(
    folder: &TrialFolder,
    trial: &Trial,
    trainer: &mut Trainer<B>,
    record: &TrialRecord,
    faults: &mut Vec<String>,
) -> Result<Option<History>, TrialError> {
    let table = has_epochs(folder);
    // A trial that is done has no checkpoints.
    let (checkpoint, previous, state) = (folder.checkpoint(), folder.previous_checkpoint(), folder.state());
    // One that continues another trial has the epochs of that one before its first checkpoint.
    let has_trained = record.continued.is_none() && !matches!(table, Ok(false));
    let saved = !exists(&state)? && (exists(&previous)? || has_trained);
    let mut found = None;
    for path in [&checkpoint, &previous, &state] {
        if !exists(path)? {
            if saved && *path == checkpoint {
                faults.push(format!("cannot resume from {}: it is missing", path.display()));
            }
            continue;
        }
        let read = if *path == state { read_state(folder, trial.id()) } else { read_checkpoint(path, trial.id()) };
        if let Ok(read) = &read
            && let Some(reason) = on_another_gpu(read, trial, record)
        {
            let aside = TrialFolder::of_another_gpu(path);
            std::fs::rename(path, &aside).map_err(FileError::at("rename", path))?;
            let (path, aside) = (path.display(), aside.display());
            faults.push(format!("training starts again, without {path}: {reason}; the file is now {aside}"));
            continue;
        }
        match read.and_then(|read| restore(read, (trial, record), trainer, path)) {
            Ok(past) => {
                found = Some(past);
                break;
            }
            // The file may be intact, but cannot be read at this time.
            Err(ArraysError::File(error)) if error.source.kind() != ErrorKind::NotFound => return Err(error.into()),
            Err(error) => {
                faults.push(match &error {
                    ArraysError::File(error) => format!("cannot resume: {error}"),
                    error => format!("cannot resume from {error}"),
                });
                // The next checkpoint must not overwrite the intact previous one with it.
                std::fs::remove_file(path).map_err(FileError::at("remove", path))?;
            }
        }
    }
    if let Err(error) = table {
        faults.push(format!("the table of metrics is written again: {error}"));
    }
    Ok(found)
}

/// Whether the table of metrics has the rows of a finished epoch; the trial then has had a checkpoint or a state, unless it has
/// diverged.
fn has_epochs(folder: &TrialFolder) -> Result<bool, FileError> {
    match tables::read_metrics(&folder.metrics()) {
        Ok(rows) => Ok(!rows.is_empty() && rows.iter().all(Row::is_finite)),
        Err(error) if error.source.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Why training cannot go on here from a state, if it was computed on another GPU and epochs are left.
fn on_another_gpu((snapshot, past): &(Snapshot<'_>, History), trial: &Trial, record: &TrialRecord) -> Option<String> {
    let train = &trial.spec().train;
    let is_exhausted = train.patience.is_some_and(|patience| BestEpoch::of(&past.rows).is_exhausted(patience));
    if past.gpu == record.gpu || snapshot.position.epoch >= train.epochs || is_exhausted {
        return None;
    }
    let then = past.gpu.as_ref().map_or("a GPU that it does not name".to_owned(), Gpu::to_string);
    let now = record.gpu.as_ref().map_or("the CPU".to_owned(), Gpu::to_string);
    Some(format!("it was computed on {then}, and the results on {now} would differ"))
}

/// Restores a state that was read from `path`; returns the results until then.
fn restore<B: Execute>(
    read: (Snapshot<'_>, History),
    (trial, record): (&Trial, &TrialRecord),
    trainer: &mut Trainer<B>,
    path: &Path,
) -> Result<History, ArraysError> {
    let wrong = |reason: String| ArraysError::Content { path: path.to_path_buf(), reason };
    if let Some(reason) = on_another_gpu(&read, trial, record) {
        return Err(wrong(reason));
    }
    let (snapshot, past) = read;
    // Without weights of their own, the best ones are the present ones.
    let (best, position) = (best_row(&past.rows).map(|row| row.epoch), &snapshot.position);
    let is_present = best.is_none_or(|best| position.is_end_of(best));
    if trial.spec().train.keep == Keep::Best && !is_present && past.best.as_ref().map(|best| best.epoch) != best {
        return Err(wrong("it does not have the weights of the best epoch".to_owned()));
    }
    trainer.restore(snapshot).map_err(|error: SnapshotError| wrong(error.to_string()))?;
    Ok(past)
}
