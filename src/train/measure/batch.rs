//! A micro-batch, as the measures get it.

use super::kl_nats::axis_nats;
use std::cell::OnceCell;

/// The outputs of the model for the images of a micro-batch.
pub struct MeasuredBatch<'a> {
    /// -log p(x|z) of each image, nats.
    pub recon_nats: &'a [f32],
    /// The KL of each image from samples, nats; `None` if it has a closed form.
    sampled_kl: Option<&'a [f32]>,
    /// Posterior means, (Images, Latent).
    pub mean: &'a [f32],
    /// Posterior log-variances, (Images, Latent); empty for a plain autoencoder.
    log_variance: &'a [f32],
    axis_nats: OnceCell<Vec<f64>>,
    decoded: &'a dyn Fn() -> Decoded,
}

/// The images of a micro-batch and what is decoded from their codes, in the data's range.
#[derive(Clone, Debug, Default)]
pub struct Decoded {
    /// The inputs of the model, (Images, Values).
    pub inputs: Vec<f32>,
    /// The expected values, given the sampled codes, (Images, Values).
    pub expected: Vec<f32>,
}

impl<'a> MeasuredBatch<'a> {
    /// From the nats of the images, and the means and the log-variances of their posteriors. `decoded` is only called if a measure
    /// needs the values.
    pub fn new(
        recon_nats: &'a [f32],
        sampled_kl: Option<&'a [f32]>,
        [mean, log_variance]: [&'a [f32]; 2],
        decoded: &'a dyn Fn() -> Decoded,
    ) -> MeasuredBatch<'a> {
        MeasuredBatch { recon_nats, sampled_kl, mean, log_variance, axis_nats: OnceCell::new(), decoded }
    }

    /// Number of images.
    pub fn images(&self) -> usize {
        self.recon_nats.len()
    }

    /// Number of latent axes.
    pub fn latent(&self) -> usize {
        self.mean.len() / self.images().max(1)
    }

    /// The KL of each image from samples, nats; `None` if it has a closed form.
    pub fn sampled_kl(&self) -> Option<&'a [f32]> {
        self.sampled_kl
    }

    /// The KL of each image, nats; empty for a plain autoencoder.
    pub fn kl_nats(&self) -> Vec<f64> {
        match self.sampled_kl {
            Some(sampled) => sampled.iter().map(|nats| f64::from(*nats)).collect(),
            None => self.axis_nats().chunks(self.latent().max(1)).map(|axes| axes.iter().sum()).collect(),
        }
    }

    /// KL(q || N(0, 1)) of each image and latent axis, nats, (Images, Latent); empty for a plain autoencoder, and if the KL is that of
    /// samples.
    pub fn axis_nats(&self) -> &[f64] {
        self.axis_nats.get_or_init(|| {
            if self.sampled_kl.is_some() {
                return Vec::new();
            }
            let both = self.mean.iter().zip(self.log_variance);
            both.map(|(mean, log_variance)| axis_nats(*mean, *log_variance)).collect()
        })
    }

    /// Computes the values. This takes time, so it is for validation batches only.
    pub fn decoded(&self) -> Decoded {
        (self.decoded)()
    }
}
