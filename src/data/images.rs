//! Images in memory: bytes or floats, with a shape and labels.

use super::settings::{BYTES, UNIT};
use super::source::{Layout, read_pair};
use super::{DataError, FileRole, ImageShape, check_values};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// Images of one split: (Images, Height, Width, Channels), row-major. Clones share the values.
#[derive(Clone, Debug)]
pub struct Images {
    values: Values,
    labels: Option<Arc<Vec<u8>>>,
    /// The range of these images in `values` and `labels`.
    range: Range<usize>,
    shape: ImageShape,
}

/// The values of all images of a file.
#[derive(Clone, Debug)]
pub enum Values {
    /// Bytes.
    U8(Arc<Vec<u8>>),
    /// Floats.
    F32(Arc<Vec<f32>>),
}

/// Values of some images, borrowed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ValuesRef<'a> {
    /// Bytes.
    U8(&'a [u8]),
    /// Floats.
    F32(&'a [f32]),
}

impl From<Vec<u8>> for Values {
    fn from(bytes: Vec<u8>) -> Values {
        Values::U8(Arc::new(bytes))
    }
}

impl From<Vec<f32>> for Values {
    fn from(floats: Vec<f32>) -> Values {
        Values::F32(Arc::new(floats))
    }
}

impl Values {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Values::U8(bytes) => bytes.len(),
            Values::F32(floats) => floats.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Their type in words.
    pub fn type_name(&self) -> &'static str {
        match self {
            Values::U8(_) => "bytes",
            Values::F32(_) => "32-bit floats",
        }
    }
}

impl<'a> ValuesRef<'a> {
    /// The values of a range.
    ///
    /// # Panics
    /// The range is out of bounds.
    fn part(self, range: Range<usize>) -> ValuesRef<'a> {
        match self {
            ValuesRef::U8(bytes) => ValuesRef::U8(&bytes[range]),
            ValuesRef::F32(floats) => ValuesRef::F32(&floats[range]),
        }
    }

    /// The bytes; `None` for floats.
    pub fn bytes(self) -> Option<&'a [u8]> {
        match self {
            ValuesRef::U8(bytes) => Some(bytes),
            ValuesRef::F32(_) => None,
        }
    }
}

impl Images {
    /// Reads the first images of an IDX file, at most `most`, and their labels from another IDX file. Relative paths are
    /// relative to the working directory. `shape`, if known, tells which axis has the channels where the sizes do not.
    ///
    /// # Errors
    /// A file cannot be read or is not an IDX file of images or labels, or the numbers of images and labels differ.
    pub fn read(
        images: &Path,
        labels: Option<&Path>,
        most: usize,
        shape: Option<ImageShape>,
    ) -> Result<Images, DataError> {
        let layout = shape.map_or(Layout::FromSizes, Layout::OfShape);
        Ok(read_pair(Path::new(""), ("images", images), ("labels", labels), most, layout)?.images)
    }

    /// As [`Images::read`], for images to use with a model that was trained on images of this shape, whose values were in the
    /// interval `stored`.
    ///
    /// # Errors
    /// As [`Images::read`]; or the values do not match those that the model was trained on.
    pub fn read_alike(
        (stored, shape): ([f64; 2], ImageShape),
        images: &Path,
        labels: Option<&Path>,
        most: usize,
    ) -> Result<Images, DataError> {
        let read = Images::read(images, labels, most, Some(shape))?;
        let whole = match stored == BYTES && read.are_at_most_one() {
            // The other images of the file can show that these are just dark.
            true => Images::read(images, None, usize::MAX, Some(shape))?,
            false => read.clone(),
        };
        check_values((stored, false), &whole, (FileRole::Trained, "data.images", images), whole.len())?;
        Ok(read)
    }

    /// Images from values (Images, Height, Width, Channels) and labels (Images).
    ///
    /// # Panics
    /// A size is 0, the last image is incomplete, or the numbers of images and labels differ.
    pub fn new(values: impl Into<Values>, labels: Option<Vec<u8>>, shape: ImageShape) -> Images {
        let (values, size) = (values.into(), shape.values());
        assert!(size > 0, "an image must have values");
        assert!(values.len().is_multiple_of(size), "values must fill their last image");
        let count = values.len() / size;
        assert!(labels.as_ref().is_none_or(|labels| labels.len() == count), "each image must have one label");
        Images { values, labels: labels.map(Arc::new), range: 0..count, shape }
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.range.len()
    }

    /// Whether there are no images. A loaded split has at least one.
    pub fn is_empty(&self) -> bool {
        self.range.is_empty()
    }

    /// The shape of each image.
    pub fn shape(&self) -> ImageShape {
        self.shape
    }

    /// All values: (Images, Height, Width, Channels), row-major.
    pub fn values(&self) -> ValuesRef<'_> {
        let size = self.shape.values();
        let all = match &self.values {
            Values::U8(bytes) => ValuesRef::U8(bytes),
            Values::F32(floats) => ValuesRef::F32(floats),
        };
        all.part(self.range.start * size..self.range.end * size)
    }

    /// The values of the file that these images are from, with those of other images.
    pub(super) fn file_values(&self) -> &Values {
        &self.values
    }

    /// One image: (Height, Width, Channels), row-major.
    ///
    /// # Panics
    /// `index` is not below [`Images::len`].
    pub fn image(&self, index: usize) -> ValuesRef<'_> {
        let size = self.shape.values();
        self.values().part(index * size..(index + 1) * size)
    }

    /// The labels: (Images).
    pub fn labels(&self) -> Option<&[u8]> {
        self.labels.as_ref().map(|labels| &labels[self.range.clone()])
    }

    /// The interval of the values if `data.stored` is this: by default from 0 to 255 for bytes, from 0 to 1 for floats.
    pub fn interval(&self, stored: Option<[f64; 2]>) -> [f64; 2] {
        match stored {
            // 0.1 in a spec is the float 0.1 of a file.
            Some(stored) if self.are_floats() => stored.map(|end| f64::from(end as f32)),
            Some(stored) => stored,
            None if self.are_floats() => UNIT,
            None => BYTES,
        }
    }

    /// The number of bytes of a value.
    pub fn bytes_per_value(&self) -> usize {
        if self.are_floats() { size_of::<f32>() } else { 1 }
    }

    /// Whether the values are floats.
    pub fn are_floats(&self) -> bool {
        matches!(self.values, Values::F32(_))
    }

    /// Whether no value is above 1, and at least one is above 0. Values from 0 to 255 that are so small are probably values from
    /// 0 to 1.
    pub fn are_at_most_one(&self) -> bool {
        match self.values() {
            ValuesRef::U8(bytes) => !bytes.iter().any(|value| *value > 1) && bytes.contains(&1),
            ValuesRef::F32(floats) => {
                floats.iter().all(|value| (0.0..=1.0).contains(value)) && floats.iter().any(|value| *value > 0.0)
            }
        }
    }

    /// The first value outside `stored`: the index of its image, and the value. Floats are compared with `stored` rounded to
    /// 32 bits.
    pub fn outside(&self, [low, high]: [f64; 2]) -> Option<(usize, f64)> {
        let (index, value) = match self.values() {
            ValuesRef::U8(bytes) => {
                let bounds = u8_at_least(low)..=u8_at_most(high);
                let index = find(bytes, |value| !bounds.contains(&value))?;
                (index, f64::from(*bytes.get(index)?))
            }
            ValuesRef::F32(floats) => {
                let bounds = low as f32..=high as f32;
                let index = find(floats, |value| !bounds.contains(&value))?;
                (index, f64::from(*floats.get(index)?))
            }
        };
        Some((index / self.shape.values(), value))
    }

    /// Whether any value is neither of the two.
    pub(super) fn are_grey(&self, [low, high]: [f64; 2]) -> bool {
        match self.values() {
            ValuesRef::U8(bytes) => {
                let (low, high) = (u8_at_least(low), u8_at_most(high));
                find(bytes, |value| value != low && value != high).is_some()
            }
            ValuesRef::F32(floats) => {
                let (low, high) = (low as f32, high as f32);
                find(floats, |value| value != low && value != high).is_some()
            }
        }
    }

    /// A range of these images; they share the values. The part of the range beyond [`Images::len`] is ignored.
    pub fn slice(&self, range: Range<usize>) -> Images {
        let end = range.end.min(self.len());
        let start = range.start.min(end);
        Images { range: self.range.start + start..self.range.start + end, ..self.clone() }
    }
}

/// The index of the first value for which `holds` is true.
fn find<V: Copy>(values: &[V], holds: impl Fn(V) -> bool) -> Option<usize> {
    // Chunks without such a value are skipped without a branch per value.
    let pieces = values.chunks(4096).enumerate();
    let mut with = pieces.filter(|(_, piece)| piece.iter().fold(false, |any, &value| any | holds(value)));
    let (number, piece) = with.next()?;
    Some(4096 * number + piece.iter().position(|&value| holds(value))?)
}

/// The smallest byte that is not below a value of at most 255.
fn u8_at_least(value: f64) -> u8 {
    value.ceil() as u8
}

/// The largest byte that is not above a value of at least 0.
fn u8_at_most(value: f64) -> u8 {
    value.floor() as u8
}
