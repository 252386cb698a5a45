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
    let at = || FileError::at("read the folder", folder);
    for entry in std::fs::read_dir(folder).map_err(at())? {
        let entry = entry.map_err(at())?;
        if !entry.file_name().to_string_lossy().starts_with(prefix) {
            continue;
        }
        // The process that wrote it may have renamed or removed it in the meantime.
        remove_if_present(&entry.path())?;
    }
    Ok(())
}

/// Removes a file, if it exists.
///
/// # Errors
/// It cannot be removed.
pub fn remove_if_present(path: &Path) -> Result<(), FileError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed.map_err(FileError::at("remove", path)),
    }
}
