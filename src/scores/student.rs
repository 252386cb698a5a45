//! Student's t distribution: probabilities and quantiles.
//!
//! P(|T| > t) with n degrees of freedom is the incomplete beta function I_x(n/2, 1/2) at x = n / (n + t^2), computed as
//! a continued fraction (Abramowitz and Stegun 26.5.8, 26.7.1) from its convergent side.

use super::normal;

/// Beyond so many degrees of freedom the normal distribution is used: its tails differ by less than t^4 / 1e10 of their
/// probability.
const NORMAL_FROM: f64 = 1e10;
/// The most terms of the continued fraction; it needs about the square root of the degrees of freedom.
const TERMS: u32 = 300_000;

/// P(|T| > |`t`|) for Student's T; `degrees` may be infinite, which is the normal distribution. The relative error is
/// below 2e-13 up to ten million degrees of freedom. `None` if `t` is NaN or `degrees` is not above 0.
pub fn two_sided(t: f64, degrees: f64) -> Option<f64> {
    if t.is_nan() || degrees.is_nan() || degrees <= 0.0 {
        return None;
    }
    let t = t.abs();
    if degrees >= NORMAL_FROM {
        return Some(2.0 * normal::above(t));
    }
    let square = t * t / degrees;
    if square.is_infinite() {
        // The tail is a power of t.
        let log = 0.5 * degrees * (degrees.ln() - 2.0 * t.ln()) + log_ratio(0.5 * degrees) - (0.5 * degrees).ln();
        return Some((log - 0.5 * std::f64::consts::PI.ln()).exp());
    }
    let (a, b) = (0.5 * degrees, 0.5);
    // x = 1 / (1 + square) and 1 - x, without a difference.
    let (x, rest) = (1.0 / (1.0 + square), square / (1.0 + square));
    // x^a (1 - x)^b / B(a, b)
    let log_front = -a * square.ln_1p() + b * rest.ln() + log_ratio(a) - 0.5 * std::f64::consts::PI.ln();
    let front = log_front.exp();
    let tail = if x < (a + 1.0) / (a + b + 2.0) {
        front * continued_fraction(x, rest, a, b)
    } else {
        1.0 - front * continued_fraction(rest, x, b, a)
    };
    Some(tail.clamp(0.0, 1.0))
}

/// P(T <= `t`) for Student's T; see [`two_sided`].
pub fn below(t: f64, degrees: f64) -> Option<f64> {
    let half = 0.5 * two_sided(t, degrees)?;
    Some(if t > 0.0 { 1.0 - half } else { half })
}

/// The t with P(|T| > t) = `probability`: the critical value of a two-sided test. `degrees` may be infinite. `None` if
/// `probability` is not between 0 and 1, or `degrees` is not above 0, or t is too large for a number.
pub fn critical(probability: f64, degrees: f64) -> Option<f64> {
    if !(probability > 0.0 && probability < 1.0) {
        return None;
    }
    let is_above = |t: f64| two_sided(t, degrees).map(|tail| tail > probability);
    let (mut low, mut high) = (0.0, 1.0);
    while is_above(high)? {
        (low, high) = (high, high * 2.0);
        if high == f64::INFINITY {
            return None;
        }
    }
    // Bisection to neighboring numbers.
    loop {
        let middle = low + 0.5 * (high - low);
        if middle <= low || middle >= high {
            return Some(high);
        }
        if is_above(middle)? { low = middle } else { high = middle }
    }
}

/// The t with P(T <= t) = `probability`, which is between 0 and 1; see [`critical`].
pub fn quantile(probability: f64, degrees: f64) -> Option<f64> {
    if probability == 0.5 {
        return two_sided(0.0, degrees).map(|_| 0.0);
    }
    let tail = probability.min(1.0 - probability);
    let size = critical(2.0 * tail, degrees)?;
    Some(if probability < 0.5 { -size } else { size })
}

/// ln(Gamma(a + 1/2) / Gamma(a)), with an absolute error of about 1e-15, for `a` above 0.
fn log_ratio(mut a: f64) -> f64 {
    // Gamma(a + 1/2) / Gamma(a) = the same at a + 1, times a / (a + 1/2).
    let mut product = 1.0;
    while a < 20.0 {
        product *= a / (a + 0.5);
        a += 1.0;
    }
    let inverse = 1.0 / a;
    let square = inverse * inverse;
    let series = inverse
        * (-1.0 / 8.0
            + square * (1.0 / 192.0 + square * (-1.0 / 640.0 + square * (17.0 / 14_336.0 - square * 31.0 / 18_432.0))));
    0.5 * a.ln() + series + product.ln()
}

/// The inverse of the continued fraction of the incomplete beta function, by Lentz's method; `y` is 1 - `x`.
///
/// The form is the contracted one of DiDonato and Morris 1992 (BFRAC; `ibeta_fraction2` of Boost). With `y` as an
/// argument it has no difference of nearly equal numbers, which the usual form has for many degrees of freedom: an
/// error of 3e-11 at a million.
fn continued_fraction(x: f64, y: f64, a: f64, b: f64) -> f64 {
    // Keeps a division by 0 away.
    let away = |value: f64| if value.abs() < 1e-300 { 1e-300 } else { value };
    let base = a * y - b * x + 1.0;
    let mut fraction = away(a * base / (a + 1.0));
    let (mut c, mut d) = (fraction, 0.0);
    for term in 1..=TERMS {
        let m = f64::from(term);
        let step = a + 2.0 * m - 1.0;
        let numerator = (a + m - 1.0) / step * (a + b + m - 1.0) * m * (b - m) * x * x / step;
        let denominator = m + m * (b - m) * x / step + (a + m) * (base + m * (1.0 + y)) / (step + 2.0);
        d = 1.0 / away(denominator + numerator * d);
        c = away(denominator + numerator / c);
        let change = c * d;
        fraction *= change;
        if (change - 1.0).abs() <= f64::EPSILON {
            break;
        }
    }
    1.0 / fraction
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scores::testing::assert_close;
    use serde_json::Value;

    #[test]
    fn probabilities_and_quantiles_are_those_of_scipy() {
        let cases: Value = serde_json::from_str(include_str!("../../tests/fixtures/scores/student.json")).unwrap();
        for case in cases["tails"].as_array().unwrap() {
            let [t, degrees, expected] = ["t", "degrees", "two_sided"].map(|name| case[name].as_f64().unwrap());
            let found = two_sided(t, degrees).unwrap();
            assert!((found / expected - 1.0).abs() < 2e-13, "{t} {degrees}: {found:e} {expected:e}");
        }
        for case in cases["quantiles"].as_array().unwrap() {
            let [probability, degrees, expected] =
                ["probability", "degrees", "quantile"].map(|name| case[name].as_f64().unwrap());
            assert_close(quantile(probability, degrees).unwrap(), expected, 1e-10);
        }
    }

    #[test]
    fn closed_forms() {
        for t in [0.0, 1e-8, 0.3, 1.0, 5.0, 1e3, 1e9] {
            // 1 and 2 degrees of freedom.
            let expected = 1.0 - std::f64::consts::FRAC_2_PI * f64::atan(t);
            assert!((two_sided(t, 1.0).unwrap() - expected).abs() < 1e-15 + 1e-13 * expected);
            let root = (2.0 + t * t).sqrt();
            let expected = 2.0 / (root * (root + t));
            assert!((two_sided(t, 2.0).unwrap() / expected - 1.0).abs() < 1e-13, "{t}");
        }
        assert_close(critical(0.05, f64::INFINITY).unwrap(), 1.959_963_984_540_054, 1e-13);
        assert_close(critical(0.05, 1.0).unwrap(), 12.706_204_736_174_698, 1e-13);
        assert_eq!(quantile(0.5, 3.0), Some(0.0));
        assert_close(below(-1.0, 1.0).unwrap(), 0.25, 1e-15);
        assert_close(below(1.0, 1.0).unwrap(), 0.75, 1e-15);
        // Tails far out are powers of t.
        assert!((two_sided(1e200, 0.5).unwrap() / two_sided(1e20, 0.5).unwrap() * 1e90 - 1.0).abs() < 1e-9);
    }

    #[test]
    fn quantiles_invert_probabilities() {
        for degrees in [0.3, 1.0, 2.0, 4.5, 30.0, 1e4, 1e6, 1e11] {
            for probability in [1e-12, 0.01, 0.3, 0.6, 0.999] {
                let found = below(quantile(probability, degrees).unwrap(), degrees).unwrap();
                assert!((found / probability - 1.0).abs() < 1e-11, "{degrees} {probability}: {found}");
            }
        }
    }

    #[test]
    fn what_does_not_exist_is_none() {
        assert_eq!([two_sided(f64::NAN, 1.0), two_sided(1.0, 0.0), two_sided(1.0, f64::NAN)], [None; 3]);
        for probability in [0.0, 1.0, -0.1, f64::NAN] {
            assert_eq!([critical(probability, 3.0), quantile(probability, 3.0)], [None; 2]);
        }
        assert_eq!(critical(0.05, -1.0), None);
        assert_eq!(critical(1e-10, 0.01), None);
        assert_eq!(two_sided(f64::INFINITY, 3.0), Some(0.0));
    }
}
