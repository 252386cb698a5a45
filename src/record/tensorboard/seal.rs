//! The state of an event file at a checkpoint.

use crate::folder::checksum;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The length and the checksum of an event file when a checkpoint was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogSeal {
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

impl LogSeal {
    /// Whether the file still begins with that content; more may follow.
    pub fn holds(&self, path: &Path) -> bool {
        let found = File::open(path).and_then(|file| checksum(file.take(self.bytes)));
        found.is_ok_and(|(sha256, bytes)| LogSeal { bytes, sha256 } == *self)
    }
}
