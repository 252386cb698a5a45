//! Running a plan: a folder and a process for each trial, a few at a time. A crash costs its own trial alone.

mod child;
mod lock;

pub use child::stop_with_parent;
pub use lock::Holder;

use crate::files::{FileError, create_folder, write_whole};
use crate::log::record::{Status, TrialRecord, now};
use crate::plan::{Plan, Trial};
use crate::trial::{self, Event, names};
use child::{Child, Message};
use std::collections::VecDeque;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// Name of the frozen plan's file in an experiment's folder.
const PLAN_FILE: &str = "plan.json";

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
}

/// How a plan differs from the one that its folder had before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Trials that are new.
    pub added: usize,
    /// Trials that were asked for before too.
    pub kept: usize,
    /// Ids of trials that are no longer asked for; their folders stay.
    pub dropped: Vec<String>,
}

/// What happens while a plan runs.
#[derive(Debug)]
pub enum Notice<'a> {
    /// The plan is not the one that was run before.
    Changed(&'a Changes),
    /// The trial was finished before and is not trained again.
    Kept(&'a Trial),
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
    /// Stopped, or not started since the run was stopped.
    pub interrupted: usize,
}

/// Why a plan cannot run at all.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// A file or folder of the experiment cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// Another run is going on in the experiment's folder.
    #[error(
        "another vaex is at work in {}{}; wait for it, stop it, or choose another folder with --runs",
        folder.display(),
        holder.as_ref().map(|holder| format!(": {holder}")).unwrap_or_default()
    )]
    Busy {
        /// The experiment's folder.
        folder: PathBuf,
        /// Who works there, where it could be read.
        holder: Option<Holder>,
    },
    /// The program's own file cannot be found, to start trials with.
    #[error("cannot find the vaex program to start trials with: {0}")]
    Program(std::io::Error),
}

/// The folder of an experiment.
pub fn folder(plan: &Plan, runs: &Path) -> PathBuf {
    runs.join(plan.name())
}

/// Makes a plan ready to run: locks its folder, writes plan.json and the folders of the trials that are not finished.
///
/// # Errors
/// A folder or file cannot be written, or another process is at work in the experiment's folder.
pub fn prepare<'p>(plan: &'p Plan, options: &Options) -> Result<Launch<'p>, LaunchError> {
    let program = std::env::current_exe().map_err(LaunchError::Program)?;
    let experiment = folder(plan, &options.runs);
    create_folder(&experiment)?;
    let lock = lock::take(&experiment)?;
    let changes = changes(plan, &experiment);
    freeze(plan, &experiment)?;
    let mut kept = Vec::new();
    let mut waiting = VecDeque::new();
    for trial in plan.trials() {
        let folder = experiment.join(trial.id());
        let earlier = TrialRecord::read(&folder).ok();
        if !options.fresh && earlier.as_ref().is_some_and(|record| is_finished(&folder, record)) {
            kept.push(trial);
        } else {
            waiting.push_back((trial, folder, earlier));
        }
    }
    let (jobs, threads) = share(options, waiting.len());
    for (trial, folder, earlier) in &waiting {
        let mut record = trial::planned(trial, plan.varied(), threads);
        match earlier {
            Some(earlier) if !options.fresh => {
                record.seconds = earlier.seconds;
                record.started = earlier.started;
                record.images_per_second = earlier.images_per_second;
            }
            _ if options.fresh && folder.exists() => {
                std::fs::remove_dir_all(folder).map_err(FileError::at("remove the folder", folder))?;
            }
            Some(_) | None => {}
        }
        trial::prepare(folder, trial, &record)?;
    }
    let queue = waiting.into_iter().map(|(trial, folder, _)| (trial, folder)).collect();
    let (sender, receiver) = channel();
    let fail_fast = options.fail_fast;
    let (running, summary) = (Vec::new(), Summary::default());
    Ok(Launch {
        program,
        changes,
        kept,
        queue,
        jobs,
        threads,
        fail_fast,
        running,
        sender,
        receiver,
        summary,
        _lock: lock,
    })
}

/// Whether a trial is done and has what it was trained for; files that someone removed are made again.
fn is_finished(folder: &Path, record: &TrialRecord) -> bool {
    let there = [names::MODEL, names::METRICS].iter().all(|name| folder.join(name).exists());
    record.status == Status::Done && there
}

/// How the plan differs from the frozen one; nothing where there is none that can be read, or both have the same trials.
fn changes(plan: &Plan, experiment: &Path) -> Option<Changes> {
    let before = std::fs::read(experiment.join(PLAN_FILE)).ok()?;
    let before: serde_json::Value = serde_json::from_slice(&before).ok()?;
    let before: Vec<&str> = before["trials"].as_array()?.iter().filter_map(|trial| trial["trial"].as_str()).collect();
    let kept = plan.trials().iter().filter(|trial| before.contains(&trial.id())).count();
    let asked = |id: &&str| plan.trials().iter().any(|trial| trial.id() == *id);
    let dropped: Vec<String> = before.into_iter().filter(|id| !asked(id)).map(str::to_owned).collect();
    let changes = Changes { added: plan.trials().len() - kept, kept, dropped };
    (changes.added > 0 || !changes.dropped.is_empty()).then_some(changes)
}

/// Writes plan.json: what was asked for, resolved.
fn freeze(plan: &Plan, experiment: &Path) -> Result<(), FileError> {
    let trials = plan.trials().iter().map(|trial| serde_json::json!({ "trial": trial.id(), "spec": trial.spec() }));
    let content = serde_json::json!({
        "name": plan.name(),
        "version": env!("CARGO_PKG_VERSION"),
        "varied": plan.varied(),
        "trials": trials.collect::<Vec<_>>(),
    });
    write_whole(&experiment.join(PLAN_FILE), |file| Ok(serde_json::to_writer_pretty(file, &content)?))
}

/// Trials at a time, and threads of each.
fn share(options: &Options, trials: usize) -> (usize, usize) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let wanted = options.jobs.unwrap_or_else(|| cores / options.threads.unwrap_or(1).max(1));
    let jobs = wanted.clamp(1, trials.max(1));
    (jobs, options.threads.unwrap_or(cores / jobs).max(1))
}

/// A plan that is ready to run, in a folder that is this process's own.
pub struct Launch<'p> {
    program: PathBuf,
    changes: Option<Changes>,
    kept: Vec<&'p Trial>,
    queue: VecDeque<(&'p Trial, PathBuf)>,
    jobs: usize,
    threads: usize,
    fail_fast: bool,
    running: Vec<(&'p Trial, Child)>,
    sender: Sender<(String, Message)>,
    receiver: Receiver<(String, Message)>,
    summary: Summary,
    _lock: File,
}

impl<'p> Launch<'p> {
    /// Runs every trial that is not finished, until all ended, `stop` is set, or one fails that is to stop the others.
    pub fn run(mut self, stop: &AtomicBool, observe: &mut dyn FnMut(Notice<'_>)) -> Summary {
        if let Some(changes) = &self.changes {
            observe(Notice::Changed(changes));
        }
        for trial in &self.kept {
            self.summary.done += 1;
            observe(Notice::Kept(trial));
        }
        loop {
            if stop.load(Ordering::Relaxed) || self.fail_fast && self.summary.failed > 0 {
                self.summary.interrupted += self.queue.len();
                self.queue.clear();
                self.running.iter_mut().for_each(|(_, child)| child.ask_to_stop());
            }
            while self.running.len() < self.jobs
                && let Some((trial, folder)) = self.queue.pop_front()
            {
                match Child::start(&self.program, trial.id(), &folder, self.threads, &self.sender) {
                    Ok(child) => self.running.push((trial, child)),
                    Err(error) => self.end(trial, &folder, Some(format!("cannot start its process: {error}")), observe),
                }
            }
            if self.running.is_empty() {
                return self.summary;
            }
            match self.receiver.recv_timeout(Duration::from_millis(100)) {
                Ok((id, message)) => self.handle(&id, message, observe),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.summary,
            }
        }
    }

    fn handle(&mut self, id: &str, message: Message, observe: &mut dyn FnMut(Notice<'_>)) {
        let Some(index) = self.running.iter().position(|(trial, _)| trial.id() == id) else { return };
        match message {
            // The record has the last word on how it ended; it is read when the process is gone.
            Message::Event(Event::Ended { .. }) => {}
            Message::Event(event) => observe(Notice::Event(self.running[index].0, &event)),
            Message::Exited { crash } => {
                let (trial, child) = self.running.swap_remove(index);
                self.end(trial, &child.folder, crash, observe)
            }
        }
    }

    /// Notes how a trial ended; a crash goes into its record.
    fn end(&mut self, trial: &'p Trial, folder: &Path, crash: Option<String>, observe: &mut dyn FnMut(Notice<'_>)) {
        let (status, error) = match TrialRecord::read(folder) {
            Ok(record) if !matches!(record.status, Status::Planned | Status::Running) => (record.status, record.error),
            Ok(record) => {
                let error = crash.unwrap_or_else(|| "its process ended without a word".to_owned());
                let ended = Some(now());
                let record = TrialRecord { status: Status::Failed, error: Some(error.clone()), ended, ..record };
                // The sweep goes on without the record; the user reads of both.
                let written = record.write(folder).map_err(|second| format!("{error}; and {second}"));
                (Status::Failed, Some(written.err().unwrap_or(error)))
            }
            Err(error) => (Status::Failed, Some(crash.unwrap_or_else(|| error.to_string()))),
        };
        match status {
            Status::Done => self.summary.done += 1,
            Status::Interrupted => self.summary.interrupted += 1,
            Status::Failed | Status::Diverged | Status::Planned | Status::Running => self.summary.failed += 1,
        }
        observe(Notice::Event(trial, &Event::Ended { status, error }));
    }
}
