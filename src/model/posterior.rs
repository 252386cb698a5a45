//! The posterior q(z|x), with its parameters.

use super::architecture::{Architecture, PosteriorKind, PosteriorScale};
use super::layer::Dense;
use super::parameters::{Module, Visitor};
use crate::settings::{Choices, Kind};
use crate::tensor::backend::{Activation, Array, Backend, DeviceError, Operands, Pointwise};
use crate::tensor::dims::Dim;
use dfdx::shapes::Shape;
use dfdx::tensor::{Tape, Tensor};
use dfdx::tensor_ops::Device;

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

/// The posterior of a batch of images. The tape is in the last tensor.
pub enum Code<N: Dim, L: Dim, B: Backend, T> {
    /// N(mean, std^2) per latent axis.
    Gaussian {
        /// Means, `(N, L)`.
        mean: Array<(N, L), B>,
        /// Log-variances, `(N, L)`.
        log_variance: Array<(N, L), B, T>,
        /// The standard deviation when sampling is exp(scale * log_variance): 1/2, or 1 with `posterior_scale = "log_std"`.
        scale: f32,
    },
    /// Points, `(N, L)`.
    Point(Array<(N, L), B, T>),
}

/// The posteriors of several images, row-major.
#[derive(Clone, Debug, Default)]
pub struct Posterior {
    /// Means, (Images, Latent).
    pub mean: Vec<f32>,
    /// The standard deviations when sampling, (Images, Latent); empty for a plain autoencoder.
    pub deviation: Vec<f32>,
}

impl Posterior {
    /// Copies a code from the device.
    pub fn of<N: Dim, L: Dim, B: Backend, T: Tape<f32, B::Device>>(code: Code<N, L, B, T>) -> Posterior {
        match code {
            Code::Gaussian { mean, log_variance, scale } => {
                Posterior::new(mean.to_vec(), &log_variance.to_vec(), scale)
            }
            Code::Point(mean) => Posterior { mean: mean.to_vec(), deviation: Vec::new() },
        }
    }

    /// From means and log-variances, both (Images, Latent), and the `scale` of a [`Code::Gaussian`].
    pub(crate) fn new(mean: Vec<f32>, log_variance: &[f32], scale: f32) -> Posterior {
        Posterior { mean, deviation: log_variance.iter().map(|log_variance| (scale * log_variance).exp()).collect() }
    }

    /// Appends the posteriors of more images.
    pub(crate) fn extend(&mut self, further: Posterior) {
        self.mean.extend(further.mean);
        self.deviation.extend(further.deviation);
    }
}

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
    pub fn forward<N: Dim, T: Tape<f32, B::Device>>(
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

/// min(max(a, least), greatest); NaN stays NaN. The gradient is 0 at the bounds and beyond them, as that of PyTorch's `hardtanh`.
#[derive(Clone, Copy, Debug)]
struct Bounds([f32; 2]);

impl Pointwise for Bounds {
    fn forward(&self, operands: Operands<'_>, results: &mut [f32]) {
        let [least, most] = self.0;
        results.iter_mut().zip(operands.a).for_each(|(result, a)| *result = a.clamp(least, most));
    }

    fn backward(&self, operands: Operands<'_>, dresults: &[f32], da: &mut [f32], _: &mut [f32]) {
        let [least, most] = self.0;
        for ((da, &a), dresult) in da.iter_mut().zip(operands.a).zip(dresults) {
            *da += if a > least && a < most { *dresult } else { 0.0 };
        }
    }

    fn portable<S: Shape, D: Device<f32>, T: Tape<f32, D>>(
        &self,
        a: Tensor<S, f32, D, T>,
        _: Option<Tensor<S, f32, D>>,
    ) -> Result<Tensor<S, f32, D, T>, D::Err> {
        a.try_clamp(self.0[0], self.0[1])
    }
}
