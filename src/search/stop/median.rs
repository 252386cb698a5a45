//! The median rule (Golovin et al. 2017): a setting is stopped if its best value so far is worse than the median of others at this point.

/// How many others a median needs.
const ENOUGH: usize = 5;

/// Whether a setting is to be stopped: `best` is its best value so far, `others` are the values of other settings at this number of
/// epochs. Never with fewer than five others.
pub fn is_hopeless(best: f64, others: &[Option<f64>]) -> bool {
    let mut values: Vec<f64> = others.iter().flatten().copied().filter(|value| !value.is_nan()).collect();
    if values.len() < ENOUGH {
        return false;
    }
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let median = 0.5 * (values[middle] + values[values.len() - 1 - middle]);
    best.is_nan() || best > median
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_worse_than_the_median_are_stopped() {
        let others = [Some(4.0), Some(1.0), None, Some(3.0), Some(f64::NAN), Some(2.0), Some(9.0)];
        assert!(is_hopeless(3.1, &others) && !is_hopeless(3.0, &others) && is_hopeless(f64::NAN, &others));
        // With an even number, the median is between two of them.
        let more = [&others[..], &[Some(5.0)]].concat();
        assert!(is_hopeless(3.6, &more) && !is_hopeless(3.5, &more));
        assert!(!is_hopeless(100.0, &others[..5]) && !is_hopeless(100.0, &[]));
    }
}
