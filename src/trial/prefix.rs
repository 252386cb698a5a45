//! Trials that are the beginning of a longer one: they differ from it in the number of epochs only.

use crate::folder::{FileError, TrialFolder, TrialFolders};
use crate::plan::Trial;
use crate::record::tables;
use crate::record::trial::{Status, TrialRecord};
use std::collections::BTreeMap;

/// A trial that is done, and that a longer one begins with.
#[derive(Clone, Debug)]
pub struct Prefix {
    /// Its folder.
    pub folder: TrialFolder,
    /// Its record.
    pub record: TrialRecord,
    /// The number of its epochs.
    pub epochs: u64,
}

/// The trials of an experiment that are done and have a state, by the hash of their course.
#[derive(Clone, Debug, Default)]
pub struct Prefixes(BTreeMap<String, Vec<(TrialFolder, TrialRecord)>>);

impl Prefixes {
    /// Those in these folders.
    ///
    /// # Errors
    /// A folder cannot be read.
    pub fn read(folders: &TrialFolders) -> Result<Prefixes, FileError> {
        let mut courses: BTreeMap<String, Vec<(TrialFolder, TrialRecord)>> = BTreeMap::new();
        for folder in folders.iter() {
            // A record that cannot be read belongs to another trial, whose run reports it.
            let Ok(record) = TrialRecord::read(folder) else { continue };
            let Some(course) = record.course_hash.clone().filter(|_| record.status == Status::Done) else { continue };
            if folder.has_state()? {
                courses.entry(course).or_default().push((folder.clone(), record));
            }
        }
        Ok(Prefixes(courses))
    }

    /// The longest one that a trial can continue.
    pub fn longest(&self, trial: &Trial) -> Option<Prefix> {
        trial.can_continue().then(|| self.longest_alike(trial))?
    }

    /// The longest one that differs from a trial in the number of epochs only, which is not larger. The trial cannot continue it if
    /// its steps depend on the number of epochs.
    pub fn longest_alike(&self, trial: &Trial) -> Option<Prefix> {
        let others = self.0.get(&trial.course_hash())?.iter().filter(|(_, record)| record.trial != trial.id());
        let prefix = |(folder, record): &(TrialFolder, TrialRecord)| {
            let rows = tables::read_metrics(&folder.metrics()).ok()?;
            let epochs = rows.iter().map(|row| row.epoch).max()?;
            (epochs <= trial.spec().train.epochs).then(|| Prefix {
                folder: folder.clone(),
                record: record.clone(),
                epochs,
            })
        };
        others.filter_map(prefix).max_by_key(|prefix| prefix.epochs)
    }
}
