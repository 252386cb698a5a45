//! Signals that ask the program to stop: SIGINT, SIGTERM and SIGHUP. One that was ignored when the program began, as
//! SIGHUP is under `nohup`, stays ignored.

use anyhow::Context;

/// Calls `handler`, on a thread of its own, for each signal that asks the program to stop.
///
/// # Errors
/// The signals cannot be watched.
#[cfg(unix)]
pub(super) fn watch(mut handler: impl FnMut() + Send + 'static) -> anyhow::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let ignored = crate::machine::ignored_signals().unwrap_or(0);
    let watched = [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|signal| ignored & (1 << (signal - 1)) == 0);
    let mut signals = signal_hook::iterator::Signals::new(watched).context("cannot watch for signals")?;
    let handle = move || signals.forever().for_each(|_| handler());
    std::thread::Builder::new().name("signals".to_owned()).spawn(handle).context("cannot watch for signals")?;
    Ok(())
}

/// Signals are not known here.
#[cfg(not(unix))]
pub(super) fn watch(_: impl FnMut() + Send + 'static) -> anyhow::Result<()> {
    Ok(())
}
