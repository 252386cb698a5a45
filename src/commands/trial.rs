//! `vaex trial FOLDER`, hidden: the process of one trial. Events go to its output, one a line.

use super::command::Command;
use super::shared::exit::{DONE, FAILED, INTERRUPTED};
use super::shared::print::{explain, say};
use super::shared::signals::{self, STOP};
use super::shared::trial::prepared_trial;
use crate::files;
use crate::launch::lock::{self, Lock};
use crate::launch::{DISK_FULL, LaunchError, stop_with_parent};
use crate::record::trial::{Status, TrialRecord};
use crate::trial::{self, Ended, Event, Run};
use clap::Args;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Train one trial in its folder; how `run` starts its processes.
#[derive(Debug, Args)]
#[command(hide = true)]
pub(super) struct TrialArgs {
    folder: PathBuf,
    #[arg(long)]
    threads: usize,
}

impl Command for TrialArgs {
    fn run(&self) -> anyhow::Result<u8> {
        // A full disk may have no room for the record of it: the exit status tells.
        train(self).or_else(|error| {
            let is_full = |cause: &(dyn std::error::Error + 'static)| cause.downcast_ref().is_some_and(files::is_full);
            if !error.chain().any(is_full) {
                return Err(error);
            }
            explain(&error);
            Ok(DISK_FULL)
        })
    }
}

fn train(args: &TrialArgs) -> anyhow::Result<u8> {
    // It was started by its file, not by its name, and would be listed by neither.
    #[cfg(target_os = "linux")]
    let _ = std::fs::write("/proc/self/comm", "vaex");
    stop_with_parent(&STOP);
    signals::stop()?;
    let mut emit = |event: Event| say(&serde_json::to_string(&event).unwrap_or_default());
    // A process of an earlier run may still be in its last step, and one on another machine may train it.
    let Some(_lock) = take(&args.folder, &mut emit)? else { return Ok(INTERRUPTED) };
    let record = TrialRecord::read(&args.folder)?;
    let (_, trial) = prepared_trial(&args.folder, &record.trial)?;
    if record.status == Status::Done && trial::fault(&args.folder, &record).is_none() {
        return Ok(DONE);
    }
    let run = Run { folder: &args.folder, threads: args.threads, stop: &STOP, emit: &mut emit };
    Ok(match trial::run(&trial, record, run)? {
        Ended { disk_is_full: true, .. } => DISK_FULL,
        Ended { status: Status::Done, .. } => DONE,
        Ended { status: Status::Interrupted, .. } => INTERRUPTED,
        Ended { status: Status::Failed | Status::Diverged | Status::Planned | Status::Running, .. } => FAILED,
    })
}

/// Takes the trial's folder, however long that takes; nothing where this process is to stop before.
fn take(folder: &Path, emit: &mut dyn FnMut(Event)) -> anyhow::Result<Option<Lock>> {
    let mut seconds = 0u32;
    while !STOP.load(Ordering::Relaxed) {
        match lock::take(folder, Duration::from_secs(1)) {
            Err(LaunchError::Busy { holder, .. }) => {
                // Every so often, so that it is known that this process is alive.
                let holder = holder.map_or("another process".to_owned(), |holder| holder.to_string());
                if seconds.is_power_of_two() || seconds.is_multiple_of(60) {
                    emit(Event::Waiting { holder });
                } else {
                    // An empty line is no event, and a sign of life.
                    say("");
                }
                seconds += 1;
            }
            taken => return Ok(Some(taken?)),
        }
    }
    Ok(None)
}
