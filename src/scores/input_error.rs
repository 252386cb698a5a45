//! Why a score cannot be computed from its inputs.

use std::error::Error;
use std::fmt;

/// Why a score cannot be computed from its inputs. The texts are fragments that fit after "failed to ...: ".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputError {
    /// A number is NaN or infinite.
    NotFinite {
        /// The input.
        what: &'static str,
        /// The row that the number is in, from 0.
        row: usize,
    },
    /// Two sizes that must be equal are not.
    Mismatch {
        /// What has these sizes.
        what: &'static str,
        /// The size that was expected.
        expected: usize,
        /// The size that was found.
        found: usize,
    },
    /// There are fewer than the score needs.
    TooFew {
        /// What there are too few of.
        what: &'static str,
        /// The number that is needed.
        least: usize,
        /// The number that was found.
        found: usize,
    },
    /// A number is outside its range.
    OutOfRange {
        /// The number.
        what: &'static str,
        /// Its range.
        range: &'static str,
    },
    /// The score is not defined for these inputs.
    Undefined(&'static str),
}

impl fmt::Display for InputError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InputError::NotFinite { what, row } => write!(out, "row {row} of the {what} is not finite"),
            InputError::Mismatch { what, expected, found } => write!(out, "{what}: expected {expected}, found {found}"),
            InputError::TooFew { what, least, found } => write!(out, "at least {least} {what} needed, found {found}"),
            InputError::OutOfRange { what, range } => write!(out, "{what} must be {range}"),
            InputError::Undefined(why) => write!(out, "not defined: {why}"),
        }
    }
}

impl Error for InputError {}
