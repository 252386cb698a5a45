//! Atomic writes: a temporary file in the same folder, which is renamed. What cannot be made again is also synced to the disk.

use super::FileError;
use super::error::room_needed;
use super::leftovers::TEMPORARY_PREFIX;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::path::Path;

/// Writes a file atomically: a reader sees either the old content or the new content, never a part, even if the machine goes down.
///
/// # Errors
/// The file cannot be written. If there is no space, the error has the number of bytes needed.
pub fn write_whole(path: &Path, content: &[u8]) -> Result<(), FileError> {
    write(path, content, true)
}

/// As [`write_whole`], for a file that vaex can make again: if the machine goes down soon after, it may be empty or damaged. A
/// sync takes milliseconds, much longer than a step of a small model.
///
/// # Errors
/// As [`write_whole`].
pub fn write_unsynced(path: &Path, content: &[u8]) -> Result<(), FileError> {
    write(path, content, false)
}

fn write(path: &Path, content: &[u8], is_synced: bool) -> Result<(), FileError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let attempt = || -> io::Result<()> {
        let mut temporary = temporary(folder)?;
        temporary.as_file_mut().write_all(content)?;
        if is_synced {
            temporary.as_file().sync_all()?;
        }
        temporary.persist(path).map_err(|error| error.error)?;
        if is_synced {
            // Syncing the folder makes the new name durable. Not every file system can do it, so an error is ignored.
            let _ = File::open(folder).and_then(|folder| folder.sync_all());
        }
        Ok(())
    };
    let again = |error: io::Error| match error.kind() {
        // Another process that starts in the folder may have removed the temporary file as a leftover.
        ErrorKind::NotFound => attempt(),
        _ => Err(error),
    };
    let written = attempt().or_else(again);
    written.map_err(|error| room_needed(error, path, content.len() as u64)).map_err(FileError::at("write", path))
}

/// A temporary file, to be renamed when it is complete. If that never happens, [`remove_leftovers`] removes it.
///
/// # Errors
/// The file cannot be created.
pub(crate) fn temporary(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY_PREFIX).suffix(".tmp");
    readable_by_others(&mut builder);
    builder.tempfile_in(folder).map_err(without_path)
}

/// Removes the path of the temporary file from an error, because the path means nothing to the user.
fn without_path(error: io::Error) -> io::Error {
    let text = error.to_string();
    match text.split_once(" at path ") {
        Some((reason, _)) => io::Error::new(error.kind(), reason),
        None => error,
    }
}

/// Temporary files are private by default; these become ordinary files, so they get the permissions that umask allows.
#[cfg(unix)]
fn readable_by_others(builder: &mut tempfile::Builder<'_, '_>) {
    use std::os::unix::fs::PermissionsExt;
    builder.permissions(std::fs::Permissions::from_mode(0o666));
}

#[cfg(not(unix))]
fn readable_by_others(_: &mut tempfile::Builder<'_, '_>) {}

/// Creates a folder and its parents.
pub fn create_folder(path: &Path) -> Result<(), FileError> {
    std::fs::create_dir_all(path).map_err(FileError::at("create the folder", path))
}
