//! vaex
pub mod backend;
pub mod commands;
pub mod data;
pub mod files;
pub mod kernels;
pub mod launch;
pub mod log;
pub mod model;
pub mod objective;
pub mod plan;
pub mod random;
pub mod report;
pub mod spec;
pub mod train;
pub mod trial;
