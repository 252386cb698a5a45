//! A search on a cluster goes on without a process that waits: each task that ends plans and submits what follows, and a job after all
//! tasks of a submission does the same, in case one of them was lost.

use super::cluster::{self, Continuation, Job, Tasks};
use super::prepare::prepare_search;
use super::{LaunchError, Options, SearchEvent};
use crate::folder::SubmissionFolder;
use crate::plan::{Plan, PlanError};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long the lock of the experiment is waited for: other tasks that end at the same time submit what follows.
const PATIENCE: Duration = Duration::from_secs(600);

/// Why a search cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum AdvanceError {
    /// Its trials cannot be prepared or submitted.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// Its spec cannot be planned.
    #[error(transparent)]
    Plan(#[from] PlanError),
}

/// What a search has submitted next.
pub struct Advanced {
    /// The plan of the search.
    pub plan: Plan,
    /// What it has decided.
    pub events: Vec<SearchEvent>,
    /// The job; `None` if there is nothing to submit now.
    pub job: Option<Job>,
}

/// Submits what follows from the results so far, as the last submission that a person made says: it may be later than that of the
/// task. `None` if the submission is not of a search, or if `stop` is set before it has the lock of the experiment.
///
/// # Errors
/// A file cannot be read or written, or the scheduler refuses.
pub fn advance(submission: &SubmissionFolder, stop: &AtomicBool) -> Result<Option<Advanced>, AdvanceError> {
    let Some(experiment) = submission.experiment().filter(|_| submission.search_spec().is_file()) else {
        return Ok(None);
    };
    while !stop.load(Ordering::Relaxed) {
        let last = cluster::last_continuation(&experiment).map_err(LaunchError::from)?;
        let Some((first, continuation)) = last else { return Ok(None) };
        let plan = Plan::read(&first.search_spec(), &[])?;
        let options = Options {
            runs: experiment.path().parent().map(PathBuf::from).unwrap_or_default(),
            threads: Some(continuation.threads),
            lock_patience: PATIENCE,
            ..Options::default()
        };
        // While this waited for the lock, a person may have submitted or cancelled the search.
        let Some(mut launch) = prepare_search(&plan, &options, &continuation, stop)? else { continue };
        let Continuation { threads, stall_timeout, .. } = continuation;
        let tasks = Tasks { threads, stall_timeout, evaluation: None };
        let job = launch.submit(&experiment, &continuation.scheduler, &tasks, Some(continuation.first))?;
        let events = launch.source.take_events();
        drop(launch);
        return Ok(Some(Advanced { plan, events, job }));
    }
    Ok(None)
}
