//! The sums of an unfinished epoch, with which another process can resume it.

use super::measure::Sums;
use crate::metrics::Split;

/// The sums of an epoch so far.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    /// The number of images that were used.
    pub(super) seen: usize,
    pub(super) seconds: f64,
    pub(super) sums: Sums,
}

/// The position of training: everything except the weights and the arrays of the optimizer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Position {
    /// The number of finished epochs.
    pub epoch: u64,
    /// The number of steps.
    pub steps: u64,
    /// The sums of the next epoch so far; empty before its first step.
    pub tally: Vec<f64>,
}

impl Position {
    /// Whether it is the end of an epoch.
    pub fn is_end_of(&self, epoch: u64) -> bool {
        self.epoch == epoch && self.tally.is_empty()
    }
}

impl Tally {
    pub(super) fn new(latent: usize) -> Tally {
        Tally { seen: 0, seconds: 0.0, sums: Sums::new(Split::Train, latent) }
    }

    /// All values as numbers, for [`Tally::from_numbers`].
    pub(super) fn numbers(&self) -> Vec<f64> {
        [self.seen as f64, self.seconds].into_iter().chain(self.sums.numbers()).collect()
    }

    /// The inverse of [`Tally::numbers`]; `None` if the numbers do not fit the metrics of this version of vaex and the number of
    /// latent axes.
    pub(super) fn from_numbers(latent: usize, numbers: &[f64]) -> Option<Tally> {
        let &[seen, seconds, ref sums @ ..] = numbers else { return None };
        Some(Tally { seen: seen as usize, seconds, sums: Sums::from_numbers(Split::Train, latent, sums)? })
    }
}
