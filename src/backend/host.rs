//! The fast side: dfdx tensors and tape on the processor, computed by [`crate::kernels`].

use super::{Activation, Array, Backend, DeviceError, Filter, Grads, Parameter, Sum, to_vec};
use crate::kernels::{self, ConvShape, DenseShape};
use crate::model::dims::{Dim, Stride};
use dfdx::shapes::{HasShape, Shape};
use dfdx::tensor::{Cpu, CpuError, PutTape, SplitTape, Tape, Tensor, TensorFromVec};
use std::mem::take;
use std::sync::Arc;

/// Kernels on the processor. One thread computes one micro-batch.
#[derive(Clone, Copy, Debug, Default)]
pub struct Host;

impl Backend for Host {
    type Device = Cpu;

    type GradientReader = Box<dyn Fn(&mut Grads<Host>, Sum, &mut [f32]) -> Result<(), DeviceError> + Send + Sync>;

    const LANES: usize = 8;

    fn micro_batch(convolutional: bool) -> usize {
        // Feature maps of 8 images stay in a second-level cache of 1 MiB; dense layers want rows for their products.
        if convolutional { 8 } else { 32 }
    }

    fn dense<N: Dim, I: Dim, O: Dim, T: Tape<f32, Cpu>>(
        x: Array<(N, I), Self, T>,
        weight: &Parameter<(I, O), Self>,
        bias: &Parameter<(O,), Self>,
        activation: Activation,
        input_gradient: bool,
    ) -> Result<Array<(N, O), Self, T>, DeviceError> {
        let (x, mut tape) = x.split_tape();
        let (rows, inputs) = *x.shape();
        let outputs = weight.shape().1;
        let shape = DenseShape { rows: rows.size(), inputs: inputs.size(), outputs: outputs.size() };
        let x_values = to_vec::<_, Host, _>(&x);
        let mut y = vec![0.0; shape.rows * shape.outputs];
        kernels::dense(shape, activation, &x_values, &weight.values, &bias.values, &mut y);
        let y = tensor(&x, y, (rows, outputs))?;
        let layer = Layer::new(x, x_values, &y, weight, bias, input_gradient);
        tape.add_backward_op(move |gradients| {
            layer.backward(gradients, |weight, x, y, dy, dx, dweight, dbias| {
                kernels::dense_backward(shape, activation, x, weight, y, dy, dx, dweight, dbias);
            })
        });
        Ok(y.put_tape(tape))
    }

    fn conv<N: Dim, H: Dim, W: Dim, I: Dim, O: Dim, S: Stride, T: Tape<f32, Cpu>>(
        x: Array<(N, H, W, I), Self, T>,
        weight: &Parameter<(Filter, Filter, I, O), Self>,
        bias: &Parameter<(O,), Self>,
        _: S,
        activation: Activation,
        input_gradient: bool,
    ) -> Result<Array<(N, S::Side<H>, S::Side<W>, O), Self, T>, DeviceError> {
        let (x, mut tape) = x.split_tape();
        let (batch, height, width, inputs) = *x.shape();
        let outputs = weight.shape().3;
        let shape = conv_shape::<S>(batch, (height, width), inputs, outputs);
        let x_values = to_vec::<_, Host, _>(&x);
        let mut y = vec![0.0; shape.batch * shape.out_height() * shape.out_width() * shape.outputs];
        kernels::conv(shape, activation, &x_values, &weight.values, &bias.values, &mut y);
        let y = tensor(&x, y, (batch, S::side(height), S::side(width), outputs))?;
        let layer = Layer::new(x, x_values, &y, weight, bias, input_gradient);
        tape.add_backward_op(move |gradients| {
            layer.backward(gradients, |weight, x, y, dy, dx, dweight, dbias| {
                kernels::conv_backward(shape, activation, x, weight, y, dy, dx, dweight, dbias);
            })
        });
        Ok(y.put_tape(tape))
    }

    fn conv_transpose<N: Dim, H: Dim, W: Dim, I: Dim, O: Dim, S: Stride, T: Tape<f32, Cpu>>(
        x: Array<(N, S::Side<H>, S::Side<W>, I), Self, T>,
        weight: &Parameter<(Filter, Filter, O, I), Self>,
        bias: &Parameter<(O,), Self>,
        sides: (H, W),
        _: S,
        activation: Activation,
    ) -> Result<Array<(N, H, W, O), Self, T>, DeviceError> {
        let (x, mut tape) = x.split_tape();
        let (batch, _, _, inputs) = *x.shape();
        let outputs = weight.shape().2;
        let shape = conv_shape::<S>(batch, sides, outputs, inputs);
        let x_values = to_vec::<_, Host, _>(&x);
        let mut y = vec![0.0; shape.batch * shape.height * shape.width * shape.inputs];
        kernels::conv_transpose(shape, activation, &x_values, &weight.values, &bias.values, &mut y);
        let y = tensor(&x, y, (batch, sides.0, sides.1, outputs))?;
        let layer = Layer::new(x, x_values, &y, weight, bias, true);
        tape.add_backward_op(move |gradients| {
            layer.backward(gradients, |weight, x, y, dy, dx, dweight, dbias| {
                kernels::conv_transpose_backward(shape, activation, x, weight, y, dy, dx, dweight, dbias);
            })
        });
        Ok(y.put_tape(tape))
    }

    fn bernoulli<N: Dim, P: Dim, T: Tape<f32, Cpu>>(
        logits: Array<(N, P), Self, T>,
        x: &Array<(N, P), Self>,
    ) -> Result<Array<(N,), Self, T>, DeviceError> {
        let (logits, mut tape) = logits.split_tape();
        let (batch, pixels) = *logits.shape();
        let pixels = pixels.size();
        let (logit_values, x_values) = (to_vec::<_, Host, _>(&logits), to_vec::<_, Host, _>(x));
        let mut nats = vec![0.0; batch.size()];
        kernels::bernoulli(pixels, &logit_values, &x_values, &mut nats);
        let nats = tensor(&logits, nats, (batch,))?;
        let result = nats.clone();
        tape.add_backward_op(move |gradients| {
            let dnats = take_gradient(gradients, &nats)?;
            let dlogits = gradients.get_or_alloc_mut(&logits)?;
            kernels::bernoulli_backward(pixels, &logit_values, &x_values, &dnats, dlogits);
            Ok(())
        });
        Ok(result.put_tape(tape))
    }

    fn gaussian<N: Dim, P: Dim, V: Dim, T: Tape<f32, Cpu>>(
        mean: Array<(N, P), Self, T>,
        log_variance: &Parameter<(V,), Self>,
        x: &Array<(N, P), Self>,
    ) -> Result<Array<(N,), Self, T>, DeviceError> {
        let (mean, mut tape) = mean.split_tape();
        let (batch, pixels) = *mean.shape();
        let pixels = pixels.size();
        let (mean_values, x_values) = (to_vec::<_, Host, _>(&mean), to_vec::<_, Host, _>(x));
        let mut nats = vec![0.0; batch.size()];
        kernels::gaussian(pixels, &mean_values, &log_variance.values, &x_values, &mut nats);
        let nats = tensor(&mean, nats, (batch,))?;
        let result = nats.clone();
        let (variance_values, variance) = (log_variance.values.clone(), log_variance.tensor.clone());
        tape.add_backward_op(move |gradients| {
            let dnats = take_gradient(gradients, &nats)?;
            let mut dmean = take_gradient(gradients, &mean)?;
            let dvariance = gradients.get_or_alloc_mut(&variance)?;
            let (log_variance, dvariance) = (&variance_values, Some(dvariance.as_mut_slice()));
            kernels::gaussian_backward(pixels, &mean_values, log_variance, &x_values, &dnats, &mut dmean, dvariance);
            put_gradient(gradients, &mean, dmean)
        });
        Ok(result.put_tape(tape))
    }

    fn reparameterize<N: Dim, L: Dim, T: Tape<f32, Cpu>>(
        mean: &Array<(N, L), Self>,
        log_variance: Array<(N, L), Self, T>,
        noise: &Array<(N, L), Self>,
        scale: f32,
    ) -> Result<Array<(N, L), Self, T>, DeviceError> {
        let (log_variance, mut tape) = log_variance.split_tape();
        let shape = *log_variance.shape();
        let (variance_values, noise_values) = (to_vec::<_, Host, _>(&log_variance), to_vec::<_, Host, _>(noise));
        let mut z = vec![0.0; shape.num_elements()];
        kernels::reparameterize(scale, &to_vec::<_, Host, _>(mean), &variance_values, &noise_values, &mut z);
        let z = tensor(&log_variance, z, shape)?;
        let (result, mean) = (z.clone(), mean.clone());
        tape.add_backward_op(move |gradients| {
            let dz = take_gradient(gradients, &z)?;
            let mut dmean = take_gradient(gradients, &mean)?;
            let dvariance = gradients.get_or_alloc_mut(&log_variance)?;
            kernels::reparameterize_backward(scale, &variance_values, &noise_values, &dz, &mut dmean, dvariance);
            put_gradient(gradients, &mean, dmean)
        });
        Ok(result.put_tape(tape))
    }

    fn kl<N: Dim, L: Dim, T: Tape<f32, Cpu>>(
        mean: &Array<(N, L), Self>,
        log_variance: Array<(N, L), Self, T>,
    ) -> Result<Array<(N,), Self, T>, DeviceError> {
        let (log_variance, mut tape) = log_variance.split_tape();
        let (batch, latent) = *log_variance.shape();
        let latent = latent.size();
        let (mean_values, variance_values) = (to_vec::<_, Host, _>(mean), to_vec::<_, Host, _>(&log_variance));
        let mut nats = vec![0.0; batch.size()];
        kernels::kl(latent, &mean_values, &variance_values, &mut nats);
        let nats = tensor(&log_variance, nats, (batch,))?;
        let (result, mean) = (nats.clone(), mean.clone());
        tape.add_backward_op(move |gradients| {
            let dnats = take_gradient(gradients, &nats)?;
            let mut dmean = take_gradient(gradients, &mean)?;
            let dvariance = gradients.get_or_alloc_mut(&log_variance)?;
            kernels::kl_backward(latent, &mean_values, &variance_values, &dnats, &mut dmean, dvariance);
            put_gradient(gradients, &mean, dmean)
        });
        Ok(result.put_tape(tape))
    }

    fn refresh<S: Shape>(_: &mut Parameter<S, Self>) {}

    fn gradient_reader<S: Shape>(parameter: &Parameter<S, Self>) -> Self::GradientReader {
        let ghost = parameter.tensor.ghost();
        Box::new(move |gradients, how, sum| {
            let gradient = gradients.get_or_alloc_mut(&ghost).map_err(DeviceError::from_device)?;
            how.take(sum, gradient);
            Ok(())
        })
    }
}

fn tensor<S: Shape, R: Shape>(
    like: &Array<S, Host>,
    values: Vec<f32>,
    shape: R,
) -> Result<Array<R, Host>, DeviceError> {
    like.device().try_tensor_from_vec(values, shape).map_err(DeviceError::from_device)
}

fn conv_shape<S: Stride>(
    batch: impl Dim,
    sides: (impl Dim, impl Dim),
    inputs: impl Dim,
    outputs: impl Dim,
) -> ConvShape {
    ConvShape {
        batch: batch.size(),
        height: sides.0.size(),
        width: sides.1.size(),
        inputs: inputs.size(),
        outputs: outputs.size(),
        stride: S::STRIDE,
    }
}

/// Takes a gradient's buffer out, so that others can be borrowed beside it.
fn take_gradient<S: Shape>(gradients: &mut Grads<Host>, tensor: &Tensor<S, f32, Cpu>) -> Result<Vec<f32>, CpuError> {
    Ok(take(&mut **gradients.get_or_alloc_mut(tensor)?))
}

fn put_gradient<S: Shape>(
    gradients: &mut Grads<Host>,
    tensor: &Tensor<S, f32, Cpu>,
    gradient: Vec<f32>,
) -> Result<(), CpuError> {
    **gradients.get_or_alloc_mut(tensor)? = gradient;
    Ok(())
}

/// What the backward pass of a layer with weight, bias and activation needs.
struct Layer<X: Shape, Y: Shape, K: Shape, B: Shape> {
    x: Tensor<X, f32, Cpu>,
    x_values: Vec<f32>,
    y: Tensor<Y, f32, Cpu>,
    weight: Tensor<K, f32, Cpu>,
    weight_values: Arc<Vec<f32>>,
    bias: Tensor<B, f32, Cpu>,
    input_gradient: bool,
}

impl<X: Shape, Y: Shape, K: Shape, B: Shape> Layer<X, Y, K, B> {
    fn new(
        x: Tensor<X, f32, Cpu>,
        x_values: Vec<f32>,
        y: &Tensor<Y, f32, Cpu>,
        weight: &Parameter<K, Host>,
        bias: &Parameter<B, Host>,
        input_gradient: bool,
    ) -> Self {
        let (y, bias) = (y.clone(), bias.tensor.clone());
        let (weight_values, weight) = (weight.values.clone(), weight.tensor.clone());
        Layer { x, x_values, y, weight, weight_values, bias, input_gradient }
    }

    /// Calls `kernel(weight, x, y, dy, dx, dweight, dbias)` on the gradients' buffers.
    fn backward(
        &self,
        gradients: &mut Grads<Host>,
        kernel: impl FnOnce(&[f32], &[f32], &[f32], &mut [f32], Option<&mut [f32]>, &mut [f32], &mut [f32]),
    ) -> Result<(), CpuError> {
        let y = to_vec::<_, Host, _>(&self.y);
        let mut dy = take_gradient(gradients, &self.y)?;
        let mut dx = if self.input_gradient { Some(take_gradient(gradients, &self.x)?) } else { None };
        let mut dweight = take_gradient(gradients, &self.weight)?;
        let dbias = gradients.get_or_alloc_mut(&self.bias)?;
        kernel(&self.weight_values, &self.x_values, &y, &mut dy, dx.as_deref_mut(), &mut dweight, dbias);
        put_gradient(gradients, &self.weight, dweight)?;
        if let Some(dx) = dx {
            put_gradient(gradients, &self.x, dx)?;
        }
        Ok(())
    }
}
