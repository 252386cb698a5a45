//! vaex: declarative experiments with variational autoencoders.
//!
//! The modules are declared in the order in which data flows through them: metrics, settings, data and models; the spec
//! that configures them; the plan of all trials of a spec; training and recording a trial in its folder; launching trials
//! as processes; and the report of the results. ARCHITECTURE.md has the map.

mod simd;
mod text;

pub mod random;

pub mod folder;
pub mod machine;

pub mod metrics;
pub mod settings;

pub mod data;
pub mod tensor;

pub mod scores;

pub mod onnx;

pub mod model;

pub mod optimizer;

pub mod objective;

pub mod train;

pub mod evaluation;

pub mod search;

pub mod language;
pub mod plan;

pub mod record;
pub mod trial;

pub mod trained;

pub mod export;

pub mod launch;

pub mod report;

pub mod commands;
