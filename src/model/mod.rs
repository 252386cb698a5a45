//! The models: encoder, posterior, decoder and likelihood, with shapes that the compiler checks.
//!
//! Only a code can be decoded. `(Batch, Latent)` compiles:
//!
//! ```
//! use dfdx::tensor::Cpu;
//! use vaex::tensor::backend::{Activation, Array, Host};
//! use vaex::tensor::dims::{Batch, Hidden, Latent, Pixels};
//! use vaex::model::mlp::MlpDecoder;
//!
//! let device = Cpu::default();
//! let decoder = MlpDecoder::<Latent, Pixels, Host>::new(&device, Latent(4), &[3], Pixels(6), Activation::Relu);
//! let decoder = decoder.unwrap().unwrap();
//! let code: Array<(Batch, Latent), Host> = Array::new(&device, vec![0.0; 8].into(), (Batch(2), Latent(4))).unwrap();
//! let images: Array<(Batch, Pixels), Host> = decoder.forward(code).unwrap();
//! ```
//!
//! `(Batch, Hidden)` does not compile, although it has the same size:
//!
//! ```compile_fail
//! use dfdx::tensor::Cpu;
//! use vaex::tensor::backend::{Activation, Array, Host};
//! use vaex::tensor::dims::{Batch, Hidden, Latent, Pixels};
//! use vaex::model::mlp::MlpDecoder;
//!
//! let device = Cpu::default();
//! let decoder = MlpDecoder::<Latent, Pixels, Host>::new(&device, Latent(4), &[3], Pixels(6), Activation::Relu);
//! let decoder = decoder.unwrap().unwrap();
//! let code: Array<(Batch, Hidden), Host> = Array::new(&device, vec![0.0; 8].into(), (Batch(2), Hidden(4))).unwrap();
//! let images: Array<(Batch, Pixels), Host> = decoder.forward(code).unwrap();
//! ```

pub mod architecture;
pub mod conv;

pub mod distributions;
pub mod layers;
pub mod mlp;
pub mod parameters;
mod settings;
mod shared_keys;

pub use architecture::Architecture;
pub use distributions::{Code, Likelihood, Posterior};
pub(crate) use distributions::{GAUSSIAN_POSTERIOR, LOG_VAR, POSTERIOR_SCALES};
pub use parameters::Initializer;
pub use settings::ModelSettings;

use crate::tensor::backend::{Array, Backend, DeviceError};
use crate::tensor::dims::{Dim, Hidden, Latent, Pixels};
use architecture::Network;
use conv::{ConvDecoder, ConvEncoder};
use dfdx::tensor::Tape;
use distributions::PosteriorHeads;
use mlp::{MlpDecoder, MlpEncoder};
use parameters::{Module, Visitor};

/// `(N, P)` to `(N, H)`.
pub enum Encoder<P: Dim, H: Dim, B: Backend> {
    /// Convolutions.
    Conv(ConvEncoder<P, H, B>),
    /// Dense layers.
    Mlp(MlpEncoder<P, H, B>),
}

/// `(N, L)` to `(N, P)`.
pub enum Decoder<L: Dim, P: Dim, B: Backend> {
    /// Transposed convolutions.
    Conv(ConvDecoder<L, P, B>),
    /// Dense layers.
    Mlp(MlpDecoder<L, P, B>),
}

/// A variational autoencoder or a plain autoencoder, for images with `P` pixels and codes with `L` axes.
///
/// The output of `decode` has exactly the shape of the input of `encode`: `(N, P)`.
pub struct Vae<P: Dim, H: Dim, L: Dim, B: Backend> {
    encoder: Encoder<P, H, B>,
    posterior: PosteriorHeads<H, L, B>,
    decoder: Decoder<L, P, B>,
    likelihood: Likelihood<B>,
    pixels: P,
    latent: L,
}

/// A model whose sizes come from a spec.
pub type Model<B> = Vae<Pixels, Hidden, Latent, B>;

/// Why a model cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A [`Const`](crate::tensor::dims::Const) axis has a different size in the architecture.
    #[error("the sizes of the architecture differ from those of the model's type")]
    Sizes,
    /// The device is out of memory.
    #[error(transparent)]
    Device(#[from] DeviceError),
}

impl<P: Dim, H: Dim, L: Dim, B: Backend> Vae<P, H, L, B> {
    /// A model with all weights 0; [`parameters::initialize`] draws them.
    ///
    /// # Errors
    /// An axis with a constant size has a different size in the architecture; the device is out of memory.
    pub fn new(device: &B::Device, architecture: &Architecture) -> Result<Self, BuildError> {
        let pixels = P::from_size(architecture.pixels()).ok_or(BuildError::Sizes)?;
        let latent = L::from_size(architecture.latent).ok_or(BuildError::Sizes)?;
        let sides = (architecture.height, architecture.width);
        let (encoder, decoder, hidden) = match &architecture.network {
            Network::Conv { convs, hidden } => {
                let encoder = ConvEncoder::new(device, sides, convs, hidden)?.ok_or(BuildError::Sizes)?;
                let decoder = ConvDecoder::new(device, latent, sides, convs)?.ok_or(BuildError::Sizes)?;
                let hidden = encoder.outputs();
                (Encoder::Conv(encoder), Decoder::Conv(decoder), hidden)
            }
            Network::Mlp { hidden, activation } => {
                let encoder = MlpEncoder::new(device, pixels, hidden, *activation)?.ok_or(BuildError::Sizes)?;
                let decoder = MlpDecoder::new(device, latent, hidden, pixels, *activation)?.ok_or(BuildError::Sizes)?;
                let hidden = encoder.outputs();
                (Encoder::Mlp(encoder), Decoder::Mlp(decoder), hidden)
            }
        };
        let posterior = PosteriorHeads::new(device, hidden, latent, architecture.posterior)?;
        let likelihood = Likelihood::new(device, pixels, architecture.likelihood)?;
        Ok(Vae { encoder, posterior, decoder, likelihood, pixels, latent })
    }

    /// The axis of pixels.
    pub fn pixels(&self) -> P {
        self.pixels
    }

    /// The axis of codes.
    pub fn latent(&self) -> L {
        self.latent
    }

    /// p(x|z).
    pub fn likelihood(&self) -> &Likelihood<B> {
        &self.likelihood
    }

    /// q(z|x) of images `(N, P)`.
    ///
    /// # Errors
    /// The device failed.
    pub fn encode<N: Dim, T: Tape<f32, B::Device>>(
        &self,
        x: Array<(N, P), B, T>,
    ) -> Result<Code<N, L, B, T>, DeviceError> {
        let hidden = match &self.encoder {
            Encoder::Conv(encoder) => encoder.forward(x)?,
            Encoder::Mlp(encoder) => encoder.forward(x)?,
        };
        self.posterior.forward(hidden)
    }

    /// The parameters of the likelihood for codes `(N, L)`: logits or means, `(N, P)`.
    ///
    /// # Errors
    /// The device failed.
    pub fn decode<N: Dim, T: Tape<f32, B::Device>>(
        &self,
        z: Array<(N, L), B, T>,
    ) -> Result<Array<(N, P), B, T>, DeviceError> {
        match &self.decoder {
            Decoder::Conv(decoder) => decoder.forward(z),
            Decoder::Mlp(decoder) => decoder.forward(z),
        }
    }
}

impl<P: Dim, H: Dim, L: Dim, B: Backend> Module<B> for Vae<P, H, L, B> {
    fn visit(&mut self, _: &str, visitor: &mut Visitor<'_, B>) {
        match &mut self.encoder {
            Encoder::Conv(encoder) => encoder.visit("encoder", visitor),
            Encoder::Mlp(encoder) => encoder.visit("encoder", visitor),
        }
        self.posterior.visit("posterior", visitor);
        match &mut self.decoder {
            Decoder::Conv(decoder) => decoder.visit("decoder", visitor),
            Decoder::Mlp(decoder) => decoder.visit("decoder", visitor),
        }
        self.likelihood.visit("likelihood", visitor);
    }
}
