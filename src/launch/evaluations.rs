//! Evaluates many trials, each in its own process, several in parallel.

use super::child::{Child, End, Message};
use super::cluster::{Scheduler, Task};
use super::{LaunchError, lock};
use crate::folder::{FileError, TrialFolder, lock_file};
use crate::machine::program;
use crate::record::trial::Status;
use crate::trial::Event;
use std::collections::VecDeque;
use std::ffi::OsString;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, SystemTime};

/// Trials that are done and that will be evaluated.
#[derive(Debug)]
pub struct Evaluations {
    /// Their folders.
    pub folders: Vec<TrialFolder>,
    /// The number of trials that are evaluated in parallel.
    pub jobs: usize,
    /// The options of `vaex evaluate`, without the trial.
    pub options: Vec<OsString>,
}

/// What happens to a trial that is evaluated.
#[derive(Debug)]
pub enum TrialEvent<'a> {
    /// An event of its process.
    Event(&'a Event),
    /// Its process ended without an error.
    Evaluated,
    /// Its process ended with an error.
    Failed(String),
    /// Its process was stopped before the end.
    Interrupted,
}

/// How many trials ended in which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EvaluationsSummary {
    /// Evaluated.
    pub evaluated: usize,
    /// Ended by an error.
    pub failed: usize,
    /// Stopped, or not started because the run was stopped.
    pub interrupted: usize,
}

/// Tells which evaluations of a submission are still to come.
#[derive(Debug)]
pub struct EvaluationWatch {
    /// Whether the scheduler reports its queue.
    has_queue: bool,
    /// A time before the submission.
    since: SystemTime,
}

impl EvaluationWatch {
    /// For what is submitted to a scheduler after a time.
    pub fn of(scheduler: &Scheduler, since: SystemTime) -> EvaluationWatch {
        EvaluationWatch { has_queue: matches!(scheduler, Scheduler::Slurm(_)), since }
    }

    /// Whether the evaluation of a trial is still to come or running. Slurm reports its queue; for another scheduler, a trial is
    /// awaited until it is measured, or until a process has used its folder and has ended.
    ///
    /// # Errors
    /// The lock of the folder cannot be read.
    pub fn is_coming(
        &self,
        folder: &TrialFolder,
        task: Option<&Task>,
        is_measured: impl FnOnce() -> bool,
    ) -> Result<bool, FileError> {
        if task.is_some() || lock::holder(folder.path())?.is_some() {
            return Ok(true);
        }
        // Each holder writes to the file of the lock.
        let used = std::fs::metadata(lock_file(folder.path())).and_then(|file| file.modified());
        let was_used = used.is_ok_and(|used| used >= self.since);
        Ok(!self.has_queue && !was_used && !is_measured())
    }
}

impl Evaluations {
    /// Evaluates all trials, until all have ended or `stop` is set. `observe` is called with the number of a trial in the list.
    ///
    /// # Errors
    /// The program, which starts the processes, cannot be found.
    pub fn run(
        self,
        stop: &AtomicBool,
        observe: &mut dyn FnMut(usize, TrialEvent<'_>),
    ) -> Result<EvaluationsSummary, LaunchError> {
        let program = program().map_err(LaunchError::Program)?;
        let (sender, receiver) = channel();
        let mut waiting: VecDeque<usize> = (0..self.folders.len()).collect();
        let mut running: Vec<(usize, Child)> = Vec::new();
        let mut summary = EvaluationsSummary::default();
        loop {
            if stop.load(Ordering::Relaxed) {
                summary.interrupted += waiting.len();
                waiting.clear();
                running.iter_mut().for_each(|(_, child)| child.ask_to_stop());
            }
            while running.len() < self.jobs.max(1)
                && let Some(number) = waiting.pop_front()
            {
                let folder = &self.folders[number];
                let mut arguments: Vec<OsString> = vec!["evaluate".into(), folder.path().into()];
                arguments.extend(self.options.iter().cloned());
                match Child::start(&program, &arguments, None, &number.to_string(), folder, &sender) {
                    Ok(child) => running.push((number, child)),
                    Err(error) => {
                        summary.failed += 1;
                        observe(number, TrialEvent::Failed(format!("cannot start its process: {error}")));
                    }
                }
            }
            if running.is_empty() && waiting.is_empty() {
                return Ok(summary);
            }
            let (id, message) = match receiver.recv_timeout(Duration::from_millis(100)) {
                Ok(received) => received,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => return Ok(summary),
            };
            let Some(index) = running.iter().position(|(number, _)| number.to_string() == id) else { continue };
            match message {
                Message::Event(event) => observe(running[index].0, TrialEvent::Event(&event)),
                Message::Closed(lines) => {
                    let (number, child) = running.swap_remove(index);
                    let event = match child.wait(&lines) {
                        End::Reported(Status::Done) => TrialEvent::Evaluated,
                        End::Reported(Status::Interrupted) => TrialEvent::Interrupted,
                        End::Reported(_) | End::NotEvaluated(_) | End::DiskFull(_) => {
                            TrialEvent::Failed(lines.trim_start_matches("error: ").to_owned())
                        }
                        End::Crash(crash) => TrialEvent::Failed(crash.text),
                    };
                    match event {
                        TrialEvent::Evaluated | TrialEvent::Event(_) => summary.evaluated += 1,
                        TrialEvent::Failed(_) => summary.failed += 1,
                        TrialEvent::Interrupted => summary.interrupted += 1,
                    }
                    observe(number, event);
                }
            }
        }
    }
}
