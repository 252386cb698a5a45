//! Hands a submission to its scheduler, with a copy of the program that its tasks run.

use super::submission::Submission;
use super::{Job, Scheduler, Tasks, slurm, template};
use crate::folder::{self, ExperimentFolder, FileError, create_folder, write_whole};
use crate::launch::{Launch, LaunchError, Waiting};
use crate::machine::program;
use crate::record::trial::now;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Digits of the checksum that a copy of the program is named by.
const PROGRAM_DIGITS: usize = 12;

/// The script that would be submitted for so many trials.
///
/// # Errors
/// The program's own file or the submissions before cannot be read.
pub fn preview(
    experiment: &ExperimentFolder,
    name: &str,
    count: usize,
    scheduler: &Scheduler,
    tasks: &Tasks,
) -> Result<String, LaunchError> {
    let experiment = experiment.absolute()?;
    let program = copy_of(&program().map_err(LaunchError::Program)?, &experiment)?;
    let folder = experiment.next_submission()?;
    Ok(script(scheduler, &Submission { name, folder, count, tasks, program }))
}

/// The script of a submission.
fn script(scheduler: &Scheduler, submission: &Submission<'_>) -> String {
    match scheduler {
        Scheduler::Slurm(options) => slurm::script(options, submission),
        Scheduler::Template(text) => template::script(text, submission),
    }
}

/// Where a submission's tasks find the program: a copy, named by its content, so that they are trained by the build that
/// planned them, whatever takes its place before they begin.
fn copy_of(program: &Path, experiment: &ExperimentFolder) -> Result<PathBuf, FileError> {
    let content = File::open(program).and_then(folder::checksum).map_err(FileError::at("read", program))?;
    Ok(experiment.program(&content.0[..PROGRAM_DIGITS]))
}

/// Copies the program, unless an earlier submission has; whole or not at all.
fn keep(program: &Path, copy: &Path) -> Result<(), FileError> {
    // Its name is its checksum's beginning: a copy that is damaged is made again.
    let is_sound = |(checksum, _): &(String, u64)| copy.to_string_lossy().ends_with(&checksum[..PROGRAM_DIGITS]);
    if File::open(copy).and_then(folder::checksum).is_ok_and(|found| is_sound(&found)) {
        return Ok(());
    }
    let folder = copy.parent().unwrap_or(Path::new("."));
    folder::remove_leftovers(folder)?;
    let attempt = || -> std::io::Result<()> {
        let temporary = folder::temporary(folder)?.into_temp_path();
        // With its permission to be run.
        std::fs::copy(program, &temporary)?;
        File::open(&temporary)?.sync_all()?;
        temporary.persist(copy).map_err(|error| error.error)
    };
    attempt().map_err(FileError::at("write", copy))
}

impl<'p> Launch<'p> {
    /// Hands what is not finished to a scheduler.
    ///
    /// # Errors
    /// A file cannot be written, or the scheduler refuses.
    pub fn submit(
        &mut self,
        experiment: &ExperimentFolder,
        scheduler: &Scheduler,
        tasks: &Tasks,
    ) -> Result<Job, LaunchError> {
        let experiment = experiment.absolute()?;
        let folder = experiment.next_submission()?;
        create_folder(folder.path())?;
        let program = copy_of(&self.program, &experiment)?;
        keep(&self.program, &program)?;
        // A scheduler takes a list: what is proposed without a result of another.
        let mut waiting: Vec<Waiting<'p>> = std::iter::from_fn(|| self.source.propose()).collect();
        let ids: String = waiting.iter().map(|waiting| format!("{}\n", waiting.trial.id())).collect();
        write_whole(&folder.trials(), ids.as_bytes())?;
        let name = waiting.first().map_or("", |waiting| waiting.trial.name()).to_owned();
        let count = waiting.len();
        let submission = Submission { name: &name, folder: folder.clone(), count, tasks, program };
        let text = script(scheduler, &submission);
        let script = folder.script();
        write_whole(&script, text.as_bytes())?;
        let slurm = matches!(scheduler, Scheduler::Slurm(_));
        if slurm && waiting.iter().any(|waiting| waiting.anew.is_some()) {
            // What is to be trained anew is not removed for a script that Slurm refuses.
            slurm::test(&script, count)?;
        }
        waiting.iter_mut().try_for_each(Waiting::begin)?;
        let job = if slurm { slurm::submit(&script, count)? } else { template::submit(&script)? };
        let job = Job { slurm, job, trials: count, submitted: now() };
        let path = folder.job();
        let text =
            serde_json::to_vec_pretty(&job).map_err(std::io::Error::from).map_err(FileError::at("write", &path))?;
        if let Err(error) = write_whole(&path, &text) {
            // A job that nobody knows of could not be cancelled. The first error is the one to tell.
            if slurm {
                let _ = slurm::end(&job.job);
            }
            return Err(error.into());
        }
        Ok(job)
    }
}
