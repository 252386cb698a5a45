//! The integration tests, one binary.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod bad_input;
mod cluster;
mod command_line;
mod faults;
mod gradients;
mod harness;
mod models;
mod optimizers;
mod runs;
mod shapes;
mod sweeps;
mod training;
