//! The report as text for a terminal.

use super::columns::{MetricColumn, all_rules, rules};
use super::comparison::{Comparison, Setting};
use super::expectations;
use super::numbers::{short, significant};
use super::table::{Column, Table, wrapped};
use super::{Experiment, Report, ReportedTrial};
use crate::metrics::Split;
use crate::plan::value_text;
use crate::record::trial::{Pruned, Status};
use crate::text::counted;
use crate::train::measure::{ELBO_NATS, LOSS};
use std::collections::BTreeSet;

/// About the columns of metrics that are measured after training.
const EVALUATED: &str =
    "columns that name a split, and scores of disentanglement: measured after training (`vaex evaluate`)";

/// The statuses, in the order of the counts.
const STATUSES: [Status; 8] = [
    Status::Done,
    Status::Running,
    Status::Planned,
    Status::Interrupted,
    Status::Paused,
    Status::Pruned,
    Status::Diverged,
    Status::Failed,
];

pub(super) fn report(report: &Report, width: Option<usize>) -> String {
    let experiments = report.experiments.iter();
    let mut blocks: Vec<String> = experiments.map(|one| experiment(&report.heading(one), one, width)).collect();
    if !report.warnings.is_empty() {
        blocks.push(report.warnings.iter().map(|warning| format!("warning: {warning}\n")).collect());
    }
    blocks.join("\n")
}

fn experiment(heading: &str, experiment: &Experiment, width: Option<usize>) -> String {
    let comparison = Comparison::of(experiment);
    let unplanned: Vec<String> = unplanned(experiment, &comparison).collect();
    if experiment.trials.is_empty() {
        return format!("{heading}: no trial of the current plan\n\n{}\n", unplanned.join("\n"));
    }
    let mut lines =
        vec![format!("{heading}: {}", statuses(&experiment.trials.iter().collect::<Vec<_>>())), String::new()];
    let table = table(&comparison).fit(width);
    lines.push(table.to_string());
    lines.push(String::new());
    if let Some(state) = experiment.search_state() {
        lines.extend([
            wrapped(&state.line(), width),
            String::new(),
            state.table().fit(width).to_string(),
            String::new(),
        ]);
    }
    let about = format!(
        "{} metrics of {}, mean ± sample standard deviation over the seeds that are done",
        comparison.split.name(),
        comparison.of_epochs()
    );
    let evaluated = comparison.columns.iter().any(|column| column.is_of_evaluation());
    let evaluated = evaluated.then(|| EVALUATED.to_owned());
    let rules = rules(&table, comparison.split);
    let notes = [about].into_iter().chain(evaluated).chain(rules).chain(comparison.notes.iter().cloned());
    lines.extend(notes.map(|note| wrapped(&note, width)));
    if let Some((counts, table)) = expectations::table(experiment, &comparison) {
        lines.extend([String::new(), counts, String::new(), table.fit(width).to_string()]);
    }
    let unfinished: Vec<String> = unfinished(&comparison).collect();
    if !unfinished.is_empty() {
        lines.push(String::new());
        lines.extend(unfinished);
    }
    if !unplanned.is_empty() {
        lines.push(String::new());
        lines.extend(unplanned);
    }
    lines.join("\n") + "\n"
}

/// The report as Markdown.
pub(super) fn markdown(report: &Report) -> String {
    let mut text = String::new();
    for one in &report.experiments {
        let comparison = Comparison::of(one);
        let heads = comparison.varied.iter().map(|key| comparison.short(key)).chain(["seeds"]);
        let heads: Vec<String> =
            heads.chain(comparison.columns.iter().map(|column| column.head)).map(str::to_owned).collect();
        let row = |cells: Vec<String>| format!("| {} |\n", cells.join(" | ").replace('\n', " "));
        let rule = heads.iter().map(|_| "---".to_owned()).collect();
        let trials = statuses(&one.trials.iter().collect::<Vec<_>>());
        text += &format!("## {}\n\n{trials}\n\n{}{}", report.heading(one), row(heads), row(rule));
        for setting in &comparison.settings {
            let values = comparison.varied.iter().map(|key| value_text(setting.value(key)).replace('|', "\\|"));
            let metrics = comparison.columns.iter().map(|column| cell(setting, column, comparison.split, " ± "));
            text += &row(values.chain([counts_of(setting).join(", ")]).chain(metrics).collect());
        }
        text += "\n";
        text += &expectations::markdown(one, &comparison);
        let rules = all_rules(comparison.split).map(|(_, rule)| rule);
        let notes = rules.chain(comparison.notes.iter().cloned());
        for note in notes.chain(unfinished(&comparison)).chain(unplanned(one, &comparison)) {
            text += &format!("- {note}\n");
        }
        text += "\n";
    }
    report.warnings.iter().for_each(|warning| text += &format!("- warning: {warning}\n"));
    text
}

/// A table with one row per setting. The metric that they are sorted by is never left out.
fn table(comparison: &Comparison) -> Table {
    let settings = &comparison.settings;
    let keys = comparison.varied.iter().map(|key| {
        let name = comparison.short(key);
        Column::text(name, settings.iter().map(|one| value_text(one.value(key))).collect()).stacked(name)
    });
    let seeds = Column::parts("seeds", ", ", settings.iter().map(counts_of).collect());
    let metrics = comparison.columns.iter().map(|metric| {
        let cells = settings.iter().map(|one| {
            let cell = cell(one, metric, comparison.split, "\n± ");
            cell.lines().map(str::to_owned).collect()
        });
        let column = Column::parts(metric.head, " ", cells.collect()).right();
        if metric.name == comparison.sorted_by { column } else { column.optional() }
    });
    Table::new(keys.chain([seeds]).chain(metrics))
}

fn cell(setting: &Setting, column: &MetricColumn, split: Split, plus_minus: &str) -> String {
    let Some(summary) = setting.summary(column, split) else { return "-".to_owned() };
    if !column.with_deviation {
        return short(summary.mean);
    }
    match summary.text() {
        (mean, Some(deviation)) => format!("{mean}{plus_minus}{deviation}"),
        (mean, None) => mean,
    }
}

/// The number of trials by status.
fn statuses(trials: &[&ReportedTrial]) -> String {
    counts(trials).join(", ")
}

fn counts(trials: &[&ReportedTrial]) -> Vec<String> {
    let count = |status: Status| trials.iter().filter(|trial| trial.record.status == status).count();
    let counts = STATUSES.map(|status| (status, count(status)));
    let counts = counts.iter().filter(|(_, count)| *count > 0);
    counts.map(|(status, count)| format!("{count} {}", status.name())).collect()
}

/// The same of a setting, with its place if it was stopped early.
fn counts_of(setting: &Setting) -> Vec<String> {
    let place = setting.trials.iter().find_map(|trial| trial.pruned());
    let place = place.map(|Pruned { epoch, rank, of, .. }| [format!("epoch {epoch}"), format!("rank {rank} of {of}")]);
    counts(&setting.trials).into_iter().chain(place.into_iter().flatten()).collect()
}

/// A line for each trial that is not done, with its error or its progress. The table says it of those that were stopped early.
fn unfinished<'a>(comparison: &'a Comparison) -> impl Iterator<Item = String> + 'a {
    let trials = comparison.settings.iter().flat_map(|setting| &setting.trials);
    let is_open = |trial: &&&ReportedTrial| !matches!(trial.record.status, Status::Done | Status::Pruned);
    trials.filter(is_open).map(|trial| line(trial, comparison))
}

/// Largest number of trials that are listed.
const LISTED: usize = 20;

/// The trials that are not in the current plan.
fn unplanned<'a>(experiment: &'a Experiment, comparison: &'a Comparison) -> impl Iterator<Item = String> + 'a {
    let trials = &experiment.unplanned;
    let kept = if trials.len() == 1 { "its folder is kept" } else { "their folders are kept" };
    let head = format!("not in the current plan: {}; {kept}", counted(trials.len(), "trial"));
    let more = trials.len().saturating_sub(LISTED);
    let more = (more > 0).then(|| format!("and {} more; see `vaex report --json`", counted(more, "trial")));
    let lines = trials.iter().take(LISTED).map(|trial| line(trial, comparison));
    (!trials.is_empty()).then_some(head).into_iter().chain(lines).chain(more)
}

/// The status, id and values of a trial, and its error or its progress.
fn line(trial: &ReportedTrial, comparison: &Comparison) -> String {
    let own = trial.record.varied.iter().map(String::as_str).filter(|key| *key != "seed");
    let keys: Vec<&str> = comparison.varied.iter().copied().chain(own).chain(["seed"]).collect();
    let mut known = BTreeSet::new();
    let keys = keys.into_iter().filter(|key| known.insert(*key) && trial.value(key).is_some());
    let short = |key: &str| match comparison.varied.iter().find(|varied| **varied == key) {
        Some(varied) => comparison.short(varied).to_owned(),
        None => key.rsplit('.').next().unwrap_or(key).to_owned(),
    };
    let values: String = keys.map(|key| format!(" {}={}", short(key), value_text(trial.value(key)))).collect();
    let said = error_line(trial).or_else(|| progress(trial, comparison.split));
    let said = said.map(|said| format!(": {said}")).unwrap_or_default();
    format!("{} {}{values}{said}", trial.record.status.name(), trial.record.trial)
}

fn error_line(trial: &ReportedTrial) -> Option<String> {
    trial.record.error.as_deref()?.lines().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned)
}

fn progress(trial: &ReportedTrial, split: Split) -> Option<String> {
    let row = trial.kept(split)?;
    let [loss, elbo] = [row.get(LOSS)?, row.get(ELBO_NATS)?].map(|value| significant(value, 5));
    Some(format!("epoch {}, {LOSS} {loss}, {ELBO_NATS} {elbo}", row.epoch))
}
