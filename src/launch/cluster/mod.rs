//! Submitting the trials of a plan to a scheduler. Each submission has a folder with its script, its list of trials and
//! its logs.
//!
//! The scheduler starts the tasks, and the trial folders hold the state, so no process of vaex keeps running. A task runs
//! `vaex task` with the number of its trial in the list.

mod continuation;
mod slurm;
mod submission;
mod submit;
mod user_template;

pub use continuation::{Continuation, Submitted, last_continuation, submitted};
pub use slurm::{SlurmOptions, active, cancel, is_watched};
pub use submission::trial_folder;
pub use submit::{preview, submit_evaluations};

use super::LaunchError;
use crate::folder::{FileError, SubmissionFolder, write_whole};
use crate::text::counted;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::process::Command;

/// A kind of scheduler.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Scheduler {
    /// Slurm, with sbatch.
    Slurm(SlurmOptions),
    /// Any other scheduler: the template of a shell script that submits the trials.
    Template(String),
}

/// How the tasks of a submission run.
#[derive(Clone, Debug)]
pub struct Tasks {
    /// Worker threads of each task.
    pub threads: usize,
    /// The value of `--stall-timeout`, in seconds.
    pub stall_timeout: Option<u64>,
    /// The options of `vaex evaluate`, if the tasks evaluate trials that are done instead of training them.
    pub evaluation: Option<Vec<OsString>>,
}

/// A submitted job.
#[derive(Debug, Serialize, Deserialize)]
pub struct Job {
    /// Whether it was submitted to Slurm.
    slurm: bool,
    /// Its id in Slurm; for other schedulers, the output of the script, which may be empty.
    pub job: String,
    /// Number of trials.
    pub trials: usize,
    /// The job in Slurm that submits what follows in a search when all tasks have ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Time of the submission, in seconds since 1970.
    pub submitted: f64,
}

impl Job {
    /// What was submitted, on one line.
    pub fn line(&self) -> String {
        let (trials, id) = (counted(self.trials, "trial"), self.job.lines().next().unwrap_or_default());
        if id.is_empty() { format!("{trials} submitted") } else { format!("{trials} submitted as {id}") }
    }

    /// Writes it to the folder of its submission.
    fn write(&self, folder: &SubmissionFolder) -> Result<(), FileError> {
        let path = folder.job();
        let text = serde_json::to_vec_pretty(self).map_err(|error| FileError::at("write", &path)(error.into()))?;
        write_whole(&path, &text)
    }
}

/// The scheduler's task of a trial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// The job id and the task number, `17_0`.
    pub name: String,
    /// Whether it has started.
    pub running: bool,
}

/// Runs a command of a scheduler and returns its output.
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
