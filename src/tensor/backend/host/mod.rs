//! The fast backend: dfdx's tape and gradients on the CPU, with arrays computed by [`crate::tensor::kernels`].
//!
//! Arrays share buffers of values. For each array dfdx has an empty tensor, its slot, which identifies the gradient of
//! the array. A gradient is empty at first: the first operation that computes a part of it writes it, the others add to
//! it. Values are copied in one case: the inputs of a dense layer, into a slot, because a slot owns its data (see
//! [`Rows`]).

mod combine;
mod layer;

use super::gradient::{Rows, put_sum};
use super::{
    Activation, Array, Backend, DeviceError, Grads, NoiseKey, Operands, Parameter, Part, Pointwise, RowGradients,
    RowInputs, RowOperation, conv_shape,
};
use crate::tensor::dims::{Dim, Kernel, Window, Windows};
use crate::tensor::kernels::{self, Accumulate, Buffer, DenseShape, NormShape};
use dfdx::shapes::Shape;
use dfdx::tensor::{Cpu, CpuError, NoneTape, OwnedTape, PutTape, Tape, Tensor, ZerosTensor};
use dfdx::tensor_ops::Backward;
use layer::{Layer, activated};
use std::mem::take;
use std::sync::Arc;

/// CPU kernels. One thread computes one micro-batch.
#[derive(Clone, Copy, Debug, Default)]
pub struct Host;

/// A tensor without elements, which identifies a gradient in dfdx.
type Slot = Tensor<(usize,), f32, Cpu>;

fn slot(device: &Cpu) -> Result<Slot, DeviceError> {
    device.try_zeros_like(&(0,)).map_err(DeviceError::from_device)
}

/// Values in host memory.
#[derive(Clone, Debug)]
pub struct HostTensor<S> {
    values: Arc<Buffer>,
    slot: Slot,
    shape: S,
}

impl<S: Shape> HostTensor<S> {
    /// A new tensor on the device of this one.
    fn next<R: Shape>(&self, values: Buffer, shape: R) -> Result<HostTensor<R>, DeviceError> {
        Ok(HostTensor { values: Arc::new(values), slot: slot(self.slot.device())?, shape })
    }
}

/// The values of a parameter, and the slots of its gradient.
#[derive(Clone, Debug)]
pub struct HostHandle {
    /// The values, row-major. Between steps, no tape shares them.
    values: Arc<Vec<f32>>,
    /// The length of the last axis: the outputs of a layer.
    outputs: usize,
    /// The gradient.
    sum: Slot,
    /// For weights of dense layers, the factors of the gradient; see [`Rows`].
    x: Slot,
    dy: Slot,
}

impl Backend for Host {
    type Device = Cpu;

    type Recorder = Cpu;

    type Tensor<S: Shape> = HostTensor<S>;

    type Handle<S: Shape> = HostHandle;

    type Weights<'a> = &'a mut [f32];

    type Part = Part;

    type GradientReader = Box<dyn Fn(&mut Grads<Host>) -> Result<Part, DeviceError> + Send + Sync>;

    fn lanes(weights: u64) -> usize {
        // All sums are in memory at the end of a step.
        const MEMORY: u64 = 256_000_000;
        (MEMORY / weights.max(1)).clamp(8, 64) as usize
    }

    fn micro_batch(convolutional: bool) -> usize {
        // Large enough to share the work that a layer does once for all images, and small enough for the caches;
        // measured.
        if convolutional { 16 } else { 64 }
    }

    fn tensor<S: Shape>(device: &Cpu, values: Buffer, shape: S) -> Result<HostTensor<S>, DeviceError> {
        Ok(HostTensor { values: Arc::new(values), slot: slot(device)?, shape })
    }

    fn shape<S: Shape>(tensor: &HostTensor<S>) -> S {
        tensor.shape
    }

    fn to_vec<S: Shape>(tensor: &HostTensor<S>) -> Vec<f32> {
        tensor.values.to_vec()
    }

    fn relabel<S: Shape, R: Shape, T: Tape<f32, Cpu>>(
        x: Array<S, Self, T>,
        shape: R,
    ) -> Result<Array<R, Self, T>, DeviceError> {
        let HostTensor { values, slot, .. } = x.tensor;
        Ok(Array { tensor: HostTensor { values, slot, shape }, tape: x.tape })
    }

    fn dense<N: Dim, I: Dim, O: Dim, T: Tape<f32, Cpu>>(
        x: Array<(N, I), Self, T>,
        weight: &Parameter<(I, O), Self>,
        bias: &Parameter<(O,), Self>,
        activation: Activation,
        input_gradient: bool,
    ) -> Result<Array<(N, O), Self, T>, DeviceError> {
        let Array { tensor: x, mut tape } = x;
        let ((rows, inputs), outputs) = (x.shape, weight.shape().1);
        let shape = DenseShape { rows: rows.size(), inputs: inputs.size(), outputs: outputs.size() };
        let (y, at) = activated(shape.rows * shape.outputs, activation, |activation, y| {
            kernels::dense(shape, activation, &x.values, &weight.handle.values, &bias.handle.values, y);
        });
        let y = x.next(y, (rows, outputs))?;
        let layer = Layer::new(x, (&y, at), weight, bias, input_gradient);
        tape.add_backward_op(move |gradients| {
            let mut dy = layer.take_dy(gradients)?;
            let mut dx = layer.take_dx(gradients)?;
            let mut dbias = take_or_zeros(gradients, &layer.bias, shape.outputs)?;
            let into = dx.as_mut().map(|(sum, dx)| (*sum, &mut **dx));
            kernels::dense_backward(shape, activation, &layer.weight_values, &layer.at, &mut dy, into, &mut dbias);
            put(gradients, &layer.bias, dbias)?;
            append(gradients, &layer.weight.x, Buffer::copy_of(&layer.x.values))?;
            append(gradients, &layer.weight.dy, dy)?;
            layer.put_dx(gradients, dx)
        });
        Ok(Array { tensor: y, tape })
    }

    fn conv<N: Dim, H: Dim, W: Dim, I: Dim, O: Dim, T: Tape<f32, Cpu>>(
        x: Array<(N, H, W, I), Self, T>,
        weight: &Parameter<(Kernel, Kernel, I, O), Self>,
        bias: &Parameter<(O,), Self>,
        window: Window,
        activation: Activation,
        input_gradient: bool,
    ) -> Result<Array<(N, Windows<H>, Windows<W>, O), Self, T>, DeviceError> {
        let Array { tensor: x, mut tape } = x;
        let ((batch, height, width, inputs), outputs) = (x.shape, weight.shape().3);
        let shape = conv_shape(batch, (height, width), inputs, outputs, window);
        let length = shape.batch * shape.out_height() * shape.out_width() * shape.outputs;
        let (y, at) = activated(length, activation, |activation, y| {
            kernels::conv(shape, activation, &x.values, &weight.handle.values, &bias.handle.values, y);
        });
        let y = x.next(y, (batch, window.along(height), window.along(width), outputs))?;
        let layer = Layer::new(x, (&y, at), weight, bias, input_gradient);
        tape.add_backward_op(move |gradients| {
            layer.backward(gradients, shape.outputs, |weight, x, y, dy, dx, dweight, dbias| {
                kernels::conv_backward(shape, activation, x, weight, y, dy, dx, dweight, dbias);
            })
        });
        Ok(Array { tensor: y, tape })
    }

    fn conv_transpose<N: Dim, H: Dim, W: Dim, I: Dim, O: Dim, T: Tape<f32, Cpu>>(
        x: Array<(N, Windows<H>, Windows<W>, I), Self, T>,
        weight: &Parameter<(Kernel, Kernel, O, I), Self>,
        bias: &Parameter<(O,), Self>,
        sides: (H, W),
        window: Window,
        activation: Activation,
    ) -> Result<Array<(N, H, W, O), Self, T>, DeviceError> {
        let Array { tensor: x, mut tape } = x;
        let ((batch, _, _, inputs), outputs) = (x.shape, weight.shape().2);
        let shape = conv_shape(batch, sides, outputs, inputs, window);
        let length = shape.batch * shape.height * shape.width * shape.inputs;
        let (y, at) = activated(length, activation, |activation, y| {
            kernels::conv_transpose(shape, activation, &x.values, &weight.handle.values, &bias.handle.values, y);
        });
        let y = x.next(y, (batch, sides.0, sides.1, outputs))?;
        let layer = Layer::new(x, (&y, at), weight, bias, true);
        tape.add_backward_op(move |gradients| {
            layer.backward(gradients, shape.inputs, |weight, x, y, dy, dx, dweight, dbias| {
                kernels::conv_transpose_backward(shape, activation, x, weight, y, dy, dx, dweight, dbias);
            })
        });
        Ok(Array { tensor: y, tape })
    }

    fn group_norm<N: Dim, F: Dim, C: Dim, T: Tape<f32, Cpu>>(
        x: Array<(N, F), Self, T>,
        groups: usize,
        weight: &Parameter<(C,), Self>,
        bias: &Parameter<(C,), Self>,
    ) -> Result<Array<(N, F), Self, T>, DeviceError> {
        let Array { tensor: x, mut tape } = x;
        let (rows, channels) = (x.shape.0.size(), weight.shape().0.size());
        let shape = NormShape { rows, pixels: x.shape.1.size() / channels, channels, groups };
        let mut y = Buffer::new(x.values.len());
        kernels::group_norm(shape, &x.values, &weight.handle.values, &bias.handle.values, &mut y);
        let y = x.next(y, x.shape)?;
        let layer = Layer::new(x, (&y, None), weight, bias, true);
        tape.add_backward_op(move |gradients| {
            layer.backward(gradients, channels, |weight, x, _, dy, dx, dweight, dbias| {
                kernels::group_norm_backward(shape, x, weight, dy, dx, dweight, dbias);
            })
        });
        Ok(Array { tensor: y, tape })
    }

    fn pointwise<P: Pointwise, S: Shape, T: Tape<f32, Cpu>>(
        operation: &P,
        a: Array<S, Self, T>,
        b: Option<&Array<S, Self>>,
    ) -> Result<Array<S, Self, T>, DeviceError> {
        let Array { tensor: a, mut tape } = a;
        let b = b.map(|b| b.tensor.clone());
        let mut results = Buffer::new(a.values.len());
        let values = |b: &Option<HostTensor<S>>| b.as_ref().map(|b| b.values.clone()).unwrap_or_default();
        let b_values = values(&b);
        operation.forward(Operands { a: &a.values, b: &b_values }, &mut results);
        let results = a.next(results, a.shape)?;
        let (operation, slot) = (*operation, results.slot.clone());
        tape.add_backward_op(move |gradients| {
            let dresults = take_or_zeros(gradients, &slot, a.values.len())?;
            let mut da = take_or_zeros(gradients, &a.slot, a.values.len())?;
            let db = b.as_ref().map(|b| take_or_zeros(gradients, &b.slot, b.values.len()));
            let mut db = db.transpose()?.unwrap_or_default();
            operation.backward(Operands { a: &a.values, b: &b_values }, &dresults, &mut da, &mut db);
            put(gradients, &a.slot, da)?;
            b.map_or(Ok(()), |b| put(gradients, &b.slot, db))
        });
        Ok(Array { tensor: results, tape })
    }

    fn rows<R: RowOperation, N: Dim, O: Dim, V: Dim, P: Dim, T: Tape<f32, Cpu>>(
        operation: &R,
        outputs: Array<(N, O), Self, T>,
        own: Option<(&Parameter<(P,), Self>, bool)>,
        x: &Array<(N, V), Self>,
    ) -> Result<Array<(N,), Self, T>, DeviceError> {
        let Array { tensor: outputs, mut tape } = outputs;
        let rows = outputs.shape.0.size();
        let arrays = RowArrays {
            rows,
            outputs: outputs.values.clone(),
            x: x.tensor.values.clone(),
            own: own.map(|(own, _)| own.handle.values.clone()),
        };
        let mut results = Buffer::new(rows);
        operation.forward(arrays.inputs(), &mut results);
        let results = outputs.next(results, (outputs.shape.0,))?;
        let (operation, slot) = (*operation, results.slot.clone());
        let own = own.filter(|(_, is_trained)| *is_trained).map(|(own, _)| own.handle.sum.clone());
        tape.add_backward_op(move |gradients| {
            let inputs = arrays.inputs();
            let dresults = take_or_zeros(gradients, &slot, rows)?;
            let mut doutputs = take_or_zeros(gradients, &outputs.slot, inputs.outputs.len())?;
            let down = own.as_ref().map(|own| take_or_zeros(gradients, own, inputs.own.len()));
            let mut down = down.transpose()?;
            let into = RowGradients { outputs: &mut doutputs, own: down.as_deref_mut() };
            operation.backward(inputs, &dresults, into);
            own.zip(down).map_or(Ok(()), |(own, down)| put(gradients, &own, down))?;
            put(gradients, &outputs.slot, doutputs)
        });
        Ok(Array { tensor: results, tape })
    }

    fn reparameterize<N: Dim, L: Dim, T: Tape<f32, Cpu>>(
        mean: &Array<(N, L), Self>,
        log_variance: Array<(N, L), Self, T>,
        noise: &Array<(N, L), Self>,
        scale: f32,
    ) -> Result<Array<(N, L), Self, T>, DeviceError> {
        let Array { tensor: log_variance, mut tape } = log_variance;
        let mut z = Buffer::new(log_variance.values.len());
        let noise = noise.tensor.values.clone();
        kernels::reparameterize(scale, &mean.tensor.values, &log_variance.values, &noise, &mut z);
        let z = log_variance.next(z, log_variance.shape)?;
        let (slot, mean) = (z.slot.clone(), mean.tensor.slot.clone());
        tape.add_backward_op(move |gradients| {
            let length = noise.len();
            let dz = take_or_zeros(gradients, &slot, length)?;
            let mut dmean = take_or_zeros(gradients, &mean, length)?;
            let mut dvariance = take_or_zeros(gradients, &log_variance.slot, length)?;
            let values = &log_variance.values;
            kernels::reparameterize_backward(scale, values, &noise, &dz, &mut dmean, &mut dvariance);
            put(gradients, &mean, dmean)?;
            put(gradients, &log_variance.slot, dvariance)
        });
        Ok(Array { tensor: z, tape })
    }

    fn kl<N: Dim, L: Dim, T: Tape<f32, Cpu>>(
        mean: &Array<(N, L), Self>,
        log_variance: Array<(N, L), Self, T>,
    ) -> Result<Array<(N,), Self, T>, DeviceError> {
        let Array { tensor: log_variance, mut tape } = log_variance;
        let mean = mean.tensor.clone();
        let (batch, latent) = log_variance.shape;
        let latent = latent.size();
        let mut nats = Buffer::new(batch.size());
        kernels::kl(latent, &mean.values, &log_variance.values, &mut nats);
        let nats = log_variance.next(nats, (batch,))?;
        let slot = nats.slot.clone();
        tape.add_backward_op(move |gradients| {
            let dnats = take_or_zeros(gradients, &slot, batch.size())?;
            let mut dmean = take_or_zeros(gradients, &mean.slot, mean.values.len())?;
            let mut dvariance = take_or_zeros(gradients, &log_variance.slot, mean.values.len())?;
            kernels::kl_backward(latent, &mean.values, &log_variance.values, &dnats, &mut dmean, &mut dvariance);
            put(gradients, &mean.slot, dmean)?;
            put(gradients, &log_variance.slot, dvariance)
        });
        Ok(Array { tensor: nats, tape })
    }

    fn backward(total: Array<(), Self, OwnedTape<f32, Cpu>>) -> Result<Grads<Host>, DeviceError> {
        // dfdx runs the tape of a tensor without axes; the first operation sets the gradient with respect to the total.
        let one: Tensor<(), f32, Cpu, NoneTape> =
            total.tensor.slot.device().try_zeros_like(&()).map_err(DeviceError::from_device)?;
        one.put_tape(total.tape).try_backward().map_err(DeviceError::from_device)
    }

    fn handle<S: Shape>(device: &Cpu, shape: S) -> Result<HostHandle, DeviceError> {
        Ok(HostHandle {
            values: Arc::new(vec![0.0; shape.num_elements()]),
            outputs: shape.concrete().into_iter().last().unwrap_or(1),
            sum: slot(device)?,
            x: slot(device)?,
            dy: slot(device)?,
        })
    }

    fn values<S: Shape>(handle: &HostHandle) -> Arc<Vec<f32>> {
        handle.values.clone()
    }

    fn set_values<S: Shape>(handle: &mut HostHandle, values: Vec<f32>) {
        handle.values = Arc::new(values);
    }

    fn weights<S: Shape>(handle: &mut HostHandle) -> &mut [f32] {
        // Between steps, no tape shares the values, so they are not copied here.
        let values: &mut Vec<f32> = Arc::make_mut(&mut handle.values);
        values
    }

    fn add_part(part: &mut Part, more: Part) -> Result<(), DeviceError> {
        part.add(more);
        Ok(())
    }

    fn sum_parts<S: Shape>(device: &Cpu, parts: Vec<Part>, shape: S) -> Result<Array<S, Self>, DeviceError> {
        let mut sum = Buffer::new(shape.num_elements());
        put_sum(&parts.iter().collect::<Vec<_>>(), 0, &mut sum);
        Array::new(device, sum, shape)
    }

    fn noise<N: Dim, L: Dim>(
        device: &Cpu,
        key: NoiseKey,
        images: &[u32],
        shape: (N, L),
    ) -> Result<Array<(N, L), Self>, DeviceError> {
        let mut values = Buffer::new(shape.num_elements());
        key.fill(images, shape.1.size(), &mut values);
        Array::new(device, values, shape)
    }

    fn gradient_reader<S: Shape>(handle: &HostHandle) -> Self::GradientReader {
        let HostHandle { outputs, sum, x, dy, .. } = handle.clone();
        Box::new(move |gradients| {
            let mut read = |slot| take_slot(gradients, slot).map_err(DeviceError::from_device);
            let (sum, x, dy) = (read(&sum)?, read(&x)?, read(&dy)?);
            let rows = if dy.is_empty() { Vec::new() } else { vec![Rows { x, dy, outputs }] };
            Ok(Part { sum, rows })
        })
    }
}

/// The arrays of an operation on rows.
struct RowArrays {
    rows: usize,
    outputs: Arc<Buffer>,
    x: Arc<Buffer>,
    own: Option<Arc<Vec<f32>>>,
}

impl RowArrays {
    fn inputs(&self) -> RowInputs<'_> {
        let own = self.own.as_ref().map_or(&[][..], |own| own.as_slice());
        RowInputs { rows: self.rows, outputs: &self.outputs, x: &self.x, own }
    }
}

/// Takes the content of a slot; empty if no operation has computed a gradient yet.
fn take_slot(gradients: &mut Grads<Host>, slot: &Slot) -> Result<Buffer, CpuError> {
    Ok(Buffer::again(take(&mut **gradients.get_or_alloc_mut(slot)?)))
}

/// Takes a gradient, so that others can be borrowed at the same time; zeros if there is none yet.
fn take_or_zeros(gradients: &mut Grads<Host>, slot: &Slot, length: usize) -> Result<Buffer, CpuError> {
    let found = take_slot(gradients, slot)?;
    if !found.is_empty() {
        return Ok(found);
    }
    Ok(Buffer::filled(length, 0.0))
}

fn put(gradients: &mut Grads<Host>, slot: &Slot, gradient: Buffer) -> Result<(), CpuError> {
    **gradients.get_or_alloc_mut(slot)? = gradient.into_vec();
    Ok(())
}

/// Adds to a gradient.
fn add(gradients: &mut Grads<Host>, slot: &Slot, more: Buffer) -> Result<(), CpuError> {
    let mut sum = take_slot(gradients, slot)?;
    if sum.is_empty() {
        return put(gradients, slot, more);
    }
    Accumulate::Add.put(&more, &mut sum);
    put(gradients, slot, sum)
}

/// Appends rows to those of other uses of the same weight; usually there are none.
fn append(gradients: &mut Grads<Host>, slot: &Slot, rows: Buffer) -> Result<(), CpuError> {
    let found = take_slot(gradients, slot)?;
    if found.is_empty() {
        return put(gradients, slot, rows);
    }
    let mut both = Buffer::new(found.len() + rows.len());
    both[..found.len()].copy_from_slice(&found);
    both[found.len()..].copy_from_slice(&rows);
    put(gradients, slot, both)
}
