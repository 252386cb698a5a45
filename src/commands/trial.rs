//! `vaex trial FOLDER`, hidden: the process of one trial. Events go to its output, one a line.

use super::{DONE, FAILED, INTERRUPTED, TrialArgs, prepared_trial, say};
use crate::launch::lock::{self, Lock};
use crate::launch::{LaunchError, stop_with_parent};
use crate::log::record::{Status, TrialRecord};
use crate::trial::{self, Event, Run};
use anyhow::Context;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

static STOP: AtomicBool = AtomicBool::new(false);

pub(super) fn run(args: &TrialArgs) -> anyhow::Result<u8> {
    stop_with_parent(&STOP);
    ctrlc::set_handler(|| STOP.store(true, Ordering::Relaxed)).context("cannot watch for signals")?;
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
        Status::Done => DONE,
        Status::Interrupted => INTERRUPTED,
        Status::Failed | Status::Diverged | Status::Planned | Status::Running => FAILED,
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
