//! npy and npz, the file formats of NumPy.

use super::array::{Array, Numbers};
use super::named::{chosen, labels_of, parts_of};
use super::zip_file::{ZipFile, is_zip};
use super::{Block, Format, FormatError, Place, PlaceParts, Reader, Start, Wish};
use crate::data::column::RawColumn;
use crate::data::values::{Element, Values};
use crate::folder::FileError;
use crate::guard::guarded;
use crate::text::grouped;
use npyz::{DType, NpyFile, Order, TypeChar};
use std::fs::File;
use std::io::{BufReader, Cursor, Read};
use std::path::{Path, PathBuf};

/// The largest number of bytes of an array.
const LIMIT: u64 = 16 << 30;

/// The largest number of bytes of a header. NumPy's default limit is 10,000.
const HEADER_LIMIT: u32 = 1 << 16;

/// The deepest nesting of brackets in a header: that of the types of records in arrays.
const DEPTH_LIMIT: i32 = 8;

/// npy files: one array.
#[derive(Debug)]
pub(super) struct Npy;

/// npz files: zip files of npy files.
#[derive(Debug)]
pub(super) struct Npz;

impl Format for Npy {
    fn name(&self) -> &'static str {
        "npy"
    }

    fn recognizes(&self, start: &Start<'_>) -> bool {
        start.bytes.starts_with(b"\x93NUMPY")
    }

    fn images(&self, place: &Place, _: &Wish) -> Result<Box<dyn Reader>, FormatError> {
        let (input, bytes) = open_npy(place)?;
        let file = checked(&place.path, input, Some(bytes), u64::MAX)?;
        match Stream::of(&place.path, file) {
            Some(stream) => Ok(Box::new(stream?)),
            // Other arrays are read as a whole, because all values decide on their type or their order.
            None => Ok(Box::new(read_npy(place)?.images(&place.path)?)),
        }
    }

    fn labels(&self, place: &Place) -> Result<Vec<RawColumn>, FormatError> {
        read_npy(place)?.columns(&place.path, "label")
    }
}

impl Format for Npz {
    fn name(&self) -> &'static str {
        "npz"
    }

    fn recognizes(&self, start: &Start<'_>) -> bool {
        // The name of the first member, of the length at byte 26, ends in .npy.
        let length = start.bytes.get(26..28).map(|bytes| usize::from(bytes[0]) | usize::from(bytes[1]) << 8);
        let name = length.and_then(|length| start.bytes.get(30..30 + length));
        is_zip(start.bytes) && name.is_some_and(|name| name.ends_with(b".npy"))
    }

    fn parts(&self, place: &Place) -> Result<PlaceParts, FormatError> {
        parts_of(place, &names(&ZipFile::open(&place.path)?))
    }

    fn images(&self, place: &Place, _: &Wish) -> Result<Box<dyn Reader>, FormatError> {
        let mut file = ZipFile::open(&place.path)?;
        let names = names(&file);
        let name = chosen(place, &names)?;
        let mut reader = member(&mut file, place, &name)?.images(&place.path)?;
        if let Some(labels) = labels_of(&name, &names) {
            let is_pickle = is_object(&mut file, labels);
            // The note on pickled arrays comes below.
            if !is_pickle {
                reader.columns = member(&mut file, place, labels)?.columns(&place.path, labels)?;
            }
        }
        for other in names.iter().filter(|other| **other != name) {
            if is_object(&mut file, other) {
                let path = place.path.display();
                reader.notes.push(format!("`{path}` has the Python object `{other}`, which vaex does not read"));
            }
        }
        Ok(Box::new(reader))
    }

    fn labels(&self, place: &Place) -> Result<Vec<RawColumn>, FormatError> {
        let mut file = ZipFile::open(&place.path)?;
        let names = names(&file);
        let name = match (&place.key, &*names) {
            (Some(key), _) => key.clone(),
            (None, [only]) => only.clone(),
            (None, _) => {
                let first = names.first().map_or("KEY", String::as_str);
                let what = format!("has several arrays ({}); name one, as in `{place}:{first}`", names.join(", "));
                return Err(FormatError::new(&place.path, what));
            }
        };
        member(&mut file, place, &name)?.columns(&place.path, &name)
    }
}

/// The names of the arrays of an npz file, without `.npy`.
fn names(file: &ZipFile) -> Vec<String> {
    let names = file.names();
    names.iter().filter_map(|name| name.strip_suffix(".npy")).map(str::to_owned).collect()
}

/// Opens an npy file; also its size in bytes.
fn open_npy(place: &Place) -> Result<(BufReader<File>, u64), FormatError> {
    if let Some(key) = &place.key {
        return Err(FormatError::new(&place.path, format!("is an npy file, which has one array; remove `:{key}`")));
    }
    let file = File::open(&place.path).map_err(FileError::at("read", &place.path))?;
    let bytes = file.metadata().map_err(FileError::at("read", &place.path))?.len();
    Ok((BufReader::with_capacity(1 << 16, file), bytes))
}

fn read_npy(place: &Place) -> Result<Array, FormatError> {
    let (input, bytes) = open_npy(place)?;
    array(&place.path, input, Some(bytes))
}

/// An array of an npz file.
fn member(file: &mut ZipFile, place: &Place, name: &str) -> Result<Array, FormatError> {
    let bytes = file.content(&format!("{name}.npy"), LIMIT)?;
    let length = bytes.len() as u64;
    array(Path::new(&place.with_key(name).to_string()), Cursor::new(bytes), Some(length))
}

/// Whether an array of an npz file has pickled objects.
fn is_object(file: &mut ZipFile, name: &str) -> bool {
    matches!(member_type(file, name), Some(DType::Plain(kind)) if kind.type_char() == TypeChar::Object)
}

/// The type of an array of an npz file.
fn member_type(file: &mut ZipFile, name: &str) -> Option<DType> {
    let mut kind = None;
    let read = |input: &mut dyn Read| {
        kind = checked_header(input)
            .and_then(|(input, _)| guarded(|| npyz::NpyHeader::from_reader(input)).unwrap_or_else(overflowing))
            .ok()
            .map(|header| header.dtype());
        Ok(())
    };
    file.read(&format!("{name}.npy"), LIMIT, read).ok()?;
    kind
}

/// The same input, with a header that can be parsed quickly: short, and without deep nesting. Also the size of the header.
fn checked_header(mut input: impl Read) -> std::io::Result<(impl Read, u64)> {
    let mut start = vec![0; 8];
    input.read_exact(&mut start)?;
    // Version 1 has the length of the header in 2 bytes, later versions in 4.
    let width = if start[6] == 1 { 2 } else { 4 };
    let mut length = [0; 4];
    input.read_exact(&mut length[..width])?;
    let bytes = u32::from_le_bytes(length);
    if bytes > HEADER_LIMIT {
        return Err(std::io::Error::other(format!("its header has {bytes} bytes")));
    }
    start.extend(&length[..width]);
    let header_start = start.len();
    input.by_ref().take(u64::from(bytes)).read_to_end(&mut start)?;
    let mut depth = 0;
    for byte in &start[header_start..] {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth -= 1,
            _ => {}
        }
        if depth > DEPTH_LIMIT {
            return Err(std::io::Error::other("its header is nested too deeply"));
        }
    }
    let bytes = start.len() as u64;
    Ok((Cursor::new(start).chain(input), bytes))
}

/// The library multiplies the sizes of an array, which panics in a build with checks of overflows.
fn overflowing<T>(panic: String) -> std::io::Result<T> {
    Err(std::io::Error::other(panic))
}

/// What is wrong with an array, in words.
fn damaged(path: &Path, error: &std::io::Error) -> FormatError {
    let text = error.to_string();
    match text.contains("Object") || text.contains("|O") {
        true => FormatError::new(path, "has Python objects, which vaex does not read; save a plain array"),
        false => FormatError::new(path, format!("is not a valid npy array ({text}); save it again")),
    }
}

/// Opens an array of which all bytes are there, at most `most`: `bytes` is the size of the file.
fn checked<R: Read>(
    path: &Path,
    input: R,
    bytes: Option<u64>,
    most: u64,
) -> Result<NpyFile<impl Read + use<R>>, FormatError> {
    let damaged = |error: std::io::Error| damaged(path, &error);
    let (input, header) = checked_header(input).map_err(damaged)?;
    let bytes = bytes.map(|bytes| bytes.saturating_sub(header));
    let file = guarded(|| NpyFile::new(input)).unwrap_or_else(overflowing).map_err(damaged)?;
    let axes: Vec<usize> = file.shape().iter().map(|size| *size as usize).collect();
    let count = file.shape().iter().try_fold(1u64, |product, size| product.checked_mul(*size));
    let DType::Plain(kind) = file.dtype() else {
        return Err(FormatError::new(path, "has records, but vaex reads arrays of numbers; save one column of them"));
    };
    let size = kind.size_field();
    let needed = count.and_then(|count| count.checked_mul(size.max(1)));
    match (needed, bytes) {
        (None, _) => return Err(too_large(path, &axes)),
        (Some(needed), _) if needed > most => return Err(too_large(path, &axes)),
        (Some(needed), Some(bytes)) if needed > bytes => {
            let what = format!(
                "ends after {} bytes of values, but its header gives an array of {} bytes; save it again",
                grouped(bytes),
                grouped(needed)
            );
            return Err(FormatError::new(path, what));
        }
        _ => {}
    }
    super::array::check_size(path, &axes)?;
    if axes.contains(&0) {
        let sizes = axes.iter().map(grouped).collect::<Vec<_>>().join(" x ");
        return Err(FormatError::new(path, format!("is an empty array ({sizes})")));
    }
    Ok(file)
}

/// Reads an array of which all bytes are there: `bytes` is the size of the file.
fn array(path: &Path, input: impl Read, bytes: Option<u64>) -> Result<Array, FormatError> {
    let file = checked(path, input, bytes, LIMIT)?;
    let damaged = |error: std::io::Error| damaged(path, &error);
    let axes: Vec<usize> = file.shape().iter().map(|size| *size as usize).collect();
    let DType::Plain(kind) = file.dtype() else {
        return Err(FormatError::new(path, "has records, but vaex reads arrays of numbers; save one column of them"));
    };
    let size = kind.size_field();
    let is_fortran = file.order() == Order::Fortran;
    let numbers = match (kind.type_char(), size) {
        (TypeChar::Bool, _) => {
            let bools: Vec<bool> = file.into_vec().map_err(damaged)?;
            Numbers::Bits(bools.into_iter().map(u8::from).collect())
        }
        (TypeChar::Uint, 1) => Numbers::Bytes(file.into_vec().map_err(damaged)?),
        (TypeChar::Float, 4) => Numbers::Floats(file.into_vec().map_err(damaged)?),
        (TypeChar::Float, 8) => Numbers::Doubles(file.into_vec().map_err(damaged)?),
        (TypeChar::Int, 1) => Numbers::Whole(widened::<i8>(file).map_err(damaged)?),
        (TypeChar::Int, 2) => Numbers::Whole(widened::<i16>(file).map_err(damaged)?),
        (TypeChar::Int, 4) => Numbers::Whole(widened::<i32>(file).map_err(damaged)?),
        (TypeChar::Int, 8) => Numbers::Whole(file.into_vec().map_err(damaged)?),
        (TypeChar::Uint, 2) => Numbers::Whole(widened::<u16>(file).map_err(damaged)?),
        (TypeChar::Uint, 4) => Numbers::Whole(widened::<u32>(file).map_err(damaged)?),
        (TypeChar::Object, _) => {
            return Err(FormatError::new(path, "has Python objects, which vaex does not read; save a plain array"));
        }
        (TypeChar::UnicodeStr, _) => Numbers::Texts(file.into_vec().map_err(damaged)?),
        _ => {
            let what = format!("has elements of the type `{}`; vaex reads bool, integers, float32 and float64", kind);
            return Err(FormatError::new(path, what));
        }
    };
    let numbers = if is_fortran { numbers.row_major(&axes) } else { numbers };
    Ok(Array { axes, numbers })
}

/// The elements of a file, one by one.
enum Elements {
    Bytes(Box<dyn Iterator<Item = std::io::Result<u8>> + Send>),
    Floats(Box<dyn Iterator<Item = std::io::Result<f32>> + Send>),
}

/// Gives the images of a file block by block as they are read, so that the file may be larger than the memory.
struct Stream {
    path: PathBuf,
    /// The sizes of the axes of one image.
    axes: Vec<usize>,
    count: usize,
    given: usize,
    elements: Elements,
    element: Element,
}

impl Stream {
    /// The images of a file of bytes, booleans or floats in C order; `None` for another one.
    fn of<R: Read + Send + 'static>(path: &Path, file: NpyFile<R>) -> Option<Result<Stream, FormatError>> {
        let sizes: Vec<usize> = file.shape().iter().map(|size| *size as usize).collect();
        let (DType::Plain(kind), [count, axes @ ..]) = (file.dtype(), &*sizes) else { return None };
        if file.order() == Order::Fortran || axes.is_empty() {
            return None;
        }
        let (elements, element) = match (kind.type_char(), kind.size_field()) {
            (TypeChar::Bool, _) => {
                (file.data::<bool>().map(|all| bytes(all.map(|one| one.map(u8::from)))), Element::Bit)
            }
            (TypeChar::Uint, 1) => (file.data::<u8>().map(bytes), Element::Byte),
            (TypeChar::Float, 4) => (file.data::<f32>().map(floats), Element::Float),
            (TypeChar::Float, 8) => {
                (file.data::<f64>().map(|all| floats(all.map(|one| one.map(|value| value as f32)))), Element::Float)
            }
            _ => return None,
        };
        let elements = elements.map_err(|error| damaged(path, &std::io::Error::other(error.to_string())));
        Some(elements.map(|elements| {
            let (path, axes) = (path.to_path_buf(), axes.to_vec());
            Stream { path, axes, count: *count, given: 0, elements, element }
        }))
    }
}

fn bytes(all: impl Iterator<Item = std::io::Result<u8>> + Send + 'static) -> Elements {
    Elements::Bytes(Box::new(all))
}

fn floats(all: impl Iterator<Item = std::io::Result<f32>> + Send + 'static) -> Elements {
    Elements::Floats(Box::new(all))
}

impl Reader for Stream {
    fn count(&self) -> Option<usize> {
        Some(self.count)
    }

    fn next(&mut self, most: usize) -> Result<Option<Block>, FormatError> {
        let images = most.min(self.count - self.given);
        if images == 0 {
            return Ok(None);
        }
        self.given += images;
        let size = images * self.axes.iter().product::<usize>();
        let values = match &mut self.elements {
            Elements::Bytes(all) => all.take(size).collect::<std::io::Result<Vec<u8>>>().map(Values::U8),
            Elements::Floats(all) => all.take(size).collect::<std::io::Result<Vec<f32>>>().map(Values::F32),
        };
        let values = values.map_err(|error| damaged(&self.path, &error))?;
        Ok(Some(Block::Array { axes: self.axes.clone(), values, element: self.element }))
    }

    fn finish(self: Box<Self>) -> Result<(Vec<RawColumn>, Vec<String>), FormatError> {
        Ok((Vec::new(), Vec::new()))
    }
}

fn too_large(path: &Path, axes: &[usize]) -> FormatError {
    let sizes = axes.iter().map(grouped).collect::<Vec<_>>().join(" x ");
    FormatError::new(path, format!("has an array of {sizes}, more than the maximum of 16 GiB"))
}

/// The elements as 64-bit integers.
fn widened<N: npyz::Deserialize + Into<i64>>(file: NpyFile<impl Read>) -> std::io::Result<Vec<i64>> {
    Ok(file.into_vec::<N>()?.into_iter().map(Into::into).collect())
}
