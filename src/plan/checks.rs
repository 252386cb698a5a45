//! Checks of a spec together with its images: errors and warnings.

use super::{Problem, Trial};
use crate::data::{Binarize, Dataset, Element};
use crate::language::Spec;
use crate::model::layer::{DenseLayer, DenseOutputs, GatedDenseLayer, Layer};
use crate::model::likelihood::Support;
use crate::model::{Architecture, OutputBias};
use crate::objective::{At, Loss};
use crate::tensor::backend::Activation;
use crate::text::{counted, grouped, short};
use crate::train::{Keep, Training};

/// The maximum number of parameters: 4 GB of weights, and 4 GB for each moment of the optimizer.
const PARAMETER_LIMIT: u128 = 1_000_000_000;

/// An error if a batch has more images than the training split.
pub(super) fn batch(spec: &Spec, dataset: &Dataset) -> Option<Problem> {
    let (size, images) = (spec.train.batch_size, dataset.train.len());
    if size <= images as u64 {
        return None;
    }
    let is_default = spec.settings().iter().any(|one| one.key == "train.batch_size" && one.is_default);
    let by_default = if is_default { " (the default)" } else { "" };
    let there = counted(images, "training image");
    let keys = ["train.batch_size", "data.limit", "data.validation", "data.images"];
    let message = format!("`train.batch_size` is {}{by_default}, but there are only {there}", grouped(size));
    let help = format!("set `train.batch_size` to {images} or less, or use more images");
    Some(Problem::new(&keys, message, help))
}

/// An error if noise would be added to floats, which are continuous already, or to bits.
pub(super) fn dequantize(spec: &Spec, dataset: &Dataset) -> Option<Problem> {
    let element = dataset.train.element();
    (spec.data.dequantize && element != Element::Byte).then(|| {
        let message = format!("`data.dequantize` adds noise to bytes, but the images have {}", element.name());
        Problem::new(&["data.dequantize"], message, "remove `dequantize`")
    })
}

/// An error if the images have values or channels that the likelihood does not support.
pub(super) fn likelihood(architecture: &Architecture, dataset: &Dataset) -> Option<Problem> {
    let likelihood = architecture.likelihood;
    if let Some([message, help]) = likelihood.refusal(architecture.image.channels) {
        return Some(Problem::new(&["model.likelihood"], message, help));
    }
    // Values in `stored` are whole, unless they are floats.
    let (element, levels) = (dataset.train.element(), dataset.stored[1] - dataset.stored[0] + 1.0);
    let [found, instead] = match element {
        Element::Float => ["32-bit floats", "\"gaussian\" or \"laplace\""],
        Element::Byte if levels > 2.0 => return None,
        Element::Bit | Element::Byte => ["bits (0 or 1)", "\"bernoulli\""],
    };
    let message = format!("a {} likelihood needs bytes, but the images are {found}", likelihood.title());
    let help = format!("set `model.likelihood` to {instead}, or use images whose values are bytes");
    (likelihood.support() == Support::Levels).then(|| Problem::new(&["model.likelihood"], message, help))
}

/// Errors if the spec selects by the validation loss, but there are no validation images, or no epoch whose loss is that of the
/// whole objective.
pub(super) fn selection(spec: &Spec, training: Training<'_>) -> Vec<Problem> {
    let selects = [(spec.train.keep == Keep::Best, "train.keep"), (spec.train.patience.is_some(), "train.patience")];
    let selecting = selects.into_iter().filter(|(selects, _)| *selects).map(|(_, key)| key);
    let is_whole = has_full_weight(spec, training);
    let rises = selects.iter().any(|(selects, _)| *selects) && !(1..=spec.train.epochs).rev().any(is_whole);
    let fault = |key: &'static str| {
        if training.dataset.validation.is_empty() {
            let message = format!("`{key}` needs the validation loss, but there are no validation images");
            return Some(Problem::new(&[key, "data.validation"], message, "set `data.validation`, or remove the key"));
        }
        let message = format!("`{key}` compares epochs with the full KL weight and capacity, but no epoch has them");
        let keys = [key, "objective.kl_warmup_epochs", "objective.capacity_steps", "train.epochs"];
        rises.then(|| Problem::new(&keys, message, "train for more epochs, or shorten the warm-up"))
    };
    selecting.filter_map(fault).collect()
}

/// Whether an epoch ends with the full KL weight and capacity.
fn has_full_weight(spec: &Spec, training: Training<'_>) -> impl Fn(u64) -> bool {
    let (values, latent) = (training.architecture.image.values(), training.architecture.latent);
    let (images, steps_per_epoch) = (training.dataset.train.len(), training.steps_per_epoch());
    let scheduled = move |at: At| {
        let scheduled = spec.objective.kind.scheduled(at);
        [scheduled.kl_weight, scheduled.capacity_nats].map(|value| value.unwrap_or(0.0))
    };
    // A schedule may rise in cycles.
    let of_epoch = move |epoch: u64| {
        let step = epoch.saturating_mul(steps_per_epoch).saturating_sub(1);
        scheduled(At { step, steps_per_epoch, images, values, latent })
    };
    let whole = scheduled(At::after_all(images, values, latent));
    move |epoch: u64| of_epoch(epoch).iter().zip(&whole).all(|(now, whole)| *now >= whole * (1.0 - 1e-9))
}

/// The first of some epochs that does not end with the full KL weight and capacity.
pub(super) fn without_full_weight(spec: &Spec, training: Training<'_>, epochs: &[u64]) -> Option<u64> {
    let is_whole = has_full_weight(spec, training);
    epochs.iter().copied().find(|epoch| !is_whole(*epoch))
}

/// An error if the device needs a feature that this binary was built without. A model that was trained on another device can be
/// used without it.
pub(super) fn device(spec: &Spec) -> Option<Problem> {
    let message = "`train.device` is \"cuda\", but vaex was built without CUDA";
    let help = "build vaex with the `cuda` feature: cargo build --release --features cuda";
    let is_missing = spec.train.device.is_gpu() && !cfg!(feature = "cuda");
    is_missing.then(|| Problem::new(&["train.device"], message, help))
}

/// An error if the model has more parameters than the maximum.
pub(super) fn parameters(architecture: &Architecture) -> Option<Problem> {
    let parameters = architecture.parameters();
    if parameters <= PARAMETER_LIMIT {
        return None;
    }
    let found = if parameters < 1 << 100 { grouped(parameters) } else { "more than 10^30".to_owned() };
    let most = grouped(PARAMETER_LIMIT);
    let message = format!("the model would have {found} parameters, more than the maximum of {most}");
    let of_prior = architecture.prior.parameters(architecture.image.values(), architecture.latent);
    if of_prior > PARAMETER_LIMIT / 2 {
        return Some(Problem::new(&["model.components", "model.prior"], message, "use fewer components"));
    }
    let keys = ["model.hidden", "model.channels", "model.encoder", "model.decoder", "model.latent_dim"];
    Some(Problem::new(&keys, message, "use fewer or smaller layers"))
}

/// An error if the initial biases of the output layer should come from the data, but the layer has none that give expected values.
pub(super) fn output_bias(architecture: &Architecture) -> Option<Problem> {
    let activation = architecture.decoder().last()?.layer.activation();
    let is_wrong = architecture.output_bias == OutputBias::Data && activation != Some(Activation::Identity);
    let message = "`model.output_bias = \"data\"` needs an output layer with a bias and without an activation";
    let help = "remove `output_bias`, or use `conv`, `conv_transpose` or `dense` with `activation = \"none\"` as the last layer";
    is_wrong.then(|| Problem::new(&["model.output_bias", "model.decoder"], message, help))
}

/// The maximum number of activations of one image.
const ACTIVATION_LIMIT: u128 = 1_000_000_000;

/// An error if the layers of the model have more activations than the maximum.
pub(super) fn activations(architecture: &Architecture) -> Option<Problem> {
    let activations = architecture.activations();
    if activations <= ACTIVATION_LIMIT {
        return None;
    }
    let found = if activations < 1 << 100 { grouped(activations) } else { "more than 10^30".to_owned() };
    let most = grouped(ACTIVATION_LIMIT);
    let message = format!("the layers would have {found} outputs for one image, more than the maximum of {most}");
    let keys = ["model.encoder", "model.decoder", "model.channels", "model.hidden"];
    Some(Problem::new(&keys, message, "use fewer channels or smaller feature maps"))
}

/// Warnings: probable mistakes that do not prevent a run.
pub(super) fn warnings(trial: &Trial) -> Vec<Problem> {
    let (spec, dataset, architecture) = (trial.spec(), trial.dataset(), trial.architecture());
    let (values, latent) = (architecture.image.values(), architecture.latent);
    let end = At {
        step: trial.steps(),
        steps_per_epoch: trial.steps_per_epoch(),
        images: trial.dataset().train.len(),
        values,
        latent,
    };
    let of_objective = spec.objective.kind.warnings(end);
    narrow(architecture)
        .into_iter()
        .chain(of_objective)
        .chain(strides(architecture))
        .chain(grey(spec, dataset))
        .chain(two_values(spec, dataset))
        .chain(output_activation(spec, architecture))
        .chain(ordered(dataset))
        .collect()
}

fn narrow(architecture: &Architecture) -> Option<Problem> {
    let units = |layer| match layer {
        Layer::Dense(DenseLayer { outputs: DenseOutputs::Units(units), .. })
        | Layer::GatedDense(GatedDenseLayer { outputs: DenseOutputs::Units(units), .. }) => Some(units),
        _ => None,
    };
    let latent = architecture.latent;
    let narrowest = architecture.encoder().into_iter().filter_map(|one| units(one.layer)).min()?;
    (latent > narrowest).then(|| {
        let message = format!("`model.latent_dim` is {latent}, more than the {narrowest} units of a hidden layer");
        let help = "the narrowest hidden layer limits the information that the codes carry";
        Problem::new(&["model.latent_dim", "model.hidden", "model.encoder"], message, help)
    })
}

fn strides(architecture: &Architecture) -> Option<Problem> {
    let halves = |layer| match layer {
        Layer::Conv(conv) => (conv.window.stride == 2).then_some(conv.inputs.pixels()),
        _ => None,
    };
    let pixels: Vec<usize> = architecture.encoder().into_iter().filter_map(|one| halves(one.layer)).collect();
    // The strides of 2 that still halve a side.
    let (halvings, enough) = (pixels.len(), pixels.iter().filter(|pixels| **pixels > 1).count());
    (halvings > enough).then(|| {
        let message = format!("the image is 1x1 after {enough} of {halvings} strides of 2");
        let help = "the other strides of 2 have no effect on the size: set them to 1, or remove these convolutions";
        Problem::new(&["model.strides", "model.channels", "model.encoder"], message, help)
    })
}

fn grey(spec: &Spec, dataset: &Dataset) -> Option<Problem> {
    let grey = spec.data.binarize == Binarize::None && (dataset.is_grey || spec.data.dequantize);
    let message = "`model.likelihood = \"bernoulli\"` on grey pixels: this is not a likelihood of grey values, so `elbo_nats` is not \
                   a lower bound";
    let help = "this is common in tutorials; to compare nats with published results, set `data.binarize = \"dynamic\"` (or \
                \"static\", \"threshold\"); for a likelihood of grey values, set `model.likelihood` to \"gaussian\" or \"continuous_bernoulli\"";
    (spec.model.likelihood.support() == Support::Bits && grey)
        .then(|| Problem::new(&["model.likelihood", "data.binarize"], message, help))
}

/// A warning if a density is that of pixels with two values. Those of `data.binarize` have a warning of their own.
fn two_values(spec: &Spec, dataset: &Dataset) -> Option<Problem> {
    let likelihood = spec.model.likelihood;
    let has_two = spec.data.binarize == Binarize::None && !spec.data.dequantize && !dataset.is_grey;
    let is_density = matches!(likelihood.support(), Support::Unit | Support::Line);
    (has_two && is_density).then(|| {
        let message = format!("`model.likelihood = \"{}\"` on pixels that are only black or white", likelihood.name());
        let help = format!(
            "on two pixel values, a {} density has no upper bound: set `model.likelihood = \"bernoulli\"`",
            likelihood.title()
        );
        Problem::new(&["model.likelihood", "data.source", "data.images"], message, help)
    })
}

/// A warning if the activation of the output layer does not suit the likelihood.
fn output_activation(spec: &Spec, architecture: &Architecture) -> Option<Problem> {
    let decoder = architecture.decoder();
    let activation = decoder.last()?.layer.activation().filter(|activation| *activation != Activation::Identity)?;
    let (name, title) = (activation.name(), architecture.likelihood.title());
    let [message, help] = match architecture.likelihood.interval_of_outputs(spec.data.range) {
        None => [
            format!("the output layer has the activation `{name}`, but a {title} likelihood takes logits"),
            "remove `activation`: the likelihood applies the sigmoid itself".to_owned(),
        ],
        Some(needed) => {
            let [low, high] = activation.range();
            if low <= needed[0] && high >= needed[1] {
                return None;
            }
            let (values, needed) = (in_words([low, high]), in_words(needed));
            [
                format!(
                    "the output layer has the activation `{name}`, whose values are {values}, but a {title} likelihood needs \
                     outputs that are {needed}"
                ),
                "remove `activation`, or choose one with these values".to_owned(),
            ]
        }
    };
    Some(Problem::new(&["model.decoder", "model.likelihood"], message, help).at(decoder.len() - 1))
}

/// An interval in words.
fn in_words([low, high]: [f64; 2]) -> String {
    match (low.is_finite(), high.is_finite()) {
        (true, true) => format!("from {} to {}", short(low), short(high)),
        (true, false) => format!("{} or more", short(low)),
        (false, true) => format!("at most {}", short(high)),
        (false, false) => "any number".to_owned(),
    }
}

fn ordered(dataset: &Dataset) -> Option<Problem> {
    let column = dataset.ordered_by.as_ref()?;
    let message = format!(
        "the images are in the order of their `{column}`, and the last ones are held out: they differ from the training images"
    );
    let help = "set `data.split` to \"random\" or \"stratified\"";
    Some(Problem::new(&["data.split", "data.validation", "data.test", "data.images"], message, help))
}
