//! x sigmoid(x) (Hendrycks and Gimpel 2016; Ramachandran et al. 2017: swish).

use super::{Function, OnnxFormula, OnnxStep};
use crate::settings::Word;
use crate::tensor::kernels::elementary;
use dfdx::shapes::Shape;
use dfdx::tensor::{PutTape, SplitTape, Tape, Tensor};
use dfdx::tensor_ops::{Device, TryMul};

pub(super) struct Silu;

impl Function for Silu {
    const WORD: Word = Word { name: "silu", doc: "x sigmoid(x)", also: "swish" };
    const RANGE: [f64; 2] = [-0.2785, f64::INFINITY];
    const ONNX: OnnxFormula = OnnxFormula { steps: &[OnnxStep::Operator("Sigmoid", &[])], times_argument: true };
    const NEEDS_ARGUMENT: bool = true;

    #[inline(always)]
    fn value(x: f32) -> f32 {
        x * elementary::sigmoid(x)
    }

    #[inline(always)]
    fn gradient(x: f32, dy: f32) -> f32 {
        let gate = elementary::sigmoid(x);
        dy * (gate + x * gate * (1.0 - gate))
    }

    #[cfg(test)]
    fn exact(x: f64) -> f64 {
        x / (1.0 + (-x).exp())
    }

    #[cfg(test)]
    fn exact_slope(x: f64) -> f64 {
        let gate = 1.0 / (1.0 + (-x).exp());
        gate + x * gate * (1.0 - gate)
    }

    fn portable<S: Shape, D: Device<f32>, T: Tape<f32, D>>(
        x: Tensor<S, f32, D, T>,
    ) -> Result<Tensor<S, f32, D, T>, D::Err> {
        let (x, tape) = x.split_tape();
        x.clone().put_tape(tape).try_sigmoid()?.try_mul(x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_pytorch() {
        // torch.nn.functional.silu, in double precision.
        let expected = [-0.01483574, -0.2736383, -0.1094559, 0.0, 0.509384, 2.857722];
        for (x, expected) in [-6.0, -1.5, -0.25, 0.0, 0.75, 3.0].into_iter().zip(expected) {
            assert!((Silu::value(x) - expected).abs() < 1e-6, "{x}: {}", Silu::value(x));
        }
    }
}
