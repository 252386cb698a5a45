//! The beta-VAE (Higgins et al. 2017): reconstruction and weighted KL; with weight 1 the ELBO. Without a KL, the plain autoencoder.

use super::coupling::Coupling;
use super::free_bits::{FLOORED_KL_NATS, Floored, FreeBits};
use super::importance::SAMPLES;
use super::kl::{Kl, is_prior_learned, needs_standard_prior};
use super::{At, Choose, Draws, Loss, MeanTerms, RowValues, Scheduled, Term, Weights, weighted};
use crate::model::architecture::PosteriorScale;
use crate::model::{GAUSSIAN_POSTERIOR, LOG_VAR, POSTERIOR_SCALES};
use crate::settings::{Choices, Key, Keys, Kind, Problem, Word};
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
    /// Whether the KL is that of samples, because the prior is learned.
    is_sampled: bool,
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
            is_sampled: is_prior_learned(keys),
        });
        check_prior(keys, kl);
        Beta { kl, reduction: keys.choice(REDUCTION, &REDUCTIONS, &SUM) }
    }

    fn posterior_scale(&self) -> PosteriorScale {
        self.kl.map_or(PosteriorScale::LogVar, |kl| kl.posterior_scale)
    }
}

/// Adds errors for what a learned prior does not allow.
fn check_prior(keys: &mut Keys<'_>, kl: Option<KlTerm>) {
    let Some(kl) = kl else {
        // A prior that is refused with any objective has an error already.
        let is_refused = keys.problems_of(&["model.prior"]) > 0;
        return needs_standard_prior(
            keys,
            &["model.prior", "model.posterior"],
            "`objective.kind = \"beta\"` with `model.posterior = \"none\"`",
            "it has no KL, so nothing trains the prior",
            match is_refused {
                true => "remove `model.prior` or `model.posterior`",
                false => "remove `model.prior` or `model.posterior`, or use `objective.kind = \"wae\"`",
            },
        );
    };
    if kl.posterior_scale == PosteriorScale::LogStd {
        needs_standard_prior(
            keys,
            &["objective.posterior_scale", "model.prior"],
            "`objective.posterior_scale = \"log_std\"`",
            "the KL of a learned prior is that of the codes as they are sampled",
            "remove `posterior_scale` or `model.prior`",
        );
    }
    if kl.free_bits.is_some_and(FreeBits::is_per_axis) {
        needs_standard_prior(
            keys,
            &["objective.free_bits_per", "objective.free_bits", "model.prior"],
            "a floor of each latent axis (`free_bits_per = \"axis\"`, the default)",
            "the KL of a learned prior is no sum over the axes",
            "set `objective.free_bits_per` to \"image\" or \"total\"",
        );
    }
    let is_of_batch = kl.free_bits.is_some_and(|free_bits| !free_bits.is_per_axis() && free_bits.of_images().is_none());
    if is_of_batch && kl.samples > 1 {
        needs_standard_prior(
            keys,
            &["objective.samples", "objective.free_bits_per", "model.prior"],
            "`objective.free_bits_per = \"total\"` with several samples",
            "the KL of the batch would be that of its first samples",
            "set `objective.free_bits_per = \"image\"`, or remove `samples`",
        );
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
        Weights { scale, beta: self.effective_beta(self.kl_weight(at), at) }
    }

    fn free_bits(&self) -> Option<FreeBits> {
        self.kl.and_then(|kl| kl.free_bits)
    }

    /// The floor, if it is one of the sampled KL of each image.
    fn floor_of_images(&self) -> Option<f64> {
        self.kl.filter(|kl| kl.is_sampled)?.free_bits?.of_images()
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
        // With free bits, the KL is a term that couples the batch, unless each image has weights.
        if self.is_coupled() { Weights { beta: 0.0, ..both } } else { both }
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

    fn row_terms(&self, rows: RowValues<'_>) -> Vec<f64> {
        let Some(floor) = self.floor_of_images() else { return Vec::new() };
        let samples = self.samples();
        let mean = |nats: &[f32]| nats.iter().map(|nats| f64::from(*nats)).sum::<f64>() / samples as f64;
        vec![rows.kl_nats.chunks(samples).map(|nats| mean(nats).max(floor)).sum()]
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

impl Coupling for Beta {
    type Operation = Floored;

    fn is_coupled(&self) -> bool {
        self.free_bits().is_some() && self.floor_of_images().is_none()
    }

    fn operation(&self, _: usize, at: At, _: Draws) -> Option<Floored> {
        let Weights { scale, beta, .. } = self.both(at);
        self.free_bits().map(|free_bits| free_bits.term(scale * beta))
    }

    fn of_mean_kl(&self, kl_nats: f64, at: At) -> Option<[f64; 2]> {
        let [nats, slope] = self.free_bits()?.of_mean_kl(kl_nats);
        Some([nats, slope * self.both(at).beta])
    }

    fn floor_of_images(&self) -> Option<f64> {
        Beta::floor_of_images(self)
    }
}
