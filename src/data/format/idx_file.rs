//! Reads IDX files, the file format of MNIST: plain or gzipped, with elements of any type.

mod error;

pub(in crate::data) use error::IdxError;

use self::error::LIMIT;
use crate::folder::FileError;
use crate::text::grouped;
use flate2::bufread::GzDecoder;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};

/// The maximum compression ratio of a gzipped file. Images of one grey value compress by a factor of a thousand, photographs
/// and digits by much less. Up to [`BOMB_FLOOR`] decompressed bytes, any ratio is allowed.
const BOMB_RATIO: u64 = 200;
const BOMB_FLOOR: u64 = 64 << 20;

/// The expected content of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::data) enum Content {
    /// (Images, Height, Width), and an axis of channels before or after Height and Width.
    Images,
    /// (Images), or (Images, Columns).
    Labels,
}

impl Content {
    fn has_dimensions(self, dimensions: u8) -> bool {
        match self {
            Content::Images => [3, 4].contains(&dimensions),
            Content::Labels => [1, 2].contains(&dimensions),
        }
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
            Content::Images => "but images have 3 (images, height, width), or 4 with channels",
            Content::Labels => "but labels have 1 (images), or 2 with several columns",
        }
    }
}

/// An array of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::data) struct Array {
    /// The sizes of the axes of the file, each at least 1.
    pub(in crate::data) sizes: Vec<usize>,
    /// The type of the elements.
    pub(in crate::data) element: Element,
    /// The bytes of the elements, row-major: the requested number of images or labels from the start of the file.
    pub(in crate::data) bytes: Vec<u8>,
}

/// The type of the elements of a file. Elements of several bytes are big-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::data) enum Element {
    U8,
    I8,
    I16,
    I32,
    F32,
    F64,
}

impl Element {
    /// The type of a code, byte 2 of a file.
    fn of_code(code: u8) -> Option<Element> {
        Some(match code {
            0x08 => Element::U8,
            0x09 => Element::I8,
            0x0B => Element::I16,
            0x0C => Element::I32,
            0x0D => Element::F32,
            0x0E => Element::F64,
            _ => return None,
        })
    }

    /// The number of bytes of an element.
    fn size(self) -> u64 {
        match self {
            Element::U8 | Element::I8 => 1,
            Element::I16 => 2,
            Element::I32 | Element::F32 => 4,
            Element::F64 => 8,
        }
    }
}

impl Array {
    /// The elements as numbers in double precision, which has all values of every type.
    pub(super) fn numbers(&self) -> Box<dyn Iterator<Item = f64> + '_> {
        let bytes = &self.bytes;
        match self.element {
            Element::U8 => Box::new(bytes.iter().map(|byte| f64::from(*byte))),
            Element::I8 => Box::new(bytes.iter().map(|byte| f64::from(*byte as i8))),
            Element::I16 => Box::new(bytes.as_chunks().0.iter().map(|word| f64::from(i16::from_be_bytes(*word)))),
            Element::I32 => Box::new(bytes.as_chunks().0.iter().map(|word| f64::from(i32::from_be_bytes(*word)))),
            Element::F32 => Box::new(bytes.as_chunks().0.iter().map(|word| f64::from(f32::from_be_bytes(*word)))),
            Element::F64 => Box::new(bytes.as_chunks().0.iter().map(|word| f64::from_be_bytes(*word))),
        }
    }
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
    let (element, sizes) = read_into(&mut bytes, path, input, stored, content, most)?;
    bytes.shrink_to_fit();
    Ok(Array { sizes, element, bytes })
}

/// As [`read`], but the elements go into `bytes`, which never grows beyond about twice the bytes that can be read.
fn read_into(
    bytes: &mut Vec<u8>,
    path: &Path,
    mut input: impl BufRead,
    stored: u64,
    content: Content,
    most: usize,
) -> Result<(Element, Vec<usize>), IdxError> {
    let mut start = Vec::new();
    (&mut input).take(2).read_to_end(&mut start).map_err(FileError::at("read", path))?;
    let gzipped = start == [0x1f, 0x8b];
    let input = Cursor::new(start).chain(input);
    let path = path.to_path_buf();
    if gzipped {
        Source { path, gzipped, stored, input: Inflate::new(input) }.array(content, most, bytes)
    } else {
        Source { path, gzipped, stored, input }.array(content, most, bytes)
    }
}

/// A file of images that is read block by block, so that it may be larger than the memory.
pub(in crate::data) struct Stream {
    source: Source<Box<dyn Read + Send>>,
    pub(in crate::data) element: Element,
    /// The sizes of the axes of the file, each at least 1.
    pub(in crate::data) sizes: Vec<usize>,
    /// The number of bytes of all elements, and of those that were read.
    claimed: u64,
    read: u64,
}

impl Stream {
    /// Opens a file of images.
    pub(in crate::data) fn open(path: &Path) -> Result<Stream, IdxError> {
        let file = File::open(path).map_err(FileError::at("read", path))?;
        let stored = file.metadata().map_err(FileError::at("read", path))?.len();
        let mut input = BufReader::with_capacity(1 << 16, file);
        let gzipped = input.fill_buf().map_err(FileError::at("read", path))?.starts_with(&[0x1f, 0x8b]);
        let input: Box<dyn Read + Send> = if gzipped { Box::new(Inflate::new(input)) } else { Box::new(input) };
        let mut source = Source { path: path.to_path_buf(), gzipped, stored, input };
        let Claim { element, sizes, claimed, expected, .. } = source.claim(Content::Images, usize::MAX, u64::MAX)?;
        source.check_size(expected)?;
        Ok(Stream { source, element, sizes, claimed, read: 0 })
    }

    /// The next images, at most `most`; an array without bytes at the end.
    pub(in crate::data) fn next(&mut self, most: usize) -> Result<Array, IdxError> {
        let image = self.claimed / self.sizes.first().map_or(1, |images| (*images).max(1) as u64);
        let wanted = image.saturating_mul(most as u64).min(self.claimed - self.read);
        let mut bytes = Vec::new();
        self.source.fill(&mut bytes, wanted)?;
        self.read += bytes.len() as u64;
        let header = header_bytes(self.sizes.len()) as u64;
        if (bytes.len() as u64) < wanted {
            let path = self.source.path.clone();
            return Err(IdxError::Truncated { path, found: header + self.read, expected: header + self.claimed });
        }
        if self.read == self.claimed && wanted > 0 {
            self.source.end(header + self.claimed)?;
        }
        Ok(Array { sizes: self.sizes.clone(), element: self.element, bytes })
    }
}

/// What a header says, checked as far as the size of the file allows it.
struct Claim {
    element: Element,
    sizes: Vec<usize>,
    /// The number of bytes of all elements, and of those that are used.
    claimed: u64,
    used: u64,
    /// The number of bytes of the file, after decompression.
    expected: u64,
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
struct Source<Input> {
    path: PathBuf,
    gzipped: bool,
    /// The size of the file in bytes; 0 if not known.
    stored: u64,
    input: Input,
}

impl<Input: Read> Source<Input> {
    /// Reads the header of a file of which `most` entries of the first axis are used, with at most `limit` bytes.
    fn claim(&mut self, content: Content, most: usize, limit: u64) -> Result<Claim, IdxError> {
        let path = self.path.clone();
        let (element, sizes) = self.header(content)?;
        let in_words = || sizes.iter().map(grouped).collect::<Vec<_>>().join(" x ");
        if sizes.contains(&0) {
            return Err(IdxError::Empty { path, what: content.name(), sizes: in_words() });
        }
        // A product that does not fit in 128 bits is too large anyway.
        let product = |sizes: &[u32]| {
            sizes.iter().fold(u128::from(element.size()), |product, &size| product.saturating_mul(u128::from(size)))
        };
        let count = sizes.first().copied().unwrap_or(0);
        let used = product(sizes.get(1..).unwrap_or_default()).saturating_mul(u128::from(count).min(most as u128));
        let (claimed, used) = match (u64::try_from(product(&sizes)), u64::try_from(used)) {
            (Ok(claimed), Ok(used)) if used <= limit => (claimed, used),
            _ => return Err(IdxError::TooLarge { path, sizes: in_words() }),
        };
        if self.gzipped && used > self.stored.saturating_mul(BOMB_RATIO).max(BOMB_FLOOR) {
            return Err(IdxError::Bomb { path, claimed, stored: self.stored });
        }
        let expected = (header_bytes(sizes.len()) as u64).saturating_add(claimed);
        let sizes = sizes.iter().map(|&size| size as usize).collect();
        Ok(Claim { element, sizes, claimed, used, expected })
    }

    /// Checks that the size of the file is `expected`, if it is known and the file is not gzipped.
    fn check_size(&self, expected: u64) -> Result<(), IdxError> {
        if self.gzipped || self.stored == 0 || self.stored == expected {
            return Ok(());
        }
        let path = self.path.clone();
        Err(match self.stored < expected {
            true => IdxError::Truncated { path, found: self.stored, expected },
            false => IdxError::Trailing { path, expected },
        })
    }

    /// Reads the first `most` entries of the first axis into `bytes`. Returns the type of the elements and the sizes of the axes.
    fn array(mut self, content: Content, most: usize, bytes: &mut Vec<u8>) -> Result<(Element, Vec<usize>), IdxError> {
        let Claim { element, sizes, claimed, used, expected } = self.claim(content, most, LIMIT)?;
        // The rest is not read, but the size shows whether it is there.
        if used < claimed {
            self.check_size(expected)?;
        }
        // Reserve memory for all data that can be there, to avoid copies; a failed reservation shows when reading. The
        // content of a gzipped file is not known yet, so at most `BOMB_FLOOR` bytes are reserved for it.
        let room = if self.gzipped { self.stored.saturating_mul(16).min(BOMB_FLOOR) } else { self.stored };
        let _ = bytes.try_reserve_exact(used.min(room) as usize);
        self.fill(bytes, used)?;
        if (bytes.len() as u64) < used {
            let header = header_bytes(sizes.len()) as u64;
            return Err(IdxError::Truncated { path: self.path, found: header + bytes.len() as u64, expected });
        }
        if used == claimed {
            self.end(expected)?;
        }
        Ok((element, sizes))
    }

    /// Checks that nothing follows the elements; `expected` is the number of bytes of the file.
    fn end(&mut self, expected: u64) -> Result<(), IdxError> {
        // Reading beyond the end also makes the decoder check the last checksum.
        match (&mut self.input).take(1).read_to_end(&mut Vec::new()) {
            Ok(0) => Ok(()),
            Ok(_) => Err(IdxError::Trailing { path: self.path.clone(), expected }),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// The type of the elements, and the sizes of the axes in the header.
    fn header(&mut self, content: Content) -> Result<(Element, Vec<u32>), IdxError> {
        let mut header = Vec::new();
        self.fill(&mut header, 4)?;
        let (mut element, mut axes) = (Element::U8, if content == Content::Images { 3 } else { 1 });
        if let &[a, b, c, dimensions] = header.as_slice() {
            element = check_magic(&self.path, [a, b, c, dimensions], content)?;
            axes = usize::from(dimensions);
            self.fill(&mut header, (header_bytes(axes) - 4) as u64)?;
        }
        if header.len() < header_bytes(axes) {
            let path = self.path.to_path_buf();
            return Err(IdxError::NoHeader { path, found: header.len(), header: header_bytes(axes) });
        }
        let (sizes, _) = header[4..].as_chunks();
        Ok((element, sizes.iter().map(|&size| u32::from_be_bytes(size)).collect()))
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
            FileError::at("read", &self.path)(error).into()
        }
    }
}

/// The number of bytes of a header: the magic number, and a size for each axis.
fn header_bytes(axes: usize) -> usize {
    4 + 4 * axes
}

/// Checks the magic number: two zeros, the type of the elements, the number of axes. Returns the type.
fn check_magic(path: &Path, found: [u8; 4], content: Content) -> Result<Element, IdxError> {
    let path = path.to_path_buf();
    let [0, 0, code, dimensions] = found else {
        return Err(IdxError::NotIdx { path, found });
    };
    let Some(element) = Element::of_code(code) else { return Err(IdxError::NotIdx { path, found }) };
    if content == Content::Labels && matches!(element, Element::F32 | Element::F64) {
        return Err(IdxError::FloatLabels { path });
    }
    if content.has_dimensions(dimensions) {
        return Ok(element);
    }
    let hint = match (content, dimensions) {
        (Content::Images, 1) => "; it looks like a file of labels",
        (Content::Labels, 3 | 4) => "; it looks like a file of images",
        _ => "; choose another file",
    };
    Err(IdxError::Dimensions { path, found: dimensions, wanted: content.shape(), hint })
}

#[cfg(test)]
pub(in crate::data) mod tests;
