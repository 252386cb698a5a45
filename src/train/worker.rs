//! The work of worker threads: forward and backward passes of micro-batches. The model is shared and read-only.

use super::measure::{self, MeasuredBatch, Sums, axis_nats};
use crate::data::{Dataset, Images, PixelMap};
use crate::metrics::Split;
use crate::model::parameters::GradientMap;
use crate::model::{Model, Posterior};
use crate::objective::{self, Terms};
use crate::optimizer::Learn;
use crate::random::{HELD_OUT_SEED, Purpose};
use crate::tensor::backend::{Array, Backend, DeviceError, Host, NoiseKey, Portable, PortableDevice};
use crate::tensor::dims::{Batch, Latent, Values};
use crate::tensor::kernels::Buffer;
use dfdx::tensor::{NoneTape, OwnedTape};
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
pub trait Execute: Learn {
    /// What a lane reports to the metrics, possibly still on the device.
    type Report: Send;

    /// The number of steps between two reports to the metrics. Between them, nothing is copied from the device.
    const REPORT_STEPS: usize;

    /// The report of no images, of a model with `latent` axes.
    fn no_report(latent: usize) -> Self::Report;

    /// Adds a micro-batch of training images to a report.
    fn report(report: &mut Self::Report, terms: MicroBatch<'_, Self>);

    /// Adds a report to the sums of the metrics.
    fn collect(report: &Self::Report, sums: &mut Sums);

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

/// The values of an array; none if there is none.
fn values<B: Backend>(array: Option<&Array<(Batch, Latent), B>>) -> Vec<f32> {
    array.map_or(Vec::new(), |array| array.to_vec())
}

/// The terms of a micro-batch of training images.
pub struct MicroBatch<'a, B: Backend> {
    /// -log p(x|z) of each image, nats, (Images).
    recon_nats: &'a Array<(Batch,), B>,
    /// Posterior means, (Images, Latent).
    mean: &'a Array<(Batch, Latent), B>,
    /// Posterior log-variances, (Images, Latent); `None` for a plain autoencoder.
    log_variance: Option<&'a Array<(Batch, Latent), B>>,
}

impl<B: Backend> MicroBatch<'_, B> {
    /// Adds the micro-batch to the sums of the metrics of training.
    fn measure(&self, sums: &mut Sums) {
        let log_variance = values(self.log_variance);
        // No metric of training needs the values of images.
        let decoded = measure::Decoded::default;
        sums.measure(&MeasuredBatch::new(&self.recon_nats.to_vec(), &self.mean.to_vec(), &log_variance, &decoded));
    }
}

impl Execute for Host {
    /// The sums of its images: the threads share this work too.
    type Report = Sums;

    const REPORT_STEPS: usize = 1;

    fn no_report(latent: usize) -> Sums {
        Sums::new(Split::Train, latent)
    }

    fn report(report: &mut Sums, terms: MicroBatch<'_, Host>) {
        terms.measure(report);
    }

    fn collect(report: &Sums, sums: &mut Sums) {
        sums.add(report);
    }

    fn execute<I: Send, R: Send>(
        pool: &rayon::ThreadPool,
        worker: &Worker<Self>,
        items: Vec<I>,
        task: fn(&Worker<Self>, I) -> Result<R, DeviceError>,
    ) -> Result<Vec<R>, DeviceError> {
        pool.install(|| items.into_par_iter().map(|item| task(worker, item)).collect())
    }
}

/// The terms of a micro-batch on the device.
pub struct Pending<B: Backend> {
    recon_nats: Array<(Batch,), B>,
    mean: Array<(Batch, Latent), B>,
    log_variance: Option<Array<(Batch, Latent), B>>,
}

/// All tasks run on one thread, as a GPU requires.
impl<D: PortableDevice> Execute for Portable<D> {
    type Report = Vec<Pending<Self>>;

    const REPORT_STEPS: usize = 32;

    fn no_report(_: usize) -> Vec<Pending<Self>> {
        Vec::new()
    }

    fn report(report: &mut Vec<Pending<Self>>, terms: MicroBatch<'_, Self>) {
        let MicroBatch { recon_nats, mean, log_variance } = terms;
        let (recon_nats, mean, log_variance) = (recon_nats.clone(), mean.clone(), log_variance.cloned());
        report.push(Pending { recon_nats, mean, log_variance });
    }

    fn collect(report: &Vec<Pending<Self>>, sums: &mut Sums) {
        for Pending { recon_nats, mean, log_variance } in report {
            MicroBatch { recon_nats, mean, log_variance: log_variance.as_ref() }.measure(sums);
        }
    }

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
pub(super) struct Lane<B: Execute> {
    /// Their part of the gradient of each parameter.
    pub(super) parts: Vec<B::Part>,
    pub(super) report: B::Report,
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

impl<B: Execute> Worker<B> {
    /// The forward and backward passes of micro-batches of training images.
    pub(super) fn learn(&self, task: LaneTask<'_>) -> Result<Lane<B>, DeviceError> {
        let LaneTask { micro_batches, epoch, scale, effective_beta } = task;
        let mut lane = Lane { parts: Vec::new(), report: B::no_report(self.latent()) };
        for indices in micro_batches {
            let x = self.images(&self.dataset.train, indices, Split::Train, epoch)?;
            let noise = self.noise(indices, self.seed, Purpose::TrainNoise, epoch)?;
            let tape = OwnedTape::default();
            let terms = objective::evaluate(&self.model, &x, &noise, scale, effective_beta, tape)?;
            let Terms { recon_nats, mean, log_variance, .. } = &terms;
            B::report(&mut lane.report, MicroBatch { recon_nats, mean, log_variance: log_variance.as_ref() });
            self.map.read(&mut B::backward(terms.into_total())?, &mut lane.parts)?;
        }
        Ok(lane)
    }
}

impl<B: Backend> Worker<B> {
    /// The number of latent axes.
    pub(super) fn latent(&self) -> usize {
        self.model.latent().0
    }

    /// The forward pass of a micro-batch of validation images.
    pub(super) fn measure(&self, indices: &[u32]) -> Result<Sums, DeviceError> {
        let x = self.images(&self.dataset.validation, indices, Split::Validation, 0)?;
        let noise = self.noise(indices, HELD_OUT_SEED, Purpose::ValidationNoise, 0)?;
        let terms = objective::evaluate(&self.model, &x, &noise, 1.0, 1.0, NoneTape)?;
        let mut sums = Sums::new(Split::Validation, self.latent());
        let decoded = || {
            let expected = self.model.likelihood().kind().expected_fast(terms.outputs.to_vec());
            measure::Decoded { inputs: x.to_vec(), expected }
        };
        let log_variance = values(terms.log_variance.as_ref());
        sums.measure(&MeasuredBatch::new(&terms.recon_nats.to_vec(), &terms.mean.to_vec(), &log_variance, &decoded));
        Ok(sums)
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
        let (latent, mean, log_variance) = (self.latent(), terms.mean.to_vec(), values(terms.log_variance.as_ref()));
        let kl_nats = mean.chunks(latent).zip(log_variance.chunks(latent)).map(|(mean, log_variance)| {
            let nats = mean.iter().zip(log_variance).map(|(mean, log_variance)| axis_nats(*mean, *log_variance));
            nats.sum::<f64>() as f32
        });
        let kl_nats = kl_nats.collect();
        let posterior = Posterior::new(mean, &log_variance, terms.deviation_scale);
        Ok(Measured { posterior, recon_nats: terms.recon_nats.to_vec(), kl_nats })
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
        let shape = (Batch(indices.len()), self.model.latent());
        B::noise(&self.device, NoiseKey { seed, purpose, epoch }, indices, shape)
    }
}
