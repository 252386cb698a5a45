//! Training. A batch is split into micro-batches, which worker threads compute. Gradients are summed in a fixed order, so
//! the results do not depend on the number of threads.

mod apply;
mod epoch;
mod execute;
mod initial;
mod kept;
pub mod measure;
mod on_card;
mod report;
mod schedule;
mod settings;
mod snapshot;
mod tally;
mod terms;
mod training;
mod worker;

pub use epoch::{EpochEnd, Progress};
pub use execute::Execute;
pub use initial::{
    INIT_FROM_DOTTED, InitPart, InitSettings, Initial, OPTIMIZER, OptimizerState, STEPS, STEPS_BEFORE, WEIGHTS,
};
pub use kept::{BestEpoch, COMPARED, best_row, kept_at_rung};
pub use schedule::{Course, SCHEDULES, Schedule};
pub use settings::{DEVICES, Device, Keep, TrainSettings};
pub use snapshot::{OWN, Snapshot, SnapshotError, Weight};
pub use tally::Position;
pub(crate) use terms::{Chosen, Posteriors};
pub use training::Training;
pub(crate) use worker::Worker;
pub use worker::{Encoded, Measured};

use crate::data::PixelMap;
use crate::metrics::{Row, Split};
use crate::model::OutputBias;
use crate::model::architecture::Architecture;
use crate::model::parameters::{self, GradientMap};
use crate::model::prior::Start;
use crate::model::{BuildError, Model};
use crate::objective::{At, BatchCodes, Draws, Objective, ObjectiveKind, Weights};
use crate::optimizer::Learner;
use crate::random::{Purpose, Stream, permutation, shuffled};
use crate::tensor::backend::{Array, DeviceError};
use crate::tensor::dims::{Batch, Own, Terms};
use dfdx::tensor::OwnedTape;
use epoch::{Clock, Seen};
use measure::{End, Sums, TrainingStep, loss_of, loss_so_far};
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use tally::Tally;
use training::first_images;
use worker::{LaneTask, StepCodes};

/// How many batches are read ahead.
const BATCHES_AHEAD: usize = 4;

/// Why training cannot start or continue.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The model cannot be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The device failed.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The worker threads cannot be started.
    #[error("cannot start {threads} worker threads: {source}")]
    Threads {
        /// The requested number of threads.
        threads: usize,
        /// The reason.
        source: rayon::ThreadPoolBuildError,
    },
}

/// A step whose report has not been looked at.
struct Step<B: Execute> {
    step: u64,
    /// The report of each lane.
    reports: Vec<B::Report>,
    /// The norm of the gradient before clipping.
    norm: <B::Learner as Learner<B>>::Norm,
    /// The objective's own terms.
    terms: Option<Array<(Terms,), B>>,
}

/// A model in training. It stays on the thread that created it.
pub struct Trainer<B: Execute, J: Objective = ObjectiveKind> {
    seed: u64,
    settings: TrainSettings,
    worker: Worker<B>,
    learner: B::Learner,
    objective: J,
    /// The parameters of the objective.
    own: J::Own<B>,
    schedule: Schedule,
    steps_per_epoch: u64,
    /// Updates of the optimizer before this training.
    steps_before: u64,
    pool: rayon::ThreadPool,
    micro_batch: usize,
    /// The largest number of separate gradient sums.
    lanes: usize,
    epoch: u64,
    /// The codes of the last batch and of its second batch, if the objective needs them.
    codes: Option<(StepCodes<B>, Option<StepCodes<B>>)>,
    /// The sums of an unfinished epoch.
    tally: Option<Tally>,
    /// Keeps the trainer on the thread that created it. That thread is part of the pool, so work from another thread would wait
    /// for it.
    stays: PhantomData<*const ()>,
}

impl<B: Execute> Trainer<B> {
    /// A trainer at the start of training, with initial weights.
    ///
    /// # Errors
    /// The device is out of memory, or threads cannot be started.
    pub fn new(device: B::Device, training: Training<'_>, threads: usize) -> Result<Self, TrainError> {
        Trainer::with_objective(device, training, training.objective.kind.clone(), threads)
    }
}

impl<B: Execute, J: Objective> Trainer<B, J> {
    /// A trainer with any objective.
    ///
    /// # Errors
    /// As [`Trainer::new`].
    pub fn with_objective(
        device: B::Device,
        training: Training<'_>,
        objective: J,
        threads: usize,
    ) -> Result<Self, TrainError> {
        let Training { seed, data, dataset, architecture, train, initial, .. } = training;
        let mut model = Model::<B>::new(&device, architecture)?;
        parameters::initialize(&mut model, architecture.initializer, seed);
        let pixels = PixelMap::new(data, dataset.stored, seed);
        if architecture.output_bias == OutputBias::Data {
            model.set_output_bias(architecture, &pixels.mean(&dataset.train));
        }
        let images = |count: usize| first_images(dataset, &pixels, seed, count);
        model.initialize_prior(Start { seed, images: &images });
        initial.into_iter().for_each(|initial| snapshot::set(&mut model, "", &initial.weights));
        let map = GradientMap::new(&mut model);
        let pool = || rayon::ThreadPoolBuilder::new().num_threads(threads);
        // The current thread joins the pool, so that no step waits for another thread to wake up. A thread can join only one
        // pool.
        let pool = pool().use_current_thread().build().or_else(|_| pool().build());
        let mut learner = B::Learner::new(&device, map.ranges().collect(), train.optimizer.clone())?;
        if let Some(OptimizerState { moments, updates }) = initial.and_then(|initial| initial.optimizer.as_ref()) {
            learner.count_before(*updates);
            let find = |name: &str| moments.iter().find(|(own, _)| own == name).map(|(_, values)| values.clone());
            learner.restore(0, &mut |name| find(name));
        }
        Ok(Trainer {
            learner,
            steps_before: initial.and_then(|initial| initial.optimizer.as_ref()).map_or(0, |state| state.updates),
            own: objective.own(&device, architecture.latent, seed)?,
            schedule: Schedule::new(train),
            steps_per_epoch: training.steps_per_epoch(),
            pool: pool.map_err(|source| TrainError::Threads { threads, source })?,
            micro_batch: micro_batch::<B>(architecture, train.batch_size as usize, objective.samples()),
            lanes: lanes::<B>(architecture),
            objective,
            epoch: 0,
            codes: None,
            tally: None,
            stays: PhantomData,
            worker: Worker {
                pixels,
                dataset: dataset.clone(),
                seed,
                device,
                model,
                map,
                resident: B::Resident::default(),
            },
            seed,
            settings: train.clone(),
        })
    }

    /// Sets the number of images in a micro-batch. It changes results by rounding only; the default suits the caches.
    pub fn set_micro_batch(&mut self, images: usize) {
        self.micro_batch = images.max(1);
    }

    /// The number of finished epochs.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The model.
    pub fn model(&mut self) -> &mut Model<B> {
        &mut self.worker.model
    }

    /// The number of steps since the start of training.
    pub fn steps(&self) -> u64 {
        self.learner.steps()
    }

    /// The position of training.
    pub fn position(&self) -> Position {
        let tally = self.tally.as_ref().map(Tally::numbers).unwrap_or_default();
        Position { epoch: self.epoch, steps: self.steps(), tally }
    }

    /// The learning rate of a step; steps count from 0.
    fn rate(&self, step: u64) -> f64 {
        self.schedule.rate(step, self.steps_per_epoch)
    }

    /// The point of training of a step; steps count from 0.
    fn at(&self, step: u64) -> At {
        let (values, latent) = (self.worker.model.values().0, self.worker.latent());
        let images = self.worker.dataset.train.len();
        At { step, steps_per_epoch: self.steps_per_epoch, images, values, latent }
    }

    /// The last step.
    fn last_step(&self) -> u64 {
        self.steps().saturating_sub(1)
    }

    /// Whether the last step is one after which `train.checkpoint_steps` asks for a checkpoint.
    pub fn is_after_checkpoint_steps(&self) -> bool {
        self.settings.checkpoint_steps.is_some_and(|steps| self.steps().is_multiple_of(steps))
    }

    /// Trains one epoch, or continues an unfinished one. The order of the images depends on the seed and the epoch only, or is that of
    /// the data. Training pauses after a step for which `progress` returns true; progress is reported when the losses of steps are
    /// known, which may be after several.
    ///
    /// # Errors
    /// The device failed.
    pub fn train_epoch(
        &mut self,
        stop: &AtomicBool,
        progress: &mut dyn FnMut(Progress) -> bool,
    ) -> Result<EpochEnd, DeviceError> {
        let start = Instant::now();
        let epoch = self.epoch + 1;
        let images = self.worker.dataset.train.len() as u32;
        let order = if self.settings.shuffle { permutation(self.seed, epoch, images) } else { (0..images).collect() };
        let mut tally = self.tally.take().unwrap_or_else(|| Tally::new(self.worker.latent()));
        let clock = Clock { start, before: tally.seconds };
        let mut waiting = Vec::new();
        let left = order.get(tally.seen..).unwrap_or_default();
        let size = self.settings.batch_size as usize;
        let mut batches = left.chunks(size);
        // The second batches are another order of the same images.
        let others = match self.objective.needs_second_batch() {
            true => shuffled(Stream::new(self.seed, Purpose::SecondOrder, epoch, 0), images),
            false => Vec::new(),
        };
        let mut seconds = others.get(tally.seen..).unwrap_or_default().chunks(size);
        // The images of the next batches are read while this one is computed.
        batches.clone().take(BATCHES_AHEAD).for_each(|batch| self.worker.dataset.train.read_ahead(batch));
        let mut later = batches.clone().skip(BATCHES_AHEAD);
        for indices in batches.by_ref() {
            later.next().into_iter().for_each(|batch| self.worker.dataset.train.read_ahead(batch));
            if stop.load(Ordering::Relaxed) {
                if let Seen::Diverged(step) = self.look(&mut waiting, &mut tally, &clock, progress)? {
                    return Ok(EpochEnd::Diverged(self.row_of(step, epoch, &tally)));
                }
                self.tally = (tally.seen > 0).then_some(tally);
                return Ok(EpochEnd::Interrupted);
            }
            waiting.push(self.gradient(indices, seconds.next(), epoch)?);
            let step = self.steps() + 1;
            let mut pause = self.settings.checkpoint_steps.is_some_and(|steps| step.is_multiple_of(steps));
            // The host looks at each step before it changes the weights; a device gets further steps without waiting for them.
            if B::REPORT_STEPS > 1 {
                self.update()?;
            }
            if waiting.len() >= B::REPORT_STEPS || pause {
                match self.look(&mut waiting, &mut tally, &clock, progress)? {
                    Seen::Diverged(step) => return Ok(EpochEnd::Diverged(self.row_of(step, epoch, &tally))),
                    Seen::Fine { pause: asked } => pause |= asked,
                }
                if B::REPORT_STEPS == 1 {
                    self.update()?;
                }
            }
            if pause && tally.seen < order.len() {
                self.tally = Some(tally);
                return Ok(EpochEnd::Pause);
            }
        }
        if let Seen::Diverged(step) = self.look(&mut waiting, &mut tally, &clock, progress)? {
            return Ok(EpochEnd::Diverged(self.row_of(step, epoch, &tally)));
        }
        self.epoch = epoch;
        tally.seconds = clock.seconds();
        Ok(EpochEnd::Finished(self.row(epoch, self.steps(), self.last_step(), &tally.sums, tally.seconds)))
    }

    /// The own terms of the objective in each batch, which are the first ones of its terms. One copy from the device for all; none
    /// if the objective reports no terms.
    fn named(&self, batches: &[Array<(Terms,), B>]) -> Result<Vec<Vec<f64>>, DeviceError> {
        let own = self.objective.terms().len();
        let Some(first) = batches.first().filter(|_| own > 0) else { return Ok(Vec::new()) };
        let all = first.shape().0;
        let rows = batches.iter().map(|terms| terms.clone().relabel((Batch(1), all))).collect::<Result<Vec<_>, _>>()?;
        let values = B::stack_rows(&rows)?.to_vec();
        Ok(values.chunks(all.0).map(|terms| terms.iter().take(own).copied().map(f64::from).collect()).collect())
    }

    /// Where the draws of a step come from; steps count from 0.
    fn draws(&self, step: u64) -> Draws {
        Draws { seed: self.seed, purpose: Purpose::BatchTerms, batch: step }
    }

    /// The metrics of an epoch of training that ends at a step.
    fn row_of(&self, step: u64, epoch: u64, tally: &Tally) -> Row {
        self.row(epoch, step, step, &tally.sums, tally.seconds)
    }

    /// The metrics of an epoch on the split that was summed, after this number of steps, with the schedules of the step `at`.
    fn row(&self, epoch: u64, steps: u64, at: u64, sums: &Sums, seconds: f64) -> Row {
        let (split, train_images) = (sums.split(), self.worker.dataset.train.len() as u64);
        let to_come = if split == Split::Train { train_images - sums.images() as u64 } else { 0 };
        let images_seen = epoch * train_images - to_come;
        let mut row = Row::new(epoch, split, steps, images_seen);
        let (at, learning_rate, bits_offset) = (self.at(at), self.rate(at), self.worker.bits_offset());
        End { sums, seconds, objective: &self.objective, at, learning_rate, bits_offset }.fill(&mut row);
        row
    }

    /// Computes the gradient of the mean loss of a batch. The next call of [`Trainer::update`] uses it.
    fn gradient(&mut self, indices: &[u32], second: Option<&[u32]>, epoch: u64) -> Result<Step<B>, DeviceError> {
        let step = self.steps();
        let at = self.at(step);
        let weights = self.objective.weights(at);
        let mut weights = Weights { scale: weights.scale / indices.len() as f64, ..weights };
        let micro_batches: Vec<&[u32]> = indices.chunks(self.micro_batch).collect();
        let prior = self.worker.model.components(&self.worker.device, OwnedTape::default())?;
        let (prior, tape) = prior.map(|prior| prior.split_tape()).unzip();
        let of_prior = prior.as_ref().map(B::leaf).transpose()?;
        let coupled = if self.objective.couples() {
            let encode = |indices: &[u32]| {
                let micro_batches: Vec<&[u32]> = indices.chunks(self.micro_batch).collect();
                worker::stack(B::codes(&self.pool, &self.worker, &micro_batches, epoch)?)
            };
            let (codes, other) = (encode(indices)?, second.map(encode).transpose()?);
            let both = BatchCodes { own: &codes, second: other.as_ref(), prior: of_prior.as_ref() };
            let coupled = self.objective.couple(&self.worker.device, &self.own, both, at, self.draws(step))?;
            self.codes = Some((codes, other));
            coupled
        } else {
            None
        };
        let (mut coupled_gradients, mut prior_gradient, mut terms) = (None, None, None);
        if let Some(coupled) = coupled {
            weights.beta = coupled.kl_weight.unwrap_or(weights.beta);
            (coupled_gradients, prior_gradient, terms) = (Some(coupled.gradients), coupled.prior, Some(coupled.terms));
        }
        let groups: Vec<&[&[u32]]> = micro_batches.chunks(micro_batches.len().div_ceil(self.lanes)).collect();
        let first = |group: usize| groups.iter().take(group).flat_map(|group| group.iter()).map(|one| one.len()).sum();
        let tasks = groups.iter().enumerate().map(|(group, micro_batches)| LaneTask {
            objective: &self.objective,
            micro_batches,
            first: first(group),
            epoch,
            weights,
            coupled: coupled_gradients.as_ref(),
            prior: of_prior.as_ref(),
        });
        let lanes = B::learn(&self.pool, &self.worker, tasks.collect())?;
        let (mut parts, mut reports, mut parts_of_prior) = (Vec::new(), Vec::new(), Vec::new());
        for lane in lanes {
            parts.push(lane.parts);
            reports.push(lane.report);
            parts_of_prior.push(lane.prior);
        }
        // The gradients of the numbers of the prior go on to the parameters that they were computed from.
        if let Some((prior, tape)) = prior.zip(tape) {
            let shape = prior.shape();
            let gradient = B::sum_parts(&self.worker.device, parts_of_prior, shape)?;
            let one = (Batch(1), shape.0);
            let gradients = [Some(gradient), prior_gradient].into_iter().flatten();
            let pairs = gradients.map(|gradient| Ok((prior.clone().relabel(one)?, gradient.relabel(one)?)));
            let pairs = pairs.collect::<Result<Vec<_>, DeviceError>>()?;
            let mut own = Vec::new();
            let total = B::total::<Batch, Own, _>(Vec::new(), pairs, tape)?;
            self.worker.map.read(&mut B::backward(total)?, &mut own)?;
            parts.push(own);
        }
        self.learner.gather(&self.pool, parts)?;
        Ok(Step { step, reports, norm: self.learner.norm()?, terms })
    }

    /// Changes the weights by the gradient.
    fn update(&mut self) -> Result<(), DeviceError> {
        let step = self.steps();
        let rate = self.rate(step);
        self.learner.update(&self.pool, &mut self.worker.model, rate, self.settings.scaling)?;
        // With the codes of the weights before the update, as the step computed them.
        match self.codes.take() {
            Some((codes, other)) => {
                let (draws, codes) =
                    (self.draws(step), BatchCodes { own: &codes, second: other.as_ref(), prior: None });
                self.objective.train_own(&mut self.own, &self.pool, codes, draws)
            }
            None => Ok(()),
        }
    }

    /// Adds the steps that wait to the sums of the epoch, and reports the progress.
    fn look(
        &self,
        waiting: &mut Vec<Step<B>>,
        tally: &mut Tally,
        clock: &Clock,
        progress: &mut dyn FnMut(Progress) -> bool,
    ) -> Result<Seen, DeviceError> {
        let Some(last) = waiting.last() else { return Ok(Seen::Fine { pause: false }) };
        let step = last.step + 1;
        let diverged = self.collect(waiting, tally)?;
        tally.seconds = clock.seconds();
        if let Some(step) = diverged {
            return Ok(Seen::Diverged(step));
        }
        let (loss, images) = (loss_so_far(&tally.sums), tally.sums.images());
        let progress_now = Progress { epoch: self.epoch + 1, step, loss, images_per_second: images / tally.seconds };
        Ok(Seen::Fine { pause: progress(progress_now) })
    }

    /// Adds the reports of steps to the sums of the epoch. Returns the first step whose loss or gradient is not finite; it is the
    /// last one in the sums.
    fn collect(&self, steps: &mut Vec<Step<B>>, tally: &mut Tally) -> Result<Option<u64>, DeviceError> {
        let (mut norms, mut reported) = (Vec::new(), Vec::new());
        let mut coupled = Vec::new();
        for Step { step, reports, norm, terms } in steps.drain(..) {
            norms.push(norm);
            reported.push((step, reports));
            coupled.extend(terms);
        }
        let mut coupled = self.named(&coupled)?.into_iter();
        let (steps, reports): (Vec<_>, Vec<_>) = reported.into_iter().unzip();
        let (norms, sums) = (B::Learner::norms(norms)?, B::collect(&self.objective, self.worker.latent(), reports)?);
        for ((step, mut sums), norm) in steps.into_iter().zip(sums).zip(norms) {
            if let Some(terms) = coupled.next() {
                sums.add_terms(sums.images(), &terms);
            }
            let loss = loss_of(&sums, &self.objective, self.at(step));
            tally.seen += sums.images() as usize;
            tally.sums.add(&sums);
            tally.sums.step(TrainingStep { images: sums.images(), loss, norm });
            if !loss.is_finite() || !norm.is_finite() {
                return Ok(Some(step));
            }
        }
        Ok(None)
    }
}

/// The number of images in a micro-batch: at most the limit of the backend. If the backend has several lanes, at most half a
/// batch, so that two threads have work. With several samples per image, as many images have that number of codes.
pub fn micro_batch<B: Execute>(architecture: &Architecture, batch_size: usize, samples: usize) -> usize {
    let share = if lanes::<B>(architecture) > 1 { batch_size.div_ceil(2) } else { batch_size };
    (B::micro_batch(architecture.has_own_gradients()) / samples.max(1)).min(share).max(1)
}

/// The largest number of separate gradient sums: this many threads can share a batch.
pub fn lanes<B: Execute>(architecture: &Architecture) -> usize {
    B::lanes(u64::try_from(4 * architecture.parameters()).unwrap_or(u64::MAX))
}
