//! What micro-batches report to the metrics of training.

use super::measure::{self, MeasuredBatch, Sums};
use crate::data::{Images, PixelMap};
use crate::metrics::Split;
use crate::objective::{Loss, RowValues};
use crate::optimizer::Learn;
use crate::tensor::backend::{Array, Backend, Combine, DeviceError, Host, Portable, PortableDevice};
use crate::tensor::dims::{Batch, Latent, Values};

/// A backend that reports the terms of training images to the metrics.
pub trait Report: Learn + Combine {
    /// What a lane reports to the metrics, possibly still on the device.
    type Report;

    /// What stays on the device while a model is trained.
    type Resident: Default;

    /// The number of steps between two reports to the metrics. Between them, nothing is copied from the device.
    const REPORT_STEPS: usize;

    /// The report of no images, of a model with `latent` axes.
    fn no_report(latent: usize, resident: &Self::Resident) -> Self::Report;

    /// Adds a micro-batch of training images to a report.
    fn report(report: &mut Self::Report, objective: &dyn Loss, terms: MicroBatch<'_, Self>);

    /// The sums of the metrics of each step, from the reports of its lanes.
    ///
    /// # Errors
    /// The device failed.
    fn collect(objective: &dyn Loss, latent: usize, steps: Vec<Vec<Self::Report>>) -> Result<Vec<Sums>, DeviceError>;

    /// The values of some images, (Indices, Values), if the device computes them itself.
    ///
    /// # Errors
    /// The device failed.
    fn images(
        _device: &Self::Device,
        _resident: &Self::Resident,
        _pixels: &PixelMap,
        _images: (&Images, &[u32]),
        _address: (Split, u64),
    ) -> Result<Option<Array<(Batch, Values), Self>>, DeviceError> {
        Ok(None)
    }
}

/// The values of an array; none if there is none.
pub(super) fn values<B: Backend>(array: Option<&Array<(Batch, Latent), B>>) -> Vec<f32> {
    array.map_or(Vec::new(), |array| array.to_vec())
}

/// The means of the values of the samples of each image: (Samples) to (Images).
pub(super) fn means_of_samples(values: Vec<f32>, images: usize) -> Vec<f32> {
    let samples = values.len() / images.max(1);
    if samples < 2 {
        return values;
    }
    let mean = |samples: &[f32]| samples.iter().map(|value| f64::from(*value)).sum::<f64>() / samples.len() as f64;
    values.chunks(samples).map(|samples| mean(samples) as f32).collect()
}

/// The terms of a micro-batch of training images.
pub struct MicroBatch<'a, B: Backend> {
    /// -log p(x|z) of each sample, nats, (Rows).
    pub(super) recon_nats: &'a Array<(Batch,), B>,
    /// The sampled KL of each sample, nats, (Rows); `None` if the objective does not need it.
    pub(super) kl_nats: Option<&'a Array<(Batch,), B>>,
    /// Whether the prior is learned, so that the KL has no closed form and the metrics need the sampled one.
    pub(super) is_prior_learned: bool,
    /// Posterior means, (Images, Latent).
    pub(super) mean: &'a Array<(Batch, Latent), B>,
    /// Posterior log-variances, (Images, Latent); `None` for a plain autoencoder.
    pub(super) log_variance: Option<&'a Array<(Batch, Latent), B>>,
}

/// The terms of a micro-batch on the host.
pub(super) struct HostTerms<'a> {
    pub(super) recon_nats: &'a [f32],
    pub(super) kl_nats: &'a [f32],
    pub(super) is_prior_learned: bool,
    pub(super) mean: &'a [f32],
    pub(super) log_variance: &'a [f32],
}

impl HostTerms<'_> {
    /// Adds the micro-batch to the sums of the metrics of training.
    pub(super) fn measure(&self, objective: &dyn Loss, latent: usize, sums: &mut Sums) {
        let HostTerms { recon_nats, kl_nats, is_prior_learned, mean, log_variance } = *self;
        sums.add_terms(1.0, &objective.row_terms(RowValues { recon_nats, kl_nats }));
        let images = mean.len() / latent.max(1);
        let recon_nats = means_of_samples(recon_nats.to_vec(), images);
        let sampled = is_prior_learned.then(|| means_of_samples(kl_nats.to_vec(), images));
        // No metric of training needs the values of images.
        let codes = [mean, log_variance];
        sums.measure(&MeasuredBatch::new(&recon_nats, sampled.as_deref(), codes, &measure::Decoded::default));
    }
}

impl Report for Host {
    /// The sums of its images: the threads share this work too.
    type Report = Sums;

    type Resident = ();

    const REPORT_STEPS: usize = 1;

    fn no_report(latent: usize, (): &()) -> Sums {
        Sums::new(Split::Train, latent)
    }

    fn report(report: &mut Sums, objective: &dyn Loss, terms: MicroBatch<'_, Host>) {
        let (recon_nats, mean) = (terms.recon_nats.to_vec(), terms.mean.to_vec());
        let kl_nats = terms.kl_nats.map_or(Vec::new(), |nats| nats.to_vec());
        let log_variance = values(terms.log_variance);
        let is_prior_learned = terms.is_prior_learned;
        let terms = HostTerms {
            recon_nats: &recon_nats,
            kl_nats: &kl_nats,
            is_prior_learned,
            mean: &mean,
            log_variance: &log_variance,
        };
        terms.measure(objective, report.latent(), report);
    }

    fn collect(_: &dyn Loss, latent: usize, steps: Vec<Vec<Sums>>) -> Result<Vec<Sums>, DeviceError> {
        let of_step = |lanes: Vec<Sums>| {
            let mut sums = Sums::new(Split::Train, latent);
            lanes.iter().for_each(|lane| sums.add(lane));
            sums
        };
        Ok(steps.into_iter().map(of_step).collect())
    }
}

/// The terms of a micro-batch on the device.
pub struct Pending<B: Backend> {
    recon_nats: Array<(Batch,), B>,
    kl_nats: Option<Array<(Batch,), B>>,
    is_prior_learned: bool,
    mean: Array<(Batch, Latent), B>,
    log_variance: Option<Array<(Batch, Latent), B>>,
}

impl<D: PortableDevice> Report for Portable<D> {
    type Report = Vec<Pending<Self>>;

    type Resident = ();

    const REPORT_STEPS: usize = 32;

    fn no_report(_: usize, (): &()) -> Vec<Pending<Self>> {
        Vec::new()
    }

    fn report(report: &mut Vec<Pending<Self>>, _: &dyn Loss, terms: MicroBatch<'_, Self>) {
        report.push(Pending::of(terms));
    }

    fn collect(
        objective: &dyn Loss,
        latent: usize,
        steps: Vec<Vec<Vec<Pending<Self>>>>,
    ) -> Result<Vec<Sums>, DeviceError> {
        Pending::collect(objective, latent, steps)
    }
}

impl<B: Combine> Pending<B> {
    fn of(terms: MicroBatch<'_, B>) -> Pending<B> {
        let MicroBatch { recon_nats, kl_nats, is_prior_learned, mean, log_variance } = terms;
        let (recon_nats, kl_nats, mean) = (recon_nats.clone(), kl_nats.cloned(), mean.clone());
        Pending { recon_nats, kl_nats, is_prior_learned, mean, log_variance: log_variance.cloned() }
    }

    /// The sums of the metrics of each step.
    fn collect(
        objective: &dyn Loss,
        latent: usize,
        steps: Vec<Vec<Vec<Pending<B>>>>,
    ) -> Result<Vec<Sums>, DeviceError> {
        // One copy from the device for each of the arrays, whatever the number of steps.
        let (mut recon_nats, mut kl_nats, mut mean, mut log_variance) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut sizes = Vec::new();
        for step in steps {
            let mut of_step = Vec::new();
            for pending in step.into_iter().flatten() {
                let rows = pending.recon_nats.shape().0;
                of_step.push((pending.mean.shape().0.0, rows.0, pending.is_prior_learned));
                recon_nats.push(pending.recon_nats.relabel((rows, Latent(1)))?);
                kl_nats.extend(pending.kl_nats.map(|nats| nats.relabel((rows, Latent(1)))).transpose()?);
                mean.push(pending.mean);
                log_variance.extend(pending.log_variance);
            }
            sizes.push(of_step);
        }
        let down = |arrays: Vec<Array<(Batch, Latent), B>>| -> Result<Vec<f32>, DeviceError> {
            if arrays.is_empty() { Ok(Vec::new()) } else { Ok(B::stack_rows(&arrays)?.to_vec()) }
        };
        let (recon_nats, kl_nats) = (down(recon_nats)?, down(kl_nats)?);
        let (mean, log_variance) = (down(mean)?, down(log_variance)?);
        let (mut all, mut first, mut first_row) = (Vec::new(), 0, 0);
        for step in sizes {
            let mut sums = Sums::new(Split::Train, latent);
            for (images, rows, is_prior_learned) in step {
                let (codes, rows) = (first * latent..(first + images) * latent, first_row..first_row + rows);
                (first, first_row) = (first + images, rows.end);
                let terms = HostTerms {
                    recon_nats: &recon_nats[rows.clone()],
                    kl_nats: kl_nats.get(rows).unwrap_or_default(),
                    is_prior_learned,
                    mean: &mean[codes.clone()],
                    log_variance: log_variance.get(codes).unwrap_or_default(),
                };
                terms.measure(objective, latent, &mut sums);
            }
            all.push(sums);
        }
        Ok(all)
    }
}
