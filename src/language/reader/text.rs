//! The text of a spec file.

use crate::folder::FileError;
use std::path::Path;

/// Why a file has no text.
pub(in crate::language) enum Unread {
    File(FileError),
    /// It is not UTF-8, in that line.
    Bytes(usize),
}

/// What is wrong with a file that is not text.
pub(in crate::language) fn not_text(line: usize) -> String {
    format!("is not UTF-8 text: line {line} has other bytes")
}

pub(in crate::language) fn text_of(path: &Path) -> Result<String, Unread> {
    let bytes = std::fs::read(path).map_err(|error| Unread::File(FileError::at("read the spec", path)(error)))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        Unread::Bytes(valid.iter().filter(|byte| **byte == b'\n').count() + 1)
    })?;
    // Some editors begin a file with a mark that is no part of its text.
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}
