//! How samples compare with images in the features of a classifier that is trained on the labels of the data.

use super::classifier::{Classifier, FEATURES, STEPS};
use super::factors::{higher, number, undefined};
use super::{Evaluate, EvaluateError, EvaluateSettings, Measured, Subject, Watch};
use crate::metrics::{Direction, Metric, MetricKind, Split};
use crate::scores::frechet::frechet_distance;
use crate::scores::input_error::InputError;
use crate::scores::points::Codes;
use crate::scores::precision_recall::{PrecisionRecallSettings, precision_recall};
use crate::settings::Word;
use serde_json::json;

/// Images and samples, at most: the time of precision and recall grows with the square.
const MOST: usize = 5_000;
/// Images whose features are computed together.
const ROWS: usize = 500;

pub(super) struct FrechetLabels;

static WORD: Word = Word {
    name: "frechet_labels",
    doc: "Fréchet distance, precision and recall of samples, in the features of a classifier trained on the labels; not the FID.",
    also: "fid frechet frechet_distance precision recall precision_recall classifier",
};

impl Evaluate for FrechetLabels {
    fn word(&self) -> &'static Word {
        &WORD
    }

    fn metrics(&self) -> Vec<Metric> {
        vec![
            Metric {
                direction: Direction::Lower,
                ..Metric::new(
                    "frechet_labels",
                    MetricKind::Number,
                    "",
                    "Squared Fréchet distance of samples from the prior and images, in the 64 features of a classifier that vaex trains \
                     on the labels. It is not the FID, and comparable within one data set only.",
                )
            },
            higher(
                "precision_labels",
                "Share of samples that are as near to an image as its third neighbor (Kynkäänniemi et al. 2019), in the same features.",
            ),
            higher(
                "recall_labels",
                "Share of images that are as near to a sample as its third neighbor, in the same features.",
            ),
            higher(
                "classifier_accuracy",
                "Accuracy of that classifier on the images, mean over the columns of labels: its features say little if it is low.",
            ),
        ]
    }

    /// It trains a network.
    fn is_default(&self) -> bool {
        false
    }

    fn settings(&self, settings: &EvaluateSettings) -> serde_json::Value {
        let PrecisionRecallSettings { neighbors } = PrecisionRecallSettings::default();
        json!({ "vectors": MOST, "neighbors": neighbors, "classifier_steps": STEPS, "seed": settings.seed })
    }

    fn refusal(&self, subject: &Subject<'_>) -> Option<String> {
        let lacks_labels = || {
            let has = |split| {
                let labels = subject.labels(split);
                !labels.is_empty()
                    && labels.iter().all(|label| label.values.len() == subject.worker.images_of(split).len())
            };
            let why = "it needs labels of the training images and of the images that are measured";
            (!has(Split::Train) || !has(subject.split)).then(|| why.to_owned())
        };
        subject.lacks_posterior().or_else(lacks_labels)
    }

    fn measure(&self, subject: &Subject<'_>, watch: &mut dyn Watch) -> Result<Measured, EvaluateError> {
        let (worker, values) = (subject.worker, subject.images().shape().values());
        let (train, labels) = (subject.labels(Split::Train), subject.labels(subject.split));
        let seed = subject.settings.seed;
        let read = |indices: &[u32]| worker.inputs(Split::Train, indices);
        let classifier = subject.compute(watch, || Classifier::train(values, &train, seed, read));
        let indices: Vec<u32> = (0..subject.images().len().min(MOST) as u32).collect();
        let (mut of_images, mut right) = (Vec::new(), vec![0; labels.len()]);
        for indices in indices.chunks(ROWS) {
            let read = classifier.read(worker.inputs(subject.split, indices));
            let found = classifier.count_correct(&read, &labels, indices);
            right.iter_mut().zip(found).for_each(|(sum, more)| *sum += more);
            of_images.extend(read.features);
        }
        let (mut of_samples, codes) = (Vec::new(), subject.prior_codes(indices.len())?);
        for (group, codes) in codes.values.chunks(ROWS * codes.latent).enumerate() {
            of_samples.extend(classifier.read(subject.samples(codes, group * ROWS)?).features);
        }
        let [of_images, of_samples] = [of_images, of_samples].map(|values| Codes { latent: FEATURES, values });
        let compared = subject.compute(watch, || -> Result<_, InputError> {
            let distance = frechet_distance(&of_images, &of_samples)?;
            Ok((distance, precision_recall(&of_images, &of_samples, &PrecisionRecallSettings::default())?))
        });
        let (distance, both) = compared.map_err(undefined)?;
        let accuracies: Vec<f64> = right.iter().map(|right| *right as f64 / indices.len() as f64).collect();
        let accuracy = accuracies.iter().sum::<f64>() / accuracies.len() as f64;
        let names: Vec<&String> = labels.iter().map(|label| &label.name).collect();
        let details = json!({
            "vectors": indices.len(), "labels": names, "classifier_accuracy_label": accuracies,
            "of_means": distance.of_means, "of_covariances": distance.of_covariances,
        });
        let values = [distance.distance, both.precision, both.recall, accuracy];
        Ok(Measured { values: values.map(|value| number(Some(value))).to_vec(), details, ..Measured::default() })
    }

    fn operations(&self, _: &EvaluateSettings, images: u64, [_, decoder]: [f64; 2]) -> f64 {
        // Of grey images of 28 x 28; other sizes are not known here.
        let [training, once] = Classifier::operations(784);
        training + images.min(MOST as u64) as f64 * (decoder + 2.0 * once)
    }
}
