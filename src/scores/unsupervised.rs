//! How far the latent axes depend on each other, without factors.

use super::cholesky::Cholesky;
use super::chosen_points::{Points, choose};
use super::eigen::eigenvalues;
use super::information::{check_bins, equal_width_bins, mutual_information};
use super::moments::{covariance, mean};
use super::points::Codes;
use crate::random::{Purpose, Stream};
use rayon::prelude::*;

/// Draw of [`Purpose::Evaluation`]: which images the unsupervised scores use.
const POINTS_OF_UNSUPERVISED: u64 = 6;
/// The share of the variance of an axis that must not follow from other axes: below it, the covariance counts as
/// singular.
const LEAST_OWN_VARIANCE: f64 = 1e-12;

/// The recipe of the unsupervised scores. The default is that of disentanglement_lib (`unsupervised_study_v1`).
#[derive(Clone, Debug, PartialEq)]
pub struct UnsupervisedSettings {
    /// Points that are drawn without replacement; all images if there are not more. Default 10,000.
    pub points: usize,
    /// Equal-width bins of each latent axis. Default 20.
    pub bins: usize,
}

impl Default for UnsupervisedSettings {
    fn default() -> UnsupervisedSettings {
        UnsupervisedSettings { points: 10_000, bins: 20 }
    }
}

/// How far the latent axes depend on each other: 0 if they do not.
#[derive(Clone, Debug, PartialEq)]
pub struct Unsupervised {
    /// The total correlation of a Gaussian with the covariance of the codes, in nats. `None` if all axes are constant,
    /// and if the covariance is singular, since it is infinite then (fewer points than axes, or an axis that is a
    /// linear function of others).
    pub gaussian_total_correlation: Option<f64>,
    /// The squared 2-Wasserstein distance between that Gaussian and the product of its axes, in squared units of the
    /// codes.
    pub wasserstein_correlation: Option<f64>,
    /// The same divided by the sum of the variances; `None` if all axes are constant.
    pub relative_wasserstein_correlation: Option<f64>,
    /// The mean mutual information of two different binned axes, in nats; `None` if there is only one axis.
    pub mutual_information: Option<f64>,
}

/// The unsupervised scores of codes (posterior means), as in `unsupervised_metrics` of disentanglement_lib (Locatello
/// et al. 2019, "Challenging Common Assumptions in the Unsupervised Learning of Disentangled Representations").
///
/// With C the covariance (divisor n - 1) and D its diagonal: the total correlation is 1/2 (ln det D - ln det C), and
/// the Wasserstein correlation is 2 trace C - 2 trace (D^1/2 C D^1/2)^1/2. Constant axes add nothing to either;
/// disentanglement_lib gives NaN for the total correlation. They do count in the mean of the mutual information.
///
/// # Errors
/// If there is no latent axis, no image, no point or no bin, or if a code is not finite.
pub fn unsupervised(codes: &Codes, settings: &UnsupervisedSettings, seed: u64) -> Result<Unsupervised, String> {
    check_bins(settings.bins)?;
    let stream = Stream::new(seed, Purpose::Evaluation, POINTS_OF_UNSUPERVISED, 0);
    Ok(unsupervised_of_points(&choose(codes, &[], settings.points, stream)?, settings.bins))
}

/// The unsupervised scores of points, all of which are used; see [`unsupervised`].
pub fn unsupervised_of_points(points: &Points, bins: usize) -> Unsupervised {
    let alive: Vec<(&Vec<f32>, f64)> = points
        .axes
        .iter()
        .map(|axis| (axis, covariance(axis, axis).sqrt()))
        .filter(|(_, deviation)| *deviation > 0.0)
        .collect();
    let size = alive.len();
    let row = |first: usize| -> Vec<f64> {
        let scaled = |second: usize| match second.cmp(&first) {
            std::cmp::Ordering::Less => 0.0,
            std::cmp::Ordering::Equal => 1.0,
            std::cmp::Ordering::Greater => {
                covariance(alive[first].0, alive[second].0) / (alive[first].1 * alive[second].1)
            }
        };
        (0..size).map(scaled).collect()
    };
    let upper: Vec<Vec<f64>> = (0..size).into_par_iter().map(row).collect();
    let correlation = |at: usize| upper[(at / size).min(at % size)][(at / size).max(at % size)];
    let correlations: Vec<f64> = (0..size * size).map(correlation).collect();
    // ln det D - ln det C is minus the logarithm of the determinant of the correlations.
    let total_correlation = Cholesky::new(&correlations, size, LEAST_OWN_VARIANCE)
        .filter(|_| size > 0)
        .map(|factor| (-0.5 * factor.log_determinant()).max(0.0));

    let variances: Vec<f64> = alive.iter().map(|(_, deviation)| deviation * deviation).collect();
    // D^1/2 C D^1/2: the covariance is the correlation times both deviations.
    let product = |(at, correlation): (usize, &f64)| correlation * variances[at / size] * variances[at % size];
    let products: Vec<f64> = correlations.iter().enumerate().map(product).collect();
    let roots = eigenvalues(&products, size);
    let root_trace = roots.map(|values| values.iter().map(|value| value.max(0.0).sqrt()).sum::<f64>());
    let trace: f64 = variances.iter().sum();
    let wasserstein = root_trace.map(|root_trace| (2.0 * trace - 2.0 * root_trace).max(0.0));
    Unsupervised {
        gaussian_total_correlation: total_correlation,
        wasserstein_correlation: wasserstein,
        relative_wasserstein_correlation: wasserstein.filter(|_| size > 0).map(|distance| distance / trace),
        mutual_information: mean_information(points, bins),
    }
}

/// The mean mutual information of two different axes.
fn mean_information(points: &Points, bins: usize) -> Option<f64> {
    let binned: Vec<Vec<u16>> = points.axes.par_iter().map(|axis| equal_width_bins(axis, bins)).collect();
    let pairs: Vec<(usize, usize)> =
        (0..binned.len()).flat_map(|first| (first + 1..binned.len()).map(move |second| (first, second))).collect();
    let found: Vec<f64> =
        pairs.par_iter().map(|&(first, second)| mutual_information(&binned[first], &binned[second])).collect();
    if found.is_empty() { None } else { Some(mean(&found)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scores::test_codes::*;

    fn defaults(codes: &Codes) -> Unsupervised {
        unsupervised(codes, &UnsupervisedSettings::default(), 1).unwrap()
    }

    #[test]
    fn scores_are_those_of_numpy_and_scipy() {
        let fixture = fixture(include_str!("../../tests/fixtures/scores/made_up.json"));
        let (codes, _) = made_up(&fixture);
        let found = defaults(&codes);
        let found = [
            found.gaussian_total_correlation.unwrap(),
            found.wasserstein_correlation.unwrap(),
            found.relative_wasserstein_correlation.unwrap(),
            found.mutual_information.unwrap(),
        ];
        assert_near(&found, &numbers(&fixture["unsupervised"]), 1e-9);
    }

    #[test]
    fn independent_axes_score_0_and_mixed_ones_do_not() {
        let factors = grid(&[3, 4, 5], 5);
        let found = defaults(&copied(&factors, 0));
        assert_near(
            &[found.gaussian_total_correlation.unwrap(), found.wasserstein_correlation.unwrap()],
            &[0.0; 2],
            1e-12,
        );
        assert_eq!(found.mutual_information, Some(0.0));
        let noisy = defaults(&noise(20_000, 4));
        assert!(noisy.gaussian_total_correlation.unwrap() < 0.002, "{noisy:?}");
        // Correlation r: the total correlation is -1/2 ln(1 - r^2).
        let mut mixed = noise(20_000, 2);
        mixed.values.chunks_mut(2).for_each(|code| code[1] = 0.6 * code[0] + 0.8 * code[1]);
        let found = defaults(&mixed);
        assert_near(&[found.gaussian_total_correlation.unwrap()], &[-0.5 * 0.64f64.ln()], 0.02);
        assert!(found.mutual_information.unwrap() > 0.1, "{found:?}");
    }

    #[test]
    fn a_copied_axis_has_no_finite_total_correlation() {
        let values = noise(1000, 1).values;
        let found = defaults(&codes(&[values.clone(), values.iter().map(|value| 3.0 * value).collect()]));
        assert_eq!(found.gaussian_total_correlation, None);
        // Variances 1 and 9: eigenvalues of D^1/2 C D^1/2 are 0 and 1 + 81.
        let expected = 2.0 * (10.0 - 82f64.sqrt()) / 10.0;
        assert_near(&[found.relative_wasserstein_correlation.unwrap()], &[expected], 1e-6);
        assert_eq!(defaults(&noise(3, 5)).gaussian_total_correlation, None);
    }

    #[test]
    fn dead_and_single_axes() {
        let values = noise(1000, 1).values;
        let one = defaults(&codes(std::slice::from_ref(&values)));
        assert_eq!(one.gaussian_total_correlation, Some(0.0));
        assert_eq!((one.wasserstein_correlation, one.mutual_information), (Some(0.0), None));
        let with_dead = defaults(&codes(&[values, vec![0.3; 1000]]));
        assert_eq!(with_dead, Unsupervised { mutual_information: Some(0.0), ..one });
        let dead = defaults(&codes(&[vec![0.3; 10], vec![1.0; 10]]));
        assert_eq!((dead.gaussian_total_correlation, dead.relative_wasserstein_correlation), (None, None));
        assert_eq!((dead.wasserstein_correlation, dead.mutual_information), (Some(0.0), Some(0.0)));
        assert_eq!(defaults(&noise(1, 2)).gaussian_total_correlation, None);
    }

    #[test]
    fn bad_input_is_an_error() {
        let settings = UnsupervisedSettings::default();
        assert!(unsupervised(&Codes { latent: 0, values: vec![] }, &settings, 1).is_err());
        assert!(unsupervised(&Codes { latent: 1, values: vec![f32::NAN] }, &settings, 1).is_err());
        assert!(unsupervised(&noise(9, 1), &UnsupervisedSettings { bins: 0, ..settings.clone() }, 1).is_err());
        assert!(unsupervised(&noise(9, 1), &UnsupervisedSettings { points: 0, ..settings }, 1).is_err());
    }

    #[test]
    fn threads_do_not_change_a_bit() {
        let codes = noise(3000, 5);
        let settings = UnsupervisedSettings { points: 2000, ..UnsupervisedSettings::default() };
        assert_same_on_threads(|| unsupervised(&codes, &settings, 1));
    }
}
