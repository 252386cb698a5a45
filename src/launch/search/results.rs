//! The results of trials at the rungs of a search, from their folders.

use crate::folder::{FileError, TrialFolder};
use crate::launch::cluster::Task;
use crate::metrics::Metric;
use crate::plan::Trial;
use crate::record::tables;
use crate::record::trial::{Status, TrialRecord};
use crate::search::{Reached, Results};
use crate::train::{Keep, kept_at_rung};
use crate::trial;
use std::convert::Infallible;
use std::io::ErrorKind;

/// What earlier runs left of a search, besides what goes on.
#[derive(Default)]
pub(in crate::launch) struct Left {
    /// Trials that are done.
    pub(in crate::launch) done: Vec<Trial>,
    /// Trials that failed by themselves.
    pub(in crate::launch) failed: Vec<(Trial, Box<TrialRecord>)>,
    /// Trials that are queued or running in a scheduler.
    pub(in crate::launch) submitted: Vec<(Trial, Task)>,
    /// Messages about damaged files.
    pub(in crate::launch) damaged: Vec<String>,
}

/// What the folder of a trial says.
pub(super) struct Found {
    /// Its result at each rung.
    pub(super) rungs: Vec<Reached>,
    /// Its record; `None` if it is absent or unreadable.
    pub(super) record: Option<TrialRecord>,
}

/// The results of a trial, as its folder has them. With `retries`, a failure does not count.
///
/// # Errors
/// A file exists, but cannot be read at this time.
pub(super) fn read(
    folder: &TrialFolder,
    trial: &Trial,
    metric: &Metric,
    rungs: &[u64],
    retries: bool,
) -> Result<Found, FileError> {
    let nothing = |record| Found { rungs: vec![Reached::NotYet; rungs.len()], record };
    // What is damaged or missing is trained again.
    let Ok(mut record) = TrialRecord::read(folder) else { return Ok(nothing(None)) };
    let rows = match tables::read_metrics(&folder.metrics()) {
        Ok(rows) => rows,
        Err(error) if error.source.kind() == ErrorKind::NotFound => Vec::new(),
        Err(_) => return Ok(nothing(Some(record))),
    };
    let Ok(()) = trial::correct(&mut record, || Ok::<_, Infallible>(rows.clone()));
    let is_done = record.status == Status::Done && trial::fault(folder, &record).is_none();
    let has_failed = matches!(record.status, Status::Failed | Status::Diverged) && !record.from_outside && !retries;
    let sign = metric.sign().unwrap_or(1.0);
    let keeps_best = trial.spec().train.keep == Keep::Best;
    let reached = |rung: usize| {
        let row = kept_at_rung(&rows, keeps_best, is_done, rungs, rung);
        match row.and_then(|row| row.get(&metric.name)) {
            Some(value) => Reached::Value(sign * value),
            None if has_failed || is_done => Reached::Failed,
            None => Reached::NotYet,
        }
    };
    Ok(Found { rungs: (0..rungs.len()).map(reached).collect(), record: Some(record) })
}

/// The result of a setting from those of its trials: their mean, once all of them have reached the rung or failed.
pub(super) fn of_setting<'a>(trials: impl Iterator<Item = &'a [Reached]>, rungs: usize) -> Vec<Reached> {
    let trials: Vec<&[Reached]> = trials.collect();
    let at = |rung: usize| {
        let results: Vec<Reached> =
            trials.iter().map(|trial| trial.get(rung).copied().unwrap_or(Reached::NotYet)).collect();
        let mut sum = 0.0;
        let mut has_failed = results.is_empty();
        for result in &results {
            match result {
                Reached::NotYet => return Reached::NotYet,
                Reached::Value(value) => sum += value,
                Reached::Failed => has_failed = true,
            }
        }
        if has_failed { Reached::Failed } else { Reached::Value(sum / results.len() as f64) }
    };
    (0..rungs).map(at).collect()
}

/// The setting with the lowest value at the highest rung that any has reached: its number, the rung and the value.
pub(super) fn best(results: &Results, rungs: usize) -> Option<(usize, usize, f64)> {
    (0..rungs).rev().find_map(|rung| {
        let values = results.iter().enumerate().filter_map(|(number, own)| match own.get(rung) {
            Some(Reached::Value(value)) if !value.is_nan() => Some((number, rung, *value)),
            _ => None,
        });
        values.min_by(|(.., one), (.., other)| one.total_cmp(other))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use Reached::{Failed, NotYet, Value};

    #[test]
    fn a_setting_has_the_mean_of_its_seeds_once_all_have_ended() {
        let of = |trials: &[&[Reached]]| of_setting(trials.iter().copied(), 2);
        assert_eq!(of(&[&[Value(1.0), Value(4.0)], &[Value(3.0), NotYet]]), [Value(2.0), NotYet]);
        assert_eq!(of(&[&[Value(1.0), NotYet], &[Failed, Failed]]), [Failed, NotYet]);
        assert_eq!(of(&[&[NotYet, NotYet], &[Failed, Failed]]), [NotYet, NotYet]);
        // A setting that cannot be trained has no trials.
        assert_eq!(of(&[]), [Failed, Failed]);
    }

    #[test]
    fn the_best_is_that_of_the_highest_rung() {
        let results = vec![vec![Value(1.0), NotYet], vec![Value(2.0), Value(2.0)], vec![Value(3.0), Value(1.5)]];
        assert_eq!(best(&results, 2), Some((2, 1, 1.5)));
        assert_eq!(best(&results[..1], 2), Some((0, 0, 1.0)));
        assert_eq!(best(&[vec![Failed, Failed]], 2), None);
    }
}
