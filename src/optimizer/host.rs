//! Training on the host: gradients and arrays in host memory, shared among threads.

use super::{Learner, Optimizer, Rule, Scaling};
use crate::model::parameters::Module;
use crate::tensor::backend::{Backend, DeviceError, Host, Part, put_sum, whole_rows};
use crate::tensor::kernels::sum_of_squares;
use rayon::prelude::*;
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

/// The number of values per task in a parallel loop over the parameters.
pub(super) const CHUNK: usize = 1 << 14;

/// The state of the training of a module on the host.
pub struct HostLearner {
    ranges: Vec<Range<usize>>,
    optimizer: Optimizer,
    gradient: Vec<f32>,
    /// The Euclidean norm of the gradient.
    norm: f64,
}

fn scale(gradient: &mut [f32], factor: f64) {
    let factor = factor as f32;
    gradient.iter_mut().for_each(|value| *value *= factor);
}

impl Learner<Host> for HostLearner {
    type Norm = f64;

    fn new(_: &<Host as Backend>::Device, ranges: Vec<Range<usize>>, rule: Arc<dyn Rule>) -> Result<Self, DeviceError> {
        let length = ranges.last().map_or(0, |last| last.end);
        Ok(HostLearner { ranges, optimizer: Optimizer::new(rule, length), gradient: vec![0.0; length], norm: 0.0 })
    }

    fn gather(&mut self, pool: &rayon::ThreadPool, lanes: Vec<Vec<Part>>) -> Result<(), DeviceError> {
        let mut rest = self.gradient.as_mut_slice();
        let mut tasks = Vec::new();
        for (parameter, range) in self.ranges.iter().enumerate() {
            let (gradient, after) = rest.split_at_mut(range.len());
            rest = after;
            let parts: Arc<[&Part]> = lanes.iter().filter_map(|lane| lane.get(parameter)).collect();
            let chunk = whole_rows(&parts, CHUNK);
            let chunks = gradient.chunks_mut(chunk).enumerate();
            tasks.extend(chunks.map(|(index, gradient)| (parts.clone(), index * chunk, gradient)));
        }
        let work = |(parts, first, gradient): (Arc<[&Part]>, usize, &mut [f32])| -> f64 {
            put_sum(&parts, first, gradient);
            sum_of_squares(gradient)
        };
        let squares: Vec<f64> = pool.install(|| tasks.into_par_iter().map(work).collect());
        self.norm = squares.iter().sum::<f64>().sqrt();
        Ok(())
    }

    fn norm(&self) -> Result<f64, DeviceError> {
        Ok(self.norm)
    }

    fn norms(norms: Vec<f64>) -> Result<Vec<f64>, DeviceError> {
        Ok(norms)
    }

    fn update(
        &mut self,
        pool: &rayon::ThreadPool,
        module: &mut dyn Module<Host>,
        rate: f64,
        scaling: Scaling,
    ) -> Result<(), DeviceError> {
        match scaling {
            Scaling::ClipTo(limit) if self.norm > limit => scale(&mut self.gradient, limit / self.norm),
            Scaling::ClipTo(_) | Scaling::None => {}
            Scaling::EachToOne => {
                for range in self.ranges.clone() {
                    let Some(gradient) = self.gradient.get_mut(range) else { continue };
                    let norm = sum_of_squares(gradient).sqrt();
                    if norm > 0.0 {
                        scale(gradient, 1.0 / norm);
                    }
                }
            }
        }
        let update = self.optimizer.begin(rate);
        let (optimizer, gradient, mut offset) = (&mut self.optimizer, &self.gradient, 0);
        module.visit("", &mut |visit| {
            let weights = visit.parameter.weights();
            let part = &gradient[offset..offset + weights.len()];
            pool.install(|| optimizer.apply(update, offset, weights, part));
            offset += part.len();
        });
        Ok(())
    }

    fn steps(&self) -> u64 {
        self.optimizer.steps()
    }

    fn count_before(&mut self, updates: u64) {
        self.optimizer.count_before(updates);
    }

    fn moments(&self) -> Vec<(&'static str, Cow<'_, [f32]>)> {
        self.optimizer.moments().map(|(name, values)| (name, values.into())).collect()
    }

    fn sizes(&self) -> (Vec<&'static str>, usize) {
        (self.optimizer.moments().map(|(name, _)| name).collect(), self.gradient.len())
    }

    fn restore(&mut self, steps: u64, find: &mut dyn FnMut(&str) -> Option<Vec<f32>>) -> bool {
        self.optimizer.restore(steps, find)
    }
}
