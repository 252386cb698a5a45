//! `vaex diff`: compares two trials.

use super::command::Command;
use super::shared::exit::DONE;
use super::shared::print::{complain, say};
use super::shared::{terminal, trial};
use crate::evaluation;
use crate::language::description;
use crate::metrics::{MetricKind, Split};
use crate::plan::value_text;
use crate::report::{self, Column, ReportedTrial, Table};
use crate::settings::as_json;
use crate::train::measure;
use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Compare two trials: the keys of their specs, and their metrics.
#[derive(Debug, Args)]
pub(super) struct DiffArgs {
    /// Trial folder, or the start of a trial id.
    one: PathBuf,
    /// The other trial, given likewise.
    other: PathBuf,
    /// Folder in which trial ids are looked up.
    #[arg(long, default_value = "runs", value_name = "DIR")]
    runs: PathBuf,
    /// Print the comparison as JSON.
    #[arg(long)]
    json: bool,
}

/// A name, and its value in each of the two trials.
type Row = (String, [Value; 2]);

impl Command for DiffArgs {
    fn run(&self) -> anyhow::Result<u8> {
        let [one, other] = [&self.one, &self.other].map(|given| read(given, &self.runs));
        let (one, other) = (one?, other?);
        let (keys, metrics) = (keys(&one, &other), metrics(&one, &other));
        if self.json {
            let object =
                |rows: &[Row]| rows.iter().map(|(name, values)| (name.clone(), json!(values))).collect::<Value>();
            let trials = [&one, &other].map(|trial| &trial.record.trial);
            say(&json!({ "trials": trials, "keys": object(&keys), "metrics": object(&metrics) }).to_string());
            return Ok(DONE);
        }
        let ids = [&one, &other].map(|trial| trial.record.trial.clone());
        match keys.is_empty() {
            true => say("the specs are identical"),
            false => say(&table("key", &ids, &keys).fit(terminal::width()).to_string()),
        }
        say("");
        say(&table("metric", &ids, &metrics).fit(terminal::width()).to_string());
        report::measured_differently([&one, &other].into_iter()).iter().for_each(|warning| complain(warning));
        Ok(DONE)
    }
}

fn read(given: &Path, runs: &Path) -> anyhow::Result<ReportedTrial> {
    let folder = trial::folder(given, runs)?;
    let report = report::collect(&folder)?;
    if let Some(warning) = report.warnings.first() {
        bail!("{warning}");
    }
    let trial = report.experiments.into_iter().flat_map(|experiment| experiment.trials).next();
    trial.with_context(|| format!("{} has no trial", folder.display()))
}

/// The keys of the specs that differ, and the hash of the data if it differs.
fn keys(one: &ReportedTrial, other: &ReportedTrial) -> Vec<Row> {
    let records = [&one.record, &other.record];
    let names: BTreeSet<&String> = records.iter().flat_map(|record| record.spec.keys()).collect();
    // The record of an earlier version may lack a key that had its default.
    let value = |name: &str| records.map(|record| record.spec.get(name).cloned().or_else(|| default(name)));
    let spec = names.into_iter().map(|name| (name.clone(), value(name).map(Option::unwrap_or_default)));
    let data = ("data (hash)".to_owned(), records.map(|record| json!(record.data_hash)));
    spec.chain([data]).filter(|(_, [one, other])| one != other).collect()
}

/// The default of a key that always applies.
fn default(key: &str) -> Option<Value> {
    let key = description().key(key)?;
    let mut declared = key.declared().filter(|_| key.kinds().is_empty());
    declared.next()?.default.as_ref().map(as_json)
}

fn metrics(one: &ReportedTrial, other: &ReportedTrial) -> Vec<Row> {
    let trials = [one, other];
    let mut rows = vec![
        ("status".to_owned(), trials.map(|trial| json!(trial.record.status))),
        ("parameters".to_owned(), trials.map(|trial| json!(trial.record.parameters))),
    ];
    let of_trials = trials.map(|trial| report::metrics_of_trial(trial).collect::<Vec<_>>());
    let pairs = of_trials[0].iter().zip(&of_trials[1]);
    rows.extend(pairs.map(|((name, one), (_, other))| ((*name).to_owned(), [json!(one), json!(other)])));
    for split in Split::OF_EPOCHS {
        let kept = trials.map(|trial| json!(trial.kept(split)));
        let metrics = measure::all().filter(|metric| metric.is_of(split) && metric.kind != MetricKind::List);
        // Metrics of objectives that neither trial has say nothing.
        let is_known = |name: &str| kept.iter().any(|row| !row[name].is_null());
        let metrics = metrics.filter(|metric| !metric.is_optional || is_known(&metric.name));
        let names = metrics.filter(|metric| !metric.is_timing).map(|metric| &*metric.name);
        for name in ["epoch"].into_iter().chain(names) {
            rows.push((format!("{}_{name}", split.name()), [kept[0][name].clone(), kept[1][name].clone()]));
        }
    }
    let evaluated = evaluation::columns().filter_map(|(_, metric, split)| {
        let name = evaluation::column_name(metric, split);
        let values = trials.map(|trial| json!(trial.evaluation.as_ref().and_then(|known| known.value(&name))));
        let is_known = metric.kind != MetricKind::List && values.iter().any(|value| !value.is_null());
        is_known.then_some((name, values))
    });
    rows.extend(evaluated);
    rows
}

fn table(head: &str, ids: &[String; 2], rows: &[Row]) -> Table {
    let text = |value: &Value| match value.as_f64().filter(|_| value.is_f64()) {
        Some(number) if head == "metric" => report::significant(number, 6),
        _ => value_text(Some(value)),
    };
    let difference = |(_, [one, other]): &Row| match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) if one != other => report::significant(other - one, 4),
        _ => String::new(),
    };
    let values_of = |trial: usize| {
        let cells = rows.iter().map(|(_, values)| text(&values[trial])).collect();
        Column::text(&ids[trial], cells).right().stacked(&ids[trial])
    };
    Table::new([
        Column::text(head, rows.iter().map(|(name, _)| name.clone()).collect()),
        values_of(0),
        values_of(1),
        Column::numbers("difference", rows.iter().map(difference).collect()).optional(),
    ])
}
