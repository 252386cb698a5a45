//! The maximum mean discrepancy of two sets of vectors (Gretton et al. 2012), with the kernel of the WAE (Tolstikhin et
//! al. 2018).
//!
//! k(x, y) is the sum of s C / (s C + |x - y|^2) over the scales s, with C = 2 D sigma^2 for vectors of D numbers: the
//! mean squared distance of two draws from N(0, sigma^2), so that one kernel serves all sizes of codes. The WAE code
//! uses the squared discrepancy, as here; so do the objectives `info` and `wae` of vaex.

use super::distances::{LANES, by_row};
use super::input_error::InputError;
use super::points::Codes;
use super::rows;

/// The kernel.
#[derive(Clone, Debug, PartialEq)]
pub struct MmdSettings {
    /// The standard deviation of the prior, or the scale of the vectors. Default: 1.
    pub sigma: f64,
    /// The scales of the inverse multiquadratics. Default: 0.1, 0.2, 0.5, 1, 2, 5, 10, as in the WAE code.
    pub scales: Vec<f64>,
}

impl Default for MmdSettings {
    fn default() -> MmdSettings {
        MmdSettings { sigma: 1.0, scales: vec![0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0] }
    }
}

/// Estimates of the squared discrepancy, without a unit; at most twice the number of scales.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mmd {
    /// The unbiased estimate: pairs of a vector with itself are left out. It may be negative; its expected value is 0
    /// for equal distributions.
    pub unbiased: f64,
    /// The biased estimate: all pairs. It is never negative (but for rounding), and 0 for equal sets.
    pub biased: f64,
}

/// The squared maximum mean discrepancy of two sets of vectors, (Rows, Numbers) each; the sets may differ in size.
/// Exact: the time grows with the square of the number of rows.
///
/// # Errors
/// A set has fewer than 2 rows, or rows have no or different lengths, or a number is not finite, or `sigma` or a scale
/// is not a positive number, or there are no scales.
pub fn maximum_mean_discrepancy(first: &Codes, second: &Codes, settings: &MmdSettings) -> Result<Mmd, InputError> {
    let is_positive = |value: &f64| value.is_finite() && *value > 0.0;
    if !is_positive(&settings.sigma) {
        return Err(InputError::OutOfRange { what: "sigma", range: "a positive number" });
    }
    if settings.scales.is_empty() || !settings.scales.iter().all(is_positive) {
        return Err(InputError::OutOfRange { what: "scales", range: "one or more positive numbers" });
    }
    rows::check_both(first, second, "vectors", 2)?;
    let size = 2.0 * first.latent as f64 * settings.sigma * settings.sigma;
    let scales: Vec<f64> = settings.scales.iter().map(|scale| scale * size).collect();
    // k(x, x)
    let own = scales.len() as f64;
    let [within_first, within_second] = [first, second].map(|set| sum(set, set, &scales, true));
    let across = sum(first, second, &scales, false);
    let [n, m] = [first, second].map(|set| set.len() as f64);
    let cross = 2.0 * across / (n * m);
    Ok(Mmd {
        unbiased: within_first / (n * (n - 1.0)) + within_second / (m * (m - 1.0)) - cross,
        biased: (within_first + n * own) / (n * n) + (within_second + m * own) / (m * m) - cross,
    })
}

/// The sum of the kernel over all pairs of rows; pairs of a row with the row of the same number are left out if
/// `distinct`.
fn sum(first: &Codes, second: &Codes, scales: &[f64], distinct: bool) -> f64 {
    let by_row = by_row(
        first,
        second,
        &0.0,
        #[inline(always)]
        |sum: &mut f64, row, column, distances| {
            let mut values = [0.0; LANES];
            let values = &mut values[..distances.len()];
            for scale in scales {
                for (value, distance) in values.iter_mut().zip(distances) {
                    *value += scale / (scale + distance);
                }
            }
            if distinct && let Some(own) = row.checked_sub(column).and_then(|at| values.get_mut(at)) {
                *own = 0.0;
            }
            *sum += values.iter().sum::<f64>();
        },
    );
    by_row.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scores::testing::{assert_close, normals, on_threads, rows};
    use serde_json::Value;

    fn discrepancy(first: &Codes, second: &Codes, settings: &MmdSettings) -> Mmd {
        on_threads(|| maximum_mean_discrepancy(first, second, settings).unwrap())
    }

    #[test]
    fn the_published_vectors_agree() {
        // vectors.md: z and draws p of 4 images and 2 axes.
        let z = [
            1.222215585,
            -0.132593924,
            0.479373780,
            -0.556909132,
            0.570714060,
            -1.054624597,
            -1.195494281,
            -0.276893615,
        ];
        let p = (0..8).map(|at| (2.0 * f64::from(at / 2) + f64::from(at % 2) + 0.5).cos());
        let z = Codes { latent: 2, values: z.map(|value: f64| value as f32).to_vec() };
        let p = Codes { latent: 2, values: p.map(|value| value as f32).collect() };
        let found = discrepancy(&z, &p, &MmdSettings::default());
        assert_close(found.unbiased, -0.160172449, 1e-6);
        assert_close(found.biased, 1.126064976, 1e-6);
        let found = discrepancy(&z, &p, &MmdSettings { scales: vec![1.0], ..MmdSettings::default() });
        assert_close(found.unbiased, -0.044329650, 1e-6);
        assert_close(found.biased, 0.122504142, 1e-6);
    }

    #[test]
    fn agrees_with_numpy() {
        let cases: Value = serde_json::from_str(include_str!("../../tests/fixtures/scores/mmd.json")).unwrap();
        for case in cases.as_array().unwrap() {
            let settings = MmdSettings { sigma: case["sigma"].as_f64().unwrap(), ..MmdSettings::default() };
            let found = discrepancy(&rows(&case["first"]), &rows(&case["second"]), &settings);
            assert_close(found.unbiased, case["unbiased"].as_f64().unwrap(), 1e-6);
            assert_close(found.biased, case["biased"].as_f64().unwrap(), 1e-6);
        }
    }

    #[test]
    fn equal_distributions_are_near_and_others_are_not() {
        let (first, second) = (normals(1, 800, 5), normals(2, 700, 5));
        let near = discrepancy(&first, &second, &MmdSettings::default());
        assert!(near.unbiased.abs() < 0.01, "{near:?}");
        assert!(discrepancy(&first, &first, &MmdSettings::default()).biased.abs() < 1e-12);
        let wide = Codes { latent: 5, values: second.values.iter().map(|value| value * 2.0).collect() };
        assert!(discrepancy(&first, &wide, &MmdSettings::default()).unbiased > 0.2);
        // Codes of a dead axis: far from the prior.
        let dead = Codes { latent: 5, values: vec![0.0; 500] };
        assert!(discrepancy(&dead, &second, &MmdSettings::default()).unbiased > 0.5);
        // The kernel grows with sigma as the vectors do.
        let twice = discrepancy(
            &Codes { latent: 5, values: first.values.iter().map(|value| value * 2.0).collect() },
            &wide,
            &MmdSettings { sigma: 2.0, ..MmdSettings::default() },
        );
        assert_close(twice.unbiased, near.unbiased, 1e-9);
    }

    #[test]
    fn wrong_inputs_are_errors() {
        let set = normals(1, 10, 2);
        let settings = MmdSettings::default();
        let score = |first: &Codes, second: &Codes| maximum_mean_discrepancy(first, second, &settings);
        assert!(score(&set, &normals(1, 1, 2)).is_err());
        assert!(score(&set, &normals(1, 10, 1)).is_err());
        assert!(score(&set, &Codes { latent: 0, values: vec![] }).is_err());
        assert!(score(&set, &Codes { latent: 2, values: vec![f32::NAN; 4] }).is_err());
        let settings = [(0.0, vec![1.0]), (f64::NAN, vec![1.0]), (1.0, vec![]), (1.0, vec![-1.0])];
        for (sigma, scales) in settings {
            assert!(maximum_mean_discrepancy(&set, &set, &MmdSettings { sigma, scales }).is_err());
        }
    }
}
