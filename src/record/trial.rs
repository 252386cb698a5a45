//! trial.json: the status, the spec and the provenance of a trial.

use crate::folder::{self, BLANK_SEAL, FileError, SealPlace, TrialFolder, write_unsynced, write_whole};
use crate::metrics::{MetricKind, Row, Split, Value};
use crate::train::measure;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

/// The status of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Not started yet.
    Planned,
    /// A process trains it. The status remains if the process is killed.
    Running,
    /// Trained to the end.
    Done,
    /// Ended by an error.
    Failed,
    /// Ended because the loss, the nats or the gradient were not finite.
    Diverged,
    /// Stopped by a signal.
    Interrupted,
    /// At a rung of a search: it waits until it is decided which settings go on.
    Paused,
    /// Stopped early by a search, which trained other settings further. It can be resumed.
    Pruned,
}

impl Status {
    /// The word in trial.json and in the tables.
    pub fn name(self) -> &'static str {
        match self {
            Status::Planned => "planned",
            Status::Running => "running",
            Status::Done => "done",
            Status::Failed => "failed",
            Status::Diverged => "diverged",
            Status::Interrupted => "interrupted",
            Status::Paused => "paused",
            Status::Pruned => "pruned",
        }
    }
}

/// The content of trial.json.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TrialRecord {
    /// SHA-256 of the file, computed with zeros in place of this value.
    pub checksum: String,
    /// The trial's id; the name of its folder ends with it.
    pub trial: String,
    /// The experiment's name.
    pub experiment: String,
    /// The trial's status.
    pub status: Status,
    /// Every dotted key of the resolved spec, with its value.
    pub spec: BTreeMap<String, serde_json::Value>,
    /// The dotted keys that vary in the experiment.
    pub varied: Vec<String>,
    /// Number of trainable parameters of the model.
    pub parameters: u64,
    /// Number of training images; absent in records of earlier versions.
    #[serde(default)]
    pub train_images: Option<u64>,
    /// Number of validation images; absent in records of earlier versions.
    #[serde(default)]
    pub validation_images: Option<u64>,
    /// Number of test images; absent in records of earlier versions.
    #[serde(default)]
    pub test_images: Option<u64>,
    /// Height of the images in pixels; absent in records of earlier versions.
    #[serde(default)]
    pub height: Option<u64>,
    /// Width of the images in pixels; absent in records of earlier versions.
    #[serde(default)]
    pub width: Option<u64>,
    /// Channels of the images: 1 for grey, 3 for RGB; absent in records of versions that read grey images only.
    #[serde(default)]
    pub channels: Option<u64>,
    /// Wall time in seconds, over all processes that trained the trial.
    pub seconds: f64,
    /// Training images per second of training.
    pub images_per_second: Option<f64>,
    /// Largest resident memory of the process, MiB.
    pub peak_rss_mb: Option<f64>,
    /// Version of the numerics: if it is equal, the same spec and data give the same results; 1 before vaex 0.2.0.
    #[serde(default = "first_numerics")]
    pub numerics: u64,
    /// Hash of the resolved spec.
    pub spec_hash: String,
    /// Hash of all that determines the result except the number of epochs, and of the images: trials with equal hashes pass
    /// through the same states. Absent in records of earlier versions.
    #[serde(default)]
    pub course_hash: Option<String>,
    /// Hash of the content of the images.
    pub data_hash: String,
    /// Version of vaex.
    pub version: String,
    /// Commit that vaex was built from, if known.
    pub git_commit: Option<String>,
    /// Whether the files of vaex differed from that commit.
    pub git_dirty: Option<bool>,
    /// Hash of Cargo.lock: the versions of all dependencies of vaex.
    pub lock_hash: String,
    /// The name of the processor, if known.
    pub processor: Option<String>,
    /// The GPU that trains it; null on the CPU.
    #[serde(default)]
    pub gpu: Option<Gpu>,
    /// The host name of the machine.
    pub host: String,
    /// Number of worker threads.
    pub threads: u64,
    /// Start of the first process, seconds since 1970.
    pub started: f64,
    /// End of the last process, seconds since 1970.
    pub ended: Option<f64>,
    /// Warnings of the plan about this trial.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// The trial whose state this one began with.
    #[serde(default)]
    pub continued: Option<Continued>,
    /// Ids of the shorter trials of the experiment whose state training may begin with, the longest first.
    #[serde(default)]
    pub shorter: Vec<String>,
    /// Whether it was started with `--fresh`, so that it does not begin with the state of a shorter trial.
    #[serde(default)]
    pub from_scratch: bool,
    /// The epoch whose weights the trial has; null before it is done.
    #[serde(default)]
    pub kept_epoch: Option<u64>,
    /// The metrics of the last epoch and of the epoch that is kept, as rows of metrics.parquet; empty before it is done.
    #[serde(default)]
    pub metrics: Vec<BTreeMap<String, serde_json::Value>>,
    /// The epoch after which `train.patience` ended training; null if it did not.
    #[serde(default)]
    pub stopped_after: Option<u64>,
    /// Where and by what a search stopped it early; null if it did not.
    #[serde(default)]
    pub pruned: Option<Pruned>,
    /// The error that ended the trial.
    pub error: Option<String>,
    /// An error that did not stop training: the event log could not be written.
    pub note: Option<String>,
    /// Whether the error came from outside, such as a full disk or a signal; the next run then resumes the trial.
    pub from_outside: bool,
    /// SHA-256 of the other files of a trial that is done, by file name; without checkpoints, which it no longer needs.
    pub files: BTreeMap<String, String>,
}

/// A GPU, with what its results depend on: training repeats to the bit where all three are the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Gpu {
    /// Its name.
    pub card: String,
    /// The version of the driver.
    pub driver: String,
    /// The version of the library that multiplies matrices.
    pub library: String,
}

impl fmt::Display for Gpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Gpu { card, driver, library } = self;
        write!(f, "{card} with driver {driver} and {library}")
    }
}

/// Where and by what a search stopped a trial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pruned {
    /// The epoch of the rung.
    pub epoch: u64,
    /// The place of its setting among those that reached the rung, from 1: the best.
    pub rank: u64,
    /// The number of settings that reached the rung.
    pub of: u64,
    /// The method: `halving`, `asha` or `median`.
    pub by: String,
}

/// The trial whose state another one began with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Continued {
    /// Its id.
    pub trial: String,
    /// The number of its epochs that were not trained again.
    pub epochs: u64,
}

/// The version of records without this field.
fn first_numerics() -> u64 {
    1
}

/// Gives the keys of a resolved spec their present names. In version 0.1.0, which has numerics 1, `test_images` was the
/// validation split, and replaced `validation`.
pub fn current_keys<V>(spec: &mut BTreeMap<String, V>, numerics: u64) {
    if numerics > 1 || !spec.contains_key("data.test_images") {
        return;
    }
    spec.remove("data.validation");
    for [old, new] in [["data.test_images", "data.validation_images"], ["data.test_labels", "data.validation_labels"]] {
        let value = spec.remove(old);
        spec.extend(value.map(|value| (new.to_owned(), value)));
    }
}

/// Seconds since 1970.
pub fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

impl TrialRecord {
    /// Reads a trial's record.
    ///
    /// # Errors
    /// The file cannot be read, is damaged, or has other content.
    pub fn read(folder: &TrialFolder) -> Result<TrialRecord, FileError> {
        let path = folder.record();
        let bytes = std::fs::read(&path).map_err(FileError::at("read", &path))?;
        if !SealPlace::First.holds(&bytes) {
            return Err(folder::damaged(&path));
        }
        let read = serde_json::from_slice(&bytes).map(|mut record: TrialRecord| {
            current_keys(&mut record.spec, record.numerics);
            record
        });
        read.map_err(|error| {
            // The checksum is correct, so a version of vaex with other fields wrote it.
            let version = serde_json::from_slice(&bytes)
                .ok()
                .and_then(|record: serde_json::Value| Some(record.get("version")?.as_str()?.to_owned()));
            let version = version.unwrap_or_else(|| "of an unknown version".to_owned());
            let source =
                io::Error::other(format!("it was written by vaex {version}; this version cannot read it: {error}"));
            FileError { action: "read", path, source }
        })
    }

    /// The rows of [`TrialRecord::metrics`].
    pub fn rows(&self) -> Vec<Row> {
        self.metrics.iter().filter_map(row_of).collect()
    }

    /// Sets [`TrialRecord::metrics`].
    pub fn set_rows<'r>(&mut self, rows: impl Iterator<Item = &'r Row>) {
        let object = |row: &Row| match serde_json::json!(row) {
            serde_json::Value::Object(fields) => fields.into_iter().collect(),
            _ => BTreeMap::new(),
        };
        self.metrics = rows.map(object).collect();
    }

    /// Writes it atomically, with its checksum.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, folder: &TrialFolder) -> Result<(), FileError> {
        write_whole(&folder.record(), &self.bytes(folder)?)
    }

    /// As [`TrialRecord::write`], with [`write_unsynced`]: of a trial that has not saved anything yet, which starts again if the
    /// machine goes down.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_unsynced(&self, folder: &TrialFolder) -> Result<(), FileError> {
        write_unsynced(&folder.record(), &self.bytes(folder)?)
    }

    /// Writes it at the start of a run: synced only if the trial has saved something before.
    ///
    /// # Errors
    /// The folder cannot be read, or the file cannot be written.
    pub fn write_at_start(&self, folder: &TrialFolder) -> Result<(), FileError> {
        if folder.has_progress()? { self.write(folder) } else { self.write_unsynced(folder) }
    }

    /// The content of the file in a folder.
    fn bytes(&self, folder: &TrialFolder) -> Result<Vec<u8>, FileError> {
        let path = folder.record();
        let blank = TrialRecord { checksum: BLANK_SEAL.to_owned(), ..self.clone() };
        let bytes = serde_json::to_vec_pretty(&blank).map_err(io::Error::from);
        let mut bytes = bytes.map_err(FileError::at("write", &path))?;
        SealPlace::First.seal(&mut bytes).map_err(FileError::at("write", &path))?;
        Ok(bytes)
    }
}

/// A row from the object that it is in JSON; `None` if it lacks its place. Metrics of other versions are left out.
fn row_of(fields: &BTreeMap<String, serde_json::Value>) -> Option<Row> {
    let count = |name: &str| fields.get(name)?.as_u64();
    let split = Split::of_name(fields.get("split")?.as_str()?)?;
    let mut row = Row::new(count("epoch")?, split, count("step")?, count("images_seen")?);
    for metric in measure::all().filter(|metric| metric.is_of(split)) {
        let value = match fields.get(&*metric.name) {
            // A number that is not finite.
            Some(serde_json::Value::Null) if metric.kind == MetricKind::Number && !metric.is_optional => {
                Some(Value::Number(f64::NAN))
            }
            value => Value::of_json(metric.kind, value.unwrap_or(&serde_json::Value::Null)),
        };
        if let Some(value) = value {
            row.set(metric, value);
        }
    }
    Some(row)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rows_are_read_back_as_they_were_set() {
        let rows = [Split::Train, Split::Validation].map(|split| {
            let mut row = crate::train::measure::example(3, split, &[("loss", 0.1 + 0.2)]);
            let metric = measure::all().find(|metric| metric.name == "grad_norm").unwrap();
            row.set(metric, Value::Number(f64::NAN));
            row
        });
        let fields = |row: &Row| serde_json::from_value(json!(row)).unwrap();
        let read = rows.each_ref().map(|row| row_of(&fields(row)).unwrap());
        assert_eq!(format!("{:?}", read[0]), format!("{:?}", rows[0]));
        // The gradient is of training only.
        assert_eq!((read[1].get("loss"), read[1].get("grad_norm")), (Some(0.1 + 0.2), None));
        assert_eq!(row_of(&BTreeMap::from([("epoch".to_owned(), json!(1))])), None);
    }

    #[test]
    fn test_images_of_the_first_version_are_validation_images() {
        let keys = |pairs: &[(&str, &str)]| -> BTreeMap<String, serde_json::Value> {
            pairs.iter().map(|(key, value)| (format!("data.{key}"), json!(value))).collect()
        };
        let earlier = [("images", "a"), ("test_images", "b"), ("test_labels", "c"), ("validation", "0.1")];
        let mut spec = keys(&earlier);
        current_keys(&mut spec, 1);
        assert_eq!(spec, keys(&[("images", "a"), ("validation_images", "b"), ("validation_labels", "c")]));
        // A second reading changes nothing, and neither does one of a record of this version, or of images without test images.
        let again = spec.clone();
        current_keys(&mut spec, 1);
        assert_eq!(spec, again);
        for (pairs, numerics) in [(&earlier[..], 2), (&[("images", "a"), ("validation", "0.1")], 1)] {
            let mut spec = keys(pairs);
            current_keys(&mut spec, numerics);
            assert_eq!(spec, keys(pairs));
        }
    }
}
