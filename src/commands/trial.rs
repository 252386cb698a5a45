//! `vaex trial FOLDER`, hidden: the process of one trial. Events go to its output, one a line.

use super::{DONE, FAILED, INTERRUPTED, TrialArgs, prepared_trial, say};
use crate::launch::{lock, stop_with_parent};
use crate::log::record::Status;
use crate::trial::{self, Event, Run};
use anyhow::Context;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

static STOP: AtomicBool = AtomicBool::new(false);

pub(super) fn run(args: &TrialArgs) -> anyhow::Result<u8> {
    stop_with_parent(&STOP);
    ctrlc::set_handler(|| STOP.store(true, Ordering::Relaxed)).context("cannot watch for signals")?;
    // A process of an earlier run may still be in its last step.
    let _lock = lock::take(&args.folder, Duration::MAX)?;
    let (record, _, trial) = prepared_trial(&args.folder)?;
    let mut emit = |event: Event| say(&serde_json::to_string(&event).unwrap_or_default());
    let run = Run { folder: &args.folder, threads: args.threads, stop: &STOP, emit: &mut emit };
    Ok(match trial::run(&trial, record, run)? {
        Status::Done => DONE,
        Status::Interrupted => INTERRUPTED,
        Status::Failed | Status::Diverged | Status::Planned | Status::Running => FAILED,
    })
}
