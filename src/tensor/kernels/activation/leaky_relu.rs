//! max(x, 0.01 x): negative values are multiplied by 0.01 (Maas et al. 2013).

use super::{Function, OnnxFormula, OnnxStep};
use crate::settings::Word;
use dfdx::shapes::Shape;
use dfdx::tensor::{PutTape, SplitTape, Tape, Tensor};
use dfdx::tensor_ops::{Device, TryAdd, TryMul};

/// The factor of negative values: PyTorch's default.
const SLOPE: f32 = 0.01;

pub(super) struct LeakyRelu;

impl Function for LeakyRelu {
    const WORD: Word = Word { name: "leaky_relu", doc: "max(x, 0.01 x)", also: "leakyrelu lrelu" };
    const ONNX: OnnxFormula = OnnxFormula::of(&[OnnxStep::Operator("LeakyRelu", &[("alpha", SLOPE)])]);

    #[inline(always)]
    fn value(x: f32) -> f32 {
        if x < 0.0 { SLOPE * x } else { x }
    }

    #[inline(always)]
    fn gradient(y: f32, dy: f32) -> f32 {
        if y > 0.0 { dy } else { SLOPE * dy }
    }

    #[cfg(test)]
    fn exact(x: f64) -> f64 {
        x.max(f64::from(SLOPE) * x)
    }

    #[cfg(test)]
    fn exact_slope(y: f64) -> f64 {
        if y > 0.0 { 1.0 } else { f64::from(SLOPE) }
    }

    fn portable<S: Shape, D: Device<f32>, T: Tape<f32, D>>(
        x: Tensor<S, f32, D, T>,
    ) -> Result<Tensor<S, f32, D, T>, D::Err> {
        // slope * x + (1 - slope) * relu(x)
        let (x, tape) = x.split_tape();
        let (all, tape) = x.clone().put_tape(tape).try_mul(SLOPE)?.split_tape();
        x.put_tape(tape).try_relu()?.try_mul(1.0 - SLOPE)?.try_add(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_gradients_are_those_of_pytorch() {
        // torch.nn.functional.leaky_relu, with its default slope.
        let x = [-200.0, -2.0, 0.0, 0.5];
        assert_eq!(x.map(LeakyRelu::value), [-2.0, -0.02, 0.0, 0.5]);
        assert_eq!(x.map(|x| LeakyRelu::gradient(LeakyRelu::value(x), 3.0)), [0.03, 0.03, 0.03, 3.0]);
    }
}
