//! `vaex status`: prints the state of each trial of an experiment, the metrics of the epoch that it keeps and the time left.

use super::command::Command;
use super::shared::exit::{DONE, WRONG};
use super::shared::format::brief;
use super::shared::print::{complain, explain, say};
use super::shared::progress::keys;
use super::shared::terminal;
use crate::folder::{ExperimentFolder, FileError, exists};
use crate::launch::{self, Frozen, State, States, lock};
use crate::metrics::Split;
use crate::plan::value_text;
use crate::record::trial::Continued;
use crate::report::{self, Cell, Column, ReportedTrial, SearchState, Table, wrapped};
use crate::text::counted;
use crate::train::measure::LOSS;
use anyhow::bail;
use clap::Args;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Show the state of each trial of an experiment, on this machine and in the scheduler.
#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    /// Experiment folder, or folder that holds experiment folders.
    #[arg(default_value = "runs")]
    folder: PathBuf,
    /// Print the states as JSON.
    #[arg(long)]
    json: bool,
}

impl Command for StatusArgs {
    fn run(&self) -> anyhow::Result<u8> {
        let experiments = experiments(&self.folder)?;
        let mut all = Vec::new();
        let mut worst = DONE;
        for experiment in &experiments {
            let plan = match Frozen::read(&ExperimentFolder::new(experiment)) {
                Ok(plan) => plan,
                // The other experiments may be readable.
                Err(error) => {
                    explain(&error.into());
                    worst = WRONG;
                    continue;
                }
            };
            let states = launch::states(&ExperimentFolder::new(experiment), &plan)?;
            if self.json {
                all.push(json(experiment, &plan, &states));
            } else {
                say(&text(experiment, &plan, &states, terminal::width())?);
            }
        }
        if self.json {
            say(&Value::from(all).to_string());
        }
        Ok(worst)
    }
}

/// The folder itself if it has a plan, else the folders in it that have one.
fn experiments(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !exists(folder)? {
        bail!("there is no folder {}; `vaex run SPEC` creates it", folder.display());
    }
    if !folder.is_dir() {
        bail!("{} is not a folder", folder.display());
    }
    let has_plan = |folder: &Path| ExperimentFolder::new(folder).has_plan();
    if has_plan(folder)? {
        return Ok(vec![folder.to_path_buf()]);
    }
    let (at, mut folders, mut unreadable) = (|| FileError::at("read the folder", folder), Vec::new(), Vec::new());
    for entry in std::fs::read_dir(folder).map_err(at())? {
        let path = entry.map_err(at())?.path();
        match has_plan(&path) {
            Ok(true) => folders.push(path),
            Ok(false) => {}
            Err(error) => unreadable.push(error),
        }
    }
    // One unreadable folder does not hide the others.
    match unreadable.into_iter().next() {
        Some(error) if folders.is_empty() => return Err(error.into()),
        Some(error) => complain(&format!("warning: {error}")),
        None => {}
    }
    folders.sort();
    match folders.is_empty() {
        true => bail!("{} is not an experiment folder: it has no {}", folder.display(), ExperimentFolder::PLAN),
        false => Ok(folders),
    }
}

/// The number of trials in each state: `3 done, 1 running`.
fn counts(states: &[State]) -> String {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for state in states {
        match counts.iter_mut().find(|(name, _)| *name == state.phase.name()) {
            Some((_, count)) => *count += 1,
            None => counts.push((state.phase.name(), 1)),
        }
    }
    counts.iter().map(|(name, count)| format!("{count} {name}")).collect::<Vec<_>>().join(", ")
}

/// The split of the metrics: validation, or training if no trial has validation metrics. The report does the same.
fn split(states: &States) -> Split {
    let has_validation = states.trials.iter().any(|state| state.has(Split::Validation));
    if has_validation { Split::Validation } else { Split::Train }
}

/// The trials as the report shows them; `None` for those without a record.
fn reported(states: &States) -> Vec<Option<ReportedTrial>> {
    let reported = |state: &State| {
        let (folder, record) = (state.folder.clone()?, state.record.clone()?);
        Some(ReportedTrial::new(folder.path().to_path_buf(), record, state.metrics.clone()))
    };
    states.trials.iter().map(reported).collect()
}

/// The metrics of the epoch that is kept; empty without a record or before the first epoch.
fn metrics(state: &State, trial: Option<&ReportedTrial>, split: Split) -> Vec<Cell> {
    // Before the first epoch there are no metrics, and a time of 0 seconds would be misleading.
    trial.filter(|_| state.epoch() > 0).map(|trial| trial.shown(split)).unwrap_or_default()
}

fn text(experiment: &Path, plan: &Frozen, states: &States, width: Option<usize>) -> Result<String, FileError> {
    let (trials, reported, split) = (&states.trials, reported(states), split(states));
    let table = table(plan, trials, &reported, split).fit(width);
    let mut text = format!("{}: {}\n\n{table}\n", plan.name, counts(trials));
    if let Some(search) = &plan.search {
        let state = SearchState::of(search, reported.iter().flatten());
        text.push_str(&format!("\n{}\n\n{}\n", wrapped(&state.line(), width), state.table().fit(width)));
    }
    let has_metrics = trials.iter().any(|state| state.epoch() > 0);
    if has_metrics {
        let epochs = report::epochs_in_words(reported.iter().flatten());
        text.push_str(&format!("\n{} metrics of {epochs}\n", split.name()));
        for rule in report::rules(&table, split) {
            text.push_str(&format!("{}\n", wrapped(&rule, width)));
        }
    }
    if trials.iter().any(|state| state.phase.is_pending()) {
        let left = brief(states.eta_seconds);
        text.push_str(&format!("\nETA of all trials: {left} ({} running)\n", states.running));
    }
    // While a run holds the lock, trials that look stopped may be about to start.
    let holder = lock::holder(experiment)?;
    let stopped = trials.iter().filter(|state| state.is_stopped()).count();
    if stopped > 0 && holder.is_none() {
        let count = counted(stopped, "trial");
        text.push_str(&format!("\n{count} stopped or failed from outside: the same `vaex run` command goes on\n"));
    }
    for State { id, error, .. } in trials {
        if let Some(error) = error {
            text.push_str(&format!("\n{id}: {error}"));
        }
    }
    if let Some(holder) = holder {
        let holder = holder.map_or("an unknown process".to_owned(), |holder| holder.to_string());
        text.push_str(&format!("\nlock held by: {holder}\n"));
    }
    Ok(text.trim_end().to_owned() + "\n")
}

fn table(plan: &Frozen, trials: &[State], reported: &[Option<ReportedTrial>], split: Split) -> Table {
    let column = |cell: &dyn Fn(&State) -> String| trials.iter().map(cell).collect::<Vec<String>>();
    let last = |key: &str| key.rsplit('.').next().unwrap_or(key).to_owned();
    let names: Vec<String> = plan.varied.iter().map(|key| last(key)).collect();
    let keys = plan.varied.iter().enumerate().map(|(index, key)| {
        // If two keys end in the same word, both keep their full names.
        let is_unique = names.iter().filter(|name| **name == names[index]).count() == 1;
        let name = if is_unique { &names[index] } else { key };
        Column::text(name, column(&|state| value_text(state.keys[index].1.as_ref()))).stacked(name)
    });
    let rows = trials.iter().zip(reported).map(|(state, trial)| metrics(state, trial.as_ref(), split));
    let rows: Vec<Vec<Cell>> = rows.collect();
    let heads = rows.iter().find(|row| !row.is_empty());
    let metrics = heads.into_iter().flatten().enumerate().map(|(index, metric)| {
        let cell = |row: &Vec<Cell>| row.get(index).map_or("-".to_owned(), |metric| metric.text.clone());
        let column = Column::numbers(metric.head, rows.iter().map(cell).collect());
        if index == 0 { column } else { column.optional() }
    });
    let at = |state: &State| match &state.task {
        Some(task) => task.name.clone(),
        None => state.record.as_ref().filter(|_| state.epoch() > 0).map_or("-".to_owned(), |one| one.host.clone()),
    };
    let first = [Column::text("trial", column(&|state| state.id.clone()))];
    let progress = [
        Column::text("state", column(&|state| state.phase.name().to_owned())),
        Column::numbers("epochs", column(&|state| format!("{}/{}", state.epoch(), state.epochs))),
    ];
    // Trials that have ended have no ETA.
    let is_pending = trials.iter().any(|state| state.phase.is_pending());
    let eta = is_pending.then(|| Column::numbers("ETA", column(&|state| brief(state.eta_seconds))));
    let places = [Column::text("where", column(&at)).optional()];
    let from = |state: &State| state.record.as_ref()?.continued.clone();
    let continued = trials.iter().any(|state| from(state).is_some()).then(|| {
        let cell = |state: &State| {
            from(state).map_or("-".to_owned(), |Continued { trial, epochs }| format!("{trial} after epoch {epochs}"))
        };
        Column::text("continues", column(&cell)).optional()
    });
    let columns = first.into_iter().chain(keys).chain(progress).chain(eta).chain(metrics);
    Table::new(columns.chain(continued).chain(places))
}

fn json(experiment: &Path, plan: &Frozen, states: &States) -> Value {
    let (split, reported) = (split(states), reported(states));
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    states.trials.iter().for_each(|state| *counts.entry(state.phase.name()).or_default() += 1);
    let trials = states.trials.iter().zip(&reported).map(|(state, trial)| {
        let record = state.record.as_ref();
        let metrics = metrics(state, trial.as_ref(), split)
            .into_iter()
            .map(|metric| (metric.name.to_owned(), json!(metric.value)));
        json!({
            "trial": state.id,
            "keys": keys(state),
            "state": state.phase.name(),
            "epoch": Some(state.epoch()).filter(|epoch| *epoch > 0),
            "epochs": state.epochs,
            "eta_seconds": state.eta_seconds,
            "metrics": metrics.collect::<Map<_, _>>(),
            "continued": record.and_then(|record| record.continued.as_ref()),
            "kept_epoch": record.and_then(|record| record.kept_epoch),
            "stopped_after": record.and_then(|record| record.stopped_after),
            "pruned": record.and_then(|record| record.pruned.as_ref()),
            "validation_loss": trial.as_ref().and_then(|trial| trial.kept(Split::Validation)?.get(LOSS)),
            "seconds": record.map(|record| record.seconds),
            "host": record.map(|record| &record.host),
            "task": state.task.as_ref().map(|task| &task.name),
            "error": state.error,
        })
    });
    json!({
        "name": plan.name,
        "folder": experiment.to_string_lossy(),
        "varied": plan.varied,
        "split": split.name(),
        "counts": counts,
        "eta_seconds": states.eta_seconds,
        "running": states.running,
        "search": plan.search.as_ref().map(|search| SearchState::of(search, reported.iter().flatten()).json()),
        "trials": trials.collect::<Vec<_>>(),
    })
}
