//! The integration tests, in one binary.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod bad_input;
mod cache;
mod cluster;
mod color;
mod command_line;
mod data_files;
mod data_hints;
mod digits;
mod divergence;
mod earlier;
mod faults;
mod folding;
mod formats;
mod gradients;
mod harness;
mod models;
mod networks;
mod objectives;
mod optimizers;
mod output;
mod plan_networks;
mod plan_output;
mod priors;
mod probe;
mod processes;
mod real_data;
mod runs;
mod shapes;
mod splits;
mod structure;
mod sweeps;
mod tensorboard;
mod training;
