//! Arrays in memory: as images that are given block by block, and as labels.

use super::{Block, FormatError, Reader};
use crate::data::column::{RawColumn, RawValues};
use crate::data::values::{Element, Values};
use crate::text::grouped;
use std::path::Path;

/// The names of dSprites' factors.
const DSPRITES: [&str; 6] = ["color", "shape", "scale", "orientation", "position_x", "position_y"];

/// An array in memory.
#[derive(Debug)]
pub(super) struct Array {
    pub(super) axes: Vec<usize>,
    pub(super) numbers: Numbers,
}

/// The elements of an array, row-major.
#[derive(Debug)]
pub(super) enum Numbers {
    Bits(Vec<u8>),
    Bytes(Vec<u8>),
    Floats(Vec<f32>),
    /// 64-bit floats, for factors, whose values must stay different.
    Doubles(Vec<f64>),
    Whole(Vec<i64>),
    Texts(Vec<String>),
}

impl Numbers {
    /// From column-major to row-major order.
    pub(super) fn row_major(self, axes: &[usize]) -> Numbers {
        fn turned<V: Clone>(values: &[V], axes: &[usize]) -> Vec<V> {
            let strides: Vec<usize> =
                axes.iter().scan(1, |stride, size| Some(std::mem::replace(stride, *stride * size))).collect();
            let mut place = vec![0; axes.len()];
            let mut turned = Vec::with_capacity(values.len());
            for _ in 0..values.len() {
                let at: usize = place.iter().zip(&strides).map(|(index, stride)| index * stride).sum();
                turned.push(values[at].clone());
                for (index, size) in place.iter_mut().zip(axes).rev() {
                    *index += 1;
                    if *index < *size {
                        break;
                    }
                    *index = 0;
                }
            }
            turned
        }
        match self {
            Numbers::Bits(values) => Numbers::Bits(turned(&values, axes)),
            Numbers::Bytes(values) => Numbers::Bytes(turned(&values, axes)),
            Numbers::Floats(values) => Numbers::Floats(turned(&values, axes)),
            Numbers::Doubles(values) => Numbers::Doubles(turned(&values, axes)),
            Numbers::Whole(values) => Numbers::Whole(turned(&values, axes)),
            Numbers::Texts(values) => Numbers::Texts(turned(&values, axes)),
        }
    }
}

impl Array {
    /// The images of an array (Images, ...).
    ///
    /// # Errors
    /// It has too few axes, or texts.
    pub(super) fn images(self, path: &Path) -> Result<ArrayReader, FormatError> {
        let Some((_, axes)) = self.axes.split_first().filter(|(_, axes)| !axes.is_empty()) else {
            let axes = if self.axes.len() == 1 { "1 axis" } else { "no axes" };
            let what = format!("has an array of {axes}, but images have 2 to 4 axes");
            return Err(FormatError::new(path, what));
        };
        let (values, element) = match self.numbers {
            Numbers::Bits(bits) => (Values::U8(bits), Element::Bit),
            Numbers::Bytes(bytes) => (Values::U8(bytes), Element::Byte),
            Numbers::Floats(floats) => (Values::F32(floats), Element::Float),
            Numbers::Doubles(doubles) => {
                (Values::F32(doubles.into_iter().map(|value| value as f32).collect()), Element::Float)
            }
            Numbers::Whole(whole) => bytes_or_floats(whole.into_iter().map(|value| value as f32).collect()),
            Numbers::Texts(_) => return Err(FormatError::new(path, "has texts, but images are numbers")),
        };
        Ok(ArrayReader::new(axes.to_vec(), values, element))
    }

    /// The columns of an array (Images) or (Images, Columns), which has this name.
    ///
    /// # Errors
    /// It has more axes.
    pub(super) fn columns(&self, path: &Path, name: &str) -> Result<Vec<RawColumn>, FormatError> {
        let count = match *self.axes {
            [_] => 1,
            [_, columns] => columns,
            _ => {
                let what =
                    format!("has labels with {} axes, but labels have 1, or 2 with several columns", self.axes.len());
                return Err(FormatError::new(path, what));
            }
        };
        let every = |index: usize, of: usize| (0..of / count).map(move |row| row * count + index);
        let column = |index: usize| {
            let title = match (name, count, DSPRITES.get(index)) {
                (name, 6, Some(factor)) if name.starts_with("latents") => (*factor).to_owned(),
                (_, 1, _) => "label".to_owned(),
                _ => format!("factor_{index}"),
            };
            let values = match &self.numbers {
                Numbers::Bits(values) | Numbers::Bytes(values) => {
                    RawValues::Whole(every(index, values.len()).map(|at| i64::from(values[at])).collect())
                }
                Numbers::Whole(values) => RawValues::Whole(every(index, values.len()).map(|at| values[at]).collect()),
                Numbers::Floats(values) => {
                    RawValues::Floats(every(index, values.len()).map(|at| f64::from(values[at])).collect())
                }
                Numbers::Doubles(values) => {
                    RawValues::Floats(every(index, values.len()).map(|at| values[at]).collect())
                }
                Numbers::Texts(values) => {
                    RawValues::Texts(every(index, values.len()).map(|at| values[at].clone()).collect())
                }
            };
            RawColumn::new(title, values)
        };
        Ok((0..count).map(column).collect())
    }
}

/// The largest number of values of an image of an array: that of the largest picture in color.
const VALUE_LIMIT: usize = 3 << 27;

/// Checks the size of the images of an array.
///
/// # Errors
/// They are too large.
pub(super) fn check_size(path: &Path, axes: &[usize]) -> Result<(), FormatError> {
    let values = axes.iter().skip(1).try_fold(1usize, |product, size| product.checked_mul(*size));
    match values.is_some_and(|values| values <= VALUE_LIMIT) {
        true => Ok(()),
        false => {
            let sizes = axes.iter().map(grouped).collect::<Vec<_>>().join(" x ");
            let what = format!("has an array of {sizes}; an image can have at most {} values", grouped(VALUE_LIMIT));
            Err(FormatError::new(path, what))
        }
    }
}

/// Numbers whose type says little: bytes if all of them are whole and from 0 to 255, otherwise floats.
pub(super) fn bytes_or_floats(numbers: Vec<f32>) -> (Values, Element) {
    match numbers.iter().all(|number| (0.0..=255.0).contains(number) && number.fract() == 0.0) {
        true => (Values::U8(numbers.into_iter().map(|number| number as u8).collect()), Element::Byte),
        false => (Values::F32(numbers), Element::Float),
    }
}

/// Gives the images of an array block by block.
pub(super) struct ArrayReader {
    /// The sizes of the axes of one image.
    axes: Vec<usize>,
    values: Values,
    element: Element,
    /// The number of images given so far.
    given: usize,
    /// The labels and factors that the file also has.
    pub(super) columns: Vec<RawColumn>,
    /// What the user should know about the file.
    pub(super) notes: Vec<String>,
}

impl ArrayReader {
    /// The images of an array (Images, Axes); the sizes of the axes are at least 1.
    pub(super) fn new(axes: Vec<usize>, values: Values, element: Element) -> ArrayReader {
        ArrayReader { axes, values, element, given: 0, columns: Vec::new(), notes: Vec::new() }
    }

    fn size(&self) -> usize {
        self.axes.iter().product()
    }

    fn images(&self) -> usize {
        self.values.len() / self.size().max(1)
    }
}

impl Reader for ArrayReader {
    fn count(&self) -> Option<usize> {
        Some(self.images())
    }

    fn next(&mut self, most: usize) -> Result<Option<Block>, FormatError> {
        let (size, start) = (self.size(), self.given);
        let end = self.images().min(start + most);
        if start == end {
            return Ok(None);
        }
        self.given = end;
        let range = start * size..end * size;
        let values = match &self.values {
            Values::U8(bytes) => Values::U8(bytes[range].to_vec()),
            Values::F32(floats) => Values::F32(floats[range].to_vec()),
        };
        Ok(Some(Block::Array { axes: self.axes.clone(), values, element: self.element }))
    }

    fn finish(self: Box<Self>) -> Result<(Vec<RawColumn>, Vec<String>), FormatError> {
        Ok((self.columns, self.notes))
    }
}
