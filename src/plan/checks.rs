//! What must hold for a spec together with its images, and what deserves a look.

use super::Problem;
use crate::data::{Binarize, Dataset};
use crate::language::Spec;
use crate::model::Architecture;
use crate::model::architecture::{ConvStride, Network};
use crate::objective::Objective;
use crate::text::{counted, grouped, short};
use crate::train::BATCH_SIZE_BY_DEFAULT;

/// Trained numbers that a model may have: 4 GB of weights, as much again for each moment of the optimiser.
const PARAMETER_LIMIT: u128 = 1_000_000_000;

/// Whether a batch has room among the images.
pub(super) fn batch(spec: &Spec, dataset: &Dataset) -> Option<Problem> {
    let (size, images) = (spec.train.batch_size, dataset.train.len());
    let by_default = if size == BATCH_SIZE_BY_DEFAULT { ", its default" } else { "" };
    let there = counted(images, "training image");
    let keys = ["train.batch_size", "data.limit", "data.validation", "data.images"];
    let message = format!("`train.batch_size` is {}{by_default}, but there are only {there}", grouped(size));
    let help = format!("set `train.batch_size` to {images} or less, or use more images");
    (size > images as u64).then(|| Problem::new(&keys, message, help))
}

/// Whether a model fits the memory of any machine.
pub(super) fn parameters(architecture: &Architecture) -> Option<Problem> {
    let parameters = architecture.parameters();
    let found = if parameters < 1 << 100 { grouped(parameters) } else { "more than 10^30".to_owned() };
    let message = format!("the model would have {found} parameters; vaex takes up to {}", grouped(PARAMETER_LIMIT));
    let keys = ["model.hidden", "model.channels", "model.latent_dim"];
    (parameters > PARAMETER_LIMIT).then(|| Problem::new(&keys, message, "make its layers smaller"))
}

/// What a trial can run with, and its author may not have meant.
pub(super) fn warnings(spec: &Spec, dataset: &Dataset, architecture: &Architecture) -> Vec<Problem> {
    [effective_beta(spec, architecture), strides(architecture), grey(spec, dataset)].into_iter().flatten().collect()
}

fn effective_beta(spec: &Spec, architecture: &Architecture) -> Option<Problem> {
    let weight = spec.objective.kl.map(|kl| kl.weight).filter(|weight| *weight > 0.0)?;
    let objective = Objective::new(&spec.objective, architecture.pixels(), architecture.latent);
    let beta = objective.effective_beta(weight);
    let message = format!("`objective.kl_weight` of {} is an effective beta of {}", short(weight), digits(beta));
    let help = "so much the KL weighs beside the reconstruction, both in nats; 1 is the evidence lower bound";
    (!(0.01..=100.0).contains(&beta)).then(|| Problem::new(&["objective.kl_weight"], message, help))
}

fn strides(architecture: &Architecture) -> Option<Problem> {
    let Network::Conv { convs, .. } = &architecture.network else { return None };
    let halvings = convs.iter().filter(|conv| conv.stride == ConvStride::Two).count();
    // After so many the larger side is 1: each halves it, rounded up.
    let enough = architecture.height.max(architecture.width).next_power_of_two().ilog2() as usize;
    let message = format!("the image is 1x1 after {enough} of {halvings} strides of 2");
    let help = "the others change nothing of its size: make them 1, or leave them out";
    (halvings > enough).then(|| Problem::new(&["model.strides", "model.channels"], message, help))
}

fn grey(spec: &Spec, dataset: &Dataset) -> Option<Problem> {
    let grey = spec.data.binarize == Binarize::None && dataset.is_grey;
    let message = "`model.likelihood = \"bernoulli\"` on grey pixels: not a likelihood of grey values, so `elbo_nats` is not \
                   a lower bound";
    let help = "common in examples; for nats that compare with published ones set `data.binarize = \"dynamic\"` (or \
                \"static\", \"threshold\"), for a likelihood of grey values `model.likelihood = \"gaussian\"`";
    (spec.is_bernoulli() && grey).then(|| Problem::new(&["model.likelihood", "data.binarize"], message, help))
}

/// A number with three digits.
fn digits(value: f64) -> String {
    let rounded: f64 = format!("{value:.2e}").parse().unwrap_or(value);
    short(rounded)
}
