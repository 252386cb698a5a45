//! The report as text for a terminal.

use super::numbers::{short, significant};
use super::settings::{Comparison, FIGURES, Figure, Setting};
use super::{Experiment, Report, Trial};
use crate::data::Split;
use crate::log::record::Status;
use crate::plan::value_text;
use comfy_table::{CellAlignment, LineStyle, Table, TableStyle};

/// Terminal columns that a table may take.
const WIDTH: usize = 100;

/// In the order in which they are counted up.
const STATUSES: [Status; 6] =
    [Status::Done, Status::Running, Status::Planned, Status::Interrupted, Status::Diverged, Status::Failed];

pub(super) fn report(report: &Report) -> String {
    let mut blocks: Vec<String> = report.experiments.iter().map(|one| experiment(&report.heading(one), one)).collect();
    if !report.warnings.is_empty() {
        blocks.push(report.warnings.iter().map(|warning| format!("warning: {warning}\n")).collect());
    }
    blocks.join("\n")
}

fn experiment(heading: &str, experiment: &Experiment) -> String {
    let comparison = Comparison::of(experiment);
    let mut lines =
        vec![format!("{heading}: {}", statuses(&experiment.trials.iter().collect::<Vec<_>>(), ", ")), String::new()];
    lines.push(table(&comparison));
    lines.push(String::new());
    lines.push(format!(
        "{} figures of the last epoch, mean ± sample standard deviation over the seeds that are done",
        comparison.split.name()
    ));
    lines.extend(comparison.notes.iter().cloned());
    let unfinished: Vec<String> = unfinished(&comparison).collect();
    if !unfinished.is_empty() {
        lines.push(String::new());
        lines.extend(unfinished);
    }
    lines.join("\n") + "\n"
}

/// The report as Markdown.
pub(super) fn markdown(report: &Report) -> String {
    let mut text = String::new();
    for one in &report.experiments {
        let comparison = Comparison::of(one);
        let heads = comparison.varied.iter().map(|key| comparison.short(key)).chain(["seeds"]);
        let heads: Vec<String> = heads.chain(FIGURES.iter().map(|figure| figure.head)).map(str::to_owned).collect();
        let row = |cells: Vec<String>| format!("| {} |\n", cells.join(" | ").replace('\n', " "));
        let rule = heads.iter().map(|_| "---".to_owned()).collect();
        let trials = statuses(&one.trials.iter().collect::<Vec<_>>(), ", ");
        text += &format!("## {}\n\n{trials}\n\n{}{}", report.heading(one), row(heads), row(rule));
        for setting in &comparison.settings {
            let values = comparison.varied.iter().map(|key| value_text(setting.value(key)).replace('|', "\\|"));
            let figures = FIGURES.iter().map(|figure| cell(setting, figure, comparison.split, " ± "));
            text += &row(values.chain([statuses(&setting.trials, ", ")]).chain(figures).collect());
        }
        text += "\n";
        for note in comparison.notes.iter().cloned().chain(unfinished(&comparison)) {
            text += &format!("- {note}\n");
        }
        text += "\n";
    }
    report.warnings.iter().for_each(|warning| text += &format!("- warning: {warning}\n"));
    text
}

/// How a table saves width.
#[derive(Clone, Copy)]
struct Layout {
    /// Deviations beneath their means.
    deviations_beneath: bool,
    /// The keys that vary beneath one another in one column.
    keys_beneath: bool,
}

/// The first layout that fits, or the narrowest.
fn table(comparison: &Comparison) -> String {
    let layouts = [(false, false), (true, false), (true, true)];
    let tables = layouts.map(|(deviations_beneath, keys_beneath)| {
        arranged(comparison, Layout { deviations_beneath, keys_beneath }).trim_fmt()
    });
    let fits = |table: &&String| table.lines().all(|line| line.chars().count() <= WIDTH);
    tables.iter().find(fits).unwrap_or(&tables[2]).clone()
}

fn arranged(comparison: &Comparison, layout: Layout) -> Table {
    let keys = |texts: Vec<String>| if layout.keys_beneath { vec![texts.join("\n")] } else { texts };
    let names = keys(comparison.varied.iter().map(|key| comparison.short(key).to_owned()).collect());
    let first_figure = names.len() + 1;
    let heads = FIGURES.iter().map(|figure| figure.head.to_owned());
    let mut table = Table::new();
    table.load_style(TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─')));
    table.set_header(names.into_iter().chain(["seeds".to_owned()]).chain(heads));
    for setting in &comparison.settings {
        let values = keys(comparison.varied.iter().map(|key| value_text(setting.value(key))).collect());
        let seeds = statuses(&setting.trials, if layout.deviations_beneath { "\n" } else { ", " });
        let plus_minus = if layout.deviations_beneath { "\n± " } else { " ± " };
        let figures = FIGURES.iter().map(|figure| cell(setting, figure, comparison.split, plus_minus));
        table.add_row(values.into_iter().chain([seeds]).chain(figures));
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 1));
        if index >= first_figure {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn cell(setting: &Setting, figure: &Figure, split: Split, plus_minus: &str) -> String {
    let Some(summary) = setting.summary(figure, split) else { return "-".to_owned() };
    if !figure.with_deviation {
        return short(summary.mean);
    }
    match summary.text() {
        (mean, Some(deviation)) => format!("{mean}{plus_minus}{deviation}"),
        (mean, None) => mean,
    }
}

/// How many trials are done, running, and so on.
fn statuses(trials: &[&Trial], separator: &str) -> String {
    let count = |status: Status| trials.iter().filter(|trial| trial.record.status == status).count();
    let counts = STATUSES.map(|status| (status, count(status)));
    let counts = counts.iter().filter(|(_, count)| *count > 0);
    counts.map(|(status, count)| format!("{count} {}", status.name())).collect::<Vec<_>>().join(separator)
}

/// A line for each trial that is not done, with what it says of itself.
fn unfinished<'a>(comparison: &'a Comparison) -> impl Iterator<Item = String> + 'a {
    let trials = comparison.settings.iter().flat_map(|setting| &setting.trials);
    trials.filter(|trial| trial.record.status != Status::Done).map(move |trial| {
        let values = comparison.varied.iter().map(|key| (comparison.short(key), trial.record.spec.get(*key)));
        let values = values.chain([("seed", trial.record.spec.get("seed"))]).filter(|(_, value)| value.is_some());
        let values: String = values.map(|(name, value)| format!(" {name}={}", value_text(value))).collect();
        let said = error_line(trial).or_else(|| progress(trial, comparison.split));
        let said = said.map(|said| format!(": {said}")).unwrap_or_default();
        format!("{} {}{values}{said}", trial.record.status.name(), trial.record.trial)
    })
}

fn error_line(trial: &Trial) -> Option<String> {
    trial.record.error.as_deref()?.lines().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned)
}

fn progress(trial: &Trial, split: Split) -> Option<String> {
    let row = trial.last(split)?;
    let [loss, elbo] = [row.loss, row.elbo_nats].map(|figure| significant(figure, 5));
    Some(format!("epoch {}, loss {loss}, elbo_nats {elbo}", row.epoch))
}
