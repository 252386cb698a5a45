//! A trial's process, from the parent's side and from its own.

use crate::files::FileError;
use crate::trial::Event;
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child as Process, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;

/// Lines of a crashed process's error output that are kept.
const KEPT_LINES: usize = 12;

/// What the parent hears of a trial's process.
pub(super) enum Message {
    /// Something happened in the trial.
    Event(Event),
    /// The process is gone; what its end looked like, if it was no orderly one.
    Exited { crash: Option<String> },
}

/// A running trial.
pub(super) struct Child {
    pub(super) folder: PathBuf,
    stdin: Option<ChildStdin>,
}

impl Child {
    /// Starts `vaex trial`; what happens goes to `sender` under the trial's id.
    pub(super) fn start(
        program: &Path,
        id: &str,
        folder: &Path,
        threads: usize,
        sender: &Sender<(String, Message)>,
    ) -> Result<Child, FileError> {
        let mut command = Command::new(program);
        command.arg("trial").arg(folder).arg("--threads").arg(threads.to_string());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().map_err(FileError::at("run", program))?;
        let stdin = process.stdin.take();
        let (id, sender) = (id.to_owned(), sender.clone());
        std::thread::spawn(move || {
            let crash = follow(process, &id, &sender);
            // Nobody listens any more when the parent is on its way out.
            let _ = sender.send((id, Message::Exited { crash }));
        });
        Ok(Child { folder: folder.to_path_buf(), stdin })
    }

    /// Closes the pipe that the process watches: it stops after its present step.
    pub(super) fn ask_to_stop(&mut self) {
        self.stdin = None;
    }
}

/// Passes on a process's events until it ends.
fn follow(mut process: Process, id: &str, sender: &Sender<(String, Message)>) -> Option<String> {
    let errors = process.stderr.take().map(last_lines);
    if let Some(output) = process.stdout.take() {
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            if let Ok(event) = serde_json::from_slice(&line) {
                let _ = sender.send((id.to_owned(), Message::Event(event)));
            }
        }
    }
    let end = match process.wait() {
        Ok(status) if status.success() => return None,
        Ok(status) => describe(status),
        Err(error) => format!("its process cannot be waited for: {error}"),
    };
    let lines = errors.and_then(|errors| errors.join().ok()).unwrap_or_default();
    Some(if lines.is_empty() { end } else { format!("{end}: {lines}") })
}

fn last_lines(errors: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut kept = VecDeque::new();
        for line in BufReader::new(errors).split(b'\n').map_while(Result::ok) {
            kept.push_back(String::from_utf8_lossy(&line).into_owned());
            if kept.len() > KEPT_LINES {
                kept.pop_front();
            }
        }
        Vec::from(kept).join("\n")
    })
}

#[cfg(unix)]
fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match status.signal() {
        Some(9) => "its process was killed (signal 9; perhaps the system was out of memory)".to_owned(),
        Some(signal) => format!("its process was ended by signal {signal}"),
        None => format!("its process ended with status {}", status.code().unwrap_or_default()),
    }
}

#[cfg(not(unix))]
fn describe(status: ExitStatus) -> String {
    format!("its process ended with {status}")
}

/// In the trial's process: sets `stop` when the parent closes its pipe, or is gone.
pub fn stop_with_parent(stop: &'static AtomicBool) {
    std::thread::spawn(move || {
        let mut byte = [0];
        while matches!(std::io::stdin().read(&mut byte), Ok(count) if count > 0) {}
        stop.store(true, Ordering::Relaxed);
    });
}
