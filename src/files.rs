//! Files that appear whole or not at all: a sibling temporary file, fsync, rename. And checksums, which tell whether a
//! file is still as it was written.

use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::ops::Range;
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
    let mut hex = hexadecimal(hash);
    hex.truncate(digits);
    hex
}

/// SHA-256 of all that a reader gives, in hexadecimal digits, and how many bytes that is.
///
/// # Errors
/// It cannot be read.
pub fn checksum(reader: impl Read) -> io::Result<(String, u64)> {
    let (mut reader, mut hash, mut bytes) = (BufReader::with_capacity(1 << 16, reader), Sha256::new(), 0);
    loop {
        let part = reader.fill_buf()?;
        let length = part.len();
        if length == 0 {
            return Ok((hexadecimal(hash), bytes));
        }
        hash.update(part);
        bytes += length as u64;
        reader.consume(length);
    }
}

/// The digits of a checksum.
pub fn hexadecimal(hash: Sha256) -> String {
    hash.finalize().iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Digits of a whole SHA-256.
const SEAL_DIGITS: usize = 64;

/// What stands in a file in the place of its checksum while that is worked out.
pub const BLANK_SEAL: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The name that a file's checksum has in it.
pub const SEAL_NAME: &str = "checksum";

/// Where in a file its checksum is.
#[derive(Clone, Copy, Debug)]
pub enum SealPlace {
    /// The first thing of that name.
    First,
    /// The last thing of that name.
    Last,
}

impl SealPlace {
    /// The digits' place: they follow the name after at most a few other bytes.
    fn find(self, file: &[u8]) -> Option<Range<usize>> {
        let name = SEAL_NAME.as_bytes();
        let digits_after = |start: usize| {
            let after = start + name.len();
            let starts = after..after + 8;
            let is_seal = |start: &usize| {
                let digits = file.get(*start..*start + SEAL_DIGITS);
                digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
            };
            starts.into_iter().find(is_seal).map(|start| start..start + SEAL_DIGITS)
        };
        let mut names =
            file.windows(name.len()).enumerate().filter(|(_, bytes)| *bytes == name).map(|(start, _)| start);
        match self {
            SealPlace::First => names.find_map(digits_after),
            SealPlace::Last => names.rev().find_map(digits_after),
        }
    }

    /// Puts the SHA-256 of a file where it has a blank one.
    pub fn seal(self, file: &mut [u8]) {
        let checksum = digest(&[file], SEAL_DIGITS);
        if let Some(place) = self.find(file).and_then(|place| file.get_mut(place)) {
            place.copy_from_slice(checksum.as_bytes());
        }
    }

    /// Whether a file is as it was sealed.
    pub fn holds(self, file: &[u8]) -> bool {
        let Some(place) = self.find(file) else { return false };
        let (before, after) = (&file[..place.start], &file[place.end..]);
        digest(&[before, BLANK_SEAL.as_bytes(), after], SEAL_DIGITS).as_bytes() == &file[place]
    }
}

/// What is said of a file that is not as it was written.
pub const DAMAGED: &str = "it is damaged: its checksum differs";

/// The error of a file that is not as it was written.
pub fn damaged(path: &Path) -> FileError {
    let source = io::Error::new(ErrorKind::InvalidData, DAMAGED);
    FileError { action: "read", path: path.to_path_buf(), source }
}

/// How the names of unfinished files begin.
const TEMPORARY_PREFIX: &str = ".vaex-";

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

/// Where a file has no room, says how much it needs.
pub(crate) fn room_needed(error: io::Error, path: &Path, bytes: u64) -> io::Error {
    let full = matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge);
    if !full {
        return error;
    }
    let free = free_bytes(path.parent().unwrap_or(Path::new(".")));
    let free = free.map(|free| format!(", and the disk has {free} free")).unwrap_or_default();
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
    left.map(|entry| entry.path()).try_for_each(|path| match std::fs::remove_file(&path) {
        // Whoever wrote it was faster.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed.map_err(FileError::at("remove", &path)),
    })
}

/// Name of the file that a process locks while it is at work in a folder.
pub const LOCK_FILE: &str = ".lock";

/// Creates a folder and those above it.
pub fn create_folder(path: &Path) -> Result<(), FileError> {
    std::fs::create_dir_all(path).map_err(FileError::at("create the folder", path))
}
