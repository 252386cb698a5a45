//! The number of latent axes that the model uses.

use super::{End, Measure, MeasuredBatch};
use crate::metrics::{Board, ColumnHead, Metric, MetricKind, Value};

const NAME: &str = "active_units";
/// The name of the variance of the means of each latent axis.
pub const MEAN_VARIANCE_AXIS: &str = "mean_variance_axis";

/// A latent axis is active if the variance of its posterior mean over the images is above this (Burda et al. 2016).
const ACTIVE_VARIANCE: f64 = 0.01;

pub(super) struct ActiveUnits;

impl Measure for ActiveUnits {
    fn metrics(&self) -> Vec<Metric> {
        let doc =
            "Number of latent axes whose posterior mean has a variance above 0.01 over the images (Burda et al. 2016).";
        let rule = "latent axes whose posterior mean has a variance above 0.01 over the {split} images";
        let axis_doc = "Variance of the posterior mean of each latent axis over the images.";
        vec![
            Metric {
                title: "active latent axes".into(),
                board: Board::Result,
                column: Some(ColumnHead { head: "active", rule: Some(rule) }),
                ..Metric::new(NAME, MetricKind::Count, "axes", doc)
            },
            Metric { board: Board::Group, ..Metric::new(MEAN_VARIANCE_AXIS, MetricKind::List, "", axis_doc) },
        ]
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
            // Rounding may give less than 0.
            (squares / images - mean * mean).max(0.0)
        };
        let variances: Vec<f64> = end.sums.of(NAME).as_chunks().0.iter().map(variance).collect();
        let active = variances.iter().filter(|variance| **variance > ACTIVE_VARIANCE).count();
        vec![Value::Count(active as u64), Value::List(variances)]
    }
}
