//! A trial's event log as training sees it: it can fail, and costs no training then.

use super::tensorboard::{EventWriter, LogSeal};
use crate::folder::{FileError, TrialFolder};

/// An event file that is being written, until something goes wrong with it.
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

    /// Writes something, where nothing has gone wrong before.
    pub fn add(&mut self, write: impl FnOnce(&mut EventWriter) -> Result<(), FileError>) {
        let Some(writer) = &mut self.writer else { return };
        if let Err(fault) = write(writer) {
            self.writer = None;
            self.fault = Some(fault);
        }
    }

    /// What went wrong, told once.
    pub fn take_fault(&mut self) -> Option<FileError> {
        self.fault.take()
    }

    /// The file's name, and how it is now; nothing where something went wrong.
    pub fn seal(&mut self) -> Option<(String, LogSeal)> {
        self.add(EventWriter::flush);
        self.writer.as_ref()?.seal()
    }
}
