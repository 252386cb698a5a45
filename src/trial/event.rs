//! The events that a running trial reports to its caller.

use crate::metrics::{Row, Split};
use crate::record::trial::{Continued, Status};
use crate::train::measure::LOSS;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An event of a running trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Training starts, or resumes from a checkpoint.
    Started {
        /// Epochs that earlier processes finished.
        epochs_done: u64,
        /// Steps that earlier processes took.
        steps_done: u64,
        /// Epochs in total.
        epochs: u64,
        /// Steps in total.
        steps: u64,
        /// The shorter trial whose state training begins with in this process.
        continued: Option<Continued>,
        /// Problems with files of earlier processes.
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
        /// Training images per second in this epoch; `None` if unknown.
        images_per_second: Option<f64>,
    },
    /// An epoch ended.
    Epoch {
        /// Epoch, from 1.
        epoch: u64,
        /// Steps taken.
        step: u64,
        /// Training loss; `None` if not finite.
        loss: Option<f64>,
        /// Validation loss; `None` if not finite.
        validation_loss: Option<f64>,
        /// The metrics of both splits, with the names of [`crate::metrics::named`].
        metrics: BTreeMap<String, serde_json::Value>,
        /// Training images per second; `None` if unknown.
        images_per_second: Option<f64>,
    },
    /// `train.patience` ends training.
    Exhausted {
        /// The last epoch.
        epoch: u64,
        /// The epoch with the lowest validation loss.
        best_epoch: u64,
    },
    /// Another process holds the lock of the trial folder; this one waits for it.
    Waiting {
        /// The process that holds the lock.
        holder: String,
    },
    /// An error that does not stop training.
    Warning {
        /// The error.
        text: String,
    },
    /// A metric of the evaluation is being measured.
    Evaluating {
        /// Its name.
        metric: String,
        /// The split; `None` for all images of the data.
        split: Option<Split>,
        /// The share of the images that is done, from 0 to 1; `None` while a score is computed from their codes.
        share: Option<f64>,
    },
    /// A metric of the evaluation was measured or refused.
    Evaluated {
        /// Its name.
        metric: String,
        /// The split; `None` for all images of the data.
        split: Option<Split>,
        /// Its values, by the names of the columns of trials.parquet.
        values: BTreeMap<String, serde_json::Value>,
        /// Seconds that it took.
        seconds: f64,
        /// Why it has no values.
        refused: Option<String>,
    },
    /// The trial ended.
    Ended {
        /// The trial's status.
        status: Status,
        /// The error that ended the trial.
        error: Option<String>,
    },
}

/// The loss of a row; `None` if not finite.
pub(super) fn finite_loss(row: &Row) -> Option<f64> {
    row.get(LOSS).and_then(finite)
}

/// A number for JSON; `None` if not finite.
pub(super) fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}
