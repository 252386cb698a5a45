//! Independent Laplace distributions, one per value.

use super::location_scale::{self, LocationScale, each_value, locations, portable};
use super::scale::Scale;
use super::{Likelihood, OwnParameter, Support};
use crate::data::ImageShape;
use crate::onnx::{ExportError, Graph};
use crate::random::Stream;
use crate::settings::{Keys, Word};
use crate::tensor::backend::{RowGradients, RowInputs, RowKernel, RowOperation, kernel_numbers};
use crate::tensor::kernels::exp;
use dfdx::shapes::Axis;
use dfdx::tensor::{Tape, Tensor, WithEmptyTape};
use dfdx::tensor_ops::{Device, SumTo, TryAdd, TryMul, TrySub};
use std::f32::consts::LN_2;

/// One location per value, which is its mean, and a scale b, in units of the data: log p(x) = -|x - location| / b - ln(2 b).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Laplace {
    /// The scale.
    pub scale: Scale,
}

/// The least logarithm of a scale that is not a constant: that of sigma-VAE's standard deviation (Rybkin et al. 2021).
const FLOOR: f32 = -6.0;

impl LocationScale for Laplace {
    #[inline(always)]
    fn floor(self) -> f32 {
        self.scale.floor(FLOOR)
    }

    /// 1 / b, and ln(2 b).
    #[inline(always)]
    fn terms(self, log_scale: f32) -> [f32; 3] {
        [exp(-log_scale), log_scale + LN_2, 0.0]
    }

    #[inline(always)]
    fn nats(self, x: f32, location: f32, [inverse, constant, _]: [f32; 3]) -> f32 {
        (x - location).abs() * inverse + constant
    }

    #[inline(always)]
    fn slopes(self, x: f32, location: f32, [inverse, _, _]: [f32; 3]) -> [f32; 2] {
        let distance = location - x;
        // At 0, the middle of both slopes.
        let sign = if distance == 0.0 { 0.0 } else { inverse.copysign(distance) };
        [sign, 1.0 - distance.abs() * inverse]
    }
}

impl Likelihood for Laplace {
    const WORD: Word = Word {
        name: "laplace",
        doc: "One location per value, and `scale`. The loss includes the normalization constant.",
        also: "l1 mae laplacian",
    };
    const TITLE: &'static str = "Laplace";
    const SUPPORT: Support = Support::Line;

    fn read(keys: &mut Keys<'_>) -> Laplace {
        Laplace { scale: Scale::read(keys, Scale::Fixed(1.0)) }
    }

    fn outputs(&self, channels: usize) -> usize {
        if self.scale.is_of_decoder() { channels.saturating_mul(2) } else { channels }
    }

    fn parameter(&self, image: ImageShape) -> Option<OwnParameter> {
        self.scale.parameter("log_scale", image)
    }

    fn expected(&self, outputs: Vec<f32>, _: &[f32]) -> Vec<f32> {
        locations(outputs, self.scale.is_of_decoder())
    }

    fn draw(&self, outputs: Vec<f32>, own: &[f32], stream: &mut Stream) -> Vec<f32> {
        let each = each_value(&outputs, own, self.scale.is_of_decoder(), LocationScale::floor(*self));
        let draw = |[location, log_scale]: [f32; 2]| {
            // A number between -1/2 and 1/2, which are excluded.
            let share = stream.uniform() - 0.5 + 0.5 / 16_777_216.0;
            location - log_scale.exp() * (-2.0 * share.abs()).ln_1p().copysign(-share)
        };
        each.map(draw).collect()
    }

    fn onnx(&self, image: ImageShape, graph: &mut Graph<'_>) -> Result<(), ExportError> {
        let floor = LocationScale::floor(*self);
        location_scale::onnx(graph, image, self.parameter(image), ["mean", "log_scale"], floor)
    }

    #[cfg(test)]
    fn exact(&self, outputs: &[f64], own: &[f64], x: &[f64]) -> f64 {
        let floor = f64::from(LocationScale::floor(*self));
        let term = |[location, log_scale]: [f64; 2], x: f64| {
            let scale = log_scale.max(floor).exp();
            -((0.5 / scale).ln() - (x - location).abs() / scale)
        };
        super::exact_sum(outputs, own, x, self.scale.is_of_decoder(), term)
    }
}

impl RowOperation for Laplace {
    fn forward(&self, inputs: RowInputs<'_>, results: &mut [f32]) {
        location_scale::forward(*self, self.scale.is_of_decoder(), inputs, results);
    }

    fn backward(&self, inputs: RowInputs<'_>, dresults: &[f32], gradients: RowGradients<'_>) {
        location_scale::backward(*self, self.scale.is_of_decoder(), inputs, dresults, gradients);
    }

    fn portable<D: Device<f32>, T: Tape<f32, D>>(
        &self,
        outputs: Tensor<(usize, usize), f32, D, T>,
        own: Option<Tensor<(usize,), f32, D, T>>,
        x: Tensor<(usize, usize), f32, D>,
    ) -> Result<Tensor<(usize,), f32, D, T>, D::Err> {
        let [location, log_scale] = portable(outputs, own, LocationScale::floor(*self))?;
        let inverse = log_scale.with_empty_tape().try_negate()?.try_exp()?;
        let distance = location.try_sub(x)?.try_abs()?.try_mul(inverse)?;
        distance.try_add(log_scale)?.try_add(LN_2)?.try_sum::<(usize,), Axis<1>>()
    }

    fn kernel(&self) -> Option<RowKernel> {
        let names = ["laplace", "laplace_backward", "laplace_own"];
        Some(RowKernel::LocationScale { names, numbers: kernel_numbers([LocationScale::floor(*self)]) })
    }
}
