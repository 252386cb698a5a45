//! Handing a plan's trials to a scheduler: a folder a submission, with the script, the list of its trials, and the logs.
//!
//! The scheduler schedules and the trials' folders are the state: nothing of ours keeps running. A task is `vaex task`
//! with its number in the list.

mod slurm;
mod submission;
mod submit;
mod template;

pub use slurm::{SlurmOptions, active, cancel};
pub use submission::trial_folder;
pub use submit::preview;

use super::LaunchError;
use serde::{Deserialize, Serialize};
use std::process::Command;

/// A scheduler.
#[derive(Clone, Debug)]
pub enum Scheduler {
    /// Slurm, through sbatch.
    Slurm(SlurmOptions),
    /// Any other, through a template of a shell script that submits.
    Template(String),
}

/// How a submission's tasks run.
#[derive(Clone, Debug)]
pub struct Tasks {
    /// Worker threads of each.
    pub threads: usize,
    /// What `--stall-timeout` says.
    pub stall_timeout: Option<u64>,
}

/// What was submitted.
#[derive(Debug, Serialize, Deserialize)]
pub struct Job {
    /// Whether it was Slurm that took it.
    slurm: bool,
    /// The scheduler's name for it, or all that it said.
    pub job: String,
    /// Trials in it.
    pub trials: usize,
    /// Seconds since 1970.
    submitted: f64,
}

/// A trial in the scheduler's hands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// The job's and the task's number.
    pub name: String,
    /// Whether it has begun.
    pub running: bool,
}

/// What a scheduler's command prints.
fn output(command: &mut Command) -> Result<String, LaunchError> {
    let name = command.get_program().to_string_lossy().into_owned();
    let failed = |reason: String| LaunchError::Scheduler { command: name.clone(), reason };
    let output = command.output().map_err(|error| failed(error.to_string()))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(failed(format!("{}: {}", output.status, text(&output.stderr)))),
    }
}
