//! Codes: the posteriors of images.

use crate::tensor::backend::{Array, Backend, Operands, Pointwise, PointwiseKernel};
use crate::tensor::dims::Dim;
use dfdx::shapes::Shape;
use dfdx::tensor::{NoneTape, Tape, Tensor};
use dfdx::tensor_ops::Device;

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

impl<N: Dim, L: Dim, B: Backend> Clone for Code<N, L, B, NoneTape> {
    fn clone(&self) -> Self {
        match self {
            Code::Gaussian { mean, log_variance, scale } => {
                Code::Gaussian { mean: mean.clone(), log_variance: log_variance.clone(), scale: *scale }
            }
            Code::Point(code) => Code::Point(code.clone()),
        }
    }
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
    pub fn of<N: Dim, L: Dim, B: Backend, T: Tape<f32, B::Recorder>>(code: Code<N, L, B, T>) -> Posterior {
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

/// min(max(a, least), greatest); NaN stays NaN. The gradient is 0 at the bounds and beyond them, as that of PyTorch's
/// `hardtanh`; at the bounds themselves, that of dfdx is 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds(pub(super) [f32; 2]);

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

    fn kernel(&self) -> Option<PointwiseKernel> {
        let words = self.0.map(|bound| u64::from(bound.to_bits()));
        Some(PointwiseKernel { forward: "bound", backward: "bound_backward", words })
    }
}
