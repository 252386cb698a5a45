//! One trial in its folder: trains it, and keeps the folder's files up to date.

pub mod estimate;
mod event;
mod prefix;
mod record;
mod resume;
mod saving;
mod seals;
mod session;
mod training;
mod writers;

pub use event::Event;
pub use prefix::{Prefix, Prefixes};
pub use record::{correct, planned, prepare, update};
pub use seals::fault;

use crate::folder::{ArraysError, FileError, TrialFolder, is_full};
use crate::machine::peak_rss_mb;
use crate::model::BuildError;
use crate::plan::Trial;
use crate::record::trial::{Status, TrialRecord, now};
use crate::tensor::backend::{DeviceError, Host, Precision};
use crate::train::{Device, TrainError};
use session::{Clock, Session};
use std::cell::Cell;
use std::sync::atomic::AtomicBool;
use std::time::Instant;
use training::Outcome;

/// Why a trial failed.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// Training failed.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// The device failed.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// Weights or state cannot be written.
    #[error(transparent)]
    Checkpoint(#[from] ArraysError),
    /// The device is not available.
    #[error("cannot use the GPU: {0}")]
    NoDevice(String),
}

impl TrialError {
    /// Whether the device has less memory than the trial needs.
    fn is_out_of_memory(&self) -> bool {
        let device = match self {
            TrialError::Device(error) => error,
            TrialError::Train(TrainError::Device(error) | TrainError::Build(BuildError::Device(error))) => error,
            _ => return false,
        };
        matches!(device, DeviceError::OutOfMemory(_))
    }

    /// Whether the disk of the trial is full.
    fn is_full_disk(&self) -> bool {
        match self {
            TrialError::File(error) | TrialError::Checkpoint(ArraysError::File(error)) => is_full(&error.source),
            _ => false,
        }
    }
}

/// The folder, the threads and the callbacks of a running trial.
pub struct Run<'a> {
    /// The trial's folder.
    pub folder: &'a TrialFolder,
    /// Number of worker threads.
    pub threads: usize,
    /// The epoch after which training pauses; `None` to train to the end.
    pub until: Option<u64>,
    /// If set, training stops after the current step.
    pub stop: &'a AtomicBool,
    /// Is called for each event.
    pub emit: &'a mut dyn FnMut(Event),
    /// Whether this process does nothing else, so that its memory is that of the trial.
    pub is_own_process: bool,
}

/// The result of a trial's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The trial's status.
    pub status: Status,
    /// Whether it failed because its disk is full.
    pub disk_is_full: bool,
}

/// Trains a trial to its end, from its checkpoint if it has one, and writes the result to its record.
///
/// # Errors
/// The record cannot be written. All other errors are written to the record.
pub fn run(trial: &Trial, earlier: TrialRecord, mut run: Run<'_>) -> Result<Ended, FileError> {
    let clock = Clock { begin: Instant::now(), earlier: Cell::new(earlier.seconds) };
    // The trial may have been planned on another machine, or by an earlier version of vaex.
    let mut record = planned(trial, &earlier.varied, run.threads);
    record.status = Status::Running;
    // Until now, `started` was the time of planning.
    record.started = if earlier.seconds > 0.0 { earlier.started } else { now() };
    record.seconds = earlier.seconds;
    record.images_per_second = earlier.images_per_second;
    record.continued = earlier.continued;
    (record.shorter, record.from_scratch) = (earlier.shorter, earlier.from_scratch);
    record.write_at_start(run.folder)?;
    let outcome = match trial.spec().train.device {
        Device::Cpu => {
            Session::<Host>::new(Default::default(), trial, &clock, &mut run, &mut record).and_then(Session::train)
        }
        Device::Cuda(precision) => on_cuda(precision, trial, &clock, &mut run, &mut record),
    };
    let disk_is_full = outcome.as_ref().is_err_and(TrialError::is_full_disk);
    let (status, error) = match outcome {
        Ok(Outcome::Done { kept_epoch, stopped_after }) => {
            (record.kept_epoch, record.stopped_after) = (Some(kept_epoch), stopped_after);
            record.files = seals::checksums(run.folder)?;
            (Status::Done, None)
        }
        Ok(Outcome::Interrupted) => (Status::Interrupted, None),
        Ok(Outcome::Paused) => (Status::Paused, None),
        Ok(Outcome::Diverged(message)) => (Status::Diverged, Some(message)),
        Err(error) => {
            // The cause is not the trial itself: for example, the disk is full, or the device is not available.
            record.from_outside = !error.is_out_of_memory();
            (Status::Failed, Some(error.to_string()))
        }
    };
    record.status = status;
    record.error = error.clone();
    record.seconds = clock.seconds();
    record.ended = Some(now());
    record.peak_rss_mb = if run.is_own_process { peak_rss_mb() } else { None };
    record.write(run.folder).map_err(|second| match &error {
        // A full disk has no space for the record either.
        Some(error) => {
            let text = format!("{}; before that: {error}", second.source);
            FileError { source: std::io::Error::new(second.source.kind(), text), ..second }
        }
        None => second,
    })?;
    if status == Status::Done {
        run.folder.remove_checkpoints()?;
    }
    (run.emit)(Event::Ended { status, error });
    Ok(Ended { status, disk_is_full })
}

#[cfg(feature = "cuda")]
fn on_cuda(
    precision: Precision,
    trial: &Trial,
    clock: &Clock,
    run: &mut Run<'_>,
    record: &mut TrialRecord,
) -> Result<Outcome, TrialError> {
    use crate::record::trial::Gpu;
    use crate::tensor::backend::{Card, Cuda, OnCard};
    let cuda = Cuda::new(precision).map_err(TrialError::NoDevice)?;
    let [card, driver, library] = cuda.versions();
    record.gpu = Some(Gpu { card, driver, library });
    let card = Card::new(Box::new(cuda));
    Session::<OnCard>::new(card, trial, clock, run, record)?.train()
}

#[cfg(not(feature = "cuda"))]
fn on_cuda(_: Precision, _: &Trial, _: &Clock, _: &mut Run<'_>, _: &mut TrialRecord) -> Result<Outcome, TrialError> {
    Err(TrialError::NoDevice(crate::tensor::backend::cards().err().unwrap_or_default()))
}
