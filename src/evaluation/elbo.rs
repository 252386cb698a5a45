//! The evidence lower bound of a split.

use super::{Evaluate, EvaluateError, EvaluateSettings, Measured, Subject, Watch};
use crate::metrics::{Board, ColumnHead, Direction, Metric, MetricKind, Value};
use crate::scores::statistics::Mean;
use crate::settings::Word;
use serde_json::json;
use std::f64::consts::LN_2;

pub(super) struct Elbo;

static WORD: Word = Word {
    name: "elbo",
    doc: "Evidence lower bound with one sample per image, with its parts; for validation images, that of training.",
    also: "elbo_nats bound vlb recon kl bits_per_dim bpd",
};

impl Evaluate for Elbo {
    fn word(&self) -> &'static Word {
        &WORD
    }

    fn metrics(&self) -> Vec<Metric> {
        let number = |name, unit, doc| Metric::new(name, MetricKind::Number, unit, doc);
        let lower = |metric: Metric| Metric { direction: Direction::Lower, ..metric };
        vec![
            Metric {
                title: "ELBO (nats per image)".into(),
                direction: Direction::Higher,
                board: Board::Result,
                column: Some(ColumnHead { head: "elbo_nats", rule: None }),
                ..number("elbo_nats", "nats", "Evidence lower bound, nats per image: -recon_nats - kl_nats.")
            },
            number("elbo_nats_se", "nats", "Standard error of `elbo_nats` over the images."),
            lower(number("recon_nats", "nats", "Reconstruction, -log p(x|z), nats per image.")),
            number("kl_nats", "nats", "KL of the posteriors to the prior, nats per image; 0 for a plain autoencoder."),
            lower(number(
                "bits_per_dim",
                "bits",
                "Bits per value, an upper bound, from `elbo_nats`; NULL for densities of values that are not dequantized.",
            )),
        ]
    }

    fn settings(&self, _: &EvaluateSettings) -> serde_json::Value {
        json!({})
    }

    fn refusal(&self, _: &Subject<'_>) -> Option<String> {
        None
    }

    fn measure(&self, subject: &Subject<'_>, watch: &mut dyn Watch) -> Result<Measured, EvaluateError> {
        let (prior, count) = (subject.prior.as_deref(), subject.images().len());
        let parts = subject.each(subject.micro_batch, watch, |worker, chosen| worker.measure_each(prior, chosen))?;
        let (mut recon, mut kl) = (Vec::with_capacity(count), Vec::with_capacity(count));
        for part in parts {
            recon.extend(part.recon_nats.into_iter().map(f64::from));
            kl.extend(part.kl_nats.into_iter().map(f64::from));
        }
        let images = count as f64;
        let mean = |values: &[f64]| values.iter().sum::<f64>() / images;
        let (mean_recon, mean_kl) = (mean(&recon), if subject.is_variational { mean(&kl) } else { 0.0 });
        let elbo: Vec<f64> =
            recon.iter().enumerate().map(|(image, recon)| -recon - kl.get(image).copied().unwrap_or(0.0)).collect();
        let bound = -mean_recon - mean_kl;
        let error = Mean::of(&elbo).ok().and_then(|mean| mean.standard_error());
        let values = subject.images().shape().values() as f64;
        let offset = subject.worker.bits_offset().filter(|_| subject.is_variational);
        let number = |value: f64| Some(Value::Number(value));
        Ok(Measured {
            values: vec![
                number(bound),
                error.map(Value::Number),
                number(mean_recon),
                number(mean_kl),
                offset.and_then(|offset| number(-bound / (values * LN_2) + offset)),
            ],
            details: json!({ "images": count }),
            of_images: vec![("elbo_nats", elbo), ("recon_nats", recon), ("kl_nats", kl)],
        })
    }

    fn operations(&self, _: &EvaluateSettings, images: u64, [encoder, decoder]: [f64; 2]) -> f64 {
        images as f64 * (encoder + decoder)
    }
}
