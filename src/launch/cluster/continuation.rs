//! How a search goes on from a submission: search.json and search.toml in its folder.

use super::Scheduler;
use super::submission::read_lines;
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

/// How often each trial was submitted for each rung, since a submission.
///
/// # Errors
/// A list of trials cannot be read.
pub fn attempts(
    experiment: &ExperimentFolder,
    first: u64,
) -> Result<BTreeMap<(String, Option<u64>), usize>, FileError> {
    let mut attempts = BTreeMap::new();
    for (_, folder) in experiment.submissions()?.into_iter().filter(|(number, _)| *number >= first) {
        for line in read_lines(&folder)? {
            *attempts.entry((line.id, line.until)).or_default() += 1;
        }
    }
    Ok(attempts)
}
