//! The values of images: bytes, bits or floats.

use std::ops::Range;

/// The type of the values of stored images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Element {
    /// Bytes from 0 to 1, of a source whose values can only be 0 and 1.
    Bit,
    /// Bytes.
    Byte,
    /// Floats.
    Float,
}

impl Element {
    /// The number of bytes of a value.
    pub fn bytes(self) -> usize {
        match self {
            Element::Bit | Element::Byte => 1,
            Element::Float => size_of::<f32>(),
        }
    }

    /// The name in words.
    pub fn name(self) -> &'static str {
        match self {
            Element::Bit => "bits",
            Element::Byte => "bytes",
            Element::Float => "32-bit floats",
        }
    }

    /// The interval of the values without `data.stored`.
    pub fn interval(self) -> [f64; 2] {
        match self {
            Element::Byte => BYTES,
            Element::Bit | Element::Float => [0.0, 1.0],
        }
    }
}

/// The interval of bytes without `data.stored`: all their values.
pub const BYTES: [f64; 2] = [0.0, 255.0];

/// The values of some images.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Bytes, and bits as bytes 0 and 1.
    U8(Vec<u8>),
    /// Floats.
    F32(Vec<f32>),
}

/// The values of some images, borrowed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ValuesRef<'a> {
    /// Bytes, and bits as bytes 0 and 1.
    U8(&'a [u8]),
    /// Floats.
    F32(&'a [f32]),
}

impl From<Vec<u8>> for Values {
    fn from(bytes: Vec<u8>) -> Values {
        Values::U8(bytes)
    }
}

impl From<Vec<f32>> for Values {
    fn from(floats: Vec<f32>) -> Values {
        Values::F32(floats)
    }
}

impl Values {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.all().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of them.
    pub fn all(&self) -> ValuesRef<'_> {
        match self {
            Values::U8(bytes) => ValuesRef::U8(bytes),
            Values::F32(floats) => ValuesRef::F32(floats),
        }
    }
}

impl<'a> ValuesRef<'a> {
    /// How many there are.
    pub fn len(self) -> usize {
        match self {
            ValuesRef::U8(bytes) => bytes.len(),
            ValuesRef::F32(floats) => floats.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The values of a range.
    ///
    /// # Panics
    /// The range is out of bounds.
    pub(super) fn part(self, range: Range<usize>) -> ValuesRef<'a> {
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

    /// The first value for which `holds` is true.
    pub(super) fn find(self, holds: impl Fn(f64) -> bool) -> Option<f64> {
        match self {
            ValuesRef::U8(bytes) => bytes.iter().map(|value| f64::from(*value)).find(|value| holds(*value)),
            ValuesRef::F32(floats) => floats.iter().map(|value| f64::from(*value)).find(|value| holds(*value)),
        }
    }

    /// The smallest and the largest value, and whether any value is between them.
    pub(super) fn extent(self) -> Extent {
        match self {
            ValuesRef::U8(bytes) => {
                let (low, high) = (bytes.iter().copied().min(), bytes.iter().copied().max());
                let (low, high) = (low.unwrap_or(0), high.unwrap_or(0));
                let has_others = bytes.iter().fold(false, |any, value| any | ((*value != low) & (*value != high)));
                Extent { low: f32::from(low), high: f32::from(high), has_others }
            }
            ValuesRef::F32(floats) => {
                let low = floats.iter().copied().fold(f32::INFINITY, f32::min);
                let high = floats.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let has_others = floats.iter().fold(false, |any, value| any | ((*value != low) & (*value != high)));
                Extent { low, high, has_others }
            }
        }
    }
}

/// What is known about the values of an image without reading it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Extent {
    /// The smallest value.
    pub low: f32,
    /// The largest value.
    pub high: f32,
    /// Whether any value is neither of them.
    pub has_others: bool,
}

impl Extent {
    /// Whether all values are in an interval.
    pub(super) fn is_in(self, [low, high]: [f64; 2]) -> bool {
        f64::from(self.low) >= low && f64::from(self.high) <= high
    }

    /// Whether any value is neither of the two.
    pub(super) fn is_grey(self, [low, high]: [f64; 2]) -> bool {
        let is_end = |value: f32| f64::from(value) == low || f64::from(value) == high;
        self.has_others || !is_end(self.low) || !is_end(self.high)
    }
}
