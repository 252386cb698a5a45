//! The matrix product all layers are built on: a safe face for `gemm`.

use gemm::Parallelism;

/// A matrix in row-major order, perhaps to be read transposed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// `values` as the matrix (`rows`, `columns`).
    #[track_caller]
    pub(super) fn new(values: &'a [f32], rows: usize, columns: usize) -> Self {
        assert_area("the matrix", values, rows, columns);
        Self { values, rows, columns, row_stride: columns, column_stride: 1 }
    }

    /// The same numbers with rows and columns exchanged.
    pub(super) fn transposed(self) -> Self {
        Self {
            values: self.values,
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
        }
    }
}

/// What becomes of the numbers already in a result's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Store {
    /// They are overwritten.
    Replace,
    /// The result is added to them.
    Add,
}

/// The product `left` · `right`, put into `result` (left rows, right columns), on this thread alone.
#[track_caller]
#[expect(unsafe_code, reason = "gemm takes raw pointers")]
pub(super) fn matmul(left: Matrix, right: Matrix, into: Store, result: &mut [f32]) {
    assert!(left.columns == right.rows, "inner sides of the product differ: {} and {}", left.columns, right.rows);
    assert_area("the product", result, left.rows, right.columns);
    if result.is_empty() {
        return;
    }
    if left.columns == 0 {
        if into == Store::Replace {
            result.fill(0.0);
        }
        return;
    }
    // SAFETY: `Matrix` has private fields and is built by `new` and `transposed` only, so `rows * columns` of each
    // operand is the length of its slice without overflow, and element (row, column) lies at
    // `row * row_stride + column * column_stride`, inside the slice; `result` was checked above. No side is 0 here, so
    // each stride is at most the length of a slice and fits an isize. `result` is borrowed mutably, so it overlaps
    // neither operand. All numbers are initialised, as they come from slices.
    unsafe {
        gemm::gemm(
            left.rows,
            right.columns,
            left.columns,
            result.as_mut_ptr(),
            1,
            right.columns as isize,
            into == Store::Add,
            left.values.as_ptr(),
            left.column_stride as isize,
            left.row_stride as isize,
            right.values.as_ptr(),
            right.column_stride as isize,
            right.row_stride as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

/// Panics unless `rows` times `columns`, which must not overflow, is the length of `values`.
#[track_caller]
fn assert_area(name: &str, values: &[f32], rows: usize, columns: usize) {
    assert!(
        rows.checked_mul(columns) == Some(values.len()),
        "{name} holds {} numbers, its shape asks for {rows} x {columns}",
        values.len()
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::oracle::{assert_close, numbers};
    use proptest::prelude::*;

    fn element(matrix: &Matrix, row: usize, column: usize) -> f64 {
        f64::from(matrix.values[row * matrix.row_stride + column * matrix.column_stride])
    }

    proptest! {
        #[test]
        fn product_is_the_sum_of_products(
            rows in 1..70usize, inner in 1..70usize, columns in 1..70usize,
            left_transposed: bool, right_transposed: bool, add: bool, seed: u64,
        ) {
            let (left, right) = (numbers(seed, rows * inner), numbers(seed ^ 1, inner * columns));
            let mut result = numbers(seed ^ 2, rows * columns);
            let read = |values, rows, columns, transposed| match transposed {
                true => Matrix::new(values, columns, rows).transposed(),
                false => Matrix::new(values, rows, columns),
            };
            let left = read(&left, rows, inner, left_transposed);
            let right = read(&right, inner, columns, right_transposed);
            let mut expected = vec![0.0; rows * columns];
            for row in 0..rows {
                for column in 0..columns {
                    let before = if add { f64::from(result[row * columns + column]) } else { 0.0 };
                    let terms = (0..inner).map(|i| element(&left, row, i) * element(&right, i, column));
                    expected[row * columns + column] = before + terms.sum::<f64>();
                }
            }
            matmul(left, right, if add { Store::Add } else { Store::Replace }, &mut result);
            assert_close("product", &result, &expected);
        }
    }

    #[test]
    fn empty_inner_side_gives_zeros_or_leaves_the_sum() {
        let (left, right) = (Matrix::new(&[], 2, 0), Matrix::new(&[], 0, 3));
        let mut result = [7.0; 6];
        matmul(left, right, Store::Add, &mut result);
        assert_eq!(result, [7.0; 6]);
        matmul(left, right, Store::Replace, &mut result);
        assert_eq!(result, [0.0; 6]);
    }

    #[test]
    #[should_panic(expected = "its shape asks for")]
    fn overflowing_sides_are_refused() {
        Matrix::new(&[], usize::MAX / 2 + 1, 2);
    }

    #[test]
    #[should_panic(expected = "the product holds 3 numbers")]
    fn short_result_is_refused() {
        let values = [1.0; 4];
        matmul(Matrix::new(&values, 2, 2), Matrix::new(&values, 2, 2), Store::Replace, &mut [0.0; 3]);
    }
}
