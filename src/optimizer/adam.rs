//! Adam (Kingma and Ba 2015), and AdamW's update with weight decay.

use super::{Arrays, Change, EPSILON, INITIAL_MEAN_SQUARE, Rates, Register, Rule, UpdateStep};
use crate::settings::{Interval, Key, Keys, Kind};
use crate::tensor::backend::DeviceError;
use crate::tensor::kernels::vectorized;
use std::sync::Arc;

pub(crate) static KIND: Kind<Arc<dyn Rule>> =
    Kind::new("adam", "Adam (Kingma and Ba 2015), with `beta1`, `beta2` and `epsilon`.", read);

fn read(keys: &mut Keys<'_>) -> Arc<dyn Rule> {
    Arc::new(Adam::read(keys, KIND.word.name))
}

const BETA1: Key = Key::new("beta1", "The decay rate of the running mean of the gradient.").example("0.8");
const BETA2: Key = Key::new("beta2", "The decay rate of the running mean of the squared gradient.").example("0.99");

/// Adam with decoupled weight decay.
#[derive(Debug)]
pub(super) struct Adam {
    name: &'static str,
    beta1: f64,
    beta2: f64,
    epsilon: f32,
    initial_mean_square: f32,
    pub(super) weight_decay: f32,
}

impl Adam {
    /// Reads all settings except the weight decay.
    pub(super) fn read(keys: &mut Keys<'_>, name: &'static str) -> Adam {
        Adam {
            name,
            beta1: keys.number(BETA1, Interval::SHARE, 0.9),
            beta2: keys.number(BETA2, Interval::SHARE, 0.999),
            epsilon: keys.number(EPSILON, Interval::POSITIVE, 1e-8) as f32,
            initial_mean_square: keys.number(INITIAL_MEAN_SQUARE, Interval::NOT_NEGATIVE, 0.0) as f32,
            weight_decay: 0.0,
        }
    }
}

impl Rule for Adam {
    fn name(&self) -> &'static str {
        self.name
    }

    fn moments(&self) -> &'static [&'static str] {
        &["mean", "mean_square"]
    }

    fn initial(&self) -> [f32; 2] {
        [0.0, self.initial_mean_square]
    }

    fn rates(&self) -> Rates {
        Rates { large: 0.1, usual: "1e-4 to 1e-2", is_adaptive: true }
    }

    /// 1 - beta1^t and the root of 1 - beta2^t.
    fn corrections(&self, steps: u64) -> [f32; 2] {
        let power = |beta: f64| 1.0 - beta.powf(steps as f64);
        [power(self.beta1) as f32, power(self.beta2).sqrt() as f32]
    }

    fn update(&self, step: UpdateStep, weights: &mut [f32], gradient: &[f32], moments: [&mut [f32]; 2]) {
        vectorized(
            #[inline(always)]
            || {
                let (beta1, beta2, epsilon, weight_decay) =
                    (self.beta1 as f32, self.beta2 as f32, self.epsilon, self.weight_decay);
                let UpdateStep { rate, corrections: [mean_correction, root_correction] } = step;
                let (step, decay) = (rate / mean_correction, 1.0 - rate * weight_decay);
                let root_correction = 1.0 / root_correction;
                let [means, squares] = moments;
                for (((weight, gradient), mean), square) in weights.iter_mut().zip(gradient).zip(means).zip(squares) {
                    *mean = beta1 * *mean + (1.0 - beta1) * gradient;
                    *square = beta2 * *square + (1.0 - beta2) * gradient * gradient;
                    *weight = *weight * decay - step * *mean / (square.sqrt() * root_correction + epsilon);
                }
            },
        );
    }

    fn portable(
        &self,
        step: UpdateStep,
        arrays: &mut dyn Arrays,
        gradient: Register,
        [mean, square]: [Register; 2],
    ) -> Result<Change, DeviceError> {
        let (beta1, beta2) = (self.beta1 as f32, self.beta2 as f32);
        let UpdateStep { rate, corrections: [mean_correction, root_correction] } = step;
        let mean = arrays.mix(beta1, mean, 1.0 - beta1, gradient)?;
        let squared = arrays.multiply(gradient, gradient)?;
        let square = arrays.mix(beta2, square, 1.0 - beta2, squared)?;
        let corrected = arrays.scale(square, 1.0 / (root_correction * root_correction))?;
        let direction = arrays.step(rate / mean_correction, mean, corrected, self.epsilon)?;
        Ok(Change { factor: 1.0 - rate * self.weight_decay, direction, moments: [mean, square] })
    }
}
