//! The experiment folder: the names of its files, and its trial folders. The name of a trial folder starts with the trial's
//! values of the varied keys, for human readers, and ends with the trial's id, by which vaex finds it.

use super::{FileError, SubmissionFolder, TrialFolder, create_folder, exists, remove_leftovers};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The name of the folder of the submissions to schedulers.
const JOBS: &str = "jobs";

/// The folder of an experiment. It need not exist.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExperimentFolder {
    path: PathBuf,
}

impl ExperimentFolder {
    /// Name of the frozen plan; a folder with this file is an experiment folder.
    pub const PLAN: &str = "plan.json";
    /// Name of the report's table of trials.
    pub const TRIALS: &str = "trials.parquet";
    /// Name of the report's table of epochs.
    pub const CURVES: &str = "curves.parquet";
    /// Name of the HTML report.
    pub const PAGE: &str = "report.html";
    /// Name of the report as text.
    pub const TEXT: &str = "report.md";
    /// Name of the report as LaTeX.
    pub const LATEX: &str = "report.tex";
    /// Name of the folder of the report's figures.
    pub const FIGURES: &str = "figures";

    /// The folder at a path.
    pub fn new(path: impl Into<PathBuf>) -> ExperimentFolder {
        ExperimentFolder { path: path.into() }
    }

    /// The folder of the experiment with this name, in the folder of all experiments.
    pub fn of(runs: &Path, name: &str) -> ExperimentFolder {
        ExperimentFolder::new(runs.join(name))
    }

    /// The folder that contains the folder of a trial; `None` for a path without parent.
    pub fn containing(trial: &TrialFolder) -> Option<ExperimentFolder> {
        trial.path().parent().map(ExperimentFolder::new)
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder with an absolute path.
    ///
    /// # Errors
    /// The working directory is unknown.
    pub fn absolute(&self) -> Result<ExperimentFolder, FileError> {
        let path = std::path::absolute(&self.path).map_err(FileError::at("find the folder", &self.path))?;
        Ok(ExperimentFolder { path })
    }

    /// Creates the folder.
    ///
    /// # Errors
    /// The folder cannot be created.
    pub fn create(&self) -> Result<(), FileError> {
        create_folder(&self.path)
    }

    /// Removes the temporary files that killed processes left in the folder. The caller must hold the lock of the folder.
    ///
    /// # Errors
    /// The folder cannot be read, or a file cannot be removed.
    pub fn remove_leftovers(&self) -> Result<(), FileError> {
        remove_leftovers(&self.path)
    }

    /// Whether it is an experiment folder: it has a plan.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn has_plan(&self) -> Result<bool, FileError> {
        exists(&self.plan())
    }

    /// The frozen plan.
    pub fn plan(&self) -> PathBuf {
        self.path.join(ExperimentFolder::PLAN)
    }

    /// The report's table of trials, with the suffix of its format, such as `parquet`.
    pub fn trials_table(&self, suffix: &str) -> PathBuf {
        self.path.join(ExperimentFolder::TRIALS).with_extension(suffix)
    }

    /// The report's table of epochs, with the suffix of its format.
    pub fn curves_table(&self, suffix: &str) -> PathBuf {
        self.path.join(ExperimentFolder::CURVES).with_extension(suffix)
    }

    /// The HTML report.
    pub fn report_page(&self) -> PathBuf {
        self.path.join(ExperimentFolder::PAGE)
    }

    /// The report as text.
    pub fn report_text(&self) -> PathBuf {
        self.path.join(ExperimentFolder::TEXT)
    }

    /// The report as LaTeX.
    pub fn report_latex(&self) -> PathBuf {
        self.path.join(ExperimentFolder::LATEX)
    }

    /// The folder of the figures of the report.
    pub fn figures(&self) -> PathBuf {
        self.path.join(ExperimentFolder::FIGURES)
    }

    /// The copy of the program that the tasks of a submission run; its name contains the first digits of its checksum.
    pub fn program(&self, digits: &str) -> PathBuf {
        self.jobs().join(format!("vaex-{digits}"))
    }

    /// The submissions, by number.
    ///
    /// # Errors
    /// Their folder cannot be read.
    pub fn submissions(&self) -> Result<Vec<(u64, SubmissionFolder)>, FileError> {
        // A submission folder is named by its number; other names are ignored.
        let number = |path: &Path| path.file_name()?.to_str()?.parse().ok();
        let paths = paths_in(&self.jobs())?.into_iter();
        let numbered = paths.filter_map(|path| Some((number(&path)?, SubmissionFolder::new(path))));
        let mut numbered: Vec<(u64, SubmissionFolder)> = numbered.collect();
        numbered.sort();
        Ok(numbered)
    }

    /// The folder of the next submission. Its number is the last number plus one.
    ///
    /// # Errors
    /// The folder of the submissions cannot be read.
    pub fn next_submission(&self) -> Result<SubmissionFolder, FileError> {
        let number = self.submissions()?.last().map_or(1, |(number, _)| number + 1);
        Ok(SubmissionFolder::new(self.jobs().join(number.to_string())))
    }

    /// The folder of the trial with an id; `None` if absent. For several trials, use [`ExperimentFolder::trials`].
    ///
    /// # Errors
    /// This folder cannot be read.
    pub fn trial(&self, id: &str) -> Result<Option<TrialFolder>, FileError> {
        Ok(self.trials()?.find(id).cloned())
    }

    /// The trial folders that exist now; empty if this folder does not exist.
    ///
    /// # Errors
    /// This folder cannot be read.
    pub fn trials(&self) -> Result<TrialFolders, FileError> {
        let mut folders: Vec<TrialFolder> = paths_in(&self.path)?.into_iter().map(TrialFolder::new).collect();
        // If a trial folder was copied, the same copy is always chosen.
        folders.sort();
        let named = folders.into_iter().rev().filter_map(|folder| Some((folder.id()?.to_owned(), folder)));
        Ok(TrialFolders { experiment: self.clone(), found: named.collect() })
    }

    fn jobs(&self) -> PathBuf {
        self.path.join(JOBS)
    }
}

/// The paths of the entries of a folder; empty if the folder does not exist.
fn paths_in(folder: &Path) -> Result<Vec<PathBuf>, FileError> {
    let at = || FileError::at("read the folder", folder);
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(at())?,
    };
    entries.map(|entry| Ok(entry.map_err(at())?.path())).collect()
}

/// The trial folders of an experiment: those that exist, and the names of those that do not exist yet.
#[derive(Debug)]
pub struct TrialFolders {
    experiment: ExperimentFolder,
    found: BTreeMap<String, TrialFolder>,
}

impl TrialFolders {
    /// The folders that exist, in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = &TrialFolder> {
        self.found.values()
    }

    /// The folder of the trial with an id; `None` if absent.
    pub fn find(&self, id: &str) -> Option<&TrialFolder> {
        self.found.get(id)
    }

    /// The folder of a trial: its existing folder, or a new one whose name is the label and the id.
    pub fn find_or_name(&self, id: &str, label: impl FnOnce() -> String) -> TrialFolder {
        let new = || TrialFolder::new(self.experiment.path.join(format!("{}-{id}", label())));
        self.find(id).cloned().unwrap_or_else(new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_keeps_its_existing_folder() {
        let root = tempfile::tempdir().unwrap();
        let experiment = ExperimentFolder::of(root.path(), "sweep");
        assert_eq!(experiment.trial("0123456789").unwrap(), None);
        for name in ["old=1-0123456789", "old=1 (copy)-0123456789", "jobs", "plan.json"] {
            create_folder(&experiment.path().join(name)).unwrap();
        }
        let folders = experiment.trials().unwrap();
        let name = |folder: TrialFolder| folder.path().file_name().unwrap().to_string_lossy().into_owned();
        let named = |id| name(folders.find_or_name(id, || "new=2".to_owned()));
        assert_eq!([named("0123456789"), named("abcdefabcd")], ["old=1 (copy)-0123456789", "new=2-abcdefabcd"]);
    }

    #[test]
    fn submissions_are_numbered_consecutively() {
        let root = tempfile::tempdir().unwrap();
        let experiment = ExperimentFolder::new(root.path());
        for _ in 0..11 {
            create_folder(experiment.next_submission().unwrap().path()).unwrap();
        }
        create_folder(experiment.program("0123").as_path()).unwrap();
        let numbers: Vec<u64> = experiment.submissions().unwrap().into_iter().map(|(number, _)| number).collect();
        assert_eq!(numbers, (1..=11).collect::<Vec<u64>>());
    }
}
