//! The event log of a trial in training. If it cannot be written, training continues without it.

use super::tensorboard::{EventWriter, LogSeal};
use crate::folder::{FileError, TrialFolder};

/// An event file that is being written; after the first error nothing more is written.
pub struct EventLog {
    writer: Option<EventWriter>,
    fault: Option<FileError>,
}

impl EventLog {
    /// Opens a new event file; see [`EventWriter::create`].
    pub fn open(folder: &TrialFolder, start_step: u64) -> EventLog {
        match EventWriter::create(folder.path(), start_step) {
            Ok(writer) => EventLog { writer: Some(writer), fault: None },
            Err(fault) => EventLog { writer: None, fault: Some(fault) },
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

    /// The error, if any; only the first call returns it.
    pub fn take_fault(&mut self) -> Option<FileError> {
        self.fault.take()
    }

    /// The file's name and its present seal; `None` after an error.
    pub fn seal(&mut self) -> Option<(String, LogSeal)> {
        self.add(EventWriter::flush);
        self.writer.as_ref()?.seal()
    }
}
