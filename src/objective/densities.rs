//! The densities of codes over all images, estimated from a batch, and the three parts of the KL that follow from them.
//!
//! q(z|x_i) is the posterior of image i of the batch, z_j the code of image j. The estimators weight the posteriors differently:
//! q(z_j) is the sum over i of W_ji q(z_j|x_i), and likewise for each axis, with the same weights once, after the product over the
//! axes (Chen et al. 2018, appendix C). Each row of W sums to 1, except for minibatch weights.

use super::estimator::Estimator;
use crate::tensor::backend::{CodeGradients, CodeInputs, CodeOperation, by_axis};
use crate::tensor::kernels::{exp, vectorized};
use dfdx::shapes::{Axis, HasShape};
use dfdx::tensor::{Tape, Tensor, WithEmptyTape};
use dfdx::tensor_ops::{BroadcastTo, Device, LogSumExpTo, MeanTo, SumTo, TryAdd, TryMul, TryStack, TrySub};

/// The logarithms of the weights that posteriors have for a code: that of its own image, that of the next image of the batch, and
/// each other one; in a batch of this size from this number of images.
fn log_weights(estimator: Estimator, batch: usize, images: usize) -> [f64; 3] {
    let (count, all) = (batch as f64, images as f64);
    match estimator {
        Estimator::Mixture => [-count.ln(); 3],
        Estimator::Stratified if batch > 1 => {
            let others = count - 1.0;
            // The next image also stands for those that the others of the batch do not stand for.
            [-all.ln(), ((all - others) / (all * others)).ln(), -others.ln()]
        }
        _ => [-(count * all).ln(); 3],
    }
}

/// Mutual information, total correlation and dimension-wise KL of a batch.
pub(super) struct Densities {
    /// Their weights in the loss.
    pub(super) weights: [f64; 3],
    pub(super) estimator: Estimator,
    /// The number of all images.
    pub(super) images: usize,
}

/// ln(2 pi)
const LN_2_PI: f32 = 1.837_877_1;

impl Densities {
    /// The logarithms of the weights, (Codes, Posteriors).
    fn log_weights(&self, batch: usize) -> Vec<f32> {
        let [own, next, other] = log_weights(self.estimator, batch, self.images).map(|weight| weight as f32);
        let mut all = vec![other; batch * batch];
        for (j, row) in all.chunks_mut(batch).enumerate() {
            row[(j + 1) % batch] = next;
            row[j] = own;
        }
        all
    }
}

/// The largest of some numbers and, after it, the sum of exp(number - largest); the numbers become those exponentials.
#[inline(always)]
pub(super) fn exponentials(values: &mut [f32]) -> (f32, f32) {
    const LANES: usize = 16;
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (chunks, rest) = values.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane = if *value > *lane { *value } else { *lane };
        }
    }
    let largest = lanes.iter().chain(rest).fold(f32::NEG_INFINITY, |largest, value| largest.max(*value));
    let (chunks, rest) = values.as_chunks_mut::<LANES>();
    let mut sums = [0.0; LANES];
    for chunk in chunks {
        for (sum, value) in sums.iter_mut().zip(chunk) {
            *value = exp(*value - largest);
            *sum += *value;
        }
    }
    let mut sum: f32 = sums.iter().sum();
    for value in rest {
        *value = exp(*value - largest);
        sum += *value;
    }
    (largest, sum)
}

/// The sum of some numbers, side by side in a fixed order.
#[inline(always)]
pub(super) fn sum_of_lanes(values: &[f32]) -> f32 {
    let (chunks, rest) = values.as_chunks::<16>();
    let mut sums = [0.0; 16];
    for chunk in chunks {
        for (sum, value) in sums.iter_mut().zip(chunk) {
            *sum += value;
        }
    }
    sums.iter().chain(rest).sum()
}

impl CodeOperation for Densities {
    fn weights(&self) -> Vec<f32> {
        self.weights.iter().map(|weight| *weight as f32).collect()
    }

    fn gradients(&self, codes: CodeInputs<'_>, gradients: CodeGradients<'_>) -> Vec<f64> {
        vectorized(
            #[inline(always)]
            || self.host(codes, gradients),
        )
    }

    fn portable<D: Device<f32>, T: Tape<f32, D>>(
        &self,
        mean: Tensor<(usize, usize), f32, D, T>,
        log_variance: Option<Tensor<(usize, usize), f32, D, T>>,
        z: Tensor<(usize, usize), f32, D, T>,
        _: Option<Tensor<(usize,), f32, D, T>>,
    ) -> Result<Tensor<(usize,), f32, D, T>, D::Err> {
        let (batch, latent) = *z.shape();
        let cube = (batch, batch, latent);
        // The objective needs a distribution.
        let Some(log_variance) = log_variance else { return mean.try_square()?.try_sum::<(usize,), Axis<1>>() };
        // log p(z) and log q(z|x) of the codes, (Codes).
        let ln_2_pi = LN_2_PI * latent as f32;
        let of_prior: Tensor<(usize,), f32, D, T> = z.with_empty_tape().try_square()?.try_sum::<_, Axis<1>>()?;
        let of_prior = of_prior.try_add(ln_2_pi)?.try_mul(-0.5)?;
        let own = log_density(mean.with_empty_tape(), log_variance.with_empty_tape(), z.with_empty_tape())?;
        let own: Tensor<(usize,), f32, D, T> = own.try_sum::<_, Axis<1>>()?;
        // log q(z_j|x_i) of each axis, (Codes, Posteriors, Latent).
        let z = z.try_broadcast_like::<_, Axis<1>>(&cube)?;
        let mean = mean.try_broadcast_like::<_, Axis<0>>(&cube)?;
        let log_variance = log_variance.try_broadcast_like::<_, Axis<0>>(&cube)?;
        let axes = log_density(mean, log_variance, z)?;
        let weights = axes.device().clone().try_tensor_from_vec(self.log_weights(batch), (batch, batch))?;
        let whole: Tensor<(usize, usize), f32, D, T> = axes.with_empty_tape().try_sum::<_, Axis<2>>()?;
        let whole: Tensor<(usize,), f32, D, T> = whole.try_add(weights.clone())?.try_logsumexp::<_, Axis<1>>()?;
        let axes = axes.try_add(weights.try_broadcast_like::<_, Axis<2>>(&cube)?)?;
        let axes: Tensor<(usize, usize), f32, D, T> = axes.try_logsumexp::<_, Axis<1>>()?;
        let axes: Tensor<(usize,), f32, D, T> = axes.try_sum::<_, Axis<1>>()?;
        let parts =
            [own.try_sub(whole.with_empty_tape())?, whole.try_sub(axes.with_empty_tape())?, axes.try_sub(of_prior)?];
        let means = parts.map(|part| part.try_mean());
        let [first, second, third]: [Result<Tensor<(), f32, D, T>, D::Err>; 3] = means;
        Vec::from([first?, second?, third?]).try_stack()
    }
}

/// log N(z; mean, exp(log_variance)) of each element.
fn log_density<S: dfdx::shapes::Shape, D: Device<f32>, T: Tape<f32, D>>(
    mean: Tensor<S, f32, D, T>,
    log_variance: Tensor<S, f32, D, T>,
    z: Tensor<S, f32, D, T>,
) -> Result<Tensor<S, f32, D, T>, D::Err> {
    let precision = log_variance.with_empty_tape().try_negate()?.try_exp()?;
    let squares = z.try_sub(mean)?.try_square()?.try_mul(precision)?;
    log_variance.try_add(squares)?.try_add(LN_2_PI)?.try_mul(-0.5)
}

impl Densities {
    #[inline(always)]
    fn host(&self, codes: CodeInputs<'_>, gradients: CodeGradients<'_>) -> Vec<f64> {
        let latent = codes.latent.max(1);
        let batch = codes.z.len() / latent;
        let [of_mi, of_tc, of_dwkl] = self.weights;
        let each = 1.0 / batch as f64;
        // The gradients of the mean loss with respect to log q(z_j), to log q(z_jd), and to log q(z_j|x_j) apart from these.
        let (of_whole, of_axis) = (((of_tc - of_mi) * each) as f32, ((of_dwkl - of_tc) * each) as f32);
        let (of_own, of_z) = ((of_mi * each) as f32, (of_dwkl * each) as f32);
        // By axis, so that loops over the posteriors are over consecutive numbers.
        let (mean, log_variance) = (by_axis(latent, codes.mean), by_axis(latent, codes.log_variance));
        let precision: Vec<f32> = log_variance.iter().map(|log_variance| exp(-log_variance)).collect();
        let (mut dmean, mut dlog_variance) = (vec![0.0; mean.len()], vec![0.0; mean.len()]);
        let log_weights = self.log_weights(batch);
        let mut axes = vec![0.0; mean.len()];
        let (mut whole, mut factors, mut through) = (vec![0.0; batch], vec![0.0; latent], vec![0.0; batch]);
        let mut sums = [0.0; 3];
        for (j, z) in codes.z.chunks(latent).enumerate() {
            let weights = &log_weights[j * batch..(j + 1) * batch];
            whole.copy_from_slice(weights);
            let (mut of_code, mut of_axes, mut of_prior) = (0.0, 0.0, 0.0);
            for (axis, &z) in z.iter().enumerate() {
                let places = axis * batch..(axis + 1) * batch;
                let (mean, log_variance) = (&mean[places.clone()], &log_variance[places.clone()]);
                let (precision, axes) = (&precision[places.clone()], &mut axes[places]);
                for i in 0..batch {
                    let difference = z - mean[i];
                    let density = -0.5 * (difference * difference * precision[i] + log_variance[i] + LN_2_PI);
                    whole[i] += density;
                    axes[i] = density + weights[i];
                }
                of_code += f64::from(axes[j] - weights[j]);
                let (largest, sum) = exponentials(axes);
                of_axes += f64::from(largest) + f64::from(sum).ln();
                factors[axis] = of_axis / sum;
                of_prior -= 0.5 * f64::from(z * z + LN_2_PI);
            }
            let (largest, sum) = exponentials(&mut whole);
            let of_whole_code = f64::from(largest) + f64::from(sum).ln();
            sums[0] += of_code - of_whole_code;
            sums[1] += of_whole_code - of_axes;
            sums[2] += of_axes - of_prior;
            let factor = of_whole / sum;
            for (axis, &z) in z.iter().enumerate() {
                let places = axis * batch..(axis + 1) * batch;
                let (mean, precision) = (&mean[places.clone()], &precision[places.clone()]);
                let (axes, own) = (&axes[places.clone()], factors[axis]);
                let (dmean, dlog_variance) = (&mut dmean[places.clone()], &mut dlog_variance[places]);
                for i in 0..batch {
                    let gradient = factor * whole[i] + own * axes[i];
                    let scaled = (z - mean[i]) * precision[i];
                    through[i] = gradient * scaled;
                    dmean[i] += through[i];
                    dlog_variance[i] += gradient * 0.5 * (scaled * (z - mean[i]) - 1.0);
                }
                // The code's own posterior also has the gradient of log q(z_j|x_j).
                let scaled = (z - mean[j]) * precision[j];
                dmean[j] += of_own * scaled;
                dlog_variance[j] += of_own * 0.5 * (scaled * (z - mean[j]) - 1.0);
                gradients.z[j * latent + axis] += of_z * z - of_own * scaled - sum_of_lanes(&through);
            }
        }
        for (axis, (dmean, dlog_variance)) in dmean.chunks(batch).zip(dlog_variance.chunks(batch)).enumerate() {
            for (i, (dmean, dlog_variance)) in dmean.iter().zip(dlog_variance).enumerate() {
                gradients.mean[i * latent + axis] += dmean;
                gradients.log_variance[i * latent + axis] += dlog_variance;
            }
        }
        sums.iter().map(|sum| sum * each).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Codes of four images, and the three parts that numpy computed for them in double precision, for 100 images.
    #[test]
    fn parts_of_the_kl_are_those_of_numpy() {
        let (images, latent) = (4, 2);
        let place = |index: usize| ((index / latent) as f64, (index % latent) as f64);
        let of = |value: &dyn Fn(f64, f64) -> f64| -> Vec<f64> {
            (0..images * latent)
                .map(|index| {
                    let (b, d) = place(index);
                    value(b, d)
                })
                .collect()
        };
        let mean = of(&|b, d| (1.0 + b + 2.0 * d).sin());
        let log_variance = of(&|b, d| -1.0 + 0.3 * (b - d).cos());
        let noise = of(&|b, d| (3.0 * b + d + 1.0).cos());
        let z: Vec<f64> = (0..mean.len()).map(|i| mean[i] + (log_variance[i] / 2.0).exp() * noise[i]).collect();
        let single = |values: &[f64]| values.iter().map(|value| *value as f32).collect::<Vec<f32>>();
        let (mean, log_variance, z) = (single(&mean), single(&log_variance), single(&z));
        let codes = CodeInputs { latent, mean: &mean, log_variance: &log_variance, z: &z, own: &[] };
        let expected = [
            (Estimator::Weighted, [5.372554, 4.666650, -8.765559]),
            (Estimator::Mixture, [0.767384, 0.061480, 0.444781]),
            (Estimator::Stratified, [1.554425, -0.055832, -0.224949]),
        ];
        for (estimator, expected) in expected {
            let mut zeros = [vec![0.0; z.len()], vec![0.0; z.len()], vec![0.0; z.len()]];
            let [dmean, dlog_variance, dz] = &mut zeros;
            let into = CodeGradients { mean: dmean, log_variance: dlog_variance, z: dz, own: &mut [] };
            let found = Densities { weights: [1.0; 3], estimator, images: 100 }.gradients(codes, into);
            for (found, expected) in found.iter().zip(expected) {
                assert!((found - expected).abs() < 2e-6, "{estimator:?}: {found} is not {expected}");
            }
            // The parts sum to the KL of the sampled codes.
            assert!((found.iter().sum::<f64>() - 1.273644827).abs() < 2e-6, "{found:?}");
        }
    }

    #[test]
    fn rows_of_stratified_weights_sum_to_one() {
        for batch in [2, 3, 7, 64] {
            let [own, next, other] = log_weights(Estimator::Stratified, batch, 1000).map(f64::exp);
            let sum = own + next + other * (batch - 2) as f64;
            assert!((sum - 1.0).abs() < 1e-12, "{batch}: {sum}");
        }
    }
}
