//! vaex: declarative experiments with variational autoencoders.
//!
//! The modules are declared in the order of the way through them: a spec is written, its data and models are known,
//! a plan holds every trial that it asks for, a trial is trained and logged in its folder, many are launched as
//! processes, and a report sums up what they left. ARCHITECTURE.md has the map.

pub mod files;
pub mod random;
mod text;

pub mod settings;

pub mod data;
pub mod tensor;

pub mod model;
pub mod objective;

pub mod train;

pub mod language;
pub mod plan;

pub mod record;
pub mod trial;

pub mod trained;

pub mod export;

pub mod launch;

pub mod report;

pub mod commands;
