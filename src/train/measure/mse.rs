//! The squared error of the values.

use super::{Decoded, End, Measure, MeasuredBatch};
use crate::metrics::{Board, Direction, Metric, MetricKind, Split, Value};

const NAME: &str = "mse";

pub(super) struct Mse;

impl Measure for Mse {
    fn metrics(&self) -> Vec<Metric> {
        let doc = "Squared error of the expected values, mean over values and images; validation only.";
        vec![Metric {
            title: "squared error (mean over values)".into(),
            direction: Direction::Lower,
            // It would slow down training.
            splits: &[Split::Validation],
            board: Board::Group,
            is_curve: true,
            ..Metric::new(NAME, MetricKind::Number, "", doc)
        }]
    }

    /// The sum of the squared errors, and the number of values.
    fn sums(&self, _: usize) -> usize {
        2
    }

    fn add(&self, batch: &MeasuredBatch, sums: &mut [f64]) {
        let [errors, values] = sums else { return };
        let Decoded { inputs, expected } = batch.decoded();
        for (input, expected) in inputs.iter().zip(&expected) {
            let error = f64::from(*expected) - f64::from(*input);
            *errors += error * error;
            *values += 1.0;
        }
    }

    fn values(&self, end: &End) -> Vec<Value> {
        vec![Value::Number(match end.sums.of(NAME) {
            [errors, values] => errors / values,
            _ => f64::NAN,
        })]
    }
}
