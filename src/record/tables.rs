//! Parquet tables: metrics.parquet, and the columns that the report's tables share with it.

use super::rows::Rows;
use crate::folder::{self, BLANK_SEAL, FileError, SEAL_NAME, SealPlace};
use crate::metrics::{MetricKind, Row, Value};
use crate::train::measure;
use polars::io::parquet::write::KeyValueMetadata;
use polars::prelude::*;
use polars_parquet::write::schema_to_metadata_key;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Writes metrics.parquet atomically, with one row per epoch and split.
///
/// The columns are always the same. A metric that a row lacks is null, and so is a number that is not finite: in a query, NaN
/// would be the largest number. Counts are 64-bit integers, lists are lists of doubles.
///
/// # Errors
/// The file cannot be written.
pub fn write_metrics(path: &Path, rows: &[Row]) -> Result<(), FileError> {
    write_columns(path, metrics_columns(rows.iter()))
}

/// As [`write_metrics`], with [`folder::write_unsynced`]: a checkpoint or the state of the trial has the same rows.
///
/// # Errors
/// The file cannot be written.
pub fn write_metrics_unsynced(path: &Path, rows: &[Row]) -> Result<(), FileError> {
    folder::write_unsynced(path, &metrics_bytes(rows).map_err(FileError::at("write", path))?)
}

/// The content of metrics.parquet.
pub(crate) fn metrics_bytes(rows: &[Row]) -> io::Result<Vec<u8>> {
    encode(metrics_columns(rows.iter()))
}

/// Reads metrics.parquet of any version of vaex: unknown columns are ignored, a metric without a column is absent, and a null
/// number is NaN.
///
/// # Errors
/// The file cannot be read, is damaged, or lacks a column that identifies its rows.
pub fn read_metrics(path: &Path) -> Result<Vec<Row>, FileError> {
    metrics_of(sealed(path)?).map_err(FileError::at("read", path))
}

/// Reads a table that [`encode`] made, and verifies its checksum: polars panics or even aborts on some files with flipped bits.
pub(super) fn sealed(path: &Path) -> Result<Vec<u8>, FileError> {
    let bytes = std::fs::read(path).map_err(FileError::at("read", path))?;
    match SealPlace::Last.holds(&bytes) {
        true => Ok(bytes),
        false => Err(folder::damaged(path)),
    }
}

/// Reads a column of numbers without nulls from a table that [`write_columns`] wrote.
///
/// # Errors
/// The file cannot be read, is damaged, or has no such column.
pub(crate) fn read_numbers(path: &Path, column: &str) -> Result<Vec<f64>, FileError> {
    let bytes = sealed(path)?;
    let read = || -> PolarsResult<Vec<f64>> {
        let frame = decoded(bytes)?;
        let column = frame.column(column)?.f64()?;
        Ok((0..column.len()).map(|row| column.get(row).unwrap_or(f64::NAN)).collect())
    };
    read().map_err(io::Error::other).map_err(FileError::at("read", path))
}

/// Reads the content of metrics.parquet.
pub(crate) fn metrics_of(bytes: Vec<u8>) -> io::Result<Vec<Row>> {
    decoded(bytes).and_then(|frame| rows(&frame)).map_err(not_metrics)
}

/// The error of a table that does not have the columns of metrics.parquet.
pub(super) fn not_metrics(error: PolarsError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("not a table of metrics: {error}"))
}

/// Writes columns of equal length as a parquet file, atomically.
pub(crate) fn write_columns(path: &Path, columns: Vec<Column>) -> Result<(), FileError> {
    folder::write_whole(path, &encode(columns).map_err(FileError::at("write", path))?)
}

/// Writes a parquet file atomically, from groups of rows of which only one is in memory. The first group has the types of all.
pub(crate) fn write_groups(
    path: &Path,
    groups: impl Iterator<Item = io::Result<Vec<Column>>>,
) -> Result<(), FileError> {
    folder::write_whole(path, &encode_groups(groups).map_err(FileError::at("write", path))?)
}

/// Writes columns of equal length as a CSV file with a header, atomically. Lists are JSON, nulls are empty.
pub(crate) fn write_csv(path: &Path, columns: Vec<Column>) -> Result<(), FileError> {
    write_csv_groups(path, std::iter::once(Ok(columns)))
}

/// As [`write_csv`], from groups of rows.
pub(crate) fn write_csv_groups(
    path: &Path,
    groups: impl Iterator<Item = io::Result<Vec<Column>>>,
) -> Result<(), FileError> {
    let bytes = || -> io::Result<Vec<u8>> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        for (number, columns) in groups.enumerate() {
            let columns = columns?;
            if number == 0 {
                writer.write_record(columns.iter().map(|column| column.name().as_str()))?;
            }
            let cells = columns.iter().map(cell).collect::<PolarsResult<Vec<_>>>().map_err(io::Error::other)?;
            for row in 0..columns.first().map_or(0, Column::len) {
                for cell in &cells {
                    writer.write_field(cell(row).map_err(io::Error::other)?)?;
                }
                writer.write_record(None::<&[u8]>)?;
            }
        }
        writer.into_inner().map_err(|error| io::Error::other(error.to_string()))
    };
    folder::write_whole(path, &bytes().map_err(FileError::at("write", path))?)
}

/// The text of a cell of a column, by row. Values of any type are slow, so the frequent types have a way of their own.
fn cell(column: &Column) -> PolarsResult<Box<dyn Fn(usize) -> PolarsResult<String> + '_>> {
    Ok(match column.dtype() {
        DataType::Float64 => {
            let numbers = column.f64()?;
            Box::new(|row| Ok(numbers.get(row).map(|number| number.to_string()).unwrap_or_default()))
        }
        DataType::Int64 => {
            let counts = column.i64()?;
            Box::new(|row| Ok(counts.get(row).map(|count| count.to_string()).unwrap_or_default()))
        }
        DataType::String => {
            let texts = column.str()?;
            Box::new(|row| Ok(texts.get(row).unwrap_or_default().to_owned()))
        }
        _ => Box::new(|row| column.get(row).map(|value| text(&value))),
    })
}

fn text(value: &AnyValue<'_>) -> String {
    match value {
        AnyValue::Null => String::new(),
        AnyValue::String(text) => (*text).to_owned(),
        AnyValue::Float64(number) => number.to_string(),
        AnyValue::Float32(number) => number.to_string(),
        AnyValue::Datetime(microseconds, TimeUnit::Microseconds, _) => time_text(*microseconds),
        AnyValue::List(series) => format!("[{}]", series.iter().map(|one| json(&one)).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

/// An element of a list, as JSON.
fn json(value: &AnyValue<'_>) -> String {
    match value {
        AnyValue::Null => "null".to_owned(),
        AnyValue::String(text) => serde_json::json!(text).to_string(),
        other => text(other),
    }
}

/// A time as RFC 3339, in UTC; times outside of the years 1970 to 9999 are microseconds since 1970.
fn time_text(microseconds: i64) -> String {
    let time = u64::try_from(microseconds).ok().map(Duration::from_micros).filter(|time| *time < YEAR_10_000);
    time.map_or_else(
        || microseconds.to_string(),
        |time| humantime::format_rfc3339_millis(SystemTime::UNIX_EPOCH + time).to_string(),
    )
}

/// The time from 1970 to the first year that RFC 3339 cannot express.
const YEAR_10_000: Duration = Duration::from_secs(253_402_300_800);

/// A parquet file with its checksum in the metadata of the footer.
fn encode(columns: Vec<Column>) -> io::Result<Vec<u8>> {
    encode_groups(std::iter::once(Ok(columns)))
}

/// As [`encode`], from groups of rows.
fn encode_groups(mut groups: impl Iterator<Item = io::Result<Vec<Column>>>) -> io::Result<Vec<u8>> {
    let frame = |columns| DataFrame::new_infer_height(columns).map_err(io::Error::other);
    let first = frame(groups.next().unwrap_or_else(|| Ok(Vec::new()))?)?;
    let mut bytes = Vec::new();
    // Plain strings: pandas cannot read lists of string views, the default of polars.
    let types = schema_to_metadata_key(&first.schema().to_arrow(CompatLevel::oldest()));
    let types = types.value.map(|value| (types.key, value));
    let seal = (SEAL_NAME.to_owned(), BLANK_SEAL.to_owned());
    let notes = KeyValueMetadata::from_static(types.into_iter().chain([seal]).collect());
    // Every parquet reader supports Snappy. Threads do not help small tables.
    let is_large = first.height() > LARGE;
    let writer = ParquetWriter::new(&mut bytes).with_compression(ParquetCompression::Snappy).set_parallel(is_large);
    let writer = writer.with_key_value_metadata(Some(notes));
    let mut writer = writer.batched(first.schema()).map_err(io::Error::other)?;
    let others = groups.map(|columns| frame(columns?));
    for group in std::iter::once(Ok(first)).chain(others) {
        let mut group = group?;
        group.rechunk_mut();
        writer.write_batch(&group).map_err(io::Error::other)?;
    }
    writer.finish().map_err(io::Error::other)?;
    drop(writer);
    SealPlace::Last.seal(&mut bytes)?;
    Ok(bytes)
}

/// Rows of a group that is written with several threads.
const LARGE: usize = 10_000;

/// The columns of metrics.parquet.
pub(crate) fn metrics_columns<'a>(rows: impl Iterator<Item = &'a Row> + Clone) -> Vec<Column> {
    let counts = |name: &str, value: fn(&Row) -> u64| {
        Column::new(name.into(), rows.clone().map(|row| integer(value(row))).collect::<Vec<i64>>())
    };
    let mut columns = vec![
        counts("epoch", |row| row.epoch),
        Column::new("split".into(), rows.clone().map(|row| row.split.name()).collect::<Vec<&str>>()),
        counts("step", |row| row.step),
        counts("images_seen", |row| row.images_seen),
    ];
    let metrics = measure::all().map(|metric| {
        let rows = rows.clone().map(|row| row.value(&metric.name));
        values(&metric.name, metric.kind, rows)
    });
    columns.extend(metrics);
    columns
}

/// A column of a metric's values.
pub(crate) fn values<'a>(name: &str, kind: MetricKind, values: impl Iterator<Item = Option<&'a Value>>) -> Column {
    match kind {
        MetricKind::Number => numbers(name, values.map(|value| value?.number())),
        MetricKind::Count => {
            let counts = values.map(|value| match value {
                Some(Value::Count(count)) => Some(integer(*count)),
                _ => None,
            });
            Column::new(name.into(), counts.collect::<Vec<Option<i64>>>())
        }
        MetricKind::List => lists(
            name,
            values.map(|value| match value {
                Some(Value::List(list)) => Some(list.iter().copied()),
                _ => None,
            }),
        ),
        MetricKind::Text => {
            let texts = values.map(|value| match value {
                Some(Value::Text(text)) => Some(text.as_str()),
                _ => None,
            });
            Column::new(name.into(), texts.collect::<Vec<Option<&str>>>())
        }
    }
}

/// A count as an integer of a table.
pub(crate) fn integer(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A column of times in microseconds, from seconds since 1970. They are in UTC, but have no time zone: DuckDB's Python module
/// needs another package for times with a time zone.
pub(crate) fn times(name: &str, values: impl Iterator<Item = Option<f64>>) -> Column {
    let microseconds = values.map(|value| Some((value.filter(|value| value.is_finite())? * 1e6).round() as i64));
    let microseconds = Int64Chunked::from_iter_options(name.into(), microseconds);
    microseconds.into_datetime(TimeUnit::Microseconds, None).into_column()
}

/// A column of doubles; numbers that are not finite are null.
pub(crate) fn numbers(name: &str, values: impl Iterator<Item = Option<f64>>) -> Column {
    Column::new(name.into(), values.map(|value| value.filter(|value| value.is_finite())).collect::<Vec<_>>())
}

/// A column of lists of doubles; numbers that are not finite are null.
pub(crate) fn lists<L: Iterator<Item = f64>>(name: &str, rows: impl Iterator<Item = Option<L>>) -> Column {
    let mut lists = ListPrimitiveChunkedBuilder::<Float64Type>::new(name.into(), 0, 0, DataType::Float64);
    rows.for_each(|row| match row {
        Some(row) => {
            let finite: Vec<Option<f64>> = row.map(|value| Some(value).filter(|value| value.is_finite())).collect();
            lists.append_iter(finite.into_iter());
        }
        None => lists.append_null(),
    });
    lists.finish().into_column()
}

pub(super) fn decoded(bytes: Vec<u8>) -> PolarsResult<DataFrame> {
    ParquetReader::new(io::Cursor::new(bytes)).read_parallel(ParallelStrategy::None).finish()
}

fn rows(frame: &DataFrame) -> PolarsResult<Vec<Row>> {
    let rows = Rows::of(frame, measure::all())?;
    (0..rows.len()).map(|index| rows.row(index)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Split;
    use crate::train::measure::example;

    fn number(row: &mut Row, name: &str, value: f64) {
        let metric = measure::all().find(|metric| metric.name == name).unwrap();
        row.set(metric, Value::Number(value));
    }

    fn axes(row: &mut Row, value: Vec<f64>) {
        let metric = measure::all().find(|metric| metric.kind == MetricKind::List).unwrap();
        row.set(metric, Value::List(value));
    }

    fn written(rows: &[Row]) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.parquet");
        write_metrics(&path, rows).unwrap();
        (folder, path)
    }

    #[test]
    fn metrics_are_read_back_as_they_were_written() {
        let rows = [(1, Split::Train), (1, Split::Validation), (2, Split::Train)]
            .map(|(epoch, split)| example(epoch, split, &[]));
        let (_folder, path) = written(&rows);
        assert_eq!(read_metrics(&path).unwrap(), rows);
    }

    #[test]
    fn what_is_not_finite_is_null_and_empty_lists_are_kept() {
        let not_finite =
            [("loss", f64::NAN), ("kl_nats", f64::INFINITY), ("elbo_nats", f64::NEG_INFINITY), ("grad_norm", f64::NAN)];
        let mut rows = [Split::Train, Split::Validation, Split::Train].map(|split| example(1, split, &[]));
        not_finite.iter().for_each(|(name, value)| number(&mut rows[0], name, *value));
        axes(&mut rows[0], vec![f64::NAN, f64::INFINITY]);
        axes(&mut rows[1], vec![]);
        let (_folder, path) = written(&rows);
        let frame = decoded(std::fs::read(&path).unwrap()).unwrap();
        for (name, _) in not_finite {
            let column = frame.column(name).unwrap().f64().unwrap();
            assert_eq!((column.get(0), column.get(2).is_some()), (None, true), "{name}");
        }
        not_finite.iter().for_each(|(name, _)| number(&mut rows[0], name, f64::NAN));
        axes(&mut rows[0], vec![f64::NAN; 2]);
        // NaN does not equal itself, so texts are compared.
        assert_eq!(format!("{:?}", read_metrics(&path).unwrap()), format!("{:?}", rows.to_vec()));
    }

    #[test]
    fn a_table_without_rows_is_read() {
        let (_folder, path) = written(&[]);
        assert_eq!(read_metrics(&path).unwrap(), []);
    }

    #[test]
    fn a_damaged_file_is_an_error_that_names_it() {
        let (_folder, path) = written(&[example(1, Split::Train, &[]), example(1, Split::Validation, &[])]);
        let whole = std::fs::read(&path).unwrap();
        let is_refused = |damaged: &[u8]| {
            std::fs::write(&path, damaged).unwrap();
            let error = read_metrics(&path).unwrap_err().to_string();
            assert_eq!(error, format!("cannot read {}: it is damaged: its checksum differs", path.display()));
        };
        for place in 0..whole.len() {
            is_refused(&whole[..place]);
            let mut damaged = whole.clone();
            damaged[place] ^= 1 << (place % 8);
            is_refused(&damaged);
            // A crash of the machine can leave blocks of zeros.
            let end = whole.len().min(place + 512);
            damaged[place..end].fill(0);
            is_refused(&damaged);
        }
    }

    #[test]
    fn columns_of_other_versions_are_ignored_or_absent() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.parquet");
        let row = example(1, Split::Validation, &[("loss", 0.5)]);
        let mut columns = metrics_columns([&row].into_iter());
        columns.retain(|column| !["elbo_nats", "active_units", "kl_axis_nats"].contains(&column.name().as_str()));
        columns.push(Column::new("of_a_later_version".into(), ["x"]));
        write_columns(&path, columns).unwrap();
        let read = read_metrics(&path).unwrap().remove(0);
        assert_eq!((read.get("loss"), read.get("recon_nats")), (Some(0.5), row.get("recon_nats")));
        assert_eq!(
            (read.value("elbo_nats"), read.value("active_units"), read.value("kl_axis_nats")),
            (None, None, None)
        );
        assert_eq!(read.values().count(), row.values().count() - 3);
    }

    #[test]
    fn another_table_is_an_error_that_says_what_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.parquet");
        write_columns(&path, vec![Column::new("epoch".into(), [1_i64])]).unwrap();
        let error = read_metrics(&path).unwrap_err().to_string();
        assert!(error.contains("split"), "{error}");
    }
}
