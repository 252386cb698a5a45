//! The KL of sampled codes from the standard normal prior: log q(z|x) - log p(z).

use crate::tensor::backend::{Array, CodeGradients, CodeInputs, CodeTerm, Codes, Combine, DeviceError, Parameter};
use crate::tensor::dims::{Dim, Own};
use dfdx::shapes::{Axis, HasShape};
use dfdx::tensor::{PutTape, SplitTape, Tape, Tensor, WithEmptyTape};
use dfdx::tensor_ops::{BroadcastTo, Device, SumTo, TryAdd, TryMul, TrySub};

/// The KL of each code, nats.
#[derive(Clone, Copy, Debug)]
pub(super) struct SampledKl {
    /// Whether only the path through the samples has a gradient: not log q(z|x) by its own parameters.
    pub(super) by_path: bool,
}

impl SampledKl {
    /// The KL of codes `(Rows, L)`: `(Rows)`.
    pub(super) fn of<N: Dim, L: Dim, B: Combine, T: Tape<f32, B::Device>>(
        self,
        codes: &Codes<N, L, B>,
        tape: T,
    ) -> Result<Array<(N,), B, T>, DeviceError> {
        B::code_term(&self, codes, None::<&Parameter<(Own,), B>>, tape)
    }
}

impl CodeTerm for SampledKl {
    fn forward(&self, codes: CodeInputs<'_>, _: &[f32], results: &mut [f32]) {
        let rows = codes.mean.chunks(codes.latent).zip(codes.log_variance.chunks(codes.latent));
        for (result, ((mean, log_variance), z)) in results.iter_mut().zip(rows.zip(codes.z.chunks(codes.latent))) {
            let axes = mean.iter().zip(log_variance).zip(z).map(|((&mean, &log_variance), &z)| {
                let (mean, log_variance, z) = (f64::from(mean), f64::from(log_variance), f64::from(z));
                let difference = z - mean;
                0.5 * (z * z - difference * difference * (-log_variance).exp() - log_variance)
            });
            *result = axes.sum::<f64>() as f32;
        }
    }

    fn backward(
        &self,
        codes: CodeInputs<'_>,
        _: &[f32],
        dresults: &[f32],
        gradients: CodeGradients<'_>,
        _: &mut [f32],
    ) {
        for (place, &z) in codes.z.iter().enumerate() {
            let dresult = dresults[place / codes.latent];
            let precision = (-codes.log_variance[place]).exp();
            let scaled = (z - codes.mean[place]) * precision;
            gradients.z[place] += dresult * (z - scaled);
            if !self.by_path {
                gradients.mean[place] += dresult * scaled;
                gradients.log_variance[place] += dresult * 0.5 * (scaled * (z - codes.mean[place]) - 1.0);
            }
        }
    }

    fn portable<D: Device<f32>, T: Tape<f32, D>>(
        &self,
        mean: Tensor<(usize, usize), f32, D, T>,
        log_variance: Option<Tensor<(usize, usize), f32, D, T>>,
        z: Tensor<(usize, usize), f32, D, T>,
        own: Tensor<(usize,), f32, D, T>,
    ) -> Result<Tensor<(usize,), f32, D, T>, D::Err> {
        // The tape comes with the numbers of the operation, of which this one needs none.
        let nothing: Tensor<(), f32, D, T> = own.try_mul(0.0)?.try_sum()?;
        let nothing = nothing.try_broadcast_like(&(z.shape().0,))?;
        let of_prior: Tensor<(usize,), f32, D, T> = z.with_empty_tape().try_square()?.try_sum::<_, Axis<1>>()?;
        let nothing: Tensor<(usize,), f32, D, T> = nothing.try_add(of_prior)?;
        // The objective needs a distribution.
        let Some(log_variance) = log_variance else { return Ok(nothing) };
        // Constants have no gradient: tensors that are not on the tape.
        let (mean, log_variance) = match self.by_path {
            true => (detached(mean)?, detached(log_variance)?),
            false => (mean, log_variance),
        };
        let precision = log_variance.with_empty_tape().try_negate()?.try_exp()?;
        let squares = z.try_sub(mean)?.try_square()?.try_mul(precision)?.try_add(log_variance)?;
        nothing.try_sub(squares.try_sum::<(usize,), Axis<1>>()?)?.try_mul(0.5)
    }
}

/// A copy whose gradient is not needed.
fn detached<D: Device<f32>, T: Tape<f32, D>>(
    x: Tensor<(usize, usize), f32, D, T>,
) -> Result<Tensor<(usize, usize), f32, D, T>, D::Err> {
    Ok(x.split_tape().0.try_mul(1.0)?.put_tape(T::default()))
}
