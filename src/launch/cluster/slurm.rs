//! Slurm: the script of a job array, and querying and cancelling the jobs of an experiment.

use super::submission::{Submission, read_trials};
use super::{Job, Task, output};
use crate::folder::{ExperimentFolder, FileError, SubmissionFolder};
use crate::launch::LaunchError;
use crate::text::filled;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

/// How many seconds before the time limit Slurm signals a task to stop: enough for a step and a checkpoint.
const NOTICE_SECONDS: u64 = 60;

/// Options of sbatch.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SlurmOptions {
    /// `--partition`.
    pub partition: Option<String>,
    /// `--time`.
    pub time: Option<String>,
    /// `--gpus` of a task.
    pub gpus: Option<u64>,
    /// Maximum number of tasks that run in parallel.
    pub max_parallel: Option<usize>,
    /// Additional arguments of sbatch.
    pub arguments: Vec<String>,
}

/// The script of a submission.
pub(super) fn script(options: &SlurmOptions, submission: &Submission<'_>) -> String {
    let SlurmOptions { partition, time, gpus, max_parallel, arguments } = options;
    let last = submission.count.saturating_sub(1);
    let array = max_parallel.map_or_else(|| format!("0-{last}"), |limit| format!("0-{last}%{limit}"));
    let options = [
        Some(format!("--job-name={}", quoted(&job_name(submission.name)))),
        Some(format!("--array={array}")),
        Some(format!("--output={}", quoted(&log(&submission.folder, "%a")))),
        Some("--open-mode=append".to_owned()),
        Some("--requeue".to_owned()),
        Some(format!("--signal=B:USR1@{NOTICE_SECONDS}")),
        Some("--ntasks=1".to_owned()),
        Some(format!("--cpus-per-task={}", submission.tasks.threads)),
        option("partition", partition.as_ref()),
        option("time", time.as_ref()),
        option("gpus", gpus.map(|gpus| gpus.to_string()).as_ref()),
    ];
    let options = directives(options.into_iter().flatten().chain(arguments.iter().cloned()));
    filled(SCRIPT, &[("{options}\n", &*options), ("{task}", &*submission.task_command())])
}

/// The script of the job that submits what follows in a search when all tasks of a job have ended, in whatever way.
pub(super) fn script_after(options: &SlurmOptions, submission: &Submission<'_>, job: &str) -> String {
    let SlurmOptions { partition, time, arguments, .. } = options;
    let given = [option("partition", partition.as_ref()), option("time", time.as_ref())];
    // Of options that are given twice, the last one counts: it must wait for the job, whatever the job waits for.
    let own = [
        format!("--job-name={}", quoted(&job_name(submission.name))),
        format!("--output={}", quoted(&log(&submission.folder, "after"))),
        format!("--dependency=afterany:{job}"),
        "--ntasks=1".to_owned(),
        "--cpus-per-task=1".to_owned(),
    ];
    let options = directives(given.into_iter().flatten().chain(arguments.iter().cloned()).chain(own));
    format!("#!/bin/bash\n{options}exec {}\n", submission.advance_command())
}

/// The name of an experiment's jobs.
fn job_name(name: &str) -> String {
    format!("vaex {name}")
}

/// Quotes the value of an option in an sbatch script.
fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

/// An option of sbatch, if it is given.
fn option(name: &str, value: Option<&String>) -> Option<String> {
    value.map(|value| format!("--{name}={value}"))
}

/// The lines of a script that have its options.
fn directives(options: impl Iterator<Item = String>) -> String {
    options.map(|option| format!("#SBATCH {option}\n")).collect()
}

/// The path of a log, given by the number of its task or by `%a`, which Slurm replaces by the number. All other `%` are escaped.
fn log(folder: &SubmissionFolder, task: &str) -> String {
    let escaped = folder.path().to_string_lossy().replace('%', "%%");
    SubmissionFolder::new(escaped).log(task).to_string_lossy().into_owned()
}

/// The template of the script of a job.
const SCRIPT: &str = r#"#!/bin/bash
{options}
# Each task trains one trial: the line of trials.txt with the task's number.
again=
task=
stop() { [ -z "$task" ] || kill -TERM "$task"; }
# Shortly before the time limit, the trial writes a checkpoint and the task goes back into the queue.
trap 'again=yes; stop' USR1
trap stop TERM INT
{task} --stop-with-parent "$SLURM_ARRAY_TASK_ID" &
task=$!
# A signal interrupts `wait`, but does not end the task.
while wait "$task"; status=$?; kill -0 "$task" 2>/dev/null; do :; done
if [ -n "$again" ] && [ "$status" -eq 130 ]; then
    scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"
fi
exit "$status"
"#;

/// Asks Slurm whether it would accept a script.
pub(super) fn test(script: &Path, count: usize) -> Result<(), LaunchError> {
    output(Command::new("sbatch").arg("--test-only").arg(script)).map(drop).map_err(|error| explained(error, count))
}

/// Submits a script to Slurm and returns the job id.
pub(super) fn submit(script: &Path, count: usize) -> Result<String, LaunchError> {
    let said = output(Command::new("sbatch").arg("--parsable").arg(script)).map_err(|error| explained(error, count))?;
    // `17`, or `17;cluster`.
    Ok(said.split_once(';').map_or(&*said, |(job, _)| job).to_owned())
}

/// Cancels a job.
pub(super) fn cancel_job(job: &str) -> Result<(), LaunchError> {
    output(Command::new("scancel").arg(job)).map(drop)
}

/// Adds a hint to Slurm's error about a job array that is too large.
fn explained(error: LaunchError, trials: usize) -> LaunchError {
    match error {
        LaunchError::Scheduler { command, reason } if reason.contains("Invalid job array specification") => {
            // The hint is also useful without the maximum size.
            let limit = match array_size() {
                Some(size) => format!(", but this cluster accepts at most {}", size.saturating_sub(1)),
                None => String::new(),
            };
            let help = format!("the sweep has {trials} trials to run{limit}; split the experiment");
            LaunchError::Scheduler { command, reason: format!("{reason}\n{help}") }
        }
        other => other,
    }
}

/// Slurm's `MaxArraySize`, which is one more than the largest task number; `None` if unknown.
fn array_size() -> Option<usize> {
    let settings = output(Command::new("scontrol").args(["show", "config"])).ok()?;
    settings.lines().find_map(|line| line.strip_prefix("MaxArraySize")?.split('=').nth(1)?.trim().parse().ok())
}

/// The Slurm jobs of an experiment, with the folders of their submissions. Submissions that failed have no job file and are skipped.
fn jobs(experiment: &ExperimentFolder) -> Result<Vec<(SubmissionFolder, Job)>, FileError> {
    let mut jobs = Vec::new();
    for (_, folder) in experiment.submissions()? {
        let path = folder.job();
        let text = match std::fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            text => text.map_err(FileError::at("read", &path))?,
        };
        let job: Job = serde_json::from_slice(&text).map_err(|error| FileError::at("read", &path)(error.into()))?;
        if job.slurm {
            jobs.push((folder, job));
        }
    }
    Ok(jobs)
}

/// What Slurm's queue says of some jobs, in a format of squeue; array tasks have lines of their own.
fn queue<'a>(jobs: impl Iterator<Item = &'a String>, format: &str) -> Result<String, LaunchError> {
    let ids: Vec<&str> = jobs.map(String::as_str).collect();
    if ids.is_empty() {
        return Ok(String::new());
    }
    match output(Command::new("squeue").args(["-h", "-r", "-o", format, "-j", &ids.join(",")])) {
        // Slurm forgets jobs some time after they have ended.
        Err(LaunchError::Scheduler { reason, .. }) if reason.contains("Invalid job id") => Ok(String::new()),
        lines => lines,
    }
}

/// The queued and running Slurm tasks of an experiment, by trial id; empty if nothing was submitted to Slurm.
///
/// # Errors
/// Slurm cannot be queried, or a file of a submission cannot be read.
pub fn active(experiment: &ExperimentFolder, name: &str) -> Result<BTreeMap<String, Task>, LaunchError> {
    let of_job = |(folder, job): (SubmissionFolder, Job)| Ok((job.job, read_trials(&folder)?));
    let jobs = jobs(experiment)?.into_iter().map(of_job).collect::<Result<BTreeMap<_, _>, FileError>>()?;
    let lines = queue(jobs.keys(), "%F %K %T %j")?;
    let mut active = BTreeMap::new();
    for line in lines.lines() {
        let mut fields = line.splitn(4, ' ');
        let [Some(job), Some(number), Some(state), Some(job_of)] = std::array::from_fn(|_| fields.next()) else {
            continue;
        };
        let trial = jobs.get(job).and_then(|trials| trials.get(number.parse::<usize>().ok()?));
        // Slurm reuses job ids, so the name must match too.
        if let Some(id) = trial.filter(|_| job_of == job_name(name)) {
            let started = ["RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT"];
            active.insert(id.clone(), Task { name: format!("{job}_{number}"), running: started.contains(&state) });
        }
    }
    Ok(active)
}

/// The jobs that submit what follows in a search and that have not ended.
fn after(experiment: &ExperimentFolder, name: &str) -> Result<Vec<String>, LaunchError> {
    let mut jobs: Vec<String> = jobs(experiment)?.into_iter().filter_map(|(_, job)| job.after).collect();
    let lines = queue(jobs.iter(), "%i %j")?;
    // Slurm reuses job ids, so the name must match too.
    let queued = lines.lines().filter_map(|line| line.trim().split_once(' '));
    let queued: BTreeSet<&str> = queued.filter(|(_, of)| *of == job_name(name)).map(|(id, _)| id).collect();
    jobs.retain(|job| queued.contains(&**job));
    Ok(jobs)
}

/// Whether a job of the experiment will submit what follows in its search.
///
/// # Errors
/// Slurm cannot be queried.
pub fn is_watched(experiment: &ExperimentFolder, name: &str) -> Result<bool, LaunchError> {
    Ok(!after(experiment, name)?.is_empty())
}

/// Cancels the queued and running Slurm jobs of an experiment, and returns their ids.
///
/// # Errors
/// Slurm cannot be queried, or refuses to cancel a job.
pub fn cancel(experiment: &ExperimentFolder, name: &str) -> Result<BTreeSet<String>, LaunchError> {
    let tasks = active(experiment, name)?.into_values();
    let jobs = tasks.filter_map(|task| Some(task.name.rsplit_once('_')?.0.to_owned()));
    // The jobs that would submit what follows come first.
    let after = after(experiment, name)?;
    after.iter().try_for_each(|job| cancel_job(job))?;
    let jobs: BTreeSet<String> = jobs.collect();
    jobs.iter().try_for_each(|job| cancel_job(job))?;
    Ok(jobs.into_iter().chain(after).collect())
}
