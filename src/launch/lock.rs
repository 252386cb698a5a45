//! One process at a time in a folder, on any host that shares it: one run in an experiment's, one training in a trial's.
//!
//! The lock is the system's own on an open file, so it ends with its process, however that ends; on network file systems
//! it holds between hosts. What is written in the file only tells others who holds it.

use super::LaunchError;
use crate::folder::{FileError, lock_file, room_needed};
use crate::machine::host_name;
use crate::record::trial::now;
use indicatif::HumanDuration;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs::{File, TryLockError};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

/// Who is at work in a folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Holder {
    /// The process's id on its host.
    pub process: u32,
    /// The host's name.
    pub host: String,
    /// Seconds since 1970.
    since: f64,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Holder { process, host, since } = self;
        // Clocks of two hosts may differ, and be set back.
        let duration = Duration::try_from_secs_f64(now() - since).unwrap_or(Duration::ZERO);
        write!(f, "process {process} on {host}, for {}", HumanDuration(duration))
    }
}

/// A folder that is this process's own for as long as this lives.
#[derive(Debug)]
pub struct Lock {
    file: File,
    /// Why the file system keeps no other process out, where it does not.
    unsupported: Option<std::io::Error>,
}

impl Lock {
    /// What to know where the file system of `folder` keeps no other process out.
    pub fn warning(&self, folder: &Path) -> Option<String> {
        let reason = self.unsupported.as_ref()?;
        Some(format!(
            "the file system of {} has no locks ({reason}): make sure that no other vaex works there, or mount it with \
             locks (Lustre: -o flock; NFS: without nolock)",
            folder.display()
        ))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Whoever comes while the next one has not written yet is not to read of this process. The lock ends anyway.
        let _ = self.file.set_len(0);
    }
}

/// Whether the file system has no locks at all.
fn is_unsupported(error: &std::io::Error) -> bool {
    #[cfg(unix)]
    let none = error.raw_os_error() == Some(nix::errno::Errno::ENOLCK as i32);
    #[cfg(not(unix))]
    let none = false;
    none || error.kind() == std::io::ErrorKind::Unsupported
}

/// Takes a folder for this process; waits for another one as long as `patience` says.
///
/// # Errors
/// Another process holds it still, or the lock's file cannot be written.
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
            // What is written says who holds it, on this host at least.
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
    let noted = file.set_len(0).and_then(|()| file.write_all(text.as_bytes()));
    noted.map_err(|error| room_needed(error, &path, text.len() as u64)).map_err(FileError::at("write", &path))?;
    Ok(Lock { file, unsupported })
}

/// Who is at work in a folder at this moment; `None` where nobody is. Who it is may not be known.
pub fn holder(folder: &Path) -> Option<Option<Holder>> {
    let path = lock_file(folder);
    // A lock for reading, which keeps other readers from nothing.
    let file = File::open(&path).ok()?;
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => Some(written(&path)),
        Err(TryLockError::Error(error)) if is_unsupported(&error) => living(&path).map(Some),
        Ok(()) | Err(TryLockError::Error(_)) => None,
    }
}

/// Who holds a lock by what its file says, where that is another process of this host which is still there.
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

/// What a lock's file says of who holds it; who has just taken it may be about to write.
fn written(path: &Path) -> Option<Holder> {
    (0..20).find_map(|attempt| {
        std::thread::sleep(Duration::from_millis(5 * attempt.min(1)));
        serde_json::from_slice(&std::fs::read(path).ok()?).ok()
    })
}
