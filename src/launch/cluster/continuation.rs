//! How a search goes on from a submission: search.json and search.toml in its folder.

use super::Scheduler;
use super::submission::{Line, read_lines};
use crate::folder::{ExperimentFolder, FileError, SubmissionFolder, write_whole};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
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
    /// When the processes of trials had ended before the submission, in seconds since 1970, by id.
    pub ended_before: BTreeMap<String, f64>,
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

/// A trial that was submitted by a search.
#[derive(Clone, Debug)]
pub struct Submitted {
    /// The number of the submission.
    pub number: u64,
    /// The id.
    pub id: String,
    /// The epoch of the rung that it is to reach; `None` for its end.
    pub until: Option<u64>,
    /// When its process ended before the submission, in seconds since 1970.
    pub ended_before: Option<f64>,
}

/// The trials of all submissions of a search, the earliest first.
///
/// # Errors
/// A file of a submission cannot be read.
pub fn submitted(experiment: &ExperimentFolder) -> Result<Vec<Submitted>, FileError> {
    let mut submitted = Vec::new();
    for (number, folder) in experiment.submissions()? {
        let Some(continuation) = Continuation::read(&folder)? else { continue };
        let of_line = |Line { id, until }| {
            let ended_before = continuation.ended_before.get(&id).copied();
            Submitted { number, id, until, ended_before }
        };
        submitted.extend(read_lines(&folder)?.into_iter().map(of_line));
    }
    Ok(submitted)
}
