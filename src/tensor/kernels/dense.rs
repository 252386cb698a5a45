//! Fully connected layers.

use super::activation::{Activation, activation_backward};
use super::product::{Product, Segment, Start, multiples};
use super::scratch::with_scratch;
use super::{Accumulate, assert_length};
use crate::simd::WIDEST;
use std::ops::Range;

/// The sizes of the arrays of a dense layer; each is at least 1, except `rows`, which may be 0.
#[derive(Clone, Copy, Debug)]
pub struct DenseShape {
    /// Examples in the arrays.
    pub rows: usize,
    /// Input features of an example.
    pub inputs: usize,
    /// Output features of an example.
    pub outputs: usize,
}

impl DenseShape {
    #[track_caller]
    fn check(self, x: &[f32], weight: &[f32], bias: &[f32], y: &[f32]) {
        assert!(self.inputs > 0 && self.outputs > 0, "a side of {self:?} is 0");
        assert_length("x", x, self.rows * self.inputs);
        assert_length("weight", weight, self.inputs * self.outputs);
        assert_length("bias", bias, self.outputs);
        assert_length("y", y, self.rows * self.outputs);
    }
}

/// `y[r, o] = activation(sum over i of x[r, i] weight[i, o] + bias[o])`.
///
/// `x` is (rows, inputs), `weight` (inputs, outputs), `bias` (outputs), `y` (rows, outputs).
#[track_caller]
pub fn dense(shape: DenseShape, activation: Activation, x: &[f32], weight: &[f32], bias: &[f32], y: &mut [f32]) {
    shape.check(x, weight, bias, y);
    let DenseShape { rows, inputs, outputs } = shape;
    let product = Product {
        left: x,
        rows: &multiples(rows, inputs),
        segments: &[Segment { start: 0, length: inputs, step: 1 }],
        right: weight,
        right_stride: outputs,
        columns: outputs,
        places: &multiples(rows, outputs),
        start: Start::Bias(bias),
        relu: activation.is_relu(),
    };
    product.put_into(y);
    activation.finish(y);
}

/// Adds the gradients of [`dense`] to `dx` (rows, inputs) and `dbias` (outputs); [`dense_weight_gradient`] computes
/// that of the weight.
///
/// `y` is the layer's output; `dy` (rows, outputs) is the gradient with respect to it. It is overwritten with the
/// gradient with respect to the values before the activation. Pass `None` for `dx` if the input needs no gradient.
#[track_caller]
pub fn dense_backward(
    shape: DenseShape,
    activation: Activation,
    weight: &[f32],
    y: &[f32],
    dy: &mut [f32],
    dx: Option<(Accumulate, &mut [f32])>,
    dbias: &mut [f32],
) {
    let DenseShape { rows, inputs, outputs } = shape;
    assert_length("weight", weight, inputs * outputs);
    assert_length("y", y, rows * outputs);
    assert_length("dy", dy, y.len());
    assert_length("dbias", dbias, outputs);
    activation_backward(activation, y, dy, dbias);
    if let Some((sum, dx)) = dx {
        assert_length("dx", dx, rows * inputs);
        input_gradient(shape, weight, dy, sum, dx);
    }
}

/// `dx[r, i] (+)= sum over o of dy[r, o] weight[i, o]`.
fn input_gradient(shape: DenseShape, weight: &[f32], dy: &[f32], sum: Accumulate, dx: &mut [f32]) {
    let DenseShape { rows, inputs, outputs } = shape;
    if inputs < rows {
        with_scratch(weight.len(), |transposed| {
            transpose([inputs, outputs], weight, inputs, transposed);
            let product = Product {
                left: dy,
                rows: &multiples(rows, outputs),
                segments: &[Segment { start: 0, length: outputs, step: 1 }],
                right: transposed,
                right_stride: inputs,
                columns: inputs,
                places: &multiples(rows, inputs),
                start: sum.start(),
                relu: false,
            };
            product.put_into(dx);
        });
        return;
    }
    // The transposed product reads the weight along its rows; columns are padded to whole vectors.
    let columns = rows.next_multiple_of(WIDEST);
    let (lefts, places) = (multiples(BLOCK, outputs), multiples(BLOCK, columns));
    with_scratch(outputs * columns, |right| {
        right.fill(0.0);
        transpose([rows, outputs], dy, columns, right);
        with_scratch(BLOCK * columns, |result| {
            for (block, weight) in weight.chunks(BLOCK * outputs).enumerate() {
                let features = weight.len() / outputs;
                let product = Product {
                    left: weight,
                    rows: &lefts[..features],
                    segments: &[Segment { start: 0, length: outputs, step: 1 }],
                    right,
                    right_stride: columns,
                    columns,
                    places: &places[..features],
                    start: Start::Zero,
                    relu: false,
                };
                product.put_into(result);
                let first = block * BLOCK;
                for (row, dx) in dx.chunks_exact_mut(inputs).enumerate() {
                    let values = result[row..].iter().step_by(columns);
                    let pairs = dx[first..first + features].iter_mut().zip(values);
                    match sum {
                        Accumulate::Set => pairs.for_each(|(dx, value)| *dx = *value),
                        Accumulate::Add => pairs.for_each(|(dx, value)| *dx += value),
                    }
                }
            }
        });
    });
}

/// Inputs whose gradients are computed in one block.
const BLOCK: usize = 96;

/// Transposes a matrix (rows, columns); the new rows are `stride` apart.
fn transpose([rows, columns]: [usize; 2], matrix: &[f32], stride: usize, transposed: &mut [f32]) {
    for first in (0..rows).step_by(WIDEST) {
        for column in 0..columns {
            let target = &mut transposed[column * stride..][..rows];
            for row in first..rows.min(first + WIDEST) {
                target[row] = matrix[row * columns + column];
            }
        }
    }
}

/// The gradient of [`dense`] with respect to some rows of the weight, those of the inputs `features`: `dweight[i, o] =
/// sum over the rows r of x[r, i] dy[r, o]`.
///
/// `x` is (rows, inputs), `dweight` (features, outputs); `dy` (rows, outputs) is the gradient with respect to the
/// values before the activation, as [`dense_backward`] returns it.
#[track_caller]
pub fn dense_weight_gradient(
    shape: DenseShape,
    features: Range<usize>,
    x: &[f32],
    dy: &[f32],
    sum: Accumulate,
    dweight: &mut [f32],
) {
    let DenseShape { rows, inputs, outputs } = shape;
    assert!(features.end <= inputs, "features {features:?} of {inputs}");
    assert_length("x", x, rows * inputs);
    assert_length("dy", dy, rows * outputs);
    assert_length("dweight", dweight, features.len() * outputs);
    let product = Product {
        left: x,
        places: &multiples(features.len(), outputs),
        rows: &features.collect::<Vec<_>>(),
        segments: &[Segment { start: 0, length: rows, step: inputs }],
        right: dy,
        right_stride: outputs,
        columns: outputs,
        start: sum.start(),
        relu: false,
    };
    product.put_into(dweight);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::tests::on_every_arch;
    use crate::tensor::kernels::oracle::{
        self, Remembered, activations_by_value, assert_close, assert_close_at, numbers, side, wide,
    };
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn agrees_with_the_oracle(
            rows in prop_oneof![3 => 0..18usize, 1 => 18..50usize], inputs in side(), outputs in side(),
            activation in activations_by_value(), seed: u64,
        ) {
            check(DenseShape { rows, inputs, outputs }, activation, seed);
        }
    }

    fn check(shape: DenseShape, activation: Activation, seed: u64) {
        let DenseShape { rows, inputs, outputs } = shape;
        let (x, weight) = (numbers(seed, rows * inputs), numbers(seed ^ 1, inputs * outputs));
        let bias = numbers(seed ^ 2, outputs);
        let expected = oracle::dense(shape, &wide(&x), &wide(&weight));
        let (scale, expected_y) = oracle::activate(activation, &wide(&bias), expected);
        let dy = numbers(seed ^ 4, rows * outputs);
        let before = [&x, &weight, &bias].map(|of| numbers(seed ^ 5, of.len()));
        let mut remembered = Remembered::default();
        on_every_arch(|| {
            let mut y = numbers(seed ^ 3, rows * outputs);
            dense(shape, activation, &x, &weight, &bias, &mut y);
            assert_close_at(scale, "y", &y, &expected_y);

            let by_value = oracle::before_activation(activation, &y, &dy);
            let expected = remembered
                .get(&by_value, |by_value| oracle::dense_backward(shape, &wide(&x), &wide(&weight), by_value));
            let first_dx = expected[0].clone();
            let (mut dy, [mut dx, mut dweight, mut dbias]) = (dy.clone(), before.clone());
            let [expected_dx, expected_dweight, expected_dbias] = oracle::plus([&dx, &dweight, &dbias], expected);
            let mut first = vec![f32::NAN; dx.len()];
            let begin = Some((Accumulate::Set, first.as_mut_slice()));
            dense_backward(shape, activation, &weight, &y, &mut dy.clone(), begin, &mut dbias.clone());
            dense_backward(shape, activation, &weight, &y, &mut dy, Some((Accumulate::Add, &mut dx)), &mut dbias);
            assert_close("dy", &dy, &by_value);
            // Some rows of the weight after the others, as threads divide them.
            let split = inputs / 3;
            let (head, tail) = dweight.split_at_mut(split * outputs);
            dense_weight_gradient(shape, 0..split, &x, &dy, Accumulate::Add, head);
            dense_weight_gradient(shape, split..inputs, &x, &dy, Accumulate::Add, tail);
            assert_close("first dx", &first, &first_dx);
            assert_close("dx", &dx, &expected_dx);
            assert_close("dweight", &dweight, &expected_dweight);
            assert_close("dbias", &dbias, &expected_dbias);
        });
    }

    #[test]
    #[should_panic(expected = "dx holds 5 numbers, its shape asks for 6")]
    fn wrong_length_is_refused() {
        let shape = DenseShape { rows: 2, inputs: 3, outputs: 1 };
        let dx = Some((Accumulate::Add, &mut [0.0; 5][..]));
        dense_backward(shape, Activation::Identity, &[0.0; 3], &[0.0; 2], &mut [0.0; 2], dx, &mut [0.0; 1]);
    }
}
