//! Images that are computed from their index, so that they need no file and no memory.

use super::{ImageHash, Store, hash_of_index};
use crate::data::ImageShape;
use crate::data::column::Column;
use crate::data::picture::{Changes, Color, Crop, Picture};
use crate::data::values::{Element, Extent, Values, ValuesRef};

/// How the images of a set are computed: one image for each combination of the values of its factors.
#[derive(Debug)]
pub(in crate::data) struct Definition {
    /// The name of the set and the version of its definition, which is part of the hash of every image.
    pub(in crate::data) version: &'static str,
    pub(in crate::data) shape: ImageShape,
    /// Bits or bytes.
    pub(in crate::data) element: Element,
    /// The last one changes fastest from an image to the next one.
    pub(in crate::data) factors: &'static [Factor],
    /// Writes the image of an index to all values of a slice, which may have any values before.
    pub(in crate::data) render: fn(usize, &mut [u8]),
    /// The most bytes of memory that `render` keeps in each process.
    pub(in crate::data) memory: usize,
}

/// A factor of computed images.
#[derive(Debug)]
pub(in crate::data) struct Factor {
    pub(in crate::data) name: &'static str,
    /// The number of values.
    pub(in crate::data) size: u32,
    /// The names of the values; empty if they have none.
    pub(in crate::data) names: &'static [&'static str],
}

impl Factor {
    /// A factor whose values have no names.
    pub(in crate::data) const fn new(name: &'static str, size: u32) -> Factor {
        Factor { name, size, names: &[] }
    }
}

impl Definition {
    /// The number of images.
    pub(in crate::data) fn len(&self) -> usize {
        self.factors.iter().map(|factor| factor.size as usize).product()
    }

    fn columns(&self) -> Vec<Column> {
        let column = |(place, factor): (usize, &Factor)| {
            let stride = self.factors[place + 1..].iter().map(|faster| u64::from(faster.size)).product();
            let names = factor.names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
            Column::grid(factor.name, factor.size, stride, Some(names).filter(|names| !names.is_empty()))
        };
        self.factors.iter().enumerate().map(column).collect()
    }

    fn picture(&self, index: usize) -> Picture {
        let mut bytes = vec![0; self.shape.values()];
        (self.render)(index, &mut bytes);
        Picture { shape: self.shape, values: Values::U8(bytes), element: self.element }
    }
}

/// Computed images, with the changes that a spec asks for.
#[derive(Debug)]
pub(in crate::data) struct Computed {
    definition: &'static Definition,
    /// `None` if they change nothing.
    changes: Option<Changes>,
    /// The shape and the type of the changed images.
    shape: ImageShape,
    element: Element,
    columns: Vec<Column>,
    /// The part of the hash of an image that is not its index.
    hashed: String,
}

impl Computed {
    /// The images of a definition, changed.
    ///
    /// # Errors
    /// The images are smaller than the part to use: what is wrong.
    pub(in crate::data) fn new(definition: &'static Definition, changes: Changes) -> Result<Computed, String> {
        let changes = Some(changes).filter(|changes| !is_nothing(changes, definition.shape));
        let (mut shape, mut element) = (definition.shape, definition.element);
        let mut hashed = definition.version.to_owned();
        if let Some(changes) = changes {
            let first = changes.apply(definition.picture(0))?;
            (shape, element) = (first.shape, first.element);
            hashed += &format!(" {changes:?}");
        }
        Ok(Computed { definition, changes, shape, element, columns: definition.columns(), hashed })
    }
}

/// Whether changes leave every image of a shape as it is.
fn is_nothing(changes: &Changes, shape: ImageShape) -> bool {
    let Changes { transpose, crop, color, size } = changes;
    let own = [shape.height, shape.width];
    let keeps_part = match crop {
        Crop::None => true,
        Crop::Center => size.is_some() || shape.height == shape.width,
        Crop::Size(part) => *part == own,
    };
    let keeps_color = match color {
        Color::Keep => true,
        Color::Gray => shape.channels == 1,
        Color::Rgb => shape.channels == 3,
    };
    !transpose && keeps_part && keeps_color && size.is_none_or(|size| size == own)
}

impl Store for Computed {
    fn len(&self) -> usize {
        self.definition.len()
    }

    fn shape(&self) -> ImageShape {
        self.shape
    }

    fn element(&self) -> Element {
        self.element
    }

    fn image<'a>(&'a self, index: usize, scratch: &'a mut Vec<u8>) -> ValuesRef<'a> {
        assert!(index < self.len(), "image {index} of {}", self.len());
        scratch.resize(self.shape.values(), 0);
        match self.changes {
            None => (self.definition.render)(index, scratch),
            // All images have the shape of the first one, which could be changed; and bytes stay bytes.
            Some(changes) => {
                if let Ok(Picture { values: Values::U8(bytes), .. }) = changes.apply(self.definition.picture(index)) {
                    *scratch = bytes;
                }
            }
        }
        ValuesRef::U8(scratch)
    }

    fn hash(&self, index: usize) -> ImageHash {
        hash_of_index(&self.hashed, index)
    }

    /// That of the type: the true one is inside, and would need the image.
    fn extent(&self, _: usize) -> Extent {
        let [low, high] = self.element.interval().map(|end| end as f32);
        Extent { low, high, has_others: self.element != Element::Bit }
    }

    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn bytes_in_memory(&self) -> usize {
        self.definition.memory
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Changes = Changes { transpose: false, crop: Crop::None, color: Color::Keep, size: None };

    /// Four images of 2x4 pixels: the pixel of the index is 1.
    static DOTS: Definition = Definition {
        version: "dots 1",
        shape: ImageShape::grey(2, 4),
        element: Element::Bit,
        factors: &[Factor { name: "half", size: 2, names: &["left", "right"] }, Factor::new("place", 2)],
        render: |index, image| {
            image.fill(0);
            image[index] = 1;
        },
        memory: 0,
    };

    #[test]
    fn images_and_factors_follow_the_index() {
        let store = Computed::new(&DOTS, NOTHING).unwrap();
        let mut scratch = vec![7; 3];
        assert_eq!(store.image(2, &mut scratch), ValuesRef::U8(&[0, 0, 1, 0, 0, 0, 0, 0]));
        assert_eq!(store.image(1, &mut scratch), ValuesRef::U8(&[0, 1, 0, 0, 0, 0, 0, 0]));
        assert_eq!((store.len(), store.element(), store.extent(0).has_others), (4, Element::Bit, false));
        let values = |column: &Column| (0..4).map(|index| column.value(index)).collect::<Vec<u32>>();
        let [half, place] = store.columns() else { panic!("two factors") };
        assert_eq!((values(half), values(place)), (vec![0, 0, 1, 1], vec![0, 1, 0, 1]));
        assert_eq!((half.name_of(1), place.names()), ("right".into(), None));
    }

    #[test]
    fn changes_are_applied_and_are_part_of_the_hash() {
        let plain = Computed::new(&DOTS, NOTHING).unwrap();
        let changed = Computed::new(&DOTS, Changes { transpose: true, ..NOTHING }).unwrap();
        assert_eq!(changed.shape(), ImageShape::grey(4, 2));
        assert_eq!(changed.image(1, &mut Vec::new()), ValuesRef::U8(&[0, 0, 1, 0, 0, 0, 0, 0]));
        assert_ne!(changed.hash(1), plain.hash(1));
        assert_ne!(plain.hash(0), plain.hash(1));
        let resized = Computed::new(&DOTS, Changes { size: Some([1, 2]), ..NOTHING }).unwrap();
        assert_eq!((resized.element(), resized.extent(0).has_others), (Element::Byte, true));
        let message = Computed::new(&DOTS, Changes { crop: Crop::Size([3, 3]), ..NOTHING }).unwrap_err();
        assert_eq!(message, "is 2x4, smaller than the part to crop, 3x3");
    }

    #[test]
    fn changes_that_change_nothing_keep_the_hash() {
        let hash = |changes| Computed::new(&DOTS, changes).unwrap().hash(3);
        let same = Changes { crop: Crop::Center, color: Color::Gray, size: Some([2, 4]), ..NOTHING };
        assert_eq!(hash(same), hash(NOTHING));
        assert_ne!(hash(Changes { crop: Crop::Center, ..NOTHING }), hash(NOTHING));
        // The hash of a definition with changes must not depend on how the program is built.
        let text: String = hash(Changes { color: Color::Rgb, ..NOTHING }).iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(text, "93320ba674607f801ce7c882e596f6b2");
    }
}
