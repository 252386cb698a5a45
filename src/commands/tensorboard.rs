//! `vaex tensorboard`: starts TensorBoard and ends when it does; a signal to vaex ends both.

use super::command;
use super::shared::exit::INTERRUPTED;
use super::shared::signals;
use anyhow::{Context, bail};
use clap::Args;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Signals so far.
static SIGNALS: AtomicUsize = AtomicUsize::new(0);

/// How long TensorBoard may take to end when it was asked to, before it is killed.
const PATIENCE: Duration = Duration::from_secs(20);

/// Start TensorBoard, where it is installed.
#[derive(Debug, Args)]
pub(super) struct TensorboardArgs {
    /// What to show: a trial's folder, an experiment's, or the one that holds experiments.
    #[arg(default_value = "runs")]
    folder: PathBuf,
    /// Passed on to TensorBoard, after `--`: --port 7000.
    #[arg(last = true)]
    arguments: Vec<String>,
}

impl command::Command for TensorboardArgs {
    fn run(&self) -> anyhow::Result<u8> {
        if !self.folder.is_dir() {
            bail!("{} is not a folder", self.folder.display());
        }
        // Before the start: a signal in between must not leave TensorBoard behind.
        signals::watch(|| {
            SIGNALS.fetch_add(1, Ordering::Relaxed);
        })?;
        let mut command = Command::new("tensorboard");
        command.arg("--logdir").arg(&self.folder).args(&self.arguments);
        let mut process = match command.spawn() {
            Ok(process) => process,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                bail!("tensorboard is not on the PATH; install it with: pip install tensorboard")
            }
            Err(error) => bail!("cannot start tensorboard: {error}"),
        };
        let status = wait(&mut process).context("cannot wait for tensorboard")?;
        if SIGNALS.load(Ordering::Relaxed) > 0 {
            return Ok(INTERRUPTED);
        }
        Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(INTERRUPTED))
    }
}

/// Waits until the process has ended. The first signal asks it to end, a second one kills it.
fn wait(process: &mut Child) -> std::io::Result<ExitStatus> {
    let mut asked: Option<Instant> = None;
    loop {
        if let Some(status) = process.try_wait()? {
            return Ok(status);
        }
        match (SIGNALS.load(Ordering::Relaxed), asked) {
            (0, _) => {}
            (_, None) => {
                ask_to_end(process)?;
                asked = Some(Instant::now());
            }
            (1, Some(since)) if since.elapsed() < PATIENCE => {}
            (_, Some(_)) => {
                process.kill()?;
                return process.wait();
            }
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Sends SIGTERM, after which TensorBoard ends its own helper process, too.
#[cfg(unix)]
fn ask_to_end(process: &mut Child) -> std::io::Result<()> {
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;
    // Its number is still its own: it has not been waited for.
    let number = i32::try_from(process.id()).map_err(std::io::Error::other)?;
    Ok(kill(Pid::from_raw(number), Signal::SIGTERM)?)
}

#[cfg(not(unix))]
fn ask_to_end(process: &mut Child) -> std::io::Result<()> {
    process.kill()
}
