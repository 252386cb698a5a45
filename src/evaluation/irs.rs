//! The interventional robustness score (Suter et al. 2019).

use super::factors::{higher, lacks_factors, matrix, number, shown, undefined};
use super::{Evaluate, EvaluateError, EvaluateSettings, Measured, Scope, Subject, Watch};
use crate::metrics::Metric;
use crate::scores::irs::{IrsSettings, irs};
use crate::settings::Word;
use serde_json::json;

pub(super) struct IrsScore;

static WORD: Word = Word {
    name: "irs",
    doc: "IRS: whether an axis stays where it is when factors other than its own change.",
    also: "interventional_robustness",
};

impl Evaluate for IrsScore {
    fn word(&self) -> &'static Word {
        &WORD
    }

    fn metrics(&self) -> Vec<Metric> {
        vec![shown(
            higher(
                "irs",
                "Interventional robustness score: whether an axis stays where it is when factors other than its own change.",
            ),
            "irs",
        )]
    }

    fn scope(&self) -> Scope {
        Scope::Factors
    }

    fn settings(&self, settings: &EvaluateSettings) -> serde_json::Value {
        let IrsSettings { points, factor_bins, quantile } = IrsSettings::default();
        json!({ "points": points, "factor_bins": factor_bins, "quantile": quantile, "seed": settings.seed })
    }

    fn refusal(&self, subject: &Subject<'_>) -> Option<String> {
        lacks_factors(subject)
    }

    fn measure(&self, subject: &Subject<'_>, watch: &mut dyn Watch) -> Result<Measured, EvaluateError> {
        let whole = subject.whole(watch)?;
        let seed = subject.settings.seed;
        let score = subject
            .compute(watch, || irs(&whole.codes, &whole.factors, &IrsSettings::default(), seed))
            .map_err(undefined)?;
        let details = matrix(whole, &score.matrix, &[]);
        Ok(Measured { values: vec![number(score.score)], details, ..Measured::default() })
    }

    fn operations(&self, _: &EvaluateSettings, images: u64, [encoder, _]: [f64; 2]) -> f64 {
        images as f64 * encoder
    }
}
