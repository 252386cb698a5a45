//! The shape of a convolution, and what all its kernels share.

use super::{Accumulate, assert_length};

/// Height and width of the window of weights.
pub(super) const WINDOW: usize = 3;

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
    /// Pixels between neighbouring windows, in both directions.
    pub stride: usize,
}

impl ConvShape {
    /// Height in pixels of the smaller side: height / stride, rounded up.
    #[must_use]
    pub fn out_height(&self) -> usize {
        self.height.div_ceil(self.stride)
    }

    /// Width in pixels of the smaller side: width / stride, rounded up.
    #[must_use]
    pub fn out_width(&self) -> usize {
        self.width.div_ceil(self.stride)
    }

    /// Rows of zeros above the image. If the number of padding rows is odd, the extra one is below.
    pub(super) fn pad_top(&self) -> usize {
        padding_before(self.height, self.out_height(), self.stride)
    }

    /// Columns of zeros to the left of the image.
    pub(super) fn pad_left(&self) -> usize {
        padding_before(self.width, self.out_width(), self.stride)
    }

    /// Pixels of an image on the smaller side.
    pub(super) fn small_pixels(&self) -> usize {
        self.out_height() * self.out_width()
    }

    /// Height and width of the larger side.
    pub(super) fn large_sides(&self) -> [usize; 2] {
        [self.height, self.width]
    }

    /// Height and width of the smaller side.
    pub(super) fn small_sides(&self) -> [usize; 2] {
        [self.out_height(), self.out_width()]
    }

    /// Numbers in an image on the larger side.
    pub(super) fn large_image(&self) -> usize {
        self.height * self.width * self.inputs
    }

    /// Numbers in an image on the smaller side.
    pub(super) fn small_image(&self) -> usize {
        self.small_pixels() * self.outputs
    }

    /// Numbers under a window: its pixels times the channels of the larger side.
    pub(super) fn window(&self) -> usize {
        WINDOW * WINDOW * self.inputs
    }

    #[track_caller]
    pub(super) fn check(&self, [large_name, small_name]: [&str; 2], large: &[f32], small: &[f32], weight: &[f32]) {
        let sides = [self.height, self.width, self.inputs, self.outputs, self.stride];
        assert!(sides.iter().all(|&side| side > 0), "a side of {self:?} is 0");
        assert_length(large_name, large, self.batch * self.large_image());
        assert_length(small_name, small, self.batch * self.small_image());
        assert_length("weight", weight, self.window() * self.outputs);
    }
}

/// TensorFlow's "SAME" rule for one direction: `max((out - 1) * stride + 3 - size, 0)` in total, half of it, rounded
/// down, before the image.
fn padding_before(size: usize, out: usize, stride: usize) -> usize {
    ((out - 1) * stride + WINDOW).saturating_sub(size) / 2
}

/// A side of a convolution, and the buffer of the gradient with respect to it.
pub(super) enum Side<'a> {
    Large(Accumulate, &'a mut [f32]),
    Small(Accumulate, &'a mut [f32]),
}

/// Transposes the channels of the weight: (3, 3, inputs, outputs) to (3, 3, outputs, inputs).
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
