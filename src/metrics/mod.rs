//! What a metric is, and a row of their values: one epoch of one split. The list of them is [`crate::train::measure`].

mod metric;
mod row;
mod split;

pub use metric::{Board, ColumnHead, Direction, Metric, MetricKind};
pub use row::{POSITION, Row, Value, named};
pub use split::Split;
