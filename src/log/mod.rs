//! What a trial leaves behind: its record, tables, TensorBoard events, pictures and weights.

pub mod checkpoint;
pub mod event_log;
pub mod images;
pub mod projector;
pub mod record;
pub mod tables;
pub mod tensorboard;

pub use images::Grid;
pub use record::{Status, TrialRecord};
