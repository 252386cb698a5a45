//! The loss: what training minimizes.

use super::{End, Measure, Sums, TrainingStep, kl_nats, recon_nats};
use crate::metrics::{Board, ColumnHead, Direction, Metric, MetricKind, Split, Value};
use crate::objective::{self, At, MeanTerms};

/// The name of the loss. The best epoch of a trial is the one with the lowest validation loss.
pub const LOSS: &str = "loss";

pub(super) struct Loss;

/// Mean loss over the images.
pub(super) fn of(sums: &Sums, objective: &dyn objective::Loss, at: At) -> f64 {
    let own = sums.own_terms();
    objective.loss(MeanTerms { recon_nats: recon_nats::mean(sums), kl_nats: kl_nats::mean(sums), own: &own }, at)
}

impl Measure for Loss {
    fn metrics(&self) -> Vec<Metric> {
        let doc = "The loss, mean over images, in the unit of `objective.reduction` or in nats.";
        vec![Metric {
            title: "loss, in the objective's unit".into(),
            direction: Direction::Lower,
            board: Board::Result,
            column: Some(ColumnHead { head: LOSS, rule: None }),
            is_curve: true,
            must_be_finite: true,
            ..Metric::new(LOSS, MetricKind::Number, "", doc)
        }]
    }

    /// The sum of the losses in training: the weight of the KL can change from step to step.
    fn sums(&self, _: usize) -> usize {
        1
    }

    fn step(&self, step: TrainingStep, sums: &mut [f64]) {
        if let [losses] = sums {
            *losses += step.loss * step.images;
        }
    }

    fn values(&self, end: &End) -> Vec<Value> {
        vec![Value::Number(match end.sums.split() {
            Split::Train => end.sums.mean(LOSS, 0),
            Split::Validation | Split::Test => of(end.sums, end.objective, end.at),
        })]
    }
}
