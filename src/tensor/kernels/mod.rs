//! CPU kernels of the models: layers and the posterior, with their gradients, and what the kernels of likelihoods are made of.
//!
//! All arrays are row-major `f32` slices. Every function checks the length of its slices and panics if one does not
//! match its shape. Gradients are *added* to their buffers, unless an [`Accumulate`] argument says otherwise. Each
//! kernel runs on the calling thread only and gives the same bits for the same input; callers run micro-batches in
//! parallel.
//!
//! The vector instructions are chosen at run time: AVX-512, AVX2 with FMA, NEON, or none.

mod activation;
mod conv;
mod conv_shape;
mod dense;
mod elementary;
mod group_norm;
mod kl;
mod lowering;
#[cfg(test)]
pub(crate) mod oracle;
mod product;
mod scratch;
mod sum;
mod winograd;

#[cfg(test)]
pub(crate) use crate::simd::tests::on_every_arch;
pub(crate) use crate::simd::vectorized;
pub use activation::{ACTIVATIONS, Activation, IDENTITY, LAYER_ACTIVATIONS, OnnxFormula, OnnxStep, RELU};
pub(crate) use elementary::{exp, ln, ln_1p_of_unit, sigmoid, tanh};
pub use scratch::Buffer;
pub(crate) use scratch::with_scratch;
pub(crate) use sum::sum_of;
pub use sum::sum_of_squares;

pub use conv::{conv, conv_backward, conv_transpose, conv_transpose_backward};
pub use conv_shape::ConvShape;
pub use dense::{DenseShape, dense, dense_backward, dense_weight_gradient};
pub use group_norm::{EPSILON as NORM_EPSILON, NormShape, group_norm, group_norm_backward};
pub use kl::{kl, kl_backward, kl_of_axis, reparameterize, reparameterize_backward};

/// Whether a result replaces the content of an array or is added to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accumulate {
    /// The result replaces the old values.
    Set,
    /// The result is added to the old values.
    Add,
}

impl Accumulate {
    fn start(self) -> product::Start<'static> {
        match self {
            Accumulate::Set => product::Start::Zero,
            Accumulate::Add => product::Start::Result,
        }
    }

    /// Writes or adds `values` to an array of the same length.
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

/// Panics unless `values`, called `name` in the message, has `expected` numbers.
#[track_caller]
fn assert_length(name: &str, values: &[f32], expected: usize) {
    assert!(values.len() == expected, "{name} holds {} numbers, its shape asks for {expected}", values.len());
}
