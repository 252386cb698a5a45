//! The beta-VAE (Higgins et al. 2017): reconstruction and weighted KL; with weight 1 the ELBO. Without a KL, the plain autoencoder.

use super::{At, Choose, Loss, MeanTerms, Objective, Scheduled, Weights, weighted};
use crate::model::architecture::PosteriorScale;
use crate::model::{GAUSSIAN_POSTERIOR, LOG_VAR, POSTERIOR_SCALES};
use crate::optimizer::Learn;
use crate::settings::{Choices, Interval, Key, Keys, Kind, Problem, Word};
use crate::tensor::backend::{Combine, DeviceError};
use crate::text::short;

/// Its settings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Beta {
    /// The KL term; a plain autoencoder has none.
    kl: Option<Kl>,
    /// The unit of the loss.
    reduction: Reduction,
}

/// The KL term.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Kl {
    /// Its weight, in the unit of the reduction.
    weight: f64,
    /// The number of epochs over which the weight rises linearly from 0.
    warmup_epochs: f64,
    posterior_scale: PosteriorScale,
}

/// The unit of the loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reduction {
    /// Nats per image: reconstruction summed over values + kl_weight * KL summed over latent dimensions.
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

impl Choose for Beta {
    const WORD: Word = Word {
        name: "beta",
        doc: "Reconstruction and KL with a weight: the ELBO, and the beta-VAE (Higgins et al. 2017).",
        also: "vae elbo beta_vae betavae standard",
    };

    fn read(keys: &mut Keys<'_>) -> Beta {
        let gaussian = GAUSSIAN_POSTERIOR.word.name;
        let kl = keys.only(keys.is_word("model.posterior", gaussian), "model.posterior", &[gaussian], |keys| Kl {
            weight: keys.number(KL_WEIGHT, Interval::NOT_NEGATIVE, 1.0),
            warmup_epochs: keys.number(KL_WARMUP_EPOCHS, Interval::NOT_NEGATIVE, 0.0),
            posterior_scale: keys.choice(POSTERIOR_SCALE, &POSTERIOR_SCALES, &LOG_VAR),
        });
        Beta { kl, reduction: keys.choice(REDUCTION, &REDUCTIONS, &SUM) }
    }

    fn posterior_scale(&self) -> PosteriorScale {
        self.kl.map_or(PosteriorScale::LogVar, |kl| kl.posterior_scale)
    }
}

impl Beta {
    /// The KL weight, in the unit of the reduction, after this number of epochs: linear warm-up from 0.
    fn kl_weight(&self, epochs: f64) -> f64 {
        // A plain autoencoder has no KL term.
        let Some(Kl { weight, warmup_epochs, .. }) = self.kl else { return 0.0 };
        if epochs < warmup_epochs { weight * epochs / warmup_epochs } else { weight }
    }

    /// The weight of the KL term relative to the reconstruction term, both in nats.
    fn effective_beta(&self, kl_weight: f64, at: At) -> f64 {
        match self.reduction {
            Reduction::Sum => kl_weight,
            Reduction::Mean => kl_weight * 2.0 * at.values as f64 / at.latent as f64,
        }
    }
}

/// For every reduction, the loss of an image is `scale * (recon_nats + beta * kl_nats)`.
impl Loss for Beta {
    fn weights(&self, at: At) -> Weights {
        let scale = match self.reduction {
            Reduction::Sum => 1.0,
            Reduction::Mean => 1.0 / at.values as f64,
        };
        Weights { scale, beta: self.effective_beta(self.kl_weight(at.epochs()), at), term: 0.0 }
    }

    fn loss(&self, terms: MeanTerms, at: At) -> f64 {
        let Weights { scale, beta, .. } = self.weights(at);
        scale * (terms.recon_nats + weighted(beta, terms.kl_nats))
    }

    fn scheduled(&self, at: At) -> Scheduled {
        let kl_weight = self.kl_weight(at.epochs());
        let effective_beta = self.effective_beta(kl_weight, at);
        Scheduled { kl_weight: Some(kl_weight), effective_beta: Some(effective_beta), capacity_nats: None }
    }

    fn warmup_epochs(&self) -> f64 {
        self.kl.map_or(0.0, |kl| kl.warmup_epochs)
    }

    fn warnings(&self, at: At) -> Vec<Problem> {
        let Some(weight) = self.kl.map(|kl| kl.weight).filter(|weight| *weight > 0.0) else { return Vec::new() };
        let beta = self.effective_beta(weight, at);
        if (0.01..=100.0).contains(&beta) {
            return Vec::new();
        }
        let digits: f64 = format!("{beta:.2e}").parse().unwrap_or(beta);
        let message = format!("`objective.kl_weight` of {} gives an effective beta of {}", short(weight), short(digits));
        let help = "effective beta: the weight of the KL term relative to the reconstruction, both in nats; 1 gives the ELBO";
        vec![Problem::new(&["objective.kl_weight"], message, help)]
    }
}

impl Objective for Beta {
    type Own<B: Learn + Combine> = ();

    fn own<B: Learn + Combine>(&self, _: &B::Device, _: usize, _: u64) -> Result<(), DeviceError> {
        Ok(())
    }
}
