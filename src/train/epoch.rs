//! How an epoch of training goes on and ends, and its time.

use crate::metrics::Row;
use std::time::Instant;

/// How an epoch ended.
#[derive(Clone, Debug)]
pub enum EpochEnd {
    /// All images were used.
    Finished(Row),
    /// The loss or the gradient is not finite. The metrics are those of the steps so far.
    Diverged(Row),
    /// Training was asked to stop and stopped between two steps. The next call continues there.
    Interrupted,
    /// `train.checkpoint_steps` steps are done, or the caller asked for a pause. The next call continues there.
    Pause,
}

/// The progress of training after a step.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// The epoch, from 1.
    pub epoch: u64,
    /// The number of steps since the start of training.
    pub step: u64,
    /// The mean loss of the epoch so far.
    pub loss: f64,
    /// Training images per second in this epoch.
    pub images_per_second: f64,
}

/// What the reports of steps say.
pub(super) enum Seen {
    /// The loss or the gradient of this step is not finite.
    Diverged(u64),
    Fine {
        /// Whether the caller asks for a pause.
        pause: bool,
    },
}

/// The time of an epoch.
pub(super) struct Clock {
    pub(super) start: Instant,
    /// Seconds before `start`, in other processes.
    pub(super) before: f64,
}

impl Clock {
    pub(super) fn seconds(&self) -> f64 {
        self.before + self.start.elapsed().as_secs_f64()
    }
}
