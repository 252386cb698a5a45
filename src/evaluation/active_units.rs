//! Latent axes that the model uses, and whether its posteriors have collapsed onto the prior.

use super::factors::undefined;
use super::{Evaluate, EvaluateError, EvaluateSettings, Measured, Subject, Watch};
use crate::metrics::{Board, ColumnHead, Metric, MetricKind, Value};
use crate::scores::collapse::{CollapseSettings, Verdict, collapse};
use crate::scores::points::Codes;
use crate::settings::Word;
use serde_json::json;

pub(super) struct ActiveUnits;

static WORD: Word = Word {
    name: "active_units",
    doc: "Latent axes whose posterior mean varies, and a verdict on posterior collapse.",
    also: "au active collapse posterior_collapse",
};

impl Evaluate for ActiveUnits {
    fn word(&self) -> &'static Word {
        &WORD
    }

    fn metrics(&self) -> Vec<Metric> {
        let doc = "Number of latent axes whose posterior mean has a variance above `evaluate.active_threshold` (0.01) over the images (Burda et al. 2016).";
        vec![
            Metric {
                title: "active latent axes".into(),
                board: Board::Result,
                column: Some(ColumnHead { head: "active", rule: None }),
                ..Metric::new("active_units", MetricKind::Count, "axes", doc)
            },
            Metric::new(
                "mean_variance_axis",
                MetricKind::List,
                "",
                "Variance of the posterior mean of each latent axis over the images.",
            ),
            Metric::new(
                "collapse",
                MetricKind::Text,
                "",
                "`none` if all latent axes are active, `partial` if some are, `full` if none is; an axis is active if the variance of \
                 its posterior mean over the images is above `evaluate.active_threshold` (0.01).",
            ),
        ]
    }

    fn settings(&self, settings: &EvaluateSettings) -> serde_json::Value {
        json!({ "variance_above": settings.active_threshold })
    }

    fn refusal(&self, _: &Subject<'_>) -> Option<String> {
        None
    }

    fn measure(&self, subject: &Subject<'_>, watch: &mut dyn Watch) -> Result<Measured, EvaluateError> {
        let posteriors = subject.posteriors(watch)?;
        let codes = |values: &[f32]| Codes { latent: subject.worker.latent(), values: values.to_vec() };
        let (mean, log_variance) = (codes(&posteriors.mean), codes(&posteriors.log_variance));
        let log_variance = subject.is_variational.then_some(&log_variance);
        let found = collapse(&mean, log_variance, &CollapseSettings { threshold: subject.settings.active_threshold })
            .map_err(undefined)?;
        let verdict = match found.verdict {
            Verdict::Full => "full",
            Verdict::Partial => "partial",
            Verdict::None => "none",
        };
        Ok(Measured {
            values: vec![
                Some(Value::Count(found.active_axes() as u64)),
                Some(Value::List(found.variances.clone())),
                Some(Value::Text(verdict.to_owned())),
            ],
            details: json!({ "images": found.images, "verdict": found.to_string() }),
            ..Measured::default()
        })
    }

    fn operations(&self, _: &EvaluateSettings, images: u64, [encoder, _]: [f64; 2]) -> f64 {
        images as f64 * encoder
    }
}
