//! The state of an event file at a checkpoint.

use crate::folder::checksum;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// How an event file was when a checkpoint was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogSeal {
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

impl LogSeal {
    /// Whether a file begins as it was; more may have come after.
    pub fn holds(&self, path: &Path) -> bool {
        let found = File::open(path).and_then(|file| checksum(file.take(self.bytes)));
        found.is_ok_and(|(sha256, bytes)| LogSeal { bytes, sha256 } == *self)
    }
}
