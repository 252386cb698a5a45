//! Seals: a file contains its own checksum, so that a changed file is detected.

use super::{FileError, digest};
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::path::Path;

/// Hexadecimal digits of a full SHA-256.
const SEAL_DIGITS: usize = 64;

/// The placeholder of the checksum while the checksum is computed.
pub const BLANK_SEAL: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The name of the checksum field in a file.
pub const SEAL_NAME: &str = "checksum";

/// The position of the checksum in a file.
#[derive(Clone, Copy, Debug)]
pub enum SealPlace {
    /// The first field with the name of the checksum.
    First,
    /// The last field with the name of the checksum.
    Last,
}

impl SealPlace {
    /// The position of the digits, which start at most 7 bytes after the name.
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

    /// Replaces the blank checksum of a file by its SHA-256.
    ///
    /// # Errors
    /// The file has no checksum.
    pub fn seal(self, file: &mut [u8]) -> io::Result<()> {
        let checksum = digest(&[file], SEAL_DIGITS);
        let place = self.find(file).and_then(|place| file.get_mut(place));
        place.ok_or_else(|| io::Error::other("it has no checksum"))?.copy_from_slice(checksum.as_bytes());
        Ok(())
    }

    /// Whether a file is unchanged since it was sealed.
    pub fn holds(self, file: &[u8]) -> bool {
        let Some(place) = self.find(file) else { return false };
        let (before, after) = (&file[..place.start], &file[place.end..]);
        digest(&[before, BLANK_SEAL.as_bytes(), after], SEAL_DIGITS).as_bytes() == &file[place]
    }
}

/// The error message of a file that was changed since it was written.
pub const DAMAGED: &str = "it is damaged: its checksum differs";

/// The error of a file that was changed since it was written.
pub fn damaged(path: &Path) -> FileError {
    let source = io::Error::new(ErrorKind::InvalidData, DAMAGED);
    FileError { action: "read", path: path.to_path_buf(), source }
}
