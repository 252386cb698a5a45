//! The mutual information gap, by binned means as in disentanglement_lib (Chen et al. 2018).

use super::factors::{higher, lacks_factors, matrix, number, shown, undefined};
use super::{Evaluate, EvaluateError, EvaluateSettings, Measured, Scope, Subject, Watch};
use crate::metrics::Metric;
use crate::scores::mig::{MigSettings, mig};
use crate::settings::Word;
use serde_json::json;

pub(super) struct Mig;

static WORD: Word = Word {
    name: "mig",
    doc: "Mutual information gap of the posterior means, in 20 bins, as in disentanglement_lib.",
    also: "mutual_information_gap mig_score",
};

impl Evaluate for Mig {
    fn word(&self) -> &'static Word {
        &WORD
    }

    fn metrics(&self) -> Vec<Metric> {
        vec![shown(
            higher(
                "mig",
                "Mutual information gap, as in disentanglement_lib: posterior means in `evaluate.bins` (20) bins; the mean over the factors of the gap \
                 between the two most informative axes, divided by the entropy of the factor.",
            ),
            "mig",
        )]
    }

    fn scope(&self) -> Scope {
        Scope::Factors
    }

    fn settings(&self, settings: &EvaluateSettings) -> serde_json::Value {
        let MigSettings { points, bins } = own(settings);
        json!({ "points": points, "bins": bins, "seed": settings.seed })
    }

    fn refusal(&self, subject: &Subject<'_>) -> Option<String> {
        lacks_factors(subject)
    }

    fn measure(&self, subject: &Subject<'_>, watch: &mut dyn Watch) -> Result<Measured, EvaluateError> {
        let whole = subject.whole(watch)?;
        let seed = subject.settings.seed;
        let score = subject
            .compute(watch, || mig(&whole.codes, &whole.factors, &own(&subject.settings), seed))
            .map_err(undefined)?;
        let details = matrix(whole, &score.information.matrix, &score.gaps);
        Ok(Measured { values: vec![number(score.score)], details, ..Measured::default() })
    }

    fn operations(&self, _: &EvaluateSettings, images: u64, [encoder, _]: [f64; 2]) -> f64 {
        images as f64 * encoder
    }
}

fn own(settings: &EvaluateSettings) -> MigSettings {
    MigSettings { bins: settings.bins as usize, ..MigSettings::default() }
}
