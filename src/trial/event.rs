//! What a running trial tells whoever started it.

use crate::metrics::Row;
use crate::record::trial::Status;
use crate::train::measure::LOSS;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a running trial tells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Training begins, or goes on from a checkpoint.
    Started {
        /// Epochs that an earlier process finished.
        epochs_done: u64,
        /// Steps that earlier processes took.
        steps_done: u64,
        /// Epochs in all.
        epochs: u64,
        /// Steps in all.
        steps: u64,
        /// Something to know about how it began.
        note: Option<String>,
    },
    /// Some steps were taken.
    Progress {
        /// Epoch, from 1.
        epoch: u64,
        /// Steps taken.
        step: u64,
        /// Mean loss of the epoch so far.
        loss: Option<f64>,
        /// Training images by seconds in this epoch.
        images_per_second: f64,
    },
    /// An epoch ended.
    Epoch {
        /// Epoch, from 1.
        epoch: u64,
        /// Steps taken.
        step: u64,
        /// Training loss; nothing where it is not finite.
        loss: Option<f64>,
        /// Validation loss; nothing where it is not finite.
        validation_loss: Option<f64>,
        /// Of both splits, as [`crate::metrics::named`] names them.
        metrics: BTreeMap<String, Option<f64>>,
        /// Training images by seconds.
        images_per_second: f64,
    },
    /// Another process is at work in the trial's folder, and is waited for.
    Waiting {
        /// Which.
        holder: String,
    },
    /// Something went wrong that costs no training.
    Warning {
        /// What.
        text: String,
    },
    /// The trial ended.
    Ended {
        /// How.
        status: Status,
        /// What went wrong.
        error: Option<String>,
    },
}

/// The loss of a row; `None` where it is not finite.
pub(super) fn finite_loss(row: &Row) -> Option<f64> {
    row.get(LOSS).and_then(finite)
}

/// A number as JSON can have it.
pub(super) fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}
