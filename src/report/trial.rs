//! A trial as its folder shows it.

use crate::data::Split;
use crate::files::FileError;
use crate::log::record::{Status, TrialRecord};
use crate::log::tables;
use crate::train::metrics::Metrics;
use crate::trial::names;
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
}

impl Trial {
    /// Reads a trial's files; `None` where it has no record that can be read. What is wrong goes to `warnings`.
    pub(super) fn read(folder: &Path, warnings: &mut Vec<String>) -> Option<Trial> {
        let record = TrialRecord::read(folder).map_err(|error| warnings.push(error.to_string())).ok()?;
        let metrics = read_metrics(&folder.join(names::METRICS), record.status).unwrap_or_else(|error| {
            warnings.push(error.to_string());
            Vec::new()
        });
        Some(Trial { folder: folder.to_owned(), record, metrics })
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
