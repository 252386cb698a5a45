//! max(x, 0.01 x): negative values are multiplied by 0.01 (Maas et al. 2013). Also the function for any slope.

use super::{Function, OnnxFormula, OnnxStep};
use crate::settings::Word;
use dfdx::shapes::Shape;
use dfdx::tensor::{PutTape, SplitTape, Tape, Tensor};
use dfdx::tensor_ops::{Device, TryAdd, TryMul};

/// A slope for negative values, with a name in specs.
pub(super) trait Slope {
    /// The name in a spec.
    const WORD: Word;
    /// The factor of negative values.
    const SLOPE: f32;
}

pub(super) struct LeakyRelu;

impl Slope for LeakyRelu {
    const WORD: Word = Word { name: "leaky_relu", doc: "max(x, 0.01 x)", also: "leakyrelu lrelu" };
    /// PyTorch's default.
    const SLOPE: f32 = 0.01;
}

impl<F: Slope> Function for F {
    const WORD: Word = F::WORD;
    const RANGE: [f64; 2] = [f64::NEG_INFINITY, f64::INFINITY];
    const ONNX: OnnxFormula = OnnxFormula::of(&[OnnxStep::Operator("LeakyRelu", &[("alpha", F::SLOPE)])]);

    #[inline(always)]
    fn value(x: f32) -> f32 {
        if x < 0.0 { F::SLOPE * x } else { x }
    }

    #[inline(always)]
    fn gradient(y: f32, dy: f32) -> f32 {
        if y > 0.0 { dy } else { F::SLOPE * dy }
    }

    #[cfg(test)]
    fn exact(x: f64) -> f64 {
        x.max(f64::from(F::SLOPE) * x)
    }

    #[cfg(test)]
    fn exact_slope(y: f64) -> f64 {
        if y > 0.0 { 1.0 } else { f64::from(F::SLOPE) }
    }

    fn portable<S: Shape, D: Device<f32>, T: Tape<f32, D>>(
        x: Tensor<S, f32, D, T>,
    ) -> Result<Tensor<S, f32, D, T>, D::Err> {
        // slope * x + (1 - slope) * relu(x)
        let (x, tape) = x.split_tape();
        let (all, tape) = x.clone().put_tape(tape).try_mul(F::SLOPE)?.split_tape();
        x.put_tape(tape).try_relu()?.try_mul(1.0 - F::SLOPE)?.try_add(all)
    }
}

#[cfg(test)]
mod tests {
    use super::super::leaky_relu_02::LeakyRelu02;
    use super::*;

    /// torch.nn.functional.leaky_relu, with its default slope and with 0.2.
    #[test]
    fn values_and_gradients_are_those_of_pytorch() {
        fn of<F: Function>(x: [f32; 4]) -> ([f32; 4], [f32; 4]) {
            (x.map(F::value), x.map(|x| F::gradient(F::value(x), 3.0)))
        }

        let x = [-200.0, -2.0, 0.0, 0.5];
        assert_eq!(of::<LeakyRelu>(x), ([-2.0, -0.02, 0.0, 0.5], [0.03, 0.03, 0.03, 3.0]));
        assert_eq!(of::<LeakyRelu02>(x), ([-40.0, -0.4, 0.0, 0.5], [0.6, 0.6, 0.6, 3.0]));
    }
}
