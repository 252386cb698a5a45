//! The columns of the report's tables that have metrics.

use super::ReportedTrial;
use super::table::Fitted;
use crate::metrics::{ColumnHead, Metric, MetricKind, Split};
use crate::train::measure;
use std::sync::LazyLock;

/// A column of the tables for people, with a metric of trials that are done.
pub(super) struct MetricColumn {
    /// The metric's name.
    pub(super) name: &'static str,
    /// What a chart calls it.
    pub(super) title: &'static str,
    /// What it is.
    pub(super) doc: &'static str,
    /// The word for the better values; empty where neither are.
    pub(super) better: &'static str,
    /// How the column is headed.
    pub(super) head: &'static str,
    /// What a reader must know about it, with a place for the split.
    rule: Option<&'static str>,
    /// Whether the table shows its deviation over the seeds.
    pub(super) with_deviation: bool,
    source: ColumnSource,
}

/// Where a column's values come from.
enum ColumnSource {
    /// The row of the last epoch.
    LastEpoch,
    /// The record: about the trial as a whole.
    Record(fn(&ReportedTrial) -> Option<f64>),
}

impl MetricColumn {
    fn of_epochs(metric: &'static Metric) -> Option<MetricColumn> {
        let ColumnHead { head, rule } = metric.column?;
        Some(MetricColumn {
            name: &metric.name,
            title: &metric.title,
            doc: &metric.doc,
            better: metric.better(),
            head,
            rule,
            with_deviation: metric.kind == MetricKind::Number,
            source: ColumnSource::LastEpoch,
        })
    }

    /// Of the trial as a whole.
    fn of_record([name, title, doc, head]: [&'static str; 4], of: fn(&ReportedTrial) -> Option<f64>) -> MetricColumn {
        MetricColumn {
            name,
            title,
            doc,
            better: "",
            head,
            rule: None,
            with_deviation: false,
            source: ColumnSource::Record(of),
        }
    }

    /// Its value for a trial.
    pub(super) fn of(&self, trial: &ReportedTrial, split: Split) -> Option<f64> {
        match self.source {
            ColumnSource::LastEpoch => trial.last(split)?.get(self.name),
            ColumnSource::Record(of) => of(trial),
        }
    }
}

/// The metrics' columns, in the order of the tables.
pub(super) fn columns() -> &'static [MetricColumn] {
    static COLUMNS: LazyLock<Vec<MetricColumn>> = LazyLock::new(|| {
        let doc = "Training images, repetitions included, by the seconds spent on training steps.";
        let speed = ["images_per_second", "training images per second", doc, "images/s"];
        let time = ["seconds", "seconds", "Wall time of the trial, all its resumptions together.", "seconds"];
        let of_trial = [
            MetricColumn::of_record(speed, |trial| trial.record.images_per_second),
            MetricColumn::of_record(time, |trial| Some(trial.record.seconds)),
        ];
        measure::all().filter_map(MetricColumn::of_epochs).chain(of_trial).collect()
    });
    &COLUMNS
}

/// What a reader must know about the columns that a table shows, a sentence each.
pub fn rules(table: &Fitted, split: Split) -> impl Iterator<Item = String> {
    all_rules(split).filter(|(head, _)| table.shows(head)).map(|(_, rule)| rule)
}

/// What a reader must know about columns, with their heads.
pub(super) fn all_rules(split: Split) -> impl Iterator<Item = (&'static str, String)> {
    let rule = move |column: &MetricColumn| {
        let rule = column.rule?.replace("{split}", split.in_words());
        Some((column.head, format!("{}: {rule}", column.head)))
    };
    columns().iter().filter_map(rule)
}
