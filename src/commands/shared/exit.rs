//! The exit statuses of all commands.

use crate::launch::Summary;

/// Success.
pub(crate) const DONE: u8 = 0;
/// A trial failed, an expectation is not met, or output could not be printed.
pub(crate) const FAILED: u8 = 1;
/// The command line, the spec or the data is wrong, and nothing was started.
pub(crate) const WRONG: u8 = 2;
/// Stopped by a signal.
pub(crate) const INTERRUPTED: u8 = 130;

/// The exit status of a run. With `allow_failed`, only trials that were stopped from outside count as failed.
pub(crate) fn exit_status(summary: Summary, stopped: bool, allow_failed: bool) -> u8 {
    match summary {
        Summary { interrupted: 1.., .. } if stopped => INTERRUPTED,
        Summary { from_outside: 1.., .. } | Summary { not_evaluated: 1.., .. } => FAILED,
        Summary { failed: 1.., .. } if !allow_failed => FAILED,
        Summary { interrupted: 1.., .. } => INTERRUPTED,
        Summary { .. } => DONE,
    }
}
