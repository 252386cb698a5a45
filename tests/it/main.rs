//! The integration tests, one binary.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod gradients;
mod optimizers;
mod shapes;
mod training;
