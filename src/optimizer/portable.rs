//! Training on a device of dfdx: gradients and the arrays of the optimizer stay on it.

use super::{Arrays, Change, Learner, Register, Rule, Scaling, UpdateStep};
use crate::model::parameters::Module;
use crate::tensor::backend::{AnyTensor, Backend, DeviceError, Portable, PortableDevice};
use dfdx::shapes::{HasShape, Shape};
use dfdx::tensor::Tensor;
use dfdx::tensor_ops::{BroadcastTo, MaxTo, SumTo, TryAdd, TryDiv, TryMul, TryStack};
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

/// An array of a parameter.
type Flat<D> = Tensor<(usize,), f32, D>;

/// The state of the training of a module on a device.
pub struct PortableLearner<D: PortableDevice> {
    device: D,
    length: usize,
    rule: Arc<dyn Rule>,
    steps: u64,
    /// Steps before this training.
    before: u64,
    /// The arrays of the optimizer: for each name, one for each parameter.
    moments: Vec<(&'static str, Vec<Flat<D>>)>,
    /// The gradient of each parameter.
    gradient: Vec<Flat<D>>,
    /// The Euclidean norm of all gradients together.
    norm: Tensor<(), f32, D>,
}

fn of_device<T, E: std::fmt::Debug>(result: Result<T, E>) -> Result<T, DeviceError> {
    result.map_err(DeviceError::from_device)
}

impl<D: PortableDevice> PortableLearner<D> {
    /// An array of zeros for each parameter.
    fn zeros(device: &D, ranges: &[Range<usize>]) -> Result<Vec<Flat<D>>, DeviceError> {
        ranges.iter().map(|range| of_device(device.try_zeros_like(&(range.len(),)))).collect()
    }

    /// The sum of the squares of the gradient.
    fn squares(&self) -> Result<Tensor<(), f32, D>, DeviceError> {
        let zero: Tensor<(), f32, D> = of_device(self.device.try_zeros_like(&()))?;
        self.gradient.iter().try_fold(zero, |sum, gradient| {
            let squares = of_device(gradient.clone().try_square())?;
            let squares: Tensor<(), f32, D> = of_device(squares.try_sum())?;
            of_device(sum.try_add(squares))
        })
    }
}

impl<D: PortableDevice> Learner<Portable<D>> for PortableLearner<D> {
    type Norm = Tensor<(), f32, D>;

    fn new(device: &D, ranges: Vec<Range<usize>>, rule: Arc<dyn Rule>) -> Result<Self, DeviceError> {
        let filled = |value: f32| -> Result<Vec<Flat<D>>, DeviceError> {
            let zeros = Self::zeros(device, &ranges)?;
            zeros.into_iter().map(|zeros| of_device(zeros.try_add(value))).collect()
        };
        let moments = rule.moments().iter().zip(rule.initial()).map(|(name, value)| Ok((*name, filled(value)?)));
        let moments = moments.collect::<Result<_, DeviceError>>()?;
        let (gradient, length) = (Self::zeros(device, &ranges)?, ranges.last().map_or(0, |last| last.end));
        let norm = of_device(device.try_zeros_like(&()))?;
        Ok(PortableLearner { device: device.clone(), length, rule, steps: 0, before: 0, moments, gradient, norm })
    }

    fn gather(&mut self, _: &rayon::ThreadPool, lanes: Vec<Vec<Option<Flat<D>>>>) -> Result<(), DeviceError> {
        let mut sums: Vec<Option<Flat<D>>> = self.gradient.iter().map(|_| None).collect();
        for lane in lanes {
            for (sum, part) in sums.iter_mut().zip(lane) {
                Portable::<D>::add_part(sum, part)?;
            }
        }
        for (gradient, sum) in self.gradient.iter_mut().zip(sums) {
            *gradient = match sum {
                Some(sum) => sum,
                None => of_device(self.device.try_zeros_like(gradient.shape()))?,
            };
        }
        self.norm = of_device(self.squares()?.try_sqrt())?;
        Ok(())
    }

    fn norm(&self) -> Result<Tensor<(), f32, D>, DeviceError> {
        Ok(self.norm.clone())
    }

    fn norms(norms: Vec<Tensor<(), f32, D>>) -> Result<Vec<f64>, DeviceError> {
        if norms.is_empty() {
            return Ok(Vec::new());
        }
        // One copy for all norms.
        let norms: Flat<D> = of_device(norms.try_stack())?;
        Ok(Portable::<D>::to_vec(&norms).into_iter().map(f64::from).collect())
    }

    fn update(
        &mut self,
        _: &rayon::ThreadPool,
        module: &mut dyn Module<Portable<D>>,
        rate: f64,
        scaling: Scaling,
    ) -> Result<(), DeviceError> {
        let scaled = |gradient: &Flat<D>, factor: Tensor<(), f32, D>| -> Result<Flat<D>, DeviceError> {
            let factor: Flat<D> = of_device(factor.try_broadcast_like(gradient.shape()))?;
            of_device(gradient.clone().try_mul(factor))
        };
        match scaling {
            Scaling::None => {}
            Scaling::ClipTo(limit) => {
                // At most 1; a norm of 0 gives 1.
                let factor = of_device(self.norm.clone().try_recip())?;
                let factor = of_device(of_device(factor.try_mul(limit as f32))?.try_clamp(0.0, 1.0))?;
                for gradient in &mut self.gradient {
                    *gradient = scaled(gradient, factor.clone())?;
                }
            }
            Scaling::EachToOne => {
                for gradient in &mut self.gradient {
                    // Relative to the largest value, whose square may be too small or too large for a number.
                    let largest: Tensor<(), f32, D> = of_device(of_device(gradient.clone().try_abs())?.try_max())?;
                    let largest = of_device(largest.try_clamp(f32::MIN_POSITIVE, f32::MAX))?;
                    let relative = scaled(gradient, of_device(largest.try_recip())?)?;
                    let squares: Tensor<(), f32, D> = of_device(of_device(relative.clone().try_square())?.try_sum())?;
                    // A gradient of 0 stays.
                    let norm = of_device(of_device(squares.try_sqrt())?.try_clamp(0.5, f32::MAX))?;
                    *gradient = scaled(&relative, of_device(norm.try_recip())?)?;
                }
            }
        }
        self.steps += 1;
        let step = UpdateStep { rate: rate as f32, corrections: self.rule.corrections(self.before + self.steps) };
        let (mut index, mut result) = (0, Ok(()));
        let (rule, gradient, moments) = (&self.rule, &self.gradient, &mut self.moments);
        module.visit("", &mut |visit| {
            if result.is_ok() {
                result = change(&**rule, step, gradient, moments, index, visit.parameter.weights());
            }
            index += 1;
        });
        result
    }

    fn steps(&self) -> u64 {
        self.steps
    }

    fn count_before(&mut self, updates: u64) {
        self.before = updates;
    }

    fn moments(&self) -> Vec<(&'static str, Cow<'_, [f32]>)> {
        let whole = |arrays: &Vec<Flat<D>>| -> Vec<f32> { arrays.iter().flat_map(Portable::<D>::to_vec).collect() };
        self.moments.iter().map(|(name, arrays)| (*name, whole(arrays).into())).collect()
    }

    fn sizes(&self) -> (Vec<&'static str>, usize) {
        (self.moments.iter().map(|(name, _)| *name).collect(), self.length)
    }

    fn restore(&mut self, steps: u64, find: &mut dyn FnMut(&str) -> Option<Vec<f32>>) -> bool {
        self.steps = steps;
        let length = self.length;
        self.moments.iter_mut().all(|(name, arrays)| {
            let Some(saved) = find(name).filter(|saved| saved.len() == length) else { return false };
            let mut rest = saved.as_slice();
            for array in arrays {
                let (own, after) = rest.split_at(array.shape().num_elements());
                Portable::<D>::set_values(array, own.to_vec());
                rest = after;
            }
            true
        })
    }
}

/// Updates one parameter and its arrays.
fn change<D: PortableDevice>(
    rule: &dyn Rule,
    step: UpdateStep,
    gradient: &[Flat<D>],
    moments: &mut [(&'static str, Vec<Flat<D>>)],
    parameter: usize,
    weights: &mut dyn AnyTensor<D>,
) -> Result<(), DeviceError> {
    let of_parameter = moments.iter().filter_map(|(_, arrays)| arrays.get(parameter));
    let mut registers = Registers(gradient.get(parameter).into_iter().chain(of_parameter).cloned().collect());
    let changed = rule.portable(step, &mut registers, Register(0), [Register(1), Register(2)])?;
    for ((_, arrays), register) in moments.iter_mut().zip(changed.moments) {
        if let Some(array) = arrays.get_mut(parameter) {
            *array = registers.get(register)?;
        }
    }
    let Change { factor, direction, .. } = changed;
    weights.change(factor, registers.get(direction)?)
}

/// Arrays on the device, for the formula of a rule.
struct Registers<D: PortableDevice>(Vec<Flat<D>>);

impl<D: PortableDevice> Registers<D> {
    fn get(&self, Register(place): Register) -> Result<Flat<D>, DeviceError> {
        self.0.get(place).cloned().ok_or_else(|| DeviceError::new("an optimizer uses an array that it does not have"))
    }

    fn keep(&mut self, array: Result<Flat<D>, D::Err>) -> Result<Register, DeviceError> {
        self.0.push(of_device(array)?);
        Ok(Register(self.0.len() - 1))
    }
}

impl<D: PortableDevice> Arrays for Registers<D> {
    fn add(&mut self, a: Register, b: Register) -> Result<Register, DeviceError> {
        let sum = self.get(a)?.try_add(self.get(b)?);
        self.keep(sum)
    }

    fn multiply(&mut self, a: Register, b: Register) -> Result<Register, DeviceError> {
        let product = self.get(a)?.try_mul(self.get(b)?);
        self.keep(product)
    }

    fn divide(&mut self, a: Register, b: Register) -> Result<Register, DeviceError> {
        let ratio = self.get(a)?.try_div(self.get(b)?);
        self.keep(ratio)
    }

    fn root(&mut self, a: Register) -> Result<Register, DeviceError> {
        let root = self.get(a)?.try_sqrt();
        self.keep(root)
    }

    fn scale(&mut self, a: Register, factor: f32) -> Result<Register, DeviceError> {
        let product = self.get(a)?.try_mul(factor);
        self.keep(product)
    }

    fn add_number(&mut self, a: Register, number: f32) -> Result<Register, DeviceError> {
        let sum = self.get(a)?.try_add(number);
        self.keep(sum)
    }
}
