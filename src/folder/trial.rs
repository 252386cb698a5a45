//! The trial folder, and the names of its files.

use super::leftovers::{remove_files, remove_if_present, remove_leftovers};
use super::{FileError, create_folder, exists};
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

/// The folder of one trial. It need not exist.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrialFolder {
    path: PathBuf,
}

const CHECKPOINT: &str = "checkpoint.safetensors";
const PREVIOUS_CHECKPOINT: &str = "checkpoint.previous.safetensors";
const EVALUATION: &str = "evaluation.json";
/// The folder of the evaluation of the last weights, if others are kept.
const LAST: &str = "last";
/// The folder of the tables of the evaluation.
const EVALUATIONS: &str = "evaluation";
const IMAGES: &str = "images";
const PROJECTOR: &str = "embedding";
/// TensorBoard looks for this name in a run's folder.
const PROJECTOR_CONFIG: &str = "projector_config.pbtxt";
/// The prefix by which TensorBoard recognizes event files.
const EVENTS_PREFIX: &str = "events.out.tfevents.";

/// Hexadecimal digits of an id.
const ID_DIGITS: usize = 10;

impl TrialFolder {
    /// Name of the record; a folder with this file is a trial folder.
    pub const RECORD: &str = "trial.json";
    /// Name of the file of the trained weights.
    pub const MODEL: &str = "model.safetensors";
    /// Name of the file of the weights after the last epoch, if those of the best epoch are kept.
    pub const LAST_MODEL: &str = "model.last.safetensors";
    /// Name of the file of what a trial that is done needs to be trained for more epochs.
    pub const STATE: &str = "state.safetensors";
    /// Name of the resolved spec of this trial.
    pub const SPEC: &str = "spec.toml";
    /// Name of the table of metrics.
    pub const METRICS: &str = "metrics.parquet";
    /// Name of the table of the projector's points, as in the projector's configuration.
    pub const PROJECTOR_CODES: &str = "embedding/codes.tsv";
    /// Name of the labels of the projector's points, as in the projector's configuration.
    pub const PROJECTOR_LABELS: &str = "embedding/labels.tsv";
    /// Name of the picture of the projector's images, as in the projector's configuration.
    pub const PROJECTOR_SPRITE: &str = "embedding/sprite.png";

    /// The folder at a path.
    pub fn new(path: impl Into<PathBuf>) -> TrialFolder {
        TrialFolder { path: path.into() }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is a trial folder: it has a record.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn has_record(&self) -> Result<bool, FileError> {
        exists(&self.record())
    }

    /// The trial's id, at the end of the folder's name; `None` if the name does not end with an id.
    pub fn id(&self) -> Option<&str> {
        let id = self.path.file_name()?.to_str()?.rsplit('-').next()?;
        (id.len() == ID_DIGITS && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(id)
    }

    /// The record: the trial's status and how it was trained.
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

    /// Removes the table of metrics of an earlier training.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn remove_metrics(&self) -> Result<(), FileError> {
        remove_if_present(&self.metrics())
    }

    /// The trained weights.
    pub fn model(&self) -> PathBuf {
        self.path.join(TrialFolder::MODEL)
    }

    /// The weights after the last epoch, if the trained weights are those of an earlier epoch.
    pub fn last_model(&self) -> PathBuf {
        self.path.join(TrialFolder::LAST_MODEL)
    }

    /// The name under which a checkpoint or a state stays that was computed on another GPU.
    pub fn of_another_gpu(path: &Path) -> PathBuf {
        path.with_extension("other-gpu.safetensors")
    }

    /// What a trial that is done needs to be trained for more epochs, except for its weights.
    pub fn state(&self) -> PathBuf {
        self.path.join(TrialFolder::STATE)
    }

    /// Whether it has a state, which may be damaged.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn has_state(&self) -> Result<bool, FileError> {
        exists(&self.state())
    }

    /// Removes the checkpoints, if they are no longer needed: the trial is done, and has its state.
    ///
    /// # Errors
    /// A file cannot be removed.
    pub fn remove_checkpoints(&self) -> Result<(), FileError> {
        if !self.has_state()? {
            return Ok(());
        }
        let saved = [self.previous_checkpoint(), self.checkpoint()];
        let aside = [&saved[0], &saved[1], &self.state()].map(|path| Self::of_another_gpu(path));
        saved.into_iter().chain(aside).try_for_each(|path| remove_if_present(&path))
    }

    /// The checkpoint: everything that is needed to resume.
    pub fn checkpoint(&self) -> PathBuf {
        self.path.join(CHECKPOINT)
    }

    /// The checkpoint before the last one, which is used if the last one is damaged.
    pub fn previous_checkpoint(&self) -> PathBuf {
        self.path.join(PREVIOUS_CHECKPOINT)
    }

    /// Whether it has a checkpoint or a state, which may be damaged.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn has_progress(&self) -> Result<bool, FileError> {
        Ok(exists(&self.checkpoint())? || exists(&self.previous_checkpoint())? || self.has_state()?)
    }

    /// The metrics that were measured after training.
    pub fn evaluation(&self) -> PathBuf {
        self.path.join(EVALUATION)
    }

    /// The folder in which the metrics of the last weights are, if those of an earlier epoch are kept. Of the names of a trial
    /// folder, it has those of the evaluation.
    pub fn of_last_weights(&self) -> TrialFolder {
        TrialFolder { path: self.path.join(LAST) }
    }

    /// The numbers of a metric that is being measured.
    pub fn unfinished_evaluation(&self) -> PathBuf {
        self.path.join(EVALUATIONS).join("unfinished.json")
    }

    /// The table of a metric's values of each image.
    pub fn evaluation_table(&self, name: &str) -> PathBuf {
        self.path.join(EVALUATIONS).join(format!("{name}.parquet"))
    }

    /// The effects of the latent axes, which the report shows beside the factors.
    pub fn traversals(&self) -> PathBuf {
        self.path.join(EVALUATIONS).join("traversals.png")
    }

    /// Creates the folder of the tables of the evaluation, without the temporary files that killed processes left.
    ///
    /// # Errors
    /// The folder cannot be created or read.
    pub fn create_evaluations(&self) -> Result<(), FileError> {
        let folder = self.path.join(EVALUATIONS);
        create_folder(&folder)?;
        remove_leftovers(&folder)?;
        remove_leftovers(&self.path)
    }

    /// A picture.
    pub fn picture(&self, tag: &str) -> PathBuf {
        self.images().join(format!("{tag}.png"))
    }

    /// The values of a picture.
    pub fn picture_values(&self, tag: &str) -> PathBuf {
        self.images().join(format!("{tag}.safetensors"))
    }

    /// The points of TensorBoard's projector, one per line.
    pub fn projector_codes(&self) -> PathBuf {
        self.path.join(TrialFolder::PROJECTOR_CODES)
    }

    /// The labels of the projector's points, one per line.
    pub fn projector_labels(&self) -> PathBuf {
        self.path.join(TrialFolder::PROJECTOR_LABELS)
    }

    /// The images of the projector's points, in one picture.
    pub fn projector_sprite(&self) -> PathBuf {
        self.path.join(TrialFolder::PROJECTOR_SPRITE)
    }

    /// The projector's configuration.
    pub fn projector_config(&self) -> PathBuf {
        self.path.join(PROJECTOR_CONFIG)
    }

    /// The event file that a process on a host opened at a time (in seconds since 1970). `number` counts the event files of
    /// the process.
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
    /// The folder cannot be read, or a file cannot be removed.
    pub fn remove_events(&self) -> Result<(), FileError> {
        remove_files(&self.path, EVENTS_PREFIX)
    }

    /// A file by its name relative to this folder, as in the record's list of files.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The name of a file in it, relative to this folder, as in the record's list of files.
    pub fn name_of(&self, path: &Path) -> String {
        let name = path.strip_prefix(&self.path).unwrap_or(path).to_string_lossy();
        name.replace(std::path::MAIN_SEPARATOR, "/")
    }

    /// Creates the folder.
    ///
    /// # Errors
    /// A folder cannot be created.
    pub fn create(&self) -> Result<(), FileError> {
        create_folder(&self.path)
    }

    /// Creates the folders inside the trial folder.
    ///
    /// # Errors
    /// A folder cannot be created.
    pub fn create_inner(&self) -> Result<(), FileError> {
        self.inner().iter().try_for_each(|folder| create_folder(folder))
    }

    /// Removes the temporary files that killed processes left. No process may be training the trial.
    ///
    /// # Errors
    /// A folder cannot be read, or a file cannot be removed.
    pub fn remove_leftovers(&self) -> Result<(), FileError> {
        remove_leftovers(&self.path)?;
        self.inner().iter().filter(|folder| folder.is_dir()).try_for_each(|folder| remove_leftovers(folder))
    }

    /// The result files, with their names relative to this folder. The record itself, which lists their checksums, the
    /// checkpoints, the state and files that vaex did not write are not results.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn results(&self) -> Result<Vec<(String, PathBuf)>, FileError> {
        let mut results = Vec::new();
        for entry in WalkDir::new(&self.path).min_depth(1) {
            let entry = entry.map_err(|error| FileError::at("read the folder", &self.path)(error.into()))?;
            let name = self.name_of(entry.path());
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

/// Whether a file, by its name relative to the trial folder, is a picture or a file of the projector.
pub fn is_picture(name: &str) -> bool {
    let is_inside = [IMAGES, PROJECTOR].iter().any(|folder| name.split('/').next() == Some(*folder));
    is_result(name) && (name == PROJECTOR_CONFIG || is_inside)
}

/// Whether a file, by its name relative to the trial folder, is one of TensorBoard's events.
pub fn is_event_file(name: &str) -> bool {
    name.starts_with(EVENTS_PREFIX)
}

fn is_result(name: &str) -> bool {
    let picture = |name: &str| name.ends_with(".png") || name.ends_with(".safetensors");
    match name.split_once('/') {
        None => {
            let files = [TrialFolder::SPEC, TrialFolder::METRICS, TrialFolder::MODEL, TrialFolder::LAST_MODEL];
            files.contains(&name) || name == PROJECTOR_CONFIG || is_event_file(name)
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
    fn a_folder_name_ends_with_the_id() {
        let id = |name: &str| TrialFolder::new(name).id().map(str::to_owned);
        assert_eq!(id("runs/sweep/beta=2-seed=1-0123456789"), Some("0123456789".to_owned()));
        assert_eq!(id("0123456789"), Some("0123456789".to_owned()));
        assert_eq!([id("runs/sweep/beta=2"), id("a-012345678"), id("a-012345678x"), id("/")], [const { None }; 4]);
    }

    #[test]
    fn checkpoints_and_foreign_files_are_not_results() {
        for name in ["spec.toml", "metrics.parquet", "images/samples.png", "embedding/codes.tsv"] {
            assert!(is_result(name), "{name}");
        }
        for name in [
            "trial.json",
            "checkpoint.safetensors",
            "state.safetensors",
            "notes.txt",
            "images/deep/a.png",
            "other/a.png",
            ".lock",
        ] {
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
