//! How near two images are: MSE, PSNR and SSIM.
//!
//! SSIM (Wang et al. 2004) as scikit-image's `structural_similarity(gaussian_weights=True, sigma=1.5,
//! use_sample_covariance=False, channel_axis=-1)`: windows of 11 x 11 pixels with normal weights, K1 = 0.01, K2 = 0.03,
//! the mean over the windows that are inside the image, then over the channels. Two differences: everything is computed
//! in double precision (scikit-image keeps single precision for single-precision images), and an image that is too
//! small has no SSIM (scikit-image raises an error).

use super::input_error::InputError;
use crate::tensor::kernels::vectorized;

/// The width of a window of SSIM, in pixels: the normal weights reach to 3.5 standard deviations, rounded.
pub const SSIM_WINDOW: usize = 11;
/// The standard deviation of the weights of a window, in pixels.
const SSIM_SIGMA: f64 = 1.5;
/// The stabilizing constants of SSIM, relative to the data range.
const K1: f64 = 0.01;
const K2: f64 = 0.03;

/// The shape of the images and the range of their values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ImageFormat {
    /// The number of rows of pixels.
    pub height: usize,
    /// The number of pixels in a row.
    pub width: usize,
    /// The number of values of a pixel.
    pub channels: usize,
    /// The largest possible value minus the smallest possible value; 1 for values from 0 to 1. No default: SSIM and
    /// PSNR depend on it.
    pub data_range: f64,
}

/// How near two images are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ImageQuality {
    /// The mean squared difference of the values, in squared units of the values.
    pub mse: f64,
    /// The peak signal-to-noise ratio, 10 log10(range^2 / MSE), in dB. `None` for equal images: it is infinite.
    pub psnr: Option<f64>,
    /// The structural similarity, from -1 to 1; 1 for equal images. `None` if the height or the width is below
    /// [`SSIM_WINDOW`], or if the values are so far beyond the range that it cannot be computed.
    pub ssim: Option<f64>,
}

impl ImageFormat {
    /// The number of values of an image.
    ///
    /// # Errors
    /// A size is 0, or the sizes do not fit, or the range is not a positive single-precision number.
    fn values(&self) -> Result<usize, InputError> {
        // Beyond single precision, squares of squares could vanish or overflow.
        if !(f64::from(f32::MIN_POSITIVE)..=f64::from(f32::MAX)).contains(&self.data_range) {
            return Err(InputError::OutOfRange { what: "the data range", range: "a positive single-precision number" });
        }
        let values = self.height.checked_mul(self.width).and_then(|pixels| pixels.checked_mul(self.channels));
        match values {
            Some(0) => Err(InputError::TooFew { what: "values of an image", least: 1, found: 0 }),
            Some(values) => Ok(values),
            None => Err(InputError::OutOfRange { what: "the shape", range: "of an image that fits into memory" }),
        }
    }
}

/// Compares two images, (Height, Width, Channels).
///
/// # Errors
/// An image does not have the shape, or a value is not finite, or a size is 0, or the range is not a positive
/// single-precision number.
pub fn image_quality(first: &[f32], second: &[f32], format: ImageFormat) -> Result<ImageQuality, InputError> {
    for image in [first, second] {
        let expected = format.values()?;
        if image.len() != expected {
            return Err(InputError::Mismatch { what: "values of an image", expected, found: image.len() });
        }
    }
    check_finite(first, second, first.len())?;
    Ok(compare(first, second, format, &mut Scratch::new(format)))
}

fn check_finite(first: &[f32], second: &[f32], size: usize) -> Result<(), InputError> {
    let broken = |(what, values): (&'static str, &[f32])| {
        let at = values.iter().position(|value| !value.is_finite())?;
        Some(InputError::NotFinite { what, row: at / size })
    };
    match [("first images", first), ("second images", second)].into_iter().find_map(broken) {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

/// Compares images that have been checked.
fn compare(first: &[f32], second: &[f32], format: ImageFormat, scratch: &mut Scratch) -> ImageQuality {
    vectorized(
        #[inline(always)]
        || {
            let mse = sum_of_squares(first, second) / first.len() as f64;
            let psnr = (mse > 0.0).then(|| 10.0 * (format.data_range * format.data_range / mse).log10());
            let has_ssim = format.height >= SSIM_WINDOW && format.width >= SSIM_WINDOW;
            let ssim = has_ssim.then(
                #[inline(always)]
                || scratch.ssim(first, second, format),
            );
            // Values far beyond the range may cancel to 0 / 0.
            let ssim = ssim.filter(|ssim| ssim.is_finite());
            ImageQuality { mse, psnr, ssim }
        },
    )
}

/// Values that are computed side by side.
const LANES: usize = 8;

/// The sum of the squared differences.
#[inline(always)]
fn sum_of_squares(first: &[f32], second: &[f32]) -> f64 {
    let (chunks, rest) = first.as_chunks::<LANES>();
    let (other_chunks, other_rest) = second.as_chunks::<LANES>();
    let square = |first: f32, second: f32| (f64::from(first) - f64::from(second)).powi(2);
    let mut sums = [0.0; LANES];
    for (chunk, other) in chunks.iter().zip(other_chunks) {
        for lane in 0..LANES {
            sums[lane] += square(chunk[lane], other[lane]);
        }
    }
    let rest: f64 = rest.iter().zip(other_rest).map(|(first, second)| square(*first, *second)).sum();
    sums.iter().sum::<f64>() + rest
}

/// The local means that SSIM needs: of both images, their squares and their product.
const MAPS: usize = 5;

/// Working memory of SSIM.
struct Scratch {
    weights: [f64; SSIM_WINDOW],
    /// One row of pixels of each map, (Maps, Pixels); after the last pixel are zeros, so that windows are in whole
    /// chunks.
    pixels: [Vec<f64>; MAPS],
    /// The rows averaged along the row, (Height, Maps, Windows).
    rows: Vec<[f64; LANES]>,
    /// Chunks of windows of a row.
    chunks: usize,
}

impl Scratch {
    fn new(format: ImageFormat) -> Scratch {
        let radius = (SSIM_WINDOW / 2) as f64;
        let weights: [f64; SSIM_WINDOW] =
            std::array::from_fn(|at| (-0.5 * ((at as f64 - radius) / SSIM_SIGMA).powi(2)).exp());
        let total: f64 = weights.iter().sum();
        let chunks = (format.width + 1).saturating_sub(SSIM_WINDOW).div_ceil(LANES);
        Scratch {
            weights: weights.map(|weight| weight / total),
            pixels: std::array::from_fn(|_| vec![0.0; chunks * LANES + SSIM_WINDOW - 1]),
            rows: vec![[0.0; LANES]; format.height * MAPS * chunks],
            chunks,
        }
    }

    /// The SSIM of two images that are not smaller than the window.
    #[inline(always)]
    fn ssim(&mut self, first: &[f32], second: &[f32], format: ImageFormat) -> f64 {
        let mut sum = 0.0;
        for channel in 0..format.channels {
            self.average_rows(first, second, format, channel);
            sum += self.mean_of_windows(format);
        }
        sum / format.channels as f64
    }

    /// Averages the maps of a channel along each row.
    #[inline(always)]
    fn average_rows(&mut self, first: &[f32], second: &[f32], format: ImageFormat, channel: usize) {
        let (width, channels) = (format.width, format.channels);
        for (row, averaged) in self.rows.chunks_mut(MAPS * self.chunks).enumerate() {
            let [one, other, squares, other_squares, products] = &mut self.pixels;
            for at in 0..width {
                let place = (row * width + at) * channels + channel;
                (one[at], other[at]) = (f64::from(first[place]), f64::from(second[place]));
            }
            for at in 0..width {
                squares[at] = one[at] * one[at];
                other_squares[at] = other[at] * other[at];
                products[at] = one[at] * other[at];
            }
            for (pixels, averaged) in self.pixels.iter().zip(averaged.chunks_mut(self.chunks)) {
                for (chunk, averaged) in averaged.iter_mut().enumerate() {
                    let mut sums = [0.0; LANES];
                    for (shift, weight) in self.weights.iter().enumerate() {
                        let pixels = &pixels[chunk * LANES + shift..][..LANES];
                        for lane in 0..LANES {
                            sums[lane] += weight * pixels[lane];
                        }
                    }
                    *averaged = sums;
                }
            }
        }
    }

    /// The mean of the SSIM over the windows, from the averaged rows.
    #[inline(always)]
    fn mean_of_windows(&self, format: ImageFormat) -> f64 {
        let (c1, c2) = ((K1 * format.data_range).powi(2), (K2 * format.data_range).powi(2));
        let (rows, columns) = (format.height + 1 - SSIM_WINDOW, format.width + 1 - SSIM_WINDOW);
        let stride = MAPS * self.chunks;
        let mut total = 0.0;
        for row in 0..rows {
            for chunk in 0..self.chunks {
                let mut means = [[0.0; LANES]; MAPS];
                for (map, means) in means.iter_mut().enumerate() {
                    let mut sums = [0.0; LANES];
                    for (shift, weight) in self.weights.iter().enumerate() {
                        let row = &self.rows[(row + shift) * stride + map * self.chunks + chunk];
                        for lane in 0..LANES {
                            sums[lane] += weight * row[lane];
                        }
                    }
                    *means = sums;
                }
                let [x, y, xx, yy, xy] = means;
                let mut similarities = [0.0; LANES];
                for lane in 0..LANES {
                    let (x, y) = (x[lane], y[lane]);
                    let (square, product) = (x * x + y * y, x * y);
                    let variances = xx[lane] + yy[lane] - square;
                    let covariance = xy[lane] - product;
                    similarities[lane] =
                        (2.0 * product + c1) * (2.0 * covariance + c2) / ((square + c1) * (variances + c2));
                }
                let count = LANES.min(columns - chunk * LANES);
                total += similarities[..count].iter().sum::<f64>();
            }
        }
        total / (rows * columns) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scores::testing::{assert_close, normals, numbers};
    use serde_json::Value;

    const FORMAT: ImageFormat = ImageFormat { height: 14, width: 12, channels: 3, data_range: 1.0 };

    /// Images of values around 0.5, (Images, Height, Width, Channels).
    fn images(seed: u64, count: usize, format: ImageFormat) -> Vec<f32> {
        let values = normals(seed, count, format.values().unwrap()).values;
        values.iter().map(|value| 0.5 + 0.2 * value).collect()
    }

    #[test]
    fn agrees_with_scikit_image() {
        let cases: Value =
            serde_json::from_str(include_str!("../../tests/fixtures/scores/image_quality.json")).unwrap();
        for case in cases.as_array().unwrap() {
            let [height, width, channels] =
                ["height", "width", "channels"].map(|name| case[name].as_u64().unwrap() as usize);
            let format = ImageFormat { height, width, channels, data_range: case["data_range"].as_f64().unwrap() };
            let image = |name: &str| numbers(&case[name]).iter().map(|value| *value as f32).collect::<Vec<f32>>();
            let found = image_quality(&image("first"), &image("second"), format).unwrap();
            assert_close(found.mse, case["mse"].as_f64().unwrap(), 1e-12);
            assert_close(found.psnr.unwrap(), case["psnr"].as_f64().unwrap(), 1e-12);
            match case["ssim"].as_f64() {
                Some(expected) => assert_close(found.ssim.unwrap(), expected, 1e-11),
                None => assert_eq!(found.ssim, None),
            }
        }
    }

    #[test]
    fn equal_images_are_perfect_and_noise_is_not() {
        let image = images(1, 1, FORMAT);
        let found = image_quality(&image, &image, FORMAT).unwrap();
        assert_eq!((found.mse, found.psnr), (0.0, None));
        assert_close(found.ssim.unwrap(), 1.0, 1e-12);
        let other = image_quality(&image, &images(2, 1, FORMAT), FORMAT).unwrap();
        assert!(other.ssim.unwrap().abs() < 0.3 && other.psnr.unwrap() < 15.0, "{other:?}");
        // Constant images: no division by 0.
        let [black, white] = [0.0, 1.0].map(|value| vec![value; image.len()]);
        assert_close(image_quality(&black, &black, FORMAT).unwrap().ssim.unwrap(), 1.0, 1e-12);
        let found = image_quality(&black, &white, FORMAT).unwrap();
        assert_eq!((found.mse, found.psnr), (1.0, Some(0.0)));
        assert_close(found.ssim.unwrap(), 1e-4 / 1.0001, 1e-12);
    }

    #[test]
    fn the_range_scales_with_the_values() {
        let (first, second) = (images(1, 1, FORMAT), images(2, 1, FORMAT));
        let bytes = |image: &[f32]| image.iter().map(|value| value * 256.0).collect::<Vec<f32>>();
        let found = image_quality(&first, &second, FORMAT).unwrap();
        let scaled =
            image_quality(&bytes(&first), &bytes(&second), ImageFormat { data_range: 256.0, ..FORMAT }).unwrap();
        assert_close(scaled.psnr.unwrap(), found.psnr.unwrap(), 1e-12);
        assert_close(scaled.ssim.unwrap(), found.ssim.unwrap(), 1e-12);
    }

    #[test]
    fn small_images_have_no_ssim_and_wrong_ones_are_errors() {
        let small = ImageFormat { height: 10, ..FORMAT };
        let found = image_quality(&images(1, 1, small), &images(2, 1, small), small).unwrap();
        assert!(found.ssim.is_none() && found.psnr.is_some());
        let one = ImageFormat { height: 1, width: 1, channels: 1, data_range: 1.0 };
        assert_eq!(image_quality(&[0.5], &[0.0], one).unwrap().mse, 0.25);
        let image = images(1, 1, FORMAT);
        assert!(image_quality(&image, &image[1..], FORMAT).is_err());
        let mut broken = image.clone();
        broken[3] = f32::NAN;
        assert!(image_quality(&image, &broken, FORMAT).is_err());
        for data_range in [0.0, -1.0, 1e-100, f64::NAN, f64::INFINITY] {
            assert!(image_quality(&image, &image, ImageFormat { data_range, ..FORMAT }).is_err());
        }
        assert!(image_quality(&[], &[], ImageFormat { channels: 0, ..FORMAT }).is_err());
    }
}
