//! Whether the files of a trial that is done are still as it left them.

use super::names;
use crate::files::{self, FileError};
use crate::record::projector;
use crate::record::tensorboard::FILE_PREFIX;
use crate::record::trial::TrialRecord;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

/// Whether a file is a part of the result. The record holds the checksums, checkpoints have served, and what else is in
/// the folder is not ours.
fn is_result(name: &str) -> bool {
    let picture = |name: &str| name.ends_with(".png") || name.ends_with(".safetensors");
    let whole = [names::SPEC, names::METRICS, names::MODEL, projector::CONFIG_FILE];
    match name.split_once('/') {
        None => whole.contains(&name) || name.starts_with(FILE_PREFIX),
        Some((names::IMAGES, name)) => !name.contains('/') && picture(name),
        Some((projector::FOLDER, name)) => !name.contains('/') && (picture(name) || name.ends_with(".tsv")),
        Some(_) => false,
    }
}

/// SHA-256 of each file of a trial's folder, by its name.
pub(super) fn checksums(folder: &Path) -> Result<BTreeMap<String, String>, FileError> {
    let mut checksums = BTreeMap::new();
    for entry in WalkDir::new(folder).min_depth(1) {
        let entry = entry.map_err(|error| FileError::at("read the folder", folder)(error.into()))?;
        let name = entry.path().strip_prefix(folder).unwrap_or(entry.path()).to_string_lossy().into_owned();
        let name = name.replace(std::path::MAIN_SEPARATOR, "/");
        if entry.file_type().is_file() && is_result(&name) {
            checksums.insert(name, checksum(entry.path())?);
        }
    }
    Ok(checksums)
}

fn checksum(path: &Path) -> Result<String, FileError> {
    let read = File::open(path).and_then(files::checksum).map_err(FileError::at("read", path));
    Ok(read?.0)
}

/// SHA-256 of a file's content.
pub(super) fn checksum_of(content: &[u8]) -> String {
    files::digest(&[content], 64)
}

/// Whether a file of a trial that is done is as it left it.
pub(super) fn is_sound(folder: &Path, record: &TrialRecord, name: &str) -> bool {
    checksum(&folder.join(name)).ok().as_ref() == record.files.get(name)
}

/// The first file of a trial that is done which is not as it left it.
pub fn fault(folder: &Path, record: &TrialRecord) -> Option<PathBuf> {
    let mut files = record.files.iter().map(|(name, expected)| (folder.join(name), expected));
    files.find(|(path, expected)| checksum(path).ok().as_ref() != Some(expected)).map(|(path, _)| path)
}
