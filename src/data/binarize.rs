//! Maps the values of images to the input of the network: numbers in a range, dequantized or binarized, and flips.

use super::{DataSettings, ImageShape, Images, ValuesRef};
use crate::metrics::Split;
use crate::random::{HELD_OUT_SEED, Purpose, Stream};
use crate::settings::{Choices, Kind};

/// The binarization of grey pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binarize {
    /// No binarization.
    None,
    /// A pixel is 1 if its value is in the upper half of `stored`: with `[0, 255]`, 128 or more.
    Threshold,
    /// Each pixel is drawn at random once; its grey value is the probability of 1.
    Static,
    /// As `Static`, but training images are drawn again in each epoch. Validation images are drawn once.
    Dynamic,
}

pub(super) static NONE: Kind<Binarize> = Kind::new("none", "No binarization.", |_| Binarize::None).also("off no false");
static THRESHOLD: Kind<Binarize> = Kind::new(
    "threshold",
    "A pixel is 1 if its value is in the upper half of `stored`: with `[0, 255]`, 128 or more.",
    |_| Binarize::Threshold,
)
.also("round binary hard");
static STATIC: Kind<Binarize> =
    Kind::new("static", "Each pixel is drawn at random once; its grey value is the probability of 1.", |_| {
        Binarize::Static
    })
    .also("fixed once");
static DYNAMIC: Kind<Binarize> = Kind::new(
    "dynamic",
    "As `static`, but training images are drawn again in each epoch. Validation images are drawn once.",
    |_| Binarize::Dynamic,
)
.also("stochastic random");

/// The kinds of binarization.
pub(super) static BINARIZE: Choices<Binarize> = Choices(&[&NONE, &THRESHOLD, &STATIC, &DYNAMIC]);

/// The number of pixels that are drawn at a time.
const CHUNK: usize = 512;

/// Maps values to the numbers that are the input of the network; the same for each channel of a pixel.
///
/// Random draws depend on the split and on the index of the image in its split. For training images with `dynamic`,
/// `dequantize` or `flip`, they also depend on the seed of the trial and on the epoch. They depend neither on the batch nor on
/// the thread. Held-out images are the same in every trial, and the same with `static` and `dynamic`, so all seeds are compared
/// on the same pixels; they are not flipped. With `static`, the training images are also the same in every trial.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PixelMap {
    /// The binarization of grey pixels.
    pub binarize: Binarize,
    /// The values of black and white in the images; all values are between them.
    pub stored: [f64; 2],
    /// The numbers to which black and white are mapped, and zeros and ones after binarization.
    pub range: [f32; 2],
    /// Whether noise from 0 to 1 is added to whole values, which makes them continuous.
    pub dequantize: bool,
    /// Whether training images are mirrored at random.
    pub flip: bool,
    /// The seed of the draws of `dynamic`, `dequantize` and `flip`.
    pub seed: u64,
}

impl PixelMap {
    /// The map of a `[data]` table, for images with this interval of values, with the seed of the trial.
    pub fn new(data: &DataSettings, stored: [f64; 2], seed: u64) -> PixelMap {
        let range = data.range.map(|end| end as f32);
        let DataSettings { binarize, dequantize, flip, .. } = *data;
        PixelMap { binarize, stored, range, dequantize, flip, seed }
    }

    /// The mean of training images as the first epoch sees them: (Values).
    pub fn mean(&self, images: &Images) -> Vec<f32> {
        let values = images.shape().values();
        let (mut sums, mut image) = (vec![0.0; values], vec![0.0; values]);
        for index in 0..images.len() as u32 {
            self.fill(images, &[index], Split::Train, 0, &mut image);
            sums.iter_mut().zip(&image).for_each(|(sum, value)| *sum += f64::from(*value));
        }
        let count = images.len().max(1) as f64;
        sums.into_iter().map(|sum: f64| (sum / count) as f32).collect()
    }

    /// Fills `out` (Indices, Height, Width, Channels), row-major, with the images of these indices, in their order.
    ///
    /// A drawn value uses 16 bits of the random stream of its image. The probability of 1 is the position of the value in
    /// `stored` (p/255 for grey value p with `[0, 255]`), rounded to a multiple of 2^-16. The rounding error is below 8e-6,
    /// and black and white are exact.
    ///
    /// # Panics
    /// An index is not below the number of images, or `out` has the wrong size.
    pub fn fill(&self, images: &Images, indices: &[u32], split: Split, epoch: u64, out: &mut [f32]) {
        let size = images.shape().values();
        assert_eq!(out.len(), indices.len() * size, "the output must hold each value of the images, and no more");
        let address = self.address(split, epoch);
        let draws = |index: u32| {
            let (seed, purpose, epoch) = address?;
            Some(Stream::new(seed, purpose, epoch, u64::from(index)))
        };
        let table = if address.is_none() { self.table() } else { [0.0; 256] };
        let ones = if address.is_some() && !self.dequantize { self.ones() } else { [0; 256] };
        let mut scratch = Vec::new();
        for (&index, out) in indices.iter().zip(out.chunks_exact_mut(size.max(1))) {
            match (images.image(index as usize, &mut scratch), draws(index)) {
                (ValuesRef::U8(bytes), None) => {
                    out.iter_mut().zip(bytes).for_each(|(out, &value)| *out = table[usize::from(value)]);
                }
                (ValuesRef::F32(floats), None) => {
                    out.iter_mut().zip(floats).for_each(|(out, &value)| *out = self.mapped(f64::from(value)));
                }
                (ValuesRef::U8(bytes), Some(stream)) if self.dequantize => self.spread(stream, bytes, out),
                // The plan refuses `dequantize` for floats.
                (ValuesRef::U8(bytes), Some(stream)) => self.draw(stream, bytes, |value| ones[usize::from(value)], out),
                (ValuesRef::F32(floats), Some(stream)) => {
                    self.draw(stream, floats, |value| self.ones_of(f64::from(value)), out);
                }
            }
            if self.flip && split == Split::Train {
                let mut stream = Stream::new(self.seed, Purpose::Flip, epoch, u64::from(index));
                if stream.next_u32() & 1 == 1 {
                    mirror(out, images.shape());
                }
            }
        }
    }

    /// The seed, the purpose and the epoch of the draws of images of a split; `None` without draws.
    pub(super) fn address(&self, split: Split, epoch: u64) -> Option<(u64, Purpose, u64)> {
        match (self.binarize, split) {
            (_, Split::Train) if self.dequantize => Some((self.seed, Purpose::Dequantize, epoch)),
            (_, Split::Validation) if self.dequantize => Some((HELD_OUT_SEED, Purpose::HeldOutDequantize, 0)),
            (_, Split::Test) if self.dequantize => Some((HELD_OUT_SEED, Purpose::HeldOutDequantize, 1)),
            (Binarize::None | Binarize::Threshold, _) => None,
            (_, Split::Validation) => Some((HELD_OUT_SEED, Purpose::ValidationBinarize, 0)),
            (_, Split::Test) => Some((HELD_OUT_SEED, Purpose::TestBinarize, 0)),
            (Binarize::Static, Split::Train) => Some((HELD_OUT_SEED, Purpose::StaticBinarize, 0)),
            (Binarize::Dynamic, Split::Train) => Some((self.seed, Purpose::DynamicBinarize, epoch)),
        }
    }

    /// Adds noise from 0 to 1 to whole values: the interval from `black` to `white` + 1 is mapped to the range.
    fn spread(&self, stream: Stream, image: &[u8], out: &mut [f32]) {
        let ([low, high], [black, white]) = (self.range.map(f64::from), self.stored);
        let scale = (high - low) / (white - black + 1.0);
        drawn(stream, image, out, |value, draw| {
            // The middle of one of 2^16 equal parts, so that the noise is symmetric and below 1.
            let noise = (f64::from(draw) + 0.5) / 65_536.0;
            (low + scale * (f64::from(value) - black + noise)) as f32
        });
    }

    /// The result for each byte, without random draws.
    fn table(&self) -> [f32; 256] {
        std::array::from_fn(|value| self.mapped(value as f64))
    }

    /// The result for a value, without random draws.
    fn mapped(&self, value: f64) -> f32 {
        let ([low, high], [black, white]) = (self.range, self.stored);
        match self.binarize {
            Binarize::None => {
                // A weighted mean in double precision: black and white are mapped exactly to the ends of the range.
                let sum = f64::from(low) * (white - value) + f64::from(high) * (value - black);
                (sum / (white - black)) as f32
            }
            Binarize::Threshold | Binarize::Static | Binarize::Dynamic => {
                if value >= (black + white) / 2.0 {
                    high
                } else {
                    low
                }
            }
        }
    }

    /// For each byte, the number of the 2^16 possible draws that give 1; these are the lowest draws.
    fn ones(&self) -> [u32; 256] {
        std::array::from_fn(|value| self.ones_of(value as f64))
    }

    fn ones_of(&self, value: f64) -> u32 {
        let [black, white] = self.stored;
        (65_536.0 * (value - black) / (white - black)).round() as u32
    }

    fn draw<V: Copy>(&self, stream: Stream, image: &[V], ones: impl Fn(V) -> u32, out: &mut [f32]) {
        let [low, high] = self.range;
        drawn(stream, image, out, |value, draw| if u32::from(draw) < ones(value) { high } else { low });
    }
}

/// Computes each result from a value and a draw of 16 bits.
fn drawn<V: Copy>(mut stream: Stream, image: &[V], out: &mut [f32], result: impl Fn(V, u16) -> f32) {
    let mut bytes = [0; 2 * CHUNK];
    for (out, image) in out.chunks_mut(CHUNK).zip(image.chunks(CHUNK)) {
        let bytes = &mut bytes[..2 * image.len()];
        stream.fill_bytes(bytes);
        let (draws, _) = bytes.as_chunks();
        for ((out, &value), &draw) in out.iter_mut().zip(image).zip(draws) {
            *out = result(value, u16::from_le_bytes(draw));
        }
    }
}

/// Mirrors an image horizontally: (Height, Width, Channels).
fn mirror(image: &mut [f32], shape: ImageShape) {
    let channels = shape.channels;
    for row in image.chunks_exact_mut(shape.width * channels) {
        for left in 0..shape.width / 2 {
            let right = shape.width - 1 - left;
            (0..channels).for_each(|channel| row.swap(left * channels + channel, right * channels + channel));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::ImageShape;

    const STORED: [f64; 2] = [0.0, 255.0];
    const RANGE: [f32; 2] = [0.0, 1.0];

    fn pixels(binarize: Binarize) -> PixelMap {
        PixelMap { binarize, stored: STORED, range: RANGE, dequantize: false, flip: false, seed: 1 }
    }

    /// Images of 16 x 16 pixels, each with all the grey values in order.
    fn ramps(count: usize) -> Images {
        Images::new((0..=255u8).cycle().take(count * 256).collect::<Vec<u8>>(), ImageShape::grey(16, 16))
    }

    fn fill(pixels: PixelMap, images: &Images, indices: &[u32], split: Split, epoch: u64) -> Vec<f32> {
        let mut out = vec![f32::NAN; indices.len() * images.shape().values()];
        pixels.fill(images, indices, split, epoch, &mut out);
        out
    }

    #[test]
    fn grey_values_are_spread_over_the_range() {
        let values = fill(pixels(Binarize::None), &ramps(1), &[0], Split::Train, 1);
        assert!(values.iter().enumerate().all(|(pixel, &value)| value == pixel as f32 / 255.0), "{values:?}");
        for range in [[-1.0, 1.0], [0.1, 0.7], [1.0, -1.0], [-1e30, 1.0]] {
            let values = fill(PixelMap { range, ..pixels(Binarize::None) }, &ramps(1), &[0], Split::Train, 1);
            assert_eq!([values[0], values[255]], range);
            let middle = f64::from(range[0]) + (f64::from(range[1]) - f64::from(range[0])) * 51.0 / 255.0;
            assert!((f64::from(values[51]) - middle).abs() <= 1e-7 * middle.abs(), "{} {middle}", values[51]);
        }
    }

    #[test]
    fn a_threshold_splits_at_128() {
        let values =
            fill(PixelMap { range: [-1.0, 3.0], ..pixels(Binarize::Threshold) }, &ramps(1), &[0], Split::Train, 1);
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
            let values = fill(PixelMap { range: [-2.0, 2.0], ..pixels(binarize) }, &images, &indices, split, 3);
            assert!(values.iter().all(|value| value.abs() == 2.0));
            let mut chi_squared = 0.0;
            for pixel in 0..256 {
                let ones = values.iter().skip(pixel).step_by(256).filter(|&&value| value > 0.0).count() as f64;
                let probability = pixel as f64 / 255.0;
                let (mean, variance) = (4000.0 * probability, 4000.0 * probability * (1.0 - probability));
                // Zero variance: grey value 0 never gives 1, and 255 always does.
                assert!((ones - mean).abs() <= 5.0 * variance.sqrt(), "{ones} ones of grey value {pixel}");
                chi_squared += if variance > 0.0 { (ones - mean).powi(2) / variance } else { 0.0 };
            }
            // 254 degrees of freedom: 254 on average, with a standard deviation of 22.5.
            assert!((chi_squared - 254.0).abs() < 5.0 * 22.5, "{binarize:?} {split:?}: {chi_squared}");
        }
    }

    #[test]
    fn the_probability_of_a_one_is_right_to_8_in_a_million() {
        for stored in [STORED, [0.0, 1.0], [16.0, 235.0], [0.5, 3.5]] {
            let ones = PixelMap { stored, ..pixels(Binarize::Static) }.ones();
            for pixel in (0..=255u8).filter(|pixel| (stored[0]..=stored[1]).contains(&f64::from(*pixel))) {
                let ones = f64::from(ones[usize::from(pixel)]) / 65_536.0;
                let place = (f64::from(pixel) - stored[0]) / (stored[1] - stored[0]);
                assert!((ones - place).abs() < 8e-6, "{pixel} of {stored:?}: {ones}");
                assert!(
                    (place != 0.0 || ones == 0.0) && (place != 1.0 || ones == 1.0),
                    "{pixel} of {stored:?}: {ones}"
                );
            }
        }
    }

    #[test]
    fn of_bytes_the_ones_are_those_of_the_first_version() {
        let ones = pixels(Binarize::Static).ones();
        let is_one = |draw: u32, pixel: u32| draw * 255 + 127 < pixel << 16;
        for pixel in 0..256 {
            let border = ones[pixel as usize];
            assert!(border == 0 || is_one(border - 1, pixel), "{pixel}");
            assert!(!is_one(border, pixel), "{pixel}");
        }
    }

    #[test]
    fn stored_values_are_mapped_to_the_range() {
        let bits = Images::new(vec![0u8, 1, 1, 0], ImageShape::grey(2, 2));
        for (binarize, split) in [Binarize::None, Binarize::Threshold, Binarize::Static, Binarize::Dynamic]
            .into_iter()
            .flat_map(|binarize| [(binarize, Split::Train), (binarize, Split::Validation)])
        {
            let of_bits = PixelMap { stored: [0.0, 1.0], range: [-0.1, 0.7], ..pixels(binarize) };
            assert_eq!(fill(of_bits, &bits, &[0], split, 1), [-0.1, 0.7, 0.7, -0.1], "{binarize:?}");
            // The same result as for the same images with 255 as white.
            let white = Images::new(vec![0u8, 255, 255, 0], ImageShape::grey(2, 2));
            let of_bytes = PixelMap { stored: STORED, ..of_bits };
            assert_eq!(fill(of_bits, &bits, &[0], split, 1), fill(of_bytes, &white, &[0], split, 1));
        }
        let of = |binarize, stored| PixelMap { stored, range: [-1.0, 1.0], ..pixels(binarize) };
        let grey = Images::new(vec![16u8, 125, 126, 235], ImageShape::grey(2, 2));
        let [black, dark, light, white] = fill(of(Binarize::None, [16.0, 235.0]), &grey, &[0], Split::Train, 1)[..]
        else {
            unreachable!()
        };
        assert_eq!([black, white], [-1.0, 1.0]);
        assert!((dark + 1.0 / 219.0).abs() < 1e-6 && (light - 1.0 / 219.0).abs() < 1e-6, "{dark} {light}");
        let halves = fill(of(Binarize::Threshold, [16.0, 235.0]), &grey, &[0], Split::Train, 1);
        assert_eq!(halves, [-1.0, -1.0, 1.0, 1.0]);
        // The middle value gives 1.
        let three = Images::new(vec![0u8, 1, 2, 0], ImageShape::grey(2, 2));
        let halves = fill(of(Binarize::Threshold, [0.0, 2.0]), &three, &[0], Split::Train, 1);
        assert_eq!(halves, [-1.0, 1.0, 1.0, -1.0]);
    }

    #[test]
    fn what_is_drawn_belongs_to_split_image_and_epoch_and_anew_to_the_seed() {
        let images = ramps(2);
        let draw = |binarize, seed, index, split, epoch| {
            fill(PixelMap { seed, ..pixels(binarize) }, &images, &[index], split, epoch)
        };
        use Binarize::{Dynamic, Static};
        let train = draw(Static, 1, 0, Split::Train, 1);
        assert_eq!(train, draw(Static, 1, 0, Split::Train, 2));
        // The same images for every seed.
        assert_eq!(train, draw(Static, 2, 0, Split::Train, 1));
        assert_ne!(train, draw(Static, 1, 1, Split::Train, 1));
        let validation = draw(Static, 1, 0, Split::Validation, 1);
        assert_ne!(train, validation);
        assert_eq!(validation, draw(Static, 1, 0, Split::Validation, 2));
        assert_eq!(validation, draw(Static, 2, 0, Split::Validation, 1));
        assert_eq!(validation, draw(Dynamic, 2, 0, Split::Validation, 1));
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
        // Images of 25 x 41 pixels are drawn in three chunks; the last one has an odd length.
        let bytes: Vec<u8> = (0..9 * 25 * 41).map(|i| (i * 7 % 256) as u8).collect();
        let images = Images::new(bytes, ImageShape::grey(25, 41));
        let binarized = [Binarize::None, Binarize::Threshold, Binarize::Static, Binarize::Dynamic].map(pixels);
        let dequantized = PixelMap { dequantize: true, ..pixels(Binarize::None) };
        let maps = [&binarized[..], &[dequantized]].concat();
        for map in maps.iter().flat_map(|map| [false, true].map(|flip| PixelMap { flip, ..*map })) {
            for split in Split::OF_EPOCHS {
                let whole = fill(map, &images, &[4, 0, 8, 4], split, 2);
                let single = [4, 0, 8, 4].map(|index| fill(map, &images, &[index], split, 2)).concat();
                assert_eq!(whole, single, "{map:?}");
                assert!(fill(map, &images, &[], split, 2).is_empty());
            }
        }
    }

    #[test]
    fn noise_fills_the_interval_of_each_whole_value() {
        let count = 400;
        let indices: Vec<u32> = (0..count).collect();
        for (stored, range) in [(STORED, [0.0, 1.0]), (STORED, [-1.0, 1.0]), ([0.0, 300.0], [0.0, 1.0])] {
            let map = PixelMap { stored, range, dequantize: true, ..pixels(Binarize::None) };
            let [low, high] = range.map(f64::from);
            for split in Split::OF_EPOCHS {
                let values = fill(map, &ramps(count as usize), &indices, split, 1);
                assert!(values.iter().all(|value| (range[0]..=range[1]).contains(value)));
                let width = stored[1] - stored[0] + 1.0;
                let whole = |value: &f32| (f64::from(*value) - low) / (high - low) * width + stored[0];
                let noise: Vec<f64> =
                    values.iter().enumerate().map(|(at, value)| whole(value) - (at % 256) as f64).collect();
                // Single precision rounds the last bits.
                assert!(noise.iter().all(|noise| (-1e-4..1.0 + 1e-4).contains(noise)), "{stored:?}");
                let mean = noise.iter().sum::<f64>() / noise.len() as f64;
                let variance = noise.iter().map(|noise| (noise - mean).powi(2)).sum::<f64>() / noise.len() as f64;
                // Uniform: a mean of 1/2 with a standard error of 0.0009, and a variance of 1/12.
                assert!((mean - 0.5).abs() < 0.005 && (variance - 1.0 / 12.0).abs() < 0.002, "{mean} {variance}");
            }
        }
    }

    #[test]
    fn noise_and_flips_belong_to_split_image_epoch_and_seed() {
        let images = ramps(2);
        let noise = |seed, index, split, epoch| {
            fill(PixelMap { seed, dequantize: true, ..pixels(Binarize::None) }, &images, &[index], split, epoch)
        };
        let train = noise(1, 0, Split::Train, 1);
        assert_eq!(train, noise(1, 0, Split::Train, 1));
        for other in [noise(2, 0, Split::Train, 1), noise(1, 1, Split::Train, 1), noise(1, 0, Split::Train, 2)] {
            assert_ne!(train, other);
        }
        // Held-out images have the same noise in every trial and epoch.
        let validation = noise(1, 0, Split::Validation, 1);
        assert_eq!(validation, noise(2, 0, Split::Validation, 7));
        assert!(validation != train && validation != noise(1, 1, Split::Validation, 1));
        let flips = |seed, split, epoch| {
            let (images, indices) = (ramps(64), (0..64).collect::<Vec<u32>>());
            let map = PixelMap { seed, flip: true, ..pixels(Binarize::None) };
            let values = fill(map, &images, &indices, split, epoch);
            // In a mirrored image, the first row starts with 15.
            values.chunks(256).map(|image| image[0] == 15.0 / 255.0).collect::<Vec<bool>>()
        };
        let train = flips(1, Split::Train, 1);
        let count = train.iter().filter(|is_mirrored| **is_mirrored).count();
        assert!((16..=48).contains(&count), "{count} of 64");
        assert_eq!(train, flips(1, Split::Train, 1));
        assert!(train != flips(1, Split::Train, 2) && train != flips(2, Split::Train, 1));
        assert!(flips(1, Split::Validation, 1).iter().all(|is_mirrored| !is_mirrored));
    }

    #[test]
    fn a_mirrored_image_keeps_its_channels() {
        let shape = ImageShape { height: 2, width: 3, channels: 3 };
        let bytes: Vec<u8> = (0..18 * 40).map(|value| (value % 18) as u8).collect();
        let images = Images::new(bytes, shape);
        let map = PixelMap { stored: [0.0, 255.0], range: [0.0, 255.0], flip: true, ..pixels(Binarize::None) };
        let values = fill(map, &images, &(0..40).collect::<Vec<_>>(), Split::Train, 1);
        let plain: Vec<f32> = (0u8..18).map(f32::from).collect();
        let mirrored = [6u8, 7, 8, 3, 4, 5, 0, 1, 2, 15, 16, 17, 12, 13, 14, 9, 10, 11].map(f32::from);
        let kinds: Vec<bool> = values.chunks(18).map(|image| image == mirrored).collect();
        assert!(values.chunks(18).zip(&kinds).all(|(image, is_mirrored)| *is_mirrored || image == plain));
        assert!(kinds.contains(&true) && kinds.contains(&false));
    }

    #[test]
    fn pieces_of_an_image_are_drawn_apart() {
        let images = Images::new(vec![128u8; 2048], ImageShape::grey(32, 64));
        let values = fill(pixels(Binarize::Static), &images, &[0], Split::Train, 1);
        let pieces: Vec<_> = values.chunks(CHUNK).collect();
        assert!((1..4).all(|piece| pieces[piece] != pieces[0]), "the draws repeat after {CHUNK} pixels");
    }

    #[test]
    fn floats_are_mapped_as_bytes_of_the_same_place() {
        let bytes: Vec<u8> = (0..=255).collect();
        let floats: Vec<f32> = bytes.iter().map(|byte| f32::from(*byte) / 255.0).collect();
        let shape = ImageShape { height: 8, width: 8, channels: 4 };
        let (bytes, floats) = (Images::new(bytes, shape), Images::new(floats, shape));
        for binarize in [Binarize::None, Binarize::Threshold, Binarize::Static, Binarize::Dynamic] {
            let map = PixelMap { range: [-1.0, 3.0], ..pixels(binarize) };
            let of_bytes = fill(map, &bytes, &[0], Split::Train, 1);
            let of_floats = fill(PixelMap { stored: [0.0, 1.0], ..map }, &floats, &[0], Split::Train, 1);
            let near = of_bytes.iter().zip(&of_floats).all(|(one, other)| (one - other).abs() <= 1e-6);
            assert!(near && [of_floats[0], of_floats[255]] == [-1.0, 3.0], "{binarize:?}: {of_floats:?}");
        }
    }

    #[test]
    fn golden_draws_stay() {
        let values = fill(pixels(Binarize::Dynamic), &ramps(1), &[0], Split::Train, 1);
        let bits = values[96..160].iter().fold(0u64, |bits, &value| bits << 1 | value as u64);
        assert_eq!(format!("{bits:016x}"), "083649421e48357a");
        // Models and published numbers depend on these draws too.
        let noise = PixelMap { dequantize: true, range: [0.0, 256.0], ..pixels(Binarize::None) };
        let sum = |split| fill(noise, &ramps(1), &[0], split, 1).into_iter().map(f64::from).sum::<f64>();
        assert_eq!([sum(Split::Train), sum(Split::Validation)], [32_768.434_143_066_406, 32_766.804_428_100_586]);
    }

    #[test]
    #[should_panic(expected = "the output must hold each value")]
    fn an_output_of_another_shape_is_refused() {
        pixels(Binarize::None).fill(&ramps(2), &[0, 1], Split::Train, 1, &mut [0.0; 256]);
    }
}
