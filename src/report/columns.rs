//! The columns of the report's tables that have metrics.

use super::ReportedTrial;
use super::table::Fitted;
use crate::evaluation::{self, column_name};
use crate::metrics::{ColumnHead, Metric, MetricKind, Split};
use crate::train::measure;
use std::borrow::Cow;
use std::sync::LazyLock;

/// A metric's column in the tables for people; its values are of trials that are done.
pub(super) struct MetricColumn {
    /// The metric's name; for a metric that is measured after training, that of its column in trials.parquet.
    pub(super) name: &'static str,
    /// Its title in charts.
    pub(super) title: &'static str,
    /// Its meaning.
    pub(super) doc: &'static str,
    /// `lower` or `higher`; empty if neither lower nor higher values are better.
    pub(super) better: &'static str,
    /// The heading of the column.
    pub(super) head: &'static str,
    /// An explanation for readers, in which `{split}` is replaced by the name of the split.
    rule: Option<&'static str>,
    /// Whether the table shows its standard deviation over the seeds.
    pub(super) with_deviation: bool,
    source: ColumnSource,
}

/// The source of a column's values.
#[derive(Clone, Copy)]
enum ColumnSource {
    /// The row of the epoch whose weights are kept.
    KeptEpoch(&'static Metric),
    /// The evaluation: the metric was measured after training, on a split if it is of one.
    Evaluation(&'static Metric, Option<Split>),
    /// The record: the value is of the whole trial.
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
            source: ColumnSource::KeptEpoch(metric),
        })
    }

    /// The column of a metric that is measured after training.
    fn of_evaluation(metric: &'static Metric, split: Option<Split>) -> Option<MetricColumn> {
        metric.column?;
        let name: &'static str = column_name(metric, split).leak();
        Some(MetricColumn {
            name,
            title: &metric.title,
            doc: &metric.doc,
            better: metric.better(),
            head: name,
            rule: None,
            with_deviation: metric.kind == MetricKind::Number,
            source: ColumnSource::Evaluation(metric, split),
        })
    }

    /// A column with a value of the whole trial.
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
            ColumnSource::KeptEpoch(_) => trial.kept(split)?.get(self.name),
            ColumnSource::Evaluation(..) => trial.evaluation.as_ref()?.number(self.name),
            ColumnSource::Record(of) => of(trial),
        }
    }

    /// Its title in a figure, with the split that its values are of; `None` if the metrics of epochs are of several.
    pub(super) fn title_on(&self, split: Option<Split>) -> Cow<'static, str> {
        match (self.source, split) {
            (ColumnSource::KeptEpoch(metric), Some(split)) | (ColumnSource::Evaluation(metric, Some(split)), _) => {
                metric.title_on(split)
            }
            _ => self.title.into(),
        }
    }

    /// Whether it is measured after training.
    pub(super) fn is_of_evaluation(&self) -> bool {
        matches!(self.source, ColumnSource::Evaluation(..))
    }

    /// Whether a table of these trials has the column: metrics that were not measured have none.
    pub(super) fn is_of<'a>(&self, trials: impl IntoIterator<Item = &'a ReportedTrial>) -> bool {
        match self.source {
            ColumnSource::KeptEpoch(_) | ColumnSource::Record(_) => true,
            ColumnSource::Evaluation(..) => {
                let value = |trial: &ReportedTrial| trial.evaluation.as_ref()?.number(self.name);
                trials.into_iter().any(|trial| value(trial).is_some())
            }
        }
    }
}

/// The columns of metrics, in the order of the tables.
pub(super) fn columns() -> &'static [MetricColumn] {
    static COLUMNS: LazyLock<Vec<MetricColumn>> = LazyLock::new(|| {
        let doc = "Training images, repetitions included, divided by the seconds spent on training steps.";
        let speed = ["images_per_second", "training images per second", doc, "images/s"];
        let time = ["seconds", "seconds", "Wall time of the trial, over all processes that trained it.", "seconds"];
        let of_trial = [
            MetricColumn::of_record(speed, |trial| trial.record.images_per_second),
            MetricColumn::of_record(time, |trial| Some(trial.record.seconds)),
        ];
        let of_epochs = measure::all().filter_map(MetricColumn::of_epochs);
        let evaluated = evaluation::columns();
        let evaluated = evaluated.filter_map(|(_, metric, split)| MetricColumn::of_evaluation(metric, split));
        of_epochs.chain(evaluated).chain(of_trial).collect()
    });
    &COLUMNS
}

/// The columns with a value of the whole trial; the split does not matter to them.
pub(super) fn of_trials() -> impl Iterator<Item = &'static MetricColumn> {
    columns().iter().filter(|column| matches!(column.source, ColumnSource::Record(_)))
}

/// The metrics of the whole trial, by name; `None` if unknown.
pub fn metrics_of_trial(trial: &ReportedTrial) -> impl Iterator<Item = (&'static str, Option<f64>)> {
    of_trials().map(|column| (column.name, column.of(trial, Split::Train)))
}

/// The explanations of the columns that a table shows.
pub fn rules(table: &Fitted, split: Split) -> impl Iterator<Item = String> {
    all_rules(split).filter(|(head, _)| table.shows(head)).map(|(_, rule)| rule)
}

/// The explanations of all columns, with their headings.
pub(super) fn all_rules(split: Split) -> impl Iterator<Item = (&'static str, String)> {
    let rule = move |column: &MetricColumn| {
        let rule = column.rule?.replace("{split}", split.in_words());
        Some((column.head, format!("{}: {rule}", column.head)))
    };
    columns().iter().filter_map(rule)
}
