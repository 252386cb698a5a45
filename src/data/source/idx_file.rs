//! Reads IDX files, the format that MNIST is published in: plain or gzipped, unsigned bytes only.

use crate::folder::FileError;
use crate::text::{counted, grouped};
use flate2::bufread::GzDecoder;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};

/// The most bytes that a file may claim to hold, once inflated: 8 GiB.
const LIMIT: u64 = 8 << 30;

/// How many times its own size a gzipped file may claim to hold: images of one grey shrink a thousandfold, photographs
/// and digits by far less. Small files may claim [`BOMB_FLOOR`] bytes all the same.
const BOMB_RATIO: u64 = 200;
const BOMB_FLOOR: u64 = 64 << 20;

/// What a file is to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// (Images, Height, Width)
    Images,
    /// (Images)
    Labels,
}

impl Content {
    fn dimensions(self) -> u8 {
        match self {
            Content::Images => 3,
            Content::Labels => 1,
        }
    }

    /// Bytes of the header: the magic number, and a size for each axis.
    fn header(self) -> usize {
        4 + 4 * usize::from(self.dimensions())
    }

    /// As in "holds no images".
    fn name(self) -> &'static str {
        match self {
            Content::Images => "images",
            Content::Labels => "labels",
        }
    }

    fn shape(self) -> &'static str {
        match self {
            Content::Images => "images have 3 (images, height, width)",
            Content::Labels => "labels have 1",
        }
    }
}

/// An array of unsigned bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Array {
    /// Sizes of the file's axes, each at least 1.
    pub(super) sizes: Vec<usize>,
    /// Elements, row-major: of the file's first images or labels, as many of these as were asked for.
    pub(super) bytes: Vec<u8>,
}

/// An IDX file that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum IdxError {
    /// The file cannot be opened, or the disk fails.
    #[error(transparent)]
    File(#[from] FileError),
    /// Something else than IDX.
    #[error("`{}` is not an IDX file: it begins with the bytes {}{}", path.display(), hex(*found), guess(*found))]
    NotIdx {
        /// The file.
        path: PathBuf,
        /// Its first bytes, once inflated.
        found: [u8; 4],
    },
    /// IDX, of numbers that are not unsigned bytes.
    #[error("`{}` holds {name} (type 0x{code:02X}); vaex reads unsigned bytes (type 0x08)", path.display())]
    ElementType {
        /// The file.
        path: PathBuf,
        /// The type's code, byte 2 of the file.
        code: u8,
        /// The type in words.
        name: &'static str,
    },
    /// Images have three axes, labels one.
    #[error("`{}` has {}; {wanted}{hint}", path.display(), counted(found, "dimension"))]
    Dimensions {
        /// The file.
        path: PathBuf,
        /// Axes of the file, byte 3 of the file.
        found: u8,
        /// What it should have, in words.
        wanted: &'static str,
        /// What may have gone wrong.
        hint: &'static str,
    },
    /// An axis of size 0.
    #[error("`{}` holds no {what}: its header gives the size {sizes}; choose another file", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
        /// `images` or `labels`.
        what: &'static str,
        /// Sizes of the axes, in words.
        sizes: String,
    },
    /// More than vaex reads.
    #[error(
        "`{}` claims to hold {sizes} bytes, more than the {} (8 GiB) that vaex reads; if it is that large, split it",
        path.display(), grouped(LIMIT)
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Sizes of the axes, in words.
        sizes: String,
    },
    /// The file ends inside its header.
    #[error(
        "`{}` ends after {}, inside its {header}-byte header; download it again", path.display(), counted(found, "byte")
    )]
    NoHeader {
        /// The file.
        path: PathBuf,
        /// Bytes that are there, once inflated.
        found: usize,
        /// Bytes that a header of this content has.
        header: usize,
    },
    /// The file ends too early.
    #[error(
        "`{}` ends after {} of {} bytes; download it again", path.display(), grouped(found), grouped(expected)
    )]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Bytes that are there, once inflated, header included.
        found: u64,
        /// Bytes that the header claims, header included.
        expected: u64,
    },
    /// The file has more than its header says.
    #[error(
        "`{}` goes on after the {} bytes that its header claims; download it again", path.display(), grouped(expected)
    )]
    Trailing {
        /// The file.
        path: PathBuf,
        /// Bytes that the header claims, header included.
        expected: u64,
    },
    /// A small gzipped file that claims to hold much.
    #[error("`{}` claims {} bytes in {} bytes of gzip, which no images shrink to; unpack it first if it is meant", path.display(), grouped(*claimed), grouped(*stored))]
    Bomb {
        /// The file.
        path: PathBuf,
        /// Bytes that the header claims.
        claimed: u64,
        /// Bytes of the file.
        stored: u64,
    },
    /// The compressed data are damaged.
    #[error("`{}` is gzipped and damaged ({reason}); download it again", path.display())]
    Gzip {
        /// The file.
        path: PathBuf,
        /// What the decoder says.
        reason: io::Error,
    },
}

/// Reads up to `most` images or labels, the first ones, of the IDX file at `path`.
///
/// What comes after them is not read: of a plain file its length must be right, of a gzipped one nothing is checked.
pub(in crate::data) fn read_file(path: &Path, content: Content, most: usize) -> Result<Array, IdxError> {
    let file = File::open(path).map_err(FileError::at("read", path))?;
    let stored = file.metadata().map_err(FileError::at("read", path))?.len();
    read(path, BufReader::with_capacity(1 << 16, file), stored, content, most)
}

/// As [`read_file`], from `input`, which has `stored` bytes, or 0 where that is not known; errors call it `path`.
pub(in crate::data) fn read(
    path: &Path,
    input: impl BufRead,
    stored: u64,
    content: Content,
    most: usize,
) -> Result<Array, IdxError> {
    let mut bytes = Vec::new();
    let sizes = read_into(&mut bytes, path, input, stored, content, most)?;
    bytes.shrink_to_fit();
    Ok(Array { sizes, bytes })
}

/// As [`read`], the elements into `bytes`, which never grows to more than about twice what was there to read.
fn read_into(
    bytes: &mut Vec<u8>,
    path: &Path,
    mut input: impl BufRead,
    stored: u64,
    content: Content,
    most: usize,
) -> Result<Vec<usize>, IdxError> {
    let mut start = Vec::new();
    (&mut input).take(2).read_to_end(&mut start).map_err(FileError::at("read", path))?;
    let gzipped = start == [0x1f, 0x8b];
    let input = Cursor::new(start).chain(input);
    if gzipped {
        Source { path, gzipped, stored, input: Inflate::new(input) }.array(content, most, bytes)
    } else {
        Source { path, gzipped, stored, input }.array(content, most, bytes)
    }
}

/// Inflates the members of a gzip file, one after the other. Zeros after a member are padding, as tapes and some tools
/// write it; whatever else follows must be another member.
struct Inflate<Input> {
    /// Nothing after the last.
    member: Option<GzDecoder<Input>>,
}

impl<Input: BufRead> Inflate<Input> {
    fn new(input: Input) -> Self {
        Inflate { member: Some(GzDecoder::new(input)) }
    }
}

impl<Input: BufRead> Read for Inflate<Input> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        while let Some(member) = &mut self.member {
            let count = member.read(out)?;
            if count > 0 {
                return Ok(count);
            }
            let Some(mut input) = self.member.take().map(GzDecoder::into_inner) else { break };
            if skip_zeros(&mut input)? {
                self.member = Some(GzDecoder::new(input));
            }
        }
        Ok(0)
    }
}

/// Whether anything else than zeros follows; it is what is read next.
fn skip_zeros(input: &mut impl BufRead) -> io::Result<bool> {
    loop {
        let bytes = match input.fill_buf() {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if bytes.is_empty() {
            return Ok(false);
        }
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        let all = zeros == bytes.len();
        input.consume(zeros);
        if !all {
            return Ok(true);
        }
    }
}

/// Bytes of an IDX file, once inflated.
struct Source<'a, Input> {
    path: &'a Path,
    gzipped: bool,
    /// Bytes of the file as it is.
    stored: u64,
    input: Input,
}

impl<Input: Read> Source<'_, Input> {
    /// The first `most` elements of the first axis go into `bytes`.
    fn array(mut self, content: Content, most: usize, bytes: &mut Vec<u8>) -> Result<Vec<usize>, IdxError> {
        let path = self.path.to_path_buf();
        let sizes = self.header(content)?;
        let in_words = || sizes.iter().map(grouped).collect::<Vec<_>>().join(" x ");
        if sizes.contains(&0) {
            return Err(IdxError::Empty { path, what: content.name(), sizes: in_words() });
        }
        // Three 32-bit factors fit 128 bits.
        let product = |sizes: &[u32]| sizes.iter().map(|&size| u128::from(size)).product::<u128>();
        let count = sizes.first().copied().unwrap_or(0);
        let used = product(sizes.get(1..).unwrap_or_default()) * u128::from(count).min(most as u128);
        let (claimed, used) = match (u64::try_from(product(&sizes)), u64::try_from(used)) {
            (Ok(claimed), Ok(used)) if used <= LIMIT => (claimed, used),
            _ => return Err(IdxError::TooLarge { path, sizes: in_words() }),
        };
        if self.gzipped && used > self.stored.saturating_mul(BOMB_RATIO).max(BOMB_FLOOR) {
            return Err(IdxError::Bomb { path, claimed, stored: self.stored });
        }
        let header = content.header() as u64;
        let expected = header.saturating_add(claimed);
        // The tail of a plain file is there, or it is not, without a look at it.
        if used < claimed && !self.gzipped && self.stored > 0 && self.stored != expected {
            return Err(match self.stored < expected {
                true => IdxError::Truncated { path, found: self.stored, expected },
                false => IdxError::Trailing { path, expected },
            });
        }
        // What is there is read at once, without copies on the way; a failure shows when it is read. What a gzipped file
        // holds is not known, so it is given no more room beforehand than small files may claim.
        let room = if self.gzipped { self.stored.saturating_mul(16).min(BOMB_FLOOR) } else { self.stored };
        let _ = bytes.try_reserve_exact(used.min(room) as usize);
        self.fill(bytes, used)?;
        if (bytes.len() as u64) < used {
            return Err(IdxError::Truncated { path, found: header + bytes.len() as u64, expected });
        }
        let sizes = sizes.iter().map(|&size| size as usize).collect();
        if used < claimed {
            return Ok(sizes);
        }
        // Asking for what must not be there also makes the decoder check the last checksum.
        match (&mut self.input).take(1).read_to_end(&mut Vec::new()) {
            Ok(0) => Ok(sizes),
            Ok(_) => Err(IdxError::Trailing { path, expected }),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Sizes of the axes, as the header claims them.
    fn header(&mut self, content: Content) -> Result<Vec<u32>, IdxError> {
        let mut header = Vec::new();
        self.fill(&mut header, 4)?;
        if let &[a, b, c, d] = header.as_slice() {
            check_magic(self.path, [a, b, c, d], content)?;
            self.fill(&mut header, (content.header() - 4) as u64)?;
        }
        if header.len() < content.header() {
            let path = self.path.to_path_buf();
            return Err(IdxError::NoHeader { path, found: header.len(), header: content.header() });
        }
        let (sizes, _) = header[4..].as_chunks();
        Ok(sizes.iter().map(|&size| u32::from_be_bytes(size)).collect())
    }

    /// Appends the next `count` bytes, or all where there are fewer. `bytes` grows with what arrives.
    fn fill(&mut self, bytes: &mut Vec<u8>, count: u64) -> Result<(), IdxError> {
        match (&mut self.input).take(count).read_to_end(bytes) {
            Ok(_) => Ok(()),
            // The compressed data are cut off.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(()),
            Err(error) => Err(self.failed(error)),
        }
    }

    fn failed(&self, error: io::Error) -> IdxError {
        use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
        if self.gzipped && matches!(error.kind(), InvalidData | InvalidInput | UnexpectedEof) {
            IdxError::Gzip { path: self.path.to_path_buf(), reason: error }
        } else {
            FileError::at("read", self.path)(error).into()
        }
    }
}

/// The magic number: two zeros, the type of the elements, the number of axes.
fn check_magic(path: &Path, found: [u8; 4], content: Content) -> Result<(), IdxError> {
    let path = path.to_path_buf();
    let [0, 0, code, dimensions] = found else {
        return Err(IdxError::NotIdx { path, found });
    };
    let name = match code {
        0x08 => "unsigned bytes",
        0x09 => "signed bytes",
        0x0B => "16-bit integers",
        0x0C => "32-bit integers",
        0x0D => "32-bit floats",
        0x0E => "64-bit floats",
        _ => return Err(IdxError::NotIdx { path, found }),
    };
    if code != 0x08 {
        return Err(IdxError::ElementType { path, code, name });
    }
    if dimensions == content.dimensions() {
        return Ok(());
    }
    let hint = match (content, dimensions) {
        (Content::Images, 1) => "; it looks like a file of labels",
        (Content::Labels, 3) => "; it looks like a file of images",
        (Content::Images, 4) => "; drop the axis of channels, which must be 1",
        _ => "; choose another file",
    };
    Err(IdxError::Dimensions { path, found: dimensions, wanted: content.shape(), hint })
}

/// As in `89 50 4E 47`.
fn hex(bytes: [u8; 4]) -> String {
    bytes.map(|byte| format!("{byte:02X}")).join(" ")
}

/// What a file that is not IDX may be, and what to do then.
fn guess(start: [u8; 4]) -> &'static str {
    match &start {
        b"\x89PNG" => ", as a PNG image does; give an IDX file",
        [0xff, 0xd8, 0xff, _] => ", as a JPEG image does; give an IDX file",
        b"PK\x03\x04" => ", as a zip archive does; unpack it",
        b"\x93NUM" => ", as a NumPy array does; convert it to IDX",
        b"vers" => ", as a Git LFS pointer does; fetch the file itself",
        [0x1f, 0x8b, _, _] => ", as a gzip file does that was gzipped twice; unpack it once",
        [b'B', b'Z', b'h', _] => ", as a bzip2 file does; unpack it",
        b"\xfd7zX" => ", as an xz file does; unpack it",
        [b'<', b'!' | b'h' | b'H' | b'?', _, _] => ", as a web page does; download the file itself",
        _ => ", not with 00 00 08; give an IDX file",
    }
}

#[cfg(test)]
pub(in crate::data) mod tests;
