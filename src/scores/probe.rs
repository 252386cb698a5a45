//! Linear probe: how well a logistic regression tells labels from codes.
//!
//! The codes are standardized with the mean and the standard deviation of the training codes (as scikit-learn's
//! `StandardScaler` does), so that the penalty means the same for all models.

use super::inputs::{ScoreError, accuracy, checked_images};
use super::logistic::{self, Logistic};
use super::points::{Codes, Factor};
use super::sums::moments;

/// How the probe is trained.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbeSettings {
    /// The inverse of the strength of the penalty, scikit-learn's `C`; 1, its default.
    pub c: f64,
}

impl Default for ProbeSettings {
    fn default() -> ProbeSettings {
        ProbeSettings { c: 1.0 }
    }
}

/// The accuracies of a probe, between 0 and 1; higher is better.
#[derive(Clone, Debug, PartialEq)]
pub struct Probe {
    /// The accuracy on the training codes.
    pub train_accuracy: f64,
    /// The accuracy on the other codes: the score.
    pub accuracy: f64,
    /// The classifier; its features are the standardized axes, 0 for axes that do not vary.
    pub model: Logistic,
}

/// The accuracy of a probe that is trained on codes and labels and evaluated on others.
///
/// Without axes it predicts the most frequent label. A label that no training code has is never predicted. `None` if
/// fewer than two labels occur among the training codes, or there are no codes to evaluate on.
///
/// # Errors
/// If a code is not finite, the lists do not fit, or the setting is out of its range.
pub fn linear_probe(
    train: (&Codes, &Factor),
    test: (&Codes, &Factor),
    settings: &ProbeSettings,
) -> Result<Option<Probe>, ScoreError> {
    for (codes, labels) in [train, test] {
        checked_images(codes, std::slice::from_ref(labels))?;
    }
    if train.0.latent != test.0.latent {
        return Err(ScoreError::Axes { first: train.0.latent, second: test.0.latent });
    }
    let several = train.1.values.iter().any(|&value| value != train.1.values[0]);
    if !several || test.1.values.is_empty() {
        return Ok(None);
    }
    let axes = train.0.latent;
    let scale_of = |axis| moments(train.0.values.iter().skip(axis).step_by(axes).map(|&value| value.into()));
    let scales: Vec<(f64, f64)> = (0..axes).map(scale_of).collect();
    let standardized = |codes: &Codes| -> Vec<f64> {
        let standardize = |(&value, (mean, deviation)): (&f32, &(f64, f64))| {
            if *deviation > 0.0 { (f64::from(value) - mean) / deviation } else { 0.0 }
        };
        codes.values.iter().zip(scales.iter().cycle()).map(standardize).collect()
    };
    let labels: Vec<u32> = train.1.values.iter().map(|&value| value.into()).collect();
    let points = standardized(train.0);
    let classes = train.1.size.max(test.1.size);
    let model = logistic::fit(&points, axes, &labels, classes, settings.c)?;
    let accuracy_on = |points: &[f64], labels: &[u16]| {
        let predict = |(row, &label): (usize, &u16)| (model.predict_row(&points[row * axes..][..axes]), label.into());
        accuracy(labels.iter().enumerate().map(predict))
    };
    let train_accuracy = accuracy_on(&points, &train.1.values);
    let accuracy = accuracy_on(&standardized(test.0), &test.1.values);
    Ok(Some(Probe { train_accuracy, accuracy, model }))
}

#[cfg(test)]
mod tests {
    use super::super::constructed as made;
    use super::super::constructed::assert_close;
    use super::*;
    use serde_json::Value;

    fn probe(train: (&Codes, &Factor), test: (&Codes, &Factor)) -> Option<Probe> {
        linear_probe(train, test, &ProbeSettings::default()).unwrap()
    }

    #[test]
    fn accuracies_are_those_of_scikit_learn() {
        let fixture: Value = serde_json::from_str(include_str!("../../tests/fixtures/scores/probe.json")).unwrap();
        let part = |codes: &str, labels: &str| (made::codes(&fixture[codes]), made::factor(5, &fixture[labels]));
        let (train, test) = (part("train", "labels"), part("test", "test_labels"));
        let probe = probe((&train.0, &train.1), (&test.0, &test.1)).unwrap();
        assert_close(&probe.model.weights, &made::numbers(&fixture["weights"]), 1e-5);
        let accuracies = ["train_accuracy", "accuracy"].map(|name| fixture[name].as_f64().unwrap());
        assert_close(&[probe.train_accuracy, probe.accuracy], &accuracies, 1e-12);
    }

    #[test]
    fn copied_labels_are_told_and_noise_is_not() {
        let factors = made::grid(&[2, 50, 10]);
        let codes = made::rotated(&made::joined(&made::copied(&factors), &made::noise(1000, 1, 1)));
        let labels = &factors[0];
        assert_eq!(probe((&codes, labels), (&codes, labels)).unwrap().accuracy, 1.0);
        let noise = made::noise(1000, 3, 2);
        let other = made::noise(1000, 3, 3);
        let chance = probe((&noise, &factors[2]), (&other, &factors[2])).unwrap();
        assert!((0.05..0.16).contains(&chance.accuracy), "{}", chance.accuracy);
    }

    #[test]
    fn accuracies_that_are_not_defined_are_absent() {
        let factors = made::grid(&[4, 5, 1]);
        let codes = made::copied(&factors);
        assert!(probe((&codes, &factors[2]), (&codes, &factors[2])).is_none());
        let nothing = (Codes { latent: 3, values: vec![] }, Factor { values: vec![], ..factors[0].clone() });
        assert!(probe((&codes, &factors[0]), (&nothing.0, &nothing.1)).is_none());
        assert!(probe((&nothing.0, &nothing.1), (&codes, &factors[0])).is_none());
        let no_axes = Codes { latent: 0, values: vec![] };
        assert_eq!(probe((&no_axes, &factors[0]), (&no_axes, &factors[0])).unwrap().accuracy, 0.25);
        let dead = made::constant(20, 1);
        assert_eq!(probe((&dead, &factors[0]), (&dead, &factors[0])).unwrap().accuracy, 0.25);
        let settings = ProbeSettings::default();
        assert!(linear_probe((&codes, &factors[0]), (&dead, &factors[0]), &settings).is_err());
        let settings = ProbeSettings { c: -1.0 };
        assert!(linear_probe((&codes, &factors[0]), (&codes, &factors[0]), &settings).is_err());
    }
}
