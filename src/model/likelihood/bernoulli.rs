//! Independent Bernoulli distributions, one per value: binary cross-entropy.

use super::{Likelihood, MEANS, Support, each_output, gradient_of_logits, nats_of_logits};
use crate::data::ImageShape;
use crate::onnx::{ExportError, Graph};
use crate::random::Stream;
use crate::settings::{Keys, Word};
use crate::tensor::backend::{RowGradients, RowInputs, RowKernel, RowOperation};
use crate::tensor::kernels::{exp, ln_1p_of_unit, sigmoid};
use dfdx::shapes::Axis;
use dfdx::tensor::{Tape, Tensor, WithEmptyTape};
use dfdx::tensor_ops::{Device, SumTo, TryAdd, TryMul, TrySub};

/// One logit per value. Values between 0 and 1 count as probabilities.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bernoulli;

/// softplus(logit) - x logit.
#[inline(always)]
fn nats(logit: f32, x: f32) -> f32 {
    // max(logit, 0) - x logit, arranged so that nothing cancels for x in 0..=1.
    let linear = if logit > 0.0 { logit * (1.0 - x) } else { -logit * x };
    linear + ln_1p_of_unit(exp(-logit.abs()))
}

impl Likelihood for Bernoulli {
    const WORD: Word = Word {
        name: "bernoulli",
        doc: "One logit per value; needs values in [0, 1].",
        also: "bce binary binary_cross_entropy binary_crossentropy cross_entropy",
    };
    const TITLE: &'static str = "Bernoulli";
    const SUPPORT: Support = Support::Bits;

    fn read(_: &mut Keys<'_>) -> Bernoulli {
        Bernoulli
    }

    fn expected(&self, mut outputs: Vec<f32>, _: &[f32]) -> Vec<f32> {
        outputs.iter_mut().for_each(|logit| *logit = 1.0 / (1.0 + (-*logit).exp()));
        outputs
    }

    fn expected_fast(&self, outputs: Vec<f32>, _: &[f32]) -> Vec<f32> {
        each_output(outputs, sigmoid)
    }

    fn output_of_mean(&self, mean: f32) -> f32 {
        let mean = mean.clamp(MEANS[0], MEANS[1]);
        (mean / (1.0 - mean)).ln()
    }

    fn draw(&self, outputs: Vec<f32>, own: &[f32], stream: &mut Stream) -> Vec<f32> {
        self.expected(outputs, own).into_iter().map(|one| f32::from(u8::from(stream.uniform() < one))).collect()
    }

    fn onnx(&self, image: ImageShape, graph: &mut Graph<'_>) -> Result<(), ExportError> {
        graph.output("logits", image.values());
        graph.then("Sigmoid", Vec::new(), &[]);
        graph.output("probabilities", image.values());
        Ok(())
    }

    /// -x ln(p) - (1 - x) ln(1 - p), where -ln(p) = ln(1 + e^-logit) and -ln(1 - p) = ln(1 + e^logit).
    #[cfg(test)]
    fn exact(&self, outputs: &[f64], _: &[f64], x: &[f64]) -> f64 {
        let term = |(logit, x): (&f64, &f64)| x * (-logit).exp().ln_1p() + (1.0 - x) * logit.exp().ln_1p();
        outputs.iter().zip(x).map(term).sum()
    }
}

impl RowOperation for Bernoulli {
    fn forward(&self, inputs: RowInputs<'_>, results: &mut [f32]) {
        nats_of_logits(inputs, results, nats);
    }

    /// `dlogit += dnats (sigmoid(logit) - x)`.
    fn backward(&self, inputs: RowInputs<'_>, dresults: &[f32], gradients: RowGradients<'_>) {
        gradient_of_logits(inputs, dresults, gradients, sigmoid);
    }

    fn portable<D: Device<f32>, T: Tape<f32, D>>(
        &self,
        logits: Tensor<(usize, usize), f32, D, T>,
        _: Option<Tensor<(usize,), f32, D, T>>,
        x: Tensor<(usize, usize), f32, D>,
    ) -> Result<Tensor<(usize,), f32, D, T>, D::Err> {
        // max(l, 0) - x l + log(1 + exp(-|l|))
        let positive = logits.with_empty_tape().try_relu()?;
        let product = logits.with_empty_tape().try_mul(x)?;
        let rest = logits.try_abs()?.try_negate()?.try_exp()?.try_add(1.0)?.try_ln()?;
        rest.try_add(positive)?.try_sub(product)?.try_sum::<(usize,), Axis<1>>()
    }

    fn kernel(&self) -> Option<RowKernel> {
        Some(RowKernel::Logits(["bernoulli", "bernoulli_backward"]))
    }
}
