//! Tables in parquet: metrics.parquet, and the columns that the report's tables share with it.

use crate::data::Split;
use crate::folder::{self, BLANK_SEAL, FileError, SEAL_NAME, SealPlace};
use crate::train::metrics::Metrics;
use polars::io::parquet::write::KeyValueMetadata;
use polars::prelude::*;
use std::io;
use std::path::Path;

/// Writes metrics.parquet, one row an epoch and split; whole or not at all.
///
/// Counts are 64-bit integers; `kl_axis_nats` is a list of doubles. What is not finite is null, as is `grad_norm` where there
/// is none: to a query a NaN would be a number, and the largest of all.
///
/// # Errors
/// The file can't be written.
pub fn write_metrics(path: &Path, metrics: &[Metrics]) -> Result<(), FileError> {
    write_columns(path, metrics_columns(metrics.iter()))
}

/// The bytes of such a file.
pub(crate) fn metrics_bytes(metrics: &[Metrics]) -> io::Result<Vec<u8>> {
    encode(metrics_columns(metrics.iter()))
}

/// Reads metrics.parquet; further columns are ignored, and a metric that is null is NaN.
///
/// # Errors
/// The file can't be read, is damaged, or lacks a column or a count.
pub fn read_metrics(path: &Path) -> Result<Vec<Metrics>, FileError> {
    let bytes = std::fs::read(path).map_err(FileError::at("read", path))?;
    // Polars panics or even aborts on some files with flipped bits.
    if !SealPlace::Last.holds(&bytes) {
        return Err(folder::damaged(path));
    }
    metrics_of(bytes).map_err(FileError::at("read", path))
}

/// Reads the bytes of such a file.
pub(crate) fn metrics_of(bytes: Vec<u8>) -> io::Result<Vec<Metrics>> {
    decoded(bytes)
        .and_then(|frame| rows(&frame))
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, format!("not a table of metrics: {error}")))
}

/// Writes columns of equal length as a parquet file, whole or not at all.
pub(crate) fn write_columns(path: &Path, columns: Vec<Column>) -> Result<(), FileError> {
    folder::write_whole(path, &encode(columns).map_err(FileError::at("write", path))?)
}

/// Writes columns of equal length as a CSV file with a header, whole or not at all. Lists are JSON, nulls are empty.
pub(crate) fn write_csv(path: &Path, columns: &[Column]) -> Result<(), FileError> {
    let bytes = || -> io::Result<Vec<u8>> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(columns.iter().map(|column| column.name().as_str()))?;
        for row in 0..columns.first().map_or(0, Column::len) {
            let texts = columns.iter().map(|column| column.get(row).map(|value| text(&value)));
            writer.write_record(texts.collect::<PolarsResult<Vec<String>>>().map_err(io::Error::other)?)?;
        }
        writer.into_inner().map_err(|error| io::Error::other(error.to_string()))
    };
    folder::write_whole(path, &bytes().map_err(FileError::at("write", path))?)
}

fn text(value: &AnyValue<'_>) -> String {
    match value {
        AnyValue::Null => String::new(),
        AnyValue::String(text) => (*text).to_owned(),
        AnyValue::Float64(number) => number.to_string(),
        AnyValue::Float32(number) => number.to_string(),
        AnyValue::List(series) => format!("[{}]", series.iter().map(|one| text(&one)).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

/// A parquet file with its checksum among the footer's notes.
fn encode(columns: Vec<Column>) -> io::Result<Vec<u8>> {
    let mut frame = DataFrame::new_infer_height(columns).map_err(io::Error::other)?;
    let mut bytes = Vec::new();
    let seal = KeyValueMetadata::from_static(vec![(SEAL_NAME.to_owned(), BLANK_SEAL.to_owned())]);
    // Snappy is what every reader of parquet has; the tables are small, so threads would only cost.
    let writer = ParquetWriter::new(&mut bytes).with_compression(ParquetCompression::Snappy).set_parallel(false);
    writer.with_key_value_metadata(Some(seal)).finish(&mut frame).map_err(io::Error::other)?;
    SealPlace::Last.seal(&mut bytes);
    Ok(bytes)
}

/// The columns of metrics.parquet.
pub(crate) fn metrics_columns<'a>(metrics: impl Iterator<Item = &'a Metrics> + Clone) -> Vec<Column> {
    let floats = |name: &str, value: fn(&Metrics) -> f64| numbers(name, metrics.clone().map(|row| Some(value(row))));
    let counts = |name: &str, value: fn(&Metrics) -> u64| {
        Column::new(name.into(), metrics.clone().map(|row| integer(value(row))).collect::<Vec<i64>>())
    };
    vec![
        counts("epoch", |row| row.epoch),
        Column::new("split".into(), metrics.clone().map(|row| row.split.name()).collect::<Vec<&str>>()),
        counts("step", |row| row.step),
        counts("images_seen", |row| row.images_seen),
        floats("loss", |row| row.loss),
        floats("recon_nats", |row| row.recon_nats),
        floats("kl_nats", |row| row.kl_nats),
        floats("elbo_nats", |row| row.elbo_nats),
        floats("effective_beta", |row| row.effective_beta),
        floats("kl_weight", |row| row.kl_weight),
        floats("learning_rate", |row| row.learning_rate),
        numbers("grad_norm", metrics.clone().map(|row| row.grad_norm)),
        counts("active_units", |row| row.active_units),
        floats("images_per_second", |row| row.images_per_second),
        floats("seconds", |row| row.seconds),
        lists("kl_axis_nats", metrics.map(|row| &row.kl_axis_nats[..])),
    ]
}

/// Counts as the integers of a table.
pub(crate) fn integer(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A column of doubles; what is not finite is null.
pub(crate) fn numbers(name: &str, values: impl Iterator<Item = Option<f64>>) -> Column {
    Column::new(name.into(), values.map(|value| value.filter(|value| value.is_finite())).collect::<Vec<_>>())
}

fn lists<'a>(name: &str, rows: impl Iterator<Item = &'a [f64]>) -> Column {
    let mut lists = ListPrimitiveChunkedBuilder::<Float64Type>::new(name.into(), 0, 0, DataType::Float64);
    rows.for_each(|row| lists.append_iter(row.iter().map(|value| Some(*value).filter(|value| value.is_finite()))));
    lists.finish().into_column()
}

fn decoded(bytes: Vec<u8>) -> PolarsResult<DataFrame> {
    ParquetReader::new(io::Cursor::new(bytes)).read_parallel(ParallelStrategy::None).finish()
}

fn rows(frame: &DataFrame) -> PolarsResult<Vec<Metrics>> {
    (0..frame.height()).map(|row| metrics_at(frame, row)).collect()
}

fn metrics_at(frame: &DataFrame, row: usize) -> PolarsResult<Metrics> {
    let float = |name: &str| Ok::<_, PolarsError>(frame.column(name)?.f64()?.get(row).unwrap_or(f64::NAN));
    let count = |name: &str| {
        let value = frame.column(name)?.i64()?.get(row).ok_or_else(|| missing(name, row))?;
        u64::try_from(value).map_err(|_| PolarsError::ComputeError(format!("{name} is negative").into()))
    };
    Ok(Metrics {
        epoch: count("epoch")?,
        split: split(frame.column("split")?.str()?.get(row))?,
        step: count("step")?,
        images_seen: count("images_seen")?,
        loss: float("loss")?,
        recon_nats: float("recon_nats")?,
        kl_nats: float("kl_nats")?,
        elbo_nats: float("elbo_nats")?,
        effective_beta: float("effective_beta")?,
        kl_weight: float("kl_weight")?,
        learning_rate: float("learning_rate")?,
        grad_norm: frame.column("grad_norm")?.f64()?.get(row),
        active_units: count("active_units")?,
        images_per_second: float("images_per_second")?,
        seconds: float("seconds")?,
        kl_axis_nats: list(frame.column("kl_axis_nats")?, row)?,
    })
}

fn missing(name: &str, row: usize) -> PolarsError {
    PolarsError::ComputeError(format!("{name} has no value in row {row}").into())
}

fn split(name: Option<&str>) -> PolarsResult<Split> {
    [Split::Train, Split::Validation]
        .into_iter()
        .find(|split| Some(split.name()) == name)
        .ok_or_else(|| PolarsError::ComputeError("split is neither train nor validation".into()))
}

fn list(column: &Column, row: usize) -> PolarsResult<Vec<f64>> {
    let values = column.list()?.get_as_series(row).ok_or_else(|| missing(column.name(), row))?;
    Ok(values.f64()?.iter().map(|value| value.unwrap_or(f64::NAN)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics(epoch: u64, split: Split) -> Metrics {
        Metrics {
            epoch,
            split,
            step: epoch * 100,
            images_seen: epoch * 1600,
            loss: 0.2,
            recon_nats: 150.25,
            kl_nats: 6.5,
            elbo_nats: -156.75,
            effective_beta: 0.392,
            kl_weight: 5e-4,
            learning_rate: 1e-3,
            grad_norm: (split == Split::Train).then_some(0.125),
            active_units: 2,
            images_per_second: 1234.5,
            seconds: 1.25,
            kl_axis_nats: vec![4.5, 2.0],
        }
    }

    fn written(rows: &[Metrics]) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.parquet");
        write_metrics(&path, rows).unwrap();
        (folder, path)
    }

    #[test]
    fn metrics_are_read_back_as_they_were_written() {
        let rows = vec![metrics(1, Split::Train), metrics(1, Split::Validation), metrics(2, Split::Train)];
        let (_folder, path) = written(&rows);
        assert_eq!(read_metrics(&path).unwrap(), rows);
    }

    #[test]
    fn what_is_not_finite_is_null_and_empty_lists_are_kept() {
        let diverged = Metrics {
            loss: f64::NAN,
            kl_nats: f64::INFINITY,
            elbo_nats: f64::NEG_INFINITY,
            grad_norm: Some(f64::NAN),
            kl_axis_nats: vec![f64::NAN, f64::INFINITY],
            ..metrics(1, Split::Train)
        };
        let without_latents = Metrics { kl_axis_nats: vec![], ..metrics(1, Split::Validation) };
        let rows = [diverged, without_latents, metrics(2, Split::Train)];
        let (_folder, path) = written(&rows);
        let frame = decoded(std::fs::read(&path).unwrap()).unwrap();
        for name in ["loss", "kl_nats", "elbo_nats", "grad_norm"] {
            let column = frame.column(name).unwrap().f64().unwrap();
            assert_eq!((column.get(0), column.get(2).is_some()), (None, true), "{name}");
        }
        let mut read = rows.to_vec();
        read[0] = Metrics {
            kl_nats: f64::NAN,
            elbo_nats: f64::NAN,
            grad_norm: None,
            kl_axis_nats: vec![f64::NAN; 2],
            ..read[0].clone()
        };
        // NaN is not equal to itself; its text is.
        assert_eq!(format!("{:?}", read_metrics(&path).unwrap()), format!("{read:?}"));
    }

    #[test]
    fn a_table_without_rows_is_one() {
        let (_folder, path) = written(&[]);
        assert_eq!(read_metrics(&path).unwrap(), []);
    }

    #[test]
    fn a_damaged_file_is_an_error_that_names_it() {
        let (_folder, path) = written(&[metrics(1, Split::Train), metrics(1, Split::Validation)]);
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
            // Blocks of zeros are what a crash of the machine leaves.
            let end = whole.len().min(place + 512);
            damaged[place..end].fill(0);
            is_refused(&damaged);
        }
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
