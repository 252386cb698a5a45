//! Hands a submission to its scheduler, with a copy of the program that its tasks run.

use super::continuation::Continuation;
use super::submission::Submission;
use super::{Job, Scheduler, Tasks, slurm, user_template};
use crate::folder::{self, ExperimentFolder, FileError, create_folder, write_whole};
use crate::launch::{Launch, LaunchError, Waiting};
use crate::machine::program;
use crate::record::trial::now;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Number of checksum digits in the name of a copy of the program.
const PROGRAM_DIGITS: usize = 12;

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
    Ok(script(scheduler, &Submission { name, folder, count, tasks, program }))
}

/// The script of a submission.
fn script(scheduler: &Scheduler, submission: &Submission<'_>) -> String {
    match scheduler {
        Scheduler::Slurm(options) => slurm::script(options, submission),
        Scheduler::Template(text) => user_template::script(text, submission),
    }
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

/// Trials to hand to a scheduler.
struct Handed<'a> {
    /// The experiment's name.
    name: &'a str,
    /// The lines of the list: ids, in a search with the epoch after which a trial pauses.
    lines: Vec<String>,
    /// The spec of a search, and the number of the submission that a person made; `None` for this one.
    search: Option<(&'a str, Option<u64>)>,
    /// Whether old results are removed: then only if Slurm accepts the script.
    replaces_results: bool,
}

/// Writes a submission and hands it to its scheduler. `prepare` is called before the first task can start.
fn submit(
    (experiment, program): (&ExperimentFolder, &Path),
    scheduler: &Scheduler,
    tasks: &Tasks,
    Handed { name, lines, search, replaces_results }: Handed<'_>,
    prepare: impl FnOnce() -> Result<(), LaunchError>,
) -> Result<Job, LaunchError> {
    let experiment = experiment.absolute()?;
    let folder = experiment.next_submission()?;
    create_folder(folder.path())?;
    let copy = copy_of(program, &experiment)?;
    copy_program(program, &copy)?;
    let count = lines.len();
    let list: String = lines.into_iter().map(|line| line + "\n").collect();
    write_whole(&folder.trials(), list.as_bytes())?;
    let is_search = search.is_some();
    if let Some((spec, first)) = search {
        let first = first.or(folder.number()).unwrap_or_default();
        let Tasks { threads, stall_timeout, .. } = *tasks;
        Continuation { scheduler: scheduler.clone(), threads, stall_timeout, first }.write(&folder, spec)?;
    }
    let submission = Submission { name, folder: folder.clone(), count, tasks, program: copy };
    let job = hand_over(&submission, scheduler, (is_search, replaces_results), prepare);
    if job.is_err() && is_search {
        // The scheduler has no task of it: its trials were not submitted.
        let _ = std::fs::remove_file(folder.search());
    }
    job
}

/// Writes the script of a submission and hands it to the scheduler.
fn hand_over(
    submission: &Submission<'_>,
    scheduler: &Scheduler,
    (is_search, replaces_results): (bool, bool),
    prepare: impl FnOnce() -> Result<(), LaunchError>,
) -> Result<Job, LaunchError> {
    let (folder, count) = (&submission.folder, submission.count);
    let path_of_script = folder.script();
    write_whole(&path_of_script, script(scheduler, submission).as_bytes())?;
    let slurm = matches!(scheduler, Scheduler::Slurm(_));
    if slurm && replaces_results {
        slurm::test(&path_of_script, count)?;
    }
    prepare()?;
    // Before the first task can start.
    let submitted = now();
    let job = if slurm { slurm::submit(&path_of_script, count)? } else { user_template::submit(&path_of_script)? };
    let mut job = Job { slurm, job, trials: count, after: None, submitted };
    let rest = job.write(folder).map_err(LaunchError::from).and_then(|()| {
        if let Scheduler::Slurm(options) = scheduler
            && is_search
        {
            write_whole(&folder.after(), slurm::script_after(options, submission, &job.job).as_bytes())?;
            job.after = Some(slurm::submit(&folder.after(), 1)?);
            job.write(folder)?;
        }
        Ok(())
    });
    if let Err(error) = rest {
        // Without its file, `vaex cancel` could not find the job, so it is cancelled now. The first error is returned.
        for job in job.after.iter().chain([&job.job]).filter(|_| slurm) {
            let _ = slurm::cancel_job(job);
        }
        return Err(error);
    }
    Ok(job)
}

/// Submits the evaluation of trials that are done.
///
/// # Errors
/// A file cannot be written, or the scheduler refuses.
pub fn submit_evaluations(
    experiment: &ExperimentFolder,
    name: &str,
    ids: Vec<String>,
    scheduler: &Scheduler,
    tasks: &Tasks,
) -> Result<Job, LaunchError> {
    let program = program().map_err(LaunchError::Program)?;
    let handed = Handed { name, lines: ids, search: None, replaces_results: false };
    submit((experiment, &program), scheduler, tasks, handed, || Ok(()))
}

impl<'p> Launch<'p> {
    /// Submits the unfinished trials to a scheduler; `None` if there are none. Of a search, `first` is the number of the submission
    /// that a person made, if it is not this one.
    ///
    /// # Errors
    /// A file cannot be written, or the scheduler refuses.
    pub fn submit(
        &mut self,
        experiment: &ExperimentFolder,
        scheduler: &Scheduler,
        tasks: &Tasks,
        first: Option<u64>,
    ) -> Result<Option<Job>, LaunchError> {
        // A scheduler needs a fixed list: the trials that can be proposed without results of other trials.
        let mut waiting: Vec<Waiting<'p>> = Vec::new();
        loop {
            match self.source.propose() {
                Some(one) => {
                    // None waits for a shorter trial: a task continues what is there when it starts.
                    self.source.handed_over(&one.trial);
                    waiting.push(one);
                }
                None if self.source.is_at_work() => {}
                None => break,
            }
        }
        if waiting.is_empty() {
            return Ok(None);
        }
        let name = waiting.first().map_or("", |waiting| waiting.trial.name()).to_owned();
        let line = |one: &Waiting<'_>| {
            let until = one.until.map(|until| format!(" {until}")).unwrap_or_default();
            format!("{}{until}", one.trial.id())
        };
        let lines = waiting.iter().map(line).collect();
        let search = self.search.map(|search| (search.standalone(), first));
        let replaces_results = waiting.iter().any(|waiting| waiting.fresh_record.is_some());
        let handed = Handed { name: &name, lines, search, replaces_results };
        // The script of another scheduler may run its tasks itself, and each of them plans what follows.
        let is_template = matches!(scheduler, Scheduler::Template(_));
        let lock = Some(&mut self.lock).filter(|_| is_template && self.search.is_some());
        let prepare = || -> Result<(), LaunchError> {
            // All are locked before the first one is emptied.
            let _locks = waiting.iter().map(Waiting::lock_results).collect::<Result<Vec<_>, _>>()?;
            waiting.iter_mut().try_for_each(Waiting::prepare_folder)?;
            lock.into_iter().for_each(|lock| drop(lock.take()));
            Ok(())
        };
        submit((experiment, &self.program), scheduler, tasks, handed, prepare).map(Some)
    }
}
