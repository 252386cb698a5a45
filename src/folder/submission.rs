//! The folder of a submission to a scheduler and the names of its files.

use super::ExperimentFolder;
use std::path::{Path, PathBuf};

/// The folder of one submission, in its experiment's folder. It may not be there yet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SubmissionFolder {
    path: PathBuf,
}

impl SubmissionFolder {
    /// The folder at a path.
    pub fn new(path: impl Into<PathBuf>) -> SubmissionFolder {
        SubmissionFolder { path: path.into() }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The submitted script.
    pub fn script(&self) -> PathBuf {
        self.path.join("script.sh")
    }

    /// The ids of its trials, a line each: a task's number is that of its line, from 0.
    pub fn trials(&self) -> PathBuf {
        self.path.join("trials.txt")
    }

    /// What the scheduler said.
    pub fn job(&self) -> PathBuf {
        self.path.join("job.json")
    }

    /// The log of a task by its number, or by what a scheduler replaces with it.
    pub fn log(&self, task: &str) -> PathBuf {
        self.path.join(format!("{task}.log"))
    }

    /// The experiment's folder; `None` if this path has no such parent.
    pub fn experiment(&self) -> Option<ExperimentFolder> {
        Some(ExperimentFolder::new(self.path.parent()?.parent()?))
    }
}
