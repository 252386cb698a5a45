//! The KL of the posterior: the sum, and the KL of each latent axis.

use super::{End, Measure, MeasuredBatch, Sums};
use crate::metrics::{Board, ColumnHead, Metric, MetricKind, Value};

const NAME: &str = "kl_nats";
/// The name of the KL of each latent axis.
pub const KL_AXIS_NATS: &str = "kl_axis_nats";

pub(super) struct KlNats;

/// KL(q || N(0, 1)) of one latent axis, nats.
pub(in crate::train) fn axis_nats(mean: f32, log_variance: f32) -> f64 {
    let (mean, log_variance) = (f64::from(mean), f64::from(log_variance));
    -0.5 * (1.0 + log_variance - mean * mean - log_variance.exp())
}

/// Mean over the images, nats.
pub(super) fn mean(sums: &Sums) -> f64 {
    sums.mean(NAME, 0)
}

/// Whether any image has a KL: those of a plain autoencoder have none.
pub(super) fn is_measured(sums: &Sums) -> bool {
    sums.of(NAME).get(1).is_some_and(|with_kl| *with_kl > 0.0)
}

impl Measure for KlNats {
    fn metrics(&self) -> Vec<Metric> {
        let doc = "KL(q(z|x) || p(z)), nats per image: summed over latent axes, mean over images; of a learned prior, that of samples.";
        let axis_doc =
            "KL of each latent axis, nats per image: mean over images. Sums to `kl_nats`; NULL with a learned prior.";
        vec![
            Metric {
                title: "KL (nats per image)".into(),
                board: Board::Result,
                layout: Some("Reconstruction and KL"),
                column: Some(ColumnHead { head: NAME, rule: None }),
                is_curve: true,
                must_be_finite: true,
                ..Metric::new(NAME, MetricKind::Number, "nats", doc)
            },
            Metric {
                board: Board::Group,
                must_be_finite: true,
                ..Metric::new(KL_AXIS_NATS, MetricKind::List, "nats", axis_doc)
            },
        ]
    }

    /// The sum of the KL, the number of images that have a KL, and the sum of the KL of each axis.
    fn sums(&self, latent: usize) -> usize {
        2 + latent
    }

    fn add(&self, batch: &MeasuredBatch, sums: &mut [f64]) {
        let [all, with_kl, axes @ ..] = sums else { return };
        if let Some(sampled) = batch.sampled_kl() {
            *with_kl += sampled.len() as f64;
            *all += sampled.iter().map(|nats| f64::from(*nats)).sum::<f64>();
            // It is not known how much of it each axis has.
            axes.fill(f64::NAN);
            return;
        }
        for image in batch.axis_nats().chunks(axes.len().max(1)) {
            *with_kl += 1.0;
            for (axis, nats) in axes.iter_mut().zip(image) {
                *axis += nats;
                *all += nats;
            }
        }
    }

    fn values(&self, end: &End) -> Vec<Value> {
        let axes = match end.sums.of(NAME) {
            [all, _, axes @ ..] if all.is_finite() && axes.iter().all(|nats| nats.is_nan()) => None,
            [_, with_kl, axes @ ..] if *with_kl > 0.0 => Some(axes),
            _ => Some(&[][..]),
        };
        let list = axes.map(|axes| Value::List(axes.iter().map(|nats| nats / end.sums.images()).collect()));
        [Value::Number(mean(end.sums))].into_iter().chain(list).collect()
    }
}
