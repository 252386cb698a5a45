//! A trial's folder and the names of its files.

use super::leftovers::{remove_files, remove_leftovers};
use super::{FileError, create_folder};
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

/// The folder of one trial. It may not be there yet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrialFolder {
    path: PathBuf,
}

/// The weights, when training is done.
const MODEL: &str = "model.safetensors";
const CHECKPOINT: &str = "checkpoint.safetensors";
const PREVIOUS_CHECKPOINT: &str = "checkpoint.previous.safetensors";
const IMAGES: &str = "images";
const PROJECTOR: &str = "embedding";
/// TensorBoard looks for this name in a run's folder.
const PROJECTOR_CONFIG: &str = "projector_config.pbtxt";
/// How TensorBoard knows event files.
const EVENTS_PREFIX: &str = "events.out.tfevents.";

/// Hexadecimal digits of an id.
const ID_DIGITS: usize = 10;

impl TrialFolder {
    /// Name of the record, by which a folder is known as a trial's.
    pub const RECORD: &str = "trial.json";
    /// Name of the resolved spec of the trial alone.
    pub const SPEC: &str = "spec.toml";
    /// Name of the table of metrics.
    pub const METRICS: &str = "metrics.parquet";
    /// Name of the projector's points, as its configuration has it.
    pub const PROJECTOR_CODES: &str = "embedding/codes.tsv";
    /// Name of the labels of the projector's points, likewise.
    pub const PROJECTOR_LABELS: &str = "embedding/labels.tsv";
    /// Name of the picture of the projector's images, likewise.
    pub const PROJECTOR_SPRITE: &str = "embedding/sprite.png";

    /// The folder at a path.
    pub fn new(path: impl Into<PathBuf>) -> TrialFolder {
        TrialFolder { path: path.into() }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is a trial's: it has a record.
    pub fn has_record(&self) -> bool {
        self.record().exists()
    }

    /// The trial's id, with which the folder's name ends; `None` if the name ends in something else.
    pub fn id(&self) -> Option<&str> {
        let id = self.path.file_name()?.to_str()?.rsplit('-').next()?;
        (id.len() == ID_DIGITS && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(id)
    }

    /// The record: how the trial stands.
    pub fn record(&self) -> PathBuf {
        self.path.join(TrialFolder::RECORD)
    }

    /// The resolved spec.
    pub fn spec(&self) -> PathBuf {
        self.path.join(TrialFolder::SPEC)
    }

    /// The table of metrics, one row for each epoch and split.
    pub fn metrics(&self) -> PathBuf {
        self.path.join(TrialFolder::METRICS)
    }

    /// The trained weights.
    pub fn model(&self) -> PathBuf {
        self.path.join(MODEL)
    }

    /// Everything that resuming needs.
    pub fn checkpoint(&self) -> PathBuf {
        self.path.join(CHECKPOINT)
    }

    /// The checkpoint before the last one, should that be damaged.
    pub fn previous_checkpoint(&self) -> PathBuf {
        self.path.join(PREVIOUS_CHECKPOINT)
    }

    /// Whether it has a checkpoint, sound or not.
    pub fn has_checkpoint(&self) -> bool {
        self.checkpoint().exists() || self.previous_checkpoint().exists()
    }

    /// A picture.
    pub fn picture(&self, tag: &str) -> PathBuf {
        self.images().join(format!("{tag}.png"))
    }

    /// The numbers behind a picture.
    pub fn picture_values(&self, tag: &str) -> PathBuf {
        self.images().join(format!("{tag}.safetensors"))
    }

    /// Points of TensorBoard's projector, a line each.
    pub fn projector_codes(&self) -> PathBuf {
        self.path.join(TrialFolder::PROJECTOR_CODES)
    }

    /// Labels of the projector's points, a line each.
    pub fn projector_labels(&self) -> PathBuf {
        self.path.join(TrialFolder::PROJECTOR_LABELS)
    }

    /// All images of the projector's points in one picture.
    pub fn projector_sprite(&self) -> PathBuf {
        self.path.join(TrialFolder::PROJECTOR_SPRITE)
    }

    /// The projector's configuration.
    pub fn projector_config(&self) -> PathBuf {
        self.path.join(PROJECTOR_CONFIG)
    }

    /// The event file of a process of a host that was opened at a time, in seconds since 1970, as the process's file of that
    /// number.
    pub fn event_file(&self, seconds: u64, host: &str, process: u32, number: u64) -> PathBuf {
        self.path.join(format!("{EVENTS_PREFIX}{seconds:010}.{host}.{process}.{number}"))
    }

    /// The latest time in the names of the event files, in seconds since 1970.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn latest_event_seconds(&self) -> Result<Option<u64>, FileError> {
        let at = || FileError::at("read the folder", &self.path);
        let mut latest = None;
        for entry in std::fs::read_dir(&self.path).map_err(at())? {
            let name = entry.map_err(at())?.file_name();
            let time = name.to_str().and_then(|name| name.strip_prefix(EVENTS_PREFIX)?.split('.').next());
            latest = latest.max(time.and_then(|seconds| seconds.parse().ok()));
        }
        Ok(latest)
    }

    /// Removes the event files.
    ///
    /// # Errors
    /// The folder cannot be read, or a file not be removed.
    pub fn remove_events(&self) -> Result<(), FileError> {
        remove_files(&self.path, EVENTS_PREFIX)
    }

    /// A file by its name relative to this folder, as in the list of a record.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Creates it.
    ///
    /// # Errors
    /// A folder cannot be created.
    pub fn create(&self) -> Result<(), FileError> {
        create_folder(&self.path)
    }

    /// Creates the folders in it.
    ///
    /// # Errors
    /// A folder cannot be created.
    pub fn create_inner(&self) -> Result<(), FileError> {
        self.inner().iter().try_for_each(|folder| create_folder(folder))
    }

    /// Removes the temporary files that killed processes left in it; only where nobody trains the trial.
    ///
    /// # Errors
    /// A folder cannot be read, or a file not be removed.
    pub fn remove_leftovers(&self) -> Result<(), FileError> {
        remove_leftovers(&self.path)?;
        self.inner().iter().filter(|folder| folder.is_dir()).try_for_each(|folder| remove_leftovers(folder))
    }

    /// The files that are a part of the result, by their names relative to this folder. The record holds their checksums,
    /// checkpoints have served, and what else is in the folder is not ours.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn results(&self) -> Result<Vec<(String, PathBuf)>, FileError> {
        let mut results = Vec::new();
        for entry in WalkDir::new(&self.path).min_depth(1) {
            let entry = entry.map_err(|error| FileError::at("read the folder", &self.path)(error.into()))?;
            let name = entry.path().strip_prefix(&self.path).unwrap_or(entry.path()).to_string_lossy().into_owned();
            let name = name.replace(std::path::MAIN_SEPARATOR, "/");
            if entry.file_type().is_file() && is_result(&name) {
                results.push((name, entry.into_path()));
            }
        }
        Ok(results)
    }

    fn images(&self) -> PathBuf {
        self.path.join(IMAGES)
    }

    fn inner(&self) -> [PathBuf; 2] {
        [self.images(), self.path.join(PROJECTOR)]
    }
}

fn is_result(name: &str) -> bool {
    let picture = |name: &str| name.ends_with(".png") || name.ends_with(".safetensors");
    match name.split_once('/') {
        None => {
            [TrialFolder::SPEC, TrialFolder::METRICS, MODEL, PROJECTOR_CONFIG].contains(&name)
                || name.starts_with(EVENTS_PREFIX)
        }
        Some((IMAGES, name)) => !name.contains('/') && picture(name),
        Some((PROJECTOR, name)) => !name.contains('/') && (picture(name) || name.ends_with(".tsv")),
        Some(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_the_end_of_the_name() {
        let id = |name: &str| TrialFolder::new(name).id().map(str::to_owned);
        assert_eq!(id("runs/sweep/beta=2-seed=1-0123456789"), Some("0123456789".to_owned()));
        assert_eq!(id("0123456789"), Some("0123456789".to_owned()));
        assert_eq!([id("runs/sweep/beta=2"), id("a-012345678"), id("a-012345678x"), id("/")], [const { None }; 4]);
    }

    #[test]
    fn checkpoints_and_what_is_not_ours_are_no_results() {
        for name in ["spec.toml", "metrics.parquet", "images/samples.png", "embedding/codes.tsv"] {
            assert!(is_result(name), "{name}");
        }
        for name in ["trial.json", "checkpoint.safetensors", "notes.txt", "images/deep/a.png", "other/a.png", ".lock"] {
            assert!(!is_result(name), "{name}");
        }
        assert!(is_result(&TrialFolder::new("").event_file(7, "host", 3, 0).to_string_lossy()));
    }

    #[test]
    fn event_files_sort_by_their_time() {
        let folder = tempfile::tempdir().unwrap();
        let trial = TrialFolder::new(folder.path());
        assert_eq!(trial.latest_event_seconds().unwrap(), None);
        for seconds in [7, 1_700_000_000, 12] {
            std::fs::write(trial.event_file(seconds, "host", 1, 0), "").unwrap();
        }
        std::fs::write(trial.metrics(), "").unwrap();
        assert_eq!(trial.latest_event_seconds().unwrap(), Some(1_700_000_000));
        trial.remove_events().unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
