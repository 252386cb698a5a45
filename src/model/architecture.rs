//! Which network to build: the `[model]` table with everything decided and checked.

use crate::backend::Activation;
use crate::spec::{Initializer, PosteriorScale};

/// Stride of one convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConvStride {
    /// Sides stay.
    One,
    /// Sides are halved, rounded up.
    Two,
}

/// One convolution of the encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvSpec {
    /// Output channels.
    pub channels: usize,
    /// Stride.
    pub stride: ConvStride,
}

/// The layers of encoder and decoder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Network {
    /// Convolutions, then dense layers.
    Conv {
        /// Convolutions of the encoder; at least one.
        convs: Vec<ConvSpec>,
        /// Dense layers between the convolutions and the heads.
        hidden: Vec<usize>,
    },
    /// Dense layers.
    Mlp {
        /// Hidden layers of the encoder; the decoder has them in reverse.
        hidden: Vec<usize>,
        /// Their nonlinearity.
        activation: Activation,
    },
}

/// How the variance of a Gaussian likelihood comes about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum VarianceKind {
    /// That number.
    Fixed(f32),
    /// One for the model, trained from 1 on.
    Learned,
    /// One for each pixel, trained from 1 on.
    PerPixel,
}

/// The distribution of pixels given a code.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LikelihoodKind {
    /// One logit a pixel.
    Bernoulli,
    /// One mean a pixel.
    Gaussian(VarianceKind),
}

/// The distribution of codes given an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PosteriorKind {
    /// Mean and log-variance per latent axis; how the second becomes a deviation when sampling.
    Gaussian(PosteriorScale),
    /// A point.
    None,
}

/// Everything that determines a model's shapes and distributions.
#[derive(Clone, Debug, PartialEq)]
pub struct Architecture {
    /// Rows of an image.
    pub height: usize,
    /// Columns of an image.
    pub width: usize,
    /// Axes of the code.
    pub latent: usize,
    /// The layers.
    pub network: Network,
    /// p(x|z).
    pub likelihood: LikelihoodKind,
    /// q(z|x).
    pub posterior: PosteriorKind,
    /// How weights are drawn.
    pub initializer: Initializer,
}

impl Architecture {
    /// Numbers of an image.
    pub fn pixels(&self) -> usize {
        self.height * self.width
    }

    /// Trained numbers of the model, without building it.
    pub fn parameters(&self) -> u128 {
        // Sizes come from a spec: what is too much for a model may be too much for 128 bits.
        let dense = |inputs: u128, outputs: u128| inputs.saturating_add(1).saturating_mul(outputs);
        let chain = |start: u128, sizes: &mut dyn Iterator<Item = u128>| {
            sizes.fold((start, 0), |(inputs, total), outputs| {
                (outputs, u128::saturating_add(total, dense(inputs, outputs)))
            })
        };
        let (pixels, latent) = (self.height as u128 * self.width as u128, self.latent as u128);
        let (encoder_end, layers) = match &self.network {
            Network::Mlp { hidden, .. } => {
                let sizes = || hidden.iter().map(|size| *size as u128);
                let (end, encoder) = chain(pixels, &mut sizes());
                let (decoder_end, decoder) = chain(latent, &mut sizes().rev());
                (end, encoder.saturating_add(decoder).saturating_add(dense(decoder_end, pixels)))
            }
            Network::Conv { convs, hidden } => {
                let (mut height, mut width) = (self.height as u128, self.width as u128);
                let (mut channels, mut total) = (1u128, 0u128);
                let mut ups = Vec::new();
                for (index, conv) in convs.iter().enumerate() {
                    let outputs = conv.channels as u128;
                    total = total.saturating_add(dense(channels.saturating_mul(9), outputs));
                    if conv.stride == ConvStride::Two {
                        (height, width) = (height.div_ceil(2), width.div_ceil(2));
                        ups.push(if index == 0 { outputs } else { channels });
                    }
                    channels = outputs;
                }
                let features = (height * width).saturating_mul(channels);
                let (end, encoder) = chain(features, &mut hidden.iter().map(|size| *size as u128));
                total = total.saturating_add(encoder).saturating_add(dense(latent, features));
                for outputs in ups.into_iter().rev() {
                    total = total.saturating_add(dense(channels.saturating_mul(9), outputs));
                    channels = outputs;
                }
                (end, total.saturating_add(dense(channels.saturating_mul(9), 1)))
            }
        };
        let heads = if self.posterior == PosteriorKind::None { 1 } else { 2 };
        let variances = match self.likelihood {
            LikelihoodKind::Gaussian(VarianceKind::Learned) => 1,
            LikelihoodKind::Gaussian(VarianceKind::PerPixel) => pixels,
            LikelihoodKind::Gaussian(VarianceKind::Fixed(_)) | LikelihoodKind::Bernoulli => 0,
        };
        let heads = dense(encoder_end, latent).saturating_mul(heads);
        layers.saturating_add(heads).saturating_add(variances)
    }
}
