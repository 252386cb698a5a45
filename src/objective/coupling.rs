//! Objectives without parameters of their own, whose terms that couple a batch are one operation on its codes.

use super::batch::samples_of_image;
use super::sampled_kl::SampledKl;
use super::{At, BatchCodes, CodeParts, Coupled, Draws, Loss, Objective, RowTerms, RowWeights, Weights};
use crate::optimizer::Learn;
use crate::tensor::backend::{
    Array, CodeOperation, Combine, DeviceError, Parameter, RowGradients, RowInputs, RowKernel, RowOperation, RowWeight,
    kernel_numbers,
};
use crate::tensor::dims::{Batch, Dim, Own, Terms};
use crate::tensor::kernels::Buffer;
use dfdx::shapes::Axis;
use dfdx::tensor::{Tape, Tensor};
use dfdx::tensor_ops::{Device, SumTo, TryMul, TrySub};

/// Such an objective. With a learned prior, the KL is that of samples: its functions give weights to the KL of each image.
pub(super) trait Coupling: Loss + Clone + 'static {
    /// The operation.
    type Operation: CodeOperation;

    /// Whether it has terms that couple a batch, with its settings.
    fn is_coupled(&self) -> bool {
        true
    }

    /// The operation for a batch of this size; `None` without such terms.
    fn operation(&self, batch: usize, at: At, draws: Draws) -> Option<Self::Operation>;

    /// Its function of the mean sampled KL of a batch, and the derivative by that KL; `None` if it has none. The operation is not used
    /// then.
    fn of_mean_kl(&self, _kl_nats: f64, _at: At) -> Option<[f64; 2]> {
        None
    }

    /// The floor of the sampled KL of an image, nats: below it, the KL has no gradient.
    fn floor_of_images(&self) -> Option<f64> {
        None
    }
}

impl<C: Coupling> Objective for C {
    type Own<B: Learn + Combine> = ();

    fn own<B: Learn + Combine>(&self, _: &B::Device, _: usize, _: u64) -> Result<(), DeviceError> {
        Ok(())
    }

    fn couples(&self) -> bool {
        self.is_coupled()
    }

    fn couple<B: Learn + Combine>(
        &self,
        device: &B::Device,
        (): &(),
        codes: BatchCodes<'_, B>,
        at: At,
        draws: Draws,
    ) -> Result<Option<Coupled<B>>, DeviceError> {
        if codes.prior.is_some() && self.of_mean_kl(0.0, at).is_some() {
            let nats = SampledKl::of_batch(codes.own, codes.prior)?.to_vec();
            let mean = nats.iter().map(|nats| f64::from(*nats)).sum::<f64>() / nats.len() as f64;
            return self.of_mean_kl(mean, at).map(|[term, slope]| of_kl(device, term, slope)).transpose();
        }
        let Batch(batch) = codes.own.z.shape().0;
        self.operation(batch, at, draws).map(|operation| Coupled::of(&operation, codes)).transpose()
    }

    fn has_row_weights(&self) -> bool {
        self.floor_of_images().is_some()
    }

    fn row_weights<N: Dim, B: Combine>(
        &self,
        terms: RowTerms<'_, N, B>,
        weights: Weights,
    ) -> Result<RowWeights<N, B>, DeviceError> {
        let same = RowWeights::of_terms(&terms, weights, self.samples());
        let (Some(floor), Some(kl_nats)) = (self.floor_of_images(), terms.kl_nats) else { return Ok(same) };
        let all = samples_of_image(kl_nats, self.samples())?;
        let none = None::<(&Parameter<(Own,), B>, bool)>;
        let weight = (weights.scale * weights.beta / self.samples() as f64) as f32;
        let kl = B::rows(&AboveFloor { floor: floor as f32, weight }, all.clone(), none, &all)?;
        Ok(RowWeights { kl: RowWeight::Each(kl), ..same })
    }
}

/// A function of the mean KL of a batch, and its derivative.
fn of_kl<B: Combine>(device: &B::Device, term: f64, slope: f64) -> Result<Coupled<B>, DeviceError> {
    let terms = Array::new(device, Buffer::copy_of(&[term as f32]), (Terms(1),))?;
    let gradients = CodeParts { mean: None, log_variance: None, z: None };
    Ok(Coupled { gradients, prior: None, terms, kl_weight: Some(slope) })
}

/// A weight for the rows of images whose mean KL is above a floor; 0 for others. Weights are constants.
#[derive(Clone, Copy, Debug)]
struct AboveFloor {
    floor: f32,
    weight: f32,
}

impl RowOperation for AboveFloor {
    fn forward(&self, inputs: RowInputs<'_>, results: &mut [f32]) {
        for (result, (nats, _)) in results.iter_mut().zip(inputs.each()) {
            let sum: f32 = nats.iter().map(|nats| nats - self.floor).sum();
            *result = if sum > 0.0 { self.weight } else { 0.0 };
        }
    }

    fn backward(&self, _: RowInputs<'_>, _: &[f32], _: RowGradients<'_>) {}

    fn portable<D: Device<f32>, T: Tape<f32, D>>(
        &self,
        nats: Tensor<(usize, usize), f32, D, T>,
        _: Option<Tensor<(usize,), f32, D, T>>,
        _: Tensor<(usize, usize), f32, D>,
    ) -> Result<Tensor<(usize,), f32, D, T>, D::Err> {
        let sums: Tensor<(usize,), f32, D, T> = nats.try_sub(self.floor)?.try_sum::<_, Axis<1>>()?;
        // A number that is not 0 becomes 0 or 1, by its sign.
        sums.try_mul(1e30)?.try_clamp(0.0, 1.0)?.try_mul(self.weight)
    }

    fn kernel(&self) -> Option<RowKernel> {
        let numbers = kernel_numbers([self.floor, self.weight]);
        Some(RowKernel::Whole { forward: "above_floor", backward: None, numbers, is_of_block: false })
    }
}
