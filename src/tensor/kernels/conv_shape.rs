//! The shape of a convolution, and what all its kernels share.

use super::{Accumulate, assert_length};
use crate::tensor::dims::Window;

/// The shape of a convolution, or of the convolution whose adjoint a transposed convolution is. Each number is at least
/// 1, except `batch`, which may be 0.
#[derive(Clone, Copy, Debug)]
pub struct ConvShape {
    /// Images in the arrays.
    pub batch: usize,
    /// Height in pixels of the larger side: the input of a convolution, the output of its adjoint.
    pub height: usize,
    /// Width in pixels of the larger side.
    pub width: usize,
    /// Channels of the larger side.
    pub inputs: usize,
    /// Channels of the smaller side: the output of a convolution, the input of its adjoint.
    pub outputs: usize,
    /// The window of weights, the same in both directions.
    pub window: Window,
}

impl ConvShape {
    /// Height in pixels of the smaller side: the number of windows in a column.
    #[must_use]
    pub fn out_height(&self) -> usize {
        self.window.count(self.height)
    }

    /// Width in pixels of the smaller side: the number of windows in a row.
    #[must_use]
    pub fn out_width(&self) -> usize {
        self.window.count(self.width)
    }

    /// Rows of zeros above the image.
    pub(crate) fn pad_top(&self) -> usize {
        self.window.before(self.height)
    }

    /// Columns of zeros to the left of the image.
    pub(crate) fn pad_left(&self) -> usize {
        self.window.before(self.width)
    }

    /// Whether it has a 3x3 window and SAME padding, for which there are further algorithms.
    pub(super) fn is_same_3x3(&self) -> bool {
        self.window.kernel == 3 && self.window.is_same(self.height) && self.window.is_same(self.width)
    }

    /// The number of taps of the window.
    pub(super) fn taps(&self) -> usize {
        self.window.kernel * self.window.kernel
    }

    /// Pixels of an image on the smaller side.
    pub(crate) fn small_pixels(&self) -> usize {
        self.out_height() * self.out_width()
    }

    /// Height and width of the larger side.
    pub(crate) fn large_sides(&self) -> [usize; 2] {
        [self.height, self.width]
    }

    /// Height and width of the smaller side.
    pub(crate) fn small_sides(&self) -> [usize; 2] {
        [self.out_height(), self.out_width()]
    }

    /// Numbers in an image on the larger side.
    pub(crate) fn large_image(&self) -> usize {
        self.height * self.width * self.inputs
    }

    /// Numbers in an image on the smaller side.
    pub(crate) fn small_image(&self) -> usize {
        self.small_pixels() * self.outputs
    }

    /// Numbers under a window: its pixels times the channels of the larger side.
    pub(crate) fn window(&self) -> usize {
        self.taps() * self.inputs
    }

    #[track_caller]
    pub(super) fn check(&self, [large_name, small_name]: [&str; 2], large: &[f32], small: &[f32], weight: &[f32]) {
        let sides = [self.height, self.width, self.inputs, self.outputs, self.window.kernel, self.window.stride];
        assert!(sides.iter().all(|&side| side > 0), "a side of {self:?} is 0");
        assert!(self.small_pixels() > 0, "the window of {self:?} does not fit");
        assert_length(large_name, large, self.batch * self.large_image());
        assert_length(small_name, small, self.batch * self.small_image());
        assert_length("weight", weight, self.window() * self.outputs);
    }
}

/// A side of a convolution, and the buffer of the gradient with respect to it.
pub(super) enum Side<'a> {
    Large(Accumulate, &'a mut [f32]),
    Small(Accumulate, &'a mut [f32]),
}

/// Transposes the channels of the weight: (kernel, kernel, inputs, outputs) to (kernel, kernel,
/// outputs, inputs).
pub(super) fn transpose_taps([inputs, outputs]: [usize; 2], weight: &[f32], transposed: &mut [f32]) {
    /// Outputs in one block, so that the written part stays in the cache.
    const BLOCK: usize = 16;

    let taps = weight.chunks_exact(inputs * outputs);
    for (tap, transposed) in taps.zip(transposed.chunks_exact_mut(inputs * outputs)) {
        for first in (0..outputs).step_by(BLOCK) {
            let last = outputs.min(first + BLOCK);
            for (input, row) in tap.chunks_exact(outputs).enumerate() {
                for (output, &value) in row[first..last].iter().enumerate() {
                    transposed[(first + output) * inputs + input] = value;
                }
            }
        }
    }
}
