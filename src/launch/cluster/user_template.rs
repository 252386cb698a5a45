//! Schedulers other than Slurm: a submission script, from a template of the user.

use super::output;
use super::submission::Submission;
use crate::launch::LaunchError;
use crate::text::{filled, shell_word};
use std::path::Path;
use std::process::Command;

/// The script of a submission.
pub(super) fn script(template: &str, submission: &Submission<'_>) -> String {
    let values = [
        ("{task}", submission.task_command()),
        ("{count}", submission.count.to_string()),
        ("{last}", submission.count.saturating_sub(1).to_string()),
        ("{name}", shell_word(submission.name)),
        ("{threads}", submission.tasks.threads.to_string()),
        ("{folder}", shell_word(&submission.folder.path().to_string_lossy())),
    ];
    filled(template, &values.each_ref().map(|(name, value)| (*name, &**value)))
}

/// Runs a submission script and returns its output.
pub(super) fn submit(script: &Path) -> Result<String, LaunchError> {
    output(Command::new("sh").arg(script))
}
