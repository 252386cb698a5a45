//! The source `sprites`: one white shape on black, as in dSprites (Matthey et al. 2017), with the same factors in the same order.
//!
//! # Definition, version 1
//! An image has 64 rows and 64 columns of bits. There is one for each combination of six factors, the last one fastest:
//! `color` 1, `shape` 3, `scale` 6, `orientation` 40, `position_x` 32, `position_y` 32, in all 737,280.
//!
//! - The pixel in row r and column c (from 0, the first row at the top) has its centre at y = r + 1/2, x = c + 1/2. It is 1
//!   where its centre is inside the shape or on its boundary, and otherwise 0.
//! - `position_x` i and `position_y` j put the centroid of the shape at x = 16.5 + i, y = 16.5 + j, the centre of a pixel. So the
//!   positions are symmetric about the middle of the image, and images of different positions are shifted copies.
//! - `scale` k multiplies lengths by (5 + k) / 10: 0.5, 0.6, ..., 1.
//! - `orientation` k turns the shape counterclockwise by 2 pi k / 39, as seen. So 39 is the same as 0, as in dSprites.
//! - `shape` at scale 1 and orientation 0, in pixels:
//!   - square: sides of 19.2, horizontal and vertical.
//!   - ellipse: semi-axes of 13.05, horizontal, and 7.05.
//!   - heart: a square with sides of S = 11.3 on its tip, and a disk of diameter S about the middle of each of its two upper
//!     sides. Its centroid is S (3 pi + 4) / (6 sqrt(2) (pi + 4)) above the centre of its square.
//!
//! No point of a shape is farther than 13.6 from its centroid, and no centroid is nearer than 16.5 to the border, so every shape
//! is entirely in its image. Lengths are close to those of dSprites, whose positions are not always centres of pixels (16 +
//! 32 i / 31); so the images are similar, but not the same.
//!
//! Sines and cosines are those of the crate `libm`, so the bits are the same on every machine.

use super::Source;
use super::generated::Generated;
use crate::data::ImageShape;
use crate::data::store::{Definition, Factor};
use crate::data::values::Element;
use crate::settings::{Keys, Kind};
use std::f64::consts::{PI, SQRT_2, TAU};
use std::sync::{Arc, OnceLock};

pub(super) static KIND: Kind<Arc<dyn Source>> =
    Kind::new("sprites", "737,280 binary images of 64x64, computed, with the factors of dSprites.", read)
        .also("sprite shapes generated synthetic");

fn read(_: &mut Keys<'_>) -> Arc<dyn Source> {
    Arc::new(Generated("sprites", &SPRITES))
}

static SPRITES: Definition = Definition {
    version: "sprites 1",
    shape: ImageShape::grey(SIDE, SIDE),
    element: Element::Bit,
    factors: &[
        Factor { name: "color", size: 1, names: &["white"] },
        Factor { name: "shape", size: SHAPES.len() as u32, names: &["square", "ellipse", "heart"] },
        Factor::new("scale", SCALES as u32),
        Factor::new("orientation", ORIENTATIONS as u32),
        Factor::new("position_x", POSITIONS as u32),
        Factor::new("position_y", POSITIONS as u32),
    ],
    render,
    memory: MASKS * size_of::<Mask>(),
};

/// The height and width of an image.
const SIDE: usize = 64;
const SCALES: usize = 6;
const ORIENTATIONS: usize = 40;
const POSITIONS: usize = 32;
/// The row and the column of the centroid at position 0.
const FIRST: usize = 16;

const SHAPES: [Shape; 3] = [Shape::Square, Shape::Ellipse, Shape::Heart];

#[derive(Clone, Copy, Debug)]
enum Shape {
    Square,
    Ellipse,
    Heart,
}

/// The side of the square.
const SQUARE: f64 = 19.2;
/// The semi-axes of the ellipse.
const ELLIPSE: [f64; 2] = [13.05, 7.05];
/// The side of the square of the heart.
const HEART: f64 = 11.3;
/// How far the centroid of the heart is above the centre of its square.
const HEART_CENTROID: f64 = HEART * (3.0 * PI + 4.0) / (6.0 * SQRT_2 * (PI + 4.0));

impl Shape {
    /// Whether a point is in the shape at scale 1 and orientation 0: to the right of its centroid, and above it.
    fn contains(self, right: f64, up: f64) -> bool {
        match self {
            Shape::Square => right.abs() <= SQUARE / 2.0 && up.abs() <= SQUARE / 2.0,
            Shape::Ellipse => {
                let (x, y) = (right / ELLIPSE[0], up / ELLIPSE[1]);
                x * x + y * y <= 1.0
            }
            Shape::Heart => {
                let up = up + HEART_CENTROID;
                let middle = HEART / (2.0 * SQRT_2);
                let (x, y) = (right.abs() - middle, up - middle);
                right.abs() + up.abs() <= HEART / SQRT_2 || x * x + y * y <= HEART * HEART / 4.0
            }
        }
    }
}

/// The most rows or columns between the centroid and a pixel of a shape.
const REACH: usize = 13;
/// The height and width of a mask, whose middle is the centroid.
const ACROSS: usize = 2 * REACH + 1;

/// A turned and scaled shape. Bit c of row r is the pixel in that row and column.
type Mask = [u32; ACROSS];

/// The number of masks: one for each shape, scale and orientation, the last one fastest.
const MASKS: usize = SHAPES.len() * SCALES * ORIENTATIONS;

fn mask(index: usize) -> Mask {
    let (shape, scale) = (SHAPES[index / (SCALES * ORIENTATIONS)], index / ORIENTATIONS % SCALES);
    // The last orientation is the first one, without a rounding error.
    let turns = (index % ORIENTATIONS % (ORIENTATIONS - 1)) as f64 / (ORIENTATIONS - 1) as f64;
    let (sine, cosine) = (libm::sin(TAU * turns), libm::cos(TAU * turns));
    let scale = (5 + scale) as f64 / 10.0;
    let is_inside = |row: usize, column: usize| {
        let (right, up) = (column as f64 - REACH as f64, REACH as f64 - row as f64);
        // Turns the point back, clockwise.
        shape.contains((cosine * right + sine * up) / scale, (cosine * up - sine * right) / scale)
    };
    std::array::from_fn(|row| (0..ACROSS).fold(0, |bits, column| bits | u32::from(is_inside(row, column)) << column))
}

fn masks() -> &'static [Mask] {
    static ALL: OnceLock<Vec<Mask>> = OnceLock::new();
    ALL.get_or_init(|| (0..MASKS).map(mask).collect())
}

/// Eight bits as eight bytes, the lowest bit first.
static BYTES: [[u8; 8]; 256] = bytes();

const fn bytes() -> [[u8; 8]; 256] {
    let mut all = [[0; 8]; 256];
    let mut place = 0;
    while place < 256 * 8 {
        all[place / 8][place % 8] = ((place / 8) >> (place % 8)) as u8 & 1;
        place += 1;
    }
    all
}

/// Writes an image.
fn render(index: usize, image: &mut [u8]) {
    let (x, y) = (index / POSITIONS % POSITIONS, index % POSITIONS);
    let mask = &masks()[index / (POSITIONS * POSITIONS) % MASKS];
    let (left, top) = (x + FIRST - REACH, y + FIRST - REACH);
    let (above, rest) = image.split_at_mut(top * SIDE);
    let (rows, below) = rest.split_at_mut(ACROSS * SIDE);
    above.fill(0);
    below.fill(0);
    for (row, bits) in rows.as_chunks_mut::<SIDE>().0.iter_mut().zip(mask) {
        let bits = u64::from(*bits) << left;
        for (eight, byte) in row.as_chunks_mut::<8>().0.iter_mut().zip(bits.to_le_bytes()) {
            *eight = BYTES[usize::from(byte)];
        }
    }
}

#[cfg(test)]
mod tests;
