//! One point of a sweep, resolved: what was written, with the point's values in the place of its own, as a trial.

use super::{Problem, Trial};
use crate::data::{Binarize, DataError, DataSettings, Dataset, Files};
use crate::language::{Document, DottedKey, Spec, description};
use crate::settings::{Found, Role};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use toml::Value;

/// Resolves points of a document's sweep, one at a time, in any order; files of images are read once.
pub struct Resolver {
    document: Arc<Document>,
    /// The experiment's name where none is written.
    stem: String,
    datasets: Datasets,
}

/// A point whose spec is resolved, and whose data are not looked at yet.
pub struct ResolvedPoint {
    /// The spec.
    pub(super) spec: Spec,
    found: Found,
    /// Keys that were written, and do not apply. In a sweep over what chooses them they apply to some trials; one that applies
    /// to none is a mistake.
    pub(super) unused: Vec<Problem>,
    written: BTreeMap<DottedKey, Value>,
}

impl Resolver {
    /// Of a document; paths in it are relative to `folder`.
    pub fn new(document: Document, stem: &str, folder: &Path) -> Resolver {
        let datasets = Datasets { folder: folder.to_path_buf(), files: Files::default(), loaded: Vec::new() };
        Resolver { document: Arc::new(document), stem: stem.to_owned(), datasets }
    }

    /// What was written.
    pub fn document(&self) -> &Arc<Document> {
        &self.document
    }

    /// The point with these values.
    pub fn point<'a>(&self, values: impl IntoIterator<Item = (&'a str, &'a Value)>) -> ResolvedPoint {
        let mut written = self.document.with_values(values);
        written.entry("name".to_owned()).or_insert_with(|| Value::String(self.stem.clone()));
        let (spec, found) = Spec::read(&written);
        let unused = unused(&written, &spec);
        ResolvedPoint { spec, found, unused, written }
    }

    /// The trial of a point.
    ///
    /// # Errors
    /// All that is wrong with its spec and its data. Where there is no data, what does not depend on it is checked all the
    /// same.
    pub fn trial(&mut self, point: ResolvedPoint) -> Result<Trial, Vec<Problem>> {
        let ResolvedPoint { spec, found, written, .. } = point;
        let data = spec.data.clone();
        let has_data = !found.problems.iter().flat_map(|problem| &problem.keys).any(|key| *key == "data.images");
        let dataset = if has_data { self.datasets.get(&data) } else { Err(Vec::new()) };
        let (spec, mut problems) = self.with_whole_paths(spec, written);
        problems.extend(found.problems);
        Trial::new(spec, dataset, problems, found.warnings)
    }

    /// The spec with absolute paths, so that a trial's own spec runs from anywhere.
    fn with_whole_paths(&self, spec: Spec, mut written: BTreeMap<DottedKey, Value>) -> (Spec, Vec<Problem>) {
        let mut problems = Vec::new();
        let is_path = |key: &str| description().key(key).is_some_and(|key| key.role() == Role::File);
        let mut any = false;
        for (key, value) in written.iter_mut().filter(|(key, _)| is_path(key)) {
            let Some(path) = value.as_str() else { continue };
            let path = self.datasets.folder.join(path);
            let path = std::path::absolute(&path).unwrap_or(path);
            match path.to_str() {
                Some(text) => *value = Value::String(text.to_owned()),
                // A trial's own spec names its files, and a spec is UTF-8.
                None => {
                    let message = format!("the path of `{key}` is not UTF-8 text: {}", path.display());
                    let keys = description().key(key).map(|key| key.dotted.as_str());
                    problems.push(Problem::new(&Vec::from_iter(keys), message, "rename the folder or the file"));
                }
            }
            any = true;
        }
        (if any { Spec::read(&written).0 } else { spec }, problems)
    }
}

/// Keys that were written, and that the spec does not have.
fn unused(written: &BTreeMap<DottedKey, Value>, spec: &Spec) -> Vec<Problem> {
    let applies = |key: &str| spec.settings().iter().any(|setting| setting.key == key);
    let value = |key: &str| {
        let setting = spec.settings().iter().find(|setting| setting.key == key)?;
        setting.value.as_str().map(str::to_owned)
    };
    let unused = written.keys().filter(|key| !applies(key)).filter_map(|key| {
        let info = description().key(key)?;
        let (chooser, words) = info.unread(value)?;
        let chooser = description().key(&chooser)?.dotted.as_str();
        let words: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
        let words = match &*words {
            [all @ .., last] if !all.is_empty() => format!("{} or {last}", all.join(", ")),
            words => words.concat(),
        };
        let key = info.dotted.as_str();
        let message = format!("`{key}` applies only where `{chooser}` is {words}");
        Some(Problem::new(&[key, chooser], message, format!("remove it, or set `{chooser}` to {words}")))
    });
    unused.collect()
}

/// Datasets by what they are read from and how they are split, so that a sweep reads each one once.
struct Datasets {
    folder: PathBuf,
    files: Files,
    loaded: Vec<(DataSettings, Result<Dataset, Vec<Problem>>)>,
}

impl Datasets {
    fn get(&mut self, data: &DataSettings) -> Result<Dataset, Vec<Problem>> {
        // How pixels are shown to a network changes nothing of the images.
        let data = DataSettings { binarize: Binarize::None, range: [0.0, 1.0], ..data.clone() };
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
