//! Why an IDX file cannot be read, in words.

use crate::folder::FileError;
use crate::text::{counted, grouped};
use std::io;
use std::path::PathBuf;

/// The maximum number of decompressed bytes that are in memory: 8 GiB.
pub(super) const LIMIT: u64 = 8 << 30;

/// Why an IDX file cannot be read.
#[derive(Debug, thiserror::Error)]
pub(in crate::data) enum IdxError {
    /// The file cannot be opened or read.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is not an IDX file.
    #[error("`{}` is not an IDX file: it begins with the bytes {}, not with 00 00 08; use an IDX file", path.display(), hex(*found))]
    NotIdx {
        /// The file.
        path: PathBuf,
        /// Its first bytes, after decompression.
        found: [u8; 4],
    },
    /// Labels are not whole numbers.
    #[error("`{}` holds floats, but labels are whole numbers; choose another file", path.display())]
    FloatLabels {
        /// The file.
        path: PathBuf,
    },
    /// The wrong number of axes: images have three or four, labels one or two.
    #[error("`{}` has {}, {wanted}{hint}", path.display(), counted(found, "dimension"))]
    Dimensions {
        /// The file.
        path: PathBuf,
        /// The number of axes, byte 3 of the file.
        found: u8,
        /// The expected number of axes, in words.
        wanted: &'static str,
        /// The probable cause.
        hint: &'static str,
    },
    /// An axis has size 0.
    #[error("`{}` holds no {what}: its header gives the size {sizes}; choose another file", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
        /// `images` or `labels`.
        what: &'static str,
        /// The sizes of the axes, in words.
        sizes: String,
    },
    /// It has more data than vaex reads.
    #[error(
        "the header of `{}` gives {sizes} bytes, more than the maximum of {} (8 GiB); if that is right, split the file",
        path.display(), grouped(LIMIT)
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The sizes of the axes, in words.
        sizes: String,
    },
    /// The file ends inside its header.
    #[error(
        "`{}` ends after {}, inside its {header}-byte header; download it again", path.display(), counted(found, "byte")
    )]
    NoHeader {
        /// The file.
        path: PathBuf,
        /// The number of bytes that are there, after decompression.
        found: usize,
        /// The number of bytes of a header of this content.
        header: usize,
    },
    /// The file ends too early.
    #[error(
        "`{}` ends after {} of {} bytes; download it again", path.display(), grouped(found), grouped(expected)
    )]
    Truncated {
        /// The file.
        path: PathBuf,
        /// The number of bytes that are there, after decompression, including the header.
        found: u64,
        /// The number of bytes according to the header, including the header.
        expected: u64,
    },
    /// The file is longer than its header says.
    #[error(
        "`{}` is longer than the {} bytes that its header gives; download it again", path.display(), grouped(expected)
    )]
    Trailing {
        /// The file.
        path: PathBuf,
        /// The number of bytes according to the header, including the header.
        expected: u64,
    },
    /// The compression ratio is too high.
    #[error(
        "the header of `{}` gives {} bytes, but the gzip file has only {} bytes, too few for images; if that is right, \
         decompress the file",
        path.display(), grouped(*claimed), grouped(*stored)
    )]
    Bomb {
        /// The file.
        path: PathBuf,
        /// The number of bytes according to the header.
        claimed: u64,
        /// The number of bytes of the file.
        stored: u64,
    },
    /// The compressed data are damaged.
    #[error("`{}` is a damaged gzip file ({reason}); download it again", path.display())]
    Gzip {
        /// The file.
        path: PathBuf,
        /// The error of the decoder.
        reason: io::Error,
    },
}

/// The bytes as text, for example `89 50 4E 47`.
fn hex(bytes: [u8; 4]) -> String {
    bytes.map(|byte| format!("{byte:02X}")).join(" ")
}
