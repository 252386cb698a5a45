//! Posteriors of images: normal distributions with a mean and a log-variance for each latent axis.

use super::input_error::InputError;
use super::points::Codes;
use super::rows;

/// The largest size of a log-variance: beyond, standard deviations and their inverses are near the ends of single
/// precision.
pub const LOG_VARIANCE_LIMIT: f32 = 160.0;

/// Checks that there are posteriors of at least one image, that means and log-variances have the same shape, and that
/// they are finite and not extreme.
pub(super) fn check(means: &Codes, log_variances: &Codes) -> Result<(), InputError> {
    rows::check_both(means, log_variances, "posteriors", 1)?;
    if means.len() != log_variances.len() {
        return Err(InputError::Mismatch { what: "log-variances", expected: means.len(), found: log_variances.len() });
    }
    if log_variances.values.iter().any(|value| value.abs() > LOG_VARIANCE_LIMIT) {
        return Err(InputError::OutOfRange { what: "log-variances", range: "from -160 to 160" });
    }
    Ok(())
}

/// The KL of the posterior to the standard normal in nats, for each axis the mean over the images, (Latent): the mean
/// of (mean^2 + variance - log-variance - 1) / 2. Their sum is the rate.
///
/// # Errors
/// There are no images or no axes, or the shapes differ, or a number is not finite, or a log-variance is beyond
/// [`LOG_VARIANCE_LIMIT`].
pub fn kl_by_axis(means: &Codes, log_variances: &Codes) -> Result<Vec<f64>, InputError> {
    check(means, log_variances)?;
    let mut kl = rows::sums(means.len(), means.latent, |range, sums| {
        for row in range {
            for (sum, (mean, log_variance)) in sums.iter_mut().zip(means.row(row).iter().zip(log_variances.row(row))) {
                let (mean, log_variance) = (f64::from(*mean), f64::from(*log_variance));
                *sum += 0.5 * (mean * mean + log_variance.exp_m1() - log_variance);
            }
        }
    });
    kl.iter_mut().for_each(|kl| *kl /= means.len() as f64);
    Ok(kl)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scores::testing::{assert_close, normals, on_threads};

    #[test]
    fn the_kl_is_that_of_the_definition() {
        // vectors.md: B = 4, D = 2; the analytic KL is 0.799002212.
        let place = |at: usize| ((at / 2) as f32, (at % 2) as f32);
        let means = (0..8).map(place).map(|(b, d)| (1.0 + b + 2.0 * d).sin()).collect();
        let log_variances = (0..8).map(place).map(|(b, d)| -1.0 + 0.3 * (b - d).cos()).collect();
        let [means, log_variances] = [means, log_variances].map(|values| Codes { latent: 2, values });
        let found = on_threads(|| kl_by_axis(&means, &log_variances).unwrap());
        assert_close(found.iter().sum(), 0.799_002_212, 1e-7);
        // The prior itself.
        let zeros = Codes { latent: 3, values: vec![0.0; 30_000] };
        assert_eq!(on_threads(|| kl_by_axis(&zeros, &zeros).unwrap()), [0.0; 3]);
    }

    #[test]
    fn wrong_posteriors_are_errors() {
        let set = normals(1, 10, 2);
        assert!(kl_by_axis(&set, &normals(1, 9, 2)).is_err());
        assert!(kl_by_axis(&set, &normals(1, 20, 1)).is_err());
        let none = Codes { latent: 0, values: vec![] };
        assert!(kl_by_axis(&none, &none).is_err());
        for value in [f32::NAN, 161.0, -161.0] {
            assert!(kl_by_axis(&set, &Codes { latent: 2, values: vec![value; 20] }).is_err());
        }
    }
}
