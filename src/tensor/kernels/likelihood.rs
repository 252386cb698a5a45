//! Negative log-likelihoods of images, in nats per image, and their gradients.

use std::f64::consts::TAU;

use super::assert_length;
use super::elementary::{exp, ln_1p_of_unit, sigmoid};
use super::scratch::with_scratch;
use super::simd::vectorized;
use super::sum::sum_of;

#[track_caller]
fn check_rows(pixels: usize, x: &[f32], nats: &[f32]) {
    assert!(pixels > 0, "an image has no pixels");
    assert_length("x", x, nats.len() * pixels);
}

/// `nats[r] = sum over the pixels p of softplus(logits[r, p]) - x[r, p] logits[r, p]`: the negative log-likelihood of
/// the image `x` under independent Bernoulli pixels (binary cross-entropy).
///
/// `logits` and `x` are (rows, pixels), `nats` (rows). Pixels between 0 and 1 are treated as probabilities.
#[track_caller]
pub fn bernoulli(pixels: usize, logits: &[f32], x: &[f32], nats: &mut [f32]) {
    check_rows(pixels, x, nats);
    assert_length("logits", logits, x.len());
    let rows = logits.chunks_exact(pixels).zip(x.chunks_exact(pixels));
    for ((logits, x), nats) in rows.zip(nats) {
        vectorized(
            #[inline(always)]
            || {
                let sum = sum_of(logits, x, x, |logit, x, _| {
                    // max(logit, 0) - x logit, arranged so that nothing cancels for x in 0..=1.
                    let linear = if logit > 0.0 { logit * (1.0 - x) } else { -logit * x };
                    linear + ln_1p_of_unit(exp(-logit.abs()))
                });
                *nats = sum as f32;
            },
        );
    }
}

/// Adds the gradient of [`bernoulli`]: `dlogits[r, p] += dnats[r] (sigmoid(logits[r, p]) - x[r, p])`.
#[track_caller]
pub fn bernoulli_backward(pixels: usize, logits: &[f32], x: &[f32], dnats: &[f32], dlogits: &mut [f32]) {
    check_rows(pixels, x, dnats);
    assert_length("logits", logits, x.len());
    assert_length("dlogits", dlogits, x.len());
    let rows = logits.chunks_exact(pixels).zip(x.chunks_exact(pixels)).zip(dlogits.chunks_exact_mut(pixels));
    for (((logits, x), dlogits), &dnats) in rows.zip(dnats) {
        vectorized(
            #[inline(always)]
            || {
                for ((dlogit, &logit), &x) in dlogits.iter_mut().zip(logits).zip(x) {
                    *dlogit += dnats * (sigmoid(logit) - x);
                }
            },
        );
    }
}

#[track_caller]
fn check_gaussian(pixels: usize, mean: &[f32], log_var: &[f32], x: &[f32], nats: &[f32]) {
    check_rows(pixels, x, nats);
    assert_length("mean", mean, x.len());
    let length = log_var.len();
    assert!(
        length == 1 || length == pixels,
        "log_var holds {length} numbers, not 1 and not one for each of {pixels} pixels"
    );
}

/// Calls `work` with exp(-log_var) of each pixel.
fn with_precision<T>(pixels: usize, log_var: &[f32], work: impl FnOnce(&[f32]) -> T) -> T {
    with_scratch(pixels, |precision| {
        if let &[log_var] = log_var {
            precision.fill(exp(-log_var));
        } else {
            for (precision, &log_var) in precision.iter_mut().zip(log_var) {
                *precision = exp(-log_var);
            }
        }
        work(precision)
    })
}

/// `nats[r] = sum over the pixels p of 0.5 (ln(2 pi) + log_var[p] + (x[r, p] - mean[r, p])^2 exp(-log_var[p]))`: the
/// negative log-density of the image `x` under independent normal pixels.
///
/// `mean` and `x` are (rows, pixels), `nats` (rows); `log_var` has one number for the model or one for each pixel.
#[track_caller]
pub fn gaussian(pixels: usize, mean: &[f32], log_var: &[f32], x: &[f32], nats: &mut [f32]) {
    check_gaussian(pixels, mean, log_var, x, nats);
    let average_log_var = log_var.iter().map(|&log_var| f64::from(log_var)).sum::<f64>() / log_var.len() as f64;
    let constant = pixels as f64 * (TAU.ln() + average_log_var);
    with_precision(pixels, log_var, |precision| {
        let rows = mean.chunks_exact(pixels).zip(x.chunks_exact(pixels));
        for ((mean, x), nats) in rows.zip(nats) {
            let squares = sum_of(mean, x, precision, |mean, x, precision| (x - mean) * (x - mean) * precision);
            *nats = (0.5 * (constant + squares)) as f32;
        }
    });
}

/// Adds the gradients of [`gaussian`] to `dmean` (rows, pixels) and `dlog_var`, which has the length of `log_var`:
/// `dmean[r, p] += dnats[r] (mean - x) exp(-log_var)`, `dlog_var += dnats[r] 0.5 (1 - (x - mean)^2 exp(-log_var))`.
///
/// Pass `None` for `dlog_var` if the variance is fixed.
#[track_caller]
pub fn gaussian_backward(
    pixels: usize,
    mean: &[f32],
    log_var: &[f32],
    x: &[f32],
    dnats: &[f32],
    dmean: &mut [f32],
    dlog_var: Option<&mut [f32]>,
) {
    check_gaussian(pixels, mean, log_var, x, dnats);
    assert_length("dmean", dmean, x.len());
    with_precision(pixels, log_var, |precision| {
        let rows = mean.chunks_exact(pixels).zip(x.chunks_exact(pixels)).zip(dmean.chunks_exact_mut(pixels));
        for (((mean, x), dmean), &dnats) in rows.zip(dnats) {
            for (((dmean, &mean), &x), &precision) in dmean.iter_mut().zip(mean).zip(x).zip(precision) {
                *dmean += dnats * (mean - x) * precision;
            }
        }
        let Some(dlog_var) = dlog_var else { return };
        assert_length("dlog_var", dlog_var, log_var.len());
        let rows = mean.chunks_exact(pixels).zip(x.chunks_exact(pixels)).zip(dnats);
        if let [dlog_var] = dlog_var {
            let by_row = rows.map(|((mean, x), &dnats)| {
                let squares = sum_of(mean, x, precision, |mean, x, precision| (x - mean) * (x - mean) * precision);
                f64::from(dnats) * 0.5 * (pixels as f64 - squares)
            });
            *dlog_var += by_row.sum::<f64>() as f32;
        } else {
            for ((mean, x), &dnats) in rows {
                for (((dlog_var, &mean), &x), &precision) in dlog_var.iter_mut().zip(mean).zip(x).zip(precision) {
                    *dlog_var += dnats * 0.5 * (1.0 - (x - mean) * (x - mean) * precision);
                }
            }
        }
    });
}

/// Turns logits into probabilities, in place: to a relative error of 2e-7.
pub fn probabilities(logits: &mut [f32]) {
    vectorized(
        #[inline(always)]
        || logits.iter_mut().for_each(|logit| *logit = sigmoid(*logit)),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::kernels::oracle::{
        self, assert_close, assert_close_at, assert_each_close, gradient_by_differences, numbers, numbers_between,
        plus, times_rows, wide,
    };
    use crate::tensor::kernels::simd::tests::on_every_arch;
    use proptest::prelude::*;

    /// Rows and pixels of an image: mostly few, sometimes with sides of up to 33. With many pixels there are few rows,
    /// because each pixel needs a numerical derivative.
    fn sizes() -> impl Strategy<Value = (usize, usize)> {
        let pixels = prop_oneof![
            15 => 1..40usize,
            2 => (1..34usize, 1..34usize).prop_map(|(height, width)| height * width),
            1 => Just(784),
        ];
        (0..18usize, pixels).prop_map(|(rows, pixels)| (rows.min(1 + 1_000_000 / (pixels * pixels)), pixels))
    }

    /// The sum of the squares and logarithms in the Gaussian likelihoods of all rows.
    fn sizes_of_terms(mean: &[f32], log_var: &[f32], x: &[f32]) -> f64 {
        let log_vars = log_var.iter().cycle();
        let size = |((&mean, &x), &log_var): ((&f32, &f32), &f32)| {
            f64::from(log_var.abs() + (x - mean) * (x - mean) * (-log_var).exp())
        };
        // With several variances, each belongs to a pixel, and rows are whole images: the cycle stays aligned.
        mean.iter().zip(x).zip(log_vars).map(size).sum()
    }

    #[test]
    fn probabilities_are_those_of_the_logits() {
        let logits = [-80.0f32, -5.0, -0.25, 0.0, 0.5, 7.0, 100.0];
        on_every_arch(|| {
            let mut values = logits;
            probabilities(&mut values);
            for (value, logit) in values.iter().zip(logits) {
                let exact = 1.0 / (1.0 + (-f64::from(logit)).exp());
                assert!((f64::from(*value) - exact).abs() <= 4e-7 * exact, "{logit}: {value}, not {exact}");
            }
        });
    }

    proptest! {
        #[test]
        fn bernoulli_agrees_with_the_oracle(
            (rows, pixels) in sizes(), reach in 0.01..100f32, binary: bool, seed: u64,
        ) {
            let logits = numbers_between(seed, rows * pixels, -reach, reach);
            let mut x = numbers_between(seed ^ 1, logits.len(), 0.0, 1.0);
            if binary {
                x.iter_mut().for_each(|x| *x = x.round());
            }
            let wide_x = wide(&x);
            let exact = |logits: &[f64]| oracle::bernoulli(pixels, logits, &wide_x);
            let expected_nats = exact(&wide(&logits));
            let (dnats, dlogits) = (numbers(seed ^ 2, rows), numbers(seed ^ 3, logits.len()));
            let by_logit = |logits: &[f64]| times_rows(&dnats, &exact(logits));
            let differences = gradient_by_differences(&wide(&logits), by_logit, pixels);
            let [expected] = plus([&dlogits], [differences]);
            on_every_arch(|| {
                let mut nats = vec![f32::NAN; rows];
                bernoulli(pixels, &logits, &x, &mut nats);
                assert_each_close(1e-37, "nats", &nats, &expected_nats);
                let mut dlogits = dlogits.clone();
                bernoulli_backward(pixels, &logits, &x, &dnats, &mut dlogits);
                assert_close("dlogits", &dlogits, &expected);
            });
        }

        #[test]
        fn gaussian_agrees_with_the_oracle(
            (rows, pixels) in sizes(), one: bool, seed: u64,
        ) {
            let mean = numbers(seed, rows * pixels);
            let x = numbers_between(seed ^ 1, mean.len(), 0.0, 1.0);
            let log_var = numbers_between(seed ^ 2, if one { 1 } else { pixels }, -5.0, 2.0);
            let (wide_mean, wide_log_var, wide_x) = (wide(&mean), wide(&log_var), wide(&x));
            let exact = |mean: &[f64], log_var: &[f64]| oracle::gaussian(pixels, mean, log_var, &wide_x);
            let expected_nats = exact(&wide_mean, &wide_log_var);
            // Terms of both signs may cancel: the error is relative to the sum of their magnitudes.
            let sizes = sizes_of_terms(&mean, &log_var, &x);
            let dnats = numbers(seed ^ 3, rows);
            let (dmean, dlog_var) = (numbers(seed ^ 4, mean.len()), numbers(seed ^ 5, log_var.len()));
            let by_mean = |mean: &[f64]| times_rows(&dnats, &exact(mean, &wide_log_var));
            let by_log_var = |log_var: &[f64]| vec![times_rows(&dnats, &exact(&wide_mean, log_var)).iter().sum()];
            let differences = [
                gradient_by_differences(&wide_mean, by_mean, pixels),
                gradient_by_differences(&wide_log_var, by_log_var, log_var.len()),
            ];
            let [expected_dmean, expected_dlog_var] = plus([&dmean, &dlog_var], differences);
            on_every_arch(|| {
                let mut nats = vec![f32::NAN; rows];
                gaussian(pixels, &mean, &log_var, &x, &mut nats);
                assert_close_at(sizes / rows.max(1) as f64, "nats", &nats, &expected_nats);
                let [mut both, mut alone, mut dlog_var] = [&dmean, &dmean, &dlog_var].map(Clone::clone);
                gaussian_backward(pixels, &mean, &log_var, &x, &dnats, &mut both, Some(&mut dlog_var));
                assert_close("dmean", &both, &expected_dmean);
                assert_close_at(sizes / log_var.len() as f64, "dlog_var", &dlog_var, &expected_dlog_var);
                gaussian_backward(pixels, &mean, &log_var, &x, &dnats, &mut alone, None);
                assert_eq!(both, alone);
            });
        }
    }

    #[test]
    fn certain_and_wrong_logits_stay_finite() {
        let mut nats = [0.0; 4];
        bernoulli(1, &[-1000.0, 1000.0, -1000.0, 1000.0], &[0.0, 1.0, 1.0, 0.0], &mut nats);
        assert_eq!(nats, [0.0, 0.0, 1000.0, 1000.0]);
        let mut nats = [0.0];
        bernoulli(1, &[f32::NAN], &[0.0], &mut nats);
        assert!(nats[0].is_nan());
    }

    #[test]
    #[should_panic(expected = "log_var holds 2 numbers")]
    fn odd_number_of_variances_is_refused() {
        gaussian(3, &[0.0; 3], &[0.0; 2], &[0.0; 3], &mut [0.0]);
    }
}
