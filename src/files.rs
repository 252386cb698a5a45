//! Files that appear whole or not at all: a sibling temporary file, fsync, rename.

use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Write};
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

/// The first hexadecimal digits of SHA-256 over some bytes, one after the other.
pub fn digest(parts: &[&[u8]], digits: usize) -> String {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    let mut hex = hash.finalize().iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    hex.truncate(digits);
    hex
}

/// How the names of unfinished files begin.
const TEMPORARY_PREFIX: &str = ".vaex-";

/// Writes `path` through `write`, so that a reader sees the old content or the new, never a part.
pub fn write_whole(
    path: &Path,
    write: impl FnOnce(&mut io::BufWriter<&mut File>) -> io::Result<()>,
) -> Result<(), FileError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let attempt = || -> io::Result<()> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(TEMPORARY_PREFIX).suffix(".tmp");
        readable_by_others(&mut builder);
        let mut temporary = builder.tempfile_in(folder)?;
        let mut buffered = io::BufWriter::new(temporary.as_file_mut());
        write(&mut buffered)?;
        buffered.flush()?;
        drop(buffered);
        temporary.as_file().sync_all()?;
        temporary.persist(path).map_err(|error| error.error)?;
        Ok(())
    };
    attempt().map_err(FileError::at("write", path))
}

/// Temporary files are private; what these become is an ordinary file, as far as the user's mask lets it be.
#[cfg(unix)]
fn readable_by_others(builder: &mut tempfile::Builder<'_, '_>) {
    use std::os::unix::fs::PermissionsExt;
    builder.permissions(std::fs::Permissions::from_mode(0o666));
}

#[cfg(not(unix))]
fn readable_by_others(_: &mut tempfile::Builder<'_, '_>) {}

/// Removes the temporary files that a killed process left in a folder; only where no other process is writing there.
///
/// # Errors
/// The folder cannot be read, or a file not be removed.
pub fn remove_leftovers(folder: &Path) -> Result<(), FileError> {
    remove_files(folder, TEMPORARY_PREFIX)
}

/// Removes the files of a folder whose names begin so.
///
/// # Errors
/// The folder cannot be read, or a file not be removed.
pub fn remove_files(folder: &Path, prefix: &str) -> Result<(), FileError> {
    let entries = std::fs::read_dir(folder).map_err(FileError::at("read the folder", folder))?;
    let left = entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix));
    left.map(|entry| entry.path())
        .try_for_each(|path| std::fs::remove_file(&path).map_err(FileError::at("remove", &path)))
}

/// Name of the file that a process locks while it is at work in a folder.
pub const LOCK_FILE: &str = ".lock";

/// Opens the file that a process locks while it is at work in a folder.
///
/// # Errors
/// The file cannot be made.
pub fn open_lock(folder: &Path) -> Result<File, FileError> {
    let path = folder.join(LOCK_FILE);
    File::options().create(true).append(true).open(&path).map_err(FileError::at("write", &path))
}

/// Creates a folder and those above it.
pub fn create_folder(path: &Path) -> Result<(), FileError> {
    std::fs::create_dir_all(path).map_err(FileError::at("create the folder", path))
}

/// The machine's name where the system tells it, so that files of several machines can be told apart.
pub fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name: String = name.trim().chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    if name.is_empty() { "vaex".to_owned() } else { name }
}
