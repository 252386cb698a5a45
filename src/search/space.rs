//! The space of a search: the keys, and the values that each can have.

use crate::folder::digest_number;
use crate::random::{Purpose, Stream};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The values of a key.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Domain {
    /// Numbers between two numbers, of which the first is smaller.
    Real {
        /// The ends.
        ends: [f64; 2],
        /// Whether equal ratios are equally far apart; the ends are then above 0.
        log: bool,
    },
    /// Whole numbers between two whole numbers, both included.
    Whole {
        /// The ends.
        ends: [i64; 2],
        /// As in `Real`.
        log: bool,
    },
    /// So many choices, by number from 0.
    Choice(usize),
}

/// A key of a search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Axis {
    /// Its name, from which its random numbers are drawn.
    pub name: String,
    /// Its values.
    pub domain: Domain,
}

/// The keys of a search.
pub type Space = [Axis];

/// The values of a setting, one for each key; `None` for a key that does not apply to it. The number of a choice is a float, and so
/// is a whole number.
pub type Setting = Vec<Option<f64>>;

impl Axis {
    /// The random numbers of a proposal for this key.
    pub(super) fn draws(&self, seed: u64, proposal: u64) -> Draws {
        Draws(Stream::new(seed, Purpose::Search, proposal, digest_number(self.name.as_bytes())))
    }
}

impl Domain {
    /// Its place on a line where equal distances count the same: the logarithm on a logarithmic scale.
    pub(super) fn place(self, value: f64) -> f64 {
        if self.is_log() { libm::log(value) } else { value }
    }

    /// The ends of that line. A whole number has the half below and above it.
    pub(super) fn line(self) -> [f64; 2] {
        match self {
            Domain::Real { ends, .. } => ends.map(|end| self.place(end)),
            Domain::Whole { ends: [low, high], .. } => [low as f64 - 0.5, high as f64 + 0.5].map(|end| self.place(end)),
            Domain::Choice(count) => [-0.5, count as f64 - 0.5],
        }
    }

    /// The value at a place on the line; 0 has no sign.
    pub(super) fn value(self, place: f64) -> f64 {
        let value = if self.is_log() { libm::exp(place) } else { place };
        match self {
            Domain::Real { ends: [low, high], .. } => value.clamp(low, high),
            Domain::Whole { ends: [low, high], .. } => value.round().clamp(low as f64, high as f64) + 0.0,
            Domain::Choice(count) => value.round().clamp(0.0, count.saturating_sub(1) as f64) + 0.0,
        }
    }

    /// The value at a share of the line, from 0 to 1.
    pub fn at(self, share: f64) -> f64 {
        let [low, high] = self.line();
        self.value(low + share * (high - low))
    }

    /// Whether equal ratios are equally far apart.
    pub fn is_log(self) -> bool {
        matches!(self, Domain::Real { log: true, .. } | Domain::Whole { log: true, .. })
    }
}

/// Random numbers in double precision.
pub(super) struct Draws(Stream);

impl Draws {
    /// In [0, 1).
    pub(super) fn share(&mut self) -> f64 {
        self.0.below(1 << 53) as f64 / (1u64 << 53) as f64
    }

    /// A standard normal number.
    pub(super) fn normal(&mut self) -> f64 {
        let radius = libm::sqrt(-2.0 * libm::log(1.0 - self.share()));
        radius * libm::cos(std::f64::consts::TAU * self.share())
    }

    /// The number of one of these weights, drawn in proportion to them.
    pub(super) fn weighted(&mut self, weights: &[f64]) -> usize {
        let mut rest = self.share() * weights.iter().sum::<f64>();
        let is_chosen = |weight: &f64| {
            rest -= weight;
            rest < 0.0
        };
        weights.iter().position(is_chosen).unwrap_or(weights.len().saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_in_their_domain() {
        let all = [
            Domain::Real { ends: [-1.0, 3.0], log: false },
            Domain::Real { ends: [1e-4, 1.0], log: true },
            Domain::Whole { ends: [-2, 5], log: false },
            Domain::Whole { ends: [1, 1000], log: true },
            Domain::Choice(3),
        ];
        let ends: Vec<[f64; 2]> = all.iter().map(|domain| [0.0, 1.0].map(|share| domain.at(share))).collect();
        for (found, expected) in ends.iter().zip([[-1.0, 3.0], [1e-4, 1.0], [-2.0, 5.0], [1.0, 1000.0], [0.0, 2.0]]) {
            let near = |(found, expected): (&f64, f64)| (found - expected).abs() <= 1e-15 * expected.abs();
            assert!(found.iter().zip(expected).all(near), "{ends:?}");
        }
        assert!((all[1].at(0.5) - 0.01).abs() < 1e-15);
        // Equal shares of the line belong to each whole number, and to each choice.
        for (domain, count) in [(all[2], 8), (all[4], 3)] {
            let mut found = [0; 8];
            let first = domain.at(0.0);
            (0..2400).for_each(|step| found[(domain.at((f64::from(step) + 0.5) / 2400.0) - first) as usize] += 1);
            assert!(found[..count].iter().all(|times| *times == 2400 / count), "{found:?}");
        }
    }

    #[test]
    fn draws_have_their_distribution() {
        let mut draws = Axis { name: "a".to_owned(), domain: Domain::Choice(2) }.draws(3, 7);
        let normals: Vec<f64> = (0..20_000).map(|_| draws.normal()).collect();
        let mean = normals.iter().sum::<f64>() / 20_000.0;
        let square = normals.iter().map(|value| value * value).sum::<f64>() / 20_000.0;
        assert!(mean.abs() < 0.03 && (square - 1.0).abs() < 0.04, "{mean} {square}");
        let mut found = [0u32; 3];
        (0..20_000).for_each(|_| found[draws.weighted(&[1.0, 0.0, 3.0])] += 1);
        assert!(found[1] == 0 && (f64::from(found[2]) / 20_000.0 - 0.75).abs() < 0.02, "{found:?}");
    }
}
