//! Signals that stop the program, SIGINT, SIGTERM and SIGHUP, and SIGXFSZ, which makes a write fail. A signal that was ignored
//! when the program started, as SIGHUP is under `nohup`, stays ignored.

use super::exit::INTERRUPTED;
use super::print::complain;
use anyhow::Context;
use std::sync::atomic::{AtomicBool, Ordering};

/// Set by the functions below when a signal asks the program to stop.
pub(crate) static STOP: AtomicBool = AtomicBool::new(false);

/// From now on, the first signal sets `STOP`, so that the trials stop after their current step. The second signal exits.
pub(crate) fn stop_then_exit() -> anyhow::Result<()> {
    watch(|| {
        if STOP.swap(true, Ordering::Relaxed) {
            std::process::exit(i32::from(INTERRUPTED));
        }
        complain("stopping after the current step; interrupt again to stop immediately");
    })
}

/// From now on, a signal sets `STOP`; further signals have no effect.
pub(crate) fn stop() -> anyhow::Result<()> {
    watch(|| STOP.store(true, Ordering::Relaxed))
}

/// From now on, a write beyond the limit of the size of files (`ulimit -f`) fails, in place of ending the process by a signal.
#[cfg(unix)]
pub(crate) fn fail_at_file_size_limit() {
    static REACHED: AtomicBool = AtomicBool::new(false);
    // Any handler does. If it cannot be set, the signal ends the process, as it would without it.
    if !is_ignored(nix::libc::SIGXFSZ) {
        let _ = signal_hook::flag::register(nix::libc::SIGXFSZ, &REACHED);
    }
}

/// Does nothing, as this system has no such signal.
#[cfg(not(unix))]
pub(crate) fn fail_at_file_size_limit() {}

/// Whether this process ignores a signal.
#[cfg(unix)]
fn is_ignored(signal: i32) -> bool {
    crate::machine::ignored_signals().unwrap_or(0) & (1 << (signal - 1)) != 0
}

/// Calls `handler`, on its own thread, for each signal that asks the program to stop.
///
/// # Errors
/// The signals cannot be watched.
#[cfg(unix)]
pub(crate) fn watch(mut handler: impl FnMut() + Send + 'static) -> anyhow::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let watched = [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|signal| !is_ignored(*signal));
    let mut signals = signal_hook::iterator::Signals::new(watched).context("cannot watch for signals")?;
    let handle = move || signals.forever().for_each(|_| handler());
    std::thread::Builder::new().name("signals".to_owned()).spawn(handle).context("cannot watch for signals")?;
    Ok(())
}

/// Does nothing, as this system has no such signals.
#[cfg(not(unix))]
pub(crate) fn watch(_: impl FnMut() + Send + 'static) -> anyhow::Result<()> {
    Ok(())
}
