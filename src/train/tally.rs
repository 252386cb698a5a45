//! What an unfinished epoch has come to, so that another process can go on with it.

use super::totals::Totals;

/// What an epoch has come to so far.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    /// Images of the epoch's order that were seen.
    pub(super) seen: usize,
    pub(super) totals: Totals,
    /// Sum of the images' losses.
    pub(super) loss: f64,
    /// Sum of the steps' gradient norms.
    pub(super) norm: f64,
    pub(super) steps: f64,
    pub(super) seconds: f64,
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
        Tally { seen: 0, totals: Totals::new(latent), loss: 0.0, norm: 0.0, steps: 0.0, seconds: 0.0 }
    }

    /// All of it as numbers, from which [`Tally::from_numbers`] makes the same again.
    pub(super) fn numbers(&self) -> Vec<f64> {
        let mut numbers = vec![self.seen as f64, self.loss, self.norm, self.steps, self.seconds];
        numbers.extend(self.totals.numbers());
        numbers
    }

    /// What [`Tally::numbers`] gave, where it is as many numbers as it has with that many latent axes.
    pub(super) fn from_numbers(latent: usize, numbers: &[f64]) -> Option<Tally> {
        let &[seen, loss, norm, steps, seconds, ref totals @ ..] = numbers else { return None };
        let totals = Totals::from_numbers(latent, totals)?;
        Some(Tally { seen: seen as usize, totals, loss, norm, steps, seconds })
    }
}
