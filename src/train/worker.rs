//! The work of worker threads: forward and backward passes of micro-batches. The model is shared and read-only.

use super::measure::{self, MeasuredBatch, Sums};
use super::report::{MicroBatch, Report, means_of_samples, values};
use crate::data::{Binarize, Dataset, Images, PixelMap};
use crate::metrics::Split;
use crate::model::likelihood::{LikelihoodKind, Support};
use crate::model::parameters::GradientMap;
use crate::model::prior::{self, MixtureNumbers};
use crate::model::{Model, Posterior};
use crate::objective::{
    self, CodeParts, Form, FromBatch, KlForm, Learned, Loss, Objective, PriorNumbers, RowValues, Weights,
};
use crate::random::{HELD_OUT_SEED, Purpose, Stream};
use crate::tensor::backend::{Array, Backend, Codes, DeviceError, Grads, NoiseKey, Parameter};
use crate::tensor::dims::{Batch, Latent, Own, Values};
use crate::tensor::kernels::Buffer;
use dfdx::tensor::NoneTape;
use std::ops::Range;

/// The data that all workers share.
pub struct Worker<B: Report> {
    pub(crate) device: B::Device,
    pub(crate) model: Model<B>,
    pub(crate) map: GradientMap<B>,
    pub(crate) dataset: Dataset,
    pub(crate) pixels: PixelMap,
    pub(crate) seed: u64,
    pub(crate) resident: B::Resident,
}

/// Consecutive micro-batches of a batch; their gradients are summed in order.
pub struct Lane<B: Report> {
    /// Their part of the gradient of each parameter.
    pub(super) parts: Vec<B::Part>,
    /// Their part of the gradient of the numbers of a learned prior.
    pub(super) prior: B::Part,
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
pub struct LaneTask<'a, B: Report, J> {
    pub(super) objective: &'a J,
    pub(super) micro_batches: &'a [&'a [u32]],
    /// The place of the first image in the batch.
    pub(super) first: usize,
    pub(super) epoch: u64,
    /// The weights of the terms, divided by the number of images of the batch.
    pub(super) weights: Weights,
    /// The gradients of the terms that couple the batch.
    pub(super) coupled: Option<&'a CodeParts<Batch, Latent, B>>,
    /// The numbers of a learned prior.
    pub(super) prior: Option<&'a Parameter<(Own,), B>>,
}

/// The codes of the batch of a step.
pub(super) type StepCodes<B> = Codes<Batch, Latent, B>;

impl<B: Report> Worker<B> {
    /// The codes of a micro-batch of training images.
    pub(super) fn codes(&self, indices: &[u32], epoch: u64) -> Result<StepCodes<B>, DeviceError> {
        let x = self.images(&self.dataset.train, indices, Split::Train, epoch)?;
        let noise = self.noise(indices, self.seed, Purpose::TrainNoise, epoch, 1)?;
        let form = Form { samples: 1, kl: KlForm::None };
        Ok(objective::encode(&self.model, &x, &noise, form, PriorNumbers::measured(None), NoneTape)?.codes)
    }

    /// The forward and backward passes of micro-batches of training images.
    pub(super) fn learn<J: Objective>(&self, task: LaneTask<'_, B, J>) -> Result<Lane<B>, DeviceError> {
        let LaneTask { objective, micro_batches, first, epoch, weights, coupled, prior } = task;
        let mut lane =
            Lane { parts: Vec::new(), prior: B::Part::default(), report: B::no_report(self.latent(), &self.resident) };
        let read_prior = prior.map(Parameter::gradient_reader);
        let mut next = first;
        for indices in micro_batches {
            let rows = next..next + indices.len();
            next = rows.end;
            let x = self.images(&self.dataset.train, indices, Split::Train, epoch)?;
            let noise = self.noise(indices, self.seed, Purpose::TrainNoise, epoch, objective.samples())?;
            let coupled = coupled.map(|coupled| take_rows(coupled, rows)).transpose()?;
            let (parts, of_prior) = (&mut lane.parts, &mut lane.prior);
            let mut read = |gradients: &mut Grads<B>| {
                if let Some(read_prior) = &read_prior {
                    B::add_part(of_prior, read_prior(gradients)?)?;
                }
                self.map.read(gradients, parts)
            };
            let from_batch = FromBatch { weights, coupled, prior };
            let learned = objective::learn(objective, &self.model, &x, &noise, from_batch, &mut read)?;
            let Learned { recon_nats, kl_nats, codes: Codes { mean, log_variance, .. } } = &learned;
            let (kl_nats, log_variance) = (kl_nats.as_ref(), log_variance.as_ref());
            let is_prior_learned = prior.is_some();
            let terms = MicroBatch { recon_nats, kl_nats, is_prior_learned, mean, log_variance };
            B::report(&mut lane.report, objective, terms);
        }
        Ok(lane)
    }
}

/// Some rows of the gradients of a batch.
fn take_rows<B: Report>(
    gradients: &CodeParts<Batch, Latent, B>,
    rows: Range<usize>,
) -> Result<CodeParts<Batch, Latent, B>, DeviceError> {
    let take = |array: &Option<Array<(Batch, Latent), B>>| {
        array.as_ref().map(|array| B::take_rows(array, rows.clone())).transpose()
    };
    let CodeParts { mean, log_variance, z } = gradients;
    Ok(CodeParts { mean: take(mean)?, log_variance: take(log_variance)?, z: take(z)? })
}

/// The codes of several micro-batches below each other.
pub(super) fn stack<B: Report>(parts: Vec<StepCodes<B>>) -> Result<StepCodes<B>, DeviceError> {
    let (mut mean, mut log_variance, mut z) = (Vec::new(), Vec::new(), Vec::new());
    for part in parts {
        mean.push(part.mean);
        log_variance.extend(part.log_variance);
        z.push(part.z);
    }
    let log_variance = if log_variance.is_empty() { None } else { Some(B::stack_rows(&log_variance)?) };
    Ok(Codes { mean: B::stack_rows(&mean)?, log_variance, z: B::stack_rows(&z)? })
}

/// The rows of the first sample of each image.
fn first_samples(rows: Vec<f32>, images: usize, samples: usize) -> Vec<f32> {
    if samples < 2 {
        return rows;
    }
    let row = (rows.len() / (images * samples).max(1)).max(1);
    rows.chunks(row).step_by(samples).flatten().copied().collect()
}

/// The codes of held-out images, row-major.
#[derive(Debug, Default)]
pub(super) struct HostCodes {
    /// (Images, Latent)
    mean: Vec<f32>,
    /// (Images, Latent); empty for a plain autoencoder.
    log_variance: Vec<f32>,
    /// (Images, Latent)
    z: Vec<f32>,
}

impl HostCodes {
    /// Appends the codes of more images.
    pub(super) fn extend(&mut self, more: HostCodes) {
        self.mean.extend(more.mean);
        self.log_variance.extend(more.log_variance);
        self.z.extend(more.z);
    }

    /// The codes of some images, on a device.
    pub(super) fn rows<B: Backend>(
        &self,
        device: &B::Device,
        rows: Range<usize>,
        latent: Latent,
    ) -> Result<StepCodes<B>, DeviceError> {
        let places = rows.start * latent.0..rows.end * latent.0;
        let shape = (Batch(rows.len()), latent);
        let array = |values: &[f32]| Array::new(device, Buffer::copy_of(&values[places.clone()]), shape);
        let log_variance = (!self.log_variance.is_empty()).then(|| array(&self.log_variance)).transpose()?;
        Ok(Codes { mean: array(&self.mean)?, log_variance, z: array(&self.z)? })
    }
}

impl<B: Report> Worker<B> {
    /// The numbers of a learned prior; `None` for the standard normal distribution.
    pub(crate) fn prior(&self) -> Result<Option<Vec<f32>>, DeviceError> {
        Ok(self.model.components(&self.device, NoneTape)?.map(|own| own.to_vec()))
    }

    /// These numbers on the device.
    pub(super) fn on_device(&self, prior: Option<&[f32]>) -> Result<Option<Parameter<(Own,), B>>, DeviceError> {
        let put = |own: &[f32]| {
            let mut parameter = Parameter::zeros(&self.device, (Own(own.len()),))?;
            parameter.set(own.to_vec());
            Ok(parameter)
        };
        prior.map(put).transpose()
    }

    /// The mean and the standard deviation of each axis of a learned prior; `None` for the standard normal distribution.
    pub(crate) fn prior_axes(&self) -> Result<Option<Vec<[f32; 2]>>, DeviceError> {
        Ok(self.prior()?.map(|own| MixtureNumbers::of(&own, self.latent()).axes()))
    }

    /// Codes from the prior, (count, Latent), that depend only on the seed and the prior; `temperature` multiplies their standard
    /// deviations.
    pub(crate) fn prior_codes(&self, count: usize, seed: u64, temperature: f32) -> Result<Vec<f32>, DeviceError> {
        let mut codes = vec![0.0; count * self.latent()];
        Stream::new(seed, Purpose::Samples, 0, 0).fill_normal(&mut codes);
        let mut picks = Stream::new(seed, Purpose::Samples, 0, 1);
        prior::draw(self.prior()?.as_deref(), self.latent(), &mut codes, &mut picks, temperature);
        Ok(codes)
    }

    /// The number of latent axes.
    pub(crate) fn latent(&self) -> usize {
        self.model.latent().0
    }

    /// What is added to the bits per value of the ELBO to get those of whole values: 0 for
    /// probabilities; `None` if the likelihood gives neither their probability nor a density of dequantized values.
    pub(crate) fn bits_offset(&self) -> Option<f64> {
        bits_offset(self.model.likelihood().kind(), &self.pixels, self.dataset.is_grey)
    }

    /// The forward pass of a micro-batch of validation images: sums of the metrics, and the codes if the objective couples a batch.
    pub(super) fn measure(
        &self,
        (objective, couples): (&dyn Loss, bool),
        prior: Option<&[f32]>,
        indices: &[u32],
    ) -> Result<(Sums, HostCodes), DeviceError> {
        let x = self.images(&self.dataset.validation, indices, Split::Validation, 0)?;
        let form = objective.form(false).for_prior(prior.is_some());
        let noise = self.noise(indices, HELD_OUT_SEED, Purpose::ValidationNoise, 0, form.samples)?;
        let terms = objective::measure(&self.model, &x, &noise, form, self.on_device(prior)?.as_ref())?;
        let mut sums = Sums::new(Split::Validation, self.latent());
        let decoded = || {
            // Of the first sample of each image.
            let outputs = first_samples(terms.outputs.to_vec(), indices.len(), form.samples);
            measure::Decoded { inputs: x.to_vec(), expected: self.model.likelihood().expected_fast(outputs) }
        };
        let Codes { mean, log_variance, z } = &terms.codes;
        let (mean, log_variance) = (mean.to_vec(), values(log_variance.as_ref()));
        let (recon_nats, kl_nats) = (terms.recon_nats.to_vec(), terms.kl_nats.map_or(Vec::new(), |nats| nats.to_vec()));
        sums.add_terms(1.0, &objective.row_terms(RowValues { recon_nats: &recon_nats, kl_nats: &kl_nats }));
        let recon_nats = means_of_samples(recon_nats, indices.len());
        let sampled = prior.is_some().then(|| means_of_samples(kl_nats, indices.len()));
        sums.measure(&MeasuredBatch::new(&recon_nats, sampled.as_deref(), [&mean, &log_variance], &decoded));
        if !couples {
            return Ok((sums, HostCodes::default()));
        }
        let z = first_samples(z.to_vec(), indices.len(), form.samples);
        Ok((sums, HostCodes { mean, log_variance, z }))
    }

    /// Images that pictures show, and their posteriors.
    pub(crate) fn encode(&self, indices: &[u32]) -> Result<Encoded, DeviceError> {
        let (images, split) = self.dataset.shown();
        let x = self.images(images, indices, split, 0)?;
        let inputs = x.to_vec();
        Ok(Encoded { inputs, posterior: Posterior::of(self.model.encode(x)?) })
    }

    /// The expected values of codes: (Codes, Latent) to (Codes, Values).
    pub(crate) fn decode(&self, codes: &[f32]) -> Result<Vec<f32>, DeviceError> {
        let shape = (Batch(codes.len() / self.latent()), self.model.latent());
        let z = Array::new(&self.device, Buffer::copy_of(codes), shape)?;
        Ok(self.model.likelihood().expected(self.model.decode(z)?.to_vec()))
    }

    pub(super) fn images(
        &self,
        images: &Images,
        indices: &[u32],
        split: Split,
        epoch: u64,
    ) -> Result<Array<(Batch, Values), B>, DeviceError> {
        let found = B::images(&self.device, &self.resident, &self.pixels, (images, indices), (split, epoch))?;
        if let Some(found) = found {
            return Ok(found);
        }
        let mut values = Buffer::new(indices.len() * images.shape().values());
        self.pixels.fill(images, indices, split, epoch, &mut values);
        let shape = (Batch(indices.len()), self.model.values());
        Array::new(&self.device, values, shape)
    }

    /// The noise of the samples of images depends on the image, not on its batch or thread.
    pub(super) fn noise(
        &self,
        indices: &[u32],
        seed: u64,
        purpose: Purpose,
        epoch: u64,
        samples: usize,
    ) -> Result<Array<(Batch, Latent), B>, DeviceError> {
        let shape = (Batch(indices.len() * samples), self.model.latent());
        B::noise(&self.device, NoiseKey { seed, purpose, epoch, samples }, indices, shape)
    }
}

/// As [`Worker::bits_offset`], for a likelihood of pixels.
pub(super) fn bits_offset(likelihood: LikelihoodKind, pixels: &PixelMap, is_grey: bool) -> Option<f64> {
    let PixelMap { binarize, stored, range: [low, high], dequantize, .. } = *pixels;
    match likelihood.support() {
        _ if !likelihood.is_distribution() => None,
        Support::Levels => Some(0.0),
        Support::Bits => {
            let is_grey = dequantize || binarize == Binarize::None && is_grey;
            (!is_grey).then_some(0.0)
        }
        Support::Unit | Support::Line => dequantize.then(|| {
            let levels = stored[1] - stored[0] + 1.0;
            (levels / (f64::from(high) - f64::from(low))).log2()
        }),
    }
}
