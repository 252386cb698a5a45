//! Update rules of the weights, in one pass over one long array, with state that can be saved: a file for each rule, and a
//! line for it in [`OPTIMIZERS`].

mod adagrad;
mod adam;
mod adamw;
mod rmsprop;
mod sgd;

pub(super) use adam::KIND as ADAM;

use super::CHUNK;
use crate::settings::{Choices, Key};
use rayon::prelude::*;
use std::fmt::Debug;
use std::sync::Arc;

/// The update rules that a spec can choose.
pub static OPTIMIZERS: Choices<Arc<dyn Rule>> =
    Choices(&[&sgd::KIND, &rmsprop::KIND, &adam::KIND, &adamw::KIND, &adagrad::KIND]);

/// What several rules add to the root of a mean or sum of squares.
const EPSILON: Key = Key::new("epsilon", "Added to the root of the mean square of the gradient, as PyTorch does.")
    .also("eps adam_eps")
    .example("1e-6");

/// An update rule, without state.
pub trait Rule: Debug + Send + Sync {
    /// Its word in a spec.
    fn name(&self) -> &'static str;

    /// The names of the arrays, as long as the parameters, that it keeps from step to step; two at most.
    fn moments(&self) -> &'static [&'static str];

    /// The learning rates that suit it.
    fn rates(&self) -> Rates;

    /// What it needs of the number of steps taken, this one counted.
    fn corrections(&self, _steps: u64) -> [f32; 2] {
        [1.0; 2]
    }

    /// Updates some weights by their gradient and their parts of its arrays, each number by itself.
    fn update(&self, step: UpdateStep, weights: &mut [f32], gradient: &[f32], moments: [&mut [f32]; 2]);
}

/// Learning rates that suit a rule.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    /// Beyond it training most likely diverges.
    pub large: f64,
    /// Usual ones, in words.
    pub usual: &'static str,
    /// Whether a step moves each weight by about the rate, whatever the size of the gradient.
    pub is_adaptive: bool,
}

/// What is the same for all parameters in one step.
#[derive(Clone, Copy, Debug)]
pub struct UpdateStep {
    /// The learning rate.
    pub rate: f32,
    /// Of the rule: see [`Rule::corrections`].
    pub corrections: [f32; 2],
}

/// An update rule with its state.
#[derive(Clone, Debug)]
pub struct Optimizer {
    rule: Arc<dyn Rule>,
    /// Arrays as long as the parameters, by name.
    moments: Vec<(&'static str, Vec<f32>)>,
    steps: u64,
}

impl Optimizer {
    /// The rule at the start of training, for that many parameters.
    pub fn new(rule: Arc<dyn Rule>, length: usize) -> Optimizer {
        let moments = rule.moments().iter().map(|name| (*name, vec![0.0; length])).collect();
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
    pub fn begin(&mut self, rate: f64) -> UpdateStep {
        self.steps += 1;
        UpdateStep { rate: rate as f32, corrections: self.rule.corrections(self.steps) }
    }

    /// Updates the parameters that begin at `offset` of the long array, by their gradient. Threads of the pool that this
    /// is called in share the work; each number is updated by itself.
    pub fn apply(&mut self, step: UpdateStep, offset: usize, weights: &mut [f32], gradient: &[f32]) {
        let range = offset..offset + weights.len();
        let mut moments = self.moments.iter_mut().map(|(_, values)| &mut values[range.clone()]);
        let empty: &mut [f32] = &mut [];
        let (first, second) = (moments.next().unwrap_or(empty), moments.next().unwrap_or(&mut []));
        let rule = &self.rule;
        if weights.len() <= CHUNK {
            return rule.update(step, weights, gradient, [first, second]);
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
        tasks.for_each(|(((weights, gradient), first), second)| rule.update(step, weights, gradient, [first, second]));
    }
}
