//! Reads IDX files, the file format of MNIST: plain or gzipped, unsigned bytes only.

use crate::folder::FileError;
use crate::text::{counted, grouped};
use flate2::bufread::GzDecoder;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};

/// The maximum number of decompressed bytes: 8 GiB.
const LIMIT: u64 = 8 << 30;

/// The maximum compression ratio of a gzipped file. Images of one grey value compress by a factor of a thousand, photographs
/// and digits by much less. Up to [`BOMB_FLOOR`] decompressed bytes, any ratio is allowed.
const BOMB_RATIO: u64 = 200;
const BOMB_FLOOR: u64 = 64 << 20;

/// The expected content of a file.
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

    /// The number of bytes of the header: the magic number, and a size for each axis.
    fn header(self) -> usize {
        4 + 4 * usize::from(self.dimensions())
    }

    /// The name, as in "holds no images".
    fn name(self) -> &'static str {
        match self {
            Content::Images => "images",
            Content::Labels => "labels",
        }
    }

    fn shape(self) -> &'static str {
        match self {
            Content::Images => "but images have 3 (images, height, width)",
            Content::Labels => "but labels have 1",
        }
    }
}

/// An array of unsigned bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Array {
    /// The sizes of the axes of the file, each at least 1.
    pub(super) sizes: Vec<usize>,
    /// The elements, row-major: the requested number of images or labels from the start of the file.
    pub(super) bytes: Vec<u8>,
}

/// Why an IDX file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum IdxError {
    /// The file cannot be opened or read.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is not an IDX file.
    #[error("`{}` is not an IDX file: it begins with the bytes {}{}", path.display(), hex(*found), guess(*found))]
    NotIdx {
        /// The file.
        path: PathBuf,
        /// Its first bytes, after decompression.
        found: [u8; 4],
    },
    /// The elements are not unsigned bytes.
    #[error("`{}` holds {name} (type 0x{code:02X}); vaex reads unsigned bytes (type 0x08)", path.display())]
    ElementType {
        /// The file.
        path: PathBuf,
        /// The code of the type, byte 2 of the file.
        code: u8,
        /// The type in words.
        name: &'static str,
    },
    /// The wrong number of axes: images have three, labels one.
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

/// Reads the first images or labels, at most `most`, of the IDX file at `path`.
///
/// The rest is not read. If the file is not gzipped, its length must be right.
pub(in crate::data) fn read_file(path: &Path, content: Content, most: usize) -> Result<Array, IdxError> {
    let file = File::open(path).map_err(FileError::at("read", path))?;
    let stored = file.metadata().map_err(FileError::at("read", path))?.len();
    read(path, BufReader::with_capacity(1 << 16, file), stored, content, most)
}

/// As [`read_file`], from `input`, which has `stored` bytes; 0 if that is not known. `path` is for error messages.
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

/// As [`read`], but the elements go into `bytes`, which never grows beyond about twice the bytes that can be read.
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

/// Decompresses the members of a gzip file in order. Zeros after a member are padding, which tapes and some tools write;
/// anything else must be another member.
struct Inflate<Input> {
    /// `None` after the last member.
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

/// Skips zeros. Returns whether anything follows.
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

/// The bytes of an IDX file, after decompression.
struct Source<'a, Input> {
    path: &'a Path,
    gzipped: bool,
    /// The size of the file in bytes; 0 if not known.
    stored: u64,
    input: Input,
}

impl<Input: Read> Source<'_, Input> {
    /// Reads the first `most` entries of the first axis into `bytes`. Returns the sizes of the axes.
    fn array(mut self, content: Content, most: usize, bytes: &mut Vec<u8>) -> Result<Vec<usize>, IdxError> {
        let path = self.path.to_path_buf();
        let sizes = self.header(content)?;
        let in_words = || sizes.iter().map(grouped).collect::<Vec<_>>().join(" x ");
        if sizes.contains(&0) {
            return Err(IdxError::Empty { path, what: content.name(), sizes: in_words() });
        }
        // The product of three 32-bit factors fits in 128 bits.
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
        // If the file is not gzipped, its size shows whether the rest is there.
        if used < claimed && !self.gzipped && self.stored > 0 && self.stored != expected {
            return Err(match self.stored < expected {
                true => IdxError::Truncated { path, found: self.stored, expected },
                false => IdxError::Trailing { path, expected },
            });
        }
        // Reserve memory for all data that can be there, to avoid copies; a failed reservation shows when reading. The
        // content of a gzipped file is not known yet, so at most `BOMB_FLOOR` bytes are reserved for it.
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
        // Reading beyond the end also makes the decoder check the last checksum.
        match (&mut self.input).take(1).read_to_end(&mut Vec::new()) {
            Ok(0) => Ok(sizes),
            Ok(_) => Err(IdxError::Trailing { path, expected }),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// The sizes of the axes in the header.
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

    /// Appends the next `count` bytes, or all that are left if there are fewer. `bytes` grows as they are read.
    fn fill(&mut self, bytes: &mut Vec<u8>, count: u64) -> Result<(), IdxError> {
        match (&mut self.input).take(count).read_to_end(bytes) {
            Ok(_) => Ok(()),
            // The compressed data end early.
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

/// Checks the magic number: two zeros, the type of the elements, the number of axes.
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
        (Content::Images, 4) => "; remove the axis of channels, which must have size 1",
        _ => "; choose another file",
    };
    Err(IdxError::Dimensions { path, found: dimensions, wanted: content.shape(), hint })
}

/// The bytes as text, for example `89 50 4E 47`.
fn hex(bytes: [u8; 4]) -> String {
    bytes.map(|byte| format!("{byte:02X}")).join(" ")
}

/// The probable format of a file that is not IDX, and what to do.
fn guess(start: [u8; 4]) -> &'static str {
    match &start {
        b"\x89PNG" => ", like a PNG image; use an IDX file",
        [0xff, 0xd8, 0xff, _] => ", like a JPEG image; use an IDX file",
        b"PK\x03\x04" => ", like a zip archive; unpack it",
        b"\x93NUM" => ", like a NumPy array; convert it to IDX",
        b"vers" => ", like a Git LFS pointer; fetch the file itself",
        [0x1f, 0x8b, _, _] => ", like a file that was gzipped twice; decompress it once",
        [b'B', b'Z', b'h', _] => ", like a bzip2 file; decompress it",
        b"\xfd7zX" => ", like an xz file; decompress it",
        [b'<', b'!' | b'h' | b'H' | b'?', _, _] => ", like a web page; download the file itself",
        _ => ", not with 00 00 08; use an IDX file",
    }
}

#[cfg(test)]
pub(in crate::data) mod tests {
    use super::*;
    use crate::random::{Purpose, Stream};
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;

    /// An IDX file of unsigned bytes.
    pub(in crate::data) fn idx_file(sizes: &[u32], bytes: &[u8]) -> Vec<u8> {
        let mut file = vec![0, 0, 8, sizes.len() as u8];
        file.extend(sizes.iter().flat_map(|size| size.to_be_bytes()));
        file.extend(bytes);
        file
    }

    pub(in crate::data) fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn images(file: &[u8]) -> Result<Array, IdxError> {
        read(Path::new("x.gz"), file, file.len() as u64, Content::Images, usize::MAX)
    }

    fn message(file: &[u8], content: Content) -> String {
        read(Path::new("x.gz"), file, file.len() as u64, content, usize::MAX).unwrap_err().to_string()
    }

    fn valid() -> Vec<u8> {
        idx_file(&[5, 20, 10], &(0..1000).map(|i| (i % 251) as u8).collect::<Vec<_>>())
    }

    #[test]
    fn plain_and_gzipped_files_hold_the_same() {
        let plain = images(&valid()).unwrap();
        assert_eq!(plain.sizes, [5, 20, 10]);
        assert_eq!(plain.bytes, valid()[16..]);
        assert_eq!(images(&gzip(&valid())).unwrap(), plain);
        let file = valid();
        let (a, b) = file.split_at(10);
        assert_eq!(images(&[gzip(a), gzip(b), gzip(b"")].concat()).unwrap(), plain);
        let labels = read(Path::new("x"), &idx_file(&[3], &[7, 8, 9])[..], 19, Content::Labels, usize::MAX).unwrap();
        assert_eq!(labels, Array { sizes: vec![3], bytes: vec![7, 8, 9] });
        assert_eq!(images(&idx_file(&[1, 1, 1], &[42])).unwrap(), Array { sizes: vec![1, 1, 1], bytes: vec![42] });
    }

    #[test]
    fn files_come_from_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        // Gzipped, although the name does not end in .gz.
        let path = folder.path().join("images");
        std::fs::write(&path, gzip(&valid())).unwrap();
        assert_eq!(read_file(&path, Content::Images, usize::MAX).unwrap(), images(&valid()).unwrap());
        let absent = folder.path().join("absent");
        let message = format!("cannot read {}: No such file or directory (os error 2)", absent.display());
        assert_eq!(read_file(&absent, Content::Images, usize::MAX).unwrap_err().to_string(), message);
        let message = format!("cannot read {}: Is a directory (os error 21)", folder.path().display());
        assert_eq!(read_file(folder.path(), Content::Images, usize::MAX).unwrap_err().to_string(), message);
    }

    #[test]
    fn what_is_not_idx_is_refused() {
        for (start, guess) in [
            (&b"\x89PNG\r\n"[..], "89 50 4E 47, like a PNG image; use an IDX file"),
            (b"\xff\xd8\xff\xe0", "FF D8 FF E0, like a JPEG image; use an IDX file"),
            (b"PK\x03\x04", "50 4B 03 04, like a zip archive; unpack it"),
            (b"\x93NUMPY", "93 4E 55 4D, like a NumPy array; convert it to IDX"),
            (b"version https://", "76 65 72 73, like a Git LFS pointer; fetch the file itself"),
            (b"BZh9", "42 5A 68 39, like a bzip2 file; decompress it"),
            (b"\xfd7zXZ", "FD 37 7A 58, like an xz file; decompress it"),
            (b"<!DOCTYPE html>", "3C 21 44 4F, like a web page; download the file itself"),
            (b"<html>", "3C 68 74 6D, like a web page; download the file itself"),
            (b"\x00\x01\x08\x03", "00 01 08 03, not with 00 00 08; use an IDX file"),
            (b"\x00\x00\x0a\x03", "00 00 0A 03, not with 00 00 08; use an IDX file"),
        ] {
            let expected = format!("`x.gz` is not an IDX file: it begins with the bytes {guess}");
            assert_eq!(message(start, Content::Images), expected);
            assert_eq!(message(&gzip(start), Content::Labels), expected);
        }
        let twice = gzip(&gzip(&valid()));
        assert_eq!(
            message(&twice, Content::Images),
            "`x.gz` is not an IDX file: it begins with the bytes 1F 8B 08 00, like a file that was gzipped twice; \
             decompress it once"
        );
    }

    #[test]
    fn other_types_are_refused_by_name() {
        for (code, name) in [
            (0x09, "signed bytes (type 0x09)"),
            (0x0B, "16-bit integers (type 0x0B)"),
            (0x0C, "32-bit integers (type 0x0C)"),
            (0x0D, "32-bit floats (type 0x0D)"),
            (0x0E, "64-bit floats (type 0x0E)"),
        ] {
            let expected = format!("`x.gz` holds {name}; vaex reads unsigned bytes (type 0x08)");
            assert_eq!(message(&[0, 0, code, 3], Content::Images), expected);
        }
    }

    #[test]
    fn other_dimensions_are_refused() {
        let of = |sizes: &[u32], content| message(&idx_file(sizes, &[0; 6]), content);
        let images = ", but images have 3 (images, height, width); ";
        assert_eq!(of(&[6], Content::Images), format!("`x.gz` has 1 dimension{images}it looks like a file of labels"));
        assert_eq!(
            of(&[1, 1, 2, 3], Content::Images),
            format!("`x.gz` has 4 dimensions{images}remove the axis of channels, which must have size 1")
        );
        assert_eq!(of(&[2, 3], Content::Images), format!("`x.gz` has 2 dimensions{images}choose another file"));
        assert_eq!(of(&[], Content::Images), format!("`x.gz` has 0 dimensions{images}choose another file"));
        assert_eq!(
            of(&[1, 2, 3], Content::Labels),
            "`x.gz` has 3 dimensions, but labels have 1; it looks like a file of images"
        );
        assert_eq!(of(&[2, 3], Content::Labels), "`x.gz` has 2 dimensions, but labels have 1; choose another file");
    }

    #[test]
    fn empty_axes_are_refused() {
        for (sizes, text) in [([0, 28, 28], "0 x 28 x 28"), ([5, 0, 28], "5 x 0 x 28"), ([1000, 1, 0], "1,000 x 1 x 0")]
        {
            assert_eq!(
                message(&idx_file(&sizes, &[]), Content::Images),
                format!("`x.gz` holds no images: its header gives the size {text}; choose another file")
            );
        }
        assert_eq!(
            message(&idx_file(&[0], &[]), Content::Labels),
            "`x.gz` holds no labels: its header gives the size 0; choose another file"
        );
    }

    #[test]
    fn files_that_end_early_are_refused() {
        let cut = |length: usize| [valid()[..length].to_vec(), gzip(&valid()[..length])];
        for (length, expected) in [
            (0, "`x.gz` ends after 0 bytes, inside its 16-byte header; download it again"),
            (1, "`x.gz` ends after 1 byte, inside its 16-byte header; download it again"),
            (15, "`x.gz` ends after 15 bytes, inside its 16-byte header; download it again"),
            (16, "`x.gz` ends after 16 of 1,016 bytes; download it again"),
            (1015, "`x.gz` ends after 1,015 of 1,016 bytes; download it again"),
        ] {
            for file in cut(length) {
                assert_eq!(message(&file, Content::Images), expected);
            }
        }
        assert_eq!(
            message(&idx_file(&[3], &[])[..7], Content::Labels),
            "`x.gz` ends after 7 bytes, inside its 8-byte header; download it again"
        );
        // A compressed file that ends early, at any byte.
        let file = gzip(&valid());
        for length in 2..file.len() {
            let message = message(&file[..length], Content::Images);
            let whole = ["incomplete deflate stream", "unexpected end of file"]
                .map(|reason| format!("`x.gz` is a damaged gzip file ({reason}); download it again"));
            // If only the checksum is missing, all data may be there.
            let early = length < file.len() - 12;
            let ends = message.starts_with("`x.gz` ends after ");
            assert!(ends || !early && whole.contains(&message), "{length} of {}: {message}", file.len());
        }
    }

    #[test]
    fn bytes_beyond_the_claim_are_refused() {
        let file = [valid(), vec![0]].concat();
        let expected = "`x.gz` is longer than the 1,016 bytes that its header gives; download it again";
        assert_eq!(message(&file, Content::Images), expected);
        assert_eq!(message(&gzip(&file), Content::Images), expected);
        assert_eq!(message(&[gzip(&valid()), gzip(b"more")].concat(), Content::Images), expected);
    }

    #[test]
    fn damaged_gzip_is_refused() {
        let file = gzip(&valid());
        let with = |index: usize, value: u8| {
            let mut file = file.clone();
            file[index] = value;
            message(&file, Content::Images)
        };
        let of = |reason| format!("`x.gz` is a damaged gzip file ({reason}); download it again");
        let checksum = file.len() - 8;
        assert_eq!(with(checksum, !file[checksum]), of("corrupt gzip stream does not have a matching checksum"));
        assert_eq!(with(2, 7), of("invalid gzip header"));
        assert_eq!(with(10, 0xff), of("corrupt deflate stream"));
        assert_eq!(
            message(&[file, b"junk that follows".to_vec()].concat(), Content::Images),
            of("invalid gzip header")
        );
    }

    #[test]
    fn zeros_after_gzip_are_padding() {
        let (file, zeros) = (valid(), |count: usize| vec![0; count]);
        let whole = images(&file).unwrap();
        // Also more zeros than the buffer of the reader holds.
        for count in [1, 511, 200_000] {
            assert_eq!(images(&[gzip(&file), zeros(count)].concat()).unwrap(), whole);
            let (a, b) = file.split_at(500);
            assert_eq!(images(&[gzip(a), gzip(b), zeros(count)].concat()).unwrap(), whole);
            assert_eq!(images(&[gzip(a), zeros(count), gzip(b), zeros(count)].concat()).unwrap(), whole);
        }
        let labels = [gzip(&idx_file(&[3], &[7, 8, 9])), zeros(100)].concat();
        let labels = read(Path::new("x"), &labels[..], labels.len() as u64, Content::Labels, usize::MAX).unwrap();
        assert_eq!(labels.bytes, [7, 8, 9]);
        // Other bytes are not padding.
        let damaged = "`x.gz` is a damaged gzip file (invalid gzip header); download it again";
        for junk in [&b"junk that follows"[..], &[1; 100]] {
            assert_eq!(message(&[&gzip(&file)[..], &zeros(512), junk].concat(), Content::Images), damaged);
        }
        let more = [gzip(&file), zeros(512), gzip(b"more")].concat();
        let goes_on = "`x.gz` is longer than the 1,016 bytes that its header gives; download it again";
        assert_eq!(message(&more, Content::Images), goes_on);
        // In a file that is not gzipped, zeros are additional pixels.
        assert_eq!(message(&[file, zeros(512)].concat(), Content::Images), goes_on);
    }

    #[test]
    fn no_more_is_read_than_was_asked_for() {
        let pixels: Vec<u8> = (0..1_000_000).map(|pixel| (pixel * 7 % 251) as u8).collect();
        let plain = idx_file(&[10_000, 10, 10], &pixels);
        let zipped = gzip(&plain);
        for (file, count) in [(&plain, 3), (&zipped, 3), (&plain, 0), (&zipped, 0)] {
            let (mut input, mut bytes) = (&file[..], Vec::new());
            let stored = file.len() as u64;
            let sizes = read_into(&mut bytes, Path::new("x"), &mut input, stored, Content::Images, count).unwrap();
            assert_eq!((sizes, &bytes[..]), (vec![10_000, 10, 10], &pixels[..100 * count]));
            // The decoder reads ahead by a window of 32 KiB.
            let taken = file.len() - input.len();
            assert!(taken < 40_000 && bytes.capacity() <= 1 << 12, "took {taken} bytes into {}", bytes.capacity());
        }
        // If all images are requested, the whole file is checked.
        for count in [10_000, 20_000] {
            let of = |file: &[u8]| read(Path::new("x.gz"), file, file.len() as u64, Content::Images, count);
            assert_eq!(of(&plain).unwrap(), images(&plain).unwrap());
            assert_eq!(of(&zipped).unwrap(), images(&plain).unwrap());
            assert!(matches!(of(&[&plain[..], &[0]].concat()).unwrap_err(), IdxError::Trailing { .. }));
            assert!(matches!(of(&gzip(&[&plain[..], &[0]].concat())).unwrap_err(), IdxError::Trailing { .. }));
        }
    }

    #[test]
    fn of_a_plain_file_that_is_read_in_part_the_length_is_checked() {
        let file = valid();
        let of = |file: &[u8], count| read(Path::new("x"), file, file.len() as u64, Content::Images, count);
        let message = |file: &[u8], count| of(file, count).unwrap_err().to_string();
        assert_eq!(message(&file[..900], 2), "`x` ends after 900 of 1,016 bytes; download it again");
        let more = [&file[..], &[0]].concat();
        assert_eq!(message(&more, 2), "`x` is longer than the 1,016 bytes that its header gives; download it again");
        assert_eq!(message(&file[..100], 2), "`x` ends after 100 of 1,016 bytes; download it again");
        // The length of a pipe is not known.
        let piped = read(Path::new("x"), &file[..], 0, Content::Images, 2).unwrap();
        assert_eq!((piped.sizes, piped.bytes.len()), (vec![5, 20, 10], 400));
        assert_eq!(read(Path::new("x"), &file[..], 0, Content::Images, 5).unwrap().bytes.len(), 1000);
        // Of a gzipped file, the start must be complete and undamaged.
        assert!(matches!(of(&gzip(&file)[..200], 5).unwrap_err(), IdxError::Truncated { .. }));
        assert_eq!(of(&gzip(&file[..800]), 2).unwrap().bytes, file[16..416]);
    }

    #[test]
    fn what_is_not_read_may_be_larger_than_what_vaex_reads() {
        // The header gives 40 GB; 8 KB are read.
        let file = idx_file(&[40_000_000, 10, 100], &[7; 10_000]);
        let images = read(Path::new("x"), &file[..], 16 + 40_000_000_000, Content::Images, 8).unwrap();
        assert_eq!(images.bytes, [7; 8000]);
        let images = read(Path::new("x"), &gzip(&file)[..], 1000, Content::Images, 8).unwrap();
        assert_eq!(images.bytes, [7; 8000]);
    }

    #[test]
    fn claims_beyond_the_limit_are_refused() {
        let of = |sizes: [u32; 3]| message(&idx_file(&sizes, &[0; 100]), Content::Images);
        let text = "more than the maximum of 8,589,934,592 (8 GiB); if that is right, split the file";
        let most = "4,294,967,295";
        assert_eq!(of([u32::MAX; 3]), format!("the header of `x.gz` gives {most} x {most} x {most} bytes, {text}"));
        // 2^64 bytes: the product in 64 bits would be 0.
        let half = "2,147,483,648";
        assert_eq!(of([1 << 31, 1 << 31, 4]), format!("the header of `x.gz` gives {half} x {half} x 4 bytes, {text}"));
        assert_eq!(of([1 << 31, 4, 2]), format!("the header of `x.gz` gives {half} x 4 x 2 bytes, {text}"));
        assert_eq!(of([1 << 31, 2, 2]), "`x.gz` ends after 116 of 8,589,934,608 bytes; download it again");
    }

    #[test]
    fn a_claim_allocates_little() {
        let plain = idx_file(&[1 << 31, 2, 2], &[7; 100]);
        let zipped = gzip(&plain);
        let cases = [(&plain, plain.len() as u64, 1 << 12), (&zipped, 1 << 40, BOMB_FLOOR as usize)];
        for (file, stored, most) in cases {
            let mut bytes = Vec::new();
            read_into(&mut bytes, Path::new("x"), &file[..], stored, Content::Images, usize::MAX).unwrap_err();
            assert_eq!(bytes, [7; 100]);
            assert!(bytes.capacity() <= most, "{}", bytes.capacity());
        }
    }

    #[test]
    fn a_bomb_that_claims_what_it_holds_is_refused() {
        let bomb = gzip(&idx_file(&[100, 1000, 1000], &vec![0; 100_000_000]));
        let size = grouped(bomb.len());
        let start = "the header of `x.gz` gives 100,000,000 bytes, but the gzip file has only";
        let end = "bytes, too few for images; if that is right, decompress the file";
        assert_eq!(message(&bomb, Content::Images), format!("{start} {size} {end}"));
    }

    #[test]
    fn no_more_is_inflated_than_was_claimed() {
        let bomb = gzip(&idx_file(&[1, 10, 10], &vec![0; 64 << 20]));
        let (mut input, mut bytes) = (&bomb[..], Vec::new());
        let error = read_into(&mut bytes, Path::new("x"), &mut input, 100, Content::Images, usize::MAX).unwrap_err();
        assert_eq!(error.to_string(), "`x` is longer than the 116 bytes that its header gives; download it again");
        assert_eq!(bytes.len(), 100);
        // The decoder reads ahead by a window of 32 KiB, which is some hundreds of compressed bytes.
        assert!(bomb.len() - input.len() < 4096, "took {} of {} bytes", bomb.len() - input.len(), bomb.len());
    }

    #[test]
    fn any_bytes_end_in_an_array_or_an_error() {
        let plain = valid();
        let starts = [plain.clone(), gzip(&plain), [gzip(&plain[..30]), gzip(&plain[30..])].concat(), Vec::new()];
        let (mut arrays, mut errors) = (0, std::collections::BTreeSet::new());
        for case in 0..40_000 {
            let mut stream = Stream::new(1, Purpose::Samples, 0, case);
            let mut file = starts[stream.below(4) as usize].clone();
            if file.is_empty() {
                file.resize(stream.below(300) as usize, 0);
                stream.fill_bytes(&mut file);
                // Most random bytes would be refused at their first byte.
                let magic: &[u8] = [&b""[..], &[0, 0], &[0, 0, 8, 3], &[0x1f, 0x8b, 8, 0]][stream.below(4) as usize];
                file.splice(..magic.len().min(file.len()), magic.iter().copied());
            } else {
                for _ in 0..stream.below(4) {
                    let range = if stream.below(2) == 0 { file.len() } else { 32.min(file.len()) };
                    file[stream.below(range as u64) as usize] = stream.next_u32() as u8;
                }
                match stream.below(8) {
                    0 => file.truncate(stream.below(file.len() as u64) as usize),
                    1 => file.push(stream.next_u32() as u8),
                    _ => {}
                }
            }
            let content = if stream.below(8) == 0 { Content::Labels } else { Content::Images };
            let most = if stream.below(4) == 0 { stream.below(8) as usize } else { usize::MAX };
            let mut bytes = Vec::new();
            match read_into(&mut bytes, Path::new("x"), &file[..], file.len() as u64, content, most) {
                Ok(sizes) => {
                    assert_eq!(bytes.len(), sizes[0].min(most) * sizes[1..].iter().product::<usize>());
                    arrays += 1;
                }
                Err(error) => {
                    assert!(!error.to_string().is_empty());
                    errors.insert(format!("{error:?}").split([' ', '(']).next().unwrap().to_string());
                }
            }
            assert!(bytes.capacity() <= (1 << 20) + file.len(), "case {case}: {} bytes", bytes.capacity());
        }
        assert!(arrays > 1000, "{arrays}");
        let kinds = [
            "Bomb",
            "Dimensions",
            "ElementType",
            "Empty",
            "Gzip",
            "NoHeader",
            "NotIdx",
            "TooLarge",
            "Trailing",
            "Truncated",
        ];
        assert!(errors.iter().eq(kinds), "{errors:?}");
    }
}
