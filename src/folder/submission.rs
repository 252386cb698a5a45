//! The folder of a submission to a scheduler, and the names of its files.

use super::ExperimentFolder;
use std::path::{Path, PathBuf};

/// The folder of one submission, in the experiment folder. It need not exist.
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

    /// The ids of its trials, one per line. The number of a task is the number of its line, counted from 0.
    pub fn trials(&self) -> PathBuf {
        self.path.join("trials.txt")
    }

    /// The scheduler's answer.
    pub fn job(&self) -> PathBuf {
        self.path.join("job.json")
    }

    /// The log of a task, given by its number or by a placeholder that the scheduler replaces by the number.
    pub fn log(&self, task: &str) -> PathBuf {
        self.path.join(format!("{task}.log"))
    }

    /// The experiment folder; `None` if the path has no such parent.
    pub fn experiment(&self) -> Option<ExperimentFolder> {
        Some(ExperimentFolder::new(self.path.parent()?.parent()?))
    }
}
