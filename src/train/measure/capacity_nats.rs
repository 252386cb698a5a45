//! The capacity of the objective `capacity`.

use super::{End, Measure};
use crate::metrics::{Board, Metric, MetricKind, Value};

/// The name of the capacity.
pub const CAPACITY_NATS: &str = "capacity_nats";

pub(super) struct CapacityNats;

impl Measure for CapacityNats {
    fn metrics(&self) -> Vec<Metric> {
        let doc = "The KL that the objective `capacity` aims at, nats per image, at the epoch's last step.";
        vec![Metric {
            board: Board::Schedule,
            is_optional: true,
            is_curve: true,
            ..Metric::new(CAPACITY_NATS, MetricKind::Number, "nats", doc)
        }]
    }

    fn values(&self, end: &End) -> Vec<Value> {
        end.objective.scheduled(end.at).capacity_nats.map(Value::Number).into_iter().collect()
    }
}
