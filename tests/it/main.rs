//! The integration tests, in one binary.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod bad_input;
mod cluster;
mod color;
mod command_line;
mod data_files;
mod digits;
mod divergence;
mod earlier;
mod faults;
mod folding;
mod gradients;
mod harness;
mod models;
mod objectives;
mod optimizers;
mod output;
mod plan_output;
mod processes;
mod runs;
mod shapes;
mod structure;
mod sweeps;
mod tensorboard;
mod training;
