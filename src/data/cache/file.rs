//! The cache file of prepared images: writing and opening it.
//!
//! A block of 4,096 bytes ([`Head`]), the values of all images in order, and a trailer: JSON ([`Meta`]), then the hashes of
//! the images, their extents, the columns, and a CRC-32 of each chunk of the values. All numbers are little-endian.

use crate::data::ImageShape;
use crate::data::column::Column;
use crate::data::store::{HASH_BYTES, ImageHash};
use crate::data::values::{Element, Extent, ValuesRef};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};

/// The start of every cache file; the number is the version of the format.
const MAGIC: [u8; 16] = *b"vaex images v1\n\0";

/// The number of bytes before the values. Values of any type are aligned in memory.
pub(super) const HEAD_BYTES: usize = 4096;

/// The number of bytes of the extent of an image: the smallest and the largest value, and whether there are others.
const EXTENT_BYTES: usize = 9;

/// The number of bytes of values that share a checksum.
pub(super) const CHUNK: usize = 4 << 20;

/// What the file has, apart from numbers for each image.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Meta {
    pub(super) count: usize,
    height: usize,
    width: usize,
    channels: usize,
    element: String,
    columns: Vec<ColumnMeta>,
    /// What the user should know about the files that the images are from.
    pub(super) notes: Vec<String>,
    /// The files or folders that the images are from.
    pub(super) sources: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct ColumnMeta {
    name: String,
    size: u32,
    names: Option<Vec<String>>,
}

impl Meta {
    pub(super) fn shape(&self) -> ImageShape {
        ImageShape { height: self.height, width: self.width, channels: self.channels }
    }

    pub(super) fn element(&self) -> Option<Element> {
        [Element::Bit, Element::Byte, Element::Float].into_iter().find(|element| element.name() == self.element)
    }
}

/// The place of the trailer, in the first block.
struct Head {
    start: u64,
    length: u64,
    checksum: u32,
}

impl Head {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(self.start.to_le_bytes());
        bytes.extend(self.length.to_le_bytes());
        bytes.extend(self.checksum.to_le_bytes());
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        bytes.resize(HEAD_BYTES, 0);
        bytes
    }

    fn read(file: &[u8]) -> Option<Head> {
        let word = |at: usize| Some(u64::from_le_bytes(file.get(at..at + 8)?.try_into().ok()?));
        let half = |at: usize| Some(u32::from_le_bytes(file.get(at..at + 4)?.try_into().ok()?));
        let is_whole = file.starts_with(&MAGIC) && half(36)? == crc32fast::hash(file.get(..36)?);
        is_whole.then_some(Head { start: word(16)?, length: word(24)?, checksum: half(32)? })
    }
}

/// An image that is ready to be written.
pub(in crate::data) struct PreparedImage<'a> {
    pub(in crate::data) values: ValuesRef<'a>,
    pub(in crate::data) hash: ImageHash,
    pub(in crate::data) extent: Extent,
}

/// Writes a cache file, image by image.
pub(in crate::data) struct Writer {
    out: BufWriter<File>,
    hashes: Vec<u8>,
    extents: Vec<u8>,
    checksums: Vec<u8>,
    /// The checksum of the last chunk, and the number of its bytes.
    open: (crc32fast::Hasher, usize),
    bytes: u64,
}

impl Writer {
    /// Starts to write a file, which must be empty.
    pub(super) fn new(file: File) -> io::Result<Writer> {
        let mut out = BufWriter::with_capacity(1 << 20, file);
        out.write_all(&[0; HEAD_BYTES])?;
        let open = (crc32fast::Hasher::new(), 0);
        Ok(Writer { out, hashes: Vec::new(), extents: Vec::new(), checksums: Vec::new(), open, bytes: 0 })
    }

    /// The number of bytes written so far.
    pub(super) fn bytes(&self) -> u64 {
        HEAD_BYTES as u64 + self.bytes
    }

    /// Adds an image.
    pub(in crate::data) fn push(&mut self, image: &PreparedImage<'_>) -> io::Result<()> {
        match image.values {
            ValuesRef::U8(bytes) => self.write(bytes)?,
            ValuesRef::F32(floats) => self.write(bytemuck::cast_slice(floats))?,
        }
        let Extent { low, high, has_others } = image.extent;
        self.hashes.extend(image.hash);
        self.extents.extend(low.to_le_bytes());
        self.extents.extend(high.to_le_bytes());
        self.extents.push(u8::from(has_others));
        Ok(())
    }

    fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        self.bytes += bytes.len() as u64;
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(CHUNK - self.open.1));
            self.out.write_all(now)?;
            self.open.0.update(now);
            self.open.1 += now.len();
            if self.open.1 == CHUNK {
                self.close_chunk();
            }
            bytes = later;
        }
        Ok(())
    }

    fn close_chunk(&mut self) {
        let (hasher, _) = std::mem::replace(&mut self.open, (crc32fast::Hasher::new(), 0));
        self.checksums.extend(hasher.finalize().to_le_bytes());
    }

    /// Writes the rest of the file.
    pub(super) fn finish(mut self, about: &About<'_>) -> io::Result<File> {
        if self.open.1 > 0 {
            self.close_chunk();
        }
        let count = self.hashes.len() / HASH_BYTES;
        let column = |column: &Column| ColumnMeta {
            name: column.name.clone(),
            size: column.size,
            names: column.names().map(<[String]>::to_vec),
        };
        let [height, width, channels] = about.shape.sizes();
        let meta = Meta {
            count,
            height,
            width,
            channels,
            element: about.element.name().to_owned(),
            columns: about.columns.iter().map(column).collect(),
            notes: about.notes.to_vec(),
            sources: about.sources.to_vec(),
        };
        let json = serde_json::to_vec(&meta)?;
        let mut trailer = (json.len() as u64).to_le_bytes().to_vec();
        trailer.extend(json);
        trailer.extend(&self.hashes);
        trailer.extend(&self.extents);
        for column in about.columns {
            trailer.extend((0..count).flat_map(|image| column.value(image).to_le_bytes()));
        }
        trailer.extend(&self.checksums);
        self.out.write_all(&trailer)?;
        let (start, length) = (self.bytes(), trailer.len() as u64);
        self.out.seek(SeekFrom::Start(0))?;
        self.out.write_all(&Head { start, length, checksum: crc32fast::hash(&trailer) }.bytes())?;
        let file = self.out.into_inner().map_err(io::IntoInnerError::into_error)?;
        // The file gets its name only when its bytes are on the disk.
        file.sync_all()?;
        Ok(file)
    }
}

/// What a cache file says about its images.
pub(in crate::data) struct About<'a> {
    pub(in crate::data) shape: ImageShape,
    pub(in crate::data) element: Element,
    pub(in crate::data) columns: &'a [Column],
    pub(in crate::data) notes: &'a [String],
    pub(in crate::data) sources: &'a [String],
}

/// The parts of an opened cache file, as places in it.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) meta: Meta,
    pub(super) element: Element,
    pub(super) columns: Vec<Column>,
    /// The place of the hashes.
    hashes: usize,
    /// The place of the extents.
    extents: usize,
    /// The place of the checksums.
    checksums: usize,
}

impl Parts {
    /// Checks everything but the values. `None` if the file is damaged, incomplete, or from another version.
    pub(super) fn of(file: &[u8]) -> Option<Parts> {
        let head = Head::read(file)?;
        let (start, length) = (usize::try_from(head.start).ok()?, usize::try_from(head.length).ok()?);
        let trailer = file.get(start..)?;
        if trailer.len() != length || crc32fast::hash(trailer) != head.checksum {
            return None;
        }
        let json = usize::try_from(u64::from_le_bytes(trailer.get(..8)?.try_into().ok()?)).ok()?;
        let meta: Meta = serde_json::from_slice(trailer.get(8..json.checked_add(8)?)?).ok()?;
        let (element, count) = (meta.element()?, meta.count);
        let bytes = count.checked_mul(meta.shape().values())?.checked_mul(element.bytes())?;
        if bytes == 0 || HEAD_BYTES.checked_add(bytes)? != start {
            return None;
        }
        let hashes = start + 8 + json;
        let extents = hashes + count.checked_mul(HASH_BYTES)?;
        let mut at = extents + count.checked_mul(EXTENT_BYTES)?;
        let mut columns = Vec::new();
        for column in &meta.columns {
            let values = file.get(at..at.checked_add(count.checked_mul(4)?)?)?;
            let values: Vec<u32> = values.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word)).collect();
            at += count * 4;
            columns.push(Column::listed(&*column.name, column.size, column.names.clone(), values));
        }
        let is_complete = file.len() == at + bytes.div_ceil(CHUNK) * 4;
        is_complete.then_some(Parts { meta, element, columns, hashes, extents, checksums: at })
    }

    /// The hash of an image.
    pub(super) fn hash(&self, file: &[u8], image: usize) -> ImageHash {
        let at = self.hashes + image * HASH_BYTES;
        std::array::from_fn(|byte| file[at + byte])
    }

    /// The extent of an image.
    pub(super) fn extent(&self, file: &[u8], image: usize) -> Extent {
        let at = self.extents + image * EXTENT_BYTES;
        let float = |at: usize| f32::from_le_bytes(std::array::from_fn(|byte| file[at + byte]));
        Extent { low: float(at), high: float(at + 4), has_others: file[at + 8] != 0 }
    }

    /// The checksum of a chunk of the values.
    pub(super) fn checksum(&self, file: &[u8], chunk: usize) -> u32 {
        u32::from_le_bytes(std::array::from_fn(|byte| file[self.checksums + 4 * chunk + byte]))
    }

    /// The places of the values.
    pub(super) fn values(&self) -> std::ops::Range<usize> {
        HEAD_BYTES..HEAD_BYTES + self.meta.count * self.meta.shape().values() * self.element.bytes()
    }
}
