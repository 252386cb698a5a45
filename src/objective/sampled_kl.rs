//! The KL of sampled codes from the prior: log q(z|x) - log p(z).

use super::densities::{exponentials, sum_of_lanes};
use crate::model::prior::{MixtureNumbers, mixture_components, mixture_places};
use crate::tensor::backend::{
    Array, CodeGradients, CodeInputs, CodeTerm, Codes, Combine, DeviceError, KernelNumbers, Parameter, by_axis,
    kernel_numbers,
};
use crate::tensor::dims::{Dim, Own};
use crate::tensor::kernels::{exp, vectorized};
use dfdx::shapes::{Axis, HasShape};
use dfdx::tensor::{NoneTape, PutTape, SplitTape, Tape, Tensor, WithEmptyTape};
use dfdx::tensor_ops::{BroadcastTo, Device, GatherTo, LogSumExpTo, ReshapeTo, SumTo, TryAdd, TryMul, TrySub};

/// The KL of each code, nats.
#[derive(Clone, Copy, Debug)]
pub(super) struct SampledKl {
    /// The number of components of the prior; 0 for the standard normal distribution.
    pub(super) components: usize,
    /// Whether only the path through the samples has a gradient: not log q(z|x) by its own parameters.
    pub(super) by_path: bool,
    /// What has a gradient.
    pub(super) of: GradientsOf,
}

/// What has a gradient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GradientsOf {
    /// The codes and the prior.
    All,
    /// The codes.
    Codes,
    /// The prior. The term is -log p(z) up to a constant.
    Prior,
}

impl SampledKl {
    /// The KL of the codes of a batch, one sample for each image.
    pub(super) fn of_batch<N: Dim, L: Dim, B: Combine>(
        codes: &Codes<N, L, B>,
        prior: Option<&Parameter<(Own,), B>>,
    ) -> Result<Array<(N,), B>, DeviceError> {
        let components = SampledKl::components_of(prior, codes.z.shape().1.size());
        SampledKl { components, by_path: false, of: GradientsOf::All }.nats(codes, prior, NoneTape)
    }

    /// The number of components of a learned prior, from its numbers.
    pub(super) fn components_of<B: Combine>(prior: Option<&Parameter<(Own,), B>>, latent: usize) -> usize {
        prior.map_or(0, |own| mixture_components(own.shape().0.size(), latent))
    }

    /// The KL of codes `(Rows, L)`, where `prior` are the numbers of a prior with components: `(Rows)`.
    pub(super) fn nats<N: Dim, L: Dim, B: Combine, T: Tape<f32, B::Recorder>>(
        self,
        codes: &Codes<N, L, B>,
        prior: Option<&Parameter<(Own,), B>>,
        tape: T,
    ) -> Result<Array<(N,), B, T>, DeviceError> {
        B::code_term(&self, codes, prior, tape)
    }
}

impl CodeTerm for SampledKl {
    fn forward(&self, codes: CodeInputs<'_>, results: &mut [f32]) {
        if self.components > 0 {
            return vectorized(
                #[inline(always)]
                || MixtureByAxis::new(codes.own, codes.latent).forward(self.of, codes, results),
            );
        }
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

    fn backward(&self, codes: CodeInputs<'_>, dresults: &[f32], mut gradients: CodeGradients<'_>) {
        if self.of != GradientsOf::Prior {
            for (place, &z) in codes.z.iter().enumerate() {
                let dresult = dresults[place / codes.latent];
                let precision = (-codes.log_variance[place]).exp();
                let scaled = (z - codes.mean[place]) * precision;
                let of_prior = if self.components == 0 { z } else { 0.0 };
                gradients.z[place] += dresult * (of_prior - scaled);
                if !self.by_path {
                    gradients.mean[place] += dresult * scaled;
                    gradients.log_variance[place] += dresult * 0.5 * (scaled * (z - codes.mean[place]) - 1.0);
                }
            }
        }
        if self.components > 0 {
            vectorized(
                #[inline(always)]
                || MixtureByAxis::new(codes.own, codes.latent).backward(self.of, codes.z, dresults, &mut gradients),
            );
        }
    }

    fn portable<D: Device<f32>, T: Tape<f32, D>>(
        &self,
        mean: Tensor<(usize, usize), f32, D, T>,
        log_variance: Option<Tensor<(usize, usize), f32, D, T>>,
        z: Tensor<(usize, usize), f32, D, T>,
        own: Tensor<(usize,), f32, D, T>,
    ) -> Result<Tensor<(usize,), f32, D, T>, D::Err> {
        let z_of_prior = match self.of {
            GradientsOf::Prior => detached(z.with_empty_tape())?,
            _ => z.with_empty_tape(),
        };
        let minus_log_prior = if self.components == 0 {
            // The tape comes with the numbers of the operation, of which this one needs none.
            let nothing: Tensor<(), f32, D, T> = own.try_mul(0.0)?.try_sum()?;
            let nothing = nothing.try_broadcast_like(&(z.shape().0,))?;
            let squares: Tensor<(usize,), f32, D, T> = z_of_prior.try_square()?.try_sum::<_, Axis<1>>()?;
            nothing.try_add(squares)?.try_mul(0.5)?
        } else {
            self.portable_mixture(own, z_of_prior)?
        };
        // The objective needs a distribution.
        let Some(log_variance) = log_variance.filter(|_| self.of != GradientsOf::Prior) else {
            return Ok(minus_log_prior);
        };
        // Constants have no gradient: tensors that are not on the tape.
        let (mean, log_variance) = match self.by_path {
            true => (detached(mean)?, detached(log_variance)?),
            false => (mean, log_variance),
        };
        let precision = log_variance.with_empty_tape().try_negate()?.try_exp()?;
        let squares = z.try_sub(mean)?.try_square()?.try_mul(precision)?.try_add(log_variance)?;
        minus_log_prior.try_sub(squares.try_sum::<(usize,), Axis<1>>()?.try_mul(0.5)?)
    }

    fn kernel(&self) -> Option<([&'static str; 2], KernelNumbers)> {
        let is_plain = self.components == 0 && self.of != GradientsOf::Prior;
        let numbers = kernel_numbers([f32::from(u8::from(self.by_path))]);
        is_plain.then_some((["sampled_kl", "sampled_kl_backward"], numbers))
    }
}

impl SampledKl {
    /// -log p(z) up to a constant, (Rows).
    fn portable_mixture<D: Device<f32>, T: Tape<f32, D>>(
        &self,
        own: Tensor<(usize,), f32, D, T>,
        z: Tensor<(usize, usize), f32, D, T>,
    ) -> Result<Tensor<(usize,), f32, D, T>, D::Err> {
        let (rows, latent) = *z.shape();
        let count = self.components;
        let cube = (rows, count, latent);
        let (own, tape) = own.split_tape();
        let own = match self.of {
            GradientsOf::Codes => own.try_mul(1.0)?,
            _ => own,
        };
        // The means have the tape of what came before.
        let [means, log_variances, logits] = mixture_places(count, latent).map(|places| {
            let places: Vec<usize> = places.collect();
            let length = places.len();
            own.device().clone().try_tensor_from_vec(places, (length,))
        });
        let means = own.clone().put_tape(tape).try_gather(means?)?;
        let log_variances = own.retaped::<T>().try_gather(log_variances?)?;
        let logits = own.retaped::<T>().try_gather(logits?)?;
        let means = means.try_reshape_like(&(count, latent))?.try_broadcast_like::<_, Axis<0>>(&cube)?;
        let log_variances: Tensor<(usize, usize), f32, D, T> = log_variances.try_reshape_like(&(count, latent))?;
        let log_variances = log_variances.try_broadcast_like::<_, Axis<0>>(&cube)?;
        let precisions = log_variances.with_empty_tape().try_negate()?.try_exp()?;
        let z = z.try_broadcast_like::<_, Axis<1>>(&cube)?;
        let axes = means.try_sub(z)?.try_square()?.try_mul(precisions)?.try_add(log_variances)?;
        let densities: Tensor<(usize, usize), f32, D, T> = axes.try_sum::<_, Axis<2>>()?;
        let total: Tensor<(), f32, D, T> = logits.with_empty_tape().try_logsumexp()?;
        let logits = logits.try_broadcast_like::<_, Axis<0>>(&(rows, count))?;
        let densities = densities.try_mul(-0.5)?.try_add(logits)?;
        let log_prior: Tensor<(usize,), f32, D, T> = densities.try_logsumexp::<_, Axis<1>>()?;
        log_prior.try_negate()?.try_add(total.try_broadcast_like(&(rows,))?)
    }
}

/// A copy whose gradient is not needed.
fn detached<D: Device<f32>, T: Tape<f32, D>>(
    x: Tensor<(usize, usize), f32, D, T>,
) -> Result<Tensor<(usize, usize), f32, D, T>, D::Err> {
    Ok(x.split_tape().0.try_mul(1.0)?.put_tape(T::default()))
}

/// The components of a prior, by axis, so that loops over the components are over consecutive numbers.
struct MixtureByAxis {
    latent: usize,
    /// (Latent, Components)
    mean: Vec<f32>,
    /// exp(-log-variance), (Latent, Components)
    precision: Vec<f32>,
    /// The logarithm of the weight, and half the sum of the log-variances subtracted, (Components).
    constant: Vec<f32>,
    /// The weights, (Components).
    weights: Vec<f32>,
}

impl MixtureByAxis {
    fn new(own: &[f32], latent: usize) -> MixtureByAxis {
        let components = MixtureNumbers::of(own, latent);
        // (Components, Latent) as (Latent, Components).
        let mean = by_axis(latent, components.mean);
        let precision = by_axis(latent, components.log_variance).iter().map(|one| exp(-one)).collect();
        let log_weights = components.log_weights();
        let halves = components
            .log_variance
            .chunks(latent)
            .map(|axes| 0.5 * axes.iter().map(|one| f64::from(*one)).sum::<f64>());
        let constant: Vec<f32> = log_weights.iter().zip(halves).map(|(weight, half)| (weight - half) as f32).collect();
        let weights = log_weights.iter().map(|weight| weight.exp() as f32).collect();
        MixtureByAxis { latent, mean, precision, constant, weights }
    }

    /// The logarithm of the density of a code without ln(2 pi), as the largest of `densities` and the sum of exp(density - largest);
    /// `densities` become these exponentials.
    #[inline(always)]
    fn exponentials(&self, z: &[f32], densities: &mut [f32]) -> (f32, f32) {
        densities.copy_from_slice(&self.constant);
        let count = densities.len();
        let axes = z.iter().zip(self.mean.chunks(count)).zip(self.precision.chunks(count));
        for ((z, mean), precision) in axes {
            for (density, (mean, precision)) in densities.iter_mut().zip(mean.iter().zip(precision)) {
                *density -= 0.5 * (z - mean) * (z - mean) * precision;
            }
        }
        exponentials(densities)
    }

    /// Computes log q(z|x) - log p(z) of each code; -log p(z) up to a constant if only the prior has a gradient.
    #[inline(always)]
    fn forward(&self, of: GradientsOf, codes: CodeInputs<'_>, results: &mut [f32]) {
        let mut densities = vec![0.0; self.constant.len()];
        let rows = codes.mean.chunks(codes.latent).zip(codes.log_variance.chunks(codes.latent));
        for (result, ((mean, log_variance), z)) in results.iter_mut().zip(rows.zip(codes.z.chunks(codes.latent))) {
            let (largest, sum) = self.exponentials(z, &mut densities);
            let of_prior = f64::from(largest) + f64::from(sum).ln();
            let axes = mean.iter().zip(log_variance).zip(z).map(|((&mean, &log_variance), &z)| {
                let (log_variance, difference) = (f64::from(log_variance), f64::from(z) - f64::from(mean));
                -0.5 * (difference * difference * (-log_variance).exp() + log_variance)
            });
            let of_posterior = if of == GradientsOf::Prior { 0.0 } else { axes.sum() };
            *result = (of_posterior - of_prior) as f32;
        }
    }

    /// Adds the gradients of -log p(z).
    #[inline(always)]
    fn backward(&self, of: GradientsOf, codes: &[f32], dresults: &[f32], gradients: &mut CodeGradients<'_>) {
        let (latent, count) = (self.latent, self.constant.len());
        let mut shares = vec![0.0; count];
        let mut through = vec![0.0; count];
        // With respect to the means and the log-variances, (Latent, Components), and the logits.
        let (mut dmean, mut dlog_variance) = (vec![0.0; self.mean.len()], vec![0.0; self.mean.len()]);
        let mut dlogits = vec![0.0; count];
        for (row, (z, &dresult)) in codes.chunks(latent).zip(dresults).enumerate() {
            let (_, sum) = self.exponentials(z, &mut shares);
            shares.iter_mut().for_each(|share| *share *= dresult / sum);
            for (dlogit, (share, weight)) in dlogits.iter_mut().zip(shares.iter().zip(&self.weights)) {
                *dlogit += dresult * weight - share;
            }
            for (axis, z) in z.iter().enumerate() {
                let places = axis * count..(axis + 1) * count;
                let (mean, precision) = (&self.mean[places.clone()], &self.precision[places.clone()]);
                let (dmean, dlog_variance) = (&mut dmean[places.clone()], &mut dlog_variance[places]);
                for k in 0..count {
                    let scaled = (z - mean[k]) * precision[k];
                    through[k] = shares[k] * scaled;
                    dmean[k] -= through[k];
                    dlog_variance[k] -= shares[k] * 0.5 * (scaled * (z - mean[k]) - 1.0);
                }
                if of != GradientsOf::Prior {
                    gradients.z[row * latent + axis] += sum_of_lanes(&through);
                }
            }
        }
        if of == GradientsOf::Codes {
            return;
        }
        let (of_mean, rest) = gradients.own.split_at_mut(self.mean.len());
        let (of_log_variance, of_logits) = rest.split_at_mut(self.mean.len());
        for (down, by_axis) in [(of_mean, dmean), (of_log_variance, dlog_variance)] {
            for (place, down) in down.iter_mut().enumerate() {
                *down += by_axis[place % latent * count + place / latent];
            }
        }
        of_logits.iter_mut().zip(dlogits).for_each(|(down, dlogit)| *down += dlogit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODES: [[f32; 6]; 3] =
        [[0.5, -1.0, 0.2, 0.9, -0.3, 0.1], [-1.0, 0.3, -0.5, 0.0, 0.4, -2.0], [0.7, -1.5, 0.1, 2.0, 0.0, 0.3]];

    fn nats(components: usize, own: &[f32]) -> Vec<f32> {
        let [mean, log_variance, z] = &CODES;
        let codes = CodeInputs { latent: 2, mean, log_variance, z, own };
        let mut nats = vec![0.0; 3];
        SampledKl { components, by_path: false, of: GradientsOf::All }.forward(codes, &mut nats);
        nats
    }

    #[test]
    fn a_mixture_of_standard_components_is_the_standard_prior() {
        let expected = nats(0, &[]);
        for count in [1, 3, 17] {
            let own = [vec![0.0; 4 * count], (0..count).map(|k| k as f32).collect()].concat();
            for (found, expected) in nats(count, &own).iter().zip(&expected) {
                assert!((found - expected).abs() < 1e-5, "{count}: {found}, not {expected}");
            }
        }
    }

    #[test]
    fn one_component_is_its_normal_distribution() {
        let (means, log_variances) = ([0.4f32, -0.8], [0.6f32, -1.2]);
        let own = [&means[..], &log_variances, &[3.0]].concat();
        let [mean, log_variance, z] = &CODES;
        for (row, found) in nats(1, &own).into_iter().enumerate() {
            let expected: f64 = (0..2)
                .map(|axis| {
                    let place = 2 * row + axis;
                    let [z, mean, log_variance] = [z[place], mean[place], log_variance[place]].map(f64::from);
                    let [of_mean, of_log_variance] = [means[axis], log_variances[axis]].map(f64::from);
                    let density =
                        |mean: f64, log_variance: f64| -0.5 * ((z - mean).powi(2) / log_variance.exp() + log_variance);
                    density(mean, log_variance) - density(of_mean, of_log_variance)
                })
                .sum();
            assert!((f64::from(found) - expected).abs() < 1e-5, "{row}: {found}, not {expected}");
        }
    }

    /// Differences of the forward pass.
    #[test]
    fn gradients_are_those_of_differences() {
        const COUNT: usize = 3;
        const STEP: f32 = 1e-2;
        let own: Vec<f32> = (0..5 * COUNT).map(|place| (0.7 * place as f32 + 0.3).sin()).collect();
        let dresults = [1.0, -0.5, 2.0];
        let [mean, log_variance, z] = &CODES;
        let term = SampledKl { components: COUNT, by_path: false, of: GradientsOf::All };
        let total = |arrays: [&[f32]; 4]| -> f64 {
            let [mean, log_variance, z, own] = arrays;
            let mut nats = [0.0; 3];
            term.forward(CodeInputs { latent: 2, mean, log_variance, z, own }, &mut nats);
            nats.iter().zip(dresults).map(|(nats, dresult)| f64::from(*nats) * f64::from(dresult)).sum()
        };
        let arrays: [&[f32]; 4] = [mean, log_variance, z, &own];
        let mut found = [vec![0.0; 6], vec![0.0; 6], vec![0.0; 6], vec![0.0; own.len()]];
        let [dmean, dlog_variance, dz, down] = &mut found;
        let codes = CodeInputs { latent: 2, mean, log_variance, z, own: &own };
        let into = CodeGradients { mean: dmean, log_variance: dlog_variance, z: dz, own: down };
        term.backward(codes, &dresults, into);
        for (array, found) in found.iter().enumerate() {
            for (place, found) in found.iter().enumerate() {
                let at = |step: f32| {
                    let mut moved = arrays[array].to_vec();
                    moved[place] += step;
                    let mut all = arrays;
                    all[array] = &moved;
                    total(all)
                };
                let expected = (at(STEP) - at(-STEP)) / (2.0 * f64::from(STEP));
                assert!((f64::from(*found) - expected).abs() < 2e-3, "{array}, {place}: {found}, not {expected}");
            }
        }
    }
}
