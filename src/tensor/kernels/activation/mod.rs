//! Bias and activation, the last step of every layer, and their gradients.

use super::product::Start;
use super::sum::sum_of;
use crate::settings::{Choices, Kind, Word};
use crate::simd::vectorized;
use dfdx::shapes::Shape;
use dfdx::tensor::{Tape, Tensor};
use dfdx::tensor_ops::Device;

/// An activation function. Each has a file of its own and a line in [`activations`].
trait Function {
    /// Its name in a spec.
    const WORD: Word;
    /// The greatest lower and the least upper bound of its values.
    const RANGE: [f64; 2];
    /// The ONNX operators that compute it.
    const ONNX: OnnxFormula;
    /// Whether matrix products already apply it to their results.
    const IN_PRODUCTS: bool = false;
    /// Whether its derivative is a function of its argument: its value does not determine it.
    const NEEDS_ARGUMENT: bool = false;

    /// Its value; NaN stays NaN.
    fn value(x: f32) -> f32;

    /// The gradient with respect to its argument, from the gradient with respect to its value, and from its value (from its
    /// argument, if that is needed).
    fn gradient(at: f32, dy: f32) -> f32;

    /// Its value in double precision, for tests.
    #[cfg(test)]
    fn exact(x: f64) -> f64;

    /// Its derivative as a function of its value (of its argument, if that is needed), in double precision, for tests.
    #[cfg(test)]
    fn exact_slope(at: f64) -> f64;

    /// The same, with dfdx's own operations.
    fn portable<S: Shape, D: Device<f32>, T: Tape<f32, D>>(
        x: Tensor<S, f32, D, T>,
    ) -> Result<Tensor<S, f32, D, T>, D::Err>;
}

/// A function as operators of ONNX: each is applied to the result of the one before it.
#[derive(Clone, Copy, Debug)]
pub struct OnnxFormula {
    /// The operators.
    pub steps: &'static [OnnxStep],
    /// Whether the last result is multiplied with the argument of the function.
    pub times_argument: bool,
}

/// An operator of ONNX.
#[derive(Clone, Copy, Debug)]
pub enum OnnxStep {
    /// An operator with one input, and its attributes, all of them numbers.
    Operator(&'static str, &'static [(&'static str, f32)]),
    /// An operator with a number as its second input.
    WithNumber(&'static str, f32),
}

impl OnnxFormula {
    const fn of(steps: &'static [OnnxStep]) -> OnnxFormula {
        OnnxFormula { steps, times_argument: false }
    }
}

/// The list of activations, each with its module; everything that depends on the list is generated here.
macro_rules! activations {
    ($($name:ident in $file:ident,)+) => {
        $(mod $file;)+

        /// The function that a layer applies to each of its outputs.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Activation {
            /// No function.
            Identity,
            $(#[doc = concat!("That of `", stringify!($file), ".rs`.")] $name,)+
        }

        impl Activation {
            /// Whether matrix products apply it to their results.
            pub(super) fn is_relu(self) -> bool {
                match self {
                    Activation::Identity => false,
                    $(Activation::$name => <$file::$name as Function>::IN_PRODUCTS,)+
                }
            }

            /// Whether its derivative is a function of its argument: its value does not determine it.
            pub fn needs_argument(self) -> bool {
                match self {
                    Activation::Identity => false,
                    $(Activation::$name => <$file::$name as Function>::NEEDS_ARGUMENT,)+
                }
            }

            /// Applies it to each value.
            pub fn apply(self, values: &mut [f32]) {
                match self {
                    Activation::Identity => {}
                    $(Activation::$name => apply_by::<$file::$name>(values),)+
                }
            }

            /// Applies it, unless the product already did (see [`Activation::is_relu`]).
            pub(super) fn finish(self, values: &mut [f32]) {
                match self {
                    Activation::Identity => {}
                    $(Activation::$name => finish_by::<$file::$name>(values),)+
                }
            }

            /// Converts gradients with respect to its values into gradients with respect to its arguments. `at` are its values
            /// (its arguments, if [`Activation::needs_argument`]).
            #[inline(always)]
            pub(crate) fn turn(self, at: &[f32], dy: &mut [f32]) {
                match self {
                    Activation::Identity => {}
                    $(Activation::$name => turn_by::<$file::$name>(at, dy),)+
                }
            }

            /// The same, with dfdx's own operations.
            ///
            /// # Errors
            /// The device failed.
            pub fn portable<S: Shape, D: Device<f32>, T: Tape<f32, D>>(
                self,
                x: Tensor<S, f32, D, T>,
            ) -> Result<Tensor<S, f32, D, T>, D::Err> {
                match self {
                    Activation::Identity => Ok(x),
                    $(Activation::$name => <$file::$name as Function>::portable(x),)+
                }
            }

            /// The ONNX operators that compute it; `None` for the identity.
            pub fn onnx(self) -> Option<OnnxFormula> {
                match self {
                    Activation::Identity => None,
                    $(Activation::$name => Some(<$file::$name as Function>::ONNX),)+
                }
            }

            /// The greatest lower and the least upper bound of its values.
            pub fn range(self) -> [f64; 2] {
                match self {
                    Activation::Identity => [f64::NEG_INFINITY, f64::INFINITY],
                    $(Activation::$name => <$file::$name as Function>::RANGE,)+
                }
            }

            /// Its name in a spec.
            pub fn name(self) -> &'static str {
                match self {
                    Activation::Identity => "none",
                    $(Activation::$name => <$file::$name as Function>::WORD.name,)+
                }
            }

            /// Its value in double precision.
            #[cfg(test)]
            pub(super) fn exact(self, x: f64) -> f64 {
                match self {
                    Activation::Identity => x,
                    $(Activation::$name => <$file::$name as Function>::exact(x),)+
                }
            }

            /// Its derivative as a function of its value (of its argument, if that is needed), in double precision.
            #[cfg(test)]
            pub(super) fn exact_slope(self, y: f64) -> f64 {
                match self {
                    Activation::Identity => 1.0,
                    $(Activation::$name => <$file::$name as Function>::exact_slope(y),)+
                }
            }

            /// All of them.
            pub const ALL: &[Activation] = &[Activation::Identity, $(Activation::$name),+];
        }

        /// The activations that a spec can choose.
        pub static ACTIVATIONS: Choices<Activation> = Choices(&[
            $(&Kind { word: <$file::$name as Function>::WORD, read: |_| Activation::$name }),+
        ]);

        /// The activations that a layer of a list can choose: also none.
        pub static LAYER_ACTIVATIONS: Choices<Activation> = Choices(&[
            &IDENTITY,
            $(&Kind { word: <$file::$name as Function>::WORD, read: |_| Activation::$name }),+
        ]);
    };
}

/// ReLU as a choice, for keys whose default it is.
pub static RELU: Kind<Activation> = Kind { word: <relu::Relu as Function>::WORD, read: |_| Activation::Relu };

/// No activation as a choice.
pub static IDENTITY: Kind<Activation> =
    Kind::new("none", "No function.", |_| Activation::Identity).also("identity linear");

activations! {
    Relu in relu,
    Tanh in tanh,
    LeakyRelu in leaky_relu,
    LeakyRelu02 in leaky_relu_02,
    Elu in elu,
    Silu in silu,
    Gelu in gelu,
    Softplus in softplus,
    Sigmoid in sigmoid,
}

fn apply_by<F: Function>(values: &mut [f32]) {
    vectorized(
        #[inline(always)]
        || values.iter_mut().for_each(|value| *value = F::value(*value)),
    );
}

fn finish_by<F: Function>(values: &mut [f32]) {
    if !F::IN_PRODUCTS {
        apply_by::<F>(values);
    }
}

#[inline(always)]
fn turn_by<F: Function>(at: &[f32], dy: &mut [f32]) {
    dy.iter_mut().zip(at).for_each(|(dy, &at)| *dy = F::gradient(at, *dy));
}

/// `result[r, c] = start + values[r, c]`; with `relu`, negative results become 0.
pub(super) fn finish(values: &[f32], start: Start, relu: bool, result: &mut [f32]) {
    let activate = |value: f32| if relu && value < 0.0 { 0.0 } else { value };
    vectorized(
        #[inline(always)]
        || match start {
            Start::Zero => result.iter_mut().zip(values).for_each(|(result, value)| *result = activate(*value)),
            Start::Result => {
                result.iter_mut().zip(values).for_each(|(result, value)| *result = activate(*result + value));
            }
            // One channel, as in a grey image, is a flat loop: rows of length 1 would not be vectorized.
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

/// Converts the gradient with respect to a layer's outputs `y` into the gradient with respect to the values before the
/// activation, and adds its sum over the rows to `dbias`. `y` are the values before the activation instead, if
/// [`Activation::needs_argument`].
pub(super) fn activation_backward(activation: Activation, y: &[f32], dy: &mut [f32], dbias: &mut [f32]) {
    vectorized(
        #[inline(always)]
        || {
            // In blocks of rows, so that the sums find them in the cache.
            let length = ROWS * dbias.len();
            for (dy, y) in dy.chunks_mut(length).zip(y.chunks(length)) {
                activation.turn(y, dy);
                add_column_sums(dy, dbias);
            }
        },
    );
}

/// Rows in a partial sum: limits the rounding error of long columns.
const ROWS: usize = 64;

/// Adds the sums of the columns of `values`, which has at most [`ROWS`] rows, to `sums`.
#[inline(always)]
fn add_column_sums(values: &[f32], sums: &mut [f32]) {
    /// Columns in one block, so that their sums stay in the L1 cache.
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
    use crate::simd::tests::on_every_arch;
    use crate::tensor::kernels::oracle::{
        self, activations, assert_close, assert_close_at, numbers, numbers_between, plus, side, wide,
    };
    use proptest::prelude::*;

    /// Over arguments from -30 to 30, the values come close to their bounds.
    #[test]
    fn values_are_in_their_range() {
        for activation in Activation::ALL {
            let values: Vec<f64> = (-3000..=3000).map(|x| activation.exact(f64::from(x) / 100.0)).collect();
            let (least, most) =
                (values.iter().copied().fold(0.0, f64::min), values.iter().copied().fold(0.0, f64::max));
            let [low, high] = activation.range();
            let reaches =
                |value: f64, bound: f64| if bound.is_finite() { (value - bound).abs() < 1e-3 } else { value != 0.0 };
            assert!(reaches(least, low) && reaches(most, high), "{}: {least} to {most}", activation.name());
        }
    }

    proptest! {
        #[test]
        fn agree_with_the_oracle(rows in 0..18usize, width in side(), activation in activations(), seed: u64) {
            let (values, bias) = (numbers_between(seed, rows * width, -9.0, 9.0), numbers(seed ^ 1, width));
            let (scale, expected) = oracle::activate(activation, &wide(&bias), wide(&values));
            on_every_arch(|| {
                let mut applied = values.clone();
                let biased = applied.iter_mut().enumerate();
                biased.for_each(|(place, value)| *value += bias[place % width]);
                activation.apply(&mut applied);
                assert_close_at(scale, "applied", &applied, &expected);
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
        for activation in Activation::ALL {
            let mut values = [f32::NAN, 1.0];
            activation.apply(&mut values);
            assert!(values[0].is_nan() && values[1] > 0.0, "{activation:?}");
        }
    }

    /// The derivatives are those of the functions: by differences in double precision.
    #[test]
    fn slopes_are_derivatives() {
        for activation in Activation::ALL {
            for step in -60..60 {
                let x = 0.1 * f64::from(step) + 0.05;
                let by_differences = (activation.exact(x + 1e-5) - activation.exact(x - 1e-5)) / 2e-5;
                let at = if activation.needs_argument() { x } else { activation.exact(x) };
                let slope = activation.exact_slope(at);
                assert!((slope - by_differences).abs() < 1e-8, "{activation:?} at {x}: {slope}, {by_differences}");
                let mut dy = [1.0];
                activation.turn(&[at as f32], &mut dy);
                assert!((f64::from(dy[0]) - slope).abs() < 1e-6, "{activation:?} at {x}: {dy:?}, {slope}");
            }
        }
    }
}
