//! Resolves one point of a sweep: the written values, replaced by those of the point, become a trial.

use super::initial::InitialWeights;
use super::{Problem, Trial, problems};
use crate::data::{Binarize, DataError, DataSettings, Dataset, Files};
use crate::language::sweep::Point;
use crate::language::{Document, DottedKey, Spec, description};
use crate::model::Architecture;
use crate::settings::{Found, Role};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use toml::Value;

/// Resolves points of a sweep one at a time, in any order. Image files are read once.
pub struct Resolver {
    points: Points,
    datasets: Datasets,
    initial: InitialWeights,
}

/// Resolves the specs of points, without their images.
#[derive(Clone)]
pub(super) struct Points {
    document: Arc<Document>,
    /// The default name of the experiment.
    stem: String,
}

/// A point whose spec is resolved and whose images are not read yet.
pub struct ResolvedPoint {
    /// The spec.
    pub(super) spec: Spec,
    found: Found,
    /// Keys that were written but do not apply. In a sweep, a key may apply only to some trials; a key that applies to no trial
    /// is an error.
    pub(super) unused: Vec<Problem>,
    written: BTreeMap<DottedKey, Value>,
}

impl ResolvedPoint {
    /// Whether a dotted key applies.
    pub(super) fn applies(&self, key: &str) -> bool {
        self.spec.settings().iter().any(|setting| setting.key == key)
    }
}

impl Points {
    /// The point with the values of a choice of a sweep.
    pub(super) fn point(&self, choice: &[&Point]) -> ResolvedPoint {
        let values = choice.iter().flat_map(|point| point.iter());
        let values = values.filter_map(|one| Some((one.key.as_str(), one.value.as_ref()?)));
        let mut written = self.document.with_values(values);
        let overridden = problems::overridden(&self.document, choice);
        overridden.iter().for_each(|[key, _]| drop(written.remove(*key)));
        written.entry("name".to_owned()).or_insert_with(|| Value::String(self.stem.clone()));
        let (spec, found) = Spec::read(&written);
        let mut unused = unused(&written, &spec);
        // What is already an error needs no second message.
        let is_error = |key: &&str| found.problems.iter().any(|problem| problem.keys.contains(key));
        unused.retain(|one| !one.keys.first().is_some_and(is_error));
        unused.extend(overridden.into_iter().map(|[key, by]| {
            let message = format!("`{key}` does not apply, because `{by}` gives the whole network");
            Problem::new(&[key, by], message, "remove one of them")
        }));
        ResolvedPoint { spec, found, unused, written }
    }
}

impl Resolver {
    /// A resolver for a document; paths in it are relative to `folder`. `files` loads the images.
    pub fn new(document: Document, stem: &str, folder: &Path, files: Files) -> Resolver {
        let datasets = Datasets { folder: folder.to_path_buf(), files, loaded: Vec::new() };
        let initial = InitialWeights::new(folder);
        Resolver { points: Points { document: Arc::new(document), stem: stem.to_owned() }, datasets, initial }
    }

    /// The document.
    pub fn document(&self) -> &Arc<Document> {
        &self.points.document
    }

    /// Resolves the specs of points.
    pub(super) fn points(&self) -> &Points {
        &self.points
    }

    /// The point with the values of a choice of a sweep.
    pub fn point(&self, choice: &[&Point]) -> ResolvedPoint {
        self.points.point(choice)
    }

    /// The trial of a point.
    ///
    /// # Errors
    /// All errors in its spec and its data. If the data cannot be read, everything that does not depend on it is still
    /// checked.
    pub fn trial(&mut self, point: ResolvedPoint) -> Result<Trial, Vec<Problem>> {
        let ResolvedPoint { spec, found, written, .. } = point;
        let dataset = self.datasets.get(&spec.data);
        let (spec, mut problems) = self.with_whole_paths(spec, written);
        problems.extend(found.problems);
        let mut initial = |spec: &Spec, architecture: &Architecture| self.initial.of(spec, architecture);
        Trial::new(spec, dataset, &mut initial, problems, found.warnings)
    }

    /// A path of the spec as trials have it: absolute, if it is text.
    pub(super) fn whole_path(&self, path: &str) -> String {
        let path = self.datasets.folder.join(path);
        std::path::absolute(&path).unwrap_or(path).to_string_lossy().into_owned()
    }

    /// The spec with absolute paths, so that the saved spec of a trial runs in any folder.
    fn with_whole_paths(&self, spec: Spec, mut written: BTreeMap<DottedKey, Value>) -> (Spec, Vec<Problem>) {
        let mut problems = Vec::new();
        let is_path = |key: &str| description().key(key).is_some_and(|key| key.role() == Role::File);
        let mut any = false;
        if let Some(folder) = spec.data.source.data_dir(&self.datasets.folder).as_deref().and_then(Path::to_str) {
            written.insert("data.data_dir".to_owned(), Value::String(folder.to_owned()));
        }
        for (key, value) in written.iter_mut().filter(|(key, _)| is_path(key)) {
            let values = match value {
                Value::Array(values) => values.iter_mut().collect(),
                value => vec![value],
            };
            for value in values {
                let Some(path) = value.as_str() else { continue };
                let path = self.datasets.folder.join(path);
                let path = std::path::absolute(&path).unwrap_or(path);
                match path.to_str() {
                    Some(text) => *value = Value::String(text.to_owned()),
                    // The saved spec of a trial contains the path, and a spec must be UTF-8.
                    None => {
                        let message = format!("the path of `{key}` is not UTF-8 text: {}", path.display());
                        let keys = description().key(key).map(|key| key.dotted.as_str());
                        problems.push(Problem::new(&Vec::from_iter(keys), message, "rename the folder or the file"));
                    }
                }
                any = true;
            }
        }
        (if any { Spec::read(&written).0 } else { spec }, problems)
    }
}

/// Keys that were written but do not apply to the spec.
fn unused(written: &BTreeMap<DottedKey, Value>, spec: &Spec) -> Vec<Problem> {
    let applies = |key: &str| spec.settings().iter().any(|setting| setting.key == key);
    let value = |key: &str| {
        let setting = spec.settings().iter().find(|setting| setting.key == key)?;
        setting.value.as_str().map(str::to_owned)
    };
    let unused = written.keys().filter(|key| !applies(key)).filter_map(|key| {
        let info = description().key(key)?;
        let (chooser, words) = info.unmet_condition(value)?;
        let chooser = description().key(&chooser)?.dotted.as_str();
        let words: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
        let words = match &*words {
            [all @ .., last] if !all.is_empty() => format!("{} or {last}", all.join(", ")),
            words => words.concat(),
        };
        let key = info.dotted.as_str();
        let message = format!("`{key}` applies only if `{chooser}` is {words}");
        Some(Problem::new(&[key, chooser], message, format!("remove it, or set `{chooser}` to {words}")))
    });
    unused.collect()
}

/// What to say of a file that does not exist, and of a folder in place of a file.
fn unreadable(error: &DataError) -> Option<(String, &'static str)> {
    let (key, file) = (error.key(), error.unreadable_file()?);
    let path = file.path.display();
    match file.source.kind() {
        ErrorKind::NotFound => Some((
            format!("the file of `{key}` does not exist: {path}"),
            "a path in a spec is relative to the folder of the spec; a path in `--set` is relative to the working directory",
        )),
        _ => None,
    }
}

/// Datasets by source and split, so that a sweep reads each dataset once.
struct Datasets {
    folder: PathBuf,
    files: Files,
    loaded: Vec<(DataSettings, Result<Dataset, Vec<Problem>>)>,
}

impl Datasets {
    fn get(&mut self, data: &DataSettings) -> Result<Dataset, Vec<Problem>> {
        // Binarization and range do not change the stored images.
        let data = DataSettings {
            binarize: Binarize::None,
            range: [0.0, 1.0],
            dequantize: false,
            flip: false,
            ..data.clone()
        };
        if let Some((_, result)) = self.loaded.iter().find(|(known, _)| *known == data) {
            return result.clone();
        }
        let result = self.files.dataset(&data, &self.folder).map_err(|error: DataError| {
            if let DataError::Unset = error {
                return Vec::new();
            }
            let (message, help) = unreadable(&error).unwrap_or_else(|| (error.to_string(), ""));
            vec![Problem::new(&error.keys(), message, help)]
        });
        self.loaded.push((data, result.clone()));
        result
    }
}
