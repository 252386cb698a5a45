//! report.html: the report as one page with its charts and pictures, which needs nothing else, no network either.

use super::columns::columns;
use super::comparison::{Comparison, Setting};
use super::trial::DATA_HASH;
use super::{Experiment, Report, ReportedTrial, json, setup};
use crate::folder::TrialFolder;
use crate::metrics::{MetricKind, Row, Split};
use crate::record::Grid;
use crate::text::{counted, filled};
use crate::train::measure;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

const PAGE: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
const CHARTS: &str = include_str!("page/vendor/echarts.min.js");
/// The page's script: its files in one scope, in the order in which they use one another.
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
    include_str!("page/apart.js"),
    include_str!("page/rate.js"),
    include_str!("page/keys.js"),
    include_str!("page/curves.js"),
    include_str!("page/axes.js"),
    include_str!("page/parallel.js"),
    include_str!("page/pictures.js"),
    include_str!("page/main.js"),
    "})();\n",
);

/// Bytes of a page with its pictures, at most, but for a warning; without them it may be longer.
const PAGE_BYTES: usize = 4_990_000;
/// Tiles along a side of a picture, from all of them down: more trials have smaller pictures.
const TILES: [usize; 7] = [usize::MAX, 12, 10, 8, 6, 4, 2];
/// Epochs of a learning curve, at most; of longer ones some are left out.
const EPOCHS: u64 = 200;
/// Largest value by smallest of a swept key from which on its axis is logarithmic.
const DECADES: f64 = 20.0;
/// The pictures that are shown.
const PICTURES: [&str; 3] = ["reconstructions", "samples", "manifold"];

/// The page of a report that is to be in `folder`.
pub(super) fn page(report: &Report, folder: &Path) -> String {
    let title = match &*report.experiments {
        [experiment] => experiment.name.clone(),
        _ => "vaex report".to_owned(),
    };
    let comparisons: Vec<Comparison> = report.experiments.iter().map(Comparison::of).collect();
    let both = report.experiments.iter().zip(&comparisons);
    let mut experiments: Vec<Value> = both.map(|(one, comparison)| experiment(one, comparison, folder)).collect();
    let mut warnings = report.warnings.clone();
    let places = places(folder);
    let bytes = PAGE_BYTES.saturating_sub(written(&title, &places, &warnings, &experiments).len());
    let left_out = add_pictures(&comparisons, &mut experiments, bytes);
    if left_out > 0 {
        let trials = counted(left_out, "trial");
        warnings.push(format!("to keep the page small, pictures of {trials} are left out, those of the worst"));
    }
    written(&title, &places, &warnings, &experiments)
}

/// Hashes of the folder's paths. A page that is opened there has the trials' folders beside it, and links to them; what was
/// mailed has not. Not the paths themselves, which would tell whoever gets the page about the machine.
fn places(folder: &Path) -> Vec<String> {
    let paths = [std::path::absolute(folder), folder.canonicalize()];
    // Without a slash at the end.
    let paths: BTreeSet<PathBuf> = paths.into_iter().flatten().map(|path| path.components().collect()).collect();
    paths.iter().map(|path| format!("{:08x}", fnv1a(path.as_os_str().as_encoded_bytes()))).collect()
}

/// FNV-1a, 32 bits: the page's script has it too.
pub(super) fn fnv1a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

fn written(title: &str, places: &[String], warnings: &[String], experiments: &[Value]) -> String {
    let data = json!({
        "title": title,
        "version": env!("CARGO_PKG_VERSION"),
        "created": humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        "places": places,
        "warnings": warnings,
        "metrics": metrics(),
        "experiments": experiments,
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

/// The metrics that the page shows: those of the table's columns in their order, then those that are only drawn.
fn metrics() -> Vec<Value> {
    let of_table = columns().iter().map(|column| {
        let metric = measure::all().find(|metric| metric.column.is_some() && metric.name == column.name);
        json!({
            "name": column.name,
            "title": column.title,
            "rule": column.doc.trim_end_matches('.'),
            "better": column.better,
            "head": column.head,
            "spread": column.with_deviation,
            "of_epochs": metric.is_some(),
            "curve": metric.is_some_and(|metric| metric.is_curve),
        })
    });
    let drawn = measure::all().filter(|metric| metric.column.is_none() && metric.is_curve).map(|metric| {
        json!({
            "name": metric.name,
            "title": metric.title,
            "rule": metric.doc.trim_end_matches('.'),
            "better": metric.better(),
            "head": null,
            "spread": true,
            "of_epochs": true,
            "curve": true,
        })
    });
    of_table.chain(drawn).collect()
}

fn experiment(experiment: &Experiment, comparison: &Comparison, folder: &Path) -> Value {
    let short = comparison.varied.iter().map(|key| ((*key).to_owned(), json!(comparison.short(key))));
    let logarithmic = comparison.varied.iter().filter(|key| is_logarithmic(comparison, key));
    let mut value = json::experiment(experiment, comparison);
    // What the page's script calls them.
    for setting in value["settings"].as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        let metrics = setting.remove("metrics");
        setting.extend(metrics.map(|metrics| ("figures".to_owned(), metrics)));
    }
    value["short"] = short.collect::<Map<_, _>>().into();
    value["log"] = json!(logarithmic.collect::<Vec<_>>());
    value["comparable"] = json!(comparison.is_comparable);
    value["setup"] = setup::rows(experiment, comparison).into();
    let keys: Vec<&str> = comparison.varied.iter().copied().chain(["seed"]).collect();
    let epochs = experiment.trials.iter().flat_map(|trial| &trial.metrics).map(|row| row.epoch).max().unwrap_or(0);
    let step = epochs.div_ceil(EPOCHS).max(1);
    value["epoch_step"] = json!(step);
    value["tiles"] = Value::Null;
    let shown = comparison.settings.iter().flat_map(|setting| {
        let epochs = shown_epochs(setting, step);
        setting.trials.iter().map(move |trial| (*trial, epochs.clone()))
    });
    let trials = shown.map(|(trial, epochs)| {
        let all = json::trial(trial);
        // What the page shows of a trial.
        let shown = ["trial", "status", "spec", "seconds", "images_per_second", "error"];
        let mut value: Value = shown.map(|name| (name.to_owned(), all[name].clone())).into_iter().collect();
        if comparison.varied.contains(&DATA_HASH) {
            value["spec"][DATA_HASH] = json!(trial.value(DATA_HASH));
        }
        value["final"] = json!({ comparison.split.name(): last(trial, comparison.split) });
        let place = trial.folder.strip_prefix(folder).unwrap_or(&trial.folder);
        value["folder"] = json!(place.to_string_lossy());
        value["label"] = json!(label(trial, &keys, comparison));
        value["curves"] = curves(trial, &epochs);
        value
    });
    value["trials"] = trials.collect();
    let apart = experiment.apart.iter().map(|trial| {
        let mut value = json::trial(trial);
        let place = trial.folder.strip_prefix(folder).unwrap_or(&trial.folder);
        value["folder"] = json!(place.to_string_lossy());
        value["label"] = json!(label(trial, &keys, comparison));
        value
    });
    value["apart"] = apart.collect();
    value
}

/// What sets a trial apart.
fn label(trial: &ReportedTrial, keys: &[&str], comparison: &Comparison) -> String {
    let value = |key: &&str| {
        let value = trial.value(key)?;
        let name = if *key == "seed" { key } else { comparison.short(key) };
        Some(format!("{name}={}", crate::plan::value_text(Some(value))))
    };
    keys.iter().filter_map(value).collect::<Vec<_>>().join(",")
}

/// Whether a key's values are positive numbers of very different sizes, or each about the same multiple of the one before,
/// as a sweep's on a logarithmic scale are.
fn is_logarithmic(comparison: &Comparison, key: &str) -> bool {
    let values: Option<Vec<f64>> = comparison.settings.iter().map(|setting| setting.value(key)?.as_f64()).collect();
    let Some(mut values) = values.filter(|values| values.iter().all(|value| *value > 0.0)) else { return false };
    values.sort_by(f64::total_cmp);
    values.dedup();
    let (Some(low), Some(high)) = (values.first(), values.last()) else { return false };
    // At least three tell equal ratios from equal distances; numbers near to one another have both.
    let is_even = |place: fn(f64) -> f64| {
        let steps: Vec<f64> = values.windows(2).map(|pair| place(pair[1]) - place(pair[0])).collect();
        steps.len() > 1 && steps.iter().all(|step| (step / steps[0] - 1.0).abs() < 0.1)
    };
    *high >= DECADES * low || (is_even(f64::ln) && !is_even(|value| value))
}

/// The metrics of a trial's last epoch.
fn last(trial: &ReportedTrial, split: Split) -> Value {
    let Some(row) = trial.last(split) else { return Value::Null };
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

/// Every so many epochs, and the last ones of the setting's trials: these are averaged, and so have the same epochs.
fn shown_epochs(setting: &Setting, step: u64) -> BTreeSet<u64> {
    let last = |trial: &&ReportedTrial| trial.metrics.iter().map(|row| row.epoch).max();
    (1..=EPOCHS).map(|index| index * step).chain(setting.trials.iter().filter_map(last)).collect()
}

/// Columns of numbers by epoch, for each split.
fn curves(trial: &ReportedTrial, epochs: &BTreeSet<u64>) -> Value {
    let mut curves = Map::new();
    for split in Split::ALL {
        let is_shown = |row: &&Row| row.split == split && epochs.contains(&row.epoch);
        let rows: Vec<&Row> = trial.metrics.iter().filter(is_shown).collect();
        if rows.is_empty() {
            continue;
        }
        let epochs: Vec<u64> = rows.iter().map(|row| row.epoch).collect();
        let mut columns = json!({ "epoch": epochs });
        for metric in measure::all().filter(|metric| metric.is_curve && metric.is_of(split)) {
            let values = rows.iter().map(|row| row.get(&metric.name).and_then(rounded));
            columns[&*metric.name] = json!(values.collect::<Vec<_>>());
        }
        curves.insert(split.name().to_owned(), columns);
    }
    curves.into()
}

/// Six digits are more than a chart shows; what is not finite is null.
fn rounded(value: f64) -> Option<f64> {
    format!("{value:.5e}").parse().ok().filter(|value: &f64| value.is_finite())
}

/// Gives trials their pictures, in as much detail as so many bytes have room for, the best ones of each experiment first;
/// how many trials had to be left out.
fn add_pictures(comparisons: &[Comparison], experiments: &mut [Value], bytes: usize) -> usize {
    let ranked = |comparison| best_first(comparison).enumerate();
    let mut trials: Vec<(usize, &ReportedTrial)> = comparisons.iter().flat_map(ranked).collect();
    trials.sort_by_key(|(rank, _)| *rank);
    let trials: Vec<&ReportedTrial> = trials.into_iter().map(|(_, trial)| trial).collect();
    let (mut all, mut left_out, mut shown) = (BTreeMap::new(), 0, usize::MAX);
    for tiles in TILES {
        shown = tiles;
        (all, left_out) = pictures(&trials, tiles, bytes);
        if left_out == 0 {
            break;
        }
    }
    for (comparison, value) in comparisons.iter().zip(experiments) {
        for (index, trial) in best_first(comparison).enumerate() {
            if let Some(urls) = all.remove(&*trial.folder) {
                value["trials"][index]["pictures"] = urls;
            }
        }
        value["tiles"] = json!(Some(shown).filter(|tiles| *tiles < usize::MAX));
    }
    left_out
}

/// An experiment's trials by their settings, the best ones first: the order of the page's data.
fn best_first<'a>(comparison: &Comparison<'a>) -> impl Iterator<Item = &'a ReportedTrial> {
    comparison.settings.iter().flat_map(|setting| setting.trials.iter().copied())
}

/// The pictures of trials by their folders, until the bytes are used up; how many trials with pictures are left then.
fn pictures<'a>(trials: &[&'a ReportedTrial], tiles: usize, bytes: usize) -> (BTreeMap<&'a Path, Value>, usize) {
    let (mut all, mut size) = (BTreeMap::new(), 0);
    for (index, trial) in trials.iter().enumerate() {
        let urls = urls(&trial.folder, tiles);
        size += json!({ "pictures": urls }).to_string().len();
        if size > bytes {
            let has_pictures =
                |trial: &&&ReportedTrial| PICTURES.iter().any(|name| picture(&trial.folder, name).exists());
            return (all, trials[index..].iter().filter(has_pictures).count());
        }
        all.insert(&*trial.folder, urls);
    }
    (all, 0)
}

fn picture(folder: &Path, name: &str) -> PathBuf {
    TrialFolder::new(folder).picture(name)
}

/// Pictures of a trial as data URLs, by their names.
fn urls(folder: &Path, tiles: usize) -> Value {
    let url = |name: &'static str| {
        let grid = Grid::read(&picture(folder, name)).ok()?;
        // Of a manifold some tiles are left out here and there, of the others those at the end.
        let spread = name == "manifold";
        let rows = if name == "reconstructions" { 2 * tiles.div_ceil(4).min(usize::MAX / 4) } else { tiles };
        let png = grid.thinned(rows, tiles, spread).png().ok()?;
        Some((name, format!("data:image/png;base64,{}", STANDARD.encode(png))))
    };
    PICTURES.into_iter().filter_map(url).collect()
}
