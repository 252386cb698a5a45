//! Settings that do not depend on results: drawn at random, or spread evenly.

use super::space::{Setting, Space};

/// A setting with each value drawn at random.
pub fn drawn(space: &Space, seed: u64, proposal: u64) -> Setting {
    space.iter().map(|axis| Some(axis.domain.at(axis.draws(seed, proposal).share()))).collect()
}

/// One of the settings of a sequence that covers the space evenly: Sobol's, with Owen's scrambling by the seed.
pub fn spread(space: &Space, seed: u64, proposal: u64) -> Setting {
    // The first 32 bits of a hash: any seed gives another scrambling.
    let scrambling = (seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as u32;
    // The sequence has a limited number of axes and of points.
    let share = |axis: usize, proposal: u64| match (u32::try_from(axis), u32::try_from(proposal)) {
        (Ok(axis @ 0..sobol_burley::NUM_DIMENSIONS), Ok(proposal @ 0..=0xFFFF)) => {
            Some(f64::from(sobol_burley::sample(proposal, axis, scrambling)))
        }
        _ => None,
    };
    let value = |(number, axis): (usize, &super::Axis)| {
        let share = share(number, proposal).unwrap_or_else(|| axis.draws(seed, proposal).share());
        Some(axis.domain.at(share))
    };
    space.iter().enumerate().map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::{Axis, Domain};

    fn square() -> Vec<Axis> {
        let unit = Domain::Real { ends: [0.0, 1.0], log: false };
        ["a", "b"].map(|name| Axis { name: name.to_owned(), domain: unit }).into()
    }

    #[test]
    fn settings_depend_on_the_seed_the_key_and_the_number() {
        let space = square();
        let one = drawn(&space, 1, 0);
        assert_eq!(one, drawn(&space, 1, 0));
        assert!(one[0] != one[1] && one != drawn(&space, 1, 1) && one != drawn(&space, 2, 0));
        // Another order of the keys draws the same values.
        let turned: Vec<Axis> = space.iter().rev().cloned().collect();
        assert_eq!(drawn(&turned, 1, 0), one.into_iter().rev().collect::<Vec<_>>());
    }

    #[test]
    fn a_spread_has_one_setting_in_each_part() {
        for seed in 0..5 {
            let settings: Vec<Setting> = (0..16).map(|number| spread(&square(), seed, number)).collect();
            // One in each of sixteen parts along each key, and in each of the four times four squares.
            for part in [
                |a: f64, _: f64| (16.0 * a) as usize,
                |_, b| (16.0 * b) as usize,
                |a, b| 4 * (4.0 * a) as usize + (4.0 * b) as usize,
            ] {
                let mut found = [0; 16];
                settings.iter().for_each(|setting| found[part(setting[0].unwrap(), setting[1].unwrap())] += 1);
                assert_eq!(found, [1; 16], "{settings:?}");
            }
        }
        assert_ne!(spread(&square(), 0, 3), spread(&square(), 1, 3));
    }
}
