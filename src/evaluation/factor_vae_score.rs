//! The FactorVAE score (Kim and Mnih 2018).

use super::factors::{higher, lacks_factors, named, number, shown, undefined};
use super::{Evaluate, EvaluateError, EvaluateSettings, Measured, Scope, Subject, Watch};
use crate::metrics::Metric;
use crate::scores::factor_vae_score::{FactorVaeSettings, factor_vae_score};
use crate::settings::Word;
use serde_json::json;

pub(super) struct FactorVaeScore;

static WORD: Word = Word {
    name: "factor_vae_score",
    doc: "FactorVAE score: how well the axis that varies least tells which factor is fixed.",
    also: "factorvae factor_vae factorvae_score",
};

impl Evaluate for FactorVaeScore {
    fn word(&self) -> &'static Word {
        &WORD
    }

    fn metrics(&self) -> Vec<Metric> {
        vec![shown(
            higher(
                "factor_vae_score",
                "FactorVAE score: accuracy of a majority vote that tells the fixed factor from the axis that varies least; axes with a \
                 standard deviation below `evaluate.factor_vae_threshold` (0.05) are left out, and without an axis the score is 0.",
            ),
            "factor_vae",
        )]
    }

    fn scope(&self) -> Scope {
        Scope::Factors
    }

    fn settings(&self, settings: &EvaluateSettings) -> serde_json::Value {
        let FactorVaeSettings { train_votes, eval_votes, batch, variance_points, threshold } = own(settings);
        json!({
            "train": train_votes, "test": eval_votes, "batch": batch, "variance_points": variance_points, "threshold": threshold,
            "seed": settings.seed,
        })
    }

    fn refusal(&self, subject: &Subject<'_>) -> Option<String> {
        lacks_factors(subject)
    }

    fn measure(&self, subject: &Subject<'_>, watch: &mut dyn Watch) -> Result<Measured, EvaluateError> {
        let whole = subject.whole(watch)?;
        let seed = subject.settings.seed;
        let score = subject
            .compute(watch, || factor_vae_score(&whole.codes, &whole.factors, &own(&subject.settings), seed))
            .map_err(undefined)?;
        let score = score.ok_or_else(|| undefined("fewer than two factors vary"))?;
        let details = json!({
            "factors": named(whole, &score.factors), "axes": score.active_axes, "train_accuracy": score.train_accuracy,
        });
        Ok(Measured { values: vec![number(Some(score.eval_accuracy))], details, ..Measured::default() })
    }

    fn operations(&self, _: &EvaluateSettings, images: u64, [encoder, _]: [f64; 2]) -> f64 {
        images as f64 * encoder
    }
}

fn own(settings: &EvaluateSettings) -> FactorVaeSettings {
    FactorVaeSettings { threshold: settings.factor_vae_threshold, ..FactorVaeSettings::default() }
}
