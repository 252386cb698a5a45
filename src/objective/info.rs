//! The InfoVAE with the maximum mean discrepancy (Zhao et al. 2017, equation 6).
//!
//! The loss is recon + (1 - alpha) KL + (alpha + lambda - 1) MMD.

use super::coupling::Coupling;
use super::kl::needs_distribution;
use super::mmd::{BatchDiscrepancy, Discrepancy, MMD};
use super::{At, Choose, Draws, Loss, MeanTerms, Scheduled, Term, Weights, weighted};
use crate::settings::{Interval, Key, Keys, Word};
use crate::text::short;

/// Its settings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Info {
    alpha: f64,
    discrepancy: Discrepancy,
}

const ALPHA: Key = Key::new("alpha", "The share of the KL that is left out: its weight is 1 - alpha.")
    .also("info_alpha")
    .example("0.5");

impl Choose for Info {
    const WORD: Word = Word {
        name: "info",
        doc: "Reconstruction, KL with the weight 1 - alpha, and maximum mean discrepancy with the weight alpha + mmd_weight - 1 \
              (InfoVAE, Zhao et al. 2017).",
        also: "infovae info_vae mmd_vae infovae_mmd",
    };

    const TERMS: &'static [&'static Term] = &[&MMD];

    const DEPENDS_ON_SIZES: bool = true;

    fn read(keys: &mut Keys<'_>) -> Info {
        needs_distribution(keys, Self::WORD.name);
        let alpha = keys.number(ALPHA, Interval::AT_MOST_ONE, 0.0);
        let info = Info { alpha, discrepancy: Discrepancy::read(keys, 1000.0) };
        let message = || {
            let (alpha, weight) = (short(info.alpha), short(info.discrepancy.weight));
            format!(
                "`objective.alpha` ({alpha}) + `objective.mmd_weight` ({weight}) is less than 1, so the discrepancy would have a \
                 negative weight"
            )
        };
        let keys_of = ["objective.mmd_weight", "objective.alpha", "objective.kind"];
        keys.require(info.mmd_weight() >= 0.0, &keys_of, message, "set `mmd_weight` to 1 - alpha or more");
        info
    }
}

impl Info {
    /// The weight of the discrepancy in the loss.
    fn mmd_weight(&self) -> f64 {
        self.alpha + self.discrepancy.weight - 1.0
    }
}

impl Loss for Info {
    fn weights(&self, _: At) -> Weights {
        Weights { scale: 1.0, beta: 1.0 - self.alpha }
    }

    fn loss(&self, terms: MeanTerms<'_>, _: At) -> f64 {
        terms.recon_nats + weighted(1.0 - self.alpha, terms.kl_nats) + weighted(self.mmd_weight(), terms.own(0))
    }

    fn terms(&self) -> &'static [&'static Term] {
        Self::TERMS
    }

    fn scheduled(&self, _: At) -> Scheduled {
        Scheduled::of_kl(1.0 - self.alpha)
    }
}

impl Coupling for Info {
    type Operation = BatchDiscrepancy;

    fn operation(&self, batch: usize, at: At, draws: Draws) -> Option<BatchDiscrepancy> {
        Some(self.discrepancy.term(self.mmd_weight(), (batch, at.latent), draws))
    }
}
