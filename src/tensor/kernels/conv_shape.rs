//! The shape of a convolution, and what all its kernels share.

use super::{Accumulate, assert_length};

/// Height and width of the window of weights.
pub(super) const WINDOW: usize = 3;

/// The shape of a convolution, or of the convolution a transposed convolution is the adjoint of. Each number is at
/// least 1, but for `batch`, which may be 0.
#[derive(Clone, Copy, Debug)]
pub struct ConvShape {
    /// Images worked on at once.
    pub batch: usize,
    /// Height in pixels on the larger side: what a convolution reads, what its adjoint writes.
    pub height: usize,
    /// Width in pixels on the larger side.
    pub width: usize,
    /// Channels on the larger side.
    pub inputs: usize,
    /// Channels on the smaller side: what a convolution writes, what its adjoint reads.
    pub outputs: usize,
    /// Pixels the window moves between neighbouring outputs, in both directions.
    pub stride: usize,
}

impl ConvShape {
    /// Height in pixels on the smaller side: height / stride, rounded up.
    #[must_use]
    pub fn out_height(&self) -> usize {
        self.height.div_ceil(self.stride)
    }

    /// Width in pixels on the smaller side: width / stride, rounded up.
    #[must_use]
    pub fn out_width(&self) -> usize {
        self.width.div_ceil(self.stride)
    }

    /// Pixels of zeros above the image. Of an odd number of padding pixels, the extra one goes below.
    pub(super) fn pad_top(&self) -> usize {
        padding_before(self.height, self.out_height(), self.stride)
    }

    /// Pixels of zeros to the left of the image.
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

/// TensorFlow's "SAME" rule for one direction: `max((out - 1) * stride + 3 - size, 0)` in all, half of it, rounded
/// down, before.
fn padding_before(size: usize, out: usize, stride: usize) -> usize {
    ((out - 1) * stride + WINDOW).saturating_sub(size) / 2
}

/// A side of a convolution, and where the gradient by it goes.
pub(super) enum Side<'a> {
    Large(Accumulate, &'a mut [f32]),
    Small(Accumulate, &'a mut [f32]),
}

/// The weight (3, 3, inputs, outputs) with its channels exchanged: (3, 3, outputs, inputs).
pub(super) fn transpose_taps([inputs, outputs]: [usize; 2], weight: &[f32], transposed: &mut [f32]) {
    /// Outputs worked on at once, so that what is written stays in the cache.
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
