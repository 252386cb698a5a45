//! Modularity (each latent axis depends on one factor) and explicitness (factors follow from the codes linearly).

use super::chosen_points::{Points, SplitPoints, check_c, choose_split};
use super::information::{Information, check_bins, information};
use super::logistic::{Logistic, fit};
use super::moments::{mean, mean_of_some};
use super::points::{Codes, Factor};
use super::roc::area_under_curve;
use crate::random::{Purpose, Stream};
use rayon::prelude::*;

/// Draw of [`Purpose::Evaluation`]: which images modularity and explicitness use.
const POINTS_OF_MODULARITY: u64 = 4;

/// The recipe of modularity and explicitness. The default is that of disentanglement_lib (`unsupervised_study_v1`).
#[derive(Clone, Debug, PartialEq)]
pub struct ModularitySettings {
    /// Points for the mutual information and for the fits. Default 10,000.
    pub train: usize,
    /// Points for the test of the fits, other images than the training points. Default 5,000.
    pub test: usize,
    /// Equal-width bins of each latent axis. Default 20.
    pub bins: usize,
    /// The weight C of the loss of logistic regression relative to its penalty. Default 1.
    pub c: f64,
}

impl Default for ModularitySettings {
    fn default() -> ModularitySettings {
        ModularitySettings { train: 10_000, test: 5_000, bins: 20, c: 1.0 }
    }
}

/// Modularity, explicitness, and what they are computed from.
#[derive(Clone, Debug, PartialEq)]
pub struct ModularityAndExplicitness {
    /// The modularity.
    pub modularity: Modularity,
    /// The explicitness.
    pub explicitness: Explicitness,
    /// The mutual information of axes and factors of the training points, in nats.
    pub information: Information,
}

/// How far each axis depends on a single factor.
#[derive(Clone, Debug, PartialEq)]
pub struct Modularity {
    /// The mean over all axes, from 0 to 1; `None` if fewer than two factors vary.
    pub score: Option<f64>,
    /// The modularity of each axis; 0 of an axis without information. Empty if there is no score.
    pub axes: Vec<f64>,
}

/// How well a linear classifier finds the factors from the codes.
#[derive(Clone, Debug, PartialEq)]
pub struct Explicitness {
    /// The mean over the factors of the area under the ROC curve on the training points; `None` if there is none.
    pub train: Option<f64>,
    /// The same on the test points.
    pub test: Option<f64>,
    /// For each factor the area on the training points and on the test points: the mean over its values that some
    /// points have and others do not. `None` if there is no such value.
    pub factors: Vec<[Option<f64>; 2]>,
}

/// Modularity and explicitness of codes.
///
/// Ridgeway and Mozer 2018, "Learning Deep Disentangled Embeddings With the F-Statistic Loss", as in
/// `compute_modularity_explicitness` of disentanglement_lib; see [`modularity`] and [`explicitness`].
///
/// # Errors
/// If there is no latent axis, fewer than two images, no training or test point, no bin, if `c` is not a positive
/// number, if a code is not finite, or if a factor does not fit the images.
pub fn modularity_and_explicitness(
    codes: &Codes,
    factors: &[Factor],
    settings: &ModularitySettings,
    seed: u64,
) -> Result<ModularityAndExplicitness, String> {
    check_bins(settings.bins)?;
    let stream = Stream::new(seed, Purpose::Evaluation, POINTS_OF_MODULARITY, 0);
    let split = choose_split(codes, factors, [settings.train, settings.test], stream)?;
    let information = information(&split.train, settings.bins);
    Ok(ModularityAndExplicitness {
        modularity: modularity(&information),
        explicitness: explicitness(&split, settings.c)?,
        information,
    })
}

/// The modularity of mutual information m: for each axis 1 - (sum of m^2 - max m^2) / (max m^2 (factors - 1)), 0 if all
/// m are 0; the mean over all axes.
///
/// Constant factors do not count; disentanglement_lib counts them in the number of factors. An axis that is nearly
/// constant, but not exactly, gets the value of its noise, as there.
pub fn modularity(information: &Information) -> Modularity {
    let vary: Vec<bool> = information.entropies.iter().map(|&entropy| entropy > 0.0).collect();
    let others = vary.iter().filter(|&&varies| varies).count().saturating_sub(1);
    if others == 0 {
        return Modularity { score: None, axes: Vec::new() };
    }
    let of_axis = |row: &Vec<f64>| {
        let squares: Vec<f64> = row.iter().zip(&vary).filter(|pair| *pair.1).map(|(value, _)| value * value).collect();
        let most = squares.iter().copied().fold(0.0, f64::max);
        if most == 0.0 { 0.0 } else { 1.0 - (squares.iter().sum::<f64>() - most) / (most * others as f64) }
    };
    let axes: Vec<f64> = information.matrix.iter().map(of_axis).collect();
    Modularity { score: if axes.is_empty() { None } else { Some(mean(&axes)) }, axes }
}

/// The explicitness of factors: the area under the ROC curve of each value against the others, with the probabilities
/// of a logistic regression on all axes; the mean over values, then over factors.
///
/// Axes are standardised by mean and standard deviation (divisor n) of the training points. An axis that is constant
/// there is left out; disentanglement_lib divides by 0. The regression is that of [`fit`]: softmax, biases not
/// penalised, converged. disentanglement_lib was published with one-vs-rest fits of LIBLINEAR that penalise the bias.
/// Values that only one of the two sets has are left out of the mean of the other; scikit-learn fails on them.
///
/// # Errors
/// If there are no training points or if `c` is not a positive number.
pub fn explicitness(split: &SplitPoints, c: f64) -> Result<Explicitness, String> {
    check_c(c)?;
    let SplitPoints { train, test } = split;
    let scales: Vec<(usize, f64, f64)> = train.axes.iter().enumerate().filter_map(scale).collect();
    let standardised = |points: &Points| -> Vec<f64> {
        let value = |at: usize, (axis, mean, deviation): (usize, f64, f64)| {
            (f64::from(points.axes[axis][at]) - mean) / deviation
        };
        (0..points.len()).flat_map(|at| scales.iter().map(move |&scale| value(at, scale))).collect()
    };
    let sets = [(train, standardised(train)), (test, standardised(test))];
    let factors = (0..train.factors.len())
        .into_par_iter()
        .map(|factor| {
            let mut known = train.factors[factor].values.clone();
            known.sort_unstable();
            known.dedup();
            if scales.is_empty() || known.len() < 2 {
                return Ok([None; 2]);
            }
            // The positions of the values that occur: the size of a factor can be far larger.
            let position = |value: &u16| known.partition_point(|other| other < value) as u32;
            let labels: Vec<u32> = train.factors[factor].values.iter().map(position).collect();
            let fitted = fit(&sets[0].1, scales.len(), &labels, known.len(), c).map_err(|error| error.to_string())?;
            Ok([0, 1].map(|set| mean_area(&fitted, &known, &sets[set].1, &sets[set].0.factors[factor].values)))
        })
        .collect::<Result<Vec<[Option<f64>; 2]>, String>>()?;
    let mean_of = |set: usize| mean_of_some(&factors.iter().map(|areas| areas[set]).collect::<Vec<_>>());
    Ok(Explicitness { train: mean_of(0), test: mean_of(1), factors })
}

/// An axis with its mean and standard deviation; `None` if it is constant.
fn scale((axis, values): (usize, &Vec<f32>)) -> Option<(usize, f64, f64)> {
    let mean = mean(values);
    let squares: f64 = values.iter().map(|&value| (f64::from(value) - mean).powi(2)).sum();
    let deviation = (squares / values.len().max(1) as f64).sqrt();
    if deviation > 0.0 { Some((axis, mean, deviation)) } else { None }
}

/// The mean area over the values that the classifier knows and that some of the points have and others do not.
fn mean_area(fitted: &Logistic, known: &[u16], points: &[f64], values: &[u16]) -> Option<f64> {
    let probabilities = fitted.probabilities(points);
    let area = |(class, known_value): (usize, &u16)| {
        let scores: Vec<f64> = probabilities.iter().skip(class).step_by(known.len()).copied().collect();
        let positive: Vec<bool> = values.iter().map(|value| value == known_value).collect();
        area_under_curve(&scores, &positive)
    };
    mean_of_some(&known.par_iter().enumerate().map(area).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scores::test_codes::*;

    fn defaults(codes: &Codes, factors: &[Factor]) -> ModularityAndExplicitness {
        modularity_and_explicitness(codes, factors, &ModularitySettings::default(), 1).unwrap()
    }

    #[test]
    fn the_published_vector() {
        let found = modularity(&information(&wave_points(0..400), 20));
        assert_near(&[found.score.unwrap()], &[0.951195292], 1e-8);
    }

    #[test]
    fn values_are_those_of_scikit_learn() {
        let fixture = fixture(include_str!("../../tests/fixtures/scores/made_up.json"));
        let (codes, factors) = made_up(&fixture);
        let all = Points::of(&codes, &factors, &(0..codes.len() as u32).collect::<Vec<_>>());
        let found = modularity(&information(&all, 20));
        assert_near(&found.axes, &numbers(&fixture["modularity_axes"]), 1e-10);
        assert_near(&[found.score.unwrap()], &[fixture["modularity"].as_f64().unwrap()], 1e-10);
        let split = split_at(&all, fixture["train"].as_u64().unwrap() as usize);
        let found = explicitness(&split, 1.0).unwrap();
        let of_factors: Vec<f64> = found.factors.iter().flatten().map(|area| area.unwrap()).collect();
        assert_near(&of_factors, &numbers(&fixture["explicitness_factors"]), 1e-9);
        let means = [found.train.unwrap(), found.test.unwrap()];
        assert_near(&means, &numbers(&fixture["explicitness"]), 1e-9);
    }

    #[test]
    fn copied_factors_are_modular_and_their_rotation_is_not() {
        let factors = grid(&[3, 3], 100);
        let copied = defaults(&copied(&factors, 0), &factors);
        assert!(copied.modularity.score.unwrap() > 0.999, "{copied:?}");
        let rotated = defaults(&rotated(&factors), &factors);
        assert!(rotated.modularity.score.unwrap() < 0.05, "{rotated:?}");
        // A rotation hides nothing from a linear classifier of all axes.
        for found in [copied.explicitness, rotated.explicitness] {
            assert_near(&[found.train.unwrap(), found.test.unwrap()], &[1.0; 2], 1e-9);
        }
    }

    #[test]
    fn dead_axes_count_as_0_and_do_not_disturb_explicitness() {
        let factors = grid(&[2, 3], 50);
        let (alive, with_dead) = (defaults(&copied(&factors, 0), &factors), defaults(&copied(&factors, 2), &factors));
        assert_near(&[with_dead.modularity.score.unwrap()], &[0.5 * alive.modularity.score.unwrap()], 1e-12);
        assert_eq!(with_dead.modularity.axes[2..], [0.0; 2]);
        assert_eq!(with_dead.explicitness, alive.explicitness);
        let dead = defaults(&codes(&[vec![3.0; 300]]), &factors);
        assert_eq!((dead.modularity.score, dead.explicitness.train, dead.explicitness.test), (Some(0.0), None, None));
    }

    #[test]
    fn noise_is_at_chance() {
        let factors = grid(&[3, 4, 5], 60);
        let found = defaults(&noise(3600, 4), &factors);
        assert!((found.explicitness.test.unwrap() - 0.5).abs() < 0.05, "{found:?}");
        assert!(found.explicitness.train.unwrap() < 0.56, "{found:?}");
    }

    #[test]
    fn undefined_scores_are_none() {
        let factors = grid(&[3, 1], 30);
        let codes = copied(&factors, 0);
        let found = defaults(&codes, &factors);
        assert_eq!((found.modularity.score, found.explicitness.factors[1]), (None, [None; 2]));
        assert!(found.explicitness.test.is_some());
        let found = defaults(&codes, &[]);
        assert_eq!((found.modularity.score, found.explicitness.test), (None, None));
        // A constant factor does not count among the factors.
        let three = grid(&[3, 4, 1], 30);
        let codes = noise(360, 2);
        assert_eq!(defaults(&codes, &three).modularity, defaults(&codes, &three[..2]).modularity);
        // One image of each value: no value is in both sets.
        let single = vec![factor("image", 6, |image| image, 6)];
        assert_eq!(defaults(&noise(6, 2), &single).explicitness.test, None);
    }

    #[test]
    fn bad_input_is_an_error() {
        let factors = grid(&[3, 2], 30);
        let mut broken = copied(&factors, 0);
        let run = |codes: &Codes, settings| modularity_and_explicitness(codes, &factors, &settings, 1);
        assert!(run(&broken, ModularitySettings { bins: 0, ..Default::default() }).is_err());
        assert!(run(&broken, ModularitySettings { c: -1.0, ..Default::default() }).is_err());
        broken.values[0] = f32::NAN;
        assert!(run(&broken, ModularitySettings::default()).is_err());
    }

    #[test]
    fn threads_do_not_change_a_bit() {
        let factors = grid(&[3, 4, 5], 20);
        let codes = noise(1200, 4);
        assert_same_on_threads(|| defaults(&codes, &factors));
    }
}
