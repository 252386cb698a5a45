//! The `[model]` table: the network, and the distributions of pixels and codes.

use super::architecture::{Architecture, Network, PosteriorKind, PosteriorScale};
use super::likelihood::{Grid, LIKELIHOODS, LikelihoodKind};
use super::parameters::{GLOROT, INITIALIZERS, Initializer, OUTPUT_BIASES, OutputBias};
use super::posterior::{GAUSSIAN_POSTERIOR, POSTERIORS};
use super::prior::{PRIORS, PriorKind};
use super::{conv, lists, mlp, presets, shared_keys};
use crate::data::ImageShape;
use crate::settings::{Choices, Interval, Key, Keys, Problem, Role, Type};
use crate::tensor::backend::Activation;
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
    /// p(z).
    pub prior: PriorKind,
    /// The bounds of the log-variance of the posterior; `None` if it has none.
    pub log_var_bounds: Option<[f64; 2]>,
    /// The distribution of the initial weights.
    pub initializer: Initializer,
    /// The initial biases of the last layer of the decoder.
    pub output_bias: OutputBias,
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
const PRIOR: Key = Key::new("prior", "p(z), the distribution of codes.")
    .also("prior_type prior_distribution latent_prior p_z")
    .example("\"vamp\"");
const INITIALIZER: Key =
    Key::new("initializer", "The distribution of the initial weights; biases start at zero, except with `pytorch`.")
        .also("init weight_init kernel_initializer")
        .example("\"he\"");
const LOG_VAR_BOUNDS: Key = Key::new(
    "log_var_bounds",
    "The least and the greatest log-variance of the posterior: the second output of the encoder is clipped to them (hardtanh), as in \
     VampPrior's [-6, 2]. By default it is not clipped.",
)
.also("log_var_range logvar_bounds hardtanh clip_log_var")
.example("[-6.0, 2.0]");
const OUTPUT_BIAS: Key = Key::new("output_bias", "The initial biases of the last layer of the decoder.")
    .also("decoder_bias bias_init output_bias_init")
    .example("\"data\"");

impl ModelSettings {
    /// Reads the table.
    pub fn read(keys: &mut Keys<'_>) -> ModelSettings {
        let preset = presets::read(keys);
        let latent_dim = keys.whole(LATENT_DIM, 1, Type::MOST, 2);
        let listed = lists::read(keys);
        let network = network(keys, preset, listed);
        let likelihood = keys.choice(LIKELIHOOD, &LIKELIHOODS, LIKELIHOODS.0[0]);
        let is_variational = keys.choice(POSTERIOR, &POSTERIORS, &GAUSSIAN_POSTERIOR);
        let bounds = keys.only(is_variational, "model.posterior", &[GAUSSIAN_POSTERIOR.word.name], |keys| {
            const RANGE: Type = Type::Pair(&Type::Number(Interval::ALL));
            let both = keys.value(LOG_VAR_BOUNDS, RANGE, None)?;
            let bounds = [0, 1].map(|place| both.get(place).and_then(toml::Value::as_float).unwrap_or_default());
            keys.require(
                bounds[0] < bounds[1],
                &["model.log_var_bounds"],
                || {
                    format!(
                        "`model.log_var_bounds` is [{:?}, {:?}]: the first number must be less",
                        bounds[0], bounds[1]
                    )
                },
                "write the least log-variance, then the greatest",
            );
            Some(bounds)
        });
        let prior = keys.choice(PRIOR, &PRIORS, PRIORS.0[0]);
        keys.require(
            is_variational || !prior.encodes(),
            &["model.prior", "model.posterior"],
            || format!("`model.prior = \"{}\"` needs a distribution as posterior", prior.name()),
            "remove `model.posterior = \"none\"`, or `model.prior`",
        );
        let initializer = keys.choice(INITIALIZER, &INITIALIZERS, &GLOROT);
        let output_bias = keys.choice(OUTPUT_BIAS, &OUTPUT_BIASES, OUTPUT_BIASES.0[0]);
        let log_var_bounds = bounds.flatten();
        ModelSettings {
            latent_dim,
            network,
            likelihood,
            is_variational,
            prior,
            log_var_bounds,
            initializer,
            output_bias,
        }
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
            prior: self.prior.on(grid.range()),
            log_var_bounds: self.log_var_bounds,
            initializer: self.initializer,
            output_bias: self.output_bias,
        }
    }
}

/// The ways to write a network, by their dotted keys. They exclude each other: each gives the whole network.
pub const NETWORK_WAYS: [&[&str]; 3] = [
    &["model.preset"],
    &["model.encoder", "model.decoder"],
    &["model.family", "model.channels", "model.strides", "model.hidden"],
];

/// The network of a preset, of lists of layers, or of a family.
fn network(keys: &mut Keys<'_>, preset: Option<presets::Chosen>, listed: Option<Arc<dyn Network>>) -> Arc<dyn Network> {
    let instead = match (preset, &listed) {
        (Some(_), _) => "model.preset",
        (None, Some(_)) => "model.encoder",
        (None, None) => return keys.choice(FAMILY, &FAMILIES, &conv::KIND),
    };
    let lists = NETWORK_WAYS[1].iter().filter(|_| preset.is_some());
    for dotted in NETWORK_WAYS[2].iter().chain(lists).copied() {
        if !keys.has(dotted) {
            continue;
        }
        let message = format!("`{dotted}` and `{instead}` exclude each other");
        let help = "remove one of them: a family, a preset and lists of layers each give the whole network";
        keys.add_problem(Problem::new(&[dotted], message, help).beside(instead));
    }
    match (preset, listed) {
        (None, Some(listed)) => listed,
        // With both, the lists are an error.
        (Some(preset), Some(_)) => preset.network(Activation::Relu),
        (Some(preset), None) => preset.network(shared_keys::activation(keys)),
        (None, None) => keys.choice(FAMILY, &FAMILIES, &conv::KIND),
    }
}
