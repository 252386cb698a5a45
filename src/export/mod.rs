//! Export of a trained network to the formats of other programs.

mod networks;

pub use networks::{decoder, encoder};
