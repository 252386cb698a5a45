//! The models: encoder, posterior, decoder and likelihood, with shapes that the compiler checks.
//!
//! Only a code can be decoded. `(Batch, Latent)` compiles:
//!
//! ```
//! use dfdx::tensor::Cpu;
//! use vaex::tensor::backend::{Array, Host};
//! use vaex::tensor::dims::{Batch, Hidden, Latent, Outputs};
//! use vaex::model::layer::{DenseLayer, Layer, Named, Stack};
//!
//! let device = Cpu::default();
//! let layers = [Named::new("output", Layer::Dense(DenseLayer::linear(4, 6)))];
//! let decoder = Stack::<Latent, Outputs, Host>::new(&device, &layers, Latent(4), false).unwrap().unwrap();
//! let code: Array<(Batch, Latent), Host> = Array::new(&device, vec![0.0; 8].into(), (Batch(2), Latent(4))).unwrap();
//! let outputs: Array<(Batch, Outputs), Host> = decoder.forward(code).unwrap();
//! ```
//!
//! `(Batch, Hidden)` does not compile, although it has the same size:
//!
//! ```compile_fail
//! use dfdx::tensor::Cpu;
//! use vaex::tensor::backend::{Array, Host};
//! use vaex::tensor::dims::{Batch, Hidden, Latent, Outputs};
//! use vaex::model::layer::{DenseLayer, Layer, Named, Stack};
//!
//! let device = Cpu::default();
//! let layers = [Named::new("output", Layer::Dense(DenseLayer::linear(4, 6)))];
//! let decoder = Stack::<Latent, Outputs, Host>::new(&device, &layers, Latent(4), false).unwrap().unwrap();
//! let code: Array<(Batch, Hidden), Host> = Array::new(&device, vec![0.0; 8].into(), (Batch(2), Hidden(4))).unwrap();
//! let outputs: Array<(Batch, Outputs), Host> = decoder.forward(code).unwrap();
//! ```

pub mod architecture;
mod code;
mod conv;
pub mod layer;
pub mod likelihood;
mod list_errors;
mod lists;
mod mlp;
pub mod parameters;
pub mod posterior;
mod presets;
pub mod prior;
mod settings;
mod shared_keys;

pub use architecture::Architecture;
pub use code::{Code, Posterior};
pub use likelihood::{LikelihoodHead, LikelihoodKind};
pub use parameters::{Initializer, OutputBias};
pub(crate) use posterior::{GAUSSIAN_POSTERIOR, LOG_VAR, POSTERIOR_SCALES};
pub use settings::{ModelSettings, NETWORK_WAYS};

use crate::tensor::backend::{Array, Backend, Combine, DeviceError};
use crate::tensor::dims::{Dim, Hidden, Latent, Outputs, Own, Values};
use dfdx::tensor::Tape;
use layer::{Named, Stack};
use parameters::{Module, Visitor};
use posterior::PosteriorHeads;
use prior::{PriorHead, Start};

/// A variational autoencoder or a plain autoencoder, for images with `V` values, hidden values `H`, codes with `L` axes and
/// `O` outputs of the decoder, whose meaning is that of the likelihood.
pub struct Vae<V: Dim, H: Dim, L: Dim, O: Dim, B: Backend> {
    encoder: Stack<V, H, B>,
    posterior: PosteriorHeads<H, L, B>,
    decoder: Stack<L, O, B>,
    likelihood: LikelihoodHead<V, O, B>,
    prior: PriorHead<V, L, B>,
    values: V,
    latent: L,
}

/// A model whose sizes come from a spec.
pub type Model<B> = Vae<Values, Hidden, Latent, Outputs, B>;

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

impl<V: Dim, H: Dim, L: Dim, O: Dim, B: Backend> Vae<V, H, L, O, B> {
    /// A model with all weights 0; [`parameters::initialize`] draws them.
    ///
    /// # Errors
    /// An axis with a constant size has a different size in the architecture; the device is out of memory.
    pub fn new(device: &B::Device, architecture: &Architecture) -> Result<Self, BuildError> {
        let values = V::from_size(architecture.image.values()).ok_or(BuildError::Sizes)?;
        let latent = L::from_size(architecture.latent).ok_or(BuildError::Sizes)?;
        // Images of the data need no gradient, but images of the prior do.
        let on_data = !architecture.prior.encodes();
        let encoder = Stack::new(device, &architecture.encoder(), values, on_data)?.ok_or(BuildError::Sizes)?;
        let decoder = Stack::new(device, &architecture.decoder(), latent, false)?.ok_or(BuildError::Sizes)?;
        let posterior = PosteriorHeads::new(device, encoder.outputs(), latent, architecture)?;
        let likelihood = LikelihoodHead::new(device, architecture.image, architecture.likelihood)?;
        let prior = architecture.prior.build(device, values, latent)?;
        Ok(Vae { encoder, posterior, decoder, likelihood, prior, values, latent })
    }

    /// The axis of the values of an image.
    pub fn values(&self) -> V {
        self.values
    }

    /// The axis of codes.
    pub fn latent(&self) -> L {
        self.latent
    }

    /// p(x|z).
    pub fn likelihood(&self) -> &LikelihoodHead<V, O, B> {
        &self.likelihood
    }

    /// The numbers that determine the density of the prior, recorded, as [`prior::MixtureNumbers`] has them; `None` for the standard
    /// normal distribution.
    ///
    /// # Errors
    /// The device failed.
    pub fn components<T: Tape<f32, B::Recorder>>(
        &self,
        device: &B::Device,
        tape: T,
    ) -> Result<Option<Array<(Own,), B, T>>, DeviceError>
    where
        B: Combine,
    {
        self.prior.components(self, device, tape)
    }

    /// The images whose posteriors the components of the prior are, (Components, Values); empty if they are none.
    pub fn pseudo_inputs(&self) -> Vec<f32> {
        self.prior.pictures()
    }

    /// Sets the parameters of the prior to their initial values.
    pub fn initialize_prior(&mut self, start: Start<'_>) {
        self.prior.initialize(start);
    }

    /// q(z|x) of images `(N, V)`.
    ///
    /// # Errors
    /// The device failed.
    pub fn encode<N: Dim, T: Tape<f32, B::Recorder>>(
        &self,
        x: Array<(N, V), B, T>,
    ) -> Result<Code<N, L, B, T>, DeviceError> {
        self.posterior.forward(self.encoder.forward(x)?)
    }

    /// The outputs of the decoder for codes `(N, L)`, such as logits or means: `(N, O)`.
    ///
    /// # Errors
    /// The device failed.
    pub fn decode<N: Dim, T: Tape<f32, B::Recorder>>(
        &self,
        z: Array<(N, L), B, T>,
    ) -> Result<Array<(N, O), B, T>, DeviceError> {
        self.decoder.forward(z)
    }
}

impl<V: Dim, H: Dim, L: Dim, O: Dim, B: Backend> Vae<V, H, L, O, B> {
    /// Sets the biases of the last layer of the decoder to the outputs whose expected values are this image, (Values). Those of a
    /// convolution, one for each channel, are from the mean of the channel.
    pub fn set_output_bias(&mut self, architecture: &Architecture, mean: &[f32]) {
        let (image, kind) = (architecture.image, architecture.likelihood);
        let of_pixels = |mean: &[f32]| -> Vec<f32> {
            mean.chunks(image.channels).flat_map(|pixel| kind.outputs_of_mean(pixel)).collect()
        };
        self.decoder.visit("decoder", &mut |visit| {
            if visit.name != format!("decoder.{}.bias", Named::OUTPUT) {
                return;
            }
            if visit.parameter.length() == architecture.outputs().values() {
                visit.parameter.set(of_pixels(mean));
            } else {
                let channel = |channel: usize| {
                    let values = mean.iter().skip(channel).step_by(image.channels).map(|value| f64::from(*value));
                    (values.sum::<f64>() / image.pixels() as f64) as f32
                };
                visit.parameter.set(of_pixels(&(0..image.channels).map(channel).collect::<Vec<_>>()));
            }
        });
    }
}

impl<V: Dim, H: Dim, L: Dim, O: Dim, B: Backend> Module<B> for Vae<V, H, L, O, B> {
    fn visit(&mut self, _: &str, visitor: &mut Visitor<'_, B>) {
        self.encoder.visit("encoder", visitor);
        self.posterior.visit("posterior", visitor);
        self.decoder.visit("decoder", visitor);
        self.likelihood.visit("likelihood", visitor);
        self.prior.visit("prior", visitor);
    }
}
