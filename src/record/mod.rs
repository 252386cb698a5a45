//! The files of a trial: its record, tables, TensorBoard events, pictures and weights.

pub mod checkpoint;
pub mod epochs;
pub mod evaluation;
pub mod event_log;
pub mod images;
pub mod manifold;
pub mod pictures;
pub mod projector;
mod rows;
pub mod tables;
pub mod tensorboard;
pub mod trial;

pub use epochs::Epochs;
pub use images::Grid;
pub use trial::{Status, TrialRecord};
