//! What a backend keeps to train a module: the sum of the gradients, and the arrays of the optimizer.

use super::Rule;
use crate::model::parameters::Module;
use crate::tensor::backend::{Backend, DeviceError, Host, OnCard, Portable, PortableDevice};
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

/// A backend that can train modules.
pub trait Learn: Backend {
    /// The state of the training of a module.
    type Learner: Learner<Self>;
}

impl Learn for Host {
    type Learner = super::host::HostLearner;
}

impl Learn for OnCard {
    type Learner = super::on_card::CardLearner;
}

impl<D: PortableDevice> Learn for Portable<D> {
    type Learner = super::portable::PortableLearner<D>;
}

/// How a gradient is scaled before the weights are changed by it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scaling {
    /// Not at all.
    None,
    /// If its norm is larger, to this norm.
    ClipTo(f64),
    /// The gradient of each tensor to the norm 1; a gradient of 0 stays.
    EachToOne,
}

/// The state of the training of a module: the sum of its gradients, and the arrays of the optimizer.
pub trait Learner<B: Backend>: Sized {
    /// The norm of a gradient, possibly still on the device.
    type Norm;

    /// The state at the start of training, for parameters at these ranges of one array.
    ///
    /// # Errors
    /// The device is out of memory. The same holds for all methods.
    fn new(device: &B::Device, ranges: Vec<Range<usize>>, rule: Arc<dyn Rule>) -> Result<Self, DeviceError>;

    /// Sums the contributions of several lanes to the gradient, in their order. Each lane has one part for each parameter.
    fn gather(&mut self, pool: &rayon::ThreadPool, lanes: Vec<Vec<B::Part>>) -> Result<(), DeviceError>;

    /// The Euclidean norm of the gradient.
    fn norm(&self) -> Result<Self::Norm, DeviceError>;

    /// Copies norms to the host.
    fn norms(norms: Vec<Self::Norm>) -> Result<Vec<f64>, DeviceError>;

    /// Changes the parameters of the module by the gradient, after it was scaled.
    fn update(
        &mut self,
        pool: &rayon::ThreadPool,
        module: &mut dyn Module<B>,
        rate: f64,
        scaling: Scaling,
    ) -> Result<(), DeviceError>;

    /// The number of updates.
    fn steps(&self) -> u64;

    /// Counts updates before this training, whose arrays it continues: rules correct for the number of all updates.
    fn count_before(&mut self, updates: u64);

    /// The arrays of the optimizer by name, each with the length of all parameters.
    fn moments(&self) -> Vec<(&'static str, Cow<'_, [f32]>)>;

    /// The names and the length of the arrays of the optimizer.
    fn sizes(&self) -> (Vec<&'static str>, usize);

    /// Restores a saved state. Returns whether `find` returned every array with the right length.
    fn restore(&mut self, steps: u64, find: &mut dyn FnMut(&str) -> Option<Vec<f32>>) -> bool;
}
