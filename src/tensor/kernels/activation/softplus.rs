//! ln(1 + e^x).

use super::{Function, OnnxFormula, OnnxStep};
use crate::settings::Word;
use crate::tensor::kernels::elementary;
use dfdx::shapes::Shape;
use dfdx::tensor::{PutTape, SplitTape, Tape, Tensor};
use dfdx::tensor_ops::{Device, TryAdd};

pub(super) struct Softplus;

impl Function for Softplus {
    const WORD: Word = Word { name: "softplus", doc: "ln(1 + e^x)", also: "" };
    const RANGE: [f64; 2] = [0.0, f64::INFINITY];
    const ONNX: OnnxFormula = OnnxFormula::of(&[OnnxStep::Operator("Softplus", &[])]);

    #[inline(always)]
    fn value(x: f32) -> f32 {
        x.max(0.0) + elementary::ln_1p_of_unit(elementary::exp(-x.abs()))
    }

    #[inline(always)]
    fn gradient(y: f32, dy: f32) -> f32 {
        // 1 - e^-y is the sigmoid of the argument.
        -dy * elementary::exp_m1_of_negative(-y)
    }

    #[cfg(test)]
    fn exact(x: f64) -> f64 {
        x.max(0.0) + (-x.abs()).exp().ln_1p()
    }

    #[cfg(test)]
    fn exact_slope(y: f64) -> f64 {
        -(-y).exp_m1()
    }

    fn portable<S: Shape, D: Device<f32>, T: Tape<f32, D>>(
        x: Tensor<S, f32, D, T>,
    ) -> Result<Tensor<S, f32, D, T>, D::Err> {
        // relu(x) + ln(1 + e^-|x|)
        let (x, tape) = x.split_tape();
        let (above, tape) = x.clone().put_tape(tape).try_relu()?.split_tape();
        x.put_tape(tape).try_abs()?.try_negate()?.try_exp()?.try_add(1.0)?.try_ln()?.try_add(above)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_pytorch() {
        // torch.nn.functional.softplus, in double precision.
        let expected = [0.002475685, 0.2014133, 0.5759394, 0.8259394, 1.136871, 3.048587];
        for (x, expected) in [-6.0, -1.5, -0.25, 0.25, 0.75, 3.0].into_iter().zip(expected) {
            assert!((Softplus::value(x) - expected).abs() < 1e-6, "{x}: {}", Softplus::value(x));
        }
    }
}
