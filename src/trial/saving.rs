//! When the state of training is saved, and when pictures are drawn: both cost a small share of the time.

use std::time::{Duration, Instant};

/// Work of this time is lost at most, if saving is cheap.
const LOST: Duration = Duration::from_secs(5);
/// The work between two times of saving takes at least this number of times as long as saving.
const SHARE: u32 = 100;

/// Work of this time is saved even where saving is slow, or was slow once.
const MOST: Duration = Duration::from_secs(600);

/// What saving costs, and the work that is not saved.
pub(super) struct Saving {
    /// The end of the last saving, or the start of this process's training.
    since: Instant,
    /// How long the last saving took.
    cost: Duration,
}

impl Saving {
    /// Nothing is there to be saved.
    pub(super) fn new() -> Saving {
        Saving { since: Instant::now(), cost: Duration::ZERO }
    }

    /// Whether to lose the work since the last saving would cost more than a few seconds, and far more than to save it.
    pub(super) fn is_due(&self) -> bool {
        is_due(self.since.elapsed(), self.cost)
    }

    /// Calls `save`, and measures what it costs.
    pub(super) fn measure<T>(save: impl FnOnce() -> T) -> (Saving, T) {
        let start = Instant::now();
        let result = save();
        (Saving { since: Instant::now(), cost: start.elapsed() }, result)
    }
}

fn is_due(work: Duration, cost: Duration) -> bool {
    work > LOST && work > (cost * SHARE).min(MOST)
}

/// Pictures take at most this share of the time, apart from the first ones and the last ones.
const DRAWN: u32 = 10;

/// What drawing pictures has cost.
pub(super) struct Drawing {
    /// The start of this process's training.
    start: Instant,
    /// How long all sets of pictures took, and the last one.
    spent: Duration,
    last: Duration,
}

impl Drawing {
    /// No pictures yet.
    pub(super) fn new() -> Drawing {
        Drawing { start: Instant::now(), spent: Duration::ZERO, last: Duration::ZERO }
    }

    /// Whether there is time for another set.
    pub(super) fn is_affordable(&self) -> bool {
        (self.spent + self.last) * DRAWN <= self.start.elapsed()
    }

    /// Takes a set into account whose drawing began at `start`.
    pub(super) fn add(&mut self, start: Instant) {
        self.last = start.elapsed();
        self.spent += self.last;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_saved_when_losing_it_costs_far_more_than_saving_it() {
        let due = |work: u64, cost: u64| is_due(Duration::from_millis(work), Duration::from_millis(cost));
        assert!(!due(4_999, 0) && due(5_001, 0) && due(5_001, 50));
        assert!(!due(5_001, 51) && !due(100_000, 1_000) && due(100_001, 1_000));
        assert!(!due(600_000, 9_000) && due(600_001, 9_000));
    }
}
