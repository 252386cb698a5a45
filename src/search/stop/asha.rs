//! Asynchronous successive halving (Li et al. 2018): a setting is promoted as soon as it is among the best of those that have reached
//! its rung so far. So what is promoted depends on the order in which settings reach their rungs.

use super::ranked;

/// The rung and the setting to promote next, from the highest rung to the lowest: one that is among the best 1 / `factor` of its rung
/// and has not been promoted. `rungs` have the values of all settings at each rung, `None` for those that have not reached it or failed;
/// `reached` says how many have reached each, with those that failed there; `promoted` which have been promoted from it.
pub fn promotable(
    rungs: &[Vec<Option<f64>>],
    reached: &[usize],
    promoted: &[Vec<usize>],
    factor: u64,
) -> Option<(usize, usize)> {
    let factor = usize::try_from(factor).unwrap_or(usize::MAX).max(2);
    let of_rung = |rung: usize| {
        let best = ranked(rungs.get(rung)?);
        let count = reached.get(rung)? / factor;
        let gone = promoted.get(rung)?;
        best.into_iter().take(count).find(|setting| !gone.contains(setting)).map(|setting| (rung, setting))
    };
    (0..rungs.len()).rev().find_map(of_rung)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Worked out by hand, with a factor of 2.
    #[test]
    fn the_best_of_a_rung_are_promoted_as_soon_as_there_are_enough() {
        let mut low = vec![Some(5.0), None, None, None, None, None];
        let none = vec![None; 6];
        // One has reached the rung: half of one is none.
        assert_eq!(promotable(&[low.clone(), none.clone()], &[1, 0], &[vec![], vec![]], 2), None);
        low[1] = Some(4.0);
        assert_eq!(promotable(&[low.clone(), none.clone()], &[2, 0], &[vec![], vec![]], 2), Some((0, 1)));
        // Setting 1 is promoted; of three, still only one goes on.
        low[2] = Some(6.0);
        assert_eq!(promotable(&[low.clone(), none.clone()], &[3, 0], &[vec![1], vec![]], 2), None);
        // A better one arrives: two of four go on.
        low[3] = Some(1.0);
        assert_eq!(promotable(&[low.clone(), none.clone()], &[4, 0], &[vec![1], vec![]], 2), Some((0, 3)));
        // Both have reached the second rung, from which one goes on first.
        let high = vec![None, Some(2.0), None, Some(3.0), None, None];
        assert_eq!(promotable(&[low.clone(), high], &[4, 2], &[vec![1, 3], vec![]], 2), Some((1, 1)));
        // One that failed counts as having reached the rung.
        assert_eq!(promotable(&[low, none], &[6, 0], &[vec![1, 3], vec![]], 2), Some((0, 0)));
    }
}
