//! The BetaVAE score (Higgins et al. 2017).

use super::factors::{higher, lacks_factors, named, number, shown, undefined};
use super::{Evaluate, EvaluateError, EvaluateSettings, Measured, Scope, Subject, Watch};
use crate::metrics::Metric;
use crate::scores::beta_vae_score::{BetaVaeSettings, beta_vae_score};
use crate::settings::Word;
use serde_json::json;

pub(super) struct BetaVaeScore;

static WORD: Word = Word {
    name: "beta_vae_score",
    doc: "BetaVAE score: how well a linear classifier tells which factor a set of pairs shares.",
    also: "betavae beta_vae betavae_score higgins_score",
};

impl Evaluate for BetaVaeScore {
    fn word(&self) -> &'static Word {
        &WORD
    }

    fn metrics(&self) -> Vec<Metric> {
        vec![shown(
            higher(
                "beta_vae_score",
                "BetaVAE score: accuracy of a linear classifier that tells which factor the images of 64 pairs share.",
            ),
            "beta_vae",
        )]
    }

    fn scope(&self) -> Scope {
        Scope::Factors
    }

    fn settings(&self, settings: &EvaluateSettings) -> serde_json::Value {
        let BetaVaeSettings { train_points, eval_points, pairs, c } = BetaVaeSettings::default();
        json!({ "train": train_points, "test": eval_points, "pairs": pairs, "c": c, "seed": settings.seed })
    }

    fn refusal(&self, subject: &Subject<'_>) -> Option<String> {
        lacks_factors(subject)
    }

    fn measure(&self, subject: &Subject<'_>, watch: &mut dyn Watch) -> Result<Measured, EvaluateError> {
        let whole = subject.whole(watch)?;
        let seed = subject.settings.seed;
        let score = subject
            .compute(watch, || beta_vae_score(&whole.codes, &whole.factors, &BetaVaeSettings::default(), seed))
            .map_err(undefined)?;
        let score = score.ok_or_else(|| undefined("fewer than two factors vary"))?;
        let details = json!({ "factors": named(whole, &score.factors), "train_accuracy": score.train_accuracy });
        Ok(Measured { values: vec![number(Some(score.eval_accuracy))], details, ..Measured::default() })
    }

    fn operations(&self, _: &EvaluateSettings, images: u64, [encoder, _]: [f64; 2]) -> f64 {
        images as f64 * encoder
    }
}
