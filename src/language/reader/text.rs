//! The text of a spec file.

use crate::folder::FileError;
use std::path::Path;

/// Why a file cannot be read as text.
pub(in crate::language) enum Unread {
    File(FileError),
    /// It is not UTF-8; the number is the line of the first invalid byte.
    Bytes(usize),
}

/// The error message for a file that is not UTF-8.
pub(in crate::language) fn not_text(line: usize) -> String {
    format!("is not UTF-8 text: line {line} has invalid bytes")
}

pub(in crate::language) fn text_of(path: &Path) -> Result<String, Unread> {
    let bytes = std::fs::read(path).map_err(|error| Unread::File(FileError::at("read the spec", path)(error)))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        Unread::Bytes(valid.iter().filter(|byte| **byte == b'\n').count() + 1)
    })?;
    // Some editors write a byte order mark at the start of the file.
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}
