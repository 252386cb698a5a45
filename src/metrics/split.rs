//! The sets of images of a trial.

use serde::{Deserialize, Serialize};

/// Which images something is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// The images that are trained on; an epoch's metrics are averages over it, taken as the weights move.
    Train,
    /// The images that are held out; metrics are taken with the weights at the end of the epoch.
    Validation,
}

impl Split {
    /// Every split, in the order of the tables.
    pub const ALL: [Split; 2] = [Split::Train, Split::Validation];

    /// `train` or `validation`: the value of the tables' `split` column, and a part of TensorBoard tags.
    pub fn name(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Validation => "validation",
        }
    }

    /// `training` or `validation`: what its images are called in a sentence.
    pub fn in_words(self) -> &'static str {
        match self {
            Split::Train => "training",
            Split::Validation => "validation",
        }
    }

    /// The split of that name.
    pub fn of_name(name: &str) -> Option<Split> {
        Split::ALL.into_iter().find(|split| split.name() == name)
    }
}
