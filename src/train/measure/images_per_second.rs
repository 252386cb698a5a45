//! The speed of training and of validation.

use super::{End, Measure};
use crate::metrics::{Board, Metric, MetricKind, Value};

/// The name of the speed.
pub const IMAGES_PER_SECOND: &str = "images_per_second";

pub(super) struct ImagesPerSecond;

impl Measure for ImagesPerSecond {
    fn metrics(&self) -> Vec<Metric> {
        let doc = "Images of this split, divided by the seconds spent on them.";
        vec![Metric {
            board: Board::Group,
            is_timing: true,
            ..Metric::new(IMAGES_PER_SECOND, MetricKind::Number, "images/s", doc)
        }]
    }

    fn values(&self, end: &End) -> Vec<Value> {
        vec![Value::Number(end.sums.images() / end.seconds)]
    }
}
