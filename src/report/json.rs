//! The report as JSON. Numbers that are not finite are null.

use super::columns::of_trials;
use super::comparison::{Comparison, Setting};
use super::expectations::{Compared, compared};
use super::{Experiment, Report, ReportedTrial};
use crate::metrics::Split;
use crate::train::measure;
use serde_json::{Map, Value, json};

pub(super) fn report(report: &Report) -> Value {
    let experiments = report.experiments.iter().map(|one| {
        let comparison = Comparison::of(one);
        let mut value = experiment(one, &comparison);
        value["settings"] = comparison.settings.iter().map(|one| setting(one, &comparison)).collect();
        value["trials"] = one.trials.iter().map(trial).collect();
        value["unplanned"] = one.unplanned.iter().map(trial).collect();
        value
    });
    json!({
        "experiments": experiments.collect::<Vec<_>>(),
        "warnings": report.warnings,
    })
}

/// An experiment without its settings and trials.
pub(super) fn experiment(experiment: &Experiment, comparison: &Comparison) -> Value {
    json!({
        "name": experiment.name,
        "folder": experiment.folder.to_string_lossy(),
        "varied": comparison.varied,
        "split": comparison.split.name(),
        "sorted_by": comparison.sorted_by,
        "search": experiment.search_state().map(|state| state.json()),
        "notes": comparison.notes,
        "expectations": compared(experiment).iter().map(Compared::json).collect::<Vec<_>>(),
    })
}

pub(super) fn setting(setting: &Setting, comparison: &Comparison) -> Value {
    let values = comparison.varied.iter().map(|key| ((*key).to_owned(), json!(setting.value(key))));
    let metrics = comparison.columns.iter().map(|column| {
        let summary = setting.summary(column, comparison.split);
        let summary = summary
            .map(|one| json!({"count": one.count, "mean": one.mean, "std": one.deviation, "interval": one.interval()}));
        (column.name.to_owned(), json!(summary))
    });
    json!({
        "values": values.collect::<Map<_, _>>(),
        "done": setting.done().count(),
        "trials": setting.trials.iter().map(|trial| &trial.record.trial).collect::<Vec<_>>(),
        "metrics": metrics.collect::<Map<_, _>>(),
    })
}

pub(super) fn trial(trial: &ReportedTrial) -> Value {
    let mut value = json!({
        "trial": trial.record.trial,
        "folder": trial.folder.to_string_lossy(),
        "status": trial.record.status,
        "spec": trial.record.spec,
        "parameters": trial.record.parameters,
        "peak_rss_mb": trial.record.peak_rss_mb,
        "error": trial.record.error,
        "final": { "train": trial.last(Split::Train), "validation": trial.last(Split::Validation) },
        "kept": { "train": trial.kept(Split::Train), "validation": trial.kept(Split::Validation) },
        "kept_epoch": trial.kept_epoch(),
        "continued": trial.record.continued,
        "stopped_after": trial.record.stopped_after,
        "pruned": trial.record.pruned,
        "best_epoch": trial.best_epoch(),
        "evaluation": trial.evaluation.as_ref().map(|evaluation| &evaluation.results),
    });
    for column in of_trials() {
        value[column.name] = json!(column.of(trial, Split::Train));
    }
    for metric in measure::with_best() {
        value[measure::best_name(metric)] = json!(trial.best_of(metric));
    }
    value
}
