//! IDX, the file format of MNIST: plain or gzipped.

use super::array::{ArrayReader, bytes_or_floats};
use super::idx_file::{Array, Content, Element as IdxElement, IdxError, read_file};
use super::{Format, FormatError, Place, Reader, Start, Wish};
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
        let array = read_file(&place.path, Content::Images, usize::MAX)?;
        let (axes, element) = (array.sizes[1..].to_vec(), array.element);
        Ok(Box::new(match element {
            IdxElement::U8 => ArrayReader::new(axes, Values::U8(array.bytes), Element::Byte),
            IdxElement::I8 | IdxElement::I16 | IdxElement::I32 => {
                let (values, element) = bytes_or_floats(array.numbers().map(|number| number as f32).collect());
                ArrayReader::new(axes, values, element)
            }
            IdxElement::F32 | IdxElement::F64 => {
                let floats = array.numbers().map(|number| number as f32).collect();
                ArrayReader::new(axes, Values::F32(floats), Element::Float)
            }
        }))
    }

    fn labels(&self, place: &Place) -> Result<Vec<RawColumn>, FormatError> {
        no_key(place)?;
        let array = read_file(&place.path, Content::Labels, usize::MAX)?;
        Ok(columns(&array))
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
