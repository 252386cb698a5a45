//! Maximum mean discrepancy with a fixed kernel: of codes and prior, and of samples and images.

use super::factors::{number, undefined};
use super::{Evaluate, EvaluateError, EvaluateSettings, Measured, Subject, Watch};
use crate::metrics::{Direction, Metric, MetricKind};
use crate::random::{Purpose, Stream};
use crate::scores::mmd::{MmdSettings, maximum_mean_discrepancy};
use crate::scores::points::Codes;
use crate::settings::Word;
use serde_json::json;

/// Vectors on each side, at most: the time grows with the square.
const MOST: usize = 2_000;
/// The draw of the noise of the codes; the index is the image.
const NOISE: u64 = 300;

pub(super) struct Mmd;

static WORD: Word = Word {
    name: "mmd",
    doc: "Maximum mean discrepancy with a fixed kernel, of codes against the prior and of samples against images.",
    also: "maximum_mean_discrepancy code_mmd sample_mmd",
};

impl Evaluate for Mmd {
    fn word(&self) -> &'static Word {
        &WORD
    }

    fn metrics(&self) -> Vec<Metric> {
        let lower =
            |name, doc| Metric { direction: Direction::Lower, ..Metric::new(name, MetricKind::Number, "", doc) };
        vec![
            lower(
                "code_mmd",
                "Squared maximum mean discrepancy, unbiased, of codes drawn from the posteriors and draws from the prior; sum of \
                 inverse multiquadratic kernels of 7 scales.",
            ),
            lower(
                "sample_mmd",
                "Squared maximum mean discrepancy, unbiased, of samples from the prior (their expected values or, for binarized \
                 images, drawn pixels) and the images, by value; the same kernels. Not comparable between data sets.",
            ),
        ]
    }

    fn recipe(&self) -> u64 {
        2
    }

    fn settings(&self, settings: &EvaluateSettings) -> serde_json::Value {
        let MmdSettings { sigma, scales } = MmdSettings::default();
        json!({ "vectors": MOST, "sigma": sigma, "scales": scales, "seed": settings.seed })
    }

    fn refusal(&self, subject: &Subject<'_>) -> Option<String> {
        subject.lacks_posterior()
    }

    fn measure(&self, subject: &Subject<'_>, watch: &mut dyn Watch) -> Result<Measured, EvaluateError> {
        let posteriors = subject.posteriors(watch)?;
        let (worker, seed, latent) = (subject.worker, subject.settings.seed, subject.worker.latent());
        let count = subject.images().len().min(MOST);
        let mut codes = vec![0.0; count * latent];
        for (image, code) in codes.chunks_mut(latent).enumerate() {
            Stream::new(seed, Purpose::Evaluation, NOISE, image as u64).fill_normal(code);
            let places = image * latent..(image + 1) * latent;
            let posterior = posteriors.mean[places.clone()].iter().zip(&posteriors.log_variance[places]);
            code.iter_mut()
                .zip(posterior)
                .for_each(|(z, (mean, log_variance))| *z = mean + (0.5 * log_variance).exp() * *z);
        }
        let draws = subject.prior_codes(count)?;
        let values = subject.images().shape().values();
        let samples = subject.samples(&draws.values, 0)?;
        let indices: Vec<u32> = (0..count as u32).collect();
        let images = worker.inputs(subject.split, &indices);
        let vectors = |latent: usize, values: Vec<f32>| Codes { latent, values };
        let mut pair = |one: Codes, other: Codes| {
            let found = subject.compute(watch, || maximum_mean_discrepancy(&one, &other, &MmdSettings::default()));
            found.map(|found| found.unbiased).map_err(undefined)
        };
        let of_codes = pair(vectors(latent, codes), draws)?;
        let of_samples = pair(vectors(values, images), vectors(values, samples))?;
        let details = json!({ "vectors": count });
        Ok(Measured {
            values: [of_codes, of_samples].map(|value| number(Some(value))).to_vec(),
            details,
            ..Measured::default()
        })
    }

    fn operations(&self, _: &EvaluateSettings, images: u64, [encoder, decoder]: [f64; 2]) -> f64 {
        let vectors = images.min(MOST as u64) as f64;
        images as f64 * encoder + vectors * decoder
    }

    fn memory(&self, images: u64, values: usize) -> f64 {
        // Samples and images.
        8.0 * images.min(MOST as u64) as f64 * values as f64
    }
}
