//! The approximate posterior, a diagonal normal distribution of the latent variables: its KL divergence from the
//! standard normal prior and samples from it, with their gradients.

use super::assert_length;
use super::elementary::exp;

#[track_caller]
fn check_kl(latent: usize, mean: &[f32], log_var: &[f32], nats: &[f32]) {
    assert!(latent > 0, "there are no latent variables");
    assert_length("mean", mean, nats.len() * latent);
    assert_length("log_var", log_var, mean.len());
}

/// `nats[r] = -0.5 sum over the latent variables of (1 + log_var - mean^2 - exp(log_var))`: the Kullback-Leibler
/// divergence of the posterior from the prior (Kingma and Welling 2014, appendix B).
///
/// `mean` and `log_var` are (rows, latent), `nats` (rows).
#[track_caller]
pub fn kl(latent: usize, mean: &[f32], log_var: &[f32], nats: &mut [f32]) {
    check_kl(latent, mean, log_var, nats);
    let rows = mean.chunks_exact(latent).zip(log_var.chunks_exact(latent));
    for ((mean, log_var), nats) in rows.zip(nats) {
        let terms = mean.iter().zip(log_var).map(|(mean, log_var)| kl_of_axis(*mean, *log_var));
        *nats = terms.sum::<f64>() as f32;
    }
}

/// The term of one latent variable in [`kl`].
#[inline(always)]
pub fn kl_of_axis(mean: f32, log_var: f32) -> f64 {
    let (mean, log_var) = (f64::from(mean), f64::from(log_var));
    // exp(log_var) - 1 - log_var nearly cancels close to the prior, where collapsed variables are, so it is computed in f64.
    0.5 * (mean * mean + (log_var.exp_m1() - log_var))
}

/// Adds the gradients of [`kl`]: `dmean += dnats[r] mean` and `dlog_var += dnats[r] 0.5 (exp(log_var) - 1)`.
#[track_caller]
pub fn kl_backward(
    latent: usize,
    mean: &[f32],
    log_var: &[f32],
    dnats: &[f32],
    dmean: &mut [f32],
    dlog_var: &mut [f32],
) {
    check_kl(latent, mean, log_var, dnats);
    assert_length("dmean", dmean, mean.len());
    assert_length("dlog_var", dlog_var, mean.len());
    let by_row = dmean.chunks_exact_mut(latent).zip(mean.chunks_exact(latent)).zip(dnats);
    for ((dmean, mean), &dnats) in by_row {
        for (dmean, &mean) in dmean.iter_mut().zip(mean) {
            *dmean += dnats * mean;
        }
    }
    let by_row = dlog_var.chunks_exact_mut(latent).zip(log_var.chunks_exact(latent)).zip(dnats);
    for ((dlog_var, log_var), &dnats) in by_row {
        for (dlog_var, &log_var) in dlog_var.iter_mut().zip(log_var) {
            *dlog_var += dnats * 0.5 * log_var.exp_m1();
        }
    }
}

/// `z = mean + exp(scale log_var) noise`, elementwise: a sample of the posterior from a sample of the standard normal
/// distribution.
///
/// `scale` is 0.5 if `log_var` is the logarithm of the variance, 1 if it is the logarithm of the standard deviation.
#[track_caller]
pub fn reparameterize(scale: f32, mean: &[f32], log_var: &[f32], noise: &[f32], z: &mut [f32]) {
    assert_length("mean", mean, z.len());
    assert_length("log_var", log_var, z.len());
    assert_length("noise", noise, z.len());
    for (((z, &mean), &log_var), &noise) in z.iter_mut().zip(mean).zip(log_var).zip(noise) {
        *z = mean + exp(scale * log_var) * noise;
    }
}

/// Adds the gradients of [`reparameterize`]: `dmean += dz` and
/// `dlog_var += dz scale exp(scale log_var) noise`.
#[track_caller]
pub fn reparameterize_backward(
    scale: f32,
    log_var: &[f32],
    noise: &[f32],
    dz: &[f32],
    dmean: &mut [f32],
    dlog_var: &mut [f32],
) {
    assert_length("log_var", log_var, dz.len());
    assert_length("noise", noise, dz.len());
    assert_length("dmean", dmean, dz.len());
    assert_length("dlog_var", dlog_var, dz.len());
    for (dmean, &dz) in dmean.iter_mut().zip(dz) {
        *dmean += dz;
    }
    for (((dlog_var, &log_var), &noise), &dz) in dlog_var.iter_mut().zip(log_var).zip(noise).zip(dz) {
        *dlog_var += dz * scale * exp(scale * log_var) * noise;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::tests::on_every_arch;
    use crate::tensor::kernels::oracle::{
        self, assert_close, assert_each_close, gradient_by_differences, numbers, numbers_between, plus, times_rows,
        wide,
    };
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn kl_agrees_with_the_oracle(
            rows in 0..18usize, latent in 1..131usize, reach in prop_oneof![Just(0.01), 0.1..6f32], seed: u64,
        ) {
            let mean = numbers_between(seed, rows * latent, -reach, reach);
            let log_var = numbers_between(seed ^ 1, mean.len(), -reach, reach);
            let exact = |mean: &[f64], log_var: &[f64]| oracle::kl(latent, mean, log_var);
            let expected_nats = exact(&wide(&mean), &wide(&log_var));
            let dnats = numbers(seed ^ 2, rows);
            let [dmean, dlog_var] = [3, 4].map(|salt| numbers(seed ^ salt, mean.len()));
            let by_mean = |mean: &[f64]| times_rows(&dnats, &exact(mean, &wide(&log_var)));
            let by_log_var = |log_var: &[f64]| times_rows(&dnats, &exact(&wide(&mean), log_var));
            let differences = [
                gradient_by_differences(&wide(&mean), by_mean, latent),
                gradient_by_differences(&wide(&log_var), by_log_var, latent),
            ];
            let [expected_dmean, expected_dlog_var] = plus([&dmean, &dlog_var], differences);
            on_every_arch(|| {
                let mut nats = vec![f32::NAN; rows];
                kl(latent, &mean, &log_var, &mut nats);
                assert_each_close(1e-14, "nats", &nats, &expected_nats);
                let (mut dmean, mut dlog_var) = (dmean.clone(), dlog_var.clone());
                kl_backward(latent, &mean, &log_var, &dnats, &mut dmean, &mut dlog_var);
                assert_close("dmean", &dmean, &expected_dmean);
                assert_close("dlog_var", &dlog_var, &expected_dlog_var);
            });
        }

        #[test]
        fn reparameterize_agrees_with_the_oracle(
            (rows, latent) in (0..18usize, 1..131usize), scale in prop_oneof![Just(0.5f32), Just(1.0f32)], seed: u64,
        ) {
            let length = rows * latent;
            let [mean, log_var, noise, dz] = [0, 1, 2, 3].map(|salt| numbers_between(seed ^ salt, length, -3.0, 3.0));
            let exact = |mean: &[f64], log_var: &[f64]| {
                oracle::reparameterize(f64::from(scale), mean, log_var, &wide(&noise))
            };
            let expected_z = exact(&wide(&mean), &wide(&log_var));
            let [dmean, dlog_var] = [4, 5].map(|salt| numbers(seed ^ salt, length));
            let by_mean = |mean: &[f64]| times_rows(&dz, &exact(mean, &wide(&log_var)));
            let by_log_var = |log_var: &[f64]| times_rows(&dz, &exact(&wide(&mean), log_var));
            let differences = [
                gradient_by_differences(&wide(&mean), by_mean, 1),
                gradient_by_differences(&wide(&log_var), by_log_var, 1),
            ];
            let [expected_dmean, expected_dlog_var] = plus([&dmean, &dlog_var], differences);
            on_every_arch(|| {
                let mut z = vec![f32::NAN; length];
                reparameterize(scale, &mean, &log_var, &noise, &mut z);
                assert_close("z", &z, &expected_z);
                let (mut dmean, mut dlog_var) = (dmean.clone(), dlog_var.clone());
                reparameterize_backward(scale, &log_var, &noise, &dz, &mut dmean, &mut dlog_var);
                assert_close("dmean", &dmean, &expected_dmean);
                assert_close("dlog_var", &dlog_var, &expected_dlog_var);
            });
        }
    }

    #[test]
    fn the_prior_has_no_divergence() {
        let mut nats = [1.0];
        kl(3, &[0.0; 3], &[0.0; 3], &mut nats);
        assert_eq!(nats, [0.0]);
    }

    #[test]
    #[should_panic(expected = "noise holds 1 numbers, its shape asks for 2")]
    fn wrong_length_is_refused() {
        reparameterize(0.5, &[0.0; 2], &[0.0; 2], &[0.0], &mut [0.0; 2]);
    }
}
