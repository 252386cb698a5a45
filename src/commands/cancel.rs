//! `vaex cancel`: stops what is at work on an experiment. Its trials keep their checkpoints.

use super::command::Command;
use super::shared::exit::DONE;
use super::shared::print::say;
use crate::files::host_name;
use crate::launch::{self, Frozen, Holder, cluster, lock};
use anyhow::{Context, bail};
use clap::Args;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a run may take to stop: its trials end their step, and save.
const PATIENCE: Duration = Duration::from_secs(60);

/// Stop what is at work on an experiment: a run on this machine, and its jobs in Slurm.
#[derive(Debug, Args)]
pub(super) struct CancelArgs {
    /// The experiment's folder.
    folder: PathBuf,
}

impl Command for CancelArgs {
    fn run(&self) -> anyhow::Result<u8> {
        let experiment = &self.folder;
        // Nothing else is ended than what the user names: not all experiments of a folder.
        if !experiment.join(launch::PLAN_FILE).exists() {
            bail!("{} is no experiment's folder: it has no {}", experiment.display(), launch::PLAN_FILE);
        }
        let plan = Frozen::read(experiment)?;
        let mut idle = true;
        for job in cluster::cancel(experiment, &plan.name)? {
            say(&format!("{}: cancelled job {job}", experiment.display()));
            idle = false;
        }
        // A run, and then what it has not stopped: tasks of other schedulers.
        let folders = launch::Folders::of(experiment);
        let trials = plan.trials.iter().filter_map(|trial| Some(folders.find(&trial.id)?.to_path_buf()));
        let cancelled = !idle;
        for folder in std::iter::once(experiment.clone()).chain(trials) {
            // Tasks of the jobs that were just cancelled are about to end by themselves.
            if let Some(holder) = lock::holder(&folder).filter(|_| !cancelled || folder == *experiment) {
                let holder = holder
                    .with_context(|| format!("a process is at work in {}, and does not say which", folder.display()))?;
                stop(&folder, &holder)?;
                idle = false;
            }
        }
        if idle {
            say(&format!("{}: nothing is at work", experiment.display()));
        }
        Ok(DONE)
    }
}

/// Ends a run as a signal does, and waits for it.
fn stop(experiment: &Path, holder: &Holder) -> anyhow::Result<()> {
    if holder.host != host_name() {
        bail!("{}: {holder}; stop it on that machine", experiment.display());
    }
    terminate(holder.process)?;
    let start = Instant::now();
    while lock::holder(experiment).is_some() {
        if start.elapsed() > PATIENCE {
            bail!("{}: {holder}, has not stopped yet", experiment.display());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    say(&format!("{}: stopped process {}", experiment.display(), holder.process));
    Ok(())
}

#[cfg(unix)]
fn terminate(process: u32) -> anyhow::Result<()> {
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;
    let id = i32::try_from(process).context("no process of this system")?;
    kill(Pid::from_raw(id), Signal::SIGTERM).with_context(|| format!("cannot stop process {process}"))
}

#[cfg(not(unix))]
fn terminate(process: u32) -> anyhow::Result<()> {
    bail!("stop process {process} yourself: signals are not known here")
}
