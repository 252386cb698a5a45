//! The KL is held at a capacity that rises during training (Burgess et al. 2018, equation 8).
//!
//! The loss is recon + gamma |KL - C|, where KL is the mean over the batch. Taking the absolute value of each image instead is
//! another objective, which penalizes differences between images.

use super::coupling::Coupling;
use super::kl::{needs_distribution, warn_of_untrained_prior};
use super::{At, Choose, Draws, Loss, MeanTerms, Scheduled, Weights, weighted};
use crate::settings::{Interval, Key, Keys, Problem, Type, Word};
use crate::tensor::backend::{CodeGradients, CodeInputs, CodeOperation, kl_of_axes};
use crate::tensor::kernels::{kl, kl_backward};
use crate::text::{counted, grouped, short};
use dfdx::shapes::{Axis, HasShape};
use dfdx::tensor::{Tape, Tensor};
use dfdx::tensor_ops::{Device, ReshapeTo, SumTo, TryMul, TrySub};

/// Its settings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Capacity {
    gamma: f64,
    /// The capacity at the end, nats.
    capacity: f64,
    /// The number of steps over which the capacity rises from 0.
    steps: u64,
}

const GAMMA: Key = Key::new("gamma", "The weight of the distance of the KL from the capacity.")
    .also("capacity_weight capacity_gamma")
    .example("100.0");
const CAPACITY: Key = Key::new("capacity", "The KL that the objective aims at, in nats per image, after `capacity_steps`.")
    .also("c_max max_capacity capacity_max c_stop c_fin target_kl")
    .example("10.0");
const CAPACITY_STEPS: Key =
    Key::new("capacity_steps", "The number of steps over which the capacity rises linearly from 0; 0 for a constant.")
        .also("c_iterations iteration_threshold c_stop_iter anneal_steps steps_anneal reg_anneal capacity_max_iter")
        .example("10_000");

/// The KL in nats that one axis rarely exceeds.
const NATS_PER_AXIS: f64 = 8.0;

impl Choose for Capacity {
    const WORD: Word = Word {
        name: "capacity",
        doc: "Reconstruction, and the distance of the batch's mean KL from a capacity that rises (Burgess et al. 2018); needs a \
              distribution as posterior.",
        also: "annealed_vae controlled_capacity burgess beta_vae_b betab c_vae",
    };

    fn read(keys: &mut Keys<'_>) -> Capacity {
        needs_distribution(keys, Self::WORD.name);
        let gamma = keys.number(GAMMA, Interval::NOT_NEGATIVE, 1000.0);
        warn_of_untrained_prior(keys, "objective.gamma", gamma);
        Capacity {
            gamma,
            capacity: keys.number(CAPACITY, Interval::NOT_NEGATIVE, 25.0),
            steps: keys.whole(CAPACITY_STEPS, 0, Type::MOST, 100_000),
        }
    }
}

impl Capacity {
    /// The capacity at a point of training, nats.
    fn nats(&self, at: At) -> f64 {
        if at.step < self.steps { self.capacity * at.step as f64 / self.steps as f64 } else { self.capacity }
    }
}

impl Loss for Capacity {
    fn weights(&self, _: At) -> Weights {
        Weights { scale: 1.0, beta: 0.0 }
    }

    fn loss(&self, terms: MeanTerms<'_>, at: At) -> f64 {
        terms.recon_nats + weighted(self.gamma, (terms.kl_nats - self.nats(at)).abs())
    }

    fn scheduled(&self, at: At) -> Scheduled {
        Scheduled { capacity_nats: Some(self.nats(at)), ..Scheduled::default() }
    }

    fn warnings(&self, end: At) -> Vec<Problem> {
        let mut warnings = Vec::new();
        if self.capacity > NATS_PER_AXIS * end.latent as f64 {
            let (capacity, latent) = (short(self.capacity), end.latent);
            let message = format!("`objective.capacity` is {capacity} nats, much for `model.latent_dim` = {latent}");
            let help = "one axis rarely carries more than 8 nats: the KL may never reach the capacity";
            warnings.push(Problem::new(&["objective.capacity", "model.latent_dim"], message, help));
        }
        if self.steps > end.step {
            let message = format!(
                "`objective.capacity_steps` is {}, more than the {} of the training: the capacity ends at {} of {} nats",
                grouped(self.steps),
                counted(end.step, "step"),
                short(self.nats(end)),
                short(self.capacity)
            );
            let help = "set `capacity_steps` below the number of steps, or train for more epochs";
            warnings.push(Problem::new(&["objective.capacity_steps", "train.epochs"], message, help));
        }
        warnings
    }
}

impl Coupling for Capacity {
    type Operation = Distance;

    fn is_coupled(&self) -> bool {
        self.gamma != 0.0
    }

    fn operation(&self, _: usize, at: At, _: Draws) -> Option<Distance> {
        Some(Distance { gamma: self.gamma, capacity: self.nats(at) })
    }

    fn of_mean_kl(&self, kl_nats: f64, at: At) -> Option<[f64; 2]> {
        let distance = kl_nats - self.nats(at);
        Some([distance.abs(), self.gamma * sign(distance)])
    }
}

/// The derivative of the absolute value; at 0 it is between both signs, 0.
fn sign(value: f64) -> f64 {
    if value == 0.0 { 0.0 } else { value.signum() }
}

/// |KL - C|, with the mean KL of a batch, and its weight.
pub(super) struct Distance {
    gamma: f64,
    capacity: f64,
}

impl CodeOperation for Distance {
    const HAS_SAMPLES: bool = false;

    fn weights(&self) -> Vec<f32> {
        vec![self.gamma as f32]
    }

    fn gradients(&self, codes: CodeInputs<'_>, gradients: CodeGradients<'_>) -> Vec<f64> {
        let images = codes.mean.len() / codes.latent.max(1);
        let mut nats = vec![0.0; images];
        kl(codes.latent, codes.mean, codes.log_variance, &mut nats);
        let mean = nats.iter().map(|nats| f64::from(*nats)).sum::<f64>() / images as f64;
        let weights = vec![(self.gamma * sign(mean - self.capacity) / images as f64) as f32; images];
        let CodeGradients { mean: dmean, log_variance: dlog_variance, .. } = gradients;
        kl_backward(codes.latent, codes.mean, codes.log_variance, &weights, dmean, dlog_variance);
        vec![(mean - self.capacity).abs()]
    }

    fn portable<D: Device<f32>, T: Tape<f32, D>>(
        &self,
        mean: Tensor<(usize, usize), f32, D, T>,
        log_variance: Option<Tensor<(usize, usize), f32, D, T>>,
        _: Tensor<(usize, usize), f32, D, T>,
        _: Option<Tensor<(usize,), f32, D, T>>,
    ) -> Result<Tensor<(usize,), f32, D, T>, D::Err> {
        let images = mean.shape().0;
        // The objective needs a distribution.
        let Some(log_variance) = log_variance else { return mean.try_square()?.try_sum::<(usize,), Axis<1>>() };
        let nats = kl_of_axes(mean, log_variance)?;
        let mean: Tensor<(), f32, D, T> = nats.try_mul(1.0 / images as f32)?.try_sum()?;
        mean.try_sub(self.capacity as f32)?.try_abs()?.try_reshape_like(&(1,))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capacity_that_cannot_be_reached_gives_a_warning() {
        let end = At { step: 36, steps_per_epoch: 12, images: 60, values: 784, latent: 2 };
        let messages = |capacity: f64, steps: u64| {
            let warnings = Capacity { gamma: 1.0, capacity, steps }.warnings(end);
            warnings.into_iter().map(|warning| warning.message).collect::<Vec<_>>()
        };
        assert_eq!(messages(10.0, 36), Vec::<String>::new());
        let large = "`objective.capacity` is 16.5 nats, much for `model.latent_dim` = 2";
        assert_eq!(messages(16.5, 0), [large]);
        let long = "`objective.capacity_steps` is 72, more than the 36 steps of the training: the capacity ends at 5 of 10 nats";
        assert_eq!(messages(10.0, 72), [long]);
    }
}
