//! A submission: its folder, the command of its tasks, and its trials.

use super::Tasks;
use crate::folder::{FileError, SubmissionFolder, TrialFolder};
use crate::text::shell_word;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A submission: its folder, and what its tasks run.
pub(super) struct Submission<'a> {
    pub(super) name: &'a str,
    pub(super) folder: SubmissionFolder,
    /// Number of trials.
    pub(super) count: usize,
    pub(super) tasks: &'a Tasks,
    pub(super) program: PathBuf,
}

impl Submission<'_> {
    /// The command of a task, without the task number.
    pub(super) fn task_command(&self) -> String {
        let word = |path: &Path| shell_word(&path.to_string_lossy());
        let Tasks { threads, stall_timeout, evaluation } = self.tasks;
        let stall = stall_timeout.map_or_else(String::new, |seconds| format!(" --stall-timeout {seconds}"));
        let word_of = |option: &OsString| format!(" {}", shell_word(&option.to_string_lossy()));
        let evaluation = evaluation.as_ref().map_or_else(String::new, |options| {
            format!(" --evaluate{}", options.iter().map(word_of).collect::<String>())
        });
        format!("{} task --threads {threads}{stall}{evaluation} {}", word(&self.program), word(self.folder.path()))
    }
}

/// The ids of a submission's trials, in the order of its tasks.
pub(super) fn read_trials(folder: &SubmissionFolder) -> Result<Vec<String>, FileError> {
    let path = folder.trials();
    let text = std::fs::read_to_string(&path).map_err(FileError::at("read", &path))?;
    Ok(text.lines().map(str::to_owned).collect())
}

/// The folder of the trial of a task.
///
/// # Errors
/// The list cannot be read or has no such line, or the trial has no folder.
pub fn trial_folder(submission: &SubmissionFolder, number: usize) -> Result<TrialFolder, FileError> {
    let missing = || {
        let path = submission.trials();
        FileError::at("read", &path)(std::io::Error::other(format!("it has no line for task {number}")))
    };
    let id = read_trials(submission)?.into_iter().nth(number).ok_or_else(missing)?;
    let experiment = submission.experiment().ok_or_else(missing)?;
    experiment.trial(&id)?.ok_or_else(|| {
        FileError::at("find the folder of trial", Path::new(&id))(std::io::Error::other(format!(
            "{} does not contain it",
            experiment.path().display()
        )))
    })
}
