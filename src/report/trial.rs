//! A trial as its folder shows it.

use super::numbers::{short, significant};
use super::settings::FIGURES;
use crate::data::Split;
use crate::folder::{FileError, TrialFolder};
use crate::record::tables;
use crate::record::trial::{Status, TrialRecord};
use crate::train::metrics::Metrics;
use crate::trial;
use serde_json::Value;
use std::io;
use std::path::{Path, PathBuf};

/// A trial as its folder shows it.
#[derive(Clone, Debug)]
pub struct Trial {
    /// Its folder.
    pub folder: PathBuf,
    /// How it stands, from trial.json.
    pub record: TrialRecord,
    /// Its epochs, from metrics.parquet; empty before the first epoch's end.
    pub metrics: Vec<Metrics>,
    /// Its images, by the first digits of their hash.
    data: Value,
}

/// What tells trials on different images apart where no key does.
pub(super) const DATA_HASH: &str = "data_hash";
/// Digits of a hash that are shown.
const SHOWN_DIGITS: usize = 8;
/// A metric of one trial, as the report's table has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// Its name for programs.
    pub name: &'static str,
    /// How its column is headed.
    pub head: &'static str,
    /// Its value; `None` if there is none.
    pub value: Option<f64>,
    /// The value as the report shows it.
    pub text: String,
}

impl Trial {
    /// Reads a trial's files; `None` where it has no record that can be read. What is wrong goes to `warnings`.
    pub(super) fn read(folder: &Path, warnings: &mut Vec<String>) -> Option<Trial> {
        let files = TrialFolder::new(folder);
        let record = TrialRecord::read(&files).map_err(|error| warnings.push(error.to_string())).ok()?;
        let metrics = read_metrics(&files.metrics(), record.status).unwrap_or_else(|error| {
            warnings.push(error.to_string());
            Vec::new()
        });
        Some(Trial::new(folder.to_owned(), record, metrics))
    }

    /// A trial of which the record and the epochs are known.
    pub fn new(folder: PathBuf, mut record: TrialRecord, metrics: Vec<Metrics>) -> Trial {
        trial::correct(&mut record, &metrics);
        let data = record.data_hash.chars().take(SHOWN_DIGITS).collect::<String>().into();
        Trial { folder, record, metrics, data }
    }

    /// The value of a dotted key of the spec, or of [`DATA_HASH`].
    pub(super) fn value(&self, key: &str) -> Option<&Value> {
        if key == DATA_HASH { Some(&self.data) } else { self.record.spec.get(key) }
    }

    /// The metrics of the last epoch, in the order of the report's columns.
    pub fn shown(&self, split: Split) -> Vec<Metric> {
        let metrics = FIGURES.iter().map(|figure| {
            let value = (figure.of)(self, split).filter(|value| value.is_finite());
            let digits = |value| if figure.with_deviation { significant(value, 5) } else { short(value) };
            Metric { name: figure.name, head: figure.head, value, text: value.map_or("-".to_owned(), digits) }
        });
        metrics.collect()
    }

    /// The row of the last epoch.
    pub fn last(&self, split: Split) -> Option<&Metrics> {
        self.metrics.iter().filter(|row| row.split == split).max_by_key(|row| row.epoch)
    }

    /// The validation row with the lowest loss, the first one of several; only finite ones count.
    pub fn best(&self) -> Option<&Metrics> {
        let finite = self.validation().filter(|row| row.loss.is_finite());
        finite.min_by(|one, other| one.loss.total_cmp(&other.loss))
    }

    /// The highest finite `elbo_nats` of a validation row, nats per image.
    pub fn best_elbo_nats(&self) -> Option<f64> {
        self.validation().map(|row| row.elbo_nats).filter(|elbo| elbo.is_finite()).max_by(f64::total_cmp)
    }

    fn validation(&self) -> impl Iterator<Item = &Metrics> {
        self.metrics.iter().filter(|row| row.split == Split::Validation)
    }
}

/// Only a trial that is done must have a table: the others may have stopped before their first epoch's end.
fn read_metrics(path: &Path, status: Status) -> Result<Vec<Metrics>, FileError> {
    match tables::read_metrics(path) {
        Err(error) if error.source.kind() == io::ErrorKind::NotFound && status != Status::Done => Ok(Vec::new()),
        read => read,
    }
}
