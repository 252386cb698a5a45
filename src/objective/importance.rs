//! Importance-weighted bounds (Burda et al. 2016, equation 8), and the family of objectives with them: the weights of samples in the
//! gradients of decoder and encoder.
//!
//! With w_s = p(x|z_s) p(z_s) / q(z_s|x), the bound is the logarithm of the mean weight. Its gradient is that of the log weights,
//! weighted by their shares w_s / sum w. The doubly reparameterized gradient of the encoder has the squares of these shares, and only
//! the path through the samples (Tucker et al. 2018).

use super::batch::samples_of_image;
use super::kl::needs_distribution;
use super::{At, Form, KlForm, Loss, MeanTerms, Objective, RowTerms, RowValues, RowWeights, Scheduled, Term, Weights};
use crate::optimizer::Learn;
use crate::settings::{Choices, Interval, Key, Keys, Kind};
use crate::tensor::backend::{
    Combine, DeviceError, Parameter, RowGradients, RowInputs, RowKernel, RowOperation, RowWeight,
};
use crate::tensor::dims::{Dim, Own};
use crate::text::grouped;
use dfdx::shapes::{Axis, HasShape};
use dfdx::tensor::{Tape, Tensor};
use dfdx::tensor_ops::{Device, ReshapeTo, SumTo, TryAdd, TryDiv, TryMul};

/// The bounds that encoder and decoder are trained by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Importance<const FAMILY: u8> {
    /// The number of samples of a group.
    samples: u64,
    /// The number of groups.
    groups: u64,
    /// The share of the ELBO; the rest is that of the bound.
    elbo_share: f64,
    gradient: Gradient,
}

/// [`Importance`] with the bound of all samples.
pub(super) const IWAE: u8 = 0;
/// With the mean of the bounds of groups.
pub(super) const MIWAE: u8 = 1;
/// With a share of the ELBO.
pub(super) const CIWAE: u8 = 2;
/// With the mean of the bounds of groups for the encoder, and the bound of all samples for the decoder.
pub(super) const PIWAE: u8 = 3;

/// The gradient of the encoder.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Gradient {
    Standard,
    Dreg,
}

/// The number of samples per image.
pub(super) const SAMPLES: Key =
    Key::new("samples", "The number of samples per image; in the IWAE family those of a group.")
        .also("k n_samples num_samples number_samples importance_samples iwae_k")
        .example("5");
const GROUPS: Key = Key::new("groups", "The number of groups of samples per image.")
    .also("m number_gradient_estimates n_groups")
    .example("8");
const ELBO_SHARE: Key = Key::new("elbo_share", "The share of the ELBO in the bound; the rest is that of the IWAE.")
    .also("ciwae_beta")
    .example("0.5");
const GRADIENT: Key = Key::new("gradient", "The gradient of the encoder.")
    .also("gradient_estimator estimator_gradient")
    .example("\"dreg\"");

static STANDARD: Kind<Gradient> = Kind::new("standard", "The gradient of the bound.", |_| Gradient::Standard);
static DREG: Kind<Gradient> = Kind::new(
    "dreg",
    "The doubly reparameterized gradient (Tucker et al. 2018): the same in expectation, with less variance.",
    |_| Gradient::Dreg,
)
.also("doubly_reparameterized");
static GRADIENTS: Choices<Gradient> = Choices(&[&STANDARD, &DREG]);

/// The bound of the objectives of this family.
pub static BOUND_NATS: Term = Term {
    name: "bound_nats",
    title: "importance-weighted bound (nats per image)",
    unit: "nats",
    doc: "The bound of the objective, nats per image: of all samples, or of groups, or mixed with the ELBO, as the kind says; for \
          `piwae` that of the decoder.",
};
static ESS: Term = Term {
    name: "ess",
    title: "effective sample size",
    unit: "",
    doc: "Effective sample size of the importance weights of all samples of an image, (sum w)^2 / sum w^2: mean over the images.",
};
pub(super) static IMPORTANCE_TERMS: [&Term; 2] = [&BOUND_NATS, &ESS];

/// The largest number of samples per image: the weights of a sample are computed from all of them.
const MOST: u64 = 4096;

/// The smallest weight of a sample for the decoder. The weight for the encoder is given relative to it, so it must not be 0.
const LEAST: f32 = 1e-15;

impl<const FAMILY: u8> Importance<FAMILY> {
    /// Reads the keys of the objective `name`; `samples` and `groups` are defaults.
    pub(super) fn read_as(name: &str, keys: &mut Keys<'_>, [samples, groups]: [u64; 2]) -> Self {
        needs_distribution(keys, name);
        let samples = keys.whole(SAMPLES, 1, 1 << 16, samples);
        let is_grouped = [MIWAE, PIWAE].contains(&FAMILY);
        let groups = if is_grouped { keys.whole(GROUPS, 1, 1 << 16, groups) } else { 1 };
        let all = samples.saturating_mul(groups);
        let message = || format!("`objective.samples` and `objective.groups` give {} samples per image", grouped(all));
        let most = format!("use at most {} together", grouped(MOST));
        let names: &[&'static str] =
            if is_grouped { &["objective.samples", "objective.groups"] } else { &["objective.samples"] };
        keys.require(all <= MOST, names, message, &most);
        let elbo_share = if FAMILY == CIWAE { keys.number(ELBO_SHARE, Interval::UNIT, 0.5) } else { 0.0 };
        Importance { samples, groups, elbo_share, gradient: keys.choice(GRADIENT, &GRADIENTS, &STANDARD) }
    }

    fn all(&self) -> usize {
        (self.samples * self.groups) as usize
    }

    /// The groups that the bound of the decoder has.
    fn groups_of_decoder(&self) -> usize {
        if FAMILY == PIWAE { 1 } else { self.groups as usize }
    }

    /// The weights of samples that decoder and encoder use.
    fn both_shares(&self) -> [Shares; 2] {
        let is_squared = self.gradient == Gradient::Dreg;
        [self.shares(self.groups_of_decoder(), false), self.shares(self.groups as usize, is_squared)]
    }

    /// The weights of samples that one of both parts uses.
    fn shares(&self, groups: usize, is_squared: bool) -> Shares {
        Shares { groups, elbo_share: self.elbo_share, is_squared }
    }
}

/// The logarithm of the mean of exp(values), and the effective sample size of these weights.
fn log_mean(values: &[f64]) -> (f64, f64) {
    let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let (mut sum, mut squares) = (0.0, 0.0);
    for value in values {
        let weight = (value - largest).exp();
        sum += weight;
        squares += weight * weight;
    }
    (largest + (sum / values.len() as f64).ln(), sum * sum / squares)
}

impl<const FAMILY: u8> Loss for Importance<FAMILY> {
    fn weights(&self, _: At) -> Weights {
        Weights { scale: 1.0, beta: 1.0 }
    }

    fn loss(&self, terms: MeanTerms<'_>, _: At) -> f64 {
        -terms.own(0)
    }

    fn terms(&self) -> &'static [&'static Term] {
        &IMPORTANCE_TERMS
    }

    fn scheduled(&self, _: At) -> Scheduled {
        Scheduled::of_kl(1.0)
    }

    fn samples(&self) -> usize {
        self.all()
    }

    fn form(&self, _: bool) -> Form {
        Form { samples: self.all(), kl: KlForm::Sampled { by_path: self.gradient == Gradient::Dreg } }
    }

    fn row_terms(&self, rows: RowValues<'_>) -> Vec<f64> {
        let (all, groups) = (self.all(), self.groups_of_decoder());
        let mut sums = [0.0; 2];
        for (recon, kl) in rows.recon_nats.chunks(all).zip(rows.kl_nats.chunks(all)) {
            let log_weights: Vec<f64> =
                recon.iter().zip(kl).map(|(recon, kl)| -f64::from(*recon) - f64::from(*kl)).collect();
            let of_groups =
                log_weights.chunks(all / groups).map(|group| log_mean(group).0).sum::<f64>() / groups as f64;
            let elbo = log_weights.iter().sum::<f64>() / all as f64;
            sums[0] += self.elbo_share * elbo + (1.0 - self.elbo_share) * of_groups;
            sums[1] += log_mean(&log_weights).1;
        }
        sums.into()
    }
}

impl<const FAMILY: u8> Objective for Importance<FAMILY> {
    type Own<B: Learn + Combine> = ();

    fn own<B: Learn + Combine>(&self, _: &B::Device, _: usize, _: u64) -> Result<(), DeviceError> {
        Ok(())
    }

    fn has_row_weights(&self) -> bool {
        true
    }

    fn has_prior_weights(&self) -> bool {
        let [decoder, encoder] = self.both_shares();
        decoder != encoder
    }

    fn row_weights<N: Dim, B: Combine>(
        &self,
        terms: RowTerms<'_, N, B>,
        weights: Weights,
    ) -> Result<RowWeights<N, B>, DeviceError> {
        let all = self.all();
        let Some(kl_nats) = terms.kl_nats else {
            return Err(DeviceError::new("importance weights need a distribution as posterior"));
        };
        let (recon, kl) = (samples_of_image(terms.recon_nats, all)?, samples_of_image(kl_nats, all)?);
        let of = |shares: Shares, scale: f64, over: Option<Shares>| {
            let operation = Weigh { shares, over, scale: scale as f32 };
            B::rows(&operation, recon.clone(), None::<(&Parameter<(Own,), B>, bool)>, &kl)
        };
        let [decoder, encoder] = self.both_shares();
        let path = if encoder == decoder { None } else { Some(of(encoder, 1.0, Some(decoder))?) };
        let recon = of(decoder, weights.scale, None)?;
        let kl = if encoder == decoder { recon.clone() } else { of(encoder, weights.scale, None)? };
        // The prior is a part of the generative model, as the decoder is.
        let prior = path.is_some().then(|| RowWeight::Each(recon.clone()));
        Ok(RowWeights { recon: RowWeight::Each(recon), kl: RowWeight::Each(kl), path, prior })
    }
}

/// The shares of the samples of an image.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Shares {
    /// The number of groups, each with shares that sum to 1 over their number.
    groups: usize,
    /// The share of equal weights.
    elbo_share: f64,
    /// Whether the shares are squared.
    is_squared: bool,
}

impl Shares {
    /// The share of a sample, from the negative log weights of all samples of its image as pairs of terms.
    fn of(&self, sample: usize, recon: &[f32], kl: &[f32]) -> f32 {
        let length = (recon.len() / self.groups).max(1);
        let group = sample / length * length..(sample / length + 1) * length;
        let own = f64::from(recon[sample]) + f64::from(kl[sample]);
        // exp(own - other) for all others: the share is one over their sum.
        let others = recon[group.clone()].iter().zip(&kl[group]);
        let sum: f64 = others.map(|(recon, kl)| (own - f64::from(*recon) - f64::from(*kl)).exp()).sum();
        let share = 1.0 / sum;
        let share = if self.is_squared { share * share } else { share } / self.groups as f64;
        (self.elbo_share / recon.len() as f64 + (1.0 - self.elbo_share) * share) as f32
    }
}

/// The weight of each row, from the reconstruction and the KL of all samples of its image.
#[derive(Clone, Copy, Debug)]
struct Weigh {
    shares: Shares,
    /// The shares that the result is relative to.
    over: Option<Shares>,
    scale: f32,
}

impl RowOperation for Weigh {
    fn forward(&self, inputs: RowInputs<'_>, results: &mut [f32]) {
        for (row, (result, (recon, kl))) in results.iter_mut().zip(inputs.each()).enumerate() {
            let sample = row % recon.len();
            let share = self.shares.of(sample, recon, kl);
            let over = self.over.map_or(1.0, |over| over.of(sample, recon, kl).max(LEAST));
            *result = self.scale * if self.over.is_some() { share / over } else { share.max(LEAST) };
        }
    }

    /// Weights are constants.
    fn backward(&self, _: RowInputs<'_>, _: &[f32], _: RowGradients<'_>) {}

    fn portable<D: Device<f32>, T: Tape<f32, D>>(
        &self,
        recon: Tensor<(usize, usize), f32, D, T>,
        _: Option<Tensor<(usize,), f32, D, T>>,
        kl: Tensor<(usize, usize), f32, D>,
    ) -> Result<Tensor<(usize,), f32, D, T>, D::Err> {
        let (rows, all) = *recon.shape();
        let device = recon.device().clone();
        let log_weights = recon.try_add(kl)?.try_negate()?;
        let own = (0..rows * all).map(|place| f32::from(u8::from(place / all % all == place % all))).collect();
        let own = device.try_tensor_from_vec(own, (rows, all))?;
        let (log_weights, tape) = dfdx::tensor::SplitTape::split_tape(log_weights);
        let shares = |shares: Shares| -> Result<Tensor<(usize,), f32, D>, D::Err> {
            let grouped = (rows, shares.groups, all / shares.groups);
            let found = log_weights.clone().try_reshape_like(&grouped)?.try_softmax::<Axis<2>>()?;
            let found = if shares.is_squared { found.try_square()? } else { found };
            let found: Tensor<(usize, usize), f32, D> = found.try_reshape_like(&(rows, all))?;
            let found = found.try_mul(((1.0 - shares.elbo_share) / shares.groups as f64) as f32)?;
            let found = found.try_add((shares.elbo_share / all as f64) as f32)?;
            found.try_mul(own.clone())?.try_sum::<_, Axis<1>>()
        };
        let share = shares(self.shares)?;
        let share = match self.over {
            Some(over) => share.try_div(shares(over)?.try_clamp(LEAST, 1.0)?)?,
            None => share.try_clamp(LEAST, f32::MAX)?,
        };
        Ok(dfdx::tensor::PutTape::put_tape(share.try_mul(self.scale)?, tape))
    }

    fn kernel(&self) -> Option<RowKernel> {
        let of = |Shares { groups, elbo_share, is_squared }: Shares| {
            [groups as f32, elbo_share as f32, f32::from(u8::from(is_squared))]
        };
        let ([groups, equal, squared], over) = (of(self.shares), self.over.map(of));
        let [of_groups, of_equal, of_squared] = over.unwrap_or([1.0, 0.0, 0.0]);
        let has_over = f32::from(u8::from(over.is_some()));
        let numbers = [groups, equal, squared, has_over, of_groups, of_equal, of_squared, self.scale, LEAST];
        Some(RowKernel::Whole { forward: "weigh", backward: None, numbers, is_of_block: false })
    }
}
