//! Sums over images of what an epoch reports, in double precision.

/// Variance over images of a posterior mean from which on its latent axis counts as active (Burda et al. 2016).
const ACTIVE_VARIANCE: f64 = 0.01;

/// Sums over some images.
#[derive(Clone, Debug)]
pub(super) struct Totals {
    images: f64,
    recon_nats: f64,
    kl_nats: f64,
    axes: Vec<Axis>,
    has_kl: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Axis {
    kl_nats: f64,
    mean: f64,
    mean_square: f64,
}

/// KL of a posterior of one axis from N(0, 1), nats.
pub(super) fn axis_nats(mean: f32, log_variance: f32) -> f64 {
    let (mean, log_variance) = (f64::from(mean), f64::from(log_variance));
    -0.5 * (1.0 + log_variance - mean * mean - log_variance.exp())
}

impl Totals {
    pub(super) fn new(latent: usize) -> Totals {
        Totals { images: 0.0, recon_nats: 0.0, kl_nats: 0.0, axes: vec![Axis::default(); latent], has_kl: false }
    }

    /// Adds a micro-batch: nats (Images), means and log-variances (Images, Latent); no log-variances for points.
    pub(super) fn measure(&mut self, recon_nats: &[f32], mean: &[f32], log_variance: &[f32]) {
        self.images += recon_nats.len() as f64;
        self.recon_nats += recon_nats.iter().map(|nats| f64::from(*nats)).sum::<f64>();
        self.has_kl = !log_variance.is_empty();
        let latent = self.axes.len();
        for row in mean.chunks(latent) {
            for (axis, mean) in self.axes.iter_mut().zip(row) {
                let mean = f64::from(*mean);
                axis.mean += mean;
                axis.mean_square += mean * mean;
            }
        }
        for (means, variances) in mean.chunks(latent).zip(log_variance.chunks(latent)) {
            for ((axis, mean), log_variance) in self.axes.iter_mut().zip(means).zip(variances) {
                let nats = axis_nats(*mean, *log_variance);
                axis.kl_nats += nats;
                self.kl_nats += nats;
            }
        }
    }

    /// Adds other images' sums.
    pub(super) fn add(&mut self, other: &Totals) {
        self.images += other.images;
        self.recon_nats += other.recon_nats;
        self.kl_nats += other.kl_nats;
        self.has_kl |= other.has_kl;
        for (axis, other) in self.axes.iter_mut().zip(&other.axes) {
            axis.kl_nats += other.kl_nats;
            axis.mean += other.mean;
            axis.mean_square += other.mean_square;
        }
    }

    /// All of it as numbers, from which [`Totals::from_numbers`] makes the same again.
    pub(super) fn numbers(&self) -> Vec<f64> {
        let mut numbers = vec![self.images, self.recon_nats, self.kl_nats, f64::from(u8::from(self.has_kl))];
        numbers.extend(self.axes.iter().flat_map(|axis| [axis.kl_nats, axis.mean, axis.mean_square]));
        numbers
    }

    /// What [`Totals::numbers`] gave, where it is as many numbers as that many axes have.
    pub(super) fn from_numbers(latent: usize, numbers: &[f64]) -> Option<Totals> {
        let &[images, recon_nats, kl_nats, has_kl, ref axes @ ..] = numbers else { return None };
        let (axes, rest) = axes.as_chunks();
        let axes: Vec<Axis> =
            axes.iter().map(|&[kl_nats, mean, mean_square]| Axis { kl_nats, mean, mean_square }).collect();
        let fits = axes.len() == latent && rest.is_empty();
        fits.then_some(Totals { images, recon_nats, kl_nats, axes, has_kl: has_kl != 0.0 })
    }

    pub(super) fn images(&self) -> f64 {
        self.images
    }

    pub(super) fn recon_nats(&self) -> f64 {
        self.recon_nats / self.images
    }

    pub(super) fn kl_nats(&self) -> f64 {
        self.kl_nats / self.images
    }

    /// KL of each axis; empty for a plain autoencoder.
    pub(super) fn kl_axis_nats(&self) -> Vec<f64> {
        let axes = if self.has_kl { self.axes.as_slice() } else { &[] };
        axes.iter().map(|axis| axis.kl_nats / self.images).collect()
    }

    pub(super) fn active_units(&self) -> u64 {
        let variance = |axis: &&Axis| {
            let mean = axis.mean / self.images;
            axis.mean_square / self.images - mean * mean
        };
        self.axes.iter().filter(|axis| variance(axis) > ACTIVE_VARIANCE).count() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::Totals;

    #[test]
    fn sums_do_not_depend_on_the_cut_and_axes_are_apart() {
        let (recon, mean, log_variance) = ([3.0, 5.0], [1.0, 0.05, -1.0, -0.05], [0.0; 4]);
        let mut whole = Totals::new(2);
        whole.measure(&recon, &mean, &log_variance);
        let mut parts = Totals::new(2);
        for image in 0..2 {
            let mut part = Totals::new(2);
            part.measure(&recon[image..=image], &mean[2 * image..2 * image + 2], &log_variance[..2]);
            parts.add(&part);
        }
        for totals in [whole, parts] {
            assert_eq!(totals.recon_nats(), 4.0);
            assert!((totals.kl_nats() - 0.50125).abs() < 1e-9);
            assert!((totals.kl_axis_nats()[0] - 0.5).abs() < 1e-12);
            assert_eq!(totals.active_units(), 1, "variances are 1 and 0.0025");
        }
    }
}
