//! Disentanglement, completeness and informativeness by boosted trees (Eastwood and Williams 2018).

use super::factors::{higher, lacks_factors, named, number, shown, undefined};
use super::{Evaluate, EvaluateError, EvaluateSettings, Measured, Scope, Subject, Watch};
use crate::metrics::Metric;
use crate::scores::dci::{DciSettings, dci};
use crate::settings::Word;
use serde_json::json;

pub(super) struct DciScores;

static WORD: Word = Word {
    name: "dci",
    doc: "DCI: disentanglement, completeness and accuracy of boosted trees that predict the factors, as scikit-learn's.",
    also: "dci_disentanglement disentanglement completeness informativeness",
};

impl Evaluate for DciScores {
    fn word(&self) -> &'static Word {
        &WORD
    }

    fn metrics(&self) -> Vec<Metric> {
        vec![
            shown(
                higher(
                    "dci_disentanglement",
                    "DCI disentanglement: whether each axis is important for one factor only.",
                ),
                "dci_d",
            ),
            higher("dci_completeness", "DCI completeness: whether each factor is predicted by one axis only."),
            higher(
                "dci_accuracy",
                "DCI informativeness: accuracy of the trees on other images, mean over the factors.",
            ),
        ]
    }

    fn scope(&self) -> Scope {
        Scope::Factors
    }

    fn settings(&self, settings: &EvaluateSettings) -> serde_json::Value {
        let DciSettings { train_points, test_points, .. } = DciSettings::default();
        json!({ "train": train_points, "test": test_points, "seed": settings.seed })
    }

    fn refusal(&self, subject: &Subject<'_>) -> Option<String> {
        lacks_factors(subject)
    }

    fn measure(&self, subject: &Subject<'_>, watch: &mut dyn Watch) -> Result<Measured, EvaluateError> {
        let whole = subject.whole(watch)?;
        let seed = subject.settings.seed;
        let score = subject
            .compute(watch, || dci(&whole.codes, &whole.factors, &DciSettings::default(), seed))
            .map_err(undefined)?;
        let score = score.ok_or_else(|| undefined("no factor varies"))?;
        let factors = score.factors.len();
        let details = json!({
            "factors": named(whole, &score.factors),
            "matrix": score.importances.chunks(factors.max(1)).collect::<Vec<_>>(),
            "disentanglement_axis": score.disentanglement_per_axis,
            "completeness_factor": score.completeness_per_factor,
            "accuracy_factor": score.test_accuracy_per_factor,
            "train_accuracy": score.train_accuracy,
        });
        let values = [score.disentanglement, score.completeness, Some(score.test_accuracy)].map(number).to_vec();
        Ok(Measured { values, details, ..Measured::default() })
    }

    fn operations(&self, _: &EvaluateSettings, images: u64, [encoder, _]: [f64; 2]) -> f64 {
        images as f64 * encoder + 3e10
    }
}
