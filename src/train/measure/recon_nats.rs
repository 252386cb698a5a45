//! The reconstruction term.

use super::{End, Measure, MeasuredBatch, Sums};
use crate::metrics::{Board, ColumnHead, Direction, Metric, MetricKind, Value};

const NAME: &str = "recon_nats";

pub(super) struct ReconNats;

/// Mean over the images, nats.
pub(super) fn mean(sums: &Sums) -> f64 {
    sums.mean(NAME, 0)
}

impl Measure for ReconNats {
    fn metrics(&self) -> Vec<Metric> {
        let doc = "-log p(x|z), nats per image: summed over values, mean over images.";
        vec![Metric {
            title: "reconstruction (nats per image)".into(),
            direction: Direction::Lower,
            board: Board::Result,
            layout: Some("Reconstruction and KL"),
            column: Some(ColumnHead { head: NAME, rule: None }),
            is_curve: true,
            must_be_finite: true,
            ..Metric::new(NAME, MetricKind::Number, "nats", doc)
        }]
    }

    fn sums(&self, _: usize) -> usize {
        1
    }

    fn add(&self, batch: &MeasuredBatch, sums: &mut [f64]) {
        if let [nats] = sums {
            *nats += batch.recon_nats.iter().map(|nats| f64::from(*nats)).sum::<f64>();
        }
    }

    fn values(&self, end: &End) -> Vec<Value> {
        vec![Value::Number(mean(end.sums))]
    }
}
