//! The norm of the gradient.

use super::{End, Measure, TrainingStep};
use crate::metrics::{Board, Metric, MetricKind, Split, Value};

const NAME: &str = "grad_norm";

pub(super) struct GradNorm;

impl Measure for GradNorm {
    fn metrics(&self) -> Vec<Metric> {
        let doc = "Euclidean norm of the gradient before clipping, mean over the epoch's steps; training only.";
        vec![Metric {
            splits: &[Split::Train],
            board: Board::Result,
            must_be_finite: true,
            ..Metric::new(NAME, MetricKind::Number, "", doc)
        }]
    }

    /// The sum of the norms, and the number of steps.
    fn sums(&self, _: usize) -> usize {
        2
    }

    fn step(&self, step: TrainingStep, sums: &mut [f64]) {
        if let [norms, steps] = sums {
            *norms += step.norm;
            *steps += 1.0;
        }
    }

    fn values(&self, end: &End) -> Vec<Value> {
        let norm = match end.sums.of(NAME) {
            [norms, steps] => norms / steps,
            _ => f64::NAN,
        };
        vec![Value::Number(norm)]
    }
}
