//! One image between its file and the store: decoding, layout, crop, color and size.

mod decode;
mod layout;
mod resize;

pub(super) use decode::{decode, is_picture_start};
pub(super) use layout::Layout;

use super::ImageShape;
use super::values::{Element, Values};

/// One image in memory.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Picture {
    pub(super) shape: ImageShape,
    /// (Height, Width, Channels), row-major.
    pub(super) values: Values,
    pub(super) element: Element,
}

/// What is done with every image, in this order: transpose, crop, color, size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Changes {
    /// Swaps height and width.
    pub(super) transpose: bool,
    pub(super) crop: Crop,
    pub(super) color: Color,
    /// The height and width to resize to.
    pub(super) size: Option<[usize; 2]>,
}

/// The part of an image that is used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Crop {
    /// All of it.
    None,
    /// The largest central part with the proportions of `size`; a square without `size`.
    Center,
    /// The central part of this height and width.
    Size([usize; 2]),
}

/// The channels of the images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    /// Those of the file.
    Keep,
    /// One.
    Gray,
    /// Three.
    Rgb,
}

impl Changes {
    /// Whether nothing is changed.
    pub(super) fn are_none(&self) -> bool {
        let none = Changes { transpose: false, crop: Crop::None, color: Color::Keep, size: None };
        *self == none
    }

    /// The changed image.
    ///
    /// # Errors
    /// The image is smaller than the part to use: what is wrong.
    pub(super) fn apply(&self, mut picture: Picture) -> Result<Picture, String> {
        if self.transpose {
            picture = picture.transposed();
        }
        let [height, width] = [picture.shape.height, picture.shape.width];
        let part = match (self.crop, self.size) {
            (Crop::None, _) => None,
            (Crop::Center, size) => Some(center(height, width, size.unwrap_or([1, 1]))),
            (Crop::Size([h, w]), _) if h > height || w > width => {
                return Err(format!("is {height}x{width}, smaller than the part to crop, {h}x{w}"));
            }
            (Crop::Size(part), _) => Some(part),
        };
        if let Some(part) = part.filter(|part| *part != [height, width]) {
            picture = picture.cropped(part);
        }
        picture = match (self.color, picture.shape.channels) {
            (Color::Gray, 3) => picture.gray(),
            (Color::Rgb, 1) => picture.rgb(),
            _ => picture,
        };
        match self.size {
            Some([h, w]) if [picture.shape.height, picture.shape.width] != [h, w] => Ok(resize::resized(picture, h, w)),
            _ => Ok(picture),
        }
    }
}

/// The height and width of the largest part with the proportions of a size.
fn center(height: usize, width: usize, [h, w]: [usize; 2]) -> [usize; 2] {
    // The part touches two sides: compare height / h with width / w.
    match height * w > width * h {
        true => [(width * h / w).max(1), width],
        false => [height, (height * w / h).max(1)],
    }
}

impl Picture {
    /// With new values, of the pixels at (row, column) in the order of `places`.
    fn picked(&self, height: usize, width: usize, place: impl Fn(usize, usize) -> (usize, usize)) -> Picture {
        let channels = self.shape.channels;
        let start = |row: usize, column: usize| {
            let (row, column) = place(row, column);
            (row * self.shape.width + column) * channels
        };
        let starts = (0..height).flat_map(|row| (0..width).map(move |column| (row, column)));
        let starts = starts.map(|(row, column)| start(row, column));
        let values = match &self.values {
            Values::U8(bytes) => Values::U8(starts.flat_map(|at| bytes[at..at + channels].iter().copied()).collect()),
            Values::F32(floats) => {
                Values::F32(starts.flat_map(|at| floats[at..at + channels].iter().copied()).collect())
            }
        };
        Picture { shape: ImageShape { height, width, channels }, values, element: self.element }
    }

    /// Height and width swapped.
    fn transposed(self) -> Picture {
        self.picked(self.shape.width, self.shape.height, |row, column| (column, row))
    }

    /// The central part. If the rest is odd, one more pixel is cut at the end, as torchvision's CenterCrop does for even
    /// halves.
    fn cropped(self, [height, width]: [usize; 2]) -> Picture {
        let top = round_half_even(self.shape.height - height);
        let left = round_half_even(self.shape.width - width);
        self.picked(height, width, |row, column| (top + row, left + column))
    }

    /// The luminance, as Pillow computes it (ITU-R 601-2).
    fn gray(self) -> Picture {
        let values = match &self.values {
            Values::U8(bytes) => {
                let gray = |pixel: &[u8; 3]| {
                    let [r, g, b] = pixel.map(u32::from);
                    ((r * 19_595 + g * 38_470 + b * 7_471 + 0x8000) >> 16) as u8
                };
                Values::U8(bytes.as_chunks().0.iter().map(gray).collect())
            }
            Values::F32(floats) => {
                let gray = |[r, g, b]: &[f32; 3]| 0.299 * r + 0.587 * g + 0.114 * b;
                Values::F32(floats.as_chunks().0.iter().map(gray).collect())
            }
        };
        Picture { shape: self.shape.with_channels(1), values, ..self }
    }

    /// The same value in each of three channels.
    fn rgb(self) -> Picture {
        let values = match &self.values {
            Values::U8(bytes) => Values::U8(bytes.iter().flat_map(|value| [*value; 3]).collect()),
            Values::F32(floats) => Values::F32(floats.iter().flat_map(|value| [*value; 3]).collect()),
        };
        Picture { shape: self.shape.with_channels(3), values, ..self }
    }
}

/// Half of a number; a half is rounded to the even neighbour, as Python's `round` does.
fn round_half_even(number: usize) -> usize {
    let half = number / 2;
    if number % 2 == 1 && half % 2 == 1 { half + 1 } else { half }
}
