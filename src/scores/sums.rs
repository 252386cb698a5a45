//! Sums that several scores take, in a fixed order.

/// Independent sums, so that products are summed with vector instructions.
const LANES: usize = 8;

/// The product of two lists.
#[inline(always)]
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; LANES];
    let (a, b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f64 = a.remainder().iter().zip(b.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a.zip(b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f64>() + rest
}

/// The mean and the standard deviation (with n in the denominator) of some values; both 0 if there are none.
///
/// The deviation is exactly 0 if the values differ from their mean by rounding only.
pub(super) fn moments(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let (mut count, mut sum, mut largest) = (0.0, 0.0, 0.0f64);
    for value in values.clone() {
        count += 1.0;
        sum += value;
        largest = largest.max(value.abs());
    }
    if count == 0.0 {
        return (0.0, 0.0);
    }
    let mean = sum / count;
    let variance = values.map(|value| (value - mean) * (value - mean)).sum::<f64>() / count;
    let deviation = variance.sqrt();
    (mean, if deviation > 1e-13 * largest { deviation } else { 0.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_and_moments_are_those_of_the_definition() {
        let a: Vec<f64> = (0..21).map(f64::from).collect();
        assert_eq!(dot(&a, &a), 2870.0);
        assert_eq!(moments([1.0, 2.0, 6.0].into_iter()), (3.0, (14.0f64 / 3.0).sqrt()));
        assert_eq!(moments(std::iter::repeat_n(0.1, 1000)).1, 0.0);
        assert_eq!(moments(std::iter::empty()), (0.0, 0.0));
    }
}
