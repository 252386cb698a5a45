//! The `[model]` table: the network, and the distributions of pixels and codes.

use super::architecture::{Architecture, Network, PosteriorKind, PosteriorScale};
use super::likelihood::{Grid, LIKELIHOODS, LikelihoodKind};
use super::parameters::{GLOROT, INITIALIZERS, Initializer};
use super::posterior::{GAUSSIAN_POSTERIOR, POSTERIORS};
use super::{conv, mlp};
use crate::data::ImageShape;
use crate::settings::{Choices, Key, Keys, Role, Type};
use std::sync::Arc;

/// The `[model]` table.
#[derive(Clone, Debug)]
pub struct ModelSettings {
    /// The number of latent dimensions.
    pub latent_dim: u64,
    /// The layers.
    pub network: Arc<dyn Network>,
    /// p(x|z).
    pub likelihood: LikelihoodKind,
    /// Whether q(z|x) is a distribution; `false` for a plain autoencoder.
    pub is_variational: bool,
    /// The distribution of the initial weights.
    pub initializer: Initializer,
}

/// The kinds of networks.
static FAMILIES: Choices<Arc<dyn Network>> = Choices(&[&conv::KIND, &mlp::KIND]);

const LATENT_DIM: Key = Key::new("latent_dim", "The number of latent axes.")
    .also(
        "latent latents latent_dims latent_size n_latent n_latents num_latents z_dim zdim z_size dim_z nz n_z code_size \
         code_dim bottleneck bottleneck_dim embedding_dim",
    )
    .example("20");
const FAMILY: Key = Key::new("family", "The kind of network.")
    .also("network net arch architecture encoder_type decoder_type network_type model_type backbone")
    .example("\"mlp\"")
    .role(Role::Network);
const LIKELIHOOD: Key = Key::new("likelihood", "p(x|z), the distribution of pixels given a code.")
    .also(
        "loss loss_fn loss_function recon_loss rec_loss reconstruction reconstruction_loss decoder_dist \
     decoder_distribution observation_model criterion",
    )
    .example("\"gaussian\"");
const POSTERIOR: Key = Key::new("posterior", "q(z|x), the distribution of codes given an image.")
    .also("encoder_dist encoder_distribution")
    .example("\"none\"");
const INITIALIZER: Key =
    Key::new("initializer", "The distribution of the initial weights, which is uniform; biases start at zero.")
        .also("init weight_init kernel_initializer")
        .example("\"he\"");

impl ModelSettings {
    /// Reads the table.
    pub fn read(keys: &mut Keys<'_>) -> ModelSettings {
        let latent_dim = keys.whole(LATENT_DIM, 1, Type::MOST, 2);
        let network = keys.choice(FAMILY, &FAMILIES, &conv::KIND);
        let likelihood = keys.choice(LIKELIHOOD, &LIKELIHOODS, LIKELIHOODS.0[0]);
        let is_variational = keys.choice(POSTERIOR, &POSTERIORS, &GAUSSIAN_POSTERIOR);
        let initializer = keys.choice(INITIALIZER, &INITIALIZERS, &GLOROT);
        ModelSettings { latent_dim, network, likelihood, is_variational, initializer }
    }

    /// The model for images of this shape with values in these places, with this scale of the posterior; `None` for a plain
    /// autoencoder.
    pub fn architecture(&self, image: ImageShape, grid: Grid, scale: Option<PosteriorScale>) -> Architecture {
        Architecture {
            image,
            latent: usize::try_from(self.latent_dim).unwrap_or(usize::MAX),
            network: self.network.clone(),
            likelihood: self.likelihood.on(image.channels, grid),
            posterior: scale.map_or(PosteriorKind::None, PosteriorKind::Gaussian),
            initializer: self.initializer,
        }
    }
}
