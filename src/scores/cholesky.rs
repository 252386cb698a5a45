//! Cholesky factors of small symmetric matrices.

/// The lower triangle L of a matrix that is L times its transpose, row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct Cholesky {
    size: usize,
    lower: Vec<f64>,
}

impl Cholesky {
    /// The factor of a symmetric matrix of `size` rows (row-major; the upper triangle is not read).
    ///
    /// `None` if a pivot is at most `least` times its diagonal element, thus if the matrix is not positive definite or,
    /// to this precision, singular; also if the matrix does not have `size`^2 numbers.
    pub fn new(matrix: &[f64], size: usize, least: f64) -> Option<Cholesky> {
        if Some(matrix.len()) != size.checked_mul(size) {
            return None;
        }
        let mut lower = matrix.to_vec();
        for row in 0..size {
            for column in 0..=row {
                let (before, from_row) = lower.split_at(row * size);
                let product = |other: &[f64]| from_row[..column].iter().zip(other).map(|(a, b)| a * b).sum::<f64>();
                if column < row {
                    let other = &before[column * size..][..=column];
                    lower[row * size + column] = (from_row[column] - product(other)) / other[column];
                } else {
                    let diagonal = from_row[row];
                    let pivot = diagonal - product(from_row);
                    // False for NaN.
                    let positive = pivot > least * diagonal && pivot > 0.0;
                    if !positive {
                        return None;
                    }
                    lower[row * size + row] = pivot.sqrt();
                }
            }
        }
        Some(Cholesky { size, lower })
    }

    /// The logarithm of the determinant of the matrix.
    pub fn log_determinant(&self) -> f64 {
        (0..self.size).map(|row| 2.0 * self.lower[row * self.size + row].ln()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scores::test_codes::assert_near;

    #[test]
    fn a_known_matrix() {
        let matrix = [4.0, 9.0, 9.0, 2.0, 5.0, 9.0, 0.0, 2.0, 5.0];
        let factor = Cholesky::new(&matrix, 3, 0.0).unwrap();
        assert_near(&[factor.log_determinant()], &[64.0f64.ln()], 1e-12);
        let none = Cholesky::new(&[], 0, 0.0).unwrap();
        assert_eq!(none.log_determinant(), 0.0);
    }

    #[test]
    fn matrices_without_a_factor() {
        for bad in [[1.0, 0.0, 2.0, 1.0], [1.0, 0.0, 1.0, 1.0], [0.0; 4], [1.0, 0.0, f64::NAN, 1.0]] {
            assert_eq!(Cholesky::new(&bad, 2, 1e-12), None);
        }
        assert_eq!(Cholesky::new(&[1.0], 2, 0.0), None);
    }
}
