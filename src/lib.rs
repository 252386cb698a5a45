//! vaex
pub mod files;
pub mod random;
pub mod spec;
pub mod data;
pub mod kernels;
pub mod backend;
pub mod model;
pub mod objective;
pub mod plan;
pub mod train;
pub mod log;
pub mod trial;
pub mod report;
pub mod launch;
pub mod commands;
