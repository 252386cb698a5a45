//! The FactorVAE (Kim and Mnih 2018, equation 2 and algorithm 2): the total correlation of the code, by a discriminator.
//!
//! The loss is recon + kl_weight KL + gamma TC, where TC is the mean difference of the discriminator's two outputs. The
//! discriminator learns to tell codes from codes whose axes were permuted over the batch; the encoder gets no gradient from that.

use super::beta_tc::TC_NATS;
use super::kl::{Kl, needs_distribution, one_axis};
use super::discriminator::{self, Judged, OwnDiscriminator};
use super::{
    At, BatchCodes, Choose, CodeParts, Coupled, Draws, Loss, MeanTerms, Objective, OwnCost, Scheduled, Term, Weights, weighted,
};
use crate::optimizer::Learn;
use crate::random::shuffled;
use crate::settings::{Choices, Interval, Key, Keys, Kind, Problem, Word};
use crate::tensor::backend::{Array, Codes, Combine, DeviceError};
use crate::tensor::dims::{Batch, Latent};

/// Its settings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Factor {
    kl: Kl,
    gamma: f64,
    /// The learning rate of the discriminator.
    rate: f64,
    permuted: Permuted,
}

/// Whose codes are permuted.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Permuted {
    Same,
    Second,
}

const GAMMA: Key = Key::new("gamma", "The weight of the total correlation.").also("tc_gamma factor_gamma").example("10.0");
const DISCRIMINATOR_LEARNING_RATE: Key =
    Key::new("discriminator_learning_rate", "The learning rate of the discriminator, by Adam with beta1 = 0.5, beta2 = 0.9.")
        .also("lr_d d_lr discriminator_lr lr_disc")
        .example("1e-5");
const PERMUTE: Key = Key::new("permute", "The batch whose codes are permuted for the discriminator.")
    .also("permute_batch permute_dims")
    .example("\"second\"");

static SAME: Kind<Permuted> = Kind::new("same", "The batch itself.", |_| Permuted::Same);
static SECOND: Kind<Permuted> = Kind::new(
    "second",
    "A second batch of as many training images, drawn without replacement in each epoch, as in algorithm 2 of the paper; it is \
     encoded in addition.",
    |_| Permuted::Second,
);
static PERMUTED: Choices<Permuted> = Choices(&[&SAME, &SECOND]);

static DISCRIMINATOR_ACCURACY: Term = Term {
    name: "discriminator_accuracy",
    title: "accuracy of the discriminator",
    unit: "",
    doc: "The share of codes and permuted codes that the discriminator tells correctly, from 0 to 1; the total correlation is only \
          estimated well if it is clearly above 0.5 for dependent axes.",
};
static DISCRIMINATOR_NATS: Term = Term {
    name: "discriminator_nats",
    title: "loss of the discriminator (nats)",
    unit: "nats",
    doc: "The cross entropy of the discriminator, mean over codes and permuted codes, nats.",
};

impl Choose for Factor {
    const WORD: Word = Word {
        name: "factor",
        doc: "Reconstruction, KL, and the total correlation of the code by a discriminator (FactorVAE, Kim and Mnih 2018).",
        also: "factor_vae factorvae",
    };

    const TERMS: &'static [&'static Term] = &[&TC_NATS, &DISCRIMINATOR_ACCURACY, &DISCRIMINATOR_NATS];

    const DEPENDS_ON_SIZES: bool = true;

    fn read(keys: &mut Keys<'_>) -> Factor {
        needs_distribution(keys, Self::WORD.name);
        Factor {
            kl: Kl::read(keys),
            gamma: keys.number(GAMMA, Interval::NOT_NEGATIVE, 35.0),
            rate: keys.number(DISCRIMINATOR_LEARNING_RATE, Interval::POSITIVE, 1e-4),
            permuted: keys.choice(PERMUTE, &PERMUTED, &SAME),
        }
    }
}

impl Loss for Factor {
    fn weights(&self, at: At) -> Weights {
        Weights { scale: 1.0, beta: self.kl.at(at.epochs()) }
    }

    fn loss(&self, terms: MeanTerms<'_>, at: At) -> f64 {
        terms.recon_nats + weighted(self.kl.at(at.epochs()), terms.kl_nats) + weighted(self.gamma, terms.own(0))
    }

    fn terms(&self) -> &'static [&'static Term] {
        Self::TERMS
    }

    fn scheduled(&self, at: At) -> Scheduled {
        Scheduled::of_kl(self.kl.at(at.epochs()))
    }

    fn warnings(&self, end: At) -> Vec<Problem> {
        self.kl.warnings(end.epochs()).into_iter().chain(one_axis(end)).collect()
    }
}

impl Objective for Factor {
    type Own<B: Learn + Combine> = OwnDiscriminator<B>;

    fn own<B: Learn + Combine>(
        &self,
        device: &B::Device,
        latent: usize,
        seed: u64,
    ) -> Result<OwnDiscriminator<B>, DeviceError> {
        OwnDiscriminator::new(device, latent, seed, self.rate)
    }

    fn own_cost(&self, latent: usize) -> OwnCost {
        discriminator::cost(latent)
    }

    fn couples(&self) -> bool {
        true
    }

    fn needs_second_batch(&self) -> bool {
        self.permuted == Permuted::Second
    }

    fn couple<B: Learn + Combine>(
        &self,
        _: &B::Device,
        own: &OwnDiscriminator<B>,
        codes: BatchCodes<'_, B>,
        _: At,
        draws: Draws,
    ) -> Result<Option<Coupled<B>>, DeviceError> {
        let independent = permuted(own, codes.other(), draws)?;
        let Judged { gradient: z, terms } = own.judge(&codes.own.z, &independent, self.gamma)?;
        Ok(Some(Coupled { gradients: CodeParts { mean: None, log_variance: None, z: Some(z) }, prior: None, terms, kl_weight: None }))
    }

    fn train_own<B: Learn + Combine>(
        &self,
        own: &mut OwnDiscriminator<B>,
        pool: &rayon::ThreadPool,
        codes: BatchCodes<'_, B>,
        draws: Draws,
    ) -> Result<(), DeviceError> {
        let independent = permuted(own, codes.other(), draws)?;
        own.learn(pool, &codes.own.z, &independent)
    }
}

/// Codes whose axes are permuted over the batch, each by a permutation of its own.
fn permuted<B: Learn + Combine>(
    own: &OwnDiscriminator<B>,
    codes: &Codes<Batch, Latent, B>,
    draws: Draws,
) -> Result<Array<(Batch, Latent), B>, DeviceError> {
    let (Batch(batch), Latent(latent)) = codes.z.shape();
    let from = codes.z.to_vec();
    let mut to = vec![0.0; from.len()];
    for axis in 0..latent {
        let order = shuffled(draws.stream(axis as u64), batch as u32);
        for (row, other) in order.into_iter().enumerate() {
            to[row * latent + axis] = from[other as usize * latent + axis];
        }
    }
    own.array(to, codes.z.shape())
}
