//! `vaex task SUBMISSION NUMBER`, hidden: a task of a scheduler; runs one trial of a submission and prints its progress.

use super::command::Command;
use super::shared::evaluation::{self, Question};
use super::shared::exit::{DONE, FAILED, INTERRUPTED, exit_status};
use super::shared::print::{explain, say};
use super::shared::progress::{Progress, evaluated, say_line};
use super::shared::signals::{self, STOP};
use super::shared::trial::prepared_trial;
use crate::data::Cache;
use crate::folder::SubmissionFolder;
use crate::launch::{self, Advanced, Options, RunEvent, SearchEvent, cluster};
use crate::trained::EvaluationEnd;
use crate::trial::Event;
use anyhow::Context;
use clap::Args;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Run one trial of a submission, as a task of a scheduler.
#[derive(Debug, Args)]
#[command(hide = true)]
pub(super) struct TaskArgs {
    /// Folder of the submission.
    folder: PathBuf,
    /// Line of the trial in the submission's list, counted from 0.
    #[arg(default_value_t = 0)]
    number: usize,
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Only submit what follows in the search.
    #[arg(long)]
    advance: bool,
    #[arg(long)]
    stall_timeout: Option<u64>,
    /// Stop when the parent process has ended.
    #[arg(long)]
    stop_with_parent: bool,
    /// Evaluate the trial, which is done, instead of training it.
    #[arg(long)]
    evaluate: bool,
    #[command(flatten)]
    question: Question,
    /// Measure again what was measured before.
    #[arg(long)]
    again: bool,
}

impl Command for TaskArgs {
    fn run(&self) -> anyhow::Result<u8> {
        // A scheduler may send its signal both to the script and to this process, so a second signal must not stop at once.
        signals::stop()?;
        if self.stop_with_parent {
            stop_with_parent();
        }
        let submission = SubmissionFolder::new(&self.folder);
        if self.advance {
            return advance(&submission);
        }
        let (folder, until) = cluster::trial_folder(&submission, self.number)?;
        if self.evaluate {
            return self.evaluate(folder.path());
        }
        let id =
            folder.id().with_context(|| format!("the name of {} does not end in an id", folder.path().display()))?;
        let (plan, trial) = prepared_trial(&folder, id, Cache::of_environment())?;
        say(&format!("trial {} on {}, process {}", trial.id(), crate::machine::host_name(), std::process::id()));
        let options = Options {
            runs: folder.path().to_path_buf(),
            jobs: Some(1),
            threads: Some(self.threads),
            stall_timeout: self.stall_timeout.map(Duration::from_secs),
            ..Options::default()
        };
        let mut progress = Progress::lines(&plan, false);
        let launch = launch::prepare_alone(&trial, &folder, until, &options)?;
        let summary = launch.run(&STOP, &mut |event| progress.show(&event));
        let is_stopped = STOP.load(Ordering::Relaxed);
        let status = exit_status(summary, is_stopped, false);
        // A task that was asked to stop is queued again, or was cancelled.
        if !is_stopped && let Err(error) = advance(&submission) {
            // The trial has its result. The job after all tasks tries again.
            explain(&error.context("cannot submit what follows in the search"));
        }
        Ok(status)
    }
}

/// Submits what follows in a search from the results so far.
fn advance(submission: &SubmissionFolder) -> anyhow::Result<u8> {
    let Some(Advanced { plan, events, job }) = launch::advance(submission, &STOP)? else { return Ok(DONE) };
    let mut progress = Progress::lines(&plan, false);
    // Earlier tasks may have said what else was decided.
    let is_new = |event: &&SearchEvent| {
        use SearchEvent::{Blocked, Failed, Proposed, Refused};
        matches!(event, Blocked { .. } | Failed(_) | Proposed { .. } | Refused { .. })
    };
    events.iter().filter(is_new).for_each(|event| progress.show(&RunEvent::Search(event)));
    if let Some(job) = job {
        say_line(&format!("search: {}", job.line()));
    }
    let has_failed = |event: &SearchEvent| matches!(event, SearchEvent::Failed(_));
    Ok(if events.iter().any(has_failed) { FAILED } else { DONE })
}

impl TaskArgs {
    /// Evaluates the trial of a folder, and prints a line for each metric.
    fn evaluate(&self, folder: &Path) -> anyhow::Result<u8> {
        let mut emit = |event: Event| match &event {
            Event::Warning { text } => say_line(&format!("warning: {text}")),
            Event::Evaluated { metric, values, seconds, refused, .. } => {
                say_line(&evaluated(metric, values, *seconds, refused.as_deref()));
            }
            _ => {}
        };
        let (end, ..) = evaluation::evaluate(folder, &self.question, (Some(self.threads), self.again), &mut emit)?;
        Ok(match end {
            EvaluationEnd::Complete => DONE,
            EvaluationEnd::Stopped => INTERRUPTED,
        })
    }
}

/// Sets `STOP` when the parent process has ended. It polls, as there is no pipe to the parent.
#[cfg(unix)]
fn stop_with_parent() {
    let parent = std::os::unix::process::parent_id();
    std::thread::spawn(move || {
        while std::os::unix::process::parent_id() == parent {
            std::thread::sleep(Duration::from_millis(500));
        }
        STOP.store(true, Ordering::Relaxed);
    });
}

#[cfg(not(unix))]
fn stop_with_parent() {}
