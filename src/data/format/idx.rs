//! IDX, the file format of MNIST: plain or gzipped.

use super::array::{ArrayReader, bytes_or_floats};
use super::idx_file::{Array, Content, Element as IdxElement, IdxError, Stream, read_file};
use super::{Block, Format, FormatError, Place, Reader, Start, Wish};
use crate::data::column::{RawColumn, RawValues};
use crate::data::values::{Element, Values};

/// IDX files.
#[derive(Debug)]
pub(super) struct Idx;

/// The names of the columns of QMNIST's labels, by the number of columns.
const QMNIST: [&str; 8] =
    ["label", "series", "writer", "digit_of_writer", "class", "digit_index", "duplicate", "reserved"];

impl Format for Idx {
    fn name(&self) -> &'static str {
        "IDX"
    }

    fn recognizes(&self, start: &Start<'_>) -> bool {
        matches!(start.unzipped, [0, 0, 0x08..=0x0E, 1..=4, ..])
    }

    fn images(&self, place: &Place, _: &Wish) -> Result<Box<dyn Reader>, FormatError> {
        no_key(place)?;
        let stream = Stream::open(&place.path)?;
        match stream.element {
            IdxElement::U8 | IdxElement::F32 | IdxElement::F64 => Ok(Box::new(Images { stream })),
            // All values together decide whether they are bytes.
            IdxElement::I8 | IdxElement::I16 | IdxElement::I32 => {
                let array = read_file(&place.path, Content::Images, usize::MAX)?;
                let (values, element) = bytes_or_floats(array.numbers().map(|number| number as f32).collect());
                Ok(Box::new(ArrayReader::new(array.sizes[1..].to_vec(), values, element)))
            }
        }
    }

    fn labels(&self, place: &Place) -> Result<Vec<RawColumn>, FormatError> {
        no_key(place)?;
        let array = read_file(&place.path, Content::Labels, usize::MAX)?;
        Ok(columns(&array))
    }
}

/// The images of a file of bytes or floats.
struct Images {
    stream: Stream,
}

impl Reader for Images {
    fn count(&self) -> Option<usize> {
        self.stream.sizes.first().copied()
    }

    fn next(&mut self, most: usize) -> Result<Option<Block>, FormatError> {
        let array = self.stream.next(most)?;
        if array.bytes.is_empty() {
            return Ok(None);
        }
        let (values, element) = match array.element {
            IdxElement::U8 => (Values::U8(array.bytes), Element::Byte),
            _ => (Values::F32(array.numbers().map(|number| number as f32).collect()), Element::Float),
        };
        let axes = self.stream.sizes[1..].to_vec();
        Ok(Some(Block::Array { axes, values, element }))
    }

    fn finish(self: Box<Self>) -> Result<(Vec<RawColumn>, Vec<String>), FormatError> {
        Ok((Vec::new(), Vec::new()))
    }
}

/// The columns of an array (Images) or (Images, Columns).
fn columns(array: &Array) -> Vec<RawColumn> {
    let count = array.sizes.get(1).copied().unwrap_or(1);
    let all: Vec<i64> = array.numbers().map(|number| number as i64).collect();
    let column = |index: usize| {
        let name = match (count, QMNIST.get(index)) {
            (1, _) => "label".to_owned(),
            (8, Some(name)) => (*name).to_owned(),
            _ => format!("label_{index}"),
        };
        let values = all.iter().skip(index).step_by(count).copied().collect();
        RawColumn::new(name, RawValues::Whole(values))
    };
    (0..count).map(column).collect()
}

fn no_key(place: &Place) -> Result<(), FormatError> {
    match &place.key {
        None => Ok(()),
        Some(key) => {
            Err(FormatError::new(&place.path, format!("is an IDX file, which has one array; remove `:{key}`")))
        }
    }
}

impl From<IdxError> for FormatError {
    fn from(error: IdxError) -> FormatError {
        match error {
            IdxError::File(error) => FormatError::File(error),
            other => FormatError::Content(other.into()),
        }
    }
}
