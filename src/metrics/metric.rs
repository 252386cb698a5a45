//! The definition of a metric: its name, its unit, its meaning, and where it is shown.

use super::Split;
use std::borrow::Cow;

/// A metric of an epoch and split.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// Its name in tables, in JSON and in TensorBoard. It includes the unit, unless that is the unit of the loss.
    pub name: Cow<'static, str>,
    /// Its title in charts, with its unit; by default its name.
    pub title: Cow<'static, str>,
    /// Its unit; empty if it has none.
    pub unit: &'static str,
    /// Its meaning, in one or two sentences.
    pub doc: Cow<'static, str>,
    /// The type of its values.
    pub kind: MetricKind,
    /// Which values are better.
    pub direction: Direction,
    /// The splits that it is measured on.
    pub splits: &'static [Split],
    /// Whether its standard error over the validation images is a metric too: `<name>_se`.
    pub standard_error: bool,
    /// Where TensorBoard shows it.
    pub board: Board,
    /// The chart that shows it in TensorBoard's Custom Scalars tab.
    pub layout: Option<&'static str>,
    /// Its column in the tables of the terminal, of the page and of TensorBoard's summary.
    pub column: Option<ColumnHead>,
    /// Whether the page shows its learning curve.
    pub is_curve: bool,
    /// Whether a trial has diverged if it is not finite.
    pub must_be_finite: bool,
    /// Whether some trials do not have it, because it belongs to certain objectives.
    pub is_optional: bool,
    /// Whether it depends on the clock, so that it differs when the same trial is trained again.
    pub is_timing: bool,
}

/// The type of a metric's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// A number.
    Number,
    /// A whole number, 0 or more.
    Count,
    /// A number for each latent axis.
    List,
    /// A word.
    Text,
}

/// Which values of a metric are better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Lower values.
    Lower,
    /// Higher values.
    Higher,
    /// Neither lower nor higher values.
    Neither,
}

/// Where TensorBoard shows a metric.
///
/// TensorBoard sorts the columns of HParams and the groups of Time Series by tag, digits before letters. With the numbers in
/// the tags, validation results come first, then training results, then everything else. HParams shows only the first five
/// columns, so the first two groups have the results by which trials are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Board {
    /// `1_validation/<name>`, `2_train/<name>` and `3_test/<name>`.
    Result,
    /// `<name>/validation` and `<name>/train`; a list is a histogram, in which bucket [i, i + 1) has the value of axis i.
    Group,
    /// `schedule/<name>`: the same for all splits.
    Schedule,
    /// Nowhere.
    Nowhere,
}

/// A metric's column in a table for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColumnHead {
    /// Its heading.
    pub head: &'static str,
    /// An explanation for readers; `{split}` is replaced by the name of the split.
    pub rule: Option<&'static str>,
}

impl Metric {
    /// A metric that is only in the tables for programs: in no chart and in no table for people.
    pub const fn new(name: &'static str, kind: MetricKind, unit: &'static str, doc: &'static str) -> Metric {
        Metric {
            name: Cow::Borrowed(name),
            title: Cow::Borrowed(name),
            unit,
            doc: Cow::Borrowed(doc),
            kind,
            direction: Direction::Neither,
            splits: &Split::OF_EPOCHS,
            standard_error: false,
            board: Board::Nowhere,
            layout: None,
            column: None,
            is_curve: false,
            must_be_finite: false,
            is_optional: false,
            is_timing: false,
        }
    }

    /// The metric of its standard error; `None` if it has none.
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

    /// Its title with the split that its values are of. What is scheduled is of none.
    pub fn title_on(&self, split: Split) -> Cow<'static, str> {
        match self.board {
            Board::Schedule => self.title.clone(),
            _ => format!("{} {}", split.in_words(), self.title).into(),
        }
    }

    /// The word for its direction; empty if neither lower nor higher values are better.
    pub fn better(&self) -> &'static str {
        match self.direction {
            Direction::Lower => "lower",
            Direction::Higher => "higher",
            Direction::Neither => "",
        }
    }

    /// The factor that makes lower values better; `None` if neither lower nor higher values are better.
    pub fn sign(&self) -> Option<f64> {
        match self.direction {
            Direction::Lower => Some(1.0),
            Direction::Higher => Some(-1.0),
            Direction::Neither => None,
        }
    }

    /// Its tag in TensorBoard; `None` if TensorBoard does not show it for this split.
    pub fn tag(&self, split: Split) -> Option<String> {
        let (name, split_name) = (&self.name, split.name());
        match (self.board, split) {
            (Board::Result, Split::Validation) => Some(format!("1_{split_name}/{name}")),
            (Board::Result, Split::Train) => Some(format!("2_{split_name}/{name}")),
            (Board::Group, _) => Some(format!("{name}/{split_name}")),
            (Board::Schedule, Split::Train) => Some(format!("schedule/{name}")),
            (Board::Result, Split::Test) => Some(format!("3_{split_name}/{name}")),
            (Board::Schedule, Split::Validation | Split::Test) | (Board::Nowhere, _) => None,
        }
    }
}
