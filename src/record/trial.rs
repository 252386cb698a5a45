//! trial.json: how a trial stands, and where it came from.

use crate::folder::{self, BLANK_SEAL, FileError, SealPlace, TrialFolder, write_whole};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

/// How a trial stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Not started yet.
    Planned,
    /// A process is, or was, training it; a trial whose process was killed stays so.
    Running,
    /// Trained to the end.
    Done,
    /// Ended by an error.
    Failed,
    /// Ended by a loss that is not finite.
    Diverged,
    /// Stopped by a signal.
    Interrupted,
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
        }
    }
}

/// The content of trial.json.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TrialRecord {
    /// SHA-256 of the file, taken with zeros in its place.
    pub checksum: String,
    /// The trial's id; its folder's name ends in it.
    pub trial: String,
    /// The experiment's name.
    pub experiment: String,
    /// How it stands.
    pub status: Status,
    /// Every key of the resolved spec, dotted, with its value.
    pub spec: BTreeMap<String, serde_json::Value>,
    /// The dotted keys that vary in the experiment.
    pub varied: Vec<String>,
    /// Trained numbers in the model.
    pub parameters: u64,
    /// Number of training images; absent in records of earlier versions.
    #[serde(default)]
    pub train_images: Option<u64>,
    /// Number of validation images; absent in records of earlier versions.
    #[serde(default)]
    pub validation_images: Option<u64>,
    /// Height of the images in pixels; absent in records of earlier versions.
    #[serde(default)]
    pub height: Option<u64>,
    /// Width of the images in pixels; absent in records of earlier versions.
    #[serde(default)]
    pub width: Option<u64>,
    /// Wall time over all resumptions, seconds.
    pub seconds: f64,
    /// Training images by training seconds.
    pub images_per_second: Option<f64>,
    /// Largest resident memory of the process, MiB.
    pub peak_rss_mb: Option<f64>,
    /// The version of the numbers that trials come to; 1 before vaex 0.2.0.
    #[serde(default = "first_numerics")]
    pub numerics: u64,
    /// Hash of the resolved spec.
    pub spec_hash: String,
    /// Hash of the images' content.
    pub data_hash: String,
    /// Version of vaex.
    pub version: String,
    /// Commit that vaex was built from, where known.
    pub git_commit: Option<String>,
    /// Whether vaex's files differed from that commit.
    pub git_dirty: Option<bool>,
    /// Hash of Cargo.lock: the versions of all that vaex was built from.
    pub lock_hash: String,
    /// The processor's name, where the system tells it.
    pub processor: Option<String>,
    /// The machine's name.
    pub host: String,
    /// Worker threads.
    pub threads: u64,
    /// Start of the first attempt, seconds since 1970.
    pub started: f64,
    /// End of the last attempt, seconds since 1970.
    pub ended: Option<f64>,
    /// What the plan warned of in this trial.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// What went wrong.
    pub error: Option<String>,
    /// What went wrong and cost no training: the event log could not be written.
    pub note: Option<String>,
    /// Whether that came from outside, as a full disk or a signal does, so that the next run goes on with the trial.
    pub from_outside: bool,
    /// SHA-256 of the other files of a trial that is done, by their names; checkpoints, which it no longer needs, apart.
    pub files: BTreeMap<String, String>,
}

/// Of records that do not say it.
fn first_numerics() -> u64 {
    1
}

/// Seconds since 1970.
pub fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

impl TrialRecord {
    /// Reads a trial's record.
    ///
    /// # Errors
    /// The file cannot be read, is damaged, or holds something else.
    pub fn read(folder: &TrialFolder) -> Result<TrialRecord, FileError> {
        let path = folder.record();
        let bytes = std::fs::read(&path).map_err(FileError::at("read", &path))?;
        if !SealPlace::First.holds(&bytes) {
            return Err(folder::damaged(&path));
        }
        serde_json::from_slice(&bytes).map_err(|error| {
            // It is as it was written, so by a vaex that had other fields.
            let version = serde_json::from_slice(&bytes)
                .ok()
                .and_then(|record: serde_json::Value| Some(record.get("version")?.as_str()?.to_owned()));
            let version = version.unwrap_or_else(|| "of an unknown version".to_owned());
            let source = io::Error::other(format!(
                "it was written by vaex {version}, whose records this one cannot read: {error}"
            ));
            FileError { action: "read", path, source }
        })
    }

    /// Writes it, whole or not at all, with its checksum.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, folder: &TrialFolder) -> Result<(), FileError> {
        let path = folder.record();
        let blank = TrialRecord { checksum: BLANK_SEAL.to_owned(), ..self.clone() };
        let bytes = serde_json::to_vec_pretty(&blank).map_err(io::Error::from);
        let mut bytes = bytes.map_err(FileError::at("write", &path))?;
        SealPlace::First.seal(&mut bytes);
        write_whole(&path, &bytes)
    }
}
