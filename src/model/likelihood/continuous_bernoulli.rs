//! Independent continuous Bernoulli distributions, one per value: densities on [0, 1] (Loaiza-Ganem and Cunningham 2019).
//!
//! With the logit `a`, log p(x) = a x - A(a), where A(a) = ln((e^a - 1) / a). With h = a / 2, A(a) = h + ln(sinh(h) / h), and
//! the mean is A'(a) = 1/2 + (coth(h) - 1/h) / 2. Near 0, where these cancel, series of h are used; there are no
//! approximations elsewhere.

use super::{Likelihood, MEANS, Support, each_output, gradient_of_logits, nats_of_logits, solve};
use crate::data::ImageShape;
use crate::onnx::{ExportError, Graph};
use crate::random::Stream;
use crate::settings::{Keys, Word};
use crate::tensor::backend::{RowGradients, RowInputs, RowKernel, RowOperation};
use crate::tensor::kernels::{exp, ln};
use dfdx::shapes::{Axis, Shape};
use dfdx::tensor::{Tape, Tensor, WithEmptyTape};
use dfdx::tensor_ops::{Device, SumTo, TryAdd, TryDiv, TryMul, TrySub};

/// One logit per value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ContinuousBernoulli;

/// The magnitude of a logit up to which the series are used.
const NEAR: f32 = 2.0;

/// Coefficients of the powers of h^2 in ln(sinh(h) / h), from the first power on. The first omitted term is below 1e-8 of the
/// sum for h up to 1.
const LN_SINHC: [f32; 10] = [
    1.0 / 6.0,
    -1.0 / 180.0,
    1.0 / 2835.0,
    -1.0 / 37_800.0,
    1.0 / 467_775.0,
    -1.803_672_4e-7,
    1.566_099e-8,
    -1.388_413e-9,
    1.250_467_2e-10,
    -1.140_258e-11,
];

/// The numerator and the denominator of (coth(h) - 1/h) / h as a fraction of polynomials of h^2: its continued fraction up to
/// the fifth denominator. The error is below 2e-9 of the value for h up to 1.
const COTH: [[f32; 3]; 2] = [[3465.0, 189.0, 1.0], [10_395.0, 1260.0, 21.0]];

#[inline(always)]
fn polynomial<const N: usize>(coefficients: [f32; N], x: f32) -> f32 {
    coefficients.iter().rev().fold(0.0, |sum, coefficient| sum * x + coefficient)
}

/// A(a) - a x, the negative logarithm of the density.
#[inline(always)]
pub(super) fn nats(logit: f32, x: f32) -> f32 {
    let size = logit.abs();
    let square = 0.25 * logit * logit;
    let near = logit * (0.5 - x) + square * polynomial(LN_SINHC, square);
    // As for Bernoulli, arranged so that nothing cancels: A(a) = max(a, 0) + ln((1 - e^-|a|) / |a|).
    let linear = if logit > 0.0 { logit * (1.0 - x) } else { -logit * x };
    let far = linear + ln((1.0 - exp(-size)) / size);
    if size < NEAR { near } else { far }
}

/// The mean, A'(a), with a relative error up to 5e-7.
#[inline(always)]
pub(super) fn mean(logit: f32) -> f32 {
    let (size, square) = (logit.abs(), 0.25 * logit * logit);
    let near = 0.5 + 0.25 * logit * (polynomial(COTH[0], square) / polynomial(COTH[1], square));
    let small = exp(-size);
    // The mean for a negative logit is that of its negative, subtracted from 1.
    let inverse = 1.0 / size;
    let far = if logit > 0.0 { 1.0 / (1.0 - small) - inverse } else { inverse - small / (1.0 - small) };
    if size < NEAR { near } else { far }
}

/// The mean in double precision.
fn exact_mean(logit: f64) -> f64 {
    if logit.abs() < 0.02 {
        return 0.5 + logit / 12.0 - logit.powi(3) / 720.0 + logit.powi(5) / 30_240.0;
    }
    -1.0 / (-logit).exp_m1() - 1.0 / logit
}

/// The value below which the probability is `share`.
fn quantile(logit: f64, share: f64) -> f64 {
    // A positive logit is a mirror image, which cannot overflow.
    if logit > 0.0 {
        return 1.0 - quantile(-logit, 1.0 - share);
    }
    // For share 1, the logarithm of a large logit is infinite.
    if logit > -1e-6 { share } else { ((share * logit.exp_m1()).ln_1p() / logit).min(1.0) }
}

/// ln(sinh(h) / h) of h = `size` / 2, for sizes of at least 0, with dfdx's operations.
pub(super) fn ln_sinhc<S: Shape, D: Device<f32>, T: Tape<f32, D>>(
    size: Tensor<S, f32, D, T>,
) -> Result<Tensor<S, f32, D, T>, D::Err> {
    // There is no choice by element: the value of the size that is cut to the interval of the series, and the growth beyond it.
    // The gradient of what is cut is 0.
    let square = size.with_empty_tape().try_clamp(0.0, NEAR)?.try_square()?.try_mul(0.25)?;
    let [first, .., last] = LN_SINHC;
    let mut series = square.with_empty_tape().try_mul(last)?;
    for coefficient in LN_SINHC[1..LN_SINHC.len() - 1].iter().rev() {
        series = series.try_add(*coefficient)?.try_mul(square.with_empty_tape())?;
    }
    let series = series.try_add(first)?.try_mul(square)?;
    let size = size.try_clamp(NEAR, f32::MAX)?;
    let share = size.with_empty_tape().try_negate()?.try_exp()?.try_negate()?.try_add(1.0)?;
    let share = share.try_div(size.with_empty_tape())?.try_ln()?;
    let end = 0.5 * NEAR + ((1.0 - (-NEAR).exp()) / NEAR).ln();
    size.try_mul(0.5)?.try_add(share)?.try_sub(end)?.try_add(series)
}

impl Likelihood for ContinuousBernoulli {
    const WORD: Word = Word {
        name: "continuous_bernoulli",
        doc: "One logit per value: the continuous Bernoulli distribution, a density on [0, 1]; needs values in [0, 1].",
        also: "cb continuous_bern cont_bernoulli",
    };
    const TITLE: &'static str = "continuous Bernoulli";
    const SUPPORT: Support = Support::Unit;

    fn read(_: &mut Keys<'_>) -> ContinuousBernoulli {
        ContinuousBernoulli
    }

    fn expected(&self, mut outputs: Vec<f32>, _: &[f32]) -> Vec<f32> {
        outputs.iter_mut().for_each(|logit| *logit = exact_mean(f64::from(*logit)) as f32);
        outputs
    }

    fn expected_fast(&self, outputs: Vec<f32>, _: &[f32]) -> Vec<f32> {
        each_output(outputs, mean)
    }

    fn output_of_mean(&self, mean: f32) -> f32 {
        solve(exact_mean, mean.clamp(MEANS[0], MEANS[1])) as f32
    }

    fn draw(&self, mut outputs: Vec<f32>, _: &[f32], stream: &mut Stream) -> Vec<f32> {
        outputs.iter_mut().for_each(|logit| {
            *logit = quantile(f64::from(*logit), f64::from(stream.uniform())) as f32;
        });
        outputs
    }

    /// As with dfdx's operations: the mean of the logit that is cut to the interval of the series, and what is beyond it.
    fn onnx(&self, image: ImageShape, graph: &mut Graph<'_>) -> Result<(), ExportError> {
        graph.output("logits", image.values());
        let mut number = |name: &str, value: f32| graph.constant(&format!("mean.{name}"), &[], &[value]);
        let (low, high, one) = (number("low", -NEAR), number("high", NEAR), number("one", 1.0));
        let (half, quarter, end) = (number("half", 0.5), number("quarter", 0.25), number("end", mean(NEAR)));
        let [above, below] = [0, 1].map(|side| [0, 1, 2].map(|power| number(&format!("{side}.{power}"), COTH[side][power])));
        let cut = graph.apply("Clip", &["logits", &low, &high]);
        let square = graph.apply("Mul", &[&cut, &cut]);
        let square = graph.apply("Mul", &[&square, &quarter]);
        let [above, below] = [above, below].map(|[first, second, third]| {
            let sum = graph.apply("Mul", &[&third, &square]);
            let sum = graph.apply("Add", &[&sum, &second]);
            let sum = graph.apply("Mul", &[&sum, &square]);
            graph.apply("Add", &[&sum, &first])
        });
        let ratio = graph.apply("Div", &[&above, &below]);
        let near = graph.apply("Mul", &[&cut, &quarter]);
        let near = graph.apply("Mul", &[&near, &ratio]);
        let near = graph.apply("Add", &[&near, &half]);
        let size = graph.apply("Abs", &["logits"]);
        let size = graph.apply("Max", &[&size, &high]);
        let small = graph.apply("Neg", &[&size]);
        let small = graph.apply("Exp", &[&small]);
        let share = graph.apply("Sub", &[&one, &small]);
        let [far, inverse] = [&share, &size].map(|below| graph.apply("Div", &[&one, below]));
        let far = graph.apply("Sub", &[&far, &inverse]);
        let beyond = graph.apply("Sub", &[&far, &end]);
        let sign = graph.apply("Sign", &["logits"]);
        let beyond = graph.apply("Mul", &[&beyond, &sign]);
        graph.apply("Add", &[&near, &beyond]);
        graph.output("mean", image.values());
        Ok(())
    }

    #[cfg(test)]
    fn exact(&self, outputs: &[f64], _: &[f64], x: &[f64]) -> f64 {
        let term = |(logit, x): (&f64, &f64)| {
            let (size, half) = (logit.abs(), 0.5 * logit);
            let normalizer = if size < 0.01 {
                half * half / 6.0 - half.powi(4) / 180.0 + half.powi(6) / 2835.0
            } else {
                0.5 * size + ((-(-size).exp_m1()) / size).ln()
            };
            logit * (0.5 - x) + normalizer
        };
        outputs.iter().zip(x).map(term).sum()
    }
}

impl RowOperation for ContinuousBernoulli {
    fn forward(&self, inputs: RowInputs<'_>, results: &mut [f32]) {
        nats_of_logits(inputs, results, nats);
    }

    /// `dlogit += dnats (mean - x)`.
    fn backward(&self, inputs: RowInputs<'_>, dresults: &[f32], gradients: RowGradients<'_>) {
        gradient_of_logits(inputs, dresults, gradients, mean);
    }

    fn portable<D: Device<f32>, T: Tape<f32, D>>(
        &self,
        logits: Tensor<(usize, usize), f32, D, T>,
        _: Option<Tensor<(usize,), f32, D, T>>,
        x: Tensor<(usize, usize), f32, D>,
    ) -> Result<Tensor<(usize,), f32, D, T>, D::Err> {
        let linear = logits.with_empty_tape().try_mul(x.try_negate()?.try_add(0.5)?)?;
        ln_sinhc(logits.try_abs()?)?.try_add(linear)?.try_sum::<(usize,), Axis<1>>()
    }

    fn kernel(&self) -> Option<RowKernel> {
        Some(RowKernel::Logits(["continuous_bernoulli", "continuous_bernoulli_backward"]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// log p(0.3) and the mean for some logits, computed with 50 digits.
    const KNOWN: [(f32, f64, f64); 6] = [
        (0.0, 0.0, 0.5),
        (0.001, -0.000_200_04, 0.500_083_33),
        (0.5, -0.110_395_05, 0.541_494_08),
        (-2.0, 0.238_560_64, 0.343_482_36),
        (10.0, -4.697_369_51, 0.900_045_40),
        (-30.0, -5.598_802_62, 0.033_333_33),
    ];

    #[test]
    fn densities_and_means_are_the_known_ones() {
        for (logit, density, expected) in KNOWN {
            let mut found = [f32::NAN];
            let inputs = RowInputs { rows: 1, outputs: &[logit], x: &[0.3], own: &[] };
            ContinuousBernoulli.forward(inputs, &mut found);
            let near = |found: f32, known: f64| (f64::from(found) - known).abs() < 1e-8 + 1e-6 * known.abs();
            assert!(near(-found[0], density), "log p(0.3) for {logit} is {}, not {density}", -found[0]);
            assert!(near(mean(logit), expected), "the mean for {logit} is {}, not {expected}", mean(logit));
            assert!((exact_mean(f64::from(logit)) - expected).abs() < 1e-8);
        }
    }

    #[test]
    fn the_mean_has_no_seams() {
        let mut largest = 0.0f64;
        for place in 0..400_000 {
            let logit = (place as f32 - 200_000.0) * 1e-4;
            let exact = exact_mean(f64::from(logit));
            largest = largest.max((f64::from(mean(logit)) - exact).abs() / exact);
        }
        assert!(largest < 5e-7, "{largest:e}");
    }

    #[test]
    fn quantiles_are_inverse_to_the_distribution() {
        for logit in [-1000.0, -30.0, -2.0, -1e-3, 0.0, 1e-9, 0.5, 10.0, 1000.0f64] {
            // Almost all of a large logit is at one end; the other end has a probability that rounding hides.
            let ends = [quantile(logit, 0.0), quantile(logit, 1.0)];
            assert!(ends[0].abs() < 1e-4 && (ends[1] - 1.0).abs() < 1e-4, "{logit}: {ends:?}");
            for share in [0.01, 0.3, 0.5, 0.99] {
                let value = quantile(logit, share);
                // The probability of smaller values, written so that it does not overflow.
                let back = match logit {
                    0.0 => value,
                    _ if logit > 0.0 => ((logit * (value - 1.0)).exp() - (-logit).exp()) / (1.0 - (-logit).exp()),
                    _ => (logit * value).exp_m1() / logit.exp_m1(),
                };
                assert!((back - share).abs() < 1e-6, "{logit} {share}: {value} has {back}");
            }
        }
    }
}
