//! Whether the files of a trial that is done are still as it left them.

use super::names;
use crate::files::{FileError, LOCK_FILE, digest, is_temporary};
use crate::log::record::{RECORD_FILE, TrialRecord};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

/// What is no part of the result: the record holds the others' checksums, and checkpoints have served.
const APART: [&str; 4] = [RECORD_FILE, LOCK_FILE, names::CHECKPOINT, names::PREVIOUS];

/// SHA-256 of each file of a trial's folder, by its name.
pub(super) fn checksums(folder: &Path) -> Result<BTreeMap<String, String>, FileError> {
    let mut checksums = BTreeMap::new();
    for entry in WalkDir::new(folder).min_depth(1) {
        let entry = entry.map_err(|error| FileError::at("read the folder", folder)(error.into()))?;
        let name = entry.path().strip_prefix(folder).unwrap_or(entry.path()).to_string_lossy().into_owned();
        if entry.file_type().is_file() && !APART.contains(&&*name) && !is_temporary(entry.file_name()) {
            checksums.insert(name, checksum(entry.path())?);
        }
    }
    Ok(checksums)
}

fn checksum(path: &Path) -> Result<String, FileError> {
    Ok(digest(&[&std::fs::read(path).map_err(FileError::at("read", path))?], usize::MAX))
}

/// The first file of a trial that is done which is not as it left it.
pub fn fault(folder: &Path, record: &TrialRecord) -> Option<PathBuf> {
    let mut files = record.files.iter().map(|(name, expected)| (folder.join(name), expected));
    files.find(|(path, expected)| checksum(path).ok().as_ref() != Some(expected)).map(|(path, _)| path)
}
