//! Tables of text: CSV, tab-separated, and numbers between blanks (.amat), plain or gzipped. A row is an image, or its labels.

use super::array::{ArrayReader, bytes_or_floats};
use super::collection::{is_label_name, values_of};
use super::{Format, FormatError, Place, Reader, Start, Wish};
use crate::data::column::{RawColumn, RawValues};
use crate::data::values::{Element, Values};
use crate::folder::FileError;
use crate::text::{counted, grouped};
use flate2::bufread::MultiGzDecoder;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// The largest number of cells of a table.
const CELL_LIMIT: usize = 1 << 30;

/// The first number that is too large for labels of tables of images: single precision has all smaller whole numbers.
const LARGEST_LABEL: f32 = 16_777_216.0;

/// The largest number of bytes of a cell.
const CELL_BYTES: usize = 1024;

/// The largest number of bytes of a line.
const LINE_LIMIT: u64 = 1 << 26;

/// Tables of text.
#[derive(Debug)]
pub(super) struct TextTable;

impl Format for TextTable {
    fn name(&self) -> &'static str {
        "CSV"
    }

    fn recognizes(&self, start: &Start<'_>) -> bool {
        let ending = start.path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
        let ending = ending.trim_end_matches(".gz");
        let is_named = [".csv", ".tsv", ".txt", ".amat", ".dat"].iter().any(|known| ending.ends_with(known));
        let is_text = |byte: &u8| matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n' | 0x80..);
        let first = start.unzipped.trim_ascii_start().first();
        is_named && start.unzipped.iter().all(is_text) && first.is_some_and(|byte| *byte != b'<')
    }

    fn images(&self, place: &Place, wish: &Wish) -> Result<Box<dyn Reader>, FormatError> {
        if let Some(key) = &place.key {
            return Err(FormatError::new(&place.path, format!("is a table, which has no arrays; remove `:{key}`")));
        }
        let error = |what: String| FormatError::new(&place.path, what);
        let mut table = Table::default();
        each_row(&place.path, |row| table.add(row))?;
        Ok(Box::new(table.images(wish).map_err(error)?))
    }

    fn labels(&self, place: &Place) -> Result<Vec<RawColumn>, FormatError> {
        let mut columns: Vec<Vec<String>> = Vec::new();
        each_row(&place.path, |row| {
            if columns.is_empty() {
                columns = vec![Vec::new(); row.len()];
            }
            same_width(row.len(), columns.len())?;
            columns.iter_mut().zip(row).for_each(|(column, cell)| column.push((*cell).to_owned()));
            Ok(())
        })?;
        let (count, wanted) = (columns.len(), place.key.as_deref());
        let is_header = |column: &Vec<String>| column.first().is_some_and(|first| first.is_empty());
        let has_names = columns.iter().any(|column| begins_with_name(column, wanted) || is_header(column));
        let names: Option<Vec<String>> = has_names.then(|| columns.iter_mut().map(|column| column.remove(0)).collect());
        let all = columns.into_iter().enumerate().map(|(index, texts)| {
            let name = match &names {
                Some(names) => names[index].clone(),
                None if count == 1 => "label".to_owned(),
                None => format!("factor_{index}"),
            };
            RawColumn::new(name, values_of(texts))
        });
        let all = all.filter(|column| count == 1 || !has_row_numbers(&column.name));
        let all: Vec<RawColumn> = all.filter(|column| wanted.is_none_or(|wanted| wanted == column.name)).collect();
        match (wanted, all.is_empty()) {
            (Some(wanted), true) => Err(FormatError::new(&place.path, format!("has no column `{wanted}`"))),
            _ => Ok(all),
        }
    }
}

/// Whether a row has the numbers of the columns, as pandas writes them for columns without names, possibly after the empty name
/// of the column of row numbers.
fn are_column_numbers(row: &[&str]) -> bool {
    let row = if let ["", others @ ..] = row { others } else { row };
    row.len() > 1 && row.iter().enumerate().all(|(index, cell)| cell.parse() == Ok(index))
}

/// Whether a column has row numbers, by its name: pandas writes them unless it is told not to.
fn has_row_numbers(name: &str) -> bool {
    ["", "Unnamed: 0", "index"].contains(&name)
}

/// Whether the first cell of a column of labels is the name of the column: a usual name, the name that is wanted, or the only
/// cell that is not a number.
fn begins_with_name(column: &[String], wanted: Option<&str>) -> bool {
    let is_number = |cell: &String| cell.parse::<f64>().is_ok();
    match column {
        [first, ..] if is_label_name(first) || wanted == Some(first) => true,
        [first, others @ ..] => !is_number(first) && !others.is_empty() && others.iter().all(is_number),
        [] => false,
    }
}

/// The rows of a table of images that were read so far.
#[derive(Default)]
struct Table {
    names: Option<Vec<String>>,
    /// The number of columns; 0 before the first row.
    width: usize,
    /// Which columns have texts.
    are_texts: Vec<bool>,
    rows: usize,
    /// Whether any number is written as a float.
    has_floats: bool,
    /// (Rows, Columns without texts).
    numbers: Vec<f32>,
    /// Of each column of texts, the texts.
    texts: Vec<Vec<String>>,
}

impl Table {
    /// Adds a row; the error says what is wrong with it.
    fn add(&mut self, row: &[&str]) -> Result<(), String> {
        let is_number = |cell: &&str| cell.parse::<f32>().is_ok();
        if self.width == 0 {
            self.width = row.len();
            // A row of names: without numbers, with the name of a column of labels, or with the numbers of the columns.
            if !row.iter().any(is_number) || row.iter().any(|cell| is_label_name(cell)) || are_column_numbers(row) {
                self.names = Some(row.iter().map(|cell| (*cell).to_owned()).collect());
                return Ok(());
            }
        }
        same_width(row.len(), self.width)?;
        if self.rows == 0 {
            self.are_texts = row.iter().map(|cell| !is_number(cell)).collect();
            self.texts = vec![Vec::new(); self.are_texts.iter().filter(|is_text| **is_text).count()];
        }
        let mut texts = self.texts.iter_mut();
        for (index, (cell, is_text)) in row.iter().zip(&self.are_texts).enumerate() {
            match (is_text, cell.parse::<f32>()) {
                (true, _) => texts.next().into_iter().for_each(|column| column.push((*cell).to_owned())),
                (false, Ok(number)) => {
                    self.numbers.push(number);
                    self.has_floats |= cell.contains(['.', 'e', 'E']);
                }
                (false, Err(_)) => return Err(format!("has {cell:?} in column {}, which is not a number", index + 1)),
            }
        }
        self.rows += 1;
        match self.numbers.len() > CELL_LIMIT {
            true => Err("comes after 2^30 numbers, the maximum; save the images as npy".to_owned()),
            false => Ok(()),
        }
    }

    /// The images, and the labels of the columns that are not part of them; the error says what is wrong with the table.
    fn images(self, wish: &Wish) -> Result<ArrayReader, String> {
        if self.rows == 0 {
            return Err("has no rows of numbers".to_owned());
        }
        let numeric: Vec<usize> = (0..self.width).filter(|column| !self.are_texts[*column]).collect();
        let title = |column: usize| match &self.names {
            Some(names) => names[column].clone(),
            None => "label".to_owned(),
        };
        let mut columns = Vec::new();
        let texts = (0..self.width).filter(|column| self.are_texts[*column]).zip(self.texts);
        columns.extend(texts.map(|(column, texts)| RawColumn::new(title(column), RawValues::Texts(texts))));
        let labels: Vec<usize> = match &self.names {
            Some(names) => (0..numeric.len()).filter(|place| is_label_name(&names[numeric[*place]])).collect(),
            None => label_without_name(&self.numbers, numeric.len(), wish)?.into_iter().collect(),
        };
        let width = numeric.len();
        for place in &labels {
            if every(&self.numbers, *place, width).any(|number| number.abs() >= LARGEST_LABEL) {
                return Err(format!(
                    "has labels of {} or more in the column `{}`; number them from 0, or give them in a file of labels",
                    grouped(LARGEST_LABEL),
                    title(numeric[*place])
                ));
            }
            let whole: Option<Vec<i64>> = every(&self.numbers, *place, width).map(whole).collect();
            let floats = || every(&self.numbers, *place, width).map(f64::from).collect();
            let values = whole.map_or_else(|| RawValues::Floats(floats()), RawValues::Whole);
            columns.push(RawColumn::new(title(numeric[*place]), values));
        }
        let is_row_number =
            |place: usize| self.names.as_ref().is_some_and(|names| has_row_numbers(&names[numeric[place]]));
        let others: Vec<usize> = (0..width).filter(|place| labels.contains(place) || is_row_number(*place)).collect();
        let pixels = width - others.len();
        if pixels == 0 {
            return Err("has labels, but no columns of numbers for the pixels".to_owned());
        }
        let pixels_of = |row: &[f32]| -> Vec<f32> {
            let is_pixel = |place: &usize| !others.contains(place);
            (0..width).filter(is_pixel).map(|place| row[place]).collect()
        };
        let numbers: Vec<f32> = self.numbers.chunks_exact(width).flat_map(pixels_of).collect();
        let (values, element) = match self.has_floats {
            true => (Values::F32(numbers), Element::Float),
            false => bytes_or_floats(numbers),
        };
        let mut reader = ArrayReader::new(vec![pixels], values, element);
        reader.columns = columns;
        Ok(reader)
    }
}

/// Every `width`th number from `place` on.
fn every(numbers: &[f32], place: usize, width: usize) -> impl Iterator<Item = f32> {
    numbers.iter().skip(place).step_by(width).copied()
}

/// A float as a whole number.
fn whole(number: f32) -> Option<i64> {
    (number.fract() == 0.0).then_some(number as i64)
}

/// The column of labels of a table without names: the first or the last column, if the others are the pixels of an image.
/// Labels are whole numbers that are not all equal, as those of a corner of an image often are, and usually smaller than the
/// largest value of a pixel.
fn label_without_name(numbers: &[f32], width: usize, wish: &Wish) -> Result<Option<usize>, String> {
    let is_image = |count: usize| match wish.size {
        Some([height, width]) if [height * width, 3 * height * width].contains(&count) => true,
        _ => count.isqrt().pow(2) == count,
    };
    if width < 2 || is_image(width) || !is_image(width - 1) {
        return Ok(None);
    }
    let is_constant = |place: usize| {
        let mut values = every(numbers, place, width);
        let first = values.next();
        values.all(|value| Some(value) == first)
    };
    let are_whole = |place: usize| every(numbers, place, width).all(|number| number >= 0.0 && number.fract() == 0.0);
    let is_label = |place: usize| are_whole(place) && !is_constant(place);
    let largest = |place: usize| every(numbers, place, width).fold(0.0, f32::max);
    let are_small = |place: usize| largest(place) < 128.0;
    match (is_label(0), is_label(width - 1)) {
        (true, false) => Ok(Some(0)),
        (false, true) => Ok(Some(width - 1)),
        (true, true) if are_small(0) && !are_small(width - 1) => Ok(Some(0)),
        (true, true) if are_small(width - 1) && !are_small(0) => Ok(Some(width - 1)),
        _ => Err(format!(
            "has {}, of which the first or the last may be the label; add a first line with the names of the columns, and name \
             that column `label`",
            counted(width, "column")
        )),
    }
}

fn same_width(own: usize, first: usize) -> Result<(), String> {
    match own == first {
        true => Ok(()),
        false => Err(format!("has {}, but the first row has {}", counted(own, "cell"), grouped(first))),
    }
}

/// Gives the cells of each row that is not empty; an error of `visit` gets the number of the line. Cells may be quoted, but
/// have no line breaks.
fn each_row(path: &Path, mut visit: impl FnMut(&[&str]) -> Result<(), String>) -> Result<(), FormatError> {
    let error = |what: String| FormatError::new(path, what);
    let mut input = text(path)?;
    let (mut delimiter, mut number, mut bytes) = (None, 0, Vec::new());
    loop {
        bytes.clear();
        let read = input.by_ref().take(LINE_LIMIT).read_until(b'\n', &mut bytes);
        if read.map_err(|problem| error(format!("cannot be read ({problem}); download it again")))? == 0 {
            break;
        }
        number += 1;
        if bytes.len() as u64 == LINE_LIMIT {
            return Err(error(format!("is not a table: line {number} has more than 64 MiB")));
        }
        let line = std::str::from_utf8(&bytes);
        let line = line.map_err(|_| error(format!("is not UTF-8 text in line {number}; save it as UTF-8")))?;
        let line = line.trim_start_matches('\u{feff}').trim_matches(['\r', '\n', ' ']);
        if line.is_empty() {
            continue;
        }
        let delimiter = *delimiter.get_or_insert_with(|| ['\t', ',', ';'].into_iter().find(|one| line.contains(*one)));
        let cells: Vec<&str> = match delimiter {
            Some(delimiter) => line.split(delimiter).map(unquoted).collect(),
            None => line.split_ascii_whitespace().map(unquoted).collect(),
        };
        if let Some(cell) = cells.iter().find(|cell| cell.len() > CELL_BYTES || cell.contains('"')) {
            let start: String = cell.chars().take(20).collect();
            return Err(error(format!(
                "is not a table: line {number} has a cell that is too long or has a quote in it: {start}"
            )));
        }
        visit(&cells).map_err(|what| error(format!("is invalid: line {number} {what}")))?;
    }
    match delimiter {
        Some(_) => Ok(()),
        None => Err(error("has no rows".to_owned())),
    }
}

/// A cell without blanks, and without a pair of quotes around it.
fn unquoted(cell: &str) -> &str {
    let cell = cell.trim();
    cell.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')).unwrap_or(cell)
}

/// The text of a file, decompressed.
fn text(path: &Path) -> Result<Box<dyn BufRead>, FormatError> {
    let mut file = BufReader::with_capacity(1 << 16, File::open(path).map_err(FileError::at("read", path))?);
    let is_gzipped = file.fill_buf().map_err(FileError::at("read", path))?.starts_with(&[0x1f, 0x8b]);
    Ok(match is_gzipped {
        true => Box::new(BufReader::new(MultiGzDecoder::new(file))),
        false => Box::new(file),
    })
}
