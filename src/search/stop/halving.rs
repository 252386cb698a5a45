//! Successive halving (Jamieson and Talwalkar 2016): when all settings have reached a rung, the best of them go on.

use super::ranked;

/// The settings of a rung that go on to the next one: the best 1 / `factor` of all that were to reach it, rounded down, but at least
/// one. `values` are those at the rung.
pub fn promoted(values: &[Option<f64>], factor: u64) -> Vec<usize> {
    let factor = usize::try_from(factor).unwrap_or(usize::MAX).max(2);
    let mut best = ranked(values);
    best.truncate((values.len() / factor).max(1));
    best.sort_unstable();
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::stop::rungs;

    /// Worked out by hand: nine settings, rungs of 1, 3 and 9 epochs.
    #[test]
    fn promotions_are_those_of_the_table() {
        // Setting:   0    1    2    3    4    5    6    7    8
        // 1 epoch:   5.0  4.0  9.0  -    3.0  8.0  4.0  7.0  6.0     three of nine: 4, 1, 6
        // 3 epochs:       3.5            2.0       1.5               one of three: 6
        let first = [5.0, 4.0, 9.0, f64::NAN, 3.0, 8.0, 4.0, 7.0, 6.0].map(Some);
        assert_eq!(rungs(1, 3, 9), [1, 3, 9]);
        assert_eq!(promoted(&first, 3), [1, 4, 6]);
        assert_eq!(promoted(&[Some(3.5), Some(2.0), Some(1.5)], 3), [2]);
    }

    #[test]
    fn settings_that_failed_are_not_promoted() {
        assert_eq!(promoted(&[None, Some(1.0), None, None], 2), [1]);
        assert_eq!(promoted(&[None, None], 2), [] as [usize; 0]);
        // At least one goes on.
        assert_eq!(promoted(&[Some(1.0), Some(2.0)], 3), [0]);
    }
}
