//! `vaex cancel`: stops all processes and jobs of an experiment. Its trials keep their checkpoints.

use super::command::Command;
use super::shared::exit::DONE;
use super::shared::print::say;
use crate::folder::ExperimentFolder;
use crate::launch::{Frozen, Holder, cluster, lock};
use crate::machine::host_name;
use anyhow::{Context, bail};
use clap::Args;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long to wait for a run to stop: its trials finish their current step and save a checkpoint.
const PATIENCE: Duration = Duration::from_secs(60);

/// Stop an experiment: its run on this machine and its Slurm jobs.
#[derive(Debug, Args)]
pub(super) struct CancelArgs {
    /// Experiment folder.
    folder: PathBuf,
}

impl Command for CancelArgs {
    fn run(&self) -> anyhow::Result<u8> {
        let experiment = &self.folder;
        // Only the experiment that the user names is stopped, never all experiments of a folder.
        let files = ExperimentFolder::new(experiment);
        if !files.has_plan()? {
            bail!("{} is not an experiment folder: it has no {}", experiment.display(), ExperimentFolder::PLAN);
        }
        let plan = Frozen::read(&files)?;
        let cancel = || -> anyhow::Result<bool> {
            let jobs = cluster::cancel(&files, &plan.name)?;
            jobs.iter().for_each(|job| say(&format!("{}: cancelled job {job}", experiment.display())));
            Ok(!jobs.is_empty())
        };
        let cancelled = cancel()?;
        let mut idle = !cancelled;
        // The run first, then the processes that it does not stop: tasks of other schedulers.
        let folders = files.trials()?;
        let trials = plan.trials.iter().filter_map(|trial| Some(folders.find(&trial.id)?.path().to_path_buf()));
        for folder in std::iter::once(experiment.clone()).chain(trials) {
            // Tasks of the jobs that were just cancelled end by themselves.
            if let Some(holder) = lock::holder(&folder)?.filter(|_| !cancelled || folder == *experiment) {
                let holder = holder.with_context(|| {
                    format!("a process holds the lock of {}, but its process id is unknown", folder.display())
                })?;
                if cancelled && holder.host != host_name() {
                    wait_for(&folder, &holder)?;
                } else {
                    stop(&folder, &holder)?;
                }
                idle = false;
            }
        }
        if cancelled && plan.search.is_some() {
            // A task may have submitted others meanwhile. Those that wait for the lock have been told to stop.
            let _lock = lock::take(experiment, PATIENCE)?;
            cancel()?;
        }
        if idle {
            say(&format!("{}: nothing is running", experiment.display()));
        }
        Ok(DONE)
    }
}

/// Sends SIGTERM to the process that holds the lock, and waits until it has stopped.
fn stop(experiment: &Path, holder: &Holder) -> anyhow::Result<()> {
    if holder.host != host_name() {
        bail!("{}: running as {holder}; stop it on that machine", experiment.display());
    }
    let told = terminate(holder.process);
    // It may have ended by itself.
    if lock::holder(experiment)?.is_some() {
        told?;
    }
    wait_for(experiment, holder)?;
    say(&format!("{}: stopped process {}", experiment.display(), holder.process));
    Ok(())
}

/// Waits until the process that holds the lock has ended.
fn wait_for(folder: &Path, holder: &Holder) -> anyhow::Result<()> {
    let start = Instant::now();
    while lock::holder(folder)?.is_some() {
        if start.elapsed() > PATIENCE {
            bail!("{}: still running as {holder}", folder.display());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

#[cfg(unix)]
fn terminate(process: u32) -> anyhow::Result<()> {
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;
    let id = i32::try_from(process).context("not a process id of this system")?;
    kill(Pid::from_raw(id), Signal::SIGTERM).with_context(|| format!("cannot stop process {process}"))
}

#[cfg(not(unix))]
fn terminate(process: u32) -> anyhow::Result<()> {
    bail!("stop process {process} yourself: vaex cannot send signals on this system")
}
