//! The weight of the KL relative to the reconstruction, whatever the unit of the loss is.

use super::{End, Measure};
use crate::metrics::{Board, Metric, MetricKind, Value};

/// The name of the effective beta. Losses are comparable only if it is equal.
pub const EFFECTIVE_BETA: &str = "effective_beta";

pub(super) struct EffectiveBeta;

impl Measure for EffectiveBeta {
    fn metrics(&self) -> Vec<Metric> {
        let doc = "Weight of `kl_nats` relative to `recon_nats` in the loss, whatever `objective.reduction` is; at the epoch's last step.";
        vec![Metric {
            board: Board::Schedule,
            is_optional: true,
            ..Metric::new(EFFECTIVE_BETA, MetricKind::Number, "", doc)
        }]
    }

    fn values(&self, end: &End) -> Vec<Value> {
        end.objective.scheduled(end.at).effective_beta.map(Value::Number).into_iter().collect()
    }
}
