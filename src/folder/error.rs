//! The error of a file operation: the action, the path and the reason.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// A file operation that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}: {source}", path.display())]
pub struct FileError {
    /// The action that failed: `read`, `write`, `create`, ...
    pub action: &'static str,
    /// The file or folder.
    pub path: PathBuf,
    /// The reason.
    pub source: io::Error,
}

impl FileError {
    /// For `map_err`: adds the action and the path to an I/O error.
    pub fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FileError {
        let path = path.to_path_buf();
        move |source| FileError { action, path, source }
    }
}

/// Whether a file or folder exists.
///
/// # Errors
/// It is unknown, for example because the folder that contains it cannot be read.
pub fn exists(path: &Path) -> Result<bool, FileError> {
    match path.try_exists() {
        // No file can have this path.
        Err(error) if matches!(error.kind(), ErrorKind::NotADirectory | ErrorKind::InvalidFilename) => Ok(false),
        found => found.map_err(FileError::at("read", path)),
    }
}

/// Adds the size of a file to the error if there is no space for it.
pub(crate) fn room_needed(error: io::Error, path: &Path, bytes: u64) -> io::Error {
    let full = matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge);
    if !full {
        return error;
    }
    let free = free_bytes(path.parent().unwrap_or(Path::new(".")));
    let free = free.map_or_else(String::new, |free| format!(", the disk has {free} bytes free"));
    io::Error::new(error.kind(), format!("{error}; the file needs {bytes} bytes{free}"))
}

/// Whether an error means that nothing more can be written to the disk, so that every other write fails too.
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::ReadOnlyFilesystem)
}

/// Whether an error, or one that caused it, means that the disk is full or read-only.
pub fn causes_full_disk(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut causes = std::iter::successors(Some(error), |error| error.source());
    causes.any(|cause| cause.downcast_ref().is_some_and(is_full))
}

/// Free bytes on the disk of a folder.
#[cfg(unix)]
fn free_bytes(folder: &Path) -> Option<u64> {
    let disk = nix::sys::statvfs::statvfs(folder).ok()?;
    // Converted to floats, because the integer types differ between systems.
    Some((disk.blocks_available() as f64 * disk.fragment_size() as f64) as u64)
}

#[cfg(not(unix))]
fn free_bytes(_: &Path) -> Option<u64> {
    None
}
