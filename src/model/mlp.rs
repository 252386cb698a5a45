//! The family `mlp`: encoder and decoder of dense layers.

use super::architecture::Network;
use super::layer::{DenseLayer, Layer, Named};
use super::shared_keys;
use crate::data::ImageShape;
use crate::settings::{Key, Keys, Kind};
use crate::tensor::backend::Activation;
use std::sync::Arc;

/// The family in a spec.
pub(super) static KIND: Kind<Arc<dyn Network>> =
    Kind::new("mlp", "Dense layers; the decoder has the hidden layers of the encoder in reverse order.", read)
        .also("fc fcn dense linear fully_connected feedforward");

const HIDDEN: Key = Key {
    doc: "The sizes of the dense hidden layers of the encoder; the decoder has them in reverse order.",
    ..shared_keys::HIDDEN
};

/// Dense layers.
#[derive(Debug)]
struct MlpNetwork {
    /// The sizes of the hidden layers of the encoder; the decoder has them in reverse order.
    hidden: Vec<usize>,
    /// Their activation function.
    activation: Activation,
}

fn read(keys: &mut Keys<'_>) -> Arc<dyn Network> {
    let hidden = keys.wholes(HIDDEN, shared_keys::SIZES, &[500]);
    Arc::new(MlpNetwork { hidden: shared_keys::sizes(&hidden), activation: shared_keys::activation(keys) })
}

impl Network for MlpNetwork {
    fn encoder(&self, image: ImageShape) -> Vec<Named> {
        shared_keys::dense_layers(image.values(), self.hidden.iter().copied(), self.activation)
    }

    fn decoder(&self, _: ImageShape, latent: usize, outputs: ImageShape) -> Vec<Named> {
        let mut layers = shared_keys::dense_layers(latent, self.hidden.iter().rev().copied(), self.activation);
        let hidden = layers.last().map_or(latent, |last| last.layer.outputs().values());
        layers.push(Named::new(Named::OUTPUT, Layer::Dense(DenseLayer::linear(hidden, outputs.values()))));
        layers
    }
}
