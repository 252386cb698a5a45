//! Checks that the files of a trial that is done have not changed.

use crate::folder::{self, FileError, TrialFolder};
use crate::record::trial::TrialRecord;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

/// SHA-256 of each result file, by file name.
pub(super) fn checksums(folder: &TrialFolder) -> Result<BTreeMap<String, String>, FileError> {
    folder.results()?.into_iter().map(|(name, path)| Ok((name, checksum(&path)?))).collect()
}

fn checksum(path: &Path) -> Result<String, FileError> {
    let read = File::open(path).and_then(folder::checksum).map_err(FileError::at("read", path));
    Ok(read?.0)
}

/// SHA-256 of a file's content.
pub(super) fn checksum_of(content: &[u8]) -> String {
    folder::digest(&[content], 64)
}

/// Whether a file of a trial that is done has not changed.
pub(super) fn is_sound(folder: &TrialFolder, record: &TrialRecord, name: &str) -> bool {
    record.files.get(name).is_some_and(|expected| has_checksum(&folder.file(name), expected))
}

/// The first file of a trial that is done that is missing or has changed; `None` if all are intact.
pub fn fault(folder: &TrialFolder, record: &TrialRecord) -> Option<PathBuf> {
    let mut files = record.files.iter().map(|(name, expected)| (folder.file(name), expected));
    files.find(|(path, expected)| !has_checksum(path, expected)).map(|(path, _)| path)
}

/// Whether a file has the expected checksum; false if it cannot be read.
fn has_checksum(path: &Path, expected: &str) -> bool {
    checksum(path).is_ok_and(|found| found == expected)
}
