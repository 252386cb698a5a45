//! Every trial of an experiment, resolved and checked: whoever holds a [`Trial`] holds something that can run.

mod check;
mod trial;

pub(crate) use check::diverged_advice;
pub use trial::{NUMERICS, Trial, determines, spec_hash, value_text};

use crate::data::{DataError, Dataset, Files, Images};
use crate::folder::FileError;
use crate::language::diagnostics::{Diagnostic, Diagnostics, Location, line_and_column};
use crate::language::sweep::{HARD_LIMIT, Pattern, Point};
use crate::language::{Data, Document, Override, ReadError, Spec, nearest, synonyms};
use crate::model::Architecture;
use crate::text::{counted, grouped};
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
    /// The number of each trial's choice in the sweep.
    choices: Vec<usize>,
    /// Trials that the sweep asks for, those that are the same counted each.
    combinations: usize,
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
        if sweep.count().is_none_or(|count| count > u128::from(sweep.limit)) {
            faults.push(too_many(&document));
            return Err(Diagnostics::new(document.sources(), faults));
        }
        let all = sweep.count().unwrap_or(0) as usize;
        let mut datasets = Datasets { folder: folder.to_path_buf(), files: Files::default(), loaded: Vec::new() };
        let (mut trials, mut choices, mut known) = (Vec::new(), Vec::new(), BTreeSet::new());
        let (mut unused, mut found): (BTreeMap<_, _>, Vec<Found>) = (BTreeMap::new(), Vec::new());
        let (mut count, mut excluded) = (0, vec![0usize; sweep.exclude.len()]);
        for number in 0..all {
            let choice = sweep.choice(number);
            let values = choice.iter().flat_map(|point| point.iter());
            let values = values.filter_map(|one| Some((one.key.as_str(), one.value.as_ref()?)));
            let mut spec = document.with_values(values);
            spec.name.get_or_insert_with(|| stem.to_owned());
            let problems = check::drop_unused(&mut spec);
            if !sweep.exclude.is_empty() {
                check::fill_defaults(&mut spec);
                let values = trial::values_of(&spec);
                let matching = sweep.exclude.iter().map(|pattern| matches(pattern, &values));
                let matching: Vec<bool> = matching.collect();
                matching.iter().zip(&mut excluded).for_each(|(matches, count)| *count += usize::from(*matches));
                if matching.contains(&true) {
                    continue;
                }
            }
            count += 1;
            for problem in problems.into_iter().filter(|problem| !is_hidden(&document, &choice, problem)) {
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
            let errors = problems.into_iter().map(|problem| (problem, false));
            for (problem, is_warning) in errors.chain(warnings.into_iter().map(|problem| (problem, true))) {
                if let Some(item) = locate(&document, &choice, &problem) {
                    Found::add(&mut found, &document, number, &problem, Diagnostic { is_warning, ..item });
                }
            }
            // A value listed twice is one trial.
            if let Some(trial) = trial
                && known.insert((trial.spec_hash().to_owned(), trial.dataset().hash.clone()))
            {
                trials.push(trial);
                choices.push(number);
            }
        }
        let (mut warnings, mut all) = (Vec::new(), faults);
        for (problem, choice, uses) in unused.into_values() {
            if uses == count {
                let item = locate_unused(&document, &choice, &problem);
                item.into_iter().for_each(|item| if item.is_warning { &mut warnings } else { &mut all }.push(item));
            }
        }
        for item in found.into_iter().map(|found| found.into_diagnostic(count, sweep.is_partial)) {
            if item.is_warning { &mut warnings } else { &mut all }.push(item);
        }
        for (pattern, _) in sweep.exclude.iter().zip(&excluded).filter(|(_, excluded)| **excluded == 0) {
            // A key that was set later has none of the values that the pattern was written for.
            let settled = |key: &String| {
                document.entry(key).is_some_and(|entry| document.is_later(&entry.key, &pattern.location))
            };
            if !pattern.values.keys().any(settled) {
                let item = Diagnostic::at(&pattern.location, "this `[[sweep.exclude]]` matches no trial");
                warnings.push(Diagnostic { is_warning: true, ..item.with_help("correct its values, or remove it") });
            }
        }
        if count == 0 && all.is_empty() {
            let place = sweep.exclude.first().map(|pattern| pattern.location.clone());
            let help = "remove it, or give it more keys, so that it matches fewer";
            all.push(Diagnostic::new(place, "every trial is excluded").with_help(help));
        }
        if !all.is_empty() {
            return Err(Diagnostics::new(document.sources(), all));
        }
        let name = trials.first().map(|trial| trial.name().to_owned()).unwrap_or_default();
        let varied = sweep.keys();
        let warnings = Diagnostics::new(document.sources(), warnings);
        let left_out = BTreeSet::new();
        Ok(Plan {
            name,
            trials,
            choices,
            combinations: count,
            varied,
            left_out,
            document: Arc::new(document),
            warnings,
        })
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
        let values: Vec<BTreeMap<String, Value>> = match only.is_empty() {
            true => Vec::new(),
            false => self.trials.iter().map(Trial::values).collect(),
        };
        let keys: BTreeSet<&String> = values.iter().flat_map(BTreeMap::keys).collect();
        let mut chosen: Vec<usize> = (0..self.trials.len()).collect();
        for text in only {
            let (key, wanted) = selector(text, &keys)?;
            let is_wanted = |index: usize| match (key.as_str(), self.trials.get(index), values.get(index)) {
                ("trial", Some(trial), _) => trial.id().starts_with(&wanted),
                (key, _, Some(values)) => says(&value_text(values.get(key)), &wanted),
                _ => false,
            };
            if !(0..self.trials.len()).any(is_wanted) {
                let there: Vec<String> = values.iter().map(|values| value_text(values.get(&key))).collect();
                let there = if key == "trial" { "`vaex plan` lists their ids".to_owned() } else { listed(&key, there) };
                return Err(format!("no trial of `{}` matches `--only {text}`: {there}", self.name));
            }
            chosen.retain(|index| is_wanted(*index));
        }
        if chosen.is_empty() {
            return Err(format!("no trial of `{}` matches every `--only`; each matches some", self.name));
        }
        chosen.truncate(limit.unwrap_or(usize::MAX));
        let chosen: BTreeSet<usize> = chosen.into_iter().collect();
        let others = self.trials.iter().enumerate().filter(|(index, _)| !chosen.contains(index));
        self.left_out = others.map(|(_, trial)| trial.id().to_owned()).collect();
        Ok(())
    }

    /// The trials that are to run now.
    pub fn selected(&self) -> impl Iterator<Item = &Trial> {
        self.trials.iter().filter(|trial| !self.left_out.contains(trial.id()))
    }

    /// Where a trial's values came from, by dotted key.
    pub fn origins(&self, trial: &Trial) -> impl Fn(&str) -> Origin {
        let document = self.document.clone();
        let index = self.trials.iter().position(|one| one.id() == trial.id());
        let choice = index.and_then(|index| self.choices.get(index)).map(|number| document.sweep().choice(*number));
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

    /// Trials that the sweep asks for, before those that come to the same are made one.
    pub fn combinations(&self) -> usize {
        self.combinations
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
fn matches(pattern: &Pattern, values: &BTreeMap<String, Value>) -> bool {
    pattern.values.iter().all(|(key, any)| {
        any.iter().any(|value| serde_json::to_value(value).is_ok_and(|value| same(&value, values.get(key))))
    })
}

/// The key and the value of an argument of `--only`; the last part of a key will do where no other key ends so.
fn selector(text: &str, keys: &BTreeSet<&String>) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or_else(|| format!("`--only {text}` is not KEY=VALUE"))?;
    let (key, value) = (key.trim(), value.trim().trim_matches(['"', '\'']).to_owned());
    if value.is_empty() {
        return Err(format!("`--only {text}` has no value"));
    }
    let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
    let mut ending = keys.iter().filter(|one| last(one) == key);
    if key == "trial" || keys.iter().any(|one| *one == key) {
        return Ok((key.to_owned(), value));
    }
    match (ending.next(), ending.next()) {
        (Some(key), None) => Ok(((*key).clone(), value)),
        _ => {
            let synonym = synonyms::key(key).filter(|meant| keys.iter().any(|one| *one == meant)).map(str::to_owned);
            let whole = || nearest(key, keys.iter().map(|one| one.as_str()));
            let near = synonym.or_else(whole).or_else(|| {
                let near = nearest(&last(key), keys.iter().map(|one| one.rsplit('.').next().unwrap_or_default()))?;
                keys.iter().find(|one| last(one) == near).map(|one| (*one).clone())
            });
            let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            Err(format!("`--only {text}`: no trial has a key `{key}`{near}"))
        }
    }
}

/// Whether a trial's value is the one that was asked for: `[64, 32]` is `[64,32]`, and 1.0 is 1.
fn says(found: &str, wanted: &str) -> bool {
    let number = |text: &str| text.parse::<f64>().ok();
    let bare = |text: &str| text.replace([' ', '"', '\''], "");
    found == wanted
        || number(found).is_some_and(|found| number(wanted) == Some(found))
        || wanted.starts_with('[') && bare(found) == bare(wanted)
}

/// The values that there are of a key, the first of many.
fn listed(key: &str, values: Vec<String>) -> String {
    let mut different: Vec<String> = Vec::new();
    for value in values {
        if !different.contains(&value) {
            different.push(value);
        }
        if different.len() > 10 {
            different[10] = "...".to_owned();
            break;
        }
    }
    format!("`{key}` is {}", different.join(", "))
}

/// More trials than there may be.
fn too_many(document: &Document) -> Diagnostic {
    let (sweep, count) = (document.sweep(), document.sweep().count());
    let found = match count.filter(|count| *count < 10u128.pow(30)) {
        Some(count) => counted(count, "trial"),
        None => "more than 10^30 trials".to_owned(),
    };
    let message = format!("the sweep has {found}, and its limit is {}", grouped(sweep.limit));
    let help = match count.is_some_and(|count| count <= u128::from(HARD_LIMIT)) {
        true => "shorten its lists, split the experiment, or raise `sweep.limit`".to_owned(),
        false => format!("shorten its lists, or draw samples; no experiment has more than {}", grouped(HARD_LIMIT)),
    };
    Diagnostic::new(sweep.longest(), message).with_help(help)
}

/// What is wrong in some trials, in one line of the spec about the same keys; what it says of the first.
struct Found {
    line: Option<(usize, usize)>,
    keys: Vec<&'static str>,
    /// The message without its numbers.
    kind: String,
    item: Diagnostic,
    /// What is said, and where, if not the same everywhere.
    different: BTreeSet<(String, Option<Location>)>,
    /// Trials that it touches, and the last of them.
    trials: usize,
    last: usize,
}

impl Found {
    fn add(all: &mut Vec<Found>, document: &Document, trial: usize, problem: &Problem, item: Diagnostic) {
        let source = item.location.as_ref().and_then(|at| Some((at, document.sources().get(at.source)?)));
        let line = source.map(|(at, source)| (at.source, line_and_column(&source.text, at.start).0));
        let kind: String = item.message.chars().filter(|c| !c.is_ascii_digit() && !".,-".contains(*c)).collect();
        let alike = |one: &&mut Found| {
            one.item.is_warning == item.is_warning && one.line == line && one.keys == problem.keys && one.kind == kind
        };
        let said = (item.message.clone(), item.location.clone());
        match all.iter_mut().find(alike) {
            Some(one) => {
                one.trials += usize::from(one.last != trial);
                one.last = trial;
                one.different.insert(said);
            }
            None => {
                let (keys, different) = (problem.keys.clone(), BTreeSet::from([said]));
                all.push(Found { line, keys, kind, item, different, trials: 1, last: trial });
            }
        }
    }

    /// With what it says of the other trials; how many it touches is not said of a sweep that is `partial`.
    fn into_diagnostic(self, count: usize, partial: bool) -> Diagnostic {
        let touched = (self.trials < count && !partial).then(|| format!("in {} of {count} trials", self.trials));
        let more = self.different.len() - 1;
        let more = (more > 0).then(|| format!("and {} more like it", grouped(more)));
        let note: Vec<String> = touched.into_iter().chain(more).collect();
        Diagnostic { note: (!note.is_empty()).then(|| note.join(", ")), ..self.item }
    }
}

/// A key that no trial has a use for. Where what chooses against it is said later than the key, as by `--set` on top of
/// a file, that is meant, and a warning will do.
fn locate_unused(document: &Document, choice: &[&Point], problem: &Problem) -> Option<Diagnostic> {
    let item = locate(document, choice, problem)?;
    let [key, chooser] = problem.keys[..] else { return Some(item) };
    let (Some(own), Some(chooser)) = (place_of(document, choice, key), place_of(document, choice, chooser)) else {
        return Some(item);
    };
    if !document.is_later(&chooser, &own) {
        return Some(item);
    }
    let place = format!("`{key}` of {}", document.place(&own));
    let message = problem.message.replacen(&format!("`{key}`"), &place, 1);
    let item = Diagnostic::at(&chooser, format!("{message}, and is left out"));
    Some(Diagnostic { is_warning: true, ..item })
}

/// Where a key's value in a trial was written: in the sweep, in a file, or nowhere.
fn place_of(document: &Document, choice: &[&Point], key: &str) -> Option<Location> {
    let mut assignments = choice.iter().rev().flat_map(|point| point.iter());
    let swept = assignments.find(|assignment| assignment.key == key).map(|assignment| assignment.location.clone());
    swept.or_else(|| document.entry(key).map(|entry| entry.value.clone()))
}

/// Whether a problem is about a value that could not be read: what follows from that is not worth an error of its own.
fn is_hidden(document: &Document, choice: &[&Point], problem: &Problem) -> bool {
    problem.keys.iter().any(|key| {
        let mut assignments = choice.iter().rev().flat_map(|point| point.iter());
        match assignments.find(|assignment| assignment.key == *key) {
            Some(assignment) => assignment.value.is_none(),
            None => document.is_faulty(key),
        }
    })
}

/// A problem, where the value that it is about was written.
fn locate(document: &Document, choice: &[&Point], problem: &Problem) -> Option<Diagnostic> {
    if is_hidden(document, choice, problem) {
        return None;
    }
    let location = problem.keys.iter().find_map(|key| place_of(document, choice, key));
    Some(Diagnostic { help: problem.help.clone(), ..Diagnostic::new(location, problem.message.as_str()) })
}

/// Datasets by what they are read from and how they are split, so that a sweep reads each one once.
struct Datasets {
    folder: PathBuf,
    files: Files,
    loaded: Vec<(Data, Result<Dataset, Vec<Problem>>)>,
}

impl Datasets {
    fn get(&mut self, data: &Data) -> Result<Dataset, Vec<Problem>> {
        // How pixels are shown to a network changes nothing of the images.
        let Data { binarize, range, .. } = Data::default();
        let data = Data { binarize, range, ..data.clone() };
        if let Some((_, result)) = self.loaded.iter().find(|(known, _)| *known == data) {
            return result.clone();
        }
        let result = self.files.dataset(&data, &self.folder).map_err(|error: DataError| {
            let keys = match error.key() {
                // What follows from a default is shown where it begins.
                "data.images" => vec!["data.images", "data.source"],
                "data.validation" => vec!["data.validation", "data.limit"],
                key => vec![key],
            };
            let help = "paths in a spec are relative to its folder, those of `--set` to the working directory";
            let help = error.is_missing_file().then(|| help.to_owned());
            vec![Problem { keys, message: error.to_string(), help }]
        });
        self.loaded.push((data, result.clone()));
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
