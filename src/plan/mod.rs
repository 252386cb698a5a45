//! Every trial of an experiment, resolved and checked: whoever holds a [`Trial`] holds something that can run.

mod check;
mod trial;

pub use trial::{Trial, value_text};

use crate::data::{DataError, Dataset, Images, grouped};
use crate::files::FileError;
use crate::model::Architecture;
use crate::spec::diagnostics::{Diagnostic, Diagnostics, Location};
use crate::spec::sweep::{Assignment, Pattern, Point};
use crate::spec::{Data, Document, Override, ReadError, Spec, nearest};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

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

impl From<ReadError> for PlanError {
    fn from(error: ReadError) -> PlanError {
        match error {
            ReadError::File(error) => PlanError::Read(error),
            ReadError::Syntax(error) => PlanError::Spec(error),
        }
    }
}

/// An experiment that can run.
#[derive(Clone, Debug)]
pub struct Plan {
    name: String,
    trials: Vec<Trial>,
    varied: Vec<String>,
    /// Ids of trials that are not to run now.
    left_out: BTreeSet<String>,
    document: Arc<Document>,
    warnings: Diagnostics,
}

/// Where the value of a resolved spec came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A file and its line, or an argument.
    Written(String),
    /// The same, where the sweep gives it.
    Swept(String),
    /// Nobody wrote it.
    Default,
}

impl Plan {
    /// Reads a spec file, applies what the command line sets, and checks every trial.
    ///
    /// # Errors
    /// The file cannot be read; all that is wrong with it, or with the data, at once.
    pub fn read(path: &Path, overrides: &[Override]) -> Result<Plan, PlanError> {
        let document = Document::read(path, overrides)?;
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let folder = path.parent().unwrap_or(Path::new("."));
        Ok(Plan::resolve(document, &stem, folder)?)
    }

    fn resolve(document: Document, stem: &str, folder: &Path) -> Result<Plan, Diagnostics> {
        let sweep = document.sweep();
        let mut faults = document.faults().to_vec();
        if sweep.count().is_none_or(|count| count > sweep.limit) {
            let item =
                Diagnostic::new(sweep.longest(), format!("the sweep has more than {} trials", grouped(sweep.limit)));
            faults.push(item.with_help("shorten its lists, split the experiment, or raise `sweep.limit`"));
            return Err(Diagnostics::new(document.sources(), faults));
        }
        let mut datasets = Datasets { folder: folder.to_path_buf(), loaded: Vec::new() };
        let (mut trials, mut known, mut unused) = (Vec::new(), BTreeSet::new(), BTreeMap::new());
        // What is found, and in how many trials.
        let mut found: BTreeMap<Diagnostic, usize> = BTreeMap::new();
        let (mut count, mut excluded) = (0, vec![0usize; sweep.exclude.len()]);
        for choice in sweep.trials() {
            let values = choice.iter().flat_map(|point| point.iter());
            let mut spec = document.with_values(values.map(|assignment| (assignment.key.as_str(), &assignment.value)));
            spec.name.get_or_insert_with(|| stem.to_owned());
            let problems = check::drop_unused(&mut spec);
            if !sweep.exclude.is_empty() {
                check::fill_defaults(&mut spec);
                let pattern = sweep.exclude.iter().position(|pattern| matches(pattern, &spec));
                if let Some(pattern) = pattern {
                    excluded[pattern] += 1;
                    continue;
                }
            }
            count += 1;
            for problem in problems {
                let uses = unused.entry(problem.keys.clone()).or_insert((problem, choice.clone(), 0));
                uses.2 += 1;
            }
            let dataset = datasets.get(&spec.data);
            check::absolute_paths(&mut spec, folder);
            let (trial, problems) = match Trial::resolve(spec, dataset) {
                Ok(trial) => (Some(trial), Vec::new()),
                Err(problems) => (None, problems),
            };
            let warnings = trial.as_ref().map(check::warnings).unwrap_or_default();
            for (problem, is_warning) in
                problems.iter().map(|one| (one, false)).chain(warnings.iter().map(|one| (one, true)))
            {
                if let Some(item) = locate(&document, &choice, problem) {
                    *found.entry(Diagnostic { is_warning, ..item }).or_default() += 1;
                }
            }
            // A value listed twice is one trial.
            if let Some(trial) = trial
                && known.insert((trial.spec_hash().to_owned(), trial.dataset().hash.clone()))
            {
                trials.push(trial);
            }
        }
        for (problem, choice, uses) in unused.into_values() {
            if uses == count {
                faults.extend(locate(&document, &choice, &problem));
            }
        }
        let (mut warnings, mut all) = (Vec::new(), faults);
        for (mut item, touched) in found {
            if touched < count {
                item.note = Some(format!("in {touched} of {count} trials"));
            }
            if item.is_warning { warnings.push(item) } else { all.push(item) }
        }
        let idle = sweep.exclude.iter().zip(&excluded).filter(|(_, excluded)| **excluded == 0);
        warnings.extend(idle.map(|(pattern, _)| {
            let item = Diagnostic::at(&pattern.location, "this `[[sweep.exclude]]` matches no trial");
            Diagnostic { is_warning: true, ..item.with_help("correct its values, or remove it") }
        }));
        if count == 0 && all.is_empty() {
            let place = sweep.exclude.first().map(|pattern| pattern.location.clone());
            all.push(Diagnostic::new(place, "every trial is excluded"));
        }
        if !all.is_empty() {
            return Err(Diagnostics::new(document.sources(), all));
        }
        let name = trials.first().map(|trial| trial.name().to_owned()).unwrap_or_default();
        let varied = sweep.keys();
        let warnings = Diagnostics::new(document.sources(), warnings);
        Ok(Plan { name, trials, varied, left_out: BTreeSet::new(), document: Arc::new(document), warnings })
    }

    /// What deserves a look, and stops nothing.
    pub fn warnings(&self) -> &Diagnostics {
        &self.warnings
    }

    /// Leaves all trials out of the run but those that match every `KEY=VALUE` of `only` (`trial=ID` names one by the
    /// beginning of its id), and of these all but the first `limit`.
    ///
    /// # Errors
    /// A text is not `KEY=VALUE`, or names a key that the trials do not have; nothing is left.
    pub fn select(&mut self, only: &[String], limit: Option<usize>) -> Result<(), String> {
        let mut wanted: Vec<(String, &str)> = Vec::new();
        for text in only {
            let (key, value) = text.split_once('=').ok_or_else(|| format!("`--only {text}` is not KEY=VALUE"))?;
            let (key, value) = (key.trim(), value.trim().trim_matches(['"', '\'']));
            let keys: BTreeSet<String> = self.trials.iter().flat_map(|trial| trial.values().into_keys()).collect();
            let last = format!(".{key}");
            let mut ending = keys.iter().filter(|one| one.ends_with(&last));
            // The last part of a key will do where no other key ends so.
            let key = match (keys.get(key), ending.next(), ending.next()) {
                (Some(key), _, _) | (None, Some(key), None) => key.clone(),
                _ => key.to_owned(),
            };
            if key != "trial" && !keys.contains(&key) {
                let near = nearest(&key, keys.iter().map(String::as_str));
                let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                return Err(format!("`--only {text}`: no trial has a key `{key}`{near}"));
            }
            wanted.push((key, value));
        }
        let is_wanted = |trial: &Trial| {
            let values = trial.values();
            wanted.iter().all(|(key, value)| match key.as_str() {
                "trial" => trial.id().starts_with(value),
                key => {
                    let number = |text: &str| text.parse::<f64>().ok();
                    let found = value_text(values.get(key));
                    found == *value || number(&found).is_some_and(|found| number(value) == Some(found))
                }
            })
        };
        let chosen = self.trials.iter().filter(|trial| is_wanted(trial)).take(limit.unwrap_or(usize::MAX));
        let chosen: BTreeSet<&str> = chosen.map(Trial::id).collect();
        if chosen.is_empty() {
            return Err(format!("no trial of `{}` matches", self.name));
        }
        let left_out = self.trials.iter().map(Trial::id).filter(|id| !chosen.contains(id));
        self.left_out = left_out.map(str::to_owned).collect();
        Ok(())
    }

    /// The trials that are to run now.
    pub fn selected(&self) -> impl Iterator<Item = &Trial> {
        self.trials.iter().filter(|trial| !self.left_out.contains(trial.id()))
    }

    /// Where a trial's values came from, by dotted key.
    pub fn origins(&self, trial: &Trial) -> impl Fn(&str) -> Origin {
        let (document, values) = (self.document.clone(), trial.values());
        let holds = |assignment: &Assignment| {
            let given = serde_json::to_value(&assignment.value).unwrap_or_default();
            // A key that the trial has no use for was left out.
            values.get(&assignment.key).is_none_or(|value| same(&given, Some(value)))
        };
        let choice = document.sweep().trials().find(|choice| choice.iter().all(|point| point.iter().all(holds)));
        let assignments = choice.into_iter().flatten().flatten();
        let swept: BTreeMap<String, Location> =
            assignments.map(|assignment| (assignment.key.clone(), assignment.location.clone())).collect();
        move |key| match (swept.get(key), document.entry(key)) {
            (Some(location), _) => Origin::Swept(document.place(location)),
            (None, Some(entry)) => Origin::Written(document.place(&entry.key)),
            (None, None) => Origin::Default,
        }
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

/// Whether two values are equal; whole numbers are numbers too.
fn same(one: &Value, other: Option<&Value>) -> bool {
    match (one, other) {
        (Value::Number(one), Some(Value::Number(other))) => one.as_f64() == other.as_f64(),
        (Value::Array(one), Some(Value::Array(other))) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, Some(other)))
        }
        (one, other) => Some(one) == other,
    }
}

/// Whether a trial has, for each key of a pattern, one of its values.
fn matches(pattern: &Pattern, spec: &Spec) -> bool {
    let values = trial::values_of(spec);
    pattern.values.iter().all(|(key, any)| {
        any.iter().any(|value| serde_json::to_value(value).is_ok_and(|value| same(&value, values.get(key))))
    })
}

/// Where the value that a problem is about was written: in the sweep, in the file, or nowhere.
fn locate(document: &Document, choice: &[&Point], problem: &Problem) -> Option<Diagnostic> {
    // What follows from a value that could not be read is not worth an error of its own.
    if problem.keys.iter().any(|key| document.is_faulty(key)) {
        return None;
    }
    let swept = |key: &str| {
        let mut assignments = choice.iter().rev().flat_map(|point| point.iter());
        assignments.find(|assignment| assignment.key == key).map(|assignment| assignment.location.clone())
    };
    let written = |key: &&'static str| swept(key).or_else(|| document.entry(key).map(|entry| entry.value.clone()));
    let location = problem.keys.iter().find_map(written);
    Some(Diagnostic { help: problem.help.clone(), ..Diagnostic::new(location, problem.message.as_str()) })
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

/// The network of a resolved spec, for images of some height and width; nothing where the spec cannot have one.
pub fn architecture(spec: &Spec, [height, width]: [usize; 2]) -> Option<Architecture> {
    let pixels = height.checked_mul(width).filter(|pixels| (1..1 << 28).contains(pixels))?;
    let images = Images::new(vec![0; pixels], None, height, width);
    check::model(&mut check::Checks::default(), spec, Some(&images))
}

/// The spec of one trial as TOML, runnable by itself.
pub fn to_toml(spec: &Spec) -> String {
    toml::to_string(spec).unwrap_or_default()
}
