//! Locks: at most one run per experiment folder and one training process per trial folder, on all hosts that share them.
//!
//! A lock is the operating system's lock on an open file, so it ends with its process in any case. On network file systems
//! it works between hosts. The content of the file only tells others which process holds the lock.

use super::LaunchError;
use crate::folder::{FileError, lock_file, room_needed};
use crate::machine::host_name;
use crate::record::trial::now;
use indicatif::HumanDuration;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long commands wait for the process that uses a folder: those of a killed run stop after their current step.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// The process that holds a lock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Holder {
    /// Process id.
    pub process: u32,
    /// Host name.
    pub host: String,
    /// Time at which the process took the lock, in seconds since 1970.
    since: f64,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Holder { process, host, since } = self;
        // The clocks of two hosts may differ, and clocks can be set back.
        let duration = Duration::try_from_secs_f64(now() - since).unwrap_or(Duration::ZERO);
        write!(f, "process {process} on {host}, started {} ago", HumanDuration(duration))
    }
}

/// A lock that this process holds on a folder, until the value is dropped.
#[derive(Debug)]
pub struct Lock {
    file: File,
    /// The error of a file system that does not support locks; `None` if the folder is really locked.
    unsupported: Option<std::io::Error>,
}

impl Lock {
    /// A warning if the file system of `folder` does not support locks.
    pub fn warning(&self, folder: &Path) -> Option<String> {
        let reason = self.unsupported.as_ref()?;
        Some(format!(
            "the file system of {} does not support locks ({reason}): make sure that no other vaex process uses \
             this folder, or mount it with locks (Lustre: -o flock; NFS: without nolock)",
            folder.display()
        ))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Otherwise the file would still name this process until the next holder writes to it. If this fails, the lock is
        // released anyway.
        let _ = self.file.set_len(0);
    }
}

/// Whether an error means that the file system does not support locks.
fn is_unsupported(error: &std::io::Error) -> bool {
    #[cfg(unix)]
    let unsupported = error.raw_os_error() == Some(nix::errno::Errno::ENOLCK as i32);
    #[cfg(not(unix))]
    let unsupported = false;
    unsupported || error.kind() == std::io::ErrorKind::Unsupported
}

/// Locks a folder. If another process holds the lock, waits for up to `patience`.
///
/// # Errors
/// Another process still holds the lock, or the lock file cannot be written.
pub fn take(folder: &Path, patience: Duration) -> Result<Lock, LaunchError> {
    let path = lock_file(folder);
    let mut file = File::options().create(true).append(true).open(&path).map_err(FileError::at("write", &path))?;
    let (start, mut unsupported) = (Instant::now(), None);
    while let Err(error) = file.try_lock() {
        match error {
            TryLockError::WouldBlock if start.elapsed() < patience => std::thread::sleep(Duration::from_millis(20)),
            TryLockError::WouldBlock => {
                return Err(LaunchError::Busy { folder: folder.to_path_buf(), holder: written(&path) });
            }
            // Without locks, the content of the file tells which process on this host uses the folder.
            TryLockError::Error(error) if is_unsupported(&error) => match living(&path) {
                Some(_) if start.elapsed() < patience => std::thread::sleep(Duration::from_millis(20)),
                Some(holder) => return Err(LaunchError::Busy { folder: folder.to_path_buf(), holder: Some(holder) }),
                None => {
                    unsupported = Some(error);
                    break;
                }
            },
            TryLockError::Error(error) => return Err(FileError::at("lock", &path)(error).into()),
        }
    }
    let holder = Holder { process: std::process::id(), host: host_name(), since: now() };
    let text = serde_json::to_string(&holder).map_err(std::io::Error::from).map_err(FileError::at("write", &path))?;
    let written = file.set_len(0).and_then(|()| file.write_all(text.as_bytes()));
    written.map_err(|error| room_needed(error, &path, text.len() as u64)).map_err(FileError::at("write", &path))?;
    Ok(Lock { file, unsupported })
}

/// The process that holds the lock of a folder; `None` if no process holds it, `Some(None)` if the process is unknown.
///
/// # Errors
/// The lock file cannot be read.
pub fn holder(folder: &Path) -> Result<Option<Option<Holder>>, FileError> {
    let path = lock_file(folder);
    let file = match File::open(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        file => file.map_err(FileError::at("read", &path))?,
    };
    // A shared lock, so that several processes can check at the same time.
    Ok(match file.try_lock_shared() {
        Ok(()) => None,
        Err(TryLockError::WouldBlock) => Some(written(&path)),
        Err(TryLockError::Error(error)) if is_unsupported(&error) => living(&path).map(Some),
        Err(TryLockError::Error(error)) => return Err(FileError::at("lock", &path)(error)),
    })
}

/// The holder that the lock file names, if it is another process on this host that is still running.
fn living(path: &Path) -> Option<Holder> {
    let holder: Holder = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
    let other = holder.process != std::process::id() && holder.host == host_name();
    (other && is_alive(holder.process)).then_some(holder)
}

#[cfg(unix)]
fn is_alive(process: u32) -> bool {
    use nix::{errno::Errno, sys::signal::kill, unistd::Pid};
    i32::try_from(process).is_ok_and(|process| kill(Pid::from_raw(process), None) != Err(Errno::ESRCH))
}

#[cfg(not(unix))]
fn is_alive(_: u32) -> bool {
    true
}

/// The holder that the lock file names. Waits for up to 0.1 s, as a new holder may not have written it yet.
fn written(path: &Path) -> Option<Holder> {
    (0..20).find_map(|attempt| {
        std::thread::sleep(Duration::from_millis(5 * attempt.min(1)));
        serde_json::from_slice(&std::fs::read(path).ok()?).ok()
    })
}
