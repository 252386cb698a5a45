//! The fused operations of a VAE behind one trait: CPU kernels, and dfdx's own operations for any device.

mod card;
mod codes;
mod combine;
mod gradient;
mod host;
mod pointwise;
mod portable;
mod rows;

pub use crate::tensor::kernels::{ACTIVATIONS, Activation};
#[cfg(feature = "cuda")]
pub use card::Cuda;
pub use card::{
    Address, Card, CardInfo, CardPart, CardWeights, Command, Driver, Graph, Memory, OnCard, Precision, Product,
    VISIBLE_DEVICES, WINDOWS, WORDS, Word, cards, visible,
};
pub use codes::{CodeGradients, CodeInputs, CodeOperation, CodeTerm, Codes, by_axis};
pub use combine::{BatchTerms, Combine, RowWeight};
pub(crate) use gradient::whole_rows;
pub use gradient::{Part, put_sum};
pub use host::Host;
pub use pointwise::{Operands, Pointwise, PointwiseKernel};
pub use portable::{AnyTensor, Copies, Portable, PortableDevice, copies, kl_of_axes};
pub use rows::{KernelNumbers, RowGradients, RowInputs, RowKernel, RowOperation, kernel_numbers};

use crate::random::{Purpose, Stream};
use crate::tensor::dims::{Dim, Kernel, Window, Windows};
use crate::tensor::kernels::{Buffer, ConvShape};
use dfdx::shapes::Shape;
use dfdx::tensor::{Gradients, HasErr, NoneTape, OwnedTape, Tape};
use dfdx::tensor_ops::Device;
use std::fmt;
use std::sync::Arc;

/// An array of shape `S` on a backend's device, with or without a tape that records operations.
#[derive(Debug)]
pub struct Array<S: Shape, B: Backend, T = NoneTape> {
    tensor: B::Tensor<S>,
    tape: T,
}

impl<S: Shape, B: Backend> Clone for Array<S, B> {
    fn clone(&self) -> Self {
        Array { tensor: self.tensor.clone(), tape: NoneTape }
    }
}

impl<S: Shape, B: Backend> Array<S, B> {
    /// Creates it from row-major values.
    ///
    /// # Errors
    /// The device is out of memory.
    pub fn new(device: &B::Device, values: Buffer, shape: S) -> Result<Self, DeviceError> {
        Ok(Array { tensor: B::tensor(device, values, shape)?, tape: NoneTape })
    }

    /// The same array with a tape.
    pub fn put_tape<T: Tape<f32, B::Recorder>>(self, tape: T) -> Array<S, B, T> {
        Array { tensor: self.tensor, tape }
    }
}

impl<S: Shape, B: Backend, T: Tape<f32, B::Recorder>> Array<S, B, T> {
    /// The size of each axis.
    pub fn shape(&self) -> S {
        B::shape(&self.tensor)
    }

    /// The array and its tape.
    pub fn split_tape(self) -> (Array<S, B>, T) {
        (Array { tensor: self.tensor, tape: NoneTape }, self.tape)
    }

    /// Its values, row-major.
    pub fn to_vec(&self) -> Vec<f32> {
        B::to_vec(&self.tensor)
    }

    /// Changes the axes; the number of elements stays the same. Free: no data is moved.
    ///
    /// # Errors
    /// The device failed.
    pub fn relabel<R: Shape>(self, shape: R) -> Result<Array<R, B, T>, DeviceError> {
        B::relabel(self, shape)
    }
}

/// Gradients on a backend's device.
pub type Grads<B> = Gradients<f32, <B as Backend>::Recorder>;

/// A device error.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// It has less memory than it was asked for: a sentence.
    #[error("{0}")]
    OutOfMemory(String),
    /// An error of its driver, or a use that it cannot serve.
    #[error("the device failed: {0}")]
    Failed(String),
}

impl DeviceError {
    /// An error in words.
    pub fn new(text: impl Into<String>) -> DeviceError {
        DeviceError::Failed(text.into())
    }

    /// Converts an error of the device.
    pub fn from_device<E: fmt::Debug>(error: E) -> DeviceError {
        DeviceError::Failed(format!("{error:?}"))
    }
}

/// A trained array. The backend has its values and identifies its gradient.
#[derive(Debug)]
pub struct Parameter<S: Shape, B: Backend> {
    handle: B::Handle<S>,
    shape: S,
}

impl<S: Shape, B: Backend> Parameter<S, B> {
    /// A parameter of zeros.
    ///
    /// # Errors
    /// The device is out of memory.
    pub fn zeros(device: &B::Device, shape: S) -> Result<Self, DeviceError> {
        Ok(Parameter { handle: B::handle(device, shape)?, shape })
    }

    /// The size of each axis.
    pub fn shape(&self) -> S {
        self.shape
    }

    /// A copy of its values, row-major; on the host, the values themselves.
    pub fn values(&self) -> Arc<Vec<f32>> {
        B::values(&self.handle)
    }

    /// Sets its values, row-major.
    pub fn set(&mut self, values: Vec<f32>) {
        B::set_values(&mut self.handle, values);
    }

    /// Its values, as the optimizers of the backend change them.
    pub fn weights(&mut self) -> B::Weights<'_> {
        B::weights(&mut self.handle)
    }

    /// A function that reads its gradient after a backward pass.
    pub fn gradient_reader(&self) -> B::GradientReader {
        B::gradient_reader(&self.handle)
    }
}

/// Where the noise of some images comes from: a stream of random numbers for each image.
#[derive(Clone, Copy, Debug)]
pub struct NoiseKey {
    /// The seed.
    pub seed: u64,
    /// What the noise is for.
    pub purpose: Purpose,
    /// The epoch.
    pub epoch: u64,
    /// The number of samples per image.
    pub samples: usize,
}

impl NoiseKey {
    /// Fills rows of noise (Samples, Latent), those of the first image first: each depends on its image and on its number among
    /// the samples of the image, not on its batch or thread, nor on the number of samples.
    pub fn fill(self, images: &[u32], latent: usize, noise: &mut [f32]) {
        for (image, noise) in images.iter().zip(noise.chunks_mut(self.samples.max(1) * latent.max(1))) {
            let mut stream = Stream::new(self.seed, self.purpose, self.epoch, u64::from(*image));
            noise.chunks_mut(latent.max(1)).for_each(|sample| stream.fill_normal(sample));
        }
    }
}

/// The operations of a model. Images, activations and weights are row-major; feature maps are NHWC.
///
/// Operations take the tape from their first operand and return it with the result. `input_gradient = false` means that
/// the gradient with respect to the operand is not needed, as for images.
pub trait Backend: 'static + Sized {
    /// The device of its tensors.
    type Device: Clone;

    /// The device of dfdx whose tapes and gradients its operations use.
    type Recorder: Device<f32> + HasErr;

    /// The values of an array and the handle of its gradient. Clones share both.
    type Tensor<S: Shape>: Clone + fmt::Debug;

    /// The values of a parameter and the key of its gradient.
    type Handle<S: Shape>: fmt::Debug;

    /// The values of a parameter of any shape, as the optimizers of the backend change them.
    type Weights<'a>;

    /// The contribution of some images to the gradient of a parameter.
    type Part: Default;

    /// Takes the gradient of one parameter after the backward pass of a micro-batch.
    type GradientReader: Fn(&mut Grads<Self>) -> Result<Self::Part, DeviceError>;

    /// The largest number of separate gradient sums of a model whose weights have this many bytes; this many threads can share a batch.
    fn lanes(weights: u64) -> usize;

    /// The best number of images in a micro-batch; a batch is split into micro-batches of this size.
    fn micro_batch(convolutional: bool) -> usize;

    /// Creates it from row-major values.
    ///
    /// # Errors
    /// The device failed. The same holds for all operations.
    fn tensor<S: Shape>(device: &Self::Device, values: Buffer, shape: S) -> Result<Self::Tensor<S>, DeviceError>;

    /// The shape of a tensor.
    fn shape<S: Shape>(tensor: &Self::Tensor<S>) -> S;

    /// The values of a tensor, row-major.
    fn to_vec<S: Shape>(tensor: &Self::Tensor<S>) -> Vec<f32>;

    /// Changes the axes; the number of elements stays the same.
    fn relabel<S: Shape, R: Shape, T: Tape<f32, Self::Recorder>>(
        x: Array<S, Self, T>,
        shape: R,
    ) -> Result<Array<R, Self, T>, DeviceError>;

    /// y = activation(x W + b): `(N, I)` with weight `(I, O)` and bias `(O)` to `(N, O)`.
    fn dense<N: Dim, I: Dim, O: Dim, T: Tape<f32, Self::Recorder>>(
        x: Array<(N, I), Self, T>,
        weight: &Parameter<(I, O), Self>,
        bias: &Parameter<(O,), Self>,
        activation: Activation,
        input_gradient: bool,
    ) -> Result<Array<(N, O), Self, T>, DeviceError>;

    /// A convolution: `(N, H, W, I)` to `(N, H', W', O)`.
    fn conv<N: Dim, H: Dim, W: Dim, I: Dim, O: Dim, T: Tape<f32, Self::Recorder>>(
        x: Array<(N, H, W, I), Self, T>,
        weight: &Parameter<(Kernel, Kernel, I, O), Self>,
        bias: &Parameter<(O,), Self>,
        window: Window,
        activation: Activation,
        input_gradient: bool,
    ) -> Result<Array<(N, Windows<H>, Windows<W>, O), Self, T>, DeviceError>;

    /// The exact adjoint of [`Backend::conv`], with a bias and an activation: `(N, H', W', I)` to `(N, H, W, O)`, where
    /// `sides` is `(H, W)`. The weight is that of the convolution: `(kernel, kernel, O, I)`.
    fn conv_transpose<N: Dim, H: Dim, W: Dim, I: Dim, O: Dim, T: Tape<f32, Self::Recorder>>(
        x: Array<(N, Windows<H>, Windows<W>, I), Self, T>,
        weight: &Parameter<(Kernel, Kernel, O, I), Self>,
        bias: &Parameter<(O,), Self>,
        sides: (H, W),
        window: Window,
        activation: Activation,
    ) -> Result<Array<(N, H, W, O), Self, T>, DeviceError>;

    /// Group normalization of feature maps whose last axis are the channels: `(N, F)` with a weight and a bias for each channel, `(C)`.
    fn group_norm<N: Dim, F: Dim, C: Dim, T: Tape<f32, Self::Recorder>>(
        x: Array<(N, F), Self, T>,
        groups: usize,
        weight: &Parameter<(C,), Self>,
        bias: &Parameter<(C,), Self>,
    ) -> Result<Array<(N, F), Self, T>, DeviceError>;

    /// An operation on the values at the same place of one or two arrays; the tape is that of `a`.
    fn pointwise<P: Pointwise, S: Shape, T: Tape<f32, Self::Recorder>>(
        operation: &P,
        a: Array<S, Self, T>,
        b: Option<&Array<S, Self>>,
    ) -> Result<Array<S, Self, T>, DeviceError>;

    /// An operation on rows, such as a likelihood: from outputs `(N, O)` and values `(N, V)` to one number per row. `own` are the
    /// operation's own numbers, and whether their gradient is needed.
    fn rows<R: RowOperation, N: Dim, O: Dim, V: Dim, P: Dim, T: Tape<f32, Self::Recorder>>(
        operation: &R,
        outputs: Array<(N, O), Self, T>,
        own: Option<(&Parameter<(P,), Self>, bool)>,
        x: &Array<(N, V), Self>,
    ) -> Result<Array<(N,), Self, T>, DeviceError>;

    /// z = mean + exp(scale * log_variance) * noise (Kingma and Welling 2014, section 2.4). With scale 1/2 the second
    /// operand is a log-variance, with scale 1 a log standard deviation. The tape is that of `log_variance`.
    fn reparameterize<N: Dim, L: Dim, T: Tape<f32, Self::Recorder>>(
        mean: &Array<(N, L), Self>,
        log_variance: Array<(N, L), Self, T>,
        noise: &Array<(N, L), Self>,
        scale: f32,
    ) -> Result<Array<(N, L), Self, T>, DeviceError>;

    /// KL(N(mean, exp(log_variance)) || N(0, I)), nats per image (same paper, appendix B).
    fn kl<N: Dim, L: Dim, T: Tape<f32, Self::Recorder>>(
        mean: &Array<(N, L), Self>,
        log_variance: Array<(N, L), Self, T>,
    ) -> Result<Array<(N,), Self, T>, DeviceError>;

    /// The gradients of a total with respect to everything on its tape.
    fn backward(total: Array<(), Self, OwnedTape<f32, Self::Recorder>>) -> Result<Grads<Self>, DeviceError>;

    /// The handle of a new parameter, whose values are zeros.
    fn handle<S: Shape>(device: &Self::Device, shape: S) -> Result<Self::Handle<S>, DeviceError>;

    /// A copy of the values of a parameter, row-major.
    fn values<S: Shape>(handle: &Self::Handle<S>) -> Arc<Vec<f32>>;

    /// Sets the values of a parameter, row-major.
    fn set_values<S: Shape>(handle: &mut Self::Handle<S>, values: Vec<f32>);

    /// The values of a parameter, for an optimizer.
    fn weights<S: Shape>(handle: &mut Self::Handle<S>) -> Self::Weights<'_>;

    /// A function that reads the gradient of a parameter.
    fn gradient_reader<S: Shape>(handle: &Self::Handle<S>) -> Self::GradientReader;

    /// Returns an error of the device that an operation before could not return, such as a copy to the host.
    fn check(device: &Self::Device) -> Result<(), DeviceError> {
        let _ = device;
        Ok(())
    }

    /// Adds the contribution of more images to a gradient.
    fn add_part(part: &mut Self::Part, more: Self::Part) -> Result<(), DeviceError>;

    /// The sum of contributions to the gradient of a parameter, in their order.
    fn sum_parts<S: Shape>(
        device: &Self::Device,
        parts: Vec<Self::Part>,
        shape: S,
    ) -> Result<Array<S, Self>, DeviceError>;

    /// Noise of the standard normal distribution for the samples of some images: `(N, L)`.
    fn noise<N: Dim, L: Dim>(
        device: &Self::Device,
        key: NoiseKey,
        images: &[u32],
        shape: (N, L),
    ) -> Result<Array<(N, L), Self>, DeviceError>;
}

/// The shape of a convolution.
fn conv_shape(
    batch: impl Dim,
    sides: (impl Dim, impl Dim),
    inputs: impl Dim,
    outputs: impl Dim,
    window: Window,
) -> ConvShape {
    ConvShape {
        batch: batch.size(),
        height: sides.0.size(),
        width: sides.1.size(),
        inputs: inputs.size(),
        outputs: outputs.size(),
        window,
    }
}
