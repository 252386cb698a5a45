//! A model in training, applied to images: metrics of validation images, reconstructions, codes and samples.

use super::measure::Sums;
use super::worker::HostCodes;
use super::{Encoded, Execute, Trainer, Worker};
use crate::metrics::{Row, Split};
use crate::objective::{BatchCodes, Coupled, Draws, Loss, Objective};
use crate::random::{HELD_OUT_SEED, Purpose};
use crate::tensor::backend::DeviceError;
use std::time::Instant;

impl<B: Execute, J: Objective> Trainer<B, J> {
    /// Computes the metrics of the validation images with the current weights; `None` if there are none. The noise is always the
    /// same.
    ///
    /// # Errors
    /// The device failed.
    pub fn validate(&self) -> Result<Option<Row>, DeviceError> {
        if self.worker.dataset.validation.is_empty() {
            return Ok(None);
        }
        let start = Instant::now();
        let images: Vec<u32> = (0..self.worker.dataset.validation.len() as u32).collect();
        let micro_batches: Vec<&[u32]> = images.chunks(self.micro_batch).collect();
        let objective = (&self.objective as &dyn Loss, self.objective.couples());
        let prior = self.worker.prior()?;
        let measure = |worker: &Worker<B>, images: &[u32]| worker.measure(objective, prior.as_deref(), images);
        let parts = B::execute(&self.pool, &self.worker, micro_batches, measure)?;
        let mut sums = Sums::new(Split::Validation, self.worker.latent());
        let mut all = HostCodes::default();
        for (part, codes) in parts {
            sums.add(&part);
            all.extend(codes);
        }
        self.measure_coupled(&mut sums, &all, prior.as_deref())?;
        let row = self.row(self.epoch, self.steps(), self.last_step(), &sums, start.elapsed().as_secs_f64());
        self.checked(Some(row))
    }

    /// Adds the own terms of the objective that couple a batch: of held-out images in batches of the size of training. Their
    /// draws are always the same.
    fn measure_coupled(&self, sums: &mut Sums, codes: &HostCodes, prior: Option<&[f32]>) -> Result<(), DeviceError> {
        if self.objective.terms().is_empty() || !self.objective.couples() {
            return Ok(());
        }
        let prior = self.worker.on_device(prior)?;
        let (images, size) = (self.worker.dataset.validation.len(), self.settings.batch_size as usize);
        // The estimators of the objective stand for all training images here too, so that both losses are comparable.
        let at = self.at(self.last_step());
        for (batch, first) in (0..images).step_by(size).enumerate() {
            let rows = first..images.min(first + size);
            let count = rows.len() as f64;
            let codes = codes.rows::<B>(&self.worker.device, rows, self.worker.model.latent())?;
            let draws = Draws { seed: HELD_OUT_SEED, purpose: Purpose::HeldOutBatchTerms, batch: batch as u64 };
            let batch = BatchCodes { own: &codes, second: None, prior: prior.as_ref() };
            if let Some(Coupled { terms, .. }) =
                self.objective.couple(&self.worker.device, &self.own, batch, at, draws)?
            {
                self.named(&[terms])?.iter().for_each(|terms| sums.add_terms(count, terms));
            }
        }
        Ok(())
    }

    /// The first images of those that pictures show, at most `count`.
    fn shown(&self, count: usize) -> Vec<u32> {
        (0..count.min(self.worker.dataset.shown().0.len()) as u32).collect()
    }

    /// The first `count` validation images (training images if there are none) and their reconstructions from the posterior mean, both (Images, Values), in
    /// `data.range`.
    ///
    /// # Errors
    /// The device failed.
    pub fn reconstruct(&self, count: usize) -> Result<(Vec<f32>, Vec<f32>), DeviceError> {
        let Encoded { inputs, posterior } = self.worker.encode(&self.shown(count))?;
        Ok((inputs, self.decode(&posterior.mean)?))
    }

    /// The first `count` validation images (training images if there are none) and their posteriors.
    ///
    /// # Errors
    /// The device failed.
    pub fn encode(&self, count: usize) -> Result<Encoded, DeviceError> {
        let indices = self.shown(count);
        let parts = indices.chunks(self.micro_batch).collect();
        self.checked(Encoded::joined(B::execute(&self.pool, &self.worker, parts, Worker::encode)?))
    }

    /// The expected values, (Codes, Values), of codes (Codes, Latent).
    ///
    /// # Errors
    /// The device failed.
    pub fn decode(&self, codes: &[f32]) -> Result<Vec<f32>, DeviceError> {
        let parts = codes.chunks(self.micro_batch * self.worker.latent()).collect();
        let parts = B::execute(&self.pool, &self.worker, parts, Worker::decode)?;
        self.checked(parts.concat())
    }

    /// Codes from the prior, (count, Latent). They depend only on the seed and the prior.
    ///
    /// # Errors
    /// The device failed.
    pub fn prior_codes(&self, count: usize) -> Result<Vec<f32>, DeviceError> {
        self.checked(self.worker.prior_codes(count, self.seed, 1.0)?)
    }

    /// The mean and the standard deviation of each axis of a learned prior; `None` for the standard normal distribution.
    ///
    /// # Errors
    /// The device failed.
    pub fn prior_axes(&self) -> Result<Option<Vec<[f32; 2]>>, DeviceError> {
        self.checked(self.worker.prior_axes()?)
    }

    /// The images whose posteriors the components of the prior are, (Components, Values); empty if they are none.
    ///
    /// # Errors
    /// The device failed.
    pub fn pseudo_inputs(&self) -> Result<Vec<f32>, DeviceError> {
        self.checked(self.worker.model.pseudo_inputs())
    }

    /// A result of the device, unless an error came with it that its operations could not return.
    pub(super) fn checked<R>(&self, result: R) -> Result<R, DeviceError> {
        B::check(&self.worker.device)?;
        Ok(result)
    }
}
