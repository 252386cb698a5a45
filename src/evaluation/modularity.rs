//! Modularity and explicitness (Ridgeway and Mozer 2018).

use super::factors::{higher, lacks_factors, matrix, number, shown, undefined};
use super::{Evaluate, EvaluateError, EvaluateSettings, Measured, Scope, Subject, Watch};
use crate::metrics::Metric;
use crate::scores::modularity::{ModularitySettings, modularity_and_explicitness};
use crate::settings::Word;
use serde_json::json;

pub(super) struct ModularityScore;

static WORD: Word = Word {
    name: "modularity",
    doc: "Modularity: whether each axis depends on one factor; explicitness: whether linear models read the factors from the code.",
    also: "explicitness modularity_explicitness modularity_score",
};

impl Evaluate for ModularityScore {
    fn word(&self) -> &'static Word {
        &WORD
    }

    fn metrics(&self) -> Vec<Metric> {
        vec![
            shown(
                higher("modularity", "Modularity: whether each axis has mutual information with one factor only."),
                "modularity",
            ),
            higher(
                "explicitness",
                "Explicitness: area under the ROC curve of logistic regressions that predict each value of each factor.",
            ),
        ]
    }

    fn scope(&self) -> Scope {
        Scope::Factors
    }

    fn settings(&self, settings: &EvaluateSettings) -> serde_json::Value {
        let ModularitySettings { train, test, bins, c } = own(settings);
        json!({ "train": train, "test": test, "bins": bins, "c": c, "seed": settings.seed })
    }

    fn refusal(&self, subject: &Subject<'_>) -> Option<String> {
        lacks_factors(subject)
    }

    fn measure(&self, subject: &Subject<'_>, watch: &mut dyn Watch) -> Result<Measured, EvaluateError> {
        let whole = subject.whole(watch)?;
        let seed = subject.settings.seed;
        let settings = own(&subject.settings);
        let score = subject
            .compute(watch, || modularity_and_explicitness(&whole.codes, &whole.factors, &settings, seed))
            .map_err(undefined)?;
        let details = matrix(whole, &score.information.matrix, &[]);
        let values = [score.modularity.score, score.explicitness.test].map(number).to_vec();
        Ok(Measured { values, details, ..Measured::default() })
    }

    fn operations(&self, _: &EvaluateSettings, images: u64, [encoder, _]: [f64; 2]) -> f64 {
        images as f64 * encoder
    }
}

fn own(settings: &EvaluateSettings) -> ModularitySettings {
    ModularitySettings { bins: settings.bins as usize, ..ModularitySettings::default() }
}
