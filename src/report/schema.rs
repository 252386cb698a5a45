//! The schema of the parquet tables: the names, types and meanings of their columns.

use super::frames;
use super::keys::key_columns;
use crate::evaluation;
use crate::folder::{ExperimentFolder, TrialFolder};
use crate::language::description;
use crate::metrics::{Metric, MetricKind, POSITION, Split};
use crate::record::tables as logged;
use crate::record::trial::TrialRecord;
use crate::train::measure;
use polars::prelude::Column;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// The columns of metrics.parquet, curves.parquet and trials.parquet: names, types and meanings.
pub fn tables() -> Value {
    let of_epochs = meanings_of_epochs();
    let of_trials = meanings_of_trials();
    let of_curves = frames::names_of_rows(&[]).into_iter().chain(logged::metrics_columns(std::iter::empty()));
    json!({
        (TrialFolder::METRICS): {
            "description": "One row per epoch and split of a trial.",
            "columns": described(logged::metrics_columns(std::iter::empty()), &of_epochs),
        },
        (ExperimentFolder::CURVES): {
            "description": "One row per trial, epoch and split.",
            "columns": described(of_curves.collect(), &of_epochs),
        },
        (ExperimentFolder::TRIALS): {
            "description": "One row per trial. Every dotted key of a spec is a column; null if a trial does not have the key.",
            "columns": described(frames::trials(&[], Path::new("")), &of_trials),
        },
    })
}

fn described(columns: Vec<Column>, meanings: &BTreeMap<String, String>) -> Vec<Value> {
    let column = |column: &Column| {
        let name = column.name().as_str();
        let meaning = meanings.get(name).map(String::as_str).unwrap_or_default();
        json!({ "name": name, "type": column.dtype().to_string(), "description": meaning })
    };
    columns.iter().map(column).collect()
}

/// The meanings of the columns of metrics.parquet and curves.parquet.
fn meanings_of_epochs() -> BTreeMap<String, String> {
    let own =
        [("experiment", "The experiment's name."), ("trial", "The trial's id; the name of its folder ends with it.")];
    let own = own.into_iter().chain(POSITION).map(|(name, meaning)| (name.to_owned(), meaning.to_owned()));
    own.chain(measure::all().map(|metric| (metric.name.to_string(), metric.doc.to_string()))).collect()
}

/// The meanings of the columns of trials.parquet.
fn meanings_of_trials() -> BTreeMap<String, String> {
    let record = schemars::schema_for!(TrialRecord).to_value();
    let fields = record["properties"].as_object().into_iter().flatten().filter_map(|(name, field)| {
        let meaning = field["description"].as_str()?.replace('\n', " ");
        Some((name.clone(), meaning))
    });
    let own = [
        (
            "in_plan",
            "Whether the trial is in the current plan of its experiment; `vaex report` lists other trials separately.",
        ),
        ("folder", "The trial folder, relative to the folder of the table."),
        ("final_epoch", "The last epoch."),
        ("best_epoch", "The epoch with the lowest validation loss."),
        (
            "kept_epoch",
            "The epoch whose weights the trial has: the last one, or with `train.keep = \"best\"` the best one.",
        ),
        ("continued", "Id of the shorter trial whose state this one began with."),
        ("started", "Start of the first process, in UTC."),
        ("ended", "End of the last process, in UTC."),
    ];
    let keys = key_columns().map(|(key, _)| {
        let meaning = description().key(key).map(|key| key.meaning()).unwrap_or_default();
        (key.to_owned(), meaning)
    });
    let of_epoch = |split: Split| {
        measure::all().filter(move |metric| metric.is_of(split)).flat_map(move |metric| {
            let meaning = |epoch: &str| format!("In the {epoch} epoch, {} split: {}", split.name(), metric.doc);
            let last = (measure::final_name(metric, split), meaning("last"));
            [last, (measure::kept_name(metric, split), meaning("kept"))]
        })
    };
    let best = measure::with_best().map(|metric| {
        (
            measure::best_name(metric),
            format!("The {}est validation {} of any epoch.", metric.better().trim_end_matches("er"), metric.name),
        )
    });
    let own = own.map(|(name, meaning)| (name.to_owned(), meaning.to_owned()));
    let evaluated = evaluation::columns().map(|(_, metric, split)| {
        let of = split.map_or("All images of the data".to_owned(), |split| format!("{} images", capitalized(split)));
        (evaluation::column_name(metric, split), format!("{of}: {}", metric.doc))
    });
    fields
        .chain(keys)
        .chain(evaluated)
        .chain(Split::OF_EPOCHS.into_iter().flat_map(of_epoch))
        .chain(best)
        .chain(own)
        .collect()
}

/// The name of a split at the start of a sentence.
fn capitalized(split: Split) -> &'static str {
    match split {
        Split::Train => "Training",
        Split::Validation => "Validation",
        Split::Test => "Test",
    }
}

/// The reference of all metrics as a Markdown table.
pub fn metrics() -> String {
    let kind = |metric: &Metric| match metric.kind {
        MetricKind::Number => "number",
        MetricKind::Count => "count",
        MetricKind::List => "list",
        MetricKind::Text => "word",
    };
    let row = |metric: &Metric| {
        let splits: Vec<&str> = metric.splits.iter().map(|split| split.name()).collect();
        let cells = [kind(metric), metric.unit, metric.better(), &splits.join(", "), &metric.doc.replace('|', "\\|")];
        format!("| `{}` | {} |\n", metric.name, cells.join(" | "))
    };
    let head = "| metric | type | unit | better | splits | meaning |\n| --- | --- | --- | --- | --- | --- |\n";
    head.to_owned() + &measure::all().map(row).collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::tables;
    use std::collections::BTreeSet;

    #[test]
    fn every_column_has_a_unique_name_and_a_meaning() {
        let tables = tables();
        for (table, least) in [("metrics.parquet", 16), ("curves.parquet", 18), ("trials.parquet", 90)] {
            let columns = tables[table]["columns"].as_array().unwrap();
            assert!(columns.len() >= least, "{table}: {}", columns.len());
            let names: BTreeSet<&str> = columns.iter().map(|column| column["name"].as_str().unwrap()).collect();
            assert_eq!(names.len(), columns.len(), "{table}");
            for column in columns {
                assert!(column["description"].as_str().is_some_and(|text| text.len() > 8), "{table}: {column}");
            }
        }
    }
}
