//! The process of a trial: the parent's side, and the part of the trial's side that watches the parent.

use crate::folder::{FileError, TrialFolder};
use crate::record::trial::Status;
use crate::tensor::backend::VISIBLE_DEVICES;
use crate::trial::Event;
use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child as Process, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How many of the first and of the last lines of standard error are kept for a crashed process: a panic prints its message
/// first, and may then print a long backtrace.
const KEPT_LINES: usize = 6;

/// A message about a trial's process to the parent.
pub(super) enum Message {
    /// An event of the trial.
    Event(Event),
    /// The process has closed its output and is ending; kept lines of its standard error.
    Closed(String),
}

/// Exit status of a trial's process that failed because the disk is full or read-only.
pub const DISK_FULL: u8 = 3;

/// Exit status of a trial's process that trained the trial, but could not evaluate it.
pub const NOT_EVALUATED: u8 = 4;

/// Exit status of a trial's process that paused at a rung of a search.
pub const PAUSED: u8 = 5;

/// The end of a process.
pub(super) enum End {
    /// It reported the status of its trial.
    Reported(Status),
    /// The disk is full or read-only; kept lines of its standard error.
    DiskFull(String),
    /// The trial is trained, but the evaluation failed; kept lines of its standard error.
    NotEvaluated(String),
    /// It crashed or was killed.
    Crash(Crash),
}

/// The end of a process that did not report a status.
pub(super) struct Crash {
    /// The error message.
    pub(super) text: String,
    /// Whether the cause was outside the trial.
    pub(super) from_outside: bool,
}

/// A running trial.
pub(super) struct Child {
    pub(super) folder: TrialFolder,
    process: Process,
    stdin: Option<ChildStdin>,
    /// The time of its last output.
    last_output: Arc<Mutex<Instant>>,
    /// The stall timeout, if the process was killed because of it.
    stalled: Option<Duration>,
}

impl Child {
    /// Starts `vaex` with these arguments, for the trial of a folder, with one GPU if one is named. Its messages are sent to
    /// `sender`, with `id`.
    pub(super) fn start(
        program: &Path,
        arguments: &[OsString],
        gpu: Option<&str>,
        id: &str,
        folder: &TrialFolder,
        sender: &Sender<(String, Message)>,
    ) -> Result<Child, FileError> {
        let mut command = Command::new(program);
        #[cfg(unix)]
        std::os::unix::process::CommandExt::arg0(&mut command, "vaex");
        command.args(arguments);
        command.envs(gpu.map(|gpu| (VISIBLE_DEVICES, gpu)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().map_err(FileError::at("run", program))?;
        let (stdin, stdout, stderr) = (process.stdin.take(), process.stdout.take(), process.stderr.take());
        let (id, sender) = (id.to_owned(), sender.clone());
        let last_output = Arc::new(Mutex::new(Instant::now()));
        let clock = last_output.clone();
        std::thread::spawn(move || {
            let errors = stderr.map(kept_lines);
            if let Some(output) = stdout {
                let (mut output, mut line) = (BufReader::new(output), Vec::new());
                while output.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
                    set_to_now(&clock);
                    // A killed process may leave an incomplete line.
                    if let Some(whole) = line.strip_suffix(b"\n") {
                        let event = serde_json::from_slice(whole).unwrap_or_else(|error| Event::Warning {
                            text: format!(
                                "the trial printed a line that is no event ({error}): {}",
                                whole.escape_ascii()
                            ),
                        });
                        // The receiver may be gone when the parent is ending.
                        let _ = sender.send((id.clone(), Message::Event(event)));
                    }
                    line.clear();
                }
            }
            // Without these lines, the error message has only the exit status.
            let lines = errors.and_then(|errors| errors.join().ok()).unwrap_or_else(String::new);
            let _ = sender.send((id, Message::Closed(lines)));
        });
        Ok(Child { folder: folder.clone(), process, stdin, last_output, stalled: None })
    }

    /// Closes the pipe that the process watches, so that it stops after its current step.
    pub(super) fn ask_to_stop(&mut self) {
        self.stdin = None;
    }

    /// Restarts the stall timeout.
    pub(super) fn restart_stall_timeout(&self) {
        set_to_now(&self.last_output);
    }

    /// Kills the process if it has printed nothing for longer than `limit`.
    pub(super) fn kill_if_stalled(&mut self, limit: Duration) {
        let silent = self.last_output.lock().map_or(Duration::ZERO, |last| last.elapsed());
        if self.stalled.is_none() && silent > limit {
            self.stalled = Some(limit);
            // This fails if the process has just ended by itself.
            let _ = self.process.kill();
        }
    }

    /// Waits for the end of the process, which has closed its output.
    pub(super) fn wait(mut self, lines: &str) -> End {
        let status = self.process.wait();
        let (end, from_outside) = match (self.stalled, status) {
            (Some(limit), _) => {
                let seconds = limit.as_secs_f64();
                (format!("no progress for {seconds} seconds, so its process was killed"), false)
            }
            (None, Ok(status)) => match status.code() {
                Some(0) => return End::Reported(Status::Done),
                Some(1) => return End::Reported(Status::Failed),
                Some(130) => return End::Reported(Status::Interrupted),
                Some(code) if code == i32::from(PAUSED) => return End::Reported(Status::Paused),
                Some(code) if code == i32::from(DISK_FULL) => return End::DiskFull(lines.to_owned()),
                Some(code) if code == i32::from(NOT_EVALUATED) => return End::NotEvaluated(lines.to_owned()),
                _ => describe(status),
            },
            (None, Err(error)) => (format!("cannot wait for its process: {error}"), true),
        };
        let text = if lines.is_empty() { end } else { format!("{end}: {lines}") };
        End::Crash(Crash { text, from_outside })
    }
}

fn set_to_now(clock: &Mutex<Instant>) {
    if let Ok(mut time) = clock.lock() {
        *time = Instant::now();
    }
}

fn kept_lines(errors: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let (mut first, mut last) = (Vec::new(), VecDeque::new());
        for line in BufReader::new(errors).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).into_owned();
            if first.len() < KEPT_LINES {
                first.push(line);
            } else {
                last.push_back(line);
            }
            if last.len() > KEPT_LINES {
                last.pop_front();
            }
        }
        first.extend(last);
        first.join("\n")
    })
}

/// The exit status of a Rust process that panicked.
const PANICKED: i32 = 101;

/// Describes how a process ended, and whether the cause was outside the trial.
#[cfg(unix)]
fn describe(status: ExitStatus) -> (String, bool) {
    use nix::sys::signal::Signal;
    use std::os::unix::process::ExitStatusExt;
    let number = match (status.signal(), status.code()) {
        (Some(number), _) => number,
        (None, Some(code)) => return (format!("its process exited with status {code}"), code != PANICKED),
        (None, None) => return (format!("its process ended with {status}"), true),
    };
    let why = match Signal::try_from(number) {
        Ok(Signal::SIGKILL) => {
            return ("its process was killed (signal 9; possibly the system was out of memory)".to_owned(), true);
        }
        Ok(Signal::SIGXFSZ) => "a file reached the file size limit, `ulimit -f`",
        Ok(Signal::SIGXCPU) => "it reached the CPU time limit, `ulimit -t`",
        // Signals that the process itself causes.
        Ok(
            Signal::SIGABRT
            | Signal::SIGSEGV
            | Signal::SIGBUS
            | Signal::SIGILL
            | Signal::SIGFPE
            | Signal::SIGSYS
            | Signal::SIGTRAP,
        ) => return (format!("its process was terminated by signal {number}"), false),
        _ => "",
    };
    let why = if why.is_empty() { String::new() } else { format!(": {why}") };
    (format!("its process was terminated by signal {number}{why}"), true)
}

#[cfg(not(unix))]
fn describe(status: ExitStatus) -> (String, bool) {
    (format!("its process ended with {status}"), status.code() != Some(PANICKED))
}

/// In the trial's process: sets `stop` when the parent closes its pipe or has ended.
pub fn stop_with_parent(stop: &'static AtomicBool) {
    std::thread::spawn(move || {
        let mut byte = [0];
        while matches!(std::io::stdin().read(&mut byte), Ok(count) if count > 0) {}
        stop.store(true, Ordering::Relaxed);
    });
}
