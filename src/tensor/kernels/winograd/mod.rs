//! 3x3 convolutions by Winograd's minimal filtering, with fewer multiplications than the definition: on 14x14 images at
//! stride 1, 484 instead of 1764; on 28x28 images at stride 2, 1225 instead of 1764.
//!
//! A tile of inputs `d`, the filter `g` and a tile of outputs `y` satisfy `y = A' [(G g G') * (B' d B)] A`, where `'`
//! is the transpose and `*` the elementwise product; [`lines`] has the matrices. Both gradients are adjoints of the
//! same bilinear form: `B [(G g G') * (A dy A')] B'` with respect to `d`, where tiles overlap, and `G' [(B' d B) * (A
//! dy A')] G` with respect to `g`. Each element of the elementwise product is called a point; summed over channels or
//! tiles, each point is a matrix product. At stride 2 some of these products are added to the same sum.
//!
//! Rounding errors are about 10 times those of the definition at stride 1, and hardly larger at stride 2.

mod lines;
mod tiles;

use super::Accumulate;
use super::conv_shape::{ConvShape, Side, transpose_taps};
use super::product::{Product, Segment, Start, multiples};
use super::scratch::with_scratch;
use crate::simd::WIDEST;
use crate::tensor::dims::Window;
use std::ops::Range;

use lines::{Cut, Ending, Whole, transform};
use tiles::{Kind, Tile, Tiles};

/// Height and width of the window.
const WINDOW: usize = 3;

/// Calls `$work` with the maps for the kinds of a tile, vertical and horizontal.
macro_rules! by_kind {
    ($tile:expr, $four:ident, $two:ident, $strided:ident, |$maps:ident| $work:expr) => {{
        use lines::{$four, $strided, $two};
        macro_rules! with {
            ($value:expr) => {{
                let $maps = $value;
                $work
            }};
        }
        match $tile.kinds {
            [Kind::Four, Kind::Four] => with!(($four, $four)),
            [Kind::Four, _] => with!(($four, $two)),
            [Kind::Two, Kind::Four] => with!(($two, $four)),
            [Kind::Two, _] => with!(($two, $two)),
            [Kind::Strided, _] => with!(($strided, $strided)),
        }
    }};
}

/// The range of some images, each of `numbers` elements.
fn of_images(images: &Range<usize>, numbers: usize) -> Range<usize> {
    images.start * numbers..images.end * numbers
}

/// Calls `work` with scratch arrays of these lengths.
fn with_arrays<const N: usize>(lengths: [usize; N], work: impl FnOnce([&mut [f32]; N])) {
    with_scratch(lengths.iter().sum(), |mut space| {
        work(lengths.map(|length| {
            let (part, rest) = std::mem::take(&mut space).split_at_mut(length);
            space = rest;
            part
        }))
    });
}

/// A convolution and its division into tiles. Points and sums of a tile are stored together: (tile, row, column,
/// channel).
pub(super) struct Filtering {
    shape: ConvShape,
    tiles: Tiles,
    /// Images in a group, which are processed together.
    group: usize,
}

impl Filtering {
    /// The filtering of a convolution; `None` if it would not be faster or the channels do not fill whole vectors.
    pub(super) fn fitting(shape: ConvShape) -> Option<Filtering> {
        if !shape.is_same_3x3() {
            return None;
        }
        let ConvShape { inputs, outputs, window: Window { stride, .. }, .. } = shape;
        let enough = match stride {
            1 => true,
            // Fewer multiplications, of pairs of channels, are saved: they pay for the transforms, of channels, from 32
            // and 64 channels on.
            2 => 3 * inputs * outputs >= 64 * (inputs + outputs),
            _ => false,
        };
        if !enough || !inputs.is_multiple_of(WIDEST) || !outputs.is_multiple_of(WIDEST) {
            return None;
        }
        let filtering = Filtering::of(shape);
        let by_definition = shape.small_pixels() * WINDOW * WINDOW;
        (4 * filtering.tiles.products() < 3 * by_definition).then_some(filtering)
    }

    fn of(shape: ConvShape) -> Filtering {
        let tiles = Tiles::of(shape);
        Filtering { shape, group: tiles.images_per_group(shape.batch), tiles }
    }

    /// small = start + convolution of large; with `relu`, negative results become 0.
    pub(super) fn gather(&self, weight: &[f32], large: &[f32], start: Start, relu: bool, small: &mut [f32]) {
        let shape = self.shape;
        with_arrays([self.filters(), self.points(), self.sums()], |[filters, points, sums]| {
            self.filter_points(weight, filters);
            for range in self.groups() {
                self.input_points(&large[of_images(&range, shape.large_image())], points);
                self.multiply(range.len(), points, filters, sums);
                self.output_images(sums, start, relu, &mut small[of_images(&range, shape.small_image())]);
            }
        });
    }

    /// dweight += gradient of <convolution of large, small> with respect to the weight; the gradient with respect to
    /// one side goes to `by_side`.
    pub(super) fn gradients(
        &self,
        weight: &[f32],
        large: &[f32],
        small: &[f32],
        mut by_side: Option<Side>,
        dweight: &mut [f32],
    ) {
        let shape = self.shape;
        if shape.batch == 0 {
            return;
        }
        let lengths = [self.filters(), self.filters(), self.points(), self.sums()];
        with_arrays(lengths, |[filters, dfilters, points, sums]| {
            match by_side {
                None => {}
                Some(Side::Large(..)) => self.transposed_filter_points(weight, filters),
                Some(Side::Small(..)) => self.filter_points(weight, filters),
            }
            for range in self.groups() {
                let images = range.len();
                self.input_points(&large[of_images(&range, shape.large_image())], points);
                self.output_adjoint(&small[of_images(&range, shape.small_image())], sums);
                let found = if range.start == 0 { Accumulate::Set } else { Accumulate::Add };
                self.multiply_transposed(images, points, sums, found, dfilters);
                match &mut by_side {
                    None => {}
                    Some(Side::Large(sum, dlarge)) => {
                        self.multiply_adjoint(images, sums, filters, points);
                        self.input_adjoint(points, *sum, &mut dlarge[of_images(&range, shape.large_image())]);
                    }
                    Some(Side::Small(sum, dsmall)) => {
                        self.multiply(images, points, filters, sums);
                        let dsmall = &mut dsmall[of_images(&range, shape.small_image())];
                        self.output_images(sums, sum.start(), false, dsmall);
                    }
                }
            }
            self.add_filter_adjoint(dfilters, dweight);
        });
    }

    fn groups(&self) -> impl Iterator<Item = Range<usize>> {
        let firsts = (0..self.shape.batch).step_by(self.group);
        firsts.map(|first| first..self.shape.batch.min(first + self.group))
    }

    /// Number of elements of the points of a tile.
    fn points_of_tile(&self) -> usize {
        self.tiles.points().pow(2) * self.shape.inputs
    }

    /// Number of elements of the sums of a tile.
    fn sums_of_tile(&self) -> usize {
        self.tiles.sums().pow(2) * self.shape.outputs
    }

    /// Number of elements of the points of a group.
    fn points(&self) -> usize {
        self.group * self.tiles.tiles.len() * self.points_of_tile()
    }

    /// Number of elements of the sums of a group.
    fn sums(&self) -> usize {
        self.group * self.tiles.tiles.len() * self.sums_of_tile()
    }

    /// Number of elements of the points of the filter.
    fn filters(&self) -> usize {
        self.tiles.points() * self.filter_grid().row
    }

    /// The layout of the filter's points. Those of a row are contiguous, as [`Filtering::multiply`] requires. A gap
    /// between rows prevents points that are a power of 2 apart from sharing one cache set.
    fn filter_grid(&self) -> Whole {
        let channels = self.shape.inputs * self.shape.outputs;
        Whole { row: self.tiles.points() * channels + WIDEST, column: channels, channels }
    }

    /// The index of the filter's point at a row and column.
    fn filter_place(&self, row: usize, column: usize) -> usize {
        let grid = self.filter_grid();
        row * grid.row + column * grid.column
    }

    /// `G g G'`; each point is (inputs, outputs).
    fn filter_points(&self, weight: &[f32], filters: &mut [f32]) {
        use lines::{Filter, StridedFilter};
        let (from, to) = (Whole::square(WINDOW, self.filter_grid().channels), self.filter_grid());
        let ending = Ending::new(Accumulate::Set);
        match self.shape.window.stride {
            1 => transform((Filter, Filter), from, weight, to, filters, ending),
            _ => transform((StridedFilter, StridedFilter), from, weight, to, filters, ending),
        }
    }

    /// `G g G'`; each point is (outputs, inputs).
    fn transposed_filter_points(&self, weight: &[f32], filters: &mut [f32]) {
        with_scratch(weight.len(), |transposed| {
            transpose_taps([self.shape.inputs, self.shape.outputs], weight, transposed);
            self.filter_points(transposed, filters);
        });
    }

    /// dweight += `G' u G`.
    fn add_filter_adjoint(&self, dfilters: &[f32], dweight: &mut [f32]) {
        use lines::{FilterAdjoint, StridedFilterAdjoint};
        let (from, to) = (self.filter_grid(), Whole::square(WINDOW, self.filter_grid().channels));
        let ending = Ending::new(Accumulate::Add);
        match self.shape.window.stride {
            1 => transform((FilterAdjoint, FilterAdjoint), from, dfilters, to, dweight, ending),
            _ => transform((StridedFilterAdjoint, StridedFilterAdjoint), from, dfilters, to, dweight, ending),
        }
    }

    /// The inputs of a tile, or their gradients, in an image of the larger side, and the index of the first.
    fn inputs_of_tile(&self, tile: Tile) -> (Cut, usize) {
        let shape = self.shape;
        let corner = tile.corner.map(|first| first * shape.window.stride);
        Cut::new(shape.large_sides(), shape.inputs, [shape.pad_top(), shape.pad_left()], corner)
    }

    /// The outputs of a tile, or their gradients, in an image of the smaller side, and the index of the first.
    fn outputs_of_tile(&self, tile: Tile) -> (Cut, usize) {
        Cut::new(self.shape.small_sides(), self.shape.outputs, [0; 2], tile.corner)
    }

    /// `B' d B` for all tiles of the images of a group.
    fn input_points(&self, large: &[f32], points: &mut [f32]) {
        let Filtering { shape, tiles, .. } = self;
        let to = Whole::square(tiles.points(), shape.inputs);
        let images = large.chunks_exact(shape.large_image());
        let count = images.len();
        for (image, large) in images.enumerate() {
            for &tile in &tiles.tiles {
                let (from, place) = self.inputs_of_tile(tile);
                let target = &mut points[tiles.row(count, image, tile) * self.points_of_tile()..];
                by_kind!(tile, Input, InputOfTwo, StridedInput, |maps| {
                    transform(maps, from, &large[place..], to, target, Ending::new(Accumulate::Set));
                });
            }
        }
    }

    /// start + `A' m A` for all tiles of the images of a group.
    fn output_images(&self, sums: &[f32], start: Start, relu: bool, small: &mut [f32]) {
        let Filtering { shape, tiles, .. } = self;
        let from = Whole::square(tiles.sums(), shape.outputs);
        let ending = Ending { start, relu, begun: [0; 2] };
        let images = small.chunks_exact_mut(shape.small_image());
        let count = images.len();
        for (image, small) in images.enumerate() {
            for &tile in &tiles.tiles {
                let (to, place) = self.outputs_of_tile(tile);
                let source = &sums[tiles.row(count, image, tile) * self.sums_of_tile()..];
                by_kind!(tile, Output, OutputOfTwo, StridedOutput, |maps| {
                    transform(maps, from, source, to, &mut small[place..], ending);
                });
            }
        }
    }

    /// `A dy A'` for all tiles of the images of a group.
    fn output_adjoint(&self, small: &[f32], sums: &mut [f32]) {
        let Filtering { shape, tiles, .. } = self;
        let to = Whole::square(tiles.sums(), shape.outputs);
        let images = small.chunks_exact(shape.small_image());
        let count = images.len();
        for (image, small) in images.enumerate() {
            for &tile in &tiles.tiles {
                let (from, place) = self.outputs_of_tile(tile);
                let target = &mut sums[tiles.row(count, image, tile) * self.sums_of_tile()..];
                by_kind!(tile, OutputAdjoint, OutputOfTwoAdjoint, StridedOutputAdjoint, |maps| {
                    transform(maps, from, &small[place..], to, target, Ending::new(Accumulate::Set));
                });
            }
        }
    }

    /// `B t B'` for all tiles, which overlap, of the images of a group.
    fn input_adjoint(&self, dpoints: &[f32], sum: Accumulate, dlarge: &mut [f32]) {
        let Filtering { shape, tiles, .. } = self;
        let from = Whole::square(tiles.points(), shape.inputs);
        let images = dlarge.chunks_exact_mut(shape.large_image());
        let count = images.len();
        for (image, dlarge) in images.enumerate() {
            for &tile in &tiles.tiles {
                let (to, place) = self.inputs_of_tile(tile);
                let source = &dpoints[tiles.row(count, image, tile) * self.points_of_tile()..];
                // The first rows and columns are also the last ones of the tiles above and to the left, so they are
                // added to.
                let begun = tile.corner.map(|first| if first > 0 { WINDOW - shape.window.stride } else { 0 });
                let ending = Ending { begun, ..Ending::new(sum) };
                by_kind!(tile, InputAdjoint, InputOfTwoAdjoint, StridedInputAdjoint, |maps| {
                    transform(maps, from, source, to, &mut dlarge[place..], ending);
                });
            }
        }
    }

    /// The product of each point with the same point of the filter, added to the sums of the tiles.
    fn multiply(&self, images: usize, points: &[f32], filters: &[f32], sums: &mut [f32]) {
        let (tiles, ConvShape { inputs, outputs, .. }) = (&self.tiles, self.shape);
        let (of_points, of_sums) = (self.points_of_tile(), self.sums_of_tile());
        let count = images * tiles.tiles.len();
        let (lefts, places) = (multiples(count, of_points), multiples(count, of_sums));
        for row in 0..tiles.points() {
            let sum_row = tiles.sum_of(row);
            let start = if row > 0 && tiles.sum_of(row - 1) == sum_row { Start::Result } else { Start::Zero };
            for sum_column in 0..tiles.sums() {
                // The columns that belong to one sum are adjacent in both factors.
                let columns = || (0..tiles.points()).filter(|&column| tiles.sum_of(column) == sum_column);
                let Some(first) = columns().next() else { continue };
                let with = tiles.rows(images, [row, first]);
                let product = Product {
                    left: &points[(row * tiles.points() + first) * inputs..],
                    rows: &lefts[with.clone()],
                    segments: &[Segment { start: 0, length: columns().count() * inputs, step: 1 }],
                    right: &filters[self.filter_place(row, first)..],
                    right_stride: outputs,
                    columns: outputs,
                    places: &places[with],
                    start,
                    relu: false,
                };
                product.put_into(&mut sums[(sum_row * tiles.sums() + sum_column) * outputs..]);
            }
        }
    }

    /// The adjoint of [`Filtering::multiply`] with respect to the points, with the transposed filter.
    fn multiply_adjoint(&self, images: usize, sums: &[f32], filters: &[f32], points: &mut [f32]) {
        let ConvShape { inputs, outputs, .. } = self.shape;
        let count = images * self.tiles.tiles.len();
        let (lefts, places) = (multiples(count, self.sums_of_tile()), multiples(count, self.points_of_tile()));
        self.each_point(|row, column, sum| {
            let with = self.tiles.rows(images, [row, column]);
            let product = Product {
                left: &sums[sum * outputs..],
                rows: &lefts[with.clone()],
                segments: &[Segment { start: 0, length: outputs, step: 1 }],
                right: &filters[self.filter_place(row, column)..],
                right_stride: inputs,
                columns: inputs,
                places: &places[with],
                start: Start::Zero,
                relu: false,
            };
            product.put_into(&mut points[(row * self.tiles.points() + column) * inputs..]);
        });
    }

    /// The adjoint of [`Filtering::multiply`] with respect to the points of the filter.
    fn multiply_transposed(&self, images: usize, points: &[f32], sums: &[f32], sum: Accumulate, dfilters: &mut [f32]) {
        let ConvShape { inputs, outputs, .. } = self.shape;
        let (of_points, of_sums) = (self.points_of_tile(), self.sums_of_tile());
        let (lefts, places) = (multiples(inputs, 1), multiples(inputs, outputs));
        self.each_point(|row, column, of_sum| {
            let with = self.tiles.rows(images, [row, column]);
            let point = row * self.tiles.points() + column;
            let product = Product {
                left: &points[with.start * of_points + point * inputs..],
                rows: &lefts,
                segments: &[Segment { start: 0, length: with.len(), step: of_points }],
                right: &sums[with.start * of_sums + of_sum * outputs..],
                right_stride: of_sums,
                columns: outputs,
                places: &places,
                start: sum.start(),
                relu: false,
            };
            product.put_into(&mut dfilters[self.filter_place(row, column)..]);
        });
    }

    /// Calls `work` with the row and column of each point, and the index of its sum.
    fn each_point(&self, mut work: impl FnMut(usize, usize, usize)) {
        for row in 0..self.tiles.points() {
            for column in 0..self.tiles.points() {
                work(row, column, self.tiles.sum_of(row) * self.tiles.sums() + self.tiles.sum_of(column));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::tests::on_every_arch;
    use crate::tensor::kernels::oracle::{self, assert_close_to, numbers, plus, wide};

    /// Includes shapes for which filtering is slower: every way in which the edge of an image can cut tiles, no images,
    /// and more than one group of images.
    #[test]
    fn every_cut_agrees_with_the_oracle() {
        for (stride, batch) in [(1, 0), (1, 1), (1, 3), (2, 0), (2, 1), (2, 3)] {
            for side in 0..100 {
                let (height, width) = (1 + side / 10, 1 + side % 10);
                check(ConvShape { batch, height, width, inputs: 16, outputs: 32, window: Window::same(3, stride) });
            }
            check(ConvShape { batch, height: 23, width: 25, inputs: 32, outputs: 16, window: Window::same(3, stride) });
        }
    }

    fn check(shape: ConvShape) {
        let tolerance = if shape.window.stride == 1 { 3e-5 } else { 1e-5 };
        let filtering = Filtering::of(shape);
        let lengths = [shape.batch * shape.large_image(), shape.batch * shape.small_image()];
        let [large, dlarge] = [1, 2].map(|seed| numbers(seed, lengths[0]));
        let [small, dsmall] = [3, 4].map(|seed| numbers(seed, lengths[1]));
        let [weight, dweight] = [5, 6].map(|seed| numbers(seed, shape.window() * shape.outputs));
        let gathered = oracle::conv(&shape, &wide(&large), &wide(&weight));
        let scattered = oracle::conv_transpose(&shape, &wide(&small), &wide(&weight));
        let by_weight = oracle::conv_weight_gradient(&shape, &wide(&large), &wide(&small));
        let [expected_dweight] = plus([&dweight], [by_weight]);
        let [added_to_small] = plus([&dsmall], [gathered.clone()]);
        let [added_to_large] = plus([&dlarge], [scattered.clone()]);
        on_every_arch(|| {
            let close = |name, found: &[f32], expected: &[f64]| assert_close_to(tolerance, 1.0, name, found, expected);
            let mut found = vec![f32::NAN; small.len()];
            filtering.gather(&weight, &large, Start::Zero, false, &mut found);
            close("gathered", &found, &gathered);

            let gradients = |side: Option<Side<'_>>| {
                let mut found = dweight.clone();
                filtering.gradients(&weight, &large, &small, side, &mut found);
                close("dweight", &found, &expected_dweight);
            };
            gradients(None);
            let mut found = vec![f32::NAN; small.len()];
            gradients(Some(Side::Small(Accumulate::Set, &mut found)));
            close("first dsmall", &found, &gathered);
            let mut found = dsmall.clone();
            gradients(Some(Side::Small(Accumulate::Add, &mut found)));
            close("dsmall", &found, &added_to_small);
            let mut found = vec![f32::NAN; large.len()];
            gradients(Some(Side::Large(Accumulate::Set, &mut found)));
            close("first dlarge", &found, &scattered);
            let mut found = dlarge.clone();
            gradients(Some(Side::Large(Accumulate::Add, &mut found)));
            close("dlarge", &found, &added_to_large);
        });
    }
}
