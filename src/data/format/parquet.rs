//! Parquet files: encoded pictures as Hugging Face's `datasets` stores them, lists of numbers, or one column per pixel.

mod columns;

use self::columns::{Found, Leaf, LeafKind, found, names};
use super::array::{ArrayReader, bytes_or_floats};
use super::collection::are_labels;
use super::{BLOCK_BYTES, Block, Encoded, Format, FormatError, Place, Reader, Start, Wish};
use crate::data::column::{RawColumn, RawValues};
use crate::data::values::{Element, Values};
use crate::folder::FileError;
use crate::text::grouped;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl, get_column_reader};
use parquet::data_type::{ByteArrayType, DataType};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

/// The largest number of values that are in memory.
const VALUE_LIMIT: usize = 1 << 30;

/// Parquet files.
#[derive(Debug)]
pub(super) struct Parquet;

impl Format for Parquet {
    fn name(&self) -> &'static str {
        "parquet"
    }

    fn recognizes(&self, start: &Start<'_>) -> bool {
        start.bytes.starts_with(b"PAR1")
    }

    fn images(&self, place: &Place, _: &Wish) -> Result<Box<dyn Reader>, FormatError> {
        let file = ParquetFile::open(&place.path)?;
        let leaves = file.leaves();
        let found = found(place, &leaves)?;
        let others = |used: &[usize]| -> Vec<usize> {
            leaves
                .iter()
                .filter(|leaf| !used.contains(&leaf.index) && leaf.can_be_label())
                .map(|leaf| leaf.index)
                .collect()
        };
        match found {
            Found::Encoded(leaf) => {
                let columns = file.columns(&leaves, &others(&[leaf]))?;
                Ok(Box::new(Pictures {
                    file,
                    leaf,
                    name: place.path.clone(),
                    group: 0,
                    reader: None,
                    given: 0,
                    columns,
                }))
            }
            Found::Lists(leaf) => {
                let (numbers, axes) = file.lists(leaf)?;
                let (values, element) = of_kind(numbers, leaves[leaf].kind);
                let mut reader = ArrayReader::new(axes, values, element);
                reader.columns = file.columns(&leaves, &others(&[leaf]))?;
                Ok(Box::new(reader))
            }
            Found::Pixels(pixels) => {
                let are_whole = pixels.iter().all(|pixel| leaves[*pixel].kind == LeafKind::Whole);
                let kind = if are_whole { LeafKind::Whole } else { LeafKind::Float };
                let (values, element) = of_kind(file.pixels(&pixels)?, kind);
                let mut reader = ArrayReader::new(vec![pixels.len()], values, element);
                reader.columns = file.columns(&leaves, &others(&pixels))?;
                Ok(Box::new(reader))
            }
        }
    }

    fn labels(&self, place: &Place) -> Result<Vec<RawColumn>, FormatError> {
        let file = ParquetFile::open(&place.path)?;
        let leaves = file.leaves();
        let wanted = |leaf: &&Leaf| place.key.as_ref().is_none_or(|key| leaf.name == *key);
        let chosen: Vec<usize> =
            leaves.iter().filter(|leaf| leaf.can_be_label()).filter(wanted).map(|leaf| leaf.index).collect();
        if chosen.is_empty() {
            let what = format!("has no column of labels; its columns are {}", names(&leaves));
            return Err(FormatError::new(&place.path, what));
        }
        file.columns(&leaves, &chosen)
    }
}

/// Values of columns of this kind.
fn of_kind(numbers: Vec<f32>, kind: LeafKind) -> (Values, Element) {
    match kind {
        LeafKind::Whole => bytes_or_floats(numbers),
        _ => (Values::F32(numbers), Element::Float),
    }
}

/// An open parquet file.
struct ParquetFile {
    path: PathBuf,
    reader: SerializedFileReader<File>,
}

impl ParquetFile {
    fn open(path: &Path) -> Result<ParquetFile, FormatError> {
        let file = File::open(path).map_err(FileError::at("read", path))?;
        let reader = SerializedFileReader::new(file).map_err(|error| problem(path, &error))?;
        let rows: i64 = reader.metadata().row_groups().iter().map(|group| group.num_rows()).sum();
        match u32::try_from(rows) {
            Ok(1..) => Ok(ParquetFile { path: path.to_path_buf(), reader }),
            Ok(0) => Err(FormatError::new(path, "has no rows")),
            Err(_) => Err(FormatError::new(path, "has more than 2^32 rows, or a negative number of them")),
        }
    }

    fn rows(&self) -> usize {
        self.reader.metadata().row_groups().iter().map(|group| usize::try_from(group.num_rows()).unwrap_or(0)).sum()
    }

    fn leaves(&self) -> Vec<Leaf> {
        let columns = self.reader.metadata().file_metadata().schema_descr().columns();
        columns.iter().enumerate().map(|(index, column)| Leaf::of(index, column)).collect()
    }

    /// A column of a group of rows.
    fn reader(&self, group: usize, leaf: usize) -> Result<ColumnReader, FormatError> {
        let group = self.reader.get_row_group(group).map_err(|error| problem(&self.path, &error))?;
        let pages = group.get_column_page_reader(leaf).map_err(|error| problem(&self.path, &error))?;
        let column = self.reader.metadata().file_metadata().schema_descr().column(leaf);
        Ok(get_column_reader(column, pages))
    }

    /// The numbers of a column of a group of rows.
    fn numbers(&self, group: usize, leaf: &Leaf) -> Result<RawValues, FormatError> {
        let rows = usize::try_from(self.reader.metadata().row_group(group).num_rows()).unwrap_or(0);
        let whole = |values: Vec<i64>| RawValues::Whole(values);
        Ok(match self.reader(group, leaf.index)? {
            ColumnReader::BoolColumnReader(mut reader) => {
                whole(self.values(&mut reader, rows, leaf)?.into_iter().map(i64::from).collect())
            }
            ColumnReader::Int32ColumnReader(mut reader) => {
                whole(self.values(&mut reader, rows, leaf)?.into_iter().map(i64::from).collect())
            }
            ColumnReader::Int64ColumnReader(mut reader) => whole(self.values(&mut reader, rows, leaf)?),
            ColumnReader::FloatColumnReader(mut reader) => {
                RawValues::Floats(self.values(&mut reader, rows, leaf)?.into_iter().map(f64::from).collect())
            }
            ColumnReader::DoubleColumnReader(mut reader) => RawValues::Floats(self.values(&mut reader, rows, leaf)?),
            ColumnReader::ByteArrayColumnReader(mut reader) => {
                let texts = self.values(&mut reader, rows, leaf)?;
                RawValues::Texts(texts.iter().map(|text| String::from_utf8_lossy(text.data()).into_owned()).collect())
            }
            _ => {
                let what = format!("has the column `{}` of a type that vaex does not read", leaf.name);
                return Err(FormatError::new(&self.path, what));
            }
        })
    }

    /// All values of a plain column of a group of rows.
    fn values<T: DataType>(
        &self,
        reader: &mut ColumnReaderImpl<T>,
        rows: usize,
        leaf: &Leaf,
    ) -> Result<Vec<T::T>, FormatError> {
        let mut values = Vec::new();
        let read = next_values(reader, rows, &mut values).map_err(|error| problem(&self.path, &error))?;
        if read < rows {
            return Err(FormatError::new(&self.path, format!("ends after {} rows; download it again", grouped(read))));
        }
        match values.len() == rows {
            true => Ok(values),
            false => {
                let what = format!("has rows without a value in the column `{}`", leaf.name);
                Err(FormatError::new(&self.path, what))
            }
        }
    }

    /// Labels and factors.
    fn columns(&self, leaves: &[Leaf], chosen: &[usize]) -> Result<Vec<RawColumn>, FormatError> {
        let mut class_names = self.class_names();
        let mut columns = Vec::new();
        for leaf in leaves.iter().filter(|leaf| chosen.contains(&leaf.index)) {
            let mut all = self.numbers(0, leaf)?;
            for group in 1..self.reader.num_row_groups() {
                // The type of a column is the same in all groups.
                all.append(self.numbers(group, leaf)?);
            }
            columns.push(RawColumn { names: class_names.remove(&leaf.name), ..RawColumn::new(&*leaf.name, all) });
        }
        columns.retain(|column| are_labels(&column.values));
        Ok(columns)
    }

    /// The names of classes that `datasets` saves, by column.
    fn class_names(&self) -> BTreeMap<String, Vec<String>> {
        let metadata = self.reader.metadata().file_metadata().key_value_metadata();
        let text = metadata.and_then(|all| all.iter().find(|entry| entry.key == "huggingface")?.value.as_deref());
        let json: Option<serde_json::Value> = text.and_then(|text| serde_json::from_str(text).ok());
        let features = json.as_ref().and_then(|json| json.pointer("/info/features")?.as_object());
        let names = |feature: &serde_json::Value| -> Option<Vec<String>> {
            feature.get("names")?.as_array()?.iter().map(|name| Some(name.as_str()?.to_owned())).collect()
        };
        features.into_iter().flatten().filter_map(|(column, feature)| Some((column.clone(), names(feature)?))).collect()
    }

    /// The numbers of a column of lists, or of lists of lists, all of the same sizes, and these sizes.
    fn lists(&self, leaf: usize) -> Result<(Vec<f32>, Vec<usize>), FormatError> {
        let error = |error: ParquetError| problem(&self.path, &error);
        let (mut numbers, mut levels) = (Vec::new(), Vec::new());
        for group in 0..self.reader.num_row_groups() {
            let (more, of_group) = match self.reader(group, leaf)? {
                ColumnReader::BoolColumnReader(reader) => list_values(reader, f32::from).map_err(error)?,
                ColumnReader::Int32ColumnReader(reader) => list_values(reader, |v| v as f32).map_err(error)?,
                ColumnReader::Int64ColumnReader(reader) => list_values(reader, |v| v as f32).map_err(error)?,
                ColumnReader::FloatColumnReader(reader) => list_values(reader, |v| v).map_err(error)?,
                ColumnReader::DoubleColumnReader(reader) => list_values(reader, |v| v as f32).map_err(error)?,
                _ => return Err(FormatError::new(&self.path, "has images of a type that vaex does not read")),
            };
            numbers.extend(more);
            levels.extend(of_group);
            self.check_count(numbers.len())?;
        }
        match axes_of(&levels) {
            Some((rows, axes)) if rows == self.rows() => Ok((numbers, axes)),
            _ => {
                let what = "has lists of different sizes; all images must have the same size";
                Err(FormatError::new(&self.path, what))
            }
        }
    }

    /// The numbers of some columns, row-major.
    fn pixels(&self, chosen: &[usize]) -> Result<Vec<f32>, FormatError> {
        let (rows, width) = (self.rows(), chosen.len());
        self.check_count(rows.saturating_mul(width))?;
        let mut numbers = vec![0.0; rows * width];
        let leaves = self.leaves();
        let mut start = 0;
        for group in 0..self.reader.num_row_groups() {
            let mut count = 0;
            for (place, leaf) in chosen.iter().enumerate() {
                let values = self.numbers(group, &leaves[*leaf])?;
                count = values.len();
                let at = |row: usize| (start + row) * width + place;
                match values {
                    RawValues::Whole(values) => {
                        values.iter().enumerate().for_each(|(row, value)| numbers[at(row)] = *value as f32);
                    }
                    RawValues::Floats(values) => {
                        values.iter().enumerate().for_each(|(row, value)| numbers[at(row)] = *value as f32);
                    }
                    RawValues::Texts(_) => {}
                }
            }
            start += count;
        }
        Ok(numbers)
    }

    fn check_count(&self, count: usize) -> Result<(), FormatError> {
        match count > VALUE_LIMIT {
            true => Err(FormatError::new(&self.path, "has more than 2^30 numbers; save the images as npy")),
            false => Ok(()),
        }
    }
}

/// Reads the values of the next rows of a plain column; null values are left out. Returns the number of rows.
fn next_values<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    rows: usize,
    values: &mut Vec<T::T>,
) -> Result<usize, ParquetError> {
    let (mut read, mut levels) = (0, Vec::new());
    while read < rows {
        let (more, _, _) = reader.read_records(rows - read, Some(&mut levels), None, values)?;
        if more == 0 {
            break;
        }
        read += more;
    }
    Ok(read)
}

/// The number of rows and the sizes of the lists in them, from the depth at which each value begins a new list: 0 for a new
/// row. `None` if the sizes are not the same everywhere.
fn axes_of(levels: &[i16]) -> Option<(usize, Vec<usize>)> {
    let deepest = usize::try_from(levels.iter().copied().max()?).ok()?;
    // The number of values between two that begin a list of each depth; 1 at the depth of the values.
    let mut spans = Vec::new();
    for depth in 0..=deepest {
        let starts = levels.iter().filter(|level| usize::try_from(**level).is_ok_and(|level| level <= depth)).count();
        if starts == 0 {
            return None;
        }
        spans.push(levels.len().is_multiple_of(starts).then_some(levels.len() / starts)?);
    }
    let expected = |place: usize| spans.iter().position(|span| place.is_multiple_of(*span));
    let are_regular = levels.iter().enumerate().all(|(place, level)| expected(place) == usize::try_from(*level).ok());
    are_regular.then(|| (levels.len() / spans[0], spans.windows(2).map(|pair| pair[0] / pair[1]).collect()))
}

/// The values of all lists of a column, and the depth at which each begins a new list.
fn list_values<T: DataType>(
    mut reader: ColumnReaderImpl<T>,
    float: impl Fn(T::T) -> f32,
) -> Result<(Vec<f32>, Vec<i16>), ParquetError> {
    const ROWS: usize = 1024;
    let (mut numbers, mut all) = (Vec::new(), Vec::new());
    loop {
        let (mut filled, mut starts, mut values) = (Vec::new(), Vec::new(), Vec::new());
        let (rows, present, levels) = reader.read_records(ROWS, Some(&mut filled), Some(&mut starts), &mut values)?;
        if rows == 0 {
            return Ok((numbers, all));
        }
        // A level without a value is an empty list, or a null.
        if present != levels {
            return Err(ParquetError::General("lists with null values".to_owned()));
        }
        all.extend(starts);
        numbers.extend(values.into_iter().map(&float));
    }
}

/// The error of the parquet reader in words.
fn problem(path: &Path, error: &ParquetError) -> FormatError {
    match error {
        ParquetError::NYI(what) => {
            let what = format!(
                "uses a feature of parquet that vaex does not read ({what}); write it again with Snappy or Zstandard"
            );
            FormatError::new(path, what)
        }
        other => FormatError::new(path, format!("is a damaged parquet file ({other}); download it again")),
    }
}

/// Encoded pictures of a column.
struct Pictures {
    file: ParquetFile,
    leaf: usize,
    name: PathBuf,
    /// The number of groups of rows that were opened.
    group: usize,
    /// The column of the last one.
    reader: Option<ColumnReaderImpl<ByteArrayType>>,
    given: usize,
    columns: Vec<RawColumn>,
}

impl Pictures {
    /// The next pictures of the open group of rows; empty at its end.
    fn of_group(&mut self, most: usize) -> Result<Vec<Encoded>, FormatError> {
        let Some(reader) = &mut self.reader else { return Ok(Vec::new()) };
        let mut values = Vec::new();
        let (mut rows, mut bytes) = (0, 0);
        while rows < most && bytes < BLOCK_BYTES {
            let first = values.len();
            let more = next_values(reader, 1, &mut values).map_err(|error| problem(&self.name, &error))?;
            if more == 0 {
                break;
            }
            rows += more;
            bytes += values[first..].iter().map(parquet::data_type::ByteArray::len).sum::<usize>();
        }
        if values.len() < rows {
            let what = format!(
                "has rows without a picture, among the {} from row {} (counted from 0) on; pictures must be in the file itself",
                grouped(rows),
                grouped(self.given)
            );
            return Err(FormatError::new(&self.name, what));
        }
        let first = self.given;
        self.given += rows;
        let name = |index: usize| self.name.join(format!("row {}", first + index));
        let encoded = |(index, value): (usize, parquet::data_type::ByteArray)| Encoded {
            name: name(index),
            bytes: Some(value.data().to_vec()),
        };
        Ok(values.into_iter().enumerate().map(encoded).collect())
    }
}

impl Reader for Pictures {
    fn count(&self) -> Option<usize> {
        Some(self.file.rows())
    }

    fn next(&mut self, most: usize) -> Result<Option<Block>, FormatError> {
        loop {
            let pictures = self.of_group(most)?;
            if !pictures.is_empty() {
                return Ok(Some(Block::Pictures(pictures)));
            }
            if self.group == self.file.reader.num_row_groups() {
                return match self.given == self.file.rows() {
                    true => Ok(None),
                    false => Err(FormatError::new(&self.name, "ends too early; download it again")),
                };
            }
            let ColumnReader::ByteArrayColumnReader(reader) = self.file.reader(self.group, self.leaf)? else {
                return Err(FormatError::new(&self.name, "has no pictures in this column"));
            };
            (self.reader, self.group) = (Some(reader), self.group + 1);
        }
    }

    fn finish(self: Box<Self>) -> Result<(Vec<RawColumn>, Vec<String>), FormatError> {
        Ok((self.columns, Vec::new()))
    }
}
