//! Which axis of an array has the channels.

use super::Picture;
use crate::data::ImageShape;
use crate::data::values::{Element, Values};
use crate::text::grouped;

/// Which of three axes of an image has the channels. Images in memory have them last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::data) enum Layout {
    /// The axis whose size is 1 or 3, if there is only one.
    FromSizes,
    /// The last axis.
    Nhwc,
    /// The first axis of an image, the second one of the file.
    Nchw,
    /// The axis that gives images of this shape, or else as [`Layout::FromSizes`]; and whether rows of numbers have the
    /// channels first.
    OfShape(ImageShape, bool),
}

impl Layout {
    /// Whether rows of numbers have the channels first.
    pub(in crate::data) fn is_planar(self) -> bool {
        matches!(self, Layout::Nchw | Layout::OfShape(_, true))
    }
}

/// Why the axes of an array are not those of images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::data) enum LayoutError {
    /// No axis, or not the axis of `data.layout`, is an axis of channels: which one must be, and what to do.
    Channels(&'static str, &'static str),
    /// Two axes can be the axis of channels.
    Either,
    /// Rows of numbers in color, whose order is not known.
    Rows,
    /// Rows of numbers without height and width, or with others than these.
    Flat(Option<[usize; 2]>),
    /// One number per image.
    One,
    /// Too many or too few axes.
    Axes,
}

impl LayoutError {
    /// What is wrong with an array of images with these axes.
    pub(in crate::data) fn text(self, axes: &[usize]) -> String {
        let sizes = axes.iter().map(grouped).collect::<Vec<_>>().join(" x ");
        match self {
            LayoutError::Channels(needed, help) => {
                format!("has images of the sizes {sizes}, but {needed}, for grey or red, green and blue; {help}")
            }
            LayoutError::Either => format!(
                "has images of the sizes {sizes}, where the first or the last axis can have the channels; write \
                 `layout = \"nhwc\"` in `[data]` if it is the last one, `layout = \"nchw\"` if it is the first one"
            ),
            LayoutError::Rows => format!(
                "has {sizes} numbers per image, three for each pixel; write `layout = \"nhwc\"` in `[data]` if the channels of a \
                 pixel are together, `layout = \"nchw\"` if all values of a channel are together"
            ),
            LayoutError::Flat(None) => {
                let [height, width] = nearly_square(axes.iter().product());
                format!(
                    "has {sizes} numbers per image, which are not a square; write the height and width in `[data]`, such as \
                     `size = [{height}, {width}]`"
                )
            }
            LayoutError::Flat(Some([height, width])) => format!(
                "has {sizes} numbers per image, but `size` in `[data]` is {height} x {width}, which are {}",
                grouped(height * width)
            ),
            LayoutError::One => "has one number per image: labels or other values, but no picture".to_owned(),
            LayoutError::Axes => format!(
                "has images with {} axes ({sizes}), but images have height, width, and possibly channels",
                axes.len()
            ),
        }
    }
}

impl Layout {
    /// The shape of the images with these axes, and whether the channels are before height and width. `size` is the height and
    /// width that images have in the end: rows of numbers have these.
    pub(in crate::data) fn shape(
        self,
        axes: &[usize],
        size: Option<[usize; 2]>,
    ) -> Result<(ImageShape, bool), LayoutError> {
        let are_channels = |size: usize| [1, 3].contains(&size);
        let (a, b, c) = match *axes {
            [length] => return flat(self, length, size),
            [height, width] => return Ok((ImageShape::grey(height, width), false)),
            [a, b, c] => (a, b, c),
            _ => return Err(LayoutError::Axes),
        };
        let last = ImageShape { height: a, width: b, channels: c };
        let first = ImageShape { height: b, width: c, channels: a };
        let help = "correct `layout` or remove it";
        match self {
            Layout::Nhwc if !are_channels(c) => {
                let needed = "with `layout = \"nhwc\"` the last axis must have 1 or 3 channels";
                Err(LayoutError::Channels(needed, help))
            }
            Layout::Nchw if !are_channels(a) => {
                let needed = "with `layout = \"nchw\"` the first axis must have 1 or 3 channels";
                Err(LayoutError::Channels(needed, help))
            }
            Layout::Nhwc => Ok((last, false)),
            Layout::Nchw => Ok((first, true)),
            Layout::OfShape(shape, _) if shape == last => Ok((last, false)),
            Layout::OfShape(shape, _) if shape == first => Ok((first, true)),
            Layout::FromSizes | Layout::OfShape(..) => match (are_channels(a), are_channels(c)) {
                (false, true) => Ok((last, false)),
                (true, false) => Ok((first, true)),
                // Neither reading has the shape of the model's images.
                (true, true) if self != Layout::FromSizes => Ok((last, false)),
                (true, true) => Err(LayoutError::Either),
                (false, false) => {
                    let help =
                        if [a, c].contains(&4) { "remove the alpha channel" } else { "change the order of the axes" };
                    Err(LayoutError::Channels("the first or the last axis must have 1 or 3 channels", help))
                }
            },
        }
    }

    /// An image of an array, with the channels of each pixel together.
    pub(in crate::data) fn picture(shape: ImageShape, is_planar: bool, values: Values, element: Element) -> Picture {
        let values = match values {
            Values::U8(bytes) if is_planar => Values::U8(interleaved(&bytes, shape)),
            Values::F32(floats) if is_planar => Values::F32(interleaved(&floats, shape)),
            values => values,
        };
        Picture { shape, values, element }
    }
}

/// The shape of a row of numbers.
fn flat(layout: Layout, length: usize, size: Option<[usize; 2]>) -> Result<(ImageShape, bool), LayoutError> {
    if let Layout::OfShape(shape, is_planar) = layout
        && shape.values() == length
    {
        return Ok((shape, is_planar));
    }
    match size {
        _ if length == 1 => Err(LayoutError::One),
        Some([height, width]) if height * width == length => Ok((ImageShape::grey(height, width), false)),
        Some([height, width]) if 3 * height * width == length => {
            let shape = ImageShape { height, width, channels: 3 };
            match layout {
                Layout::Nhwc => Ok((shape, false)),
                Layout::Nchw => Ok((shape, true)),
                Layout::FromSizes | Layout::OfShape(..) => Err(LayoutError::Rows),
            }
        }
        _ if length.isqrt().pow(2) == length => Ok((ImageShape::grey(length.isqrt(), length.isqrt()), false)),
        _ => Err(LayoutError::Flat(size)),
    }
}

/// The height and width with this product that are nearest to each other.
fn nearly_square(product: usize) -> [usize; 2] {
    let height = (1..=product.isqrt()).rev().find(|height| product.is_multiple_of(*height)).unwrap_or(1);
    [height, product / height]
}

/// From (Channels, Height, Width) to (Height, Width, Channels).
fn interleaved<V: Copy>(values: &[V], shape: ImageShape) -> Vec<V> {
    let (pixels, channels) = (shape.pixels(), shape.channels);
    (0..pixels).flat_map(|pixel| (0..channels).map(move |channel| values[channel * pixels + pixel])).collect()
}
