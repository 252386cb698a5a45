//! The codes of images, and operations on them, which are open to new kinds: on the code of each image, and on the codes of a
//! whole batch.

use super::{Array, Backend, KernelNumbers};
use crate::tensor::dims::Dim;
use dfdx::tensor::{Tape, Tensor};
use dfdx::tensor_ops::Device;

/// The codes of images, or gradients with respect to them.
pub struct Codes<N: Dim, L: Dim, B: Backend> {
    /// Posterior means, `(N, L)`.
    pub mean: Array<(N, L), B>,
    /// Posterior log-variances, `(N, L)`; `None` for a plain autoencoder.
    pub log_variance: Option<Array<(N, L), B>>,
    /// Samples, `(N, L)`: one for each image, or several with a row for each, those of the first image first.
    pub z: Array<(N, L), B>,
}

/// The codes of a batch on the host, row-major.
#[derive(Clone, Copy, Debug)]
pub struct CodeInputs<'a> {
    /// The number of latent axes.
    pub latent: usize,
    /// (Images, Latent)
    pub mean: &'a [f32],
    /// (Images, Latent); empty for a plain autoencoder.
    pub log_variance: &'a [f32],
    /// (Images, Latent)
    pub z: &'a [f32],
    /// Numbers that all images share, such as those of a prior; empty if there are none.
    pub own: &'a [f32],
}

/// The gradients that an operation on codes adds to, with the lengths of [`CodeInputs`].
#[derive(Debug)]
pub struct CodeGradients<'a> {
    /// With respect to the means.
    pub mean: &'a mut [f32],
    /// With respect to the log-variances.
    pub log_variance: &'a mut [f32],
    /// With respect to the samples.
    pub z: &'a mut [f32],
    /// With respect to the shared numbers.
    pub own: &'a mut [f32],
}

/// A term of the loss of each image that depends on its code, and on numbers that all images share. It is computed twice: by a
/// kernel on the host, and with dfdx's operations on any device.
pub trait CodeTerm: Copy + Send + Sync + 'static {
    /// Writes the term of each image to `results` (Images).
    fn forward(&self, codes: CodeInputs<'_>, results: &mut [f32]);

    /// Adds the gradients, from the gradients with respect to the results (Images).
    fn backward(&self, codes: CodeInputs<'_>, dresults: &[f32], gradients: CodeGradients<'_>);

    /// The same as [`CodeTerm::forward`] with dfdx's operations, from (Images, Latent) tensors to (Images). The result must have
    /// the tape of `own`, which comes from the operations before: start with it.
    ///
    /// # Errors
    /// The device failed.
    fn portable<D: Device<f32>, T: Tape<f32, D>>(
        &self,
        mean: Tensor<(usize, usize), f32, D, T>,
        log_variance: Option<Tensor<(usize, usize), f32, D, T>>,
        z: Tensor<(usize, usize), f32, D, T>,
        own: Tensor<(usize,), f32, D, T>,
    ) -> Result<Tensor<(usize,), f32, D, T>, D::Err>;

    /// The names of the kernels of a card for results and gradients, and their numbers; `None` if it is computed on the host.
    fn kernel(&self) -> Option<([&'static str; 2], KernelNumbers)> {
        None
    }
}

/// Terms of the loss that couple the images of a batch: from all codes of a batch to some numbers, of whose weighted sum the
/// gradients are needed. They are computed twice: on the host, and with dfdx's operations on any device.
pub trait CodeOperation {
    /// Whether the terms depend on the posteriors; if not, their gradients are left out.
    const HAS_POSTERIORS: bool = true;
    /// Whether the terms depend on the samples; if not, their gradients are left out.
    const HAS_SAMPLES: bool = true;

    /// The weight of each term; at least one.
    fn weights(&self) -> Vec<f32>;

    /// The terms. Adds the gradients of their weighted sum.
    fn gradients(&self, codes: CodeInputs<'_>, gradients: CodeGradients<'_>) -> Vec<f64>;

    /// The terms, `(Terms)`, from (Images, Latent) tensors and the shared numbers, recorded on their tapes.
    ///
    /// # Errors
    /// The device failed.
    fn portable<D: Device<f32>, T: Tape<f32, D>>(
        &self,
        mean: Tensor<(usize, usize), f32, D, T>,
        log_variance: Option<Tensor<(usize, usize), f32, D, T>>,
        z: Tensor<(usize, usize), f32, D, T>,
        own: Option<Tensor<(usize,), f32, D, T>>,
    ) -> Result<Tensor<(usize,), f32, D, T>, D::Err>;
}

/// Numbers (Images, Latent) as (Latent, Images), for loops over the images.
pub fn by_axis(latent: usize, values: &[f32]) -> Vec<f32> {
    (0..latent).flat_map(|axis| values.iter().skip(axis).step_by(latent).copied()).collect()
}
