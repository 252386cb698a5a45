//! The event log of a trial in training. If it cannot be written, training continues without it.

use super::tensorboard::{EventWriter, LogSeal};
use crate::folder::{FileError, TrialFolder};
use std::time::{Duration, Instant};

/// Readers of the log see events after this time at the latest, once another one is added.
const HELD_BACK: Duration = Duration::from_secs(1);

/// An event file that is being written; after the first error nothing more is written.
pub struct EventLog {
    writer: Option<EventWriter>,
    fault: Option<FileError>,
    flushed: Instant,
}

impl EventLog {
    /// Opens a new event file; see [`EventWriter::create`].
    pub fn open(folder: &TrialFolder, start_step: u64) -> EventLog {
        match EventWriter::create(folder.path(), start_step) {
            Ok(writer) => EventLog { writer: Some(writer), fault: None, flushed: Instant::now() },
            Err(fault) => EventLog { writer: None, fault: Some(fault), flushed: Instant::now() },
        }
    }

    /// Calls `write`, unless there was an error before.
    pub fn add(&mut self, write: impl FnOnce(&mut EventWriter) -> Result<(), FileError>) {
        let Some(writer) = &mut self.writer else { return };
        if let Err(fault) = write(writer) {
            self.writer = None;
            self.fault = Some(fault);
        }
    }

    /// Writes what was added to the file.
    pub fn flush(&mut self) {
        self.add(EventWriter::flush);
        self.flushed = Instant::now();
    }

    /// As [`EventLog::flush`], unless that was done just before: epochs of small models are short.
    pub fn flush_now_and_then(&mut self) {
        if self.flushed.elapsed() > HELD_BACK {
            self.flush();
        }
    }

    /// The error, if any; only the first call returns it.
    pub fn take_fault(&mut self) -> Option<FileError> {
        self.fault.take()
    }

    /// The file's name and its present seal; `None` after an error.
    pub fn seal(&mut self) -> Option<(String, LogSeal)> {
        self.flush();
        self.writer.as_ref()?.seal()
    }
}
