//! Reference implementations of the kernels in `f64`, with loops that follow the definitions, and helpers of their
//! tests.

use proptest::prelude::*;

use super::{Activation, ConvShape, DenseShape};
use crate::tensor::dims::{Padding, Window};

/// `length` numbers between -1 and 1 that depend only on the seed.
pub(crate) fn numbers(seed: u64, length: usize) -> Vec<f32> {
    numbers_between(seed, length, -1.0, 1.0)
}

/// `length` numbers between `from` and `to`, from the generator SplitMix64.
pub(crate) fn numbers_between(seed: u64, length: usize, from: f32, to: f32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x5851_F42D_4C95_7F2D);
    let mut next = || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        from + (to - from) * ((mixed ^ (mixed >> 31)) >> 40) as f32 / (1u64 << 24) as f32
    };
    (0..length).map(|_| next()).collect()
}

/// Numbers of channels or features: mostly few, sometimes more than a block of a matrix product. 1 and whole vectors,
/// which have code of their own, are more frequent than by chance.
pub(crate) fn side() -> impl Strategy<Value = usize> {
    prop_oneof![1 => Just(1), 6 => 1..21usize, 3 => 21..131usize, 2 => (1..9usize).prop_map(|vectors| 16 * vectors)]
}

/// The last result and its input. Most instruction sets agree to the bit, and the oracle is slow.
#[derive(Default)]
pub(crate) struct Remembered<T>(Option<(Vec<f64>, T)>);

impl<T: Clone> Remembered<T> {
    pub(crate) fn get(&mut self, from: &[f64], work: impl FnOnce(&[f64]) -> T) -> T {
        match &self.0 {
            Some((known, result)) if known == from => result.clone(),
            _ => self.0.insert((from.to_vec(), work(from))).1.clone(),
        }
    }
}

pub(crate) fn activations() -> impl Strategy<Value = Activation> {
    proptest::sample::select(Activation::ALL)
}

/// Activations whose derivative is a function of their value.
pub(crate) fn activations_by_value() -> impl Strategy<Value = Activation> {
    activations().prop_filter("by value", |activation| !activation.needs_argument())
}

pub(crate) fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

/// Panics if a number differs by more than 1e-5 of the largest expected number, or of 1 if that is larger: arguments
/// have this magnitude, and so have the errors if a sum nearly cancels.
#[track_caller]
pub(crate) fn assert_close(name: &str, found: &[f32], expected: &[f64]) {
    assert_close_at(1.0, name, found, expected);
}

/// As [`assert_close`], for sums of terms with magnitude `scale` instead of 1.
#[track_caller]
pub(crate) fn assert_close_at(scale: f64, name: &str, found: &[f32], expected: &[f64]) {
    assert_close_to(1e-5, scale, name, found, expected);
}

/// As [`assert_close_at`], with the relative tolerance `tolerance` instead of 1e-5.
#[track_caller]
pub(crate) fn assert_close_to(tolerance: f64, scale: f64, name: &str, found: &[f32], expected: &[f64]) {
    let largest = expected.iter().fold(scale, |largest: f64, value| largest.max(value.abs()));
    assert_within(name, found, expected, |_| tolerance * largest);
}

/// Panics unless each number has a relative error of at most 1e-6 or an absolute error of at most `least`.
#[track_caller]
pub(crate) fn assert_each_close(least: f64, name: &str, found: &[f32], expected: &[f64]) {
    assert_within(name, found, expected, |expected| 1e-6 * expected.abs() + least);
}

#[track_caller]
fn assert_within(name: &str, found: &[f32], expected: &[f64], tolerance: impl Fn(f64) -> f64) {
    assert_eq!(found.len(), expected.len(), "length of {name}");
    for (place, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        let near = (f64::from(found) - expected).abs() <= tolerance(expected);
        assert!(near, "{name}[{place}] is {found:e}, not {expected:e}");
    }
}

/// `before`, the old values, plus the gradients.
pub(crate) fn plus<const N: usize>(before: [&[f32]; N], mut gradients: [Vec<f64>; N]) -> [Vec<f64>; N] {
    for (gradient, before) in gradients.iter_mut().zip(before) {
        assert_eq!(gradient.len(), before.len());
        gradient.iter_mut().zip(wide(before)).for_each(|(gradient, before)| *gradient += before);
    }
    gradients
}

/// Each result times the gradient with respect to it.
pub(crate) fn times_rows(gradient: &[f32], results: &[f64]) -> Vec<f64> {
    assert_eq!(gradient.len(), results.len());
    gradient.iter().zip(results).map(|(&gradient, result)| f64::from(gradient) * result).collect()
}

/// The gradient of the sum of `function`'s results, by central differences. Result r must depend only on the `per_row`
/// arguments of row r, so that one pair of calls handles an argument of every row.
pub(crate) fn gradient_by_differences(at: &[f64], function: impl Fn(&[f64]) -> Vec<f64>, per_row: usize) -> Vec<f64> {
    let step = 1e-5;
    let mut gradient = vec![0.0; at.len()];
    for place in 0..per_row.min(at.len()) {
        let moved = |by: f64| {
            let mut at = at.to_vec();
            at.iter_mut().skip(place).step_by(per_row).for_each(|value| *value += by);
            function(&at)
        };
        let (above, below) = (moved(step), moved(-step));
        for (row, (above, below)) in above.iter().zip(&below).enumerate() {
            gradient[row * per_row + place] = (above - below) / (2.0 * step);
        }
    }
    gradient
}

/// The largest magnitude of the values with their bias, and the outputs of the activation. That magnitude is the scale
/// of the rounding errors: tanh makes large values small, but not the errors of values that were small before.
pub(crate) fn activate(activation: Activation, bias: &[f64], mut values: Vec<f64>) -> (f64, Vec<f64>) {
    values.iter_mut().enumerate().for_each(|(place, value)| *value += bias[place % bias.len()]);
    let scale = values.iter().fold(1.0, |scale: f64, value| scale.max(value.abs()));
    let activated = values.into_iter().map(|value| activation.exact(value));
    (scale, activated.collect())
}

/// The gradient with respect to the values before the activation, from the outputs of the kernel: near 0, a rounding
/// error decides the sign of the input of a Relu.
pub(crate) fn before_activation(activation: Activation, y: &[f32], dy: &[f32]) -> Vec<f64> {
    wide(y).iter().zip(wide(dy)).map(|(&y, dy)| dy * activation.exact_slope(y)).collect()
}

pub(crate) fn column_sums(width: usize, values: &[f64]) -> Vec<f64> {
    let mut sums = vec![0.0; width];
    values.iter().enumerate().for_each(|(place, value)| sums[place % width] += value);
    sums
}

pub(crate) fn dense(shape: DenseShape, x: &[f64], weight: &[f64]) -> Vec<f64> {
    let DenseShape { rows, inputs, outputs } = shape;
    let mut y = vec![0.0; rows * outputs];
    for row in 0..rows {
        for output in 0..outputs {
            for input in 0..inputs {
                y[row * outputs + output] += x[row * inputs + input] * weight[input * outputs + output];
            }
        }
    }
    y
}

/// The gradients with respect to x, weight and bias, from the gradient with respect to the values before the
/// activation.
pub(crate) fn dense_backward(shape: DenseShape, x: &[f64], weight: &[f64], by_value: &[f64]) -> [Vec<f64>; 3] {
    let DenseShape { rows, inputs, outputs } = shape;
    let (mut dx, mut dweight) = (vec![0.0; x.len()], vec![0.0; weight.len()]);
    for row in 0..rows {
        for output in 0..outputs {
            let gradient = by_value[row * outputs + output];
            for input in 0..inputs {
                dx[row * inputs + input] += gradient * weight[input * outputs + output];
                dweight[input * outputs + output] += gradient * x[row * inputs + input];
            }
        }
    }
    [dx, dweight, column_sums(outputs, by_value)]
}

/// Windows along a side and rows of zeros before it, by the definitions of TensorFlow and PyTorch.
fn windows(window: Window, size: usize) -> (usize, isize) {
    let (kernel, stride, size) = (window.kernel as isize, window.stride as isize, size as isize);
    match window.padding {
        Padding::Same => {
            let out = (size + stride - 1) / stride;
            let total = (out - 1) * stride + kernel - size;
            (out as usize, total.max(0) / 2)
        }
        Padding::Rows(rows) => (((size + 2 * rows as isize - kernel) / stride + 1) as usize, rows as isize),
    }
}

/// Calls `visit` with the indices, in large, small and weight, of every product in a convolution.
fn for_each_product(shape: &ConvShape, mut visit: impl FnMut(usize, usize, usize)) {
    let ConvShape { batch, height, width, inputs, outputs, window } = *shape;
    let Window { kernel, stride, .. } = window;
    let ((out_height, top), (out_width, left)) = (windows(window, height), windows(window, width));
    let inside = |place: isize, size: usize| (0..size as isize).contains(&place).then_some(place as usize);
    for image in 0..batch {
        for (small_row, small_column) in (0..out_height).flat_map(|row| (0..out_width).map(move |column| (row, column)))
        {
            for (tap_row, tap_column) in (0..kernel).flat_map(|row| (0..kernel).map(move |column| (row, column))) {
                let row = inside((small_row * stride + tap_row) as isize - top, height);
                let column = inside((small_column * stride + tap_column) as isize - left, width);
                let (Some(row), Some(column)) = (row, column) else { continue };
                for (input, output) in (0..inputs).flat_map(|input| (0..outputs).map(move |output| (input, output))) {
                    let large = ((image * height + row) * width + column) * inputs + input;
                    let small = ((image * out_height + small_row) * out_width + small_column) * outputs + output;
                    visit(large, small, ((tap_row * kernel + tap_column) * inputs + input) * outputs + output);
                }
            }
        }
    }
}

pub(crate) fn conv(shape: &ConvShape, large: &[f64], weight: &[f64]) -> Vec<f64> {
    let pixels = windows(shape.window, shape.height).0 * windows(shape.window, shape.width).0;
    let mut small = vec![0.0; shape.batch * pixels * shape.outputs];
    for_each_product(shape, |in_large, in_small, in_weight| small[in_small] += large[in_large] * weight[in_weight]);
    small
}

pub(crate) fn conv_transpose(shape: &ConvShape, small: &[f64], weight: &[f64]) -> Vec<f64> {
    let mut large = vec![0.0; shape.batch * shape.height * shape.width * shape.inputs];
    for_each_product(shape, |in_large, in_small, in_weight| large[in_large] += small[in_small] * weight[in_weight]);
    large
}

pub(crate) fn conv_weight_gradient(shape: &ConvShape, large: &[f64], small: &[f64]) -> Vec<f64> {
    let mut weight = vec![0.0; shape.window.kernel * shape.window.kernel * shape.inputs * shape.outputs];
    for_each_product(shape, |in_large, in_small, in_weight| weight[in_weight] += large[in_large] * small[in_small]);
    weight
}

pub(crate) fn kl(latent: usize, mean: &[f64], log_var: &[f64]) -> Vec<f64> {
    rows(latent, mean, log_var, |(mean, log_var)| -0.5 * (1.0 + log_var - mean * mean - log_var.exp()))
}

pub(crate) fn reparameterize(scale: f64, mean: &[f64], log_var: &[f64], noise: &[f64]) -> Vec<f64> {
    (0..mean.len()).map(|place| mean[place] + (scale * log_var[place]).exp() * noise[place]).collect()
}

/// The sums over rows of `length` elements of a term of two arrays.
fn rows(length: usize, a: &[f64], b: &[f64], term: impl Fn((&f64, &f64)) -> f64) -> Vec<f64> {
    a.chunks(length).zip(b.chunks(length)).map(|(a, b)| a.iter().zip(b).map(&term).sum()).collect()
}
