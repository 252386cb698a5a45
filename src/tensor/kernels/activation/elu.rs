//! x above 0, e^x - 1 below it (Clevert et al. 2016).

use super::{Function, OnnxFormula, OnnxStep};
use crate::settings::Word;
use crate::tensor::kernels::elementary;
use dfdx::shapes::Shape;
use dfdx::tensor::{PutTape, SplitTape, Tape, Tensor};
use dfdx::tensor_ops::{Device, TryAdd, TrySub};

pub(super) struct Elu;

impl Function for Elu {
    const WORD: Word = Word { name: "elu", doc: "x above 0, e^x - 1 below it", also: "exponential_linear_unit" };
    const RANGE: [f64; 2] = [-1.0, f64::INFINITY];
    const ONNX: OnnxFormula = OnnxFormula::of(&[OnnxStep::Operator("Elu", &[("alpha", 1.0)])]);

    #[inline(always)]
    fn value(x: f32) -> f32 {
        if x > 0.0 { x } else { elementary::exp_m1_of_negative(x) }
    }

    #[inline(always)]
    fn gradient(y: f32, dy: f32) -> f32 {
        if y > 0.0 { dy } else { dy * (y + 1.0) }
    }

    #[cfg(test)]
    fn exact(x: f64) -> f64 {
        if x > 0.0 { x } else { x.exp_m1() }
    }

    #[cfg(test)]
    fn exact_slope(y: f64) -> f64 {
        if y > 0.0 { 1.0 } else { y + 1.0 }
    }

    fn portable<S: Shape, D: Device<f32>, T: Tape<f32, D>>(
        x: Tensor<S, f32, D, T>,
    ) -> Result<Tensor<S, f32, D, T>, D::Err> {
        // relu(x) + exp(min(x, 0)) - 1, where min(x, 0) = -relu(-x)
        let (x, tape) = x.split_tape();
        let (above, tape) = x.clone().put_tape(tape).try_relu()?.split_tape();
        let below = x.put_tape(tape).try_negate()?.try_relu()?.try_negate()?.try_exp()?.try_sub(1.0)?;
        below.try_add(above)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_pytorch() {
        // torch.nn.functional.elu, in double precision.
        let expected = [-0.9975213, -0.7768698, -0.2211992, 0.0, 0.75, 3.0];
        for (x, expected) in [-6.0, -1.5, -0.25, 0.0, 0.75, 3.0].into_iter().zip(expected) {
            assert!((Elu::value(x) - expected).abs() < 1e-6, "{x}: {}", Elu::value(x));
        }
    }
}
