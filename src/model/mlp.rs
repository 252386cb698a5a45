//! The family `mlp`: encoder and decoder of dense layers.

use super::architecture::Network;
use super::layers::{Dense, DenseStack};
use super::parameters::{Module, Visitor};
use super::shared_keys;
use crate::settings::{Key, Keys, Kind};
use crate::tensor::backend::{Activation, Array, Backend, DeviceError};
use crate::tensor::dims::{Dim, Hidden};
use dfdx::tensor::Tape;

/// The family in a spec.
pub(super) static KIND: Kind<Network> =
    Kind::new("mlp", "Dense layers; the decoder has the hidden layers of the encoder in reverse order.", read)
        .also("fc fcn dense linear fully_connected feedforward");

const HIDDEN: Key = Key {
    doc: "The sizes of the dense hidden layers of the encoder; the decoder has them in reverse order.",
    ..shared_keys::HIDDEN
};

fn read(keys: &mut Keys<'_>) -> Network {
    let hidden = keys.wholes(HIDDEN, shared_keys::SIZES, &[500]);
    Network::Mlp { hidden: shared_keys::sizes(&hidden), activation: shared_keys::activation(keys) }
}

/// `(N, P)` to `(N, H)`.
pub struct MlpEncoder<P: Dim, H: Dim, B: Backend> {
    dense: DenseStack<P, H, B>,
}

impl<P: Dim, H: Dim, B: Backend> MlpEncoder<P, H, B> {
    /// Layers with all weights 0; `None` if the size of `H` is not that of the last layer.
    pub fn new(
        device: &B::Device,
        pixels: P,
        hidden: &[usize],
        activation: Activation,
    ) -> Result<Option<Self>, DeviceError> {
        let dense = DenseStack::new(device, pixels, hidden, activation)?;
        Ok(dense.map(|dense| MlpEncoder { dense: dense.on_data() }))
    }

    /// The size of the output.
    pub fn outputs(&self) -> H {
        self.dense.outputs()
    }

    /// `(N, P)` to `(N, H)`.
    pub fn forward<N: Dim, T: Tape<f32, B::Device>>(
        &self,
        x: Array<(N, P), B, T>,
    ) -> Result<Array<(N, H), B, T>, DeviceError> {
        self.dense.forward(x)
    }
}

impl<P: Dim, H: Dim, B: Backend> Module<B> for MlpEncoder<P, H, B> {
    fn visit(&mut self, path: &str, visitor: &mut Visitor<'_, B>) {
        self.dense.visit(&format!("{path}.dense"), visitor);
    }
}

/// `(N, L)` to `(N, P)`: the hidden layers of the encoder in reverse order, and an output layer without activation.
pub struct MlpDecoder<L: Dim, P: Dim, B: Backend> {
    dense: DenseStack<L, Hidden, B>,
    output: Dense<Hidden, P, B>,
}

impl<L: Dim, P: Dim, B: Backend> MlpDecoder<L, P, B> {
    /// Layers with all weights 0. `hidden` is in the order of the encoder.
    pub fn new(
        device: &B::Device,
        latent: L,
        hidden: &[usize],
        pixels: P,
        activation: Activation,
    ) -> Result<Option<Self>, DeviceError> {
        let reversed: Vec<usize> = hidden.iter().rev().copied().collect();
        let Some(dense) = DenseStack::<L, Hidden, B>::new(device, latent, &reversed, activation)? else {
            return Ok(None);
        };
        let output = Dense::new(device, dense.outputs(), pixels, Activation::Identity)?;
        Ok(Some(MlpDecoder { dense, output }))
    }

    /// `(N, L)` to `(N, P)`.
    pub fn forward<N: Dim, T: Tape<f32, B::Device>>(
        &self,
        z: Array<(N, L), B, T>,
    ) -> Result<Array<(N, P), B, T>, DeviceError> {
        self.output.forward(self.dense.forward(z)?)
    }
}

impl<L: Dim, P: Dim, B: Backend> Module<B> for MlpDecoder<L, P, B> {
    fn visit(&mut self, path: &str, visitor: &mut Visitor<'_, B>) {
        self.dense.visit(&format!("{path}.dense"), visitor);
        self.output.visit(&format!("{path}.output"), visitor);
    }
}
