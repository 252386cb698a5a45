//! What the metrics of disentanglement share.

use super::subject::Whole;
use super::{EvaluateError, Subject};
use crate::metrics::{Board, ColumnHead, Direction, Metric, MetricKind, Value};
use serde_json::json;

/// A score without a unit, of which higher values are better.
pub(super) fn higher(name: &'static str, doc: &'static str) -> Metric {
    Metric { direction: Direction::Higher, ..Metric::new(name, MetricKind::Number, "", doc) }
}

/// A metric that tables for people and TensorBoard show.
pub(super) fn shown(metric: Metric, head: &'static str) -> Metric {
    Metric { board: Board::Result, column: Some(ColumnHead { head, rule: None }), ..metric }
}

/// Why data have no disentanglement; `None` if they have: two factors or more.
pub(super) fn lacks_factors(subject: &Subject<'_>) -> Option<String> {
    let names = subject.factor_names();
    let have = match &*names {
        [] => "no factor".to_owned(),
        [one] => format!("one, `{one}`"),
        _ => return None,
    };
    Some(format!(
        "it needs data with at least two factors, but these have {have}; sources with factors are `sprites`, `rooms`, `dsprites` and \
         `3dshapes`, and files with columns of labels"
    ))
}

/// A score that may be undefined.
pub(super) fn number(score: Option<f64>) -> Option<Value> {
    score.map(Value::Number)
}

/// The error of a score that does not exist for these codes.
pub(super) fn undefined<W: ToString>(why: W) -> EvaluateError {
    EvaluateError::Undefined(why.to_string())
}

/// The names of factors with these numbers.
pub(super) fn named(whole: &Whole, factors: &[usize]) -> Vec<String> {
    factors.iter().filter_map(|factor| Some(whole.factors.get(*factor)?.name.clone())).collect()
}

/// A matrix of axes and factors, (Latent, Factors), and the gap of each factor, if there are gaps.
pub(super) fn matrix(whole: &Whole, matrix: &[Vec<f64>], gaps: &[Option<f64>]) -> serde_json::Value {
    let names: Vec<&str> = whole.factors.iter().map(|factor| factor.name.as_str()).collect();
    let mut details = json!({ "factors": names, "matrix": matrix });
    if !gaps.is_empty() {
        details["gap_factor"] = json!(gaps);
    }
    details
}
