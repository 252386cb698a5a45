//! 3x3 convolutions at stride 1 by Winograd's minimal filtering F(4x4, 3x3): 36 products for a tile of 16 outputs,
//! where the definition takes 144.
//!
//! A tile of 6x6 inputs `d`, the filter `g` and the tile of 4x4 outputs `y` meet as `y = A' [(G g G') * (B' d B)] A`,
//! where `'` transposes and `*` multiplies number by number. Both gradients are adjoints of the same bilinear form:
//! `B [(G g G') * (A dy A')] B'` by `d`, tiles overlapping, and `G' [(B' d B) * (A dy A')] G` by `g`. Summed over
//! channels or tiles, each of the 36 numbers is a matrix product of its own.
//!
//! Matrices: Lavin and Gray 2016, "Fast Algorithms for Convolutional Neural Networks", section 4.3
//! (<https://arxiv.org/abs/1509.09308>). Rounding errors are some 10 times those of the definition.

use pulp::{Simd, WithSimd};
use std::marker::PhantomData;

use super::Sum;
use super::conv::ConvShape;
use super::lowering::{place, transpose_taps};
use super::product::{Product, Segment, Start};
use super::scratch::with_scratch;
use super::simd::{self, WIDEST, dispatch, load, store};

/// Outputs on a side of a tile.
const OUTPUTS: usize = 4;
/// Inputs on a side of a tile.
const INPUTS: usize = 6;
/// Products of a tile.
const POINTS: usize = INPUTS * INPUTS;
/// Taps on a side of a filter.
const TAPS: usize = 3;
/// Tiles worked on at once: enough rows for a matrix product, little enough for a cache.
const GROUP: usize = 64;

/// Whether this way saves work and the channels fill vectors.
pub(super) fn suits(shape: ConvShape) -> bool {
    let whole = |channels: usize| channels.is_multiple_of(WIDEST);
    let products = Tiles::of(shape).count() * POINTS;
    let by_definition = shape.small_pixels() * TAPS * TAPS;
    shape.stride == 1 && whole(shape.inputs) && whole(shape.outputs) && 4 * products < 3 * by_definition
}

/// The tiles of an image.
#[derive(Clone, Copy)]
struct Tiles {
    rows: usize,
    columns: usize,
}

impl Tiles {
    fn of(shape: ConvShape) -> Tiles {
        Tiles { rows: shape.height.div_ceil(OUTPUTS), columns: shape.width.div_ceil(OUTPUTS) }
    }

    fn count(self) -> usize {
        self.rows * self.columns
    }

    /// Row and column of the tile's first output.
    fn corner(self, tile: usize) -> [usize; 2] {
        [tile / self.columns * OUTPUTS, tile % self.columns * OUTPUTS]
    }

    /// Where the tile begins in an array of images.
    fn place(self, tile: usize, grid: Grid) -> usize {
        let [row, column] = self.corner(tile);
        row * grid.row + column * grid.column
    }

    /// Images that are worked on at once.
    fn images_per_group(self, shape: ConvShape) -> usize {
        GROUP.div_ceil(self.count()).clamp(1, shape.batch.max(1))
    }

    /// Sides of an image with a border, such that the inputs of all tiles lie on it.
    fn padded_inputs(self) -> [usize; 2] {
        [self.rows, self.columns].map(|tiles| tiles * OUTPUTS + INPUTS - OUTPUTS)
    }

    /// Sides of an image made of the tiles' outputs.
    fn padded_outputs(self) -> [usize; 2] {
        [self.rows, self.columns].map(|tiles| tiles * OUTPUTS)
    }
}

/// small = start + convolution of large, of which negative numbers become 0 with `relu`.
pub(super) fn convolve(shape: ConvShape, weight: &[f32], large: &[f32], start: Start, relu: bool, small: &mut [f32]) {
    let tiles = Tiles::of(shape);
    let sides @ [inputs, outputs] = [shape.inputs, shape.outputs];
    let group = tiles.images_per_group(shape);
    let rows = group * tiles.count();
    let channels = inputs * outputs;
    let filter = filter_stride(channels);
    with_points([filter, rows * inputs, rows * outputs], |[filters, points, products]| {
        put(Filter, Grid::taps(channels), weight, Grid::filter(channels), filters);
        let groups = large.chunks(group * shape.large_image());
        for (large, small) in groups.zip(small.chunks_mut(group * shape.small_image())) {
            let rows = large.len() / shape.large_image() * tiles.count();
            input_points(shape, tiles, large, points);
            multiply(rows, sides, points, filters, products);
            output_images(shape, tiles, products, start, relu, small);
        }
    });
}

/// dweight += gradient of <convolution of large, small> by the weight; dlarge += the gradient by large.
pub(super) fn backward(
    shape: ConvShape,
    weight: &[f32],
    large: &[f32],
    small: &[f32],
    dlarge: Option<(Sum, &mut [f32])>,
    dweight: &mut [f32],
) {
    let tiles = Tiles::of(shape);
    let sides @ [inputs, outputs] = [shape.inputs, shape.outputs];
    let group = tiles.images_per_group(shape);
    let (rows, channels) = (group * tiles.count(), inputs * outputs);
    let mut dlarge = dlarge.map(|(sum, dlarge)| (sum, dlarge.chunks_mut(group * shape.large_image())));
    let filter = filter_stride(channels);
    with_points([filter, filter, rows * inputs, rows * outputs], |[filters, dfilters, points, dproducts]| {
        if dlarge.is_some() {
            with_scratch(weight.len(), |transposed| {
                transpose_taps(sides, weight, transposed);
                put(Filter, Grid::taps(channels), transposed, Grid::filter(channels), filters);
            });
        }
        let mut found = Sum::Begin;
        let groups = large.chunks(group * shape.large_image());
        for (large, small) in groups.zip(small.chunks(group * shape.small_image())) {
            let rows = large.len() / shape.large_image() * tiles.count();
            input_points(shape, tiles, large, points);
            output_adjoint(shape, tiles, small, dproducts);
            multiply_transposed(rows, sides, points, dproducts, std::mem::replace(&mut found, Sum::Add), dfilters);
            let Some((sum, dlarge)) = &mut dlarge else { continue };
            if let Some(dlarge) = dlarge.next() {
                multiply(rows, [outputs, inputs], dproducts, filters, points);
                input_adjoint(shape, tiles, points, *sum, dlarge);
            }
        }
        if found == Sum::Add {
            add(FilterAdjoint, Grid::filter(channels), dfilters, Grid::taps(channels), dweight);
        }
    });
}

/// Scratch space for the 36 points of each of some numbers.
fn with_points<const N: usize>(numbers: [usize; N], work: impl FnOnce([&mut [f32]; N])) {
    let lengths = numbers.map(|numbers| numbers * POINTS);
    with_scratch(lengths.iter().sum(), |mut space| {
        work(lengths.map(|length| {
            let (part, rest) = std::mem::take(&mut space).split_at_mut(length);
            space = rest;
            part
        }))
    });
}

/// `result[row, point, c] = sum over k of points[row, point, k] filters[point, k, c]`.
fn multiply(rows: usize, [inner, columns]: [usize; 2], points: &[f32], filters: &[f32], result: &mut [f32]) {
    let at = |stride: usize| -> Vec<usize> { (0..rows).map(|row| row * stride).collect() };
    let (lefts, places) = (at(POINTS * inner), at(POINTS * columns));
    for (point, filter) in filters.chunks_exact(filter_stride(inner * columns)).enumerate() {
        let product = Product {
            left: &points[point * inner..],
            rows: &lefts,
            segments: &[Segment { start: 0, length: inner, step: 1 }],
            right: filter,
            right_stride: columns,
            columns,
            places: &places,
            start: Start::Zero,
            relu: false,
        };
        product.put_into(&mut result[point * columns..]);
    }
}

/// `result[point, k, c] (+)= sum over the rows of points[row, point, k] products[row, point, c]`.
fn multiply_transposed(
    rows: usize,
    [inner, columns]: [usize; 2],
    points: &[f32],
    products: &[f32],
    sum: Sum,
    result: &mut [f32],
) {
    let lefts: Vec<usize> = (0..inner).collect();
    let places: Vec<usize> = (0..inner).map(|row| row * columns).collect();
    for (point, result) in result.chunks_exact_mut(filter_stride(inner * columns)).enumerate() {
        let product = Product {
            left: &points[point * inner..],
            rows: &lefts,
            segments: &[Segment { start: 0, length: rows, step: POINTS * inner }],
            right: &products[point * columns..],
            right_stride: POINTS * columns,
            columns,
            places: &places,
            start: sum.start(),
            relu: false,
        };
        product.put_into(result);
    }
}

/// `B' d B` of all tiles of some images.
fn input_points(shape: ConvShape, tiles: Tiles, large: &[f32], points: &mut [f32]) {
    let channels = shape.inputs;
    let sides = tiles.padded_inputs();
    let grid = Grid::image(sides[1], channels);
    with_scratch(sides[0] * sides[1] * channels, |padded| {
        padded.fill(0.0);
        let images = large.chunks_exact(shape.large_image());
        for (image, points) in images.zip(points.chunks_exact_mut(tiles.count() * POINTS * channels)) {
            place(shape.large_sides(), channels, image, [1, 1], sides[1], padded);
            for (tile, points) in points.chunks_exact_mut(POINTS * channels).enumerate() {
                put(Input, grid, &padded[tiles.place(tile, grid)..], Grid::points(channels), points);
            }
        }
    });
}

/// start + `A' m A` of all tiles of some images.
fn output_images(shape: ConvShape, tiles: Tiles, products: &[f32], start: Start, relu: bool, small: &mut [f32]) {
    let channels = shape.outputs;
    let grid = Grid::image(shape.width, channels);
    let images = small.chunks_exact_mut(shape.small_image());
    for (image, products) in images.zip(products.chunks_exact(tiles.count() * POINTS * channels)) {
        for (tile, products) in products.chunks_exact(POINTS * channels).enumerate() {
            let [row, column] = tiles.corner(tile);
            // The last tiles may reach beyond the image.
            let limits = [shape.height - row, shape.width - column];
            let target = &mut image[tiles.place(tile, grid)..];
            transform(Output, Grid::points(channels), products, grid, target, Ending { start, relu, limits });
        }
    }
}

/// `A dy A'` of all tiles of some images.
fn output_adjoint(shape: ConvShape, tiles: Tiles, small: &[f32], dproducts: &mut [f32]) {
    let channels = shape.outputs;
    let sides = tiles.padded_outputs();
    let grid = Grid::image(sides[1], channels);
    with_scratch(sides[0] * sides[1] * channels, |padded| {
        padded.fill(0.0);
        let images = small.chunks_exact(shape.small_image());
        for (image, dproducts) in images.zip(dproducts.chunks_exact_mut(tiles.count() * POINTS * channels)) {
            place(shape.small_sides(), channels, image, [0, 0], sides[1], padded);
            for (tile, dproducts) in dproducts.chunks_exact_mut(POINTS * channels).enumerate() {
                put(OutputAdjoint, grid, &padded[tiles.place(tile, grid)..], Grid::points(channels), dproducts);
            }
        }
    });
}

/// Adds `B t B'` of all tiles, which overlap, to some images.
fn input_adjoint(shape: ConvShape, tiles: Tiles, dpoints: &[f32], sum: Sum, dlarge: &mut [f32]) {
    let channels = shape.inputs;
    let sides = tiles.padded_inputs();
    let grid = Grid::image(sides[1], channels);
    with_scratch(sides[0] * sides[1] * channels, |padded| {
        let images = dlarge.chunks_exact_mut(shape.large_image());
        for (image, dpoints) in images.zip(dpoints.chunks_exact(tiles.count() * POINTS * channels)) {
            padded.fill(0.0);
            for (tile, dpoints) in dpoints.chunks_exact(POINTS * channels).enumerate() {
                add(InputAdjoint, Grid::points(channels), dpoints, grid, &mut padded[tiles.place(tile, grid)..]);
            }
            let rows = padded.chunks_exact(sides[1] * channels).skip(1);
            for (row, padded) in image.chunks_exact_mut(shape.width * channels).zip(rows) {
                let values = &padded[channels..][..row.len()];
                match sum {
                    Sum::Begin => row.copy_from_slice(values),
                    Sum::Add => row.iter_mut().zip(values).for_each(|(sum, value)| *sum += value),
                }
            }
        }
    });
}

/// Where the vectors of channels of a small square lie in an array.
#[derive(Clone, Copy)]
struct Grid {
    /// From one row of the square to the next.
    row: usize,
    /// From one place of a row to the next.
    column: usize,
    channels: usize,
}

impl Grid {
    /// Pixels of an image of that width.
    fn image(width: usize, channels: usize) -> Grid {
        Grid { row: width * channels, column: channels, channels }
    }

    /// The 36 points of a tile.
    fn points(channels: usize) -> Grid {
        Grid::image(INPUTS, channels)
    }

    /// The 9 taps of a filter.
    fn taps(channels: usize) -> Grid {
        Grid::image(TAPS, channels)
    }

    /// The 36 points of a filter.
    fn filter(channels: usize) -> Grid {
        let column = filter_stride(channels);
        Grid { row: INPUTS * column, column, channels }
    }
}

/// From one point of the filters to the next: a little more than their number, often a power of 2, lest the points of a
/// filter meet in one place of the cache.
fn filter_stride(channels: usize) -> usize {
    channels + WIDEST
}

/// A linear map of a row or a column of vectors.
trait Line<const I: usize, const O: usize> {
    fn map<S: Simd>(simd: S, from: [S::f32s; I]) -> [S::f32s; O];
}

/// How a transformed square is written.
#[derive(Clone, Copy)]
struct Ending<'a> {
    start: Start<'a>,
    /// Whether negative results become 0.
    relu: bool,
    /// Rows and columns that there is room for.
    limits: [usize; 2],
}

impl Ending<'static> {
    fn new(start: Start<'static>) -> Self {
        Ending { start, relu: false, limits: [usize::MAX; 2] }
    }
}

/// A square of vectors to another, by a map of its columns and then its rows.
struct Transform<'a, L, const I: usize, const O: usize> {
    line: PhantomData<L>,
    from: Grid,
    source: &'a [f32],
    to: Grid,
    target: &'a mut [f32],
    ending: Ending<'a>,
}

fn transform<L: Line<I, O>, const I: usize, const O: usize>(
    _: L,
    from: Grid,
    source: &[f32],
    to: Grid,
    target: &mut [f32],
    ending: Ending,
) {
    dispatch(Transform::<L, I, O> { line: PhantomData, from, source, to, target, ending });
}

/// Overwrites the target's square with the transformed source's.
fn put<L: Line<I, O>, const I: usize, const O: usize>(
    line: L,
    from: Grid,
    source: &[f32],
    to: Grid,
    target: &mut [f32],
) {
    transform(line, from, source, to, target, Ending::new(Start::Zero));
}

/// Adds the transformed source's square to the target's.
fn add<L: Line<I, O>, const I: usize, const O: usize>(
    line: L,
    from: Grid,
    source: &[f32],
    to: Grid,
    target: &mut [f32],
) {
    transform(line, from, source, to, target, Ending::new(Start::Result));
}

impl<L: Line<I, O>, const I: usize, const O: usize> WithSimd for Transform<'_, L, I, O> {
    type Output = ();

    // No closures below: the compiler does not inline vector operations into them.
    #[inline(always)]
    #[expect(clippy::needless_range_loop, reason = "rows and columns of two squares at once")]
    fn with_simd<S: Simd>(self, simd: S) {
        let Transform { from, source, to, target, ending: Ending { start, relu, limits }, .. } = self;
        let zero = simd.splat_f32s(0.0);
        for channel in (0..from.channels).step_by(S::F32_LANES) {
            let mut half = [[zero; I]; O];
            for column in 0..I {
                let mut values = [zero; I];
                for row in 0..I {
                    values[row] = load(simd, source, row * from.row + column * from.column + channel);
                }
                let mapped = L::map(simd, values);
                for row in 0..O {
                    half[row][column] = mapped[row];
                }
            }
            let bias = match start {
                Start::Bias(bias) => load(simd, bias, channel),
                Start::Zero | Start::Result => zero,
            };
            for row in 0..O.min(limits[0]) {
                let mapped = L::map(simd, half[row]);
                for column in 0..O {
                    if column < limits[1] {
                        let place = row * to.row + column * to.column + channel;
                        let mut value = mapped[column];
                        match start {
                            Start::Zero => {}
                            Start::Result => value = simd.add_f32s(load(simd, target, place), value),
                            Start::Bias(_) => value = simd.add_f32s(bias, value),
                        }
                        if relu {
                            value = simd::relu(simd, value);
                        }
                        store(simd, target, place, value);
                    }
                }
            }
        }
    }
}

/// `B'`: 6 to 6.
struct Input;

impl Line<6, 6> for Input {
    #[inline(always)]
    fn map<S: Simd>(simd: S, [d0, d1, d2, d3, d4, d5]: [S::f32s; 6]) -> [S::f32s; 6] {
        let (a, b) = (times(simd, -4.0, d2, d4), times(simd, -4.0, d1, d3));
        let (c, d) = (simd.sub_f32s(d4, d2), simd.sub_f32s(d3, d1));
        [
            times(simd, 4.0, d0, times(simd, -5.0, d2, d4)),
            simd.add_f32s(a, b),
            simd.sub_f32s(a, b),
            times(simd, 2.0, d, c),
            times(simd, -2.0, d, c),
            times(simd, 4.0, d1, times(simd, -5.0, d3, d5)),
        ]
    }
}

/// `B`: 6 to 6.
struct InputAdjoint;

impl Line<6, 6> for InputAdjoint {
    #[inline(always)]
    fn map<S: Simd>(simd: S, [t0, t1, t2, t3, t4, t5]: [S::f32s; 6]) -> [S::f32s; 6] {
        let (a, b) = (simd.add_f32s(t1, t2), simd.sub_f32s(t1, t2));
        let (c, d) = (simd.add_f32s(t3, t4), simd.sub_f32s(t3, t4));
        let four = simd.splat_f32s(4.0);
        [
            simd.mul_f32s(four, t0),
            times(simd, -2.0, d, simd.mul_f32s(four, simd.sub_f32s(t5, b))),
            times(simd, -5.0, t0, simd.neg_f32s(times(simd, 4.0, a, c))),
            times(simd, -5.0, t5, times(simd, 2.0, d, b)),
            simd.add_f32s(t0, simd.add_f32s(a, c)),
            t5,
        ]
    }
}

/// `G`: 3 to 6.
struct Filter;

impl Line<3, 6> for Filter {
    #[inline(always)]
    fn map<S: Simd>(simd: S, [g0, g1, g2]: [S::f32s; 3]) -> [S::f32s; 6] {
        let (a, b) = (scaled(simd, -1.0 / 6.0, simd.add_f32s(g0, g2)), scaled(simd, -1.0 / 6.0, g1));
        let c = simd.mul_add_f32s(simd.splat_f32s(1.0 / 24.0), g0, scaled(simd, 1.0 / 6.0, g2));
        let d = scaled(simd, 1.0 / 12.0, g1);
        [scaled(simd, 0.25, g0), simd.add_f32s(a, b), simd.sub_f32s(a, b), simd.add_f32s(c, d), simd.sub_f32s(c, d), g2]
    }
}

/// `G'`: 6 to 3.
struct FilterAdjoint;

impl Line<6, 3> for FilterAdjoint {
    #[inline(always)]
    fn map<S: Simd>(simd: S, [u0, u1, u2, u3, u4, u5]: [S::f32s; 6]) -> [S::f32s; 3] {
        let (a, b) = (simd.add_f32s(u1, u2), simd.sub_f32s(u1, u2));
        let (c, d) = (simd.add_f32s(u3, u4), simd.sub_f32s(u3, u4));
        let sixth = simd.mul_f32s(simd.splat_f32s(-1.0 / 6.0), a);
        [
            times(simd, 0.25, u0, times(simd, 1.0 / 24.0, c, sixth)),
            times(simd, -1.0 / 6.0, b, simd.mul_f32s(simd.splat_f32s(1.0 / 12.0), d)),
            times(simd, 1.0 / 6.0, c, simd.add_f32s(sixth, u5)),
        ]
    }
}

/// `A'`: 6 to 4.
struct Output;

impl Line<6, 4> for Output {
    #[inline(always)]
    fn map<S: Simd>(simd: S, [m0, m1, m2, m3, m4, m5]: [S::f32s; 6]) -> [S::f32s; 4] {
        let (a, b) = (simd.add_f32s(m1, m2), simd.sub_f32s(m1, m2));
        let (c, d) = (simd.add_f32s(m3, m4), simd.sub_f32s(m3, m4));
        [
            simd.add_f32s(m0, simd.add_f32s(a, c)),
            times(simd, 2.0, d, b),
            times(simd, 4.0, c, a),
            times(simd, 8.0, d, simd.add_f32s(b, m5)),
        ]
    }
}

/// `A`: 4 to 6.
struct OutputAdjoint;

impl Line<4, 6> for OutputAdjoint {
    #[inline(always)]
    fn map<S: Simd>(simd: S, [y0, y1, y2, y3]: [S::f32s; 4]) -> [S::f32s; 6] {
        let (a, b) = (simd.add_f32s(y0, y2), simd.add_f32s(y1, y3));
        let (c, d) = (times(simd, 4.0, y2, y0), times(simd, 4.0, y3, y1));
        [y0, simd.add_f32s(a, b), simd.sub_f32s(a, b), times(simd, 2.0, d, c), times(simd, -2.0, d, c), y3]
    }
}

/// factor · a + b
#[inline(always)]
fn times<S: Simd>(simd: S, factor: f32, a: S::f32s, b: S::f32s) -> S::f32s {
    simd.mul_add_f32s(simd.splat_f32s(factor), a, b)
}

/// factor · a
#[inline(always)]
fn scaled<S: Simd>(simd: S, factor: f32, a: S::f32s) -> S::f32s {
    simd.mul_f32s(simd.splat_f32s(factor), a)
}
