//! Training: a batch is cut into micro-batches that worker threads compute, and gradients are summed in a fixed
//! order, so that the number of threads changes nothing but the time.

pub mod metrics;
mod optimizer;
mod schedule;
mod settings;
mod tally;
mod totals;
mod worker;

pub use metrics::Metrics;
pub use optimizer::{OPTIMIZERS, Optimizer, Rule};
pub use schedule::{Course, SCHEDULES, Schedule};
pub use settings::{BATCH_SIZE_BY_DEFAULT, DEVICES, Device, Settings};
pub use tally::Position;
pub(crate) use worker::Worker;
pub use worker::{Encoded, Measured, Spread};

use crate::data::{self, Dataset, Pixels, Split};
use crate::model::architecture::{Architecture, Network};
use crate::model::parameters::{self, GradientMap, Module};
use crate::model::{BuildError, Model};
use crate::objective::{self, Objective};
use crate::random::{Purpose, Stream, permutation};
use crate::tensor::backend::{self, DeviceError, Part};
use crate::tensor::kernels::sum_of_squares;
use rayon::prelude::*;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use tally::Tally;
use totals::Totals;
use worker::{Lane, LaneTask};

/// Numbers that one task of a parallel pass over the parameters takes.
const CHUNK: usize = 1 << 14;

/// Why training cannot begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The model does not fit its type or the device.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The device failed.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// No worker threads.
    #[error("cannot start {threads} worker threads: {source}")]
    Threads {
        /// Threads asked for.
        threads: usize,
        /// Why not.
        source: rayon::ThreadPoolBuildError,
    },
}

/// How an epoch ended.
#[derive(Clone, Debug)]
pub enum EpochEnd {
    /// All images were seen.
    Finished(Metrics),
    /// The loss or the gradient is not finite; the figures are up to there.
    Diverged(Metrics),
    /// It was asked to stop, and did so between two steps. The next call goes on from there.
    Interrupted,
    /// `train.checkpoint_steps` are over. The next call goes on from there.
    Pause,
}

/// Where training is, after a step.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Epoch, from 1.
    pub epoch: u64,
    /// Steps taken since the start of training.
    pub step: u64,
    /// Mean loss of the epoch so far.
    pub loss: f64,
    /// Training images by seconds in this epoch.
    pub images_per_second: f64,
}

/// What a training is made of.
#[derive(Clone, Copy, Debug)]
pub struct Training<'a> {
    /// Seed of all that is random in it.
    pub seed: u64,
    /// What the network sees of the images.
    pub data: &'a data::Settings,
    /// The images.
    pub dataset: &'a Dataset,
    /// The network.
    pub architecture: &'a Architecture,
    /// The loss.
    pub objective: &'a objective::Settings,
    /// How the weights are found.
    pub train: &'a Settings,
}

impl Training<'_> {
    /// Steps in an epoch; the last one takes what is left.
    pub fn steps_per_epoch(&self) -> u64 {
        (self.dataset.train.len() as u64).div_ceil(self.train.batch_size)
    }
}

/// One model in training, on the thread that made it.
pub struct Trainer<B: Spread> {
    seed: u64,
    settings: Settings,
    worker: Worker<B>,
    optimizer: Optimizer,
    objective: Objective,
    schedule: Schedule,
    steps_per_epoch: u64,
    pool: rayon::ThreadPool,
    micro_batch: usize,
    gradient: Vec<f32>,
    /// Sum of the gradient's squares.
    squares: f64,
    epoch: u64,
    /// The epoch that was left between two steps.
    tally: Option<Tally>,
    /// Keeps it on the thread that made it, which is in its pool: work given to the pool from another would wait for it.
    stays: PhantomData<*const ()>,
}

impl<B: Spread> Trainer<B> {
    /// The model with its first weights, at the start of training.
    ///
    /// # Errors
    /// The device has no memory for it, or threads cannot be started.
    pub fn new(device: B::Device, training: Training<'_>, threads: usize) -> Result<Self, TrainError> {
        let Training { seed, data, dataset, architecture, objective, train } = training;
        let mut model = Model::<B>::new(&device, architecture)?;
        parameters::initialize(&mut model, architecture.initializer, seed);
        let map = GradientMap::new(&mut model);
        let pool = || rayon::ThreadPoolBuilder::new().num_threads(threads);
        // With this thread among them, as no step then waits for another to wake up; a thread can join one pool only.
        let pool = pool().use_current_thread().build().or_else(|_| pool().build());
        Ok(Trainer {
            optimizer: Optimizer::new(train.optimizer.clone(), map.length()),
            objective: Objective::new(objective, architecture.pixels(), architecture.latent),
            schedule: Schedule::new(train),
            steps_per_epoch: training.steps_per_epoch(),
            pool: pool.map_err(|source| TrainError::Threads { threads, source })?,
            micro_batch: micro_batch::<B>(architecture, train.batch_size as usize),
            gradient: vec![0.0; map.length()],
            squares: 0.0,
            epoch: 0,
            tally: None,
            stays: PhantomData,
            worker: Worker { pixels: Pixels::new(data, seed), dataset: dataset.clone(), seed, device, model, map },
            seed,
            settings: train.clone(),
        })
    }

    /// Epochs finished.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The model.
    pub fn model(&mut self) -> &mut Model<B> {
        &mut self.worker.model
    }

    /// The optimiser and its state.
    pub fn optimizer(&self) -> &Optimizer {
        &self.optimizer
    }

    /// Where training is.
    pub fn position(&self) -> Position {
        let tally = self.tally.as_ref().map(Tally::numbers).unwrap_or_default();
        Position { epoch: self.epoch, steps: self.optimizer.steps(), tally }
    }

    /// Puts training where a checkpoint left it: the weights are in the model already. Whether all of it fits.
    pub fn resume(&mut self, position: &Position, find: impl FnMut(&str) -> Option<Vec<f32>>) -> bool {
        self.epoch = position.epoch;
        self.tally = Tally::from_numbers(self.worker.latent(), &position.tally);
        self.tally.is_some() != position.tally.is_empty() && self.optimizer.restore(position.steps, find)
    }

    /// Learning rate and KL weight of a step, from 0.
    fn rates(&self, step: u64) -> (f64, f64) {
        let epochs = step as f64 / self.steps_per_epoch as f64;
        (self.schedule.rate(step, self.steps_per_epoch), self.objective.kl_weight(epochs))
    }

    /// Trains one epoch, in an order that the seed and the epoch determine, or goes on with the one that was left.
    ///
    /// # Errors
    /// The device failed.
    pub fn train_epoch(
        &mut self,
        stop: &AtomicBool,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<EpochEnd, DeviceError> {
        let start = Instant::now();
        let epoch = self.epoch + 1;
        let order = permutation(self.seed, epoch, self.worker.dataset.train.len() as u32);
        let mut tally = self.tally.take().unwrap_or_else(|| Tally::new(self.worker.latent()));
        let before = tally.seconds;
        let left = order.get(tally.seen..).unwrap_or_default();
        for indices in left.chunks(self.settings.batch_size as usize) {
            if stop.load(Ordering::Relaxed) {
                self.tally = (tally.seen > 0).then_some(tally);
                return Ok(EpochEnd::Interrupted);
            }
            let step = self.optimizer.steps();
            let (rate, kl_weight) = self.rates(step);
            let totals = self.batch(indices, epoch, kl_weight)?;
            let step_norm = self.squares.sqrt();
            let step_loss = self.objective.loss(totals.recon_nats(), totals.kl_nats(), kl_weight);
            tally.seen += indices.len();
            tally.totals.add(&totals);
            tally.loss += step_loss * totals.images();
            tally.norm += step_norm;
            tally.steps += 1.0;
            tally.seconds = before + start.elapsed().as_secs_f64();
            if !step_loss.is_finite() || !step_norm.is_finite() {
                return Ok(EpochEnd::Diverged(self.train_metrics(epoch, &tally, kl_weight, rate)));
            }
            self.update(rate, step_norm);
            let (step, images) = (step + 1, tally.totals.images());
            progress(Progress { epoch, step, loss: tally.loss / images, images_per_second: images / tally.seconds });
            let pause = self.settings.checkpoint_steps.is_some_and(|steps| step.is_multiple_of(steps));
            if pause && tally.seen < order.len() {
                self.tally = Some(tally);
                return Ok(EpochEnd::Pause);
            }
        }
        self.epoch = epoch;
        tally.seconds = before + start.elapsed().as_secs_f64();
        let (rate, kl_weight) = self.rates(self.optimizer.steps().saturating_sub(1));
        Ok(EpochEnd::Finished(self.train_metrics(epoch, &tally, kl_weight, rate)))
    }

    fn train_metrics(&self, epoch: u64, tally: &Tally, kl_weight: f64, rate: f64) -> Metrics {
        let loss = tally.loss / tally.totals.images();
        let metrics = self.metrics(epoch, Split::Train, &tally.totals, loss, kl_weight, rate, tally.seconds);
        Metrics { grad_norm: Some(tally.norm / tally.steps), ..metrics }
    }

    /// Measures the validation images with the present weights and noise that never changes.
    ///
    /// # Errors
    /// The device failed.
    pub fn validate(&self) -> Result<Metrics, DeviceError> {
        let start = Instant::now();
        let images: Vec<u32> = (0..self.worker.dataset.validation.len() as u32).collect();
        let micro_batches: Vec<&[u32]> = images.chunks(self.micro_batch).collect();
        let parts = B::spread(&self.pool, &self.worker, micro_batches, Worker::measure)?;
        let mut sums = Totals::new(self.worker.latent());
        parts.iter().for_each(|part| sums.add(part));
        let (rate, kl_weight) = self.rates(self.optimizer.steps().saturating_sub(1));
        let loss = self.objective.loss(sums.recon_nats(), sums.kl_nats(), kl_weight);
        let seconds = start.elapsed().as_secs_f64();
        Ok(self.metrics(self.epoch, Split::Validation, &sums, loss, kl_weight, rate, seconds))
    }

    #[expect(clippy::too_many_arguments, reason = "the figures of one row")]
    fn metrics(
        &self,
        epoch: u64,
        split: Split,
        sums: &Totals,
        loss: f64,
        kl_weight: f64,
        learning_rate: f64,
        seconds: f64,
    ) -> Metrics {
        let seen_in_epoch =
            if split == Split::Train { sums.images() as u64 } else { self.worker.dataset.train.len() as u64 };
        Metrics {
            epoch,
            split,
            step: self.optimizer.steps(),
            images_seen: (epoch - 1) * self.worker.dataset.train.len() as u64 + seen_in_epoch,
            loss,
            recon_nats: sums.recon_nats(),
            kl_nats: sums.kl_nats(),
            elbo_nats: -sums.recon_nats() - sums.kl_nats(),
            effective_beta: self.objective.effective_beta(kl_weight),
            kl_weight,
            learning_rate,
            grad_norm: None,
            active_units: sums.active_units(),
            images_per_second: sums.images() / seconds,
            seconds,
            kl_axis_nats: sums.kl_axis_nats(),
        }
    }

    /// Computes the gradient of a batch's mean loss into `self.gradient`.
    fn batch(&mut self, indices: &[u32], epoch: u64, kl_weight: f64) -> Result<Totals, DeviceError> {
        let scale = self.objective.scale() / indices.len() as f64;
        let effective_beta = self.objective.effective_beta(kl_weight);
        let micro_batches: Vec<&[u32]> = indices.chunks(self.micro_batch).collect();
        let groups = micro_batches.chunks(micro_batches.len().div_ceil(B::LANES));
        let tasks = groups.map(|micro_batches| LaneTask { micro_batches, epoch, scale, effective_beta });
        let lanes = B::spread(&self.pool, &self.worker, tasks.collect(), Worker::learn)?;
        let mut totals = Totals::new(self.worker.latent());
        lanes.iter().for_each(|lane| totals.add(&lane.totals));
        self.squares = self.sum(&lanes);
        Ok(totals)
    }

    /// Sums the lanes' parts into `self.gradient`, in a fixed order; the sum of its squares.
    fn sum(&mut self, lanes: &[Lane]) -> f64 {
        let mut rest = self.gradient.as_mut_slice();
        let mut tasks = Vec::new();
        for (parameter, range) in self.worker.map.ranges().enumerate() {
            let (gradient, after) = rest.split_at_mut(range.len());
            rest = after;
            let parts: Arc<[&Part]> = lanes.iter().map(|lane| &lane.parts[parameter]).collect();
            let chunk = backend::whole_rows(&parts, CHUNK);
            let chunks = gradient.chunks_mut(chunk).enumerate();
            tasks.extend(chunks.map(|(index, gradient)| (parts.clone(), index * chunk, gradient)));
        }
        let work = |(parts, first, gradient): (Arc<[&Part]>, usize, &mut [f32])| -> f64 {
            backend::put_sum(&parts, first, gradient);
            sum_of_squares(gradient)
        };
        let squares: Vec<f64> = self.pool.install(|| tasks.into_par_iter().map(work).collect());
        squares.iter().sum()
    }

    fn update(&mut self, rate: f64, norm: f64) {
        if let Some(limit) = self.settings.clip_norm
            && norm > limit
        {
            let factor = (limit / norm) as f32;
            self.gradient.iter_mut().for_each(|value| *value *= factor);
        }
        let update = self.optimizer.begin(rate);
        let mut offset = 0;
        let (optimizer, gradient) = (&mut self.optimizer, &self.gradient);
        let pool = &self.pool;
        self.worker.model.visit("", &mut |visit| {
            visit.parameter.update(&mut |weights| {
                let part = &gradient[offset..offset + weights.len()];
                pool.install(|| optimizer.apply(update, offset, weights, part));
                offset += part.len();
            });
        });
    }

    /// The first `count` validation images and their reconstructions from the posterior mean, both
    /// (Images, Pixels), in the data's range.
    ///
    /// # Errors
    /// The device failed.
    pub fn reconstruct(&self, count: usize) -> Result<(Vec<f32>, Vec<f32>), DeviceError> {
        let indices: Vec<u32> = (0..count.min(self.worker.dataset.validation.len()) as u32).collect();
        let Encoded { inputs, posterior } = self.worker.encode(&indices)?;
        Ok((inputs, self.decode(&posterior.mean)?))
    }

    /// The first `count` validation images and their posteriors.
    ///
    /// # Errors
    /// The device failed.
    pub fn encode(&self, count: usize) -> Result<Encoded, DeviceError> {
        let indices: Vec<u32> = (0..count.min(self.worker.dataset.validation.len()) as u32).collect();
        let parts = indices.chunks(self.micro_batch).collect();
        Ok(Encoded::joined(B::spread(&self.pool, &self.worker, parts, Worker::encode)?))
    }

    /// Expected pixels, (Codes, Pixels), of codes (Codes, Latent).
    ///
    /// # Errors
    /// The device failed.
    pub fn decode(&self, codes: &[f32]) -> Result<Vec<f32>, DeviceError> {
        let parts = codes.chunks(self.micro_batch * self.worker.latent()).collect();
        let parts = B::spread(&self.pool, &self.worker, parts, Worker::decode)?;
        Ok(parts.concat())
    }

    /// Codes from the prior, always the same ones for a seed: (count, Latent).
    pub fn prior_codes(&self, count: usize) -> Vec<f32> {
        let mut codes = vec![0.0; count * self.worker.latent()];
        Stream::new(self.seed, Purpose::Samples, 0, 0).fill_normal(&mut codes);
        codes
    }
}

/// Images in a micro-batch: at most what suits the backend, and where it has lanes at most half a batch, so that two
/// threads have work.
pub fn micro_batch<B: Spread>(architecture: &Architecture, batch_size: usize) -> usize {
    let convolutional = matches!(architecture.network, Network::Conv { .. });
    let share = if B::LANES > 1 { batch_size.div_ceil(2) } else { batch_size };
    B::micro_batch(convolutional).min(share).max(1)
}
