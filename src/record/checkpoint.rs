//! Weights and training state as safetensors files.

use crate::folder::{Arrays, ArraysError, FileError, Stored, TrialFolder};
use crate::metrics::{Row, Split};
use crate::model::Architecture;
use crate::model::parameters::Module;
use crate::plan::NUMERICS;
use crate::record::tables;
use crate::record::tensorboard::LogSeal;
use crate::record::trial::Gpu;
use crate::tensor::backend::Backend;
use crate::train::{OPTIMIZER, OWN, Position, STEPS, STEPS_BEFORE, Snapshot, WEIGHTS, Weight, best_row};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// Copies the weights of a file into a model.
///
/// # Errors
/// A weight is missing, or has another size.
pub fn load<B: Backend>(stored: &Stored, model: &mut impl Module<B>) -> Result<(), ArraysError> {
    let mut fault = None;
    model.visit("", &mut |visit| match stored.values(&visit.name) {
        Some(saved) if saved.len() == visit.parameter.length() => visit.parameter.set(saved),
        _ => fault = Some(format!("it has no array `{}` of the size that the model needs", visit.name)),
    });
    fault.map_or(Ok(()), |reason| Err(stored.wrong(reason)))
}

fn push_weights<'a>(arrays: &mut Arrays<'a>, prefix: &str, weights: &'a [Weight]) {
    for Weight { name, sizes, values } in weights {
        arrays.push(format!("{prefix}{name}"), sizes.clone(), values.as_slice());
    }
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
    weights: &[Weight],
    spec: &str,
    architecture: &Architecture,
    [low, high]: [f64; 2],
) -> Result<(), ArraysError> {
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
    let mut arrays = Arrays::default();
    push_weights(&mut arrays, "", weights);
    arrays.write(path, notes.map(|(key, value)| (key.to_owned(), value)).into())
}

/// Names of the arrays of a checkpoint that are neither weights nor moments of the optimizer.
const TALLY: &str = "epoch.tally";
/// Its bytes are those of a metrics.parquet. The name stays when the name of the file changes.
const METRICS: &str = "metrics.parquet";
/// Prefix of the names of the weights of the best epoch.
const BEST: &str = "best.";
/// Keys of the metadata.
const TRIAL: &str = "trial";
const NUMERICS_NOTE: &str = "numerics";
const EPOCH: &str = "epoch";
/// Key of the seals of the event files.
const LOG: &str = "log";
/// Key of the GPU.
const GPU: &str = "gpu";

/// The results of a trial so far, without the present weights.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// The metrics of the finished epochs.
    pub rows: Vec<Row>,
    /// The seals of the event files, by file name.
    pub log: BTreeMap<String, LogSeal>,
    /// The GPU that computed them; `None` on the CPU.
    pub gpu: Option<Gpu>,
    /// The weights of the best epoch, if they are kept. A checkpoint whose own weights are these has them once.
    pub best: Option<Best>,
}

/// The weights of the best epoch.
#[derive(Clone, Debug)]
pub struct Best {
    /// The epoch: that of [`best_row`].
    pub epoch: u64,
    /// The weights after it.
    pub weights: Vec<Weight>,
}

/// Writes a checkpoint: the state of training, and the trial's results so far.
///
/// # Errors
/// The file cannot be written.
pub fn write_checkpoint(path: &Path, snapshot: &Snapshot<'_>, trial: &str, past: &History) -> Result<(), ArraysError> {
    let mut arrays = Arrays::default();
    push_weights(&mut arrays, "", &snapshot.weights);
    let is_present = |best: &&Best| snapshot.position.is_end_of(best.epoch);
    if let Some(best) = past.best.as_ref().filter(|best| !is_present(best)) {
        push_weights(&mut arrays, BEST, &best.weights);
    }
    write_rest(path, arrays, snapshot, trial, past, None)
}

/// Writes state.safetensors of a trial that is done: what a checkpoint has except for the weights. The last weights are in the
/// file `weights` of the trial's folder.
///
/// # Errors
/// The file cannot be written.
pub fn write_state(
    path: &Path,
    snapshot: &Snapshot<'_>,
    trial: &str,
    past: &History,
    weights: &str,
) -> Result<(), ArraysError> {
    write_rest(path, Arrays::default(), snapshot, trial, past, Some(weights))
}

fn write_rest<'a>(
    path: &Path,
    mut arrays: Arrays<'a>,
    snapshot: &'a Snapshot<'_>,
    trial: &str,
    past: &History,
    weights: Option<&str>,
) -> Result<(), ArraysError> {
    push_weights(&mut arrays, "", &snapshot.own);
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
    let before = (snapshot.steps_before > 0).then(|| (STEPS_BEFORE, snapshot.steps_before.to_string()));
    let gpu = past.gpu.as_ref().map(|gpu| (GPU, serde_json::json!(gpu).to_string()));
    let notes = notes.into_iter().chain(weights.map(|name| (WEIGHTS, name.to_owned()))).chain(before).chain(gpu);
    arrays.write(path, notes.map(|(key, value)| (key.to_owned(), value)).collect())
}

/// Reads a checkpoint: the state of training, and the trial's results until then.
///
/// # Errors
/// The file cannot be read, is damaged, or belongs to another trial.
pub fn read_checkpoint(path: &Path, trial: &str) -> Result<(Snapshot<'static>, History), ArraysError> {
    read_rest(&Stored::read_own(path)?, trial)
}

/// Reads the state of a trial that is done from state.safetensors and its weights.
///
/// # Errors
/// A file cannot be read, is damaged, or belongs to another trial.
pub fn read_state(folder: &TrialFolder, trial: &str) -> Result<(Snapshot<'static>, History), ArraysError> {
    let stored = Stored::read_own(&folder.state())?;
    let (mut snapshot, mut past) = read_rest(&stored, trial)?;
    let file = stored.notes.get(WEIGHTS).ok_or_else(|| stored.wrong("it does not name the file of the weights"))?;
    snapshot.weights = weights_of(&Stored::read_own(&folder.file(file))?);
    if *folder.file(file) != *folder.model() {
        let weights = weights_of(&Stored::read_own(&folder.model())?);
        past.best = best_row(&past.rows).map(|row| Best { epoch: row.epoch, weights });
    }
    Ok((snapshot, past))
}

/// All arrays of numbers of a file.
fn weights_of(stored: &Stored) -> Vec<Weight> {
    let weight =
        |name: String| stored.sized(&name).map(|(sizes, values)| Weight { name, sizes, values: values.into() });
    stored.names().into_iter().filter_map(weight).collect()
}

fn read_rest(stored: &Stored, trial: &str) -> Result<(Snapshot<'static>, History), ArraysError> {
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
    if rows.iter().filter(|row| row.split == Split::Train).count() as u64 != position.epoch {
        return Err(missing());
    }
    let log = stored.notes.get(LOG).and_then(|log| serde_json::from_str(log).ok());
    let log = log.ok_or_else(|| stored.wrong("it has no list of event files"))?;
    let gpu = stored.notes.get(GPU).map(|gpu| serde_json::from_str(gpu)).transpose();
    let gpu = gpu.map_err(|error| stored.wrong(format!("its GPU cannot be read: {error}")))?;
    let (mut weights, mut best, mut own, mut moments) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    // Arrays of bytes have been read above.
    for mut weight in weights_of(stored) {
        if let Some(name) = weight.name.strip_prefix(OPTIMIZER) {
            moments.push((name.to_owned().into(), Arc::unwrap_or_clone(weight.values).into()));
        } else if let Some(name) = weight.name.strip_prefix(BEST) {
            weight.name = name.to_owned();
            best.push(weight);
        } else if weight.name.starts_with(OWN) {
            own.push(weight);
        } else {
            weights.push(weight);
        }
    }
    let epoch = best_row(&rows).map(|row| row.epoch).filter(|_| !best.is_empty());
    let best = epoch.map(|epoch| Best { epoch, weights: best });
    let steps_before = stored.number(STEPS_BEFORE).unwrap_or(0);
    Ok((Snapshot { weights, own, moments, position, steps_before }, History { rows, log, gpu, best }))
}
