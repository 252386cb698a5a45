//! The result of a trial in earlier runs, and what a run would do with the trial.

use super::cluster::Task;
use super::{LaunchError, Options, folder};
use crate::folder::{FileError, TrialFolder, TrialFolders};
use crate::plan::{Plan, Trial};
use crate::record::tables;
use crate::record::trial::{Status, TrialRecord};
use crate::trained::is_evaluated;
use crate::trial;
use std::collections::BTreeMap;
use std::io::ErrorKind;

/// What a run would do with a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prospect {
    /// Train it from the start.
    New,
    /// Resume it.
    Resume,
    /// Evaluate it: it is trained.
    Evaluate,
    /// Skip it: it is done.
    Done,
    /// Skip it: it failed in an earlier run.
    Failed,
    /// Skip it: its search has stopped it early.
    Pruned,
}

impl Prospect {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Prospect::New => "new",
            Prospect::Resume => "to resume",
            Prospect::Evaluate => "to evaluate",
            Prospect::Done => "done",
            Prospect::Failed => "failed",
            Prospect::Pruned => "pruned",
        }
    }
}

/// What a run would do with a trial of a plan, given the trial folders of its experiment.
///
/// # Errors
/// The trial folder cannot be read.
pub(super) fn prospect(
    plan: &Plan,
    folders: &TrialFolders,
    trial: &Trial,
    options: &Options,
) -> Result<Prospect, FileError> {
    let Some(folder) = folders.find(trial.id()) else { return Ok(Prospect::New) };
    Ok(match Earlier::of(folder, trial, options)? {
        Earlier::Done(_) => Prospect::Done,
        Earlier::Unevaluated(_) => Prospect::Evaluate,
        Earlier::Failed(_) => Prospect::Failed,
        Earlier::Unfinished(None) => Prospect::New,
        Earlier::Unfinished(Some(record)) if record.status == Status::Pruned && plan.search().is_some() => {
            Prospect::Pruned
        }
        Earlier::Unfinished(Some(_)) | Earlier::Damaged(..) => {
            if folder.has_progress()? {
                Prospect::Resume
            } else {
                Prospect::New
            }
        }
    })
}

/// The number of trials that a run would train.
///
/// # Errors
/// The experiment folder cannot be read.
pub fn unfinished(plan: &Plan, options: &Options, submitted: &BTreeMap<String, Task>) -> Result<usize, LaunchError> {
    let folders = folder(plan, &options.runs).trials()?;
    let trials = plan.selected().filter(|trial| !submitted.contains_key(trial.id()));
    let mut count = 0;
    for trial in trials {
        count += usize::from(matches!(
            prospect(plan, &folders, trial, options)?,
            Prospect::New | Prospect::Resume | Prospect::Evaluate
        ));
    }
    Ok(count)
}

/// The result of a trial in earlier runs.
pub(super) enum Earlier {
    /// It is done.
    Done(Box<TrialRecord>),
    /// It is trained, but metrics that `[evaluate]` asks for were not measured.
    Unevaluated(Box<TrialRecord>),
    /// It failed by itself, and would fail again.
    Failed(Box<TrialRecord>),
    /// It must be trained or resumed. Contains its record; `None` if it was never started.
    Unfinished(Option<Box<TrialRecord>>),
    /// A file of it is damaged or missing. Contains its record if readable, and the message.
    Damaged(Option<Box<TrialRecord>>, String),
}

impl Earlier {
    /// The result in a folder.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub(super) fn of(folder: &TrialFolder, trial: &Trial, options: &Options) -> Result<Earlier, FileError> {
        if options.fresh {
            return Ok(Earlier::Unfinished(None));
        }
        let mut record = match TrialRecord::read(folder) {
            Ok(record) => Box::new(record),
            Err(error) if error.source.kind() == ErrorKind::NotFound => {
                let path = folder.record();
                return Ok(match folder.has_progress()? {
                    true => Earlier::Damaged(None, format!("{} is missing; the trial will resume", path.display())),
                    false => Earlier::Unfinished(None),
                });
            }
            Err(error) => return Ok(Earlier::Damaged(None, format!("{error}; the trial will resume"))),
        };
        let fault = (record.status == Status::Done).then(|| trial::fault(folder, &record)).flatten();
        // A table that cannot be read is reported as damaged below.
        let _ = trial::correct(&mut record, || tables::read_metrics(&folder.metrics()));
        Ok(match record.status {
            Status::Done => match fault {
                // A damaged spec is written again from the plan, without training.
                Some(path) if path != folder.spec() => {
                    let fault = format!("{} is damaged or missing; it will be written again", path.display());
                    Earlier::Damaged(Some(record), fault)
                }
                _ => match &trial.spec().evaluate {
                    Some(settings)
                        if !is_evaluated(folder, &record, settings, Some(trial.dataset().hash_with_labels()), 0.0) =>
                    {
                        Earlier::Unevaluated(record)
                    }
                    _ => Earlier::Done(record),
                },
            },
            Status::Failed | Status::Diverged if !options.retry_failed && !record.from_outside => {
                Earlier::Failed(record)
            }
            _ => Earlier::Unfinished(Some(record)),
        })
    }
}
