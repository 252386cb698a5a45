//! The work of worker threads: forward and backward passes of micro-batches. The model is shared and read-only.

use super::measure::{self, Sums, axis_nats};
use crate::data::{Dataset, Images, PixelMap};
use crate::metrics::Split;
use crate::model::parameters::GradientMap;
use crate::model::{Model, Posterior};
use crate::objective::{self, Terms};
use crate::random::{HELD_OUT_SEED, Purpose, Stream};
use crate::tensor::backend::{Array, Backend, DeviceError, Host, Part, Portable};
use crate::tensor::dims::{Batch, Latent, Outputs, Values};
use crate::tensor::kernels::Buffer;
use dfdx::tensor::{NoneTape, OwnedTape, Tape};
use dfdx::tensor_ops::Device;
use rayon::prelude::*;

/// The data that all workers share.
pub struct Worker<B: Backend> {
    pub(crate) device: B::Device,
    pub(crate) model: Model<B>,
    pub(crate) map: GradientMap<B>,
    pub(crate) dataset: Dataset,
    pub(crate) pixels: PixelMap,
    pub(crate) seed: u64,
}

/// A backend that can run tasks on workers.
pub trait Execute: Backend {
    /// Runs the task for each item. The results are in the order of the items.
    ///
    /// # Errors
    /// The error of one of the tasks.
    fn execute<I: Send, R: Send>(
        pool: &rayon::ThreadPool,
        worker: &Worker<Self>,
        items: Vec<I>,
        task: fn(&Worker<Self>, I) -> Result<R, DeviceError>,
    ) -> Result<Vec<R>, DeviceError>;
}

impl Execute for Host {
    fn execute<I: Send, R: Send>(
        pool: &rayon::ThreadPool,
        worker: &Worker<Self>,
        items: Vec<I>,
        task: fn(&Worker<Self>, I) -> Result<R, DeviceError>,
    ) -> Result<Vec<R>, DeviceError> {
        pool.install(|| items.into_par_iter().map(|item| task(worker, item)).collect())
    }
}

/// All tasks run on one thread, as a GPU requires.
impl<D: Device<f32>> Execute for Portable<D> {
    fn execute<I: Send, R: Send>(
        _: &rayon::ThreadPool,
        worker: &Worker<Self>,
        items: Vec<I>,
        task: fn(&Worker<Self>, I) -> Result<R, DeviceError>,
    ) -> Result<Vec<R>, DeviceError> {
        items.into_iter().map(|item| task(worker, item)).collect()
    }
}

/// Consecutive micro-batches of a batch; their gradients are summed in order.
pub(super) struct Lane {
    /// Their part of the gradient of each parameter.
    pub(super) parts: Vec<Part>,
    pub(super) sums: Sums,
}

/// Images and their posteriors.
#[derive(Debug, Default)]
pub struct Encoded {
    /// (Images, Values), in `data.range`, binarized if the spec says so.
    pub inputs: Vec<f32>,
    /// The posterior of each image.
    pub posterior: Posterior,
}

impl Encoded {
    /// Concatenates the results of several tasks.
    pub(crate) fn joined(parts: Vec<Encoded>) -> Encoded {
        let mut all = Encoded::default();
        for Encoded { inputs, posterior } in parts {
            all.inputs.extend(inputs);
            all.posterior.extend(posterior);
        }
        all
    }
}

/// Metrics of single images.
#[derive(Debug, Default)]
pub struct Measured {
    /// The posterior of each image.
    pub posterior: Posterior,
    /// -log p(x|z) of each image, nats.
    pub recon_nats: Vec<f32>,
    /// KL of each image's posterior, nats; empty for a plain autoencoder.
    pub kl_nats: Vec<f32>,
}

/// The task of one lane in one step.
pub(super) struct LaneTask<'a> {
    pub(super) micro_batches: &'a [&'a [u32]],
    pub(super) epoch: u64,
    /// The factor from the nats of an image to its part of the loss of the step.
    pub(super) scale: f64,
    pub(super) effective_beta: f64,
}

impl<B: Backend> Worker<B> {
    /// The number of latent axes.
    pub(super) fn latent(&self) -> usize {
        self.model.latent().0
    }

    /// The forward and backward passes of micro-batches of training images.
    pub(super) fn learn(&self, task: LaneTask<'_>) -> Result<Lane, DeviceError> {
        let LaneTask { micro_batches, epoch, scale, effective_beta } = task;
        let mut lane = Lane { parts: Vec::new(), sums: Sums::new(Split::Train, self.latent()) };
        for indices in micro_batches {
            let x = self.images(&self.dataset.train, indices, Split::Train, epoch)?;
            let noise = self.noise(indices, self.seed, Purpose::TrainNoise, epoch)?;
            let tape = OwnedTape::default();
            let terms = objective::evaluate(&self.model, &x, &noise, scale, effective_beta, tape)?;
            self.add(&x, &terms, &mut lane.sums);
            self.map.read(&mut B::backward(terms.into_total())?, &mut lane.parts)?;
        }
        Ok(lane)
    }

    /// The forward pass of a micro-batch of validation images.
    pub(super) fn measure(&self, indices: &[u32]) -> Result<Sums, DeviceError> {
        let x = self.images(&self.dataset.validation, indices, Split::Validation, 0)?;
        let noise = self.noise(indices, HELD_OUT_SEED, Purpose::ValidationNoise, 0)?;
        let terms = objective::evaluate(&self.model, &x, &noise, 1.0, 1.0, NoneTape)?;
        let mut sums = Sums::new(Split::Validation, self.latent());
        self.add(&x, &terms, &mut sums);
        Ok(sums)
    }

    /// Adds a micro-batch and its terms to the sums of the metrics.
    fn add<T: Tape<f32, B::Device>>(
        &self,
        x: &Array<(Batch, Values), B>,
        terms: &Terms<(Batch, Outputs), B, T>,
        sums: &mut Sums,
    ) {
        let decoded = || {
            let expected = self.model.likelihood().kind().expected_fast(terms.outputs.to_vec());
            measure::Decoded { inputs: x.to_vec(), expected }
        };
        sums.measure(&measure::MeasuredBatch::new(&terms.recon_nats, &terms.mean, &terms.log_variance, &decoded));
    }

    /// Validation images and their posteriors.
    pub(crate) fn encode(&self, indices: &[u32]) -> Result<Encoded, DeviceError> {
        let x = self.images(&self.dataset.validation, indices, Split::Validation, 0)?;
        let inputs = x.to_vec();
        Ok(Encoded { inputs, posterior: Posterior::of(self.model.encode(x)?) })
    }

    /// The metrics of single validation images, computed as in [`Worker::measure`].
    pub(crate) fn measure_each(&self, indices: &[u32]) -> Result<Measured, DeviceError> {
        let x = self.images(&self.dataset.validation, indices, Split::Validation, 0)?;
        let noise = self.noise(indices, HELD_OUT_SEED, Purpose::ValidationNoise, 0)?;
        let terms = objective::evaluate(&self.model, &x, &noise, 1.0, 1.0, NoneTape)?;
        let latent = self.latent();
        let kl_nats = terms.mean.chunks(latent).zip(terms.log_variance.chunks(latent)).map(|(mean, log_variance)| {
            let nats = mean.iter().zip(log_variance).map(|(mean, log_variance)| axis_nats(*mean, *log_variance));
            nats.sum::<f64>() as f32
        });
        let kl_nats = kl_nats.collect();
        let posterior = Posterior::new(terms.mean, &terms.log_variance, terms.deviation_scale);
        Ok(Measured { posterior, recon_nats: terms.recon_nats, kl_nats })
    }

    /// The expected values of codes: (Codes, Latent) to (Codes, Values).
    pub(crate) fn decode(&self, codes: &[f32]) -> Result<Vec<f32>, DeviceError> {
        let shape = (Batch(codes.len() / self.latent()), self.model.latent());
        let z = Array::new(&self.device, Buffer::copy_of(codes), shape)?;
        Ok(self.model.likelihood().kind().expected(self.model.decode(z)?.to_vec()))
    }

    fn images(
        &self,
        images: &Images,
        indices: &[u32],
        split: Split,
        epoch: u64,
    ) -> Result<Array<(Batch, Values), B>, DeviceError> {
        let mut values = Buffer::new(indices.len() * images.shape().values());
        self.pixels.fill(images, indices, split, epoch, &mut values);
        let shape = (Batch(indices.len()), self.model.values());
        Array::new(&self.device, values, shape)
    }

    /// The noise depends on the image, not on its batch or thread.
    fn noise(
        &self,
        indices: &[u32],
        seed: u64,
        purpose: Purpose,
        epoch: u64,
    ) -> Result<Array<(Batch, Latent), B>, DeviceError> {
        let mut values = Buffer::new(indices.len() * self.latent());
        for (index, noise) in indices.iter().zip(values.chunks_mut(self.latent())) {
            Stream::new(seed, purpose, epoch, u64::from(*index)).fill_normal(noise);
        }
        let shape = (Batch(indices.len()), self.model.latent());
        Array::new(&self.device, values, shape)
    }
}
