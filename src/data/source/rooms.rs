//! The source `rooms`: an object in the corner of a room, with the factors of 3dshapes (Burgess and Kim 2018) in the same order.
//!
//! # Definition, version 1
//! An image has 64 rows and 64 columns of bytes for red, green and blue. There is one for each combination of six factors, the
//! last one fastest: `floor_hue` 10, `wall_hue` 10, `object_hue` 10, `scale` 8, `shape` 4, `orientation` 15, in all 480,000.
//!
//! - The last three factors say what a camera sees: how much of each pixel is floor, wall and object, and how bright these are.
//!   These weights are defined in [`scene`].
//! - The first three factors say which colors the three have: hue k is the color of 36 k degrees of HSV, with the saturations
//!   and values of [`FLOOR`], [`WALL`] and [`OBJECT`].
//! - A byte is (the sum of weight times color, plus 128) / 256, rounded down. Weights are whole numbers, in all at most 255,
//!   and colors are rounded to whole numbers from 0 to 256. The fourth weight is that of white, for reflections of the light.
//!
//! The weights of each of the 480 geometries are computed at their first use, and kept.

mod scene;

use super::Source;
use super::generated::Generated;
use crate::data::ImageShape;
use crate::data::store::{Definition, Factor};
use crate::data::values::Element;
use crate::settings::{Keys, Kind};
use scene::{SIDE, Weights};
use std::sync::{Arc, OnceLock};

pub(super) static KIND: Kind<Arc<dyn Source>> =
    Kind::new("rooms", "480,000 color images of 64x64, computed, with the factors of 3dshapes.", read).also("room");

fn read(_: &mut Keys<'_>) -> Arc<dyn Source> {
    Arc::new(Generated("rooms", &ROOMS))
}

static ROOMS: Definition = Definition {
    version: "rooms 1",
    shape: ImageShape { height: SIDE, width: SIDE, channels: 3 },
    element: Element::Byte,
    factors: &[
        Factor::new("floor_hue", HUES as u32),
        Factor::new("wall_hue", HUES as u32),
        Factor::new("object_hue", HUES as u32),
        Factor::new("scale", scene::SCALES as u32),
        Factor { name: "shape", size: scene::SHAPES as u32, names: &["cube", "cylinder", "sphere", "capsule"] },
        Factor::new("orientation", scene::ORIENTATIONS as u32),
    ],
    render,
    memory: GEOMETRIES * size_of::<Weights>(),
};

const HUES: usize = 10;
const GEOMETRIES: usize = scene::SCALES * scene::SHAPES * scene::ORIENTATIONS;

/// The saturation and the value of the colors of the floor.
const FLOOR: [f64; 2] = [0.65, 0.9];
/// The same of the walls.
const WALL: [f64; 2] = [0.5, 1.0];
/// The same of the object.
const OBJECT: [f64; 2] = [0.9, 1.0];

/// Red, green and blue, from 0 to 256, as the lowest three numbers of 16 bits. Products with weights and their sum, at most
/// 255 * 256 + 128, still fit.
const fn packed([red, green, blue]: [u64; 3]) -> u64 {
    red | green << 16 | blue << 32
}

const WHITE: u64 = packed([256; 3]);
/// Half of the divisor, so that bytes are rounded to the nearest.
const HALF: u64 = packed([128; 3]);

/// The color of a hue.
fn color(hue: usize, [saturation, value]: [f64; 2]) -> u64 {
    // In sixths of the circle of hues, red is full from -1 to 1, green from 1 to 3, blue from 3 to 5. The next sixth on either
    // side leads to the lowest value.
    let channel = |start: f64| {
        let place = (start + hue as f64 * 6.0 / HUES as f64) % 6.0;
        let missing = place.min(4.0 - place).clamp(0.0, 1.0);
        (256.0 * value * (1.0 - saturation * missing) + 0.5) as u64
    };
    packed([channel(5.0), channel(3.0), channel(1.0)])
}

fn weights(geometry: usize) -> &'static Weights {
    static ALL: [OnceLock<Box<Weights>>; GEOMETRIES] = [const { OnceLock::new() }; GEOMETRIES];
    ALL[geometry].get_or_init(|| scene::weights(geometry))
}

/// Writes an image.
fn render(index: usize, image: &mut [u8]) {
    let hue = |stride: usize| index / (GEOMETRIES * stride) % HUES;
    let (floor, wall, object) = (color(hue(HUES * HUES), FLOOR), color(hue(HUES), WALL), color(hue(1), OBJECT));
    let weights = weights(index % GEOMETRIES);
    for (pixel, weights) in image.as_chunks_mut::<3>().0.iter_mut().zip(weights) {
        let [of_floor, of_wall, of_object, of_white] = weights.map(u64::from);
        let sum = of_floor * floor + of_wall * wall + of_object * object + of_white * WHITE + HALF;
        *pixel = [(sum >> 8) as u8, (sum >> 24) as u8, (sum >> 40) as u8];
    }
}

#[cfg(test)]
mod tests;
