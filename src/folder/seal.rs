//! Seals: the checksum of a file inside the file itself, which tells whether it is still as it was written.

use super::{FileError, digest};
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::path::Path;

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
