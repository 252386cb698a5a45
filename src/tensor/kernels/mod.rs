//! CPU kernels of the models: layers, likelihoods and the posterior, each with its gradient.
//!
//! All arrays are row-major `f32` slices. Every function checks the length of its slices and panics where one does not
//! fit its shape. Gradients are *added* to the buffers they are returned in, unless a [`Accumulate`] says otherwise. Each
//! kernel runs on the calling thread alone and gives the same bits for the same input; threads are for the caller to
//! spend, on micro-batches.
//!
//! The vector instructions are chosen when the program runs: AVX-512, AVX2 with FMA, NEON, or none.

mod activation;
mod conv;
mod conv_shape;
mod dense;
mod elementary;
mod likelihood;
mod lowering;
#[cfg(test)]
mod oracle;
mod posterior;
mod product;
mod scratch;
mod simd;
mod sum;
mod winograd;

pub use activation::{ACTIVATIONS, Activation, OnnxNode};
pub use scratch::Buffer;
pub(crate) use simd::vectorized;
pub use sum::sum_of_squares;

pub use conv::{conv, conv_backward, conv_transpose, conv_transpose_backward};
pub use conv_shape::ConvShape;
pub use dense::{DenseShape, dense, dense_backward, dense_weight_gradient};
pub use likelihood::{bernoulli, bernoulli_backward, gaussian, gaussian_backward, probabilities};
pub use posterior::{kl, kl_backward, reparameterize, reparameterize_backward};

/// How a gradient comes into an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accumulate {
    /// The result takes the place of what was there.
    Set,
    /// The result is added to what is there.
    Add,
}

impl Accumulate {
    fn start(self) -> product::Start<'static> {
        match self {
            Accumulate::Set => product::Start::Zero,
            Accumulate::Add => product::Start::Result,
        }
    }

    /// Brings `values` into an array of the same length.
    #[inline(always)]
    #[track_caller]
    pub(crate) fn put(self, values: &[f32], into: &mut [f32]) {
        assert!(values.len() == into.len(), "{} numbers do not fit a sum of {}", values.len(), into.len());
        match self {
            Accumulate::Set => into.copy_from_slice(values),
            Accumulate::Add => into.iter_mut().zip(values).for_each(|(sum, value)| *sum += value),
        }
    }
}

/// Panics unless `values`, called `name` in the message, holds `expected` numbers.
#[track_caller]
fn assert_length(name: &str, values: &[f32], expected: usize) {
    assert!(values.len() == expected, "{name} holds {} numbers, its shape asks for {expected}", values.len());
}
