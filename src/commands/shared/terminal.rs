//! The terminal: whether it shows colours and bars, its width, and whether output to it was lost.

use std::env;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether a write to standard output has failed.
static LOST: AtomicBool = AtomicBool::new(false);

/// The assumed width of a terminal whose width is unknown.
const DEFAULT_WIDTH: usize = 80;

/// Whether the stream is a terminal that can move its cursor, which bars need.
pub(crate) fn can_draw(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && env::var_os("TERM").map_or(cfg!(windows), |term| term != "dumb")
}

/// Whether text on the stream is coloured: on terminals that support it, unless NO_COLOR is set (no-color.org).
pub(crate) fn has_colour(stream: &impl IsTerminal) -> bool {
    let unwanted = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !unwanted && env::var_os("CLICOLOR").is_none_or(|value| value != "0") && can_draw(stream)
}

/// The width of the terminal, or COLUMNS if it is set. `None` if standard output is not a terminal: lines are not limited.
pub(crate) fn width() -> Option<usize> {
    if !io::stdout().is_terminal() {
        return None;
    }
    let variable = env::var("COLUMNS").ok().and_then(|columns| columns.trim().parse().ok());
    let found = || terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| usize::from(width.0));
    Some(variable.filter(|width| *width > 0).or_else(found).filter(|width| *width > 0).unwrap_or(DEFAULT_WIDTH))
}

/// Writes to standard output. Training continues if this fails: the first error is printed, and the exit status becomes 1.
/// A closed pipe is not an error: the reader has read what it needs.
pub(crate) fn write(text: &str) {
    let mut output = io::stdout().lock();
    if let Err(error) = output.write_all(text.as_bytes()).and_then(|()| output.flush())
        && error.kind() != ErrorKind::BrokenPipe
        && !LOST.swap(true, Ordering::Relaxed)
    {
        let _ = writeln!(io::stderr().lock(), "error: cannot write to standard output: {error}");
    }
}

/// Whether any output was lost.
pub(crate) fn is_lost() -> bool {
    LOST.load(Ordering::Relaxed)
}
