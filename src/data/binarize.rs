//! Pixels for a network: grey values become numbers in a range, or are drawn to be one of its two ends.

use super::{Images, Split};
use crate::random::{Purpose, Stream};
use crate::spec::Binarize;

/// Pixels that are drawn at a time.
const CHUNK: usize = 512;

/// Turns pixels 0..=255 into the numbers that a network sees.
///
/// What is drawn depends on the seed, the split, the image's index in its split and, for training images under
/// `dynamic`, on the epoch; not on the batch, nor on the thread. Validation images are the same under `static` and
/// `dynamic`, so that trials of both are measured on the same pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pixels {
    /// How grey pixels become zeros and ones.
    pub binarize: Binarize,
    /// The values that pixels 0 and 255 become, and zeros and ones.
    pub range: [f32; 2],
    /// Seed of what is drawn.
    pub seed: u64,
}

impl Pixels {
    /// Fills `out` (Indices, Height, Width), row-major, with the images of these indices, in their order.
    ///
    /// A drawn pixel of grey value p takes 16 bits of its image's stream and is one with probability p/255, rounded to
    /// a multiple of 2^-16: off by less than 8e-6, and exact for 0 and 255.
    ///
    /// Panics where an index is not below the number of images, or `out` is not of that shape.
    pub fn fill(&self, images: &Images, indices: &[u32], split: Split, epoch: u64, out: &mut [f32]) {
        let size = images.pixels_per_image();
        assert_eq!(out.len(), indices.len() * size, "the output must hold each pixel of the images, and no more");
        let address = match (self.binarize, split) {
            (Binarize::None | Binarize::Threshold, _) => None,
            (_, Split::Validation) => Some((Purpose::ValidationBinarize, 0)),
            (Binarize::Static, Split::Train) => Some((Purpose::StaticBinarize, 0)),
            (Binarize::Dynamic, Split::Train) => Some((Purpose::DynamicBinarize, epoch)),
        };
        let table = self.table();
        for (&index, out) in indices.iter().zip(out.chunks_exact_mut(size.max(1))) {
            let image = images.image(index as usize);
            if let Some((purpose, epoch)) = address {
                self.draw(Stream::new(self.seed, purpose, epoch, u64::from(index)), image, out);
            } else {
                for (value, &pixel) in out.iter_mut().zip(image) {
                    *value = table[usize::from(pixel)];
                }
            }
        }
    }

    /// What each grey value becomes where nothing is drawn.
    fn table(&self) -> [f32; 256] {
        let [low, high] = self.range;
        std::array::from_fn(|pixel| match self.binarize {
            Binarize::None => {
                // In double precision, and as a mean of the ends: 0 and 255 become the ends to the last digit.
                let pixel = pixel as f64;
                ((f64::from(low) * (255.0 - pixel) + f64::from(high) * pixel) / 255.0) as f32
            }
            Binarize::Threshold | Binarize::Static | Binarize::Dynamic => {
                if pixel >= 128 {
                    high
                } else {
                    low
                }
            }
        })
    }

    fn draw(&self, mut stream: Stream, image: &[u8], out: &mut [f32]) {
        let [low, high] = self.range;
        let mut bytes = [0; 2 * CHUNK];
        for (out, image) in out.chunks_mut(CHUNK).zip(image.chunks(CHUNK)) {
            let bytes = &mut bytes[..2 * image.len()];
            stream.fill_bytes(bytes);
            let (draws, _) = bytes.as_chunks();
            for ((value, &pixel), &draw) in out.iter_mut().zip(image).zip(draws) {
                *value = if is_one(u16::from_le_bytes(draw), pixel) { high } else { low };
            }
        }
    }
}

/// Whether draw / 2^16 < pixel / 255, the right side rounded to a multiple of 2^-16: never for 0, always for 255.
fn is_one(draw: u16, pixel: u8) -> bool {
    u32::from(draw) * 255 + 127 < u32::from(pixel) << 16
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANGE: [f32; 2] = [0.0, 1.0];

    fn pixels(binarize: Binarize) -> Pixels {
        Pixels { binarize, range: RANGE, seed: 1 }
    }

    /// Images of 16 x 16 pixels, each with all the grey values in order.
    fn ramps(count: usize) -> Images {
        Images::new((0..=255).cycle().take(count * 256).collect(), None, 16, 16)
    }

    fn fill(pixels: Pixels, images: &Images, indices: &[u32], split: Split, epoch: u64) -> Vec<f32> {
        let mut out = vec![f32::NAN; indices.len() * images.pixels_per_image()];
        pixels.fill(images, indices, split, epoch, &mut out);
        out
    }

    #[test]
    fn grey_values_are_spread_over_the_range() {
        let values = fill(pixels(Binarize::None), &ramps(1), &[0], Split::Train, 1);
        assert!(values.iter().enumerate().all(|(pixel, &value)| value == pixel as f32 / 255.0), "{values:?}");
        for range in [[-1.0, 1.0], [0.1, 0.7], [1.0, -1.0], [-1e30, 1.0]] {
            let values = fill(Pixels { range, ..pixels(Binarize::None) }, &ramps(1), &[0], Split::Train, 1);
            assert_eq!([values[0], values[255]], range);
            let middle = f64::from(range[0]) + (f64::from(range[1]) - f64::from(range[0])) * 51.0 / 255.0;
            assert!((f64::from(values[51]) - middle).abs() <= 1e-7 * middle.abs(), "{} {middle}", values[51]);
        }
    }

    #[test]
    fn a_threshold_splits_at_128() {
        let values =
            fill(Pixels { range: [-1.0, 3.0], ..pixels(Binarize::Threshold) }, &ramps(1), &[0], Split::Train, 1);
        assert!(values[..128].iter().all(|&value| value == -1.0) && values[128..].iter().all(|&value| value == 3.0));
    }

    #[test]
    fn drawn_pixels_are_one_with_their_grey_value_as_probability() {
        let count = 4000;
        let indices: Vec<u32> = (0..count).collect();
        let images = ramps(count as usize);
        for (binarize, split) in
            [Binarize::Static, Binarize::Dynamic].into_iter().flat_map(|b| [(b, Split::Train), (b, Split::Validation)])
        {
            let values = fill(Pixels { range: [-2.0, 2.0], ..pixels(binarize) }, &images, &indices, split, 3);
            assert!(values.iter().all(|value| value.abs() == 2.0));
            let mut chi_squared = 0.0;
            for pixel in 0..256 {
                let ones = values.iter().skip(pixel).step_by(256).filter(|&&value| value > 0.0).count() as f64;
                let probability = pixel as f64 / 255.0;
                let (mean, variance) = (4000.0 * probability, 4000.0 * probability * (1.0 - probability));
                // Zero variance: 0 is never one, and 255 always.
                assert!((ones - mean).abs() <= 5.0 * variance.sqrt(), "{ones} ones of grey value {pixel}");
                chi_squared += if variance > 0.0 { (ones - mean).powi(2) / variance } else { 0.0 };
            }
            // 254 degrees of freedom: 254 on average, with a standard deviation of 22.5.
            assert!((chi_squared - 254.0).abs() < 5.0 * 22.5, "{binarize:?} {split:?}: {chi_squared}");
        }
    }

    #[test]
    fn the_probability_of_a_one_is_right_to_8_in_a_million() {
        for pixel in 0..=255 {
            let ones = (0..=u16::MAX).filter(|&draw| is_one(draw, pixel)).count() as f64;
            assert!((ones / 65_536.0 - f64::from(pixel) / 255.0).abs() < 8e-6, "{pixel}");
            assert!((1..255).contains(&pixel) || ones == if pixel == 0 { 0.0 } else { 65_536.0 }, "{pixel}");
        }
    }

    #[test]
    fn what_is_drawn_belongs_to_seed_split_image_and_epoch() {
        let images = ramps(2);
        let draw = |binarize, seed, index, split, epoch| {
            fill(Pixels { seed, ..pixels(binarize) }, &images, &[index], split, epoch)
        };
        use Binarize::{Dynamic, Static};
        let train = draw(Static, 1, 0, Split::Train, 1);
        assert_eq!(train, draw(Static, 1, 0, Split::Train, 2));
        assert_ne!(train, draw(Static, 2, 0, Split::Train, 1));
        assert_ne!(train, draw(Static, 1, 1, Split::Train, 1));
        let validation = draw(Static, 1, 0, Split::Validation, 1);
        assert_ne!(train, validation);
        assert_eq!(validation, draw(Static, 1, 0, Split::Validation, 2));
        assert_eq!(validation, draw(Dynamic, 1, 0, Split::Validation, 1));
        assert_eq!(validation, draw(Dynamic, 1, 0, Split::Validation, 2));
        assert_ne!(validation, draw(Dynamic, 1, 1, Split::Validation, 1));
        let dynamic = draw(Dynamic, 1, 0, Split::Train, 1);
        assert_eq!(dynamic, draw(Dynamic, 1, 0, Split::Train, 1));
        assert_ne!(dynamic, draw(Dynamic, 1, 0, Split::Train, 2));
        assert_ne!(dynamic, draw(Dynamic, 2, 0, Split::Train, 1));
        assert_ne!(dynamic, draw(Dynamic, 1, 1, Split::Train, 1));
        assert_ne!(dynamic, draw(Static, 1, 0, Split::Train, 1));
    }

    #[test]
    fn the_batch_changes_nothing() {
        // Images of 25 x 41 pixels are drawn in three pieces, the last of an odd length.
        let bytes = (0..9 * 25 * 41).map(|i| (i * 7 % 256) as u8).collect();
        let images = Images::new(bytes, None, 25, 41);
        for binarize in [Binarize::None, Binarize::Threshold, Binarize::Static, Binarize::Dynamic] {
            let whole = fill(pixels(binarize), &images, &[4, 0, 8, 4], Split::Train, 2);
            let single = [4, 0, 8, 4].map(|index| fill(pixels(binarize), &images, &[index], Split::Train, 2)).concat();
            assert_eq!(whole, single);
            assert!(fill(pixels(binarize), &images, &[], Split::Train, 2).is_empty());
        }
    }

    #[test]
    fn pieces_of_an_image_are_drawn_apart() {
        let images = Images::new(vec![128; 2048], None, 32, 64);
        let values = fill(pixels(Binarize::Static), &images, &[0], Split::Train, 1);
        let pieces: Vec<_> = values.chunks(CHUNK).collect();
        assert!((1..4).all(|piece| pieces[piece] != pieces[0]), "the draws repeat after {CHUNK} pixels");
    }

    #[test]
    fn golden_draws_stay() {
        let values = fill(pixels(Binarize::Dynamic), &ramps(1), &[0], Split::Train, 1);
        let bits = values[96..160].iter().fold(0u64, |bits, &value| bits << 1 | value as u64);
        assert_eq!(format!("{bits:016x}"), "083649421e48357a");
    }

    #[test]
    #[should_panic(expected = "the output must hold each pixel")]
    fn an_output_of_another_shape_is_refused() {
        pixels(Binarize::None).fill(&ramps(2), &[0, 1], Split::Train, 1, &mut [0.0; 256]);
    }
}
