//! The unsupervised disentanglement ranking (Duan et al. 2020): whether the seeds of a setting agree about the axes.

use super::{Evaluate, EvaluateError, EvaluateSettings, Measured, Scope, Subject, Watch};
use crate::metrics::{Board, Direction, Metric, MetricKind};
use crate::scores::udr::{ModelCodes, Udr, UdrSettings, udr};
use crate::settings::Word;
use serde_json::json;

pub(super) struct UdrScore;

static WORD: Word = Word {
    name: "udr",
    doc: "Unsupervised disentanglement ranking: whether the seeds of a setting agree about the axes; for folders of experiments.",
    also: "unsupervised_disentanglement_ranking",
};

impl Evaluate for UdrScore {
    fn word(&self) -> &'static Word {
        &WORD
    }

    fn metrics(&self) -> Vec<Metric> {
        vec![Metric {
            direction: Direction::Higher,
            board: Board::Result,
            ..Metric::new(
                "udr",
                MetricKind::Number,
                "",
                "Unsupervised disentanglement ranking of the trial among the seeds of its setting: by Lasso between posterior means, \
                 median over the other seeds.",
            )
        }]
    }

    fn scope(&self) -> Scope {
        Scope::Setting
    }

    fn settings(&self, settings: &EvaluateSettings) -> serde_json::Value {
        let UdrSettings { alpha, threshold, points, .. } = UdrSettings::default();
        json!({ "alpha": alpha, "kl_above": threshold, "points": points, "seed": settings.seed })
    }

    fn refusal(&self, subject: &Subject<'_>) -> Option<String> {
        subject.lacks_posterior()
    }

    fn measure(&self, _: &Subject<'_>, _: &mut dyn Watch) -> Result<Measured, EvaluateError> {
        Err(EvaluateError::Undefined(
            "it compares the seeds of a setting: give the folder of the experiment".to_owned(),
        ))
    }

    fn operations(&self, _: &EvaluateSettings, images: u64, [encoder, _]: [f64; 2]) -> f64 {
        images.min(UdrSettings::default().points as u64) as f64 * encoder
    }
}

/// The scores of the models of a setting, from the codes of the same images.
///
/// # Errors
/// The scores are not defined for these models.
pub fn of_models(models: &[ModelCodes<'_>], seed: u64) -> Result<Udr, EvaluateError> {
    let scores =
        udr(models, &UdrSettings::default(), seed).map_err(|error| EvaluateError::Undefined(error.to_string()))?;
    scores.ok_or_else(|| EvaluateError::Undefined("it needs at least two seeds".to_owned()))
}
