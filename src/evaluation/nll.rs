//! The negative log-likelihood by importance sampling.

use super::{Evaluate, EvaluateError, EvaluateSettings, Kept, Measured, Subject, Watch};
use crate::metrics::{Board, ColumnHead, Direction, Metric, MetricKind, Value};
use crate::random::Purpose;
use crate::scores::statistics::Mean;
use crate::settings::Word;
use crate::tensor::backend::{DeviceError, Host, NoiseKey};
use crate::text::{counted, grouped};
use crate::train::{Chosen, Worker};
use serde_json::json;
use std::f64::consts::LN_2;
use std::time::{Duration, Instant};

/// Samples that are decoded at a time for an image. The noise of a sample is addressed by its block of so many, so this number is a
/// part of the recipe.
const BLOCK: usize = 50;
/// Codes that are decoded at a time: as many as fit the caches with the activations of small networks.
const ROWS: usize = 250;
/// The time between two reports of the progress.
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// The greatest number of groups of images for each thread between two reports.
const MOST_GROUPS: usize = 16;
/// The numbers of samples of the bounds that are computed from the same weights.
const BOUNDS: [usize; 2] = [5, 50];
/// An estimate from fewer effective samples is doubtful.
const FEW: f64 = 10.0;
/// The numbers that are kept for an image: those of [`OfImage`].
const WIDTH: usize = 3 + BOUNDS.len();

pub(super) struct Nll;

static WORD: Word = Word {
    name: "nll",
    doc: "Negative log-likelihood by importance sampling, with its errors, effective sample sizes and IWAE bounds.",
    also: "nll_nats log_likelihood likelihood marginal_likelihood iwae importance_sampling",
};

impl Evaluate for Nll {
    fn word(&self) -> &'static Word {
        &WORD
    }

    fn metrics(&self) -> Vec<Metric> {
        let number = |name, unit, doc| Metric::new(name, MetricKind::Number, unit, doc);
        vec![
            Metric {
                title: "NLL (nats per image)".into(),
                direction: Direction::Lower,
                board: Board::Result,
                column: Some(ColumnHead { head: "nll_nats", rule: None }),
                ..number(
                    "nll_nats",
                    "nats",
                    "Negative log-likelihood, nats per image: -log p(x), where p(x) is the mean over samples z of q(z|x) of \
                     p(x|z) p(z) / q(z|x). In expectation an upper bound; it falls with the number of samples.",
                )
            },
            number("nll_nats_se", "nats", "Standard error of `nll_nats` over the images."),
            number(
                "nll_sampling_nats",
                "nats",
                "Standard error of `nll_nats` that comes from the samples, by the variance of the weights.",
            ),
            number("nll_ess", "samples", "Effective number of importance samples, mean over the images."),
            number(
                "nll_ess_least",
                "samples",
                "Effective number of importance samples of the image where it is smallest.",
            ),
            Metric {
                direction: Direction::Lower,
                ..number(
                    "nll_bits_per_dim",
                    "bits",
                    "`nll_nats` in bits per value; NULL where `bits_per_dim` is, as for densities of values that are not dequantized.",
                )
            },
            number(
                "iwae_5_nats",
                "nats",
                "The importance-weighted bound of 5 samples (Burda et al. 2016), nats per image.",
            ),
            number(
                "iwae_50_nats",
                "nats",
                "The importance-weighted bound of 50 samples (Burda et al. 2016), nats per image.",
            ),
        ]
    }

    /// It can take longer than training.
    fn is_default(&self) -> bool {
        false
    }

    fn settings(&self, settings: &EvaluateSettings) -> serde_json::Value {
        json!({ "samples": settings.nll_samples, "images": settings.nll_images, "seed": settings.seed })
    }

    fn refusal(&self, subject: &Subject<'_>) -> Option<String> {
        let likelihood = subject.worker.model.likelihood().kind();
        let why = "the variance of this likelihood depends on the image itself, so it is not a distribution of images";
        subject.lacks_posterior().or_else(|| (!likelihood.is_distribution()).then(|| why.to_owned()))
    }

    fn measure(&self, subject: &Subject<'_>, watch: &mut dyn Watch) -> Result<Measured, EvaluateError> {
        let (all, samples) = (subject.images().len(), subject.settings.nll_samples as usize);
        let count = subject.settings.nll_images.map_or(all, |images| (images as usize).min(all));
        let mut kept = watch.kept();
        if kept.width != WIDTH {
            kept = Kept { width: WIDTH, values: Vec::new() };
        }
        kept.values.truncate(count * WIDTH);
        let seed = subject.settings.seed;
        let indices: Vec<u32> = (0..count as u32).collect();
        let size = (ROWS / BLOCK.min(samples)).max(1);
        let prior = subject.prior.as_deref();
        let task = |worker: &Worker<Host>, indices: &[u32]| {
            of_images(worker, prior, Chosen { split: subject.split, indices }, (seed, samples))
        };
        let mut of_thread = 1;
        while kept.values.len() < count * WIDTH {
            let start = Instant::now();
            let done = kept.values.len() / WIDTH;
            let groups: Vec<&[u32]> =
                indices[done..].chunks(size).take(of_thread * subject.pool.current_num_threads()).collect();
            for group in subject.execute(groups, task)? {
                kept.values.extend(group.iter().flat_map(OfImage::numbers));
            }
            of_thread = match start.elapsed() {
                short if short < REPORT_EVERY / 2 => (2 * of_thread).min(MOST_GROUPS),
                long if long > REPORT_EVERY => of_thread.div_ceil(2),
                _ => of_thread,
            };
            watch.keep(&kept);
            if !watch.progress(Some((kept.values.len() / WIDTH) as f64 / count as f64)) {
                // The stop may have come after they were kept.
                watch.keep(&kept);
                return Err(EvaluateError::Stopped);
            }
        }
        let column = |place: usize| kept.values.iter().skip(place).step_by(WIDTH).copied().collect::<Vec<f64>>();
        Ok(summary(subject, &std::array::from_fn(column)))
    }

    fn remark(&self, details: &serde_json::Value) -> Option<String> {
        let [images, doubtful] = ["images", "images_with_ess_below_10"].map(|name| details.get(name)?.as_u64());
        let (images, doubtful) = (images?, doubtful?);
        // Some images always need more samples than others.
        (doubtful > images / 10).then(|| {
            format!(
                "{} of {} have an effective number of samples below 10, so the NLL is likely too high; it falls with \
                 more samples (`nll_samples` in `[evaluate]`)",
                grouped(doubtful),
                counted(images, "image")
            )
        })
    }

    fn operations(&self, settings: &EvaluateSettings, images: u64, [encoder, decoder]: [f64; 2]) -> f64 {
        let images = settings.nll_images.map_or(images, |limit| limit.min(images)) as f64;
        images * (encoder + settings.nll_samples as f64 * decoder)
    }
}

/// The values from the numbers of all images, by column.
fn summary(subject: &Subject<'_>, columns: &[Vec<f64>; WIDTH]) -> Measured {
    let [log_likelihood, effective, variance, bounds @ ..] = columns;
    let images = log_likelihood.len() as f64;
    let mean = |values: &[f64]| values.iter().sum::<f64>() / images;
    let nll = -mean(log_likelihood);
    let error = Mean::of(log_likelihood).ok().and_then(|mean| mean.standard_error());
    let values = subject.images().shape().values() as f64;
    let bits = subject.worker.bits_offset().map(|offset| nll / (values * LN_2) + offset);
    let least = effective.iter().copied().fold(f64::INFINITY, f64::min);
    let number = |value: f64| Some(Value::Number(value));
    let of_bound =
        |values: &Vec<f64>| values.first().filter(|value| !value.is_nan()).and_then(|_| number(mean(values)));
    // See `remark`.
    let doubtful = effective.iter().filter(|effective| **effective < FEW).count();
    let mut all = vec![
        number(nll),
        error.map(Value::Number),
        number(variance.iter().sum::<f64>().sqrt() / images),
        number(mean(effective)),
        number(least),
        bits.map(Value::Number),
    ];
    all.extend(bounds.iter().map(of_bound));
    Measured {
        values: all,
        details: json!({ "images": log_likelihood.len(), "images_with_ess_below_10": doubtful }),
        of_images: vec![
            ("nll_nats", log_likelihood.iter().map(|value| -value).collect()),
            ("ess", effective.clone()),
            ("sampling_nats", variance.iter().map(|variance| variance.sqrt()).collect()),
        ],
    }
}

/// The estimate of an image.
#[derive(Clone, Debug, PartialEq)]
struct OfImage {
    /// log p(x), nats.
    log_likelihood: f64,
    /// (sum of the weights)^2 / sum of their squares.
    effective: f64,
    /// The variance of `log_likelihood` over other draws, to first order: 1/effective - 1/samples.
    variance: f64,
    /// The bounds of [`BOUNDS`]; NaN with fewer samples.
    bounds: [f64; BOUNDS.len()],
}

impl OfImage {
    /// From the logarithms of the weights of its samples.
    fn of(log_weights: &[f64]) -> OfImage {
        let most = log_weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let scaled = |log_weight: &f64| (log_weight - most).exp();
        let (sum, squares) = log_weights
            .iter()
            .map(scaled)
            .fold((0.0, 0.0), |(sum, squares), weight| (sum + weight, squares + weight * weight));
        let (samples, effective) = (log_weights.len() as f64, sum * sum / squares);
        let bound = |size: usize| {
            let groups = log_weights.chunks_exact(size);
            let count = groups.len() as f64;
            groups.map(log_mean_exp).sum::<f64>() / count
        };
        OfImage {
            log_likelihood: most + (sum / samples).ln(),
            effective,
            variance: (1.0 / effective - 1.0 / samples).max(0.0),
            bounds: BOUNDS.map(bound),
        }
    }

    fn numbers(&self) -> [f64; WIDTH] {
        let [five, fifty] = self.bounds;
        [self.log_likelihood, self.effective, self.variance, five, fifty]
    }
}

/// The logarithm of the mean of exponentials.
fn log_mean_exp(values: &[f64]) -> f64 {
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    most + (values.iter().map(|value| (value - most).exp()).sum::<f64>() / values.len() as f64).ln()
}

/// The estimates of some images. Neither the group of images nor the thread matters to an image's noise.
fn of_images(
    worker: &Worker<Host>,
    prior: Option<&[f32]>,
    chosen: Chosen<'_>,
    (seed, samples): (u64, usize),
) -> Result<Vec<OfImage>, DeviceError> {
    let key = |block: usize| {
        let samples = BLOCK.min(samples - block * BLOCK);
        NoiseKey { seed, purpose: Purpose::Importance, epoch: block as u64, samples }
    };
    let blocks = worker.log_weights(prior, chosen, (0..samples.div_ceil(BLOCK)).map(key))?;
    let mut log_weights = vec![Vec::with_capacity(samples); chosen.indices.len()];
    for block in blocks {
        let size = block.len() / chosen.indices.len();
        log_weights.iter_mut().zip(block.chunks(size)).for_each(|(all, block)| all.extend(block));
    }
    Ok(log_weights.iter().map(|weights| OfImage::of(weights)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// vectors.md: four weights, computed with numpy in double precision.
    #[test]
    fn the_bound_and_the_effective_sample_size_are_those_of_numpy() {
        let of = OfImage::of(&[-100.0, -98.5, -101.2, -99.3]);
        assert!((of.log_likelihood + 99.332_602_003_8).abs() < 1e-9, "{of:?}");
        assert!((of.effective - 2.409_196_5).abs() < 1e-6, "{of:?}");
        assert!(of.bounds.iter().all(|bound| bound.is_nan()));
        assert!((of.variance - (1.0 / 2.409_196_5 - 0.25)).abs() < 1e-6);
    }

    #[test]
    fn bounds_of_groups_are_means_of_their_logarithms() {
        let weights: Vec<f64> = (0..12).map(|sample| -700.0 - f64::from(sample % 5)).collect();
        let of = OfImage::of(&weights);
        // Two whole groups of five; the last two samples are not used.
        assert!((of.bounds[0] - log_mean_exp(&weights[..5])).abs() < 1e-12);
        assert!(of.bounds[0] <= of.log_likelihood + 0.2 && of.log_likelihood.is_finite());
        // Equal weights: each sample counts.
        let equal = OfImage::of(&[-3.0; 50]);
        assert_eq!((equal.effective, equal.variance, equal.bounds), (50.0, 0.0, [-3.0; 2]));
    }
}
