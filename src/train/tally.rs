//! What an unfinished epoch has come to, so that another process can go on with it.

use super::measure::Sums;
use crate::metrics::Split;

/// What an epoch has come to so far.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    /// Images of the epoch's order that were seen.
    pub(super) seen: usize,
    pub(super) seconds: f64,
    pub(super) sums: Sums,
}

/// Where training is, but for the weights and the optimiser's arrays.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Position {
    /// Epochs finished.
    pub epoch: u64,
    /// Steps taken.
    pub steps: u64,
    /// What the epoch after those has come to so far; empty before its first step.
    pub tally: Vec<f64>,
}

impl Tally {
    pub(super) fn new(latent: usize) -> Tally {
        Tally { seen: 0, seconds: 0.0, sums: Sums::new(Split::Train, latent) }
    }

    /// All of it as numbers, from which [`Tally::from_numbers`] makes the same again.
    pub(super) fn numbers(&self) -> Vec<f64> {
        [self.seen as f64, self.seconds].into_iter().chain(self.sums.numbers()).collect()
    }

    /// What [`Tally::numbers`] gave, where it has the sums of this version's measures with that many latent axes.
    pub(super) fn from_numbers(latent: usize, numbers: &[f64]) -> Option<Tally> {
        let &[seen, seconds, ref sums @ ..] = numbers else { return None };
        Some(Tally { seen: seen as usize, seconds, sums: Sums::from_numbers(Split::Train, latent, sums)? })
    }
}
