//! Adagrad (Duchi et al. 2011).

use super::{Arrays, Change, EPSILON, Rates, Register, Rule, UpdateStep};
use crate::settings::{Interval, Keys, Kind};
use crate::tensor::backend::DeviceError;
use crate::tensor::kernels::vectorized;
use std::sync::Arc;

pub(super) static KIND: Kind<Arc<dyn Rule>> =
    Kind::new("adagrad", "Adagrad (Duchi et al. 2011), with `epsilon`.", read);

#[derive(Debug)]
struct Adagrad {
    epsilon: f32,
}

fn read(keys: &mut Keys<'_>) -> Arc<dyn Rule> {
    Arc::new(Adagrad { epsilon: keys.number(EPSILON, Interval::POSITIVE, 1e-10) as f32 })
}

impl Rule for Adagrad {
    fn name(&self) -> &'static str {
        KIND.word.name
    }

    fn moments(&self) -> &'static [&'static str] {
        &["sum_square"]
    }

    fn rates(&self) -> Rates {
        Rates { large: 1.0, usual: "1e-3 to 1e-1", is_adaptive: true }
    }

    fn update(&self, step: UpdateStep, weights: &mut [f32], gradient: &[f32], moments: [&mut [f32]; 2]) {
        vectorized(
            #[inline(always)]
            || {
                let (rate, epsilon, [squares, _]) = (step.rate, self.epsilon, moments);
                for ((weight, gradient), square) in weights.iter_mut().zip(gradient).zip(squares) {
                    *square += gradient * gradient;
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
        let square = arrays.add(square, squared)?;
        let direction = arrays.step(step.rate, gradient, square, self.epsilon)?;
        Ok(Change { factor: 1.0, direction, moments: [square, none] })
    }
}
