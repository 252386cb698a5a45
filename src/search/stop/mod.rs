//! Which settings go on training, and which are stopped early. A rung is a number of epochs at which settings are compared. Lower
//! values are better; a setting without a value (`None`, or not a number) has failed.

mod asha;
mod halving;
mod median;

pub use asha::promotable;
pub use halving::promoted;
pub use median::is_hopeless;

/// The numbers of epochs at which settings are compared, and last the number of all epochs: `least`, and each time `factor` times as
/// many.
pub fn rungs(least: u64, factor: u64, epochs: u64) -> Vec<u64> {
    let times = |rung: &u64| rung.checked_mul(factor.max(2));
    let inner = std::iter::successors(Some(least.max(1)), times).take_while(|rung| *rung < epochs);
    inner.chain([epochs]).collect()
}

/// The numbers of some settings, the best first; of equal values, the earlier one. Those without a value are left out.
fn ranked(values: &[Option<f64>]) -> Vec<usize> {
    let value = |setting: &usize| values[*setting].filter(|value| !value.is_nan());
    let mut order: Vec<usize> = (0..values.len()).filter(|setting| value(setting).is_some()).collect();
    // The sort is stable.
    order.sort_by(|one, other| value(one).unwrap_or(f64::NAN).total_cmp(&value(other).unwrap_or(f64::NAN)));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rungs_are_powers_of_the_factor() {
        assert_eq!(rungs(1, 3, 27), [1, 3, 9, 27]);
        assert_eq!(rungs(2, 4, 30), [2, 8, 30]);
        assert_eq!(rungs(5, 3, 16), [5, 15, 16]);
        assert_eq!(rungs(9, 3, 9), [9]);
        assert_eq!(rungs(u64::MAX / 2, 3, u64::MAX), [u64::MAX / 2, u64::MAX]);
    }

    #[test]
    fn equal_values_are_in_the_order_of_the_settings() {
        assert_eq!(ranked(&[Some(2.0), None, Some(1.0), Some(f64::NAN), Some(2.0), Some(-1.0)]), [5, 2, 0, 4]);
    }
}
