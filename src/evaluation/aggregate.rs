//! The aggregate posterior of a split: mutual information, total correlation, and the KL of each axis.

use super::factors::undefined;
use super::{Evaluate, EvaluateError, EvaluateSettings, Measured, Subject, Watch};
use crate::metrics::{Board, Metric, MetricKind, Value};
use crate::scores::aggregate::{AggregateSettings, AggregateTerms, Estimate, aggregate_terms};
use crate::scores::points::Codes;
use crate::settings::Word;
use serde_json::json;

pub(super) struct Aggregate;

static WORD: Word = Word {
    name: "aggregate",
    doc: "Parts of the KL by the aggregate posterior of all images: mutual information, total correlation, KL of the axes.",
    also: "aggregate_posterior mutual_information total_correlation mi tc dwkl marginal_kl rate",
};

impl Evaluate for Aggregate {
    fn word(&self) -> &'static Word {
        &WORD
    }

    fn metrics(&self) -> Vec<Metric> {
        let number = |name, doc| Metric::new(name, MetricKind::Number, "nats", doc);
        let shown = |metric: Metric| Metric { board: Board::Result, ..metric };
        vec![
            shown(number(
                "mi_nats",
                "Mutual information of image and code, E log q(z|x) / q(z), nats; at most the logarithm of the number of images.",
            )),
            number("mi_nats_se", "Standard error of `mi_nats` over the samples."),
            shown(number("tc_nats", "Total correlation of the code, E log q(z) / prod q(z_d), nats.")),
            number("tc_nats_se", "Standard error of `tc_nats` over the samples."),
            number(
                "dwkl_nats",
                "Sum over the axes of the KL of q(z_d) to the standard normal, nats; NULL with a learned prior.",
            ),
            number("dwkl_nats_se", "Standard error of `dwkl_nats` over the samples."),
            Metric::new(
                "kl_axis_nats",
                MetricKind::List,
                "nats",
                "KL of each latent axis to the standard normal, nats per image; NULL with a learned prior.",
            ),
        ]
    }

    fn settings(&self, settings: &EvaluateSettings) -> serde_json::Value {
        json!({ "samples": AggregateSettings::default().samples, "seed": settings.seed })
    }

    fn refusal(&self, subject: &Subject<'_>) -> Option<String> {
        subject.lacks_posterior()
    }

    fn measure(&self, subject: &Subject<'_>, watch: &mut dyn Watch) -> Result<Measured, EvaluateError> {
        let posteriors = subject.posteriors(watch)?;
        let latent = subject.worker.latent();
        let codes = |values: &Vec<f32>| Codes { latent, values: values.clone() };
        let (mean, log_variance) = (codes(&posteriors.mean), codes(&posteriors.log_variance));
        let settings = AggregateSettings { seed: subject.settings.seed, ..AggregateSettings::default() };
        let terms = subject.compute(watch, || aggregate_terms(&mean, &log_variance, &settings)).map_err(undefined)?;
        let AggregateTerms { mutual_information, total_correlation, dimension_wise_kl, kl_by_axis, .. } = terms;
        let both = |of: Estimate| [Some(Value::Number(of.mean)), Some(Value::Number(of.standard_error))];
        let is_standard = subject.prior.is_none();
        let mut values = [both(mutual_information), both(total_correlation)].concat();
        values.extend(if is_standard { both(dimension_wise_kl) } else { [None, None] });
        values.push(is_standard.then_some(Value::List(kl_by_axis)));
        let by_axis = |of: &[Estimate]| of.iter().map(|one| one.mean).collect::<Vec<f64>>();
        let details =
            json!({ "images": terms.images, "mutual_information_axis": by_axis(&terms.mutual_information_by_axis) });
        Ok(Measured { values, details, ..Measured::default() })
    }

    fn operations(&self, _: &EvaluateSettings, images: u64, [encoder, _]: [f64; 2]) -> f64 {
        // Some 20 operations for each image, sample and axis; the number of axes hardly matters to the sum.
        images as f64 * (encoder + 20.0 * 10.0 * AggregateSettings::default().samples as f64)
    }
}
