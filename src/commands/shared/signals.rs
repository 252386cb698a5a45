//! Signals that ask the program to stop: SIGINT, SIGTERM and SIGHUP. One that was ignored when the program began, as
//! SIGHUP is under `nohup`, stays ignored.

use super::exit::INTERRUPTED;
use super::print::complain;
use anyhow::Context;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the program was asked to stop: set by the functions below.
pub(crate) static STOP: AtomicBool = AtomicBool::new(false);

/// From now on the first signal sets `STOP`, so that the trials stop after their present step; the second stops at once.
pub(crate) fn stop_then_exit() -> anyhow::Result<()> {
    watch(|| {
        if STOP.swap(true, Ordering::Relaxed) {
            std::process::exit(i32::from(INTERRUPTED));
        }
        complain("stopping after the present step; once more stops at once");
    })
}

/// From now on a signal sets `STOP`; a second one says no more than the first.
pub(crate) fn stop() -> anyhow::Result<()> {
    watch(|| STOP.store(true, Ordering::Relaxed))
}

/// Calls `handler`, on a thread of its own, for each signal that asks the program to stop.
///
/// # Errors
/// The signals cannot be watched.
#[cfg(unix)]
pub(crate) fn watch(mut handler: impl FnMut() + Send + 'static) -> anyhow::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let ignored = ignored();
    let watched = [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|signal| ignored & (1 << (signal - 1)) == 0);
    let mut signals = signal_hook::iterator::Signals::new(watched).context("cannot watch for signals")?;
    let handle = move || signals.forever().for_each(|_| handler());
    std::thread::Builder::new().name("signals".to_owned()).spawn(handle).context("cannot watch for signals")?;
    Ok(())
}

/// Signals are not known here.
#[cfg(not(unix))]
pub(crate) fn watch(_: impl FnMut() + Send + 'static) -> anyhow::Result<()> {
    Ok(())
}

/// The signals that this process ignores, a bit each, where the system tells.
#[cfg(unix)]
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find_map(mask).unwrap_or(0)
}

/// The mask in the line of /proc/self/status that has it.
#[cfg(unix)]
fn mask(line: &str) -> Option<u64> {
    u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok()
}
