//! Slurm: the script of an array of tasks, what Slurm has of an experiment, and cancelling it.

use super::submission::{Submission, read_trials};
use super::{Job, Task, output};
use crate::folder::{ExperimentFolder, FileError, SubmissionFolder};
use crate::launch::LaunchError;
use crate::text::filled;
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

/// Seconds before the time limit at which Slurm tells a task to stop: enough for a step and a checkpoint.
const NOTICE_SECONDS: u64 = 60;

/// What sbatch is asked for.
#[derive(Clone, Debug)]
pub struct SlurmOptions {
    /// `--partition`.
    pub partition: Option<String>,
    /// `--time`.
    pub time: Option<String>,
    /// `--gpus` of a task.
    pub gpus: Option<u64>,
    /// Tasks at a time.
    pub max_parallel: Option<usize>,
    /// Further arguments of sbatch.
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

/// The script of a job.
const SCRIPT: &str = r#"#!/bin/bash
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

/// Asks Slurm whether it would take a script.
pub(super) fn test(script: &Path, count: usize) -> Result<(), LaunchError> {
    output(Command::new("sbatch").arg("--test-only").arg(script)).map(drop).map_err(|error| explained(error, count))
}

/// Gives a script to Slurm; the job's id.
pub(super) fn submit(script: &Path, count: usize) -> Result<String, LaunchError> {
    let said = output(Command::new("sbatch").arg("--parsable").arg(script)).map_err(|error| explained(error, count))?;
    // `17`, or `17;cluster`.
    Ok(said.split_once(';').map_or(&*said, |(job, _)| job).to_owned())
}

/// Ends a job.
pub(super) fn end(job: &str) -> Result<(), LaunchError> {
    output(Command::new("scancel").arg(job)).map(drop)
}

/// Adds what to do to what Slurm says of an array that is too large for it.
fn explained(error: LaunchError, trials: usize) -> LaunchError {
    match error {
        LaunchError::Scheduler { command, reason } if reason.contains("Invalid job array specification") => {
            // The error is told with or without the size that would be taken.
            let most = match array_size() {
                Some(size) => format!(", and this one takes {}", size.saturating_sub(1)),
                None => String::new(),
            };
            let help = format!("the sweep has {trials} trials to run{most}; split the experiment");
            LaunchError::Scheduler { command, reason: format!("{reason}\n{help}") }
        }
        other => other,
    }
}

/// Slurm's limit of the numbers of an array's tasks, where it tells it.
fn array_size() -> Option<usize> {
    let settings = output(Command::new("scontrol").args(["show", "config"])).ok()?;
    settings.lines().find_map(|line| line.strip_prefix("MaxArraySize")?.split('=').nth(1)?.trim().parse().ok())
}

/// The jobs of an experiment that Slurm took, with their trials, by the jobs' ids. A submission that did not come to a job
/// has no file of it.
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

/// The trials that Slurm has waiting or running, by id; none where nothing was given to Slurm.
///
/// # Errors
/// Slurm cannot be asked, or a file of a submission cannot be read.
pub fn active(experiment: &ExperimentFolder, name: &str) -> Result<BTreeMap<String, Task>, LaunchError> {
    let jobs = jobs(experiment)?;
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
    jobs.iter().try_for_each(|job| end(job))?;
    Ok(jobs)
}
