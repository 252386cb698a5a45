//! RMSprop (Tieleman and Hinton 2012).

use super::{Arrays, Change, EPSILON, INITIAL_MEAN_SQUARE, Rates, Register, Rule, UpdateStep};
use crate::settings::{Interval, Key, Keys, Kind};
use crate::tensor::backend::DeviceError;
use crate::tensor::kernels::vectorized;
use std::sync::Arc;

pub(super) static KIND: Kind<Arc<dyn Rule>> = Kind::new(
    "rmsprop",
    "RMSprop (Tieleman and Hinton 2012): weight -= rate * gradient / (sqrt(mean_square) + `epsilon`), with `rho`.",
    read,
);

const RHO: Key = Key::new("rho", "The decay rate of the running mean of the squared gradient.").example("0.99");

#[derive(Debug)]
struct Rmsprop {
    rho: f32,
    epsilon: f32,
    initial_mean_square: f32,
}

fn read(keys: &mut Keys<'_>) -> Arc<dyn Rule> {
    let rho = keys.number(RHO, Interval::SHARE, 0.9) as f32;
    let epsilon = keys.number(EPSILON, Interval::POSITIVE, 1e-7) as f32;
    let initial_mean_square = keys.number(INITIAL_MEAN_SQUARE, Interval::NOT_NEGATIVE, 0.0) as f32;
    Arc::new(Rmsprop { rho, epsilon, initial_mean_square })
}

impl Rule for Rmsprop {
    fn name(&self) -> &'static str {
        KIND.word.name
    }

    fn moments(&self) -> &'static [&'static str] {
        &["mean_square"]
    }

    fn initial(&self) -> [f32; 2] {
        [self.initial_mean_square, 0.0]
    }

    fn rates(&self) -> Rates {
        Rates { large: 0.1, usual: "1e-4 to 1e-2", is_adaptive: true }
    }

    fn update(&self, step: UpdateStep, weights: &mut [f32], gradient: &[f32], moments: [&mut [f32]; 2]) {
        vectorized(
            #[inline(always)]
            || {
                let (rate, rho, epsilon, [squares, _]) = (step.rate, self.rho, self.epsilon, moments);
                for ((weight, gradient), square) in weights.iter_mut().zip(gradient).zip(squares) {
                    *square = rho * *square + (1.0 - rho) * gradient * gradient;
                    *weight -= rate * gradient / (square.sqrt() + epsilon);
                }
            },
        );
    }

    fn portable(
        &self,
        step: UpdateStep,
        arrays: &mut dyn Arrays,
        gradient: Register,
        [square, none]: [Register; 2],
    ) -> Result<Change, DeviceError> {
        let squared = arrays.multiply(gradient, gradient)?;
        let square = arrays.mix(self.rho, square, 1.0 - self.rho, squared)?;
        let direction = arrays.step(step.rate, gradient, square, self.epsilon)?;
        Ok(Change { factor: 1.0, direction, moments: [square, none] })
    }
}
