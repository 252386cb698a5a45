//! The integration tests, one binary.

mod gradients;
mod optimizers;
mod shapes;
