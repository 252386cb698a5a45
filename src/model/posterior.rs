//! The posterior q(z|x), with its parameters.

use super::architecture::{Architecture, PosteriorKind, PosteriorScale};
use super::code::{Bounds, Code};
use super::layer::Dense;
use super::parameters::{Module, Visitor};
use crate::settings::{Choices, Kind};
use crate::tensor::backend::{Activation, Array, Backend, DeviceError};
use crate::tensor::dims::Dim;
use dfdx::tensor::Tape;

/// A posterior that is a distribution.
pub(crate) static GAUSSIAN_POSTERIOR: Kind<bool> =
    Kind::new("gaussian", "A mean and a log-variance per latent axis.", |_| true).also("normal");
static POINT: Kind<bool> =
    Kind::new("none", "A point: the plain autoencoder, without noise and without KL term.", |_| false)
        .also("off no false deterministic point delta");

/// The posteriors that a spec can choose; `true` if q(z|x) is a distribution.
pub(super) static POSTERIORS: Choices<bool> = Choices(&[&GAUSSIAN_POSTERIOR, &POINT]);

pub(crate) static LOG_VAR: Kind<PosteriorScale> =
    Kind::new("log_var", "Log-variance: std = exp(log_var / 2).", |_| PosteriorScale::LogVar).also("log_variance");
static LOG_STD: Kind<PosteriorScale> = Kind::new(
    "log_std",
    "std = exp(log_var), although the KL term uses it as a log-variance: a mistake in the published Keras walkthrough.",
    |_| PosteriorScale::LogStd,
)
.also("std log_sigma log_scale");

/// The scales of a Gaussian posterior that a spec can choose.
pub(crate) static POSTERIOR_SCALES: Choices<PosteriorScale> = Choices(&[&LOG_VAR, &LOG_STD]);

/// The output layers of the encoder: `(N, H)` to a [`Code`].
pub struct PosteriorHeads<H: Dim, L: Dim, B: Backend> {
    mean: Dense<H, L, B>,
    log_variance: Option<(Dense<H, L, B>, f32)>,
    bounds: Option<Bounds>,
}

impl<H: Dim, L: Dim, B: Backend> PosteriorHeads<H, L, B> {
    /// Layers with all weights 0.
    pub fn new(device: &B::Device, hidden: H, latent: L, architecture: &Architecture) -> Result<Self, DeviceError> {
        let head = || Dense::new(device, hidden, latent, Activation::Identity);
        let log_variance = match architecture.posterior {
            PosteriorKind::Gaussian(PosteriorScale::LogVar) => Some((head()?, 0.5)),
            PosteriorKind::Gaussian(PosteriorScale::LogStd) => Some((head()?, 1.0)),
            PosteriorKind::None => None,
        };
        let bounds = architecture.log_var_bounds.map(|bounds| Bounds(bounds.map(|bound| bound as f32)));
        Ok(PosteriorHeads { mean: head()?, log_variance, bounds })
    }

    /// `(N, H)` to the posterior of each image.
    pub fn forward<N: Dim, T: Tape<f32, B::Recorder>>(
        &self,
        hidden: Array<(N, H), B, T>,
    ) -> Result<Code<N, L, B, T>, DeviceError> {
        let Some((log_variance, scale)) = &self.log_variance else {
            return Ok(Code::Point(self.mean.forward(hidden)?));
        };
        let (hidden, tape) = hidden.split_tape();
        let (mean, tape) = self.mean.forward(hidden.clone().put_tape(tape))?.split_tape();
        let log_variance = log_variance.forward(hidden.put_tape(tape))?;
        let log_variance = match &self.bounds {
            Some(bounds) => B::pointwise(bounds, log_variance, None)?,
            None => log_variance,
        };
        Ok(Code::Gaussian { mean, log_variance, scale: *scale })
    }
}

impl<H: Dim, L: Dim, B: Backend> Module<B> for PosteriorHeads<H, L, B> {
    fn visit(&mut self, path: &str, visitor: &mut Visitor<'_, B>) {
        self.mean.visit(&format!("{path}.mean"), visitor);
        if let Some((log_variance, _)) = &mut self.log_variance {
            log_variance.visit(&format!("{path}.log_var"), visitor);
        }
    }
}
