//! The division of the outputs of a convolution into tiles.

use std::ops::Range;

use super::super::conv_shape::ConvShape;
use super::lines::SHARED;

/// Enough rows for an efficient product, few enough for the caches; measured.
const ROWS: usize = 32;

/// The kind of a tile in one direction; see [`super::lines`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Four,
    Two,
    Strided,
}

/// A tile of an image.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tile {
    /// Vertical and horizontal.
    pub(super) kinds: [Kind; 2],
    /// Row and column of its first output.
    pub(super) corner: [usize; 2],
    /// Its class, an index into [`Tiles::counts`], and its index among the tiles of that class in an image.
    class: usize,
    index: usize,
}

/// The tiles of an image.
///
/// A product processes the same point of many tiles, and tiles with two outputs lack some points. To keep the tiles
/// that have a point contiguous, the tiles of a group of images are sorted by class: two outputs high, four by four,
/// two outputs wide, two by two.
#[derive(Debug)]
pub(super) struct Tiles {
    stride: usize,
    /// The tiles of one image.
    pub(super) tiles: Vec<Tile>,
    /// Number of tiles of an image in each class.
    counts: [usize; 4],
}

impl Tiles {
    pub(super) fn of(shape: ConvShape) -> Tiles {
        let [rows, columns] = [shape.out_height(), shape.out_width()].map(|side| cut(side, shape.window.stride));
        let mut counts = [0; 4];
        let mut tiles = Vec::new();
        for &(row, down) in &rows {
            for &(column, across) in &columns {
                let class = match [down == Kind::Two, across == Kind::Two] {
                    [true, false] => 0,
                    [false, false] => 1,
                    [false, true] => 2,
                    [true, true] => 3,
                };
                tiles.push(Tile { kinds: [down, across], corner: [row, column], class, index: counts[class] });
                counts[class] += 1;
            }
        }
        Tiles { stride: shape.window.stride, tiles, counts }
    }

    /// Multiplications for an image, an input channel and an output channel.
    pub(super) fn products(&self) -> usize {
        let points = 0..self.points();
        points.clone().flat_map(|row| points.clone().map(move |column| self.rows(1, [row, column]).len())).sum()
    }

    /// Images in a group, which are processed together.
    pub(super) fn images_per_group(&self, batch: usize) -> usize {
        ROWS.div_ceil(self.tiles.len().max(1)).clamp(1, batch.max(1))
    }

    /// Number of points of a line of inputs or taps.
    pub(super) fn points(&self) -> usize {
        if self.stride == 1 { 6 } else { 5 }
    }

    /// The sum that the products of a point are added to.
    pub(super) fn sum_of(&self, point: usize) -> usize {
        if self.stride == 1 { point } else { [0, 0, 1, 2, 2][point] }
    }

    /// Number of sums of a line of outputs.
    pub(super) fn sums(&self) -> usize {
        if self.stride == 1 { 6 } else { 3 }
    }

    /// The index of a tile of an image in a group of `images` images.
    pub(super) fn row(&self, images: usize, image: usize, tile: Tile) -> usize {
        let before: usize = self.counts[..tile.class].iter().sum();
        before * images + image * self.counts[tile.class] + tile.index
    }

    /// The tiles, in a group of `images` images, that have the point at a row and column.
    pub(super) fn rows(&self, images: usize, [row, column]: [usize; 2]) -> Range<usize> {
        let shared = |point: usize| self.stride == 2 || SHARED.contains(&point);
        let [low, whole, narrow, small] = self.counts;
        let (first, last) = match [shared(row), shared(column)] {
            [true, true] => (0, low + whole + narrow + small),
            [true, false] => (0, low + whole),
            [false, true] => (low, low + whole + narrow),
            [false, false] => (low, low + whole),
        };
        // An index that exists even if no tile has the point.
        if first == last { 0..0 } else { first * images..last * images }
    }
}

impl Kind {
    /// Outputs of a tile.
    fn outputs(self) -> usize {
        match self {
            Kind::Four => 4,
            Kind::Two | Kind::Strided => 2,
        }
    }
}

/// The tiles in one direction: the first output of each, and its kind.
fn cut(side: usize, stride: usize) -> Vec<(usize, Kind)> {
    let mut tiles = Vec::new();
    let mut first = 0;
    while first < side {
        let kind = match side - first {
            _ if stride == 2 => Kind::Strided,
            1 | 2 => Kind::Two,
            _ => Kind::Four,
        };
        tiles.push((first, kind));
        first += kind.outputs();
    }
    tiles
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::dims::Window;

    fn tiles(height: usize, width: usize, stride: usize) -> Tiles {
        Tiles::of(ConvShape { batch: 1, height, width, inputs: 16, outputs: 16, window: Window::same(3, stride) })
    }

    #[test]
    fn tiles_fit_the_image() {
        assert_eq!(tiles(14, 14, 1).products(), 22 * 22);
        assert_eq!(tiles(7, 5, 1).products(), 12 * 10);
        assert_eq!(tiles(28, 28, 2).products(), 49 * 25);
    }

    /// Each tile of each image has a row of its own, and the rows of a point are those of the tiles that have it.
    #[test]
    fn rows_of_a_point_follow_each_other() {
        for (height, width, stride) in [(14, 14, 1), (6, 9, 1), (2, 7, 1), (8, 8, 1), (9, 6, 2)] {
            let tiles = tiles(height, width, stride);
            let mut of_row = vec![None; 3 * tiles.tiles.len()];
            for image in 0..3 {
                for &tile in &tiles.tiles {
                    assert!(of_row[tiles.row(3, image, tile)].replace(tile.kinds).is_none());
                }
            }
            for row in 0..tiles.points() {
                for column in 0..tiles.points() {
                    let range = tiles.rows(3, [row, column]);
                    for (place, kinds) in of_row.iter().enumerate() {
                        let [down, across] = kinds.unwrap();
                        let has = |kind, point: usize| kind != Kind::Two || SHARED.contains(&point);
                        assert_eq!(range.contains(&place), has(down, row) && has(across, column));
                    }
                }
            }
        }
    }
}
