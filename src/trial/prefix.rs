//! Trials that are the beginning of a longer one: they differ from it in the number of epochs only.

use crate::folder::{FileError, TrialFolder, TrialFolders};
use crate::plan::Trial;
use crate::record::trial::{Status, TrialRecord};
use std::collections::BTreeMap;

/// A trial that is done, and that a longer one can begin with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// Its id.
    pub trial: String,
    /// The number of its epochs.
    pub epochs: u64,
    /// Whether it has the state that training goes on from.
    pub has_state: bool,
}

/// The trials of an experiment that are done, by the hash of their course.
#[derive(Debug, Default)]
pub struct Prefixes {
    courses: BTreeMap<String, Vec<Prefix>>,
    /// Records that cannot be read, with their folders.
    pub unreadable: Vec<(TrialFolder, FileError)>,
}

impl Prefixes {
    /// Those in these folders, if any trial `may_continue`; otherwise the records are not read.
    ///
    /// # Errors
    /// As [`Prefixes::read`].
    pub fn read_if(may_continue: bool, folders: &TrialFolders) -> Result<Prefixes, FileError> {
        if may_continue { Prefixes::read(folders) } else { Ok(Prefixes::default()) }
    }

    /// Those in these folders.
    ///
    /// # Errors
    /// A folder cannot be read.
    pub fn read(folders: &TrialFolders) -> Result<Prefixes, FileError> {
        let mut found = Prefixes::default();
        for folder in folders.iter() {
            match TrialRecord::read(folder) {
                Ok(record) => {
                    if let Some((course, prefix)) = prefix_of(folder, record)? {
                        found.courses.entry(course).or_default().push(prefix);
                    }
                }
                // A folder without a record is one that a run is creating, or not of a trial.
                Err(_) if !folder.has_record()? => {}
                Err(error) => found.unreadable.push((folder.clone(), error)),
            }
        }
        found.courses.values_mut().for_each(|prefixes| prefixes.sort_by_key(|prefix| prefix.epochs));
        Ok(found)
    }

    /// Those that differ from a trial in the number of epochs only, which is not larger; the shortest first. The trial cannot
    /// continue them if its steps depend on the number of epochs.
    pub fn of(&self, trial: &Trial) -> impl DoubleEndedIterator<Item = &Prefix> {
        let epochs = trial.spec().train.epochs;
        let alike = (!self.courses.is_empty()).then(|| self.courses.get(&trial.course_hash())).flatten();
        alike.into_iter().flatten().filter(move |prefix| prefix.epochs <= epochs && prefix.trial != trial.id())
    }
}

fn prefix_of(folder: &TrialFolder, record: TrialRecord) -> Result<Option<(String, Prefix)>, FileError> {
    let planned = record.spec.get("train.epochs").and_then(serde_json::Value::as_u64);
    let (Some(course), Some(epochs), Status::Done) =
        (record.course_hash, record.stopped_after.or(planned), record.status)
    else {
        return Ok(None);
    };
    Ok(Some((course, Prefix { trial: record.trial, epochs, has_state: folder.has_state()? })))
}
