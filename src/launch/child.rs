//! A trial's process, from the parent's side and from its own.

use crate::folder::{FileError, TrialFolder};
use crate::record::trial::Status;
use crate::trial::Event;
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child as Process, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Lines of a crashed process's error output that are kept, of its beginning and of its end: a panic says first what
/// happened, and then, where it is asked to, at length where.
const KEPT_LINES: usize = 6;

/// What the parent hears of a trial's process.
pub(super) enum Message {
    /// Something happened in the trial.
    Event(Event),
    /// The process has closed its output, and is ending; lines of its errors.
    Closed(String),
}

/// Exit status of a trial's process that failed because its disk takes nothing more.
pub const DISK_FULL: u8 = 3;

/// How a process ended.
pub(super) enum End {
    /// As its trial did.
    Said(Status),
    /// Its disk takes nothing more; lines of its errors.
    DiskFull(String),
    /// In another way.
    Crash(Crash),
}

/// How a process ended that did not say so itself.
pub(super) struct Crash {
    /// What its end looked like.
    pub(super) text: String,
    /// Whether it was ended from outside.
    pub(super) from_outside: bool,
}

/// A running trial.
pub(super) struct Child {
    pub(super) folder: TrialFolder,
    process: Process,
    stdin: Option<ChildStdin>,
    /// When it last told something.
    heard: Arc<Mutex<Instant>>,
    /// How long it had told nothing when it was ended for that.
    stalled: Option<Duration>,
}

impl Child {
    /// Starts `vaex trial`; what happens goes to `sender` under the trial's id.
    pub(super) fn start(
        program: &Path,
        id: &str,
        folder: &TrialFolder,
        threads: usize,
        sender: &Sender<(String, Message)>,
    ) -> Result<Child, FileError> {
        let mut command = Command::new(program);
        #[cfg(unix)]
        std::os::unix::process::CommandExt::arg0(&mut command, "vaex");
        command.arg("trial").arg(folder.path()).arg("--threads").arg(threads.to_string());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().map_err(FileError::at("run", program))?;
        let (stdin, stdout, stderr) = (process.stdin.take(), process.stdout.take(), process.stderr.take());
        let (id, sender) = (id.to_owned(), sender.clone());
        let heard = Arc::new(Mutex::new(Instant::now()));
        let hears = heard.clone();
        std::thread::spawn(move || {
            let errors = stderr.map(kept_lines);
            if let Some(output) = stdout {
                for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                    note(&hears);
                    if let Ok(event) = serde_json::from_slice(&line) {
                        // Nobody listens any more when the parent is on its way out.
                        let _ = sender.send((id.clone(), Message::Event(event)));
                    }
                }
            }
            // Where they cannot be had, how the process ended is told alone.
            let lines = errors.and_then(|errors| errors.join().ok()).unwrap_or_else(String::new);
            let _ = sender.send((id, Message::Closed(lines)));
        });
        Ok(Child { folder: folder.clone(), process, stdin, heard, stalled: None })
    }

    /// Closes the pipe that the process watches: it stops after its present step.
    pub(super) fn ask_to_stop(&mut self) {
        self.stdin = None;
    }

    /// Takes the process for one that has just told something.
    pub(super) fn excuse(&self) {
        note(&self.heard);
    }

    /// Ends the process if it has told nothing for so long.
    pub(super) fn end_if_stalled(&mut self, limit: Duration) {
        let silent = self.heard.lock().map_or(Duration::ZERO, |heard| heard.elapsed());
        if self.stalled.is_none() && silent > limit {
            self.stalled = Some(limit);
            // It may be ending by itself at this moment.
            let _ = self.process.kill();
        }
    }

    /// Waits for the end of the process, which has closed its output.
    pub(super) fn wait(mut self, lines: &str) -> End {
        let status = self.process.wait();
        let (end, from_outside) = match (self.stalled, status) {
            (Some(limit), _) => {
                let seconds = limit.as_secs_f64();
                (format!("it made no progress for {seconds} seconds, and its process was ended"), false)
            }
            (None, Ok(status)) => match status.code() {
                Some(0) => return End::Said(Status::Done),
                Some(1) => return End::Said(Status::Failed),
                Some(130) => return End::Said(Status::Interrupted),
                Some(code) if code == i32::from(DISK_FULL) => return End::DiskFull(lines.to_owned()),
                _ => describe(status),
            },
            (None, Err(error)) => (format!("its process cannot be waited for: {error}"), true),
        };
        let text = if lines.is_empty() { end } else { format!("{end}: {lines}") };
        End::Crash(Crash { text, from_outside })
    }
}

fn note(heard: &Mutex<Instant>) {
    if let Ok(mut heard) = heard.lock() {
        *heard = Instant::now();
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

/// The status with which Rust ends a process that panicked.
const PANICKED: i32 = 101;

/// How a process ended, and whether that came from outside.
#[cfg(unix)]
fn describe(status: ExitStatus) -> (String, bool) {
    use nix::sys::signal::Signal;
    use std::os::unix::process::ExitStatusExt;
    let number = match (status.signal(), status.code()) {
        (Some(number), _) => number,
        (None, Some(code)) => return (format!("its process ended with status {code}"), code != PANICKED),
        (None, None) => return (format!("its process ended with {status}"), true),
    };
    let why = match Signal::try_from(number) {
        Ok(Signal::SIGKILL) => {
            return ("its process was killed (signal 9; perhaps the system was out of memory)".to_owned(), true);
        }
        Ok(Signal::SIGXFSZ) => "a file grew beyond the limit on the size of files, `ulimit -f`",
        Ok(Signal::SIGXCPU) => "it used up the limit on processor time, `ulimit -t`",
        // Signals that a process brings upon itself.
        Ok(
            Signal::SIGABRT
            | Signal::SIGSEGV
            | Signal::SIGBUS
            | Signal::SIGILL
            | Signal::SIGFPE
            | Signal::SIGSYS
            | Signal::SIGTRAP,
        ) => return (format!("its process was ended by signal {number}"), false),
        _ => "",
    };
    let why = if why.is_empty() { String::new() } else { format!(": {why}") };
    (format!("its process was ended by signal {number}{why}"), true)
}

#[cfg(not(unix))]
fn describe(status: ExitStatus) -> (String, bool) {
    (format!("its process ended with {status}"), status.code() != Some(PANICKED))
}

/// In the trial's process: sets `stop` when the parent closes its pipe, or is gone.
pub fn stop_with_parent(stop: &'static AtomicBool) {
    std::thread::spawn(move || {
        let mut byte = [0];
        while matches!(std::io::stdin().read(&mut byte), Ok(count) if count > 0) {}
        stop.store(true, Ordering::Relaxed);
    });
}
