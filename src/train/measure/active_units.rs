//! The number of latent axes that the model uses.

use super::{End, Measure, MeasuredBatch};
use crate::metrics::{Board, ColumnHead, Metric, MetricKind, Value};

const NAME: &str = "active_units";

/// A latent axis is active if the variance of its posterior mean over the images is above this (Burda et al. 2016).
const ACTIVE_VARIANCE: f64 = 0.01;

pub(super) struct ActiveUnits;

impl Measure for ActiveUnits {
    fn metrics(&self) -> Vec<Metric> {
        let doc =
            "Number of latent axes whose posterior mean has a variance above 0.01 over the images (Burda et al. 2016).";
        let rule = "latent axes whose posterior mean has a variance above 0.01 over the {split} images";
        vec![Metric {
            title: "active latent axes".into(),
            board: Board::Result,
            column: Some(ColumnHead { head: "active", rule: Some(rule) }),
            ..Metric::new(NAME, MetricKind::Count, "axes", doc)
        }]
    }

    /// For each axis, the sums of the means and of their squares.
    fn sums(&self, latent: usize) -> usize {
        2 * latent
    }

    fn add(&self, batch: &MeasuredBatch, sums: &mut [f64]) {
        let axes = sums.as_chunks_mut().0;
        for image in batch.mean.chunks(axes.len().max(1)) {
            for ([sum, squares], mean) in axes.iter_mut().zip(image) {
                let mean = f64::from(*mean);
                *sum += mean;
                *squares += mean * mean;
            }
        }
    }

    fn values(&self, end: &End) -> Vec<Value> {
        let images = end.sums.images();
        let variance = |[sum, squares]: &[f64; 2]| {
            let mean = sum / images;
            squares / images - mean * mean
        };
        let axes = end.sums.of(NAME).as_chunks().0;
        vec![Value::Count(axes.iter().filter(|axis| variance(axis) > ACTIVE_VARIANCE).count() as u64)]
    }
}
