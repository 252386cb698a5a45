//! HDF5 files.

use super::array::{Array, Numbers, check_size};
use super::named::{chosen, labels_of, parts_of};
use super::zip_file::is_bomb;
use super::{BLOCK_BYTES, Block, Format, FormatError, Place, PlaceParts, Reader, START_BYTES, Start, Wish};
use crate::data::column::RawColumn;
use crate::folder::FileError;
use crate::text::grouped;
use hdf5_pure::{Chunk, DType, Dataset, Error, File, Group};
use std::io::Read;
use std::path::{Path, PathBuf};

/// The largest number of bytes that are read at once.
const LIMIT: u64 = 16 << 30;

/// The largest number of rows of a chunk with which images are read in blocks. With larger chunks, each block would decompress
/// most of the file again.
const CHUNK_ROWS: u64 = 4096;

/// HDF5 files.
#[derive(Debug)]
pub(super) struct Hdf5;

impl Format for Hdf5 {
    fn name(&self) -> &'static str {
        "HDF5"
    }

    fn recognizes(&self, start: &Start<'_>) -> bool {
        // A file may begin with a block of other data of 512, 1024, 2048, ... bytes, as MATLAB's do.
        const MAGIC: &[u8] = b"\x89HDF\r\n\x1a\n";
        let places = std::iter::once(0).chain((9..).map(|power| 1 << power));
        let mut places = places.take_while(|place| *place < START_BYTES);
        places.any(|place| start.bytes.get(place..).is_some_and(|bytes| bytes.starts_with(MAGIC)))
    }

    fn parts(&self, place: &Place) -> Result<PlaceParts, FormatError> {
        let (_, names) = open(place)?;
        parts_of(&named(place), &names)
    }

    fn images(&self, place: &Place, _: &Wish) -> Result<Box<dyn Reader>, FormatError> {
        let place = named(place);
        let (file, names) = open(&place)?;
        let name = chosen(&place, &names)?;
        let columns = match labels_of(&name, &names) {
            None => Vec::new(),
            Some(labels) => columns(&place.path, &file, labels)?,
        };
        let dataset = dataset(&place.path, &file, &name)?;
        check_chunks(&place.path, &file, &dataset)?;
        let shape = dataset.shape().map_err(|error| problem(&place.path, &error))?;
        let chunk = dataset.chunk_shape().map_err(|error| problem(&place.path, &error))?;
        let rows = shape.first().copied().unwrap_or(0);
        check_size(&place.path, &shape.iter().map(|size| *size as usize).collect::<Vec<_>>())?;
        let values = shape.iter().try_fold(1u64, |product, size| product.checked_mul(*size));
        if values.is_none_or(|values| is_bomb(values, file.file_size())) {
            let sizes = shape.iter().map(grouped).collect::<Vec<_>>().join(" x ");
            let what = format!(
                "has an array of {sizes}, but only {} bytes, too few for images; most of them were never written",
                grouped(file.file_size())
            );
            return Err(FormatError::new(&place.path, what));
        }
        // Contiguous data, and data with small chunks, are read block by block.
        let chunk_rows = chunk.map_or(1, |chunk| chunk.first().copied().unwrap_or(rows));
        let kind = dataset.dtype().map_err(|error| problem(&place.path, &error))?;
        let row = shape.iter().skip(1).product::<u64>().saturating_mul(element_bytes(&kind)).max(1);
        // Whole numbers are bytes or floats, which only all of them tell.
        let is_known = matches!(kind, DType::U8 | DType::F32 | DType::F64 | DType::Enum(_));
        let chunk_rows = if is_known { chunk_rows } else { rows };
        let fitting = (BLOCK_BYTES as u64 / row).max(1);
        let block = if chunk_rows > CHUNK_ROWS {
            rows
        } else {
            (fitting.min(1024) / chunk_rows.max(1)).max(1) * chunk_rows.max(1)
        };
        let notes = matlab_note(&place.path)?.into_iter().collect();
        Ok(Box::new(Images { path: place.path, file, name, shape, block, given: 0, columns, notes }))
    }

    fn labels(&self, place: &Place) -> Result<Vec<RawColumn>, FormatError> {
        let place = named(place);
        let (file, names) = open(&place)?;
        let name = match (&place.key, &*names) {
            (Some(key), _) => key.clone(),
            (None, [only]) => only.clone(),
            (None, _) => {
                let what = format!("has several arrays ({}); name one, as in `{place}:/labels`", names.join(", "));
                return Err(FormatError::new(&place.path, what));
            }
        };
        columns(&place.path, &file, &name)
    }
}

/// A note on files of MATLAB 7.3, which are HDF5 with the axes in reverse order.
fn matlab_note(path: &Path) -> Result<Option<String>, FormatError> {
    let mut start = Vec::new();
    let file = std::fs::File::open(path).map_err(FileError::at("read", path))?;
    file.take(10).read_to_end(&mut start).map_err(FileError::at("read", path))?;
    let note = || {
        format!(
            "`{}` is a MATLAB file, whose axes are in reverse order; if its pictures lie on their side, set `transpose = true`",
            path.display()
        )
    };
    Ok((start == b"MATLAB 7.3").then(note))
}

/// The place with the path of its array without the slash at the start.
fn named(place: &Place) -> Place {
    let key = place.key.as_deref().map(|key| key.trim_start_matches('/').to_owned());
    Place::new(place.path.clone(), key)
}

/// The file and the paths of its arrays.
fn open(place: &Place) -> Result<(File, Vec<String>), FormatError> {
    let path = &place.path;
    let file = File::open_streaming(path).map_err(|error| problem(path, &error))?;
    let mut names = Vec::new();
    let mut groups = 0;
    let listed = list(&file.root(), "", 0, &mut groups, &mut names);
    // An array that is named is found in any depth, and beside links that cannot be listed.
    if let Some(key) = &place.key
        && file.dataset(key).is_ok()
    {
        if !names.contains(key) {
            names.push(key.clone());
        }
        return Ok((file, names));
    }
    if let Err(error) = listed {
        let what = format!(
            "has links or groups that cannot be listed ({error}); name an array, as in `{}:/images`",
            path.display()
        );
        return Err(FormatError::new(path, what));
    }
    if names.is_empty() {
        return Err(FormatError::new(path, "has no arrays"));
    }
    Ok((file, names))
}

/// The largest number of groups that are listed, and their greatest depth: groups may contain themselves.
const GROUP_LIMIT: usize = 1000;
const DEPTH_LIMIT: usize = 8;

/// The paths of the arrays in a group.
fn list(group: &Group, folder: &str, depth: usize, groups: &mut usize, names: &mut Vec<String>) -> Result<(), Error> {
    *groups += 1;
    names.extend(group.datasets()?.into_iter().map(|name| format!("{folder}{name}")));
    for name in group.groups()? {
        if depth < DEPTH_LIMIT && *groups < GROUP_LIMIT {
            list(&group.group(&name)?, &format!("{folder}{name}/"), depth + 1, groups, names)?;
        }
    }
    Ok(())
}

fn dataset(path: &Path, file: &File, name: &str) -> Result<Dataset, FormatError> {
    file.dataset(name).map_err(|error| problem(path, &error))
}

/// Refuses an array with a chunk that goes beyond the end of the file: memory is reserved for it before it is read.
fn check_chunks(path: &Path, file: &File, dataset: &Dataset) -> Result<(), FormatError> {
    if !dataset.is_chunked() {
        return Ok(());
    }
    let chunks = dataset.chunks().map_err(|error| problem(path, &error))?;
    let is_beyond = |chunk: &Chunk| chunk.address.saturating_add(chunk.storage_size) > file.file_size();
    match chunks.iter().any(is_beyond) {
        true => {
            let what = "is damaged: a part of an array goes beyond the end of the file; download it or write it again";
            Err(FormatError::new(path, what))
        }
        false => Ok(()),
    }
}

fn columns(path: &Path, file: &File, name: &str) -> Result<Vec<RawColumn>, FormatError> {
    let dataset = dataset(path, file, name)?;
    check_chunks(path, file, &dataset)?;
    let shape = dataset.shape().map_err(|error| problem(path, &error))?;
    let rows = shape.first().copied().unwrap_or(0);
    array(path, &dataset, &shape, 0, rows)?.columns(path, name)
}

/// The number of bytes of an element in memory.
fn element_bytes(kind: &DType) -> u64 {
    match kind {
        DType::U8 | DType::Enum(_) => 1,
        DType::F32 => 4,
        _ => 8,
    }
}

/// Some rows of an array.
fn array(path: &Path, dataset: &Dataset, shape: &[u64], start: u64, rows: u64) -> Result<Array, FormatError> {
    let error = |error: Error| problem(path, &error);
    let kind = dataset.dtype().map_err(error)?;
    let row: Option<u64> = shape.iter().skip(1).try_fold(1u64, |product, size| product.checked_mul(*size));
    let bytes = row.and_then(|row| row.checked_mul(rows)).and_then(|all| all.checked_mul(element_bytes(&kind)));
    if bytes.is_none_or(|bytes| bytes > LIMIT) {
        let sizes = shape.iter().map(grouped).collect::<Vec<_>>().join(" x ");
        let what = format!(
            "has an array of {sizes}, of which more than 16 GiB would be in memory; save it with smaller chunks"
        );
        return Err(FormatError::new(path, what));
    }
    let numbers = match kind {
        DType::U8 => Numbers::Bytes(dataset.read_u8_rows(start, rows).map_err(error)?),
        DType::F32 => Numbers::Floats(dataset.read_f32_rows(start, rows).map_err(error)?),
        DType::F64 => Numbers::Doubles(dataset.read_f64_rows(start, rows).map_err(error)?),
        DType::I8 | DType::I16 | DType::I32 | DType::I64 | DType::U16 | DType::U32 => {
            Numbers::Whole(dataset.read_i64_rows(start, rows).map_err(error)?)
        }
        // h5py stores booleans so.
        DType::Enum(names) if names == ["FALSE", "TRUE"] => {
            let bytes = dataset.read_raw_rows(start, rows).map_err(error)?;
            Numbers::Bits(bytes.into_iter().map(|byte| u8::from(byte != 0)).collect())
        }
        DType::String | DType::VariableLengthString => {
            Numbers::Texts(dataset.read_string_rows(start, rows).map_err(error)?)
        }
        other => {
            let what = format!("has elements of the type {other}; vaex reads integers, floats, booleans and texts");
            return Err(FormatError::new(path, what));
        }
    };
    let mut axes: Vec<usize> = shape.iter().map(|size| *size as usize).collect();
    if let Some(first) = axes.first_mut() {
        *first = rows as usize;
    }
    Ok(Array { axes, numbers })
}

/// The error of the HDF5 reader in words.
fn problem(path: &Path, error: &Error) -> FormatError {
    let text = format!("{error:?}");
    if text.contains("InvalidLayoutVersion") {
        let what = "was written with `libver=\"latest\"` by a new version of HDF5, which vaex cannot read; write it again \
                    without `libver`, or run: h5repack --high=2 OLD NEW";
        return FormatError::new(path, what);
    }
    let what = format!(
        "cannot be read as HDF5 ({error}); if it is complete, write it again without `libver=\"latest\"`, or save the array as npy"
    );
    FormatError::new(path, what)
}

/// The images of an array.
struct Images {
    path: PathBuf,
    file: File,
    name: String,
    shape: Vec<u64>,
    /// The number of images that are read at once.
    block: u64,
    given: u64,
    columns: Vec<RawColumn>,
    /// What the user should know about the file.
    notes: Vec<String>,
}

impl Reader for Images {
    fn count(&self) -> Option<usize> {
        self.shape.first().map(|count| *count as usize)
    }

    fn next(&mut self, _: usize) -> Result<Option<Block>, FormatError> {
        let all = self.shape.first().copied().unwrap_or(0);
        let rows = self.block.min(all - self.given);
        if rows == 0 {
            return Ok(None);
        }
        let dataset = dataset(&self.path, &self.file, &self.name)?;
        let array = array(&self.path, &dataset, &self.shape, self.given, rows)?;
        self.given += rows;
        array.images(&self.path)?.next(usize::MAX)
    }

    fn finish(self: Box<Self>) -> Result<(Vec<RawColumn>, Vec<String>), FormatError> {
        Ok((self.columns, self.notes))
    }
}
