//! Export of a trained network to the formats of other programs.

mod messages;
mod onnx;

pub use onnx::{ExportError, Weights, decoder, encoder};
