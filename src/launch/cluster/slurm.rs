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
    let option = |name: &str, value: &Option<String>| value.as_ref().map(|value| format!("--{name}={value}"));
    let options = [
        Some(format!("--job-name={}", quoted(&job_name(submission.name)))),
        Some(format!("--array={array}")),
        Some(format!("--output={}", quoted(&log_of_each(&submission.folder)))),
        Some("--open-mode=append".to_owned()),
        Some("--requeue".to_owned()),
        Some(format!("--signal=B:USR1@{NOTICE_SECONDS}")),
        Some("--ntasks=1".to_owned()),
        Some(format!("--cpus-per-task={}", submission.tasks.threads)),
        option("partition", partition),
        option("time", time),
        option("gpus", &gpus.map(|gpus| gpus.to_string())),
    ];
    let options = options.into_iter().flatten().chain(arguments.iter().cloned());
    let options: String = options.map(|option| format!("#SBATCH {option}\n")).collect();
    filled(SCRIPT, &[("{options}\n", &*options), ("{task}", &*submission.task_command())])
}

/// The script of the job that submits what follows in a search when all tasks of a job have ended, in whatever way.
pub(super) fn script_after(options: &SlurmOptions, submission: &Submission<'_>, job: &str) -> String {
    let SlurmOptions { partition, time, arguments, .. } = options;
    let option = |name: &str, value: &Option<String>| value.as_ref().map(|value| format!("--{name}={value}"));
    let escaped = submission.folder.path().to_string_lossy().replace('%', "%%");
    let log = SubmissionFolder::new(escaped).log("after").to_string_lossy().into_owned();
    let given = [option("partition", partition), option("time", time)];
    // Of options that are given twice, the last one counts: it must wait for the job, whatever the job waits for.
    let own = [
        format!("--job-name={}", quoted(&job_name(submission.name))),
        format!("--output={}", quoted(&log)),
        format!("--dependency=afterany:{job}"),
        "--ntasks=1".to_owned(),
        "--cpus-per-task=1".to_owned(),
    ];
    let options = given.into_iter().flatten().chain(arguments.iter().cloned()).chain(own);
    let options: String = options.map(|option| format!("#SBATCH {option}\n")).collect();
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

/// The path of the logs, in which Slurm replaces `%a` by the task number. All other `%` are escaped.
fn log_of_each(folder: &SubmissionFolder) -> String {
    let escaped = folder.path().to_string_lossy().replace('%', "%%");
    SubmissionFolder::new(escaped).log("%a").to_string_lossy().into_owned()
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

/// The trials of each Slurm job of an experiment, by job id. Submissions that failed have no job file and are skipped.
fn jobs(experiment: &ExperimentFolder) -> Result<BTreeMap<String, Vec<String>>, FileError> {
    let mut jobs = BTreeMap::new();
    for (_, folder) in experiment.submissions()? {
        let path = folder.job();
        let text = match std::fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            text => text.map_err(FileError::at("read", &path))?,
        };
        let job: Job = serde_json::from_slice(&text).map_err(|error| FileError::at("read", &path)(error.into()))?;
        if job.slurm {
            jobs.insert(job.job, read_trials(&folder)?);
        }
    }
    Ok(jobs)
}

/// The queued and running Slurm tasks of an experiment, by trial id; empty if nothing was submitted to Slurm.
///
/// # Errors
/// Slurm cannot be queried, or a file of a submission cannot be read.
pub fn active(experiment: &ExperimentFolder, name: &str) -> Result<BTreeMap<String, Task>, LaunchError> {
    let jobs = jobs(experiment)?;
    if jobs.is_empty() {
        return Ok(BTreeMap::new());
    }
    let ids = jobs.keys().cloned().collect::<Vec<_>>().join(",");
    let lines = match output(Command::new("squeue").args(["-h", "-r", "-o", "%F %K %T %j", "-j", &ids])) {
        // Slurm forgets jobs some time after they have ended.
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
    let mut jobs = Vec::new();
    for (_, folder) in experiment.submissions()? {
        if let Ok(text) = std::fs::read(folder.job())
            && let Ok(Job { after: Some(after), .. }) = serde_json::from_slice(&text)
        {
            jobs.push(after);
        }
    }
    if jobs.is_empty() {
        return Ok(jobs);
    }
    let lines = match output(Command::new("squeue").args(["-h", "-o", "%i %j", "-j", &jobs.join(",")])) {
        Err(LaunchError::Scheduler { reason, .. }) if reason.contains("Invalid job id") => String::new(),
        lines => lines?,
    };
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
