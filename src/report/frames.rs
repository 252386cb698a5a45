//! The columns of trials.parquet and curves.parquet. Their names, order and types are always the same, so that the files of
//! different experiments can be read as one table; values that a trial lacks are null.

use super::ReportedTrial;
use super::columns::of_trials;
use super::keys::{ColumnType, key_columns};
use crate::evaluation;
use crate::metrics::{Metric, Row, Split, Value};
use crate::record::trial::Gpu;
use crate::record::{Epochs, tables};
use crate::train::measure;
use polars::prelude::{
    Column, DataType, Int64Type, IntoColumn, ListBuilderTrait, ListPrimitiveChunkedBuilder, ListStringChunkedBuilder,
    NamedFrom,
};
use serde_json::Value as Json;
use std::io;
use std::path::Path;

/// One row per trial: its names and status, whether it is in the current plan of its experiment, its folder relative to the
/// folder of the table, a column per spec key, its final and best metrics, and its provenance.
pub(super) fn trials(all: &[(&ReportedTrial, bool)], folder: &Path) -> Vec<Column> {
    let trials = &*all.iter().map(|(trial, _)| *trial).collect::<Vec<_>>();
    let place = |trial: &ReportedTrial| match trial.folder.strip_prefix(folder) {
        Ok(place) if place.as_os_str().is_empty() => ".".to_owned(),
        Ok(place) => place.to_string_lossy().into_owned(),
        Err(_) => trial.folder.to_string_lossy().into_owned(),
    };
    let mut columns = vec![
        strings("trial", trials, |trial| Some(trial.record.trial.clone())),
        strings("experiment", trials, |trial| Some(trial.record.experiment.clone())),
        strings("status", trials, |trial| Some(trial.record.status.name().to_owned())),
        Column::new("in_plan".into(), all.iter().map(|(_, in_plan)| *in_plan).collect::<Vec<bool>>()),
        strings("folder", trials, |trial| Some(place(trial))),
    ];
    columns.extend(key_columns().map(|(key, kind)| key_column(key, kind, trials)));
    columns.extend(metrics(trials));
    columns.extend(evaluated(trials));
    columns.extend(of_trials().map(|column| floats(column.name, trials, |trial| column.of(trial, Split::Train))));
    columns.extend(provenance(trials));
    columns
}

/// The number in a column of [`trials`]; `None` if there is no such column, or no number in it.
pub(super) fn number(column: &str, trial: &ReportedTrial) -> Option<f64> {
    let columns = trials(&[(trial, true)], Path::new(""));
    let column = columns.iter().find(|one| one.name() == column)?.cast(&DataType::Float64).ok()?;
    column.f64().ok()?.get(0)
}

/// Rows of a group of [`curves`]: a parquet file is written and read quickly in groups of this size.
const GROUP: usize = 100_000;

/// The rows of every metrics.parquet, with the name of the experiment and the id of the trial as first columns; in groups, of which
/// there is at least one.
pub(super) fn curves(all: &[(&ReportedTrial, bool)]) -> impl Iterator<Item = io::Result<Vec<Column>>> {
    let (mut groups, mut rows) = (vec![Vec::new()], 0);
    for (trial, _) in all {
        if rows > GROUP {
            groups.push(Vec::new());
            rows = 0;
        }
        rows += trial.epochs.len();
        groups.last_mut().into_iter().for_each(|group| group.push(*trial));
    }
    groups.into_iter().map(|trials: Vec<&ReportedTrial>| {
        let metrics = Epochs::joined(trials.iter().map(|trial| &*trial.epochs)).map_err(io::Error::other)?;
        Ok(names_of_rows(&trials).into_iter().chain(metrics).collect())
    })
}

/// The first columns of [`curves`]: the experiment and the trial of each row.
pub(super) fn names_of_rows(trials: &[&ReportedTrial]) -> [Column; 2] {
    let each_row = |name: &str, value: fn(&ReportedTrial) -> &str| {
        let rows = trials.iter().flat_map(|trial| std::iter::repeat_n(value(trial), trial.epochs.len()));
        Column::new(name.into(), rows.collect::<Vec<&str>>())
    };
    [each_row("experiment", |trial| &trial.record.experiment), each_row("trial", |trial| &trial.record.trial)]
}

/// The metrics of the last epoch and of the epoch whose weights are kept, for each split, and the best values over all epochs.
fn metrics(trials: &[&ReportedTrial]) -> Vec<Column> {
    type RowOf = fn(&ReportedTrial, Split) -> Option<&Row>;
    let [last, kept]: [RowOf; 2] = [ReportedTrial::last, ReportedTrial::kept];
    let epochs: [(&str, RowOf, fn(&Metric, Split) -> String); 2] =
        [("final_epoch", last, measure::final_name), ("kept_epoch", kept, measure::kept_name)];
    let mut columns = Vec::new();
    for (epoch, row, name) in epochs {
        columns.push(integers(epoch, trials, |trial| Some(row(trial, Split::Train)?.epoch)));
        for split in Split::OF_EPOCHS {
            for metric in measure::all().filter(|metric| metric.is_of(split)) {
                let values = trials.iter().map(|trial| row(trial, split)?.value(&metric.name));
                columns.push(tables::values(&name(metric, split), metric.kind, values));
            }
        }
    }
    columns.push(integers("best_epoch", trials, ReportedTrial::best_epoch));
    for metric in measure::with_best() {
        columns.push(floats(&measure::best_name(metric), trials, |trial| trial.best_of(metric)));
    }
    columns
}

/// The metrics that are measured after training.
fn evaluated(trials: &[&ReportedTrial]) -> Vec<Column> {
    let column = |(_, metric, split): (_, &Metric, Option<Split>)| {
        let name = evaluation::column_name(metric, split);
        let value = |trial: &&ReportedTrial| Value::of_json(metric.kind, trial.evaluation.as_ref()?.value(&name)?);
        let values: Vec<Option<Value>> = trials.iter().map(value).collect();
        tables::values(&name, metric.kind, values.iter().map(Option::as_ref))
    };
    evaluation::columns().map(column).collect()
}

fn provenance(trials: &[&ReportedTrial]) -> Vec<Column> {
    vec![
        integers("numerics", trials, |trial| Some(trial.record.numerics)),
        strings("continued", trials, |trial| Some(trial.record.continued.as_ref()?.trial.clone())),
        integers("stopped_after", trials, |trial| trial.record.stopped_after),
        integers("parameters", trials, |trial| Some(trial.record.parameters)),
        floats("peak_rss_mb", trials, |trial| trial.record.peak_rss_mb),
        strings("spec_hash", trials, |trial| Some(trial.record.spec_hash.clone())),
        strings("data_hash", trials, |trial| Some(trial.record.data_hash.clone())),
        strings("version", trials, |trial| Some(trial.record.version.clone())),
        strings("git_commit", trials, |trial| trial.record.git_commit.clone()),
        Column::new(
            "git_dirty".into(),
            trials.iter().map(|trial| trial.record.git_dirty).collect::<Vec<Option<bool>>>(),
        ),
        strings("lock_hash", trials, |trial| Some(trial.record.lock_hash.clone())),
        strings("processor", trials, |trial| trial.record.processor.clone()),
        strings("gpu", trials, |trial| trial.record.gpu.as_ref().map(Gpu::to_string)),
        strings("host", trials, |trial| Some(trial.record.host.clone())),
        integers("threads", trials, |trial| Some(trial.record.threads)),
        tables::times("started", trials.iter().map(|trial| Some(trial.record.started))),
        tables::times("ended", trials.iter().map(|trial| trial.record.ended)),
        strings("error", trials, |trial| trial.record.error.clone()),
    ]
}

fn floats(name: &str, trials: &[&ReportedTrial], value: impl Fn(&ReportedTrial) -> Option<f64>) -> Column {
    tables::numbers(name, trials.iter().map(|trial| value(trial)))
}

fn integers(name: &str, trials: &[&ReportedTrial], value: impl Fn(&ReportedTrial) -> Option<u64>) -> Column {
    let values = trials.iter().map(|trial| value(trial).map(tables::integer));
    Column::new(name.into(), values.collect::<Vec<Option<i64>>>())
}

fn strings(name: &str, trials: &[&ReportedTrial], value: impl Fn(&ReportedTrial) -> Option<String>) -> Column {
    Column::new(name.into(), trials.iter().map(|trial| value(trial)).collect::<Vec<Option<String>>>())
}

/// The values of a spec key. Null if a trial lacks the key, as trials of other versions may, or has a value of another type.
fn key_column(key: &str, kind: ColumnType, trials: &[&ReportedTrial]) -> Column {
    let values = || trials.iter().map(|trial| trial.record.spec.get(key).unwrap_or(&Json::Null));
    let lists = || values().map(|value| value.as_array().map(|list| list.iter()));
    match kind {
        ColumnType::Bool => typed(key, values(), Json::as_bool),
        ColumnType::Integer => typed(key, values(), Json::as_i64),
        ColumnType::Float => tables::numbers(key, values().map(Json::as_f64)),
        ColumnType::String => typed(key, values(), text),
        ColumnType::Floats => {
            // NaN becomes null in the list.
            tables::lists(key, lists().map(|list| Some(list?.map(|one| one.as_f64().unwrap_or(f64::NAN)))))
        }
        ColumnType::Integers => {
            let mut builder = ListPrimitiveChunkedBuilder::<Int64Type>::new(key.into(), 0, 0, DataType::Int64);
            lists().for_each(|list| match list {
                Some(list) => builder.append_iter(list.map(Json::as_i64)),
                None => builder.append_null(),
            });
            builder.finish().into_column()
        }
        ColumnType::Strings => {
            let mut builder = ListStringChunkedBuilder::new(key.into(), 0, 0);
            lists().for_each(|list| match list {
                Some(list) => builder.append_values_iter(list.filter_map(Json::as_str)),
                None => builder.append_null(),
            });
            builder.finish().into_column()
        }
    }
}

fn typed<'a, T>(key: &str, values: impl Iterator<Item = &'a Json>, value: fn(&Json) -> Option<T>) -> Column
where
    polars::prelude::Series: NamedFrom<Vec<Option<T>>, [Option<T>]>,
{
    Column::new(key.into(), values.map(value).collect::<Vec<Option<T>>>())
}

/// Text unchanged; other values, such as a number in place of a word, as JSON.
fn text(value: &Json) -> Option<String> {
    match value {
        Json::Null => None,
        Json::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}
