//! Training and evaluating a trial in this process: what the process of a trial does, and what a program that uses vaex as a library
//! does with one trial after another.

use super::child::{Crash, End};
use super::lock;
use super::{Launch, LaunchError, RunEvent, Summary, Waiting};
use crate::data::Files;
use crate::folder::causes_full_disk;
use crate::guard::guarded;
use crate::plan::Trial;
use crate::record::trial::{Status, TrialRecord};
use crate::trained::{EvaluationEnd, Trained, TrainedError};
use crate::trial::{self, Ended, Event, Run};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// How long the lock of a trial folder is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// How a trial ended that was trained in this process.
#[derive(Debug)]
pub enum TrialEnd {
    /// With this status, and evaluated if its spec asks for that.
    Ended(Status),
    /// The disk is full or read-only.
    DiskFull(Option<TrainedError>),
    /// It is trained, but its evaluation failed.
    NotEvaluated(TrainedError),
}

/// Trains the trial of a folder to its end, and measures what its `[evaluate]` asks for. The caller has locked the folder and read
/// the record of the trial.
///
/// # Errors
/// The record cannot be written.
pub fn train(trial: &Trial, record: TrialRecord, run: Run<'_>) -> Result<TrialEnd, LaunchError> {
    let Run { folder, threads, until, stop, emit, is_own_process } = run;
    if record.status != Status::Done || trial::fault(folder, &record).is_some() {
        let run = Run { folder, threads, until, stop, emit: &mut *emit, is_own_process };
        match trial::run(trial, record, run)? {
            Ended { disk_is_full: true, .. } => return Ok(TrialEnd::DiskFull(None)),
            Ended { status: Status::Done, .. } => {}
            Ended { status, .. } => return Ok(TrialEnd::Ended(status)),
        }
    }
    let Some(settings) = &trial.spec().evaluate else { return Ok(TrialEnd::Ended(Status::Done)) };
    // The trial stays done, whatever happens here.
    let evaluated = Trained::open(folder.path())
        .and_then(|trained| trained.with_threads(threads))
        .and_then(|mut trained| trained.evaluate(&mut Files::default(), settings, false, stop, emit));
    Ok(match evaluated {
        Ok(EvaluationEnd::Complete) => TrialEnd::Ended(Status::Done),
        Ok(EvaluationEnd::Stopped) => TrialEnd::Ended(Status::Interrupted),
        Err(error) if causes_full_disk(&error) => TrialEnd::DiskFull(Some(error)),
        Err(error) => TrialEnd::NotEvaluated(error),
    })
}

impl<'p> Launch<'p> {
    /// As [`Launch::run`], in this process, one trial after another.
    pub fn run_here(mut self, stop: &AtomicBool, observe: &mut dyn FnMut(RunEvent<'_>)) -> Summary {
        self.report_earlier_results(observe);
        loop {
            self.stops(stop);
            let waiting = self.source.propose();
            self.tell(observe);
            let Some(mut waiting) = waiting else {
                // A search may need several calls to find a setting that is not known.
                if self.source.left() > 0 {
                    continue;
                }
                return self.summary;
            };
            let trial = waiting.trial.clone();
            match self.train_here(&mut waiting, stop, observe) {
                Ok(end) => self.end(&trial, &waiting.folder, end, observe),
                Err(error) => self.not_started(&trial, &waiting.folder, ("cannot train it", error), observe),
            }
        }
    }

    fn train_here(
        &self,
        waiting: &mut Waiting<'p>,
        stop: &AtomicBool,
        observe: &mut dyn FnMut(RunEvent<'_>),
    ) -> Result<End, LaunchError> {
        let results = waiting.lock_results()?;
        waiting.prepare_folder()?;
        drop(results);
        let Waiting { trial, folder, until, .. } = waiting;
        let _lock = lock::take(folder.path(), PATIENCE)?;
        let record = TrialRecord::read(folder)?;
        let mut emit = |event: Event| match event {
            // Told when the record was read.
            Event::Ended { .. } => {}
            event => observe(RunEvent::Event(trial, &event)),
        };
        let run = Run { folder, threads: self.threads, until: *until, stop, emit: &mut emit, is_own_process: false };
        // A panic ends its own trial only, as it does in a process of its own.
        let end = match guarded(|| train(trial, record, run)) {
            Ok(end) => end?,
            Err(panic) => return Ok(End::Crash(Crash { text: format!("it panicked: {panic}"), from_outside: false })),
        };
        Ok(match end {
            TrialEnd::Ended(status) => End::Reported(status),
            TrialEnd::DiskFull(error) => End::DiskFull(error.map(|error| error.to_string()).unwrap_or_default()),
            TrialEnd::NotEvaluated(error) => End::NotEvaluated(error.to_string()),
        })
    }
}
