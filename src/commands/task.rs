//! `vaex task SUBMISSION NUMBER`, hidden: what a scheduler's task runs, one trial of a submission, and watches.

use super::progress::Progress;
use super::{TaskArgs, exit_status, prepared_trial, say, signals};
use crate::folder::SubmissionFolder;
use crate::launch::{self, Options, cluster};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

static STOP: AtomicBool = AtomicBool::new(false);

pub(super) fn run(args: &TaskArgs) -> anyhow::Result<u8> {
    // A scheduler may send its signal to the script and to this process: the second one says no more than the first.
    signals::watch(|| STOP.store(true, Ordering::Relaxed))?;
    if args.stop_with_parent {
        stop_with_parent();
    }
    let folder = cluster::trial_folder(&SubmissionFolder::new(&args.folder), args.number)?;
    let id = folder.id().unwrap_or_default();
    let (plan, trial) = prepared_trial(&folder, id)?;
    say(&format!("trial {} on {}, process {}", trial.id(), crate::machine::host_name(), std::process::id()));
    let options = Options {
        runs: folder.path().to_path_buf(),
        jobs: Some(1),
        threads: Some(args.threads),
        fresh: false,
        fail_fast: false,
        retry_failed: false,
        stall_timeout: args.stall_timeout.map(Duration::from_secs),
    };
    let mut progress = Progress::lines(&plan, false);
    let launch = launch::prepare_alone(&trial, &folder, &options)?;
    let summary = launch.run(&STOP, &mut |notice| progress.show(&notice));
    Ok(exit_status(summary, STOP.load(Ordering::Relaxed), false))
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
