//! Rows of metrics, read from the columns of a table.

use crate::metrics::{Metric, MetricKind, Row, Split, Value};
use polars::prelude::*;

/// Reads rows of the columns of metrics.parquet. Each column is looked up once, not for each row.
pub(super) struct Rows<'f> {
    counts: [&'f Int64Chunked; 3],
    split: &'f StringChunked,
    metrics: Vec<(&'static Metric, Values<'f>)>,
}

/// The columns of whole numbers that identify a row.
const COUNTS: [&str; 3] = ["epoch", "step", "images_seen"];

/// The column of a metric.
enum Values<'f> {
    /// No row has a value. Such a column takes no memory unless its values are asked for.
    None,
    Numbers(&'f Float64Chunked),
    Counts(&'f Int64Chunked),
    Lists(&'f ListChunked),
    Texts(&'f StringChunked),
}

impl<'f> Rows<'f> {
    /// Reads these metrics; a metric without a column is absent in all rows.
    ///
    /// # Errors
    /// A column that identifies rows is absent, or a column has another type.
    pub(super) fn of(frame: &'f DataFrame, metrics: impl Iterator<Item = &'static Metric>) -> PolarsResult<Rows<'f>> {
        let [epoch, step, images_seen] = COUNTS.map(|name| frame.column(name)?.i64());
        let split = frame.column("split")?.str()?;
        let columns = metrics.filter_map(|metric| Some((metric, frame.column(&metric.name).ok()?)));
        let metrics = columns.map(|(metric, column)| Ok((metric, Values::of(metric.kind, column)?)));
        Ok(Rows { counts: [epoch?, step?, images_seen?], split, metrics: metrics.collect::<PolarsResult<Vec<_>>>()? })
    }

    /// The number of rows.
    pub(super) fn len(&self) -> usize {
        self.split.len()
    }

    /// The epoch and the split of a row.
    ///
    /// # Errors
    /// What identifies the row has no valid value.
    pub(super) fn place(&self, index: usize) -> PolarsResult<(u64, Split)> {
        let split = self.split.get(index).and_then(Split::of_name);
        let split = split.ok_or_else(|| error("split is neither train nor validation".to_owned()))?;
        let [epoch, ..] = self.counts(index)?;
        Ok((epoch, split))
    }

    /// A row.
    ///
    /// # Errors
    /// What identifies the row has no valid value, or a count is negative.
    pub(super) fn row(&self, index: usize) -> PolarsResult<Row> {
        let (_, split) = self.place(index)?;
        let [epoch, step, images_seen] = self.counts(index)?;
        let mut row = Row::new(epoch, split, step, images_seen);
        for (metric, values) in self.metrics.iter().filter(|(metric, _)| metric.is_of(split)) {
            if let Some(value) = values.get(metric, index)? {
                row.set(metric, value);
            }
        }
        Ok(row)
    }

    fn counts(&self, index: usize) -> PolarsResult<[u64; 3]> {
        let mut counts = [0; 3];
        for ((name, column), place) in COUNTS.iter().zip(self.counts).zip(&mut counts) {
            let value = column.get(index).ok_or_else(|| error(format!("{name} has no value in row {index}")))?;
            *place = count(name, value)?;
        }
        Ok(counts)
    }
}

impl<'f> Values<'f> {
    fn of(kind: MetricKind, column: &'f Column) -> PolarsResult<Values<'f>> {
        if matches!(column, Column::Scalar(_)) && column.null_count() == column.len() {
            return Ok(Values::None);
        }
        Ok(match kind {
            MetricKind::Number => Values::Numbers(column.f64()?),
            MetricKind::Count => Values::Counts(column.i64()?),
            MetricKind::List => Values::Lists(column.list()?),
            MetricKind::Text => Values::Texts(column.str()?),
        })
    }

    fn get(&self, metric: &Metric, index: usize) -> PolarsResult<Option<Value>> {
        let number = match self {
            Values::None => None,
            Values::Numbers(numbers) => numbers.get(index).map(Value::Number),
            Values::Counts(counts) => {
                counts.get(index).map(|value| count(&metric.name, value)).transpose()?.map(Value::Count)
            }
            Values::Lists(lists) => match lists.get_as_series(index) {
                Some(list) => Some(Value::List(list.f64()?.iter().map(|value| value.unwrap_or(f64::NAN)).collect())),
                None => None,
            },
            Values::Texts(texts) => texts.get(index).map(|text| Value::Text(text.to_owned())),
        };
        // Numbers that are not finite are null too.
        let not_finite =
            || (metric.kind == MetricKind::Number && !metric.is_optional).then_some(Value::Number(f64::NAN));
        Ok(number.or_else(not_finite))
    }
}

fn count(name: &str, value: i64) -> PolarsResult<u64> {
    u64::try_from(value).map_err(|_| error(format!("{name} is negative")))
}

fn error(message: String) -> PolarsError {
    PolarsError::ComputeError(message.into())
}
