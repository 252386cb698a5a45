//! Scores of the codes alone: how much the axes depend on each other.

use super::factors::{number, undefined};
use super::{Evaluate, EvaluateError, EvaluateSettings, Measured, Subject, Watch};
use crate::metrics::{Direction, Metric, MetricKind};
use crate::scores::points::Codes;
use crate::scores::unsupervised::{UnsupervisedSettings, unsupervised};
use crate::settings::Word;
use serde_json::json;

pub(super) struct UnsupervisedScores;

static WORD: Word = Word {
    name: "unsupervised",
    doc: "Scores of the posterior means alone: total correlation of a Gaussian, Wasserstein correlation, mutual information of axes.",
    also: "gaussian_total_correlation wasserstein unsupervised_scores",
};

impl Evaluate for UnsupervisedScores {
    fn word(&self) -> &'static Word {
        &WORD
    }

    fn metrics(&self) -> Vec<Metric> {
        let lower = |name, unit, doc| Metric {
            direction: Direction::Lower,
            ..Metric::new(name, MetricKind::Number, unit, doc)
        };
        vec![
            lower(
                "gaussian_tc_nats",
                "nats",
                "Total correlation of a Gaussian with the covariance of the posterior means, nats; NULL if an axis is constant or a \
                 combination of others.",
            ),
            lower(
                "wasserstein_correlation",
                "",
                "Wasserstein distance of that Gaussian and the one with independent axes, divided by the variance.",
            ),
            lower(
                "axis_mi_nats",
                "nats",
                "Mutual information of two axes of the posterior means in 20 bins, nats, mean over the pairs.",
            ),
        ]
    }

    fn settings(&self, settings: &EvaluateSettings) -> serde_json::Value {
        let UnsupervisedSettings { points, bins } = own(settings);
        json!({ "points": points, "bins": bins, "seed": settings.seed })
    }

    fn refusal(&self, _: &Subject<'_>) -> Option<String> {
        None
    }

    fn measure(&self, subject: &Subject<'_>, watch: &mut dyn Watch) -> Result<Measured, EvaluateError> {
        let values = subject.posteriors(watch)?.mean.clone();
        let codes = Codes { latent: subject.worker.latent(), values };
        let seed = subject.settings.seed;
        let found =
            subject.compute(watch, || unsupervised(&codes, &own(&subject.settings), seed)).map_err(undefined)?;
        let values =
            [found.gaussian_total_correlation, found.relative_wasserstein_correlation, found.mutual_information];
        Ok(Measured { values: values.map(number).to_vec(), ..Measured::default() })
    }

    fn operations(&self, _: &EvaluateSettings, images: u64, [encoder, _]: [f64; 2]) -> f64 {
        images as f64 * encoder
    }
}

fn own(settings: &EvaluateSettings) -> UnsupervisedSettings {
    UnsupervisedSettings { bins: settings.bins as usize, ..UnsupervisedSettings::default() }
}
