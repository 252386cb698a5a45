//! Running a plan: a folder and a process for each trial, a few at a time. A crash costs its own trial alone.

mod child;
pub mod cluster;
mod frozen;
pub mod lock;
mod states;

pub use child::{DISK_FULL, stop_with_parent};
pub use frozen::{Changes, Frozen};
pub use lock::Holder;
pub use states::{Phase, State, States, states};

use crate::folder::{self, ExperimentFolder, FileError, TrialFolder, TrialFolders, remove_leftovers};
use crate::machine::program;
use crate::plan::{Plan, Trial};
use crate::record::tables;
use crate::record::trial::{Status, TrialRecord, now};
use crate::trial::{self, Event};
use child::{Child, Crash, End, Message};
use cluster::Task;
use lock::Lock;
use std::collections::{BTreeMap, VecDeque};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// How long a run waits for the processes of one that was killed: they stop after their present step.
const PATIENCE: Duration = Duration::from_secs(10);

/// How to run a plan.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder that holds the experiments' folders.
    pub runs: PathBuf,
    /// Trials at a time; by default one for each core.
    pub jobs: Option<usize>,
    /// Worker threads of a trial; by default the cores are shared out among the trials that run at a time.
    pub threads: Option<usize>,
    /// Train finished trials again, from the start.
    pub fresh: bool,
    /// Stop all trials as soon as one fails.
    pub fail_fast: bool,
    /// Run trials again that failed by themselves.
    pub retry_failed: bool,
    /// End a trial that makes no progress for so long.
    pub stall_timeout: Option<Duration>,
}

/// What happens while a plan runs.
#[derive(Debug)]
pub enum Notice<'a> {
    /// The plan is not the one that was run before.
    Changed(&'a Changes),
    /// A file of an earlier run is damaged, and is made again.
    Damaged(&'a str),
    /// Something to know about the run.
    Warning(&'a str),
    /// The trial was finished before and is not trained again.
    Kept(&'a Trial),
    /// A scheduler has the trial already.
    Submitted(&'a Trial, &'a Task),
    /// The trial failed before, by itself, and is not tried again.
    KeptFailed(&'a Trial, &'a TrialRecord),
    /// Something happened in a trial.
    Event(&'a Trial, &'a Event),
}

/// How the trials ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Trained to the end, now or before.
    pub done: usize,
    /// Failed or diverged.
    pub failed: usize,
    /// Of these, the ones that failed before and were not tried again.
    pub failed_before: usize,
    /// Of these, the ones that something from outside ended: a signal, a full disk.
    pub from_outside: usize,
    /// Stopped, or not started since the run was stopped.
    pub interrupted: usize,
    /// Whether the run was stopped because its disk takes nothing more.
    pub disk_is_full: bool,
}

/// Why a plan cannot run at all.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// A file or folder of the experiment cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// Another process is at work in an experiment's or a trial's folder.
    #[error(
        "another vaex is at work in {}{}; wait for it, stop it, or choose another folder with --runs",
        folder.display(),
        holder.as_ref().map(|holder| format!(": {holder}")).unwrap_or_default()
    )]
    Busy {
        /// The folder.
        folder: PathBuf,
        /// Who works there, where it could be read.
        holder: Option<Holder>,
    },
    /// A scheduler's command cannot be run, or fails.
    #[error("`{command}` failed: {reason}")]
    Scheduler {
        /// The command.
        command: String,
        /// Why.
        reason: String,
    },
    /// The program's own file cannot be found, to start trials with.
    #[error("cannot find the vaex program to start trials with: {0}")]
    Program(std::io::Error),
}

/// The folder of an experiment.
pub fn folder(plan: &Plan, runs: &Path) -> ExperimentFolder {
    ExperimentFolder::of(runs, plan.name())
}

/// What a run would do with a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prospect {
    /// Train it from the start.
    New,
    /// Go on with it.
    Resume,
    /// Nothing: it is done.
    Done,
    /// Nothing: it failed before.
    Failed,
}

impl Prospect {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Prospect::New => "new",
            Prospect::Resume => "to resume",
            Prospect::Done => "done",
            Prospect::Failed => "failed",
        }
    }
}

/// What a run would do with a trial of an experiment with these folders.
pub fn prospect(folders: &TrialFolders, trial: &Trial, options: &Options) -> Prospect {
    let Some(folder) = folders.find(trial.id()) else { return Prospect::New };
    match Earlier::of(folder, options) {
        Earlier::Done(_) => Prospect::Done,
        Earlier::Failed(_) => Prospect::Failed,
        Earlier::Unfinished(None) => Prospect::New,
        Earlier::Unfinished(Some(_)) | Earlier::Damaged(..) => {
            if folder.has_checkpoint() {
                Prospect::Resume
            } else {
                Prospect::New
            }
        }
    }
}

/// Trials that a run would train.
pub fn unfinished(plan: &Plan, options: &Options, submitted: &BTreeMap<String, Task>) -> usize {
    let folders = folder(plan, &options.runs).trials();
    let trials = plan.selected().filter(|trial| !submitted.contains_key(trial.id()));
    let earlier = trials.map(|trial| Earlier::of(&folders.find_or_name(trial.id(), || trial.label(&[])), options));
    earlier.filter(|earlier| matches!(earlier, Earlier::Unfinished(_) | Earlier::Damaged(..))).count()
}

/// Makes a plan ready to run: locks its folder, writes plan.json and the folders of the trials that are not finished.
/// Trials that a scheduler has already are left to it.
///
/// # Errors
/// A folder or file cannot be written, or another process is at work in the experiment's folder.
pub fn prepare<'p>(
    plan: &'p Plan,
    options: &Options,
    submitted: &BTreeMap<String, Task>,
) -> Result<Launch<'p>, LaunchError> {
    let experiment = folder(plan, &options.runs);
    experiment.create()?;
    // Whoever only looks who holds it does so for no longer.
    let lock = lock::take(experiment.path(), Duration::from_millis(100))?;
    // Of killed runs and reports.
    experiment.remove_leftovers()?;
    remove_leftovers(&options.runs)?;
    let (changes, fault) = match frozen::changes(plan, &experiment) {
        Ok(changes) => (changes, None),
        Err(error) => (None, Some(format!("{error}; it is written anew, and what changed cannot be said"))),
    };
    let mut launch = Launch::new(options, None)?;
    launch.warnings.extend(lock.warning(experiment.path()));
    launch._lock = Some(lock);
    launch.changes = changes;
    launch.damaged.extend(fault);
    let (mut waiting, folders) = (Vec::new(), experiment.trials());
    for trial in plan.selected() {
        if let Some(task) = submitted.get(trial.id()) {
            launch.submitted.push((trial, task.clone()));
            continue;
        }
        let folder = folders.find_or_name(trial.id(), || trial.label(plan.varied()));
        let earlier = match Earlier::of(&folder, options) {
            Earlier::Done(mut record) => {
                // A run may have been killed while it noted that the trial's process was, which had just finished.
                folder.remove_leftovers()?;
                if trial::update(&folder, trial, &mut record)? {
                    let path = folder.spec();
                    launch.damaged.push(format!("{} is damaged or missing; it is written again", path.display()));
                }
                launch.kept.push(trial);
                continue;
            }
            Earlier::Failed(record) => {
                folder.remove_leftovers()?;
                // It may have been corrected.
                if TrialRecord::read(&folder)?.status != record.status {
                    record.write(&folder)?;
                }
                launch.failed.push((trial, record));
                continue;
            }
            Earlier::Unfinished(record) => record,
            Earlier::Damaged(record, fault) => {
                launch.damaged.push(fault);
                record
            }
        };
        if folder.path().exists() {
            drop(lock::take(folder.path(), PATIENCE)?);
        }
        waiting.push((trial, folder, earlier));
    }
    frozen::freeze(plan, &experiment)?;
    (launch.jobs, launch.threads) = share(options, waiting.len());
    for (trial, folder, earlier) in waiting {
        let mut record = trial::planned(trial, plan.varied(), launch.threads);
        if let Some(earlier) = earlier {
            record.seconds = earlier.seconds;
            record.started = earlier.started;
            record.images_per_second = earlier.images_per_second;
        }
        let anew = options.fresh && folder.path().exists();
        if !anew {
            trial::prepare(&folder, trial, &record)?;
        }
        // What is there is lost no earlier than when something takes its place.
        launch.queue.push_back(Waiting { trial, folder, anew: anew.then_some(Box::new(record)) });
    }
    Ok(launch)
}

/// A trial that is to be trained.
struct Waiting<'p> {
    trial: &'p Trial,
    folder: TrialFolder,
    /// The record to begin with, in an empty folder.
    anew: Option<Box<TrialRecord>>,
}

impl Waiting<'_> {
    /// Empties the folder where the trial is to be trained anew.
    fn begin(&mut self) -> Result<(), FileError> {
        let Some(record) = self.anew.take() else { return Ok(()) };
        std::fs::remove_dir_all(self.folder.path()).map_err(FileError::at("remove the folder", self.folder.path()))?;
        trial::prepare(&self.folder, self.trial, &record)
    }
}

/// Makes a trial ready that an earlier command prepared; nothing where it is finished.
///
/// # Errors
/// Its folder cannot be written.
pub fn prepare_alone<'p>(trial: &'p Trial, folder: &TrialFolder, options: &Options) -> Result<Launch<'p>, LaunchError> {
    let mut launch = Launch::new(options, None)?;
    match Earlier::of(folder, options) {
        Earlier::Done(_) => launch.kept.push(trial),
        Earlier::Failed(record) => launch.failed.push((trial, record)),
        Earlier::Unfinished(_) => launch.queue.push_back(Waiting { trial, folder: folder.clone(), anew: None }),
        Earlier::Damaged(record, fault) => {
            launch.damaged.push(fault);
            if record.is_none() {
                let _lock = lock::take(folder.path(), PATIENCE)?;
                trial::prepare(folder, trial, &trial::planned(trial, &[], launch.threads))?;
            }
            launch.queue.push_back(Waiting { trial, folder: folder.clone(), anew: None });
        }
    }
    Ok(launch)
}

/// What an earlier run left of a trial.
enum Earlier {
    /// All that it was trained for.
    Done(Box<TrialRecord>),
    /// It failed by itself, and would again.
    Failed(Box<TrialRecord>),
    /// It is to be trained, or to go on.
    Unfinished(Option<Box<TrialRecord>>),
    /// It was further, but something is wrong with its files.
    Damaged(Option<Box<TrialRecord>>, String),
}

impl Earlier {
    fn of(folder: &TrialFolder, options: &Options) -> Earlier {
        if options.fresh {
            return Earlier::Unfinished(None);
        }
        let record = match TrialRecord::read(folder) {
            Ok(record) => Box::new(record),
            Err(error) if error.source.kind() == ErrorKind::NotFound => {
                let path = folder.record();
                return match folder.has_checkpoint() {
                    true => Earlier::Damaged(None, format!("{} is missing; the trial goes on", path.display())),
                    false => Earlier::Unfinished(None),
                };
            }
            Err(error) => return Earlier::Damaged(None, format!("{error}; the trial goes on")),
        };
        let mut record = record;
        let fault = (record.status == Status::Done).then(|| trial::fault(folder, &record)).flatten();
        // A table that cannot be read is found to be damaged.
        if record.status == Status::Done
            && let Ok(rows) = tables::read_metrics(&folder.metrics())
        {
            trial::correct(&mut record, &rows);
        }
        match record.status {
            Status::Done => match fault {
                // The spec alone is written again from the plan.
                Some(path) if path != folder.spec() => {
                    let fault = format!("{} is damaged or missing; the trial makes it again", path.display());
                    Earlier::Damaged(Some(record), fault)
                }
                _ => Earlier::Done(record),
            },
            Status::Failed | Status::Diverged if !options.retry_failed && !record.from_outside => {
                Earlier::Failed(record)
            }
            _ => Earlier::Unfinished(Some(record)),
        }
    }
}

/// Trials at a time, and threads of each.
pub fn share(options: &Options, trials: usize) -> (usize, usize) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let wanted = options.jobs.unwrap_or_else(|| cores / options.threads.unwrap_or(1).max(1));
    let jobs = wanted.clamp(1, trials.max(1));
    (jobs, options.threads.unwrap_or(cores / jobs).max(1))
}

/// A plan that is ready to run, in a folder that is this process's own.
pub struct Launch<'p> {
    program: PathBuf,
    changes: Option<Changes>,
    /// What is wrong with files of an earlier run.
    damaged: Vec<String>,
    warnings: Vec<String>,
    kept: Vec<&'p Trial>,
    /// Trials that are a scheduler's.
    submitted: Vec<(&'p Trial, Task)>,
    failed: Vec<(&'p Trial, Box<TrialRecord>)>,
    queue: VecDeque<Waiting<'p>>,
    jobs: usize,
    threads: usize,
    fail_fast: bool,
    stall_timeout: Option<Duration>,
    running: Vec<(&'p Trial, Child)>,
    sender: Sender<(String, Message)>,
    receiver: Receiver<(String, Message)>,
    summary: Summary,
    _lock: Option<Lock>,
}

impl<'p> Launch<'p> {
    fn new(options: &Options, lock: Option<Lock>) -> Result<Launch<'p>, LaunchError> {
        let (sender, receiver) = channel();
        Ok(Launch {
            program: program().map_err(LaunchError::Program)?,
            changes: None,
            damaged: Vec::new(),
            warnings: Vec::new(),
            kept: Vec::new(),
            submitted: Vec::new(),
            failed: Vec::new(),
            queue: VecDeque::new(),
            jobs: 1,
            threads: options.threads.unwrap_or(1),
            fail_fast: options.fail_fast,
            stall_timeout: options.stall_timeout,
            running: Vec::new(),
            sender,
            receiver,
            summary: Summary::default(),
            _lock: lock,
        })
    }

    /// Trials that are to be trained.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Tells what earlier runs left, and counts it.
    pub fn tell(&mut self, observe: &mut dyn FnMut(Notice<'_>)) {
        if let Some(changes) = &self.changes {
            observe(Notice::Changed(changes));
        }
        for warning in &self.warnings {
            observe(Notice::Warning(warning));
        }
        for fault in &self.damaged {
            observe(Notice::Damaged(fault));
        }
        for trial in &self.kept {
            self.summary.done += 1;
            observe(Notice::Kept(trial));
        }
        for (trial, task) in &self.submitted {
            observe(Notice::Submitted(trial, task));
        }
        for (trial, record) in &self.failed {
            self.summary.failed += 1;
            self.summary.failed_before += 1;
            observe(Notice::KeptFailed(trial, record));
        }
    }

    /// Runs every trial that is not finished, until all ended, `stop` is set, or one fails that is to stop the others.
    pub fn run(mut self, stop: &AtomicBool, observe: &mut dyn FnMut(Notice<'_>)) -> Summary {
        self.tell(observe);
        let mut last = Instant::now();
        loop {
            let failed = self.summary.failed > self.summary.failed_before;
            if stop.load(Ordering::Relaxed) || self.fail_fast && failed || self.summary.disk_is_full {
                self.summary.interrupted += self.queue.len();
                self.queue.clear();
                self.running.iter_mut().for_each(|(_, child)| child.ask_to_stop());
            }
            while self.running.len() < self.jobs
                && !self.summary.disk_is_full
                && let Some(mut waiting) = self.queue.pop_front()
            {
                let begun = waiting.begin();
                let Waiting { trial, folder, .. } = waiting;
                let start = || Child::start(&self.program, trial.id(), &folder, self.threads, &self.sender);
                match begun.and_then(|()| start()) {
                    Ok(child) => self.running.push((trial, child)),
                    Err(error) if folder::is_full(&error.source) => {
                        self.end(trial, &folder, End::DiskFull(error.to_string()), observe);
                    }
                    Err(error) => {
                        let text = format!("cannot start its process: {error}");
                        self.end(trial, &folder, End::Crash(Crash { text, from_outside: true }), observe);
                    }
                }
            }
            if self.running.is_empty() && self.queue.is_empty() {
                return self.summary;
            }
            match self.receiver.recv_timeout(Duration::from_millis(100)) {
                Ok((id, message)) => self.handle(&id, message, observe),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.summary,
            }
            // Of a suspended process one cannot say that the others were silent meanwhile.
            if last.elapsed() > Duration::from_secs(1) {
                self.running.iter().for_each(|(_, child)| child.excuse());
            }
            last = Instant::now();
            if let Some(limit) = self.stall_timeout {
                self.running.iter_mut().for_each(|(_, child)| child.end_if_stalled(limit));
            }
        }
    }

    fn handle(&mut self, id: &str, message: Message, observe: &mut dyn FnMut(Notice<'_>)) {
        let Some(index) = self.running.iter().position(|(trial, _)| trial.id() == id) else { return };
        match message {
            // The record has the last word on how it ended; it is read when the process is gone.
            Message::Event(Event::Ended { .. }) => {}
            Message::Event(event) => {
                observe(Notice::Event(self.running[index].0, &event));
            }
            Message::Closed(lines) => {
                let (trial, child) = self.running.swap_remove(index);
                let folder = child.folder.clone();
                let end = child.wait(&lines);
                self.end(trial, &folder, end, observe)
            }
        }
    }

    /// Notes how a trial ended; a crash goes into its record.
    fn end(&mut self, trial: &'p Trial, folder: &TrialFolder, end: End, observe: &mut dyn FnMut(Notice<'_>)) {
        let record = TrialRecord::read(folder);
        self.summary.disk_is_full |= matches!(end, End::DiskFull(_));
        let from_outside = |text: String| Crash { text, from_outside: true };
        let (status, error, from_outside) = match (end, record) {
            (End::Said(Status::Interrupted), _) => (Status::Interrupted, None, true),
            // The record says more than the exit status, where it is of this attempt.
            (End::Said(Status::Done), Ok(record)) if record.status == Status::Done => (Status::Done, None, false),
            (End::Said(_) | End::DiskFull(_), Ok(record))
                if matches!(record.status, Status::Failed | Status::Diverged) =>
            {
                (record.status, record.error, record.from_outside)
            }
            (End::Said(_), record) => {
                note_crash(folder, record, from_outside("its process ended without a word".to_owned()))
            }
            (End::DiskFull(lines), record) => {
                note_crash(folder, record, from_outside(lines.trim_start_matches("error: ").to_owned()))
            }
            (End::Crash(crash), record) => note_crash(folder, record, crash),
        };
        match status {
            Status::Done => self.summary.done += 1,
            Status::Interrupted => self.summary.interrupted += 1,
            Status::Failed | Status::Diverged | Status::Planned | Status::Running => {
                self.summary.failed += 1;
                self.summary.from_outside += usize::from(from_outside);
            }
        }
        observe(Notice::Event(trial, &Event::Ended { status, error }));
    }
}

/// Writes a crash into a trial's record; what is to be said of it, and whether it came from outside.
fn note_crash(
    folder: &TrialFolder,
    record: Result<TrialRecord, FileError>,
    crash: Crash,
) -> (Status, Option<String>, bool) {
    let (text, from_outside) = (crash.text.clone(), crash.from_outside);
    let write = |mut record: TrialRecord| -> Result<(), LaunchError> {
        // Where another process has begun to train it meanwhile, the record is that one's.
        let _lock = lock::take(folder.path(), Duration::from_millis(100))?;
        record.status = Status::Failed;
        record.error = Some(crash.text);
        record.from_outside = crash.from_outside;
        record.ended = Some(now());
        Ok(record.write(folder)?)
    };
    // The sweep goes on without the record; the user reads of both.
    let written = record.map_err(LaunchError::from).and_then(write);
    let error = written.err().map_or(text.clone(), |second| format!("{text}; and {second}"));
    (Status::Failed, Some(error), from_outside)
}
