//! x P(X < x) for a standard normal X (Hendrycks and Gimpel 2016), by the error function.

use super::{Function, OnnxFormula, OnnxStep};
use crate::settings::Word;
use crate::tensor::kernels::elementary::{self, ERF_BOUND, ERF_DENOMINATOR, ERF_NUMERATOR};
use dfdx::shapes::Shape;
use dfdx::tensor::{PutTape, SplitTape, Tape, Tensor};
use dfdx::tensor_ops::{Device, TryAdd, TryDiv, TryMul};

pub(super) struct Gelu;

impl Function for Gelu {
    const WORD: Word = Word { name: "gelu", doc: "x times the standard normal distribution function of x", also: "" };
    const RANGE: [f64; 2] = [-0.17, f64::INFINITY];
    const ONNX: OnnxFormula = OnnxFormula { steps: &[
        OnnxStep::WithNumber("Mul", std::f32::consts::FRAC_1_SQRT_2),
        OnnxStep::Operator("Erf", &[]),
        OnnxStep::WithNumber("Add", 1.0),
        OnnxStep::WithNumber("Mul", 0.5),
    ], times_argument: true };
    const NEEDS_ARGUMENT: bool = true;

    #[inline(always)]
    fn value(x: f32) -> f32 {
        x * elementary::normal_below(x)
    }

    #[inline(always)]
    fn gradient(x: f32, dy: f32) -> f32 {
        /// 1 / sqrt(2 pi), the density at 0.
        const DENSITY: f32 = 0.398_942_3;
        dy * (elementary::normal_below(x) + x * DENSITY * elementary::exp(-0.5 * x * x))
    }

    #[cfg(test)]
    fn exact(x: f64) -> f64 {
        0.5 * x * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2)
    }

    #[cfg(test)]
    fn exact_slope(x: f64) -> f64 {
        let density = (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt();
        0.5 * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2) + x * density
    }

    fn portable<S: Shape, D: Device<f32>, T: Tape<f32, D>>(
        x: Tensor<S, f32, D, T>,
    ) -> Result<Tensor<S, f32, D, T>, D::Err> {
        // dfdx's own gelu has a wrong derivative: its density lacks the factor 1 / sqrt(2).
        let (x, tape) = x.split_tape();
        let scaled = x.clone().put_tape(tape).try_mul(std::f32::consts::FRAC_1_SQRT_2)?;
        let (scaled, tape) = scaled.try_clamp(-ERF_BOUND, ERF_BOUND)?.split_tape();
        let (square, tape) = scaled.clone().put_tape(tape).try_square()?.split_tape();
        let polynomial = |coefficients: &[f32], tape: T| {
            let zero = square.clone().put_tape(tape).try_mul(0.0)?;
            coefficients.iter().try_fold(zero, |sum, &coefficient| sum.try_mul(square.clone())?.try_add(coefficient))
        };
        let (numerator, tape) = polynomial(&ERF_NUMERATOR, tape)?.try_mul(scaled)?.split_tape();
        let (denominator, tape) = polynomial(&ERF_DENOMINATOR, tape)?.split_tape();
        numerator.put_tape(tape).try_div(denominator)?.try_mul(0.5)?.try_add(0.5)?.try_mul(x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_pytorch() {
        // torch.nn.functional.gelu, in double precision.
        let expected = [-5.919526e-09, -0.1002108, -0.1003234, 0.0, 0.5800295, 2.99595];
        for (x, expected) in [-6.0, -1.5, -0.25, 0.0, 0.75, 3.0].into_iter().zip(expected) {
            assert!((Gelu::value(x) - expected).abs() < 1e-6, "{x}: {}", Gelu::value(x));
        }
    }
}
