//! Preparing a plan or a single trial to run.

use super::cluster::{self, Continuation, Task};
use super::continued::Chains;
use super::found::{Found, Unfinished};
use super::lock::Lock;
use super::prospect::Earlier;
use super::queue::ListedTrials;
use super::ready::{Shorter, ready};
use super::search::Searcher;
use super::{Launch, LaunchError, Options, Waiting, folder, frozen, lock, share};
use crate::folder::{ExperimentFolder, TrialFolder, exists, remove_leftovers};
use crate::plan::{Plan, Searching, Trial};
use crate::record::trial::TrialRecord;
use crate::search::{Method, Stop};
use crate::trial::{self, Prefixes};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Prepares a plan: locks the experiment folder, writes plan.json and prepares the folders of the unfinished trials. Trials
/// that are queued or running in a scheduler (`submitted`) are skipped.
///
/// # Errors
/// A folder or file cannot be written, or another process holds the lock of the experiment folder.
pub fn prepare<'p>(
    plan: &'p Plan,
    options: &Options,
    submitted: &BTreeMap<String, Task>,
) -> Result<Launch<'p>, LaunchError> {
    let opened = open(plan, options)?;
    if let Some(searching) = plan.search() {
        return search(plan, searching, opened, options, None);
    }
    let Opened { experiment, lock, mut found } = opened;
    let (mut unfinished, folders) = (Vec::new(), experiment.trials()?);
    for trial in plan.selected() {
        if let Some(task) = submitted.get(trial.id()) {
            found.submitted.push((Cow::Borrowed(trial), task.clone()));
            continue;
        }
        let folder = folders.find_or_name(trial.id(), || trial.label(plan.varied()));
        if let Some(mut trial) = found.classify(trial, folder, options)? {
            // A process that evaluates a trial may go on: the next one waits for it.
            if !trial.is_trained && exists(trial.folder.path())? {
                drop(lock::take(trial.folder.path(), lock::PATIENCE)?);
                // The process of an earlier run may have written its last record meanwhile.
                if let (Some(earlier), Ok(record)) = (&mut trial.record, TrialRecord::read(&trial.folder)) {
                    **earlier = record;
                }
            }
            unfinished.push(trial);
        }
    }
    frozen::freeze(plan, &experiment)?;
    let may_continue = |one: &Unfinished<'_>| {
        let is_from_scratch = one.record.as_ref().is_some_and(|record| record.from_scratch);
        !one.is_trained && !options.fresh && !is_from_scratch
    };
    let kept = Prefixes::read_if(unfinished.iter().any(may_continue), &folders)?;
    let is_of_other = |folder: &TrialFolder| !plan.selected().any(|trial| folder.id() == Some(trial.id()));
    let unreadable = kept.unreadable.iter().filter(|(folder, _)| is_of_other(folder));
    found.warnings.extend(unreadable.map(|(_, error)| format!("{error}; this trial is not continued")));
    let chains = Chains::of(unfinished.iter().filter(|one| may_continue(one)).map(|one| one.trial));
    let shorter: Vec<Shorter> = unfinished
        .iter()
        .map(|one| if may_continue(one) { Shorter::of(one.trial, &chains, &kept) } else { Shorter::default() })
        .collect();
    // Trials that wait for one another do not run in parallel.
    let (jobs, threads) = share(options, shorter.iter().filter(|shorter| shorter.after.is_none()).count());
    let listed = unfinished.into_iter().zip(shorter);
    let ready = |(one, shorter): (Unfinished<'p>, Shorter)| {
        let Unfinished { is_trained, trial, folder, record } = one;
        ready(Cow::Borrowed(trial), (is_trained, folder, record), shorter, plan.varied(), threads, options)
    };
    let listed = listed.map(ready).collect::<Result<ListedTrials<'p>, _>>()?;
    Launch::new(options, jobs, threads, found, Box::new(listed), Some(lock))
}

/// Prepares a search again from the results so far: it goes on from a submission. `None` if a person has submitted it again since,
/// or if `stop` is set once the experiment is locked.
///
/// # Errors
/// As [`prepare`].
pub(super) fn prepare_search<'p>(
    plan: &'p Plan,
    options: &Options,
    continuation: &Continuation,
    stop: &AtomicBool,
) -> Result<Option<Launch<'p>>, LaunchError> {
    let opened = open(plan, options)?;
    let last = cluster::last_continuation(&opened.experiment)?;
    let goes_on = last.is_some_and(|(_, last)| last.first == continuation.first) && !stop.load(Ordering::Relaxed);
    let Some(searching) = plan.search().filter(|_| goes_on) else { return Ok(None) };
    search(plan, searching, opened, options, Some(continuation)).map(Some)
}

/// An experiment folder that is locked.
struct Opened<'p> {
    experiment: ExperimentFolder,
    lock: Lock,
    found: Found<'p>,
}

/// Locks the experiment folder of a plan.
fn open<'p>(plan: &'p Plan, options: &Options) -> Result<Opened<'p>, LaunchError> {
    let experiment = folder(plan, &options.runs);
    experiment.create()?;
    // Waits for processes that only check who holds the lock.
    let lock = lock::take(experiment.path(), options.lock_patience.max(Duration::from_millis(100)))?;
    // Temporary files of killed runs and reports.
    experiment.remove_leftovers()?;
    remove_leftovers(&options.runs)?;
    let mut found = Found::default();
    found.warnings.extend(lock.warning(experiment.path()));
    match frozen::changes(plan, &experiment) {
        Ok(changes) => found.changes = changes,
        Err(error) => found
            .damaged
            .push(format!("{error}; it will be written again, but the changes since the last run are unknown")),
    }
    Ok(Opened { experiment, lock, found })
}

/// Prepares the search of a plan, whose folder is locked.
fn search<'p>(
    plan: &'p Plan,
    searching: &'p Searching,
    Opened { experiment, lock, mut found }: Opened<'p>,
    options: &Options,
    continuation: Option<&Continuation>,
) -> Result<Launch<'p>, LaunchError> {
    let kept = Prefixes::read(&experiment.trials()?)?;
    let rules = searching.rules();
    let settings = match (rules.method, rules.stop) {
        (Method::Random, Stop::Never | Stop::Halving { .. } | Stop::Asha { .. }) => rules.settings,
        // Later settings wait for the results of earlier ones.
        _ => Some(rules.settings.map_or(rules.parallel, |settings| settings.min(rules.parallel))),
    };
    let settings = settings.and_then(|settings| usize::try_from(settings).ok()).unwrap_or(usize::MAX);
    let (jobs, threads) = share(options, settings.saturating_mul(searching.seeds()));
    let (searcher, left) = Searcher::new(plan, searching, experiment, options, (threads, kept), continuation)?;
    found.submitted.extend(left.submitted.into_iter().map(|(trial, task)| (Cow::Owned(trial), task)));
    found.kept.extend(left.done.into_iter().map(Cow::Owned));
    found.failed.extend(left.failed.into_iter().map(|(trial, record)| (Cow::Owned(trial), record)));
    found.damaged.extend(left.damaged);
    let mut launch = Launch::new(options, jobs, threads, found, Box::new(searcher), Some(lock))?;
    launch.search = Some(searching);
    Ok(launch)
}

/// Prepares one trial whose folder an earlier command has prepared, to be trained to its end or `until` an epoch. If the trial is
/// finished, the launch is empty.
///
/// # Errors
/// The folder cannot be written.
pub fn prepare_alone<'p>(
    trial: &'p Trial,
    folder: &TrialFolder,
    until: Option<u64>,
    options: &Options,
) -> Result<Launch<'p>, LaunchError> {
    let (mut found, threads) = (Found::default(), options.threads.unwrap_or(1));
    let is_unfinished = match Earlier::of(folder, trial, options)? {
        Earlier::Done(_) => {
            found.kept.push(Cow::Borrowed(trial));
            false
        }
        Earlier::Failed(record) => {
            found.failed.push((Cow::Borrowed(trial), record));
            false
        }
        Earlier::Unfinished(_) | Earlier::Unevaluated(_) => true,
        Earlier::Damaged(record, fault) => {
            found.damaged.push(fault);
            if record.is_none() {
                let _lock = lock::take(folder.path(), lock::PATIENCE)?;
                trial::prepare(folder, trial, &trial::planned(trial, &[], threads))?;
            }
            true
        }
    };
    let waiting = is_unfinished.then(|| Waiting {
        trial: Cow::Borrowed(trial),
        folder: folder.clone(),
        fresh_record: None,
        after: None,
        until,
    });
    let listed: ListedTrials<'p> = waiting.into_iter().collect();
    Launch::new(options, 1, threads, found, Box::new(listed), None)
}
