//! A range of numbers in `[sweep.grid]`.

use super::{Reason, TRIAL_LIMIT};
use crate::language::numbers::{finite, magnitude, significant, to_place, whole_end};
use crate::settings::nearest;
use crate::text::grouped;
use toml::Value;

/// A range of numbers, `{ from = 1e-4, to = 1.0, steps = 9, scale = "log" }`.
pub(in crate::language) struct NumberRange {
    from: Value,
    to: Value,
    steps: u64,
    log: bool,
}

/// The keys of a range: name, meaning, and other names.
pub(in crate::language) const KEYS: [(&str, &str, &str); 4] = [
    ("from", "The first number.", "start begin first low min"),
    ("to", "The last number.", "stop end last high max"),
    ("steps", "The number of values.", "num n count number points"),
    ("scale", "Equal differences (linear) or equal ratios (log).", ""),
];

/// The scales of a range; the first is the default.
pub(in crate::language) const SCALES: [&str; 2] = ["linear", "log"];

impl NumberRange {
    /// Reads it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(in crate::language) fn read(table: &toml::Table) -> Result<NumberRange, Reason> {
        if let Some(key) = table.keys().find(|key| !KEYS.iter().any(|(name, ..)| name == key)) {
            let other = KEYS.iter().find(|(_, _, also)| also.split(' ').any(|also| also == key));
            let meant = other.map(|(name, ..)| (*name).to_owned());
            let meant = meant.or_else(|| nearest(key, KEYS.iter().map(|(name, ..)| *name)));
            let help = meant.map(|key| format!("did you mean `{key}`?"));
            return Err((format!("unknown key `{key}` in a range"), help));
        }
        let end = |key: &str| match table.get(key) {
            Some(value) if finite(value).is_some() => Ok(value.clone()),
            _ => Err((format!("a range needs `{key}`, a number"), None)),
        };
        let (from, to) = (end("from")?, end("to")?);
        let steps = table.get("steps").and_then(Value::as_integer).filter(|steps| *steps > 1);
        let steps = steps.ok_or(("a range needs `steps`, a whole number, 2 or more".to_owned(), None))? as u64;
        if steps > TRIAL_LIMIT {
            return Err((format!("`steps` of a range must be at most {}", grouped(TRIAL_LIMIT)), None));
        }
        let [linear, logarithmic] = SCALES;
        let log = match table.get("scale") {
            None => false,
            Some(Value::String(scale)) if scale == linear || scale == logarithmic => scale == logarithmic,
            Some(_) => {
                return Err((format!("`scale` of a range must be \"{linear}\" or \"{logarithmic}\""), None));
            }
        };
        let range = NumberRange { from, to, steps, log };
        let (from, to) = range.ends();
        // Large whole numbers may differ although they are equal as floats.
        let is_point = if range.is_whole() { range.from == range.to } else { from == to };
        if is_point {
            return Err(("`from` and `to` of a range must differ".to_owned(), None));
        }
        if log && (from <= 0.0 || to <= 0.0) {
            return Err(("a range on a logarithmic scale needs `from` and `to` above 0".to_owned(), None));
        }
        Ok(range)
    }

    /// Whether both ends are written as whole numbers.
    pub(in crate::language) fn is_whole(&self) -> bool {
        self.from.is_integer() && self.to.is_integer()
    }

    fn ends(&self) -> (f64, f64) {
        (finite(&self.from).unwrap_or_default(), finite(&self.to).unwrap_or_default())
    }

    /// Number `step` of the range, before rounding.
    fn at(&self, step: u64) -> f64 {
        let (from, to) = self.ends();
        let share = step as f64 / (self.steps - 1) as f64;
        if self.log { (from.ln() + share * (to.ln() - from.ln())).exp() } else { from + share * (to - from) }
    }

    /// The numbers of the range. The first and the last are exactly as written.
    ///
    /// The others are rounded, to keep labels short and to remove the last digits of logarithms, which differ between
    /// systems. On a linear scale, they are rounded to four digits of the step. On a logarithmic scale, they are rounded to
    /// four digits, or, if neighbours differ by less than a thousandth, to three digits of their distance.
    pub(in crate::language) fn numbers(&self) -> Vec<f64> {
        let ((from, to), last) = (self.ends(), self.steps - 1);
        let step = (to - from) / last as f64;
        let ratio = ((to.ln() - from.ln()).abs() / last as f64).exp_m1();
        let digits = if ratio < 1e-3 { 3 - magnitude(ratio) } else { 4 };
        let inner = |number: f64| match self.log {
            true => significant(number, digits),
            false => to_place(number, magnitude(step) - 3),
        };
        let number = |at: u64| match at {
            0 => from,
            _ if at == last => to,
            _ => inner(self.at(at)),
        };
        (0..self.steps).map(number).collect()
    }

    /// The numbers, rounded to whole numbers.
    ///
    /// # Errors
    /// `from` or `to` is not a whole number.
    pub(in crate::language) fn whole(&self) -> Result<Vec<i64>, Reason> {
        let end = |key: &str, value: &Value| {
            if let Value::Float(number) = value
                && number.abs() >= i64::MAX as f64
            {
                return Err((format!("`{key}` of this range must be at most {}", grouped(i64::MAX)), None));
            }
            let help = || Some(format!("write a whole number as `{key}`"));
            whole_end(value)
                .ok_or_else(|| (format!("`{key}` of this range must be a whole number, found `{value}`"), help()))
        };
        let (from, to) = (end("from", &self.from)?, end("to", &self.to)?);
        let last = i128::from(self.steps - 1);
        let number = |step: u64| {
            if self.log && step > 0 && i128::from(step) < last {
                return self.at(step).round() as i64;
            }
            // Rounds half up. 64 bits times the number of steps fit in 128 bits.
            let sum = i128::from(from) * last + i128::from(step) * (i128::from(to) - i128::from(from));
            (2 * sum + last).div_euclid(2 * last) as i64
        };
        Ok((0..self.steps).map(number).collect())
    }
}
