//! What a measure sees of a micro-batch.

use super::kl_nats::axis_nats;
use std::cell::OnceCell;

/// Images of a micro-batch, and what the model makes of them.
pub struct MeasuredBatch<'a> {
    /// -log p(x|z) of each image, nats.
    pub recon_nats: &'a [f32],
    /// Posterior means, (Images, Latent).
    pub mean: &'a [f32],
    /// Posterior log-variances, (Images, Latent); empty for a plain autoencoder.
    log_variance: &'a [f32],
    axis_nats: OnceCell<Vec<f64>>,
    pixels: &'a dyn Fn() -> Pixels,
}

/// The pixels of a micro-batch, in the data's range.
#[derive(Clone, Debug, Default)]
pub struct Pixels {
    /// What the model is given, (Images, Pixels).
    pub inputs: Vec<f32>,
    /// What it expects from the codes that were drawn, (Images, Pixels).
    pub expected: Vec<f32>,
}

impl<'a> MeasuredBatch<'a> {
    /// The pixels are only worked out for a measure that asks for them.
    pub fn new(
        recon_nats: &'a [f32],
        mean: &'a [f32],
        log_variance: &'a [f32],
        pixels: &'a dyn Fn() -> Pixels,
    ) -> MeasuredBatch<'a> {
        MeasuredBatch { recon_nats, mean, log_variance, axis_nats: OnceCell::new(), pixels }
    }

    /// Number of images.
    pub fn images(&self) -> usize {
        self.recon_nats.len()
    }

    /// Number of latent axes.
    pub fn latent(&self) -> usize {
        self.mean.len() / self.images().max(1)
    }

    /// KL of each axis of each image's posterior from N(0, 1), nats, (Images, Latent); empty for a plain autoencoder.
    pub fn axis_nats(&self) -> &[f64] {
        self.axis_nats.get_or_init(|| {
            let both = self.mean.iter().zip(self.log_variance);
            both.map(|(mean, log_variance)| axis_nats(*mean, *log_variance)).collect()
        })
    }

    /// The pixels: copies, and some work. For validation batches alone, as training is not to wait for them.
    pub fn pixels(&self) -> Pixels {
        (self.pixels)()
    }
}
