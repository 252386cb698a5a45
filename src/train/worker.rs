//! The work of worker threads: forward and backward passes of micro-batches. The model is shared and read-only.

use super::measure::{self, MeasuredBatch, Sums, axis_nats};
use crate::data::{Dataset, Images, PixelMap};
use crate::metrics::Split;
use crate::model::parameters::GradientMap;
use crate::model::{Model, Posterior};
use crate::objective::{self, FromBatch, Learned, Objective, Weights};
use crate::optimizer::Learn;
use crate::random::{HELD_OUT_SEED, Purpose};
use crate::tensor::backend::{
    Array, Backend, Codes, Combine, DeviceError, Grads, Host, NoiseKey, Parameter, Portable, PortableDevice,
};
use crate::tensor::dims::{Batch, Latent, Own, Values};
use crate::tensor::kernels::Buffer;
use dfdx::tensor::NoneTape;
use rayon::prelude::*;
use std::ops::Range;

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
pub trait Execute: Learn + Combine {
    /// What a lane reports to the metrics, possibly still on the device.
    type Report: Send;

    /// The number of steps between two reports to the metrics. Between them, nothing is copied from the device.
    const REPORT_STEPS: usize;

    /// The report of no images, of a model with `latent` axes.
    fn no_report(latent: usize) -> Self::Report;

    /// Adds a micro-batch of training images to a report.
    fn report(report: &mut Self::Report, terms: MicroBatch<'_, Self>);

    /// The sums of the metrics of each step, from the reports of its lanes.
    ///
    /// # Errors
    /// The device failed.
    fn collect(latent: usize, steps: Vec<Vec<Self::Report>>) -> Result<Vec<Sums>, DeviceError>;

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

    fn collect(latent: usize, steps: Vec<Vec<Sums>>) -> Result<Vec<Sums>, DeviceError> {
        let of_step = |lanes: Vec<Sums>| {
            let mut sums = Sums::new(Split::Train, latent);
            lanes.iter().for_each(|lane| sums.add(lane));
            sums
        };
        Ok(steps.into_iter().map(of_step).collect())
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

    fn collect(latent: usize, steps: Vec<Vec<Vec<Pending<Self>>>>) -> Result<Vec<Sums>, DeviceError> {
        // One copy from the device for each of the three arrays, whatever the number of steps.
        let (mut recon_nats, mut mean, mut log_variance) = (Vec::new(), Vec::new(), Vec::new());
        let mut sizes = Vec::new();
        for step in steps {
            sizes.push(Vec::new());
            for pending in step.into_iter().flatten() {
                let batch = pending.mean.shape().0;
                sizes.iter_mut().last().into_iter().for_each(|sizes| sizes.push(batch.0));
                recon_nats.push(pending.recon_nats.relabel((batch, Latent(1)))?);
                mean.push(pending.mean);
                log_variance.extend(pending.log_variance);
            }
        }
        let down = |arrays: Vec<Array<(Batch, Latent), Self>>| -> Result<Vec<f32>, DeviceError> {
            if arrays.is_empty() { Ok(Vec::new()) } else { Ok(Self::stack_rows(&arrays)?.to_vec()) }
        };
        let (recon_nats, mean, log_variance) = (down(recon_nats)?, down(mean)?, down(log_variance)?);
        let (mut all, mut first) = (Vec::new(), 0);
        for step in sizes {
            let mut sums = Sums::new(Split::Train, latent);
            for images in step {
                let rows = first..first + images;
                let codes = rows.start * latent..rows.end * latent;
                first = rows.end;
                let log_variance = log_variance.get(codes.clone()).unwrap_or_default();
                let batch =
                    MeasuredBatch::new(&recon_nats[rows], &mean[codes], log_variance, &measure::Decoded::default);
                sums.measure(&batch);
            }
            all.push(sums);
        }
        Ok(all)
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
    /// Their part of the gradient of the shared values.
    pub(super) shared: B::Part,
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
pub(super) struct LaneTask<'a, B: Execute, J> {
    pub(super) objective: &'a J,
    pub(super) micro_batches: &'a [&'a [u32]],
    /// The place of the first image in the batch.
    pub(super) first: usize,
    pub(super) epoch: u64,
    /// The weights of the terms, divided by the number of images of the batch.
    pub(super) weights: Weights,
    /// The gradients of the terms that couple the batch.
    pub(super) coupled: Option<&'a BatchCodes<B>>,
    /// The values that the step shares.
    pub(super) shared: Option<&'a Parameter<(Own,), B>>,
}

/// The codes of a batch, or gradients with respect to them.
pub(super) type BatchCodes<B> = Codes<Batch, Latent, B>;

impl<B: Execute> Worker<B> {
    /// The codes of a micro-batch of training images.
    pub(super) fn codes(&self, (indices, epoch): (&[u32], u64)) -> Result<BatchCodes<B>, DeviceError> {
        let x = self.images(&self.dataset.train, indices, Split::Train, epoch)?;
        let noise = self.noise(indices, self.seed, Purpose::TrainNoise, epoch)?;
        Ok(objective::encode(&self.model, &x, &noise, false, NoneTape)?.0)
    }

    /// The forward and backward passes of micro-batches of training images.
    pub(super) fn learn<J: Objective>(&self, task: LaneTask<'_, B, J>) -> Result<Lane<B>, DeviceError> {
        let LaneTask { objective, micro_batches, first, epoch, weights, coupled, shared } = task;
        let mut lane = Lane { parts: Vec::new(), shared: B::Part::default(), report: B::no_report(self.latent()) };
        let read_shared = shared.map(Parameter::gradient_reader);
        let mut next = first;
        for indices in micro_batches {
            let rows = next..next + indices.len();
            next = rows.end;
            let x = self.images(&self.dataset.train, indices, Split::Train, epoch)?;
            let noise = self.noise(indices, self.seed, Purpose::TrainNoise, epoch)?;
            let coupled = coupled.map(|coupled| take_rows(coupled, rows)).transpose()?;
            let (parts, of_shared) = (&mut lane.parts, &mut lane.shared);
            let mut read = |gradients: &mut Grads<B>| {
                if let Some(read_shared) = &read_shared {
                    B::add_part(of_shared, read_shared(gradients)?)?;
                }
                self.map.read(gradients, parts)
            };
            let from_batch = FromBatch { weights, coupled, shared };
            let learned = objective::learn(objective, &self.model, &x, &noise, from_batch, &mut read)?;
            let Learned { recon_nats, codes: Codes { mean, log_variance, .. } } = &learned;
            B::report(&mut lane.report, MicroBatch { recon_nats, mean, log_variance: log_variance.as_ref() });
        }
        Ok(lane)
    }
}

/// Some rows of the codes of a batch.
fn take_rows<B: Execute>(codes: &BatchCodes<B>, rows: Range<usize>) -> Result<BatchCodes<B>, DeviceError> {
    let take = |array: &Array<(Batch, Latent), B>| B::take_rows(array, rows.clone());
    let log_variance = codes.log_variance.as_ref().map(take).transpose()?;
    Ok(Codes { mean: take(&codes.mean)?, log_variance, z: take(&codes.z)? })
}

/// The codes of several micro-batches below each other.
pub(super) fn stack<B: Execute>(parts: Vec<BatchCodes<B>>) -> Result<BatchCodes<B>, DeviceError> {
    let (mut mean, mut log_variance, mut z) = (Vec::new(), Vec::new(), Vec::new());
    for part in parts {
        mean.push(part.mean);
        log_variance.extend(part.log_variance);
        z.push(part.z);
    }
    let log_variance = if log_variance.is_empty() { None } else { Some(B::stack_rows(&log_variance)?) };
    Ok(Codes { mean: B::stack_rows(&mean)?, log_variance, z: B::stack_rows(&z)? })
}

impl<B: Combine> Worker<B> {
    /// The number of latent axes.
    pub(super) fn latent(&self) -> usize {
        self.model.latent().0
    }

    /// The forward pass of a micro-batch of validation images.
    pub(super) fn measure(&self, indices: &[u32]) -> Result<Sums, DeviceError> {
        let x = self.images(&self.dataset.validation, indices, Split::Validation, 0)?;
        let noise = self.noise(indices, HELD_OUT_SEED, Purpose::ValidationNoise, 0)?;
        let terms = objective::measure(&self.model, &x, &noise)?;
        let mut sums = Sums::new(Split::Validation, self.latent());
        let decoded = || {
            let expected = self.model.likelihood().kind().expected_fast(terms.outputs.to_vec());
            measure::Decoded { inputs: x.to_vec(), expected }
        };
        let Codes { mean, log_variance, .. } = &terms.codes;
        let (mean, log_variance) = (mean.to_vec(), values(log_variance.as_ref()));
        sums.measure(&MeasuredBatch::new(&terms.recon_nats.to_vec(), &mean, &log_variance, &decoded));
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
        let terms = objective::measure(&self.model, &x, &noise)?;
        let Codes { mean, log_variance, .. } = &terms.codes;
        let (latent, mean, log_variance) = (self.latent(), mean.to_vec(), values(log_variance.as_ref()));
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
