//! The shape of an image, and of a feature map.

use std::fmt;

/// The shape of an image or of a feature map. Its values are in the order height, width, channels: all channels of a pixel,
/// then those of the next pixel of the row, then the next row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ImageShape {
    /// The number of rows of pixels.
    pub height: usize,
    /// The number of pixels in a row.
    pub width: usize,
    /// The number of values of a pixel: of an image, 1 for grey, 3 for red, green and blue.
    pub channels: usize,
}

impl ImageShape {
    /// The shape of a grey image.
    pub const fn grey(height: usize, width: usize) -> ImageShape {
        ImageShape { height, width, channels: 1 }
    }

    /// The number of pixels; the largest number if it does not fit.
    pub fn pixels(&self) -> usize {
        self.height.saturating_mul(self.width)
    }

    /// The number of values: one for each channel of each pixel; the largest number if it does not fit.
    pub fn values(&self) -> usize {
        self.pixels().saturating_mul(self.channels)
    }

    /// Height, width and channels.
    pub fn sizes(&self) -> [usize; 3] {
        [self.height, self.width, self.channels]
    }

    /// The same height and width, with another number of channels.
    #[must_use]
    pub fn with_channels(self, channels: usize) -> ImageShape {
        ImageShape { channels, ..self }
    }
}

/// `28x28`, and with several channels `32x32x3`.
impl fmt::Display for ImageShape {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{}x{}", self.height, self.width)?;
        if self.channels == 1 { Ok(()) } else { write!(to, "x{}", self.channels) }
    }
}
