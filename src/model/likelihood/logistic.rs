//! The logistic distribution of a value in bins: one for each level, where the first and the last bin take the tails (PixelCNN++,
//! Salimans et al. 2017, equation 2).
//!
//! Level k of L is at 2 k / (L - 1) - 1, so that all are in [-1, 1], and half a bin is h = 1 / (L - 1). With the location m, the
//! scale s, and the ends of the bin relative to them, lo = (x - h - m) / s and hi = (x + h - m) / s, the probability is
//! sigmoid(hi) - sigmoid(lo). Its logarithm is the sum of log sigmoid(hi), log sigmoid(-lo) and T = log(1 - e^-(hi - lo)), which
//! is exact for all numbers; of the first bin it is log sigmoid(hi), of the last one log sigmoid(-lo).

use super::continuous_bernoulli::{self, ln_sinhc};
use super::location_scale::{LocationScale, floored};
use super::{Grid, MEANS, solve};
use crate::onnx::Graph;
use crate::random::Stream;
use crate::tensor::kernels::{exp, ln_1p_of_unit, sigmoid, tanh};
use dfdx::shapes::Shape;
use dfdx::tensor::{Tape, Tensor, WithEmptyTape};
use dfdx::tensor_ops::{Device, TryAdd, TryMul, TrySub};

/// The least logarithm of the scale, as in PixelCNN++. Half a bin of 256 levels is 4.3 such scales.
pub(super) const FLOOR: f32 = -7.0;

/// 1.5 * 2^23: adding it to a number of magnitude below 2^22 rounds that number to an integer.
const ROUNDER: f32 = 12_582_912.0;

/// The scale from which the mean is computed with hyperbolic functions: then the difference of two logarithms would cancel.
const WIDE: f32 = 2.0;

/// The logistic distribution in the bins of a grid.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bins {
    /// The factor and the constant that map a value to its level.
    to_level: [f32; 2],
    /// The greatest level.
    last: f32,
    floor: f32,
}

/// ln(1 + e^x).
#[inline(always)]
fn softplus(x: f32) -> f32 {
    let positive = if x < 0.0 { 0.0 } else { x };
    positive + ln_1p_of_unit(exp(-x.abs()))
}

impl Bins {
    /// The logarithm of the scale is at least `floor`.
    pub(super) fn new(grid: Grid, floor: f32) -> Bins {
        Bins { to_level: grid.to_level(), last: grid.last(), floor }
    }

    /// The numbers of a kernel of a card: the factor and the constant that map a value to its level, and the greatest level.
    pub(super) fn kernel_numbers(self) -> [f32; 3] {
        [self.to_level[0], self.to_level[1], self.last]
    }

    /// The level of a value, a whole number.
    #[inline(always)]
    fn level(self, x: f32) -> f32 {
        let [factor, constant] = self.to_level;
        (x * factor + constant + ROUNDER) - ROUNDER
    }

    /// The place of a level in [-1, 1].
    #[inline(always)]
    fn place(self, level: f32) -> f32 {
        (2.0 * level - self.last) / self.last
    }

    /// The place of a value in [-1, 1].
    #[inline(always)]
    pub(super) fn place_of(self, x: f32) -> f32 {
        self.place(self.level(x))
    }

    /// The share of the interval at the mean of the distribution that is cut to [-1, 1]: 0 at its start, 1 at its end.
    ///
    /// With softplus(x) = ln(1 + e^x), it is s (softplus((m + 1) / s) - softplus((m - 1) / s)) / 2, the integral of
    /// sigmoid((m - t) / s) / 2 over t from -1 to 1. That is equal to 1/2 + s artanh(tanh(m / 2s) tanh(1 / 2s)).
    #[inline(always)]
    pub(super) fn mean_share(self, location: f32, log_scale: f32) -> f32 {
        let log_scale = floored(log_scale, self.floor);
        let (scale, inverse) = (exp(log_scale), exp(-log_scale));
        let narrow = 0.5 * scale * (softplus((location + 1.0) * inverse) - softplus((location - 1.0) * inverse));
        let product = tanh(0.5 * location * inverse) * tanh(0.5 * inverse);
        let size = product.abs();
        let artanh = 0.5 * ln_1p_of_unit(2.0 * size / (1.0 - size));
        let wide = 0.5 + scale * artanh.copysign(product);
        // An infinite scale has no more effect than a large one.
        let wide = if inverse == 0.0 { 0.5 } else { wide };
        if scale < WIDE { narrow } else { wide }
    }

    /// As [`Bins::mean_share`], in double precision.
    pub(super) fn exact_mean_share(self, location: f64, log_scale: f64) -> f64 {
        let scale = log_scale.max(f64::from(self.floor)).exp();
        let softplus = |x: f64| x.max(0.0) + (-x.abs()).exp().ln_1p();
        if scale < f64::from(WIDE) {
            0.5 * scale * (softplus((location + 1.0) / scale) - softplus((location - 1.0) / scale))
        } else {
            let product = (0.5 * location / scale).tanh() * (0.5 / scale).tanh();
            if scale.is_finite() { 0.5 + scale * product.atanh() } else { 0.5 }
        }
    }

    /// The location at which the distribution that is cut to [-1, 1] has its mean at this share of the interval.
    pub(super) fn location_of_mean(self, share: f32, log_scale: f32) -> f32 {
        let mean = |location| self.exact_mean_share(location, f64::from(log_scale));
        solve(mean, share.clamp(MEANS[0], MEANS[1])) as f32
    }

    /// Draws a level, as a place in [-1, 1].
    pub(super) fn draw(self, location: f32, log_scale: f32, stream: &mut Stream) -> f32 {
        // A number between 0 and 1, which are excluded.
        let share = f64::from(stream.uniform()) + 0.5 / 16_777_216.0;
        let scale = f64::from(log_scale.max(self.floor)).exp();
        let value = f64::from(location) + scale * (share / (1.0 - share)).ln();
        let level = (0.5 * (value + 1.0) * f64::from(self.last)).round().clamp(0.0, f64::from(self.last));
        self.place(level as f32)
    }

    /// The place of a value in [-1, 1] in double precision.
    #[cfg(test)]
    pub(super) fn exact_place(self, x: f64) -> f64 {
        let level = (x * f64::from(self.to_level[0]) + f64::from(self.to_level[1])).round();
        2.0 * level / f64::from(self.last) - 1.0
    }

    /// -log p of a value in double precision: sigmoid(u + d) - sigmoid(u - d) is sinh(d) / (cosh(u) + cosh(d)).
    #[cfg(test)]
    pub(super) fn exact(self, x: f64, location: f64, log_scale: f64) -> f64 {
        let (place, half) = (self.exact_place(x), 1.0 / f64::from(self.last));
        let scale = log_scale.max(f64::from(self.floor)).exp();
        let (u, d) = ((place - location) / scale, half / scale);
        let softplus = |x: f64| x.max(0.0) + (-x.abs()).exp().ln_1p();
        if place < half - 1.0 {
            return softplus(-u - d);
        }
        if place > 1.0 - half {
            return softplus(u - d);
        }
        let most = u.abs().max(d);
        let below = most + [u, -u, d, -d].map(|one| (one - most).exp()).iter().sum::<f64>().ln();
        below - (d + (-(-2.0 * d).exp_m1()).ln())
    }

    /// -log p of values in the places `x`, with dfdx's operations; `log_scale` is at least the floor.
    pub(super) fn portable<S: Shape, D: Device<f32>, T: Tape<f32, D>>(
        self,
        x: Tensor<S, f32, D>,
        location: Tensor<S, f32, D, T>,
        log_scale: Tensor<S, f32, D, T>,
    ) -> Result<Tensor<S, f32, D, T>, D::Err> {
        let half = 1.0 / self.last;
        // 1 at a bin, and 0 at all others: the differences are a multiple of 2 h.
        let is_at = |end: f32| x.clone().try_mul(-end)?.try_add(1.0 - half)?.try_mul(-1e6)?.try_clamp(0.0, 1.0);
        let [is_first, is_last] = [is_at(-1.0)?, is_at(1.0)?];
        let [not_first, not_last] = [is_first.try_negate()?.try_add(1.0)?, is_last.try_negate()?.try_add(1.0)?];
        let is_between = not_first.clone().try_mul(not_last.clone())?;
        let inverse = log_scale.with_empty_tape().try_negate()?.try_exp()?;
        let distance = location.try_sub(x)?;
        let softplus = |x: Tensor<S, f32, D, T>| {
            let positive = x.with_empty_tape().try_relu()?;
            x.try_abs()?.try_negate()?.try_exp()?.try_add(1.0)?.try_ln()?.try_add(positive)
        };
        // -hi, and lo.
        let above = distance.with_empty_tape().try_sub(half)?.try_mul(inverse.with_empty_tape())?;
        let below = distance.try_add(half)?.try_negate()?.try_mul(inverse.with_empty_tape())?;
        let above = softplus(above)?.try_mul(not_last)?;
        let below = softplus(below)?.try_mul(not_first)?;
        // T = ln(width) - width / 2 + ln(sinh(width / 2) / (width / 2)).
        let width = inverse.try_mul(2.0 * half)?;
        let series = ln_sinhc(width.with_empty_tape())?.try_sub(width.try_mul(0.5)?)?;
        let between = log_scale.try_negate()?.try_add((2.0 * half).ln())?.try_add(series)?.try_mul(is_between)?;
        above.try_add(below)?.try_sub(between)
    }

    /// Values (Rows, ...) as places in [-1, 1], with dfdx's operations.
    pub(super) fn portable_places<S: Shape, D: Device<f32>>(
        self,
        x: Tensor<S, f32, D>,
    ) -> Result<Tensor<S, f32, D>, D::Err> {
        let [factor, constant] = self.to_level;
        x.try_mul(2.0 * factor / self.last)?.try_add(2.0 * constant / self.last - 1.0)
    }

    /// Adds the nodes of [`Bins::mean_share`] to an ONNX graph, for arrays of the same shape. Returns the name of the result.
    pub(super) fn onnx_mean_share(self, graph: &mut Graph<'_>, location: &str, log_scale: &str) -> String {
        let mut number = |value: f32| graph.number(value);
        let [one, half, wide, floor] = [1.0, 0.5, WIDE, self.floor].map(&mut number);
        let log_scale = graph.apply("Max", &[log_scale, &floor]);
        let scale = graph.apply("Exp", &[&log_scale]);
        let inverse = graph.apply("Neg", &[&log_scale]);
        let inverse = graph.apply("Exp", &[&inverse]);
        let [above, below] = ["Add", "Sub"].map(|operator| {
            let end = graph.apply(operator, &[location, &one]);
            let end = graph.apply("Mul", &[&end, &inverse]);
            graph.apply("Softplus", &[&end])
        });
        let narrow = graph.apply("Sub", &[&above, &below]);
        let half_inverse = graph.apply("Mul", &[&inverse, &half]);
        let [by_location, by_end] = [location, &one].map(|end| {
            let end = graph.apply("Mul", &[end, &half_inverse]);
            graph.apply("Tanh", &[&end])
        });
        let product = graph.apply("Mul", &[&by_location, &by_end]);
        let artanh = graph.apply("Atanh", &[&product]);
        let narrow = graph.apply("Mul", &[&narrow, &half]);
        let is_wide = graph.apply("Less", &[&wide, &scale]);
        // Infinity in the branch that is not taken has no effect.
        let narrow = graph.apply("Mul", &[&narrow, &scale]);
        let artanh = graph.apply("Mul", &[&artanh, &scale]);
        let from_middle = graph.apply("Add", &[&artanh, &half]);
        graph.apply("Where", &[&is_wide, &from_middle, &narrow])
    }
}

impl LocationScale for Bins {
    #[inline(always)]
    fn floor(self) -> f32 {
        self.floor
    }

    /// 1 / s; T; and the derivative of -T by the logarithm of the scale.
    #[inline(always)]
    fn terms(self, log_scale: f32) -> [f32; 3] {
        let inverse = exp(-log_scale);
        let width = 2.0 * inverse / self.last;
        // With the width w: T = ln(w) + ln((1 - e^-w) / w), and the derivative is w / (e^w - 1).
        let rest = continuous_bernoulli::nats(-width, 0.0);
        let slope = 1.0 - width * continuous_bernoulli::mean(-width);
        [inverse, (2.0 / self.last).ln() - log_scale + rest, slope]
    }

    #[inline(always)]
    fn nats(self, x: f32, location: f32, [inverse, between, _]: [f32; 3]) -> f32 {
        let (level, half) = (self.level(x), 1.0 / self.last);
        let (is_first, is_last) = (level < 0.5, level > self.last - 0.5);
        let distance = self.place(level) - location;
        let above = softplus(-(distance + half) * inverse);
        let below = softplus((distance - half) * inverse);
        let above = if is_last { 0.0 } else { above };
        let below = if is_first { 0.0 } else { below };
        above + below - if is_first | is_last { 0.0 } else { between }
    }

    #[inline(always)]
    fn slopes(self, x: f32, location: f32, [inverse, _, slope]: [f32; 3]) -> [f32; 2] {
        let (level, half) = (self.level(x), 1.0 / self.last);
        let (is_first, is_last) = (level < 0.5, level > self.last - 0.5);
        let distance = self.place(level) - location;
        let (high, low) = ((distance + half) * inverse, (distance - half) * inverse);
        let above = if is_last { 0.0 } else { sigmoid(-high) };
        let below = if is_first { 0.0 } else { sigmoid(low) };
        let between = if is_first | is_last { 0.0 } else { slope };
        [inverse * (above - below), above * high - below * low + between]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bins() -> Bins {
        Bins::new(Grid::default(), FLOOR)
    }

    fn nats(level: u32, location: f32, log_scale: f32) -> f64 {
        f64::from(bins().nats(level as f32 / 255.0, location, bins().terms(log_scale)))
    }

    #[test]
    fn known_log_probabilities() {
        // Level, location and logarithm of the scale; computed with numpy in double precision.
        let known = [
            (0, -0.9, -2.0, -1.109_831_348),
            (127, 0.1, -3.0, -4.168_833_500),
            (200, 0.5, -1.0, -5.243_107_473),
            (255, 0.8, -2.5, -2.476_503_151),
        ];
        for (level, location, log_scale, expected) in known {
            let exact = -bins().exact(f64::from(level) / 255.0, location, log_scale);
            assert!((exact - expected).abs() < 1e-8, "level {level}: {exact} by definition, not {expected}");
            let found = -nats(level, location as f32, log_scale as f32);
            assert!((found - expected).abs() < 2e-6, "level {level}: {found}, not {expected}");
        }
    }

    #[test]
    fn probabilities_sum_to_1() {
        for location in [-30.0, -1.0, -0.3, 0.1, 0.999, 2.0f32] {
            for log_scale in [-20.0, -7.0, -5.0, -3.0, 0.0, 3.0, 9.0f32] {
                let sum: f64 = (0..256).map(|level| (-nats(level, location, log_scale)).exp()).sum();
                assert!((sum - 1.0).abs() < 5e-6, "{location} and {log_scale}: {sum}");
            }
        }
    }

    #[test]
    fn the_mean_is_that_of_the_bins_up_to_rounding() {
        let bins = bins();
        let mut largest = 0.0f64;
        for step in 0..4000 {
            let (location, log_scale) = ((step % 80) as f32 * 0.05 - 2.0, (step / 80) as f32 * 0.2 - 7.0);
            let exact = bins.exact_mean_share(f64::from(location), f64::from(log_scale));
            largest = largest.max((f64::from(bins.mean_share(location, log_scale)) - exact).abs());
            let by_levels = (0..256).map(|level| {
                let share = f64::from(level) / 255.0;
                share * (-bins.exact(share, f64::from(location), f64::from(log_scale))).exp()
            });
            let difference = by_levels.sum::<f64>() - exact;
            // A number is rounded to a level by half a bin at most.
            assert!(difference.abs() <= 0.5 / 255.0 + 1e-9, "{location} and {log_scale}: {difference}");
        }
        assert!(largest < 1e-6, "{largest:e}");
        assert_eq!([bins.mean_share(0.3, 1e6), bins.mean_share(-0.3, 100.0)], [0.5, 0.5]);
    }
}
