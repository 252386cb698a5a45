//! What objectives get of a batch and of its rows, and what they give back.

use crate::random::{Purpose, Stream};
use crate::tensor::backend::{Array, Backend, CodeOperation, Codes, Combine, DeviceError, RowWeight};
use crate::tensor::dims::{Batch, Dim, Latent, Terms};

/// Where the random numbers of a batch come from.
#[derive(Clone, Copy, Debug)]
pub struct Draws {
    /// The seed.
    pub seed: u64,
    /// What they are used for.
    pub purpose: Purpose,
    /// The number of the batch.
    pub batch: u64,
}

impl Draws {
    /// The stream with this number.
    pub(super) fn stream(self, index: u64) -> Stream {
        Stream::new(self.seed, self.purpose, self.batch, index)
    }
}

/// The codes of a batch.
#[derive(Clone, Copy)]
pub struct BatchCodes<'a, B: Combine> {
    /// Of the batch itself.
    pub own: &'a Codes<Batch, Latent, B>,
    /// Of a second batch of as many training images, if the objective needs it; held-out images have none.
    pub second: Option<&'a Codes<Batch, Latent, B>>,
}

impl<'a, B: Combine> BatchCodes<'a, B> {
    /// The codes of the second batch, or those of the batch itself.
    pub(super) fn other(&self) -> &'a Codes<Batch, Latent, B> {
        self.second.unwrap_or(self.own)
    }
}

/// Gradients with respect to codes; `None` for those that are 0.
pub struct CodeParts<N: Dim, L: Dim, B: Backend> {
    /// With respect to the means.
    pub mean: Option<Array<(N, L), B>>,
    /// With respect to the log-variances.
    pub log_variance: Option<Array<(N, L), B>>,
    /// With respect to the samples; only for objectives with one sample per image.
    pub z: Option<Array<(N, L), B>>,
}

/// What the coupled terms of a batch give.
pub struct Coupled<B: Combine> {
    /// The gradients of their weighted sum with respect to the codes, in the unit of the mean loss.
    pub gradients: CodeParts<Batch, Latent, B>,
    /// Their values; the first ones are those of [`Loss::terms`](super::Loss::terms).
    pub terms: Array<(Terms,), B>,
}

impl<B: Combine> Coupled<B> {
    /// The terms of an operation on posteriors.
    pub(super) fn of_posteriors(
        operation: &impl CodeOperation,
        codes: &Codes<Batch, Latent, B>,
    ) -> Result<Coupled<B>, DeviceError> {
        if codes.log_variance.is_none() {
            return Err(DeviceError::from_device("the objective needs a distribution as posterior"));
        }
        let (Codes { mean, log_variance, .. }, terms) = B::code_gradients(operation, codes)?;
        Ok(Coupled { gradients: CodeParts { mean: Some(mean), log_variance, z: None }, terms })
    }

    /// The terms of an operation on posteriors and samples.
    pub(super) fn of_all(
        operation: &impl CodeOperation,
        codes: &Codes<Batch, Latent, B>,
    ) -> Result<Coupled<B>, DeviceError> {
        if codes.log_variance.is_none() {
            return Err(DeviceError::from_device("the objective needs a distribution as posterior"));
        }
        let (Codes { mean, log_variance, z }, terms) = B::code_gradients(operation, codes)?;
        Ok(Coupled { gradients: CodeParts { mean: Some(mean), log_variance, z: Some(z) }, terms })
    }

    /// The terms of an operation on samples.
    pub(super) fn of_samples(
        operation: &impl CodeOperation,
        codes: &Codes<Batch, Latent, B>,
    ) -> Result<Coupled<B>, DeviceError> {
        let (Codes { z, .. }, terms) = B::code_gradients(operation, codes)?;
        Ok(Coupled { gradients: CodeParts { mean: None, log_variance: None, z: Some(z) }, terms })
    }
}

/// The terms of some images on the host, nats, with a row for each sample of each image.
#[derive(Clone, Copy, Debug)]
pub struct RowValues<'a> {
    /// -log p(x|z), (Rows).
    pub recon_nats: &'a [f32],
    /// The sampled KL, (Rows); empty if the objective does not need it.
    pub kl_nats: &'a [f32],
}

/// The weights of images, from their terms.
pub struct RowWeights<N: Dim, B: Combine> {
    /// Of the reconstruction.
    pub recon: RowWeight<N, B>,
    /// Of the KL.
    pub kl: RowWeight<N, B>,
    /// Factors of the gradient of the reconstruction with respect to the code, `(N)`: with them, the path through the code has
    /// other weights than the parameters of the decoder.
    pub path: Option<Array<(N,), B>>,
}

/// The terms of the rows of a micro-batch, nats.
pub struct RowTerms<'a, N: Dim, B: Combine> {
    /// -log p(x|z), `(N)`.
    pub recon_nats: &'a Array<(N,), B>,
    /// The KL, `(N)`: of each image, or the sampled KL of each row; `None` if its weight is 0.
    pub kl_nats: Option<&'a Array<(N,), B>>,
}
