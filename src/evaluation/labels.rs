//! How well the labels of images are read from their codes: nearest neighbours and a linear probe.

use super::factors::{higher, undefined};
use super::{Evaluate, EvaluateError, EvaluateSettings, Measured, Subject, Watch};
use crate::metrics::{Board, Metric, MetricKind, Split, Value};
use crate::scores::inputs::ScoreError;
use crate::scores::neighbors::{NeighborSettings, neighbor_accuracy};
use crate::scores::points::{Codes, Factor};
use crate::scores::probe::{ProbeSettings, linear_probe};
use crate::settings::Word;
use serde_json::json;

/// Training images whose codes are used, at most: the first ones.
const MOST: usize = 60_000;

pub(super) struct Labels;

static WORD: Word = Word {
    name: "labels",
    doc: "Accuracy with which labels are read from posterior means: 15 nearest neighbours, and a linear probe.",
    also: "knn knn_accuracy linear_probe probe probe_accuracy classification",
};

impl Evaluate for Labels {
    fn word(&self) -> &'static Word {
        &WORD
    }

    fn metrics(&self) -> Vec<Metric> {
        let shown = |metric: Metric| Metric { board: Board::Result, ..metric };
        let list = |name, doc| Metric::new(name, MetricKind::List, "", doc);
        vec![
            shown(higher(
                "knn_accuracy",
                "Accuracy of the labels of the 15 nearest training images, by posterior mean; mean over the columns of labels.",
            )),
            shown(higher(
                "probe_accuracy",
                "Accuracy of a logistic regression from posterior means, trained on the training images; mean over the columns of labels.",
            )),
            list("knn_accuracy_label", "`knn_accuracy` of each column of labels, in the order of the data."),
            list("probe_accuracy_label", "`probe_accuracy` of each column of labels, in the order of the data."),
        ]
    }

    fn settings(&self, _: &EvaluateSettings) -> serde_json::Value {
        json!({ "neighbors": NeighborSettings::default().k, "c": ProbeSettings::default().c, "train": MOST })
    }

    fn refusal(&self, subject: &Subject<'_>) -> Option<String> {
        let has_labels = !subject.factor_names().is_empty();
        let why = "the data have no labels; `vaex data FILE` shows what is found in a file, and `data.labels` names another one";
        match (has_labels, subject.split) {
            (false, _) => Some(why.to_owned()),
            (true, Split::Train) => {
                Some("it needs other images than the training images, whose labels it learns from".to_owned())
            }
            (true, _) => None,
        }
    }

    fn measure(&self, subject: &Subject<'_>, watch: &mut dyn Watch) -> Result<Measured, EvaluateError> {
        let train = subject.labelled(Split::Train, MOST, watch)?;
        let test = subject.labelled(subject.split, usize::MAX, watch)?;
        let (mut neighbors, mut probes, mut names) = (Vec::new(), Vec::new(), Vec::new());
        for (own, other) in train.1.iter().zip(&test.1) {
            let pair = ((&train.0, own), (&test.0, other));
            let accuracy = |pair: ((&Codes, &Factor), (&Codes, &Factor))| {
                let near = neighbor_accuracy(pair.0, pair.1, &NeighborSettings::default())?;
                let probe = linear_probe(pair.0, pair.1, &ProbeSettings::default())?;
                Ok(near.zip(probe.map(|probe| probe.accuracy)))
            };
            let found = subject.compute(watch, || accuracy(pair));
            let found = found.map_err(undefined::<ScoreError>)?;
            if let Some((near, probe)) = found {
                neighbors.push(near);
                probes.push(probe);
                names.push(own.name.clone());
            }
        }
        let mean = |values: &[f64]| {
            (!values.is_empty()).then(|| Value::Number(values.iter().sum::<f64>() / values.len() as f64))
        };
        let values = vec![
            mean(&neighbors),
            mean(&probes),
            Some(Value::List(neighbors.clone())),
            Some(Value::List(probes.clone())),
        ];
        Ok(Measured { values, details: json!({ "labels": names }), ..Measured::default() })
    }

    fn operations(&self, _: &EvaluateSettings, images: u64, [encoder, _]: [f64; 2]) -> f64 {
        // Distances to the training images, whose number is not known here, are cheap beside their encoding.
        2.0 * images as f64 * encoder
    }
}
