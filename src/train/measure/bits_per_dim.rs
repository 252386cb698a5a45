//! The evidence lower bound in bits per value.

use super::{End, Measure, kl_nats, recon_nats};
use crate::metrics::{Board, Direction, Metric, MetricKind, Value};
use std::f64::consts::LN_2;

/// The name of the bits per value, which not all trials have.
pub const BITS_PER_DIM: &str = "bits_per_dim";

pub(super) struct BitsPerDim;

impl Measure for BitsPerDim {
    fn metrics(&self) -> Vec<Metric> {
        let doc = "Bits per value, an upper bound: -elbo_nats / (values * ln 2), and for a density of dequantized values the bits of \
                   the unit of the data, log2(levels / length of `data.range`), in addition. NULL for other densities, for a \
                   Bernoulli likelihood of grey pixels, and without a KL.";
        vec![Metric {
            title: "bits per value".into(),
            direction: Direction::Lower,
            board: Board::Group,
            is_curve: true,
            is_optional: true,
            ..Metric::new(BITS_PER_DIM, MetricKind::Number, "bits", doc)
        }]
    }

    fn values(&self, end: &End) -> Vec<Value> {
        let nats = recon_nats::mean(end.sums) + kl_nats::mean(end.sums);
        let offset = end.bits_offset.filter(|_| kl_nats::is_measured(end.sums));
        offset.map(|offset| Value::Number(nats / (end.at.values as f64 * LN_2) + offset)).into_iter().collect()
    }
}
