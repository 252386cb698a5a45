//! DCI: disentanglement, completeness and informativeness by boosted trees (Eastwood & Williams 2018), as computed by
//! disentanglement_lib.
//!
//! A [`Boosting`] classifier per factor gives the importance R of each axis for each factor. An axis is disentangled if
//! it matters for one factor: 1 - H(R of the axis), with the entropy H in units of the logarithm of the number of
//! factors. A factor is complete if one axis matters for it: 1 - H(R of the factor), in units of the logarithm of the
//! number of axes. The scores are means weighted by the shares of R. Informativeness is the classifiers' accuracy here,
//! as in disentanglement_lib; the paper has the error.
//!
//! Differences from disentanglement_lib: factors with a single value among the training points are left out, where
//! scikit-learn stops with an error; and where an entropy has no unit (one factor, one axis) the score is `None`
//! instead of not a number. Training and test points are drawn with replacement from the same images, as there: with
//! few images many are in both, and the test accuracy is close to that of training.

use super::boosting::{Boosting, BoostingSettings};
use super::draws::{DCI_TEST, DCI_TRAIN, codes_of, draw_images, factors_of};
use super::inputs::{Least, ScoreError, accuracy, check_setting, checked_images};
use super::points::{Codes, Factor};
use super::tree::SortedPoints;
use rayon::prelude::*;

/// What disentanglement_lib adds to importances before they are normalized.
const OFFSET: f64 = 1e-11;

/// How DCI is computed; the default is disentanglement_lib's.
#[derive(Clone, Debug, PartialEq)]
pub struct DciSettings {
    /// The number of points that the classifiers are trained on (`num_train`); 10,000.
    pub train_points: usize,
    /// The number of points that they are tested on (`num_test`); 5,000.
    pub test_points: usize,
    /// The classifiers; scikit-learn's default.
    pub boosting: BoostingSettings,
}

impl Default for DciSettings {
    fn default() -> DciSettings {
        DciSettings { train_points: 10_000, test_points: 5_000, boosting: BoostingSettings::default() }
    }
}

/// The scores of DCI; all between 0 and 1, higher is better.
#[derive(Clone, Debug, PartialEq)]
pub struct Dci {
    /// The factors that the lists below are about: the numbers of those with several values among the training points.
    pub factors: Vec<usize>,
    /// The importance of each axis (row) for each factor (column), row after row. The sum of a column is 1, or 0 if the
    /// trees of the factor have no split.
    pub importances: Vec<f64>,
    /// The mean of the axes' disentanglement, weighted by their importance; `None` with a single factor.
    pub disentanglement: Option<f64>,
    /// The disentanglement of each axis, 0 if it matters for no factor; empty with a single factor.
    pub disentanglement_per_axis: Vec<f64>,
    /// The mean of the factors' completeness, weighted by their importance; `None` with a single axis.
    pub completeness: Option<f64>,
    /// The completeness of each factor, 0 if no axis matters for it; empty with a single axis.
    pub completeness_per_factor: Vec<f64>,
    /// The mean accuracy on the training points.
    pub train_accuracy: f64,
    /// The accuracy on the training points of each factor.
    pub train_accuracy_per_factor: Vec<f64>,
    /// The mean accuracy on the test points: the informativeness.
    pub test_accuracy: f64,
    /// The accuracy on the test points of each factor.
    pub test_accuracy_per_factor: Vec<f64>,
}

/// DCI of the codes of images with known factors.
///
/// `None` if there are no axes, or no factor has several values among the points that were drawn.
///
/// # Errors
/// If a code is not finite, the lists do not fit, or a setting is out of its range.
pub fn dci(codes: &Codes, factors: &[Factor], settings: &DciSettings, seed: u64) -> Result<Option<Dci>, ScoreError> {
    let images = checked_images(codes, factors)?;
    check_setting("train_points", settings.train_points, Least::One)?;
    check_setting("test_points", settings.test_points, Least::One)?;
    if images == 0 {
        return Ok(None);
    }
    let train = draw_images(seed, DCI_TRAIN, settings.train_points, images);
    let test = draw_images(seed, DCI_TEST, settings.test_points, images);
    let (train_codes, train_factors) = (codes_of(codes, &train), factors_of(factors, &train));
    let (test_codes, test_factors) = (codes_of(codes, &test), factors_of(factors, &test));
    dci_of_points((&train_codes, &train_factors), (&test_codes, &test_factors), &settings.boosting, seed)
}

/// DCI of given training and test points: their codes and factors.
///
/// `None` if there are no axes or no test points, or no factor has several values among the training points.
///
/// # Errors
/// If a code is not finite, the lists do not fit, or a setting is out of its range.
pub fn dci_of_points(
    train: (&Codes, &[Factor]),
    test: (&Codes, &[Factor]),
    settings: &BoostingSettings,
    seed: u64,
) -> Result<Option<Dci>, ScoreError> {
    for (codes, factors) in [train, test] {
        checked_images(codes, factors)?;
    }
    if train.0.latent != test.0.latent {
        return Err(ScoreError::Axes { first: train.0.latent, second: test.0.latent });
    }
    if train.1.len() != test.1.len() {
        let list = "the factors of the test points".to_string();
        return Err(ScoreError::Length { list, entries: test.1.len(), expected: train.1.len() });
    }
    let axes = train.0.latent;
    if axes == 0 || test.0.is_empty() {
        return Ok(None);
    }
    let sorted = SortedPoints::new(train.0);
    let of_factor = |(number, (train_factor, test_factor)): (usize, (&Factor, &Factor))| {
        let labels: Vec<u32> = train_factor.values.iter().map(|&value| value.into()).collect();
        let Some(model) = Boosting::fit(&sorted, &labels, settings, seed, number as u64)? else { return Ok(None) };
        let train_accuracy = accuracy(model.train_predictions.iter().copied().zip(labels));
        let test_labels = test_factor.values.iter().map(|&value| value.into());
        let test_accuracy = accuracy(model.predict(test.0).into_iter().zip(test_labels));
        Ok(Some(OfFactor { number, importances: model.importances, train_accuracy, test_accuracy }))
    };
    let pairs: Vec<_> = train.1.iter().zip(test.1).enumerate().collect();
    let found: Result<Vec<Option<OfFactor>>, ScoreError> = pairs.into_par_iter().map(of_factor).collect();
    let found: Vec<OfFactor> = found?.into_iter().flatten().collect();
    Ok((!found.is_empty()).then(|| scores(axes, &found)))
}

/// What the classifier of a factor gives.
struct OfFactor {
    number: usize,
    importances: Vec<f64>,
    train_accuracy: f64,
    test_accuracy: f64,
}

fn scores(axes: usize, found: &[OfFactor]) -> Dci {
    let importances: Vec<f64> =
        (0..axes).flat_map(|axis| found.iter().map(move |factor| factor.importances[axis])).collect();
    let (disentanglement_per_axis, disentanglement) = disentanglement(&importances, found.len());
    let (completeness_per_factor, completeness) = completeness(&importances, found.len());
    let train_accuracy_per_factor: Vec<f64> = found.iter().map(|factor| factor.train_accuracy).collect();
    let test_accuracy_per_factor: Vec<f64> = found.iter().map(|factor| factor.test_accuracy).collect();
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    Dci {
        factors: found.iter().map(|factor| factor.number).collect(),
        importances,
        disentanglement,
        disentanglement_per_axis,
        completeness,
        completeness_per_factor,
        train_accuracy: mean(&train_accuracy_per_factor),
        train_accuracy_per_factor,
        test_accuracy: mean(&test_accuracy_per_factor),
        test_accuracy_per_factor,
    }
}

/// The disentanglement of each axis, and their weighted mean, from the importances (axes x factors, row after row);
/// nothing and `None` with fewer than two factors.
pub fn disentanglement(importances: &[f64], factors: usize) -> (Vec<f64>, Option<f64>) {
    let rows = importances.chunks_exact(factors.max(1)).map(<[f64]>::to_vec).collect();
    concentration(rows)
}

/// The completeness of each factor, and their weighted mean, from the importances (axes x factors, row after row);
/// nothing and `None` with fewer than two axes.
pub fn completeness(importances: &[f64], factors: usize) -> (Vec<f64>, Option<f64>) {
    let column = |factor: usize| importances.iter().skip(factor).step_by(factors).copied().collect();
    concentration((0..factors).map(column).collect())
}

/// 1 minus the entropy of each list of importances, and the mean weighted by the lists' sums.
fn concentration(lists: Vec<Vec<f64>>) -> (Vec<f64>, Option<f64>) {
    let length = lists.first().map_or(0, Vec::len);
    if length < 2 {
        return (vec![], None);
    }
    let per_list: Vec<f64> = lists.iter().map(|list| 1.0 - entropy(list) / (length as f64).ln()).collect();
    let sums: Vec<f64> = lists.iter().map(|list| list.iter().sum()).collect();
    let total: f64 = sums.iter().sum();
    let mean = if total > 0.0 {
        per_list.iter().zip(sums).map(|(score, sum)| score * sum / total).sum()
    } else {
        per_list.iter().sum::<f64>() / per_list.len() as f64
    };
    (per_list, Some(mean))
}

/// The entropy in nats of importances, with the offset and normalized.
fn entropy(importances: &[f64]) -> f64 {
    let sum: f64 = importances.iter().map(|importance| importance + OFFSET).sum();
    let shares = importances.iter().map(|importance| (importance + OFFSET) / sum);
    -shares.map(|share| share * share.ln()).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::super::constructed as made;
    use super::super::constructed::assert_close;
    use super::*;
    use serde_json::Value;

    fn small() -> DciSettings {
        let boosting = BoostingSettings { rounds: 30, ..BoostingSettings::default() };
        DciSettings { train_points: 1000, test_points: 500, boosting }
    }

    fn score(codes: &Codes, factors: &[Factor]) -> Dci {
        dci(codes, factors, &small(), 1).unwrap().unwrap()
    }

    #[test]
    fn test_vectors() {
        let toy = [0.9, 0.1, 0.2, 0.8, 0.0, 0.1];
        let (per_axis, mean) = disentanglement(&toy, 2);
        assert_close(&per_axis, &[0.531004, 0.278072, 1.0], 1e-6);
        assert_close(&[mean.unwrap()], &[0.432893], 1e-6);
        let (per_factor, mean) = completeness(&toy, 2);
        assert_close(&per_factor, &[0.568420, 0.418328], 1e-6);
        assert_close(&[mean.unwrap()], &[0.496948], 1e-6);

        let (codes, factors) = made::vectors();
        let (train, train_factors) = made::part(&codes, &factors, 0..300);
        let (test, test_factors) = made::part(&codes, &factors, 300..400);
        let settings = BoostingSettings::default();
        let dci = dci_of_points((&train, &train_factors), (&test, &test_factors), &settings, 1).unwrap().unwrap();
        let [first, second]: [Vec<f64>; 2] =
            [0, 1].map(|factor| dci.importances.iter().skip(factor).step_by(2).copied().collect());
        assert_close(&first, &[1.0, 0.0, 0.0], 1e-6);
        assert_close(&second, &[0.0000197, 0.828898, 0.171083], 5e-4);
        assert_eq!((dci.train_accuracy_per_factor, dci.test_accuracy_per_factor), (vec![1.0; 2], vec![1.0, 0.99]));
        assert_close(&dci.completeness_per_factor, &[1.0, 0.583267], 1e-3);
        assert_close(&[dci.disentanglement.unwrap(), dci.completeness.unwrap()], &[0.999832, 0.791633], 1e-3);
    }

    #[test]
    fn scores_are_those_of_scikit_learn_and_scipy() {
        let fixture: Value = serde_json::from_str(include_str!("../../tests/fixtures/scores/dci.json")).unwrap();
        let codes = |name: &str| made::codes(&fixture[name]);
        let factors = |name: &str| made::factors(&fixture["sizes"], &fixture[name]);
        let train = (&codes("train"), &factors("train_factors")[..]);
        let test = (&codes("test"), &factors("test_factors")[..]);
        let runs: Vec<Dci> = (0..10)
            .map(|seed| dci_of_points(train, test, &BoostingSettings::default(), seed).unwrap().unwrap())
            .collect();
        let check = |name: &str, of: &dyn Fn(&Dci) -> Vec<f64>, tolerance| {
            let mut means = vec![0.0; of(&runs[0]).len()];
            runs.iter().for_each(|run| means.iter_mut().zip(of(run)).for_each(|(mean, value)| *mean += value / 10.0));
            let expected = match &fixture["means"][name] {
                Value::Array(_) => made::numbers(&fixture["means"][name]),
                value => vec![value.as_f64().unwrap()],
            };
            assert_close(&means, &expected, tolerance);
        };
        check("importances", &|dci| dci.importances.clone(), 2e-3);
        check("per_axis", &|dci| dci.disentanglement_per_axis.clone(), 3e-3);
        check("per_factor", &|dci| dci.completeness_per_factor.clone(), 3e-3);
        check("disentanglement", &|dci| vec![dci.disentanglement.unwrap()], 2e-3);
        check("completeness", &|dci| vec![dci.completeness.unwrap()], 2e-3);
        check("train_accuracies", &|dci| dci.train_accuracy_per_factor.clone(), 3e-3);
        // Of 150 points; the standard deviation between seeds is 0.016.
        check("test_accuracies", &|dci| dci.test_accuracy_per_factor.clone(), 0.02);
    }

    #[test]
    fn copied_factors_score_best_and_noise_and_rotated_ones_do_not() {
        let factors = made::grid(&[4, 5, 6, 3]);
        let copied = made::copied(&factors);
        let with_dead = made::joined(&copied, &made::constant(copied.len(), 2));
        let best = score(&with_dead, &factors);
        assert_close(&[best.disentanglement.unwrap(), best.completeness.unwrap()], &[1.0, 1.0], 1e-6);
        assert_eq!((best.test_accuracy, best.disentanglement_per_axis.len()), (1.0, 6));
        assert_close(&best.disentanglement_per_axis[4..], &[0.0, 0.0], 1e-9);
        let rotated = score(&made::rotated(&copied), &factors);
        // Two axes matter equally for each factor: an entropy of ln 2 / ln 4.
        assert_close(&[rotated.disentanglement.unwrap(), rotated.completeness.unwrap()], &[0.5, 0.5], 0.02);
        let factors = made::grid(&[40, 50]);
        let noise = score(&made::noise(2000, 4, 1), &factors);
        assert!(noise.disentanglement.unwrap() < 0.1 && noise.completeness.unwrap() < 0.1, "{noise:?}");
        // With more images than points, few of the test points are training points.
        assert!(noise.test_accuracy < 0.5 * noise.train_accuracy, "{noise:?}");
    }

    #[test]
    fn a_copied_axis_shares_its_importance() {
        let factors = made::grid(&[4, 5, 6]);
        let copied = made::copied(&factors);
        let twice = score(&made::joined(&copied, &copied), &factors);
        assert!(twice.disentanglement.unwrap() > 0.999, "{twice:?}");
        // The entropy of two equal shares, in units of that of six.
        assert_close(&[twice.completeness.unwrap()], &[1.0 - 2f64.ln() / 6f64.ln()], 0.05);
    }

    #[test]
    fn scores_that_are_not_defined_are_absent() {
        let factors = made::grid(&[4, 5, 1]);
        let copied = made::copied(&factors);
        let constant = Codes { latent: 3, values: vec![1.0; copied.values.len()] };
        let dead = score(&constant, &factors);
        assert_eq!(dead.factors, [0, 1]);
        assert_close(&[dead.disentanglement.unwrap(), dead.completeness.unwrap()], &[0.0, 0.0], 1e-9);
        let one_factor = score(&copied, &factors[..1]);
        assert_eq!((one_factor.disentanglement, one_factor.completeness.is_some()), (None, true));
        let one_axis = score(&made::copied(&factors[..1]), &factors);
        assert_eq!((one_axis.disentanglement.is_some(), one_axis.completeness), (true, None));
        let none = |codes: &Codes, factors: &[Factor]| dci(codes, factors, &small(), 1).unwrap().is_none();
        assert!(none(&copied, &factors[2..]));
        assert!(none(&copied, &[]));
        assert!(none(&Codes { latent: 0, values: vec![] }, &factors));
        assert!(none(&Codes { latent: 2, values: vec![] }, &[]));
        let (few, few_factors) = made::part(&copied, &factors, 0..7);
        assert!(score(&few, &few_factors).train_accuracy > 0.99);
        let broken = Codes { latent: 1, values: vec![f32::NAN; 20] };
        assert!(dci(&broken, &factors, &small(), 1).is_err());
    }

    #[test]
    fn the_result_does_not_depend_on_the_number_of_threads() {
        let factors = made::grid(&[10, 12, 2]);
        let codes = made::plus(&made::copied(&factors), 1.0, &made::noise(240, 3, 1));
        let [one, two] = [1, 2].map(|threads| made::on_threads(threads, || score(&codes, &factors)));
        assert_eq!(one, two);
    }
}
