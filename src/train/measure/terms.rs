//! The own terms of objectives: the metrics of a trial have those of its objective.

use super::{End, Measure};
use crate::metrics::{Board, Metric, MetricKind, Value};
use crate::objective::Term;

impl Measure for Term {
    fn metrics(&self) -> Vec<Metric> {
        vec![Metric {
            title: self.title.into(),
            board: Board::Group,
            is_curve: true,
            is_optional: true,
            must_be_finite: true,
            ..Metric::new(self.name, MetricKind::Number, self.unit, self.doc)
        }]
    }

    fn values(&self, end: &End) -> Vec<Value> {
        let place = end.objective.terms().iter().position(|term| *term == self);
        place.map(|place| Value::Number(end.sums.own_term(place))).into_iter().collect()
    }
}
