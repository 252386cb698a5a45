//! The folders of an experiment's trials. A folder is named by what sets its trial apart, for those who look at many, and
//! ends in the trial's id, by which it is found.

use crate::plan::Trial;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Digits of an id.
const ID_DIGITS: usize = 10;

/// The folders of an experiment's trials, those that are there and those to come.
#[derive(Debug)]
pub struct Folders {
    experiment: PathBuf,
    found: BTreeMap<String, PathBuf>,
}

impl Folders {
    /// Of an experiment's folder; empty where that cannot be read or is not there yet.
    pub fn of(experiment: &Path) -> Folders {
        let entries = std::fs::read_dir(experiment).into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        // Of copies of a folder always the same one is meant.
        paths.sort();
        let named = paths.into_iter().rev().filter_map(|path| Some((id(&path)?, path)));
        Folders { experiment: experiment.to_path_buf(), found: named.collect() }
    }

    /// The folder of the trial with an id, if there is one.
    pub fn find(&self, id: &str) -> Option<&Path> {
        self.found.get(id).map(PathBuf::as_path)
    }

    /// The folder of a trial: the one that it has, or the one to make. `varied` are the dotted keys that set it apart.
    pub fn of_trial(&self, trial: &Trial, varied: &[String]) -> PathBuf {
        match self.find(trial.id()) {
            Some(folder) => folder.to_path_buf(),
            None => self.experiment.join(format!("{}-{}", trial.label(varied), trial.id())),
        }
    }
}

/// The id at the end of a folder's name.
pub fn id(folder: &Path) -> Option<String> {
    let id = folder.file_name()?.to_str()?.rsplit('-').next()?;
    (id.len() == ID_DIGITS && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| id.to_owned())
}
