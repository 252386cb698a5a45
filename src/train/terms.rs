//! The terms of images of any split, for the evaluation stage.

use super::measure::axis_nats;
use super::report::{Report, values};
use super::worker::{Measured, Worker};
use crate::data::Images;
use crate::metrics::Split;
use crate::model::{Code, Posterior};
use crate::objective::{self, Form, KlForm};
use crate::random::{HELD_OUT_SEED, Purpose};
use crate::tensor::backend::{Array, Codes, DeviceError, NoiseKey};
use crate::tensor::dims::{Batch, Latent, Outputs};

/// The log-variance of a posterior is twice its `scale` times the number that the encoder gives.
const LOG_VARIANCE: f32 = 0.5;

/// Images of a split, and their values as the network sees them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chosen<'a> {
    /// The split.
    pub(crate) split: Split,
    /// Their indices in it.
    pub(crate) indices: &'a [u32],
}

/// The posteriors of images, row-major.
#[derive(Debug, Default)]
pub(crate) struct Posteriors {
    /// Means, (Images, Latent).
    pub(crate) mean: Vec<f32>,
    /// Log-variances, (Images, Latent); empty for a plain autoencoder.
    pub(crate) log_variance: Vec<f32>,
}

/// Images and what the decoder gives for the means of their posteriors, both (Images, Values).
#[derive(Debug, Default)]
pub(crate) struct Reconstructed {
    pub(crate) inputs: Vec<f32>,
    pub(crate) expected: Vec<f32>,
}

impl<B: Report> Worker<B> {
    /// The images of a split.
    pub(crate) fn images_of(&self, split: Split) -> &Images {
        match split {
            Split::Train => &self.dataset.train,
            Split::Validation => &self.dataset.validation,
            Split::Test => &self.dataset.test,
        }
    }

    /// Images of a split as the network sees them, (Images, Values).
    pub(crate) fn inputs(&self, split: Split, indices: &[u32]) -> Vec<f32> {
        let images = self.images_of(split);
        let mut values = vec![0.0; indices.len() * images.shape().values()];
        self.pixels.fill(images, indices, split, 0, &mut values);
        values
    }

    /// The logarithms of the importance weights p(x, z) / q(z|x) of samples, nats, with the numbers of a learned prior: for each
    /// key those of its samples, (Images, Samples). The images are encoded once.
    pub(crate) fn log_weights(
        &self,
        prior: Option<&[f32]>,
        Chosen { split, indices }: Chosen<'_>,
        keys: impl Iterator<Item = NoiseKey>,
    ) -> Result<Vec<Vec<f64>>, DeviceError> {
        let x = self.images(self.images_of(split), indices, split, 0)?;
        let prior = self.on_device(prior)?;
        let code = self.model.encode(x.clone())?;
        keys.map(|key| {
            let noise = self.noise(indices, key.seed, key.purpose, key.epoch, key.samples)?;
            let form = Form { samples: key.samples, kl: KlForm::Sampled { by_path: false } };
            let terms = objective::measure_code(&self.model, code.clone(), &x, &noise, form, prior.as_ref())?;
            Ok(self.log_weights_of(terms, &noise, key.samples))
        })
        .collect()
    }

    fn log_weights_of(
        &self,
        terms: objective::Measured<Batch, Latent, Outputs, B>,
        noise: &Array<(Batch, Latent), B>,
        samples: usize,
    ) -> Vec<f64> {
        let recon_nats = terms.recon_nats.to_vec();
        let kl_nats: Vec<f64> = match terms.kl_nats {
            Some(kl) if terms.deviation_scale == LOG_VARIANCE => kl.to_vec().into_iter().map(f64::from).collect(),
            // The density that the samples are drawn from is not the one of the KL: `posterior_scale = "log_std"`.
            _ => {
                let noise = noise.to_vec();
                let Codes { log_variance, z, .. } = &terms.codes;
                let (z, latent) = (z.to_vec(), self.latent());
                let deviations: Vec<f64> = values(log_variance.as_ref())
                    .into_iter()
                    .map(|log_variance| f64::from(terms.deviation_scale * log_variance))
                    .collect();
                let rows = z.chunks(latent).zip(noise.chunks(latent)).enumerate();
                let nats = rows.map(|(row, (z, noise))| {
                    let log_deviation = &deviations[row / samples * latent..][..latent];
                    let of_axis = |((z, noise), log_deviation): ((&f32, &f32), &f64)| {
                        0.5 * (f64::from(*z).powi(2) - f64::from(*noise).powi(2)) - log_deviation
                    };
                    z.iter().zip(noise).zip(log_deviation).map(of_axis).sum()
                });
                nats.collect()
            }
        };
        recon_nats.into_iter().zip(kl_nats).map(|(recon, kl)| -f64::from(recon) - kl).collect()
    }

    /// The posteriors of images.
    pub(crate) fn posteriors(&self, Chosen { split, indices }: Chosen<'_>) -> Result<Posteriors, DeviceError> {
        let x = self.images(self.images_of(split), indices, split, 0)?;
        Ok(match self.model.encode(x)? {
            Code::Point(mean) => Posteriors { mean: mean.to_vec(), log_variance: Vec::new() },
            Code::Gaussian { mean, log_variance, scale } => {
                let mut log_variance = log_variance.to_vec();
                log_variance.iter_mut().for_each(|log_variance| *log_variance *= scale / LOG_VARIANCE);
                Posteriors { mean: mean.to_vec(), log_variance }
            }
        })
    }

    /// Images, and the expected values of the means of their posteriors.
    pub(crate) fn reconstructed(&self, Chosen { split, indices }: Chosen<'_>) -> Result<Reconstructed, DeviceError> {
        let x = self.images(self.images_of(split), indices, split, 0)?;
        let inputs = x.to_vec();
        let expected = self.decode(&Posterior::of(self.model.encode(x)?).mean)?;
        Ok(Reconstructed { inputs, expected })
    }

    /// The metrics of single images, with one draw of each; those of validation images are the ones of training.
    pub(crate) fn measure_each(&self, prior: Option<&[f32]>, chosen: Chosen<'_>) -> Result<Measured, DeviceError> {
        let Chosen { split, indices } = chosen;
        let x = self.images(self.images_of(split), indices, split, 0)?;
        let purpose = match split {
            Split::Validation => Purpose::ValidationNoise,
            Split::Train | Split::Test => Purpose::Importance,
        };
        let noise = self.noise(indices, HELD_OUT_SEED, purpose, 0, 1)?;
        let form = Form { samples: 1, kl: KlForm::None }.for_prior(prior.is_some());
        let terms = objective::measure(&self.model, &x, &noise, form, self.on_device(prior)?.as_ref())?;
        let Codes { mean, log_variance, .. } = &terms.codes;
        let (latent, mean, log_variance) = (self.latent(), mean.to_vec(), values(log_variance.as_ref()));
        let kl_nats = mean.chunks(latent).zip(log_variance.chunks(latent)).map(|(mean, log_variance)| {
            let nats = mean.iter().zip(log_variance).map(|(mean, log_variance)| axis_nats(*mean, *log_variance));
            nats.sum::<f64>() as f32
        });
        let kl_nats = terms.kl_nats.map_or_else(|| kl_nats.collect(), |sampled| sampled.to_vec());
        let posterior = Posterior::new(mean, &log_variance, terms.deviation_scale);
        Ok(Measured { posterior, recon_nats: terms.recon_nats.to_vec(), kl_nats })
    }
}
