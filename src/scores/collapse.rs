//! Whether the posterior has collapsed: which latent axes carry information about the image.

use super::input_error::InputError;
use super::points::Codes;
use super::{posterior, rows};
use std::fmt;

/// The settings of the verdict.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CollapseSettings {
    /// An axis is inactive if the variance of its posterior mean over the images is at most this. Default: 0.01 (Burda
    /// et al. 2016).
    pub threshold: f64,
}

impl Default for CollapseSettings {
    fn default() -> CollapseSettings {
        CollapseSettings { threshold: 0.01 }
    }
}

/// How many axes have collapsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All axes are active.
    None,
    /// Some axes are inactive.
    Partial,
    /// All axes are inactive: the posterior is nearly the same for all images.
    Full,
}

/// The verdict and what it follows from. Its text is a sentence that names the rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Collapse {
    /// The verdict.
    pub verdict: Verdict,
    /// The number of images.
    pub images: usize,
    /// The population variance of the posterior mean of each axis over the images, (Latent).
    pub variances: Vec<f64>,
    /// The mean KL of each axis to the standard normal in nats, (Latent). `None` if the posterior has no variance.
    pub kl_by_axis: Option<Vec<f64>>,
    /// The threshold of the variances.
    pub threshold: f64,
}

impl Collapse {
    /// Whether each axis is active, (Latent).
    pub fn active(&self) -> Vec<bool> {
        self.variances.iter().map(|variance| *variance > self.threshold).collect()
    }

    /// The number of active axes.
    pub fn active_axes(&self) -> usize {
        self.active().into_iter().filter(|active| *active).count()
    }
}

impl fmt::Display for Collapse {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let axes = self.variances.len();
        match self.verdict {
            Verdict::None => write!(out, "no posterior collapse: all {axes} latent axes are active")?,
            Verdict::Partial => {
                let inactive = axes - self.active_axes();
                write!(out, "partial posterior collapse: {inactive} of {axes} latent axes are inactive")?;
            }
            Verdict::Full => write!(out, "posterior collapse: all {axes} latent axes are inactive")?,
        }
        let threshold = self.threshold;
        write!(
            out,
            " (an axis is inactive if the variance of its posterior mean over the images is at most {threshold})"
        )
    }
}

/// Decides whether the posterior has collapsed, by the rule of Burda et al. 2016 over all given images; their program
/// takes the first 500 training images. Means and log-variances are (Images, Latent); a posterior without a variance
/// has no log-variances.
///
/// The KL is reported beside the verdict and does not enter it: an axis may have a KL and an inactive mean, if its
/// variance differs from 1.
///
/// # Errors
/// There are fewer than 2 images or no axes, or the shapes differ, or a number is not finite, or a log-variance is
/// extreme, or the threshold is negative or not finite.
pub fn collapse(
    means: &Codes,
    log_variances: Option<&Codes>,
    settings: &CollapseSettings,
) -> Result<Collapse, InputError> {
    let threshold = settings.threshold;
    if !(threshold.is_finite() && threshold >= 0.0) {
        return Err(InputError::OutOfRange { what: "the threshold", range: "a finite number that is not negative" });
    }
    rows::check(means, "posterior means", 2)?;
    let kl_by_axis = log_variances.map(|log_variances| posterior::kl_by_axis(means, log_variances)).transpose()?;
    let variances = rows::variances(means);
    let mut collapse = Collapse { verdict: Verdict::Partial, images: means.len(), variances, kl_by_axis, threshold };
    match collapse.active_axes() {
        0 => collapse.verdict = Verdict::Full,
        active if active == means.latent => collapse.verdict = Verdict::None,
        _ => {}
    }
    Ok(collapse)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scores::testing::{normals, on_threads};

    /// Means of two axes, the second one scaled.
    fn means(scales: [f32; 2]) -> Codes {
        let mut means = normals(1, 5000, 2);
        for row in means.values.chunks_mut(2) {
            row.iter_mut().zip(scales).for_each(|(value, scale)| *value *= scale);
        }
        means
    }

    fn verdict(means: &Codes) -> (Verdict, String) {
        let found = on_threads(|| collapse(means, None, &CollapseSettings::default()).unwrap());
        (found.verdict, found.to_string())
    }

    #[test]
    fn the_verdict_follows_the_variances() {
        let rule = "(an axis is inactive if the variance of its posterior mean over the images is at most 0.01)";
        let (found, text) = verdict(&means([1.0, 0.2]));
        assert_eq!(
            (found, text),
            (Verdict::None, format!("no posterior collapse: all 2 latent axes are active {rule}"))
        );
        let (found, text) = verdict(&means([1.0, 0.05]));
        let expected = format!("partial posterior collapse: 1 of 2 latent axes are inactive {rule}");
        assert_eq!((found, text), (Verdict::Partial, expected));
        // Dead axes, whatever their constant mean is.
        let dead = Codes { latent: 2, values: [5.0, 0.0].repeat(10) };
        let (found, text) = verdict(&dead);
        assert_eq!(
            (found, text),
            (Verdict::Full, format!("posterior collapse: all 2 latent axes are inactive {rule}"))
        );
    }

    #[test]
    fn the_threshold_itself_is_inactive() {
        // Variance 1/4.
        let means = Codes { latent: 1, values: [0.0, 1.0].repeat(4) };
        let at = |threshold| collapse(&means, None, &CollapseSettings { threshold }).unwrap().verdict;
        assert_eq!([at(0.25), at(0.249)], [Verdict::Full, Verdict::None]);
    }

    #[test]
    fn the_kl_is_beside_it() {
        let means = Codes { latent: 1, values: vec![0.0; 4] };
        let log_variances = Codes { latent: 1, values: vec![-2.0; 4] };
        let found = collapse(&means, Some(&log_variances), &CollapseSettings::default()).unwrap();
        assert_eq!((found.verdict, found.images), (Verdict::Full, 4));
        let expected = 0.5 * (f64::exp(-2.0) + 2.0 - 1.0);
        assert!((found.kl_by_axis.unwrap()[0] - expected).abs() < 1e-12);
    }

    #[test]
    fn wrong_inputs_are_errors() {
        let score = |means: &Codes, threshold| collapse(means, None, &CollapseSettings { threshold });
        assert!(score(&Codes { latent: 0, values: vec![] }, 0.01).is_err());
        assert!(score(&normals(1, 1, 2), 0.01).is_err());
        assert!(score(&Codes { latent: 1, values: vec![f32::NAN; 3] }, 0.01).is_err());
        for threshold in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(score(&normals(1, 5, 2), threshold).is_err());
        }
        let (means, log_variances) = (normals(1, 5, 2), normals(1, 4, 2));
        assert!(collapse(&means, Some(&log_variances), &CollapseSettings::default()).is_err());
    }
}
