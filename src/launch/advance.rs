//! A search on a cluster goes on without a process that waits: each task that ends plans and submits what follows, and a job after all
//! tasks of a submission does the same, in case one of them was lost.

use super::cluster::{Continuation, Job, Tasks};
use super::prepare::prepare_search;
use super::{LaunchError, Options, SearchEvent};
use crate::folder::SubmissionFolder;
use crate::plan::{Plan, PlanError};
use std::path::PathBuf;
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

/// Submits what follows from the results so far. `None` if the submission is not of a search.
///
/// # Errors
/// A file cannot be read or written, or the scheduler refuses.
pub fn advance(submission: &SubmissionFolder) -> Result<Option<Advanced>, AdvanceError> {
    let Some(continuation) = Continuation::read(submission).map_err(LaunchError::from)? else { return Ok(None) };
    let Some(experiment) = submission.experiment() else { return Ok(None) };
    let plan = Plan::read(&submission.search_spec(), &[])?;
    let options = Options {
        runs: experiment.path().parent().map(PathBuf::from).unwrap_or_default(),
        threads: Some(continuation.threads),
        lock_patience: PATIENCE,
        ..Options::default()
    };
    let mut launch = prepare_search(&plan, &options, &continuation)?;
    let tasks = Tasks { threads: continuation.threads, stall_timeout: continuation.stall_timeout, evaluation: None };
    let job = launch.submit(&experiment, &continuation.scheduler, &tasks, Some(continuation.first))?;
    let events = launch.source.take_events();
    drop(launch);
    Ok(Some(Advanced { plan, events, job }))
}
