//! The state of a search: how many settings have reached each rung, and the best of them.

use super::numbers::significant;
use super::table::{Column, Table};
use super::trial::ReportedTrial;
use crate::launch::{FrozenSearch, FrozenSetting};
use crate::metrics::{Metric, Split};
use crate::plan::assignment_text;
use crate::record::trial::Status;
use crate::search::{Setting, importance};
use crate::text::counted;
use crate::train::{COMPARED, kept_at_rung, measure};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

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
        let value = |ids: &[String], rung: usize| {
            let trials = of_setting(ids).filter(|trials| !trials.is_empty())?;
            let values = trials.iter().map(|trial| value_at(trial, search.metric_name(), &search.rungs, rung));
            let values = values.collect::<Option<Vec<f64>>>()?;
            Some(values.iter().sum::<f64>() / values.len() as f64)
        };
        let position = |epoch: u64| search.rungs.iter().position(|rung| *rung == epoch);
        let stopped: Vec<Option<usize>> =
            search.settings.iter().map(|one| position(one.stopped.as_ref()?.epoch)).collect();
        // A trial may be of several settings, of which one went on.
        let has = |number: usize, rung: usize| stopped[number].is_none_or(|stopped| rung <= stopped);
        let values = search.settings.iter().enumerate().map(|(number, one)| {
            let at = |rung: usize| value(&one.trials, rung).filter(|_| has(number, rung));
            (0..search.rungs.len()).map(at).collect()
        });
        let values = values.collect();
        let epochs = trials.values().filter_map(|trial| trial.last(Split::Train)).map(|row| row.epoch).sum();
        SearchState { values, stopped, epochs, search }
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
        // Equal settings share their trials.
        let ids: Vec<&String> = settings.iter().flat_map(|one| &one.trials).collect();
        let are_different = ids.iter().collect::<BTreeSet<_>>().len() == ids.len();
        let epochs = match self.search.epochs.filter(|_| are_different) {
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
        let values = |number: usize| values_text(&self.search.settings[number].values);
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
            json!({ "number": number, "keys": one.values, "values": self.values[number], "stopped": stopped, "trials": one.trials })
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

/// The value of a trial at a rung, in the epoch that it would keep then; `None` if it has not reached it.
fn value_at(trial: &ReportedTrial, metric: &str, rungs: &[u64], rung: usize) -> Option<f64> {
    let is_done = trial.record.status == Status::Done;
    let keeps_best = trial.value("train.keep").is_some_and(|keep| keep == "best");
    let needed = measure::all().filter(|metric| metric.must_be_finite).map(|metric| &*metric.name);
    let rows = trial.epochs.rows_with(&needed.chain(COMPARED).chain([metric]).collect::<Vec<&str>>());
    let row = kept_at_rung(&rows, keeps_best, is_done, rungs, rung)?;
    row.get(metric).filter(|value| value.is_finite())
}

/// The values of a setting: `kl_weight=0.5 latent_dim=8`.
pub fn values_text(values: &BTreeMap<String, Value>) -> String {
    values.iter().map(|(key, value)| assignment_text(key, Some(value))).collect::<Vec<_>>().join(" ")
}
