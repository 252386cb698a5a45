//! report.html: the report as one page with its charts and pictures, which needs nothing else, no network either.

use super::settings::Comparison;
use super::{Experiment, Report, Trial, json};
use crate::data::Split;
use crate::log::Grid;
use crate::train::Metrics;
use crate::trial::names;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::SystemTime;

const PAGE: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");
const CHARTS: &str = include_str!("page/vendor/echarts.min.js");

/// Bytes of all pictures together, about: the page is to stay below 5 MB.
const PICTURE_BYTES: usize = 2_600_000;
/// Tiles along a side of a picture, from all of them down: more trials have smaller pictures.
const TILES: [usize; 7] = [usize::MAX, 12, 10, 8, 6, 4, 2];
/// Epochs of a learning curve, at most; of longer ones some are left out.
const EPOCHS: usize = 200;
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
    let mut warnings = report.warnings.clone();
    let trials: Vec<&Trial> = report.experiments.iter().flat_map(|experiment| &experiment.trials).collect();
    let (pictures, left_out) = pictures(&trials);
    if left_out > 0 {
        warnings.push(format!("{left_out} trials are shown without their pictures, to keep the page small"));
    }
    let data = json!({
        "title": title,
        "version": env!("CARGO_PKG_VERSION"),
        "created": humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        "warnings": warnings,
        "experiments": report.experiments.iter().map(|one| experiment(one, folder, &pictures)).collect::<Vec<_>>(),
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
    filled_in(PAGE, &parts)
}

/// A text with its places filled in; what is filled in has no places.
fn filled_in(text: &str, parts: &[(&str, &str)]) -> String {
    let first = parts.iter().filter_map(|(place, value)| Some((text.find(place)?, *place, *value))).min();
    match first {
        Some((at, place, value)) => {
            format!("{}{value}{}", &text[..at], filled_in(&text[at + place.len()..], parts))
        }
        None => text.to_owned(),
    }
}

fn experiment(experiment: &Experiment, folder: &Path, pictures: &BTreeMap<&Path, Value>) -> Value {
    let comparison = Comparison::of(experiment);
    let short = comparison.varied.iter().map(|key| ((*key).to_owned(), json!(comparison.short(key))));
    let logarithmic = comparison.varied.iter().filter(|key| is_logarithmic(&comparison, key));
    let mut value = json::experiment(experiment);
    value["short"] = short.collect::<Map<_, _>>().into();
    value["log"] = json!(logarithmic.collect::<Vec<_>>());
    let keys: Vec<&str> = comparison.varied.iter().copied().chain(["seed"]).collect();
    let trials = experiment.trials.iter().map(|trial| {
        let mut value = json::trial(trial);
        let place = trial.folder.strip_prefix(folder).unwrap_or(&trial.folder);
        value["folder"] = json!(place.to_string_lossy());
        value["label"] = json!(label(trial, &keys, &comparison));
        value["curves"] = curves(trial);
        value["pictures"] = pictures.get(&*trial.folder).cloned().unwrap_or_else(|| json!({}));
        value
    });
    value["trials"] = trials.collect();
    value
}

/// What sets a trial apart.
fn label(trial: &Trial, keys: &[&str], comparison: &Comparison) -> String {
    let value = |key: &&str| {
        let value = trial.record.spec.get(*key)?;
        let name = if *key == "seed" { key } else { comparison.short(key) };
        Some(format!("{name}={}", crate::plan::value_text(Some(value))))
    };
    keys.iter().filter_map(value).collect::<Vec<_>>().join(",")
}

/// Whether a key's values are positive numbers of very different sizes, as a sweep's on a logarithmic scale are.
fn is_logarithmic(comparison: &Comparison, key: &str) -> bool {
    let values: Option<Vec<f64>> = comparison.settings.iter().map(|setting| setting.value(key)?.as_f64()).collect();
    let Some(values) = values.filter(|values| values.iter().all(|value| *value > 0.0)) else { return false };
    let (low, high) =
        values.iter().fold((f64::INFINITY, 0f64), |(low, high), value| (low.min(*value), high.max(*value)));
    high >= DECADES * low
}

/// Columns of numbers by epoch, for each split.
fn curves(trial: &Trial) -> Value {
    let mut curves = Map::new();
    for split in [Split::Train, Split::Validation] {
        let rows: Vec<&Metrics> = trial.metrics.iter().filter(|row| row.split == split).collect();
        if rows.is_empty() {
            continue;
        }
        let step = rows.len().div_ceil(EPOCHS);
        // The last one is always among them.
        let rows: Vec<&Metrics> = rows.into_iter().rev().step_by(step).collect();
        let column = |value: fn(&Metrics) -> f64| rows.iter().rev().map(|row| rounded(value(row))).collect::<Vec<_>>();
        let epochs: Vec<u64> = rows.iter().rev().map(|row| row.epoch).collect();
        let columns = json!({
            "epoch": epochs,
            "loss": column(|row| row.loss),
            "recon_nats": column(|row| row.recon_nats),
            "kl_nats": column(|row| row.kl_nats),
            "elbo_nats": column(|row| row.elbo_nats),
        });
        curves.insert(split.name().to_owned(), columns);
    }
    curves.into()
}

/// Six digits are more than a chart shows; what is not finite is null.
fn rounded(value: f64) -> Option<f64> {
    format!("{value:.5e}").parse().ok().filter(|value: &f64| value.is_finite())
}

/// Pictures of trials as data URLs, by the trials' folders, in as much detail as there is room for; how many trials had
/// to be left out.
fn pictures<'a>(trials: &[&'a Trial]) -> (BTreeMap<&'a Path, Value>, usize) {
    let mut found: Vec<(&Path, Vec<(&str, Grid)>)> = Vec::new();
    for trial in trials {
        let folder = trial.folder.join(names::IMAGES);
        let read = |name| Some((name, Grid::read(&folder.join(format!("{name}.png"))).ok()?));
        let read: Vec<_> = PICTURES.into_iter().filter_map(read).collect();
        if !read.is_empty() {
            found.push((&trial.folder, read));
        }
    }
    let mut all = Vec::new();
    for tiles in TILES {
        all = found.iter().map(|(folder, pictures)| (*folder, urls(pictures, tiles))).collect();
        if size(&all) <= PICTURE_BYTES {
            break;
        }
    }
    let before = all.len();
    while size(&all) > PICTURE_BYTES {
        all.pop();
    }
    let left_out = before - all.len();
    (all.into_iter().map(|(folder, urls)| (folder, json!(urls))).collect(), left_out)
}

fn size(all: &[(&Path, BTreeMap<&str, String>)]) -> usize {
    all.iter().flat_map(|(_, urls)| urls.values()).map(String::len).sum()
}

fn urls<'a>(pictures: &[(&'a str, Grid)], tiles: usize) -> BTreeMap<&'a str, String> {
    let url = |(name, grid): &(&'a str, Grid)| {
        // Of a manifold some tiles are left out here and there, of the others those at the end.
        let spread = *name == "manifold";
        let rows = if *name == "reconstructions" { 2 * tiles.div_ceil(4).min(usize::MAX / 4) } else { tiles };
        let png = grid.thinned(rows, tiles, spread).png().ok()?;
        Some((*name, format!("data:image/png;base64,{}", STANDARD.encode(png))))
    };
    pictures.iter().filter_map(url).collect()
}
