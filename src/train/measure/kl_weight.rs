//! The weight of the KL term.

use super::{End, Measure};
use crate::metrics::{Board, Metric, MetricKind, Value};

/// The name of the weight of the KL.
pub const KL_WEIGHT: &str = "kl_weight";

pub(super) struct KlWeight;

impl Measure for KlWeight {
    fn metrics(&self) -> Vec<Metric> {
        let doc = "Weight of the KL term, in the unit of `objective.reduction`, at the epoch's last step.";
        vec![Metric {
            board: Board::Schedule,
            is_optional: true,
            ..Metric::new(KL_WEIGHT, MetricKind::Number, "", doc)
        }]
    }

    fn values(&self, end: &End) -> Vec<Value> {
        end.objective.scheduled(end.at).kl_weight.map(Value::Number).into_iter().collect()
    }
}
