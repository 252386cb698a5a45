//! The sets of images of a trial: training and validation.

use serde::{Deserialize, Serialize};

/// A set of images of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// The training images. Their metrics are means over the epoch, while the weights change.
    Train,
    /// The held-out images. Their metrics are measured with the weights at the end of the epoch.
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

    /// `training` or `validation`: its name in a sentence.
    pub fn in_words(self) -> &'static str {
        match self {
            Split::Train => "training",
            Split::Validation => "validation",
        }
    }

    /// The split with a name; `None` if there is none.
    pub fn of_name(name: &str) -> Option<Split> {
        Split::ALL.into_iter().find(|split| split.name() == name)
    }
}
