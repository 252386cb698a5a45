//! The `[objective]` table: the loss and its conventions.

use crate::model::architecture::PosteriorScale;
use crate::settings::{Choices, Interval, Key, Keys, Kind};

/// The `[objective]` table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ObjectiveSettings {
    /// The KL term; a plain autoencoder has none.
    pub kl: Option<Kl>,
    /// The unit of the loss.
    pub reduction: Reduction,
    /// What the posterior's second head is taken for when sampling.
    pub posterior_scale: PosteriorScale,
}

/// The KL term.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kl {
    /// Its weight, in the convention of the reduction.
    pub weight: f64,
    /// The weight rises linearly over that many epochs.
    pub warmup_epochs: f64,
}

/// The unit of the loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// Nats per image: reconstruction summed over pixels + kl_weight * KL summed over latent axes.
    Sum,
    /// The walkthrough's: reconstruction averaged over pixels + kl_weight * 2 KL averaged over latent axes.
    Mean,
}

static SUM: Kind<Reduction> = Kind::new(
    "sum",
    "Nats per image: reconstruction summed over pixels + kl_weight * KL summed over latent axes.",
    |_| Reduction::Sum,
);
static MEAN: Kind<Reduction> = Kind::new(
    "mean",
    "The walkthrough's: reconstruction averaged over pixels + kl_weight * 2 KL averaged over latent axes.",
    |_| Reduction::Mean,
)
.also("avg average");
static REDUCTIONS: Choices<Reduction> = Choices(&[&SUM, &MEAN]);

static LOG_VAR: Kind<PosteriorScale> =
    Kind::new("log_var", "A log-variance: std = exp(log_var / 2).", |_| PosteriorScale::LogVar).also("log_variance");
static LOG_STD: Kind<PosteriorScale> = Kind::new(
    "log_std",
    "The walkthrough's slip: std = exp(log_var), while the KL still takes it for a log-variance.",
    |_| PosteriorScale::LogStd,
)
.also("std log_sigma log_scale");
static SCALES: Choices<PosteriorScale> = Choices(&[&LOG_VAR, &LOG_STD]);

const KL_WEIGHT: Key = Key::new("kl_weight", "Weight of the KL term, in the convention of `reduction`.")
    .also("beta kl_beta beta_kl kl_coef kl_coeff kl_coefficient kl_scale kl_lambda lambda_kl kld_weight weight_kl")
    .example("0.5");
const KL_WARMUP_EPOCHS: Key = Key::new(
    "kl_warmup_epochs",
    "The weight of the KL term rises linearly over that many epochs, from 0 in the first step.",
)
.also("warmup kl_warmup beta_warmup anneal_epochs annealing_epochs kl_anneal kl_annealing kl_anneal_epochs beta_annealing")
.example("5");
const REDUCTION: Key = Key::new(
    "reduction",
    "The unit of the loss and of `kl_weight`: nats per image, or the walkthrough's means; see below.",
)
.example("\"mean\"");
const POSTERIOR_SCALE: Key = Key::new(
    "posterior_scale",
    "The posterior's deviation is exp(log_var / 2), or the walkthrough's slip exp(log_var).",
)
.example("\"log_std\"");

impl ObjectiveSettings {
    /// Reads the table of a model whose codes have a distribution, or have none.
    pub fn read(keys: &mut Keys<'_>, is_variational: bool) -> ObjectiveSettings {
        const CHOOSER: (&str, [&str; 1]) = ("model.posterior", ["gaussian"]);
        let kl = keys.only(is_variational, CHOOSER.0, &CHOOSER.1, |keys| Kl {
            weight: keys.number(KL_WEIGHT, Interval::NOT_NEGATIVE, 1.0),
            warmup_epochs: keys.number(KL_WARMUP_EPOCHS, Interval::NOT_NEGATIVE, 0.0),
        });
        let reduction = keys.choice(REDUCTION, &REDUCTIONS, &SUM);
        let scale =
            keys.only(is_variational, CHOOSER.0, &CHOOSER.1, |keys| keys.choice(POSTERIOR_SCALE, &SCALES, &LOG_VAR));
        // Points have no second head.
        ObjectiveSettings { kl, reduction, posterior_scale: scale.unwrap_or(PosteriorScale::LogVar) }
    }
}
