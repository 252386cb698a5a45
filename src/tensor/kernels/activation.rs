//! Bias and activation, the last step of every layer, and their gradients.

use super::elementary::tanh;
use super::product::Start;
use super::simd::vectorized;
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

impl Activation {
    /// Whether it is the one that products apply to their results.
    pub(super) fn is_relu(self) -> bool {
        self == Activation::Relu
    }

    /// Applies it to values of which a product has already made what [`Activation::is_relu`] says.
    pub(super) fn finish(self, values: &mut [f32]) {
        if self == Activation::Tanh {
            vectorized(
                #[inline(always)]
                || values.iter_mut().for_each(|value| *value = tanh(*value)),
            );
        }
    }
}

/// `result[r, c] = start + values[r, c]`, of which negative numbers become 0 with `relu`.
pub(super) fn finish(values: &[f32], start: Start, relu: bool, result: &mut [f32]) {
    let activate = |value: f32| if relu && value < 0.0 { 0.0 } else { value };
    vectorized(
        #[inline(always)]
        || match start {
            Start::Zero => result.iter_mut().zip(values).for_each(|(result, value)| *result = activate(*value)),
            Start::Result => {
                result.iter_mut().zip(values).for_each(|(result, value)| *result = activate(*result + value));
            }
            // One channel, as in a grey image, is a flat pass: rows of length 1 would not become vector code.
            Start::Bias(&[bias]) => {
                result.iter_mut().zip(values).for_each(|(result, value)| *result = activate(bias + value));
            }
            Start::Bias(bias) => {
                let rows = result.chunks_exact_mut(bias.len()).zip(values.chunks_exact(bias.len()));
                for (result, values) in rows {
                    for ((result, value), bias) in result.iter_mut().zip(values).zip(bias) {
                        *result = activate(bias + value);
                    }
                }
            }
        },
    );
}

/// Turns the gradient by a layer's outputs `y` into the gradient by the values before the activation, and adds its sum
/// over the rows to `dbias`. Both derivatives are functions of the output: `[y > 0]` for Relu, `1 - y^2` for Tanh.
pub(super) fn activation_backward(activation: Activation, y: &[f32], dy: &mut [f32], dbias: &mut [f32]) {
    vectorized(
        #[inline(always)]
        || {
            // In blocks of rows, which the sums find in the cache.
            let length = ROWS * dbias.len();
            for (dy, y) in dy.chunks_mut(length).zip(y.chunks(length)) {
                let pairs = dy.iter_mut().zip(y);
                match activation {
                    Activation::Identity => {}
                    Activation::Relu => pairs.for_each(|(dy, &y)| *dy = if y > 0.0 { *dy } else { 0.0 }),
                    Activation::Tanh => pairs.for_each(|(dy, &y)| *dy *= 1.0 - y * y),
                }
                add_column_sums(dy, dbias);
            }
        },
    );
}

/// Rows added up before they meet the total: bounds the rounding error of long columns.
const ROWS: usize = 64;

/// Adds the sums of the columns of `values`, at most [`ROWS`] rows as long as `sums`, to `sums`.
#[inline(always)]
fn add_column_sums(values: &[f32], sums: &mut [f32]) {
    /// Columns added up at a time, so that their sums stay in the nearest cache.
    const COLUMNS: usize = 64;

    let width = sums.len();
    if let [sum] = sums {
        *sum += sum_of(values, values, values, |value, _, _| value) as f32;
        return;
    }
    for first in (0..width).step_by(COLUMNS) {
        let last = width.min(first + COLUMNS);
        let mut partial = [0.0; COLUMNS];
        for row in values.chunks_exact(width) {
            for (partial, &value) in partial.iter_mut().zip(&row[first..last]) {
                *partial += value;
            }
        }
        for (sum, &partial) in sums[first..last].iter_mut().zip(&partial) {
            *sum += partial;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::kernels::oracle::{
        self, activations, assert_close, assert_close_at, numbers, numbers_between, plus, side, wide,
    };
    use crate::tensor::kernels::simd::tests::on_every_arch;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn agree_with_the_oracle(rows in 0..18usize, width in side(), activation in activations(), seed: u64) {
            let (values, bias) = (numbers_between(seed, rows * width, -9.0, 9.0), numbers(seed ^ 1, width));
            let (scale, expected) = oracle::activate(activation, &wide(&bias), wide(&values));
            on_every_arch(|| {
                let mut y = vec![f32::NAN; values.len()];
                finish(&values, Start::Bias(&bias), activation.is_relu(), &mut y);
                activation.finish(&mut y);
                assert_close_at(scale, "y", &y, &expected);
            });
        }

        #[test]
        fn gradients_agree_with_the_oracle(
            rows in 1..300usize, width in 1..140usize, activation in activations(), seed: u64,
        ) {
            let (y, dy) = (numbers(seed, rows * width), numbers(seed ^ 1, rows * width));
            let dbias = numbers(seed ^ 2, width);
            let by_value = oracle::before_activation(activation, &y, &dy);
            let [expected] = plus([&dbias], [oracle::column_sums(width, &by_value)]);
            on_every_arch(|| {
                let (mut dy, mut dbias) = (dy.clone(), dbias.clone());
                activation_backward(activation, &y, &mut dy, &mut dbias);
                assert_close("dy", &dy, &by_value);
                assert_close("dbias", &dbias, &expected);
            });
        }
    }

    #[test]
    fn nan_passes_every_activation() {
        for relu in [false, true] {
            let mut values = [0.0; 2];
            finish(&[f32::NAN, 1.0], Start::Bias(&[0.0, 0.0]), relu, &mut values);
            assert!(values[0].is_nan() && values[1] == 1.0);
        }
        let mut values = [f32::NAN, 1.0];
        Activation::Tanh.finish(&mut values);
        assert!(values[0].is_nan() && values[1] > 0.0);
    }
}
