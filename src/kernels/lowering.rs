//! Convolutions as matrix products: the linear maps between the two sides of a [`ConvShape`], without bias.
//!
//! `unfold` (im2col) writes the numbers under each position of the window as a row of a matrix; `fold_add` (col2im) is
//! its adjoint. With them a convolution, its adjoint and its weight gradient are one product each, worked out for a
//! group of images at a time so that the matrix stays in the cache.
//!
//! At stride 1 the padding is the same on all sides, so a convolution is also the adjoint of the convolution by the
//! weight turned by 180 degrees with its channels exchanged. The matrix can thus be made on either side: it is made on
//! the side with fewer channels, where it is smaller. A convolution from 32 channels to 1 would otherwise be a product
//! with a single column.

use std::ops::Range;

use super::conv::{ConvShape, WINDOW};
use super::product::{Matrix, Store, matmul};
use super::scratch::with_scratch;

/// Numbers in the matrix of a group of images: 512 KiB, half of a common second-level cache.
const GROUP: usize = 128 * 1024;

/// small = or += convolution of large: (batch, height, width, inputs) to (batch, out height, out width, outputs).
pub(super) fn gather(shape: ConvShape, weight: &[f32], large: &[f32], store: Store, small: &mut [f32]) {
    // Folding costs more than unfolding, so it has to save half of the matrix.
    if shape.stride == 1 && 2 * shape.outputs <= shape.inputs {
        with_turned(shape, weight, |turned| by_folding(exchanged(shape), turned, large, store, small));
    } else {
        by_unfolding(shape, weight, large, store, small);
    }
}

/// large = or += adjoint of the convolution, applied to small; the other way round than [`gather`].
pub(super) fn scatter(shape: ConvShape, weight: &[f32], small: &[f32], store: Store, large: &mut [f32]) {
    if shape.stride == 1 && shape.outputs < 2 * shape.inputs {
        with_turned(shape, weight, |turned| by_unfolding(exchanged(shape), turned, small, store, large));
    } else {
        by_folding(shape, weight, small, store, large);
    }
}

/// dweight += gradient of <convolution of large, small> by the weight (3, 3, inputs, outputs).
pub(super) fn weight_gradient(shape: ConvShape, large: &[f32], small: &[f32], dweight: &mut [f32]) {
    if shape.stride == 1 && shape.outputs < shape.inputs {
        with_scratch(dweight.len(), |turned| {
            turned.fill(0.0);
            weight_gradient_by_unfolding(exchanged(shape), small, large, turned);
            turn(exchanged(shape), turned, |to, value| dweight[to] += value);
        });
    } else {
        weight_gradient_by_unfolding(shape, large, small, dweight);
    }
}

/// The same convolution seen from its other side; for stride 1, where both sides have the same pixels.
fn exchanged(shape: ConvShape) -> ConvShape {
    ConvShape { inputs: shape.outputs, outputs: shape.inputs, ..shape }
}

/// Calls `work` with `weight` turned by 180 degrees and its channels exchanged: (3, 3, outputs, inputs).
fn with_turned(shape: ConvShape, weight: &[f32], work: impl FnOnce(&[f32])) {
    with_scratch(weight.len(), |turned| {
        turn(shape, weight, |to, value| turned[to] = value);
        work(turned);
    });
}

/// Calls `put` with each number of `weight` (3, 3, inputs, outputs) and its place in the turned weight.
fn turn(shape: ConvShape, weight: &[f32], mut put: impl FnMut(usize, f32)) {
    let ConvShape { inputs, outputs, .. } = shape;
    for (tap, channels) in weight.chunks_exact(inputs * outputs).enumerate() {
        let first = (WINDOW * WINDOW - 1 - tap) * inputs * outputs;
        for (input, row) in channels.chunks_exact(outputs).enumerate() {
            for (output, &value) in row.iter().enumerate() {
                put(first + output * inputs + input, value);
            }
        }
    }
}

fn by_unfolding(shape: ConvShape, weight: &[f32], large: &[f32], store: Store, small: &mut [f32]) {
    let weight = Matrix::new(weight, shape.window(), shape.outputs);
    let group = images_per_group(shape);
    let (large, small) = (large.chunks(group * shape.large_image()), small.chunks_mut(group * shape.small_image()));
    with_windows(shape, |windows| {
        for (large, small) in large.zip(small) {
            matmul(unfold(shape, large, windows), weight, store, small);
        }
    });
}

fn by_folding(shape: ConvShape, weight: &[f32], small: &[f32], store: Store, large: &mut [f32]) {
    let weight = Matrix::new(weight, shape.window(), shape.outputs).transposed();
    let group = images_per_group(shape);
    let (small, large) = (small.chunks(group * shape.small_image()), large.chunks_mut(group * shape.large_image()));
    with_windows(shape, |windows| {
        for (small, large) in small.zip(large) {
            let rows = small.len() / shape.outputs;
            let windows = &mut windows[..rows * shape.window()];
            matmul(Matrix::new(small, rows, shape.outputs), weight, Store::Replace, windows);
            if store == Store::Replace {
                large.fill(0.0);
            }
            fold_add(shape, windows, large);
        }
    });
}

fn weight_gradient_by_unfolding(shape: ConvShape, large: &[f32], small: &[f32], dweight: &mut [f32]) {
    let group = images_per_group(shape);
    let (large, small) = (large.chunks(group * shape.large_image()), small.chunks(group * shape.small_image()));
    with_windows(shape, |windows| {
        for (large, small) in large.zip(small) {
            let small = Matrix::new(small, small.len() / shape.outputs, shape.outputs);
            matmul(unfold(shape, large, windows).transposed(), small, Store::Add, dweight);
        }
    });
}

/// How many images' windows are worked on at once. It depends on the shape alone, and so does the order of additions.
fn images_per_group(shape: ConvShape) -> usize {
    (GROUP / (shape.small_pixels() * shape.window())).clamp(1, shape.batch.max(1))
}

/// Calls `work` with room for the windows of a group of images.
fn with_windows(shape: ConvShape, work: impl FnOnce(&mut [f32])) {
    with_scratch(images_per_group(shape) * shape.small_pixels() * shape.window(), work);
}

/// Writes the windows of whole images, (images · out height · out width, 3 · 3 · inputs); zeros in the padding.
fn unfold<'a>(shape: ConvShape, large: &[f32], windows: &'a mut [f32]) -> Matrix<'a> {
    let rows = large.len() / shape.large_image() * shape.small_pixels();
    let windows = &mut windows[..rows * shape.window()];
    let images = large.chunks_exact(shape.large_image());
    for (image, windows) in images.zip(windows.chunks_exact_mut(shape.small_pixels() * shape.window())) {
        let write = |row: WindowRow| {
            let target = &mut windows[row.in_windows];
            if target.len() == row.in_image.len() {
                target.copy_from_slice(&image[row.in_image]);
            } else {
                target.fill(0.0);
                target[row.offset..][..row.in_image.len()].copy_from_slice(&image[row.in_image]);
            }
        };
        for_each_window_row(shape, write);
    }
    Matrix::new(windows, rows, shape.window())
}

/// Adds windows, as [`unfold`] writes them, to the pixels they lie over.
fn fold_add(shape: ConvShape, windows: &[f32], large: &mut [f32]) {
    let images = large.chunks_exact_mut(shape.large_image());
    for (image, windows) in images.zip(windows.chunks_exact(shape.small_pixels() * shape.window())) {
        let add = |row: WindowRow| {
            let values = &windows[row.in_windows][row.offset..];
            for (pixel, value) in image[row.in_image].iter_mut().zip(values) {
                *pixel += value;
            }
        };
        for_each_window_row(shape, add);
    }
}

/// One row of one window: 3 pixels, all their channels.
struct WindowRow {
    /// Its place among the windows of an image.
    in_windows: Range<usize>,
    /// The part of the image it lies over; empty where it lies in the padding.
    in_image: Range<usize>,
    /// How far into the row that part begins.
    offset: usize,
}

/// Calls `visit` with every row of every window of an image, in the order of their places among the windows.
#[inline(always)]
fn for_each_window_row(shape: ConvShape, visit: impl FnMut(WindowRow)) {
    // A constant makes the rows of a grey image so short that the compiler copies them without a call.
    match shape.inputs {
        1 => for_each_window_row_of(shape, 1, visit),
        channels => for_each_window_row_of(shape, channels, visit),
    }
}

#[inline(always)]
fn for_each_window_row_of(shape: ConvShape, channels: usize, mut visit: impl FnMut(WindowRow)) {
    let (pad_top, pad_left) = (shape.pad_top(), shape.pad_left());
    let length = WINDOW * channels;
    let mut start = 0;
    for out_row in 0..shape.out_height() {
        let vertical = overlap(out_row, shape.stride, pad_top, shape.height);
        for out_column in 0..shape.out_width() {
            let horizontal = overlap(out_column, shape.stride, pad_left, shape.width);
            for tap in 0..WINDOW {
                let in_windows = start..start + length;
                start += length;
                if !vertical.taps.contains(&tap) {
                    visit(WindowRow { in_windows, in_image: 0..0, offset: 0 });
                    continue;
                }
                let row = vertical.pixel + tap - vertical.taps.start;
                let first = (row * shape.width + horizontal.pixel) * channels;
                // The usual case by itself: its length is a constant where `channels` is one.
                if horizontal.taps.len() == WINDOW {
                    visit(WindowRow { in_windows, in_image: first..first + length, offset: 0 });
                } else {
                    let in_image = first..first + horizontal.taps.len() * channels;
                    visit(WindowRow { in_windows, in_image, offset: horizontal.taps.start * channels });
                }
            }
        }
    }
}

/// Where a window meets the pixels of an image in one direction.
struct Overlap {
    /// The taps of the window that lie on the image.
    taps: Range<usize>,
    /// The pixel under the first of them.
    pixel: usize,
}

/// The overlap of the window at `position` with an image of `size` pixels after `padding` pixels of zeros. With "SAME"
/// padding every window meets the image.
#[inline(always)]
fn overlap(position: usize, stride: usize, padding: usize, size: usize) -> Overlap {
    let start = position * stride;
    let first = padding.saturating_sub(start);
    let last = WINDOW.min(size + padding - start);
    Overlap { taps: first..last, pixel: start + first - padding }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::oracle::{assert_close, numbers, wide};
    use proptest::prelude::*;

    proptest! {
        /// Which route an operation takes depends on the channels; every route has to give the same result.
        #[test]
        fn both_routes_agree(
            batch in 1..4usize, height in 1..12usize, width in 1..12usize,
            inputs in 1..12usize, outputs in 1..12usize, seed: u64,
        ) {
            let shape = ConvShape { batch, height, width, inputs, outputs, stride: 1 };
            let large = numbers(seed, batch * shape.large_image());
            let small = numbers(seed ^ 1, batch * shape.small_image());
            let weight = numbers(seed ^ 2, shape.window() * outputs);
            with_turned(shape, &weight, |turned| {
                let [mut unfolded, mut folded] = [small.clone(), small.clone()];
                by_unfolding(shape, &weight, &large, Store::Add, &mut unfolded);
                by_folding(exchanged(shape), turned, &large, Store::Add, &mut folded);
                assert_close("gather", &folded, &wide(&unfolded));

                let [mut unfolded, mut folded] = [large.clone(), large.clone()];
                by_folding(shape, &weight, &small, Store::Add, &mut folded);
                by_unfolding(exchanged(shape), turned, &small, Store::Add, &mut unfolded);
                assert_close("scatter", &folded, &wide(&unfolded));
            });
        }

        #[test]
        fn turning_twice_changes_nothing(inputs in 1..12usize, outputs in 1..12usize, seed: u64) {
            let shape = ConvShape { batch: 1, height: 1, width: 1, inputs, outputs, stride: 1 };
            let weight = numbers(seed, shape.window() * outputs);
            with_turned(shape, &weight, |once| {
                with_turned(exchanged(shape), once, |twice| assert_eq!(twice, weight));
            });
        }
    }
}
