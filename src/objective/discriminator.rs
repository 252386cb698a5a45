//! A discriminator of codes: a network that tells codes from codes with independent axes, with its optimizer.

use super::own::{OwnCost, OwnParameters, Owned};
use crate::model::layer::{Cost, DenseLayer, DenseOutputs, Layer, Named, Stack};
use crate::model::parameters::{Initial, Module};
use crate::optimizer::{ADAM, Learn, Rule};
use crate::random::{Purpose, Stream};
use crate::settings::Keys;
use crate::tensor::backend::{
    Activation, Array, Combine, DeviceError, Parameter, RowGradients, RowInputs, RowKernel, RowOperation, RowWeight,
    kernel_numbers,
};
use crate::tensor::dims::{Batch, Latent, Logits, Own, Terms};
use crate::tensor::kernels::exp;
use dfdx::shapes::{Axis, HasShape};
use dfdx::tensor::{NoneTape, OwnedTape, PutTape, SplitTape, Tape, Tensor};
use dfdx::tensor_ops::{Device, LogSumExpTo, SumTo, TryAdd, TryMul};
use std::sync::Arc;

/// The hidden layers, and the units of each.
const LAYERS: usize = 6;
const UNITS: usize = 1000;

/// The discriminator, its optimizer, and where its arrays are.
pub struct OwnDiscriminator<B: Learn> {
    owned: Owned<B, Stack<Latent, Logits, B>>,
    device: B::Device,
}

/// What the discriminator says about a batch.
pub(super) struct Judged<B: Combine> {
    /// The gradient of the weighted total correlation with respect to the codes.
    pub(super) gradient: Array<(Batch, Latent), B>,
    /// Total correlation, accuracy, cross entropy.
    pub(super) terms: Array<(Terms,), B>,
}

/// The layers for codes with this number of axes: six of 1000 units, and two logits.
fn layers(latent: usize) -> Vec<Named> {
    let hidden = |number: usize| {
        let inputs = if number == 0 { latent } else { UNITS };
        let layer = DenseLayer { inputs, outputs: DenseOutputs::Units(UNITS), activation: Activation::LeakyRelu02 };
        Named::new(format!("dense.{number}"), Layer::Dense(layer))
    };
    let output = Named::new(Named::OUTPUT, Layer::Dense(DenseLayer::linear(UNITS, 2)));
    (0..LAYERS).map(hidden).chain([output]).collect()
}

/// The rule that trains it: Adam with the numbers of the paper.
fn rule() -> Arc<dyn Rule> {
    let written = [("beta1", 0.5), ("beta2", 0.9)].map(|(key, value)| (key.to_owned(), toml::Value::Float(value)));
    Keys::read(&written.into(), |keys| (ADAM.read)(keys)).0
}

/// What a discriminator of codes with this number of axes costs.
pub(super) fn cost(latent: usize) -> OwnCost {
    let layers = layers(latent);
    let sum =
        |number: fn(Cost) -> u128| layers.iter().fold(0u128, |sum, one| sum.saturating_add(number(one.layer.cost())));
    let once = sum(|cost| cost.multiplications);
    OwnCost {
        parameters: sum(|cost| cost.parameters),
        moments: rule().moments().len(),
        // It judges codes, with the gradient with respect to them, and permuted codes; then it learns from both.
        in_training: once.saturating_mul(3 + 2 * 3),
        in_validation: once.saturating_mul(3),
        activations: sum(|cost| cost.outputs).saturating_mul(2),
    }
}

impl<B: Learn + Combine> OwnDiscriminator<B> {
    /// A discriminator of codes with this number of axes, with weights by Glorot and Bengio, trained by Adam.
    pub(super) fn new(device: &B::Device, latent: usize, seed: u64, rate: f64) -> Result<Self, DeviceError> {
        let module = Stack::new(device, &layers(latent), Latent(latent), false)?;
        let mut module = module.ok_or_else(|| DeviceError::new("the discriminator has other sizes"))?;
        let mut index = 0;
        module.visit("", &mut |visit| {
            let mut stream = Stream::new(seed, Purpose::ObjectiveWeights, 0, index);
            index += 1;
            if let Initial::Drawn(fans) = visit.initial {
                let limit = (6.0 / (fans.inputs + fans.outputs) as f32).sqrt();
                let draws = (0..visit.parameter.length()).map(|_| limit * (2.0 * stream.uniform() - 1.0));
                visit.parameter.set(draws.collect());
            }
        });
        Ok(OwnDiscriminator { owned: Owned::new(device, module, rule(), rate)?, device: device.clone() })
    }

    /// An array on its device.
    pub(super) fn array(
        &self,
        values: Vec<f32>,
        shape: (Batch, Latent),
    ) -> Result<Array<(Batch, Latent), B>, DeviceError> {
        Array::new(&self.device, values.into(), shape)
    }

    fn logits<T: Tape<f32, B::Recorder>>(
        &self,
        z: &Array<(Batch, Latent), B>,
        tape: T,
    ) -> Result<(Array<(Batch, Logits), B>, T), DeviceError> {
        Ok(self.owned.module.forward(z.clone().put_tape(tape))?.split_tape())
    }

    /// The mean of a number of each image.
    fn mean(&self, of: OfLogits, logits: &Array<(Batch, Logits), B>) -> Result<Array<(Batch, Latent), B>, DeviceError> {
        let share = RowWeight::Same(1.0 / logits.shape().0.0 as f32);
        let rows = rows(of, logits, NoneTape)?;
        B::total::<Batch, Latent, _>(vec![(rows, share)], Vec::new(), NoneTape)?.relabel((Batch(1), Latent(1)))
    }

    /// Judges codes, and codes with independent axes; `weight` is that of the total correlation.
    pub(super) fn judge(
        &self,
        z: &Array<(Batch, Latent), B>,
        independent: &Array<(Batch, Latent), B>,
        weight: f64,
    ) -> Result<Judged<B>, DeviceError> {
        let (joint, tape) = self.logits(z, OwnedTape::default())?;
        let (difference, tape) = rows(OfLogits::Difference, &joint, tape)?.split_tape();
        let each = RowWeight::Same((weight / z.shape().0.0 as f64) as f32);
        let total = B::total::<Batch, Latent, _>(vec![(difference, each)], Vec::new(), tape)?;
        let gradient = B::gradient_of(&mut B::backward(total)?, z)?;
        let (product, _) = self.logits(independent, NoneTape)?;
        let both = |of: fn(bool) -> OfLogits| -> Result<Array<(Batch, Latent), B>, DeviceError> {
            let two = B::stack_rows(&[self.mean(of(true), &joint)?, self.mean(of(false), &product)?])?;
            let half = RowWeight::Same(0.5);
            let two = two.relabel((Batch(2),))?;
            B::total::<Batch, Latent, _>(vec![(two, half)], Vec::new(), NoneTape)?.relabel((Batch(1), Latent(1)))
        };
        let terms = [
            self.mean(OfLogits::Difference, &joint)?,
            both(|is_joint| OfLogits::Correct { is_joint })?,
            both(|is_joint| OfLogits::CrossEntropy { is_joint })?,
        ];
        Ok(Judged { gradient, terms: B::stack_rows(&terms)?.relabel((Terms(3),))? })
    }

    /// Changes the discriminator by the cross entropy of codes and of codes with independent axes. Both are constants.
    pub(super) fn learn(
        &mut self,
        pool: &rayon::ThreadPool,
        z: &Array<(Batch, Latent), B>,
        independent: &Array<(Batch, Latent), B>,
    ) -> Result<(), DeviceError> {
        let mut tape = OwnedTape::default();
        let mut terms = Vec::new();
        for (codes, is_joint) in [(z, true), (independent, false)] {
            let (logits, after) = self.logits(codes, tape)?;
            let (nats, after) = rows(OfLogits::CrossEntropy { is_joint }, &logits, after)?.split_tape();
            tape = after;
            terms.push((nats, RowWeight::Same((0.5 / codes.shape().0.0 as f64) as f32)));
        }
        let total = B::total::<Batch, Latent, _>(terms, Vec::new(), tape)?;
        self.owned.update(pool, B::backward(total)?)
    }
}

impl<B: Learn> OwnParameters<B> for OwnDiscriminator<B> {
    fn each(&mut self, visit: &mut dyn FnMut(&mut dyn Module<B>, &mut B::Learner)) {
        self.owned.each(visit);
    }
}

/// A number of each row of logits.
fn rows<B: Combine, T: Tape<f32, B::Recorder>>(
    of: OfLogits,
    logits: &Array<(Batch, Logits), B>,
    tape: T,
) -> Result<Array<(Batch,), B, T>, DeviceError> {
    B::rows(&of, logits.clone().put_tape(tape), None::<(&Parameter<(Own,), B>, bool)>, logits)
}

/// A number of each pair of logits: of codes, and of codes with independent axes.
#[derive(Clone, Copy, Debug)]
enum OfLogits {
    /// The first minus the second: the log ratio of both densities.
    Difference,
    /// -log of the probability of what the codes are, nats.
    CrossEntropy { is_joint: bool },
    /// 1 if the larger logit is that of what the codes are, otherwise 0.
    Correct { is_joint: bool },
}

impl OfLogits {
    /// The logit of what the codes are, minus the other one.
    fn margin(self, logits: &[f32]) -> f32 {
        let &[joint, product] = logits else { return f32::NAN };
        match self {
            OfLogits::CrossEntropy { is_joint: false } | OfLogits::Correct { is_joint: false } => product - joint,
            _ => joint - product,
        }
    }
}

impl RowOperation for OfLogits {
    fn forward(&self, inputs: RowInputs<'_>, results: &mut [f32]) {
        for (result, logits) in results.iter_mut().zip(inputs.outputs.chunks(2)) {
            let margin = self.margin(logits);
            *result = match self {
                OfLogits::Difference => margin,
                // ln(1 + exp(-margin))
                OfLogits::CrossEntropy { .. } => (-margin).max(0.0) + exp(-margin.abs()).ln_1p(),
                OfLogits::Correct { .. } => f32::from(u8::from(margin > 0.0)),
            };
        }
    }

    fn backward(&self, inputs: RowInputs<'_>, dresults: &[f32], gradients: RowGradients<'_>) {
        let rows = gradients.outputs.chunks_mut(2).zip(inputs.outputs.chunks(2)).zip(dresults);
        for ((gradient, logits), dresult) in rows {
            let margin = self.margin(logits);
            // By the first logit; by the second it is the negative.
            let by_joint = match self {
                OfLogits::Difference => 1.0,
                OfLogits::CrossEntropy { is_joint } => {
                    let wrong = 1.0 / (1.0 + exp(margin));
                    if *is_joint { -wrong } else { wrong }
                }
                OfLogits::Correct { .. } => 0.0,
            };
            if let [joint, product] = gradient {
                *joint += dresult * by_joint;
                *product -= dresult * by_joint;
            }
        }
    }

    fn portable<D: Device<f32>, T: Tape<f32, D>>(
        &self,
        logits: Tensor<(usize, usize), f32, D, T>,
        _: Option<Tensor<(usize,), f32, D, T>>,
        _: Tensor<(usize, usize), f32, D>,
    ) -> Result<Tensor<(usize,), f32, D, T>, D::Err> {
        let shape = *logits.shape();
        let device = logits.device().clone();
        let signs = |first: f32| device.try_tensor_from_vec([first, -first].repeat(shape.0), shape);
        let margin = |logits: Tensor<(usize, usize), f32, D, T>,
                      is_joint: bool|
         -> Result<Tensor<(usize,), f32, D, T>, D::Err> {
            logits.try_mul(signs(if is_joint { 1.0 } else { -1.0 })?)?.try_sum::<_, Axis<1>>()
        };
        match self {
            OfLogits::Difference => margin(logits, true),
            OfLogits::CrossEntropy { is_joint } => {
                let (logits, tape) = logits.split_tape();
                let own = if *is_joint { [1.0, 0.0] } else { [0.0, 1.0] };
                let own = device.try_tensor_from_vec(own.repeat(shape.0), shape)?;
                let (all, tape) = logits.clone().put_tape(tape).try_logsumexp::<_, Axis<1>>()?.split_tape();
                let own: Tensor<(usize,), f32, D, T> = logits.put_tape(tape).try_mul(own)?.try_sum::<_, Axis<1>>()?;
                own.try_negate()?.try_add(all)
            }
            OfLogits::Correct { is_joint } => {
                // A step function: its gradient is 0.
                let (margin, tape) = margin(logits, *is_joint)?.split_tape();
                let positive = margin.try_clamp(0.0, f32::MIN_POSITIVE)?.try_mul(1.0 / f32::MIN_POSITIVE)?;
                Ok(positive.try_clamp(0.0, 1.0)?.put_tape(tape))
            }
        }
    }

    fn kernel(&self) -> Option<RowKernel> {
        let [which, is_joint] = match *self {
            OfLogits::Difference => [0.0, 1.0],
            OfLogits::CrossEntropy { is_joint } => [1.0, f32::from(u8::from(is_joint))],
            OfLogits::Correct { is_joint } => [2.0, f32::from(u8::from(is_joint))],
        };
        let (forward, backward) = ("of_logits", Some("of_logits_backward"));
        let numbers = kernel_numbers([which, 2.0 * is_joint - 1.0]);
        Some(RowKernel::Whole { forward, backward, numbers, is_of_block: false })
    }
}
