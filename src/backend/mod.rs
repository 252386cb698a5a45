//! The fused operations of a VAE, behind one trait: kernels for the processor, dfdx's own operations for every device.

mod host;
mod portable;

pub use crate::kernels::Activation;
pub use host::Host;
pub use portable::Portable;

use crate::model::dims::{Const, Dim, Stride};
use dfdx::shapes::Shape;
use dfdx::tensor::{Gradients, HasErr, NoneTape, Tape, Tensor, ZerosTensor};
use dfdx::tensor_ops::Device;
use std::fmt;
use std::sync::Arc;

/// The side of every convolution's filter.
pub type Filter = Const<3>;

/// A tensor of shape `S` on a backend's device.
pub type Array<S, B, T = NoneTape> = Tensor<S, f32, <B as Backend>::Device, T>;

/// Gradients on a backend's device.
pub type Grads<B> = Gradients<f32, <B as Backend>::Device>;

/// The device failed: out of memory, or its driver.
#[derive(Debug, thiserror::Error)]
#[error("the device failed: {0}")]
pub struct DeviceError(String);

impl DeviceError {
    /// From the device's own error.
    pub fn from_device<E: fmt::Debug>(error: E) -> DeviceError {
        DeviceError(format!("{error:?}"))
    }
}

/// How a gradient comes into an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sum {
    /// It is the first: what was there is gone.
    Begin,
    /// It is added.
    Add,
}

impl Sum {
    /// Brings `part` into `sum`.
    pub fn take(self, sum: &mut [f32], part: &[f32]) {
        match self {
            Sum::Begin => sum.copy_from_slice(part),
            Sum::Add => sum.iter_mut().zip(part).for_each(|(sum, part)| *sum += part),
        }
    }
}

/// A trained array: its values in host memory, which the optimiser writes, and its tensor on the device.
///
/// A backend that computes in host memory reads `values` where they are, and the tensor only gives the gradient
/// its identity; for other devices [`Backend::refresh`] copies the values over.
pub struct Parameter<S: Shape, B: Backend> {
    /// Values, row-major.
    pub values: Arc<Vec<f32>>,
    /// The tensor that gradients are kept for.
    pub tensor: Array<S, B>,
    shape: S,
}

impl<S: Shape, B: Backend> Parameter<S, B> {
    /// A parameter of zeros.
    ///
    /// # Errors
    /// The device is out of memory.
    pub fn zeros(device: &B::Device, shape: S) -> Result<Self, DeviceError> {
        let values = vec![0.0; shape.num_elements()];
        let tensor = device.try_zeros_like(&shape).map_err(DeviceError::from_device)?;
        Ok(Parameter { values: Arc::new(values), tensor, shape })
    }

    /// Its sizes.
    pub fn shape(&self) -> S {
        self.shape
    }
}

/// What a model is computed with. Images, activations and weights are row-major; feature maps are NHWC.
///
/// Operations take the tape from their first operand and leave it in the result. `input_gradient = false` says
/// that nobody asks for the gradient by the operand, as for the images themselves.
pub trait Backend: 'static + Sized {
    /// Where its tensors are.
    type Device: Device<f32> + HasErr;

    /// Reads one parameter's gradient after a backward pass, row-major: adds it to an array, or puts it there.
    type GradientReader: Fn(&mut Grads<Self>, Sum, &mut [f32]) -> Result<(), DeviceError>;

    /// Sums of gradients that are kept apart; as many threads can work on a batch.
    const LANES: usize;

    /// Images that are best computed together; a batch is cut into such micro-batches.
    fn micro_batch(convolutional: bool) -> usize;

    /// y = activation(x W + b): `(N, I)` with weight `(I, O)` and bias `(O)` to `(N, O)`.
    ///
    /// # Errors
    /// The device failed; so for all operations.
    fn dense<N: Dim, I: Dim, O: Dim, T: Tape<f32, Self::Device>>(
        x: Array<(N, I), Self, T>,
        weight: &Parameter<(I, O), Self>,
        bias: &Parameter<(O,), Self>,
        activation: Activation,
        input_gradient: bool,
    ) -> Result<Array<(N, O), Self, T>, DeviceError>;

    /// A 3x3 convolution with TensorFlow's SAME padding: `(N, H, W, I)` to `(N, H', W', O)`.
    fn conv<N: Dim, H: Dim, W: Dim, I: Dim, O: Dim, S: Stride, T: Tape<f32, Self::Device>>(
        x: Array<(N, H, W, I), Self, T>,
        weight: &Parameter<(Filter, Filter, I, O), Self>,
        bias: &Parameter<(O,), Self>,
        stride: S,
        activation: Activation,
        input_gradient: bool,
    ) -> Result<Array<(N, S::Side<H>, S::Side<W>, O), Self, T>, DeviceError>;

    /// The exact adjoint of [`Backend::conv`], with a bias and an activation: `(N, H', W', I)` to `(N, H, W, O)`,
    /// where `(H, W)` are the sides given. The weight is that of the convolution: `(3, 3, O, I)`.
    fn conv_transpose<N: Dim, H: Dim, W: Dim, I: Dim, O: Dim, S: Stride, T: Tape<f32, Self::Device>>(
        x: Array<(N, S::Side<H>, S::Side<W>, I), Self, T>,
        weight: &Parameter<(Filter, Filter, O, I), Self>,
        bias: &Parameter<(O,), Self>,
        sides: (H, W),
        stride: S,
        activation: Activation,
    ) -> Result<Array<(N, H, W, O), Self, T>, DeviceError>;

    /// -log Bernoulli(x | logits), nats per image: summed over pixels.
    fn bernoulli<N: Dim, P: Dim, T: Tape<f32, Self::Device>>(
        logits: Array<(N, P), Self, T>,
        x: &Array<(N, P), Self>,
    ) -> Result<Array<(N,), Self, T>, DeviceError>;

    /// -log N(x | mean, exp(log_variance)), nats per image: summed over pixels, with its constant.
    /// `log_variance` has one entry, or one for each pixel.
    fn gaussian<N: Dim, P: Dim, V: Dim, T: Tape<f32, Self::Device>>(
        mean: Array<(N, P), Self, T>,
        log_variance: &Parameter<(V,), Self>,
        x: &Array<(N, P), Self>,
    ) -> Result<Array<(N,), Self, T>, DeviceError>;

    /// z = mean + exp(scale * log_variance) * noise (Kingma and Welling 2014, section 2.4). Scale 1/2 takes the
    /// second operand for a log-variance, scale 1 for a log standard deviation. The tape is that of `log_variance`.
    fn reparameterize<N: Dim, L: Dim, T: Tape<f32, Self::Device>>(
        mean: &Array<(N, L), Self>,
        log_variance: Array<(N, L), Self, T>,
        noise: &Array<(N, L), Self>,
        scale: f32,
    ) -> Result<Array<(N, L), Self, T>, DeviceError>;

    /// KL(N(mean, exp(log_variance)) || N(0, I)), nats per image (the same, appendix B).
    fn kl<N: Dim, L: Dim, T: Tape<f32, Self::Device>>(
        mean: &Array<(N, L), Self>,
        log_variance: Array<(N, L), Self, T>,
    ) -> Result<Array<(N,), Self, T>, DeviceError>;

    /// Makes the tensor equal to the values, after the optimiser changed them.
    fn refresh<S: Shape>(parameter: &mut Parameter<S, Self>);

    /// How a parameter's gradient is read.
    fn gradient_reader<S: Shape>(parameter: &Parameter<S, Self>) -> Self::GradientReader;
}

/// The values of a tensor, row-major.
pub fn to_vec<S: Shape, B: Backend, T>(tensor: &Array<S, B, T>) -> Vec<f32>
where
    B::Device: dfdx::tensor::CopySlice<f32>,
{
    use dfdx::shapes::HasShape;
    let mut values = vec![0.0; tensor.shape().num_elements()];
    tensor.copy_into(&mut values);
    values
}
