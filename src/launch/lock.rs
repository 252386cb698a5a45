//! One run at a time in an experiment's folder, on any host that shares it.
//!
//! The lock is the system's own on an open file, so it ends with its process, however that ends; on network file systems
//! it holds between hosts. What is written in the file only tells others who holds it.

use super::LaunchError;
use crate::files::{FileError, host_name, open_lock};
use crate::log::record::now;
use indicatif::HumanDuration;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs::{File, TryLockError};
use std::io::Write;
use std::path::Path;
use std::time::Duration;

/// Who is at work in a folder.
#[derive(Debug, Serialize, Deserialize)]
pub struct Holder {
    process: u32,
    host: String,
    /// Seconds since 1970.
    since: f64,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Holder { process, host, since } = self;
        // Clocks of two hosts may differ.
        let duration = Duration::try_from_secs_f64(now() - since).unwrap_or_default();
        write!(f, "process {process} on {host}, for {}", HumanDuration(duration))
    }
}

/// Takes the experiment's folder for this process, for as long as the file is open.
pub(super) fn take(experiment: &Path) -> Result<File, LaunchError> {
    let mut file = open_lock(experiment)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let holder = std::fs::read(experiment.join(crate::files::LOCK_FILE)).ok();
            let holder = holder.and_then(|holder| serde_json::from_slice(&holder).ok());
            return Err(LaunchError::Busy { folder: experiment.to_path_buf(), holder });
        }
        Err(TryLockError::Error(error)) => return Err(FileError::at("lock", experiment)(error).into()),
    }
    let holder = Holder { process: std::process::id(), host: host_name(), since: now() };
    let note = |file: &mut File| -> std::io::Result<()> {
        file.set_len(0)?;
        file.write_all(serde_json::to_string(&holder)?.as_bytes())
    };
    note(&mut file).map_err(FileError::at("write", &experiment.join(crate::files::LOCK_FILE)))?;
    Ok(file)
}
