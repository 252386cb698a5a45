//! Finds the setting of each `[[expect]]`: the trials whose mean it is about.

use super::select::listed;
use super::trial::{Trial, same, value_text};
use crate::language::diagnostics::{Diagnostic, Location};
use crate::language::{Document, Expectation, description, determines, number_columns, of_evaluation};
use crate::metrics::Split;
use crate::settings::{Role, as_json};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What an experiment is expected to give, and the trials that must give it.
#[derive(Clone, Debug)]
pub struct Expected {
    /// The metric, its value and its tolerance.
    pub expectation: Expectation,
    /// The ids of the trials of the setting: one for each seed.
    pub trials: Vec<String>,
}

/// The values of trials, by dotted key.
type Values = BTreeMap<String, Value>;

/// Why trials cannot be compared with an expectation, and the keys that it is about.
type Misfit<'k> = Box<(Diagnostic, Vec<&'k str>)>;

/// What the trials of a plan are expected to give, and the errors and warnings about it. `whole_path` gives a path of the spec
/// as trials have it.
pub(super) fn expected(
    document: &Document,
    trials: &[Trial],
    whole_path: &dyn Fn(&str) -> String,
) -> (Vec<Expected>, Vec<Diagnostic>) {
    if document.expectations().is_empty() {
        return (Vec::new(), Vec::new());
    }
    let all: Vec<(&Trial, Values)> = trials.iter().map(|trial| (trial, trial.values())).collect();
    let (mut expected, mut found) = (Vec::new(), Vec::new());
    for expectation in document.expectations() {
        match setting(expectation, &all, whole_path) {
            Ok(setting) => {
                found.extend(setting.first().and_then(|trial| not_evaluated(expectation, trial)));
                let trials = setting.iter().map(|trial| trial.id().to_owned()).collect();
                expected.push(Expected { expectation: expectation.clone(), trials });
            }
            Err(misfit) => {
                let (fault, keys) = *misfit;
                found.push(match keys.iter().any(|key| document.is_set_by_argument(key)) {
                    // It was written for other values than those of the command line.
                    true => {
                        let message = format!("{}, so this `[[expect]]` is left out", fault.message);
                        Diagnostic { message, is_warning: true, ..fault }
                    }
                    false => fault,
                });
            }
        }
    }
    (expected, found)
}

/// The trials of the setting of an expectation.
fn setting<'t>(
    expectation: &'t Expectation,
    all: &'t [(&'t Trial, Values)],
    whole_path: &dyn Fn(&str) -> String,
) -> Result<Vec<&'t Trial>, Misfit<'t>> {
    let wanted = |(key, value): (&'t String, &toml::Value)| {
        let value = as_json(value);
        (key.as_str(), if is_path(key) { whole(value, whole_path) } else { value })
    };
    let wanted: Vec<(&str, Value)> = expectation.keys.iter().map(wanted).collect();
    let has = |values: &Values, (key, value): &(&str, Value)| same(value, values.get(*key));
    let matching: Vec<&(&Trial, Values)> =
        all.iter().filter(|(_, values)| wanted.iter().all(|one| has(values, one))).collect();
    let settings: BTreeSet<String> = matching.iter().map(|(trial, _)| trial.setting_hash()).collect();
    let place = expectation.place.keys.as_ref().unwrap_or(&expectation.place.table);
    match (settings.len(), matching.first()) {
        (1, Some((trial, _))) => match untrained(expectation, trial) {
            Some(misfit) => Err(misfit),
            None => Ok(matching.into_iter().map(|(trial, _)| *trial).collect()),
        },
        (0, _) | (_, None) => {
            let is_nowhere = |one: &&(&str, Value)| !all.iter().any(|(_, values)| has(values, one));
            let missing: Vec<&str> = wanted.iter().filter(is_nowhere).map(|(key, _)| *key).collect();
            let keys = if missing.is_empty() { wanted.iter().map(|(key, _)| *key).collect() } else { missing.clone() };
            Err(Box::new((no_setting(place, &missing, all), keys)))
        }
        (count, _) => Err(several_settings(place, count, &matching)),
    }
}

/// Whether the values of a key are paths.
fn is_path(key: &str) -> bool {
    description().key(key).is_some_and(|key| key.role() == Role::File)
}

/// The paths of a value as trials have them.
fn whole(value: Value, whole_path: &dyn Fn(&str) -> String) -> Value {
    match value {
        Value::String(path) => whole_path(&path).into(),
        Value::Array(paths) => paths.into_iter().map(|path| whole(path, whole_path)).collect(),
        other => other,
    }
}

/// The values that trials have for some keys.
fn values_of<'v>(keys: impl IntoIterator<Item = &'v str>, all: &[&Values]) -> String {
    let listed = |key: &str| listed(key, all.iter().map(|values| value_text(values.get(key))).collect());
    keys.into_iter().map(listed).collect::<Vec<_>>().join("; ")
}

/// The error for an expectation of which no trial has the values; `missing` are the keys whose value no trial has.
fn no_setting(place: &Location, missing: &[&str], all: &[(&Trial, Values)]) -> Diagnostic {
    let values: Vec<&Values> = all.iter().map(|(_, values)| values).collect();
    let Some(key) = missing.first() else {
        let fault = Diagnostic::at(place, "no setting has all of these values");
        return fault.with_help("each of them is in a setting, but in different ones; `vaex plan` lists the trials");
    };
    let fault = Diagnostic::at(place, format!("no setting has this value of `{key}`"));
    match values.iter().any(|values| values.contains_key(*key)) {
        true => fault.with_help(values_of(missing.iter().copied(), &values)),
        false => fault.with_help("the key applies to no trial: remove it"),
    }
}

/// The error for an expectation that is about several settings.
fn several_settings<'t>(place: &Location, count: usize, matching: &[&'t (&Trial, Values)]) -> Misfit<'t> {
    let values: Vec<&Values> = matching.iter().map(|(_, values)| values).collect();
    let keys: BTreeSet<&str> = values.iter().flat_map(|values| values.keys()).map(String::as_str).collect();
    let differs = |key: &&str| values.windows(2).any(|pair| pair[0].get(*key) != pair[1].get(*key));
    let differing = keys.into_iter().filter(|key| *key != "seed" && (determines(key) || is_path(key))).filter(differs);
    // With a key that only some of the trials have, the others cannot be named.
    let (common, partial): (Vec<&str>, Vec<&str>) =
        differing.partition(|key| values.iter().all(|values| values.contains_key(*key)));
    let keys = if common.is_empty() { partial } else { common };
    let fault = Diagnostic::at(place, format!("{count} settings match this `[[expect]]`, which must be about one"));
    let help = format!("name the keys that differ in `where`: {}", values_of(keys.iter().copied(), &values));
    Box::new((fault.with_help(help), keys))
}

/// Why the training of a setting cannot give the metric.
fn untrained(expectation: &Expectation, trial: &Trial) -> Option<Misfit<'static>> {
    let (metric, place, epochs) = (&expectation.metric, &expectation.place, trial.spec().train.epochs);
    if let (Some(epoch), Some(location)) = (expectation.epoch, &place.epoch)
        && epoch > epochs
    {
        let fault = Diagnostic::at(location, format!("the setting has no epoch {epoch}: `train.epochs` is {epochs}"));
        let help = "name an epoch that is trained, or raise `train.epochs`";
        return Some(Box::new((fault.with_help(help), vec!["train.epochs"])));
    }
    let of_validation = match expectation.epoch {
        Some(_) => ["validation_"].as_slice(),
        None => &["final_validation_", "kept_validation_", "best_"],
    };
    let needs_validation = of_validation.iter().any(|start| metric.starts_with(start));
    let is_evaluated = expectation.epoch.is_none() && of_evaluation(metric).is_some();
    (needs_validation && !is_evaluated && trial.dataset().validation.is_empty()).then(|| {
        let fault = Diagnostic::at(&place.metric, format!("`{metric}` needs validation images"));
        let help = "set `data.validation`, or name a metric of the training images";
        Box::new((fault.with_help(help), vec!["data.validation"]))
    })
}

/// A warning if the evaluation of a run does not measure the metric.
fn not_evaluated(expectation: &Expectation, trial: &Trial) -> Option<Diagnostic> {
    let metric = &expectation.metric;
    let (entry, split) = of_evaluation(metric).filter(|_| expectation.epoch.is_none())?;
    let name = entry.measure.word().name;
    let by_default = if trial.dataset().test.is_empty() { Split::Validation } else { Split::Test };
    let is_measured = trial.spec().evaluate.as_ref().is_some_and(|settings| {
        let is_chosen = settings.chosen().any(|measure| measure.word().name == name);
        is_chosen && split.is_none_or(|split| split == settings.split.unwrap_or(by_default))
    });
    if is_measured {
        return None;
    }
    let of_split = split.map(|split| format!(" and `split = \"{}\"`", split.name())).unwrap_or_default();
    let last = format!("final_{metric}");
    let instead = match number_columns().contains(&last) {
        true => format!("; `{last}` is that of the last epoch"),
        false => String::new(),
    };
    let item = Diagnostic::at(&expectation.place.metric, format!("a run of this spec does not measure `{metric}`"));
    let help = format!("set `metrics = [\"{name}\"]`{of_split} in `[evaluate]`, or use `vaex evaluate`{instead}");
    Some(Diagnostic { is_warning: true, ..item.with_help(help) })
}
