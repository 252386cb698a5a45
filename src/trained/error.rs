//! Why a trained model cannot be used.

use crate::data::{DataError, ImageShape};
use crate::folder::{ArraysError, FileError, TrialFolder};
use crate::model::BuildError;
use crate::record::trial::Status;
use crate::tensor::backend::DeviceError;
use std::path::PathBuf;

/// Why a trained model cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TrainedError {
    /// The folder is not a trial folder.
    #[error("{} is not a trial folder: it has no {}", folder.display(), TrialFolder::RECORD)]
    NoTrial {
        /// The given folder.
        folder: PathBuf,
    },
    /// The trial has no model: it is not done.
    #[error("{} is {}; only a trial that is done has a model{why}", folder.display(), status.name())]
    NotDone {
        /// The trial's folder.
        folder: PathBuf,
        /// The trial's status.
        status: Status,
        /// The error, or what to do.
        why: String,
    },
    /// The model was written by a version of vaex with another format.
    #[error("{} was written by vaex {version}; this version cannot read it: train the trial again with --fresh", path.display())]
    Version {
        /// The model's file.
        path: PathBuf,
        /// The version of vaex that wrote it.
        version: String,
    },
    /// The model belongs to another trial.
    #[error("{} is the model of another trial: train the trial again with --fresh", path.display())]
    Foreign {
        /// The model's file.
        path: PathBuf,
    },
    /// The weights of the best epoch are asked for, but the trial does not have them.
    #[error("{} does not have the weights of epoch {best}, its best one, but those of epoch {kept}: train it with `train.keep = \"best\"`", folder.display())]
    NotKept {
        /// The trial's folder.
        folder: PathBuf,
        /// The best epoch.
        best: u64,
        /// The epoch whose weights it has.
        kept: u64,
    },
    /// The weights of the best epoch are asked for, but there is none.
    #[error("{} has no validation loss, so none of its epochs is the best one", folder.display())]
    NoBest {
        /// The trial's folder.
        folder: PathBuf,
    },
    /// The images do not fit the model.
    #[error("the images are {shape}, but the model was trained on {trained}")]
    Shape {
        /// The shape of the images.
        shape: ImageShape,
        /// The shape of the images that the model was trained on.
        trained: ImageShape,
    },
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The weights cannot be read.
    #[error("{0}; to create it again, run the command that trained the trial")]
    Weights(ArraysError),
    /// The images cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The model cannot be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The trial's own images cannot be read.
    #[error("{0}; if the file was moved, run the spec with its new path, or give images with --data")]
    Own(DataError),
    /// The trial's own images have changed since training.
    #[error("the images of {} have changed since it was trained: give the images with --data", folder.display())]
    Changed {
        /// The trial's folder.
        folder: PathBuf,
    },
    /// Values are not whole images of the model.
    #[error("{values} values are not whole images of {shape}, {} values each", shape.values())]
    Values {
        /// Their number.
        values: usize,
        /// The shape of the images that the model was trained on.
        shape: ImageShape,
    },
    /// Floats for a model of bytes.
    #[error("the values are floats, but the model was trained on bytes from {} to {}; give bytes", stored[0], stored[1])]
    Floats {
        /// The interval of the values that the model was trained on.
        stored: [f64; 2],
    },
    /// A value is not one that the model was trained on.
    #[error("image {image} has the value {value}, but the model was trained on values from {} to {}", stored[0], stored[1])]
    Outside {
        /// The image, from 0.
        image: usize,
        /// The value.
        value: f64,
        /// The interval of the values that the model was trained on.
        stored: [f64; 2],
    },
    /// The trial has no validation images.
    #[error("{} has no validation images: give images with --data", folder.display())]
    NoValidation {
        /// The trial's folder.
        folder: PathBuf,
    },
    /// The computation failed.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The worker threads cannot be started.
    #[error("cannot start worker threads: {0}")]
    Threads(#[from] rayon::ThreadPoolBuildError),
}
