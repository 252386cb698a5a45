//! The mutual information gap as its authors estimate it: from sampled codes and the aggregate posterior.

use super::chosen_points::{check, first_of_shuffle};
use super::gaussian_mixture::{Gaussians, MOST_LOG_VARIANCE, MOST_MEAN};
use super::mig::relative_gaps;
use super::moments::{mean, mean_of_some};
use super::points::{Codes, Factor};
use crate::random::{Purpose, Stream};
use rayon::prelude::*;
use std::ops::Range;

/// Draw of [`Purpose::Evaluation`]: the noise of the sampled codes; the index is the image.
const NOISE_OF_CODES: u64 = 1;
/// Draw of [`Purpose::Evaluation`]: which images give samples; the index is 0 for the marginal entropy, otherwise
/// 65,536 (1 + factor) + value.
const IMAGES_OF_SAMPLES: u64 = 2;
/// Samples of a unit of work.
const BLOCK: usize = 250;

/// The recipe of the MIG of sampled codes. The default is that of the authors.
#[derive(Clone, Debug, PartialEq)]
pub struct PosteriorMigSettings {
    /// Samples of an entropy, each of another image: for the marginal entropies from all images, for the conditional
    /// ones as many from the images of each value of a factor. All images if there are not more. Default 10,000.
    pub samples: usize,
}

impl Default for PosteriorMigSettings {
    fn default() -> PosteriorMigSettings {
        PosteriorMigSettings { samples: 10_000 }
    }
}

/// The mutual information gap of sampled codes and what it is computed from.
#[derive(Clone, Debug, PartialEq)]
pub struct PosteriorMig {
    /// The mean of the gaps; `None` if there is no gap.
    pub score: Option<f64>,
    /// For each factor, the gap between the two most informative axes divided by `log_sizes`. `None` if the factor is
    /// constant or if there is only one axis.
    pub gaps: Vec<Option<f64>>,
    /// The mutual information of each axis (row) and each factor (column), in nats, as estimated: it can be slightly
    /// negative. The gaps use it clipped at 0.
    pub information: Vec<Vec<f64>>,
    /// The entropy H(z) of each axis, in nats (a differential entropy: it can be negative).
    pub marginal_entropies: Vec<f64>,
    /// The entropy H(z | factor) of each axis (row) for each factor (column), in nats.
    pub conditional_entropies: Vec<Vec<f64>>,
    /// For each factor, the logarithm of the number of values that occur, in nats.
    pub log_sizes: Vec<f64>,
}

/// The mutual information gap of codes sampled from diagonal Gaussian posteriors.
///
/// `posterior_mean` and `log_variance` are those of the same images. Chen et al. 2018, "Isolating Sources of
/// Disentanglement in VAEs", section 4 and appendix; program `disentanglement_metrics.py` of
/// rtqichen/beta-tcvae. With q(z) = 1/N sum_n q(z | x_n) on one axis and one sample z_s of the posterior of each of S
/// images:
///
/// - H(z) = -1/S sum_s ln q(z_s), over all N images;
/// - H(z | v) likewise over the images with value v of the factor; H(z | factor) is their mean, weighted by the number
///   of images (the authors: equal weights; all values are equally frequent there);
/// - I(z; factor) = H(z) - H(z | factor), clipped at 0 before the gap;
/// - the gap is the largest minus the second largest I, divided by ln(number of values). This is the entropy of the
///   factor if its values are equally frequent.
///
/// The sample of an image is the same for all entropies. Since the posterior of a sample's own image is in the mixture,
/// entropies of few images are too small; use at least some 1,000 images per value.
///
/// The work is about N x S x (1 + factors) x axes densities.
///
/// # Errors
/// If there is no latent axis, no image or no sample, if the shapes differ, if a factor does not fit the images, or if
/// a number is not finite or beyond [`MOST_MEAN`] or [`MOST_LOG_VARIANCE`].
pub fn mig_by_posteriors(
    posterior_mean: &Codes,
    log_variance: &Codes,
    factors: &[Factor],
    settings: &PosteriorMigSettings,
    seed: u64,
) -> Result<PosteriorMig, String> {
    check_posteriors(posterior_mean, log_variance, factors)?;
    if settings.samples == 0 {
        return Err("estimate entropies from 0 samples".to_owned());
    }
    let sampled = sampled_codes(posterior_mean, log_variance, seed);
    let chosen = |index: u64, of: &Group| {
        let stream = Stream::new(seed, Purpose::Evaluation, IMAGES_OF_SAMPLES, index);
        first_of_shuffle(of.range.len() as u32, settings.samples, stream)
    };
    let all = vec![Group { value: 0, range: 0..posterior_mean.len() }];
    let all_chosen = vec![chosen(0, &all[0])];
    let sorted: Vec<Sorted> = factors.iter().map(Sorted::by).collect();
    let chosen_of_factor = |(at, sorted): (usize, &Sorted)| -> Vec<Vec<u32>> {
        let index = |group: &Group| 65_536 * (1 + at as u64) + u64::from(group.value);
        sorted.groups.iter().map(|group| chosen(index(group), group)).collect()
    };
    let chosen: Vec<Vec<Vec<u32>>> = sorted.iter().enumerate().map(chosen_of_factor).collect();

    let (mut marginal_entropies, mut conditional_entropies) = (Vec::new(), Vec::new());
    for axis in 0..posterior_mean.latent {
        let posteriors = Gaussians::of_axis(posterior_mean, log_variance, axis);
        let codes: Vec<f32> = sampled.iter().skip(axis).step_by(posterior_mean.latent).copied().collect();
        marginal_entropies.push(mean_entropy(&posteriors, &codes, &all, &all_chosen));
        let conditional = |(sorted, chosen): (&Sorted, &Vec<Vec<u32>>)| {
            let codes: Vec<f32> = sorted.images.iter().map(|&image| codes[image as usize]).collect();
            mean_entropy(&posteriors.of_images(&sorted.images), &codes, &sorted.groups, chosen)
        };
        conditional_entropies.push(sorted.iter().zip(&chosen).map(conditional).collect::<Vec<f64>>());
    }

    let difference = |(marginal, conditional): (&f64, &Vec<f64>)| -> Vec<f64> {
        conditional.iter().map(|conditional| marginal - conditional).collect()
    };
    let information: Vec<Vec<f64>> = marginal_entropies.iter().zip(&conditional_entropies).map(difference).collect();
    let clipped: Vec<Vec<f64>> =
        information.iter().map(|row| row.iter().map(|value| value.max(0.0)).collect()).collect();
    let log_sizes: Vec<f64> = sorted.iter().map(|sorted| (sorted.groups.len() as f64).ln()).collect();
    let gaps = relative_gaps(&clipped, &log_sizes);
    Ok(PosteriorMig {
        score: mean_of_some(&gaps),
        gaps,
        information,
        marginal_entropies,
        conditional_entropies,
        log_sizes,
    })
}

fn check_posteriors(posterior_mean: &Codes, log_variance: &Codes, factors: &[Factor]) -> Result<(), String> {
    check(posterior_mean, factors)?;
    check(log_variance, &[])?;
    let shape = |codes: &Codes| [codes.len(), codes.latent];
    if shape(posterior_mean) != shape(log_variance) {
        let shapes = [shape(posterior_mean), shape(log_variance)];
        return Err(format!(
            "use posterior means of shape {:?} with log-variances of shape {:?}",
            shapes[0], shapes[1]
        ));
    }
    for (name, codes, most) in [("mean", posterior_mean, MOST_MEAN), ("log-variance", log_variance, MOST_LOG_VARIANCE)]
    {
        if let Some(at) = codes.values.iter().position(|value| value.abs() > most) {
            let (image, axis) = (at / codes.latent, at % codes.latent);
            return Err(format!(
                "use the {name} {} of image {image}, axis {axis}: it is beyond {most}",
                codes.values[at]
            ));
        }
    }
    Ok(())
}

/// One sample of the posterior of each image: the means plus addressed noise times the standard deviations.
fn sampled_codes(posterior_mean: &Codes, log_variance: &Codes, seed: u64) -> Vec<f32> {
    let latent = posterior_mean.latent;
    let mut sampled = vec![0.0; posterior_mean.values.len()];
    sampled.par_chunks_mut(latent).enumerate().for_each(|(image, sample)| {
        Stream::new(seed, Purpose::Evaluation, NOISE_OF_CODES, image as u64).fill_normal(sample);
        let posterior = posterior_mean.row(image).iter().zip(log_variance.row(image));
        for (value, (&mean, &log_variance)) in sample.iter_mut().zip(posterior) {
            *value = mean + (0.5 * f64::from(log_variance)).exp() as f32 * *value;
        }
    });
    sampled
}

/// The images of one value of a factor: a range of the sorted images.
struct Group {
    value: u16,
    range: Range<usize>,
}

/// The images sorted by the value of a factor.
struct Sorted {
    images: Vec<u32>,
    groups: Vec<Group>,
}

impl Sorted {
    fn by(factor: &Factor) -> Sorted {
        let mut images: Vec<u32> = (0..factor.values.len() as u32).collect();
        let value = |&image: &u32| factor.values[image as usize];
        images.sort_by_key(value);
        let mut groups: Vec<Group> = Vec::new();
        for same in images.chunk_by(|a, b| value(a) == value(b)) {
            let start = groups.last().map_or(0, |last| last.range.end);
            groups.push(Group { value: value(&same[0]), range: start..start + same.len() });
        }
        Sorted { images, groups }
    }
}

/// The mean over the groups, weighted by their sizes, of the entropy of the mixture of a group's posteriors, in nats.
///
/// `posteriors` and `codes` are in the order of the sorted images; `chosen` says which images of a group give samples.
fn mean_entropy(posteriors: &Gaussians, codes: &[f32], groups: &[Group], chosen: &[Vec<u32>]) -> f64 {
    let blocks: Vec<(&Group, &[u32])> = groups
        .iter()
        .zip(chosen)
        .flat_map(|(group, chosen)| chosen.chunks(BLOCK).map(move |block| (group, block)))
        .collect();
    let log_densities: Vec<Vec<f64>> = blocks
        .par_iter()
        .map(|(group, block)| {
            let samples: Vec<f32> = block.iter().map(|&image| codes[group.range.start + image as usize]).collect();
            posteriors.log_densities(group.range.clone(), &samples)
        })
        .collect();
    let mut log_densities = log_densities.concat().into_iter();
    let mut entropy = 0.0;
    for (group, chosen) in groups.iter().zip(chosen) {
        let of_group: Vec<f64> = log_densities.by_ref().take(chosen.len()).collect();
        entropy -= mean(&of_group) * (group.range.len() as f64 / codes.len() as f64);
    }
    entropy
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scores::test_codes::*;
    use std::f64::consts::TAU;

    /// Every image gives samples.
    const ALL: PosteriorMigSettings = PosteriorMigSettings { samples: usize::MAX };

    fn same_log_variance(codes: &Codes, log_variance: f32) -> Codes {
        Codes { latent: codes.latent, values: vec![log_variance; codes.values.len()] }
    }

    /// The same entropy from all samples of an axis of some images, directly in double precision.
    fn direct_entropy(means: &Codes, log_variances: &Codes, sampled: &[f32], axis: usize, images: &[usize]) -> f64 {
        let of = |codes: &Codes, image: usize| f64::from(codes.values[image * codes.latent + axis]);
        let log_density = |&sample: &usize| {
            let z = f64::from(sampled[sample * means.latent + axis]);
            let density = |&image: &usize| {
                let (mean, log_variance) = (of(means, image), of(log_variances, image));
                (-0.5 * ((z - mean).powi(2) / log_variance.exp() + log_variance + TAU.ln())).exp()
            };
            (images.iter().map(density).sum::<f64>() / images.len() as f64).ln()
        };
        -images.iter().map(log_density).sum::<f64>() / images.len() as f64
    }

    #[test]
    fn entropies_are_those_of_a_direct_computation() {
        let fixture = fixture(include_str!("../../tests/fixtures/scores/posteriors.json"));
        let (means, factors) = made_up(&fixture);
        let log_variances: Vec<Vec<f32>> = fixture["log_variances"].as_array().unwrap().iter().map(exact).collect();
        let log_variances = codes(&log_variances);
        let found = mig_by_posteriors(&means, &log_variances, &factors, &ALL, 4).unwrap();
        let sampled = sampled_codes(&means, &log_variances, 4);
        let images = |chosen: &dyn Fn(usize) -> bool| (0..means.len()).filter(|&at| chosen(at)).collect::<Vec<_>>();
        for axis in 0..means.latent {
            let direct = |images: &[usize]| direct_entropy(&means, &log_variances, &sampled, axis, images);
            assert_near(&[found.marginal_entropies[axis]], &[direct(&images(&|_| true))], 1e-5);
            for (at, factor) in factors.iter().enumerate() {
                let of_value = |value: usize| {
                    let images = images(&|image| usize::from(factor.values[image]) == value);
                    direct(&images) * images.len() as f64 / means.len() as f64
                };
                let expected: f64 = (0..factor.size).map(of_value).sum();
                assert_near(&[found.conditional_entropies[axis][at]], &[expected], 1e-5);
            }
        }
        // The exact integrals; the estimates use one sample of each of 360 images.
        assert_near(&found.marginal_entropies, &numbers(&fixture["marginal_entropies"]), 0.2);
        assert_near(&found.conditional_entropies.concat(), &numbers(&fixture["conditional_entropies"]), 0.2);
        assert_near(&found.information.concat(), &numbers(&fixture["information"]), 0.1);
    }

    #[test]
    fn copied_factors_score_1_and_their_rotation_does_not() {
        let factors = grid(&[3, 4, 5, 6], 2);
        let copied = copied(&factors, 1);
        let found = mig_by_posteriors(&copied, &same_log_variance(&copied, -8.0), &factors, &ALL, 1).unwrap();
        assert_near(&[found.score.unwrap()], &[1.0], 1e-5);
        assert_near(&found.log_sizes, &[3.0f64.ln(), 4.0f64.ln(), 5.0f64.ln(), 6.0f64.ln()], 1e-12);
        let rotated = rotated(&factors);
        let found = mig_by_posteriors(&rotated, &same_log_variance(&rotated, -8.0), &factors, &ALL, 1).unwrap();
        assert!(found.score.unwrap() < 0.3, "{found:?}");
    }

    #[test]
    fn noise_and_dead_axes_score_0() {
        let factors = grid(&[3, 4], 250);
        let dead = Codes { latent: 3, values: vec![0.0; 9000] };
        let found = mig_by_posteriors(&dead, &same_log_variance(&dead, 0.0), &factors, &ALL, 1).unwrap();
        assert!(found.score.unwrap() < 1e-6, "{found:?}");
        let expected = 0.5 * (1.0 + TAU.ln());
        assert_near(&found.marginal_entropies, &[expected; 3], 0.07);
        let noise = noise(3000, 3);
        let found = mig_by_posteriors(&noise, &same_log_variance(&noise, -2.0), &factors, &ALL, 1).unwrap();
        assert!(found.score.unwrap() < 0.02, "{found:?}");
    }

    #[test]
    fn a_subset_of_samples_estimates_the_same() {
        let factors = grid(&[3, 40], 10);
        let codes = copied(&factors, 0);
        let log_variance = same_log_variance(&codes, -3.0);
        let [every, some] = [usize::MAX, 300].map(|samples| {
            mig_by_posteriors(&codes, &log_variance, &factors, &PosteriorMigSettings { samples }, 1).unwrap()
        });
        assert_ne!(every, some);
        assert_near(&some.information.concat(), &every.information.concat(), 0.1);
    }

    #[test]
    fn undefined_gaps_are_none() {
        let factors = grid(&[3, 1, 4], 5);
        let codes = copied(&factors, 0);
        let found = mig_by_posteriors(&codes, &same_log_variance(&codes, -8.0), &factors, &ALL, 1).unwrap();
        assert_eq!((found.gaps[1], found.log_sizes[1]), (None, 0.0));
        assert_near(&[found.score.unwrap()], &[1.0], 1e-5);
        let one = copied(&factors[..1], 0);
        let found = mig_by_posteriors(&one, &same_log_variance(&one, 0.0), &factors, &ALL, 1).unwrap();
        assert_eq!(found.score, None);
        let found = mig_by_posteriors(&codes, &same_log_variance(&codes, 0.0), &[], &ALL, 1).unwrap();
        assert_eq!((found.score, found.conditional_entropies), (None, vec![vec![]; 3]));
        // A value that no image has does not count.
        let mut wide = factors.clone();
        wide[0].size = 50;
        let found = mig_by_posteriors(&codes, &same_log_variance(&codes, -8.0), &wide, &ALL, 1).unwrap();
        assert_near(&[found.log_sizes[0]], &[3.0f64.ln()], 1e-12);
    }

    #[test]
    fn bad_input_is_an_error() {
        let factors = grid(&[3, 4], 1);
        let codes = copied(&factors, 0);
        let good = same_log_variance(&codes, 0.0);
        let run = |mean: &Codes, log_variance: &Codes, samples| {
            mig_by_posteriors(mean, log_variance, &factors, &PosteriorMigSettings { samples }, 1)
        };
        assert!(run(&codes, &good, 10).is_ok());
        assert!(run(&codes, &good, 0).is_err());
        assert!(run(&codes, &Codes { latent: 1, values: vec![0.0; 24] }, 10).unwrap_err().contains("shape"));
        for bad in [f32::NAN, f32::NEG_INFINITY, 151.0, -1e9] {
            let mut log_variance = good.clone();
            log_variance.values[3] = bad;
            assert!(run(&codes, &log_variance, 10).unwrap_err().contains("image 1"), "{bad}");
        }
        let mut far = codes.clone();
        far.values[2] = 2e30;
        assert!(run(&far, &good, 10).is_err());
    }

    #[test]
    fn threads_do_not_change_a_bit() {
        let factors = grid(&[3, 40], 20);
        let codes = noise(2400, 2);
        let settings = PosteriorMigSettings { samples: 600 };
        let log_variance = same_log_variance(&codes, -2.0);
        assert_same_on_threads(|| mig_by_posteriors(&codes, &log_variance, &factors, &settings, 1));
    }
}
