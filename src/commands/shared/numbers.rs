//! Parsers of numbers on the command line, and their error messages.

use crate::text::grouped;
use std::ops::RangeInclusive;

pub(crate) fn positive(text: &str) -> Result<usize, String> {
    whole_number(text, 1..=1024)
}

pub(crate) fn up_to_a_million(text: &str) -> Result<usize, String> {
    whole_number(text, 1..=1_000_000)
}

pub(crate) fn index(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| "it must be a whole number, 0 or more".to_owned())
}

pub(crate) fn count(text: &str) -> Result<usize, String> {
    whole_number(text, 1..=100_000)
}

pub(crate) fn steps(text: &str) -> Result<usize, String> {
    whole_number(text, 2..=1000)
}

pub(crate) fn not_negative(text: &str) -> Result<f32, String> {
    let number = text.parse().ok().filter(|number: &f32| number.is_finite() && *number >= 0.0);
    number.ok_or_else(|| "it must be a number, 0 or more".to_owned())
}

fn whole_number(text: &str, range: RangeInclusive<usize>) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| range.contains(number));
    number
        .ok_or_else(|| format!("it must be a whole number from {} to {}", grouped(range.start()), grouped(range.end())))
}
