//! Every trial of an experiment, resolved and checked: whoever holds a [`Trial`] holds something that can run.

mod check;
mod trial;

pub use trial::{Trial, value_text};

use crate::data::{DataError, Dataset, grouped};
use crate::files::FileError;
use crate::spec::diagnostics::{Diagnostic, Diagnostics, Location};
use crate::spec::{Axis, Data, Document, Override, Spec};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Trials that one experiment may have.
pub const TRIAL_LIMIT: usize = 100_000;

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The spec file cannot be read.
    #[error(transparent)]
    Read(#[from] FileError),
    /// The spec, or the data that it names, is wrong.
    #[error(transparent)]
    Spec(#[from] Diagnostics),
}

/// Something that is wrong with a resolved spec, by key.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    /// The key to point at first, then others that the problem is about.
    pub(crate) keys: Vec<&'static str>,
    /// What is wrong.
    pub(crate) message: String,
    /// What to do.
    pub(crate) help: Option<String>,
}

/// An experiment that can run.
#[derive(Clone, Debug)]
pub struct Plan {
    name: String,
    trials: Vec<Trial>,
    varied: Vec<String>,
}

impl Plan {
    /// Reads a spec file, applies what the command line sets, and checks every trial.
    ///
    /// # Errors
    /// The file cannot be read; all that is wrong with it, or with the data, at once.
    pub fn read(path: &Path, overrides: &[Override]) -> Result<Plan, PlanError> {
        let bytes = std::fs::read(path).map_err(FileError::at("read the spec", path))?;
        let name = path.display().to_string();
        let text = String::from_utf8(bytes).map_err(|error| {
            let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
            let message = format!("the spec is not UTF-8 text: line {line} has other bytes");
            let item = Diagnostic { location: None, message, help: Some("save it as UTF-8".to_owned()) };
            Diagnostics::new(&[crate::spec::diagnostics::Source { name: name.clone(), text: String::new() }], [item])
        })?;
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let folder = path.parent().unwrap_or(Path::new("."));
        let document = Document::parse(&name, &text, overrides)?;
        Ok(Plan::resolve(&document, &stem, folder)?)
    }

    fn resolve(document: &Document, stem: &str, folder: &Path) -> Result<Plan, Diagnostics> {
        let mut faults = document.faults().to_vec();
        let count = document.axes().iter().map(|axis| axis.values.len()).try_fold(1usize, usize::checked_mul);
        let count = count.filter(|count| *count <= TRIAL_LIMIT);
        let Some(count) = count else {
            let message = format!("the sweep has more than {} trials", grouped(TRIAL_LIMIT));
            let item = Diagnostic { location: longest_axis(document), message, help: None };
            faults.push(item.with_help("shorten the lists of `[sweep.grid]`, or split the experiment"));
            return Err(Diagnostics::new(document.sources(), faults));
        };
        let mut datasets = Datasets { folder: folder.to_path_buf(), loaded: Vec::new() };
        let (mut trials, mut known, mut unused) = (Vec::new(), BTreeSet::new(), BTreeMap::new());
        for number in 0..count {
            let choice = choose(document.axes(), number);
            let values = choice.iter().map(|(axis, index)| (axis.key.as_str(), &axis.values[*index].0));
            let mut spec = document.with_values(values);
            spec.name.get_or_insert_with(|| stem.to_owned());
            for problem in check::drop_unused(&mut spec) {
                let uses = unused.entry(problem.keys.clone()).or_insert((problem, choice.clone(), 0));
                uses.2 += 1;
            }
            let dataset = datasets.get(&spec.data);
            check::absolute_paths(&mut spec, folder);
            match Trial::resolve(spec, dataset) {
                // A value listed twice is one trial.
                Ok(trial) if !known.insert((trial.spec_hash().to_owned(), trial.dataset().hash.clone())) => {}
                Ok(trial) => trials.push(trial),
                Err(problems) => {
                    faults.extend(problems.iter().filter_map(|problem| locate(document, &choice, problem)));
                }
            }
        }
        for (problem, choice, trials) in unused.into_values() {
            if trials == count {
                faults.extend(locate(document, &choice, &problem));
            }
        }
        if !faults.is_empty() {
            return Err(Diagnostics::new(document.sources(), faults));
        }
        let name = trials.first().map(|trial| trial.name().to_owned()).unwrap_or_default();
        Ok(Plan { name, trials, varied: document.axes().iter().map(|axis| axis.key.clone()).collect() })
    }

    /// The experiment's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Every trial, in the order of the sweep: its first key varies slowest.
    pub fn trials(&self) -> &[Trial] {
        &self.trials
    }

    /// The dotted keys that vary.
    pub fn varied(&self) -> &[String] {
        &self.varied
    }
}

/// The values of one trial: for each axis, the index of its value.
fn choose(axes: &[Axis], number: usize) -> Vec<(&Axis, usize)> {
    let mut rest = number;
    let mut choice: Vec<(&Axis, usize)> = Vec::new();
    for axis in axes.iter().rev() {
        choice.push((axis, rest % axis.values.len()));
        rest /= axis.values.len();
    }
    choice.reverse();
    choice
}

/// The values of the longest list.
fn longest_axis(document: &Document) -> Option<Location> {
    let axis = document.axes().iter().rev().max_by_key(|axis| axis.values.len())?;
    let ((_, first), (_, last)) = (axis.values.first()?, axis.values.last()?);
    Some(Location { end: last.end, ..first.clone() })
}

/// Where the value that a problem is about was written: in the sweep, in the file, or nowhere.
fn locate(document: &Document, choice: &[(&Axis, usize)], problem: &Problem) -> Option<Diagnostic> {
    // What follows from a value that could not be read is not worth an error of its own.
    if problem.keys.iter().any(|key| document.is_faulty(key)) {
        return None;
    }
    let swept = |key: &str| {
        let (axis, index) = choice.iter().find(|(axis, _)| axis.key == key)?;
        axis.values.get(*index).map(|(_, location)| location.clone())
    };
    let written = |key: &&'static str| swept(key).or_else(|| document.entry(key).map(|entry| entry.value.clone()));
    let location = problem.keys.iter().find_map(written);
    Some(Diagnostic { location, message: problem.message.clone(), help: problem.help.clone() })
}

/// Datasets by their table, so that a sweep reads each one once.
struct Datasets {
    folder: PathBuf,
    loaded: Vec<(Data, Result<Dataset, Vec<Problem>>)>,
}

impl Datasets {
    fn get(&mut self, data: &Data) -> Result<Dataset, Vec<Problem>> {
        if let Some((_, result)) = self.loaded.iter().find(|(known, _)| known == data) {
            return result.clone();
        }
        let result = Dataset::load(data, &self.folder).map_err(|error: DataError| {
            let keys = match error.key() {
                // What follows from a default is shown where it begins.
                "data.images" => vec!["data.images", "data.source"],
                "data.validation" => vec!["data.validation", "data.limit"],
                key => vec![key],
            };
            let help = error.is_missing_file().then(|| "paths are relative to the folder of the spec".to_owned());
            vec![Problem { keys, message: error.to_string(), help }]
        });
        self.loaded.push((data.clone(), result.clone()));
        result
    }
}

/// The spec of one trial as TOML, runnable by itself.
pub fn to_toml(spec: &Spec) -> String {
    toml::to_string(spec).unwrap_or_default()
}
