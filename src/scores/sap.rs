//! The separated attribute predictability (SAP) score.

use super::chosen_points::{Points, SplitPoints, check_c, choose_split, is_constant};
use super::gap::gaps;
use super::moments::{covariance, mean_of_some};
use super::points::{Codes, Factor};
use super::squared_hinge::LinearClassifier;
use crate::random::{Purpose, Stream};
use rayon::prelude::*;

/// Draw of [`Purpose::Evaluation`]: which images the SAP score uses.
const POINTS_OF_SAP: u64 = 3;
/// The variance of an axis up to which its squared correlation with a factor counts as 0.
const LEAST_VARIANCE: f64 = 1e-12;

/// The recipe of the SAP score. The default is that of disentanglement_lib (`unsupervised_study_v1`).
#[derive(Clone, Debug, PartialEq)]
pub struct SapSettings {
    /// Points for the fits. Default 10,000.
    pub train: usize,
    /// Points for the accuracies, other images than the training points. Default 5,000. With `continuous` they are not
    /// used.
    pub test: usize,
    /// The weight C of the loss relative to the penalty of the classifiers. Default 0.01.
    pub c: f64,
    /// Whether factors are numbers (squared correlation) instead of classes (accuracy). Default false.
    pub continuous: bool,
}

impl Default for SapSettings {
    fn default() -> SapSettings {
        SapSettings { train: 10_000, test: 5_000, c: 0.01, continuous: false }
    }
}

/// The SAP score and what it is computed from.
#[derive(Clone, Debug, PartialEq)]
pub struct Sap {
    /// The mean of the gaps; `None` if there is no gap.
    pub score: Option<f64>,
    /// For each factor, the best minus the second best axis. `None` if the factor is constant among the training points
    /// or if there is only one axis.
    pub gaps: Vec<Option<f64>>,
    /// How well each axis (row) alone predicts each factor (column): the accuracy on the test points, or the squared
    /// correlation on the training points. An accuracy is 1 and a squared correlation 0 for a constant factor.
    pub matrix: Vec<Vec<f64>>,
}

/// The SAP score of codes: how much better the best axis predicts a factor than the second best.
///
/// Kumar et al. 2018, "Variational Inference of Disentangled Latent Concepts from Unlabeled Observations", section 3,
/// as in `compute_sap` of disentanglement_lib: a linear support vector classifier of each axis, see
/// [`LinearClassifier::fit`], or the squared correlation. Constant factors are left out of the mean;
/// disentanglement_lib fails on them.
///
/// # Errors
/// If there is no latent axis, fewer than two images, no training or test point, if `c` is not a positive number, if a
/// code is not finite, or if a factor does not fit the images.
pub fn sap(codes: &Codes, factors: &[Factor], settings: &SapSettings, seed: u64) -> Result<Sap, String> {
    check_c(settings.c)?;
    let stream = Stream::new(seed, Purpose::Evaluation, POINTS_OF_SAP, 0);
    let split = choose_split(codes, factors, [settings.train, settings.test], stream)?;
    Ok(if settings.continuous { sap_of_numbers(&split.train) } else { sap_of_classes(&split, settings.c) })
}

/// The SAP score by the accuracies of classifiers; see [`sap`].
pub fn sap_of_classes(split: &SplitPoints, c: f64) -> Sap {
    let SplitPoints { train, test } = split;
    let wide = |axis: &[f32]| axis.iter().map(|&code| f64::from(code)).collect::<Vec<f64>>();
    let units: Vec<(usize, usize)> =
        (0..train.axes.len()).flat_map(|axis| (0..train.factors.len()).map(move |factor| (axis, factor))).collect();
    let accuracy = |&(axis, factor): &(usize, usize)| {
        let classifier = LinearClassifier::fit(&wide(&train.axes[axis]), &train.factors[factor].values, c);
        let right = |&(&code, &value): &(&f32, &u16)| classifier.predict(f64::from(code)) == Some(value);
        let right = test.axes[axis].iter().zip(&test.factors[factor].values).filter(right).count();
        right as f64 / test.len().max(1) as f64
    };
    let accuracies: Vec<f64> = units.par_iter().map(accuracy).collect();
    let matrix = accuracies.chunks(train.factors.len().max(1)).map(<[f64]>::to_vec).collect();
    with_gaps(train, matrix)
}

/// The SAP score by squared correlations; see [`sap`]. That of an axis of variance up to 1e-12 is 0, as in
/// disentanglement_lib.
pub fn sap_of_numbers(train: &Points) -> Sap {
    let squared_correlation = |axis: &Vec<f32>, factor: &Factor| {
        let variances = [covariance(axis, axis), covariance(&factor.values, &factor.values)];
        if variances[0] > LEAST_VARIANCE && variances[1] > 0.0 {
            covariance(axis, &factor.values).powi(2) / (variances[0] * variances[1])
        } else {
            0.0
        }
    };
    let row = |axis| train.factors.iter().map(|factor| squared_correlation(axis, factor)).collect();
    with_gaps(train, train.axes.par_iter().map(row).collect())
}

fn with_gaps(train: &Points, matrix: Vec<Vec<f64>>) -> Sap {
    let vary: Vec<bool> = train.factors.iter().map(|factor| !is_constant(&factor.values)).collect();
    let gaps = gaps(&matrix, &vary);
    Sap { score: mean_of_some(&gaps), gaps, matrix }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scores::test_codes::*;

    const NUMBERS: SapSettings = SapSettings { train: 10_000, test: 5_000, c: 0.01, continuous: true };

    #[test]
    fn the_published_vector() {
        let found = sap_of_classes(&split_at(&wave_points(0..400), 300), 0.01);
        assert_eq!(found.matrix, [[0.68, 0.49], [0.33, 1.0], [0.28, 0.45]]);
        assert_near(&[found.score.unwrap()], &[0.43], 1e-12);
    }

    #[test]
    fn matrices_are_those_of_scikit_learn_and_numpy() {
        let fixture = fixture(include_str!("../../tests/fixtures/scores/made_up.json"));
        let (codes, factors) = made_up(&fixture);
        let all = Points::of(&codes, &factors, &(0..codes.len() as u32).collect::<Vec<_>>());
        let split = split_at(&all, fixture["train"].as_u64().unwrap() as usize);
        let found = sap_of_classes(&split, 0.01);
        assert_near(&found.matrix.concat(), &numbers(&fixture["sap_matrix"]), 1e-12);
        assert_near(&[found.score.unwrap()], &[fixture["sap"].as_f64().unwrap()], 1e-12);
        let found = sap_of_numbers(&split.train);
        assert_near(&found.matrix.concat(), &numbers(&fixture["sap_continuous_matrix"]), 1e-12);
        assert_near(&[found.score.unwrap()], &[fixture["sap_continuous"].as_f64().unwrap()], 1e-12);
    }

    #[test]
    fn copied_factors_score_well_and_their_rotation_does_not() {
        let factors = grid(&[2, 2, 3, 2], 50);
        let classes = sap(&copied(&factors, 2), &factors, &SapSettings::default(), 1).unwrap();
        // An axis that says nothing about a factor of two values is right half of the time.
        assert!(classes.score.unwrap() > 0.4, "{classes:?}");
        let found = sap(&rotated(&factors), &factors, &SapSettings::default(), 1).unwrap();
        assert!(found.score.unwrap() < 0.5 * classes.score.unwrap(), "{found:?}");
        let numbers = sap(&copied(&factors, 2), &factors, &NUMBERS, 1).unwrap();
        assert!(numbers.score.unwrap() > 0.97, "{numbers:?}");
        let found = sap(&rotated(&factors), &factors, &NUMBERS, 1).unwrap();
        assert!(found.score.unwrap() < 0.3, "{found:?}");
    }

    #[test]
    fn noise_scores_about_0() {
        let factors = grid(&[3, 4, 5], 100);
        let noise = noise(6000, 4);
        assert!(sap(&noise, &factors, &SapSettings::default(), 1).unwrap().score.unwrap() < 0.05);
        assert!(sap(&noise, &factors, &NUMBERS, 1).unwrap().score.unwrap() < 0.01);
    }

    #[test]
    fn undefined_gaps_are_none() {
        let factors = grid(&[2, 1, 3], 10);
        let codes = copied(&factors, 0);
        let found = sap(&codes, &factors, &SapSettings::default(), 1).unwrap();
        assert_eq!((found.gaps[1], found.matrix[0][1]), (None, 1.0));
        assert!(found.score.is_some());
        let found = sap(&codes, &factors, &NUMBERS, 1).unwrap();
        assert_eq!((found.gaps[1], found.matrix[0][1]), (None, 0.0));
        assert_eq!(sap(&codes, &factors[1..2], &NUMBERS, 1).unwrap().score, None);
        assert_eq!(sap(&codes, &[], &SapSettings::default(), 1).unwrap().score, None);
        let one_axis = copied(&factors[..1], 0);
        assert_eq!(sap(&one_axis, &factors, &SapSettings::default(), 1).unwrap().score, None);
        let dead = test_codes_dead(60);
        assert_eq!(sap(&dead, &factors, &NUMBERS, 1).unwrap().score, Some(0.0));
        assert_eq!(sap(&dead, &factors, &SapSettings::default(), 1).unwrap().gaps, [Some(0.0), None, Some(0.0)]);
    }

    fn test_codes_dead(images: usize) -> Codes {
        codes(&[vec![1.0; images], vec![-2.0; images]])
    }

    #[test]
    fn bad_input_is_an_error() {
        let factors = grid(&[3, 4], 10);
        let mut broken = copied(&factors, 0);
        for c in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(sap(&broken, &factors, &SapSettings { c, ..SapSettings::default() }, 1).is_err());
        }
        broken.values[7] = f32::INFINITY;
        assert!(sap(&broken, &factors, &SapSettings::default(), 1).is_err());
    }

    #[test]
    fn threads_do_not_change_a_bit() {
        let factors = grid(&[3, 4, 5], 10);
        let codes = noise(600, 4);
        assert_same_on_threads(|| sap(&codes, &factors, &SapSettings::default(), 1));
        assert_same_on_threads(|| sap(&codes, &factors, &NUMBERS, 1));
    }
}
