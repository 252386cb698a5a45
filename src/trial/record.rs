//! The record and the spec of a trial: how they are created, corrected and updated.

use super::seals;
use crate::data::Dataset;
use crate::folder::{FileError, TrialFolder, write_unsynced, write_whole};
use crate::machine::{host_name, processor};
use crate::metrics::Row;
use crate::plan::{NUMERICS, Trial};
use crate::record::trial::{Status, TrialRecord, now};
use std::collections::BTreeMap;

/// A new record of a trial that has not started.
pub fn planned(trial: &Trial, varied: &[String], threads: usize) -> TrialRecord {
    let commit = env!("VAEX_GIT_COMMIT");
    let Dataset { train, validation, test, .. } = trial.dataset();
    TrialRecord {
        checksum: String::new(),
        trial: trial.id().to_owned(),
        experiment: trial.name().to_owned(),
        status: Status::Planned,
        spec: trial.values(),
        varied: varied.to_vec(),
        parameters: trial.architecture().parameters() as u64,
        train_images: Some(train.len() as u64),
        validation_images: Some(validation.len() as u64),
        test_images: Some(test.len() as u64),
        height: Some(train.shape().height as u64),
        width: Some(train.shape().width as u64),
        channels: Some(train.shape().channels as u64),
        seconds: 0.0,
        images_per_second: None,
        peak_rss_mb: None,
        numerics: NUMERICS,
        spec_hash: trial.spec_hash().to_owned(),
        course_hash: Some(trial.course_hash()),
        data_hash: trial.dataset().hash.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        git_commit: (!commit.is_empty()).then(|| commit.to_owned()),
        git_dirty: env!("VAEX_GIT_DIRTY").parse().ok(),
        lock_hash: env!("VAEX_LOCK_HASH").to_owned(),
        processor: processor(),
        gpu: None,
        host: host_name(),
        threads: threads as u64,
        started: now(),
        ended: None,
        warnings: trial.warnings(),
        continued: None,
        shorter: Vec::new(),
        from_scratch: false,
        kept_epoch: None,
        metrics: Vec::new(),
        stopped_after: None,
        pruned: None,
        error: None,
        note: None,
        from_outside: false,
        files: BTreeMap::new(),
    }
}

/// Updates the spec and the record of a trial that is done with changes that do not affect its training: its tags, and the
/// paths of its data files. Returns whether its spec.toml was damaged or missing.
///
/// # Errors
/// A file cannot be written.
pub fn update(folder: &TrialFolder, trial: &Trial, record: &mut TrialRecord) -> Result<bool, FileError> {
    let (values, is_sound) = (trial.values(), seals::is_sound(folder, record, TrialFolder::SPEC));
    let test_images = Some(trial.dataset().test.len() as u64);
    let is_same = record.spec == values && record.test_images == test_images;
    if is_same && record.warnings == trial.warnings() && is_sound {
        return Ok(false);
    }
    let text = trial.toml();
    write_whole(&folder.spec(), text.as_bytes())?;
    // A process that is killed here leaves a spec that differs from the record; the next run repeats the update.
    record.spec = values;
    record.test_images = test_images;
    record.warnings = trial.warnings();
    record.files.insert(TrialFolder::SPEC.to_owned(), seals::checksum_of(text.as_bytes()));
    record.write(folder)?;
    Ok(!is_sound)
}

/// Changes the status of a trial from done to diverged if its metrics are not finite: version 0.1.0 did not check them. Its
/// rows are only read if that version trained it.
///
/// # Errors
/// The rows cannot be read.
pub fn correct<E>(record: &mut TrialRecord, rows: impl FnOnce() -> Result<Vec<Row>, E>) -> Result<(), E> {
    const FIRST_VERSION: u64 = 1;
    if record.status == Status::Done
        && record.numerics == FIRST_VERSION
        && let Some(row) = rows()?.iter().find(|row| !row.is_finite())
    {
        record.status = Status::Diverged;
        record.error = Some(not_finite(row));
    }
    Ok(())
}

/// Creates a trial folder with its spec and its record.
///
/// # Errors
/// The folder or a file cannot be written.
pub fn prepare(folder: &TrialFolder, trial: &Trial, record: &TrialRecord) -> Result<(), FileError> {
    folder.create()?;
    let write = if folder.has_progress()? { write_whole } else { write_unsynced };
    write(&folder.spec(), trial.toml().as_bytes())?;
    record.write_at_start(folder)
}

/// The error for an epoch with a row that is not finite.
pub(super) fn not_finite(row: &Row) -> String {
    format!("the {} loss is not finite after epoch {}", row.split.in_words(), row.epoch)
}
