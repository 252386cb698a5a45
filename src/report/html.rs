//! report.html: the report as one page with charts and pictures. It needs no other file and no network.

use super::columns::{MetricColumn, columns, of_trials};
use super::comparison::Comparison;
use super::numbers::rounded;
use super::thumbnails::add_pictures;
use super::trial::DATA_HASH;
use super::{Experiment, Place, Report, ReportedTrial, figures, fit, json, setup};
use crate::metrics::{Metric, MetricKind, Split};
use crate::record::pictures::PICTURES;
use crate::text::{counted, filled};
use crate::train::measure;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

const PAGE: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
const CHARTS: &str = include_str!("page/vendor/echarts.min.js");
/// The script of the page: its files in one scope, in the order of their dependencies.
const SCRIPT: &str = concat!(
    "\"use strict\";\n(() => {\n",
    include_str!("page/text.js"),
    include_str!("page/data.js"),
    include_str!("page/scale.js"),
    include_str!("page/element.js"),
    include_str!("page/link.js"),
    include_str!("page/colours.js"),
    include_str!("page/chart.js"),
    include_str!("page/experiment.js"),
    include_str!("page/setup.js"),
    include_str!("page/filter.js"),
    include_str!("page/table.js"),
    include_str!("page/unplanned.js"),
    include_str!("page/expect.js"),
    include_str!("page/rate.js"),
    include_str!("page/search.js"),
    include_str!("page/keys.js"),
    include_str!("page/curves.js"),
    include_str!("page/axes.js"),
    include_str!("page/likelihood.js"),
    include_str!("page/against.js"),
    include_str!("page/factors.js"),
    include_str!("page/parallel.js"),
    include_str!("page/pictures.js"),
    include_str!("page/together.js"),
    include_str!("page/main.js"),
    "})();\n",
);

/// Largest size of a page with its pictures in bytes, without a warning. A page without pictures may be larger.
const PAGE_BYTES: usize = 4_990_000;

/// The numbers of experiments that are drawn over one another: as many as a figure can tell apart.
const TOGETHER: RangeInclusive<usize> = 2..=figures::SERIES;

/// Largest size of those figures in bytes.
const TOGETHER_BYTES: usize = 500_000;

/// The page of a report, to be written to a place.
pub(super) fn page(report: &Report, place: Place<'_>) -> String {
    let folder = place.folder();
    let title = match &*report.experiments {
        [experiment] => experiment.name.clone(),
        _ => "vaex report".to_owned(),
    };
    let mut comparisons: Vec<Comparison> = report.experiments.iter().map(Comparison::of).collect();
    let both = report.experiments.iter().zip(&comparisons);
    let mut experiments: Vec<Value> = both.map(|(one, comparison)| experiment(one, comparison, folder)).collect();
    let entries = comparisons.iter().zip(&experiments).map(|(comparison, value)| {
        let common: BTreeSet<&str> = value["spec"].as_object().into_iter().flatten().map(|(key, _)| &**key).collect();
        fit::entries(comparison, |trial| entry(trial, comparison, folder, &common))
    });
    let entries = entries.collect();
    fit::add_settings(&mut comparisons, entries, &mut experiments);
    fit::add_curves(&comparisons, &mut experiments);
    let mut warnings = report.warnings.clone();
    let together = together(report, &mut warnings);
    let places = match place {
        Place::Own(folder) => places(folder),
        // Without links to the folders of trials, which are not below it.
        Place::Elsewhere(_) => Vec::new(),
    };
    let written =
        |warnings: &[String], experiments: &[Value]| written(&title, &places, warnings, (experiments, &together));
    let bytes = PAGE_BYTES.saturating_sub(written(&warnings, &experiments).len());
    let left_out = add_pictures(&comparisons, &mut experiments, bytes, &mut warnings);
    if left_out > 0 {
        let trials = counted(left_out, "worst trial");
        warnings.push(format!("to keep the page small, the pictures of the {trials} are left out"));
    }
    written(&warnings, &experiments)
}

/// The figures in which several experiments are drawn over one another, with their names: the first ones, as many as fit.
fn together(report: &Report, warnings: &mut Vec<String>) -> Vec<(String, String)> {
    if !TOGETHER.contains(&report.experiments.len()) {
        return Vec::new();
    }
    let all = figures::all(report).unwrap_or_else(|error| {
        warnings.push(error.to_string());
        Vec::new()
    });
    let mut bytes = 0;
    let is_kept = |(_, svg): &(String, String)| {
        bytes += svg.len();
        bytes <= TOGETHER_BYTES
    };
    all.into_iter().take_while(is_kept).collect()
}

/// Hashes of the folder's paths. A page that is opened there links to the trial folders next to it; a copy elsewhere does not.
/// The paths themselves are not in the page, since they would reveal details of the machine to its readers.
fn places(folder: &Path) -> Vec<String> {
    let paths = [std::path::absolute(folder), folder.canonicalize()];
    // Without a trailing slash.
    let paths: BTreeSet<PathBuf> = paths.into_iter().flatten().map(|path| path.components().collect()).collect();
    paths.iter().map(|path| format!("{:08x}", fnv1a(path.as_os_str().as_encoded_bytes()))).collect()
}

/// FNV-1a, 32 bits; the script of the page has the same function.
pub(super) fn fnv1a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

fn written(
    title: &str,
    places: &[String],
    warnings: &[String],
    (experiments, together): (&[Value], &[(String, String)]),
) -> String {
    let data = json!({
        "title": title,
        "version": env!("CARGO_PKG_VERSION"),
        "created": humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        "places": places,
        "warnings": warnings,
        "metrics": metrics(experiments),
        "pictures": PICTURES.iter().map(|one| [one.name, one.doc]).collect::<Vec<_>>(),
        "experiments": experiments,
        "together": together,
    });
    // `</script>` in a text would end the data.
    let data = data.to_string().replace('<', "\\u003c");
    let title = title.replace('&', "&amp;").replace('<', "&lt;");
    let parts = [
        ("{{title}}", &*title),
        ("{{style}}", STYLE),
        ("{{charts}}", CHARTS),
        ("{{script}}", SCRIPT),
        ("{{data}}", &data),
    ];
    filled(PAGE, &parts)
}

/// The metrics that the page shows: first the columns of the table in their order, then metrics that are only in charts.
/// Metrics of objectives that no trial has are left out.
fn metrics(experiments: &[Value]) -> Vec<Value> {
    let has = |trial: &Value, name: &str| {
        let of = |split: Split| trial["curves"][split.name()][name].as_array();
        Split::OF_EPOCHS.into_iter().filter_map(of).flatten().any(|value| !value.is_null())
    };
    let trials = || experiments.iter().filter_map(|one| one["trials"].as_array()).flatten();
    let is_known = |metric: &&Metric| !metric.is_optional || trials().any(|trial| has(trial, &metric.name));

    let has_final = |trial: &Value, name: &str| {
        let rows = trial["kept"].as_object().into_iter().flatten();
        rows.into_iter().any(|(_, row)| !row[name].is_null())
    };
    let is_measured =
        |column: &&&MetricColumn| !column.is_of_evaluation() || trials().any(|trial| has_final(trial, column.name));
    let of_table = columns().iter().filter(|column| is_measured(&column)).map(|column| {
        let metric = measure::all().find(|metric| metric.column.is_some() && metric.name == column.name);
        json!({
            "name": column.name,
            "title": column.title,
            "rule": column.doc.trim_end_matches('.'),
            "better": column.better,
            "head": column.head,
            "spread": column.with_deviation,
            "unit": metric.map(|metric| metric.unit),
            "of_epochs": metric.is_some(),
            "curve": metric.is_some_and(|metric| metric.is_curve),
        })
    });
    let drawn = measure::all().filter(|metric| metric.column.is_none() && metric.is_curve).filter(is_known);
    let drawn = drawn.map(|metric| {
        json!({
            "name": metric.name,
            "title": metric.title,
            "rule": metric.doc.trim_end_matches('.'),
            "better": metric.better(),
            "head": null,
            "spread": true,
            "unit": metric.unit,
            "of_epochs": true,
            "curve": true,
        })
    });
    of_table.chain(drawn).collect()
}

fn experiment(experiment: &Experiment, comparison: &Comparison, folder: &Path) -> Value {
    let short = comparison.varied.iter().map(|key| ((*key).to_owned(), json!(comparison.short(key))));
    let logarithmic = comparison.varied.iter().filter(|key| comparison.is_logarithmic(experiment, key));
    let mut value = json::experiment(experiment, comparison);
    value["short"] = short.collect::<Map<_, _>>().into();
    value["log"] = json!(logarithmic.collect::<Vec<_>>());
    value["of_epochs"] = json!(comparison.of_epochs());
    value["comparable"] = json!(comparison.is_comparable);
    value["search"] = experiment.search_state().map(|state| state.page()).into();
    value["setup"] = setup::rows(experiment, comparison).into();
    let all: Vec<&ReportedTrial> = experiment.all().map(|(trial, _)| trial).collect();
    let common = common_spec(&all);
    let keys: BTreeSet<&str> = common.keys().map(String::as_str).collect();
    value["unplanned_count"] = json!(experiment.unplanned.len());
    value["unplanned"] =
        fit::unplanned(experiment.unplanned.iter().map(|trial| entry(trial, comparison, folder, &keys)));
    value["spec"] = common.into();
    let mut statuses: BTreeMap<&str, usize> = BTreeMap::new();
    experiment.trials.iter().for_each(|trial| *statuses.entry(trial.record.status.name()).or_default() += 1);
    value["counts"] = json!(statuses);
    value["tiles"] = Value::Null;
    value
}

/// The keys of the spec that all trials have, with the same value.
fn common_spec(trials: &[&ReportedTrial]) -> Map<String, Value> {
    let Some((first, rest)) = trials.split_first() else { return Map::new() };
    let is_common =
        |(key, value): &(&String, &Value)| rest.iter().all(|trial| trial.record.spec.get(*key) == Some(*value));
    let common = first.record.spec.iter().filter(is_common);
    common.map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// What the page shows of a trial, without its curves. The keys of the spec that all trials have with the same value are left out.
fn entry(trial: &ReportedTrial, comparison: &Comparison, folder: &Path, common: &BTreeSet<&str>) -> Value {
    let keys: Vec<&str> = comparison.varied.iter().copied().chain(["seed"]).collect();
    let own = trial.record.spec.iter().filter(|(key, _)| !common.contains(&***key));
    let mut spec: Map<String, Value> = own.map(|(key, value)| (key.clone(), value.clone())).collect();
    if comparison.varied.contains(&DATA_HASH) {
        spec.insert(DATA_HASH.to_owned(), json!(trial.value(DATA_HASH)));
    }
    let place = match trial.folder.strip_prefix(folder) {
        Ok(place) => place.to_owned(),
        // A page elsewhere says only which folder of which experiment it is.
        Err(_) => [trial.folder.parent().and_then(Path::file_name), trial.folder.file_name()]
            .into_iter()
            .flatten()
            .collect::<PathBuf>(),
    };
    let mut value = json!({
        "trial": trial.record.trial,
        "status": trial.record.status,
        "spec": spec,
        "error": trial.record.error,
        "kept": { comparison.split.name(): kept(trial, comparison.split) },
        "folder": place.to_string_lossy(),
        "label": label(trial, &keys, comparison),
        "measured": measured(trial),
        "matrices": matrices(trial),
        "traversed": trial.evaluation.as_ref().map(|evaluation| &evaluation.traversals),
    });
    for column in of_trials() {
        value[column.name] = json!(column.of(trial, Split::Train));
    }
    value
}

/// The label of a trial: its values of the varied keys and its seed.
fn label(trial: &ReportedTrial, keys: &[&str], comparison: &Comparison) -> String {
    let value = |key: &&str| {
        let value = trial.value(key)?;
        let name = if *key == "seed" { key } else { comparison.short(key) };
        Some(format!("{name}={}", crate::plan::value_text(Some(value))))
    };
    keys.iter().filter_map(value).collect::<Vec<_>>().join(",")
}

/// The metrics of the epoch whose weights a trial keeps.
fn kept(trial: &ReportedTrial, split: Split) -> Value {
    let Some(row) = trial.kept(split) else { return Value::Null };
    let mut metrics: Map<String, Value> =
        columns().iter().map(|column| (column.name.to_owned(), json!(column.of(trial, split)))).collect();
    for metric in measure::all().filter(|metric| metric.is_curve) {
        metrics.insert(metric.name.to_string(), json!(row.get(&metric.name)));
    }
    for metric in measure::all().filter(|metric| metric.kind == MetricKind::List) {
        let values: Vec<Option<f64>> = row.list(&metric.name).iter().map(|value| rounded(*value)).collect();
        metrics.insert(metric.name.to_string(), json!(values));
    }
    metrics.into()
}

/// The numbers that were measured after training, by column.
fn measured(trial: &ReportedTrial) -> Value {
    let results = trial.evaluation.iter().flat_map(|evaluation| &evaluation.results);
    let numbers = results.flat_map(|result| &result.values).filter_map(|(name, value)| {
        let number = rounded(value.as_f64()?)?;
        Some((name.clone(), json!(number)))
    });
    numbers.collect::<Map<_, _>>().into()
}

/// The matrices of axes and factors that scores were computed from, by metric.
fn matrices(trial: &ReportedTrial) -> Value {
    let results = trial.evaluation.iter().flat_map(|evaluation| &evaluation.results);
    let matrices = results.filter_map(|result| {
        let rows = result.details["matrix"].as_array()?;
        let row = |row: &Value| -> Vec<Option<f64>> {
            row.as_array().into_iter().flatten().map(|value| rounded(value.as_f64()?)).collect()
        };
        let rows: Vec<Vec<Option<f64>>> = rows.iter().map(row).collect();
        Some((result.recipe.metric.clone(), json!({ "factors": result.details["factors"], "rows": rows })))
    });
    matrices.collect::<Map<_, _>>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_of_objectives_that_no_trial_has_are_left_out() {
        let names = |capacity: Value| -> Vec<String> {
            let curves = json!({ "validation": { "loss": [1.0], "capacity_nats": [capacity] } });
            let metrics = metrics(&[json!({ "trials": [{ "curves": curves }] })]);
            metrics.iter().filter_map(|metric| metric["name"].as_str().map(str::to_owned)).collect()
        };
        let has = |names: &[String]| names.iter().any(|name| name == "capacity_nats");
        assert!(has(&names(json!(2.0))) && !has(&names(Value::Null)));
        assert!(names(Value::Null).iter().any(|name| name == "loss"));
    }
}
