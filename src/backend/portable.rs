//! The portable side: the same operations from dfdx's own, on any of its devices. It is how CUDA computes, and, on
//! the processor, what the kernels are compared with.

use super::{Activation, Array, Backend, DeviceError, Filter, Grads, Parameter, Sum};
use crate::model::dims::{Dim, Stride};
use dfdx::shapes::{Axis, HasShape, Rank1, Shape};
use dfdx::tensor::{HasErr, NoneTape, Tape, Tensor, WithEmptyTape};
use dfdx::tensor_ops::{
    BroadcastTo, Device, GatherTo, PermuteTo, ReshapeTo, SumTo, TryAdd, TryConcatAlong, TryMatMul, TryMul, TrySub,
};
use std::marker::PhantomData;

/// dfdx's operations on the device `D`.
pub struct Portable<D>(PhantomData<D>);

type Rows<D, T> = Tensor<(usize, usize), f32, D, T>;

impl<D: Device<f32> + HasErr> Backend for Portable<D> {
    type Device = D;

    type GradientReader = Box<dyn Fn(&mut Grads<Self>, Sum, &mut [f32]) -> Result<(), DeviceError>>;

    // A GPU is one worker.
    const LANES: usize = 1;

    fn micro_batch(_: bool) -> usize {
        // Large products for a GPU; columns of so many images take a few hundred megabytes.
        128
    }

    fn dense<N: Dim, I: Dim, O: Dim, T: Tape<f32, D>>(
        x: Array<(N, I), Self, T>,
        weight: &Parameter<(I, O), Self>,
        bias: &Parameter<(O,), Self>,
        activation: Activation,
        _: bool,
    ) -> Result<Array<(N, O), Self, T>, DeviceError> {
        let product = x.try_matmul(weight.tensor.clone()).map_err(DeviceError::from_device)?;
        let shape = *product.shape();
        let bias = bias.tensor.clone().try_broadcast_like::<_, Axis<0>>(&shape).map_err(DeviceError::from_device)?;
        activate(product.try_add(bias).map_err(DeviceError::from_device)?, activation)
    }

    fn conv<N: Dim, H: Dim, W: Dim, I: Dim, O: Dim, S: Stride, T: Tape<f32, D>>(
        x: Array<(N, H, W, I), Self, T>,
        weight: &Parameter<(Filter, Filter, I, O), Self>,
        bias: &Parameter<(O,), Self>,
        _: S,
        activation: Activation,
        _: bool,
    ) -> Result<Array<(N, S::Side<H>, S::Side<W>, O), Self, T>, DeviceError> {
        let (batch, height, width, inputs) = *x.shape();
        let outputs = weight.shape().3;
        let (out_height, out_width) = (S::side(height), S::side(width));
        let taps = Taps::new((height.size(), width.size()), (out_height.size(), out_width.size()), S::STRIDE);
        let attempt = || -> Result<_, D::Err> {
            let columns = gather(x, (batch.size(), height.size() * width.size(), inputs.size()), &taps.of_output())?;
            let rows = batch.size() * out_height.size() * out_width.size();
            let columns: Rows<D, T> = columns.try_reshape_like(&(rows, 9 * inputs.size()))?;
            let weight = weight.tensor.clone().try_reshape_like(&(9 * inputs.size(), outputs.size()))?;
            let y = columns.try_matmul(weight)?;
            let bias = bias.tensor.clone().try_reshape_like(&(outputs.size(),))?;
            let bias = bias.try_broadcast_like::<_, Axis<0>>(&(rows, outputs.size()))?;
            y.try_add(bias)?.try_reshape_like(&(batch, out_height, out_width, outputs))
        };
        activate(attempt().map_err(DeviceError::from_device)?, activation)
    }

    fn conv_transpose<N: Dim, H: Dim, W: Dim, I: Dim, O: Dim, S: Stride, T: Tape<f32, D>>(
        x: Array<(N, S::Side<H>, S::Side<W>, I), Self, T>,
        weight: &Parameter<(Filter, Filter, O, I), Self>,
        bias: &Parameter<(O,), Self>,
        (height, width): (H, W),
        _: S,
        activation: Activation,
    ) -> Result<Array<(N, H, W, O), Self, T>, DeviceError> {
        let (batch, in_height, in_width, inputs) = *x.shape();
        let outputs = weight.shape().2;
        let taps = Taps::new((height.size(), width.size()), (in_height.size(), in_width.size()), S::STRIDE);
        let (positions, from) = (height.size() * width.size(), in_height.size() * in_width.size());
        let attempt = || -> Result<_, D::Err> {
            // Each position spreads to its nine taps ...
            let rows: Rows<D, T> = x.try_reshape_like(&(batch.size() * from, inputs.size()))?;
            let weight = weight.tensor.clone().try_reshape_like(&(9 * outputs.size(), inputs.size()))?;
            let spread = rows.try_matmul(weight.try_permute::<(usize, usize), _>()?)?;
            // ... and each pixel gathers what reached it.
            let gathered = gather(spread, (batch.size(), 9 * from, outputs.size()), &taps.of_input())?;
            let gathered = gathered.try_reshape_like(&(batch.size() * positions, 9usize, outputs.size()))?;
            let y = gathered.try_sum::<(usize, usize), Axis<1>>()?;
            let bias = bias.tensor.clone().try_reshape_like(&(outputs.size(),))?;
            let bias = bias.try_broadcast_like::<_, Axis<0>>(&(batch.size() * positions, outputs.size()))?;
            y.try_add(bias)?.try_reshape_like(&(batch, height, width, outputs))
        };
        activate(attempt().map_err(DeviceError::from_device)?, activation)
    }

    fn bernoulli<N: Dim, P: Dim, T: Tape<f32, D>>(
        logits: Array<(N, P), Self, T>,
        x: &Array<(N, P), Self>,
    ) -> Result<Array<(N,), Self, T>, DeviceError> {
        let attempt = || -> Result<_, D::Err> {
            // max(l, 0) - x l + log(1 + exp(-|l|))
            let positive = logits.with_empty_tape().try_relu()?;
            let product = logits.with_empty_tape().try_mul(x.clone())?;
            let rest = logits.try_abs()?.try_negate()?.try_exp()?.try_add(1.0)?.try_ln()?;
            rest.try_add(positive)?.try_sub(product)?.try_sum::<(N,), Axis<1>>()
        };
        attempt().map_err(DeviceError::from_device)
    }

    fn gaussian<N: Dim, P: Dim, V: Dim, T: Tape<f32, D>>(
        mean: Array<(N, P), Self, T>,
        log_variance: &Parameter<(V,), Self>,
        x: &Array<(N, P), Self>,
    ) -> Result<Array<(N,), Self, T>, DeviceError> {
        let shape = *mean.shape();
        let attempt = || -> Result<_, D::Err> {
            let (mean, tape) = dfdx::tensor::SplitTape::split_tape(mean);
            let variance = dfdx::tensor::PutTape::put_tape(log_variance.tensor.clone(), tape);
            // One variance is repeated for all pixels; one for each pixel keeps its place.
            let pixels = (shape.1.size(),);
            let variance: Tensor<(usize,), f32, D, T> = if log_variance.shape().0.size() == 1 {
                let one: Tensor<Rank1<1>, f32, D, T> = variance.try_reshape_like(&(dfdx::shapes::Const::<1>,))?;
                one.try_sum::<(), _>()?.try_broadcast_like::<_, Axis<0>>(&pixels)?
            } else {
                variance.try_reshape_like(&pixels)?
            };
            let log_variance = variance.try_broadcast_like::<_, Axis<0>>(&(shape.0.size(), shape.1.size()))?;
            let log_variance = log_variance.try_reshape_like(&shape)?;
            let precision = log_variance.with_empty_tape().try_negate()?.try_exp()?;
            let squares = mean.retaped::<T>().try_sub(x.clone())?.try_square()?;
            let terms =
                log_variance.try_add(squares.try_mul(precision)?)?.try_add((2.0 * std::f32::consts::PI).ln())?;
            terms.try_mul(0.5)?.try_sum::<(N,), Axis<1>>()
        };
        attempt().map_err(DeviceError::from_device)
    }

    fn reparameterize<N: Dim, L: Dim, T: Tape<f32, D>>(
        mean: &Array<(N, L), Self>,
        log_variance: Array<(N, L), Self, T>,
        noise: &Array<(N, L), Self>,
        scale: f32,
    ) -> Result<Array<(N, L), Self, T>, DeviceError> {
        let attempt = || -> Result<_, D::Err> {
            log_variance.try_mul(scale)?.try_exp()?.try_mul(noise.clone())?.try_add(mean.clone())
        };
        attempt().map_err(DeviceError::from_device)
    }

    fn kl<N: Dim, L: Dim, T: Tape<f32, D>>(
        mean: &Array<(N, L), Self>,
        log_variance: Array<(N, L), Self, T>,
    ) -> Result<Array<(N,), Self, T>, DeviceError> {
        let attempt = || -> Result<_, D::Err> {
            let squares = mean.retaped::<T>().try_square()?;
            let variance = log_variance.with_empty_tape().try_exp()?;
            let terms = log_variance.try_negate()?.try_add(squares)?.try_add(variance)?.try_sub(1.0)?;
            terms.try_mul(0.5)?.try_sum::<(N,), Axis<1>>()
        };
        attempt().map_err(DeviceError::from_device)
    }

    fn refresh<S: Shape>(parameter: &mut Parameter<S, Self>) {
        parameter.tensor.copy_from(&parameter.values);
    }

    fn gradient_reader<S: Shape>(parameter: &Parameter<S, Self>) -> Self::GradientReader {
        let ghost = parameter.tensor.ghost();
        Box::new(move |gradients, how, sum| {
            gradients.get_or_alloc_mut(&ghost).map_err(DeviceError::from_device)?;
            how.take(sum, &gradients.get(&ghost).as_vec());
            Ok(())
        })
    }
}

fn activate<S: Shape, D: Device<f32>, T: Tape<f32, D>>(
    x: Tensor<S, f32, D, T>,
    activation: Activation,
) -> Result<Tensor<S, f32, D, T>, DeviceError> {
    match activation {
        Activation::Identity => Ok(x),
        Activation::Relu => x.try_relu().map_err(DeviceError::from_device),
        Activation::Tanh => x.try_tanh().map_err(DeviceError::from_device),
    }
}

/// Picks rows of `x`, seen as (Batch, Rows, Columns), for each image alike; `None` picks zeros.
fn gather<S: Shape, D: Device<f32>, T: Tape<f32, D>>(
    x: Tensor<S, f32, D, T>,
    (batch, rows, columns): (usize, usize, usize),
    picks: &[Option<usize>],
) -> Result<Tensor<(usize, usize, usize), f32, D, T>, D::Err> {
    let device = x.device().clone();
    let zero: Tensor<_, f32, D, NoneTape> = device.try_zeros_like(&(batch, 1usize, columns))?;
    let x = (x.try_reshape_like(&(batch, rows, columns))?, zero).try_concat_along(Axis::<1>)?;
    let one: Vec<usize> = picks.iter().map(|pick| pick.unwrap_or(rows)).collect();
    let index = device.try_tensor_from_vec(one.repeat(batch), (batch, picks.len()))?;
    x.try_gather(index)
}

/// Which pixel of the larger grid each tap of a 3x3 filter falls on, for each position of the smaller grid.
struct Taps {
    /// `[position][tap]`
    pixels: Vec<[Option<usize>; 9]>,
    larger: usize,
}

impl Taps {
    fn new(larger: (usize, usize), smaller: (usize, usize), stride: usize) -> Taps {
        let before = (padding(larger.0, smaller.0, stride), padding(larger.1, smaller.1, stride));
        let inside = |position: usize, tap: usize, before: usize, side: usize| {
            (position * stride + tap).checked_sub(before).filter(|pixel| *pixel < side)
        };
        let at = |position: usize, tap: usize| {
            let row = inside(position / smaller.1, tap / 3, before.0, larger.0)?;
            let column = inside(position % smaller.1, tap % 3, before.1, larger.1)?;
            Some(row * larger.1 + column)
        };
        let positions = 0..smaller.0 * smaller.1;
        let pixels = positions.map(|position| std::array::from_fn(|tap| at(position, tap))).collect();
        Taps { pixels, larger: larger.0 * larger.1 }
    }

    /// For each position and tap, the pixel: how a convolution gathers.
    fn of_output(&self) -> Vec<Option<usize>> {
        self.pixels.concat()
    }

    /// For each pixel and tap, the place in (position, tap) that falls on it: how the adjoint gathers.
    fn of_input(&self) -> Vec<Option<usize>> {
        let mut picks = vec![None; self.larger * 9];
        for (position, taps) in self.pixels.iter().enumerate() {
            for (tap, pixel) in taps.iter().enumerate() {
                if let Some(pixel) = pixel {
                    picks[pixel * 9 + tap] = Some(position * 9 + tap);
                }
            }
        }
        picks
    }
}

/// Zeros before the first pixel, with TensorFlow's SAME padding: half of what is missing, rounded down.
fn padding(larger: usize, smaller: usize, stride: usize) -> usize {
    ((smaller - 1) * stride + 3).saturating_sub(larger) / 2
}
