//! CPU kernels of the models: layers, likelihoods and the posterior, each with its gradient.
//!
//! All arrays are row-major `f32` slices. Every function checks the length of its slices and panics where one does not
//! fit its shape. Gradients are always *added* to the buffers they are returned in. Each kernel runs on the calling
//! thread alone and gives the same bits for the same input; threads are for the caller to spend, on micro-batches.

mod activation;
mod conv;
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

pub use activation::Activation;
pub use conv::{ConvShape, conv, conv_backward, conv_transpose, conv_transpose_backward};
pub use dense::{DenseShape, dense, dense_backward};
pub use likelihood::{bernoulli, bernoulli_backward, gaussian, gaussian_backward};
pub use posterior::{kl, kl_backward, reparameterize, reparameterize_backward};

/// Panics unless `values`, called `name` in the message, holds `expected` numbers.
#[track_caller]
fn assert_length(name: &str, values: &[f32], expected: usize) {
    assert!(values.len() == expected, "{name} holds {} numbers, its shape asks for {expected}", values.len());
}
