//! Rounds the numbers of a sweep to decimal digits, with the same result on every system.

use toml::Value;

/// The value as a finite number; `None` if it is not one.
pub(super) fn finite(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(integer) => Some(*integer as f64),
        Value::Float(float) => Some(*float).filter(|float| float.is_finite()),
        _ => None,
    }
}

/// The value as a whole number, which may be written as `2.0`; `None` if it is not one.
pub(super) fn whole_end(value: &Value) -> Option<i64> {
    match value {
        Value::Integer(integer) => Some(*integer),
        // Above 2^53, not every whole number has an exact float.
        Value::Float(float) => {
            Some(*float).filter(|float| float.fract() == 0.0 && float.abs() <= 9e15).map(|f| f as i64)
        }
        _ => None,
    }
}

/// The power of ten of the first digit: -1 for 0.5.
pub(super) fn magnitude(value: f64) -> i32 {
    let text = format!("{value:e}");
    text.split_once('e').and_then(|(_, exponent)| exponent.parse().ok()).unwrap_or(0)
}

/// Rounds to this number of significant digits.
pub(super) fn significant(value: f64, digits: i32) -> f64 {
    // A float has at least 15 exact decimal digits.
    let decimals = (digits - 1).clamp(0, 14) as usize;
    format!("{value:.decimals$e}").parse().unwrap_or(value)
}

/// Rounds to the power of ten `place`: -3 rounds to thousandths.
pub(super) fn to_place(value: f64, place: i32) -> f64 {
    if place > 0 {
        return significant(value, magnitude(value) - place + 1);
    }
    let decimals = place.unsigned_abs() as usize;
    let rounded: f64 = format!("{value:.decimals$}").parse().unwrap_or(value);
    // Turns -0.0 into 0.0.
    rounded + 0.0
}

#[cfg(test)]
mod tests {
    use super::{magnitude, significant, to_place};

    #[test]
    fn numbers_are_rounded_to_digits_and_places() {
        assert_eq!([0.5, 1.0, 999.9, 1e-300, 0.0].map(magnitude), [-1, 0, 2, -300, 0]);
        assert_eq!([significant(0.123456, 4), significant(123456.0, 2)], [0.1235, 120_000.0]);
        let places = [to_place(0.999_954_32, -7), to_place(37_036.8, 1), to_place(-1e-17, -4), to_place(2e-12, -15)];
        assert_eq!(places, [0.999_954_3, 37_040.0, 0.0, 2e-12]);
    }
}
