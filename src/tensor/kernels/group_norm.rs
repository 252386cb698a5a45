//! Group normalization (Wu and He 2018) and its gradients.

use super::{Accumulate, assert_length, vectorized};

/// The sizes of a group normalization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NormShape {
    /// The number of images.
    pub rows: usize,
    /// The pixels of a feature map.
    pub pixels: usize,
    /// The channels of a pixel.
    pub channels: usize,
    /// The number of groups of consecutive channels; it divides `channels`.
    pub groups: usize,
}

/// Added to the variance of a group, as PyTorch does by default.
pub const EPSILON: f64 = 1e-5;

impl NormShape {
    #[track_caller]
    fn check(self, x: &[f32], weight: &[f32], y: &[f32]) {
        let NormShape { rows, pixels, channels, groups } = self;
        assert!(groups > 0 && channels.is_multiple_of(groups), "{groups} groups do not divide {channels} channels");
        assert_length("x", x, rows * pixels * channels);
        assert_length("y", y, x.len());
        assert_length("weight", weight, channels);
    }

    fn row(self) -> usize {
        (self.pixels * self.channels).max(1)
    }

    /// Replaces the number of each channel by the mean over the values of its group.
    #[inline(always)]
    fn mean_of_groups(self, of_channels: &mut [f64]) {
        let size = self.channels / self.groups;
        let count = (self.pixels * size) as f64;
        for group in of_channels.chunks_exact_mut(size) {
            let mean = group.iter().sum::<f64>() / count;
            group.fill(mean);
        }
    }
}

/// Mean and reciprocal standard deviation of the group of each channel, for one image.
struct Moments {
    mean: Vec<f64>,
    scale: Vec<f64>,
}

impl Moments {
    fn new(channels: usize) -> Moments {
        Moments { mean: vec![0.0; channels], scale: vec![0.0; channels] }
    }

    #[inline(always)]
    fn measure(&mut self, shape: NormShape, x: &[f32]) {
        self.mean.fill(0.0);
        for pixel in x.chunks_exact(shape.channels) {
            self.mean.iter_mut().zip(pixel).for_each(|(sum, x)| *sum += f64::from(*x));
        }
        shape.mean_of_groups(&mut self.mean);
        self.scale.fill(0.0);
        for pixel in x.chunks_exact(shape.channels) {
            for ((sum, x), mean) in self.scale.iter_mut().zip(pixel).zip(&self.mean) {
                let distance = f64::from(*x) - mean;
                *sum += distance * distance;
            }
        }
        shape.mean_of_groups(&mut self.scale);
        self.scale.iter_mut().for_each(|variance| *variance = 1.0 / (*variance + EPSILON).sqrt());
    }
}

/// `y = (x - mean) / sqrt(variance + EPSILON) weight + bias`, with mean and variance over the pixels and channels of a group of an
/// image.
///
/// `x` and `y` are (rows, pixels, channels), `weight` and `bias` (channels).
#[track_caller]
pub fn group_norm(shape: NormShape, x: &[f32], weight: &[f32], bias: &[f32], y: &mut [f32]) {
    shape.check(x, weight, y);
    assert_length("bias", bias, shape.channels);
    let mut moments = Moments::new(shape.channels);
    vectorized(
        #[inline(always)]
        || {
            for (x, y) in x.chunks_exact(shape.row()).zip(y.chunks_exact_mut(shape.row())) {
                moments.measure(shape, x);
                for (x, y) in x.chunks_exact(shape.channels).zip(y.chunks_exact_mut(shape.channels)) {
                    let of_channels = moments.mean.iter().zip(&moments.scale).zip(weight.iter().zip(bias));
                    for ((y, x), ((mean, scale), (weight, bias))) in y.iter_mut().zip(x).zip(of_channels) {
                        let normal = ((f64::from(*x) - mean) * scale) as f32;
                        *y = normal * weight + bias;
                    }
                }
            }
        },
    );
}

/// The gradients of [`group_norm`]: that with respect to `x` is set or added, those with respect to `weight` and `bias` are added.
#[track_caller]
pub fn group_norm_backward(
    shape: NormShape,
    x: &[f32],
    weight: &[f32],
    dy: &[f32],
    mut dx: Option<(Accumulate, &mut [f32])>,
    dweight: &mut [f32],
    dbias: &mut [f32],
) {
    shape.check(x, weight, dy);
    assert_length("dweight", dweight, shape.channels);
    assert_length("dbias", dbias, shape.channels);
    if let Some((_, dx)) = &dx {
        assert_length("dx", dx, x.len());
    }
    let mut moments = Moments::new(shape.channels);
    let [mut sum, mut product, mut all_sums, mut all_products] = [0; 4].map(|_| vec![0f64; shape.channels]);
    vectorized(
        #[inline(always)]
        || {
            for (row, (x, dy)) in x.chunks_exact(shape.row()).zip(dy.chunks_exact(shape.row())).enumerate() {
                moments.measure(shape, x);
                sum.fill(0.0);
                product.fill(0.0);
                for (x, dy) in x.chunks_exact(shape.channels).zip(dy.chunks_exact(shape.channels)) {
                    let sums = sum.iter_mut().zip(&mut product);
                    let of_channels = moments.mean.iter().zip(&moments.scale);
                    for (((x, dy), (sum, product)), (mean, scale)) in x.iter().zip(dy).zip(sums).zip(of_channels) {
                        let dy = f64::from(*dy);
                        *sum += dy;
                        *product += dy * (f64::from(*x) - mean) * scale;
                    }
                }
                for (all, of_row) in [(&mut all_sums, &sum), (&mut all_products, &product)] {
                    all.iter_mut().zip(of_row).for_each(|(all, of_row)| *all += of_row);
                }
                let Some((accumulate, dx)) = &mut dx else { continue };
                for of_row in [&mut sum, &mut product] {
                    of_row.iter_mut().zip(weight).for_each(|(of_row, weight)| *of_row *= f64::from(*weight));
                    shape.mean_of_groups(of_row);
                }
                let dx = &mut dx[row * shape.row()..(row + 1) * shape.row()];
                let pixels = x.chunks_exact(shape.channels).zip(dy.chunks_exact(shape.channels));
                for (dx, (x, dy)) in dx.chunks_exact_mut(shape.channels).zip(pixels) {
                    let of_channels = moments.mean.iter().zip(&moments.scale).zip(sum.iter().zip(&product)).zip(weight);
                    let values = dx.iter_mut().zip(x.iter().zip(dy));
                    for ((dx, (x, dy)), (((mean, scale), (sum, product)), weight)) in values.zip(of_channels) {
                        let normal = (f64::from(*x) - mean) * scale;
                        let change = (scale * (f64::from(*dy) * f64::from(*weight) - sum - normal * product)) as f32;
                        match accumulate {
                            Accumulate::Set => *dx = change,
                            Accumulate::Add => *dx += change,
                        }
                    }
                }
            }
        },
    );
    for (gradient, all) in [(dweight, all_products), (dbias, all_sums)] {
        gradient.iter_mut().zip(all).for_each(|(gradient, all)| *gradient += all as f32);
    }
}

#[cfg(test)]
mod tests {
    use super::super::oracle::{self, assert_close, gradient_by_differences, numbers, plus, wide};
    use super::*;
    use crate::simd::tests::on_every_arch;
    use proptest::prelude::*;

    /// The definition, value by value.
    fn exact(shape: NormShape, x: &[f64], weight: &[f64], bias: &[f64]) -> Vec<f64> {
        let NormShape { pixels, channels, groups, .. } = shape;
        let size = channels / groups;
        let mut y = Vec::new();
        for row in x.chunks(pixels * channels) {
            for place in 0..row.len() {
                let channel = place % channels;
                let of_group: Vec<f64> = row
                    .iter()
                    .enumerate()
                    .filter(|(other, _)| other % channels / size == channel / size)
                    .map(|(_, value)| *value)
                    .collect();
                let mean = of_group.iter().sum::<f64>() / of_group.len() as f64;
                let variance = of_group.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / of_group.len() as f64;
                y.push((row[place] - mean) / (variance + EPSILON).sqrt() * weight[channel] + bias[channel]);
            }
        }
        y
    }

    proptest! {
        #[test]
        fn group_norm_agrees_with_the_oracle(
            (rows, pixels, groups, size) in (1..4usize, 1..7usize, 1..4usize, 1..5usize), seed: u64,
        ) {
            let channels = groups * size;
            let shape = NormShape { rows, pixels, channels, groups };
            let [x, dy, dx] = [0, 1, 2].map(|salt| numbers(seed ^ salt, rows * pixels * channels));
            let [weight, bias, dweight, dbias] = [3, 4, 5, 6].map(|salt| numbers(seed ^ salt, channels));
            let expected = exact(shape, &wide(&x), &wide(&weight), &wide(&bias));
            let total = |x: &[f64], weight: &[f64], bias: &[f64]| {
                vec![oracle::times_rows(&dy, &exact(shape, x, weight, bias)).iter().sum::<f64>()]
            };
            let by = |at: &[f32], function: &dyn Fn(&[f64]) -> Vec<f64>| gradient_by_differences(&wide(at), function, at.len());
            let [of_x] = plus([&dx], [by(&x, &|x| total(x, &wide(&weight), &wide(&bias)))]);
            let [of_weight] = plus([&dweight], [by(&weight, &|weight| total(&wide(&x), weight, &wide(&bias)))]);
            let [of_bias] = plus([&dbias], [by(&bias, &|bias| total(&wide(&x), &wide(&weight), bias))]);
            // The gradient is large where the values of a group are nearly equal.
            let large = of_x.iter().fold(1.0, |large: f64, value| large.max(value.abs()));
            on_every_arch(|| {
                let mut y = vec![f32::NAN; x.len()];
                group_norm(shape, &x, &weight, &bias, &mut y);
                assert_close("y", &y, &expected);
                let (mut dx, mut dweight, mut dbias) = (dx.clone(), dweight.clone(), dbias.clone());
                group_norm_backward(shape, &x, &weight, &dy, Some((Accumulate::Add, &mut dx)), &mut dweight, &mut dbias);
                oracle::assert_close_to(1e-4, large, "dx", &dx, &of_x);
                assert_close("dweight", &dweight, &of_weight);
                assert_close("dbias", &dbias, &of_bias);
            });
        }
    }

    #[test]
    fn equal_values_become_the_bias() {
        let shape = NormShape { rows: 1, pixels: 2, channels: 2, groups: 1 };
        let mut y = [f32::NAN; 4];
        group_norm(shape, &[3.0; 4], &[2.0; 2], &[0.5, -0.5], &mut y);
        assert_eq!(y, [0.5, -0.5, 0.5, -0.5]);
    }

    #[test]
    #[should_panic(expected = "2 groups do not divide 3 channels")]
    fn groups_of_different_sizes_are_refused() {
        let shape = NormShape { rows: 1, pixels: 1, channels: 3, groups: 2 };
        group_norm(shape, &[0.0; 3], &[1.0; 3], &[0.0; 3], &mut [0.0; 3]);
    }
}
