//! The sets of images of a trial: training, validation and test.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A set of images of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// The training images. Their metrics are means over the epoch, while the weights change.
    Train,
    /// The held-out images. Their metrics are measured with the weights at the end of the epoch.
    Validation,
    /// The held-out images that nothing selects by. Only the evaluation stage measures them.
    Test,
}

impl Split {
    /// The splits that are measured after each epoch, in the order of the tables.
    pub const OF_EPOCHS: [Split; 2] = [Split::Train, Split::Validation];

    /// Every split, in the order of the tables.
    pub const ALL: [Split; 3] = [Split::Train, Split::Validation, Split::Test];

    /// `train`, `validation` or `test`: the value of the tables' `split` column, and a part of TensorBoard tags.
    pub const fn name(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Validation => "validation",
            Split::Test => "test",
        }
    }

    /// `training`, `validation` or `test`: its name in a sentence.
    pub fn in_words(self) -> &'static str {
        match self {
            Split::Train => "training",
            Split::Validation => "validation",
            Split::Test => "test",
        }
    }

    /// The split of epochs with a name; `None` if there is none.
    pub fn of_name(name: &str) -> Option<Split> {
        Split::OF_EPOCHS.into_iter().find(|split| split.name() == name)
    }
}
