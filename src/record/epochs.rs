//! The metrics of the finished epochs of a trial, in memory.

use super::rows::Rows;
use super::tables::{decoded, metrics_columns, not_metrics, sealed};
use crate::folder::FileError;
use crate::metrics::{Metric, MetricKind, Row, Split};
use crate::train::measure;
use polars::prelude::*;
use std::borrow::Cow;
use std::path::Path;

/// The metrics of the finished epochs of a trial.
#[derive(Clone, Debug)]
pub struct Epochs {
    table: Table,
    /// The epoch and the split of each row.
    places: Vec<(u64, Split)>,
}

/// How the rows are stored.
#[derive(Clone, Debug)]
enum Table {
    /// The columns of metrics.parquet that this version writes: a tenth of the size of its rows, and quick to append to another
    /// table.
    Columns(DataFrame),
    /// The rows themselves: a column takes more than a few of them.
    Rows(Vec<Row>),
}

impl Epochs {
    /// Reads metrics.parquet, as [`read_metrics`](super::tables::read_metrics) does.
    ///
    /// # Errors
    /// As that function.
    pub fn read(path: &Path) -> Result<Epochs, FileError> {
        let epochs = decoded(sealed(path)?).and_then(|frame| Epochs::of_frame(&frame));
        epochs.map_err(not_metrics).map_err(FileError::at("read", path))
    }

    /// From rows.
    pub fn of(rows: Vec<Row>) -> Epochs {
        Epochs { places: rows.iter().map(|row| (row.epoch, row.split)).collect(), table: Table::Rows(rows) }
    }

    /// From a table that any version wrote. All rows are checked, so that reading them later cannot fail.
    fn of_frame(frame: &DataFrame) -> PolarsResult<Epochs> {
        let rows = Rows::of(frame, std::iter::empty())?;
        let places = (0..rows.len()).map(|index| rows.place(index)).collect::<PolarsResult<Vec<_>>>()?;
        let mut columns = Vec::new();
        for column in metrics_columns(std::iter::empty()) {
            let (name, kind) = (column.name(), column.dtype());
            // A metric of another version; its rows do not have it.
            let Ok(found) = frame.column(name) else { continue };
            if found.dtype() != kind {
                let message = format!("{name} is of type {}, not {kind}", found.dtype());
                return Err(PolarsError::ComputeError(message.into()));
            }
            columns.push(match found.null_count() == found.len() {
                // It takes no memory.
                true => Column::full_null(name.clone(), found.len(), kind),
                false => found.clone(),
            });
        }
        for metric in measure::all().filter(|metric| metric.kind == MetricKind::Count) {
            let column = columns.iter().find(|column| *column.name() == *metric.name);
            if let Some(least) = column.and_then(|column| column.i64().ok()?.min()).filter(|least| *least < 0) {
                return Err(PolarsError::ComputeError(format!("{} has the value {least}", metric.name).into()));
            }
        }
        Ok(Epochs { table: Table::Columns(DataFrame::new(frame.height(), columns)?), places })
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The index of each row, its epoch and its split.
    pub fn places(&self) -> impl DoubleEndedIterator<Item = (usize, u64, Split)> {
        self.places.iter().enumerate().map(|(index, (epoch, split))| (index, *epoch, *split))
    }

    /// The row of an epoch and split; `None` if absent.
    pub fn find(&self, epoch: u64, split: Split) -> Option<Row> {
        self.row(self.places.iter().position(|place| *place == (epoch, split))?)
    }

    /// The row of the last epoch of a split; `None` if absent.
    pub fn last(&self, split: Split) -> Option<Row> {
        let of_split = self.places().filter(|(_, _, of)| *of == split);
        self.row(of_split.max_by_key(|(_, epoch, _)| *epoch)?.0)
    }

    /// A row by its index; `None` if there are fewer.
    pub fn row(&self, index: usize) -> Option<Row> {
        match &self.table {
            Table::Columns(frame) => Rows::of(frame, measure::all()).ok()?.row(index).ok(),
            Table::Rows(rows) => rows.get(index).cloned(),
        }
    }

    /// All rows.
    pub fn rows(&self) -> Vec<Row> {
        self.rows_of(|_| true)
    }

    /// All rows, with the metrics of these names only.
    pub fn rows_with(&self, names: &[&str]) -> Vec<Row> {
        self.rows_of(|metric| names.contains(&&*metric.name))
    }

    fn rows_of(&self, is_read: impl Fn(&Metric) -> bool) -> Vec<Row> {
        match &self.table {
            Table::Columns(frame) => {
                let rows = Rows::of(frame, measure::all().filter(|metric| is_read(metric)));
                rows.iter().flat_map(|rows| (0..rows.len()).filter_map(|index| rows.row(index).ok())).collect()
            }
            Table::Rows(rows) => rows.iter().map(|row| row.clone().with_only(&is_read)).collect(),
        }
    }

    /// The numbers of a metric, one per row; `None` if it is not a number. One that is absent or not finite is `None`.
    pub fn numbers(&self, name: &str) -> Option<Vec<Option<f64>>> {
        let frame = match &self.table {
            Table::Columns(frame) => frame,
            Table::Rows(rows) => {
                let metric = measure::all().find(|metric| metric.name == name)?;
                let number = |row: &Row| row.get(name).filter(|number| number.is_finite());
                let is_number = matches!(metric.kind, MetricKind::Number | MetricKind::Count);
                return is_number.then(|| rows.iter().map(number).collect());
            }
        };
        let column = frame.column(name).ok()?;
        match column.dtype() {
            DataType::Float64 | DataType::Int64 if column.null_count() == column.len() => {
                Some(vec![None; column.len()])
            }
            DataType::Float64 => Some(column.f64().ok()?.iter().collect()),
            DataType::Int64 => Some(column.i64().ok()?.iter().map(|count| count.map(|count| count as f64)).collect()),
            _ => None,
        }
    }

    /// The columns of the rows of several trials, one trial after the other.
    pub(crate) fn joined<'a>(all: impl Iterator<Item = &'a Epochs> + Clone) -> PolarsResult<Vec<Column>> {
        let frames = all.clone().map(Epochs::frame).collect::<PolarsResult<Vec<_>>>()?;
        let count = all.clone().map(Epochs::len).sum();
        let mut columns = metrics_columns(std::iter::empty());
        for column in &mut columns {
            let (name, kind) = (column.name().clone(), column.dtype().clone());
            let nulls = |count: usize| Column::full_null(name.clone(), count, &kind);
            let parts = || frames.iter().map(|frame| frame.column(&name).ok());
            if parts().flatten().all(|part| part.null_count() == part.len()) {
                *column = nulls(count);
                continue;
            }
            for (part, epochs) in parts().zip(all.clone()) {
                match part {
                    Some(part) => column.append(part)?,
                    None => column.append_owned(nulls(epochs.len()))?,
                };
            }
        }
        Ok(columns)
    }

    fn frame(&self) -> PolarsResult<Cow<'_, DataFrame>> {
        Ok(match &self.table {
            Table::Columns(frame) => Cow::Borrowed(frame),
            Table::Rows(rows) => Cow::Owned(DataFrame::new_infer_height(metrics_columns(rows.iter()))?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tables::write_columns;
    use crate::train::measure::example;

    fn rows() -> Vec<Row> {
        let places = [(1, Split::Train), (1, Split::Validation), (2, Split::Train)];
        places.iter().map(|(epoch, split)| example(*epoch, *split, &[("loss", *epoch as f64)])).collect()
    }

    fn read(columns: Vec<Column>) -> Result<Epochs, FileError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.parquet");
        write_columns(&path, columns).unwrap();
        Epochs::read(&path)
    }

    #[test]
    fn rows_are_found_as_they_were_written() {
        let rows = rows();
        for epochs in [Epochs::of(rows.clone()), read(metrics_columns(rows.iter())).unwrap()] {
            assert_eq!(epochs.rows(), rows);
            assert_eq!(epochs.find(1, Split::Validation).as_ref(), Some(&rows[1]));
            assert_eq!((epochs.last(Split::Train).as_ref(), epochs.find(2, Split::Validation)), (Some(&rows[2]), None));
            assert_eq!(epochs.numbers("loss").unwrap(), [1.0, 1.0, 2.0].map(Some));
            let losses: Vec<_> = epochs.rows_with(&["loss"]).iter().map(|row| row.values().count()).collect();
            assert_eq!(losses, [1, 1, 1]);
        }
    }

    #[test]
    fn tables_of_several_versions_are_joined() {
        let rows = rows();
        let mut columns = metrics_columns(rows.iter());
        columns.retain(|column| column.name() != "elbo_nats");
        let earlier = read(columns).unwrap();
        assert_eq!(earlier.row(0).unwrap().value("elbo_nats"), None);
        let (now, empty) = (Epochs::of(rows.clone()), Epochs::of(Vec::new()));
        let joined = Epochs::joined([&earlier, &empty, &now].into_iter()).unwrap();
        let column = |name: &str| joined.iter().find(|column| *column.name() == *name).unwrap();
        let elbo = column("elbo_nats").f64().unwrap();
        assert_eq!((elbo.len(), elbo.null_count(), elbo.get(3)), (6, 3, rows[0].get("elbo_nats")));
        assert_eq!(column("loss").f64().unwrap().iter().collect::<Vec<_>>(), [1.0, 1.0, 2.0, 1.0, 1.0, 2.0].map(Some));
    }

    #[test]
    fn a_column_of_another_type_is_an_error() {
        let mut columns = metrics_columns(rows().iter());
        let loss = columns.iter_mut().find(|column| column.name() == "loss").unwrap();
        *loss = Column::new("loss".into(), ["a", "b", "c"]);
        let error = read(columns).unwrap_err().to_string();
        assert!(error.ends_with("not a table of metrics: loss is of type str, not f64"), "{error}");
    }
}
