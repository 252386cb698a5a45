//! Bias and activation, the last step of every layer, and their gradients.

use super::elementary::tanh;
use super::sum::sum_of;

/// What a layer applies to each of its outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// The output as it is.
    Identity,
    /// max(0, value); NaN stays NaN, so that a failed run is seen.
    Relu,
    /// The hyperbolic tangent.
    Tanh,
}

/// `values[r, o] = activation(values[r, o] + bias[o])`, in one pass.
pub(super) fn add_bias_and_activate(activation: Activation, bias: &[f32], values: &mut [f32]) {
    match activation {
        Activation::Identity => with_bias(bias, values, |value| value),
        Activation::Relu => with_bias(bias, values, |value| if value < 0.0 { 0.0 } else { value }),
        Activation::Tanh => with_bias(bias, values, tanh),
    }
}

#[inline(always)]
fn with_bias(bias: &[f32], values: &mut [f32], activate: impl Fn(f32) -> f32) {
    // One channel, as in a grey image, is a flat pass: rows of length 1 would not become vector code.
    if let &[bias] = bias {
        for value in values {
            *value = activate(*value + bias);
        }
        return;
    }
    for row in values.chunks_exact_mut(bias.len()) {
        for (value, &bias) in row.iter_mut().zip(bias) {
            *value = activate(*value + bias);
        }
    }
}

/// Turns the gradient by a layer's outputs `y` into the gradient by the values before the activation, and adds its sum
/// over the rows to `dbias`. Both derivatives are functions of the output: `[y > 0]` for Relu, `1 - y^2` for Tanh.
pub(super) fn activation_backward(activation: Activation, y: &[f32], dy: &mut [f32], dbias: &mut [f32]) {
    match activation {
        Activation::Identity => {}
        Activation::Relu => {
            for (dy, &y) in dy.iter_mut().zip(y) {
                *dy = if y > 0.0 { *dy } else { 0.0 };
            }
        }
        Activation::Tanh => {
            for (dy, &y) in dy.iter_mut().zip(y) {
                *dy *= 1.0 - y * y;
            }
        }
    }
    add_column_sums(dy, dbias);
}

/// Adds the sums of the columns of `values` (rows, length of `sums`) to `sums`.
fn add_column_sums(values: &[f32], sums: &mut [f32]) {
    /// Rows added up before they meet the total: bounds the rounding error of long columns.
    const ROWS: usize = 64;
    /// Columns added up at a time, so that their sums stay in the nearest cache.
    const COLUMNS: usize = 64;

    let width = sums.len();
    if let [sum] = sums {
        *sum += sum_of(values, values, values, |value, _, _| value) as f32;
        return;
    }
    for block in values.chunks(ROWS * width) {
        for first in (0..width).step_by(COLUMNS) {
            let last = width.min(first + COLUMNS);
            let mut partial = [0.0; COLUMNS];
            for row in block.chunks_exact(width) {
                for (partial, &value) in partial.iter_mut().zip(&row[first..last]) {
                    *partial += value;
                }
            }
            for (sum, &partial) in sums[first..last].iter_mut().zip(&partial) {
                *sum += partial;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::oracle::{assert_close, numbers, wide};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn column_sums_are_the_sums_of_columns(rows in 1..300usize, width in 1..140usize, seed: u64) {
            let values = numbers(seed, rows * width);
            let mut sums = numbers(seed ^ 1, width);
            let mut expected = wide(&sums);
            for row in wide(&values).chunks_exact(width) {
                expected.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
            }
            add_column_sums(&values, &mut sums);
            assert_close("sums", &sums, &expected);
        }
    }

    #[test]
    fn nan_passes_every_activation() {
        for activation in [Activation::Identity, Activation::Relu, Activation::Tanh] {
            let mut values = [f32::NAN, 1.0];
            add_bias_and_activate(activation, &[0.0, 0.0], &mut values);
            assert!(values[0].is_nan() && values[1] > 0.0, "{activation:?}");
        }
    }
}
