//! The state of training, which a checkpoint saves and from which training can resume.

use super::{Execute, Position, Tally, Trainer};
use crate::model::parameters::Module;
use crate::objective::{Objective, OwnParameters};
use crate::optimizer::{Learn, Learner};
use crate::tensor::backend::{Backend, DeviceError};
use std::borrow::Cow;
use std::sync::Arc;

/// The state of training. On the host it shares the arrays of the trainer, so it needs no memory until the next step; on a device
/// it is a copy.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot<'a> {
    /// The weights, in the order of the model.
    pub weights: Vec<Weight>,
    /// The parameters of the objective; their names begin with [`OWN`].
    pub own: Vec<Weight>,
    /// The arrays of the optimizers, by name; those of the objective begin with [`OWN`]. Each has the length of all parameters of
    /// its optimizer together.
    pub moments: Vec<(Cow<'a, str>, Cow<'a, [f32]>)>,
    /// The position of training.
    pub position: Position,
    /// Updates of the optimizer before this training.
    pub steps_before: u64,
}

/// A parameter in a snapshot.
#[derive(Clone, Debug, PartialEq)]
pub struct Weight {
    /// Its dotted name in the model: `encoder.conv.0.weight`.
    pub name: String,
    /// Its sizes.
    pub sizes: Vec<usize>,
    /// Its values, row-major.
    pub values: Arc<Vec<f32>>,
}

/// Why training cannot resume from a snapshot.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// A parameter is missing or has the wrong size.
    #[error("has no array `{0}` with the size of the model")]
    Weight(String),
    /// An array of the optimizer is missing or has the wrong size.
    #[error("does not contain the state of the optimizer")]
    Optimizer,
    /// The sums of the unfinished epoch do not fit the model.
    #[error("does not contain the position of training")]
    Position,
}

/// The start of the names of parameters and arrays of the objective.
pub const OWN: &str = "objective";

impl Snapshot<'_> {
    /// Whether it has all arrays of an optimizer.
    fn has_moments<B: Learn>(&self, learner: &B::Learner, group: Option<usize>) -> bool {
        let (names, length) = learner.sizes();
        let has = |name: &str| self.moments.iter().any(|(saved, found)| saved == name && found.len() == length);
        names.into_iter().all(|name| has(&name_in(group, name)))
    }
}

/// The first parameter of a module that is missing or has another length.
fn missing<B: Backend>(module: &mut dyn Module<B>, path: &str, weights: &[Weight]) -> Option<String> {
    let mut missing = None;
    module.visit(path, &mut |visit| {
        if missing.is_none() && find(weights, &visit.name, visit.parameter.length()).is_none() {
            missing = Some(visit.name);
        }
    });
    missing
}

/// Sets the parameters of a module that have a weight of their name and length.
pub(super) fn set<B: Backend>(module: &mut dyn Module<B>, path: &str, weights: &[Weight]) {
    module.visit(path, &mut |visit| {
        if let Some(saved) = find(weights, &visit.name, visit.parameter.length()) {
            visit.parameter.set(saved.to_vec());
        }
    });
}

/// The values of a parameter, if it has this length.
fn find<'w>(weights: &'w [Weight], name: &str, length: usize) -> Option<&'w [f32]> {
    let weight = weights.iter().find(|weight| weight.name == name)?;
    Some(&**weight.values).filter(|values| values.len() == length)
}

/// The name of an array of an optimizer: of the model, or of a group of parameters of the objective.
fn name_in(group: Option<usize>, name: &str) -> String {
    group.map_or_else(|| name.to_owned(), |group| format!("{}.{name}", path_of(group)))
}

/// The names of the parameters of a group of the objective begin with this.
fn path_of(group: usize) -> String {
    format!("{OWN}.{group}")
}

/// Calls `visit` for each group of parameters of an objective, with its number.
fn each_group<B: Learn>(
    own: &mut impl OwnParameters<B>,
    mut visit: impl FnMut(usize, &mut dyn Module<B>, &mut B::Learner),
) {
    let mut group = 0;
    own.each(&mut |module, learner| {
        visit(group, module, learner);
        group += 1;
    });
}

fn weights_of<B: Backend>(module: &mut dyn Module<B>, path: &str) -> Vec<Weight> {
    let mut weights = Vec::new();
    module.visit(path, &mut |visit| {
        let (sizes, values) = (visit.parameter.sizes(), visit.parameter.values());
        weights.push(Weight { name: visit.name, sizes, values });
    });
    weights
}

impl<B: Execute, J: Objective> Trainer<B, J> {
    /// The current state of training.
    ///
    /// # Errors
    /// The device failed.
    pub fn snapshot(&mut self) -> Result<Snapshot<'_>, DeviceError> {
        let position = self.position();
        let weights = weights_of(&mut self.worker.model, "");
        let (mut own, mut moments) = (Vec::new(), Vec::new());
        each_group(&mut self.own, |group, module, learner| {
            own.extend(weights_of(module, &path_of(group)));
            let arrays = learner.moments().into_iter();
            moments.extend(arrays.map(|(name, array)| (name_in(Some(group), name).into(), array.into_owned().into())));
        });
        moments.extend(self.learner.moments().into_iter().map(|(name, values)| (name.into(), values)));
        B::check(&self.worker.device)?;
        Ok(Snapshot { weights, own, moments, position, steps_before: self.steps_before })
    }

    /// The weights of the model, which it shares until the next step.
    ///
    /// # Errors
    /// The device failed.
    pub fn weights(&mut self) -> Result<Vec<Weight>, DeviceError> {
        let weights = weights_of(&mut self.worker.model, "");
        self.checked(weights)
    }

    /// Sets the weights of the model; those that it does not have, or that have another size, are ignored.
    pub fn set_weights(&mut self, weights: &[Weight]) {
        set(&mut self.worker.model, "", weights);
    }

    /// Restores the state of training from a snapshot of the same trial. After an error, the trainer is unchanged.
    ///
    /// # Errors
    /// The snapshot is from a different model, objective or optimizer.
    pub fn restore(&mut self, mut snapshot: Snapshot<'_>) -> Result<(), SnapshotError> {
        let mut lacking = missing(&mut self.worker.model, "", &snapshot.weights);
        let mut has_moments = snapshot.has_moments::<B>(&self.learner, None);
        each_group(&mut self.own, |group, module, learner| {
            lacking = lacking.take().or_else(|| missing(module, &path_of(group), &snapshot.own));
            has_moments = has_moments && snapshot.has_moments::<B>(learner, Some(group));
        });
        if let Some(name) = lacking {
            return Err(SnapshotError::Weight(name));
        }
        let Snapshot { position: Position { epoch, steps, tally }, .. } = &snapshot;
        let (epoch, steps) = (*epoch, *steps);
        let unfinished = Tally::from_numbers(self.worker.latent(), tally);
        if unfinished.is_some() == tally.is_empty() {
            return Err(SnapshotError::Position);
        }
        if !has_moments {
            return Err(SnapshotError::Optimizer);
        }
        let mut moments = std::mem::take(&mut snapshot.moments);
        let mut take = |group: Option<usize>, name: &str| {
            let name = name_in(group, name);
            let index = moments.iter().position(|(saved, _)| *saved == name)?;
            Some(moments.swap_remove(index).1.into_owned())
        };
        set(&mut self.worker.model, "", &snapshot.weights);
        let mut is_restored = self.learner.restore(steps, &mut |name| take(None, name));
        each_group(&mut self.own, |group, module, learner| {
            set(module, &path_of(group), &snapshot.own);
            // The parameters of the objective change once in each step, as the weights do.
            is_restored = learner.restore(steps, &mut |name| take(Some(group), name)) && is_restored;
        });
        if !is_restored {
            return Err(SnapshotError::Optimizer);
        }
        (self.epoch, self.tally) = (epoch, unfinished);
        Ok(())
    }
}
