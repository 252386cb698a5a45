//! The data, model, objective and training of an experiment's trials: one value if all trials have the same, else the
//! different values.

use super::comparison::Comparison;
use super::numbers::significant;
use super::{Experiment, ReportedTrial};
use crate::language::description;
use crate::metrics::Split;
use crate::record::trial::Status;
use crate::settings::{KeyInfo, Role};
use crate::train::measure::EFFECTIVE_BETA;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Largest number of values of a row that are listed; of more values, the first ones and the last one.
const LISTED: usize = 6;
/// The tables of a spec that do not affect results.
const WITHOUT_ROWS: [&str; 2] = ["log", "sweep"];
/// The rows, in groups: `group`, `name`, `values` (the different values, sorted; null if missing in a trial; empty if not
/// recorded), and `count` (the number of different values).
pub(super) fn rows(experiment: &Experiment, comparison: &Comparison) -> Vec<Value> {
    let trials = &experiment.trials;
    // A key is listed if a trial has it and it affects results; for a path, the name of the file is enough.
    let spec = |table: &'static str| -> Vec<Value> {
        let is_listed = |key: &&KeyInfo| key.table() == table && (key.role().determines() || key.role() == Role::File);
        let is_known = |key: &&KeyInfo| trials.iter().any(|trial| trial.record.spec.contains_key(&key.dotted));
        let keys = description().keys.iter().filter(is_listed).filter(is_known);
        keys.filter_map(|key| key_row(table, &key.dotted, key.name(), trials)).collect()
    };
    let known = |group, name, value: &dyn Fn(&ReportedTrial) -> Option<Value>| {
        row(group, name, trials.iter().filter_map(value).collect())
    };
    let mut rows = Vec::new();
    for table in description().tables.iter().map(|table| table.name).filter(|table| !WITHOUT_ROWS.contains(table)) {
        rows.extend(spec(table));
        match table {
            "data" => rows.extend([
                known(table, "training images", &|trial| training_images(trial).map(Value::from)),
                known(table, "validation images", &|trial| trial.record.validation_images.map(Value::from)),
                known(table, "test images", &|trial| trial.record.test_images.map(Value::from)),
                known(table, "height × width", &|trial| {
                    let record = &trial.record;
                    let channels =
                        record.channels.filter(|count| *count > 1).map(|count| format!(", {count} channels"));
                    let channels = channels.unwrap_or_default();
                    Some(format!("{} × {} pixels{channels}", record.height?, record.width?).into())
                }),
            ]),
            "model" => rows.push(known(table, "parameters", &|trial| Some(trial.record.parameters.into()))),
            // Some objectives have none.
            "objective" => rows.extend(
                Some(effective_betas(trials, comparison.split))
                    .filter(|betas| betas.is_empty() || !betas.iter().all(Value::is_null))
                    .map(|betas| row(table, "effective beta", betas)),
            ),
            "train" => rows.extend(key_row(table, "seed", "seed", trials)),
            _ => {}
        }
    }
    rows.extend([
        known("machine", "vaex", &|trial| Some(version(trial).into())),
        known("machine", "processor", &|trial| trial.record.processor.clone().map(Value::from)),
        known("machine", "GPU", &|trial| trial.record.gpu.as_ref().map(|gpu| gpu.to_string().into())),
        known("machine", "threads", &|trial| Some(trial.record.threads.into())),
    ]);
    rows
}

/// The values of a key; `None` if no trial has a value.
fn key_row(group: &str, key: &str, name: &str, trials: &[ReportedTrial]) -> Option<Value> {
    let values: Vec<Value> =
        trials.iter().map(|trial| trial.record.spec.get(key).cloned().unwrap_or_default()).collect();
    if values.iter().all(Value::is_null) {
        return None;
    }
    let is_path = description().key(key).is_some_and(|key| key.role() == Role::File);
    Some(row(group, name, if is_path { file_names(values) } else { values }))
}

/// The names of files, or their whole paths if different files have the same name.
fn file_names(paths: Vec<Value>) -> Vec<Value> {
    let name = |path: &Value| -> Value {
        let name = path.as_str().and_then(|path| Path::new(path).file_name());
        name.map_or_else(|| path.clone(), |name| name.to_string_lossy().into())
    };
    let different = |values: &[Value]| values.iter().map(Value::to_string).collect::<BTreeSet<_>>().len();
    let names: Vec<Value> = paths.iter().map(name).collect();
    if different(&names) == different(&paths) { names } else { paths }
}

fn row(group: &str, name: &str, values: Vec<Value>) -> Value {
    let different: BTreeMap<String, Value> = values.into_iter().map(|value| (value.to_string(), value)).collect();
    let mut values: Vec<Value> = different.into_values().collect();
    // Numbers by size, then other values in alphabetical order, missing values last.
    let place = |value: &Value| (value.is_null(), value.as_f64().is_none());
    values.sort_by(|one, other| {
        let sizes = one.as_f64().zip(other.as_f64());
        place(one)
            .cmp(&place(other))
            .then(sizes.map_or(std::cmp::Ordering::Equal, |(one, other)| one.total_cmp(&other)))
    });
    let count = values.len();
    if count > LISTED {
        values.drain(LISTED - 1..count - 1);
    }
    json!({ "group": group, "name": name, "values": values, "count": count })
}

/// The number of training images. Records of earlier versions lack it; it is then the number of images seen per epoch.
fn training_images(trial: &ReportedTrial) -> Option<u64> {
    let row = trial.last(Split::Validation);
    trial.record.train_images.or_else(|| row.map(|row| row.images_seen / row.epoch.max(1)))
}

/// The values of the kept epochs, only of trials that are done if there are any: other trials may still be in their warm-up.
fn effective_betas(trials: &[ReportedTrial], split: Split) -> Vec<Value> {
    let beta = |trial: &ReportedTrial| {
        let Some(beta) = trial.kept(split)?.get(EFFECTIVE_BETA) else { return Some(Value::Null) };
        // Rounded, since equal values can differ in their last digits.
        significant(beta, 6).parse::<f64>().ok().filter(|beta| beta.is_finite()).map(Value::from)
    };
    let is_done = |trial: &&ReportedTrial| trial.record.status == Status::Done;
    match trials.iter().any(|trial| is_done(&trial)) {
        true => trials.iter().filter(is_done).filter_map(beta).collect(),
        false => trials.iter().filter_map(beta).collect(),
    }
}

fn version(trial: &ReportedTrial) -> String {
    let record = &trial.record;
    let commit = record.git_commit.as_ref().map(|commit| {
        let changed = if record.git_dirty == Some(true) { ", modified" } else { "" };
        format!(" ({}{changed})", commit.chars().take(10).collect::<String>())
    });
    format!("{}{}", record.version, commit.unwrap_or_default())
}
