//! The evidence lower bound.

use super::{End, Measure, MeasuredBatch, kl_nats, recon_nats};
use crate::metrics::{Board, ColumnHead, Direction, Metric, MetricKind, Value};

/// The name of the evidence lower bound. Trials are compared by it if their losses have different units.
pub const ELBO_NATS: &str = "elbo_nats";

pub(super) struct ElboNats;

impl Measure for ElboNats {
    fn metrics(&self) -> Vec<Metric> {
        let doc = "Evidence lower bound, nats per image: -recon_nats - kl_nats, always with KL weight 1.";
        vec![Metric {
            title: "ELBO (nats per image)".into(),
            direction: Direction::Higher,
            standard_error: true,
            board: Board::Result,
            layout: Some("Evidence lower bound"),
            column: Some(ColumnHead { head: ELBO_NATS, rule: None }),
            is_curve: true,
            must_be_finite: true,
            ..Metric::new(ELBO_NATS, MetricKind::Number, "nats", doc)
        }]
    }

    fn each(&self, batch: &MeasuredBatch) -> Vec<f64> {
        let recon = batch.recon_nats.iter().map(|nats| f64::from(*nats));
        let mut kl = batch.kl_nats().into_iter();
        recon.map(|recon| -recon - kl.next().unwrap_or(0.0)).collect()
    }

    fn values(&self, end: &End) -> Vec<Value> {
        vec![Value::Number(-recon_nats::mean(end.sums) - kl_nats::mean(end.sums))]
    }
}
