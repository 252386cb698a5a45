//! The mutual information gap by the aggregate posterior, as its authors compute it (Chen et al. 2018).

use super::factors::{higher, lacks_factors, matrix, number, undefined};
use super::{Evaluate, EvaluateError, EvaluateSettings, Measured, Scope, Subject, Watch};
use crate::metrics::Metric;
use crate::scores::mig_by_posteriors::{PosteriorMigSettings, mig_by_posteriors};
use crate::settings::Word;
use serde_json::json;

pub(super) struct MigSampled;

static WORD: Word = Word {
    name: "mig_sampled",
    doc: "Mutual information gap of sampled codes by the aggregate posterior, as its authors compute it; slow.",
    also: "mig_authors mig_by_posteriors",
};

impl Evaluate for MigSampled {
    fn word(&self) -> &'static Word {
        &WORD
    }

    fn metrics(&self) -> Vec<Metric> {
        vec![higher(
            "mig_sampled",
            "Mutual information gap as its authors compute it: entropies of sampled codes by the aggregate posterior, divided by the \
             logarithm of the size of the factor.",
        )]
    }

    fn scope(&self) -> Scope {
        Scope::Factors
    }

    /// It takes minutes.
    fn is_default(&self) -> bool {
        false
    }

    fn settings(&self, settings: &EvaluateSettings) -> serde_json::Value {
        let PosteriorMigSettings { samples } = PosteriorMigSettings::default();
        json!({ "samples": samples, "seed": settings.seed })
    }

    fn refusal(&self, subject: &Subject<'_>) -> Option<String> {
        lacks_factors(subject)
    }

    fn measure(&self, subject: &Subject<'_>, watch: &mut dyn Watch) -> Result<Measured, EvaluateError> {
        let whole = subject.whole(watch)?;
        let seed = subject.settings.seed;
        if let Some(why) = subject.lacks_posterior() {
            return Err(undefined(why));
        }
        let posteriors = (&whole.codes, &whole.log_variances);
        let settings = PosteriorMigSettings::default();
        let score = subject
            .compute(watch, || mig_by_posteriors(posteriors.0, posteriors.1, &whole.factors, &settings, seed))
            .map_err(undefined)?;
        let details = matrix(whole, &score.information, &score.gaps);
        Ok(Measured { values: vec![number(score.score)], details, ..Measured::default() })
    }

    fn operations(&self, _: &EvaluateSettings, images: u64, [encoder, _]: [f64; 2]) -> f64 {
        images as f64 * (encoder + 4e6)
    }
}
