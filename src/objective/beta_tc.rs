//! The beta-TC-VAE (Chen et al. 2018, equations 2 and 4): the KL in three parts, each with a weight.
//!
//! Mutual information of image and code, total correlation of the axes of the code, and dimension-wise KL. Their sum is the KL of
//! the sampled codes, whatever the estimator.

use super::coupling::Coupling;
use super::densities::Densities;
use super::estimator::{self, Estimator, MIXTURE, STRATIFIED, WEIGHTED};
use super::kl::{needs_distribution, needs_standard_prior, one_axis};
use super::{At, Choose, Draws, Loss, MeanTerms, Scheduled, Term, Weights};
use crate::settings::{Interval, Key, Keys, Problem, Word};

/// Its settings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BetaTc {
    /// The weights of mutual information, total correlation and dimension-wise KL.
    weights: [f64; 3],
    estimator: Estimator,
}

const MI_WEIGHT: Key = Key::new("mi_weight", "The weight of the mutual information of image and code.")
    .also("alpha_tc mutual_information_weight")
    .example("1.0");
const TC_WEIGHT: Key = Key::new("tc_weight", "The weight of the total correlation of the code.")
    .also("beta_tc tc_beta total_correlation_weight")
    .example("4.0");
const DWKL_WEIGHT: Key = Key::new("dwkl_weight", "The weight of the dimension-wise KL.")
    .also("gamma_tc dimension_wise_kl_weight")
    .example("1.0");
static MI_NATS: Term = Term {
    name: "mi_nats",
    title: "mutual information (nats per image)",
    unit: "nats",
    doc: "Mutual information of image and code, estimated from each batch as the objective does, nats per image.",
};
/// The total correlation.
pub(super) static TC_NATS: Term = Term {
    name: "tc_nats",
    title: "total correlation (nats per image)",
    unit: "nats",
    doc: "Total correlation of the axes of the code, estimated from each batch as the objective does, nats per image; may be negative.",
};
static DWKL_NATS: Term = Term {
    name: "dwkl_nats",
    title: "dimension-wise KL (nats per image)",
    unit: "nats",
    doc: "Sum over the axes of the KL of an axis of the code from the prior, estimated from each batch as the objective does, nats \
          per image; may be negative.",
};

impl Choose for BetaTc {
    const WORD: Word = Word {
        name: "beta_tc",
        doc: "The KL in three weighted parts: mutual information, total correlation, dimension-wise KL (Chen et al. 2018).",
        also: "btcvae beta_tcvae betatc_vae tcvae tc_vae",
    };

    const TERMS: &'static [&'static Term] = &[&MI_NATS, &TC_NATS, &DWKL_NATS];

    const DEPENDS_ON_SIZES: bool = true;

    fn read(keys: &mut Keys<'_>) -> BetaTc {
        needs_distribution(keys, Self::WORD.name);
        let because = "the dimension-wise KL is that from one distribution for each axis";
        needs_standard_prior(keys, &["objective.kind", "model.prior"], "`objective.kind = \"beta_tc\"`", because, "remove `model.prior`, or set `objective.kind = \"factor\"`");
        let weights = [
            keys.number(MI_WEIGHT, Interval::NOT_NEGATIVE, 1.0),
            keys.number(TC_WEIGHT, Interval::NOT_NEGATIVE, 6.0),
            keys.number(DWKL_WEIGHT, Interval::NOT_NEGATIVE, 1.0),
        ];
        BetaTc { weights, estimator: estimator::read(keys, &[&WEIGHTED, &STRATIFIED, &MIXTURE]) }
    }
}

impl Loss for BetaTc {
    fn weights(&self, _: At) -> Weights {
        Weights { scale: 1.0, beta: 0.0 }
    }

    fn loss(&self, terms: MeanTerms<'_>, _: At) -> f64 {
        let own = self.weights.iter().enumerate().map(|(place, weight)| weight * terms.own(place));
        terms.recon_nats + own.sum::<f64>()
    }

    fn terms(&self) -> &'static [&'static Term] {
        Self::TERMS
    }

    fn scheduled(&self, _: At) -> Scheduled {
        Scheduled::default()
    }

    fn warnings(&self, end: At) -> Vec<Problem> {
        one_axis(end).into_iter().collect()
    }
}

impl Coupling for BetaTc {
    type Operation = Densities;

    fn operation(&self, _: usize, at: At, _: Draws) -> Option<Densities> {
        Some(Densities { weights: self.weights, estimator: self.estimator, images: at.images })
    }
}
