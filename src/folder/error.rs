//! A file operation that failed: on what, and for want of what.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// A file operation that failed, with the file it was about.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}: {source}", path.display())]
pub struct FileError {
    /// What was tried: `read`, `write`, `create`, ...
    pub action: &'static str,
    /// The file or folder.
    pub path: PathBuf,
    /// Why it failed.
    pub source: io::Error,
}

impl FileError {
    /// For `map_err`: names the action and the file of an I/O error.
    pub fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FileError {
        let path = path.to_path_buf();
        move |source| FileError { action, path, source }
    }
}

/// Where a file has no room, says how much it needs.
pub(crate) fn room_needed(error: io::Error, path: &Path, bytes: u64) -> io::Error {
    let full = matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge);
    if !full {
        return error;
    }
    let free = free_bytes(path.parent().unwrap_or(Path::new(".")));
    let free = free.map_or_else(String::new, |free| format!(", and the disk has {free} free"));
    io::Error::new(error.kind(), format!("{error}; it needs {bytes} bytes{free}"))
}

/// Whether an error says that nothing more can be written to a disk, by whomever: what else is tried there fails as well.
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::ReadOnlyFilesystem)
}

/// Bytes that may still be written to the disk of a folder.
#[cfg(unix)]
fn free_bytes(folder: &Path) -> Option<u64> {
    let disk = nix::sys::statvfs::statvfs(folder).ok()?;
    // Through floats, as the types of these numbers differ between systems.
    Some((disk.blocks_available() as f64 * disk.fragment_size() as f64) as u64)
}

#[cfg(not(unix))]
fn free_bytes(_: &Path) -> Option<u64> {
    None
}
