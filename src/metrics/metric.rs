//! What a metric is: its name, its unit, what it means, and where it is shown.

use super::Split;
use std::borrow::Cow;

/// A metric of an epoch and split.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// Its name in tables, in JSON and in TensorBoard; a unit other than that of the loss is a part of it.
    pub name: Cow<'static, str>,
    /// What a chart calls it, with its unit; its name where that says enough.
    pub title: Cow<'static, str>,
    /// The unit of its value; empty where it has none.
    pub unit: &'static str,
    /// What it is, in a sentence or two.
    pub doc: Cow<'static, str>,
    /// What a value is.
    pub kind: MetricKind,
    /// Which values are better.
    pub direction: Direction,
    /// The splits that it is measured on.
    pub splits: &'static [Split],
    /// Whether there is a standard error of it over the validation images: the metric `<name>_se`.
    pub standard_error: bool,
    /// Where TensorBoard shows it.
    pub board: Board,
    /// The chart of TensorBoard's custom scalars that it is drawn in.
    pub layout: Option<&'static str>,
    /// The column that it has in the tables of the terminal, of the page and of the summary.
    pub column: Option<ColumnHead>,
    /// Whether the page draws it over the epochs.
    pub is_curve: bool,
    /// Whether a trial has diverged once it is not finite.
    pub must_be_finite: bool,
    /// Whether the clock decides it, so that it differs where the same is trained again.
    pub is_timing: bool,
}

/// What the value of a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// A number.
    Number,
    /// A whole number, 0 or more.
    Count,
    /// A number for each latent axis.
    List,
}

/// Which values of a metric are better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Lower ones.
    Lower,
    /// Higher ones.
    Higher,
    /// Neither.
    Neither,
}

/// Where TensorBoard shows a metric.
///
/// It sorts the columns of HParams and the groups of Time Series by tag, digits before letters. The numbers put the results
/// of validation first, then those of training, then everything else. HParams shows only the first five columns, so that
/// the first two groups are for the results that all trials are compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Board {
    /// `1_validation/<name>` and `2_train/<name>`.
    Result,
    /// `<name>/validation` and `<name>/train`; a list as a histogram, whose bucket [i, i + 1) has the value of axis i.
    Group,
    /// `schedule/<name>`: the same for all splits.
    Schedule,
    /// Nowhere.
    Nowhere,
}

/// A metric's column in a table for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColumnHead {
    /// How it is headed.
    pub head: &'static str,
    /// What a reader must know about it; `{split}` stands for the split's images.
    pub rule: Option<&'static str>,
}

impl Metric {
    /// A metric that nothing but the tables for programs has yet.
    pub const fn new(name: &'static str, kind: MetricKind, unit: &'static str, doc: &'static str) -> Metric {
        Metric {
            name: Cow::Borrowed(name),
            title: Cow::Borrowed(name),
            unit,
            doc: Cow::Borrowed(doc),
            kind,
            direction: Direction::Neither,
            splits: &Split::ALL,
            standard_error: false,
            board: Board::Nowhere,
            layout: None,
            column: None,
            is_curve: false,
            must_be_finite: false,
            is_timing: false,
        }
    }

    /// The metric of its standard error, where there is one.
    pub fn error(&self) -> Option<Metric> {
        self.standard_error.then(|| Metric {
            name: format!("{}_se", self.name).into(),
            title: format!("standard error of {}", self.title).into(),
            doc: format!("Standard error of `{}` over the validation images.", self.name).into(),
            splits: &[Split::Validation],
            ..Metric::new("", MetricKind::Number, self.unit, "")
        })
    }

    /// Whether it is measured on a split.
    pub fn is_of(&self, split: Split) -> bool {
        self.splits.contains(&split)
    }

    /// The word for its direction; empty where neither lower nor higher values are better.
    pub fn better(&self) -> &'static str {
        match self.direction {
            Direction::Lower => "lower",
            Direction::Higher => "higher",
            Direction::Neither => "",
        }
    }

    /// What makes the better values the lower ones; `None` where neither are better.
    pub fn sign(&self) -> Option<f64> {
        match self.direction {
            Direction::Lower => Some(1.0),
            Direction::Higher => Some(-1.0),
            Direction::Neither => None,
        }
    }

    /// The tag of its values in TensorBoard; `None` where it is not shown, or with another split.
    pub fn tag(&self, split: Split) -> Option<String> {
        let (name, split_name) = (&self.name, split.name());
        match (self.board, split) {
            (Board::Result, Split::Validation) => Some(format!("1_{split_name}/{name}")),
            (Board::Result, Split::Train) => Some(format!("2_{split_name}/{name}")),
            (Board::Group, _) => Some(format!("{name}/{split_name}")),
            (Board::Schedule, Split::Train) => Some(format!("schedule/{name}")),
            (Board::Schedule, Split::Validation) | (Board::Nowhere, _) => None,
        }
    }
}
