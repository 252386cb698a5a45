//! Resolves one point of a sweep: the written values, replaced by those of the point, become a trial.

use super::initial::InitialWeights;
use super::{Problem, Trial, problems};
use crate::data::{Binarize, DataError, DataSettings, Dataset, Files};
use crate::folder::absolute;
use crate::language::sweep::Point;
use crate::language::{Document, DottedKey, Spec, description};
use crate::model::Architecture;
use crate::settings::{Found, Role, nearest};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use toml::Value;

/// Resolves points of a sweep, in any order and on several threads. Image files are read once.
pub struct Resolver {
    document: Arc<Document>,
    /// The default name of the experiment.
    stem: String,
    /// The folder that paths are relative to.
    folder: PathBuf,
    datasets: Mutex<Datasets>,
    /// Reading them has no tasks of rayon, so that tasks may wait for it.
    initial: Mutex<InitialWeights>,
    /// The first trial. The others share with it what is the same.
    first: OnceLock<Trial>,
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

/// The start of the keys of images.
const DATA: &str = "data.";

impl ResolvedPoint {
    /// The values that were written in the table of images.
    fn written_data(&self) -> impl Iterator<Item = (&DottedKey, &Value)> {
        let from = self.written.range::<str, _>((Bound::Included(DATA), Bound::Unbounded));
        from.take_while(|(key, _)| key.starts_with(DATA))
    }

    /// Whether a dotted key applies.
    pub(super) fn applies(&self, key: &str) -> bool {
        self.spec.settings().iter().any(|setting| setting.key == key)
    }
}

impl Resolver {
    /// A resolver for a document; paths in it are relative to `folder`. `files` loads the images.
    pub fn new(document: Document, stem: &str, folder: &Path, files: Files) -> Resolver {
        let datasets = Mutex::new(Datasets { files, last: None, loaded: BTreeMap::new() });
        let initial = Mutex::new(InitialWeights::new(folder));
        let (document, stem) = (Arc::new(document), stem.to_owned());
        Resolver { document, stem, folder: folder.to_path_buf(), datasets, initial, first: OnceLock::new() }
    }

    /// The document.
    pub fn document(&self) -> &Arc<Document> {
        &self.document
    }

    /// The point with the values of a choice of a sweep.
    pub fn point(&self, choice: &[&Point]) -> ResolvedPoint {
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

    /// The trial of a point.
    ///
    /// # Errors
    /// All errors in its spec and its data. If the data cannot be read, everything that does not depend on it is still
    /// checked.
    pub fn trial(&self, point: ResolvedPoint) -> Result<Trial, Vec<Problem>> {
        let dataset = self.dataset(&point);
        self.trial_of(point, dataset)
    }

    /// The trial of a point whose images were read.
    pub(super) fn trial_of(
        &self,
        point: ResolvedPoint,
        dataset: Result<Arc<Dataset>, Vec<Problem>>,
    ) -> Result<Trial, Vec<Problem>> {
        let ResolvedPoint { spec, found, written, .. } = point;
        let (spec, mut problems) = self.with_whole_paths(spec, written);
        problems.extend(found.problems);
        let mut initial = |spec: &Spec, architecture: &Architecture| locked(&self.initial).of(spec, architecture);
        let mut trial = Trial::new(spec, dataset, &mut initial, problems, found.warnings)?;
        let first = self.first.get_or_init(|| trial.clone());
        trial.share(first);
        Ok(trial)
    }

    /// A path of the spec as trials have it: absolute, if it is text.
    pub(super) fn whole_path(&self, path: &str) -> String {
        absolute(&self.folder.join(path)).to_string_lossy().into_owned()
    }

    /// The spec with absolute paths, so that the saved spec of a trial runs in any folder.
    fn with_whole_paths(&self, spec: Spec, mut written: BTreeMap<DottedKey, Value>) -> (Spec, Vec<Problem>) {
        let mut problems = Vec::new();
        let is_path = |key: &str| description().key(key).is_some_and(|key| key.role() == Role::File);
        let mut any = false;
        if let Some(folder) = spec.data.source.data_dir(&self.folder).as_deref().and_then(Path::to_str) {
            written.insert("data.data_dir".to_owned(), Value::String(folder.to_owned()));
        }
        for (key, value) in written.iter_mut().filter(|(key, _)| is_path(key)) {
            let values = match value {
                Value::Array(values) => values.iter_mut().collect(),
                value => vec![value],
            };
            for value in values {
                let Some(path) = value.as_str() else { continue };
                let path = absolute(&self.folder.join(path));
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
fn unreadable(error: &DataError) -> Option<(String, String)> {
    let (key, file) = (error.key(), error.unreadable_file()?);
    let path = file.path.display();
    match file.source.kind() {
        ErrorKind::NotFound => Some((
            format!("the file of `{key}` does not exist: {path}"),
            similar(&file.path).map_or_else(
                || {
                    "a path in a spec is relative to the folder of the spec; a path in `--set` is relative to the working directory"
                        .to_owned()
                },
                |name| format!("did you mean `{name}`, which is in the same folder?"),
            ),
        )),
        _ => None,
    }
}

/// The name of a file or folder beside a path that does not exist, if one has nearly its name.
fn similar(path: &Path) -> Option<String> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let entries = std::fs::read_dir(folder).ok()?;
    let names: Vec<String> = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    nearest(path.file_name()?.to_str()?, names.iter().map(String::as_str))
}

/// Datasets by source and split, so that a sweep reads each dataset once.
struct Datasets {
    files: Files,
    /// What the last point has in the table of images, and its images: most points of a sweep have the same.
    last: Option<(Vec<(DottedKey, Value)>, Loaded)>,
    /// By the text of their settings.
    loaded: BTreeMap<String, Loaded>,
}

/// Images, or why they cannot be used.
type Loaded = Result<Arc<Dataset>, Vec<Problem>>;

/// What a mutex has, also if a thread panicked with it: every change is a whole one.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Resolver {
    /// The images of a point. Not to be called by tasks of rayon: reading images has such tasks too, and a thread that waits for
    /// them could begin another task, which would wait for this thread.
    pub(super) fn dataset(&self, point: &ResolvedPoint) -> Loaded {
        let Datasets { files, last, loaded } = &mut *locked(&self.datasets);
        let is_last =
            |last: &[(DottedKey, Value)]| point.written_data().eq(last.iter().map(|(key, value)| (key, value)));
        if let Some((_, images)) = last.as_ref().filter(|(last, _)| is_last(last)) {
            return images.clone();
        }
        // Binarization and range do not change the stored images.
        let data = DataSettings {
            binarize: Binarize::None,
            range: [0.0, 1.0],
            dequantize: false,
            flip: false,
            ..point.spec.data.clone()
        };
        let text = format!("{data:?}");
        let images = loaded.entry(text).or_insert_with(|| self.load(files, &data)).clone();
        let written = point.written_data().map(|(key, value)| (key.clone(), value.clone()));
        *last = Some((written.collect(), images.clone()));
        images
    }

    fn load(&self, files: &mut Files, data: &DataSettings) -> Loaded {
        let loaded = files.dataset(data, &self.folder).map_err(|error: DataError| {
            if let DataError::Unset = error {
                return Vec::new();
            }
            let (message, help) = unreadable(&error).unwrap_or_else(|| (error.to_string(), String::new()));
            vec![Problem::new(&error.keys(), message, help)]
        });
        loaded.map(Arc::new)
    }
}
