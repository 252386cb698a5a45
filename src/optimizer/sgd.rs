//! Stochastic gradient descent, with or without momentum.

use super::{Arrays, Change, Rates, Register, Rule, UpdateStep};
use crate::settings::{Interval, Key, Keys, Kind};
use crate::tensor::backend::DeviceError;
use crate::tensor::kernels::vectorized;
use std::sync::Arc;

pub(super) static KIND: Kind<Arc<dyn Rule>> =
    Kind::new("sgd", "Stochastic gradient descent, with `momentum`.", read).also("momentum nesterov");

const MOMENTUM: Key =
    Key::new("momentum", "The fraction of the last update that is added to the next update.").example("0.9");

#[derive(Debug)]
struct Sgd {
    momentum: f32,
}

fn read(keys: &mut Keys<'_>) -> Arc<dyn Rule> {
    Arc::new(Sgd { momentum: keys.number(MOMENTUM, Interval::SHARE, 0.0) as f32 })
}

impl Rule for Sgd {
    fn name(&self) -> &'static str {
        KIND.word.name
    }

    fn moments(&self) -> &'static [&'static str] {
        if self.momentum == 0.0 { &[] } else { &["velocity"] }
    }

    fn rates(&self) -> Rates {
        Rates { large: 10.0, usual: "1e-3 to 1e-1", is_adaptive: false }
    }

    fn update(&self, step: UpdateStep, weights: &mut [f32], gradient: &[f32], moments: [&mut [f32]; 2]) {
        vectorized(
            #[inline(always)]
            || {
                let (rate, momentum, [velocity, _]) = (step.rate, self.momentum, moments);
                let pairs = weights.iter_mut().zip(gradient);
                if momentum == 0.0 {
                    pairs.for_each(|(weight, gradient)| *weight -= rate * gradient);
                } else {
                    for ((weight, gradient), velocity) in pairs.zip(velocity) {
                        *velocity = momentum * *velocity + gradient;
                        *weight -= rate * *velocity;
                    }
                }
            },
        );
    }

    fn portable(
        &self,
        step: UpdateStep,
        arrays: &mut dyn Arrays,
        gradient: Register,
        [velocity, none]: [Register; 2],
    ) -> Result<Change, DeviceError> {
        if self.momentum == 0.0 {
            let direction = arrays.scale(gradient, step.rate)?;
            return Ok(Change { factor: 1.0, direction, moments: [velocity, none] });
        }
        let velocity = arrays.mix(self.momentum, velocity, 1.0, gradient)?;
        let direction = arrays.scale(velocity, step.rate)?;
        Ok(Change { factor: 1.0, direction, moments: [velocity, none] })
    }
}
