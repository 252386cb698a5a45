//! The loss, in nats and in the unit that the spec chooses.

mod settings;

pub use settings::{Kl, ObjectiveSettings, Reduction};

use crate::model::{Code, Vae};
use crate::tensor::backend::{Array, Backend, DeviceError};
use crate::tensor::dims::Dim;
use dfdx::shapes::Shape;
use dfdx::tensor::Tape;

/// Combines reconstruction and KL into the loss.
///
/// For every reduction, the loss of an image is `scale * (recon_nats + effective_beta * kl_nats)`.
#[derive(Clone, Copy, Debug)]
pub struct Objective {
    kl_weight: f64,
    warmup_epochs: f64,
    reduction: Reduction,
    values: f64,
    latent: f64,
}

impl Objective {
    /// The objective of a spec, for images with this number of values and codes with `latent` dimensions.
    pub fn new(objective: &ObjectiveSettings, values: usize, latent: usize) -> Objective {
        Objective {
            // A plain autoencoder has no KL term.
            kl_weight: objective.kl.map_or(0.0, |kl| kl.weight),
            warmup_epochs: objective.kl.map_or(0.0, |kl| kl.warmup_epochs),
            reduction: objective.reduction,
            values: values as f64,
            latent: latent as f64,
        }
    }

    /// The KL weight, in the unit of the reduction, after this number of epochs (with fractions): linear warm-up from 0.
    pub fn kl_weight(&self, epochs: f64) -> f64 {
        if epochs < self.warmup_epochs { self.kl_weight * epochs / self.warmup_epochs } else { self.kl_weight }
    }

    /// The weight of the KL term relative to the reconstruction term, both in nats.
    pub fn effective_beta(&self, kl_weight: f64) -> f64 {
        match self.reduction {
            Reduction::Sum => kl_weight,
            Reduction::Mean => kl_weight * 2.0 * self.values / self.latent,
        }
    }

    /// Loss per nat of reconstruction.
    pub fn scale(&self) -> f64 {
        match self.reduction {
            Reduction::Sum => 1.0,
            Reduction::Mean => 1.0 / self.values,
        }
    }

    /// The loss of an image, in the unit of the reduction, from its nats.
    pub fn loss(&self, recon_nats: f64, kl_nats: f64, kl_weight: f64) -> f64 {
        // A weight of 0 removes the KL term, even if the KL is infinite.
        let beta = self.effective_beta(kl_weight);
        let kl = if beta == 0.0 { 0.0 } else { beta * kl_nats };
        self.scale() * (recon_nats + kl)
    }
}

/// The terms of the objective on some images.
pub struct Terms<N: Dim, L: Dim, S: Shape, B: Backend, T> {
    /// -log p(x|z) of each image, nats, `(N)`.
    pub recon_nats: Array<(N,), B>,
    /// Posterior means, `(N, L)`.
    pub mean: Array<(N, L), B>,
    /// Posterior log-variances, `(N, L)`; `None` for a plain autoencoder.
    pub log_variance: Option<Array<(N, L), B>>,
    /// The `scale` of a [`Code::Gaussian`]; not used for a plain autoencoder.
    pub deviation_scale: f32,
    /// The outputs of the decoder.
    pub outputs: Array<S, B>,
    /// The sum over images of `scale * (recon_nats + effective_beta * kl_nats)`, ready for a backward pass.
    pub total: Array<(), B, T>,
}

impl<N: Dim, L: Dim, S: Shape, B: Backend, T> Terms<N, L, S, B, T> {
    /// Drops all but the total, to free memory before the backward pass.
    pub fn into_total(self) -> Array<(), B, T> {
        self.total
    }
}

/// Computes the terms of images `(N, V)` with noise `(N, L)`, recorded on the tape.
///
/// # Errors
/// The device failed.
pub fn evaluate<N: Dim, V: Dim, H: Dim, L: Dim, O: Dim, B: Backend, T: Tape<f32, B::Device>>(
    model: &Vae<V, H, L, O, B>,
    x: &Array<(N, V), B>,
    noise: &Array<(N, L), B>,
    scale: f64,
    effective_beta: f64,
    tape: T,
) -> Result<Terms<N, L, (N, O), B, T>, DeviceError> {
    let (z, mean, log_variance, deviation_scale, kl) = match model.encode(x.clone().put_tape(tape))? {
        Code::Point(code) => {
            let (code, tape) = code.split_tape();
            (code.clone().put_tape(tape), code, None, 1.0, None)
        }
        Code::Gaussian { mean, log_variance, scale: deviation_scale } => {
            let (log_variance, tape) = log_variance.split_tape();
            // A weight of 0 removes the term: an infinite KL times 0 is NaN, and so is its gradient.
            let (kl, tape) = if effective_beta == 0.0 {
                (None, tape)
            } else {
                let (kl, tape) = B::kl(&mean, log_variance.clone().put_tape(tape))?.split_tape();
                (Some(kl), tape)
            };
            let z = B::reparameterize(&mean, log_variance.clone().put_tape(tape), noise, deviation_scale)?;
            (z, mean, Some(log_variance), deviation_scale, kl)
        }
    };
    let (outputs, tape) = model.decode(z)?.split_tape();
    let (recon_nats, tape) = model.likelihood().nats(outputs.clone().put_tape(tape), x)?.split_tape();
    let total = B::total(recon_nats.clone().put_tape(tape), kl, scale as f32, effective_beta as f32)?;
    Ok(Terms { recon_nats, mean, log_variance, deviation_scale, outputs, total })
}
