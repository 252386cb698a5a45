//! The learning rate.

use super::{End, Measure};
use crate::metrics::{Board, Metric, MetricKind, Value};

pub(super) struct LearningRate;

impl Measure for LearningRate {
    fn metrics(&self) -> Vec<Metric> {
        let doc = "Learning rate at the epoch's last step.";
        vec![Metric { board: Board::Schedule, ..Metric::new("learning_rate", MetricKind::Number, "", doc) }]
    }

    fn values(&self, end: &End) -> Vec<Value> {
        vec![Value::Number(end.learning_rate)]
    }
}
