//! Estimates of the operations, memory and time that a trial needs, before it runs.

use super::TrialError;
use crate::data::Dataset;
use crate::evaluation::{Evaluate, Scope};
use crate::metrics::Split;
use crate::model::Architecture;
use crate::objective::{Loss, Objective};
use crate::plan::Trial;
use crate::tensor::backend::{Host, Precision, WINDOWS};
use crate::train::measure::SECONDS;
use crate::train::{Device, EpochEnd, Keep, Progress, Trainer, lanes, micro_batch};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Bytes of memory of a process that trains a tiny model.
const PROCESS: f64 = 55e6;

/// Memory of a thread, as a multiple of the activations of a micro-batch: forward, backward, and the copies that the kernels
/// rearrange. Measured on processes; see the test.
const ACTIVATIONS: f64 = 10.0;

/// Memory of a process on a GPU before it trains: the driver, its kernels and the library for products of matrices.
const GPU_PROCESS: f64 = 600e6;

/// Memory is reserved in sizes that are up to an eighth larger than an array.
const GPU_SIZES: f64 = 1.125;

/// Memory of the parts of the gradients of convolutions, which are summed at their end.
const GPU_PARTS: f64 = 10e6;

/// Memory of the activations of a batch on a GPU, as a multiple: values, gradients, and what an activation function needs.
const GPU_ACTIVATIONS: f64 = 2.5;

/// Floating-point operations of a trial's training, computed from its layers: the backward pass counts as two forward passes.
pub fn operations(trial: &Trial) -> f64 {
    let dataset = trial.dataset();
    let (train, validation) = (dataset.train.len() as f64, dataset.validation.len() as f64);
    let architecture = trial.architecture();
    let (objective, encoder) = (&trial.spec().objective.kind, architecture.multiplications_of_encoder() as f64);
    // An objective that couples a batch encodes the images of the batch before, and perhaps those of a second batch.
    let batches = u8::from(objective.couples()) + u8::from(objective.needs_second_batch());
    let own = objective.own_cost(architecture.latent);
    let before = f64::from(batches) * encoder + own.in_training as f64;
    // The decoder has a code for each sample.
    let samples = objective.samples() as f64;
    let all = encoder + samples * (architecture.multiplications() as f64 - encoder);
    // The images of the prior are encoded in each step, and once for the validation images.
    let of_prior = images_of_prior(architecture) * encoder * (3.0 * trial.steps_per_epoch() as f64 + 1.0);
    let of_validation = own.in_validation as f64 * validation;
    let epoch = all * (3.0 * train + validation) + before * train + of_validation + of_prior;
    2.0 * epoch * trial.spec().train.epochs as f64
}

/// Floating-point operations of the evaluation that `[evaluate]` asks for: forward passes, and those of the metrics themselves as
/// far as they matter; 0 without it.
pub fn evaluation_operations(trial: &Trial) -> f64 {
    let Some(settings) = &trial.spec().evaluate else { return 0.0 };
    let architecture = trial.architecture();
    let encoder = 2.0 * architecture.multiplications_of_encoder() as f64;
    let decoder = 2.0 * architecture.multiplications() as f64 - encoder;
    let of = |measure: &dyn Evaluate| measure.operations(settings, images_of(measure, trial), [encoder, decoder]);
    settings.chosen().map(of).sum()
}

/// The number of images that a metric of the evaluation needs.
fn images_of(measure: &dyn Evaluate, trial: &Trial) -> u64 {
    let dataset = trial.dataset();
    let [train, validation, test] =
        [&dataset.train, &dataset.validation, &dataset.test].map(|images| images.len() as u64);
    if measure.scope() == Scope::Factors {
        return train + validation + test;
    }
    let by_default = if test > 0 { Split::Test } else { Split::Validation };
    match trial.spec().evaluate.as_ref().and_then(|settings| settings.split).unwrap_or(by_default) {
        Split::Train => train,
        Split::Validation => validation,
        Split::Test => test,
    }
}

/// Bytes of memory of the evaluation that `[evaluate]` asks for; 0 without it.
fn evaluation_memory(trial: &Trial) -> f64 {
    let Some(settings) = &trial.spec().evaluate else { return 0.0 };
    let architecture = trial.architecture();
    let encoded = settings.chosen().map(|measure| images_of(measure, trial)).max().unwrap_or(0) as f64;
    // Mean and log-variance of each axis: those of the splits, those of all images, and a list of each axis.
    let codes = 4.0 * encoded * 5.0 * architecture.latent as f64;
    let of = |measure: &dyn Evaluate| measure.memory(images_of(measure, trial), architecture.image.values());
    codes + settings.chosen().map(of).fold(0.0, f64::max)
}

/// The number of images whose posteriors are the components of the prior.
fn images_of_prior(architecture: &Architecture) -> f64 {
    if architecture.prior.encodes() { architecture.prior.components() as f64 } else { 0.0 }
}

/// Approximate peak memory of a trial's process, in bytes.
pub fn memory(trial: &Trial, threads: usize) -> f64 {
    let (architecture, train) = (trial.architecture(), &trial.spec().train);
    let objective = &trial.spec().objective.kind;
    let weights = 4.0 * architecture.parameters() as f64;
    let own = objective.own_cost(architecture.latent);
    // Weights, gradient and moments; while a checkpoint is read or written, up to two copies of the weights and moments.
    let arrays = |moments: usize| 2.0 + moments as f64 + 2.0 * (1.0 + moments as f64);
    // Those of the best epoch, in memory and in a checkpoint.
    let best = if train.keep == Keep::Best { 2.0 * weights } else { 0.0 };
    let kept =
        best + weights * arrays(train.optimizer.moments().len()) + 4.0 * own.parameters as f64 * arrays(own.moments);
    let samples = objective.samples();
    let images = micro_batch::<Host>(architecture, train.batch_size as usize, samples) as f64;
    let worked_on = 4.0 * images * samples as f64 * architecture.activations() as f64 * ACTIVATIONS;
    // The weight gradients that each lane sums in arrays of its own.
    let micro_batches = (train.batch_size as f64 / images).ceil();
    let lanes = (micro_batches / (micro_batches / lanes::<Host>(architecture) as f64).ceil()).ceil();
    let summed = if architecture.has_own_gradients() { lanes * weights } else { 0.0 };
    let encoded = images_of_prior(architecture) * architecture.activations_of_encoder() as f64;
    // The own parameters of the objective are trained by the codes of a whole batch.
    let judged = train.batch_size as f64 * own.activations as f64;
    let kept = kept + 4.0 * (encoded + judged) * ACTIVATIONS;
    let worked_on = (threads as f64).min(lanes) * worked_on + summed;
    PROCESS + trial.dataset().train.bytes_in_memory() as f64 + (kept + worked_on).max(evaluation_memory(trial))
}

/// Memory of a GPU, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct GpuMemory {
    /// Of what a trial must have there.
    pub least: f64,
    /// Of its images, which stay there if they fit.
    pub images: f64,
}

impl GpuMemory {
    /// Of both.
    pub fn total(self) -> f64 {
        self.least + self.images
    }
}

/// Approximate memory of a trial on its GPU; none if it is trained on the CPU.
pub fn gpu_memory(trial: &Trial) -> Option<GpuMemory> {
    match trial.spec().train.device {
        Device::Cuda(precision) => Some(gpu_memory_with(trial, precision)),
        Device::Cpu => None,
    }
}

/// Approximate memory of a trial on a GPU with a precision.
pub fn gpu_memory_with(trial: &Trial, precision: Precision) -> GpuMemory {
    let (architecture, train) = (trial.architecture(), &trial.spec().train);
    let objective = &trial.spec().objective.kind;
    let own = objective.own_cost(architecture.latent);
    // Values, gradient and moments.
    let arrays = |parameters: u128, moments: usize| 4.0 * parameters as f64 * (2 + moments) as f64;
    let kept = arrays(architecture.parameters(), train.optimizer.moments().len()) + arrays(own.parameters, own.moments);
    let Dataset { train: images, validation, .. } = trial.dataset();
    let images = [images, validation].map(|one| one.bytes() as f64).iter().sum();
    let inputs = 3.0 * architecture.image.values() as f64;
    let rows = train.batch_size as f64 * objective.samples() as f64;
    let values = 4.0 * rows * (GPU_ACTIVATIONS * architecture.activations() as f64 + inputs);
    let windows = architecture.windows();
    let of_convolutions = match precision {
        _ if windows.is_empty() => 0.0,
        Precision::F32 => GPU_PARTS,
        Precision::Tf32 => windows.into_iter().map(|one| (4.0 * rows * one as f64).min(WINDOWS as f64)).sum(),
    };
    let encoded =
        images_of_prior(architecture) * (GPU_ACTIVATIONS * architecture.activations_of_encoder() as f64 + inputs);
    let judged = GPU_ACTIVATIONS * train.batch_size as f64 * own.activations as f64;
    let all = kept + values + of_convolutions + 4.0 * (encoded + judged);
    let least = GPU_PROCESS + GPU_SIZES * all;
    GpuMemory { least, images }
}

/// Estimated seconds of an epoch of a trial on the CPU, with validation, measured by training it for `moment`.
///
/// # Errors
/// Training cannot start.
pub fn seconds_of_epoch(trial: &Trial, threads: usize, moment: Duration) -> Result<f64, TrialError> {
    let mut trainer = Trainer::<Host>::new(Default::default(), trial.training(), threads)?;
    let (stop, start) = (AtomicBool::new(false), Instant::now());
    let mut images_per_second = 0.0;
    let mut progress = |progress: Progress| {
        images_per_second = progress.images_per_second;
        stop.store(start.elapsed() > moment, Ordering::Relaxed);
        false
    };
    while !stop.load(Ordering::Relaxed) && trainer.epoch() < trial.spec().train.epochs {
        if let EpochEnd::Diverged(_) = trainer.train_epoch(&stop, &mut progress)? {
            break;
        }
    }
    let validation = trainer.validate()?.map_or(0.0, |row| row.get(SECONDS).unwrap_or(f64::NAN));
    Ok(trial.dataset().train.len() as f64 / images_per_second + validation)
}
