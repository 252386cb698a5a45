//! The Fréchet distance between two sets of feature vectors.
//!
//! Each set is described by its mean and its covariance, with divisor n - 1 (Dowson and Landau 1982; Heusel et al.
//! 2017). It is the FID only for features of the Inception network, which vaex does not have: distances in other
//! features cannot be compared with published FIDs.
//!
//! The trace of the root of the product of two covariances C1 and C2 is the sum of the singular values of A1^T A2, for
//! any A with C = A A^T. Only symmetric eigenvalues are needed, and a singular product needs no special case:
//! `pytorch-fid` adds 1e-6 to the diagonals if `scipy.linalg.sqrtm` fails, and may fail with an imaginary result.

use super::eigen;
use super::input_error::InputError;
use super::points::Codes;
use super::rows;
use crate::tensor::kernels::vectorized;
use rayon::prelude::*;

/// Rows whose products are summed together.
const BLOCK: usize = 256;

/// A normal distribution fitted to feature vectors.
#[derive(Clone, Debug, PartialEq)]
pub struct Gaussian {
    /// The mean, (Features).
    pub mean: Vec<f64>,
    /// The covariance with divisor n - 1, (Features, Features).
    pub covariance: Vec<f64>,
}

/// A squared Fréchet distance and its parts, in squared units of the features.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FrechetDistance {
    /// The distance: the sum of the parts.
    pub distance: f64,
    /// The squared distance of the means.
    pub of_means: f64,
    /// The trace of C1 + C2 - 2 (C1 C2)^(1/2), at least 0.
    pub of_covariances: f64,
}

impl Gaussian {
    /// Fits to feature vectors, (Rows, Features).
    ///
    /// # Errors
    /// There are fewer than 2 rows, or no features, or a number is not finite.
    pub fn fit(features: &Codes) -> Result<Gaussian, InputError> {
        rows::check(features, "feature vectors", 2)?;
        let mean = rows::means(features);
        let covariance = covariance(features, &mean);
        Ok(Gaussian { mean, covariance })
    }

    /// The rows A^T with A A^T = covariance, (Rank, Features). `None` if the eigenvalues do not converge.
    fn root(&self) -> Option<Vec<f64>> {
        let features = self.mean.len();
        let eigen = eigen::eigen(&self.covariance, features)?;
        // Smaller eigenvalues are rounding errors, whose roots would not be small.
        let largest = eigen.values.last().copied().unwrap_or(0.0);
        let least = largest * features as f64 * f64::EPSILON;
        let vectors = eigen.vectors.chunks(features).zip(&eigen.values).filter(|(_, value)| **value > least);
        Some(vectors.flat_map(|(vector, value)| vector.iter().map(|one| one * value.sqrt())).collect())
    }
}

/// The covariance with divisor n - 1, (Features, Features).
fn covariance(codes: &Codes, mean: &[f64]) -> Vec<f64> {
    let (count, features) = (codes.len(), codes.latent);
    let mut covariance = vec![0.0; features * features];
    // The differences from the mean of one block, (Features, Block).
    let mut block = vec![0.0; features * BLOCK];
    for start in (0..count).step_by(BLOCK) {
        let length = BLOCK.min(count - start);
        block.par_chunks_mut(BLOCK).zip(mean).enumerate().for_each(|(feature, (block, mean))| {
            for (at, value) in block[..length].iter_mut().enumerate() {
                *value = f64::from(codes.row(start + at)[feature]) - mean;
            }
        });
        // Blocks are added one after the other, so the order of the sums is fixed.
        covariance.par_chunks_mut(features).enumerate().for_each(|(feature, sums)| {
            vectorized(
                #[inline(always)]
                || {
                    let own = &block[feature * BLOCK..][..length];
                    for (sum, other) in sums.iter_mut().zip(block.chunks(BLOCK)).skip(feature) {
                        *sum += rows::dot(own, &other[..length]);
                    }
                },
            );
        });
    }
    for row in 0..features {
        for column in row..features {
            let value = covariance[row * features + column] / (count - 1) as f64;
            covariance[row * features + column] = value;
            covariance[column * features + row] = value;
        }
    }
    covariance
}

/// The squared Fréchet distance of two sets of feature vectors, (Rows, Features); the sets may differ in size.
///
/// # Errors
/// A set has fewer than 2 rows, or the numbers of features differ or are 0, or a number is not finite.
pub fn frechet_distance(first: &Codes, second: &Codes) -> Result<FrechetDistance, InputError> {
    rows::check_both(first, second, "feature vectors", 2)?;
    between(&Gaussian::fit(first)?, &Gaussian::fit(second)?)
}

/// The squared Fréchet distance of two normal distributions.
///
/// # Errors
/// The numbers of features differ or are 0, or a covariance is not a square matrix of finite numbers, or the distance
/// is not finite.
pub fn between(first: &Gaussian, second: &Gaussian) -> Result<FrechetDistance, InputError> {
    let features = first.mean.len();
    if features != second.mean.len() {
        return Err(InputError::Mismatch { what: "features", expected: features, found: second.mean.len() });
    }
    if features == 0 {
        return Err(InputError::TooFew { what: "features", least: 1, found: 0 });
    }
    let not_defined = InputError::Undefined("a covariance is not a finite square matrix");
    let (first_root, second_root) = rayon::join(|| first.root(), || second.root());
    let roots = [first_root.ok_or(not_defined)?, second_root.ok_or(not_defined)?];
    let trace_of_root = singular_values(&roots, features).ok_or(not_defined)?;
    let trace = |of: &Gaussian| of.covariance.iter().step_by(features + 1).sum::<f64>();
    let of_means: f64 = first.mean.iter().zip(&second.mean).map(|(first, second)| (first - second).powi(2)).sum();
    // Rounding may give less than 0 for equal covariances.
    let of_covariances = (trace(first) + trace(second) - 2.0 * trace_of_root).max(0.0);
    let distance = of_means + of_covariances;
    if !distance.is_finite() {
        return Err(InputError::Undefined("the features are not finite or too large"));
    }
    Ok(FrechetDistance { distance, of_means, of_covariances })
}

/// The sum of the singular values of the products of the rows of two matrices, (Rank, Features) each.
fn singular_values([first, second]: &[Vec<f64>; 2], features: usize) -> Option<f64> {
    // The smaller matrix of products has no eigenvalues that are 0 because of its shape alone.
    let (few, many) = if first.len() <= second.len() { (first, second) } else { (second, first) };
    let rank = few.len().checked_div(features)?;
    let products = all_products(few, many, features);
    let squares = all_products(&products, &products, many.len().checked_div(features)?);
    Some(eigen::eigenvalues(&squares, rank)?.iter().map(|value| value.max(0.0).sqrt()).sum())
}

/// The product of each row of `first` with each row of `second`, rows having `length` numbers: (First, Second).
fn all_products(first: &[f64], second: &[f64], length: usize) -> Vec<f64> {
    if length == 0 {
        return Vec::new();
    }
    let products = |row: &[f64]| {
        vectorized(
            #[inline(always)]
            || second.chunks(length).map(|other| rows::dot(row, other)).collect::<Vec<f64>>(),
        )
    };
    first.par_chunks(length).map(products).collect::<Vec<_>>().concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scores::testing::{assert_close, normals, on_threads, rows};
    use serde_json::Value;

    #[test]
    fn agrees_with_scipy() {
        let cases: Value = serde_json::from_str(include_str!("../../tests/fixtures/scores/frechet.json")).unwrap();
        for case in cases.as_array().unwrap() {
            let (first, second) = (rows(&case["first"]), rows(&case["second"]));
            let found = on_threads(|| frechet_distance(&first, &second).unwrap());
            let tolerance = case["tolerance"].as_f64().unwrap();
            assert_close(found.distance, case["distance"].as_f64().unwrap(), tolerance);
            assert_close(found.of_means, case["of_means"].as_f64().unwrap(), 1e-12);
            assert_close(frechet_distance(&second, &first).unwrap().distance, found.distance, 1e-9);
        }
    }

    #[test]
    fn equal_sets_have_distance_0() {
        for (count, features) in [(2, 1), (50, 7), (20, 64), (700, 40)] {
            let set = normals(4, count, features);
            let found = frechet_distance(&set, &set).unwrap();
            assert_eq!(found.of_means, 0.0);
            assert!(found.distance < 1e-10 * features as f64, "{found:?}");
        }
    }

    #[test]
    fn a_shift_and_a_scale_give_what_the_formula_says() {
        let set = normals(5, 500, 6);
        let shifted = Codes { latent: 6, values: set.values.iter().map(|value| value + 0.5).collect() };
        assert_close(frechet_distance(&set, &shifted).unwrap().distance, 6.0 * 0.25, 1e-6);
        // The roots of C and 4 C differ by the root of C.
        let scaled = Codes { latent: 6, values: set.values.iter().map(|value| value * 2.0).collect() };
        let trace: f64 = Gaussian::fit(&set).unwrap().covariance.iter().step_by(7).sum();
        assert_close(frechet_distance(&set, &scaled).unwrap().of_covariances, trace, 1e-9);
        // A rotation of both sets changes nothing.
        let rotated = |set: &Codes| {
            let pairs = set.values.chunks(2);
            let values =
                pairs.flat_map(|pair| [0.6 * pair[0] - 0.8 * pair[1], 0.8 * pair[0] + 0.6 * pair[1]]).collect();
            Codes { latent: 6, values }
        };
        let other = normals(8, 300, 6);
        let found = frechet_distance(&rotated(&set), &rotated(&other)).unwrap().distance;
        assert_close(found, frechet_distance(&set, &other).unwrap().distance, 1e-6);
    }

    #[test]
    fn dead_features_change_nothing() {
        let (first, second) = (normals(6, 100, 3), normals(7, 80, 3));
        let with_dead = |set: &Codes| Codes {
            latent: 5,
            values: set.values.chunks(3).flat_map(|row| [2.0, row[0], row[1], -1.0, row[2]]).collect(),
        };
        let found = frechet_distance(&with_dead(&first), &with_dead(&second)).unwrap();
        assert_close(found.distance, frechet_distance(&first, &second).unwrap().distance, 1e-12);
        // All features dead: only the means count.
        let constant = |value: f32| Codes { latent: 2, values: vec![value; 8] };
        assert_eq!(frechet_distance(&constant(1.0), &constant(3.0)).unwrap().distance, 8.0);
    }

    #[test]
    fn wrong_inputs_are_errors() {
        let set = normals(4, 10, 2);
        assert!(frechet_distance(&set, &normals(4, 1, 2)).is_err());
        assert!(frechet_distance(&set, &normals(4, 10, 3)).is_err());
        assert!(frechet_distance(&Codes { latent: 0, values: vec![] }, &set).is_err());
        let mut broken = set.clone();
        broken.values[7] = f32::INFINITY;
        assert_eq!(frechet_distance(&set, &broken), Err(InputError::NotFinite { what: "feature vectors", row: 3 }));
    }
}
