//! Checks of what scores are computed from, and the errors of these checks.

use super::points::{Codes, Factor};
use std::fmt;

/// Why a score cannot be computed from its inputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScoreError {
    /// A code is infinite or not a number.
    NotFinite {
        /// The image with the code.
        image: usize,
        /// The latent axis.
        axis: usize,
    },
    /// The codes are not whole rows.
    PartialCode {
        /// The number of values.
        values: usize,
        /// The number of latent axes.
        latent: usize,
    },
    /// A list does not have one entry per image (or per axis, for KL terms).
    Length {
        /// What the list is.
        list: String,
        /// The number of its entries.
        entries: usize,
        /// The number it should have.
        expected: usize,
    },
    /// A value is not below the size of its factor, or a label not below the number of classes.
    Value {
        /// The factor.
        factor: String,
        /// The value.
        value: usize,
        /// The number of values.
        size: usize,
    },
    /// A mean KL term is infinite or not a number.
    Kl {
        /// The model.
        model: usize,
        /// The latent axis.
        axis: usize,
    },
    /// Two sets of codes differ in their number of latent axes.
    Axes {
        /// The number of axes of the first.
        first: usize,
        /// The number of axes of the second.
        second: usize,
    },
    /// A setting is out of its range.
    Setting {
        /// The setting.
        name: &'static str,
        /// What it must be.
        range: &'static str,
    },
}

impl fmt::Display for ScoreError {
    fn fmt(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ScoreError::NotFinite { image, axis } => {
                write!(text, "the code of image {image} is not finite on axis {axis}")
            }
            ScoreError::PartialCode { values, latent } => {
                write!(text, "{values} values are not whole codes of {latent} axes")
            }
            ScoreError::Length { list, entries, expected } => {
                write!(text, "{list} has {entries} entries, expected {expected}")
            }
            ScoreError::Value { factor, value, size } => {
                write!(text, "{factor} has the value {value}, but only {size} values")
            }
            ScoreError::Kl { model, axis } => {
                write!(text, "the KL term of model {model} is not finite on axis {axis}")
            }
            ScoreError::Axes { first, second } => {
                write!(text, "the codes have different numbers of axes: {first} and {second}")
            }
            ScoreError::Setting { name, range } => write!(text, "`{name}` must be {range}"),
        }
    }
}

impl std::error::Error for ScoreError {}

/// The number of images of some codes and their factors.
///
/// Codes without axes have no values that could be counted: their number is that of the first factor.
///
/// # Errors
/// If a code is not finite, the codes are not whole rows, or a factor has another number of images or a value that is
/// not below its size.
pub fn checked_images(codes: &Codes, factors: &[Factor]) -> Result<usize, ScoreError> {
    check_finite(codes)?;
    let images = match (codes.latent, factors.first()) {
        (0, Some(factor)) => factor.values.len(),
        _ => codes.len(),
    };
    for factor in factors {
        if factor.values.len() != images {
            let list = format!("factor `{}`", factor.name);
            return Err(ScoreError::Length { list, entries: factor.values.len(), expected: images });
        }
        if let Some(&value) = factor.values.iter().find(|&&value| usize::from(value) >= factor.size) {
            let name = format!("factor `{}`", factor.name);
            return Err(ScoreError::Value { factor: name, value: value.into(), size: factor.size });
        }
    }
    Ok(images)
}

/// Checks that codes are whole rows of finite numbers.
pub(super) fn check_finite(codes: &Codes) -> Result<(), ScoreError> {
    let rest = codes.values.len().checked_rem(codes.latent).unwrap_or(codes.values.len());
    if rest != 0 {
        return Err(ScoreError::PartialCode { values: codes.values.len(), latent: codes.latent });
    }
    match codes.values.iter().position(|value| !value.is_finite()) {
        Some(position) => Err(ScoreError::NotFinite { image: position / codes.latent, axis: position % codes.latent }),
        None => Ok(()),
    }
}

/// Checks that a setting is not below its smallest value.
pub(super) fn check_setting(name: &'static str, value: usize, least: Least) -> Result<(), ScoreError> {
    let (smallest, range) = match least {
        Least::One => (1, "at least 1"),
        Least::Two => (2, "at least 2"),
    };
    if value < smallest { Err(ScoreError::Setting { name, range }) } else { Ok(()) }
}

/// The smallest value of a setting.
#[derive(Clone, Copy)]
pub(super) enum Least {
    One,
    Two,
}

/// The share of pairs with equal entries; 0 if there are none.
pub(super) fn accuracy(pairs: impl Iterator<Item = (u32, u32)>) -> f64 {
    let (mut right, mut all) = (0u64, 0u64);
    for (predicted, label) in pairs {
        right += u64::from(predicted == label);
        all += 1;
    }
    if all == 0 { 0.0 } else { right as f64 / all as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn factor(size: usize, values: &[u16]) -> Factor {
        Factor { name: "shape".into(), size, values: values.to_vec() }
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let codes = |latent, values: &[f32]| Codes { latent, values: values.to_vec() };
        let messages = [
            checked_images(&codes(2, &[0.0, 1.0, f32::NAN, 0.0]), &[]),
            checked_images(&codes(2, &[0.0, 1.0, 2.0]), &[]),
            checked_images(&codes(0, &[0.0]), &[]),
            checked_images(&codes(1, &[0.0, 1.0]), &[factor(3, &[1, 2, 0])]),
            checked_images(&codes(1, &[0.0, 1.0]), &[factor(3, &[1, 3])]),
        ]
        .map(|result| result.unwrap_err().to_string());
        assert_eq!(
            messages,
            [
                "the code of image 1 is not finite on axis 0",
                "3 values are not whole codes of 2 axes",
                "1 values are not whole codes of 0 axes",
                "factor `shape` has 3 entries, expected 2",
                "factor `shape` has the value 3, but only 3 values",
            ]
        );
        assert_eq!(checked_images(&codes(0, &[]), &[factor(3, &[1, 2, 0])]), Ok(3));
        assert_eq!(checked_images(&codes(2, &[0.0; 8]), &[]), Ok(4));
    }
}
