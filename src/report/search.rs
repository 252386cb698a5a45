//! The state of a search: how many settings have reached each rung, and the best of them.

use super::numbers::significant;
use super::table::{Column, Table};
use super::trial::ReportedTrial;
use crate::launch::{FrozenSearch, FrozenSetting};
use crate::metrics::{Metric, Split};
use crate::plan::value_text;
use crate::record::trial::Status;
use crate::search::{Setting, importance};
use crate::text::counted;
use crate::train::{best_row, measure};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The state of a search.
pub struct SearchState<'a> {
    search: &'a FrozenSearch,
    /// The mean value of each setting at each rung; `None` if a trial of it has not reached the rung.
    values: Vec<Vec<Option<f64>>>,
    /// The rung at which each setting was stopped early.
    stopped: Vec<Option<usize>>,
    /// The epochs of all trials together.
    epochs: u64,
}

impl<'a> SearchState<'a> {
    /// The state of a search with these trials.
    pub fn of<'t>(search: &'a FrozenSearch, trials: impl IntoIterator<Item = &'t ReportedTrial>) -> SearchState<'a> {
        let trials: BTreeMap<&str, &ReportedTrial> =
            trials.into_iter().map(|trial| (trial.record.trial.as_str(), trial)).collect();
        let of_setting = |ids: &[String]| ids.iter().map(|id| trials.get(&**id).copied()).collect::<Option<Vec<_>>>();
        let value = |ids: &[String], epoch: u64| {
            let trials = of_setting(ids).filter(|trials| !trials.is_empty())?;
            let values = trials.iter().map(|trial| value_at(trial, search.metric_name(), epoch));
            let values = values.collect::<Option<Vec<f64>>>()?;
            Some(values.iter().sum::<f64>() / values.len() as f64)
        };
        let values =
            search.settings.iter().map(|one| search.rungs.iter().map(|epoch| value(&one.trials, *epoch)).collect());
        let stopped = search.settings.iter().map(|one| {
            let pruned = of_setting(&one.trials)?.into_iter().find_map(|trial| trial.pruned())?.epoch;
            search.rungs.iter().position(|epoch| *epoch == pruned)
        });
        let epochs = trials.values().filter_map(|trial| trial.last(Split::Train)).map(|row| row.epoch).sum();
        SearchState { values: values.collect(), stopped: stopped.collect(), epochs, search }
    }

    /// The best setting: its number, the epoch and its value; of those at the highest rung that any has reached.
    pub fn best(&self) -> Option<(usize, u64, f64)> {
        (0..self.search.rungs.len()).rev().find_map(|rung| {
            let (number, value) = self.best_at(rung)?;
            Some((number, self.search.rungs[rung], value))
        })
    }

    fn best_at(&self, rung: usize) -> Option<(usize, f64)> {
        let sign = self.search.sign();
        let values = self.values.iter().enumerate().filter_map(|(number, own)| Some((number, (*own.get(rung)?)?)));
        values.min_by(|(_, one), (_, other)| (sign * one).total_cmp(&(sign * other)))
    }

    fn reached(&self, rung: usize) -> usize {
        self.values.iter().filter(|own| own.get(rung).is_some_and(Option::is_some)).count()
    }

    /// What the search does, on one line.
    pub fn line(&self) -> String {
        let FrozenSearch { method, metric, trials, settings, stop, .. } = self.search;
        let of = trials.map(|trials| format!(" of {trials}")).unwrap_or_default();
        let stop = if stop == "none" { String::new() } else { format!(", {stop}") };
        let better = if self.search.sign() < 0.0 { "highest" } else { "lowest" };
        let proposed = counted(settings.len(), "setting");
        let proposed = if of.is_empty() { proposed } else { format!("{}{of} settings", settings.len()) };
        let epochs = match self.search.epochs {
            Some(all) => format!(", {} of {all} epochs trained", self.epochs),
            None => format!(", {} epochs trained", self.epochs),
        };
        format!("search: {method}{stop}, by {metric}, {better} first; {proposed} proposed{epochs}")
    }

    /// A table with a row for each rung.
    pub fn table(&self) -> Table {
        let rungs = 0..self.search.rungs.len();
        let column = |cell: &dyn Fn(usize) -> String| rungs.clone().map(cell).collect::<Vec<String>>();
        let stopped = |rung: usize| self.stopped.iter().filter(|at| **at == Some(rung)).count();
        let is_last = |rung: usize| rung + 1 == self.search.rungs.len();
        let values = |number: usize| {
            let values = self.search.settings[number].values.iter();
            let text = |(key, value): (&String, &Value)| {
                format!("{}={}", key.rsplit('.').next().unwrap_or(key), value_text(Some(value)))
            };
            values.map(text).collect::<Vec<_>>().join(" ")
        };
        let best = |rung: usize| self.best_at(rung);
        Table::new([
            Column::numbers("epoch", column(&|rung| self.search.rungs[rung].to_string())),
            Column::numbers("settings", column(&|rung| self.reached(rung).to_string())),
            Column::numbers(
                "stopped",
                column(&|rung| if is_last(rung) { "-".to_owned() } else { stopped(rung).to_string() }),
            ),
            Column::numbers(
                "best",
                column(&|rung| best(rung).map_or("-".to_owned(), |(_, value)| significant(value, 5))),
            ),
            Column::text(
                "best setting",
                column(&|rung| best(rung).map_or("-".to_owned(), |(number, _)| values(number))),
            ),
        ])
    }

    /// The same for programs.
    pub fn json(&self) -> Value {
        let rung = |(rung, epoch): (usize, &u64)| {
            json!({
                "epoch": epoch,
                "reached": self.reached(rung),
                "stopped": self.stopped.iter().filter(|at| **at == Some(rung)).count(),
                "best": self.best_at(rung).map(|(number, value)| json!({ "setting": number, "value": value })),
            })
        };
        json!({
            "method": self.search.method,
            "stop": self.search.stop,
            "metric": self.search.metric,
            "settings": self.search.settings.len(),
            "trials": self.search.trials,
            "epochs": self.epochs,
            "rungs": self.search.rungs.iter().enumerate().map(rung).collect::<Vec<_>>(),
        })
    }
}

impl SearchState<'_> {
    /// The same for the page, with all settings and the importance of the keys.
    pub(super) fn page(&self) -> Value {
        let mut value = self.json();
        let setting = |(number, one): (usize, &FrozenSetting)| {
            let stopped = self.stopped[number].and_then(|rung| self.search.rungs.get(rung));
            json!({ "number": number, "keys": one.values, "values": self.values[number], "stopped": stopped })
        };
        value["settings"] = self.search.settings.iter().enumerate().map(setting).collect();
        value["line"] = json!(self.line().trim_start_matches("search: "));
        value["name"] = json!(self.search.metric_name());
        value["better"] = json!(if self.search.sign() < 0.0 { "higher" } else { "lower" });
        let sign = self.search.sign();
        let known: Vec<(Setting, f64)> = self
            .search
            .settings
            .iter()
            .zip(&self.values)
            .filter_map(|(one, values)| Some((one.place.clone(), sign * (*values.first()?)?)))
            .collect();
        let shares = importance(&self.search.axes, &known);
        let named = self.search.axes.iter().zip(shares).map(|(axis, share)| json!([axis.name, share]));
        value["importance"] = named.collect();
        value
    }
}

impl FrozenSearch {
    /// The metric, without its split.
    pub(super) fn metric_name(&self) -> &str {
        self.metric.split_once('_').map_or(&self.metric, |(_, name)| name)
    }

    /// The definition of the metric; `None` if this version does not know it.
    pub(super) fn metric(&self) -> Option<&'static Metric> {
        measure::all().find(|metric| metric.name == self.metric_name())
    }

    /// The factor that makes lower values of the metric better.
    pub(super) fn sign(&self) -> f64 {
        self.metric().and_then(Metric::sign).unwrap_or(1.0)
    }
}

/// The value of a trial after an epoch, in the epoch that it would keep then; `None` if it has not reached it.
fn value_at(trial: &ReportedTrial, metric: &str, epoch: u64) -> Option<f64> {
    let last = trial.last(Split::Validation)?.epoch;
    let is_done = trial.record.status == Status::Done;
    let epoch = if is_done { epoch.min(last) } else { epoch };
    if last < epoch {
        return None;
    }
    let rows: Vec<_> = trial.metrics.iter().filter(|row| row.epoch <= epoch).cloned().collect();
    let keeps_best = trial.value("train.keep").is_some_and(|keep| keep == "best");
    let row = match keeps_best {
        true => best_row(&rows),
        false => rows.iter().find(|row| row.split == Split::Validation && row.epoch == epoch),
    };
    row?.get(metric).filter(|value| value.is_finite())
}
