//! Bilinear resizing as Pillow does it: each new value is a weighted mean of all values that it covers, so that smaller images
//! have no aliasing. Bytes have the same bits as in Pillow.

use super::Picture;
use crate::data::ImageShape;
use crate::data::values::{Element, Values};

/// Bits of the weights of bytes. A sum of products with bytes fits in 32 bits.
const BITS: u32 = 32 - 8 - 2;

/// The weights of the values that one new value covers.
struct Weights {
    first: usize,
    weights: Vec<f64>,
}

/// The resized image. Bits become bytes, because a mean of bits is neither 0 nor 1.
pub(super) fn resized(picture: Picture, height: usize, width: usize) -> Picture {
    let Picture { shape, values, element } = picture;
    let (across, down) = (weights(shape.width, width), weights(shape.height, height));
    let wide = ImageShape { width, ..shape };
    let new = ImageShape { height, ..wide };
    let (values, element) = match values {
        Values::U8(bytes) => {
            let is_bits = element == Element::Bit;
            let bytes = if is_bits { bytes.into_iter().map(|bit| bit * 255).collect() } else { bytes };
            let bytes = along_width(&bytes, shape, &fixed(&across), clipped);
            (Values::U8(along_height(&bytes, wide, &fixed(&down), clipped)), Element::Byte)
        }
        Values::F32(floats) => {
            let round = |sum: f64| sum as f32;
            let floats = along_width(&floats, shape, &across.iter().map(plain).collect::<Vec<_>>(), round);
            let floats = along_height(&floats, wide, &down.iter().map(plain).collect::<Vec<_>>(), round);
            (Values::F32(floats), element)
        }
    };
    Picture { shape: new, values, element }
}

/// The weights of each of `new` values, from `old` values: a triangle of the width of two new values, or of two old values
/// if these are wider.
fn weights(old: usize, new: usize) -> Vec<Weights> {
    let scale = old as f64 / new as f64;
    let width = scale.max(1.0);
    let one = |index: usize| {
        let center = (index as f64 + 0.5) * scale;
        // Pillow truncates both numbers; a negative one becomes 0.
        let first = (center - width + 0.5).max(0.0) as usize;
        let end = ((center + width + 0.5) as usize).min(old);
        let weight = |place: usize| (1.0 - ((place as f64 - center + 0.5) / width).abs()).max(0.0);
        let weights: Vec<f64> = (first..end).map(weight).collect();
        let sum: f64 = weights.iter().sum();
        Weights { first, weights: weights.into_iter().map(|weight| weight / sum).collect() }
    };
    (0..new).map(one).collect()
}

/// The weights in the type of a sum.
type Kernel<W> = (usize, Vec<W>);

/// The weights of bytes, as whole multiples of 2^-[`BITS`], rounded to the nearest.
fn fixed(weights: &[Weights]) -> Vec<Kernel<i32>> {
    let one = |weight: &f64| (weight * f64::from(1 << BITS) + 0.5) as i32;
    weights.iter().map(|all| (all.first, all.weights.iter().map(one).collect())).collect()
}

fn plain(weights: &Weights) -> Kernel<f64> {
    (weights.first, weights.weights.clone())
}

/// A sum of products with bytes as a byte.
fn clipped(sum: i32) -> u8 {
    ((sum + (1 << (BITS - 1))) >> BITS).clamp(0, 255) as u8
}

/// Resizes along the width.
fn along_width<V: Copy, W, S>(values: &[V], shape: ImageShape, kernels: &[Kernel<W>], round: impl Fn(S) -> V) -> Vec<V>
where
    W: Copy + std::ops::Mul<Output = S> + FromValue<V>,
    S: std::iter::Sum,
{
    let channels = shape.channels;
    let mut new = Vec::with_capacity(shape.height * kernels.len() * channels);
    for row in values.chunks_exact(shape.width * channels) {
        for (first, weights) in kernels {
            for channel in 0..channels {
                let part = row[first * channels + channel..].iter().step_by(channels);
                new.push(round(part.zip(weights).map(|(value, weight)| *weight * W::from_value(*value)).sum()));
            }
        }
    }
    new
}

/// Resizes along the height.
fn along_height<V: Copy, W, S>(values: &[V], shape: ImageShape, kernels: &[Kernel<W>], round: impl Fn(S) -> V) -> Vec<V>
where
    W: Copy + std::ops::Mul<Output = S> + FromValue<V>,
    S: std::iter::Sum,
{
    let row = shape.width * shape.channels;
    let mut new = Vec::with_capacity(kernels.len() * row);
    for (first, weights) in kernels {
        for place in 0..row {
            let part = values[first * row + place..].iter().step_by(row);
            new.push(round(part.zip(weights).map(|(value, weight)| *weight * W::from_value(*value)).sum()));
        }
    }
    new
}

/// A value in the type of the weights.
trait FromValue<V> {
    fn from_value(value: V) -> Self;
}

impl FromValue<u8> for i32 {
    fn from_value(value: u8) -> i32 {
        i32::from(value)
    }
}

impl FromValue<f32> for f64 {
    fn from_value(value: f32) -> f64 {
        f64::from(value)
    }
}
