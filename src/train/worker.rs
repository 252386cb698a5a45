//! What worker threads do: micro-batches forward and backward, on a model that none of them changes.

use super::totals::Totals;
use crate::backend::{Array, Backend, DeviceError, Host, Portable, Sum, to_vec};
use crate::data::{Dataset, Images, Pixels, Split};
use crate::model::dims::{self, Batch, Latent};
use crate::model::parameters::GradientMap;
use crate::model::{Code, Model};
use crate::objective;
use crate::random::{Purpose, Stream};
use dfdx::tensor::{NoneTape, OwnedTape, TensorFromVec};
use dfdx::tensor_ops::{Backward, Device};
use rayon::prelude::*;

/// What is shared by all workers.
pub struct Worker<B: Backend> {
    pub(super) device: B::Device,
    pub(super) model: Model<B>,
    pub(super) map: GradientMap<B>,
    pub(super) dataset: Dataset,
    pub(super) pixels: Pixels,
    pub(super) seed: u64,
}

/// A backend whose work can be given to workers.
pub trait Spread: Backend {
    /// Does the task for each item; results are in the order of the items, whoever did which.
    ///
    /// # Errors
    /// One of the tasks' errors.
    fn spread<I: Send, R: Send>(
        pool: &rayon::ThreadPool,
        worker: &Worker<Self>,
        items: Vec<I>,
        task: fn(&Worker<Self>, I) -> Result<R, DeviceError>,
    ) -> Result<Vec<R>, DeviceError>;
}

impl Spread for Host {
    fn spread<I: Send, R: Send>(
        pool: &rayon::ThreadPool,
        worker: &Worker<Self>,
        items: Vec<I>,
        task: fn(&Worker<Self>, I) -> Result<R, DeviceError>,
    ) -> Result<Vec<R>, DeviceError> {
        pool.install(|| items.into_par_iter().map(|item| task(worker, item)).collect())
    }
}

/// A GPU is driven from one thread.
impl<D: Device<f32>> Spread for Portable<D> {
    fn spread<I: Send, R: Send>(
        _: &rayon::ThreadPool,
        worker: &Worker<Self>,
        items: Vec<I>,
        task: fn(&Worker<Self>, I) -> Result<R, DeviceError>,
    ) -> Result<Vec<R>, DeviceError> {
        items.into_iter().map(|item| task(worker, item)).collect()
    }
}

/// Consecutive micro-batches of a batch; their gradients are summed as they come.
pub(super) struct Lane {
    pub(super) gradient: Vec<f32>,
    pub(super) totals: Totals,
}

/// The work of one lane in one step.
pub(super) struct LaneTask<'a> {
    pub(super) lane: &'a mut Lane,
    pub(super) micro_batches: &'a [&'a [u32]],
    pub(super) epoch: u64,
    /// Weight of an image in the step's loss, in the objective's unit.
    pub(super) scale: f64,
    pub(super) effective_beta: f64,
}

impl<B: Backend> Worker<B> {
    /// Axes of the code.
    pub(super) fn latent(&self) -> usize {
        self.model.latent().0
    }

    /// Micro-batches of training images, forward and backward.
    pub(super) fn learn(&self, task: LaneTask<'_>) -> Result<(), DeviceError> {
        let LaneTask { lane, micro_batches, epoch, scale, effective_beta } = task;
        lane.totals = Totals::new(self.latent());
        let mut how = Sum::Begin;
        micro_batches.iter().try_for_each(|indices| {
            let x = self.images(&self.dataset.train, indices, Split::Train, epoch)?;
            let noise = self.noise(indices, Purpose::TrainNoise, epoch)?;
            type Taped<B> = OwnedTape<f32, <B as Backend>::Device>;
            let terms = objective::evaluate::<_, _, _, _, B, Taped<B>>(&self.model, &x, &noise, scale, effective_beta)?;
            lane.totals.measure(&terms.recon_nats, &terms.mean, &terms.log_variance);
            let mut gradients = terms.total.try_backward().map_err(DeviceError::from_device)?;
            self.map.read(&mut gradients, std::mem::replace(&mut how, Sum::Add), &mut lane.gradient)
        })
    }

    /// A micro-batch of validation images, forward.
    pub(super) fn measure(&self, indices: &[u32]) -> Result<Totals, DeviceError> {
        let x = self.images(&self.dataset.validation, indices, Split::Validation, 0)?;
        let noise = self.noise(indices, Purpose::ValidationNoise, 0)?;
        let terms = objective::evaluate::<_, _, _, _, B, NoneTape>(&self.model, &x, &noise, 1.0, 1.0)?;
        let mut totals = Totals::new(self.latent());
        totals.measure(&terms.recon_nats, &terms.mean, &terms.log_variance);
        Ok(totals)
    }

    /// Validation images and their posterior means: (Images, Pixels) and (Images, Latent).
    pub(super) fn encode(&self, indices: &[u32]) -> Result<(Vec<f32>, Vec<f32>), DeviceError> {
        let x = self.images(&self.dataset.validation, indices, Split::Validation, 0)?;
        let inputs = to_vec::<_, B, _>(&x);
        let codes = match self.model.encode(x)? {
            Code::Gaussian { mean, .. } | Code::Point(mean) => to_vec::<_, B, _>(&mean),
        };
        Ok((inputs, codes))
    }

    /// Expected pixels of codes: (Codes, Latent) to (Codes, Pixels).
    pub(super) fn decode(&self, codes: &[f32]) -> Result<Vec<f32>, DeviceError> {
        let shape = (Batch(codes.len() / self.latent()), self.model.latent());
        let z = self.device.try_tensor_from_vec(codes.to_vec(), shape).map_err(DeviceError::from_device)?;
        let mut pixels = to_vec::<_, B, _>(&self.model.decode(z)?);
        self.model.likelihood().expected(&mut pixels);
        Ok(pixels)
    }

    fn images(
        &self,
        images: &Images,
        indices: &[u32],
        split: Split,
        epoch: u64,
    ) -> Result<Array<(Batch, dims::Pixels), B>, DeviceError> {
        let mut values = vec![0.0; indices.len() * images.pixels_per_image()];
        self.pixels.fill(images, indices, split, epoch, &mut values);
        let shape = (Batch(indices.len()), self.model.pixels());
        self.device.try_tensor_from_vec(values, shape).map_err(DeviceError::from_device)
    }

    /// Noise is addressed by the image: neither the batch nor the thread that it is in matters.
    fn noise(&self, indices: &[u32], purpose: Purpose, epoch: u64) -> Result<Array<(Batch, Latent), B>, DeviceError> {
        let mut values = vec![0.0; indices.len() * self.latent()];
        for (index, noise) in indices.iter().zip(values.chunks_mut(self.latent())) {
            Stream::new(self.seed, purpose, epoch, u64::from(*index)).fill_normal(noise);
        }
        let shape = (Batch(indices.len()), self.model.latent());
        self.device.try_tensor_from_vec(values, shape).map_err(DeviceError::from_device)
    }
}
