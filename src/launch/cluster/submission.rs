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
        let Tasks { threads, stall_timeout, evaluation } = self.tasks;
        let stall = stall_timeout.map_or_else(String::new, |seconds| format!(" --stall-timeout {seconds}"));
        let word_of = |option: &OsString| format!(" {}", shell_word(&option.to_string_lossy()));
        let evaluation = evaluation.as_ref().map_or_else(String::new, |options| {
            format!(" --evaluate{}", options.iter().map(word_of).collect::<String>())
        });
        self.command(&format!("--threads {threads}{stall}{evaluation}"))
    }

    /// The command that submits what follows in a search.
    pub(super) fn advance_command(&self) -> String {
        self.command("--advance")
    }

    fn command(&self, options: &str) -> String {
        let [program, folder] =
            [&self.program, self.folder.path()].map(|path: &Path| shell_word(&path.to_string_lossy()));
        format!("{program} task {options} {folder}")
    }
}

/// A trial of a submission.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) id: String,
    /// The epoch after which it pauses.
    pub(super) until: Option<u64>,
}

/// The trials of a submission, in the order of its tasks.
pub(super) fn read_lines(folder: &SubmissionFolder) -> Result<Vec<Line>, FileError> {
    let path = folder.trials();
    let text = std::fs::read_to_string(&path).map_err(FileError::at("read", &path))?;
    let line = |line: &str| {
        let (id, until) = line.split_once(' ').map_or((line, None), |(id, until)| (id, until.parse().ok()));
        Line { id: id.to_owned(), until }
    };
    Ok(text.lines().map(line).collect())
}

/// The ids of a submission's trials, in the order of its tasks.
pub(super) fn read_trials(folder: &SubmissionFolder) -> Result<Vec<String>, FileError> {
    Ok(read_lines(folder)?.into_iter().map(|line| line.id).collect())
}

/// The folder of the trial of a task, and the epoch after which it pauses.
///
/// # Errors
/// The list cannot be read or has no such line, or the trial has no folder.
pub fn trial_folder(submission: &SubmissionFolder, number: usize) -> Result<(TrialFolder, Option<u64>), FileError> {
    let missing = || {
        let path = submission.trials();
        FileError::at("read", &path)(std::io::Error::other(format!("it has no line for task {number}")))
    };
    let Line { id, until } = read_lines(submission)?.into_iter().nth(number).ok_or_else(missing)?;
    let experiment = submission.experiment().ok_or_else(missing)?;
    let folder = experiment.trial(&id)?.ok_or_else(|| {
        FileError::at("find the folder of trial", Path::new(&id))(std::io::Error::other(format!(
            "{} does not contain it",
            experiment.path().display()
        )))
    })?;
    Ok((folder, until))
}
