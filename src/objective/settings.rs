//! The `[objective]` table: the loss and its unit.

use crate::model::{GAUSSIAN_POSTERIOR, LOG_VAR, POSTERIOR_SCALES, architecture::PosteriorScale};
use crate::settings::{Choices, Interval, Key, Keys, Kind};

/// The `[objective]` table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ObjectiveSettings {
    /// The KL term; a plain autoencoder has none.
    pub kl: Option<Kl>,
    /// The unit of the loss.
    pub reduction: Reduction,
}

/// The KL term.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kl {
    /// Its weight, in the unit of the reduction.
    pub weight: f64,
    /// The number of epochs over which the weight rises linearly from 0.
    pub warmup_epochs: f64,
    /// How the second output of the encoder gives the standard deviation of the posterior when sampling.
    pub posterior_scale: PosteriorScale,
}

/// The unit of the loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// Nats per image: reconstruction summed over pixels + kl_weight * KL summed over latent dimensions.
    Sum,
    /// Keras-style mean: reconstruction averaged over values + kl_weight * 2 KL averaged over latent dimensions.
    Mean,
}

static SUM: Kind<Reduction> = Kind::new("sum", "Nats per image: recon_nats + kl_weight * kl_nats.", |_| Reduction::Sum);
static MEAN: Kind<Reduction> = Kind::new(
    "mean",
    "The Keras-style mean: recon_nats / values + kl_weight * 2 * kl_nats / latent_dim, as in a published Keras walkthrough.",
    |_| Reduction::Mean,
)
.also("avg average");
static REDUCTIONS: Choices<Reduction> = Choices(&[&SUM, &MEAN]);

const KL_WEIGHT: Key = Key::new("kl_weight", "The weight of the KL term, in the unit of `reduction`.")
    .also("beta beta_vae kl_beta beta_kl kl_coef kl_coeff kl_coefficient kl_scale kl_lambda lambda_kl kld_weight weight_kl")
    .example("0.5");
const KL_WARMUP_EPOCHS: Key = Key::new(
    "kl_warmup_epochs",
    "The number of epochs over which the KL weight rises linearly, from 0 in the first step.",
)
.also("warmup annealing anneal kl_warmup beta_warmup anneal_epochs annealing_epochs kl_anneal kl_annealing kl_anneal_epochs beta_annealing")
.example("5");
const REDUCTION: Key = Key::new("reduction", "The unit of the loss and of `kl_weight`.").example("\"mean\"");
const POSTERIOR_SCALE: Key = Key::new(
    "posterior_scale",
    "How the output log_var of the encoder gives the standard deviation of the posterior when sampling.",
)
.example("\"log_std\"");

impl ObjectiveSettings {
    /// Reads the table. `is_variational` is false for a plain autoencoder, which has no KL term.
    pub fn read(keys: &mut Keys<'_>, is_variational: bool) -> ObjectiveSettings {
        let kl = keys.only(is_variational, "model.posterior", &[GAUSSIAN_POSTERIOR.word.name], |keys| Kl {
            weight: keys.number(KL_WEIGHT, Interval::NOT_NEGATIVE, 1.0),
            warmup_epochs: keys.number(KL_WARMUP_EPOCHS, Interval::NOT_NEGATIVE, 0.0),
            posterior_scale: keys.choice(POSTERIOR_SCALE, &POSTERIOR_SCALES, &LOG_VAR),
        });
        ObjectiveSettings { kl, reduction: keys.choice(REDUCTION, &REDUCTIONS, &SUM) }
    }
}
