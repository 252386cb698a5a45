//! `vaex task SUBMISSION NUMBER`, hidden: what a scheduler's task runs, one trial of a submission, and watches.

use super::command::Command;
use super::shared::exit::exit_status;
use super::shared::print::say;
use super::shared::progress::Progress;
use super::shared::signals::{self, STOP};
use super::shared::trial::prepared_trial;
use crate::folder::SubmissionFolder;
use crate::launch::{self, Options, cluster};
use anyhow::Context;
use clap::Args;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Run one trial of a submission; what a scheduler's task starts.
#[derive(Debug, Args)]
#[command(hide = true)]
pub(super) struct TaskArgs {
    /// The submission's folder.
    folder: PathBuf,
    /// The line of the trial in its list, from 0.
    number: usize,
    #[arg(long)]
    threads: usize,
    #[arg(long)]
    stall_timeout: Option<u64>,
    /// Stop when the process that started this one is gone.
    #[arg(long)]
    stop_with_parent: bool,
}

impl Command for TaskArgs {
    fn run(&self) -> anyhow::Result<u8> {
        // A scheduler may send its signal to the script and to this process: the second one says no more than the first.
        signals::stop()?;
        if self.stop_with_parent {
            stop_with_parent();
        }
        let folder = cluster::trial_folder(&SubmissionFolder::new(&self.folder), self.number)?;
        let id =
            folder.id().with_context(|| format!("the name of {} does not end in an id", folder.path().display()))?;
        let (plan, trial) = prepared_trial(&folder, id)?;
        say(&format!("trial {} on {}, process {}", trial.id(), crate::machine::host_name(), std::process::id()));
        let options = Options {
            runs: folder.path().to_path_buf(),
            jobs: Some(1),
            threads: Some(self.threads),
            fresh: false,
            fail_fast: false,
            retry_failed: false,
            stall_timeout: self.stall_timeout.map(Duration::from_secs),
        };
        let mut progress = Progress::lines(&plan, false);
        let launch = launch::prepare_alone(&trial, &folder, &options)?;
        let summary = launch.run(&STOP, &mut |notice| progress.show(&notice));
        Ok(exit_status(summary, STOP.load(Ordering::Relaxed), false))
    }
}

/// Stops when the process that started this one is gone; there is no pipe that would tell.
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
