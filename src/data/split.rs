//! The two sets of images of a trial.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which images something is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// The images that are trained on; an epoch's figures are averages over it, taken as the weights move.
    Train,
    /// The images that are held out; figures are taken with the weights at the end of the epoch.
    Validation,
}

impl Split {
    /// `train` or `validation`: the value of the tables' `split` column, and a part of TensorBoard tags.
    pub fn name(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Validation => "validation",
        }
    }
}
