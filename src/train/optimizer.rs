//! Update rules of the weights, in one pass over one long array, with state that can be saved.

use super::CHUNK;
use crate::language::{self as spec, Optimizer as Kind};
use crate::tensor::kernels::vectorized;
use rayon::prelude::*;

/// An update rule with its state.
#[derive(Clone, Debug)]
pub struct Optimizer {
    rule: Rule,
    /// Arrays as long as the parameters, by name.
    moments: Vec<(&'static str, Vec<f32>)>,
    steps: u64,
}

#[derive(Clone, Copy, Debug)]
enum Rule {
    Sgd { momentum: f32 },
    Rmsprop { rho: f32, epsilon: f32 },
    Adam { beta1: f64, beta2: f64, epsilon: f32, weight_decay: f32 },
    Adagrad { epsilon: f32 },
}

/// What is the same for all parameters in one step.
#[derive(Clone, Copy, Debug)]
pub struct Update {
    rate: f32,
    /// Adam: 1 - beta1^t and the root of 1 - beta2^t.
    corrections: (f32, f32),
}

impl Optimizer {
    /// The rule of a resolved `[train]` table, for that many parameters.
    pub fn new(train: &spec::Train, length: usize) -> Optimizer {
        let or = |value: Option<f64>, default: f64| value.unwrap_or(default);
        let rule = match train.optimizer {
            Kind::Sgd => Rule::Sgd { momentum: or(train.momentum, 0.0) as f32 },
            Kind::Rmsprop => Rule::Rmsprop { rho: or(train.rho, 0.9) as f32, epsilon: or(train.epsilon, 1e-7) as f32 },
            Kind::Adam | Kind::Adamw => Rule::Adam {
                beta1: or(train.beta1, 0.9),
                beta2: or(train.beta2, 0.999),
                epsilon: or(train.epsilon, 1e-8) as f32,
                weight_decay: if train.optimizer == Kind::Adamw { or(train.weight_decay, 0.01) as f32 } else { 0.0 },
            },
            Kind::Adagrad => Rule::Adagrad { epsilon: or(train.epsilon, 1e-10) as f32 },
        };
        let names: &[&'static str] = match rule {
            Rule::Sgd { momentum: 0.0 } => &[],
            Rule::Sgd { .. } => &["velocity"],
            Rule::Rmsprop { .. } => &["mean_square"],
            Rule::Adam { .. } => &["mean", "mean_square"],
            Rule::Adagrad { .. } => &["sum_square"],
        };
        let moments = names.iter().map(|name| (*name, vec![0.0; length])).collect();
        Optimizer { rule, moments, steps: 0 }
    }

    /// Steps taken.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The state, by name.
    pub fn moments(&self) -> impl Iterator<Item = (&'static str, &[f32])> {
        self.moments.iter().map(|(name, values)| (*name, values.as_slice()))
    }

    /// Puts a saved state back; whether `find` had every array, at its length.
    pub fn restore(&mut self, steps: u64, mut find: impl FnMut(&str) -> Option<Vec<f32>>) -> bool {
        self.steps = steps;
        self.moments.iter_mut().all(|(name, values)| match find(name) {
            Some(saved) if saved.len() == values.len() => {
                *values = saved;
                true
            }
            _ => false,
        })
    }

    /// Begins a step with that learning rate; [`Optimizer::apply`] follows for each parameter.
    pub fn begin(&mut self, rate: f64) -> Update {
        self.steps += 1;
        let corrections = match self.rule {
            Rule::Adam { beta1, beta2, .. } => {
                let power = |beta: f64| 1.0 - beta.powf(self.steps as f64);
                (power(beta1) as f32, power(beta2).sqrt() as f32)
            }
            Rule::Sgd { .. } | Rule::Rmsprop { .. } | Rule::Adagrad { .. } => (1.0, 1.0),
        };
        Update { rate: rate as f32, corrections }
    }

    /// Updates the parameters that begin at `offset` of the long array, by their gradient. Threads of the pool that this
    /// is called in share the work; each number is updated by itself.
    pub fn apply(&mut self, update: Update, offset: usize, weights: &mut [f32], gradient: &[f32]) {
        let range = offset..offset + weights.len();
        let mut moments = self.moments.iter_mut().map(|(_, values)| &mut values[range.clone()]);
        let empty: &mut [f32] = &mut [];
        let (first, second) = (moments.next().unwrap_or(empty), moments.next().unwrap_or(&mut []));
        let rule = self.rule;
        if weights.len() <= CHUNK {
            return rule.apply(update, weights, gradient, first, second);
        }
        // A rule without a moment has no chunks of it.
        let chunks = weights.len().div_ceil(CHUNK);
        let split = |values| -> Vec<&mut [f32]> {
            let mut parts: Vec<_> = <[f32]>::chunks_mut(values, CHUNK).collect();
            parts.resize_with(chunks, || &mut []);
            parts
        };
        let tasks = weights.par_chunks_mut(CHUNK).zip(gradient.par_chunks(CHUNK));
        let tasks = tasks.zip(split(first)).zip(split(second));
        tasks.for_each(|(((weights, gradient), first), second)| rule.apply(update, weights, gradient, first, second));
    }
}

impl Rule {
    fn apply(self, update: Update, weights: &mut [f32], gradient: &[f32], first: &mut [f32], second: &mut [f32]) {
        vectorized(
            #[inline(always)]
            || self.apply_inline(update, weights, gradient, first, second),
        );
    }

    #[inline(always)]
    fn apply_inline(
        self,
        update: Update,
        weights: &mut [f32],
        gradient: &[f32],
        first: &mut [f32],
        second: &mut [f32],
    ) {
        let rate = update.rate;
        let pairs = weights.iter_mut().zip(gradient);
        match self {
            Rule::Sgd { momentum: 0.0 } => pairs.for_each(|(weight, gradient)| *weight -= rate * gradient),
            Rule::Sgd { momentum } => {
                for ((weight, gradient), velocity) in pairs.zip(first) {
                    *velocity = momentum * *velocity + gradient;
                    *weight -= rate * *velocity;
                }
            }
            Rule::Rmsprop { rho, epsilon } => {
                for ((weight, gradient), square) in pairs.zip(first) {
                    *square = rho * *square + (1.0 - rho) * gradient * gradient;
                    *weight -= rate * gradient / (square.sqrt() + epsilon);
                }
            }
            Rule::Adam { beta1, beta2, epsilon, weight_decay } => {
                let (beta1, beta2) = (beta1 as f32, beta2 as f32);
                let (mean_correction, root_correction) = update.corrections;
                let (step, decay) = (rate / mean_correction, 1.0 - rate * weight_decay);
                let root_correction = 1.0 / root_correction;
                for (((weight, gradient), mean), square) in pairs.zip(first).zip(second) {
                    *mean = beta1 * *mean + (1.0 - beta1) * gradient;
                    *square = beta2 * *square + (1.0 - beta2) * gradient * gradient;
                    *weight = *weight * decay - step * *mean / (square.sqrt() * root_correction + epsilon);
                }
            }
            Rule::Adagrad { epsilon } => {
                for ((weight, gradient), square) in pairs.zip(first) {
                    *square += gradient * gradient;
                    *weight -= rate * gradient / (square.sqrt() + epsilon);
                }
            }
        }
    }
}
