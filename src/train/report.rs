//! What micro-batches report to the metrics of training.

use super::measure::{self, MeasuredBatch, Sums};
use crate::metrics::Split;
use crate::optimizer::Learn;
use crate::tensor::backend::{Array, Backend, Combine, DeviceError, Host, Portable, PortableDevice};
use crate::tensor::dims::{Batch, Latent};

/// A backend that reports the terms of training images to the metrics.
pub trait Report: Learn + Combine {
    /// What a lane reports to the metrics, possibly still on the device.
    type Report;

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
}

/// The values of an array; none if there is none.
pub(super) fn values<B: Backend>(array: Option<&Array<(Batch, Latent), B>>) -> Vec<f32> {
    array.map_or(Vec::new(), |array| array.to_vec())
}

/// The terms of a micro-batch of training images.
pub struct MicroBatch<'a, B: Backend> {
    /// -log p(x|z) of each image, nats, (Images).
    pub(super) recon_nats: &'a Array<(Batch,), B>,
    /// Posterior means, (Images, Latent).
    pub(super) mean: &'a Array<(Batch, Latent), B>,
    /// Posterior log-variances, (Images, Latent); `None` for a plain autoencoder.
    pub(super) log_variance: Option<&'a Array<(Batch, Latent), B>>,
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

impl Report for Host {
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
}

/// The terms of a micro-batch on the device.
pub struct Pending<B: Backend> {
    recon_nats: Array<(Batch,), B>,
    mean: Array<(Batch, Latent), B>,
    log_variance: Option<Array<(Batch, Latent), B>>,
}

impl<D: PortableDevice> Report for Portable<D> {
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
            let mut of_step = Vec::new();
            for pending in step.into_iter().flatten() {
                let batch = pending.mean.shape().0;
                of_step.push(batch.0);
                recon_nats.push(pending.recon_nats.relabel((batch, Latent(1)))?);
                mean.push(pending.mean);
                log_variance.extend(pending.log_variance);
            }
            sizes.push(of_step);
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
}
