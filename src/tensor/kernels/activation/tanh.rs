//! The hyperbolic tangent.

use super::{Function, OnnxFormula, OnnxStep};
use crate::settings::Word;
use crate::tensor::kernels::elementary;
use dfdx::shapes::Shape;
use dfdx::tensor::{Tape, Tensor};
use dfdx::tensor_ops::Device;

pub(super) struct Tanh;

impl Function for Tanh {
    const WORD: Word = Word { name: "tanh", doc: "Hyperbolic tangent.", also: "hyperbolic_tangent" };
    const RANGE: [f64; 2] = [-1.0, 1.0];
    const ONNX: OnnxFormula = OnnxFormula::of(&[OnnxStep::Operator("Tanh", &[])]);

    #[inline(always)]
    fn value(x: f32) -> f32 {
        elementary::tanh(x)
    }

    #[inline(always)]
    fn gradient(y: f32, dy: f32) -> f32 {
        dy * (1.0 - y * y)
    }

    #[cfg(test)]
    fn exact(x: f64) -> f64 {
        x.tanh()
    }

    #[cfg(test)]
    fn exact_slope(y: f64) -> f64 {
        1.0 - y * y
    }

    fn portable<S: Shape, D: Device<f32>, T: Tape<f32, D>>(x: Tensor<S, f32, D, T>) -> Result<Tensor<S, f32, D, T>, D::Err> {
        x.try_tanh()
    }
}
