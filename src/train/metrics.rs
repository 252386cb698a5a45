//! What is measured in an epoch, for one split.

use crate::data::Split;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One row of metrics.parquet: an epoch and a split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Metrics {
    /// Epoch, from 1.
    pub epoch: u64,
    /// The images that the figures are about.
    pub split: Split,
    /// Optimiser steps taken since the start of training.
    pub step: u64,
    /// Training images seen since the start of training, repetitions included.
    pub images_seen: u64,
    /// The objective in the convention that the spec chose, mean over images.
    pub loss: f64,
    /// -log p(x|z), nats per image: summed over pixels, mean over images.
    pub recon_nats: f64,
    /// KL(q(z|x) || N(0, I)), nats per image: summed over latent axes, mean over images.
    pub kl_nats: f64,
    /// Evidence lower bound, nats per image: -recon_nats - kl_nats, always with KL weight 1.
    pub elbo_nats: f64,
    /// Weight of `kl_nats` beside `recon_nats` in the objective, whatever its convention; at the epoch's last step.
    pub effective_beta: f64,
    /// Weight of the KL in the spec's own convention, at the epoch's last step.
    pub kl_weight: f64,
    /// Learning rate at the epoch's last step.
    pub learning_rate: f64,
    /// Euclidean norm of the gradient before clipping, mean over the epoch's steps; training only.
    pub grad_norm: Option<f64>,
    /// Latent axes whose posterior mean varies over the images by more than 0.01 (Burda et al. 2016).
    pub active_units: u64,
    /// Images of this split by seconds spent on them.
    pub images_per_second: f64,
    /// Seconds spent on this split in this epoch.
    pub seconds: f64,
    /// KL of each latent axis, nats per image: mean over images. Sums to `kl_nats`.
    pub kl_axis_nats: Vec<f64>,
}

impl Metrics {
    /// Whether the model still was one: its loss, its nats and its gradient are finite.
    pub fn is_finite(&self) -> bool {
        let nats = [self.loss, self.recon_nats, self.kl_nats, self.elbo_nats];
        nats.iter().chain(&self.grad_norm).chain(&self.kl_axis_nats).all(|value| value.is_finite())
    }
}
