//! A trial, read from its folder.

use super::columns::columns;
use super::numbers::{short, significant};
use crate::folder::{FileError, TrialFolder};
use crate::metrics::{Metric, Row, Split};
use crate::record::Epochs;
use crate::record::evaluation::{Evaluated, Evaluation};
use crate::record::trial::{Pruned, Status, TrialRecord};
use crate::train::{COMPARED, best_row};
use crate::trial;
use serde_json::Value;
use std::convert::Infallible;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A trial, read from its folder.
#[derive(Clone, Debug)]
pub struct ReportedTrial {
    /// Its folder.
    pub folder: PathBuf,
    /// Its record, from trial.json.
    pub record: Arc<TrialRecord>,
    /// Its metrics; empty before the end of the first epoch.
    pub epochs: Arc<Epochs>,
    /// Its metrics measured after training, from evaluation.json; `None` if there are none.
    pub evaluation: Option<Evaluation>,
    /// The first digits of the hash of its data.
    data: Value,
    /// The rows of the last epoch, for each split.
    last: [Option<Row>; 2],
    /// The rows of the epoch whose weights are kept, for each split.
    kept: [Option<Row>; 2],
    /// The epoch of the row by which the best epoch is chosen.
    best_epoch: Option<u64>,
}

/// The key that distinguishes trials with different data if no key of the spec does.
pub(super) const DATA_HASH: &str = "data_hash";
/// The key of the posterior.
pub(super) const POSTERIOR: &str = "model.posterior";
/// Number of digits of a hash that are shown.
const SHOWN_DIGITS: usize = 8;

/// A metric of one trial, as in the report's table.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// The metric's name for programs.
    pub name: &'static str,
    /// The heading of its column.
    pub head: &'static str,
    /// Its value; `None` if absent.
    pub value: Option<f64>,
    /// The value as the report shows it.
    pub text: String,
}

impl ReportedTrial {
    /// Reads the files of a trial; `None` if its record cannot be read. Errors are added to `warnings`.
    pub(super) fn read(folder: &Path, warnings: &mut Vec<String>) -> Option<ReportedTrial> {
        let files = TrialFolder::new(folder);
        let mut record = TrialRecord::read(&files).map_err(|error| warnings.push(error.to_string())).ok()?;
        // The table has all epochs.
        record.metrics.clear();
        let epochs = read_epochs(&files.metrics(), record.status).unwrap_or_else(|error| {
            warnings.push(error.to_string());
            Epochs::of(Vec::new())
        });
        let Ok(()) = trial::correct(&mut record, || Ok::<_, Infallible>(epochs.rows()));
        let evaluation = Evaluation::read(&files).unwrap_or_else(|error| {
            warnings.push(error.to_string());
            None
        });
        // The trial may have been trained again since.
        let is_current =
            |result: &Evaluated| record.files.get(TrialFolder::MODEL).is_none_or(|own| *own == result.recipe.weights);
        let evaluation = evaluation.map(|mut evaluation| {
            evaluation.results.retain(is_current);
            evaluation
        });
        Some(ReportedTrial { evaluation, ..ReportedTrial::new(folder.to_owned(), Arc::new(record), Arc::new(epochs)) })
    }

    /// A trial from its record and its metrics: all of them, or those of the last epoch and of the epoch whose weights it has.
    pub fn new(folder: PathBuf, record: Arc<TrialRecord>, epochs: Arc<Epochs>) -> ReportedTrial {
        let data = record.data_hash.chars().take(SHOWN_DIGITS).collect::<String>().into();
        let last = Split::OF_EPOCHS.map(|split| epochs.last(split));
        let best_epoch = best_row(&epochs.rows_with(&COMPARED)).map(|row| row.epoch);
        let keeps_best = record.spec.get("train.keep").is_some_and(|keep| keep == "best");
        let kept_epoch = best_epoch.filter(|_| keeps_best).or_else(|| last_epoch(&last));
        let kept = Split::OF_EPOCHS.map(|split| epochs.find(kept_epoch?, split));
        ReportedTrial { folder, record, epochs, evaluation: None, data, last, kept, best_epoch }
    }

    /// The value of a dotted key of the spec, or of [`DATA_HASH`]; `None` if absent.
    pub(super) fn value(&self, key: &str) -> Option<&Value> {
        if key == DATA_HASH { Some(&self.data) } else { self.record.spec.get(key) }
    }

    /// Where a search stopped it early; `None` if none did, or if it was trained further since.
    pub(super) fn pruned(&self) -> Option<&Pruned> {
        self.record.pruned.as_ref().filter(|_| self.record.status == Status::Pruned)
    }

    /// Whether it is a plain autoencoder, whose `elbo_nats` is not a bound.
    pub fn is_plain(&self) -> bool {
        self.value(POSTERIOR).is_some_and(|posterior| posterior == "none")
    }

    /// The metrics of the epoch whose weights are kept, in the order of the report's columns.
    pub fn shown(&self, split: Split) -> Vec<Cell> {
        let cells = columns().iter().filter(|column| column.is_of([self])).map(|column| {
            let value = column.of(self, split).filter(|value| value.is_finite());
            let digits = |value| if column.with_deviation { significant(value, 5) } else { short(value) };
            Cell { name: column.name, head: column.head, value, text: value.map_or("-".to_owned(), digits) }
        });
        cells.collect()
    }

    /// The row of the last epoch; `None` if there is none.
    pub fn last(&self, split: Split) -> Option<&Row> {
        self.last.iter().flatten().find(|row| row.split == split)
    }

    /// The last epoch; `None` before the end of the first.
    pub fn last_epoch(&self) -> Option<u64> {
        last_epoch(&self.last)
    }

    /// The best epoch: that of [`best_row`].
    pub fn best_epoch(&self) -> Option<u64> {
        self.best_epoch
    }

    /// The epoch whose weights the trial has, or would have if it ended now; `None` before the end of the first epoch.
    pub fn kept_epoch(&self) -> Option<u64> {
        last_epoch(&self.kept)
    }

    /// The row of the epoch whose weights the trial has; `None` if there is none.
    pub fn kept(&self, split: Split) -> Option<&Row> {
        self.kept.iter().flatten().find(|row| row.split == split)
    }

    /// The best finite validation value of a metric over all epochs; `None` if absent, or if neither lower nor higher values are
    /// better.
    pub fn best_of(&self, metric: &Metric) -> Option<f64> {
        let (sign, numbers) = (metric.sign()?, self.epochs.numbers(&metric.name)?);
        let validation = self.epochs.places().filter(|(_, _, split)| *split == Split::Validation);
        let values = validation.filter_map(|(index, ..)| *numbers.get(index)?).filter(|value| value.is_finite());
        values.min_by(|one, other| (sign * one).total_cmp(&(sign * other)))
    }
}

/// The largest epoch of some rows.
fn last_epoch(rows: &[Option<Row>]) -> Option<u64> {
    rows.iter().flatten().map(|row| row.epoch).max()
}

/// Only a trial that is done must have a table: other trials may have stopped before the end of the first epoch.
fn read_epochs(path: &Path, status: Status) -> Result<Epochs, FileError> {
    match Epochs::read(path) {
        Err(error) if error.source.kind() == io::ErrorKind::NotFound && status != Status::Done => {
            Ok(Epochs::of(Vec::new()))
        }
        read => read,
    }
}
