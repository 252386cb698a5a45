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

    /// Its number; `None` if its name is not one.
    pub fn number(&self) -> Option<u64> {
        self.path.file_name()?.to_str()?.parse().ok()
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The submitted script.
    pub fn script(&self) -> PathBuf {
        self.path.join("script.sh")
    }

    /// The ids of its trials, one per line, in a search followed by the epoch after which the trial pauses. The number of a task is the
    /// number of its line, counted from 0.
    pub fn trials(&self) -> PathBuf {
        self.path.join("trials.txt")
    }

    /// The list of options with which a search submits further trials; it exists only for a search.
    pub fn search(&self) -> PathBuf {
        self.path.join("search.json")
    }

    /// The spec of a search.
    pub fn search_spec(&self) -> PathBuf {
        self.path.join("search.toml")
    }

    /// The script that submits what follows when all tasks of a search have ended.
    pub fn after(&self) -> PathBuf {
        self.path.join("after.sh")
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
