//! Files that appear whole or not at all: a sibling temporary file, fsync, rename.

use super::FileError;
use super::error::room_needed;
use super::leftovers::TEMPORARY_PREFIX;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::path::Path;

/// Writes `path`, so that a reader sees the old content or the new, never a part.
///
/// # Errors
/// The file cannot be written; where there is no room for it, how much it needs.
pub fn write_whole(path: &Path, content: &[u8]) -> Result<(), FileError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let attempt = || -> io::Result<()> {
        let mut temporary = temporary(folder)?;
        temporary.as_file_mut().write_all(content)?;
        temporary.as_file().sync_all()?;
        temporary.persist(path).map_err(|error| error.error)?;
        // The new name is to last as well; where a folder cannot be synced, there is nothing to do about it.
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
        Ok(())
    };
    let again = |error: io::Error| match error.kind() {
        // A process that begins to work in the folder takes the temporary file for a leftover.
        ErrorKind::NotFound => attempt(),
        _ => Err(error),
    };
    let written = attempt().or_else(again);
    written.map_err(|error| room_needed(error, path, content.len() as u64)).map_err(FileError::at("write", path))
}

/// A file that is to take its name when it is whole; [`remove_leftovers`] removes it where it never does.
///
/// # Errors
/// It cannot be created.
pub(crate) fn temporary(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY_PREFIX).suffix(".tmp");
    readable_by_others(&mut builder);
    builder.tempfile_in(folder).map_err(without_path)
}

/// An error of the temporary file, which does not concern the reader: it names that file after the reason.
fn without_path(error: io::Error) -> io::Error {
    let text = error.to_string();
    match text.split_once(" at path ") {
        Some((reason, _)) => io::Error::new(error.kind(), reason),
        None => error,
    }
}

/// Temporary files are private; what these become is an ordinary file, as far as the user's mask lets it be.
#[cfg(unix)]
fn readable_by_others(builder: &mut tempfile::Builder<'_, '_>) {
    use std::os::unix::fs::PermissionsExt;
    builder.permissions(std::fs::Permissions::from_mode(0o666));
}

#[cfg(not(unix))]
fn readable_by_others(_: &mut tempfile::Builder<'_, '_>) {}

/// Creates a folder and those above it.
pub fn create_folder(path: &Path) -> Result<(), FileError> {
    std::fs::create_dir_all(path).map_err(FileError::at("create the folder", path))
}
