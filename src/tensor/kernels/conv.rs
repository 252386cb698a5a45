//! Convolutions and transposed convolutions as layers, on NHWC arrays.

use super::activation::{Activation, activation_backward};
use super::conv_shape::{ConvShape, Side};
use super::lowering::{gather, gradients, scatter};
use super::product::Start;
use super::{Accumulate, assert_length};

/// `y = activation(convolution of x with weight + bias)`; the window is not flipped (cross-correlation).
///
/// `x` is (batch, height, width, inputs), `weight` (kernel, kernel, inputs, outputs), `bias` (outputs), `y` (batch, out
/// height, out width, outputs).
#[track_caller]
pub fn conv(shape: ConvShape, activation: Activation, x: &[f32], weight: &[f32], bias: &[f32], y: &mut [f32]) {
    shape.check(["x", "y"], x, y, weight);
    assert_length("bias", bias, shape.outputs);
    gather(shape, weight, x, Start::Bias(bias), activation.is_relu(), y);
    activation.finish(y);
}

/// Adds the gradients of [`conv`] to `dx`, `dweight` and `dbias`, which have the shapes of `x`, `weight` and `bias`.
///
/// `y` is the layer's output; `dy`, of the same shape, is the gradient with respect to it. It is overwritten with the
/// gradient with respect to the values before the activation. Pass `None` for `dx` if the input needs no gradient.
#[track_caller]
#[expect(clippy::too_many_arguments, reason = "a layer's arrays and their gradients")]
pub fn conv_backward(
    shape: ConvShape,
    activation: Activation,
    x: &[f32],
    weight: &[f32],
    y: &[f32],
    dy: &mut [f32],
    dx: Option<(Accumulate, &mut [f32])>,
    dweight: &mut [f32],
    dbias: &mut [f32],
) {
    shape.check(["x", "y"], x, y, weight);
    assert_length("dy", dy, y.len());
    assert_length("dweight", dweight, weight.len());
    assert_length("dbias", dbias, shape.outputs);
    activation_backward(activation, y, dy, dbias);
    if let Some((_, dx)) = &dx {
        assert_length("dx", dx, x.len());
    }
    gradients(shape, weight, x, dy, dx.map(|(sum, dx)| Side::Large(sum, dx)), dweight);
}

/// `y = activation(adjoint of the convolution of this shape and weight, applied to x, + bias)`.
///
/// `x` is (batch, out height, out width, outputs), `weight` (kernel, kernel, inputs, outputs), `bias` (inputs), `y` (batch,
/// height, width, inputs): the names are those of the convolution, which maps in the other direction.
#[track_caller]
pub fn conv_transpose(
    shape: ConvShape,
    activation: Activation,
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
    y: &mut [f32],
) {
    shape.check(["y", "x"], y, x, weight);
    assert_length("bias", bias, shape.inputs);
    scatter(shape, weight, x, Start::Bias(bias), activation.is_relu(), y);
    activation.finish(y);
}

/// Adds the gradients of [`conv_transpose`] to `dx`, `dweight` and `dbias`, which have the shapes of `x`, `weight` and
/// `bias`.
///
/// `y` is the layer's output; `dy`, of the same shape, is the gradient with respect to it. It is overwritten with the
/// gradient with respect to the values before the activation. Pass `None` for `dx` if the input needs no gradient.
#[track_caller]
#[expect(clippy::too_many_arguments, reason = "a layer's arrays and their gradients")]
pub fn conv_transpose_backward(
    shape: ConvShape,
    activation: Activation,
    x: &[f32],
    weight: &[f32],
    y: &[f32],
    dy: &mut [f32],
    dx: Option<(Accumulate, &mut [f32])>,
    dweight: &mut [f32],
    dbias: &mut [f32],
) {
    shape.check(["y", "x"], y, x, weight);
    assert_length("dy", dy, y.len());
    assert_length("dweight", dweight, weight.len());
    assert_length("dbias", dbias, shape.inputs);
    activation_backward(activation, y, dy, dbias);
    if let Some((_, dx)) = &dx {
        assert_length("dx", dx, x.len());
    }
    gradients(shape, weight, dy, x, dx.map(|(sum, dx)| Side::Small(sum, dx)), dweight);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::tests::on_every_arch;
    use crate::tensor::dims::{Padding, Window};
    use crate::tensor::kernels::oracle::{
        self, Remembered, activations_by_value, assert_close, assert_close_to, numbers, plus, side, wide,
    };
    use crate::tensor::kernels::winograd::Filtering;
    use proptest::prelude::*;

    /// Limit of batch * height * width * inputs * outputs, so that the oracle stays fast.
    const FEW_ENOUGH: usize = 200_000;

    /// Windows of every size, stride and padding: SAME, VALID, and every number of rows that leaves no window outside of the
    /// image. The 3x3 windows with SAME padding, which have more algorithms, are half of them.
    fn windows() -> impl Strategy<Value = Window> {
        let any = (1..8usize, 1..3usize, 0..8usize).prop_map(|(kernel, stride, rows)| {
            let padding = if rows < kernel { Padding::Rows(rows) } else { Padding::Same };
            Window { kernel, stride, padding }
        });
        prop_oneof![(1..3usize).prop_map(|stride| Window::same(3, stride)), any]
    }

    /// Shapes small enough for the oracle. Any of the batch and the two sides may keep its size together with many
    /// channels.
    fn shapes() -> impl Strategy<Value = ConvShape> {
        let fits = |shape: &ConvShape| shape.out_height() * shape.out_width() > 0;
        let shapes = (0..18usize, 1..34usize, 1..34usize, side(), side(), windows(), 0..3usize).prop_map(
            |(batch, height, width, inputs, outputs, window, first)| {
                let mut sides = [batch, height, width];
                let mut left = 9 * FEW_ENOUGH / (inputs * outputs * (window.kernel * window.kernel).max(9));
                for place in first..first + 3 {
                    let side = &mut sides[place % 3];
                    *side = left.min(*side);
                    left /= (*side).max(1);
                }
                let [batch, height, width] = sides;
                ConvShape { batch, height, width, inputs, outputs, window }
            },
        );
        shapes.prop_filter("the window fits", fits)
    }

    /// Shapes that Winograd filtering computes, with tiles inside the image and tiles that cross its edge.
    fn winograd_shapes() -> impl Strategy<Value = ConvShape> {
        let channels = || prop_oneof![3 => Just(16usize), 2 => Just(32), 1 => Just(48), 1 => Just(64), 1 => Just(128)];
        let shapes =
            (1..7usize, 3..21usize, 3..21usize, channels(), channels(), prop_oneof![1 => Just(1usize), 4 => Just(2)])
                .prop_map(|(batch, height, width, inputs, outputs, stride)| {
                    // Leaves at least 36 pixels of the smaller side, so that no side is below 4.
                    let pixels = 3 * FEW_ENOUGH / (inputs * outputs);
                    let (width, height) = (width.min(pixels / 4), height.min(pixels / width.min(pixels / 4)));
                    let batch = batch.min((pixels / (width * height)).max(1));
                    ConvShape {
                        batch,
                        height: height * stride,
                        width: width * stride,
                        inputs,
                        outputs,
                        window: Window::same(3, stride),
                    }
                });
        let odd = (any::<bool>(), any::<bool>());
        let shapes = (shapes, odd).prop_map(|(shape, (high, wide))| {
            // A larger image with an odd side has as many outputs as one with the next even side.
            let cut = |side: usize, odd: bool| if odd && shape.window.stride == 2 { side - 1 } else { side };
            ConvShape { height: cut(shape.height, high), width: cut(shape.width, wide), ..shape }
        });
        shapes.prop_filter("filtered", |shape| Filtering::fitting(*shape).is_some())
    }

    /// An array for each side of a convolution and one for its weight.
    fn arrays(shape: &ConvShape, seed: u64) -> [Vec<f32>; 3] {
        let lengths =
            [shape.batch * shape.large_image(), shape.batch * shape.small_image(), shape.window() * shape.outputs];
        let mut seed = seed;
        lengths.map(|length| {
            seed = seed.wrapping_add(1);
            numbers(seed, length)
        })
    }

    /// Largest allowed error, relative to the largest number. Measured: sums of products have errors up to 1.5e-6;
    /// Winograd filtering at stride 1, whose terms are larger than its results, up to 1.2e-5 with 128 channels.
    fn tolerance(shape: ConvShape) -> f64 {
        if shape.window.stride == 1 && Filtering::fitting(shape).is_some() { 3e-5 } else { 1e-5 }
    }

    fn check_conv(shape: ConvShape, activation: Activation, seed: u64) {
        let [x, y, weight] = arrays(&shape, seed);
        let bias = numbers(seed ^ 1, shape.outputs);
        let expected = oracle::conv(&shape, &wide(&x), &wide(&weight));
        let (scale, expected_y) = oracle::activate(activation, &wide(&bias), expected);
        let [dx, dy, dweight] = arrays(&shape, seed ^ 2);
        let dbias = numbers(seed ^ 3, shape.outputs);
        let mut remembered = Remembered::default();
        on_every_arch(|| {
            let mut y = y.clone();
            conv(shape, activation, &x, &weight, &bias, &mut y);
            assert_close_to(tolerance(shape), scale, "y", &y, &expected_y);

            let by_value = oracle::before_activation(activation, &y, &dy);
            let expected = remembered.get(&by_value, |by_value| {
                [
                    oracle::conv_transpose(&shape, by_value, &wide(&weight)),
                    oracle::conv_weight_gradient(&shape, &wide(&x), by_value),
                    oracle::column_sums(shape.outputs, by_value),
                ]
            });
            let first_dx = expected[0].clone();
            let [expected_dx, expected_dweight, expected_dbias] = plus([&dx, &dweight, &dbias], expected);
            let mut first = vec![f32::NAN; dx.len()];
            let begin = Some((Accumulate::Set, first.as_mut_slice()));
            let (mut dw, mut db) = (dweight.clone(), dbias.clone());
            conv_backward(shape, activation, &x, &weight, &y, &mut dy.clone(), begin, &mut dw, &mut db);
            let [mut dx, mut dy, mut dweight, mut dbias] = [&dx, &dy, &dweight, &dbias].map(Clone::clone);
            let add = Some((Accumulate::Add, dx.as_mut_slice()));
            conv_backward(shape, activation, &x, &weight, &y, &mut dy, add, &mut dweight, &mut dbias);
            assert_close("dy", &dy, &by_value);
            assert_close_to(tolerance(shape), 1.0, "first dx", &first, &first_dx);
            assert_close_to(tolerance(shape), 1.0, "dx", &dx, &expected_dx);
            assert_close_to(tolerance(shape), 1.0, "dweight", &dweight, &expected_dweight);
            assert_close("dbias", &dbias, &expected_dbias);
            assert_eq!((dw, db), (dweight, dbias), "for any use of dx");
        });
    }

    fn check_conv_transpose(shape: ConvShape, activation: Activation, seed: u64) {
        let [y, x, weight] = arrays(&shape, seed);
        let bias = numbers(seed ^ 1, shape.inputs);
        let expected = oracle::conv_transpose(&shape, &wide(&x), &wide(&weight));
        let (scale, expected_y) = oracle::activate(activation, &wide(&bias), expected);
        let [dy, dx, dweight] = arrays(&shape, seed ^ 2);
        let dbias = numbers(seed ^ 3, shape.inputs);
        let mut remembered = Remembered::default();
        on_every_arch(|| {
            let mut y = y.clone();
            conv_transpose(shape, activation, &x, &weight, &bias, &mut y);
            assert_close_to(tolerance(shape), scale, "y", &y, &expected_y);

            let by_value = oracle::before_activation(activation, &y, &dy);
            let expected = remembered.get(&by_value, |by_value| {
                [
                    oracle::conv(&shape, by_value, &wide(&weight)),
                    oracle::conv_weight_gradient(&shape, by_value, &wide(&x)),
                    oracle::column_sums(shape.inputs, by_value),
                ]
            });
            let first_dx = expected[0].clone();
            let [expected_dx, expected_dweight, expected_dbias] = plus([&dx, &dweight, &dbias], expected);
            let mut first = vec![f32::NAN; dx.len()];
            let begin = Some((Accumulate::Set, first.as_mut_slice()));
            let (mut dw, mut db) = (dweight.clone(), dbias.clone());
            conv_transpose_backward(shape, activation, &x, &weight, &y, &mut dy.clone(), begin, &mut dw, &mut db);
            let [mut dx, mut dy, mut dweight, mut dbias] = [&dx, &dy, &dweight, &dbias].map(Clone::clone);
            let add = Some((Accumulate::Add, dx.as_mut_slice()));
            conv_transpose_backward(shape, activation, &x, &weight, &y, &mut dy, add, &mut dweight, &mut dbias);
            assert_close("dy", &dy, &by_value);
            assert_close_to(tolerance(shape), 1.0, "first dx", &first, &first_dx);
            assert_close_to(tolerance(shape), 1.0, "dx", &dx, &expected_dx);
            assert_close_to(tolerance(shape), 1.0, "dweight", &dweight, &expected_dweight);
            assert_close("dbias", &dbias, &expected_dbias);
            assert_eq!((dw, db), (dweight, dbias), "for any use of dx");
        });
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn conv_agrees_with_the_oracle(shape in shapes(), activation in activations_by_value(), seed: u64) {
            check_conv(shape, activation, seed);
        }

        #[test]
        fn conv_transpose_agrees_with_the_oracle(shape in shapes(), activation in activations_by_value(), seed: u64) {
            check_conv_transpose(shape, activation, seed);
        }

        #[test]
        fn winograd_agrees_with_the_oracle(shape in winograd_shapes(), activation in activations_by_value(), seed: u64) {
            check_conv(shape, activation, seed);
            check_conv_transpose(shape, activation, seed);
        }

        /// <conv(x), y> = <x, conv_transpose(y)>, the definition of an adjoint. Both are linear in the weight, so the
        /// product of the weight and its gradient is the same number.
        #[test]
        fn conv_transpose_is_the_adjoint_of_conv(shape in shapes(), seed: u64) {
            let [x, y, weight] = arrays(&shape, seed);
            let [mut adjoint, mut image, mut dweight] = arrays(&shape, seed ^ 2);
            let identity = Activation::Identity;
            conv(shape, identity, &x, &weight, &vec![0.0; shape.outputs], &mut image);
            conv_transpose(shape, identity, &y, &weight, &vec![0.0; shape.inputs], &mut adjoint);
            dweight.fill(0.0);
            let mut dbias = vec![0.0; shape.outputs];
            conv_backward(shape, identity, &x, &weight, &image, &mut y.clone(), None, &mut dweight, &mut dbias);
            let product = |a: &[f32], b: &[f32]| -> f64 { wide(a).iter().zip(wide(b)).map(|(a, b)| a * b).sum() };
            let scale = product(&image, &image).sqrt() * product(&y, &y).sqrt() + 1e-30;
            let forward = product(&image, &y);
            prop_assert!((forward - product(&x, &adjoint)).abs() < 1e-5 * scale);
            prop_assert!((forward - product(&weight, &dweight)).abs() < 1e-5 * scale);
        }
    }

    /// Extreme sizes, which random shapes may miss.
    #[test]
    fn the_ends_of_every_range_agree_with_the_oracle() {
        let sizes = [
            [17, 33, 33, 1, 1],
            [1, 33, 33, 1, 130],
            [1, 33, 33, 130, 1],
            [17, 1, 1, 130, 130],
            [1, 33, 1, 130, 129],
            [1, 1, 33, 129, 130],
            [17, 1, 33, 130, 3],
            [17, 33, 1, 3, 130],
            [17, 1, 1, 1, 1],
            [0, 33, 33, 130, 130],
        ];
        for [batch, height, width, inputs, outputs] in sizes {
            for stride in [1, 2] {
                let shape = ConvShape { batch, height, width, inputs, outputs, window: Window::same(3, stride) };
                check_conv(shape, Activation::Tanh, 1);
                check_conv_transpose(shape, Activation::Relu, 2);
            }
        }
    }

    #[test]
    fn padding_is_tensorflows() {
        let shape = |height, stride| ConvShape {
            batch: 1,
            height,
            width: height,
            inputs: 1,
            outputs: 1,
            window: Window::same(3, stride),
        };
        let cases =
            [(28, 1, 28, 1), (28, 2, 14, 0), (7, 2, 4, 1), (1, 1, 1, 1), (1, 2, 1, 1), (2, 2, 1, 0), (3, 2, 2, 1)];
        for (height, stride, out, before) in cases {
            let shape = shape(height, stride);
            assert_eq!(
                [shape.out_height(), shape.out_width(), shape.pad_top(), shape.pad_left()],
                [out, out, before, before]
            );
        }
    }

    /// The weights number the taps, so that the result shows which tap met which pixel.
    #[test]
    fn small_cases_by_hand() {
        let weight: Vec<f32> = (1..=9).map(|tap| tap as f32).collect();
        let shape = ConvShape { batch: 1, height: 2, width: 2, inputs: 1, outputs: 1, window: Window::same(3, 1) };
        let mut y = [0.0; 4];
        conv(shape, Activation::Identity, &[1.0, 10.0, 100.0, 1000.0], &weight, &[0.0], &mut y);
        assert_eq!(y, [9865.0, 8754.0, 6532.0, 5421.0]);
        // At stride 2, an even side is padded only after its end: the window starts at the first pixel.
        let shape = ConvShape { window: Window::same(3, 2), ..shape };
        let mut y = [0.0; 1];
        conv(shape, Activation::Identity, &[1.0, 10.0, 100.0, 1000.0], &weight, &[0.5], &mut y);
        assert_eq!(y, [5421.5]);
        let mut y = [0.0; 4];
        conv_transpose(shape, Activation::Identity, &[1.0], &weight, &[0.5], &mut y);
        assert_eq!(y, [1.5, 2.5, 4.5, 5.5]);
    }

    /// The same bits on every thread, whatever earlier calls left in the scratch space.
    #[test]
    fn results_depend_on_the_arguments_alone() {
        // Channels for every algorithm, and images for more than one group.
        for (inputs, outputs, stride) in [(9, 20, 1), (20, 9, 1), (20, 20, 2), (9, 1, 1), (16, 32, 1), (32, 64, 2)] {
            let shape = ConvShape { batch: 6, height: 28, width: 27, inputs, outputs, window: Window::same(3, stride) };
            let [x, y, weight] = arrays(&shape, 7);
            let run = || {
                let [mut dx, mut out, mut dweight] = arrays(&shape, 9);
                let (bias, mut dbias) = (numbers(10, outputs), numbers(11, outputs));
                conv(shape, Activation::Tanh, &x, &weight, &bias, &mut out);
                let gradients = (Some((Accumulate::Add, dx.as_mut_slice())), &mut dweight, &mut dbias);
                let mut dy = y.clone();
                conv_backward(
                    shape,
                    Activation::Tanh,
                    &x,
                    &weight,
                    &out,
                    &mut dy,
                    gradients.0,
                    gradients.1,
                    gradients.2,
                );
                [dx, out, dweight, dbias].concat().into_iter().map(f32::to_bits).collect::<Vec<_>>()
            };
            let first = run();
            assert_eq!(first, run());
            std::thread::scope(|scope| {
                let others: Vec<_> = (0..3).map(|_| scope.spawn(run)).collect();
                for other in others {
                    assert_eq!(other.join().ok().as_ref(), Some(&first));
                }
            });
            assert!(first.iter().all(|&bits| f32::from_bits(bits).is_finite()));
        }
    }

    #[test]
    #[should_panic(expected = "y holds 3 numbers, its shape asks for 4")]
    fn wrong_length_is_refused() {
        let shape = ConvShape { batch: 1, height: 2, width: 2, inputs: 1, outputs: 1, window: Window::same(3, 1) };
        conv(shape, Activation::Identity, &[0.0; 4], &[0.0; 9], &[0.0], &mut [0.0; 3]);
    }

    #[test]
    #[should_panic(expected = "is 0")]
    fn stride_0_is_refused() {
        let shape = ConvShape {
            batch: 1,
            height: 2,
            width: 2,
            inputs: 1,
            outputs: 1,
            window: Window { stride: 0, ..Window::same(3, 1) },
        };
        conv(shape, Activation::Identity, &[0.0; 4], &[0.0; 9], &[0.0], &mut [0.0; 4]);
    }
}
