//! `vaex cancel`: stops what is at work on an experiment. Its trials keep their checkpoints.

use super::{CancelArgs, DONE, say, status};
use crate::files::host_name;
use crate::launch::{Holder, cluster, lock};
use anyhow::{Context, bail};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long a run may take to stop: its trials end their step, and save.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn run(args: &CancelArgs) -> anyhow::Result<u8> {
    for experiment in status::experiments(&args.folder)? {
        let mut idle = true;
        for job in cluster::cancel(&experiment)? {
            say(&format!("{}: cancelled job {job}", experiment.display()));
            idle = false;
        }
        if let Some(holder) = lock::holder(&experiment) {
            let holder = holder.context("a process is at work there, and does not say which")?;
            stop(&experiment, &holder)?;
            idle = false;
        }
        if idle {
            say(&format!("{}: nothing is at work", experiment.display()));
        }
    }
    Ok(DONE)
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
