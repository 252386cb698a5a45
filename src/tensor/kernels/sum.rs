//! Accurate sums over many terms that the compiler can vectorize.

use crate::simd::vectorized;

/// Terms that are computed side by side.
const LANES: usize = 16;

/// The sum of `term(a, b, c)` over three slices of the same length. Terms are `f32`, sums `f64`, so that only the
/// rounding of the terms is lost. The order of the additions is fixed.
#[inline(always)]
pub(crate) fn sum_of(a: &[f32], b: &[f32], c: &[f32], term: impl Fn(f32, f32, f32) -> f32) -> f64 {
    let ((a_chunks, a_rest), (b_chunks, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let (c_chunks, c_rest) = c.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for ((a, b), c) in a_chunks.iter().zip(b_chunks).zip(c_chunks) {
        let mut terms = [0.0; LANES];
        for lane in 0..LANES {
            terms[lane] = term(a[lane], b[lane], c[lane]);
        }
        for lane in 0..LANES {
            sums[lane] += f64::from(terms[lane]);
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).zip(c_rest).map(|((&a, &b), &c)| f64::from(term(a, b, c))).sum();
    sums.iter().sum::<f64>() + rest
}

/// The sum of the squares of some numbers.
pub fn sum_of_squares(values: &[f32]) -> f64 {
    vectorized(
        #[inline(always)]
        || {
            let (chunks, rest) = values.as_chunks::<LANES>();
            let mut sums = [0.0; LANES];
            for chunk in chunks {
                for (sum, &value) in sums.iter_mut().zip(chunk) {
                    *sum += f64::from(value) * f64::from(value);
                }
            }
            sums.iter().sum::<f64>() + rest.iter().map(|&value| f64::from(value) * f64::from(value)).sum::<f64>()
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_term_counts_once() {
        for length in 0..40 {
            let values: Vec<f32> = (1..=length).map(|value| value as f32).collect();
            let sum = sum_of(&values, &values, &values, |a, b, c| a * b + c);
            let expected: f64 = (1..=length).map(|value| f64::from(value * value + value)).sum();
            assert_eq!(sum, expected);
            assert_eq!(sum_of_squares(&values), values.iter().map(|value| f64::from(value * value)).sum::<f64>());
        }
    }

    #[test]
    fn small_terms_are_not_lost() {
        let values = vec![0.1; 1_000_001];
        let sum = sum_of(&values, &values, &values, |a, _, _| a);
        assert!((sum / (1_000_001.0 * f64::from(0.1f32)) - 1.0).abs() < 1e-12);
    }
}
