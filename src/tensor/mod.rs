//! Arrays: axes as types, kernels on slices, and the fused operations of a VAE behind one trait.

pub mod backend;
pub mod dims;
pub mod kernels;
