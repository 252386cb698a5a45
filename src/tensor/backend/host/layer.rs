//! What layers with weight, bias and activation share on the host.

use super::{Host, HostHandle, HostTensor, Slot, put, take_or_zeros, take_slot};
use crate::tensor::backend::{Activation, Grads, Parameter};
use crate::tensor::kernels::{Accumulate, Buffer};
use dfdx::shapes::Shape;
use dfdx::tensor::CpuError;
use std::sync::Arc;

/// The outputs of a layer, and the values before its activation if the gradient needs them.
pub(super) fn activated(
    length: usize,
    activation: Activation,
    layer: impl FnOnce(Activation, &mut [f32]),
) -> (Buffer, Option<Buffer>) {
    let mut y = Buffer::new(length);
    if !activation.needs_argument() {
        layer(activation, &mut y);
        return (y, None);
    }
    layer(Activation::Identity, &mut y);
    let before = Buffer::copy_of(&y);
    activation.apply(&mut y);
    (y, Some(before))
}

/// What the backward pass of a layer with weight, bias and activation needs.
pub(super) struct Layer<X> {
    pub(super) x: HostTensor<X>,
    /// The outputs, or the values before the activation if the gradient needs them.
    pub(super) at: Arc<Buffer>,
    pub(super) y_slot: Slot,
    pub(super) weight_values: Arc<Vec<f32>>,
    pub(super) weight: HostHandle,
    pub(super) bias: Slot,
    pub(super) input_gradient: bool,
}

impl<X: Shape> Layer<X> {
    pub(super) fn new<Y: Shape, K: Shape, B: Shape>(
        x: HostTensor<X>,
        (y, before): (&HostTensor<Y>, Option<Buffer>),
        weight: &Parameter<K, Host>,
        bias: &Parameter<B, Host>,
        input_gradient: bool,
    ) -> Self {
        Layer {
            x,
            at: before.map_or_else(|| y.values.clone(), Arc::new),
            y_slot: y.slot.clone(),
            weight_values: weight.handle.values.clone(),
            weight: weight.handle.clone(),
            bias: bias.handle.sum.clone(),
            input_gradient,
        }
    }

    pub(super) fn take_dy(&self, gradients: &mut Grads<Host>) -> Result<Buffer, CpuError> {
        take_or_zeros(gradients, &self.y_slot, self.at.len())
    }

    /// The gradient with respect to the operand, and whether to set it or to add to it.
    pub(super) fn take_dx(&self, gradients: &mut Grads<Host>) -> Result<Option<(Accumulate, Buffer)>, CpuError> {
        if !self.input_gradient {
            return Ok(None);
        }
        let found = take_slot(gradients, &self.x.slot)?;
        let begin = found.is_empty();
        Ok(Some(if begin { (Accumulate::Set, Buffer::new(self.x.values.len())) } else { (Accumulate::Add, found) }))
    }

    pub(super) fn put_dx(&self, gradients: &mut Grads<Host>, dx: Option<(Accumulate, Buffer)>) -> Result<(), CpuError> {
        dx.map_or(Ok(()), |(_, dx)| put(gradients, &self.x.slot, dx))
    }

    /// Calls `kernel(weight, x, y, dy, dx, dweight, dbias)` with the buffers of the gradients.
    pub(super) fn backward(
        &self,
        gradients: &mut Grads<Host>,
        outputs: usize,
        kernel: impl FnOnce(&[f32], &[f32], &[f32], &mut [f32], Option<(Accumulate, &mut [f32])>, &mut [f32], &mut [f32]),
    ) -> Result<(), CpuError> {
        let mut dy = self.take_dy(gradients)?;
        let mut dx = self.take_dx(gradients)?;
        let mut dweight = take_or_zeros(gradients, &self.weight.sum, self.weight_values.len())?;
        let mut dbias = take_or_zeros(gradients, &self.bias, outputs)?;
        let into = dx.as_mut().map(|(sum, dx)| (*sum, &mut **dx));
        kernel(&self.weight_values, &self.x.values, &self.at, &mut dy, into, &mut dweight, &mut dbias);
        put(gradients, &self.weight.sum, dweight)?;
        put(gradients, &self.bias, dbias)?;
        self.put_dx(gradients, dx)
    }
}
