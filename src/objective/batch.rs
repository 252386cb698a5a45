//! What objectives get of a batch and of its rows, and what they give back.

use super::Weights;
use crate::random::{Purpose, Stream};
use crate::tensor::backend::{
    Array, Backend, BatchTerms, CodeOperation, Codes, Combine, DeviceError, Parameter, RowWeight,
};
use crate::tensor::dims::{Batch, Dim, Features, Latent, Own, Terms};

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
    /// The numbers of a learned prior.
    pub prior: Option<&'a Parameter<(Own,), B>>,
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
    /// The gradient with respect to the numbers of a learned prior; `None` if it is 0.
    pub prior: Option<Array<(Own,), B>>,
    /// Their values; the first ones are those of [`Loss::terms`](super::Loss::terms).
    pub terms: Array<(Terms,), B>,
    /// The derivative of the loss by the mean KL of the batch, which then is the weight of the KL relative to the reconstruction:
    /// of a function of a KL without a closed form.
    pub kl_weight: Option<f64>,
}

impl<B: Combine> Coupled<B> {
    /// The terms of an operation on codes.
    pub(super) fn of<O: CodeOperation>(operation: &O, codes: BatchCodes<'_, B>) -> Result<Coupled<B>, DeviceError> {
        if O::HAS_POSTERIORS && codes.own.log_variance.is_none() {
            return Err(DeviceError::new("the objective needs a distribution as posterior"));
        }
        let BatchTerms { terms, codes: Codes { mean, log_variance, z }, own } =
            B::code_gradients(operation, codes.own, codes.prior)?;
        let gradients = CodeParts {
            mean: O::HAS_POSTERIORS.then_some(mean),
            log_variance: log_variance.filter(|_| O::HAS_POSTERIORS),
            z: O::HAS_SAMPLES.then_some(z),
        };
        Ok(Coupled { gradients, prior: own, terms, kl_weight: None })
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
    /// Of the density of the prior, for the gradient of its parameters, if others than those of the KL.
    pub prior: Option<RowWeight<N, B>>,
}

impl<N: Dim, B: Combine> RowWeights<N, B> {
    /// The same weights for all images.
    pub(super) fn of_terms(terms: &RowTerms<'_, N, B>, weights: Weights, samples: usize) -> RowWeights<N, B> {
        let share = weights.scale / samples as f64;
        // The KL in closed form has a row for each image, that of samples one for each sample.
        let of_kl = if terms.is_kl_sampled { share } else { weights.scale };
        let [recon, kl] =
            [(share, 1.0), (of_kl, weights.beta)].map(|(scale, factor)| RowWeight::Same(scale as f32 * factor as f32));
        RowWeights { recon, kl, path: None, prior: None }
    }
}

/// The terms of the rows of a micro-batch, nats.
pub struct RowTerms<'a, N: Dim, B: Combine> {
    /// -log p(x|z), `(N)`.
    pub recon_nats: &'a Array<(N,), B>,
    /// The KL, `(N)`: of each image, or the sampled KL of each row; `None` if its weight is 0.
    pub kl_nats: Option<&'a Array<(N,), B>>,
    /// Whether the KL has a row for each sample.
    pub is_kl_sampled: bool,
}

/// For each row, the numbers of all samples of its image: `(Rows)`, those of the first image first, to `(Rows, Samples)`.
pub(super) fn samples_of_image<N: Dim, B: Combine>(
    rows: &Array<(N,), B>,
    samples: usize,
) -> Result<Array<(N, Features), B>, DeviceError> {
    let images = N::from_size(rows.shape().0.size() / samples);
    let images = images.ok_or_else(|| DeviceError::new("rows of a constant number"))?;
    B::repeat_rows(rows.clone().relabel((images, Features(samples)))?, samples)
}
