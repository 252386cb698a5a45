//! The kinds of images in one data set: all must have the same shape and the same type of values.

use super::ImageShape;
use super::values::Element;
use crate::text::{counted, grouped};
use std::collections::HashMap;

/// The kinds with the largest number of images that an error names.
const LISTED: usize = 3;

/// A width and height up to here is that of a small image, which needs no smaller one in its place.
const SMALL: usize = 128;

/// The shape of an image and the type of its values.
type Kind = (ImageShape, Element);

/// The images of one kind.
struct Found {
    images: usize,
    /// The number of the first of them among all images, and its name.
    first: (usize, String),
}

/// The kinds that were found so far.
#[derive(Default)]
pub(super) struct Kinds {
    first: Option<Kind>,
    found: HashMap<Kind, Found>,
    images: usize,
}

impl Kinds {
    /// Counts an image.
    pub(super) fn add(&mut self, shape: ImageShape, element: Element, name: &str) {
        let kind = (shape, element);
        self.first.get_or_insert(kind);
        let found =
            self.found.entry(kind).or_insert_with(|| Found { images: 0, first: (self.images, name.to_owned()) });
        found.images += 1;
        self.images += 1;
    }

    /// The kind of the first image.
    pub(super) fn first(&self) -> Option<Kind> {
        self.first
    }

    /// Whether all images are of one kind.
    pub(super) fn are_same(&self) -> bool {
        self.found.len() <= 1
    }

    /// How the images differ, and what to do: to follow the name of the data set.
    pub(super) fn difference(&self) -> Option<String> {
        let color = |(shape, _): Kind| if shape.channels == 1 { "grey" } else { "in color" }.to_owned();
        let values = |(_, element): Kind| format!("with {}", element.name());
        let size = |(shape, _): Kind| format!("of {shape}");
        let images = |what: &str| format!("has images of different {what}");
        let by_color = self.groups(color);
        if by_color.len() > 1 {
            let start = "has grey images and images in color";
            return Some(listed(start, &by_color, "set `color` to \"rgb\" or \"gray\" in `[data]`"));
        }
        let by_size = self.groups(size);
        if by_size.len() > 1 {
            let small = |shape: &ImageShape| shape.height == shape.width && shape.height <= SMALL;
            let most = self.found.iter().max_by_key(|(_, found)| (found.images, std::cmp::Reverse(found.first.0)));
            let side = most.map(|((shape, _), _)| shape).filter(|shape| small(shape)).map_or(64, |shape| shape.height);
            return Some(listed(
                &images("sizes"),
                &by_size,
                &format!("set `size` in `[data]`, such as `size = {side}`"),
            ));
        }
        let by_values = self.groups(values);
        (by_values.len() > 1).then(|| listed(&images("types"), &by_values, "convert them to one type"))
    }

    /// The images with the same words, from the largest group to the smallest one.
    fn groups(&self, words: impl Fn(Kind) -> String) -> Vec<(String, Found)> {
        let mut groups: HashMap<String, Found> = HashMap::new();
        for (kind, found) in &self.found {
            let group = groups.entry(words(*kind));
            let group = group.or_insert_with(|| Found { images: 0, first: found.first.clone() });
            group.images += found.images;
            if found.first.0 < group.first.0 {
                group.first = found.first.clone();
            }
        }
        let mut groups: Vec<(String, Found)> = groups.into_iter().collect();
        groups.sort_by_key(|(_, found)| (std::cmp::Reverse(found.images), found.first.0));
        groups
    }
}

/// The largest groups in words.
fn listed(start: &str, groups: &[(String, Found)], advice: &str) -> String {
    let one = |(words, found): &(String, Found)| match found.images {
        1 => format!("1 {words} ({})", found.first.1),
        images => format!("{} {words} (such as {})", grouped(images), found.first.1),
    };
    let mut parts: Vec<String> = groups.iter().take(LISTED).map(one).collect();
    if groups.len() > LISTED {
        let others: usize = groups[LISTED..].iter().map(|(_, found)| found.images).sum();
        parts.push(format!("and {} of others", counted(others, "image")));
    }
    format!("{start}: {}; {advice}", parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(images: &[(usize, usize, usize, Element)]) -> Kinds {
        let mut kinds = Kinds::default();
        for (number, (height, width, channels, element)) in images.iter().enumerate() {
            let shape = ImageShape { height: *height, width: *width, channels: *channels };
            kinds.add(shape, *element, &format!("`{number}.png`"));
        }
        kinds
    }

    #[test]
    fn the_few_images_that_differ_are_named() {
        use Element::{Byte, Float};
        let same = kinds(&[(28, 28, 1, Byte), (28, 28, 1, Byte)]);
        assert!(same.are_same() && same.difference().is_none());
        let difference = |images: &[_]| kinds(images).difference().unwrap();
        assert_eq!(
            difference(&[(20, 20, 1, Byte), (28, 28, 1, Byte), (28, 28, 1, Byte)]),
            "has images of different sizes: 2 of 28x28 (such as `1.png`), 1 of 20x20 (`0.png`); set `size` in `[data]`, such as \
             `size = 28`"
        );
        assert_eq!(
            difference(&[(300, 200, 3, Byte), (28, 27, 3, Byte), (28, 28, 3, Byte), (2, 2, 3, Byte), (3, 3, 3, Byte)]),
            "has images of different sizes: 1 of 300x200x3 (`0.png`), 1 of 28x27x3 (`1.png`), 1 of 28x28x3 (`2.png`), and 2 images \
             of others; set `size` in `[data]`, such as `size = 64`"
        );
        assert_eq!(
            difference(&[(5, 6, 3, Byte), (5, 5, 1, Byte), (5, 6, 1, Byte), (5, 6, 1, Byte)]),
            "has grey images and images in color: 3 grey (such as `1.png`), 1 in color (`0.png`); set `color` to \"rgb\" or \
             \"gray\" in `[data]`"
        );
        assert_eq!(
            difference(&[(5, 6, 3, Byte), (5, 6, 3, Float)]),
            "has images of different types: 1 with bytes (`0.png`), 1 with 32-bit floats (`1.png`); convert them to one type"
        );
    }
}
