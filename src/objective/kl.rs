//! The weighted KL term that several objectives have, and the schedule of its weight.

use super::At;
use crate::model::GAUSSIAN_POSTERIOR;
use crate::model::prior::STANDARD_PRIOR;
use crate::settings::{Choices, Interval, Key, Keys, Kind, Problem};
use crate::text::{grouped, short};

/// The KL term.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Kl {
    /// Its largest weight.
    pub(super) weight: f64,
    schedule: Schedule,
}

/// How the weight changes during training.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Schedule {
    Constant,
    /// The number of epochs over which the weight rises linearly, and whether it changes with each step or only with each epoch.
    Linear(f64, Rise),
    /// The number of epochs of a cycle.
    Cyclical(f64),
}

/// When a weight that rises changes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Rise {
    Step,
    Epoch,
}

/// The share of a cycle in which the weight rises.
const RISE_SHARE: f64 = 0.5;

pub(super) const KL_WEIGHT: Key = Key::new(
    "kl_weight",
    "The weight of the KL term; for `beta` in the unit of `reduction`.",
)
.also("beta beta_vae kl_beta beta_kl kl_coef kl_coeff kl_coefficient kl_scale kl_lambda lambda_kl kld_weight weight_kl")
.example("0.5");
const KL_SCHEDULE: Key = Key::new("kl_schedule", "How the KL weight changes during training.")
    .also("annealing_schedule anneal_function kl_annealing_schedule beta_schedule")
    .example("\"cyclical\"");
const KL_WARMUP_EPOCHS: Key = Key::new(
    "kl_warmup_epochs",
    "The number of epochs over which the KL weight rises linearly.",
)
.also("warmup annealing anneal kl_warmup beta_warmup anneal_epochs annealing_epochs kl_anneal kl_annealing kl_anneal_epochs beta_annealing")
.example("5");
const KL_CYCLE_EPOCHS: Key =
    Key::new("kl_cycle_epochs", "The number of epochs of a cycle of the KL weight.").also("cycle_length").example("10");

const KL_WARMUP_BY: Key = Key::new("kl_warmup_by", "When the KL weight changes in its warm-up.")
    .also("warmup_unit kl_warmup_unit")
    .example("\"epoch\"");

static BY_STEP: Kind<Rise> = Kind::new("step", "In each step: it is 0 in the first one.", |_| Rise::Step).also("steps");
static BY_EPOCH: Kind<Rise> = Kind::new(
    "epoch",
    "In each epoch: in epoch n of a warm-up of m epochs it is n / m of `kl_weight`, as the VampPrior's authors do.",
    |_| Rise::Epoch,
)
.also("epochs");
static RISES: Choices<Rise> = Choices(&[&BY_STEP, &BY_EPOCH]);

static CONSTANT: Kind<Schedule> = Kind::new("constant", "Always `kl_weight`.", |_| Schedule::Constant).also("none off");
static LINEAR: Kind<Schedule> = Kind::new(
    "linear",
    "Rises linearly from 0 over `kl_warmup_epochs`, then `kl_weight`; without `kl_warmup_epochs`, always `kl_weight`.",
    |keys| {
        let epochs = keys.number(KL_WARMUP_EPOCHS, Interval::NOT_NEGATIVE, 0.0);
        let rise = keys.choice(KL_WARMUP_BY, &RISES, &BY_STEP);
        keys.require(
            epochs > 0.0 || rise == Rise::Step,
            &["objective.kl_warmup_by", "objective.kl_warmup_epochs"],
            || "`objective.kl_warmup_by` is set, but `objective.kl_warmup_epochs` is 0".to_owned(),
            "set `kl_warmup_epochs` to the length of the warm-up",
        );
        Schedule::Linear(epochs, rise)
    },
)
.also("warmup monotonic");
static CYCLICAL: Kind<Schedule> = Kind::new(
    "cyclical",
    "In each cycle, rises linearly from 0 over its first half, then `kl_weight` (Fu et al. 2019).",
    |keys| Schedule::Cyclical(keys.number(KL_CYCLE_EPOCHS, Interval::POSITIVE, 10.0)),
)
.also("cyclic cycle");
static SCHEDULES: Choices<Schedule> = Choices(&[&LINEAR, &CONSTANT, &CYCLICAL]);

impl Kl {
    /// Reads its keys.
    pub(super) fn read(keys: &mut Keys<'_>) -> Kl {
        let weight = keys.number(KL_WEIGHT, Interval::NOT_NEGATIVE, 1.0);
        warn_of_untrained_prior(keys, "objective.kl_weight", weight);
        Kl { weight, schedule: keys.choice(KL_SCHEDULE, &SCHEDULES, &LINEAR) }
    }

    /// The weight after this number of epochs.
    pub(super) fn at(&self, epochs: f64) -> f64 {
        match self.schedule {
            Schedule::Linear(warmup, Rise::Step) if epochs < warmup => self.weight * epochs / warmup,
            Schedule::Linear(warmup, Rise::Epoch) => self.weight * ((epochs.floor() + 1.0) / warmup).min(1.0),
            // After infinitely many epochs, the remainder is NaN, and the smaller of it and 1 is 1.
            Schedule::Cyclical(cycle) => self.weight * (epochs % cycle / cycle / RISE_SHARE).min(1.0),
            Schedule::Linear(_, Rise::Step) | Schedule::Constant => self.weight,
        }
    }

    /// Probable mistakes, for a training of this number of epochs.
    pub(super) fn warnings(&self, epochs: f64) -> Vec<Problem> {
        let in_words = grouped(epochs.round() as u64);
        match self.schedule {
            Schedule::Linear(warmup, _) if warmup > 0.0 && warmup >= epochs => {
                let warmup = short(warmup);
                let message =
                    format!("`objective.kl_warmup_epochs` ({warmup}) is not less than `train.epochs` ({in_words})");
                let help = "the KL weight reaches `objective.kl_weight` at the end, or never";
                vec![Problem::new(&["objective.kl_warmup_epochs"], message, help)]
            }
            Schedule::Cyclical(cycle) if 2.0 * cycle > epochs => {
                let cycle = short(cycle);
                let message =
                    format!("`objective.kl_cycle_epochs` is {cycle}, so {in_words} epochs have fewer than two cycles");
                let help = "set `kl_cycle_epochs` to a fraction of the epochs, or `kl_schedule = \"linear\"`";
                vec![Problem::new(&["objective.kl_cycle_epochs", "objective.kl_schedule"], message, help)]
            }
            Schedule::Constant | Schedule::Linear(..) | Schedule::Cyclical(_) => Vec::new(),
        }
    }
}

/// A warning if an objective with a total correlation has only one latent axis.
pub(super) fn one_axis(at: At) -> Option<Problem> {
    let message = "`model.latent_dim` is 1: the total correlation of a single axis is 0".to_owned();
    let help = "set `model.latent_dim` to 2 or more, or `objective.kind = \"beta\"`";
    (at.latent == 1).then(|| Problem::new(&["model.latent_dim", "objective.kind"], message, help))
}

/// Adds an error if an objective with a KL is used with a plain autoencoder. `name` is the objective's.
pub(super) fn needs_distribution(keys: &mut Keys<'_>, name: &str) {
    keys.require(
        keys.is_word("model.posterior", GAUSSIAN_POSTERIOR.word.name),
        &["objective.kind", "model.posterior"],
        || format!("`objective.kind = \"{name}\"` needs a distribution of codes, but `model.posterior` is \"none\""),
        "set `model.posterior = \"gaussian\"`, or `objective.kind = \"beta\"`",
    );
}

/// Whether the prior is learned, so that its KL has no closed form.
pub(super) fn is_prior_learned(keys: &Keys<'_>) -> bool {
    !keys.is_word("model.prior", STANDARD_PRIOR.name)
}

/// Adds an error if the prior is learned although `what`, as these keys set it, needs the standard one: `because` says why, `help` what
/// to do.
pub(super) fn needs_standard_prior(keys: &mut Keys<'_>, names: &[&'static str], what: &str, because: &str, help: &str) {
    let is_standard = !is_prior_learned(keys);
    keys.require(is_standard, names, || format!("{what} needs the standard normal prior: {because}"), help);
}

/// Adds a warning if the prior is learned, but the term that trains it has the weight 0. `name` is the key of the weight.
pub(super) fn warn_of_untrained_prior(keys: &mut Keys<'_>, name: &'static str, weight: f64) {
    let is_trained = !is_prior_learned(keys) || weight > 0.0;
    let message = || format!("`{name}` is 0, so nothing trains the learned prior");
    keys.warn(is_trained, &[name, "model.prior"], message, "set a weight above 0, or remove `model.prior`");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_follow_their_schedules() {
        let at = |schedule, epochs| Kl { weight: 2.0, schedule }.at(epochs);
        assert_eq!(
            [0.0, 1.0, 4.0, 9.0].map(|epochs| at(Schedule::Linear(4.0, Rise::Step), epochs)),
            [0.0, 0.5, 2.0, 2.0]
        );
        // VampPrior: epoch / warm-up from epoch 1, constant within an epoch.
        let by_epoch = [0.0, 0.9, 1.0, 3.5, 9.0].map(|epochs| at(Schedule::Linear(4.0, Rise::Epoch), epochs));
        assert_eq!(by_epoch, [0.5, 0.5, 1.0, 2.0, 2.0]);
        assert_eq!(at(Schedule::Linear(0.0, Rise::Step), 0.0), 2.0);
        assert_eq!(at(Schedule::Linear(0.0, Rise::Epoch), 0.0), 2.0);
        assert_eq!(at(Schedule::Constant, 0.0), 2.0);
        // Fu et al. 2019: tau = (t mod cycle) / cycle, and the weight min(1, tau / 0.5).
        let cyclical = [0.0, 2.5, 5.0, 9.0, 10.0, 12.5].map(|epochs| at(Schedule::Cyclical(10.0), epochs));
        assert_eq!(cyclical, [0.0, 1.0, 2.0, 2.0, 0.0, 1.0]);
        let all = [
            Schedule::Linear(4.0, Rise::Step),
            Schedule::Linear(4.0, Rise::Epoch),
            Schedule::Linear(0.0, Rise::Epoch),
            Schedule::Constant,
            Schedule::Cyclical(7.0),
        ];
        assert!(all.into_iter().all(|schedule| at(schedule, f64::INFINITY) == 2.0));
    }
}
