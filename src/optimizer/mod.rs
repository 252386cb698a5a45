//! Optimizers: update rules of the weights. Each rule has a file here and a line in [`OPTIMIZERS`]. A backend has the gradients
//! and the arrays of the rule ([`Learner`]).

mod adagrad;
mod adam;
mod adamw;
mod host;
mod learner;
mod on_card;
mod portable;
mod rmsprop;
mod sgd;

pub(crate) use adam::KIND as ADAM;
pub use host::HostLearner;
pub use learner::{Learn, Learner, Scaling};
pub use on_card::CardLearner;
pub use portable::PortableLearner;

use crate::settings::{Choices, Key};
use crate::tensor::backend::DeviceError;
use host::CHUNK;
use rayon::prelude::*;
use std::fmt::Debug;
use std::sync::Arc;

/// The update rules that a spec can choose.
pub static OPTIMIZERS: Choices<Arc<dyn Rule>> =
    Choices(&[&sgd::KIND, &rmsprop::KIND, &adam::KIND, &adamw::KIND, &adagrad::KIND]);

/// `train.epsilon`, which several rules have.
const EPSILON: Key = Key::new(
    "epsilon",
    "A small number that is added to the root of the mean or sum of squared gradients, as in PyTorch.",
)
.also("eps adam_eps")
.example("1e-6");

/// `train.initial_mean_square`, which several rules have.
const INITIAL_MEAN_SQUARE: Key = Key::new(
    "initial_mean_square",
    "The running mean of the squared gradient before the first step; some published runs start it at 1.",
)
.also("initial_second_moment")
.example("1.0");

/// An update rule, without state.
pub trait Rule: Debug + Send + Sync {
    /// Its name in a spec.
    fn name(&self) -> &'static str;

    /// The names of the arrays that it keeps between steps; at most two. Each has the length of all parameters.
    fn moments(&self) -> &'static [&'static str];

    /// The values of these arrays at the start of training.
    fn initial(&self) -> [f32; 2] {
        [0.0; 2]
    }

    /// The suitable learning rates.
    fn rates(&self) -> Rates;

    /// Factors that depend on the number of steps, including the current one.
    fn corrections(&self, _steps: u64) -> [f32; 2] {
        [1.0; 2]
    }

    /// Updates weights from their gradient and their parts of the arrays. Each weight is updated independently.
    fn update(&self, step: UpdateStep, weights: &mut [f32], gradient: &[f32], moments: [&mut [f32]; 2]);

    /// The same on a device: the change of the weights, and the new arrays.
    ///
    /// # Errors
    /// The device failed.
    fn portable(
        &self,
        step: UpdateStep,
        arrays: &mut dyn Arrays,
        gradient: Register,
        moments: [Register; 2],
    ) -> Result<Change, DeviceError>;
}

/// An array on a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Register(usize);

/// What a rule changes: weights become `factor` times themselves minus `direction`. Arrays that the rule does not have stay as
/// they were given.
#[derive(Clone, Copy, Debug)]
pub struct Change {
    /// The factor of the weights.
    pub factor: f32,
    /// What is subtracted from them.
    pub direction: Register,
    /// The new arrays.
    pub moments: [Register; 2],
}

/// Arithmetic with arrays on a device, element by element. Each result is a new array.
pub trait Arrays {
    /// a + b
    ///
    /// # Errors
    /// The device failed. The same holds for all operations.
    fn add(&mut self, a: Register, b: Register) -> Result<Register, DeviceError>;
    /// a b
    fn multiply(&mut self, a: Register, b: Register) -> Result<Register, DeviceError>;
    /// a / b
    fn divide(&mut self, a: Register, b: Register) -> Result<Register, DeviceError>;
    /// The square root.
    fn root(&mut self, a: Register) -> Result<Register, DeviceError>;
    /// a times a number
    fn scale(&mut self, a: Register, factor: f32) -> Result<Register, DeviceError>;
    /// a plus a number
    fn add_number(&mut self, a: Register, number: f32) -> Result<Register, DeviceError>;

    /// `decay` a + `share` b
    fn mix(&mut self, decay: f32, a: Register, share: f32, b: Register) -> Result<Register, DeviceError> {
        let (a, b) = (self.scale(a, decay)?, self.scale(b, share)?);
        self.add(a, b)
    }

    /// `rate` a / (sqrt(squares) + epsilon)
    fn step(&mut self, rate: f32, a: Register, squares: Register, epsilon: f32) -> Result<Register, DeviceError> {
        let root = self.root(squares)?;
        let below = self.add_number(root, epsilon)?;
        let ratio = self.divide(a, below)?;
        self.scale(ratio, rate)
    }
}

/// The suitable learning rates of a rule.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    /// Above this rate, training probably diverges.
    pub large: f64,
    /// The usual rates, as text.
    pub usual: &'static str,
    /// Whether a step changes each weight by about the learning rate, independent of the size of the gradient.
    pub is_adaptive: bool,
}

/// The values that all parameters share in one step.
#[derive(Clone, Copy, Debug)]
pub struct UpdateStep {
    /// The learning rate.
    pub rate: f32,
    /// The result of [`Rule::corrections`].
    pub corrections: [f32; 2],
}

/// An update rule with its state.
#[derive(Clone, Debug)]
pub struct Optimizer {
    rule: Arc<dyn Rule>,
    /// The arrays by name; each has the length of all parameters.
    moments: Vec<(&'static str, Vec<f32>)>,
    steps: u64,
    /// Steps before this training.
    before: u64,
}

impl Optimizer {
    /// The optimizer at the start of training, for this number of parameters.
    pub fn new(rule: Arc<dyn Rule>, length: usize) -> Optimizer {
        let moments =
            rule.moments().iter().zip(rule.initial()).map(|(name, value)| (*name, vec![value; length])).collect();
        Optimizer { rule, moments, steps: 0, before: 0 }
    }

    /// The number of steps.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Counts steps before this training.
    pub fn count_before(&mut self, steps: u64) {
        self.before = steps;
    }

    /// The state, by name.
    pub fn moments(&self) -> impl Iterator<Item = (&'static str, &[f32])> {
        self.moments.iter().map(|(name, values)| (*name, values.as_slice()))
    }

    /// Restores a saved state. Returns whether `find` returned every array with the right length.
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

    /// Starts a step with this learning rate. [`Optimizer::apply`] must follow for each parameter.
    pub fn begin(&mut self, rate: f64) -> UpdateStep {
        self.steps += 1;
        UpdateStep { rate: rate as f32, corrections: self.rule.corrections(self.before + self.steps) }
    }

    /// Updates the weights that start at `offset` of all parameters, from their gradient. The threads of the current pool share
    /// the work; each weight is updated independently.
    pub fn apply(&mut self, step: UpdateStep, offset: usize, weights: &mut [f32], gradient: &[f32]) {
        let range = offset..offset + weights.len();
        let mut moments = self.moments.iter_mut().map(|(_, values)| &mut values[range.clone()]);
        let empty: &mut [f32] = &mut [];
        let (first, second) = (moments.next().unwrap_or(empty), moments.next().unwrap_or(&mut []));
        let rule = &self.rule;
        if weights.len() <= CHUNK {
            return rule.update(step, weights, gradient, [first, second]);
        }
        // For an array that the rule does not have, use empty chunks.
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
