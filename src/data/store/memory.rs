//! Images in memory.

use super::{ImageHash, Store, hash_of};
use crate::data::ImageShape;
use crate::data::column::Column;
use crate::data::values::{Element, Extent, Values, ValuesRef};
use std::sync::OnceLock;

/// Images in memory.
#[derive(Debug)]
pub(in crate::data) struct Memory {
    values: Values,
    shape: ImageShape,
    element: Element,
    columns: Vec<Column>,
    /// Computed at the first use.
    known: OnceLock<Vec<(ImageHash, Extent)>>,
}

impl Memory {
    /// Images from values (Images, Height, Width, Channels).
    ///
    /// # Panics
    /// A size is 0, or the last image is incomplete.
    pub(in crate::data) fn new(values: Values, shape: ImageShape, columns: Vec<Column>) -> Memory {
        let size = shape.values();
        assert!(size > 0, "an image must have values");
        assert!(values.len().is_multiple_of(size), "values must fill their last image");
        let element = match &values {
            Values::U8(_) => Element::Byte,
            Values::F32(_) => Element::Float,
        };
        Memory { values, shape, element, columns, known: OnceLock::new() }
    }

    fn values_of(&self, index: usize) -> ValuesRef<'_> {
        let size = self.shape.values();
        self.values.all().part(index * size..(index + 1) * size)
    }

    fn known(&self, index: usize) -> (ImageHash, Extent) {
        let known = |index| (hash_of(self.shape, self.values_of(index)), self.values_of(index).extent());
        self.known.get_or_init(|| (0..self.len()).map(known).collect())[index]
    }
}

impl Store for Memory {
    fn len(&self) -> usize {
        self.values.len() / self.shape.values()
    }

    fn shape(&self) -> ImageShape {
        self.shape
    }

    fn element(&self) -> Element {
        self.element
    }

    fn image<'a>(&'a self, index: usize, _: &'a mut Vec<u8>) -> ValuesRef<'a> {
        self.values_of(index)
    }

    fn hash(&self, index: usize) -> ImageHash {
        self.known(index).0
    }

    fn extent(&self, index: usize) -> Extent {
        self.known(index).1
    }

    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn bytes_in_memory(&self) -> usize {
        self.values.len() * self.element.bytes()
    }
}
