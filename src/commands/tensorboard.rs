//! `vaex tensorboard`: starts TensorBoard and waits until it ends; a signal to vaex ends both.

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

/// Number of signals received so far.
static SIGNALS: AtomicUsize = AtomicUsize::new(0);

/// How long TensorBoard may take to stop after SIGTERM before it is killed.
const PATIENCE: Duration = Duration::from_secs(20);

/// Start TensorBoard, if it is installed.
#[derive(Debug, Args)]
pub(super) struct TensorboardArgs {
    /// Trial folder, experiment folder, or folder that holds experiment folders.
    #[arg(default_value = "runs")]
    folder: PathBuf,
    /// Arguments for TensorBoard, after `--`, such as --port 7000.
    #[arg(last = true)]
    arguments: Vec<String>,
}

impl command::Command for TensorboardArgs {
    fn run(&self) -> anyhow::Result<u8> {
        if !self.folder.is_dir() {
            bail!("{} is not a folder", self.folder.display());
        }
        // Watch before the start, so that a signal in between cannot leave TensorBoard running.
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

/// Waits until the process has ended. The first signal asks it to stop, the second one kills it.
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

/// Sends SIGTERM, so that TensorBoard can also end its helper process.
#[cfg(unix)]
fn ask_to_end(process: &mut Child) -> std::io::Result<()> {
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;
    // The process id cannot have been reused, because the process has not been waited for.
    let number = i32::try_from(process.id()).map_err(std::io::Error::other)?;
    Ok(kill(Pid::from_raw(number), Signal::SIGTERM)?)
}

#[cfg(not(unix))]
fn ask_to_end(process: &mut Child) -> std::io::Result<()> {
    process.kill()
}
