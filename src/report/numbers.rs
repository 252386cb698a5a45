//! How the report's tables show numbers, and summaries of numbers over seeds.

use crate::scores::statistics::Mean;

/// A metric over the trials that differ only in the seed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Summary {
    /// Number of values, at least one.
    pub(super) count: usize,
    /// Their mean; NaN if a value is NaN.
    pub(super) mean: f64,
    /// Their sample standard deviation, with `count` - 1; `None` for a single value.
    pub(super) deviation: Option<f64>,
}

impl Summary {
    /// `None` if there are no values.
    pub(super) fn of(values: &[f64]) -> Option<Summary> {
        let count = values.len();
        let mean = values.iter().sum::<f64>() / count as f64;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let deviation = (count > 1).then(|| (squares / (count - 1) as f64).sqrt());
        (count > 0).then_some(Summary { count, mean, deviation })
    }

    /// Whether no value is NaN or infinite.
    pub(super) fn is_finite(&self) -> bool {
        self.mean.is_finite() && self.deviation.is_none_or(f64::is_finite)
    }

    /// The 95 % confidence interval of the mean over other seeds, by Student's distribution; `None` for a single value.
    pub(super) fn interval(&self) -> Option<[f64; 2]> {
        let Summary { count, mean, deviation } = *self;
        let interval = Mean { count, mean, deviation }.interval(0.95)?;
        Some([interval.low, interval.high])
    }

    /// The mean and, if there is one, the deviation, rounded to two significant digits of the deviation.
    pub(super) fn text(&self) -> (String, Option<String>) {
        match self.deviation {
            None => (significant(self.mean, 5), None),
            Some(deviation) if deviation.is_finite() && deviation >= 1e-6 => {
                let decimals = decimals(deviation, 2);
                (format!("{:.decimals$}", self.mean), Some(format!("{deviation:.decimals$}")))
            }
            Some(deviation) => (significant(self.mean, 5), Some(significant(deviation, 1))),
        }
    }
}

/// Rounds to significant digits; digits before the decimal point are always kept.
pub fn significant(value: f64, digits: i32) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        small if small < 1e-4 => format!("{value:.*e}", digits.max(1) as usize - 1),
        _ => format!("{value:.*}", decimals(value, digits)),
    }
}

/// Rounds to three significant digits, without trailing zeros.
pub(super) fn short(value: f64) -> String {
    let text = significant(value, 3);
    let (number, exponent) = text.split_at(text.find('e').unwrap_or(text.len()));
    let number = if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { number };
    format!("{number}{exponent}")
}

fn decimals(value: f64, digits: i32) -> usize {
    let leading = value.abs().log10().floor();
    if leading.is_finite() { (digits - 1 - leading as i32).max(0) as usize } else { 0 }
}

/// Rounds to six digits, more than a chart shows; `None` if not finite.
pub(super) fn rounded(value: f64) -> Option<f64> {
    format!("{value:.5e}").parse().ok().filter(|value: &f64| value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::value_text;
    use serde_json::json;

    #[test]
    fn the_deviation_is_that_of_a_sample() {
        let summary = Summary::of(&[1.0, 2.0, 3.0, 4.0]).unwrap();
        assert_eq!((summary.count, summary.mean), (4, 2.5));
        assert!((summary.deviation.unwrap() - (5.0f64 / 3.0).sqrt()).abs() < 1e-15);
        assert_eq!(Summary::of(&[7.0]).unwrap().deviation, None);
        assert_eq!(Summary::of(&[]), None);
    }

    #[test]
    fn summaries_show_the_digits_that_the_deviation_allows() {
        let text = |values: &[f64]| {
            let (mean, deviation) = Summary::of(values).unwrap().text();
            format!("{mean} ± {}", deviation.unwrap_or_default())
        };
        assert_eq!(text(&[-146.9, -147.1]), "-147.00 ± 0.14");
        assert_eq!(text(&[0.18012, 0.18048]), "0.18030 ± 0.00025");
        assert_eq!(text(&[100.0, 150.0]), "125 ± 35");
        assert_eq!(text(&[-150.123456]), "-150.12 ± ");
        assert_eq!(text(&[2.0, 2.0]), "2.0000 ± 0");
        assert_eq!(text(&[1.0, 1.0 + 1e-9]), "1.0000 ± 7e-10");
        assert_eq!(text(&[1.0, f64::NAN]), "NaN ± NaN");
        assert_eq!(text(&[1.0, f64::INFINITY]), "inf ± NaN");
    }

    #[test]
    fn numbers_are_short() {
        let shown = [0.0, 1234567.0, 12345.6, 0.000012345, -0.18012345, f64::NAN, f64::NEG_INFINITY];
        let texts = shown.map(|value| significant(value, 4));
        assert_eq!(texts, ["0", "1234567", "12346", "1.234e-5", "-0.1801", "NaN", "-inf"]);
        assert_eq!([2.0, 1.5, 1234.5, 0.0, f64::NAN].map(short), ["2", "1.5", "1234", "0", "NaN"]);
        assert_eq!([5e-5, 1.5e-6, 1e-9, 3.0].map(short), ["5e-5", "1.5e-6", "1e-9", "3"]);
        let values = [json!(5e-5), json!(0.001), json!(1.0), json!(3), json!("conv"), json!([32, 64]), json!(null)];
        let texts = values.map(|value| value_text(Some(&value)));
        assert_eq!(texts, ["5e-5", "0.001", "1", "3", "conv", "[32,64]", "-"]);
    }
}
