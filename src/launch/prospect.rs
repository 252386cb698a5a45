//! What earlier runs left of a trial, and what a run would do with it.

use super::cluster::Task;
use super::{LaunchError, Options, folder};
use crate::folder::{TrialFolder, TrialFolders};
use crate::plan::{Plan, Trial};
use crate::record::tables;
use crate::record::trial::{Status, TrialRecord};
use crate::trial;
use std::collections::BTreeMap;
use std::io::ErrorKind;

/// What a run would do with a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prospect {
    /// Train it from the start.
    New,
    /// Go on with it.
    Resume,
    /// Nothing: it is done.
    Done,
    /// Nothing: it failed before.
    Failed,
}

impl Prospect {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Prospect::New => "new",
            Prospect::Resume => "to resume",
            Prospect::Done => "done",
            Prospect::Failed => "failed",
        }
    }
}

/// What a run would do with a trial of an experiment with these folders.
pub fn prospect(folders: &TrialFolders, trial: &Trial, options: &Options) -> Prospect {
    let Some(folder) = folders.find(trial.id()) else { return Prospect::New };
    match Earlier::of(folder, options) {
        Earlier::Done(_) => Prospect::Done,
        Earlier::Failed(_) => Prospect::Failed,
        Earlier::Unfinished(None) => Prospect::New,
        Earlier::Unfinished(Some(_)) | Earlier::Damaged(..) => {
            if folder.has_checkpoint() {
                Prospect::Resume
            } else {
                Prospect::New
            }
        }
    }
}

/// Trials that a run would train.
///
/// # Errors
/// The experiment's folder cannot be read.
pub fn unfinished(plan: &Plan, options: &Options, submitted: &BTreeMap<String, Task>) -> Result<usize, LaunchError> {
    let folders = folder(plan, &options.runs).trials()?;
    let trials = plan.selected().filter(|trial| !submitted.contains_key(trial.id()));
    let prospects = trials.map(|trial| prospect(&folders, trial, options));
    Ok(prospects.filter(|prospect| matches!(prospect, Prospect::New | Prospect::Resume)).count())
}

/// What an earlier run left of a trial.
pub(super) enum Earlier {
    /// All that it was trained for.
    Done(Box<TrialRecord>),
    /// It failed by itself, and would again.
    Failed(Box<TrialRecord>),
    /// It is to be trained, or to go on.
    Unfinished(Option<Box<TrialRecord>>),
    /// It was further, but something is wrong with its files.
    Damaged(Option<Box<TrialRecord>>, String),
}

impl Earlier {
    pub(super) fn of(folder: &TrialFolder, options: &Options) -> Earlier {
        if options.fresh {
            return Earlier::Unfinished(None);
        }
        let mut record = match TrialRecord::read(folder) {
            Ok(record) => Box::new(record),
            Err(error) if error.source.kind() == ErrorKind::NotFound => {
                let path = folder.record();
                return match folder.has_checkpoint() {
                    true => Earlier::Damaged(None, format!("{} is missing; the trial goes on", path.display())),
                    false => Earlier::Unfinished(None),
                };
            }
            Err(error) => return Earlier::Damaged(None, format!("{error}; the trial goes on")),
        };
        let fault = (record.status == Status::Done).then(|| trial::fault(folder, &record)).flatten();
        // A table that cannot be read is found to be damaged.
        if record.status == Status::Done
            && let Ok(rows) = tables::read_metrics(&folder.metrics())
        {
            trial::correct(&mut record, &rows);
        }
        match record.status {
            Status::Done => match fault {
                // The spec alone is written again from the plan.
                Some(path) if path != folder.spec() => {
                    let fault = format!("{} is damaged or missing; the trial makes it again", path.display());
                    Earlier::Damaged(Some(record), fault)
                }
                _ => Earlier::Done(record),
            },
            Status::Failed | Status::Diverged if !options.retry_failed && !record.from_outside => {
                Earlier::Failed(record)
            }
            _ => Earlier::Unfinished(Some(record)),
        }
    }
}
