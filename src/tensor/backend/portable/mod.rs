//! The portable backend: the same operations, built from dfdx's own, on any of its devices. On the CPU it is the reference for the
//! kernels. Weights, gradients and codes stay on the device; copies to it and from it are counted.

mod combine;

use super::{Activation, Array, Backend, DeviceError, Grads, NoiseKey, Parameter, Pointwise, RowOperation};
use crate::tensor::dims::{Dim, Kernel, Window, Windows};
use crate::tensor::kernels::{Buffer, NORM_EPSILON};
use dfdx::shapes::{Axes2, Axis, HasShape, Shape};
use dfdx::tensor::{
    Cpu, CpuError, HasErr, NoneTape, OwnedTape, PutTape, SplitTape, Tape, Tensor, TensorFromVec, WithEmptyTape,
};
use dfdx::tensor_ops::{
    Backward, BroadcastTo, Device, GatherTo, PermuteTo, ReshapeTo, SumTo, TryAdd, TryConcatAlong, TryMatMul, TryMul,
    TrySub,
};
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::Arc;

/// dfdx's operations on the device `D`.
#[derive(Debug)]
pub struct Portable<D>(PhantomData<D>);

type Rows<D, T> = Tensor<(usize, usize), f32, D, T>;

/// Copies between the host and the device by this thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copies {
    /// Numbers that were copied to the device.
    pub up: usize,
    /// How often numbers were copied to the host.
    pub down: usize,
}

thread_local! {
    static COPIES: Cell<Copies> = const { Cell::new(Copies { up: 0, down: 0 }) };
    /// Tables of indices on the device. They depend on sizes only, so they are made once.
    static TABLES: RefCell<HashMap<(Taps, Gather, usize), Box<dyn Any>>> = RefCell::new(HashMap::new());
}

/// The copies between the host and the device by this thread so far.
pub fn copies() -> Copies {
    COPIES.get()
}

fn count(up: usize, down: usize) {
    let before = COPIES.get();
    COPIES.set(Copies { up: before.up + up, down: before.down + down });
}

/// A device of the portable backend.
pub trait PortableDevice: Device<f32> + HasErr {
    /// Noise for some images, (Images, Latent), made on the device.
    ///
    /// # Errors
    /// The device failed.
    fn noise(
        &self,
        key: NoiseKey,
        images: &[u32],
        latent: usize,
    ) -> Result<Tensor<(usize, usize), f32, Self>, Self::Err>;
}

/// The host as a device: its memory is that of the generator.
impl PortableDevice for Cpu {
    fn noise(&self, key: NoiseKey, images: &[u32], latent: usize) -> Result<Rows<Cpu, NoneTape>, CpuError> {
        let mut noise = vec![0.0; images.len() * key.samples * latent];
        key.fill(images, latent, &mut noise);
        self.try_tensor_from_vec(noise, (images.len() * key.samples, latent))
    }
}

/// A tensor of any shape, as an optimizer changes it: as an array of its elements.
pub trait AnyTensor<D: Device<f32>> {
    /// Sets it to `factor` times itself minus `direction`, without another copy of the tensor.
    ///
    /// # Errors
    /// The device failed.
    fn change(&mut self, factor: f32, direction: Tensor<(usize,), f32, D>) -> Result<(), DeviceError>;
}

impl<S: Shape, D: Device<f32>> AnyTensor<D> for Tensor<S, f32, D> {
    fn change(&mut self, factor: f32, direction: Tensor<(usize,), f32, D>) -> Result<(), DeviceError> {
        let direction = direction.try_reshape_like(self.shape()).map_err(DeviceError::from_device)?;
        self.try_axpy(factor, &direction, -1.0).map_err(DeviceError::from_device)
    }
}

impl<D: PortableDevice> Backend for Portable<D> {
    type Device = D;

    type Recorder = D;

    type Tensor<S: Shape> = Tensor<S, f32, D>;

    type Handle<S: Shape> = Tensor<S, f32, D>;

    type Weights<'a> = &'a mut dyn AnyTensor<D>;

    type Part = Option<Tensor<(usize,), f32, D>>;

    type GradientReader = Box<dyn Fn(&mut Grads<Self>) -> Result<Self::Part, DeviceError>>;

    // A GPU is one worker.
    fn lanes(_: u64) -> usize {
        1
    }

    fn micro_batch(_: bool) -> usize {
        // Large products suit a GPU; the columns of this many images take a few hundred megabytes.
        128
    }

    fn tensor<S: Shape>(device: &D, values: Buffer, shape: S) -> Result<Tensor<S, f32, D>, DeviceError> {
        count(values.len(), 0);
        device.try_tensor_from_vec(values.into_vec(), shape).map_err(DeviceError::from_device)
    }

    fn shape<S: Shape>(tensor: &Tensor<S, f32, D>) -> S {
        *tensor.shape()
    }

    fn to_vec<S: Shape>(tensor: &Tensor<S, f32, D>) -> Vec<f32> {
        count(0, 1);
        let mut values = vec![0.0; tensor.shape().num_elements()];
        tensor.copy_into(&mut values);
        values
    }

    fn relabel<S: Shape, R: Shape, T: Tape<f32, D>>(
        x: Array<S, Self, T>,
        shape: R,
    ) -> Result<Array<R, Self, T>, DeviceError> {
        recorded(x).try_reshape_like(&shape).map_err(DeviceError::from_device).map(array)
    }

    fn dense<N: Dim, I: Dim, O: Dim, T: Tape<f32, D>>(
        x: Array<(N, I), Self, T>,
        weight: &Parameter<(I, O), Self>,
        bias: &Parameter<(O,), Self>,
        activation: Activation,
        _: bool,
    ) -> Result<Array<(N, O), Self, T>, DeviceError> {
        let product = recorded(x).try_matmul(weight.handle.clone()).map_err(DeviceError::from_device)?;
        let shape = *product.shape();
        let bias = bias.handle.clone().try_broadcast_like::<_, Axis<0>>(&shape).map_err(DeviceError::from_device)?;
        activate(product.try_add(bias).map_err(DeviceError::from_device)?, activation).map(array)
    }

    fn conv<N: Dim, H: Dim, W: Dim, I: Dim, O: Dim, T: Tape<f32, D>>(
        x: Array<(N, H, W, I), Self, T>,
        weight: &Parameter<(Kernel, Kernel, I, O), Self>,
        bias: &Parameter<(O,), Self>,
        window: Window,
        activation: Activation,
        _: bool,
    ) -> Result<Array<(N, Windows<H>, Windows<W>, O), Self, T>, DeviceError> {
        let (batch, height, width, inputs) = x.shape();
        let outputs = weight.shape().3;
        let (out_height, out_width) = (window.along(height), window.along(width));
        let taps =
            Taps { larger: (height.size(), width.size()), smaller: (out_height.size(), out_width.size()), window };
        let attempt = || -> Result<_, D::Err> {
            let columns =
                gather(recorded(x), (batch.size(), taps.pixels(), inputs.size()), taps, Gather::ForPositions)?;
            let rows = batch.size() * out_height.size() * out_width.size();
            let columns: Rows<D, T> = columns.try_reshape_like(&(rows, taps.window() * inputs.size()))?;
            let weight = weight.handle.clone().try_reshape_like(&(taps.window() * inputs.size(), outputs.size()))?;
            let y = columns.try_matmul(weight)?;
            let bias = bias.handle.clone().try_reshape_like(&(outputs.size(),))?;
            let bias = bias.try_broadcast_like::<_, Axis<0>>(&(rows, outputs.size()))?;
            y.try_add(bias)?.try_reshape_like(&(batch, out_height, out_width, outputs))
        };
        activate(attempt().map_err(DeviceError::from_device)?, activation).map(array)
    }

    fn conv_transpose<N: Dim, H: Dim, W: Dim, I: Dim, O: Dim, T: Tape<f32, D>>(
        x: Array<(N, Windows<H>, Windows<W>, I), Self, T>,
        weight: &Parameter<(Kernel, Kernel, O, I), Self>,
        bias: &Parameter<(O,), Self>,
        (height, width): (H, W),
        window: Window,
        activation: Activation,
    ) -> Result<Array<(N, H, W, O), Self, T>, DeviceError> {
        let (batch, in_height, in_width, inputs) = x.shape();
        let outputs = weight.shape().2;
        let taps = Taps { larger: (height.size(), width.size()), smaller: (in_height.size(), in_width.size()), window };
        let (positions, from) = (height.size() * width.size(), in_height.size() * in_width.size());
        let attempt = || -> Result<_, D::Err> {
            // Each position contributes to its taps ...
            let rows: Rows<D, T> = recorded(x).try_reshape_like(&(batch.size() * from, inputs.size()))?;
            let weight = weight.handle.clone().try_reshape_like(&(taps.window() * outputs.size(), inputs.size()))?;
            let spread = rows.try_matmul(weight.try_permute::<(usize, usize), _>()?)?;
            // ... and each pixel sums its contributions.
            let gathered =
                gather(spread, (batch.size(), taps.window() * from, outputs.size()), taps, Gather::ForPixels)?;
            let gathered = gathered.try_reshape_like(&(batch.size() * positions, taps.window(), outputs.size()))?;
            let y = gathered.try_sum::<(usize, usize), Axis<1>>()?;
            let bias = bias.handle.clone().try_reshape_like(&(outputs.size(),))?;
            let bias = bias.try_broadcast_like::<_, Axis<0>>(&(batch.size() * positions, outputs.size()))?;
            y.try_add(bias)?.try_reshape_like(&(batch, height, width, outputs))
        };
        activate(attempt().map_err(DeviceError::from_device)?, activation).map(array)
    }

    fn group_norm<N: Dim, F: Dim, C: Dim, T: Tape<f32, D>>(
        x: Array<(N, F), Self, T>,
        groups: usize,
        weight: &Parameter<(C,), Self>,
        bias: &Parameter<(C,), Self>,
    ) -> Result<Array<(N, F), Self, T>, DeviceError> {
        let (shape, channels) = (x.shape(), weight.shape().0.size());
        let (pixels, size) = (shape.1.size() / channels, channels / groups);
        let all = (shape.0.size(), pixels, groups, size);
        let share = 1.0 / (pixels * size) as f32;
        let attempt = || -> Result<_, D::Err> {
            let x = recorded(x).try_reshape_like(&all)?;
            let mean = x.with_empty_tape().try_sum::<(usize, usize), Axes2<1, 3>>()?.try_mul(share)?;
            let distance = x.try_sub(mean.try_broadcast_like::<_, Axes2<1, 3>>(&all)?)?;
            let square = distance.with_empty_tape().try_square()?.try_sum::<(usize, usize), Axes2<1, 3>>()?;
            let scale = square.try_mul(share)?.try_add(NORM_EPSILON as f32)?.try_sqrt()?.try_recip()?;
            let normal = distance.try_mul(scale.try_broadcast_like::<_, Axes2<1, 3>>(&all)?)?;
            let of_channels = |own: &Tensor<(C,), f32, D>| {
                own.retaped::<T>().try_reshape_like(&(groups, size))?.try_broadcast_like::<_, Axes2<0, 1>>(&all)
            };
            let scaled = normal.try_mul(of_channels(&weight.handle)?)?;
            scaled.try_add(of_channels(&bias.handle)?)?.try_reshape_like(&shape)
        };
        attempt().map_err(DeviceError::from_device).map(array)
    }

    fn pointwise<P: Pointwise, S: Shape, T: Tape<f32, D>>(
        operation: &P,
        a: Array<S, Self, T>,
        b: Option<&Array<S, Self>>,
    ) -> Result<Array<S, Self, T>, DeviceError> {
        let b = b.map(|b| b.tensor.clone());
        operation.portable(recorded(a), b).map_err(DeviceError::from_device).map(array)
    }

    fn rows<R: RowOperation, N: Dim, O: Dim, V: Dim, P: Dim, T: Tape<f32, D>>(
        operation: &R,
        outputs: Array<(N, O), Self, T>,
        own: Option<(&Parameter<(P,), Self>, bool)>,
        x: &Array<(N, V), Self>,
    ) -> Result<Array<(N,), Self, T>, DeviceError> {
        let (batch, length) = outputs.shape();
        let values = x.shape().1.size();
        let attempt = || -> Result<_, D::Err> {
            let x = x.tensor.clone().try_reshape_like(&(batch.size(), values))?;
            let outputs = recorded(outputs).try_reshape_like(&(batch.size(), length.size()))?;
            let own = own.map(|(own, _)| own.handle.retaped::<T>().try_reshape_like(&(own.shape().0.size(),)));
            operation.portable(outputs, own.transpose()?, x)?.try_reshape_like(&(batch,))
        };
        attempt().map_err(DeviceError::from_device).map(array)
    }

    fn reparameterize<N: Dim, L: Dim, T: Tape<f32, D>>(
        mean: &Array<(N, L), Self>,
        log_variance: Array<(N, L), Self, T>,
        noise: &Array<(N, L), Self>,
        scale: f32,
    ) -> Result<Array<(N, L), Self, T>, DeviceError> {
        let attempt = || -> Result<_, D::Err> {
            recorded(log_variance)
                .try_mul(scale)?
                .try_exp()?
                .try_mul(noise.tensor.clone())?
                .try_add(mean.tensor.clone())
        };
        attempt().map_err(DeviceError::from_device).map(array)
    }

    fn kl<N: Dim, L: Dim, T: Tape<f32, D>>(
        mean: &Array<(N, L), Self>,
        log_variance: Array<(N, L), Self, T>,
    ) -> Result<Array<(N,), Self, T>, DeviceError> {
        let attempt = || -> Result<_, D::Err> {
            kl_of_axes(mean.tensor.retaped::<T>(), recorded(log_variance))?.try_sum::<(N,), Axis<1>>()
        };
        attempt().map_err(DeviceError::from_device).map(array)
    }

    fn backward(total: Array<(), Self, OwnedTape<f32, D>>) -> Result<Grads<Self>, DeviceError> {
        recorded(total).try_backward().map_err(DeviceError::from_device)
    }

    fn handle<S: Shape>(device: &D, shape: S) -> Result<Tensor<S, f32, D>, DeviceError> {
        device.try_zeros_like(&shape).map_err(DeviceError::from_device)
    }

    fn values<S: Shape>(handle: &Tensor<S, f32, D>) -> Arc<Vec<f32>> {
        Arc::new(Self::to_vec(handle))
    }

    fn set_values<S: Shape>(handle: &mut Tensor<S, f32, D>, values: Vec<f32>) {
        count(values.len(), 0);
        handle.copy_from(&values);
    }

    fn weights<S: Shape>(handle: &mut Tensor<S, f32, D>) -> &mut dyn AnyTensor<D> {
        handle
    }

    fn gradient_reader<S: Shape>(handle: &Tensor<S, f32, D>) -> Self::GradientReader {
        let ghost = handle.ghost();
        let length = handle.shape().num_elements();
        Box::new(move |gradients| {
            gradients.get_or_alloc_mut(&ghost).map_err(DeviceError::from_device)?;
            gradients.get(&ghost).try_reshape_like(&(length,)).map_err(DeviceError::from_device).map(Some)
        })
    }

    fn add_part(part: &mut Self::Part, more: Self::Part) -> Result<(), DeviceError> {
        *part = match (part.take(), more) {
            (Some(sum), Some(more)) => Some(sum.try_add(more).map_err(DeviceError::from_device)?),
            (sum, more) => sum.or(more),
        };
        Ok(())
    }

    fn sum_parts<S: Shape>(device: &D, parts: Vec<Self::Part>, shape: S) -> Result<Array<S, Self>, DeviceError> {
        let mut sum = None;
        parts.into_iter().try_for_each(|part| Self::add_part(&mut sum, part))?;
        let sum = sum.map_or_else(|| device.try_zeros_like(&shape), |sum| sum.try_reshape_like(&shape));
        sum.map_err(DeviceError::from_device).map(array)
    }

    fn noise<N: Dim, L: Dim>(
        device: &D,
        key: NoiseKey,
        images: &[u32],
        shape: (N, L),
    ) -> Result<Array<(N, L), Self>, DeviceError> {
        let noise = device.noise(key, images, shape.1.size()).map_err(DeviceError::from_device)?;
        noise.try_reshape_like(&shape).map_err(DeviceError::from_device).map(array)
    }
}

/// The array as a dfdx tensor with its tape.
fn recorded<S: Shape, D: PortableDevice, T: Tape<f32, D>>(x: Array<S, Portable<D>, T>) -> Tensor<S, f32, D, T> {
    x.tensor.put_tape(x.tape)
}

fn array<S: Shape, D: PortableDevice, T: Tape<f32, D>>(tensor: Tensor<S, f32, D, T>) -> Array<S, Portable<D>, T> {
    let (tensor, tape) = tensor.split_tape();
    Array { tensor, tape }
}

fn activate<S: Shape, D: Device<f32>, T: Tape<f32, D>>(
    x: Tensor<S, f32, D, T>,
    activation: Activation,
) -> Result<Tensor<S, f32, D, T>, DeviceError> {
    activation.portable(x).map_err(DeviceError::from_device)
}

/// Picks the same rows of `x`, seen as (Batch, Rows, Columns), for each image; a tap outside picks zeros.
fn gather<S: Shape, D: Device<f32>, T: Tape<f32, D>>(
    x: Tensor<S, f32, D, T>,
    (batch, rows, columns): (usize, usize, usize),
    taps: Taps,
    gather: Gather,
) -> Result<Tensor<(usize, usize, usize), f32, D, T>, D::Err> {
    let device = x.device().clone();
    let zero: Tensor<_, f32, D, NoneTape> = device.try_zeros_like(&(batch, 1usize, columns))?;
    let x = (x.try_reshape_like(&(batch, rows, columns))?, zero).try_concat_along(Axis::<1>)?;
    x.try_gather(table(&device, batch, rows, (taps, gather))?)
}

/// The indices of [`gather`] on the device.
fn table<D: Device<f32>>(
    device: &D,
    batch: usize,
    rows: usize,
    (taps, gather): (Taps, Gather),
) -> Result<Tensor<(usize, usize), usize, D>, D::Err> {
    let key = (taps, gather, batch);
    let known = TABLES.with_borrow(|tables| tables.get(&key).and_then(|table| table.downcast_ref()).cloned());
    if let Some(known) = known {
        return Ok(known);
    }
    let picks = match gather {
        Gather::ForPositions => taps.of_output(),
        Gather::ForPixels => taps.of_input(),
    };
    let one: Vec<usize> = picks.iter().map(|pick| pick.unwrap_or(rows)).collect();
    count(batch * one.len(), 0);
    let table = device.try_tensor_from_vec(one.repeat(batch), (batch, picks.len()))?;
    TABLES.with_borrow_mut(|tables| {
        if tables.len() >= MOST_TABLES {
            tables.clear();
        }
        tables.insert(key, Box::new(table.clone()))
    });
    Ok(table)
}

/// The most tables that a thread keeps: enough for the layers and batch sizes of a network.
const MOST_TABLES: usize = 64;

/// The windows between a larger grid of pixels and a smaller grid of positions; both are height and width.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Taps {
    larger: (usize, usize),
    smaller: (usize, usize),
    window: Window,
}

/// The KL of each axis of posteriors from the standard normal prior, nats, from (Images, Latent) tensors.
///
/// # Errors
/// The device failed.
pub fn kl_of_axes<S: Shape, D: Device<f32>, T: Tape<f32, D>>(
    mean: Tensor<S, f32, D, T>,
    log_variance: Tensor<S, f32, D, T>,
) -> Result<Tensor<S, f32, D, T>, D::Err> {
    let squares = mean.try_square()?;
    let variance = log_variance.with_empty_tape().try_exp()?;
    log_variance.try_negate()?.try_add(squares)?.try_add(variance)?.try_sub(1.0)?.try_mul(0.5)
}

/// The direction of a gather.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Gather {
    /// Pixels, for each position and tap: a convolution.
    ForPositions,
    /// Positions and taps, for each pixel: its adjoint.
    ForPixels,
}

impl Taps {
    /// The number of pixels.
    fn pixels(&self) -> usize {
        self.larger.0 * self.larger.1
    }

    /// The number of taps of a window.
    fn window(&self) -> usize {
        self.window.kernel * self.window.kernel
    }

    /// For each position and tap, the pixel: how a convolution gathers.
    fn of_output(&self) -> Vec<Option<usize>> {
        let Taps { larger, smaller, window } = *self;
        let Window { kernel, stride, .. } = window;
        let before = (window.before(larger.0), window.before(larger.1));
        let inside = |position: usize, tap: usize, before: usize, side: usize| {
            (position * stride + tap).checked_sub(before).filter(|pixel| *pixel < side)
        };
        let at = |position: usize, tap: usize| {
            let row = inside(position / smaller.1, tap / kernel, before.0, larger.0)?;
            let column = inside(position % smaller.1, tap % kernel, before.1, larger.1)?;
            Some(row * larger.1 + column)
        };
        let positions = 0..smaller.0 * smaller.1;
        positions.flat_map(|position| (0..kernel * kernel).map(move |tap| at(position, tap))).collect()
    }

    /// For each pixel and tap, the index in (position, tap) that falls on it: how the adjoint gathers.
    fn of_input(&self) -> Vec<Option<usize>> {
        let window = self.window();
        let mut picks = vec![None; self.pixels() * window];
        for (index, pixel) in self.of_output().into_iter().enumerate() {
            if let Some(pixel) = pixel {
                picks[pixel * window + index % window] = Some(index);
            }
        }
        picks
    }
}
