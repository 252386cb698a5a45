//! Parameters that an objective has in addition to those of the model, with their own optimizer.

use crate::model::parameters::{GradientMap, Module};
use crate::optimizer::{Learn, Learner, Rule, Scaling};
use crate::tensor::backend::{DeviceError, Grads};
use std::sync::Arc;

/// The own parameters of an objective, in groups that are trained together.
pub trait OwnParameters<B: Learn> {
    /// Calls `visit` for each group, always in the same order.
    fn each(&mut self, visit: &mut dyn FnMut(&mut dyn Module<B>, &mut B::Learner));
}

/// What the own parameters of an objective cost, in addition to the model; all 0 without.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OwnCost {
    /// The number of trained values.
    pub parameters: u128,
    /// The number of arrays of their optimizer, each as large as the parameters.
    pub moments: usize,
    /// The number of multiplications of a training step for each image.
    pub in_training: u128,
    /// The number of multiplications of validation for each image.
    pub in_validation: u128,
    /// The number of values that a training step keeps for each image of the batch.
    pub activations: u128,
}

/// No parameters.
impl<B: Learn> OwnParameters<B> for () {
    fn each(&mut self, _: &mut dyn FnMut(&mut dyn Module<B>, &mut B::Learner)) {}
}

/// A module with its optimizer. It changes once in each step.
pub struct Owned<B: Learn, M: Module<B>> {
    /// The module.
    pub module: M,
    map: GradientMap<B>,
    learner: B::Learner,
    rate: f64,
}

impl<B: Learn, M: Module<B>> Owned<B, M> {
    /// A module that is trained by this rule with a constant learning rate.
    ///
    /// # Errors
    /// The device is out of memory.
    pub fn new(device: &B::Device, mut module: M, rule: Arc<dyn Rule>, rate: f64) -> Result<Self, DeviceError> {
        let map = GradientMap::new(&mut module);
        let learner = B::Learner::new(device, map.ranges().collect(), rule)?;
        Ok(Owned { module, map, learner, rate })
    }

    /// Changes the module by its gradients.
    ///
    /// # Errors
    /// The device failed.
    pub fn update(&mut self, pool: &rayon::ThreadPool, mut gradients: Grads<B>) -> Result<(), DeviceError> {
        let mut parts = Vec::new();
        self.map.read(&mut gradients, &mut parts)?;
        self.learner.gather(pool, vec![parts])?;
        self.learner.update(pool, &mut self.module, self.rate, Scaling::None)
    }
}

impl<B: Learn, M: Module<B>> OwnParameters<B> for Owned<B, M> {
    fn each(&mut self, visit: &mut dyn FnMut(&mut dyn Module<B>, &mut B::Learner)) {
        visit(&mut self.module, &mut self.learner);
    }
}
