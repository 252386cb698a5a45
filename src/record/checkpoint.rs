//! Weights and training state as safetensors files.

use crate::folder::{BLANK_SEAL, DAMAGED, FileError, SEAL_NAME, SealPlace, write_whole};
use crate::metrics::Row;
use crate::model::Architecture;
use crate::model::parameters::Module;
use crate::plan::NUMERICS;
use crate::record::tables;
use crate::record::tensorboard::LogSeal;
use crate::tensor::backend::Backend;
use crate::train::{OWN, Position, Snapshot, Weight};
use safetensors::tensor::{Dtype, Metadata, SafeTensors, View};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

/// A file of weights or state that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// It cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is not a safetensors file, or belongs to another model or trial.
    #[error("{}: {reason}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// Named arrays to be written to a file. They are borrowed; while the file is written, they are copied one by one.
#[derive(Default)]
pub struct Arrays<'a> {
    entries: Vec<(String, Array<'a>)>,
}

struct Array<'a> {
    sizes: Vec<usize>,
    values: Values<'a>,
}

enum Values<'a> {
    Numbers(Cow<'a, [f32]>),
    Bytes(Vec<u8>),
}

impl View for &Array<'_> {
    fn dtype(&self) -> Dtype {
        match self.values {
            Values::Numbers(_) => Dtype::F32,
            Values::Bytes(_) => Dtype::U8,
        }
    }

    fn shape(&self) -> &[usize] {
        &self.sizes
    }

    fn data(&self) -> Cow<'_, [u8]> {
        match &self.values {
            Values::Numbers(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Values::Bytes(bytes) => bytes.into(),
        }
    }

    fn data_len(&self) -> usize {
        match &self.values {
            Values::Numbers(values) => size_of_val(&**values),
            Values::Bytes(bytes) => bytes.len(),
        }
    }
}

impl<'a> Arrays<'a> {
    /// Adds an array, row-major.
    pub fn push(&mut self, name: impl Into<String>, sizes: Vec<usize>, values: impl Into<Cow<'a, [f32]>>) {
        self.entries.push((name.into(), Array { sizes, values: Values::Numbers(values.into()) }));
    }

    /// Adds an array of bytes.
    fn push_bytes(&mut self, name: &str, bytes: Vec<u8>) {
        self.entries.push((name.to_owned(), Array { sizes: vec![bytes.len()], values: Values::Bytes(bytes) }));
    }

    /// Writes the file atomically, with a checksum in its metadata.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, path: &Path, mut notes: BTreeMap<String, String>) -> Result<(), CheckpointError> {
        let wrong = |error: safetensors::SafeTensorError| CheckpointError::Content {
            path: path.to_path_buf(),
            reason: error.to_string(),
        };
        notes.insert(SEAL_NAME.to_owned(), BLANK_SEAL.to_owned());
        let in_order = serde_json::json!(notes).to_string();
        let arrays = self.entries.iter().map(|(name, array)| (name.as_str(), array));
        let mut bytes = safetensors::serialize(arrays, Some(notes.into_iter().collect())).map_err(wrong)?;
        sort_notes(&mut bytes, in_order.as_bytes());
        SealPlace::First.seal(&mut bytes).map_err(FileError::at("write", path))?;
        Ok(write_whole(path, &bytes)?)
    }
}

/// Sorts the metadata. Safetensors writes it from a hash map, whose order changes from run to run, but equal content must have
/// equal bytes.
fn sort_notes(file: &mut [u8], in_order: &[u8]) {
    const START: &[u8] = b"{\"__metadata__\":";
    // The header follows the eight bytes of its length.
    if let Some(rest) = file.get_mut(8..).filter(|rest| rest.starts_with(START))
        && let Some(notes) = rest.get_mut(START.len()..START.len() + in_order.len())
        && notes.last() == Some(&b'}')
    {
        notes.copy_from_slice(in_order);
    }
}

/// A safetensors file in memory.
pub struct Stored {
    path: PathBuf,
    bytes: Vec<u8>,
    arrays: Metadata,
    /// The offset of the arrays in the file.
    start: usize,
    /// The metadata of the file.
    pub notes: HashMap<String, String>,
}

impl Stored {
    /// Reads a file that any program wrote.
    ///
    /// # Errors
    /// It cannot be read, or is not a safetensors file.
    pub fn read(path: &Path) -> Result<Stored, CheckpointError> {
        let bytes = std::fs::read(path).map_err(FileError::at("read", path))?;
        let wrong = |error: safetensors::SafeTensorError| CheckpointError::Content {
            path: path.to_path_buf(),
            reason: format!("it is not a safetensors file: {error}"),
        };
        let (header, arrays) = SafeTensors::read_metadata(&bytes).map_err(wrong)?;
        // The header follows the eight bytes of its length.
        let (start, notes) = (8 + header, arrays.metadata().iter().flatten());
        let notes = notes.map(|(name, text)| (name.clone(), text.clone())).collect();
        Ok(Stored { path: path.to_path_buf(), notes, bytes, arrays, start })
    }

    /// Reads a file that [`Arrays::write`] wrote, and verifies its checksum.
    ///
    /// # Errors
    /// It cannot be read, or its checksum differs.
    pub fn read_own(path: &Path) -> Result<Stored, CheckpointError> {
        let stored = Stored::read(path)?;
        match SealPlace::First.holds(&stored.bytes) {
            true => Ok(stored),
            false => Err(stored.wrong(DAMAGED)),
        }
    }

    fn wrong(&self, reason: impl Into<String>) -> CheckpointError {
        CheckpointError::Content { path: self.path.clone(), reason: reason.into() }
    }

    /// The values of an array; `None` if absent.
    pub fn values(&self, name: &str) -> Option<Vec<f32>> {
        let words = self.array(name, Dtype::F32)?.as_chunks().0;
        Some(words.iter().map(|word| f32::from_le_bytes(*word)).collect())
    }

    /// The shape and the values of an array, row-major; `None` if absent.
    pub fn sized(&self, name: &str) -> Option<(Vec<usize>, Vec<f32>)> {
        Some((self.arrays.info(name)?.shape.clone(), self.values(name)?))
    }

    /// An array of bytes; `None` if absent.
    pub fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.array(name, Dtype::U8)
    }

    /// The names of the arrays, in the order of the file.
    pub fn names(&self) -> Vec<String> {
        self.arrays.offset_keys()
    }

    fn array(&self, name: &str, dtype: Dtype) -> Option<&[u8]> {
        let array = self.arrays.info(name).filter(|array| array.dtype == dtype)?;
        let (begin, end) = array.data_offsets;
        self.bytes.get(self.start + begin..self.start + end)
    }

    /// A whole number in the metadata; `None` if absent.
    pub fn number(&self, note: &str) -> Option<u64> {
        self.notes.get(note)?.parse().ok()
    }

    /// Copies the weights into a model.
    ///
    /// # Errors
    /// A weight is missing, or has another size.
    pub fn load<B: Backend>(&self, model: &mut impl Module<B>) -> Result<(), CheckpointError> {
        let mut fault = None;
        model.visit("", &mut |visit| match self.values(&visit.name) {
            Some(saved) if saved.len() == visit.parameter.length() => visit.parameter.set(saved),
            _ => fault = Some(format!("it has no array `{}` of the size that the model needs", visit.name)),
        });
        fault.map_or(Ok(()), |reason| Err(self.wrong(reason)))
    }
}

/// The weights of a snapshot.
fn weights<'a>(snapshot: &'a Snapshot<'_>) -> Arrays<'a> {
    let mut arrays = Arrays::default();
    for Weight { name, sizes, values } in &snapshot.weights {
        arrays.push(name, sizes.clone(), values.as_slice());
    }
    arrays
}

/// The names of the metadata of model.safetensors about images.
pub mod notes {
    /// Rows of pixels.
    pub const HEIGHT: &str = "height";
    /// Pixels in a row.
    pub const WIDTH: &str = "width";
    /// Values of a pixel.
    pub const CHANNELS: &str = "channels";
    /// The interval of the stored values: `0 255`.
    pub const STORED: &str = "stored";
}

/// Writes model.safetensors: the weights, the resolved spec, and the shape of the images and the interval of their values.
///
/// # Errors
/// The file cannot be written.
pub fn write_model(
    path: &Path,
    snapshot: &Snapshot<'_>,
    spec: &str,
    architecture: &Architecture,
    [low, high]: [f64; 2],
) -> Result<(), CheckpointError> {
    let image = architecture.image;
    let notes = [
        ("format", "vaex".to_owned()),
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("spec", spec.to_owned()),
        ("layers", architecture.described().to_string()),
        (notes::HEIGHT, image.height.to_string()),
        (notes::WIDTH, image.width.to_string()),
        (notes::CHANNELS, image.channels.to_string()),
        (notes::STORED, format!("{low} {high}")),
    ];
    weights(snapshot).write(path, notes.map(|(key, value)| (key.to_owned(), value)).into())
}

/// Names of the arrays of a checkpoint that are neither weights nor moments of the optimizer.
const TALLY: &str = "epoch.tally";
/// Its bytes are those of a metrics.parquet. The name stays when the name of the file changes.
const METRICS: &str = "metrics.parquet";
/// Prefix of the names of the optimizer's arrays.
const OPTIMIZER: &str = "optimizer.";
/// Keys of the metadata.
const TRIAL: &str = "trial";
const NUMERICS_NOTE: &str = "numerics";
const EPOCH: &str = "epoch";
const STEPS: &str = "steps";
/// Key of the seals of the event files.
const LOG: &str = "log";

/// The results of a trial so far, without the weights.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// The metrics of the finished epochs.
    pub rows: Vec<Row>,
    /// The seals of the event files, by file name.
    pub log: BTreeMap<String, LogSeal>,
}

/// Writes a checkpoint: the state of training, and the trial's results so far.
///
/// # Errors
/// The file cannot be written.
pub fn write_checkpoint(
    path: &Path,
    snapshot: &Snapshot<'_>,
    trial: &str,
    past: &History,
) -> Result<(), CheckpointError> {
    let mut arrays = weights(snapshot);
    for Weight { name, sizes, values } in &snapshot.own {
        arrays.push(name, sizes.clone(), values.as_slice());
    }
    for (name, values) in &snapshot.moments {
        arrays.push(format!("{OPTIMIZER}{name}"), vec![values.len()], &**values);
    }
    let Position { epoch, steps, tally } = &snapshot.position;
    arrays.push_bytes(TALLY, tally.iter().flat_map(|number| number.to_le_bytes()).collect());
    arrays.push_bytes(METRICS, tables::metrics_bytes(&past.rows).map_err(FileError::at("write", path))?);
    let log = serde_json::json!(past.log).to_string();
    let notes = [
        (TRIAL, trial.to_owned()),
        (NUMERICS_NOTE, NUMERICS.to_string()),
        (EPOCH, epoch.to_string()),
        (STEPS, steps.to_string()),
        (LOG, log),
    ];
    arrays.write(path, notes.map(|(key, value)| (key.to_owned(), value)).into())
}

/// Reads a checkpoint: the state of training, and the trial's results until then.
///
/// # Errors
/// The file cannot be read, is damaged, or belongs to another trial.
pub fn read_checkpoint(path: &Path, trial: &str) -> Result<(Snapshot<'static>, History), CheckpointError> {
    let stored = Stored::read_own(path)?;
    if stored.notes.get(TRIAL).map(String::as_str) != Some(trial) {
        return Err(stored.wrong("it belongs to another trial"));
    }
    let position = || {
        let tally = stored.bytes(TALLY)?.as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes));
        Some(Position { epoch: stored.number(EPOCH)?, steps: stored.number(STEPS)?, tally: tally.collect() })
    };
    let position = position().ok_or_else(|| stored.wrong("it has no position in training"))?;
    let missing = || stored.wrong("it does not have the metrics of all epochs");
    let rows = stored.bytes(METRICS).ok_or_else(missing)?.to_vec();
    let rows = tables::metrics_of(rows).map_err(|error| stored.wrong(error.to_string()))?;
    if rows.len() as u64 != 2 * position.epoch {
        return Err(missing());
    }
    let log = stored.notes.get(LOG).and_then(|log| serde_json::from_str(log).ok());
    let log = log.ok_or_else(|| stored.wrong("it has no list of event files"))?;
    let (mut weights, mut own, mut moments) = (Vec::new(), Vec::new(), Vec::new());
    for name in stored.names() {
        // Arrays of bytes have been read above.
        let Some((sizes, values)) = stored.sized(&name) else { continue };
        match name.strip_prefix(OPTIMIZER) {
            Some(name) => moments.push((name.to_owned().into(), values.into())),
            None => {
                let list = if name.starts_with(OWN) { &mut own } else { &mut weights };
                list.push(Weight { name, sizes, values: values.into() });
            }
        }
    }
    Ok((Snapshot { weights, own, moments, position }, History { rows, log }))
}

/// Describes the differences between the arrays of two files that vaex wrote; empty if all bits are equal.
///
/// # Errors
/// A file cannot be read, or is damaged.
pub fn differences(before: &Path, after: &Path) -> Result<Vec<String>, CheckpointError> {
    let (before, after) = (Stored::read_own(before)?, Stored::read_own(after)?);
    let names: BTreeSet<String> = before.names().into_iter().chain(after.names()).collect();
    let mut differences = Vec::new();
    for name in &names {
        // An array that a file lacks counts as empty.
        let values = |stored: &Stored| match stored.arrays.info(name) {
            Some(_) => stored.values(name).ok_or_else(|| stored.wrong(format!("array {name} is not float32"))),
            None => Ok(Vec::new()),
        };
        let (one, other) = (values(&before)?, values(&after)?);
        if one.len() != other.len() {
            differences.push(format!("{name}: {} numbers before, {} now", one.len(), other.len()));
            continue;
        }
        let count = one.iter().zip(&other).filter(|(one, other)| one.to_bits() != other.to_bits()).count();
        if count > 0 {
            let most = one.iter().zip(&other).fold(0f32, |most, (one, other)| most.max((one - other).abs()));
            differences.push(format!("{name}: {count} of {} numbers differ, by at most {most:e}", one.len()));
        }
    }
    Ok(differences)
}
