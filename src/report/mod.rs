//! Reports of the trials below a folder: tables for people and for programs, from the files of the trials.
//!
//! A report can be made at any time, whether trials are done, running, or were killed. A file that cannot be read is a warning
//! in the report; the other trials are reported.

mod columns;
mod comparison;
mod expectations;
mod figures;
mod fit;
mod frames;
mod html;
mod json;
mod keys;
mod latex;
mod numbers;
mod schema;
mod search;
mod setup;
mod significance;
mod table;
mod text;
mod thumbnails;
mod trial;

pub use columns::{metrics_of_trial, rules};
pub use comparison::{epochs_in_words, measured_differently};
pub use numbers::significant;
pub use schema::{metrics, tables};
pub use search::{SearchState, values_text};
pub use table::{Column, Table, wrapped};
pub use trial::{Cell, ReportedTrial};

use crate::folder::{ExperimentFolder, FileError, TrialFolder, without_links, write_whole};
use crate::launch::{Frozen, FrozenExpectation, FrozenSearch};
use crate::plan::matching;
use crate::record::tables;
use crate::record::trial::Status;
use comparison::Comparison;
use rayon::prelude::*;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

/// The trials below a folder.
#[derive(Clone, Debug)]
pub struct Report {
    /// The experiments, in the order of their folders.
    pub experiments: Vec<Experiment>,
    /// Files that could not be read, and why.
    pub warnings: Vec<String>,
}

/// The trials of an experiment.
#[derive(Clone, Debug)]
pub struct Experiment {
    /// The experiment's name.
    pub name: String,
    /// The folder that contains the trial folders; for a report of a single trial folder, that folder.
    pub folder: PathBuf,
    /// Its trials, in the order of their folders.
    pub trials: Vec<ReportedTrial>,
    /// Trials in its folder that are not in its current plan: from another sweep, or from an earlier version of vaex. They are
    /// only listed.
    pub unplanned: Vec<ReportedTrial>,
    /// Number of trials in its current plan that have no folder.
    pub without_folder: usize,
    /// What its current plan is expected to give.
    pub expectations: Vec<FrozenExpectation>,
    /// Its search; `None` if its settings are listed in the spec.
    pub search: Option<FrozenSearch>,
    /// Whether trials were selected ([`Report::select`]), so that it may lack some.
    pub is_selection: bool,
}

/// The formats of a report.
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
    /// report.tex: the table of each experiment, for papers.
    Latex,
    /// The figures, each as a vector file for papers. Several experiments are drawn over one another.
    Svg,
}

/// Where a report is written.
#[derive(Clone, Copy, Debug)]
pub enum Place<'a> {
    /// The folder that it is a report of. Each experiment below it gets its tables too.
    Own(&'a Path),
    /// Another folder, which is created. No other folder is written to.
    Elsewhere(&'a Path),
}

impl<'a> Place<'a> {
    /// The folder.
    pub fn folder(self) -> &'a Path {
        match self {
            Place::Own(folder) | Place::Elsewhere(folder) => folder,
        }
    }
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The path is not a folder.
    #[error("{} is not a folder{}", dir.display(), in_runs(dir))]
    NotAFolder {
        /// The given path.
        dir: PathBuf,
    },
    /// There is no trial below the folder.
    #[error("{} has no trials: no folder in it contains a {}", dir.display(), TrialFolder::RECORD)]
    NoTrials {
        /// The given path.
        dir: PathBuf,
    },
    /// There are trials, but none can be read.
    #[error("{} has no trial that can be read: {}", dir.display(), warnings.join("; "))]
    Unreadable {
        /// The given path.
        dir: PathBuf,
        /// The error of each trial.
        warnings: Vec<String>,
    },
}

/// What to add if a folder is in the usual folder of runs.
fn in_runs(dir: &Path) -> String {
    let within = Path::new("runs").join(dir);
    if within.is_dir() { format!("; did you mean {}?", within.display()) } else { String::new() }
}

/// Reads every trial below `dir`: a folder of experiments, an experiment's folder, or a trial's.
///
/// A trial folder contains a trial.json. Links are followed. A folder that is found several times is read once, and copies of a
/// trial in a folder are left out, so that no trial counts twice.
///
/// # Errors
/// `dir` is not a folder, or has no trial that can be read.
pub fn collect(dir: &Path) -> Result<Report, ReportError> {
    if !dir.is_dir() {
        return Err(ReportError::NotAFolder { dir: dir.to_owned() });
    }
    let mut warnings = Vec::new();
    let mut experiments: BTreeMap<(PathBuf, String), Vec<ReportedTrial>> = BTreeMap::new();
    // The folders of the trials of each experiment.
    let mut known: BTreeMap<(PathBuf, String, String), PathBuf> = BTreeMap::new();
    let folders = trial_folders(dir, &mut warnings);
    let read = folders.into_par_iter().map(|folder| {
        let mut warnings = Vec::new();
        (ReportedTrial::read(&folder, &mut warnings), folder, warnings)
    });
    for (trial, folder, unreadable) in read.collect::<Vec<_>>() {
        warnings.extend(unreadable);
        if let Some(trial) = trial {
            let parent = folder.parent().filter(|_| folder != dir).unwrap_or(&folder);
            let experiment = (parent.to_owned(), trial.record.experiment.clone());
            let own = (experiment.0.clone(), experiment.1.clone(), trial.record.trial.clone());
            match known.get(&own) {
                Some(first) => {
                    warnings.push(format!("{} is left out: it is a copy of {}", folder.display(), first.display()));
                }
                None => {
                    known.insert(own, folder);
                    experiments.entry(experiment).or_default().push(trial);
                }
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

/// Reads the trials below several folders, as [`collect`] does. A trial that is below two of them counts once.
///
/// # Errors
/// As [`collect`].
pub fn collect_all(dirs: &[PathBuf]) -> Result<Report, ReportError> {
    let mut all = Report { experiments: Vec::new(), warnings: Vec::new() };
    let mut known = BTreeSet::new();
    for dir in dirs {
        let Report { mut experiments, warnings } = collect(dir)?;
        let mut is_new = |trial: &ReportedTrial| known.insert(without_links(&trial.folder));
        for experiment in &mut experiments {
            experiment.trials.retain(&mut is_new);
            experiment.unplanned.retain(&mut is_new);
        }
        experiments.retain(Experiment::has_trials);
        all.experiments.extend(experiments);
        all.warnings.extend(warnings.into_iter().filter(|warning| !all.warnings.contains(warning)).collect::<Vec<_>>());
    }
    Ok(all)
}

impl Report {
    /// Keeps the trials that match every `KEY=VALUE` of `only`, where `trial=ID` matches the trials whose id starts with ID. What is about
    /// all trials is left out: what the plans are expected to give, and the states of searches.
    ///
    /// # Errors
    /// A text is not `KEY=VALUE`, its key does not exist in any trial, or no trial matches.
    pub fn select(&mut self, only: &[String]) -> Result<(), String> {
        if only.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = self.experiments.iter().map(|one| &*one.name).collect();
        let all = self.experiments.iter().flat_map(|one| one.trials.iter().chain(&one.unplanned));
        let all: Vec<(&str, &BTreeMap<String, Value>)> =
            all.map(|trial| (&*trial.record.trial, &trial.record.spec)).collect();
        let chosen: BTreeSet<usize> = matching(&names.join("`, `"), &all, only)?.into_iter().collect();
        let mut index = 0;
        let mut is_chosen = |_: &ReportedTrial| {
            index += 1;
            chosen.contains(&(index - 1))
        };
        for experiment in &mut self.experiments {
            experiment.trials.retain(&mut is_chosen);
            experiment.unplanned.retain(&mut is_chosen);
            experiment.expectations.clear();
            experiment.without_folder = 0;
            experiment.is_selection = true;
        }
        self.experiments.retain(Experiment::has_trials);
        Ok(())
    }

    /// Writes the report in a format: tables of trials (one row per trial) and of curves (one row per trial, epoch and split) to the
    /// folder of each experiment, everything else to the folder of the report. If that is not the folder of an experiment, it gets
    /// tables of all experiments.
    ///
    /// Returns the paths of the written files.
    ///
    /// # Errors
    /// A file cannot be written, or a figure cannot be drawn.
    pub fn write(&self, place: Place<'_>, format: Format) -> Result<Vec<PathBuf>, FileError> {
        let files = ExperimentFolder::new(place.folder());
        if let Place::Elsewhere(_) = place {
            files.create()?;
        }
        Ok(match format {
            Format::Parquet | Format::Csv => self.write_tables(place, format)?,
            Format::Html => vec![whole(files.report_page(), &html::page(self, place))?],
            Format::Markdown => vec![whole(files.report_text(), &text::markdown(self))?],
            Format::Latex => vec![whole(files.report_latex(), &latex::report(self))?],
            Format::Svg => {
                let figures = files.figures();
                let drawn = figures::all(self).map_err(FileError::at("draw the figures of", &figures))?;
                if !drawn.is_empty() {
                    std::fs::create_dir_all(&figures).map_err(FileError::at("create the folder", &figures))?;
                }
                let written = drawn.iter().map(|(name, svg)| whole(figures.join(format!("{name}.svg")), svg));
                written.collect::<Result<_, _>>()?
            }
        })
    }

    fn write_tables(&self, place: Place<'_>, format: Format) -> Result<Vec<PathBuf>, FileError> {
        let mut folders: BTreeMap<&Path, Vec<(&ReportedTrial, bool)>> = BTreeMap::new();
        for experiment in self.experiments.iter().filter(|_| matches!(place, Place::Own(_))) {
            folders.entry(&experiment.folder).or_default().extend(experiment.all());
        }
        folders.entry(place.folder()).or_insert_with(|| self.experiments.iter().flat_map(Experiment::all).collect());
        let mut written = Vec::new();
        for (folder, trials) in folders {
            let files = ExperimentFolder::new(folder);
            let ending = if format == Format::Csv { "csv" } else { "parquet" };
            let (path, columns) = (files.trials_table(ending), frames::trials(&trials, folder));
            match format {
                Format::Csv => tables::write_csv(&path, columns)?,
                _ => tables::write_columns(&path, columns)?,
            }
            written.push(path);
            let (path, groups) = (files.curves_table(ending), frames::curves(&trials));
            match format {
                Format::Csv => tables::write_csv_groups(&path, groups)?,
                _ => tables::write_groups(&path, groups)?,
            }
            written.push(path);
        }
        Ok(written)
    }

    /// The report for people: for each experiment, a table with one row per setting, best first; what it is sorted by; and the
    /// trials that are not done. The table is at most `width` characters wide; without a width, each setting has one line.
    pub fn table(&self, width: Option<usize>) -> String {
        text::report(self, width)
    }

    /// The report for programs: the metrics of [`Report::table`], and all trials. Numbers that are not finite are null.
    pub fn json(&self) -> serde_json::Value {
        json::report(self)
    }

    /// The best trial of the best setting; `None` if there are several experiments, or no trial is done and has validation
    /// metrics.
    pub fn best(&self) -> Option<&ReportedTrial> {
        let [experiment] = &*self.experiments else { return None };
        Comparison::of(experiment).best()
    }

    /// The folders of the trials that are done, by setting.
    pub fn done_by_setting(&self) -> Vec<Vec<PathBuf>> {
        let settings = self.experiments.iter().flat_map(|experiment| Comparison::of(experiment).settings);
        settings.map(|setting| setting.done().map(|trial| trial.folder.clone()).collect()).collect()
    }

    /// Whether a trial is done that has no validation images.
    pub fn lacks_validation(&self) -> bool {
        let records = self.experiments.iter().flat_map(|one| &one.trials).map(|trial| &trial.record);
        records.into_iter().any(|record| record.status == Status::Done && record.validation_images == Some(0))
    }

    /// The experiment whose folder this is.
    pub fn experiment_of(&self, folder: &Path) -> Option<&Experiment> {
        self.experiments.iter().find(|one| without_links(&one.folder) == without_links(folder))
    }

    /// Whether an expectation of a plan (`[[expect]]`) is not met.
    pub fn has_unmet(&self) -> bool {
        let all = self.experiments.iter().flat_map(expectations::compared);
        all.into_iter().any(|one| one.verdict == expectations::Verdict::NotMet)
    }

    /// What the plans are expected to give, with the results, as JSON.
    pub fn expectations(&self) -> Vec<serde_json::Value> {
        self.experiments.iter().flat_map(expectations::compared).map(|one| one.json()).collect()
    }

    /// Whether the metrics of all trials are comparable.
    pub fn is_comparable(&self) -> bool {
        self.experiments.iter().all(|experiment| Comparison::of(experiment).is_comparable)
    }

    /// The heading of an experiment: its name, and also its folder if several experiments have that name.
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
            // A folder with trials copied from elsewhere has no plan, or the plan of another experiment.
            Ok(plan) if plan.name != name => None,
            Ok(plan) => Some(plan),
            Err(error) if error.source.kind() == ErrorKind::NotFound => None,
            Err(error) => {
                warnings.push(format!("{error}; all trials in the folder are assumed to be in the plan"));
                None
            }
        };
        let (plan, expectations, search) = match plan {
            Some(Frozen { trials, expect, search, .. }) => {
                (Some(trials.into_iter().map(|trial| trial.id).collect::<BTreeSet<String>>()), expect, search)
            }
            None => (None, Vec::new(), None),
        };
        let is_planned = |trial: &ReportedTrial| plan.as_ref().is_none_or(|plan| plan.contains(&trial.record.trial));
        let (trials, unplanned): (Vec<ReportedTrial>, Vec<ReportedTrial>) = trials.into_iter().partition(is_planned);
        let known: BTreeSet<&String> = trials.iter().map(|trial| &trial.record.trial).collect();
        // A folder whose record cannot be read has its own warning.
        let found = match ExperimentFolder::new(&folder).trials() {
            Ok(found) => Some(found),
            Err(error) => {
                warnings.push(error.to_string());
                None
            }
        };
        let has_folder = |id: &String| {
            let folder = found.as_ref().and_then(|found| found.find(id));
            // If it is unknown whether it has a record, there is a warning too.
            folder.is_some_and(|folder| folder.has_record().unwrap_or(true))
        };
        let without_folder = plan.iter().flatten().filter(|id| !known.contains(*id) && !has_folder(id)).count();
        Experiment { name, folder, trials, unplanned, without_folder, expectations, search, is_selection: false }
    }

    fn has_trials(&self) -> bool {
        !self.trials.is_empty() || !self.unplanned.is_empty()
    }

    /// The state of its search; `None` without one, or if trials were selected.
    fn search_state(&self) -> Option<SearchState<'_>> {
        self.search.as_ref().filter(|_| !self.is_selection).map(|search| SearchState::of(search, &self.trials))
    }

    /// All trials in its folder, and whether each is in the current plan.
    fn all(&self) -> impl Iterator<Item = (&ReportedTrial, bool)> {
        self.trials.iter().map(|trial| (trial, true)).chain(self.unplanned.iter().map(|trial| (trial, false)))
    }
}

/// The folders that contain a trial.json, in the order of their names; folders in a trial folder are not searched.
fn trial_folders(dir: &Path, warnings: &mut Vec<String>) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    let mut entries = WalkDir::new(dir).follow_links(true).sort_by_file_name().into_iter();
    while let Some(entry) = entries.next() {
        match entry {
            Ok(entry) if entry.path().is_dir() => match TrialFolder::new(entry.path()).has_record() {
                Ok(false) => {}
                Ok(true) => {
                    folders.push(entry.into_path());
                    entries.skip_current_dir();
                }
                Err(error) => {
                    warnings.push(error.to_string());
                    entries.skip_current_dir();
                }
            },
            Ok(_) => {}
            // A link to a parent folder adds nothing.
            Err(error) if error.loop_ancestor().is_some() => {}
            // Nor does a broken link.
            Err(error) if error.path().is_some_and(Path::is_symlink) => {}
            Err(error) => warnings.push(error.to_string()),
        }
    }
    // Folders are preferred to links to them.
    let root = without_links(dir);
    let is_own = |folder: &PathBuf| folder.strip_prefix(dir).is_ok_and(|rest| without_links(folder) == root.join(rest));
    let mut known: BTreeSet<PathBuf> =
        folders.iter().filter(|folder| is_own(folder)).map(|folder| without_links(folder)).collect();
    folders.retain(|folder| is_own(folder) || known.insert(without_links(folder)));
    folders
}

#[cfg(test)]
mod tests;
