//! The axes of tensors as types: two axes of equal size are still different types.
//!
//! A tensor of shape `(Batch, Latent)` cannot be multiplied with a matrix of shape `(Hidden, Values)`, and a function
//! that expects `(Batch, Values)` accepts no other shape, whatever the sizes. The sizes come from the spec at run time.
//! Code that is generic over [`Dim`] also accepts [`Const`], whose size is known at compile time.

pub use dfdx::shapes::{Const, Dim};
use std::marker::PhantomData;

macro_rules! axes {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name(pub usize);

        impl Dim for $name {
            fn size(&self) -> usize {
                self.0
            }
            fn from_size(size: usize) -> Option<Self> {
                Some($name(size))
            }
        }
    )*};
}

axes! {
    /// Images that are computed together.
    Batch,
    /// Values of one image: height times width times channels.
    Values,
    /// Numbers that the decoder gives for one image; their meaning is that of the likelihood.
    Outputs,
    /// Rows of an image or of a feature map.
    Height,
    /// Columns of an image or of a feature map.
    Width,
    /// Values at each pixel of an image or of a feature map.
    Channels,
    /// Rows or columns of the window of a convolution.
    Kernel,
    /// Values between two layers: height times width times channels of a feature map, or the units of a dense layer.
    Features,
    /// Units of a dense hidden layer.
    Hidden,
    /// Axes of the code.
    Latent,
    /// Trained numbers of a likelihood, for example one variance for the model, or one for each value of an image; or all numbers
    /// that determine a prior.
    Own,
    /// Components of a prior.
    Components,
    /// Outputs of a discriminator.
    Logits,
    /// Terms of an objective that couple the images of a batch.
    Terms,
}

/// The number of windows of a convolution along a side `D` of its larger feature map: a side of its smaller one.
///
/// A transposed convolution turns `Windows<D>` back into `D`: the decoder can end with the side that the encoder began with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows<D> {
    size: usize,
    along: PhantomData<D>,
}

impl<D: Dim> Dim for Windows<D> {
    fn size(&self) -> usize {
        self.size
    }
    fn from_size(size: usize) -> Option<Self> {
        Some(Windows { size, along: PhantomData })
    }
}

/// The padding of a convolution: rows and columns of zeros around the larger feature map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Padding {
    /// TensorFlow's SAME: the sides are divided by the stride and rounded up. Of an odd number of rows of zeros, the extra one
    /// comes after the map: <https://www.tensorflow.org/api_docs/python/tf/nn#notes_on_padding_2>.
    Same,
    /// PyTorch's: this many rows of zeros before the map, and as many after it. 0 is TensorFlow's VALID.
    Rows(usize),
}

/// The window of a convolution, whose sizes come from the spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// Height and width of the window: the kernel size.
    pub kernel: usize,
    /// Pixels between neighbouring windows.
    pub stride: usize,
    /// The padding.
    pub padding: Padding,
}

impl Window {
    /// A window with SAME padding.
    #[must_use]
    pub const fn same(kernel: usize, stride: usize) -> Window {
        Window { kernel, stride, padding: Padding::Same }
    }

    /// The number of windows along a side of the larger feature map; 0 if the window does not fit.
    #[must_use]
    pub fn count(self, side: usize) -> usize {
        match self.padding {
            Padding::Same => side.div_ceil(self.stride),
            Padding::Rows(rows) => match side.saturating_add(2 * rows).checked_sub(self.kernel) {
                Some(rest) => rest / self.stride + 1,
                None => 0,
            },
        }
    }

    /// The side of the larger feature map that a transposed convolution gives by itself: the largest one with `count` windows if
    /// the padding is SAME, the smallest one otherwise (PyTorch's `output_padding` is added to it).
    #[must_use]
    pub fn side(self, count: usize) -> usize {
        match self.padding {
            Padding::Same => count.saturating_mul(self.stride),
            Padding::Rows(rows) => {
                let covered = count.saturating_sub(1).saturating_mul(self.stride).saturating_add(self.kernel);
                covered.saturating_sub(2 * rows)
            }
        }
    }

    /// Rows of zeros before a side of the larger feature map.
    #[must_use]
    pub fn before(self, side: usize) -> usize {
        match self.padding {
            Padding::Same => {
                let covered =
                    self.count(side).saturating_sub(1).saturating_mul(self.stride).saturating_add(self.kernel);
                covered.saturating_sub(side) / 2
            }
            Padding::Rows(rows) => rows,
        }
    }

    /// Whether the windows along this side are those of SAME padding.
    #[must_use]
    pub fn is_same(self, side: usize) -> bool {
        let same = Window { padding: Padding::Same, ..self };
        same.count(side) == self.count(side) && same.before(side) == self.before(side)
    }

    /// The windows along a side.
    #[must_use]
    pub fn along<D: Dim>(self, side: D) -> Windows<D> {
        Windows { size: self.count(side.size()), along: PhantomData }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A transposed convolution gives a side on which the convolution has as many windows as the side that it came from.
    #[test]
    fn sides_and_windows_are_inverse() {
        for (kernel, stride, rows) in
            (1..8).flat_map(|k| [1, 2].into_iter().flat_map(move |s| (0..=k).map(move |p| (k, s, p))))
        {
            let padding = if rows < kernel { Padding::Rows(rows) } else { Padding::Same };
            let window = Window { kernel, stride, padding };
            for count in 1..20 {
                let side = window.side(count);
                if side == 0 {
                    continue;
                }
                // PyTorch's output padding, less than the stride, changes nothing.
                let more = if padding == Padding::Same { 0 } else { stride - 1 };
                assert_eq!([window.count(side), window.count(side + more)], [count; 2], "{window:?}");
            }
        }
    }

    #[test]
    fn windows_are_those_of_tensorflow_and_pytorch() {
        let rows = |kernel, stride, rows| Window { kernel, stride, padding: Padding::Rows(rows) };
        // Computed with TensorFlow's and PyTorch's formulas by hand: side, windows, rows of zeros before.
        for (window, side, count, before) in [
            (Window::same(4, 2), 64, 32, 1),
            (Window::same(4, 2), 7, 4, 1),
            (Window::same(2, 2), 64, 32, 0),
            (Window::same(2, 1), 5, 5, 0),
            (Window::same(7, 2), 9, 5, 3),
            (rows(4, 2, 1), 28, 14, 1),
            (rows(4, 2, 1), 7, 3, 1),
            (rows(4, 1, 0), 4, 1, 0),
            (rows(4, 1, 0), 3, 0, 0),
            (rows(3, 2, 1), 7, 4, 1),
        ] {
            assert_eq!((window.count(side), window.before(side)), (count, before), "{window:?} on {side}");
        }
        assert!(rows(4, 2, 1).is_same(28) && !rows(4, 2, 1).is_same(7) && rows(3, 1, 1).is_same(7));
        assert_eq!([Window::same(4, 2).side(7), rows(3, 2, 1).side(4), rows(4, 1, 0).side(1)], [14, 7, 4]);
    }
}
