//! Weights and training state as safetensors files.

use crate::backend::Backend;
use crate::files::{FileError, digest, write_whole};
use crate::log::tables;
use crate::model::parameters::Module;
use crate::train::{Metrics, Position, Spread, Trainer};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::path::{Path, PathBuf};

/// A file of weights or state that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// It cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is no safetensors file, or one of another model.
    #[error("{}: {reason}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// Named arrays on their way into a file.
#[derive(Default)]
pub struct Arrays {
    entries: Vec<(String, Dtype, Vec<usize>, Vec<u8>)>,
}

/// The note that holds the SHA-256 of the file, which is taken with zeros in its place.
const CHECKSUM: &str = "checksum";

/// What stands in the place of the checksum while it is worked out.
const NO_CHECKSUM: [u8; 64] = [b'0'; 64];

impl Arrays {
    /// Adds an array, row-major.
    pub fn push(&mut self, name: impl Into<String>, sizes: Vec<usize>, values: &[f32]) {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.entries.push((name.into(), Dtype::F32, sizes, bytes));
    }

    /// Adds bytes.
    fn push_bytes(&mut self, name: &str, bytes: Vec<u8>) {
        self.entries.push((name.to_owned(), Dtype::U8, vec![bytes.len()], bytes));
    }

    /// Writes the file, whole or not at all, with a checksum among its notes.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, path: &Path, mut notes: BTreeMap<String, String>) -> Result<(), CheckpointError> {
        let wrong = |error: safetensors::SafeTensorError| CheckpointError::Content {
            path: path.to_path_buf(),
            reason: error.to_string(),
        };
        notes.insert(CHECKSUM.to_owned(), String::from_utf8_lossy(&NO_CHECKSUM).into_owned());
        let in_order = serde_json::json!(notes).to_string();
        let views = self.entries.iter().map(|(name, dtype, sizes, bytes)| {
            Ok((name.as_str(), TensorView::new(*dtype, sizes.clone(), bytes).map_err(wrong)?))
        });
        let views = views.collect::<Result<Vec<_>, CheckpointError>>()?;
        let mut bytes = safetensors::serialize(views, Some(notes.into_iter().collect())).map_err(wrong)?;
        sort_notes(&mut bytes, in_order.as_bytes());
        let checksum = digest(&[&bytes], NO_CHECKSUM.len());
        if let Some(place) = checksum_in(&mut bytes) {
            place.copy_from_slice(checksum.as_bytes());
        }
        Ok(write_whole(path, |file| file.write_all(&bytes))?)
    }
}

/// Safetensors keeps notes in a hash map, whose order differs from run to run; equal content is to have equal bytes.
fn sort_notes(file: &mut [u8], in_order: &[u8]) {
    const START: &[u8] = b"{\"__metadata__\":";
    // Before the header come the eight bytes of its length.
    if let Some(rest) = file.get_mut(8..).filter(|rest| rest.starts_with(START))
        && let Some(notes) = rest.get_mut(START.len()..START.len() + in_order.len())
        && notes.last() == Some(&b'}')
    {
        notes.copy_from_slice(in_order);
    }
}

/// The checksum in a file, among the notes, with which it begins.
fn checksum_in(file: &mut [u8]) -> Option<&mut [u8]> {
    let key = format!("\"{CHECKSUM}\":\"");
    let start = file.windows(key.len()).position(|bytes| bytes == key.as_bytes())? + key.len();
    file.get_mut(start..start + NO_CHECKSUM.len())
}

/// A file of named arrays, read.
pub struct Stored {
    path: PathBuf,
    bytes: Vec<u8>,
    /// What was noted beside the arrays.
    pub notes: HashMap<String, String>,
}

impl Stored {
    /// Reads a file of any program.
    ///
    /// # Errors
    /// It cannot be read, or is no safetensors file.
    pub fn read(path: &Path) -> Result<Stored, CheckpointError> {
        let bytes = std::fs::read(path).map_err(FileError::at("read", path))?;
        let wrong = |error: safetensors::SafeTensorError| CheckpointError::Content {
            path: path.to_path_buf(),
            reason: format!("no safetensors file: {error}"),
        };
        SafeTensors::deserialize(&bytes).map_err(wrong)?;
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(wrong)?;
        Ok(Stored { path: path.to_path_buf(), notes: header.metadata().clone().unwrap_or_default(), bytes })
    }

    /// Reads a file that [`Arrays::write`] wrote, and checks it.
    ///
    /// # Errors
    /// It cannot be read, or is not as it was written.
    pub fn read_own(path: &Path) -> Result<Stored, CheckpointError> {
        let mut stored = Stored::read(path)?;
        let noted = stored.notes.get(CHECKSUM).cloned();
        if let Some(place) = checksum_in(&mut stored.bytes) {
            place.copy_from_slice(&NO_CHECKSUM);
        }
        match noted == Some(digest(&[&stored.bytes], NO_CHECKSUM.len())) {
            true => Ok(stored),
            false => Err(stored.wrong("is damaged: its checksum differs")),
        }
    }

    fn wrong(&self, reason: impl Into<String>) -> CheckpointError {
        CheckpointError::Content { path: self.path.clone(), reason: reason.into() }
    }

    /// The values of an array; nothing where there is none of that name.
    pub fn values(&self, name: &str) -> Option<Vec<f32>> {
        let words = self.array(name, Dtype::F32)?.as_chunks().0;
        Some(words.iter().map(|word| f32::from_le_bytes(*word)).collect())
    }

    fn array(&self, name: &str, dtype: Dtype) -> Option<&[u8]> {
        let tensors = SafeTensors::deserialize(&self.bytes).ok()?;
        tensors.tensor(name).ok().filter(|tensor| tensor.dtype() == dtype).map(|tensor| tensor.data())
    }

    /// A whole number that was noted.
    pub fn number(&self, note: &str) -> Option<u64> {
        self.notes.get(note)?.parse().ok()
    }

    /// Puts the weights into a model.
    ///
    /// # Errors
    /// A weight is missing, or of another size.
    pub fn load<B: Backend>(&self, model: &mut impl Module<B>) -> Result<(), CheckpointError> {
        let mut fault = None;
        model.visit("", &mut |visit| match self.values(&visit.name) {
            Some(saved) if saved.len() == visit.parameter.values().len() => {
                visit.parameter.update(&mut |values| values.copy_from_slice(&saved));
            }
            _ => fault = Some(format!("has no array `{}` of the model's size", visit.name)),
        });
        fault.map_or(Ok(()), |reason| Err(self.wrong(reason)))
    }
}

fn weights<B: Spread>(trainer: &mut Trainer<B>) -> Arrays {
    let mut arrays = Arrays::default();
    trainer.model().visit("", &mut |visit| {
        arrays.push(visit.name, visit.parameter.sizes(), visit.parameter.values());
    });
    arrays
}

/// Writes model.safetensors: the weights, and the spec that they are of.
///
/// # Errors
/// The file cannot be written.
pub fn write_model<B: Spread>(path: &Path, trainer: &mut Trainer<B>, spec: &str) -> Result<(), CheckpointError> {
    let notes = [("format", "vaex"), ("version", env!("CARGO_PKG_VERSION")), ("spec", spec)];
    weights(trainer).write(path, notes.map(|(key, value)| (key.to_owned(), value.to_owned())).into())
}

/// Names of a checkpoint's arrays beside the weights and the optimiser's.
const TALLY: &str = "epoch.tally";
const METRICS: &str = "metrics.parquet";

/// Writes a checkpoint: the weights, the optimiser's state, where training is, and the figures of the epochs so far.
///
/// # Errors
/// The file cannot be written.
pub fn write_checkpoint<B: Spread>(
    path: &Path,
    trainer: &mut Trainer<B>,
    trial: &str,
    rows: &[Metrics],
) -> Result<(), CheckpointError> {
    let mut arrays = weights(trainer);
    for (name, values) in trainer.optimizer().moments() {
        arrays.push(format!("optimizer.{name}"), vec![values.len()], values);
    }
    let Position { epoch, steps, tally } = trainer.position();
    arrays.push_bytes(TALLY, tally.iter().flat_map(|number| number.to_le_bytes()).collect());
    arrays.push_bytes(METRICS, tables::metrics_bytes(rows).map_err(FileError::at("write", path))?);
    let notes = [("trial", trial.to_owned()), ("epoch", epoch.to_string()), ("steps", steps.to_string())];
    arrays.write(path, notes.map(|(key, value)| (key.to_owned(), value)).into())
}

/// Puts training back where a checkpoint left it; the figures of the epochs before.
///
/// # Errors
/// The file cannot be read, is damaged, or is not one of this trial.
pub fn resume<B: Spread>(path: &Path, trainer: &mut Trainer<B>, trial: &str) -> Result<Vec<Metrics>, CheckpointError> {
    let stored = Stored::read_own(path)?;
    if stored.notes.get("trial").map(String::as_str) != Some(trial) {
        return Err(stored.wrong("is of another trial"));
    }
    let position = || {
        let tally = stored.array(TALLY, Dtype::U8)?.as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes));
        Some(Position { epoch: stored.number("epoch")?, steps: stored.number("steps")?, tally: tally.collect() })
    };
    let position = position().ok_or_else(|| stored.wrong("does not say where training was"))?;
    let rows = stored.array(METRICS, Dtype::U8).map(<[u8]>::to_vec).unwrap_or_default();
    let rows = tables::metrics_of(rows).map_err(|error| stored.wrong(error.to_string()))?;
    if rows.len() as u64 != 2 * position.epoch {
        return Err(stored.wrong("does not have the figures of all epochs"));
    }
    stored.load(trainer.model())?;
    match trainer.resume(&position, |name| stored.values(&format!("optimizer.{name}"))) {
        true => Ok(rows),
        false => Err(stored.wrong("does not have the optimiser's state")),
    }
}
