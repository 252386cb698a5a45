//! Where output goes: whether it may have colours and bars, how wide it may be, and whether it arrived.

use std::env;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether something could not be written to standard output.
static LOST: AtomicBool = AtomicBool::new(false);

/// The width of a terminal that does not tell it.
const USUAL_WIDTH: usize = 80;

/// Whether the stream is a terminal that can move its cursor, as bars need it.
pub(crate) fn can_draw(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && env::var_os("TERM").map_or(cfg!(windows), |term| term != "dumb")
}

/// Whether text on the stream is coloured: on a terminal that can, unless NO_COLOR is set (no-color.org).
pub(crate) fn has_colour(stream: &impl IsTerminal) -> bool {
    let unwanted = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !unwanted && env::var_os("CLICOLOR").is_none_or(|value| value != "0") && can_draw(stream)
}

/// Columns of the terminal that standard output is, COLUMNS first; `None` if it is none, and lines may have any length.
pub(crate) fn width() -> Option<usize> {
    if !io::stdout().is_terminal() {
        return None;
    }
    let said = env::var("COLUMNS").ok().and_then(|columns| columns.trim().parse().ok());
    let found = || terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| usize::from(width.0));
    Some(said.filter(|width| *width > 0).or_else(found).filter(|width| *width > 0).unwrap_or(USUAL_WIDTH))
}

/// Writes to standard output. Training goes on without it: what is lost is said once, and makes the exit status 1.
/// A reader that has gone away has read what it wanted.
pub(crate) fn write(text: &str) {
    let mut output = io::stdout().lock();
    if let Err(error) = output.write_all(text.as_bytes()).and_then(|()| output.flush())
        && error.kind() != ErrorKind::BrokenPipe
        && !LOST.swap(true, Ordering::Relaxed)
    {
        let _ = writeln!(io::stderr().lock(), "error: cannot write to standard output: {error}");
    }
}

/// Whether something that was to be printed is lost.
pub(crate) fn is_lost() -> bool {
    LOST.load(Ordering::Relaxed)
}
