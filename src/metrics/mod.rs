//! The definition of a metric, and a row of metrics: one epoch and split. All metrics are listed in
//! [`crate::train::measure`].

mod metric;
mod row;
mod split;

pub use metric::{Board, ColumnHead, Direction, Metric, MetricKind};
pub use row::{POSITION, Row, Value, named};
pub use split::Split;
