//! Eigenvalues and eigenvectors of symmetric matrices of up to several hundred rows.
//!
//! Method: Householder reflections to a tridiagonal matrix, then implicit QL steps (Bowdler, Martin, Reinsch and
//! Wilkinson 1968; `tred2` and `tql2` of EISPACK). Vectors are kept as rows, so that every inner loop is over
//! consecutive numbers.

use super::rows::dot;
use crate::tensor::kernels::vectorized;

/// QL steps for one eigenvalue, far beyond the two or three that are usual.
const STEPS: usize = 100;
/// Columns below this length count as 0, since the largest entry is 1: the inverse of their square would overflow.
const TINY: f64 = 1e-100;

/// The eigenvalues of a symmetric matrix, the smallest first, and their eigenvectors.
#[derive(Clone, Debug, PartialEq)]
pub struct Eigen {
    /// The eigenvalues, (Rows).
    pub values: Vec<f64>,
    /// The eigenvector of length 1 of each eigenvalue, (Rows, Rows); without a meaning in its sign, and in the choice
    /// of vectors for equal eigenvalues.
    pub vectors: Vec<f64>,
}

/// The eigenvalues and eigenvectors of a symmetric matrix, (Rows, Rows), each with an error of a few units in the last
/// place of the largest eigenvalue. `None` if the matrix does not have `rows` rows, or has a number that is not finite,
/// or (not known to happen) the steps do not converge.
pub fn eigen(matrix: &[f64], rows: usize) -> Option<Eigen> {
    let (values, vectors) = decompose(matrix, rows, true)?;
    let mut order: Vec<usize> = (0..rows).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let sorted = order.iter().map(|at| values[*at]).collect();
    let vectors = order.iter().flat_map(|at| &vectors[at * rows..][..rows]).copied().collect();
    Some(Eigen { values: sorted, vectors })
}

/// The eigenvalues of a symmetric matrix, the smallest first, (Rows); see [`eigen`].
pub fn eigenvalues(matrix: &[f64], rows: usize) -> Option<Vec<f64>> {
    let (mut values, _) = decompose(matrix, rows, false)?;
    values.sort_by(f64::total_cmp);
    Some(values)
}

/// The eigenvalues in no order, and their vectors if they are asked for.
fn decompose(matrix: &[f64], rows: usize, with_vectors: bool) -> Option<(Vec<f64>, Vec<f64>)> {
    if rows.checked_mul(rows) != Some(matrix.len()) || matrix.iter().any(|value| !value.is_finite()) {
        return None;
    }
    // With a largest entry of 1, no square overflows or vanishes.
    let size = matrix.iter().fold(0.0, |size: f64, value| size.max(value.abs()));
    if size == 0.0 {
        return Some((vec![0.0; rows], if with_vectors { identity(rows) } else { Vec::new() }));
    }
    let mut matrix: Vec<f64> = matrix.iter().map(|value| value / size).collect();
    let (mut values, vectors) = vectorized(
        #[inline(always)]
        || {
            let (mut diagonal, mut beside, reflections) = tridiagonal(&mut matrix, rows);
            let mut vectors = if with_vectors { accumulate(&reflections, rows) } else { Vec::new() };
            ql(&mut diagonal, &mut beside, &mut vectors, rows)?;
            Some((diagonal, vectors))
        },
    )?;
    values.iter_mut().for_each(|value| *value *= size);
    Some((values, vectors))
}

fn identity(rows: usize) -> Vec<f64> {
    let mut matrix = vec![0.0; rows * rows];
    matrix.iter_mut().step_by(rows + 1).for_each(|value| *value = 1.0);
    matrix
}

/// The reflection 1 - factor v v^T, which changes the last axes only: as many as `v` has.
struct Reflection {
    v: Vec<f64>,
    factor: f64,
}

/// Reflects a symmetric matrix until it is tridiagonal; gives its diagonal, the numbers beside it, and the reflections.
#[inline(always)]
fn tridiagonal(matrix: &mut [f64], rows: usize) -> (Vec<f64>, Vec<f64>, Vec<Reflection>) {
    let mut beside = vec![0.0; rows];
    let mut reflections = Vec::with_capacity(rows.saturating_sub(2));
    for at in 0..rows.saturating_sub(1) {
        // The matrix is symmetric: its row is its column.
        let mut v = matrix[at * rows + at + 1..][..rows - at - 1].to_vec();
        let length = dot(&v, &v).sqrt();
        let rest_is_zero = v[1..].iter().all(|value| *value == 0.0);
        if rest_is_zero || length < TINY {
            beside[at] = v[0];
            reflections.push(Reflection { v, factor: 0.0 });
            continue;
        }
        beside[at] = -length.copysign(v[0]);
        v[0] -= beside[at];
        let factor = 2.0 / dot(&v, &v);
        reflect(matrix, rows, at + 1, &v, factor);
        reflections.push(Reflection { v, factor });
    }
    let diagonal = (0..rows).map(|at| matrix[at * rows + at]).collect();
    (diagonal, beside, reflections)
}

/// Reflects the rows and the columns from `start` on.
#[inline(always)]
fn reflect(matrix: &mut [f64], rows: usize, start: usize, v: &[f64], factor: f64) {
    let inner = |row: usize| (start + row) * rows + start..(start + row + 1) * rows;
    let mut w: Vec<f64> = (0..v.len()).map(|row| factor * dot(&matrix[inner(row)], v)).collect();
    let share = 0.5 * factor * dot(&w, v);
    w.iter_mut().zip(v).for_each(|(w, v)| *w -= share * v);
    for row in 0..v.len() {
        let (own_v, own_w) = (v[row], w[row]);
        for (value, (v, w)) in matrix[inner(row)].iter_mut().zip(v.iter().zip(&w)) {
            *value -= own_v * w + own_w * v;
        }
    }
}

/// The product of the reflections, transposed: row k is what axis k of the tridiagonal matrix was before.
#[inline(always)]
fn accumulate(reflections: &[Reflection], rows: usize) -> Vec<f64> {
    let mut vectors = identity(rows);
    for (at, Reflection { v, factor }) in reflections.iter().enumerate().rev() {
        // Earlier rows are still those of the identity, which the reflection does not change.
        for row in vectors.chunks_mut(rows).skip(at + 1) {
            let row = &mut row[at + 1..];
            let share = factor * dot(row, v);
            row.iter_mut().zip(v).for_each(|(value, v)| *value -= share * v);
        }
    }
    vectors
}

/// Turns the diagonal of a tridiagonal matrix into its eigenvalues, and rotates the rows of `vectors`, which may be
/// empty. `None` if it does not converge.
#[inline(always)]
fn ql(diagonal: &mut [f64], beside: &mut [f64], vectors: &mut [f64], rows: usize) -> Option<()> {
    for first in 0..rows {
        let mut steps = 0;
        loop {
            let is_small =
                |at: &usize| beside[*at].abs() <= f64::EPSILON * (diagonal[*at].abs() + diagonal[*at + 1].abs());
            let last = (first..rows - 1).find(is_small).unwrap_or(rows - 1);
            if last == first {
                break;
            }
            steps += 1;
            if steps > STEPS {
                return None;
            }
            step(diagonal, beside, vectors, rows, first..last);
        }
    }
    Some(())
}

/// One QL step on the block of the axes from `block.start` to `block.end`, both included.
#[inline(always)]
fn step(diagonal: &mut [f64], beside: &mut [f64], vectors: &mut [f64], rows: usize, block: std::ops::Range<usize>) {
    let (first, last) = (block.start, block.end);
    // Wilkinson's shift: the eigenvalue of the first two rows that is nearer to the first diagonal number.
    let half = (diagonal[first + 1] - diagonal[first]) / (2.0 * beside[first]);
    let shift = half + half.hypot(1.0).copysign(half);
    let mut g = diagonal[last] - diagonal[first] + beside[first] / shift;
    let (mut sine, mut cosine, mut moved) = (1.0, 1.0, 0.0);
    for at in block.rev() {
        let f = sine * beside[at];
        let b = cosine * beside[at];
        let length = f.hypot(g);
        beside[at + 1] = length;
        if length == 0.0 {
            // The block falls into two.
            diagonal[at + 1] -= moved;
            beside[last] = 0.0;
            return;
        }
        (sine, cosine) = (f / length, g / length);
        g = diagonal[at + 1] - moved;
        let r = (diagonal[at] - g) * sine + 2.0 * cosine * b;
        moved = sine * r;
        diagonal[at + 1] = g + moved;
        g = cosine * r - b;
        if !vectors.is_empty() {
            let (upper, lower) = vectors[at * rows..][..2 * rows].split_at_mut(rows);
            for (upper, lower) in upper.iter_mut().zip(lower) {
                let old = *lower;
                *lower = sine * *upper + cosine * old;
                *upper = cosine * *upper - sine * old;
            }
        }
    }
    diagonal[first] -= moved;
    beside[first] = g;
    beside[last] = 0.0;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scores::testing::normals;

    /// A symmetric matrix of products of random rows, of this rank.
    fn products(rows: usize, rank: usize) -> Vec<f64> {
        let factors = normals(3, rows, rank);
        let row = |at: usize| factors.row(at).iter().map(|value| f64::from(*value));
        let at = |place: usize| row(place / rows).zip(row(place % rows)).map(|(a, b)| a * b).sum();
        (0..rows * rows).map(at).collect()
    }

    /// Fails unless the vectors are orthonormal and each is mapped to a multiple of itself.
    fn check(matrix: &[f64], rows: usize) -> Vec<f64> {
        let found = eigen(matrix, rows).unwrap();
        let size = matrix.iter().fold(0.0, |size: f64, value| size.max(value.abs())).max(1e-300) * rows as f64;
        for (at, vector) in found.vectors.chunks(rows.max(1)).enumerate() {
            for (other_at, other) in found.vectors.chunks(rows).enumerate() {
                let expected = f64::from(u8::from(at == other_at));
                assert!((dot(vector, other) - expected).abs() < 1e-12);
            }
            for (row, value) in matrix.chunks(rows).zip(vector) {
                assert!((dot(row, vector) - found.values[at] * value).abs() < 1e-13 * size);
            }
        }
        assert!(found.values.is_sorted());
        for (alone, with_vectors) in eigenvalues(matrix, rows).unwrap().iter().zip(&found.values) {
            assert!((alone - with_vectors).abs() <= 1e-13 * size);
        }
        found.values
    }

    #[test]
    fn vectors_are_eigenvectors() {
        for (rows, rank) in [(1, 1), (2, 2), (3, 1), (17, 40), (64, 5), (120, 200), (256, 300)] {
            let values = check(&products(rows, rank), rows);
            let small = values.iter().filter(|value| value.abs() < 1e-9).count();
            assert_eq!(small, rows.saturating_sub(rank), "{values:?}");
        }
    }

    #[test]
    fn known_eigenvalues_are_found() {
        // A path of n points: 2 - 2 cos(pi k / (n + 1)).
        let rows = 50;
        let at = |place: usize| match (place / rows).abs_diff(place % rows) {
            0 => 2.0,
            1 => -1.0,
            _ => 0.0,
        };
        let matrix: Vec<f64> = (0..rows * rows).map(at).collect();
        for (at, value) in check(&matrix, rows).into_iter().enumerate() {
            let angle = std::f64::consts::PI * (at + 1) as f64 / (rows + 1) as f64;
            assert!((value - (2.0 - 2.0 * angle.cos())).abs() < 1e-13);
        }
    }

    #[test]
    fn special_matrices() {
        assert_eq!(eigen(&[], 0).unwrap(), Eigen { values: vec![], vectors: vec![] });
        assert_eq!(check(&[0.0; 9], 3), [0.0; 3]);
        assert_eq!(check(&[3.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 2.0], 3), [-1.0, 2.0, 3.0]);
        for size in [1e-200, 1e200] {
            let values = check(&[2.0 * size, size, size, 2.0 * size], 2);
            assert!((values[0] / size - 1.0).abs() < 1e-14 && (values[1] / size - 3.0).abs() < 1e-14);
        }
        assert_eq!(eigen(&[1.0, f64::NAN, f64::NAN, 1.0], 2), None);
        assert_eq!(eigenvalues(&[1.0, 2.0, 2.0], 2), None);
    }
}
