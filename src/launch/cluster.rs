//! Handing a plan's trials to a scheduler: a folder a submission, with the script, the list of its trials, and the logs.
//!
//! The scheduler schedules and the trials' folders are the state: nothing of ours keeps running. A task is `vaex task`
//! with its number in the list.

use super::{Launch, LaunchError, Waiting};
use crate::folder::{self, ExperimentFolder, FileError, SubmissionFolder, TrialFolder, create_folder, write_whole};
use crate::machine::program;
use crate::record::trial::now;
use crate::text::{filled, shell_word};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Digits of the checksum that a copy of the program is named by.
const PROGRAM_DIGITS: usize = 12;

/// Seconds before the time limit at which Slurm tells a task to stop: enough for a step and a checkpoint.
const NOTICE_SECONDS: u64 = 60;

/// A scheduler.
#[derive(Clone, Debug)]
pub enum Scheduler {
    /// Slurm, through sbatch.
    Slurm {
        /// `--partition`.
        partition: Option<String>,
        /// `--time`.
        time: Option<String>,
        /// `--gpus` of a task.
        gpus: Option<u64>,
        /// Tasks at a time.
        max_parallel: Option<usize>,
        /// Further arguments of sbatch.
        arguments: Vec<String>,
    },
    /// Any other, through a template of a shell script that submits.
    Template(String),
}

/// How a submission's tasks run.
#[derive(Clone, Debug)]
pub struct Tasks {
    /// Worker threads of each.
    pub threads: usize,
    /// What `--stall-timeout` says.
    pub stall_timeout: Option<u64>,
}

/// What was submitted.
#[derive(Debug, Serialize, Deserialize)]
pub struct Job {
    /// Whether it was Slurm that took it.
    slurm: bool,
    /// The scheduler's name for it, or all that it said.
    pub job: String,
    /// Trials in it.
    pub trials: usize,
    /// Seconds since 1970.
    submitted: f64,
}

/// A trial in the scheduler's hands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// The job's and the task's number.
    pub name: String,
    /// Whether it has begun.
    pub running: bool,
}

/// A submission's place in an experiment's folder, and what it is to run.
struct Submission<'a> {
    name: &'a str,
    folder: SubmissionFolder,
    count: usize,
    tasks: &'a Tasks,
    program: PathBuf,
}

impl Submission<'_> {
    /// The command of a task, without its number.
    fn task_command(&self) -> String {
        let word = |path: &Path| shell_word(&path.to_string_lossy());
        let Tasks { threads, stall_timeout } = self.tasks;
        let stall = stall_timeout.map(|seconds| format!(" --stall-timeout {seconds}")).unwrap_or_default();
        format!("{} task --threads {threads}{stall} {}", word(&self.program), word(self.folder.path()))
    }

    fn script(&self, scheduler: &Scheduler) -> String {
        match scheduler {
            Scheduler::Slurm { partition, time, gpus, max_parallel, arguments } => {
                let at_a_time = max_parallel.map(|limit| format!("%{limit}")).unwrap_or_default();
                let option =
                    |name: &str, value: &Option<String>| value.as_ref().map(|value| format!("--{name}={value}"));
                let options = [
                    Some(format!("--job-name={}", quoted(&job_name(self.name)))),
                    Some(format!("--array=0-{}{at_a_time}", self.count.saturating_sub(1))),
                    Some(format!("--output={}", quoted(&log_of_each(&self.folder)))),
                    Some("--open-mode=append".to_owned()),
                    Some("--requeue".to_owned()),
                    Some(format!("--signal=B:USR1@{NOTICE_SECONDS}")),
                    Some("--ntasks=1".to_owned()),
                    Some(format!("--cpus-per-task={}", self.tasks.threads)),
                    option("partition", partition),
                    option("time", time),
                    option("gpus", &gpus.map(|gpus| gpus.to_string())),
                ];
                let options = options.into_iter().flatten().chain(arguments.iter().cloned());
                let options: String = options.map(|option| format!("#SBATCH {option}\n")).collect();
                filled(SLURM_SCRIPT, &[("{options}\n", &*options), ("{task}", &*self.task_command())])
            }
            Scheduler::Template(template) => {
                let values = [
                    ("{task}", self.task_command()),
                    ("{count}", self.count.to_string()),
                    ("{last}", self.count.saturating_sub(1).to_string()),
                    ("{name}", shell_word(self.name)),
                    ("{threads}", self.tasks.threads.to_string()),
                    ("{folder}", shell_word(&self.folder.path().to_string_lossy())),
                ];
                filled(template, &values.each_ref().map(|(place, value)| (*place, &**value)))
            }
        }
    }
}

/// The name of an experiment's jobs.
fn job_name(name: &str) -> String {
    format!("vaex {name}")
}

/// Slurm's way of quoting an option's value in a script.
fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The log of each task; Slurm replaces its number, and is to replace nothing else.
fn log_of_each(folder: &SubmissionFolder) -> String {
    let escaped = folder.path().to_string_lossy().replace('%', "%%");
    SubmissionFolder::new(escaped).log("%a").to_string_lossy().into_owned()
}

/// The script of a Slurm job.
const SLURM_SCRIPT: &str = r#"#!/bin/bash
{options}
# Each task trains the trial of its number in trials.txt.
again=
task=
stop() { [ -z "$task" ] || kill -TERM "$task"; }
# The time limit is near: the trial writes a checkpoint, and the task goes back into the queue.
trap 'again=yes; stop' USR1
trap stop TERM INT
{task} --stop-with-parent "$SLURM_ARRAY_TASK_ID" &
task=$!
# A signal ends `wait`, not the task.
while wait "$task"; status=$?; kill -0 "$task" 2>/dev/null; do :; done
if [ -n "$again" ] && [ "$status" -eq 130 ]; then
    scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"
fi
exit "$status"
"#;

/// The script that would be submitted for so many trials.
///
/// # Errors
/// The program's own file cannot be read.
pub fn preview(
    experiment: &ExperimentFolder,
    name: &str,
    count: usize,
    scheduler: &Scheduler,
    tasks: &Tasks,
) -> Result<String, LaunchError> {
    let experiment = experiment.absolute()?;
    let (folder, program) =
        (experiment.next_submission(), copy_of(&program().map_err(LaunchError::Program)?, &experiment)?);
    Ok(Submission { name, folder, count, tasks, program }.script(scheduler))
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

impl Launch<'_> {
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
        let folder = experiment.next_submission();
        create_folder(folder.path())?;
        let program = copy_of(&self.program, &experiment)?;
        keep(&self.program, &program)?;
        let ids: String = self.queue.iter().map(|waiting| format!("{}\n", waiting.trial.id())).collect();
        write_whole(&folder.trials(), ids.as_bytes())?;
        let name = self.queue.front().map_or("", |waiting| waiting.trial.name());
        let submission = Submission { name, folder: folder.clone(), count: self.queue.len(), tasks, program };
        let script = folder.script();
        write_whole(&script, submission.script(scheduler).as_bytes())?;
        let count = submission.count;
        let explain = |error| explained(error, count);
        let slurm = matches!(scheduler, Scheduler::Slurm { .. });
        if slurm && self.queue.iter().any(|waiting| waiting.anew.is_some()) {
            // What is to be trained anew is not removed for a script that Slurm refuses.
            output(Command::new("sbatch").arg("--test-only").arg(&script)).map_err(explain)?;
        }
        self.queue.iter_mut().try_for_each(Waiting::begin)?;
        let said = match slurm {
            true => output(Command::new("sbatch").arg("--parsable").arg(&script)),
            false => output(Command::new("sh").arg(&script)),
        };
        let said = said.map_err(explain)?;
        // `17`, or `17;cluster`.
        let job = if slurm { said.split(';').next().unwrap_or_default().to_owned() } else { said };
        let job = Job { slurm, job, trials: count, submitted: now() };
        let path = folder.job();
        let text =
            serde_json::to_vec_pretty(&job).map_err(std::io::Error::from).map_err(FileError::at("write", &path))?;
        if let Err(error) = write_whole(&path, &text) {
            // A job that nobody knows of could not be cancelled.
            if slurm {
                let _ = output(Command::new("scancel").arg(&job.job));
            }
            return Err(error.into());
        }
        Ok(job)
    }
}

/// Adds what to do to what Slurm says of an array that is too large for it.
fn explained(error: LaunchError, trials: usize) -> LaunchError {
    match error {
        LaunchError::Scheduler { command, reason } if reason.contains("Invalid job array specification") => {
            let most = output(Command::new("scontrol").args(["show", "config"])).unwrap_or_default();
            let most =
                most.lines().find_map(|line| line.strip_prefix("MaxArraySize")?.split('=').nth(1)?.trim().parse().ok());
            let most = most.map(|size: usize| format!(", and this one takes {}", size.saturating_sub(1)));
            let help = format!("the sweep has {trials} trials to run{}", most.unwrap_or_default());
            LaunchError::Scheduler { command, reason: format!("{reason}\n{help}; split the experiment") }
        }
        other => other,
    }
}

/// What a scheduler's command prints.
fn output(command: &mut Command) -> Result<String, LaunchError> {
    let name = command.get_program().to_string_lossy().into_owned();
    let failed = |reason: String| LaunchError::Scheduler { command: name.clone(), reason };
    let output = command.output().map_err(|error| failed(error.to_string()))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(failed(format!("{}: {}", output.status, text(&output.stderr)))),
    }
}

/// The jobs of an experiment that Slurm took, with their trials, by the jobs' ids. What cannot be read of an old one is
/// left out: its trials' locks and records keep them from being trained twice.
fn slurm_jobs(experiment: &ExperimentFolder) -> BTreeMap<String, Vec<String>> {
    let read = |folder: SubmissionFolder| {
        let job: Job = serde_json::from_slice(&std::fs::read(folder.job()).ok()?).ok()?;
        job.slurm.then_some((job.job, read_trials(&folder).ok()?))
    };
    experiment.submissions().into_iter().filter_map(|(_, folder)| read(folder)).collect()
}

fn read_trials(folder: &SubmissionFolder) -> Result<Vec<String>, FileError> {
    let path = folder.trials();
    let text = std::fs::read_to_string(&path).map_err(FileError::at("read", &path))?;
    Ok(text.lines().map(str::to_owned).collect())
}

/// The folder of a task's trial.
///
/// # Errors
/// The list cannot be read, or has no such line.
pub fn trial_folder(submission: &SubmissionFolder, number: usize) -> Result<TrialFolder, FileError> {
    let missing = || {
        let path = submission.trials();
        FileError::at("read", &path)(std::io::Error::other(format!("it has no line for task {number}")))
    };
    let id = read_trials(submission)?.into_iter().nth(number).ok_or_else(missing)?;
    let experiment = submission.experiment().ok_or_else(missing)?;
    experiment.trial(&id).ok_or_else(|| {
        FileError::at("find the folder of", Path::new(&id))(std::io::Error::other(format!(
            "{} has none",
            experiment.path().display()
        )))
    })
}

/// The trials that Slurm has waiting or running, by id; none where nothing was given to Slurm.
///
/// # Errors
/// Slurm cannot be asked.
pub fn active(experiment: &ExperimentFolder, name: &str) -> Result<BTreeMap<String, Task>, LaunchError> {
    let jobs = slurm_jobs(experiment);
    if jobs.is_empty() {
        return Ok(BTreeMap::new());
    }
    let ids = jobs.keys().cloned().collect::<Vec<_>>().join(",");
    let lines = match output(Command::new("squeue").args(["-h", "-r", "-o", "%F %K %T %j", "-j", &ids])) {
        // Of a job that has long ended Slurm knows nothing.
        Err(LaunchError::Scheduler { reason, .. }) if reason.contains("Invalid job id") => String::new(),
        lines => lines?,
    };
    let mut active = BTreeMap::new();
    for line in lines.lines() {
        let mut fields = line.splitn(4, ' ');
        let [Some(job), Some(number), Some(state), Some(job_of)] = std::array::from_fn(|_| fields.next()) else {
            continue;
        };
        let trial = jobs.get(job).and_then(|trials| trials.get(number.parse::<usize>().ok()?));
        // Slurm's numbers begin anew at some time.
        if let Some(id) = trial.filter(|_| job_of == job_name(name)) {
            let begun = ["RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT"];
            active.insert(id.clone(), Task { name: format!("{job}_{number}"), running: begun.contains(&state) });
        }
    }
    Ok(active)
}

/// Ends the jobs of an experiment that Slurm has waiting or running; their names.
///
/// # Errors
/// Slurm cannot be asked, or does not end them.
pub fn cancel(experiment: &ExperimentFolder, name: &str) -> Result<BTreeSet<String>, LaunchError> {
    let tasks = active(experiment, name)?.into_values();
    let jobs: BTreeSet<String> = tasks.filter_map(|task| Some(task.name.rsplit_once('_')?.0.to_owned())).collect();
    for job in &jobs {
        output(Command::new("scancel").arg(job))?;
    }
    Ok(jobs)
}
