//! max(0, x). NaN stays NaN, so that a diverged run is noticed.

use super::{Function, OnnxFormula, OnnxStep};
use crate::settings::Word;
use dfdx::shapes::Shape;
use dfdx::tensor::{Tape, Tensor};
use dfdx::tensor_ops::Device;

pub(super) struct Relu;

impl Function for Relu {
    const WORD: Word = Word { name: "relu", doc: "max(0, x)", also: "rectifier" };
    const RANGE: [f64; 2] = [0.0, f64::INFINITY];
    const ONNX: OnnxFormula = OnnxFormula::of(&[OnnxStep::Operator("Relu", &[])]);
    /// Matrix products apply it to their results.
    const IN_PRODUCTS: bool = true;

    #[inline(always)]
    fn value(x: f32) -> f32 {
        if x < 0.0 { 0.0 } else { x }
    }

    #[inline(always)]
    fn gradient(y: f32, dy: f32) -> f32 {
        if y > 0.0 { dy } else { 0.0 }
    }

    #[cfg(test)]
    fn exact(x: f64) -> f64 {
        x.max(0.0)
    }

    #[cfg(test)]
    fn exact_slope(y: f64) -> f64 {
        f64::from(y > 0.0)
    }

    fn portable<S: Shape, D: Device<f32>, T: Tape<f32, D>>(x: Tensor<S, f32, D, T>) -> Result<Tensor<S, f32, D, T>, D::Err> {
        x.try_relu()
    }
}
