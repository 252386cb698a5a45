//! Making a plan or a single trial ready to run.

use super::cluster::Task;
use super::found::{Found, Unfinished};
use super::prospect::Earlier;
use super::queue::ListedTrials;
use super::{Launch, LaunchError, Options, Waiting, folder, frozen, lock, share};
use crate::folder::{TrialFolder, remove_leftovers};
use crate::plan::{Plan, Trial};
use crate::trial;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a run waits for the processes of one that was killed: they stop after their present step.
const PATIENCE: Duration = Duration::from_secs(10);

/// Makes a plan ready to run: locks its folder, writes plan.json and the folders of the trials that are not finished.
/// Trials that a scheduler has already are left to it.
///
/// # Errors
/// A folder or file cannot be written, or another process is at work in the experiment's folder.
pub fn prepare<'p>(
    plan: &'p Plan,
    options: &Options,
    submitted: &BTreeMap<String, Task>,
) -> Result<Launch<'p>, LaunchError> {
    let experiment = folder(plan, &options.runs);
    experiment.create()?;
    // Whoever only looks who holds it does so for no longer.
    let lock = lock::take(experiment.path(), Duration::from_millis(100))?;
    // Of killed runs and reports.
    experiment.remove_leftovers()?;
    remove_leftovers(&options.runs)?;
    let mut found = Found::default();
    found.warnings.extend(lock.warning(experiment.path()));
    match frozen::changes(plan, &experiment) {
        Ok(changes) => found.changes = changes,
        Err(error) => found.damaged.push(format!("{error}; it is written anew, and what changed cannot be said")),
    }
    let (mut unfinished, folders) = (Vec::new(), experiment.trials()?);
    for trial in plan.selected() {
        if let Some(task) = submitted.get(trial.id()) {
            found.submitted.push((trial, task.clone()));
            continue;
        }
        let folder = folders.find_or_name(trial.id(), || trial.label(plan.varied()));
        if let Some(trial) = found.sort_out(trial, folder, options)? {
            if trial.folder.path().exists() {
                drop(lock::take(trial.folder.path(), PATIENCE)?);
            }
            unfinished.push(trial);
        }
    }
    frozen::freeze(plan, &experiment)?;
    let (jobs, threads) = share(options, unfinished.len());
    let ready = |trial| ready(trial, plan.varied(), threads, options);
    let listed = unfinished.into_iter().map(ready).collect::<Result<ListedTrials<'p>, _>>()?;
    Launch::new(options, jobs, threads, found, Box::new(listed), Some(lock))
}

/// Makes a trial's folder ready, but where it is to be trained anew: what is there is lost no earlier than when something
/// takes its place.
fn ready<'p>(
    unfinished: Unfinished<'p>,
    varied: &[String],
    threads: usize,
    options: &Options,
) -> Result<Waiting<'p>, LaunchError> {
    let Unfinished { trial, folder, record: earlier } = unfinished;
    let mut record = trial::planned(trial, varied, threads);
    if let Some(earlier) = earlier {
        record.seconds = earlier.seconds;
        record.started = earlier.started;
        record.images_per_second = earlier.images_per_second;
    }
    let anew = options.fresh && folder.path().exists();
    if !anew {
        trial::prepare(&folder, trial, &record)?;
    }
    Ok(Waiting { trial: Cow::Borrowed(trial), folder, anew: anew.then_some(Box::new(record)) })
}

/// Makes a trial ready that an earlier command prepared; nothing where it is finished.
///
/// # Errors
/// Its folder cannot be written.
pub fn prepare_alone<'p>(trial: &'p Trial, folder: &TrialFolder, options: &Options) -> Result<Launch<'p>, LaunchError> {
    let (mut found, threads) = (Found::default(), options.threads.unwrap_or(1));
    let is_unfinished = match Earlier::of(folder, options) {
        Earlier::Done(_) => {
            found.kept.push(trial);
            false
        }
        Earlier::Failed(record) => {
            found.failed.push((trial, record));
            false
        }
        Earlier::Unfinished(_) => true,
        Earlier::Damaged(record, fault) => {
            found.damaged.push(fault);
            if record.is_none() {
                let _lock = lock::take(folder.path(), PATIENCE)?;
                trial::prepare(folder, trial, &trial::planned(trial, &[], threads))?;
            }
            true
        }
    };
    let waiting = is_unfinished.then(|| Waiting { trial: Cow::Borrowed(trial), folder: folder.clone(), anew: None });
    let listed: ListedTrials<'p> = waiting.into_iter().collect();
    Launch::new(options, 1, threads, found, Box::new(listed), None)
}
