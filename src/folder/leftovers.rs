//! Temporary files that killed processes leave in a folder.

use super::FileError;
use std::io::ErrorKind;
use std::path::Path;

/// The prefix of the names of temporary files.
pub(super) const TEMPORARY_PREFIX: &str = ".vaex-";

/// Removes the temporary files that a killed process left in a folder. No other process may be writing there.
///
/// # Errors
/// The folder cannot be read, or a file cannot be removed.
pub fn remove_leftovers(folder: &Path) -> Result<(), FileError> {
    remove_files(folder, TEMPORARY_PREFIX)
}

/// Removes the files of a folder whose names start with `prefix`.
///
/// # Errors
/// The folder cannot be read, or a file cannot be removed.
pub(super) fn remove_files(folder: &Path, prefix: &str) -> Result<(), FileError> {
    let entries = std::fs::read_dir(folder).map_err(FileError::at("read the folder", folder))?;
    let left = entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix));
    left.map(|entry| entry.path()).try_for_each(|path| match std::fs::remove_file(&path) {
        // The process that wrote it has renamed or removed it in the meantime.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed.map_err(FileError::at("remove", &path)),
    })
}
