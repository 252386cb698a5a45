//! Weights and training state as safetensors files.

use crate::backend::Backend;
use crate::files::{FileError, write_whole};
use crate::model::parameters::Module;
use crate::train::{Spread, Trainer};
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
    entries: Vec<(String, Vec<usize>, Vec<u8>)>,
}

impl Arrays {
    /// Adds an array, row-major.
    pub fn push(&mut self, name: impl Into<String>, sizes: Vec<usize>, values: &[f32]) {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.entries.push((name.into(), sizes, bytes));
    }

    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, path: &Path, notes: BTreeMap<String, String>) -> Result<(), CheckpointError> {
        let wrong = |error: safetensors::SafeTensorError| CheckpointError::Content {
            path: path.to_path_buf(),
            reason: error.to_string(),
        };
        let in_order = serde_json::json!(notes).to_string();
        let views = self.entries.iter().map(|(name, sizes, bytes)| {
            Ok((name.as_str(), TensorView::new(Dtype::F32, sizes.clone(), bytes).map_err(wrong)?))
        });
        let views = views.collect::<Result<Vec<_>, CheckpointError>>()?;
        let mut bytes = safetensors::serialize(views, Some(notes.into_iter().collect())).map_err(wrong)?;
        sort_notes(&mut bytes, in_order.as_bytes());
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

/// A file of named arrays, read.
pub struct Stored {
    path: PathBuf,
    bytes: Vec<u8>,
    /// What was noted beside the arrays.
    pub notes: HashMap<String, String>,
}

impl Stored {
    /// Reads and checks a file.
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

    /// The values of an array; nothing where there is none of that name.
    pub fn values(&self, name: &str) -> Option<Vec<f32>> {
        let tensors = SafeTensors::deserialize(&self.bytes).ok()?;
        let tensor = tensors.tensor(name).ok().filter(|tensor| tensor.dtype() == Dtype::F32)?;
        let (words, _) = tensor.data().as_chunks::<4>();
        Some(words.iter().map(|word| f32::from_le_bytes(*word)).collect())
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
        match fault {
            None => Ok(()),
            Some(reason) => Err(CheckpointError::Content { path: self.path.clone(), reason }),
        }
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

/// Writes checkpoint.safetensors: the weights, the optimiser's state, and where training is.
///
/// # Errors
/// The file cannot be written.
pub fn write_checkpoint<B: Spread>(path: &Path, trainer: &mut Trainer<B>, trial: &str) -> Result<(), CheckpointError> {
    let mut arrays = weights(trainer);
    for (name, values) in trainer.optimizer().moments() {
        arrays.push(format!("optimizer.{name}"), vec![values.len()], values);
    }
    let notes = [
        ("trial", trial.to_owned()),
        ("epoch", trainer.epoch().to_string()),
        ("steps", trainer.optimizer().steps().to_string()),
    ];
    arrays.write(path, notes.map(|(key, value)| (key.to_owned(), value)).into())
}

/// Puts training back where a checkpoint left it.
///
/// # Errors
/// The file cannot be read, or is not one of this trial.
pub fn resume<B: Spread>(path: &Path, trainer: &mut Trainer<B>, trial: &str) -> Result<(), CheckpointError> {
    let stored = Stored::read(path)?;
    let wrong = |reason: &str| CheckpointError::Content { path: path.to_path_buf(), reason: reason.to_owned() };
    if stored.notes.get("trial").map(String::as_str) != Some(trial) {
        return Err(wrong("is of another trial"));
    }
    let (Some(epoch), Some(steps)) = (stored.number("epoch"), stored.number("steps")) else {
        return Err(wrong("does not say where training was"));
    };
    stored.load(trainer.model())?;
    match trainer.resume(epoch, steps, |name| stored.values(&format!("optimizer.{name}"))) {
        true => Ok(()),
        false => Err(wrong("does not have the optimiser's state")),
    }
}
