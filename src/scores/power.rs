//! How many seeds a comparison of two settings needs.

use super::input_error::InputError;
use super::{normal, student};

/// What a comparison must be able to show.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PowerSettings {
    /// The p value below which a difference counts as significant, two-sided. Default: 0.05.
    pub significance: f64,
    /// The probability that a true difference of this size is found significant. Default: 0.8.
    pub power: f64,
}

impl Default for PowerSettings {
    fn default() -> PowerSettings {
        PowerSettings { significance: 0.05, power: 0.8 }
    }
}

/// Beyond so many seeds the formula for a known deviation is used: it differs by less than two seeds.
const NORMAL_FROM: f64 = 1e6;
/// Steps of the integral over the estimated deviation.
const STEPS: u32 = 2000;

/// The probability that a two-sided t test of two groups of `seeds` values each finds a difference significant, if the
/// true difference is `effect` standard deviations of a value within a group: the tails of the noncentral t
/// distribution with 2 seeds - 2 degrees of freedom, as statsmodels' `TTestIndPower`. The absolute error is below 1e-9.
/// `None` if there are fewer than 2 seeds, or `effect` is not finite, or `significance` is not between 0 and 1.
pub fn power(effect: f64, seeds: u64, significance: f64) -> Option<f64> {
    if seeds < 2 || !effect.is_finite() {
        return None;
    }
    let degrees = 2.0 * seeds as f64 - 2.0;
    let critical = student::critical(significance, degrees)?;
    let center = effect * (0.5 * seeds as f64).sqrt();
    // T = (Z + center) / s, with s^2 a chi square divided by its degrees: the mean over u = ln s of the normal
    // probability that |T| is above the critical value. The density of u falls fast on both sides, where the
    // trapezoidal rule is nearly exact.
    let log_density = |u: f64| degrees * (u - 0.5 * (2.0 * u).exp_m1());
    let (low, high) = (-edge(|u| log_density(-u)), edge(log_density));
    let (mut sum, mut total) = (0.0, 0.0);
    for step in 0..=STEPS {
        let u = low + (high - low) * f64::from(step) / f64::from(STEPS);
        let weight = log_density(u).exp();
        let bound = critical * u.exp();
        sum += weight * (normal::above(bound - center) + normal::above(bound + center));
        total += weight;
    }
    Some((sum / total).clamp(0.0, 1.0))
}

/// Where a function that is 0 at 0 and falls has fallen to -45.
fn edge(function: impl Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = (0.0, 1e-9);
    while function(high) > -45.0 {
        (low, high) = (high, high * 2.0);
    }
    for _ in 0..30 {
        let middle = 0.5 * (low + high);
        if function(middle) > -45.0 { low = middle } else { high = middle }
    }
    high
}

/// The number of seeds that each of two settings needs so that a true `difference` of their means is found significant
/// with the probability that `settings` ask for; `deviation` is the standard deviation over the seeds of a setting,
/// equal in both and in the same unit. At least 2. `None` if the difference is 0, or so small that the number of seeds
/// is beyond 2^53.
///
/// The deviation is usually an estimate from a few seeds itself, so the number is a plan, not a guarantee. Welch's test
/// needs about as many seeds as the t test that is assumed here, because the groups have equal sizes.
///
/// # Errors
/// `difference` or `deviation` is not finite, or `deviation` is negative, or `significance` or `power` is not between 0
/// and 1, or `power` is not above `significance`.
pub fn seeds_needed(difference: f64, deviation: f64, settings: &PowerSettings) -> Result<Option<u64>, InputError> {
    let PowerSettings { significance, power: wanted } = *settings;
    if !difference.is_finite() {
        return Err(InputError::OutOfRange { what: "the difference", range: "a finite number" });
    }
    if !(deviation.is_finite() && deviation >= 0.0) {
        return Err(InputError::OutOfRange { what: "the deviation", range: "a finite number that is not negative" });
    }
    if !(significance > 0.0 && wanted > significance && wanted < 1.0) {
        return Err(InputError::OutOfRange { what: "the power", range: "between the significance, above 0, and 1" });
    }
    if difference == 0.0 {
        return Ok(None);
    }
    let effect = (difference / deviation).abs();
    if effect.is_infinite() {
        return Ok(Some(2));
    }
    let normal = |probability| student::quantile(probability, f64::INFINITY);
    let not_found = InputError::Undefined("the significance or the power is too near to 0 or 1");
    let (critical, reach) = (normal(1.0 - 0.5 * significance), normal(wanted));
    let spread = (critical.ok_or(not_found)? + reach.ok_or(not_found)?) / effect;
    // If the deviation were known.
    let estimate = 2.0 * spread * spread;
    if estimate >= 2f64.powi(53) {
        return Ok(None);
    }
    if estimate > NORMAL_FROM {
        return Ok(Some(estimate.ceil() as u64));
    }
    let is_enough = |seeds: u64| power(effect, seeds, significance).map(|power| power >= wanted).ok_or(not_found);
    // The power grows with the number of seeds: double, then halve.
    let (mut low, mut high) = (1, 2);
    while !is_enough(high)? {
        (low, high) = (high, high * 2);
    }
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if is_enough(middle)? { high = middle } else { low = middle }
    }
    Ok(Some(high))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scores::testing::assert_close;
    use serde_json::Value;

    #[test]
    fn agrees_with_statsmodels() {
        let cases: Value = serde_json::from_str(include_str!("../../tests/fixtures/scores/power.json")).unwrap();
        for case in cases["powers"].as_array().unwrap() {
            let [effect, significance, expected] =
                ["effect", "significance", "power"].map(|name| case[name].as_f64().unwrap());
            let found = power(effect, case["seeds"].as_u64().unwrap(), significance).unwrap();
            assert_close(found, expected, 1e-9);
        }
        for case in cases["seeds_needed"].as_array().unwrap() {
            let [effect, significance, power] =
                ["effect", "significance", "power"].map(|name| case[name].as_f64().unwrap());
            let found = seeds_needed(effect * 3.0, 3.0, &PowerSettings { significance, power }).unwrap();
            assert_eq!(found, Some(case["seeds"].as_u64().unwrap()), "{case}");
        }
    }

    #[test]
    fn ends_of_the_range() {
        let settings = PowerSettings::default();
        assert_eq!(seeds_needed(0.0, 1.0, &settings), Ok(None));
        assert_eq!(seeds_needed(1.0, 0.0, &settings), Ok(Some(2)));
        assert_eq!(seeds_needed(1e300, 1.0, &settings), Ok(Some(2)));
        assert_eq!(seeds_needed(1e-300, 1.0, &settings), Ok(None));
        assert_eq!(seeds_needed(-1.0, 1.0, &settings), seeds_needed(1.0, 1.0, &settings));
        // Where the formulas meet, they agree to two seeds.
        let exact = seeds_needed(0.003_962_4, 1.0, &settings).unwrap().unwrap();
        let formula = seeds_needed(0.003_962, 1.0, &settings).unwrap().unwrap();
        assert!(exact < 1_000_000 && formula > 1_000_000 && formula - exact < 250, "{exact} {formula}");
        // Without a difference, the power is the significance.
        assert_close(power(0.0, 5, 0.05).unwrap(), 0.05, 1e-10);
        assert_close(power(100.0, 5, 0.05).unwrap(), 1.0, 1e-10);
    }

    #[test]
    fn wrong_inputs_are_errors() {
        let settings = PowerSettings::default();
        assert!(seeds_needed(f64::NAN, 1.0, &settings).is_err());
        assert!(seeds_needed(1.0, f64::INFINITY, &settings).is_err());
        assert!(seeds_needed(1.0, -1.0, &settings).is_err());
        for (significance, power) in [(0.0, 0.8), (0.05, 1.0), (0.5, 0.4), (f64::NAN, 0.8), (0.05, f64::NAN)] {
            assert!(seeds_needed(1.0, 1.0, &PowerSettings { significance, power }).is_err());
        }
        assert_eq!([power(1.0, 1, 0.05), power(f64::NAN, 5, 0.05), power(1.0, 5, 1.0)], [None; 3]);
    }
}
