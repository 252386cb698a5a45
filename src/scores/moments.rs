//! Means and covariances in double precision.

/// The mean; 0 of no values.
///
/// The mean of equal `f32` values is exactly that value, so the variance of a constant axis is exactly 0.
pub fn mean<T: Copy + Into<f64>>(values: &[T]) -> f64 {
    values.iter().map(|&value| value.into()).sum::<f64>() / values.len().max(1) as f64
}

/// The covariance of two lists of the same length, with the divisor count - 1; 0 of fewer than two values.
pub fn covariance<A: Copy + Into<f64>, B: Copy + Into<f64>>(first: &[A], second: &[B]) -> f64 {
    let (first_mean, second_mean) = (mean(first), mean(second));
    let products = first.iter().zip(second).map(|(&a, &b)| (a.into() - first_mean) * (b.into() - second_mean));
    products.sum::<f64>() / first.len().saturating_sub(1).max(1) as f64
}

/// The mean of the values that exist; `None` if none exists.
pub fn mean_of_some(values: &[Option<f64>]) -> Option<f64> {
    let existing: Vec<f64> = values.iter().flatten().copied().collect();
    if existing.is_empty() { None } else { Some(mean(&existing)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_of_small_lists() {
        assert_eq!(mean(&[1.0f32, 2.0, 6.0]), 3.0);
        assert_eq!(covariance(&[1.0f32, 2.0, 6.0], &[1u16, 2, 6]), 7.0);
        assert_eq!(
            (mean::<f32>(&[]), covariance::<f32, f32>(&[], &[]), covariance(&[3.0f32], &[3.0f32])),
            (0.0, 0.0, 0.0)
        );
        assert_eq!((mean_of_some(&[None, Some(1.0), Some(3.0)]), mean_of_some(&[None])), (Some(2.0), None));
    }

    #[test]
    fn a_constant_list_has_no_variance() {
        for value in [0.1f32, 1e-30, 3e38, -7.3] {
            let values = vec![value; 10_001];
            assert_eq!(mean(&values), f64::from(value));
            assert_eq!(covariance(&values, &values), 0.0);
        }
    }
}
