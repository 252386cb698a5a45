//! The `[model]` table: the network, and the distributions of pixels and codes.

use super::architecture::{Architecture, LikelihoodKind, Network, PosteriorKind, PosteriorScale};
use super::distributions::{BERNOULLI, GAUSSIAN_POSTERIOR, LIKELIHOODS, POSTERIORS};
use super::parameters::{GLOROT, INITIALIZERS, Initializer};
use super::{conv, mlp};
use crate::settings::{Choices, Key, Keys, Role, Type};
use crate::tensor::kernels::{ACTIVATIONS, Activation};

/// The `[model]` table.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelSettings {
    /// The number of latent dimensions.
    pub latent_dim: u64,
    /// The layers.
    pub network: Network,
    /// p(x|z).
    pub likelihood: LikelihoodKind,
    /// Whether q(z|x) is a distribution; `false` for a plain autoencoder.
    pub is_variational: bool,
    /// The distribution of the initial weights.
    pub initializer: Initializer,
}

/// The kinds of networks.
static FAMILIES: Choices<Network> = Choices(&[&conv::KIND, &mlp::KIND]);

const LATENT_DIM: Key = Key::new("latent_dim", "The number of latent dimensions.")
    .also(
        "latent latents latent_dims latent_size n_latent n_latents num_latents z_dim zdim z_size dim_z nz n_z code_size \
         code_dim bottleneck bottleneck_dim embedding_dim",
    )
    .example("20");
const FAMILY: Key =
    Key::new("family", "The kind of network: 3x3 convolutions with TensorFlow's SAME padding, or dense layers.")
        .also("network net arch architecture encoder_type decoder_type network_type model_type backbone")
        .example("\"mlp\"")
        .role(Role::Network);
const ACTIVATION: Key =
    Key::new("activation", "The activation function of the hidden layers; `conv` supports only `relu`.")
        .also("nonlinearity non_linearity act act_fn")
        .example("\"tanh\"")
        .role(Role::Network);
const LIKELIHOOD: Key = Key::new(
    "likelihood",
    "p(x|z), the distribution of pixels given a code: Bernoulli with logits, or Gaussian with means and `variance`, \
     including its normalization constant.",
)
.also(
    "loss loss_fn loss_function recon_loss rec_loss reconstruction reconstruction_loss decoder_dist \
     decoder_distribution observation_model criterion",
)
.example("\"gaussian\"");
const POSTERIOR: Key =
    Key::new("posterior", "q(z|x), the distribution of codes given an image; `none` is a plain autoencoder.")
        .also("encoder_dist encoder_distribution")
        .example("\"none\"");
const INITIALIZER: Key = Key::new(
    "initializer",
    "The initial weights are uniform; their bounds depend on fan-in and fan-out, or on fan-in only. Biases start at zero.",
)
.also("init weight_init kernel_initializer")
.example("\"he\"");

impl ModelSettings {
    /// Reads the table.
    pub fn read(keys: &mut Keys<'_>) -> ModelSettings {
        let latent_dim = keys.whole(LATENT_DIM, 1, Type::MOST, 2);
        let network = keys.choice(FAMILY, &FAMILIES, &conv::KIND);
        let likelihood = keys.choice(LIKELIHOOD, &LIKELIHOODS, &BERNOULLI);
        let is_variational = keys.choice(POSTERIOR, &POSTERIORS, &GAUSSIAN_POSTERIOR);
        let initializer = keys.choice(INITIALIZER, &INITIALIZERS, &GLOROT);
        ModelSettings { latent_dim, network, likelihood, is_variational, initializer }
    }

    /// The model for images of this height and width, with this posterior scale.
    pub fn architecture(&self, [height, width]: [usize; 2], scale: PosteriorScale) -> Architecture {
        Architecture {
            height,
            width,
            latent: usize::try_from(self.latent_dim).unwrap_or(usize::MAX),
            network: self.network.clone(),
            likelihood: self.likelihood,
            posterior: if self.is_variational { PosteriorKind::Gaussian(scale) } else { PosteriorKind::None },
            initializer: self.initializer,
        }
    }
}

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
