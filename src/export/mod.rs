//! A trained network in the formats of other programs.

mod messages;
mod onnx;

pub use onnx::{ExportError, Weights, decoder, encoder};
