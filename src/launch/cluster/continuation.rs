//! How a search goes on from a submission: search.json and search.toml in its folder.

use super::Scheduler;
use super::submission::{Line, read_lines};
use crate::folder::{ExperimentFolder, FileError, SubmissionFolder, exists, write_whole};
use serde::{Deserialize, Serialize};
use std::io::ErrorKind;

/// What the tasks of a search need to submit further ones.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Continuation {
    /// The scheduler, with its options.
    pub scheduler: Scheduler,
    /// Worker threads of each task.
    pub threads: usize,
    /// The value of `--stall-timeout`, in seconds.
    pub stall_timeout: Option<u64>,
    /// The number of the submission that a person made.
    pub first: u64,
}

impl Continuation {
    /// That of a submission; `None` if it is not of a search.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(submission: &SubmissionFolder) -> Result<Option<Continuation>, FileError> {
        let path = submission.search();
        match std::fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            bytes => {
                let bytes = bytes.map_err(FileError::at("read", &path))?;
                serde_json::from_slice(&bytes).map(Some).map_err(|error| FileError::at("read", &path)(error.into()))
            }
        }
    }

    /// Writes it, with the spec of the search.
    pub(super) fn write(&self, submission: &SubmissionFolder, spec: &str) -> Result<(), FileError> {
        let path = submission.search();
        let bytes = serde_json::to_vec_pretty(self).map_err(|error| FileError::at("write", &path)(error.into()))?;
        write_whole(&submission.search_spec(), spec.as_bytes())?;
        write_whole(&path, &bytes)
    }
}

/// The continuation of the last submission of a search that a person made, and the folder of that submission.
///
/// # Errors
/// A file of a submission cannot be read.
pub fn last_continuation(experiment: &ExperimentFolder) -> Result<Option<(SubmissionFolder, Continuation)>, FileError> {
    let mut last = None;
    for (number, folder) in experiment.submissions()? {
        let own = Continuation::read(&folder)?.filter(|continuation| continuation.first == number);
        last = own.map(|continuation| (folder, continuation)).or(last);
    }
    Ok(last)
}

/// A trial that was submitted by a search.
#[derive(Clone, Debug)]
pub struct Submitted {
    /// The number of the submission.
    pub number: u64,
    /// The id.
    pub id: String,
    /// The epoch of the rung that it is to reach; `None` for its end.
    pub until: Option<u64>,
}

/// The trials of all submissions of a search, the earliest first.
///
/// # Errors
/// A file of a submission cannot be read.
pub fn submitted(experiment: &ExperimentFolder) -> Result<Vec<Submitted>, FileError> {
    let mut submitted = Vec::new();
    for (number, folder) in experiment.submissions()? {
        let Some(continuation) = Continuation::read(&folder)? else { continue };
        // Slurm gave it no job: the process that submitted it was killed.
        let is_without_job = matches!(continuation.scheduler, Scheduler::Slurm(_)) && !exists(&folder.job())?;
        if !is_without_job {
            let of_line = |Line { id, until }| Submitted { number, id, until };
            submitted.extend(read_lines(&folder)?.into_iter().map(of_line));
        }
    }
    Ok(submitted)
}
