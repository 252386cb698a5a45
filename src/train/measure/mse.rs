//! The squared error of the pixels.

use super::{End, Measure, MeasuredBatch, Pixels};
use crate::metrics::{Board, Direction, Metric, MetricKind, Split, Value};

const NAME: &str = "mse";

pub(super) struct Mse;

impl Measure for Mse {
    fn metrics(&self) -> Vec<Metric> {
        let doc = "Squared error of the expected pixels, mean over pixels and images; validation only.";
        vec![Metric {
            title: "squared error (mean over pixels)".into(),
            direction: Direction::Lower,
            // It would slow down training.
            splits: &[Split::Validation],
            board: Board::Group,
            is_curve: true,
            ..Metric::new(NAME, MetricKind::Number, "", doc)
        }]
    }

    /// The sum of the squared errors, and the number of pixels.
    fn sums(&self, _: usize) -> usize {
        2
    }

    fn add(&self, batch: &MeasuredBatch, sums: &mut [f64]) {
        let [errors, pixels] = sums else { return };
        let Pixels { inputs, expected } = batch.pixels();
        for (input, expected) in inputs.iter().zip(&expected) {
            let error = f64::from(*expected) - f64::from(*input);
            *errors += error * error;
            *pixels += 1.0;
        }
    }

    fn values(&self, end: &End) -> Vec<Value> {
        vec![Value::Number(match end.sums.of(NAME) {
            [errors, pixels] => errors / pixels,
            _ => f64::NAN,
        })]
    }
}
