//! The density of an equal-weight mixture of Gaussians on one latent axis: an aggregate posterior.

use super::points::Codes;
use crate::tensor::kernels::vectorized;
use std::f64::consts::{LN_2, LOG2_E, TAU};
use std::ops::Range;

/// The largest magnitude of a log-variance: with larger ones the numbers below leave the range of `f32`.
pub const MOST_LOG_VARIANCE: f32 = 150.0;
/// The largest magnitude of a mean.
pub const MOST_MEAN: f32 = 1e30;
/// Gaussians whose sum is accumulated in single precision before it is added to a sum in double precision.
const CHUNK: usize = 1024;
/// Partial sums of a chunk: as many as the widest vectors hold, so that every machine adds in the same order.
const LANES: usize = 16;
/// Sums below this are computed again in double precision, because [`exp2`] is at least 2^-126 (1.2e-38).
const LEAST_SUM: f64 = 1e-25;

/// Gaussians of one latent axis, one per image. The density of a Gaussian at `z` is
/// 2^(`height` - ((`z` - `mean`) `scale`)^2) times 2^`shift`.
#[derive(Clone, Debug, PartialEq)]
pub struct Gaussians {
    means: Vec<f32>,
    scales: Vec<f32>,
    heights: Vec<f32>,
    /// The greatest logarithm of a density; the heights are relative to it and thus at most 0.
    shift: f64,
}

impl Gaussians {
    /// The posteriors of the images on one axis; `posterior_mean` and `log_variance` have the same shape.
    ///
    /// Values beyond [`MOST_MEAN`] and [`MOST_LOG_VARIANCE`] give densities without a meaning.
    pub fn of_axis(posterior_mean: &Codes, log_variance: &Codes, axis: usize) -> Gaussians {
        let of_axis = |codes: &Codes| codes.values.iter().skip(axis).step_by(codes.latent.max(1)).copied().collect();
        let (means, log_variances): (Vec<f32>, Vec<f32>) = (of_axis(posterior_mean), of_axis(log_variance));
        // log2 of 1 / (sigma sqrt(2 pi)).
        let height = |&log_variance: &f32| -0.5 * (f64::from(log_variance) * LOG2_E + TAU.log2());
        let shift = log_variances.iter().map(height).fold(f64::NEG_INFINITY, f64::max);
        // (scale t)^2 is (t / sigma)^2 / 2 in units of ln 2.
        let scale = |&log_variance: &f32| ((0.5 * LOG2_E).sqrt() * (-0.5 * f64::from(log_variance)).exp()) as f32;
        Gaussians {
            scales: log_variances.iter().map(scale).collect(),
            heights: log_variances.iter().map(|value| (height(value) - shift) as f32).collect(),
            means,
            shift,
        }
    }

    /// The Gaussians of `images`, in this order. Images that do not exist are skipped.
    pub fn of_images(&self, images: &[u32]) -> Gaussians {
        let gathered = |from: &[f32]| images.iter().filter_map(|&image| from.get(image as usize).copied()).collect();
        Gaussians {
            means: gathered(&self.means),
            scales: gathered(&self.scales),
            heights: gathered(&self.heights),
            shift: self.shift,
        }
    }

    /// The logarithm of the mean density of the Gaussians in `range`, in nats, at each of the samples. Every sample is
    /// negative infinity if the range has no Gaussians.
    ///
    /// The relative error of a density is below 2e-6 if the Gaussians that matter at a sample have log-variances within
    /// 10 of the smallest one; it grows with that distance (1e-5 at 100), because heights are in single precision.
    pub fn log_densities(&self, range: Range<usize>, samples: &[f32]) -> Vec<f64> {
        let (Some(means), Some(scales), Some(heights)) =
            (self.means.get(range.clone()), self.scales.get(range.clone()), self.heights.get(range))
        else {
            return vec![f64::NEG_INFINITY; samples.len()];
        };
        if means.is_empty() {
            return vec![f64::NEG_INFINITY; samples.len()];
        }
        let mut sums = vec![0.0; samples.len()];
        vectorized(
            #[inline(always)]
            || add_densities(means, scales, heights, samples, &mut sums),
        );
        let count = means.len() as f64;
        let logarithm = |(&sum, &sample): (&f64, &f32)| {
            let sum_in_bits = if sum > LEAST_SUM { sum.log2() } else { exact_log2(means, scales, heights, sample) };
            (sum_in_bits + self.shift) * LN_2 - count.ln()
        };
        sums.iter().zip(samples).map(logarithm).collect()
    }
}

/// Adds 2^(height - ((sample - mean) scale)^2) of all Gaussians to the sum of each sample.
///
/// A chunk of Gaussians stays in the first-level cache while all samples pass.
#[inline(always)]
fn add_densities(means: &[f32], scales: &[f32], heights: &[f32], samples: &[f32], sums: &mut [f64]) {
    let chunks = means.chunks(CHUNK).zip(scales.chunks(CHUNK)).zip(heights.chunks(CHUNK));
    for ((means, scales), heights) in chunks {
        let (means, mean_rest) = means.as_chunks::<LANES>();
        let (scales, scale_rest) = scales.as_chunks::<LANES>();
        let (heights, height_rest) = heights.as_chunks::<LANES>();
        for (&sample, sum) in samples.iter().zip(&mut *sums) {
            let mut lanes = [0.0f32; LANES];
            for ((mean, scale), height) in means.iter().zip(scales).zip(heights) {
                for lane in 0..LANES {
                    let distance = (sample - mean[lane]) * scale[lane];
                    lanes[lane] += exp2(height[lane] - distance * distance);
                }
            }
            for (lane, ((mean, scale), height)) in mean_rest.iter().zip(scale_rest).zip(height_rest).enumerate() {
                let distance = (sample - mean) * scale;
                lanes[lane] += exp2(height - distance * distance);
            }
            *sum += lanes.iter().map(|&lane| f64::from(lane)).sum::<f64>();
        }
    }
}

/// The binary logarithm of the same sum at one sample, in double precision and without underflow.
fn exact_log2(means: &[f32], scales: &[f32], heights: &[f32], sample: f32) -> f64 {
    let exponent = |((&mean, &scale), &height): ((&f32, &f32), &f32)| {
        let distance = (f64::from(sample) - f64::from(mean)) * f64::from(scale);
        f64::from(height) - distance * distance
    };
    let exponents = || means.iter().zip(scales).zip(heights).map(exponent);
    let greatest = exponents().fold(f64::NEG_INFINITY, f64::max);
    if greatest == f64::NEG_INFINITY {
        return greatest;
    }
    greatest + exponents().map(|exponent| (exponent - greatest).exp2()).sum::<f64>().log2()
}

/// 1.5 * 2^23: adding it to a number of magnitude below 2^22 rounds that number to an integer, kept in the low bits.
const ROUNDER: f32 = 12_582_912.0;

/// 2^`x` for `x` up to 0, with a relative error up to 2e-7; 2^-126 for `x` below -126. There are no branches, so that
/// loops over it are vectorized.
#[inline(always)]
pub fn exp2(x: f32) -> f32 {
    let bounded = if x > -126.0 { x } else { -126.0 };
    let rounded = bounded + ROUNDER;
    let rest = bounded - (rounded - ROUNDER);
    let fraction = (((((1.535_336_2e-4 * rest + 1.339_887_4e-3) * rest + 9.618_437e-3) * rest + 5.550_332_6e-2)
        * rest
        + 2.402_264_7e-1)
        * rest
        + 6.931_472e-1)
        * rest
        + 1.0;
    // The low bits of `rounded` are the integer: it is added to the exponent.
    f32::from_bits(fraction.to_bits().wrapping_add(rounded.to_bits() << 23))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scores::test_codes::{assert_near, exact, fixture, numbers};

    #[test]
    fn the_error_of_powers_of_2_is_as_documented() {
        let mut greatest = 0.0f64;
        for step in 0..=2_000_000 {
            let x = -126.0 * (step as f32 / 2e6);
            greatest = greatest.max((f64::from(exp2(x)) / f64::from(x).exp2() - 1.0).abs());
        }
        assert!(greatest < 2e-7, "{greatest:e}");
        assert_eq!([exp2(0.0), exp2(-1.0), exp2(-126.0)], [1.0, 0.5, f32::MIN_POSITIVE]);
        assert_eq!([exp2(-127.0), exp2(-1e30), exp2(f32::NEG_INFINITY)], [f32::MIN_POSITIVE; 3]);
    }

    #[test]
    fn densities_are_those_of_scipy() {
        let fixture = fixture(include_str!("../../tests/fixtures/scores/mixture.json"));
        for case in fixture["cases"].as_array().unwrap() {
            let column = |name: &str| Codes { latent: 1, values: exact(&case[name]) };
            let all = Gaussians::of_axis(&column("means"), &column("log_variances"), 0);
            let found = all.log_densities(0..all.means.len(), &exact(&case["samples"]));
            assert_near(&found, &numbers(&case["log_densities"]), 3e-6);
        }
    }

    #[test]
    fn far_samples_and_empty_ranges_have_a_density() {
        let mean = Codes { latent: 1, values: vec![0.0, 1.0, 1000.0] };
        let log_variance = Codes { latent: 1, values: vec![-5.0, 140.0, 0.0] };
        let all = Gaussians::of_axis(&mean, &log_variance, 0);
        // At 50 all but the widest vanish.
        let expected = -70.0 - 0.5 * TAU.ln() - 3.0f64.ln();
        assert_near(&all.log_densities(0..3, &[50.0]), &[expected], 1e-5);
        assert_eq!(all.log_densities(1..1, &[0.0, 1.0]), [f64::NEG_INFINITY; 2]);
        assert_eq!(all.log_densities(2..5, &[0.0]), [f64::NEG_INFINITY]);
        let chosen = all.of_images(&[2, 0, 7]);
        assert_eq!(chosen.means, [1000.0, 0.0]);
        assert_near(&chosen.log_densities(0..1, &[1000.0]), &[-0.5 * TAU.ln()], 1e-5);
    }
}
