//! Running a plan: a folder and a process for each trial, a few at a time. A crash costs its own trial alone.

mod child;
pub mod cluster;
mod found;
mod frozen;
pub mod lock;
mod notice;
mod pool;
mod prepare;
mod prospect;
mod queue;
mod states;

pub use child::{DISK_FULL, stop_with_parent};
pub use frozen::{Changes, Frozen};
pub use lock::Holder;
pub use notice::{RunEvent, Summary};
pub use pool::{Launch, share};
pub use prepare::{prepare, prepare_alone};
pub use prospect::{Prospect, prospect, unfinished};
pub use queue::{Proposer, Waiting};
pub use states::{Phase, State, States, states};

use crate::folder::{ExperimentFolder, FileError};
use crate::plan::Plan;
use std::path::{Path, PathBuf};
use std::time::Duration;

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

/// Why a plan cannot run at all.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// A file or folder of the experiment cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// Another process is at work in an experiment's or a trial's folder.
    #[error(
        "another vaex is at work in {}{}; wait for it, stop it, or choose another folder with --runs",
        folder.display(),
        holder.as_ref().map_or_else(String::new, |holder| format!(": {holder}"))
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
