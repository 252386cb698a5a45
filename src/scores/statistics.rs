//! Means with their uncertainty, and tests of a difference of means.

use super::input_error::InputError;
use super::student;

/// The mean of some values and their spread.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mean {
    /// The number of values.
    pub count: usize,
    /// The mean, in the unit of the values.
    pub mean: f64,
    /// The standard deviation, with divisor n - 1, in the unit of the values. `None` for one value.
    pub deviation: Option<f64>,
}

/// A range of values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// A difference of two means and its test against 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// The first mean minus the second, in the unit of the values.
    pub difference: f64,
    /// Its standard error, above 0.
    pub standard_error: f64,
    /// The difference divided by its standard error.
    pub t: f64,
    /// The degrees of freedom of Student's distribution of t if there is no difference.
    pub degrees: f64,
    /// The probability of a t of at least this size, of either sign, if there is no difference.
    pub p_value: f64,
}

impl Mean {
    /// The mean of values: metrics of the seeds of a setting, or numbers of images.
    ///
    /// # Errors
    /// There are no values, or a value is not finite or too large.
    pub fn of(values: &[f64]) -> Result<Mean, InputError> {
        if values.is_empty() {
            return Err(InputError::TooFew { what: "values", least: 1, found: 0 });
        }
        if let Some(row) = values.iter().position(|value| !value.is_finite()) {
            return Err(InputError::NotFinite { what: "values", row });
        }
        let count = values.len();
        // Differences from the first value keep the mean of equal values exact.
        let mean = values[0] + values.iter().map(|value| value - values[0]).sum::<f64>() / count as f64;
        let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
        if !squares.is_finite() {
            return Err(InputError::Undefined("the values are too large"));
        }
        let deviation = (count > 1).then(|| (squares / (count - 1) as f64).sqrt());
        Ok(Mean { count, mean, deviation })
    }

    /// The standard error of the mean: the deviation divided by the square root of the number of values. `None` for one
    /// value.
    pub fn standard_error(&self) -> Option<f64> {
        Some(self.deviation? / (self.count as f64).sqrt())
    }

    /// The two-sided confidence interval of the mean, by Student's distribution: it assumes independent values that are
    /// roughly normal. `level` is the probability that such an interval contains the true mean, like 0.95. `None` for
    /// one value, or if `level` is not between 0 and 1.
    pub fn interval(&self, level: f64) -> Option<Interval> {
        around(self.mean, self.standard_error()?, (self.count - 1) as f64, level)
    }
}

impl Difference {
    fn new(difference: f64, standard_error: f64, degrees: f64) -> Result<Difference, InputError> {
        let t = difference / standard_error;
        let exact = [difference, standard_error, t, degrees].iter().all(|value| value.is_finite());
        let p_value = student::two_sided(t, degrees).filter(|_| exact && standard_error > 0.0);
        let p_value = p_value.ok_or(InputError::Undefined("the standard error of the difference is 0 or too large"))?;
        Ok(Difference { difference, standard_error, t, degrees, p_value })
    }

    /// The two-sided confidence interval of the difference; see [`Mean::interval`].
    pub fn interval(&self, level: f64) -> Option<Interval> {
        around(self.difference, self.standard_error, self.degrees, level)
    }
}

fn around(center: f64, standard_error: f64, degrees: f64, level: f64) -> Option<Interval> {
    let reach = student::critical(1.0 - level, degrees)? * standard_error;
    reach.is_finite().then_some(Interval { low: center - reach, high: center + reach })
}

/// Welch's test: do the means of two groups differ, whose values are independent and may have different variances, like
/// a metric over the seeds of two settings (Welch 1947; degrees of freedom by Satterthwaite).
///
/// # Errors
/// A group has fewer than 2 values, or a value is not finite, or both groups are constant.
pub fn welch(first: &[f64], second: &[f64]) -> Result<Difference, InputError> {
    let [first, second] = [Mean::of(first)?, Mean::of(second)?];
    let variance_of_mean = |mean: &Mean| match mean.standard_error() {
        Some(error) => Ok(error * error),
        None => Err(InputError::TooFew { what: "values of a group", least: 2, found: mean.count }),
    };
    let (a, b) = (variance_of_mean(&first)?, variance_of_mean(&second)?);
    let total = a + b;
    // Relative to the total, so that squares neither overflow nor vanish.
    let (a_share, b_share) = (a / total, b / total);
    let degrees = 1.0 / (a_share * a_share / (first.count - 1) as f64 + b_share * b_share / (second.count - 1) as f64);
    Difference::new(first.mean - second.mean, total.sqrt(), degrees)
}

/// The paired test: is the mean of first - second different from 0, for two numbers of each image, like NLLs under two
/// models. With thousands of images t is nearly a z. It says nothing about other seeds: a difference of two trained
/// models is not one of settings.
///
/// # Errors
/// The numbers of values differ or are below 2, or a value is not finite, or all differences are equal.
pub fn paired(first: &[f64], second: &[f64]) -> Result<Difference, InputError> {
    if first.len() != second.len() {
        return Err(InputError::Mismatch { what: "paired values", expected: first.len(), found: second.len() });
    }
    let differences: Vec<f64> = first.iter().zip(second).map(|(first, second)| first - second).collect();
    let mean = Mean::of(&differences)?;
    match mean.standard_error() {
        Some(error) => Difference::new(mean.mean, error, (mean.count - 1) as f64),
        None => Err(InputError::TooFew { what: "pairs", least: 2, found: mean.count }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scores::testing::{assert_close, numbers};
    use serde_json::Value;

    fn fixture() -> Value {
        serde_json::from_str(include_str!("../../tests/fixtures/scores/statistics.json")).unwrap()
    }

    fn check(found: Difference, case: &Value) {
        for (found, name) in [
            (found.difference, "difference"),
            (found.standard_error, "standard_error"),
            (found.t, "t"),
            (found.degrees, "degrees"),
        ] {
            assert_close(found, case[name].as_f64().unwrap(), 1e-11);
        }
        let expected = case["p_value"].as_f64().unwrap();
        assert!((found.p_value - expected).abs() <= 1e-9 * expected, "{:e} {expected:e}", found.p_value);
        let interval = found.interval(0.95).unwrap();
        assert_close(interval.low, case["low"].as_f64().unwrap(), 1e-10);
        assert_close(interval.high, case["high"].as_f64().unwrap(), 1e-10);
    }

    #[test]
    fn agrees_with_scipy() {
        for case in fixture()["means"].as_array().unwrap() {
            let found = Mean::of(&numbers(&case["values"])).unwrap();
            assert_close(found.mean, case["mean"].as_f64().unwrap(), 1e-13);
            assert_close(found.standard_error().unwrap(), case["standard_error"].as_f64().unwrap(), 1e-13);
            let interval = found.interval(case["level"].as_f64().unwrap()).unwrap();
            assert_close(interval.low, case["low"].as_f64().unwrap(), 1e-10);
            assert_close(interval.high, case["high"].as_f64().unwrap(), 1e-10);
        }
        for case in fixture()["welch"].as_array().unwrap() {
            check(welch(&numbers(&case["first"]), &numbers(&case["second"])).unwrap(), case);
        }
        for case in fixture()["paired"].as_array().unwrap() {
            check(paired(&numbers(&case["first"]), &numbers(&case["second"])).unwrap(), case);
        }
    }

    #[test]
    fn one_value_has_no_spread_and_equal_values_have_none() {
        let one = Mean::of(&[3.0]).unwrap();
        assert_eq!((one.mean, one.deviation, one.standard_error(), one.interval(0.95)), (3.0, None, None, None));
        let equal = Mean::of(&[0.1; 7]).unwrap();
        assert_eq!((equal.mean, equal.deviation), (0.1, Some(0.0)));
        assert_eq!(equal.interval(0.95), Some(Interval { low: 0.1, high: 0.1 }));
        assert_eq!(Mean::of(&[1.0, 2.0]).unwrap().interval(1.0), None);
    }

    #[test]
    fn the_order_of_the_groups_changes_the_sign() {
        let (first, second) = ([1.0, 2.0, 4.0], [2.5, 3.0, 3.5, 9.0]);
        let (forwards, backwards) = (welch(&first, &second).unwrap(), welch(&second, &first).unwrap());
        assert_eq!((forwards.t, forwards.p_value), (-backwards.t, backwards.p_value));
        // One constant group: the other one has all degrees of freedom.
        assert_eq!(welch(&[1.0, 1.0], &second).unwrap().degrees, 3.0);
    }

    #[test]
    fn wrong_inputs_are_errors() {
        assert!(Mean::of(&[]).is_err() && Mean::of(&[1.0, f64::NAN]).is_err() && Mean::of(&[1e200, -1e200]).is_err());
        assert!(welch(&[1.0], &[1.0, 2.0]).is_err());
        assert!(welch(&[1.0, 1.0], &[2.0, 2.0]).is_err());
        assert!(paired(&[1.0, 2.0], &[1.0]).is_err());
        assert!(paired(&[1.0], &[2.0]).is_err());
        assert!(paired(&[1.0, 2.0], &[0.0, 1.0]).is_err());
        assert!(paired(&[1.0, f64::INFINITY], &[0.0, 1.0]).is_err());
    }
}
