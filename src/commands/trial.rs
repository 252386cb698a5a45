//! `vaex trial FOLDER`, hidden: the process of one trial. It prints events to standard output, one per line.

use super::command::Command;
use super::shared::exit::{DONE, FAILED, INTERRUPTED};
use super::shared::print::{complain, explain, say};
use super::shared::signals::{self, STOP};
use super::shared::trial::prepared_trial;
use crate::data::Cache;
use crate::folder::{TrialFolder, causes_full_disk};
use crate::launch::lock::{self, Lock};
use crate::launch::{self, DISK_FULL, LaunchError, NOT_EVALUATED, PAUSED, TrialEnd, stop_with_parent};
use crate::record::trial::{Status, TrialRecord};
use crate::trial::{Event, Run};
use clap::Args;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Train the trial of a folder; `vaex run` starts its processes with this command.
#[derive(Debug, Args)]
#[command(hide = true)]
pub(super) struct TrialArgs {
    folder: PathBuf,
    #[arg(long)]
    threads: usize,
    /// Pause after this epoch.
    #[arg(long)]
    until: Option<u64>,
}

impl Command for TrialArgs {
    fn run(&self) -> anyhow::Result<u8> {
        // A full disk may have no space to record the error, so the exit status reports it.
        train(self).or_else(|error| {
            if !causes_full_disk(error.as_ref()) {
                return Err(error);
            }
            explain(&error);
            Ok(DISK_FULL)
        })
    }
}

fn train(args: &TrialArgs) -> anyhow::Result<u8> {
    // The process was started through /proc/self/exe, so its name in process lists would be `exe`.
    #[cfg(target_os = "linux")]
    let _ = std::fs::write("/proc/self/comm", "vaex");
    stop_with_parent(&STOP);
    signals::stop()?;
    let mut emit = |event: Event| match serde_json::to_string(&event) {
        Ok(line) => say(&line),
        Err(error) => complain(&format!("cannot write an event: {error}")),
    };
    // A process of an earlier run may still finish its last step, or a process on another machine may train this trial.
    let Some(_lock) = take(&args.folder, &mut emit)? else { return Ok(INTERRUPTED) };
    let folder = TrialFolder::new(&args.folder);
    let record = TrialRecord::read(&folder)?;
    let (_, trial) = prepared_trial(&folder, &record.trial, Cache::of_environment().checking_values())?;
    let run = Run {
        folder: &folder,
        threads: args.threads,
        until: args.until,
        stop: &STOP,
        emit: &mut emit,
        is_own_process: true,
    };
    Ok(match launch::train(&trial, record, run)? {
        TrialEnd::DiskFull(None) => DISK_FULL,
        TrialEnd::DiskFull(Some(error)) => return Err(error.into()),
        TrialEnd::NotEvaluated(error) => {
            explain(&error.into());
            NOT_EVALUATED
        }
        TrialEnd::Ended(Status::Done) => DONE,
        TrialEnd::Ended(Status::Interrupted) => INTERRUPTED,
        TrialEnd::Ended(Status::Paused) => PAUSED,
        TrialEnd::Ended(_) => FAILED,
    })
}

/// Waits for the lock of the trial folder, without a time limit; `None` if this process is asked to stop first.
fn take(folder: &Path, emit: &mut dyn FnMut(Event)) -> anyhow::Result<Option<Lock>> {
    let mut seconds = 0u32;
    while !STOP.load(Ordering::Relaxed) {
        match lock::take(folder, Duration::from_secs(1)) {
            Err(LaunchError::Busy { holder, .. }) => {
                // Sent regularly, so that the parent does not treat this process as stalled.
                let holder = holder.map_or("another process".to_owned(), |holder| holder.to_string());
                if seconds.is_power_of_two() || seconds.is_multiple_of(60) {
                    emit(Event::Waiting { holder });
                } else {
                    // An empty line is not an event, but shows that the process is alive.
                    say("");
                }
                seconds += 1;
            }
            lock => return Ok(Some(lock?)),
        }
    }
    Ok(None)
}
