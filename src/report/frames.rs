//! The columns of trials.parquet and curves.parquet.

use super::Trial;
use crate::data::Split;
use crate::record::tables;
use crate::train::metrics::Metrics;
use polars::prelude::{Column, NamedFrom};
use serde_json::Value;
use std::collections::BTreeSet;

/// One row a trial: its names and status, whether its experiment's present plan has it, a column per spec key, its final
/// and best figures, and its provenance.
pub(super) fn trials(all: &[(&Trial, bool)]) -> Vec<Column> {
    let trials = &*all.iter().map(|(trial, _)| *trial).collect::<Vec<_>>();
    let mut columns = vec![
        strings("trial", trials, |trial| Some(trial.record.trial.clone())),
        strings("experiment", trials, |trial| Some(trial.record.experiment.clone())),
        strings("status", trials, |trial| Some(trial.record.status.name().to_owned())),
        Column::new("in_plan".into(), all.iter().map(|(_, in_plan)| *in_plan).collect::<Vec<bool>>()),
    ];
    let figures = figures(trials);
    let provenance = provenance(trials);
    let taken: BTreeSet<String> =
        columns.iter().chain(&figures).chain(&provenance).map(|column| column.name().to_string()).collect();
    let keys: BTreeSet<&String> = trials.iter().flat_map(|trial| trial.record.spec.keys()).collect();
    // Two columns of one name would be an error; the names above are promised.
    let spec = keys.into_iter().filter(|key| !taken.contains(*key)).map(|key| spec_column(key, trials));
    columns.extend(spec);
    columns.extend(figures);
    columns.extend(provenance);
    columns
}

/// The rows of every metrics.parquet, with the experiment's name and the trial's before them.
pub(super) fn curves(all: &[(&Trial, bool)]) -> Vec<Column> {
    let trials: Vec<&Trial> = all.iter().map(|(trial, _)| *trial).collect();
    let each_row = |name: &str, value: fn(&Trial) -> &str| {
        let rows = trials.iter().flat_map(|trial| std::iter::repeat_n(value(trial), trial.metrics.len()));
        Column::new(name.into(), rows.collect::<Vec<&str>>())
    };
    let mut columns =
        vec![each_row("experiment", |trial| &trial.record.experiment), each_row("trial", |trial| &trial.record.trial)];
    columns.extend(tables::metrics_columns(trials.iter().flat_map(|trial| &trial.metrics)));
    columns
}

fn figures(trials: &[&Trial]) -> Vec<Column> {
    let mut columns = vec![integers("final_epoch", trials, |trial| Some(trial.last(Split::Train)?.epoch))];
    for split in [Split::Train, Split::Validation] {
        let last = |name: &str, value: fn(&Metrics) -> f64| {
            floats(&format!("final_{}_{name}", split.name()), trials, |trial| trial.last(split).map(value))
        };
        columns.push(last("loss", |row| row.loss));
        columns.push(last("recon_nats", |row| row.recon_nats));
        columns.push(last("kl_nats", |row| row.kl_nats));
        columns.push(last("elbo_nats", |row| row.elbo_nats));
        columns.push(last("effective_beta", |row| row.effective_beta));
        let name = format!("final_{}_active_units", split.name());
        columns.push(integers(&name, trials, |trial| Some(trial.last(split)?.active_units)));
    }
    columns.push(integers("best_epoch", trials, |trial| Some(trial.best()?.epoch)));
    columns.push(floats("best_validation_loss", trials, |trial| Some(trial.best()?.loss)));
    columns.push(floats("best_validation_elbo_nats", trials, Trial::best_elbo_nats));
    columns
}

fn provenance(trials: &[&Trial]) -> Vec<Column> {
    vec![
        integers("parameters", trials, |trial| Some(trial.record.parameters)),
        floats("seconds", trials, |trial| Some(trial.record.seconds)),
        floats("images_per_second", trials, |trial| trial.record.images_per_second),
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
        strings("host", trials, |trial| Some(trial.record.host.clone())),
        integers("threads", trials, |trial| Some(trial.record.threads)),
        floats("started", trials, |trial| Some(trial.record.started)),
        floats("ended", trials, |trial| trial.record.ended),
        strings("error", trials, |trial| trial.record.error.clone()),
    ]
}

fn floats(name: &str, trials: &[&Trial], value: impl Fn(&Trial) -> Option<f64>) -> Column {
    tables::numbers(name, trials.iter().map(|trial| value(trial)))
}

fn integers(name: &str, trials: &[&Trial], value: impl Fn(&Trial) -> Option<u64>) -> Column {
    let values = trials.iter().map(|trial| value(trial).map(tables::integer));
    Column::new(name.into(), values.collect::<Vec<Option<i64>>>())
}

fn strings(name: &str, trials: &[&Trial], value: impl Fn(&Trial) -> Option<String>) -> Column {
    Column::new(name.into(), trials.iter().map(|trial| value(trial)).collect::<Vec<Option<String>>>())
}

/// A spec key's values in the narrowest type that holds all of them exactly: integers, floats, booleans, or text, with
/// JSON for what is a list or of mixed types. A key that a trial lacks is null.
fn spec_column(key: &str, trials: &[&Trial]) -> Column {
    let values: Vec<&Value> = trials.iter().map(|trial| trial.record.spec.get(key).unwrap_or(&Value::Null)).collect();
    let all = |is: fn(&Value) -> bool| values.iter().all(|value| value.is_null() || is(value));
    if values.iter().all(|value| value.is_null()) {
        typed(key, &values, text)
    } else if all(Value::is_boolean) {
        typed(key, &values, Value::as_bool)
    } else if all(Value::is_i64) {
        typed(key, &values, Value::as_i64)
    } else if all(|value| value.is_f64() || value.is_i64()) {
        typed(key, &values, Value::as_f64)
    } else {
        typed(key, &values, text)
    }
}

fn typed<T>(key: &str, values: &[&Value], value: fn(&Value) -> Option<T>) -> Column
where
    polars::prelude::Series: NamedFrom<Vec<Option<T>>, [Option<T>]>,
{
    Column::new(key.into(), values.iter().map(|one| value(one)).collect::<Vec<Option<T>>>())
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}
