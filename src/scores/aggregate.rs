//! The aggregate posterior of a whole split, and the three parts of the KL that follow from it.
//!
//! q(z) is the mean of the posteriors q(z|x_i) over all N images, and q(z_d) that of each axis. The mean KL to the
//! prior is the sum of the mutual information of image and code, the total correlation of the code, and the KL of each
//! axis to the prior (Hoffman and Johnson 2016; Chen et al. 2018):
//!
//! ```text
//! E log q(z|x)/p(z) = E log q(z|x)/q(z)  +  E log q(z)/prod_d q(z_d)  +  sum_d E log q(z_d)/p(z_d)
//! ```
//!
//! The expectations are over codes: one code for each sample, from the posterior of an image drawn at random. The
//! densities are exact sums over all N images, not estimates from a batch: the bias of minibatch weights (`mws`, `mss`)
//! does not arise.

use super::input_error::InputError;
use super::points::Codes;
use super::posterior;
use super::statistics::Mean;
use crate::random::{Purpose, Stream};
use crate::tensor::kernels::exp;
use crate::tensor::kernels::vectorized;
use rayon::prelude::*;

/// The draw of the codes of the aggregate posterior; the index is the sample: its image, then its noise.
pub const AGGREGATE_DRAW: u64 = 200;

/// Images whose densities are computed side by side.
const IMAGES: usize = 512;
/// Sums that are added side by side.
const LANES: usize = 16;
/// Samples that share the preparation of the images: the work of one thread at a time.
const SAMPLES: usize = 64;

/// The settings of the estimate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AggregateSettings {
    /// The number of codes. Default: 2000, whose standard errors are some hundredths of a nat. The time grows with it
    /// times the number of images.
    pub samples: usize,
    /// The seed of the codes. Default: 0.
    pub seed: u64,
}

impl Default for AggregateSettings {
    fn default() -> AggregateSettings {
        AggregateSettings { samples: 2000, seed: 0 }
    }
}

/// A mean over the samples and its standard error, in nats.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// The standard deviation over the samples, divided by the square root of their number.
    pub standard_error: f64,
}

/// The rate and its parts, in nats per image.
#[derive(Clone, Debug, PartialEq)]
pub struct AggregateTerms {
    /// The number of images.
    pub images: usize,
    /// The number of samples.
    pub samples: usize,
    /// The rate: the mean KL of the posteriors to the standard normal, in closed form over all images.
    pub kl: f64,
    /// The part of each axis of it, (Latent).
    pub kl_by_axis: Vec<f64>,
    /// The same KL, estimated from the samples: the sum of the next three.
    pub sampled_kl: Estimate,
    /// The mutual information of image and code; at most ln(images) for every sample.
    pub mutual_information: Estimate,
    /// The total correlation of the axes.
    pub total_correlation: Estimate,
    /// The sum over the axes of the KL of q(z_d) to the standard normal.
    pub dimension_wise_kl: Estimate,
    /// The KL of q(z_d) to the standard normal of each axis, (Latent).
    pub dimension_wise_kl_by_axis: Vec<Estimate>,
    /// The mutual information of the image and each axis, (Latent).
    pub mutual_information_by_axis: Vec<Estimate>,
}

/// Estimates the parts of the KL over a whole split, given the means and log-variances of its images, (Images, Latent)
/// each.
///
/// Densities are computed in single precision for each image and axis, and summed in double precision: log-densities
/// have errors of about 1e-6 nats, far below the standard errors. The codes are single-precision numbers, so standard
/// deviations should be well above 1e-7 of the means. The result does not depend on the number of threads.
///
/// # Errors
/// There are no images or no axes, or the shapes differ, or a number is not finite, or a log-variance is beyond
/// [`posterior::LOG_VARIANCE_LIMIT`], or there are fewer than 2 samples.
pub fn aggregate_terms(
    means: &Codes,
    log_variances: &Codes,
    settings: &AggregateSettings,
) -> Result<AggregateTerms, InputError> {
    if settings.samples < 2 {
        return Err(InputError::TooFew { what: "samples", least: 2, found: settings.samples });
    }
    // Checks the posteriors.
    let kl_by_axis = posterior::kl_by_axis(means, log_variances)?;
    let codes: Vec<Sample> = (0..settings.samples)
        .map(|sample| {
            draw(means, log_variances, Stream::new(settings.seed, Purpose::Evaluation, AGGREGATE_DRAW, sample as u64))
        })
        .collect();
    let groups: Vec<Vec<Densities>> =
        codes.par_chunks(SAMPLES).map(|codes| densities(codes, means, log_variances)).collect();
    let densities: Vec<Densities> = groups.into_iter().flatten().collect();
    let samples: Vec<(&Sample, &Densities)> = codes.iter().zip(&densities).collect();
    let of_axes = |term: fn(&Sample, &Densities, usize) -> f64| -> Result<Vec<Estimate>, InputError> {
        (0..means.latent).map(|axis| estimate(&samples, |sample, densities| term(sample, densities, axis))).collect()
    };
    Ok(AggregateTerms {
        images: means.len(),
        samples: settings.samples,
        kl: kl_by_axis.iter().sum(),
        kl_by_axis,
        sampled_kl: estimate(&samples, |sample, _| sum(&sample.log_posterior) - sum(&sample.log_prior))?,
        mutual_information: estimate(&samples, |sample, found| sum(&sample.log_posterior) - found.joint)?,
        total_correlation: estimate(&samples, |_, found| found.joint - sum(&found.axes))?,
        dimension_wise_kl: estimate(&samples, |sample, found| sum(&found.axes) - sum(&sample.log_prior))?,
        dimension_wise_kl_by_axis: of_axes(|sample, found, axis| found.axes[axis] - sample.log_prior[axis])?,
        mutual_information_by_axis: of_axes(|sample, found, axis| sample.log_posterior[axis] - found.axes[axis])?,
    })
}

fn sum(values: &[f64]) -> f64 {
    values.iter().sum()
}

fn estimate(
    samples: &[(&Sample, &Densities)],
    term: impl Fn(&Sample, &Densities) -> f64,
) -> Result<Estimate, InputError> {
    let terms: Vec<f64> = samples.iter().map(|(sample, densities)| term(sample, densities)).collect();
    let mean = Mean::of(&terms)?;
    Ok(Estimate { mean: mean.mean, standard_error: mean.standard_error().unwrap_or(0.0) })
}

/// A code of a random image.
struct Sample {
    /// The code, (Latent).
    z: Vec<f32>,
    /// log q(z_d|x) by axis, (Latent).
    log_posterior: Vec<f64>,
    /// log p(z_d) by axis, (Latent).
    log_prior: Vec<f64>,
}

/// The log-densities of a code under the aggregate posterior.
struct Densities {
    /// log q(z)
    joint: f64,
    /// log q(z_d), (Latent).
    axes: Vec<f64>,
}

/// ln(2 pi)
const LN_2_PI: f64 = 1.837_877_066_409_345_3;

fn draw(means: &Codes, log_variances: &Codes, mut stream: Stream) -> Sample {
    let image = stream.below(means.len() as u64) as usize;
    let mut z = vec![0.0; means.latent];
    stream.fill_normal(&mut z);
    let (means, log_variances) = (means.row(image), log_variances.row(image));
    for (z, (mean, log_variance)) in z.iter_mut().zip(means.iter().zip(log_variances)) {
        *z = (f64::from(*mean) + (0.5 * f64::from(*log_variance)).exp() * f64::from(*z)) as f32;
    }
    Sample::new(z, means, log_variances)
}

impl Sample {
    /// A code of the image with this posterior.
    fn new(z: Vec<f32>, means: &[f32], log_variances: &[f32]) -> Sample {
        // The rounded code is used everywhere: so q(z) is at least q(z|x) / N.
        let posteriors = z.iter().zip(means.iter().zip(log_variances));
        let log_posterior = posteriors.map(|(z, (mean, log_variance))| {
            let log_variance = f64::from(*log_variance);
            let difference = (f64::from(*z) - f64::from(*mean)) * (-0.5 * log_variance).exp();
            -0.5 * (difference * difference + log_variance + LN_2_PI)
        });
        let log_posterior = log_posterior.collect();
        let log_prior = z.iter().map(|z| -0.5 * (f64::from(*z) * f64::from(*z) + LN_2_PI)).collect();
        Sample { z, log_posterior, log_prior }
    }
}

/// A sum of exponentials: e^largest * sum.
#[derive(Clone, Copy)]
struct LogSum {
    largest: f64,
    sum: f64,
}

impl LogSum {
    const EMPTY: LogSum = LogSum { largest: f64::NEG_INFINITY, sum: 0.0 };

    /// Adds e^largest * sum.
    #[inline(always)]
    fn add(&mut self, largest: f64, sum: f64) {
        if largest <= self.largest {
            self.sum += sum * (largest - self.largest).exp();
        } else {
            self.sum = self.sum * (self.largest - largest).exp() + sum;
            self.largest = largest;
        }
    }
}

/// The log-densities of some codes under the aggregate posterior.
fn densities(codes: &[Sample], means: &Codes, log_variances: &Codes) -> Vec<Densities> {
    let latent = means.latent;
    let mut block = Block::new(latent);
    // For each code the sums of its axes and, last, of all axes together.
    let mut sums = vec![LogSum::EMPTY; codes.len() * (latent + 1)];
    for first in (0..means.len()).step_by(IMAGES) {
        vectorized(
            #[inline(always)]
            || {
                block.fill(means, log_variances, first);
                for (code, sums) in codes.iter().zip(sums.chunks_mut(latent + 1)) {
                    block.add(&code.z, sums);
                }
            },
        );
    }
    let images = (means.len() as f64).ln();
    let log = |of: &LogSum| of.largest + of.sum.ln() - images;
    sums.chunks(latent + 1)
        .map(|sums| Densities { joint: log(&sums[latent]), axes: sums[..latent].iter().map(log).collect() })
        .collect()
}

/// Posteriors of some images, prepared so that a log-density is `constant - ((z - mean) * scale)^2`.
struct Block {
    /// (Latent, Images)
    mean: Vec<[f32; IMAGES]>,
    /// The inverse of the standard deviation, divided by the root of 2, (Latent, Images).
    scale: Vec<[f32; IMAGES]>,
    /// The log-density at the mean, (Latent, Images).
    constant: Vec<[f32; IMAGES]>,
}

impl Block {
    fn new(latent: usize) -> Block {
        let zeros = vec![[0.0; IMAGES]; latent];
        Block { mean: zeros.clone(), scale: zeros.clone(), constant: zeros }
    }

    /// Takes the images from `first` on. After the last image are posteriors with a density of 0.
    #[inline(always)]
    fn fill(&mut self, means: &Codes, log_variances: &Codes, first: usize) {
        let count = IMAGES.min(means.len() - first);
        for at in 0..count {
            let rows = means.row(first + at).iter().zip(log_variances.row(first + at));
            for ((mean, constant), row) in self.mean.iter_mut().zip(&mut self.constant).zip(rows) {
                (mean[at], constant[at]) = (*row.0, *row.1);
            }
        }
        for (scale, constant) in self.scale.iter_mut().zip(&mut self.constant) {
            for (scale, constant) in scale.iter_mut().zip(constant.iter_mut()) {
                *scale = std::f32::consts::FRAC_1_SQRT_2 * exp(-0.5 * *constant);
                *constant = -0.5 * (*constant + LN_2_PI as f32);
            }
            scale[count..].fill(0.0);
            constant[count..].fill(f32::NEG_INFINITY);
        }
    }

    /// Adds the densities of a code to its sums.
    #[inline(always)]
    fn add(&self, code: &[f32], sums: &mut [LogSum]) {
        let mut joint = [0.0f64; IMAGES];
        let mut axis = [0.0f32; IMAGES];
        for (at, z) in code.iter().enumerate() {
            let posteriors = self.mean[at].iter().zip(&self.scale[at]).zip(&self.constant[at]);
            for ((axis, joint), ((mean, scale), constant)) in axis.iter_mut().zip(&mut joint).zip(posteriors) {
                let distance = (z - mean) * scale;
                *axis = constant - distance * distance;
                *joint += f64::from(*axis);
            }
            add_exponentials(&axis, &mut sums[at]);
        }
        // Relative to the largest one, single precision is enough.
        let largest = largest(&joint);
        for (axis, joint) in axis.iter_mut().zip(&joint) {
            *axis = (joint - largest) as f32;
        }
        if largest > f64::NEG_INFINITY {
            sums[code.len()].add(largest, sum_of_exponentials(&axis, 0.0));
        }
    }
}

/// Adds the exponentials of some numbers to a sum.
#[inline(always)]
fn add_exponentials(values: &[f32; IMAGES], sum: &mut LogSum) {
    let largest = largest(values);
    if largest > f32::NEG_INFINITY {
        sum.add(f64::from(largest), sum_of_exponentials(values, largest));
    }
}

#[inline(always)]
fn largest<T: Copy + PartialOrd>(values: &[T; IMAGES]) -> T {
    let mut lanes = [values[0]; LANES];
    for chunk in values.as_chunks::<LANES>().0 {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane = if *value > *lane { *value } else { *lane };
        }
    }
    lanes.into_iter().fold(values[0], |largest, lane| if lane > largest { lane } else { largest })
}

/// The sum of e^(value - largest): few enough terms for each lane that single precision keeps six digits.
#[inline(always)]
fn sum_of_exponentials(values: &[f32; IMAGES], largest: f32) -> f64 {
    let mut lanes = [0.0f32; LANES];
    for chunk in values.as_chunks::<LANES>().0 {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane += exp(value - largest);
        }
    }
    lanes.into_iter().map(f64::from).sum()
}

#[cfg(test)]
mod tests;
