//! Keys of `[model]` and layers that several kinds of networks have.

use super::layer::{DenseLayer, DenseOutputs, Layer, Named};
use crate::settings::{Key, Keys, Role, Type};
use crate::tensor::kernels::{ACTIVATIONS, Activation, RELU};

const ACTIVATION: Key = Key::new("activation", "The activation function of the hidden layers.")
    .also("nonlinearity non_linearity act act_fn")
    .example("\"tanh\"")
    .role(Role::Network);

/// `model.hidden`; each kind of network has its own meaning of it.
pub(super) const HIDDEN: Key = Key::new("hidden", "")
    .also("hidden_dim hidden_dims hidden_size hidden_sizes hidden_units hidden_layers layers layer_sizes units")
    .example("[500, 100]")
    .role(Role::Network);

/// Reads `model.activation`.
pub(super) fn activation(keys: &mut Keys<'_>) -> Activation {
    keys.choice(ACTIVATION, &ACTIVATIONS, &RELU)
}

/// The sizes of layers, each at least 1.
pub(super) const SIZES: Type = Type::List(&Type::COUNT, 0);

/// The sizes as `usize`.
pub(super) fn sizes(sizes: &[u64]) -> Vec<usize> {
    sizes.iter().map(|size| usize::try_from(*size).unwrap_or(usize::MAX)).collect()
}

/// Dense layers of these sizes one after another: `dense.0`, `dense.1` and so on.
pub(super) fn dense_layers(inputs: usize, sizes: impl Iterator<Item = usize>, activation: Activation) -> Vec<Named> {
    let mut inputs = inputs;
    let layer = |(index, units): (usize, usize)| {
        let dense = DenseLayer { inputs, outputs: DenseOutputs::Units(units), activation };
        inputs = units;
        Named::new(format!("dense.{index}"), Layer::Dense(dense))
    };
    sizes.enumerate().map(layer).collect()
}
