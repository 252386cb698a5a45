//! The matrix product that all layers are built from; the only code with `unsafe`.
//!
//! [`Product`] multiplies a matrix whose elements may lie anywhere in an array, so that the windows of a convolution
//! are read in place without a copy, with a matrix of consecutive rows. A tile of the result (rows by two vectors of
//! columns) stays in registers: each term loads two vectors of the right matrix once, and one number of the left matrix
//! for each row.
//!
//! Each number of the result is one chain of additions in the order of the terms, in any tile: it does not depend on
//! the other rows.

use pulp::{Simd, WithSimd};

use crate::simd::{self, dispatch};

/// Terms of a product whose numbers on the left have equal distances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    /// Index of the first.
    pub(super) start: usize,
    /// Number of terms.
    pub(super) length: usize,
    /// Distance between terms.
    pub(super) step: usize,
}

/// The initial value of a sum.
#[derive(Clone, Copy, Debug)]
pub(super) enum Start<'a> {
    /// Zero: the result is overwritten.
    Zero,
    /// The old value of the result.
    Result,
    /// A number for each column.
    Bias(&'a [f32]),
}

/// `result[places[r] + c] = start + sum over the terms t of left[rows[r] + t] right[t, c]`.
///
/// The terms are those of the segments, one after the other. `right` has a row of `columns` numbers for each term, and
/// its rows are `right_stride` apart. Rows of the result must not overlap: if an index is written twice, one of the
/// sums is lost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Product<'a> {
    pub(super) left: &'a [f32],
    pub(super) rows: &'a [usize],
    pub(super) segments: &'a [Segment],
    pub(super) right: &'a [f32],
    pub(super) right_stride: usize,
    pub(super) columns: usize,
    pub(super) places: &'a [usize],
    pub(super) start: Start<'a>,
    /// Whether negative results become 0.
    pub(super) relu: bool,
}

impl Product<'_> {
    /// Computes the product on the calling thread.
    ///
    /// # Panics
    /// An index is outside of its array.
    #[track_caller]
    pub(super) fn put_into(self, result: &mut [f32]) {
        assert!(self.rows.len() == self.places.len(), "{} rows, {} places", self.rows.len(), self.places.len());
        if self.columns == 0 || self.rows.is_empty() {
            return;
        }
        assert!(self.right_stride >= self.columns, "rows of {} columns, {} apart", self.columns, self.right_stride);
        let terms = self.segments.iter().fold(0usize, |sum, segment| sum.strict_add(segment.length));
        if terms > 0 {
            let ends = self.segments.iter().filter(|segment| segment.length > 0);
            let end = ends.map(|segment| segment.start.strict_add((segment.length - 1).strict_mul(segment.step))).max();
            let last = end.unwrap_or(0).strict_add(greatest(self.rows));
            assert!(last < self.left.len(), "place {last} of {} on the left", self.left.len());
            let end = (terms - 1).strict_mul(self.right_stride).strict_add(self.columns);
            assert!(end <= self.right.len(), "{end} numbers of {} on the right", self.right.len());
        }
        let end = greatest(self.places).strict_add(self.columns);
        assert!(end <= result.len(), "{end} numbers of {} in the result", result.len());
        if let Start::Bias(bias) = self.start {
            super::assert_length("bias", bias, self.columns);
        }
        dispatch(Checked { product: self, terms, result });
    }
}

/// 0, `step`, 2 `step`, ...
pub(super) fn multiples(count: usize, step: usize) -> Vec<usize> {
    (0..count).map(|index| index * step).collect()
}

fn greatest(places: &[usize]) -> usize {
    places.iter().copied().max().unwrap_or(0)
}

/// Rows of a tile: as many as fit in registers, two vectors each, with a row of the right matrix and a number of the
/// left.
const fn tile_rows<S: Simd>() -> usize {
    if S::REGISTER_COUNT >= 32 { 12 } else { 6 }
}

/// A product whose indices are all inside their arrays.
struct Checked<'a> {
    product: Product<'a>,
    terms: usize,
    result: &'a mut [f32],
}

impl WithSimd for Checked<'_> {
    type Output = ();

    #[inline(always)]
    #[expect(unsafe_code, reason = "tiles are read and written by pointers")]
    fn with_simd<S: Simd>(self, simd: S) {
        let Checked { product, terms, result } = self;
        let lanes = S::F32_LANES;
        let mut first = 0;
        while first < product.columns {
            let columns = (product.columns - first).min(2 * lanes);
            if columns == 2 * lanes && terms > 0 {
                let right = Panel { values: &product.right[first..], stride: product.right_stride, first, columns };
                // SAFETY: `put_into` checked all indices. Each row has two full vectors of columns left.
                unsafe { panel::<S, 2>(simd, product, right, result) };
            } else {
                // The rest of each row, padded to whole vectors.
                let vectors = columns.div_ceil(lanes);
                let stride = vectors * lanes;
                super::scratch::with_scratch(terms * stride, |padded| {
                    let rows = product.right.get(first..).unwrap_or_default();
                    simd.vectorize(Copy { simd, rows, row_stride: product.right_stride, columns, stride, padded });
                    let right = Panel { values: padded, stride, first, columns };
                    // SAFETY: as above; the padded rows have `vectors` full vectors.
                    unsafe {
                        if vectors == 2 {
                            panel::<S, 2>(simd, product, right, result);
                        } else {
                            panel::<S, 1>(simd, product, right, result);
                        }
                    }
                });
            }
            first += columns;
        }
    }
}

/// Copies columns of the right matrix, padded with zeros to whole vectors.
struct Copy<'a, S> {
    simd: S,
    rows: &'a [f32],
    row_stride: usize,
    columns: usize,
    stride: usize,
    padded: &'a mut [f32],
}

impl<S: Simd> pulp::NullaryFnOnce for Copy<'_, S> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Copy { simd, rows, row_stride, columns, stride, padded } = self;
        for (padded, row) in padded.chunks_exact_mut(stride).zip(rows.chunks(row_stride)) {
            let vectors = S::as_mut_simd_f32s(padded).0.iter_mut();
            for (vector, row) in vectors.zip(row[..columns].chunks(S::F32_LANES)) {
                *vector = simd.partial_load_f32s(row);
            }
        }
    }
}

/// Some columns of the right matrix: `V` vectors for each term, of which `columns` numbers are used.
#[derive(Clone, Copy)]
struct Panel<'a> {
    values: &'a [f32],
    stride: usize,
    first: usize,
    columns: usize,
}

/// Multiplies all rows of the product with a panel.
///
/// # Safety
/// All indices of the product are inside its arrays; the panel has `V` vectors for each term.
#[inline(always)]
#[expect(unsafe_code, reason = "tiles are read and written by pointers")]
unsafe fn panel<S: Simd, const V: usize>(simd: S, product: Product, right: Panel, result: &mut [f32]) {
    // Tiles of nearly equal size: one with few rows takes longer for each.
    let tiles = product.rows.len().div_ceil(tile_rows::<S>());
    let begin = |tile: usize| tile * product.rows.len() / tiles;
    for tile_index in 0..tiles {
        let (row, rows) = (begin(tile_index), begin(tile_index + 1) - begin(tile_index));
        macro_rules! tiles {
            ($($rows:literal)*) => {
                match rows {
                    // SAFETY: guaranteed by the caller; rows `row..row + rows` exist.
                    $($rows => unsafe { tile::<S, $rows, V>(simd, product, right, row, result) },)*
                    _ => {}
                }
            };
        }
        if S::REGISTER_COUNT >= 32 {
            tiles!(1 2 3 4 5 6 7 8 9 10 11 12);
        } else {
            tiles!(1 2 3 4 5 6);
        }
    }
}

/// Multiplies `R` rows, from `row` on, with a panel.
///
/// # Safety
/// As for [`panel`]; the rows exist.
#[inline(always)]
#[expect(unsafe_code, reason = "tiles are read and written by pointers")]
unsafe fn tile<S: Simd, const R: usize, const V: usize>(
    simd: S,
    product: Product,
    right: Panel,
    row: usize,
    result: &mut [f32],
) {
    struct Tile<'a, S, const R: usize, const V: usize> {
        simd: S,
        product: Product<'a>,
        right: Panel<'a>,
        row: usize,
        result: &'a mut [f32],
    }
    impl<S: Simd, const R: usize, const V: usize> pulp::NullaryFnOnce for Tile<'_, S, R, V> {
        type Output = ();

        #[inline(always)]
        fn call(self) {
            // SAFETY: guaranteed to the enclosing function, the only one that creates this type.
            unsafe { tile_inline::<S, R, V>(self.simd, self.product, self.right, self.row, self.result) }
        }
    }
    // A separate function for each tile: in one large function the compiler allocates registers badly.
    simd.vectorize(Tile::<S, R, V> { simd, product, right, row, result });
}

/// # Safety
/// As for [`tile`].
#[inline(always)]
#[expect(unsafe_code, reason = "tiles are read and written by pointers")]
#[expect(clippy::needless_range_loop, reason = "with plain indices the compiler keeps the sums in registers")]
unsafe fn tile_inline<S: Simd, const R: usize, const V: usize>(
    simd: S,
    product: Product,
    right: Panel,
    row: usize,
    result: &mut [f32],
) {
    let lanes = S::F32_LANES;
    let zero = simd.splat_f32s(0.0);
    let mut sums = [[zero; V]; R];
    let mut left = [product.left.as_ptr(); R];
    for r in 0..R {
        left[r] = left[r].wrapping_add(product.rows[row + r]);
    }
    let mut term = right.values.as_ptr();
    for segment in product.segments {
        let mut place = segment.start;
        for _ in 0..segment.length {
            let mut values = [zero; V];
            for v in 0..V {
                // SAFETY: the panel has V vectors for each term.
                values[v] = unsafe { term.add(v * lanes).cast::<S::f32s>().read_unaligned() };
            }
            for r in 0..R {
                // SAFETY: `put_into` checked the largest row together with the largest index of a segment.
                let number = simd.splat_f32s(unsafe { *left[r].add(place) });
                for v in 0..V {
                    sums[r][v] = simd.mul_add_f32s(number, values[v], sums[r][v]);
                }
            }
            term = term.wrapping_add(right.stride);
            place = place.wrapping_add(segment.step);
        }
    }

    // The code below uses short loops, so that the compiler unrolls each and keeps the sums in registers.
    if let Start::Bias(bias) = product.start {
        let bias = &bias[right.first..][..right.columns];
        let mut values = [zero; V];
        for v in 0..V {
            values[v] = simd.partial_load_f32s(&bias[(v * lanes).min(bias.len())..]);
        }
        for r in 0..R {
            for v in 0..V {
                sums[r][v] = simd.add_f32s(sums[r][v], values[v]);
            }
        }
    }
    let mut targets = [result.as_mut_ptr(); R];
    for r in 0..R {
        targets[r] = targets[r].wrapping_add(product.places[row + r] + right.first);
    }
    if right.columns == V * lanes {
        if let Start::Result = product.start {
            for r in 0..R {
                for v in 0..V {
                    // SAFETY: `put_into` checked that all columns fit after the largest index.
                    let before = unsafe { targets[r].add(v * lanes).cast::<S::f32s>().read_unaligned() };
                    sums[r][v] = simd.add_f32s(before, sums[r][v]);
                }
            }
        }
        if product.relu {
            for r in 0..R {
                for v in 0..V {
                    sums[r][v] = simd::relu(simd, sums[r][v]);
                }
            }
        }
        for r in 0..R {
            for v in 0..V {
                // SAFETY: as above.
                unsafe { targets[r].add(v * lanes).cast::<S::f32s>().write_unaligned(sums[r][v]) };
            }
        }
    } else {
        let mut rest = [[zero; V]; R];
        for r in 0..R {
            for v in 0..V {
                // A plain copy would turn `sums` into an indexed array in memory instead of registers.
                // SAFETY: an element of a local array.
                unsafe { (&raw mut rest[r][v]).write_volatile(sums[r][v]) };
            }
        }
        for r in 0..R {
            let values: &[f32] = pulp::bytemuck::cast_slice(&rest[r]);
            for (column, &value) in values[..right.columns].iter().enumerate() {
                // SAFETY: as above.
                let target = unsafe { &mut *targets[r].add(column) };
                let value = if let Start::Result = product.start { *target + value } else { value };
                *target = if product.relu && value < 0.0 { 0.0 } else { value };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::tests::on_every_arch;
    use crate::tensor::kernels::oracle::{assert_close, numbers, side, wide};
    use proptest::prelude::*;

    proptest! {
        /// Rows, terms and indices in any order, as for windows.
        #[test]
        fn product_is_the_sum_of_products(
            rows in proptest::collection::vec(0..50usize, 0..40),
            segments in proptest::collection::vec((0..30usize, 0..9usize, 0..5usize), 0..6),
            columns in side(), gap in 0..3usize, kind in 0..3usize, relu: bool, seed: u64,
        ) {
            let segments: Vec<Segment> =
                segments.into_iter().map(|(start, length, step)| Segment { start, length, step }).collect();
            let offsets: Vec<usize> = segments
                .iter()
                .flat_map(|segment| (0..segment.length).map(|term| segment.start + term * segment.step))
                .collect();
            let left = numbers(seed, 50 + 30 + 8 * 4);
            let right_stride = columns + gap;
            let right = numbers(seed ^ 1, offsets.len() * right_stride);
            let bias = numbers(seed ^ 2, columns);
            // Indices in another order than the rows, with gaps.
            let places: Vec<usize> = (0..rows.len()).rev().map(|row| 1 + row * (columns + gap)).collect();
            let before = numbers(seed ^ 3, 2 + rows.len() * (columns + gap));
            let start = [Start::Zero, Start::Result, Start::Bias(&bias)][kind];
            let mut expected = wide(&before);
            for (&row, &place) in rows.iter().zip(&places) {
                for column in 0..columns {
                    let terms = offsets.iter().enumerate().map(|(term, offset)| {
                        f64::from(left[row + offset]) * f64::from(right[term * right_stride + column])
                    });
                    let from = match start {
                        Start::Zero => 0.0,
                        Start::Result => f64::from(before[place + column]),
                        Start::Bias(bias) => f64::from(bias[column]),
                    };
                    let sum = from + terms.sum::<f64>();
                    expected[place + column] = if relu { sum.max(0.0) } else { sum };
                }
            }
            on_every_arch(|| {
                let mut result = before.clone();
                let product = Product {
                    left: &left, rows: &rows, segments: &segments, right: &right, right_stride, columns,
                    places: &places, start, relu,
                };
                product.put_into(&mut result);
                assert_close("product", &result, &expected);
            });
        }
    }

    /// A small valid product; each test below breaks one part of it.
    fn small<'a>() -> Product<'a> {
        Product {
            left: &[1.0; 4],
            rows: &[0, 1],
            segments: &[Segment { start: 1, length: 2, step: 1 }],
            right: &[1.0; 4],
            right_stride: 2,
            columns: 2,
            places: &[0, 2],
            start: Start::Zero,
            relu: false,
        }
    }

    #[test]
    fn nan_passes_relu() {
        on_every_arch(|| {
            let mut result = [0.0; 4];
            Product { left: &[f32::NAN; 4], relu: true, ..small() }.put_into(&mut result);
            assert!(result.iter().all(|value| value.is_nan()));
        });
    }

    #[test]
    #[should_panic(expected = "place 3 of 3 on the left")]
    fn short_left_is_refused() {
        Product { left: &[1.0; 3], ..small() }.put_into(&mut [0.0; 4]);
    }

    #[test]
    #[should_panic(expected = "4 numbers of 3 on the right")]
    fn short_right_is_refused() {
        Product { right: &[1.0; 3], ..small() }.put_into(&mut [0.0; 4]);
    }

    #[test]
    #[should_panic(expected = "4 numbers of 3 in the result")]
    fn short_result_is_refused() {
        small().put_into(&mut [0.0; 3]);
    }

    #[test]
    #[should_panic(expected = "2 rows, 1 places")]
    fn missing_place_is_refused() {
        Product { places: &[0], ..small() }.put_into(&mut [0.0; 4]);
    }

    #[test]
    #[should_panic(expected = "rows of 2 columns, 0 apart")]
    fn overlapping_rows_on_the_right_are_refused() {
        Product { right_stride: 0, ..small() }.put_into(&mut [0.0; 4]);
    }

    #[test]
    #[should_panic(expected = "overflow")]
    fn overflowing_places_are_refused() {
        let segments = [Segment { start: 0, length: 3, step: usize::MAX }];
        Product { segments: &segments, ..small() }.put_into(&mut [0.0; 4]);
    }
}
