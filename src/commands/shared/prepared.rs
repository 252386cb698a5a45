//! Prepared images: where they are, and the progress of preparing them on the terminal.

use super::print::complain;
use super::terminal;
use crate::data::{Cache, Files, Preparing};
use indicatif::{ProgressBar, ProgressStyle};
use std::time::{Duration, Instant};

/// After how long a bar or a line says that images are prepared.
const PATIENCE: Duration = Duration::from_secs(1);

/// Loads images with the cache that the environment names. If preparing them takes long, shows the progress: a bar on a terminal,
/// a line elsewhere.
pub(crate) fn files() -> Files {
    with_cache(Cache::of_environment())
}

/// As [`files`], for a command that uses the values: they are checked before.
pub(crate) fn checked_files() -> Files {
    with_cache(Cache::of_environment().checking_values())
}

fn with_cache(cache: Cache) -> Files {
    let mut bar: Option<ProgressBar> = None;
    let draws = terminal::can_draw(&std::io::stderr());
    let mut start = None;
    Files::new(cache, move |event| match event {
        Preparing::Waits { what } => {
            complain(&format!("waiting for another process that prepares {}", what.display()));
        }
        Preparing::Images { what, done, count } => {
            let (start, is_said) = start.get_or_insert_with(|| (Instant::now(), false));
            if start.elapsed() < PATIENCE {
                return;
            }
            if draws {
                let bar = bar.get_or_insert_with(|| new_bar(&what.display().to_string(), count));
                bar.set_position(done as u64);
            } else if !std::mem::replace(is_said, true) {
                complain(&format!("preparing the images of {}", what.display()));
            }
        }
        Preparing::Ended => {
            start = None;
            if let Some(bar) = bar.take() {
                bar.finish_and_clear();
            }
        }
        Preparing::Note(text) => complain(&format!("note: {text}")),
    })
}

fn new_bar(what: &str, count: Option<usize>) -> ProgressBar {
    let bar = match count {
        Some(count) => ProgressBar::new(count as u64),
        None => ProgressBar::new_spinner(),
    };
    let template = match count {
        Some(_) => "preparing {msg} {wide_bar} {pos}/{len} images, {eta} left",
        None => "preparing {msg}: {pos} images, {elapsed}",
    };
    bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_message(what.to_owned());
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
