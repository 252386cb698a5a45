//! Elementary functions of `f32` without branches or calls, so that loops over them are vectorized.
//!
//! Error bounds are relative to exact results and checked by the tests; NaN gives NaN.

use std::f32::consts::LOG2_E;

/// 1.5 * 2^23: adding it to a number of magnitude below 2^22 rounds that number to an integer, kept in the low bits.
const ROUNDER: f32 = 12_582_912.0;
/// ln 2 in two parts; the first (355 / 512) has so few bits that its product with an exponent is exact.
const LN_2_HIGH: f32 = 0.693_359_4;
const LN_2_LOW: f32 = -2.121_944_4e-4;
/// Below this exponent the result would be a subnormal number.
const LEAST_EXPONENT: f32 = -87.336_54;
/// Above this exponent the result is infinite.
const GREATEST_EXPONENT: f32 = 89.0;

/// `e^x` with a relative error up to 1.2e-7; 0 if the result would be subnormal, infinite if it is too large.
///
/// Method and polynomial: Cephes library, `expf` (S. Moshier).
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    let bounded = x.clamp(LEAST_EXPONENT, GREATEST_EXPONENT);
    let rounded = bounded * LOG2_E + ROUNDER;
    let power = rounded - ROUNDER;
    let rest = bounded - power * LN_2_HIGH - power * LN_2_LOW;
    let polynomial = ((((1.987_569_1e-4 * rest + 1.398_2e-3) * rest + 8.333_452e-3) * rest + 4.166_579_6e-2) * rest
        + 1.666_666_5e-1)
        * rest
        + 0.5;
    let fraction = polynomial * (rest * rest) + rest + 1.0;
    // 2^power as a product of two powers of 2, because 2^128 is not an f32.
    let power = (rounded.to_bits() as i32).wrapping_sub(ROUNDER.to_bits() as i32);
    let half = power >> 1;
    let value = fraction * power_of_2(half) * power_of_2(power.wrapping_sub(half));
    if x < LEAST_EXPONENT { 0.0 } else { value }
}

/// 2^`power` for a power from -126 to 127.
#[inline(always)]
fn power_of_2(power: i32) -> f32 {
    f32::from_bits((power.wrapping_add(127) as u32) << 23)
}

/// `ln(1 + x)` for `x` from 0 to 1, with a relative error up to 2e-7.
///
/// It is 2 artanh(s) with s = x / (2 + x), which is at most 1/3: the series 2 (s + s^3/3 + s^5/5 + ...) converges fast
/// and keeps small results exact. The first omitted term is below 2e-8 of the sum.
#[inline(always)]
pub(crate) fn ln_1p_of_unit(x: f32) -> f32 {
    let s = x / (2.0 + x);
    let square = s * s;
    let tail = (((((1.0 / 13.0) * square + 1.0 / 11.0) * square + 1.0 / 9.0) * square + 1.0 / 7.0) * square
        + 1.0 / 5.0)
        * square
        + 1.0 / 3.0;
    2.0 * (s + s * square * tail)
}

/// `ln(x)` for a normal number `x` above 0, with an absolute error up to 1e-7 and a relative error up to 3e-7; without a
/// meaning for other numbers.
///
/// `x` is 2^power times a factor from sqrt(1/2) to sqrt(2), whose logarithm is a series as in [`ln_1p_of_unit`].
#[inline(always)]
pub(crate) fn ln(x: f32) -> f32 {
    // The bits of sqrt(1/2): the difference of the exponents is the power.
    const ROOT: u32 = 0x3f35_04f3;
    let offset = x.to_bits().wrapping_sub(ROOT);
    let power = (offset as i32) >> 23;
    let factor = f32::from_bits((offset & 0x007f_ffff).wrapping_add(ROOT));
    let s = (factor - 1.0) / (factor + 1.0);
    let square = s * s;
    let tail = (((1.0 / 9.0) * square + 1.0 / 7.0) * square + 1.0 / 5.0) * square + 1.0 / 3.0;
    let power = power as f32;
    let result = power * LN_2_HIGH + (power * LN_2_LOW + 2.0 * (s + s * square * tail));
    // NaN has the bits of a large number.
    if x.is_nan() { x } else { result }
}

/// `1 / (1 + e^-x)` with a relative error up to 2e-7; 0 if the result would be subnormal.
#[inline(always)]
pub(crate) fn sigmoid(x: f32) -> f32 {
    let small = exp(-x.abs());
    let numerator = if x < 0.0 { small } else { 1.0 };
    numerator / (1.0 + small)
}

/// `tanh(x)` with a relative error up to 2e-7.
///
/// Method and polynomial: Cephes library, `tanhf` (S. Moshier).
#[inline(always)]
pub(crate) fn tanh(x: f32) -> f32 {
    let size = x.abs();
    let square = x * x;
    let polynomial = (((-5.704_988_7e-3 * square + 2.063_909e-2) * square - 5.373_971_6e-2) * square + 1.333_144_2e-1)
        * square
        - 3.333_328e-1;
    let near_0 = x + x * square * polynomial;
    let far = (1.0 - 2.0 / (exp(2.0 * size) + 1.0)).copysign(x);
    if size < 0.625 { near_0 } else { far }
}

/// `e^x - 1` for `x` up to 0, with a relative error up to 4e-7; -1 if `e^x` would be subnormal.
#[inline(always)]
pub(crate) fn exp_m1_of_negative(x: f32) -> f32 {
    // The Taylor series keeps small results exact: the first omitted term is below 3e-8 of the sum.
    let near_0 = x
        * (((((((1.0 / 40_320.0) * x + 1.0 / 5_040.0) * x + 1.0 / 720.0) * x + 1.0 / 120.0) * x + 1.0 / 24.0) * x
            + 1.0 / 6.0)
            * x
            + 0.5)
        * x
        + x;
    if x > -0.5 { near_0 } else { exp(x) - 1.0 }
}

/// The coefficients of `erf(s)` as a quotient of polynomials of s^2, the numerator times s; the highest power first. From Eigen and
/// XLA; for |s| up to [`ERF_BOUND`].
pub(crate) const ERF_NUMERATOR: [f32; 7] =
    [-2.726_142_3e-10, 2.770_681_4e-8, -2.101_024e-6, -5.692_506_4e-5, -7.349_906_5e-4, -2.954_6e-3, -1.609_603_3e-2];
pub(crate) const ERF_DENOMINATOR: [f32; 5] =
    [-1.456_607_2e-5, -2.133_740_6e-4, -1.682_827e-3, -7.373_329e-3, -1.426_473_9e-2];
/// Beyond it, `erf` is 1 in single precision.
pub(crate) const ERF_BOUND: f32 = 4.0;

/// P(X < `x`) for a standard normal X, with an absolute error up to 3e-7.
#[inline(always)]
pub(crate) fn normal_below(x: f32) -> f32 {
    let scaled = (x * std::f32::consts::FRAC_1_SQRT_2).clamp(-ERF_BOUND, ERF_BOUND);
    let square = scaled * scaled;
    let polynomial =
        |coefficients: &[f32]| coefficients.iter().fold(0.0, |sum, coefficient| sum * square + coefficient);
    let (numerator, denominator) = (scaled * polynomial(&ERF_NUMERATOR), polynomial(&ERF_DENOMINATOR));
    0.5 + 0.5 * (numerator / denominator).clamp(-1.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest relative error of `function` against `exact` over `steps` points of [`from`, `to`].
    fn greatest_error(function: fn(f32) -> f32, exact: fn(f64) -> f64, from: f32, to: f32) -> f64 {
        let steps = 1_000_000;
        (0..=steps)
            .map(|step| {
                let x = from + (to - from) * (step as f32 / steps as f32);
                let exact = exact(f64::from(x));
                // Results below the normal range are 0 or nearly 0.
                if exact.abs() < 1e-37 { 0.0 } else { (f64::from(function(x)) - exact).abs() / exact.abs() }
            })
            .fold(0.0, f64::max)
    }

    fn exact_sigmoid(x: f64) -> f64 {
        if x < 0.0 { x.exp() / (1.0 + x.exp()) } else { 1.0 / (1.0 + (-x).exp()) }
    }

    #[test]
    fn relative_errors_are_as_documented() {
        for (from, to) in [(-100.0, 88.7), (-2.0, 2.0), (-1e-3, 1e-3)] {
            let error = greatest_error(exp, f64::exp, from, to);
            assert!(error < 1.2e-7, "exp on {from}..{to}: {error:e}");
        }
        for (from, to) in [(0.0, 1.0), (0.0, 1e-3), (1e-30, 1e-25)] {
            let error = greatest_error(ln_1p_of_unit, f64::ln_1p, from, to);
            assert!(error < 2e-7, "ln_1p on {from}..{to}: {error:e}");
        }
        for (from, to) in [(1e-30, 1e-20), (0.01, 1.0), (0.9, 1.1), (1.0, 4.0), (1e20, 1e38)] {
            let error = greatest_error(ln, f64::ln, from, to);
            assert!(error < 3e-7, "ln on {from}..{to}: {error:e}");
        }
        for (from, to) in [(-100.0, 0.0), (-1.0, 0.0), (-1e-3, -1e-30)] {
            let error = greatest_error(exp_m1_of_negative, f64::exp_m1, from, to);
            assert!(error < 4e-7, "exp_m1 on {from}..{to}: {error:e}");
        }
        for step in -10_000..=10_000 {
            let x = step as f32 * 1e-3;
            let exact = 0.5 * libm::erfc(-f64::from(x) * std::f64::consts::FRAC_1_SQRT_2);
            let error = (f64::from(normal_below(x)) - exact).abs();
            assert!(error < 3e-7, "normal_below at {x}: {error:e}");
        }
        for (from, to) in [(-100.0, 100.0), (-2.0, 2.0)] {
            let error = greatest_error(sigmoid, exact_sigmoid, from, to);
            assert!(error < 2e-7, "sigmoid on {from}..{to}: {error:e}");
            let error = greatest_error(tanh, f64::tanh, from, to);
            assert!(error < 2e-7, "tanh on {from}..{to}: {error:e}");
        }
    }

    #[test]
    fn ends_of_the_range_behave() {
        assert_eq!([exp(0.0), exp(-1e4), exp(f32::NEG_INFINITY)], [1.0, 0.0, 0.0]);
        assert_eq!([exp(88.8), exp(1e4), exp(f32::INFINITY)], [f32::INFINITY; 3]);
        assert_eq!([sigmoid(-1e4), sigmoid(0.0), sigmoid(1e4)], [0.0, 0.5, 1.0]);
        assert_eq!([tanh(-1e4), tanh(0.0), tanh(1e4)], [-1.0, 0.0, 1.0]);
        assert_eq!([tanh(f32::NEG_INFINITY), tanh(f32::INFINITY)], [-1.0, 1.0]);
        assert_eq!(ln_1p_of_unit(0.0), 0.0);
        for function in [exp, ln, ln_1p_of_unit, sigmoid, tanh] {
            assert!(function(f32::NAN).is_nan());
        }
    }
}
