//! Convolutions as matrix products: the linear maps between the two sides of a [`ConvShape`].
//!
//! An image is copied once into a larger array with a border of zeros. There each row of any window is a run of
//! consecutive numbers, which a product reads in place: no matrix of windows (im2col) is built. The adjoint is
//! read the same way: the pixels of the larger side whose rows and columns have the same remainders modulo the stride
//! meet the same taps, and each of these classes is one product.
//!
//! A result with very few channels would leave most of a vector empty. In that case the matrix of windows is computed by
//! products and summed; or, at stride 1, the gradient is computed for the same convolution seen from its other side,
//! with the weight rotated by 180 degrees and its channels exchanged.
//!
//! If [`winograd`](super::winograd) is faster, it is used instead.

use super::activation::finish;
use super::conv_shape::{ConvShape, Side, transpose_taps};
use super::product::{Product, Segment, Start, multiples};
use super::scratch::with_scratch;
use super::winograd::Filtering;
use crate::simd::WIDEST;
use crate::tensor::dims::Window;

/// Results with at most this many channels are computed by summing windows.
const FEW: usize = 4;

/// small = start + convolution of large; with `relu`, negative results become 0. Maps (batch, height, width, inputs) to
/// (batch, out height, out width, outputs).
pub(super) fn gather(shape: ConvShape, weight: &[f32], large: &[f32], start: Start, relu: bool, small: &mut [f32]) {
    if let Some(filtering) = Filtering::fitting(shape) {
        filtering.gather(weight, large, start, relu, small);
    } else if shape.window.stride == 1 && shape.is_same_3x3() && shape.outputs <= FEW && shape.outputs < shape.inputs {
        by_windows(shape, weight, large, start, relu, small);
    } else {
        by_gathering(shape, weight, large, start, relu, small);
    }
}

/// large = start + adjoint of the convolution, applied to small; the opposite direction of [`gather`].
pub(super) fn scatter(shape: ConvShape, weight: &[f32], small: &[f32], start: Start, relu: bool, large: &mut [f32]) {
    // At stride 2, filtering would have to add overlapping tiles before bias and ReLU; this extra pass costs as much as
    // filtering saves.
    let exchangeable = shape.window.stride == 1 && shape.is_same_3x3();
    if exchangeable && (shape.inputs <= FEW || Filtering::fitting(shape).is_some()) {
        with_turned(shape, weight, |turned| gather(exchanged(shape), turned, small, start, relu, large));
    } else if shape.inputs <= FEW && shape.inputs < shape.outputs && shape.window.kernel != 3 {
        // 3x3 windows keep the bits that they always had.
        by_adding(shape, weight, small, start, relu, large);
    } else {
        by_scattering(shape, weight, small, start, relu, large);
    }
}

/// dweight += gradient of <convolution of large, small> with respect to the weight (kernel, kernel, inputs,
/// outputs). The
/// gradient with respect to one side goes to `by_side`.
pub(super) fn gradients(
    shape: ConvShape,
    weight: &[f32],
    large: &[f32],
    small: &[f32],
    by_side: Option<Side>,
    dweight: &mut [f32],
) {
    if let Some(filtering) = Filtering::fitting(shape) {
        return filtering.gradients(weight, large, small, by_side, dweight);
    }
    if shape.window.stride == 1 && shape.is_same_3x3() && shape.outputs < shape.inputs && shape.outputs <= FEW {
        with_scratch(dweight.len(), |turned| {
            turned.fill(0.0);
            weight_gradient(exchanged(shape), small, large, turned);
            turn(exchanged(shape), turned, |to, value| dweight[to] += value);
        });
    } else {
        weight_gradient(shape, large, small, dweight);
    }
    match by_side {
        None => {}
        Some(Side::Large(sum, dlarge)) => scatter(shape, weight, small, sum.start(), false, dlarge),
        Some(Side::Small(sum, dsmall)) => gather(shape, weight, large, sum.start(), false, dsmall),
    }
}

/// The same convolution seen from its other side; only for 3x3 windows, SAME padding and stride 1: both sides have the same
/// pixels, and as many rows of zeros before them as after them.
fn exchanged(shape: ConvShape) -> ConvShape {
    ConvShape { inputs: shape.outputs, outputs: shape.inputs, ..shape }
}

/// Calls `work` with `weight` rotated by 180 degrees and its channels exchanged: (kernel, kernel, outputs, inputs).
fn with_turned(shape: ConvShape, weight: &[f32], work: impl FnOnce(&[f32])) {
    with_scratch(weight.len(), |turned| {
        turn(shape, weight, |to, value| turned[to] = value);
        work(turned);
    });
}

/// Calls `put` with each number of `weight` (kernel, kernel, inputs, outputs) and its index in the rotated weight.
fn turn(shape: ConvShape, weight: &[f32], mut put: impl FnMut(usize, f32)) {
    let ConvShape { inputs, outputs, .. } = shape;
    for (tap, channels) in weight.chunks_exact(inputs * outputs).enumerate() {
        let first = (shape.taps() - 1 - tap) * inputs * outputs;
        for (input, row) in channels.chunks_exact(outputs).enumerate() {
            for (output, &value) in row.iter().enumerate() {
                put(first + output * inputs + input, value);
            }
        }
    }
}

/// Copies an image (height, width, channels) into a larger one, below and to the right of `before` rows and columns.
/// Pixels that do not fit are skipped: a window need not reach the last pixels. The border is not written: it is
/// cleared once for many images.
fn place(
    [height, width]: [usize; 2],
    channels: usize,
    image: &[f32],
    [above, left]: [usize; 2],
    padded_width: usize,
    padded: &mut [f32],
) {
    let length = width.min(padded_width - left) * channels;
    let rows = padded.chunks_exact_mut(padded_width * channels).skip(above);
    for (row, padded) in image.chunks_exact(width * channels).zip(rows).take(height) {
        padded[left * channels..][..length].copy_from_slice(&row[..length]);
    }
}

/// The padded larger image of a convolution, which contains all windows.
struct Border {
    sides: [usize; 2],
    before: [usize; 2],
}

impl Border {
    fn of(shape: ConvShape) -> Border {
        let side = |out: usize| (out - 1) * shape.window.stride + shape.window.kernel;
        Border {
            sides: [side(shape.out_height()), side(shape.out_width())],
            before: [shape.pad_top(), shape.pad_left()],
        }
    }

    /// Calls `work` with each padded image in turn.
    fn each(&self, shape: ConvShape, large: &[f32], mut work: impl FnMut(&[f32])) {
        let length = self.sides[0] * self.sides[1] * shape.inputs;
        with_scratch(length, |padded| {
            padded.fill(0.0);
            for image in large.chunks_exact(shape.large_image()) {
                place(shape.large_sides(), shape.inputs, image, self.before, self.sides[1], padded);
                work(padded);
            }
        });
    }
}

fn by_gathering(shape: ConvShape, weight: &[f32], large: &[f32], start: Start, relu: bool, small: &mut [f32]) {
    let border = Border::of(shape);
    let row = border.sides[1] * shape.inputs;
    let pixels = (0..shape.out_height()).flat_map(|y| (0..shape.out_width()).map(move |x| (y, x)));
    let rows: Vec<usize> = pixels.map(|(y, x)| shape.window.stride * (y * row + x * shape.inputs)).collect();
    let places = multiples(rows.len(), shape.outputs);
    let segments: Vec<Segment> = (0..shape.window.kernel)
        .map(|tap| Segment { start: tap * row, length: shape.window.kernel * shape.inputs, step: 1 })
        .collect();
    let mut results = small.chunks_exact_mut(shape.small_image());
    border.each(shape, large, |padded| {
        let product = Product {
            left: padded,
            rows: &rows,
            segments: &segments,
            right: weight,
            right_stride: shape.outputs,
            columns: shape.outputs,
            places: &places,
            start,
            relu,
        };
        if let Some(result) = results.next() {
            product.put_into(result);
        }
    });
}

fn weight_gradient(shape: ConvShape, large: &[f32], small: &[f32], dweight: &mut [f32]) {
    let border = Border::of(shape);
    let row = border.sides[1] * shape.inputs;
    let length = shape.window.kernel * shape.inputs;
    let rows: Vec<usize> = (0..shape.window.kernel).flat_map(|tap| tap * row..tap * row + length).collect();
    let places = multiples(rows.len(), shape.outputs);
    let segments: Vec<Segment> = (0..shape.out_height())
        .map(|y| Segment {
            start: y * shape.window.stride * row,
            length: shape.out_width(),
            step: shape.window.stride * shape.inputs,
        })
        .collect();
    let mut images = small.chunks_exact(shape.small_image());
    border.each(shape, large, |padded| {
        let Some(image) = images.next() else { return };
        let product = Product {
            left: padded,
            rows: &rows,
            segments: &segments,
            right: image,
            right_stride: shape.outputs,
            columns: shape.outputs,
            places: &places,
            start: Start::Result,
            relu: false,
        };
        product.put_into(dweight);
    });
}

/// In one direction, the pixels of the larger side with the same remainder modulo the stride.
struct Class {
    /// The taps that meet these pixels, last tap first, so that the pixels of the smaller side are in ascending order.
    taps: Vec<usize>,
    /// Each pixel, and the first pixel of the smaller side that it meets, as an index into the padded image.
    pixels: Vec<(usize, usize)>,
}

/// Pixels of padding before the smaller side in one direction: as many as a window reaches beyond the first pixel.
fn reach(Window { kernel, stride, .. }: Window) -> usize {
    (kernel - 1) / stride
}

/// The classes of one direction, by remainder.
fn classes(size: usize, padding: usize, window: Window) -> Vec<Class> {
    let Window { kernel, stride, .. } = window;
    let class = |remainder: usize| {
        let taps: Vec<usize> = (remainder..kernel).step_by(stride).rev().collect();
        // Pixel p meets pixel (p + padding - tap) / stride of the smaller side.
        let pixels = (0..size)
            .filter(|pixel| (pixel + padding) % stride == remainder)
            .map(|pixel| {
                let last = (pixel + padding) / stride + reach(window);
                (pixel, last - taps.len().saturating_sub(1))
            })
            .collect();
        Class { taps, pixels }
    };
    (0..stride).map(class).collect()
}

fn by_scattering(shape: ConvShape, weight: &[f32], small: &[f32], start: Start, relu: bool, large: &mut [f32]) {
    let ConvShape { height, width, inputs, outputs, window, .. } = shape;
    let before = reach(window);
    let side = |size: usize, padding: usize| (size - 1 + padding) / window.stride + 1 + before;
    let sides = [side(height, shape.pad_top()), side(width, shape.pad_left())];
    let row = sides[1] * outputs;
    let (rows, columns) = (classes(height, shape.pad_top(), window), classes(width, shape.pad_left(), window));
    let classes: Vec<(&Class, &Class)> =
        rows.iter().flat_map(|row| columns.iter().map(move |column| (row, column))).collect();

    with_scratch(weight.len(), |taps| {
        // The taps of each class, one after the other: (taps, outputs, inputs).
        with_scratch(weight.len(), |transposed| {
            transpose_taps([inputs, outputs], weight, transposed);
            let tap = |row: usize, column: usize| {
                &transposed[(row * window.kernel + column) * inputs * outputs..][..inputs * outputs]
            };
            let order = classes.iter().flat_map(|(rows, columns)| {
                rows.taps.iter().flat_map(|&row| columns.taps.iter().map(move |&column| (row, column)))
            });
            for (target, (row, column)) in taps.chunks_exact_mut(inputs * outputs).zip(order) {
                target.copy_from_slice(tap(row, column));
            }
        });

        with_scratch(sides[0] * sides[1] * outputs, |padded| {
            padded.fill(0.0);
            for (image, large) in
                small.chunks_exact(shape.small_image()).zip(large.chunks_exact_mut(shape.large_image()))
            {
                place(shape.small_sides(), outputs, image, [before, before], sides[1], padded);
                let mut right = &taps[..];
                for (rows, columns) in &classes {
                    let (taps, rest) = right.split_at(rows.taps.len() * columns.taps.len() * inputs * outputs);
                    right = rest;
                    let pixels =
                        || rows.pixels.iter().flat_map(|&row| columns.pixels.iter().map(move |&column| (row, column)));
                    let lefts: Vec<usize> = pixels().map(|((_, y), (_, x))| y * row + x * outputs).collect();
                    let places: Vec<usize> = pixels().map(|((y, _), (x, _))| (y * width + x) * inputs).collect();
                    let segments: Vec<Segment> = (0..rows.taps.len())
                        .map(|y| Segment { start: y * row, length: columns.taps.len() * outputs, step: 1 })
                        .collect();
                    let product = Product {
                        left: padded,
                        rows: &lefts,
                        segments: &segments,
                        right: taps,
                        right_stride: inputs,
                        columns: inputs,
                        places: &places,
                        start,
                        relu,
                    };
                    product.put_into(large);
                }
            }
        });
    });
}

/// [`scatter`] to few channels: a product maps each pixel of the smaller side to its window, and the windows are added.
fn by_adding(shape: ConvShape, weight: &[f32], small: &[f32], start: Start, relu: bool, large: &mut [f32]) {
    let ConvShape { height, width, inputs, outputs, window: Window { kernel, stride, .. }, .. } = shape;
    // Padded to whole vectors.
    let window = shape.window().next_multiple_of(WIDEST);
    let pixels = shape.small_pixels();
    let (rows, places) = (multiples(pixels, outputs), multiples(pixels, window));
    // The windows need not reach the last pixels.
    let Border { sides, before } = Border::of(shape);
    let sides = [sides[0].max(before[0] + height), sides[1].max(before[1] + width)];
    let row = sides[1] * inputs;
    with_scratch(outputs * window, |right| {
        right.fill(0.0);
        for (number, channels) in weight.chunks_exact(outputs).enumerate() {
            channels.iter().zip(right[number..].iter_mut().step_by(window)).for_each(|(value, right)| *right = *value);
        }
        with_scratch(pixels * window, |windows| {
            with_scratch(sides[0] * row, |sums| {
                let images = small.chunks_exact(shape.small_image());
                for (image, large) in images.zip(large.chunks_exact_mut(shape.large_image())) {
                    let product = Product {
                        left: image,
                        rows: &rows,
                        segments: &[Segment { start: 0, length: outputs, step: 1 }],
                        right,
                        right_stride: window,
                        columns: window,
                        places: &places,
                        start: Start::Zero,
                        relu: false,
                    };
                    product.put_into(windows);
                    sums.fill(0.0);
                    for (pixel, window) in windows.chunks_exact(window).enumerate() {
                        let (y, x) = (pixel / shape.out_width(), pixel % shape.out_width());
                        let first = stride * (y * row + x * inputs);
                        for (tap, taps) in window.chunks_exact(kernel * inputs).take(kernel).enumerate() {
                            let sums = &mut sums[first + tap * row..][..kernel * inputs];
                            sums.iter_mut().zip(taps).for_each(|(sum, value)| *sum += value);
                        }
                    }
                    for (y, large) in large.chunks_exact_mut(width * inputs).enumerate() {
                        let sums = &sums[(before[0] + y) * row + before[1] * inputs..][..width * inputs];
                        finish(sums, start, relu, large);
                    }
                }
            });
        });
    });
}

/// [`gather`] to few channels, for 3x3 windows, SAME padding and stride 1: a product maps each pixel of the larger side to the windows that contain it,
/// and these are summed.
fn by_windows(shape: ConvShape, weight: &[f32], large: &[f32], start: Start, relu: bool, small: &mut [f32]) {
    let exchanged = exchanged(shape);
    // Padded to whole vectors.
    let (window, pixels) = (exchanged.window().next_multiple_of(WIDEST), shape.small_pixels());
    let rows = multiples(pixels, shape.inputs);
    // The windows, on a grid with a border of zeros.
    let grid = [shape.height + 2, shape.width + 2];
    let places: Vec<usize> =
        (0..pixels).map(|pixel| ((pixel / shape.width + 1) * grid[1] + pixel % shape.width + 1) * window).collect();
    with_scratch(shape.inputs * window, |right| {
        // (inputs, 9 taps of the exchanged convolution, outputs)
        right.fill(0.0);
        for (tap, channels) in weight.chunks_exact(shape.inputs * shape.outputs).rev().enumerate() {
            for (input, channels) in channels.chunks_exact(shape.outputs).enumerate() {
                right[input * window + tap * shape.outputs..][..shape.outputs].copy_from_slice(channels);
            }
        }
        with_scratch(grid[0] * grid[1] * window, |windows| {
            windows.fill(0.0);
            let images = large.chunks_exact(shape.large_image());
            for (image, small) in images.zip(small.chunks_exact_mut(shape.small_image())) {
                let product = Product {
                    left: image,
                    rows: &rows,
                    segments: &[Segment { start: 0, length: shape.inputs, step: 1 }],
                    right,
                    right_stride: window,
                    columns: window,
                    places: &places,
                    start: Start::Zero,
                    relu: false,
                };
                product.put_into(windows);
                sum_windows(shape, window, windows, start, relu, small);
            }
        });
    });
}

/// small = start + the sum of the parts of the neighbours' windows that lie on each pixel.
fn sum_windows(shape: ConvShape, window: usize, windows: &[f32], start: Start, relu: bool, small: &mut [f32]) {
    let ConvShape { width, outputs, .. } = shape;
    let row = (width + 2) * window;
    // From the window of the upper left neighbour, where the pixel is the last tap, to that of the lower right
    // neighbour.
    let places: [usize; 9] =
        std::array::from_fn(|neighbour| neighbour / 3 * row + neighbour % 3 * window + (8 - neighbour) * outputs);
    let reach = places[8] + outputs;
    with_scratch(width * outputs, |sums| {
        for (y, small) in small.chunks_exact_mut(width * outputs).enumerate() {
            for (x, sums) in sums.chunks_exact_mut(outputs).enumerate() {
                let around = &windows[y * row + x * window..][..reach];
                for (output, sum) in sums.iter_mut().enumerate() {
                    *sum = places.iter().map(|place| around[place + output]).sum();
                }
            }
            finish(sums, start, relu, small);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::dims::Padding;
    use crate::tensor::kernels::oracle::{assert_close, numbers, wide};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ways_to_scatter_agree(
            batch in 1..4usize, height in 7..15usize, width in 7..15usize, inputs in 1..6usize, outputs in 1..12usize,
            kernel in 1..8usize, stride in 1..3usize, rows in 0..8usize, relu: bool, seed: u64,
        ) {
            let padding = if rows < kernel { Padding::Rows(rows) } else { Padding::Same };
            let shape = ConvShape { batch, height, width, inputs, outputs, window: Window { kernel, stride, padding } };
            let small = numbers(seed, batch * shape.small_image());
            let weight = numbers(seed ^ 1, shape.window() * outputs);
            let [mut added, mut scattered] = [numbers(seed ^ 2, batch * shape.large_image()), Vec::new()];
            scattered.clone_from(&added);
            by_adding(shape, &weight, &small, Start::Result, relu, &mut added);
            by_scattering(shape, &weight, &small, Start::Result, relu, &mut scattered);
            assert_close("sum of windows", &added, &wide(&scattered));
        }

        /// The shape decides which algorithm is used; all algorithms must give the same result.
        #[test]
        fn ways_agree(
            batch in 1..4usize, height in 1..12usize, width in 1..12usize,
            inputs in 1..12usize, outputs in 1..12usize, relu: bool, seed: u64,
        ) {
            let shape = ConvShape { batch, height, width, inputs, outputs, window: Window::same(3, 1) };
            let large = numbers(seed, batch * shape.large_image());
            let small = numbers(seed ^ 1, batch * shape.small_image());
            let weight = numbers(seed ^ 2, shape.window() * outputs);
            let [mut gathered, mut summed] = [small.clone(), small.clone()];
            by_gathering(shape, &weight, &large, Start::Result, relu, &mut gathered);
            by_windows(shape, &weight, &large, Start::Result, relu, &mut summed);
            assert_close("windows", &summed, &wide(&gathered));

            with_turned(shape, &weight, |turned| {
                let [mut gathered, mut scattered] = [large.clone(), large.clone()];
                by_gathering(exchanged(shape), turned, &small, Start::Result, relu, &mut gathered);
                by_scattering(shape, &weight, &small, Start::Result, relu, &mut scattered);
                assert_close("scatter", &scattered, &wide(&gathered));
            });
        }

        #[test]
        fn turning_twice_changes_nothing(inputs in 1..12usize, outputs in 1..12usize, seed: u64) {
            let shape = ConvShape { batch: 1, height: 1, width: 1, inputs, outputs, window: Window::same(3, 1) };
            let weight = numbers(seed, shape.window() * outputs);
            with_turned(shape, &weight, |once| {
                with_turned(exchanged(shape), once, |twice| assert_eq!(twice, weight));
            });
        }

        #[test]
        fn transposing_twice_changes_nothing(inputs in 1..40usize, outputs in 1..40usize, seed: u64) {
            let weight = numbers(seed, 9 * inputs * outputs);
            let [mut once, mut twice] = [weight.clone(), weight.clone()];
            transpose_taps([inputs, outputs], &weight, &mut once);
            transpose_taps([outputs, inputs], &once, &mut twice);
            assert_eq!(twice, weight);
            assert_eq!(once[(8 * outputs + outputs - 1) * inputs], weight[8 * inputs * outputs + outputs - 1]);
        }
    }
}
