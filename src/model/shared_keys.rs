//! Keys of `[model]` that several kinds of networks have.

use crate::settings::{Key, Keys, Role, Type};
use crate::tensor::kernels::{ACTIVATIONS, Activation};

const ACTIVATION: Key =
    Key::new("activation", "The activation function of the hidden layers; `conv` supports only `relu`.")
        .also("nonlinearity non_linearity act act_fn")
        .example("\"tanh\"")
        .role(Role::Network);

/// Reads `model.activation`.
pub(super) fn activation(keys: &mut Keys<'_>) -> Activation {
    let relu = ACTIVATIONS.0[0];
    keys.choice(ACTIVATION, &ACTIVATIONS, relu)
}

/// The sizes of layers, each at least 1.
pub(super) const SIZES: Type = Type::List(&Type::COUNT, 0);

/// The sizes as `usize`.
pub(super) fn sizes(sizes: &[u64]) -> Vec<usize> {
    sizes.iter().map(|size| usize::try_from(*size).unwrap_or(usize::MAX)).collect()
}
