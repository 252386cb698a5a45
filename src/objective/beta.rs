//! The beta-VAE (Higgins et al. 2017): reconstruction and weighted KL; with weight 1 the ELBO. Without a KL, the plain autoencoder.

use super::free_bits::{FLOORED_KL_NATS, FreeBits};
use super::importance::SAMPLES;
use super::kl::Kl;
use super::{At, BatchCodes, Choose, Coupled, Draws, Loss, MeanTerms, Objective, Scheduled, Term, Weights, weighted};
use crate::model::architecture::PosteriorScale;
use crate::model::{GAUSSIAN_POSTERIOR, LOG_VAR, POSTERIOR_SCALES};
use crate::optimizer::Learn;
use crate::settings::{Choices, Key, Keys, Kind, Problem, Word};
use crate::tensor::backend::{Combine, DeviceError};
use crate::text::short;

/// Its settings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Beta {
    /// The KL term; a plain autoencoder has none.
    kl: Option<KlTerm>,
    /// The unit of the loss.
    reduction: Reduction,
}

/// The KL term.
#[derive(Clone, Copy, Debug, PartialEq)]
struct KlTerm {
    /// Its weight, in the unit of the reduction.
    weight: Kl,
    free_bits: Option<FreeBits>,
    posterior_scale: PosteriorScale,
    /// The number of samples per image, whose reconstructions are averaged.
    samples: u64,
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

    const TERMS: &'static [&'static Term] = &[&FLOORED_KL_NATS];

    fn read(keys: &mut Keys<'_>) -> Beta {
        let gaussian = GAUSSIAN_POSTERIOR.word.name;
        let kl = keys.only(keys.is_word("model.posterior", gaussian), "model.posterior", &[gaussian], |keys| KlTerm {
            weight: Kl::read(keys),
            free_bits: FreeBits::read(keys),
            posterior_scale: keys.choice(POSTERIOR_SCALE, &POSTERIOR_SCALES, &LOG_VAR),
            samples: keys.whole(SAMPLES, 1, 1 << 16, 1),
        });
        Beta { kl, reduction: keys.choice(REDUCTION, &REDUCTIONS, &SUM) }
    }

    fn posterior_scale(&self) -> PosteriorScale {
        self.kl.map_or(PosteriorScale::LogVar, |kl| kl.posterior_scale)
    }
}

impl Beta {
    /// The KL weight, in the unit of the reduction. A plain autoencoder has no KL term.
    fn kl_weight(&self, at: At) -> f64 {
        self.kl.map_or(0.0, |kl| kl.weight.at(at.epochs()))
    }

    /// Both weights of an image: `scale * (recon_nats + beta * kl_nats)`, for every reduction.
    fn both(&self, at: At) -> Weights {
        let scale = match self.reduction {
            Reduction::Sum => 1.0,
            Reduction::Mean => 1.0 / at.values as f64,
        };
        Weights { scale, beta: self.effective_beta(self.kl_weight(at), at), term: 0.0 }
    }

    fn free_bits(&self) -> Option<FreeBits> {
        self.kl.and_then(|kl| kl.free_bits)
    }

    /// The weight of the KL term relative to the reconstruction term, both in nats.
    fn effective_beta(&self, kl_weight: f64, at: At) -> f64 {
        match self.reduction {
            Reduction::Sum => kl_weight,
            Reduction::Mean => kl_weight * 2.0 * at.values as f64 / at.latent as f64,
        }
    }
}

impl Loss for Beta {
    fn weights(&self, at: At) -> Weights {
        let both = self.both(at);
        // With free bits, the KL is a term that couples the batch.
        if self.free_bits().is_some() { Weights { beta: 0.0, ..both } } else { both }
    }

    fn loss(&self, terms: MeanTerms<'_>, at: At) -> f64 {
        let Weights { scale, beta, .. } = self.both(at);
        let kl = if self.free_bits().is_some() { terms.own(0) } else { terms.kl_nats };
        scale * (terms.recon_nats + weighted(beta, kl))
    }

    fn samples(&self) -> usize {
        self.kl.map_or(1, |kl| kl.samples as usize)
    }

    fn terms(&self) -> &'static [&'static Term] {
        if self.free_bits().is_some() { Self::TERMS } else { &[] }
    }

    fn scheduled(&self, at: At) -> Scheduled {
        let kl_weight = self.kl_weight(at);
        let effective_beta = self.effective_beta(kl_weight, at);
        Scheduled { kl_weight: Some(kl_weight), effective_beta: Some(effective_beta), capacity_nats: None }
    }

    fn warnings(&self, at: At) -> Vec<Problem> {
        let mut warnings = self.kl.map_or(Vec::new(), |kl| kl.weight.warnings(at.epochs()));
        let Some(weight) = self.kl.map(|kl| kl.weight.weight).filter(|weight| *weight > 0.0) else { return warnings };
        let beta = self.effective_beta(weight, at);
        if (0.01..=100.0).contains(&beta) {
            return warnings;
        }
        let digits: f64 = format!("{beta:.2e}").parse().unwrap_or(beta);
        let message = format!("`objective.kl_weight` of {} gives an effective beta of {}", short(weight), short(digits));
        let help = "effective beta: the weight of the KL term relative to the reconstruction, both in nats; 1 gives the ELBO";
        warnings.push(Problem::new(&["objective.kl_weight"], message, help));
        warnings
    }
}

impl Objective for Beta {
    type Own<B: Learn + Combine> = ();

    fn own<B: Learn + Combine>(&self, _: &B::Device, _: usize, _: u64) -> Result<(), DeviceError> {
        Ok(())
    }

    fn couples(&self) -> bool {
        self.free_bits().is_some()
    }

    fn couple<B: Learn + Combine>(
        &self,
        (): &(),
        codes: BatchCodes<'_, B>,
        at: At,
        _: Draws,
    ) -> Result<Option<Coupled<B>>, DeviceError> {
        let Weights { scale, beta, .. } = self.both(at);
        self.free_bits().map(|free_bits| Coupled::of_posteriors(&free_bits.term(scale * beta), codes.own)).transpose()
    }
}
