//! Squared Euclidean distances between all pairs of rows of two sets.
//!
//! They are sums of squared differences, not |a|^2 - 2 a b + |b|^2, which loses digits for near neighbors. The distance
//! of two rows is the same to the bit in either order, and in every arrangement of the rows. Differences beyond 1e19
//! count as infinite.

use super::points::Codes;
use crate::tensor::kernels::vectorized;
use rayon::prelude::*;

/// Columns whose distances are computed side by side: the largest number of distances that `see` gets.
pub(super) const LANES: usize = 32;
/// Rows that share what is loaded for a column.
const TOGETHER: usize = 4;
/// Squares that are summed in single precision before the sum is added in double precision.
const SUMMED: usize = 64;
/// Rows of the work of one thread at a time; a multiple of [`TOGETHER`].
const ROWS: usize = 64;

/// For each row of `rows`, a result of type `T`, which starts as `start` and sees the squared distances to all rows of
/// `columns`: `see(result, row, first column, distances)`, columns in order, up to [`LANES`] at a time; `see` is
/// vectorized if it is marked `#[inline(always)]`. The two sets must have the same length of rows.
pub(super) fn by_row<T: Clone + Send + Sync>(
    rows: &Codes,
    columns: &Codes,
    start: &T,
    see: impl Fn(&mut T, usize, usize, &[f64]) + Sync,
) -> Vec<T> {
    let mut results = vec![start.clone(); rows.len()];
    results.par_chunks_mut(ROWS).enumerate().for_each(|(group, results)| {
        let mut panel = vec![[0.0; LANES]; columns.latent];
        for column in (0..columns.len()).step_by(LANES) {
            let count = LANES.min(columns.len() - column);
            transpose(columns, column, count, &mut panel);
            vectorized(
                #[inline(always)]
                || {
                    for (at, results) in results.chunks_mut(TOGETHER).enumerate() {
                        let first = group * ROWS + at * TOGETHER;
                        // The last rows are repeated where fewer are left.
                        let together = std::array::from_fn(|one| rows.row(first + one.min(results.len() - 1)));
                        let distances = tile(together, &panel);
                        for (one, (result, distances)) in results.iter_mut().zip(&distances).enumerate() {
                            see(result, first + one, column, &distances[..count]);
                        }
                    }
                },
            );
        }
    });
    results
}

/// Writes `count` rows from `first` on as columns, (Latent, Lanes).
fn transpose(rows: &Codes, first: usize, count: usize, panel: &mut [[f32; LANES]]) {
    for lane in 0..count {
        for (column, value) in panel.iter_mut().zip(rows.row(first + lane)) {
            column[lane] = *value;
        }
    }
}

/// Adds the squares of the differences of a value from the values of a column.
#[inline(always)]
fn add_squares(sums: &mut [f32; LANES], value: f32, column: &[f32; LANES]) {
    for lane in 0..LANES {
        let difference = value - column[lane];
        sums[lane] += difference * difference;
    }
}

/// The squared distances of a few rows to the columns of a panel.
#[inline(always)]
fn tile(rows: [&[f32]; TOGETHER], panel: &[[f32; LANES]]) -> [[f64; LANES]; TOGETHER] {
    let mut total = [[0.0; LANES]; TOGETHER];
    for start in (0..panel.len()).step_by(SUMMED) {
        let panel = &panel[start..panel.len().min(start + SUMMED)];
        let rows = rows.map(|row| &row[start..start + panel.len()]);
        let [mut a, mut b, mut c, mut d] = [[0.0f32; LANES]; TOGETHER];
        for (at, column) in panel.iter().enumerate() {
            add_squares(&mut a, rows[0][at], column);
            add_squares(&mut b, rows[1][at], column);
            add_squares(&mut c, rows[2][at], column);
            add_squares(&mut d, rows[3][at], column);
        }
        let sums = [a, b, c, d];
        for one in 0..TOGETHER {
            for lane in 0..LANES {
                total[one][lane] += f64::from(sums[one][lane]);
            }
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scores::testing::{assert_close, normals, on_threads};

    fn all(rows: &Codes, columns: &Codes) -> Vec<Vec<f64>> {
        by_row(rows, columns, &Vec::new(), |all, _, first, distances| {
            assert_eq!(all.len(), first);
            all.extend_from_slice(distances);
        })
    }

    #[test]
    fn distances_are_exact_enough_and_symmetric_to_the_bit() {
        for (rows, columns, latent) in [(1, 1, 1), (67, 33, 3), (5, 100, 130), (130, 2, 10)] {
            let (rows, columns) = (normals(1, rows, latent), normals(2, columns, latent));
            let found = on_threads(|| all(&rows, &columns));
            let transposed = all(&columns, &rows);
            for (row, distances) in found.iter().enumerate() {
                assert_eq!(distances.len(), columns.len());
                for (column, distance) in distances.iter().enumerate() {
                    let pairs = rows.row(row).iter().zip(columns.row(column));
                    let exact: f64 = pairs.map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum();
                    assert_close(*distance, exact, 2e-6);
                    assert_eq!(*distance, transposed[column][row]);
                }
            }
            assert!(all(&rows, &rows).iter().enumerate().all(|(row, distances)| distances[row] == 0.0));
        }
    }
}
