//! The report as text for a terminal.

use super::numbers::{significant, value_text};
use super::settings::{Comparison, FIGURES, Figure, Setting};
use super::{Experiment, Report, Trial};
use crate::log::record::Status;
use crate::data::Split;
use comfy_table::{
    Cell, CellAlignment, ColumnConstraint, ContentArrangement, Table, {LineStyle, TableStyle},
};

/// Terminal columns that a table may take.
const WIDTH: u16 = 100;

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
        vec![format!("{heading}: {}", statuses(&experiment.trials.iter().collect::<Vec<_>>())), String::new()];
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

fn table(comparison: &Comparison) -> String {
    let wide = arranged(comparison, " ± ");
    // A deviation goes beneath its mean where a line would be too long otherwise.
    let fits = wide.lines().all(|line| line.trim_end().chars().count() <= usize::from(WIDTH));
    let mut table = if fits { wide } else { arranged(comparison, "\n± ") };
    if !fits {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(WIDTH);
        for column in table.column_iter_mut().skip(comparison.varied.len()) {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    table.trim_fmt()
}

fn arranged(comparison: &Comparison, plus_minus: &str) -> Table {
    let mut table = Table::new();
    table.load_style(TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─')));
    let names = comparison.varied.iter().map(|key| comparison.short(key));
    table.set_header(names.chain(["seeds", "status"]).chain(FIGURES.iter().map(|figure| figure.head)));
    for setting in &comparison.settings {
        let values = comparison.varied.iter().map(|key| value_text(setting.value(key)));
        let counts = [setting.done().count().to_string(), statuses(&setting.trials)];
        let figures = FIGURES.iter().map(|figure| cell(setting, figure, comparison.split, plus_minus));
        table.add_row(values.chain(counts).chain(figures).map(Cell::new).collect::<Vec<_>>());
    }
    let first_figure = comparison.varied.len() + 2;
    for (index, column) in table.column_iter_mut().enumerate() {
        if index >= first_figure {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn cell(setting: &Setting, figure: &Figure, split: Split, plus_minus: &str) -> String {
    let Some(summary) = setting.summary(figure, split) else { return "-".to_owned() };
    if !figure.with_deviation {
        return significant(summary.mean, 3);
    }
    match summary.text() {
        (mean, Some(deviation)) => format!("{mean}{plus_minus}{deviation}"),
        (mean, None) => mean,
    }
}

/// `done` where all are, else how many are what.
fn statuses(trials: &[&Trial]) -> String {
    let count = |status: Status| trials.iter().filter(|trial| trial.record.status == status).count();
    let counts = STATUSES.map(|status| (status, count(status)));
    let counts = counts.iter().filter(|(_, count)| *count > 0);
    counts.map(|(status, count)| format!("{count} {}", status.name())).collect::<Vec<_>>().join(", ")
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
