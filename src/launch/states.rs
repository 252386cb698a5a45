//! The state of each trial of an experiment, from its folder and from the scheduler.

use super::cluster::{self, Task};
use super::frozen::FrozenTrial;
use super::{Frozen, LaunchError, lock};
use crate::folder::{ExperimentFolder, FileError, TrialFolder};
use crate::metrics::{Row, Split};
use crate::record::Epochs;
use crate::record::trial::{Status, TrialRecord};
use crate::trial;
use rayon::prelude::*;
use serde_json::Value;
use std::convert::Infallible;
use std::io::ErrorKind;
use std::sync::Arc;

/// The phase of a trial: the status of its record, combined with information about its process and the scheduler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The status in the record: the trial has ended or was not started.
    Recorded(Status),
    /// It waits in the queue of the scheduler.
    Queued,
    /// A process is training it.
    Running,
    /// Its process ended while training, without recording it.
    Stopped,
    /// Its record is missing or cannot be read.
    Unknown,
}

impl Phase {
    /// Its name in tables and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Recorded(status) => status.name(),
            Phase::Queued => "queued",
            Phase::Running => Status::Running.name(),
            Phase::Stopped => "stopped",
            Phase::Unknown => "unknown",
        }
    }

    /// Whether the trial will continue by itself: it is queued or running.
    pub fn is_pending(self) -> bool {
        matches!(self, Phase::Queued | Phase::Running)
    }
}

/// The state of a trial.
#[derive(Clone, Debug)]
pub struct State {
    /// Id of the trial.
    pub id: String,
    /// Values of the varied keys, in the order of the plan.
    pub keys: Vec<(String, Option<Value>)>,
    /// Phase of the trial.
    pub phase: Phase,
    /// Its folder; `None` if no run has prepared it yet.
    pub folder: Option<TrialFolder>,
    /// Its record; `None` if absent or unreadable.
    pub record: Option<Arc<TrialRecord>>,
    /// Its metrics. Of a trial that is done, those of the last epoch and of the epoch whose weights it has are enough, from its
    /// record; the table is read for a search.
    pub metrics: Arc<Epochs>,
    /// Total number of epochs to train.
    pub epochs: u64,
    /// Its task in the scheduler; `None` if absent.
    pub task: Option<Task>,
    /// The error of the trial, or of reading its files.
    pub error: Option<String>,
    /// Estimated seconds until a running trial ends; `None` if unknown.
    pub eta_seconds: Option<f64>,
}

impl State {
    /// Number of finished epochs.
    pub fn epoch(&self) -> u64 {
        // A trial that diverged has not finished the epoch in which it diverged.
        let diverged = self.phase == Phase::Recorded(Status::Diverged);
        let split = if diverged { Split::Validation } else { Split::Train };
        let of_split = self.metrics.places().filter(|(_, _, of)| *of == split);
        let mut last = of_split
            .rev()
            .filter(|(index, ..)| !diverged || self.metrics.row(*index).is_some_and(|row| row.is_finite()));
        // A trial that continues another one has the epochs of that one, before its table has them.
        let continued = self.record.as_ref().and_then(|record| record.continued.as_ref()).map(|one| one.epochs);
        last.next().map(|(_, epoch, _)| epoch).max(continued).unwrap_or(0)
    }

    /// The metrics of the last epoch on a split.
    pub fn last(&self, split: Split) -> Option<Row> {
        self.metrics.last(split)
    }

    /// Whether an epoch has metrics on a split.
    pub fn has(&self, split: Split) -> bool {
        self.metrics.places().any(|(_, _, of)| of == split)
    }

    /// Whether it was stopped, or failed for a cause outside of it: the next run resumes it.
    pub fn is_stopped(&self) -> bool {
        match self.phase {
            Phase::Stopped | Phase::Recorded(Status::Interrupted) => true,
            Phase::Recorded(Status::Failed) => self.record.as_ref().is_some_and(|record| record.from_outside),
            Phase::Recorded(_) | Phase::Queued | Phase::Running | Phase::Unknown => false,
        }
    }

    /// Whether a run or a scheduler is training it or will train it.
    fn is_due(&self) -> bool {
        self.phase.is_pending() || self.phase == Phase::Recorded(Status::Planned) && self.folder.is_some()
    }

    /// Mean seconds per epoch, including validation and writing files.
    fn seconds_per_epoch(&self) -> Option<f64> {
        let seconds = self.record.as_ref()?.seconds / self.epoch() as f64;
        (seconds.is_finite() && seconds > 0.0).then_some(seconds)
    }
}

/// The states of all trials of an experiment.
#[derive(Clone, Debug)]
pub struct States {
    /// The states, in the order of the plan.
    pub trials: Vec<State>,
    /// Estimated seconds until all trials have ended; `None` if no trial is running or the time is unknown.
    pub eta_seconds: Option<f64>,
    /// Number of running trials.
    pub running: usize,
}

/// The states of the trials of an experiment's frozen plan.
///
/// # Errors
/// Slurm cannot be queried, the folder cannot be read, or the plan is incomplete.
pub fn states(experiment: &ExperimentFolder, plan: &Frozen) -> Result<States, LaunchError> {
    let tasks = cluster::active(experiment, &plan.name)?;
    let folders = experiment.trials()?;
    // A search needs the metrics at each rung.
    let needs_table = plan.search.is_some();
    let state = |trial: &FrozenTrial| -> Result<State, LaunchError> {
        let epochs = trial.value("train.epochs").and_then(Value::as_u64);
        let missing = || std::io::Error::other(format!("trial {} has no `train.epochs`", trial.id));
        let epochs = epochs.ok_or_else(|| FileError::at("read", &experiment.plan())(missing()))?;
        let task = tasks.get(&trial.id).cloned();
        Ok(state((folders.find(&trial.id), needs_table), trial, epochs, &plan.varied, task)?)
    };
    let trials = plan.trials.par_iter().map(state).collect::<Result<_, _>>()?;
    let mut states = States { trials, eta_seconds: None, running: 0 };
    states.estimate();
    if let Some(all) = plan.search.as_ref().and_then(|search| search.epochs) {
        states.estimate_search(all);
    }
    Ok(states)
}

/// The state of a trial. `folder` is `None` if no run has prepared the trial yet; `needs_table`: whether its metrics are read also if it
/// is done.
fn state(
    (folder, needs_table): (Option<&TrialFolder>, bool),
    trial: &FrozenTrial,
    epochs: u64,
    varied: &[String],
    task: Option<Task>,
) -> Result<State, FileError> {
    let read = folder.map(TrialRecord::read);
    let recorded = match &read {
        Some(Ok(record)) if record.status == Status::Done && !needs_table => record.rows(),
        _ => Vec::new(),
    };
    let table = folder.filter(|_| recorded.is_empty()).map(|folder| Epochs::read(&folder.metrics()));
    let (metrics, unread) = match table {
        Some(Ok(epochs)) => (epochs, None),
        // The table does not exist before the first checkpoint.
        Some(Err(error)) if error.source.kind() != ErrorKind::NotFound => {
            (Epochs::of(Vec::new()), Some(error.to_string()))
        }
        _ => (Epochs::of(recorded), None),
    };
    let has_progress = match &read {
        Some(Err(_)) => folder.map(TrialFolder::has_progress).transpose()?,
        _ => None,
    };
    let is_empty = metrics.is_empty() && unread.is_none() && has_progress != Some(true);
    let (record, error) = match read {
        Some(Ok(mut record)) => {
            let Ok(()) = trial::correct(&mut record, || Ok::<_, Infallible>(metrics.rows()));
            record.metrics.clear();
            (Some(Arc::new(record)), None)
        }
        None => (None, None),
        // A run has created the folder, or emptied it with --fresh, and will write the record next.
        Some(Err(error)) if error.source.kind() == ErrorKind::NotFound && is_empty => (None, None),
        Some(Err(error)) => (None, Some(error.to_string())),
    };
    let status = record.as_ref().map(|record| record.status);
    let is_locked = match folder.filter(|_| status == Some(Status::Running) && task.is_none()) {
        Some(folder) => lock::holder(folder.path())?.is_some(),
        None => false,
    };
    let phase = match (status, &task) {
        (Some(status @ (Status::Done | Status::Failed | Status::Diverged)), _) => Phase::Recorded(status),
        (_, Some(task)) if !task.running => Phase::Queued,
        (_, Some(_)) => Phase::Running,
        (Some(Status::Running), None) if is_locked => Phase::Running,
        (Some(Status::Running), None) => Phase::Stopped,
        (Some(status), None) => Phase::Recorded(status),
        (None, None) if error.is_none() => Phase::Recorded(Status::Planned),
        (None, None) => Phase::Unknown,
    };
    let error = error.or_else(|| record.as_ref()?.error.clone()).or(unread);
    Ok(State {
        id: trial.id.clone(),
        keys: varied.iter().map(|key| (key.clone(), trial.value(key).cloned())).collect(),
        phase,
        folder: folder.cloned(),
        record,
        metrics: Arc::new(metrics),
        epochs,
        task,
        error,
        eta_seconds: None,
    })
}

impl States {
    /// Estimates the remaining time. A trial without a finished epoch is assumed to be as fast as the mean of the others.
    fn estimate(&mut self) {
        let known: Vec<f64> = self.trials.iter().filter_map(State::seconds_per_epoch).collect();
        let mean = (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64);
        let mut coming = Some(Vec::new());
        for state in self.trials.iter_mut().filter(|state| state.is_due()) {
            let pace = state.seconds_per_epoch().or(mean);
            let left = pace.map(|pace| {
                let since_last = state.folder.as_ref().filter(|_| state.phase == Phase::Running).and_then(age);
                let left = state.epochs.saturating_sub(state.epoch()) as f64;
                // The clocks of two hosts may differ.
                (left * pace - since_last.unwrap_or(0.0).max(0.0)).max(0.0)
            });
            if state.phase == Phase::Running {
                self.running += 1;
                state.eta_seconds = left;
            }
            match (left, &mut coming) {
                (None, _) => coming = None,
                (Some(left), Some(coming)) if state.phase != Phase::Running => coming.push(left),
                _ => {}
            }
        }
        // Each planned trial starts when the first of the running trials has ended.
        let mut ends: Vec<f64> = self.trials.iter().filter_map(|state| state.eta_seconds).collect();
        let last = coming.filter(|_| !ends.is_empty()).map(|coming| {
            for left in coming {
                ends.sort_by(f64::total_cmp);
                ends[0] += left;
            }
            ends.into_iter().fold(0.0, f64::max)
        });
        self.eta_seconds = last;
    }

    /// Estimates the remaining time of a search, whose trials have this number of epochs together.
    fn estimate_search(&mut self, epochs: u64) {
        let trained: u64 = self.trials.iter().map(State::epoch).sum();
        let seconds: f64 =
            self.trials.iter().filter_map(|state| state.record.as_ref()).map(|record| record.seconds).sum();
        let left = epochs.saturating_sub(trained) as f64 * seconds / trained as f64 / self.running as f64;
        self.eta_seconds = Some(left).filter(|left| left.is_finite());
    }
}

/// Seconds since the trial's record was written. It is written when a process starts and with each checkpoint.
fn age(folder: &TrialFolder) -> Option<f64> {
    let written = std::fs::metadata(folder.record()).and_then(|file| file.modified()).ok()?;
    Some(written.elapsed().map_or(0.0, |age| age.as_secs_f64()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::measure::example;

    /// A trial with ten epochs that took 2 s per finished epoch.
    fn trial(phase: Phase, done: u64) -> State {
        let record = serde_json::json!({
            "checksum": "", "trial": "a", "experiment": "", "status": "running", "spec": {}, "varied": [],
            "parameters": 1, "seconds": 2.0 * done as f64, "images_per_second": null, "peak_rss_mb": null,
            "spec_hash": "", "data_hash": "", "version": "", "git_commit": null, "git_dirty": null, "lock_hash": "",
            "processor": null, "host": "", "threads": 1, "started": 0.0, "ended": null, "error": null, "note": null,
            "from_outside": false, "files": {},
        });
        let rows: Vec<Row> =
            (1..=done).flat_map(|epoch| Split::OF_EPOCHS.map(|split| example(epoch, split, &[]))).collect();
        State {
            id: "a".to_owned(),
            keys: Vec::new(),
            phase,
            folder: Some(TrialFolder::new("no such folder")),
            record: Some(Arc::new(serde_json::from_value(record).unwrap())),
            metrics: Arc::new(Epochs::of(rows)),
            epochs: 10,
            task: None,
            error: None,
            eta_seconds: None,
        }
    }

    #[test]
    fn a_trial_is_stopped_if_the_next_run_resumes_it() {
        let is_stopped = |phase| trial(phase, 1).is_stopped();
        assert!(is_stopped(Phase::Stopped) && is_stopped(Phase::Recorded(Status::Interrupted)));
        assert!(![Phase::Running, Phase::Queued, Phase::Unknown].into_iter().any(is_stopped));
        assert!(!is_stopped(Phase::Recorded(Status::Done)) && !is_stopped(Phase::Recorded(Status::Planned)));
        let mut failed = trial(Phase::Recorded(Status::Failed), 1);
        assert!(!failed.is_stopped());
        failed.record.as_mut().map(Arc::make_mut).unwrap().from_outside = true;
        assert!(failed.is_stopped());
    }

    fn estimated(trials: Vec<State>) -> (Option<f64>, Vec<Option<f64>>) {
        let mut states = States { trials, eta_seconds: None, running: 0 };
        states.estimate();
        (states.eta_seconds, states.trials.iter().map(|state| state.eta_seconds).collect())
    }

    #[test]
    fn the_remaining_time_is_estimated_from_the_time_per_epoch() {
        let planned = Phase::Recorded(Status::Planned);
        let (all, each) = estimated(vec![
            trial(Phase::Recorded(Status::Done), 10),
            trial(Phase::Running, 4),
            trial(Phase::Running, 0),
            trial(planned, 0),
            trial(Phase::Recorded(Status::Failed), 3),
        ]);
        // 6, 10 and 10 remaining epochs of 2 s; two trials in parallel.
        assert_eq!((all, each), (Some(32.0), vec![None, Some(12.0), Some(20.0), None, None]));
        // Not before the slowest trial.
        assert_eq!(estimated(vec![trial(Phase::Running, 9), trial(Phase::Running, 1)]).0, Some(18.0));
        // Unknown, or nothing is running.
        assert_eq!(estimated(vec![trial(Phase::Running, 0), trial(planned, 0)]).0, None);
        assert_eq!(estimated(vec![trial(Phase::Recorded(Status::Done), 10), trial(planned, 0)]).0, None);
        // Trials that this run does not train are not counted.
        let not_selected = State { folder: None, ..trial(planned, 0) };
        assert_eq!(estimated(vec![trial(Phase::Running, 5), not_selected]).0, Some(10.0));
    }
}
