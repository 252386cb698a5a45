//! Images of one split: some images of a store, in an order.

use super::ImageShape;
use super::column::Column;
use super::store::{ImageHash, Memory, Store};
use super::values::{BYTES, Element, Extent, Values, ValuesRef};
use std::ops::Range;
use std::sync::Arc;

/// Images of one split. Clones share the values.
#[derive(Clone, Debug)]
pub struct Images {
    store: Arc<dyn Store>,
    /// Columns in place of those of the store.
    columns: Option<Arc<Vec<Column>>>,
    chosen: Chosen,
}

/// The images of the store that a split has.
#[derive(Clone, Debug)]
enum Chosen {
    Range(Range<usize>),
    Listed(Arc<Vec<u32>>),
}

impl Images {
    /// Images from values (Images, Height, Width, Channels), in memory.
    ///
    /// # Panics
    /// A size is 0, or the last image is incomplete.
    pub fn new(values: impl Into<Values>, shape: ImageShape) -> Images {
        Images::of(Arc::new(Memory::new(values.into(), shape, Vec::new())))
    }

    /// All images of a store.
    pub(super) fn of(store: Arc<dyn Store>) -> Images {
        Images { chosen: Chosen::Range(0..store.len()), columns: None, store }
    }

    /// The number of images.
    pub fn len(&self) -> usize {
        match &self.chosen {
            Chosen::Range(range) => range.len(),
            Chosen::Listed(indices) => indices.len(),
        }
    }

    /// Whether there are no images.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The shape of each image.
    pub fn shape(&self) -> ImageShape {
        self.store.shape()
    }

    /// The type of the values.
    pub fn element(&self) -> Element {
        self.store.element()
    }

    /// The number of an image in the files or the source of its split, from 0. Several files count on.
    ///
    /// # Panics
    /// `index` is not below [`Images::len`].
    pub fn stored(&self, index: usize) -> usize {
        assert!(index < self.len(), "image {index} of {}", self.len());
        match &self.chosen {
            Chosen::Range(range) => range.start + index,
            Chosen::Listed(indices) => indices[index] as usize,
        }
    }

    /// The values of an image, (Height, Width, Channels), row-major. `scratch` holds them if they are computed.
    ///
    /// # Panics
    /// `index` is not below [`Images::len`].
    pub fn image<'a>(&'a self, index: usize, scratch: &'a mut Vec<u8>) -> ValuesRef<'a> {
        self.store.image(self.stored(index), scratch)
    }

    /// The labels and factors of the images.
    pub fn columns(&self) -> &[Column] {
        self.columns.as_ref().map_or(self.store.columns(), |columns| columns)
    }

    /// The same images, with the numbers that `other` gives to the names of values: a folder that lacks a class would number
    /// the others differently.
    pub(super) fn numbered_as(self, other: &Images) -> Images {
        let find = |column: &Column| other.columns().iter().find(|other| other.name == column.name);
        let count = self.store.len();
        let columns = self.columns().iter().map(|column| match find(column) {
            Some(other) => column.numbered_as(other, count),
            None => column.clone(),
        });
        Images { columns: Some(Arc::new(columns.collect())), ..self }
    }

    /// The values of a column for these images: (Images).
    pub fn values_of(&self, column: &Column) -> Vec<u32> {
        (0..self.len()).map(|index| column.value(self.stored(index))).collect()
    }

    /// Tells that images will be read soon, in this order.
    pub fn read_ahead(&self, indices: &[u32]) {
        match &self.chosen {
            Chosen::Range(range) if range.start == 0 => self.store.read_ahead(indices),
            _ => {
                let stored: Vec<u32> = indices.iter().map(|index| self.stored(*index as usize) as u32).collect();
                self.store.read_ahead(&stored);
            }
        }
    }

    pub(super) fn hash(&self, index: usize) -> ImageHash {
        self.store.hash(self.stored(index))
    }

    fn extents(&self) -> impl Iterator<Item = Extent> {
        (0..self.len()).map(|index| self.store.extent(self.stored(index)))
    }

    /// The smallest and the largest value of all images; 0 without images.
    pub fn extent(&self) -> Extent {
        let join = |a: Extent, b: Extent| Extent {
            low: a.low.min(b.low),
            high: a.high.max(b.high),
            has_others: a.has_others | b.has_others,
        };
        self.extents().reduce(join).unwrap_or(Extent { low: 0.0, high: 0.0, has_others: false })
    }

    /// The interval of the values: `stored`, if the spec sets it; otherwise that of their type. Floats are compared with the
    /// ends rounded to single precision.
    pub fn interval(&self, stored: Option<[f64; 2]>) -> [f64; 2] {
        match stored {
            // 0.1 in a spec is the float 0.1 of a file.
            Some(stored) if self.element() == Element::Float => stored.map(|end| f64::from(end as f32)),
            Some(stored) => stored,
            None => self.element().interval(),
        }
    }

    /// Whether no value is above 1, and at least one is above 0. Values from 0 to 255 that are so small are probably values from
    /// 0 to 1.
    pub fn are_at_most_one(&self) -> bool {
        self.extents().all(|extent| extent.low >= 0.0 && extent.high <= 1.0)
            && self.extents().any(|extent| extent.high > 0.0)
    }

    /// The first value outside `stored`: the index of its image in the file or the source, and the value.
    pub fn outside(&self, stored: [f64; 2]) -> Option<(usize, f64)> {
        let mut scratch = Vec::new();
        // The extent of a computed image may be wider than its values.
        let doubtful = self.extents().enumerate().filter(|(_, extent)| !extent.is_in(stored));
        doubtful.map(|(index, _)| index).find_map(|index| {
            let value = self.image(index, &mut scratch).find(|value| !(stored[0]..=stored[1]).contains(&value))?;
            Some((self.stored(index), value))
        })
    }

    /// Whether any value is neither of the two.
    pub(super) fn are_grey(&self, stored: [f64; 2]) -> bool {
        self.extents().any(|extent| extent.is_grey(stored))
    }

    /// Some of these images, in this order.
    ///
    /// # Panics
    /// An index is not below [`Images::len`].
    pub(super) fn listed(&self, indices: &[u32]) -> Images {
        let stored = indices.iter().map(|index| self.stored(*index as usize) as u32).collect();
        Images { chosen: Chosen::Listed(Arc::new(stored)), ..self.clone() }
    }

    /// A range of these images. The part of the range beyond [`Images::len`] is ignored.
    pub fn slice(&self, range: Range<usize>) -> Images {
        let end = range.end.min(self.len());
        let start = range.start.min(end);
        let chosen = match &self.chosen {
            Chosen::Range(own) => Chosen::Range(own.start + start..own.start + end),
            Chosen::Listed(indices) => Chosen::Listed(Arc::new(indices[start..end].to_vec())),
        };
        Images { chosen, ..self.clone() }
    }

    /// The bytes of the values of all images, one after the other.
    pub fn bytes(&self) -> usize {
        self.len() * self.shape().values() * self.element().bytes()
    }

    /// The number of bytes of memory that the images take in each process.
    pub fn bytes_in_memory(&self) -> usize {
        self.store.bytes_in_memory()
    }

    /// Whether the values are bytes from 0 to 255.
    pub fn are_bytes(&self) -> bool {
        self.element().interval() == BYTES
    }
}
