//! The SAP score (Kumar et al. 2018).

use super::factors::{higher, lacks_factors, matrix, number, shown, undefined};
use super::{Evaluate, EvaluateError, EvaluateSettings, Measured, Scope, Subject, Watch};
use crate::metrics::Metric;
use crate::scores::sap::{SapSettings, sap};
use crate::settings::Word;
use serde_json::json;

pub(super) struct SapScore;

static WORD: Word = Word {
    name: "sap",
    doc: "SAP: the gap of accuracy between the two axes that predict a factor best.",
    also: "sap_score",
};

impl Evaluate for SapScore {
    fn word(&self) -> &'static Word {
        &WORD
    }

    fn metrics(&self) -> Vec<Metric> {
        vec![shown(
            higher(
                "sap",
                "SAP: for each factor the gap of accuracy between the two axes that predict it best with a linear support vector \
                 machine, mean over the factors.",
            ),
            "sap",
        )]
    }

    fn scope(&self) -> Scope {
        Scope::Factors
    }

    fn settings(&self, settings: &EvaluateSettings) -> serde_json::Value {
        let SapSettings { train, test, c, .. } = SapSettings::default();
        json!({ "train": train, "test": test, "c": c, "seed": settings.seed })
    }

    fn refusal(&self, subject: &Subject<'_>) -> Option<String> {
        lacks_factors(subject)
    }

    fn measure(&self, subject: &Subject<'_>, watch: &mut dyn Watch) -> Result<Measured, EvaluateError> {
        let whole = subject.whole(watch)?;
        let seed = subject.settings.seed;
        let score = subject
            .compute(watch, || sap(&whole.codes, &whole.factors, &SapSettings::default(), seed))
            .map_err(undefined)?;
        let details = matrix(whole, &score.matrix, &score.gaps);
        Ok(Measured { values: vec![number(score.score)], details, ..Measured::default() })
    }

    fn operations(&self, _: &EvaluateSettings, images: u64, [encoder, _]: [f64; 2]) -> f64 {
        images as f64 * encoder
    }
}
