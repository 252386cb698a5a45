//! The Wasserstein autoencoder with the maximum mean discrepancy (Tolstikhin et al. 2018, algorithm 2).
//!
//! The loss is recon + lambda MMD, without a KL. The authors' cost of 0.05 times the squared distance is the reconstruction of a
//! Gaussian likelihood with the variance 10, up to a constant.

use super::coupling::Coupling;
use super::kl::warn_of_untrained_prior;
use super::mmd::{BatchDiscrepancy, Discrepancy, MMD};
use super::{At, Choose, Draws, Loss, MeanTerms, Scheduled, Term, Weights, weighted};
use crate::settings::{Keys, Word};

/// Its settings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wae {
    discrepancy: Discrepancy,
}

impl Choose for Wae {
    const WORD: Word = Word {
        name: "wae",
        doc: "Reconstruction and maximum mean discrepancy, without a KL (WAE-MMD, Tolstikhin et al. 2018); with `model.posterior = \
              \"none\"` as its authors use it.",
        also: "wae_mmd waemmd wasserstein",
    };

    const TERMS: &'static [&'static Term] = &[&MMD];

    const DEPENDS_ON_SIZES: bool = true;

    fn read(keys: &mut Keys<'_>) -> Wae {
        let discrepancy = Discrepancy::read(keys, 10.0);
        warn_of_untrained_prior(keys, "objective.mmd_weight", discrepancy.weight);
        Wae { discrepancy }
    }
}

impl Loss for Wae {
    fn weights(&self, _: At) -> Weights {
        Weights { scale: 1.0, beta: 0.0 }
    }

    fn loss(&self, terms: MeanTerms<'_>, _: At) -> f64 {
        terms.recon_nats + weighted(self.discrepancy.weight, terms.own(0))
    }

    fn terms(&self) -> &'static [&'static Term] {
        Self::TERMS
    }

    fn has_prior(&self) -> bool {
        true
    }

    fn scheduled(&self, _: At) -> Scheduled {
        Scheduled::of_kl(0.0)
    }
}

impl Coupling for Wae {
    type Operation = BatchDiscrepancy;

    fn operation(&self, batch: usize, at: At, draws: Draws) -> Option<BatchDiscrepancy> {
        Some(self.discrepancy.term(self.discrepancy.weight, (batch, at.latent), draws))
    }
}
