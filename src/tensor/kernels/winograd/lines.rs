//! The linear maps of Winograd's filtering in one direction, and their application to squares of channel vectors.
//!
//! For a line of inputs `d`, the three taps `g` and a line of outputs `y`, one direction is `y = A' [(G g) * (B' d)]`,
//! where `'` is the transpose and `*` the elementwise product. There are three kinds:
//!
//! - Four outputs, F(4, 3), at the points 0, 1, -1, 2, -2 and infinity: Lavin and Gray 2016, "Fast Algorithms for
//!   Convolutional Neural Networks", section 4.3 (<https://arxiv.org/abs/1509.09308>).
//! - Two outputs, F(2, 3), at 0, 1, -1 and infinity. Its `B'` is scaled so that it can use the filter of the first
//!   kind, `G` above, at these points.
//! - Two outputs at stride 2. The first and the last tap meet the even inputs, F(2, 2) at 0, 1 and infinity; the middle
//!   tap meets the odd inputs, and its two products are added to those at 0 and infinity.

use pulp::{Simd, WithSimd};
use std::marker::PhantomData;

use super::super::Accumulate;
use super::super::product::Start;
use crate::simd::{self, dispatch, load, store};

/// The position of the channel vectors of a small square in an array.
pub(super) trait Grid: Copy {
    /// Channels of each position.
    fn channels(self) -> usize;

    /// Whether the array has this row (direction 0) or column (direction 1). Missing positions are read as zeros and
    /// not written.
    fn has(self, direction: usize, place: usize) -> bool;

    /// The index of the vectors of a position, which must exist.
    fn place(self, row: usize, column: usize) -> usize;
}

/// A square that lies completely inside its array.
#[derive(Clone, Copy)]
pub(super) struct Whole {
    /// Distance between rows.
    pub(super) row: usize,
    /// Distance between positions in a row.
    pub(super) column: usize,
    pub(super) channels: usize,
}

impl Whole {
    /// A square with this many columns.
    pub(super) fn square(columns: usize, channels: usize) -> Whole {
        Whole { row: columns * channels, column: channels, channels }
    }
}

impl Grid for Whole {
    #[inline(always)]
    fn channels(self) -> usize {
        self.channels
    }

    #[inline(always)]
    fn has(self, _: usize, _: usize) -> bool {
        true
    }

    #[inline(always)]
    fn place(self, row: usize, column: usize) -> usize {
        row * self.row + column * self.column
    }
}

/// A square of an image; some of its rows and columns may lie outside. The array begins with the first position inside.
#[derive(Clone, Copy)]
pub(super) struct Cut {
    grid: Whole,
    /// The first row and column inside the image.
    first: [usize; 2],
    /// The first row and column after the image.
    end: [usize; 2],
}

impl Cut {
    /// A square of an image (height, width, channels), and its index in the image. The corner is relative to the image
    /// with a border of `before` rows and columns above it and to its left.
    pub(super) fn new(sides: [usize; 2], channels: usize, before: [usize; 2], corner: [usize; 2]) -> (Cut, usize) {
        let grid = Whole::square(sides[1], channels);
        let [inside_row, inside_column] = [0, 1].map(|direction| corner[direction].saturating_sub(before[direction]));
        let first = [0, 1].map(|direction| before[direction].saturating_sub(corner[direction]));
        let end = [0, 1].map(|direction| sides[direction] + before[direction] - corner[direction]);
        (Cut { grid, first, end }, grid.place(inside_row, inside_column))
    }
}

impl Grid for Cut {
    #[inline(always)]
    fn channels(self) -> usize {
        self.grid.channels
    }

    #[inline(always)]
    fn has(self, direction: usize, place: usize) -> bool {
        self.first[direction] <= place && place < self.end[direction]
    }

    #[inline(always)]
    fn place(self, row: usize, column: usize) -> usize {
        self.grid.place(row - self.first[0], column - self.first[1])
    }
}

/// A linear map of a row or a column of vectors.
pub(super) trait Line<const I: usize, const O: usize> {
    /// The position of each input vector in its row or column.
    const FROM: [usize; I] = in_order();
    /// The position of each output vector.
    const TO: [usize; O] = in_order();

    fn map<S: Simd>(simd: S, from: [S::f32s; I]) -> [S::f32s; O];
}

/// 0, 1, 2, ...
const fn in_order<const N: usize>() -> [usize; N] {
    let mut places = [0; N];
    let mut place = 0;
    while place < N {
        places[place] = place;
        place += 1;
    }
    places
}

/// The points of a line of four outputs that a line of two outputs also has.
pub(super) const SHARED: [usize; 4] = [0, 1, 2, 5];

/// How a transformed square is written.
#[derive(Clone, Copy)]
pub(super) struct Ending<'a> {
    pub(super) start: Start<'a>,
    /// Whether negative results become 0.
    pub(super) relu: bool,
    /// The number of first rows and columns that are already written and therefore added to.
    pub(super) begun: [usize; 2],
}

impl Ending<'static> {
    /// Overwrites the target or adds to it.
    pub(super) fn new(sum: Accumulate) -> Self {
        Ending { start: sum.start(), relu: false, begun: [0; 2] }
    }
}

/// A map from a square of vectors to another: one map for its columns, then one for its rows.
struct Transform<'a, R, C, F, T, const RI: usize, const RO: usize, const CI: usize, const CO: usize> {
    maps: PhantomData<(R, C)>,
    from: F,
    source: &'a [f32],
    to: T,
    target: &'a mut [f32],
    ending: Ending<'a>,
}

/// Transforms the square of the source and writes it to the target. The first map changes the number of rows, the
/// second the number of columns.
pub(super) fn transform<R, C, F, T, const RI: usize, const RO: usize, const CI: usize, const CO: usize>(
    _: (R, C),
    from: F,
    source: &[f32],
    to: T,
    target: &mut [f32],
    ending: Ending,
) where
    R: Line<RI, RO>,
    C: Line<CI, CO>,
    F: Grid,
    T: Grid,
{
    dispatch(Transform { maps: PhantomData::<(R, C)>, from, source, to, target, ending });
}

impl<R, C, F, T, const RI: usize, const RO: usize, const CI: usize, const CO: usize> WithSimd
    for Transform<'_, R, C, F, T, RI, RO, CI, CO>
where
    R: Line<RI, RO>,
    C: Line<CI, CO>,
    F: Grid,
    T: Grid,
{
    type Output = ();

    // No closures below: the compiler does not inline vector operations into them.
    #[inline(always)]
    #[expect(clippy::needless_range_loop, reason = "rows and columns of two squares at once")]
    fn with_simd<S: Simd>(self, simd: S) {
        let Transform { from, source, to, target, ending: Ending { start, relu, begun }, .. } = self;
        let zero = simd.splat_f32s(0.0);
        // Created once because clearing takes time; columns outside the image stay zero.
        let mut half = [[zero; CI]; RO];
        for channel in (0..from.channels()).step_by(S::F32_LANES) {
            for column in 0..CI {
                let from_column = C::FROM[column];
                if !from.has(1, from_column) {
                    continue;
                }
                let mut values = [zero; RI];
                for row in 0..RI {
                    let from_row = R::FROM[row];
                    if from.has(0, from_row) {
                        values[row] = load(simd, source, from.place(from_row, from_column) + channel);
                    }
                }
                let mapped = R::map(simd, values);
                for row in 0..RO {
                    half[row][column] = mapped[row];
                }
            }
            let bias = match start {
                Start::Bias(bias) => load(simd, bias, channel),
                Start::Zero | Start::Result => zero,
            };
            for row in 0..RO {
                let to_row = R::TO[row];
                if !to.has(0, to_row) {
                    continue;
                }
                let mapped = C::map(simd, half[row]);
                for column in 0..CO {
                    let to_column = C::TO[column];
                    if !to.has(1, to_column) {
                        continue;
                    }
                    let place = to.place(to_row, to_column) + channel;
                    let mut value = mapped[column];
                    match start {
                        Start::Zero if to_row >= begun[0] && to_column >= begun[1] => {}
                        Start::Zero | Start::Result => value = simd.add_f32s(load(simd, target, place), value),
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

/// `B'`: 6 to 6.
pub(super) struct Input;

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
pub(super) struct InputAdjoint;

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
pub(super) struct Filter;

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
pub(super) struct FilterAdjoint;

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
pub(super) struct Output;

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
pub(super) struct OutputAdjoint;

impl Line<4, 6> for OutputAdjoint {
    #[inline(always)]
    fn map<S: Simd>(simd: S, [y0, y1, y2, y3]: [S::f32s; 4]) -> [S::f32s; 6] {
        let (a, b) = (simd.add_f32s(y0, y2), simd.add_f32s(y1, y3));
        let (c, d) = (times(simd, 4.0, y2, y0), times(simd, 4.0, y3, y1));
        [y0, simd.add_f32s(a, b), simd.sub_f32s(a, b), times(simd, 2.0, d, c), times(simd, -2.0, d, c), y3]
    }
}

/// `B'` of two outputs: 4 to 4.
pub(super) struct InputOfTwo;

impl Line<4, 4> for InputOfTwo {
    const TO: [usize; 4] = SHARED;

    #[inline(always)]
    fn map<S: Simd>(simd: S, [d0, d1, d2, d3]: [S::f32s; 4]) -> [S::f32s; 4] {
        [
            scaled(simd, 4.0, simd.sub_f32s(d0, d2)),
            scaled(simd, -3.0, simd.add_f32s(d1, d2)),
            scaled(simd, 3.0, simd.sub_f32s(d1, d2)),
            simd.sub_f32s(d3, d1),
        ]
    }
}

/// `B` of two outputs: 4 to 4.
pub(super) struct InputOfTwoAdjoint;

impl Line<4, 4> for InputOfTwoAdjoint {
    const FROM: [usize; 4] = SHARED;

    #[inline(always)]
    fn map<S: Simd>(simd: S, [t0, t1, t2, t5]: [S::f32s; 4]) -> [S::f32s; 4] {
        let t0 = scaled(simd, 4.0, t0);
        [
            t0,
            simd.sub_f32s(scaled(simd, 3.0, simd.sub_f32s(t2, t1)), t5),
            simd.sub_f32s(scaled(simd, -3.0, simd.add_f32s(t1, t2)), t0),
            t5,
        ]
    }
}

/// `A'` of two outputs: 4 to 2.
pub(super) struct OutputOfTwo;

impl Line<4, 2> for OutputOfTwo {
    const FROM: [usize; 4] = SHARED;

    #[inline(always)]
    fn map<S: Simd>(simd: S, [m0, m1, m2, m5]: [S::f32s; 4]) -> [S::f32s; 2] {
        [simd.add_f32s(m0, simd.add_f32s(m1, m2)), simd.add_f32s(simd.sub_f32s(m1, m2), m5)]
    }
}

/// `A` of two outputs: 2 to 4.
pub(super) struct OutputOfTwoAdjoint;

impl Line<2, 4> for OutputOfTwoAdjoint {
    const TO: [usize; 4] = SHARED;

    #[inline(always)]
    fn map<S: Simd>(simd: S, [y0, y1]: [S::f32s; 2]) -> [S::f32s; 4] {
        [y0, simd.add_f32s(y0, y1), simd.sub_f32s(y0, y1), y1]
    }
}

/// `B'` at stride 2: 5 to 5.
pub(super) struct StridedInput;

impl Line<5, 5> for StridedInput {
    #[inline(always)]
    fn map<S: Simd>(simd: S, [d0, d1, d2, d3, d4]: [S::f32s; 5]) -> [S::f32s; 5] {
        [simd.sub_f32s(d0, d2), d1, d2, simd.sub_f32s(d4, d2), d3]
    }
}

/// `B` at stride 2: 5 to 5.
pub(super) struct StridedInputAdjoint;

impl Line<5, 5> for StridedInputAdjoint {
    #[inline(always)]
    fn map<S: Simd>(simd: S, [t0, t1, t2, t3, t4]: [S::f32s; 5]) -> [S::f32s; 5] {
        [t0, t1, simd.sub_f32s(t2, simd.add_f32s(t0, t3)), t4, t3]
    }
}

/// `G` at stride 2: 3 to 5.
pub(super) struct StridedFilter;

impl Line<3, 5> for StridedFilter {
    #[inline(always)]
    fn map<S: Simd>(simd: S, [g0, g1, g2]: [S::f32s; 3]) -> [S::f32s; 5] {
        [g0, g1, simd.add_f32s(g0, g2), g2, g1]
    }
}

/// `G'` at stride 2: 5 to 3.
pub(super) struct StridedFilterAdjoint;

impl Line<5, 3> for StridedFilterAdjoint {
    #[inline(always)]
    fn map<S: Simd>(simd: S, [u0, u1, u2, u3, u4]: [S::f32s; 5]) -> [S::f32s; 3] {
        [simd.add_f32s(u0, u2), simd.add_f32s(u1, u4), simd.add_f32s(u2, u3)]
    }
}

/// `A'` at stride 2, of products that are already added to their sums: 3 to 2.
pub(super) struct StridedOutput;

impl Line<3, 2> for StridedOutput {
    #[inline(always)]
    fn map<S: Simd>(simd: S, [m0, m1, m2]: [S::f32s; 3]) -> [S::f32s; 2] {
        [simd.add_f32s(m0, m1), simd.add_f32s(m1, m2)]
    }
}

/// `A` at stride 2: 2 to 3.
pub(super) struct StridedOutputAdjoint;

impl Line<2, 3> for StridedOutputAdjoint {
    #[inline(always)]
    fn map<S: Simd>(simd: S, [y0, y1]: [S::f32s; 2]) -> [S::f32s; 3] {
        [y0, simd.add_f32s(y0, y1), y1]
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
