//! Checks of rows of numbers, and sums over rows in a fixed order.

use super::input_error::InputError;
use super::points::Codes;
use crate::tensor::kernels::vectorized;
use rayon::prelude::*;
use std::ops::Range;

/// Rows that one thread sums at a time.
const SUMMED: usize = 4096;

/// Checks that there are at least `least` whole rows, that they have at least one number, and that all numbers are
/// finite.
pub(super) fn check(rows: &Codes, what: &'static str, least: usize) -> Result<(), InputError> {
    if rows.latent == 0 {
        return Err(InputError::TooFew { what: "numbers in a row", least: 1, found: 0 });
    }
    if !rows.values.len().is_multiple_of(rows.latent) {
        let expected = rows.len() * rows.latent;
        return Err(InputError::Mismatch { what: "numbers of whole rows", expected, found: rows.values.len() });
    }
    if rows.len() < least {
        return Err(InputError::TooFew { what, least, found: rows.len() });
    }
    match rows.values.iter().position(|value| !value.is_finite()) {
        Some(at) => Err(InputError::NotFinite { what, row: at / rows.latent }),
        None => Ok(()),
    }
}

/// Checks two sets of rows, which must have the same length of rows.
pub(super) fn check_both(first: &Codes, second: &Codes, what: &'static str, least: usize) -> Result<(), InputError> {
    check(first, what, least)?;
    check(second, what, least)?;
    if first.latent == second.latent {
        return Ok(());
    }
    Err(InputError::Mismatch { what: "numbers in a row", expected: first.latent, found: second.latent })
}

/// Sums over `count` rows, in parallel and in an order that does not depend on the threads. `add` adds the terms of
/// some rows to `length` sums; it is vectorized if it is marked `#[inline(always)]`.
pub(super) fn sums(count: usize, length: usize, add: impl Fn(Range<usize>, &mut [f64]) + Sync) -> Vec<f64> {
    let parts: Vec<Vec<f64>> = (0..count.div_ceil(SUMMED))
        .into_par_iter()
        .map(|part| {
            let mut sums = vec![0.0; length];
            let range = part * SUMMED..count.min((part + 1) * SUMMED);
            vectorized(
                #[inline(always)]
                || add(range, &mut sums),
            );
            sums
        })
        .collect();
    let mut total = vec![0.0; length];
    for part in parts {
        total.iter_mut().zip(part).for_each(|(total, part)| *total += part);
    }
    total
}

/// The mean of each axis over the rows, (Latent).
pub(super) fn means(rows: &Codes) -> Vec<f64> {
    let mut means = sums(
        rows.len(),
        rows.latent,
        #[inline(always)]
        |range, sums| {
            for row in range {
                sums.iter_mut().zip(rows.row(row)).for_each(|(sum, value)| *sum += f64::from(*value));
            }
        },
    );
    means.iter_mut().for_each(|mean| *mean /= rows.len() as f64);
    means
}

/// The population variance of each axis over the rows, (Latent).
pub(super) fn variances(rows: &Codes) -> Vec<f64> {
    let means = means(rows);
    let mut variances = sums(
        rows.len(),
        rows.latent,
        #[inline(always)]
        |range, sums| {
            for row in range {
                for ((sum, mean), value) in sums.iter_mut().zip(&means).zip(rows.row(row)) {
                    let difference = f64::from(*value) - mean;
                    *sum += difference * difference;
                }
            }
        },
    );
    variances.iter_mut().for_each(|variance| *variance /= rows.len() as f64);
    variances
}

/// The sum of products, side by side in a fixed order.
#[inline(always)]
pub(super) fn dot(first: &[f64], second: &[f64]) -> f64 {
    const LANES: usize = 32;
    let (chunks, rest) = first.as_chunks::<LANES>();
    let (other_chunks, other_rest) = second.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (chunk, other) in chunks.iter().zip(other_chunks) {
        for lane in 0..LANES {
            sums[lane] += chunk[lane] * other[lane];
        }
    }
    let rest: f64 = rest.iter().zip(other_rest).map(|(first, second)| first * second).sum();
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scores::testing::{normals, on_threads};

    #[test]
    fn means_and_variances_are_those_of_the_definition() {
        let rows = normals(1, 10_001, 3);
        let (means, variances) = on_threads(|| (means(&rows), variances(&rows)));
        for axis in 0..3 {
            let values: Vec<f64> = (0..rows.len()).map(|row| f64::from(rows.row(row)[axis])).collect();
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64;
            assert!((means[axis] - mean).abs() < 1e-13 && (variances[axis] - variance).abs() < 1e-12);
        }
    }

    #[test]
    fn wrong_rows_are_refused() {
        let rows = |latent, values: &[f32]| Codes { latent, values: values.to_vec() };
        assert!(check(&rows(0, &[]), "codes", 1).is_err());
        assert!(check(&rows(2, &[1.0, 2.0, 3.0]), "codes", 1).is_err());
        assert!(check(&rows(2, &[1.0, 2.0]), "codes", 2).is_err());
        let error = check(&rows(2, &[1.0, 2.0, f32::NAN, 1.0]), "codes", 1).unwrap_err();
        assert_eq!(error.to_string(), "row 1 of the codes is not finite");
        assert!(check_both(&rows(2, &[1.0, 2.0]), &rows(1, &[1.0]), "codes", 1).is_err());
        assert_eq!(check_both(&rows(1, &[2.0]), &rows(1, &[1.0]), "codes", 1), Ok(()));
    }
}
