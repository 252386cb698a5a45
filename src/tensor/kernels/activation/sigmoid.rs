//! 1 / (1 + e^-x).

use super::{Function, OnnxFormula, OnnxStep};
use crate::settings::Word;
use crate::tensor::kernels::elementary;
use dfdx::shapes::Shape;
use dfdx::tensor::{Tape, Tensor};
use dfdx::tensor_ops::{Device};

pub(super) struct Sigmoid;

impl Function for Sigmoid {
    const WORD: Word = Word { name: "sigmoid", doc: "1 / (1 + e^-x)", also: "logistic" };
    const RANGE: [f64; 2] = [0.0, 1.0];
    const ONNX: OnnxFormula = OnnxFormula::of(&[OnnxStep::Operator("Sigmoid", &[])]);

    #[inline(always)]
    fn value(x: f32) -> f32 {
        elementary::sigmoid(x)
    }

    #[inline(always)]
    fn gradient(y: f32, dy: f32) -> f32 {
        dy * y * (1.0 - y)
    }

    #[cfg(test)]
    fn exact(x: f64) -> f64 {
        1.0 / (1.0 + (-x).exp())
    }

    #[cfg(test)]
    fn exact_slope(y: f64) -> f64 {
        y * (1.0 - y)
    }

    fn portable<S: Shape, D: Device<f32>, T: Tape<f32, D>>(
        x: Tensor<S, f32, D, T>,
    ) -> Result<Tensor<S, f32, D, T>, D::Err> {
        x.try_sigmoid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_pytorch() {
        // torch.nn.functional.sigmoid, in double precision.
        let expected = [0.002472623, 0.1824255, 0.4378235, 0.5, 0.6791787, 0.9525741];
        for (x, expected) in [-6.0, -1.5, -0.25, 0.0, 0.75, 3.0].into_iter().zip(expected) {
            assert!((Sigmoid::value(x) - expected).abs() < 1e-6, "{x}: {}", Sigmoid::value(x));
        }
    }
}
