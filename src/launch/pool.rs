//! The running trials, each in its own process: starting them, receiving their events and recording how they end.

use super::child::{Child, Crash, End, Message};
use super::found::Found;
use super::lock::{self, Lock};
use super::{LaunchError, Options, Proposer, RunEvent, SearchEvent, Summary, Waiting};
use crate::folder::{FileError, TrialFolder, is_full};
use crate::machine::program;
use crate::plan::{Searching, Trial};
use crate::record::trial::{Status, TrialRecord, now};
use crate::trial::{self, Event};
use std::borrow::Cow;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// The number of parallel trials, and the number of threads per trial.
pub fn share(options: &Options, trials: usize) -> (usize, usize) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let wanted = match (options.gpus.len(), options.jobs) {
        (0, jobs) => jobs.unwrap_or_else(|| cores / options.threads.unwrap_or(1).max(1)),
        (places, jobs) => jobs.unwrap_or(places).min(places),
    };
    let jobs = wanted.clamp(1, trials.max(1));
    (jobs, options.threads.unwrap_or(cores / jobs).max(1))
}

/// A trial in its process.
struct Running<'p> {
    trial: Cow<'p, Trial>,
    child: Child,
    /// Its place on a GPU.
    place: Option<usize>,
}

/// Trials that are ready to run, in a folder that this process has locked.
pub struct Launch<'p> {
    pub(super) program: PathBuf,
    found: Found<'p>,
    pub(super) source: Box<dyn Proposer<'p> + 'p>,
    jobs: usize,
    pub(super) threads: usize,
    gpus: Vec<String>,
    fail_fast: bool,
    stall_timeout: Option<Duration>,
    running: Vec<Running<'p>>,
    sender: Sender<(String, Message)>,
    receiver: Receiver<(String, Message)>,
    pub(super) summary: Summary,
    /// The search whose trials these are.
    pub(super) search: Option<&'p Searching>,
    /// Of the experiment.
    pub(super) lock: Option<Lock>,
}

impl<'p> Launch<'p> {
    pub(super) fn new(
        options: &Options,
        jobs: usize,
        threads: usize,
        found: Found<'p>,
        source: Box<dyn Proposer<'p> + 'p>,
        lock: Option<Lock>,
    ) -> Result<Launch<'p>, LaunchError> {
        let (sender, receiver) = channel();
        Ok(Launch {
            program: program().map_err(LaunchError::Program)?,
            found,
            source,
            jobs,
            threads,
            gpus: options.gpus.clone(),
            fail_fast: options.fail_fast,
            stall_timeout: options.stall_timeout,
            running: Vec::new(),
            sender,
            receiver,
            summary: Summary::default(),
            search: None,
            lock,
        })
    }

    /// The number of trials to train.
    pub fn waiting(&self) -> usize {
        self.source.left()
    }

    /// Sends an event for each result of earlier runs, and counts the results.
    pub fn report_earlier_results(&mut self, observe: &mut dyn FnMut(RunEvent<'_>)) {
        self.found.report(&mut self.summary, observe);
    }

    /// Runs all unfinished trials, until all have ended, `stop` is set, one fails with `fail_fast`, or the disk is full.
    pub fn run(mut self, stop: &AtomicBool, observe: &mut dyn FnMut(RunEvent<'_>)) -> Summary {
        self.report_earlier_results(observe);
        let mut last = Instant::now();
        loop {
            if self.stops(stop) {
                self.running.iter_mut().for_each(|one| one.child.ask_to_stop());
            }
            while self.running.len() < self.jobs
                && !self.summary.disk_is_full
                && let Some(waiting) = self.source.propose()
            {
                self.tell(observe);
                self.start(waiting, observe);
            }
            self.tell(observe);
            if self.running.is_empty() && self.source.left() == 0 {
                return self.summary;
            }
            match self.receiver.recv_timeout(Duration::from_millis(100)) {
                Ok((id, message)) => self.handle(&id, message, observe),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.summary,
            }
            // After this process was suspended, the time since the last output says nothing about the trials.
            if last.elapsed() > Duration::from_secs(1) {
                self.running.iter().for_each(|one| one.child.restart_stall_timeout());
            }
            last = Instant::now();
            if let Some(limit) = self.stall_timeout {
                self.running.iter_mut().for_each(|one| one.child.kill_if_stalled(limit));
            }
        }
    }

    /// Whether no further trials are started: `stop` is set, one has failed with `fail_fast`, or the disk is full.
    pub(super) fn stops(&mut self, stop: &AtomicBool) -> bool {
        let failed = self.summary.failed > self.summary.failed_before;
        let stops = stop.load(Ordering::Relaxed) || self.fail_fast && failed || self.summary.disk_is_full;
        if stops {
            self.summary.interrupted += self.source.left();
            self.source.stop();
        }
        stops
    }

    fn start(&mut self, mut waiting: Waiting<'p>, observe: &mut dyn FnMut(RunEvent<'_>)) {
        let lock = waiting.lock_results();
        let prepared = lock.and_then(|_lock| Ok(waiting.prepare_folder()?));
        let Waiting { trial, folder, until, .. } = waiting;
        let threads = self.threads.to_string();
        let until = until.into_iter().flat_map(|epoch| ["--until".into(), epoch.to_string().into()]);
        let arguments = ["trial".into(), folder.path().into(), "--threads".into(), threads.into()];
        let arguments: Vec<OsString> = arguments.into_iter().chain(until).collect();
        let place = self.place_of(&trial);
        let gpu = place.and_then(|place| self.gpus.get(place)).map(String::as_str);
        let start = || Child::start(&self.program, &arguments, gpu, trial.id(), &folder, &self.sender);
        match prepared.and_then(|()| Ok(start()?)) {
            Ok(child) => self.running.push(Running { trial, child, place }),
            Err(error) => self.not_started(&trial, &folder, ("cannot start its process", error), observe),
        }
    }

    /// Handles a trial that could not be started; the words say what could not be done.
    pub(super) fn not_started(
        &mut self,
        trial: &Trial,
        folder: &TrialFolder,
        (what, error): (&str, LaunchError),
        observe: &mut dyn FnMut(RunEvent<'_>),
    ) {
        match error {
            LaunchError::File(error) if is_full(&error.source) => {
                self.end(trial, folder, End::DiskFull(error.to_string()), observe);
            }
            // Another process uses it: its results are left as they are.
            error @ LaunchError::Busy { .. } => {
                self.summary.interrupted += 1;
                self.source.ended(trial, Status::Interrupted);
                let error = Some(error.to_string());
                observe(RunEvent::Event(trial, &Event::Ended { status: Status::Interrupted, error }));
            }
            error => {
                let text = format!("{what}: {error}");
                self.end(trial, folder, End::Crash(Crash { text, from_outside: true }), observe);
            }
        }
    }

    /// The place on a GPU with the fewest trials, if the trial needs one.
    fn place_of(&self, trial: &Trial) -> Option<usize> {
        if !trial.spec().train.device.is_gpu() {
            return None;
        }
        let trials = |place: &usize| self.running.iter().filter(|one| one.place == Some(*place)).count();
        (0..self.gpus.len()).min_by_key(trials)
    }

    fn handle(&mut self, id: &str, message: Message, observe: &mut dyn FnMut(RunEvent<'_>)) {
        let Some(index) = self.running.iter().position(|one| one.trial.id() == id) else { return };
        match message {
            // The record decides how the trial ended; it is read when the process has ended.
            Message::Event(Event::Ended { .. }) => {}
            Message::Event(event) => {
                observe(RunEvent::Event(&self.running[index].trial, &event));
            }
            Message::Closed(lines) => {
                let Running { trial, child, .. } = self.running.swap_remove(index);
                let folder = child.folder.clone();
                let end = child.wait(&lines);
                self.end(&trial, &folder, end, observe)
            }
        }
    }

    /// Handles the end of a trial. A crash is written to its record.
    pub(super) fn end(&mut self, trial: &Trial, folder: &TrialFolder, end: End, observe: &mut dyn FnMut(RunEvent<'_>)) {
        let record = TrialRecord::read(folder);
        self.summary.disk_is_full |= matches!(end, End::DiskFull(_));
        let from_outside = |text: String| Crash { text, from_outside: true };
        let is_sound = |record: &TrialRecord| record.status == Status::Done && trial::fault(folder, record).is_none();
        let is_done = trial.spec().evaluate.is_some() && record.as_ref().is_ok_and(is_sound);
        let (status, error, from_outside) = match (end, record) {
            (End::Reported(Status::Interrupted), _) => (Status::Interrupted, None, true),
            // The record has more information than the exit status, if this attempt wrote it.
            (End::Reported(Status::Done), Ok(record)) if record.status == Status::Done => (Status::Done, None, false),
            // Another task of the search may have stopped it early since.
            (End::Reported(Status::Paused), Ok(record)) if matches!(record.status, Status::Paused | Status::Pruned) => {
                (record.status, None, false)
            }
            (End::Reported(_) | End::DiskFull(_), Ok(record))
                if matches!(record.status, Status::Failed | Status::Diverged) =>
            {
                (record.status, record.error, record.from_outside)
            }
            // A trial that is trained stays so when its evaluation is stopped or fails.
            (End::NotEvaluated(lines) | End::DiskFull(lines), _) if is_done => {
                self.summary.not_evaluated += 1;
                (Status::Done, Some(format!("not evaluated: {}", lines.trim_start_matches("error: "))), false)
            }
            (End::NotEvaluated(lines), record) => record_crash(folder, record, from_outside(lines)),
            (End::Crash(crash), _) if is_done => {
                self.summary.not_evaluated += 1;
                (Status::Done, Some(format!("not evaluated: {}", crash.text)), false)
            }
            (End::Reported(_), record) => {
                record_crash(folder, record, from_outside("its process exited without reporting a result".to_owned()))
            }
            (End::DiskFull(lines), record) => {
                record_crash(folder, record, from_outside(lines.trim_start_matches("error: ").to_owned()))
            }
            (End::Crash(crash), record) => record_crash(folder, record, crash),
        };
        match status {
            Status::Done => self.summary.done += 1,
            Status::Interrupted => self.summary.interrupted += 1,
            Status::Paused | Status::Pruned => {}
            Status::Failed | Status::Diverged | Status::Planned | Status::Running => {
                self.summary.failed += 1;
                self.summary.from_outside += usize::from(from_outside);
            }
        }
        observe(RunEvent::Event(trial, &Event::Ended { status, error }));
        self.source.ended(trial, status);
        self.tell(observe);
    }

    /// Passes on what the source of trials has decided.
    pub(super) fn tell(&mut self, observe: &mut dyn FnMut(RunEvent<'_>)) {
        for event in self.source.take_events() {
            if let SearchEvent::Blocked { .. } | SearchEvent::Failed(_) = event {
                self.summary.failed += 1;
                self.summary.from_outside += 1;
            }
            observe(RunEvent::Search(&event));
        }
    }
}

/// Writes a crash to the trial's record. Returns the status, the error and whether the cause was outside the trial.
fn record_crash(
    folder: &TrialFolder,
    record: Result<TrialRecord, FileError>,
    crash: Crash,
) -> (Status, Option<String>, bool) {
    let (text, from_outside) = (crash.text.clone(), crash.from_outside);
    let write = |mut record: TrialRecord| -> Result<(), LaunchError> {
        // If another process has started to train the trial in the meantime, the record belongs to that process.
        let _lock = lock::take(folder.path(), Duration::from_millis(100))?;
        record.status = Status::Failed;
        record.error = Some(crash.text);
        record.from_outside = crash.from_outside;
        record.ended = Some(now());
        Ok(record.write(folder)?)
    };
    // If the record cannot be written, the sweep continues and both errors are printed.
    let written = record.map_err(LaunchError::from).and_then(write);
    let error = written.err().map_or(text.clone(), |second| format!("{text}; also: {second}"));
    (Status::Failed, Some(error), from_outside)
}
