//! Running a plan: each trial has its own folder and process, and several run in parallel; or one after another in this process, for
//! programs that use vaex as a library. A crash fails only its own trial.

mod advance;
mod child;
pub mod cluster;
mod continued;
mod evaluations;
mod found;
mod frozen;
mod here;
mod inspect;
pub mod lock;
mod pool;
mod prepare;
mod prospect;
mod queue;
mod ready;
mod run_event;
mod search;
mod states;

pub use advance::{AdvanceError, Advanced, advance};
pub use child::{DISK_FULL, NOT_EVALUATED, PAUSED, stop_with_parent};
pub use continued::{Prospects, prospects};
pub use evaluations::{EvaluationWatch, Evaluations, EvaluationsSummary, TrialEvent};
pub use frozen::{Changes, Frozen, FrozenExpectation, FrozenResult, FrozenSearch, FrozenSetting};
pub use here::{TrialEnd, train};
pub use lock::Holder;
pub use pool::{Launch, share};
pub use prepare::{prepare, prepare_alone};
pub use prospect::{Prospect, unfinished};
pub use queue::{Proposer, Waiting};
pub use run_event::{RunEvent, SearchEvent, Summary};
pub use states::{Phase, State, States, states};

use crate::folder::{ExperimentFolder, FileError};
use crate::plan::Plan;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Options of a run.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The folder that holds the experiment folders.
    pub runs: PathBuf,
    /// Number of trials that run in parallel; default: one for each place on a GPU, or without those one per core.
    pub jobs: Option<usize>,
    /// The places of trials on GPUs: the name of the GPU of each. Empty if no trial needs one, or if all may use all.
    pub gpus: Vec<String>,
    /// Worker threads per trial; default: the cores are divided among the parallel trials.
    pub threads: Option<usize>,
    /// Train all trials again from the start, including finished ones.
    pub fresh: bool,
    /// Stop all trials as soon as one fails.
    pub fail_fast: bool,
    /// Retry trials that failed by themselves in an earlier run.
    pub retry_failed: bool,
    /// Kill a trial that makes no progress for this time.
    pub stall_timeout: Option<Duration>,
    /// How long the lock of the experiment is waited for.
    pub lock_patience: Duration,
}

/// Why a plan cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// A file or folder of the experiment cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// Another process holds the lock of an experiment folder or a trial folder.
    #[error(
        "another vaex process holds the lock of {}{}; wait for it, stop it, or choose another folder with --runs",
        folder.display(),
        holder.as_ref().map_or_else(String::new, |holder| format!(": {holder}"))
    )]
    Busy {
        /// The folder.
        folder: PathBuf,
        /// The process that holds the lock; `None` if unknown.
        holder: Option<Holder>,
    },
    /// A scheduler's command cannot be run, or fails.
    #[error("`{command}` failed: {reason}")]
    Scheduler {
        /// The command.
        command: String,
        /// The reason.
        reason: String,
    },
    /// The file of the vaex program, which starts the trials, cannot be found.
    #[error("cannot find the vaex program, which starts the trials: {0}")]
    Program(std::io::Error),
}

/// The folder of an experiment.
pub fn folder(plan: &Plan, runs: &Path) -> ExperimentFolder {
    ExperimentFolder::of(runs, plan.name())
}
