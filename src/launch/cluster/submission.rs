//! Submissions: their folder, the copy of the program that their tasks run, and submitting them.

use super::{Job, Scheduler, Tasks, slurm, template};
use crate::folder::{self, ExperimentFolder, FileError, SubmissionFolder, TrialFolder, create_folder, write_whole};
use crate::launch::{Launch, LaunchError, Waiting};
use crate::machine::program;
use crate::record::trial::now;
use crate::text::shell_word;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Number of checksum digits in the name of a copy of the program.
const PROGRAM_DIGITS: usize = 12;

/// A submission: its folder, and what its tasks run.
pub(super) struct Submission<'a> {
    pub(super) name: &'a str,
    pub(super) folder: SubmissionFolder,
    /// Number of trials.
    pub(super) count: usize,
    pub(super) tasks: &'a Tasks,
    program: PathBuf,
}

impl Submission<'_> {
    /// The command of a task, without the task number.
    pub(super) fn task_command(&self) -> String {
        let word = |path: &Path| shell_word(&path.to_string_lossy());
        let Tasks { threads, stall_timeout } = self.tasks;
        let stall = stall_timeout.map_or_else(String::new, |seconds| format!(" --stall-timeout {seconds}"));
        format!("{} task --threads {threads}{stall} {}", word(&self.program), word(self.folder.path()))
    }

    fn script(&self, scheduler: &Scheduler) -> String {
        match scheduler {
            Scheduler::Slurm(options) => slurm::script(options, self),
            Scheduler::Template(text) => template::script(text, self),
        }
    }
}

/// The script that would be submitted for `count` trials.
///
/// # Errors
/// The file of the program or the folder of the submissions cannot be read.
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
    Ok(Submission { name, folder, count, tasks, program }.script(scheduler))
}

/// The path of the copy of the program that the tasks run. It is named by its checksum, so that the build that planned the
/// trials also trains them, even if another build replaces the program before the tasks start.
fn copy_of(program: &Path, experiment: &ExperimentFolder) -> Result<PathBuf, FileError> {
    let content = File::open(program).and_then(folder::checksum).map_err(FileError::at("read", program))?;
    Ok(experiment.program(&content.0[..PROGRAM_DIGITS]))
}

/// Copies the program atomically, unless an earlier submission has copied it.
fn copy_program(program: &Path, copy: &Path) -> Result<(), FileError> {
    // The name has the first digits of the checksum, so a damaged copy is detected and replaced.
    let is_sound = |(checksum, _): &(String, u64)| copy.to_string_lossy().ends_with(&checksum[..PROGRAM_DIGITS]);
    if File::open(copy).and_then(folder::checksum).is_ok_and(|found| is_sound(&found)) {
        return Ok(());
    }
    let folder = copy.parent().unwrap_or(Path::new("."));
    folder::remove_leftovers(folder)?;
    let attempt = || -> std::io::Result<()> {
        let temporary = folder::temporary(folder)?.into_temp_path();
        // `copy` also copies the permission to execute.
        std::fs::copy(program, &temporary)?;
        File::open(&temporary)?.sync_all()?;
        temporary.persist(copy).map_err(|error| error.error)
    };
    attempt().map_err(FileError::at("write", copy))
}

impl<'p> Launch<'p> {
    /// Submits the unfinished trials to a scheduler.
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
        copy_program(&self.program, &program)?;
        // A scheduler needs a fixed list: the trials that can be proposed without results of other trials.
        let mut waiting: Vec<Waiting<'p>> = std::iter::from_fn(|| self.source.propose()).collect();
        let ids: String = waiting.iter().map(|waiting| format!("{}\n", waiting.trial.id())).collect();
        write_whole(&folder.trials(), ids.as_bytes())?;
        let name = waiting.first().map_or("", |waiting| waiting.trial.name()).to_owned();
        let count = waiting.len();
        let submission = Submission { name: &name, folder: folder.clone(), count, tasks, program };
        let script = folder.script();
        write_whole(&script, submission.script(scheduler).as_bytes())?;
        let slurm = matches!(scheduler, Scheduler::Slurm(_));
        if slurm && waiting.iter().any(|waiting| waiting.fresh_record.is_some()) {
            // With --fresh, old results are removed only if Slurm accepts the script.
            slurm::test(&script, count)?;
        }
        waiting.iter_mut().try_for_each(Waiting::prepare_folder)?;
        let job = if slurm { slurm::submit(&script, count)? } else { template::submit(&script)? };
        let job = Job { slurm, job, trials: count, submitted: now() };
        let path = folder.job();
        let text =
            serde_json::to_vec_pretty(&job).map_err(std::io::Error::from).map_err(FileError::at("write", &path))?;
        if let Err(error) = write_whole(&path, &text) {
            // Without its file, `vaex cancel` could not find the job, so it is cancelled now. The first error is returned.
            if slurm {
                let _ = slurm::cancel_job(&job.job);
            }
            return Err(error.into());
        }
        Ok(job)
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
