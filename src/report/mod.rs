//! What the trials below a folder came to: tables for people and programs, from the files that the trials left.
//!
//! A report can be made at any time, of trials that are done, going on, or were killed: what cannot be read is a
//! warning in the report, and the other trials are reported.

mod columns;
mod comparison;
mod frames;
mod html;
mod json;
mod keys;
mod numbers;
mod schema;
mod setup;
mod table;
mod text;
mod trial;

pub use columns::rules;
pub use numbers::significant;
pub use schema::{metrics, tables};
pub use table::{Column, Table, wrapped};
pub use trial::{Cell, ReportedTrial};

use crate::folder::{ExperimentFolder, FileError, TrialFolder, write_whole};
use crate::launch::Frozen;
use crate::record::tables;
use comparison::Comparison;
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

/// The trials below a folder.
#[derive(Clone, Debug)]
pub struct Report {
    /// The experiments, in the order of their folders.
    pub experiments: Vec<Experiment>,
    /// What could not be read, and why.
    pub warnings: Vec<String>,
}

/// The trials of an experiment.
#[derive(Clone, Debug)]
pub struct Experiment {
    /// The experiment's name.
    pub name: String,
    /// The folder that its trials' folders are in, or the trial's own where the report is of a single trial's folder.
    pub folder: PathBuf,
    /// Its trials, in the order of their folders.
    pub trials: Vec<ReportedTrial>,
    /// Trials in its folder that its present plan does not have: of another sweep, or of an earlier vaex. They are listed,
    /// and no more.
    pub apart: Vec<ReportedTrial>,
    /// Trials of its present plan that have no folder yet.
    pub without_folder: usize,
}

/// What a report can be written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// report.html: the page with charts and pictures.
    Html,
    /// trials.parquet and curves.parquet.
    Parquet,
    /// trials.csv and curves.csv.
    Csv,
    /// report.md: the table.
    Markdown,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The folder is none.
    #[error("{} is not a folder", dir.display())]
    NotAFolder {
        /// What was given.
        dir: PathBuf,
    },
    /// No trial is below the folder.
    #[error("{} has no trials: no folder in it holds a {}", dir.display(), TrialFolder::RECORD)]
    NoTrials {
        /// What was given.
        dir: PathBuf,
    },
    /// There are trials, and none can be read.
    #[error("{} has no trial that can be read: {}", dir.display(), warnings.join("; "))]
    Unreadable {
        /// What was given.
        dir: PathBuf,
        /// What is wrong with each.
        warnings: Vec<String>,
    },
}

/// Reads every trial below `dir`: a folder of experiments, an experiment's folder, or a trial's.
///
/// A trial is a folder with a trial.json. Links are followed; a folder that is reached in several ways is taken once, and
/// copies in a folder are left out, so that no trial counts twice.
///
/// # Errors
/// `dir` is no folder, or has no trial that can be read.
pub fn collect(dir: &Path) -> Result<Report, ReportError> {
    if !dir.is_dir() {
        return Err(ReportError::NotAFolder { dir: dir.to_owned() });
    }
    let mut warnings = Vec::new();
    let mut experiments: BTreeMap<(PathBuf, String), Vec<ReportedTrial>> = BTreeMap::new();
    for folder in trial_folders(dir, &mut warnings) {
        if let Some(trial) = ReportedTrial::read(&folder, &mut warnings) {
            let parent = folder.parent().filter(|_| folder != dir).unwrap_or(&folder);
            let trials = experiments.entry((parent.to_owned(), trial.record.experiment.clone())).or_default();
            match trials.iter().find(|one| one.record.trial == trial.record.trial) {
                Some(first) => {
                    warnings.push(format!("{} is left out: a copy of {}", folder.display(), first.folder.display()));
                }
                None => trials.push(trial),
            }
        }
    }
    match (experiments.is_empty(), warnings.is_empty()) {
        (true, true) => Err(ReportError::NoTrials { dir: dir.to_owned() }),
        (true, false) => Err(ReportError::Unreadable { dir: dir.to_owned(), warnings }),
        (false, _) => {
            let of = |((folder, name), trials)| Experiment::of(folder, name, trials, &mut warnings);
            let experiments = experiments.into_iter().map(of).collect();
            Ok(Report { experiments, warnings })
        }
    }
}

impl Report {
    /// Writes the trials (one row a trial) and the curves (one row an epoch and split of each trial) of each experiment
    /// into its folder, and those of all of them into `dir` where it is not one of these; the page and the text into
    /// `dir` alone.
    ///
    /// Returns the files that were written.
    ///
    /// # Errors
    /// A file can't be written.
    pub fn write(&self, dir: &Path, format: Format) -> Result<Vec<PathBuf>, FileError> {
        Ok(match format {
            Format::Parquet | Format::Csv => self.write_tables(dir, format)?,
            Format::Html => vec![whole(ExperimentFolder::new(dir).report_page(), &html::page(self, dir))?],
            Format::Markdown => vec![whole(ExperimentFolder::new(dir).report_text(), &text::markdown(self))?],
        })
    }

    fn write_tables(&self, dir: &Path, format: Format) -> Result<Vec<PathBuf>, FileError> {
        let mut folders: BTreeMap<&Path, Vec<(&ReportedTrial, bool)>> = BTreeMap::new();
        for experiment in &self.experiments {
            folders.entry(&experiment.folder).or_default().extend(experiment.all());
        }
        folders.entry(dir).or_insert_with(|| self.experiments.iter().flat_map(Experiment::all).collect());
        let mut written = Vec::new();
        for (folder, trials) in folders {
            let files = ExperimentFolder::new(folder);
            let ending = if format == Format::Csv { "csv" } else { "parquet" };
            for (path, columns) in [
                (files.trials_table(ending), frames::trials(&trials, folder)),
                (files.curves_table(ending), frames::curves(&trials)),
            ] {
                match format {
                    Format::Csv => tables::write_csv(&path, &columns)?,
                    _ => tables::write_columns(&path, columns)?,
                }
                written.push(path);
            }
        }
        Ok(written)
    }

    /// The report for people: for each experiment a table with one row a setting, best first, what it is sorted by,
    /// and the trials that are not done. The table is no wider than `width`, and has a line for each setting where there
    /// is no width.
    pub fn table(&self, width: Option<usize>) -> String {
        text::report(self, width)
    }

    /// The report for programs: the metrics of [`Report::table`], and the trials one by one. What is not finite is
    /// null.
    pub fn json(&self) -> serde_json::Value {
        json::report(self)
    }

    /// The best trial of the best setting, where there is one experiment and a trial of it is done.
    pub fn best(&self) -> Option<&ReportedTrial> {
        let [experiment] = &*self.experiments else { return None };
        Comparison::of(experiment).best()
    }

    /// How an experiment is headed: by its name, and by its folder too where there are several of that name.
    fn heading(&self, experiment: &Experiment) -> String {
        let folders: BTreeSet<&Path> =
            self.experiments.iter().filter(|one| one.name == experiment.name).map(|one| &*one.folder).collect();
        match folders.len() {
            1 => experiment.name.clone(),
            _ => format!("{} in {}", experiment.name, experiment.folder.display()),
        }
    }
}

fn whole(path: PathBuf, text: &str) -> Result<PathBuf, FileError> {
    write_whole(&path, text.as_bytes())?;
    Ok(path)
}

impl Experiment {
    fn of(folder: PathBuf, name: String, trials: Vec<ReportedTrial>, warnings: &mut Vec<String>) -> Experiment {
        let plan = match Frozen::read(&ExperimentFolder::new(&folder)) {
            // Folders of trials that were brought together have none, or that of another experiment.
            Ok(plan) if plan.name != name => None,
            Ok(plan) => Some(plan.trials.into_iter().map(|trial| trial.id).collect::<BTreeSet<String>>()),
            Err(error) if error.source.kind() == ErrorKind::NotFound => None,
            Err(error) => {
                warnings.push(format!("{error}; all trials in its folder are taken for planned ones"));
                None
            }
        };
        let is_planned = |trial: &ReportedTrial| plan.as_ref().is_none_or(|plan| plan.contains(&trial.record.trial));
        let (trials, apart): (Vec<ReportedTrial>, Vec<ReportedTrial>) = trials.into_iter().partition(is_planned);
        let without_folder = plan.as_ref().map_or(0, |plan| plan.len().saturating_sub(trials.len()));
        Experiment { name, folder, trials, apart, without_folder }
    }

    /// All trials in its folder, with whether the present plan has them.
    fn all(&self) -> impl Iterator<Item = (&ReportedTrial, bool)> {
        self.trials.iter().map(|trial| (trial, true)).chain(self.apart.iter().map(|trial| (trial, false)))
    }
}

/// The folders with a trial.json, in the order of their names; a trial's own folders are not searched.
fn trial_folders(dir: &Path, warnings: &mut Vec<String>) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    let mut entries = WalkDir::new(dir).follow_links(true).sort_by_file_name().into_iter();
    while let Some(entry) = entries.next() {
        match entry {
            Ok(entry) if entry.path().is_dir() && TrialFolder::new(entry.path()).has_record() => {
                folders.push(entry.into_path());
                entries.skip_current_dir();
            }
            Ok(_) => {}
            // A link that leads to a folder above it adds nothing.
            Err(error) if error.loop_ancestor().is_some() => {}
            // Nor does one that leads nowhere.
            Err(error) if error.path().is_some_and(Path::is_symlink) => {}
            Err(error) => warnings.push(error.to_string()),
        }
    }
    // A folder is rather taken at its own place than through a link to it.
    let place = |folder: &PathBuf| std::fs::canonicalize(folder).unwrap_or_else(|_| folder.clone());
    let root = place(&dir.to_path_buf());
    let is_own = |folder: &PathBuf| folder.strip_prefix(dir).is_ok_and(|rest| place(folder) == root.join(rest));
    let mut known: BTreeSet<PathBuf> = folders.iter().filter(|folder| is_own(folder)).map(place).collect();
    folders.retain(|folder| is_own(folder) || known.insert(place(folder)));
    folders
}

#[cfg(test)]
mod tests;
