//! The duration of an epoch.

use super::{End, Measure};
use crate::metrics::{Metric, MetricKind, Value};

/// The name of the duration of an epoch.
pub const SECONDS: &str = "seconds";

pub(super) struct Seconds;

impl Measure for Seconds {
    fn metrics(&self) -> Vec<Metric> {
        let doc = "Seconds spent on this split in this epoch.";
        vec![Metric { is_timing: true, ..Metric::new(SECONDS, MetricKind::Number, "s", doc) }]
    }

    fn values(&self, end: &End) -> Vec<Value> {
        vec![Value::Number(end.seconds)]
    }
}
