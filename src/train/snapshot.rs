//! The state of training, which a checkpoint saves and from which training can resume.

use super::{Execute, Position, Tally, Trainer};
use crate::model::parameters::Module;
use crate::optimizer::Learner;
use std::borrow::Cow;
use std::sync::Arc;

/// The state of training. It shares the arrays of the trainer, so it needs no memory until the next step.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot<'a> {
    /// The weights, in the order of the model.
    pub weights: Vec<Weight>,
    /// The arrays of the optimizer, by name. Each has the length of all parameters together.
    pub moments: Vec<(Cow<'a, str>, Cow<'a, [f32]>)>,
    /// The position of training.
    pub position: Position,
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

impl Snapshot<'_> {
    /// The values of a parameter, if it has this length.
    fn weight(&self, name: &str, length: usize) -> Option<&[f32]> {
        let weight = self.weights.iter().find(|weight| weight.name == name)?;
        Some(&**weight.values).filter(|values| values.len() == length)
    }
}

impl<B: Execute> Trainer<B> {
    /// The current state of training.
    pub fn snapshot(&mut self) -> Snapshot<'_> {
        let (mut weights, position) = (Vec::new(), self.position());
        self.worker.model.visit("", &mut |visit| {
            let (sizes, values) = (visit.parameter.sizes(), visit.parameter.values());
            weights.push(Weight { name: visit.name, sizes, values });
        });
        let moments = self.learner.moments().into_iter().map(|(name, values)| (name.into(), values)).collect();
        Snapshot { weights, moments, position }
    }

    /// Restores the state of training from a snapshot of the same trial. After an error, the trainer is unchanged.
    ///
    /// # Errors
    /// The snapshot is from a different model or optimizer.
    pub fn restore(&mut self, snapshot: Snapshot<'_>) -> Result<(), SnapshotError> {
        let mut missing = None;
        self.worker.model.visit("", &mut |visit| {
            if snapshot.weight(&visit.name, visit.parameter.length()).is_none() {
                missing = Some(visit.name);
            }
        });
        if let Some(name) = missing {
            return Err(SnapshotError::Weight(name));
        }
        let Snapshot { position: Position { epoch, steps, tally }, .. } = &snapshot;
        let (epoch, steps) = (*epoch, *steps);
        let unfinished = Tally::from_numbers(self.worker.latent(), tally);
        if unfinished.is_some() == tally.is_empty() {
            return Err(SnapshotError::Position);
        }
        let (names, length) = self.learner.sizes();
        let has = |name: &&str| snapshot.moments.iter().any(|(saved, found)| saved == name && found.len() == length);
        if !names.iter().all(has) {
            return Err(SnapshotError::Optimizer);
        }
        self.worker.model.visit("", &mut |visit| {
            if let Some(saved) = snapshot.weight(&visit.name, visit.parameter.length()) {
                visit.parameter.set(saved.to_vec());
            }
        });
        let mut moments = snapshot.moments;
        let mut take = |name: &str| {
            let index = moments.iter().position(|(saved, _)| saved == name)?;
            Some(moments.swap_remove(index).1.into_owned())
        };
        if !self.learner.restore(steps, &mut take) {
            return Err(SnapshotError::Optimizer);
        }
        (self.epoch, self.tally) = (epoch, unfinished);
        Ok(())
    }
}
