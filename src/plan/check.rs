//! What must hold for a spec to run, and the defaults of keys that depend on others.

use super::Problem;
use crate::data::Images;
use crate::language::{
    self as spec, Binarize, Family, LearnedVariance, Likelihood, Optimizer, Posterior, Schedule, Source, Spec, Variance,
};
use crate::model::architecture::{
    Architecture, ConvSpec, ConvStride, LikelihoodKind, Network, PosteriorKind, VarianceKind,
};
use crate::tensor::backend::Activation;
use crate::text::{counted, grouped};

/// Trained numbers that a model may have: 4 GB of weights, as much again for each moment of the optimiser.
const PARAMETER_LIMIT: u128 = 1_000_000_000;

/// Magnitude of a pixel that is far from what weights are drawn for.
const FAR: f64 = 10.0;

/// Collects problems.
#[derive(Default)]
pub(super) struct Checks {
    pub(super) problems: Vec<Problem>,
}

impl Checks {
    fn require(&mut self, holds: bool, keys: &[&'static str], message: impl FnOnce() -> String, help: &str) {
        if !holds {
            let help = (!help.is_empty()).then(|| help.to_owned());
            self.problems.push(Problem { keys: keys.to_vec(), message: message(), help });
        }
    }

    fn number(&mut self, key: &'static str, value: f64, holds: bool, range: &str) {
        // Training computes with single precision.
        let fits = (value as f32).is_finite() && (value == 0.0 || (value as f32).abs() >= f32::MIN_POSITIVE);
        let range = match (value.is_finite(), fits) {
            (false, _) => "a finite number",
            (true, false) if range.starts_with("0 or more") => "0, or between 1e-37 and 1e38",
            (true, false) => "between 1e-37 and 1e38",
            (true, true) => range,
        };
        let single = if value < 1.0 && value as f32 == 1.0 { ", which is 1 in single precision" } else { "" };
        let message = || format!("`{key}` must be {range}, found {}{single}", in_words(value));
        self.require(holds && fits, &[key], message, "");
    }
}

/// A number as one would write it: 1e-50 and not fifty zeros.
fn in_words(value: f64) -> String {
    let magnitude = value.abs();
    let text =
        if value != 0.0 && !(1e-4..1e15).contains(&magnitude) { format!("{value:e}") } else { value.to_string() };
    text.to_lowercase()
}

/// Takes out the keys that the trial's family, likelihood, schedule or optimiser has no use for, and says which. In a
/// sweep over these a key is of use to some trials; one that is of use to none is a mistake.
pub(super) fn drop_unused(spec: &mut Spec) -> Vec<Problem> {
    let mut unused = Vec::new();
    let (model, train) = (&mut spec.model, &mut spec.train);
    let conv = model.family == Family::Conv;
    let gaussian = model.likelihood == Likelihood::Gaussian;
    drop_unless(&mut unused, conv, &mut model.channels, ["model.channels", "model.family"], "\"conv\"");
    drop_unless(&mut unused, conv, &mut model.strides, ["model.strides", "model.family"], "\"conv\"");
    drop_unless(&mut unused, gaussian, &mut model.variance, ["model.variance", "model.likelihood"], "\"gaussian\"");
    let (objective, chooser) = (&mut spec.objective, "model.posterior");
    let noisy = model.posterior == Posterior::Gaussian;
    drop_unless(&mut unused, noisy, &mut objective.kl_weight, ["objective.kl_weight", chooser], "\"gaussian\"");
    let warmup = &mut objective.kl_warmup_epochs;
    drop_unless(&mut unused, noisy, warmup, ["objective.kl_warmup_epochs", chooser], "\"gaussian\"");
    let scale = &mut objective.posterior_scale;
    drop_unless(&mut unused, noisy, scale, ["objective.posterior_scale", chooser], "\"gaussian\"");
    let step = train.schedule == Schedule::Step;
    drop_unless(&mut unused, step, &mut train.milestones, ["train.milestones", "train.schedule"], "\"step\"");
    drop_unless(&mut unused, step, &mut train.gamma, ["train.gamma", "train.schedule"], "\"step\"");
    let optimizer = train.optimizer;
    let mut only = |takers: &[Optimizer], value: &mut Option<f64>, key: &'static str, choice: &str| {
        drop_unless(&mut unused, takers.contains(&optimizer), value, [key, "train.optimizer"], choice);
    };
    use Optimizer::{Adagrad, Adam, Adamw, Rmsprop, Sgd};
    only(&[Sgd], &mut train.momentum, "train.momentum", "\"sgd\"");
    only(&[Rmsprop], &mut train.rho, "train.rho", "\"rmsprop\"");
    only(&[Adam, Adamw], &mut train.beta1, "train.beta1", "\"adam\" or \"adamw\"");
    only(&[Adam, Adamw], &mut train.beta2, "train.beta2", "\"adam\" or \"adamw\"");
    only(
        &[Rmsprop, Adam, Adamw, Adagrad],
        &mut train.epsilon,
        "train.epsilon",
        "\"rmsprop\", \"adam\", \"adamw\" or \"adagrad\"",
    );
    only(&[Adamw], &mut train.weight_decay, "train.weight_decay", "\"adamw\"");
    unused
}

fn drop_unless<T>(
    unused: &mut Vec<Problem>,
    holds: bool,
    value: &mut Option<T>,
    keys: [&'static str; 2],
    choice: &str,
) {
    if !holds && value.take().is_some() {
        let [key, chooser] = keys;
        unused.push(Problem {
            keys: keys.to_vec(),
            message: format!("`{key}` applies only where `{chooser}` is {choice}"),
            help: Some(format!("remove it, or set `{chooser}` to {choice}")),
        });
    }
}

/// Fills in the defaults that depend on other keys.
pub(super) fn fill_defaults(spec: &mut Spec) {
    // Written out it is the same trial.
    spec.data.stored = spec.data.stored.filter(|stored| *stored != spec::Data::default().stored());
    let model = &mut spec.model;
    match model.family {
        Family::Conv => {
            model.hidden.get_or_insert_with(|| vec![32]);
            if model.channels.is_none() && model.strides.is_none() {
                model.channels = Some(vec![32, 64, 64, 64]);
                model.strides = Some(vec![1, 2, 1, 1]);
            }
        }
        Family::Mlp => {
            model.hidden.get_or_insert_with(|| vec![500]);
        }
    }
    if model.likelihood == Likelihood::Gaussian {
        model.variance.get_or_insert(Variance::Fixed(1.0));
    }
    if model.posterior == Posterior::Gaussian {
        spec.objective.kl_weight.get_or_insert(1.0);
        spec.objective.kl_warmup_epochs.get_or_insert(0.0);
        spec.objective.posterior_scale.get_or_insert_default();
    }
    let train = &mut spec.train;
    if train.schedule == Schedule::Step {
        train.gamma.get_or_insert(0.1);
    }
    match train.optimizer {
        Optimizer::Sgd => {
            train.momentum.get_or_insert(0.0);
        }
        Optimizer::Rmsprop => {
            train.rho.get_or_insert(0.9);
            train.epsilon.get_or_insert(1e-7);
        }
        Optimizer::Adam | Optimizer::Adamw => {
            train.beta1.get_or_insert(0.9);
            train.beta2.get_or_insert(0.999);
            train.epsilon.get_or_insert(1e-8);
            if train.optimizer == Optimizer::Adamw {
                train.weight_decay.get_or_insert(0.01);
            }
        }
        Optimizer::Adagrad => {
            train.epsilon.get_or_insert(1e-10);
        }
    }
}

pub(super) fn name(checks: &mut Checks, name: &str) {
    let fits = !name.is_empty() && name.chars().count() <= 100;
    let message = || format!("`name` must have 1 to 100 characters, found {}", name.chars().count());
    checks.require(fits, &["name"], message, "the experiment's folder is named after it");
    // File systems count bytes.
    let message = || format!("`name` has {} bytes; a folder's name has up to 240", name.len());
    checks.require(!fits || name.len() <= 240, &["name"], message, "use a shorter one");
    let plain = !name.starts_with('.') && !name.chars().any(|c| c == '/' || c == '\\' || c.is_control());
    let message = || format!("`name` cannot name a folder: {name:?}");
    checks.require(plain, &["name"], message, "leave out slashes, line breaks and a leading dot");
}

pub(super) fn data(checks: &mut Checks, spec: &Spec) {
    let [low, high] = spec.data.range;
    let message = || format!("`data.range` must rise from a finite number to a larger one, found [{low:?}, {high:?}]");
    let rises = (low as f32) < (high as f32) && (low as f32).is_finite() && (high as f32).is_finite();
    checks.require(rises, &["data.range"], message, "");
    if let Some([black, white]) = spec.data.stored {
        let message = || {
            format!(
                "`data.stored` must rise from a whole number to a larger one, both within 0 to 255, found [{}, {}]",
                in_words(black),
                in_words(white)
            )
        };
        let fits = [black, white].iter().all(|end| (0.0..=255.0).contains(end) && end.fract() == 0.0);
        let help = "the files hold bytes: [0, 255] where 255 is white, [0, 1] where 1 is";
        checks.require(fits && black < white, &["data.stored"], message, help);
    }
    let unit = low >= 0.0 && high <= 1.0;
    let message = || format!("a Bernoulli likelihood needs data in [0, 1], but `data.range` is [{low:?}, {high:?}]");
    checks.require(
        spec.model.likelihood != Likelihood::Bernoulli || unit,
        &["data.range", "model.likelihood"],
        message,
        "leave `data.range` out, or set `model.likelihood = \"gaussian\"`",
    );
}

pub(super) fn objective(checks: &mut Checks, spec: &Spec) {
    let objective = &spec.objective;
    for (key, value) in
        [("objective.kl_weight", objective.kl_weight), ("objective.kl_warmup_epochs", objective.kl_warmup_epochs)]
    {
        if let Some(value) = value {
            checks.number(key, value, value >= 0.0, "0 or more");
        }
    }
}

pub(super) fn train(checks: &mut Checks, spec: &Spec, images: Option<&Images>) {
    let train = &spec.train;
    let message = || "`train.batch_size` must be 1 or more, found 0".to_owned();
    checks.require(train.batch_size > 0, &["train.batch_size"], message, "");
    if let Some(images) = images.map(Images::len) {
        let by_default = if train.batch_size == spec::Train::default().batch_size { ", its default" } else { "" };
        let size = grouped(train.batch_size);
        let there = counted(images, "training image");
        let message = || format!("`train.batch_size` is {size}{by_default}, but there are only {there}");
        let help = format!("set `train.batch_size` to {images} or less, or use more images");
        let keys = ["train.batch_size", "data.limit", "data.validation", "data.images"];
        checks.require(train.batch_size <= images as u64, &keys, message, &help);
    }
    let message = || format!("`train.epochs` must be 1 to 1,000,000, found {}", grouped(train.epochs));
    checks.require((1..=1_000_000).contains(&train.epochs), &["train.epochs"], message, "");
    checks.number("train.learning_rate", train.learning_rate, train.learning_rate > 0.0, "above 0");
    checks.number("train.warmup_epochs", train.warmup_epochs, train.warmup_epochs >= 0.0, "0 or more");
    if let Some(norm) = train.clip_norm {
        checks.number("train.clip_norm", norm, norm > 0.0, "above 0");
    }
    let message = || "`train.checkpoint_steps` must be 1 or more, found 0".to_owned();
    let help = "leave it out to save after every epoch only";
    checks.require(train.checkpoint_steps != Some(0), &["train.checkpoint_steps"], message, help);
    let message = || "`log.pictures_every` must be 1 or more, found 0".to_owned();
    let help = "leave it out for pictures after epochs 1, 2, 4, 8, ... and the last";
    checks.require(spec.log.pictures_every != Some(0), &["log.pictures_every"], message, help);
    schedule(checks, train);
    optimizer(checks, train);
    let message = || "`train.device` is \"cuda\", but this vaex was built without CUDA".to_owned();
    checks.require(
        train.device != spec::Device::Cuda || cfg!(feature = "cuda"),
        &["train.device"],
        message,
        "build it with the `cuda` feature: cargo build --release --features cuda",
    );
}

fn schedule(checks: &mut Checks, train: &spec::Train) {
    let step = train.schedule == Schedule::Step;
    if let Some(gamma) = train.gamma {
        checks.number("train.gamma", gamma, gamma > 0.0, "above 0");
    }
    let message = || "`train.schedule = \"step\"` needs `train.milestones`".to_owned();
    checks.require(
        !step || train.milestones.is_some(),
        &["train.schedule"],
        message,
        "list the epochs after which the rate is multiplied by `gamma`: milestones = [5, 8]",
    );
    let milestones = train.milestones.as_deref().unwrap_or_default();
    let message = || "`train.milestones` is empty".to_owned();
    let help = "list the epochs after which the rate is multiplied by `gamma`: milestones = [5, 8]";
    let none = train.milestones.as_ref().is_some_and(Vec::is_empty);
    checks.require(!none, &["train.milestones"], message, help);
    let rising = milestones.windows(2).all(|pair| pair[0] < pair[1]);
    let message = || "`train.milestones` must rise".to_owned();
    checks.require(rising, &["train.milestones"], message, "list each epoch once, the earliest first");
}

fn optimizer(checks: &mut Checks, train: &spec::Train) {
    let shares = [
        ("train.momentum", train.momentum),
        ("train.rho", train.rho),
        ("train.beta1", train.beta1),
        ("train.beta2", train.beta2),
    ];
    for (key, value) in shares {
        if let Some(value) = value {
            checks.number(key, value, (0.0..1.0).contains(&(value as f32)), "0 or more and below 1");
        }
    }
    if let Some(epsilon) = train.epsilon {
        checks.number("train.epsilon", epsilon, epsilon > 0.0, "above 0");
    }
    if let Some(decay) = train.weight_decay {
        checks.number("train.weight_decay", decay, decay >= 0.0, "0 or more");
    }
}

/// The architecture that `[model]` asks for; for images of one pixel where there are none.
pub(super) fn model(checks: &mut Checks, spec: &Spec, images: Option<&Images>) -> Option<Architecture> {
    let before = checks.problems.len();
    let model = &spec.model;
    let message = || "`model.latent_dim` must be 1 or more, found 0".to_owned();
    checks.require(model.latent_dim > 0, &["model.latent_dim"], message, "");
    let hidden = sizes(checks, "model.hidden", model.hidden.as_deref().unwrap_or_default());
    let conv = model.family == Family::Conv;
    let tanh = model.activation == spec::Activation::Tanh;
    let message = || "`model.activation = \"tanh\"` is only for `model.family = \"mlp\"`".to_owned();
    checks.require(
        !(tanh && conv),
        &["model.activation", "model.family"],
        message,
        "remove it, or set `model.family` to \"mlp\"",
    );
    if let Some(Variance::Fixed(variance)) = model.variance {
        checks.number("model.variance", variance, variance > 0.0, "above 0");
    }
    let network = if conv {
        Network::Conv { convs: convolutions(checks, model), hidden }
    } else {
        let activation = if tanh { Activation::Tanh } else { Activation::Relu };
        Network::Mlp { hidden, activation }
    };
    let architecture = Architecture {
        height: images.map_or(1, Images::height),
        width: images.map_or(1, Images::width),
        latent: model.latent_dim as usize,
        network,
        likelihood: likelihood(model),
        posterior: match model.posterior {
            Posterior::Gaussian => PosteriorKind::Gaussian(spec.objective.posterior_scale.unwrap_or_default()),
            Posterior::None => PosteriorKind::None,
        },
        initializer: model.initializer,
    };
    let parameters = architecture.parameters();
    let found = if parameters < 1 << 100 { grouped(parameters) } else { "more than 10^30".to_owned() };
    let most = grouped(PARAMETER_LIMIT);
    let message = || format!("the model would have {found} parameters; vaex takes up to {most}");
    checks.require(
        parameters <= PARAMETER_LIMIT,
        &["model.hidden", "model.channels", "model.latent_dim"],
        message,
        "make its layers smaller",
    );
    (checks.problems.len() == before).then_some(architecture)
}

fn sizes(checks: &mut Checks, key: &'static str, sizes: &[u64]) -> Vec<usize> {
    let message = || format!("`{key}` has a size of 0");
    checks.require(!sizes.contains(&0), &[key], message, "each size is 1 or more");
    sizes.iter().map(|size| *size as usize).collect()
}

fn convolutions(checks: &mut Checks, model: &spec::Model) -> Vec<ConvSpec> {
    let channels = sizes(checks, "model.channels", model.channels.as_deref().unwrap_or_default());
    let strides = model.strides.as_deref().unwrap_or_default();
    if model.channels.is_some() != model.strides.is_some() {
        let (given, missing) = if strides.is_empty() { ("channels", "strides") } else { ("strides", "channels") };
        let message = || format!("`model.{given}` is given without `model.{missing}`");
        let help = "give both, one channel count and one stride for each convolution, or neither";
        checks.require(false, &["model.channels", "model.strides"], message, help);
        return Vec::new();
    }
    let message = || "`model.channels` is empty".to_owned();
    checks.require(
        !channels.is_empty(),
        &["model.channels", "model.strides"],
        message,
        "list one size for each convolution",
    );
    let message =
        || format!("`model.channels` lists {} convolutions, `model.strides` {}", channels.len(), strides.len());
    checks.require(
        channels.len() == strides.len(),
        &["model.strides", "model.channels"],
        message,
        "give one stride for each convolution",
    );
    let wrong = strides.iter().find(|stride| !(1..=2).contains(*stride));
    let message = || format!("`model.strides` must be 1 or 2, found {}", wrong.copied().unwrap_or_default());
    checks.require(wrong.is_none(), &["model.strides"], message, "2 halves height and width, 1 keeps them");
    let stride = |stride: &u64| if *stride == 2 { ConvStride::Two } else { ConvStride::One };
    channels.into_iter().zip(strides).map(|(channels, s)| ConvSpec { channels, stride: stride(s) }).collect()
}

fn likelihood(model: &spec::Model) -> LikelihoodKind {
    match (model.likelihood, model.variance) {
        (Likelihood::Bernoulli, _) => LikelihoodKind::Bernoulli,
        (Likelihood::Gaussian, Some(Variance::Learned(LearnedVariance::Learned))) => {
            LikelihoodKind::Gaussian(VarianceKind::Learned)
        }
        (Likelihood::Gaussian, Some(Variance::Learned(LearnedVariance::PerPixel))) => {
            LikelihoodKind::Gaussian(VarianceKind::PerPixel)
        }
        (Likelihood::Gaussian, Some(Variance::Fixed(variance))) => {
            LikelihoodKind::Gaussian(VarianceKind::Fixed(variance as f32))
        }
        (Likelihood::Gaussian, None) => LikelihoodKind::Gaussian(VarianceKind::Fixed(1.0)),
    }
}

/// What a trial can run with, and its author may not have meant.
pub(super) fn warnings(trial: &super::Trial) -> Vec<Problem> {
    let mut checks = Checks::default();
    let (spec, architecture) = (trial.spec(), trial.architecture());
    let hidden = spec.model.hidden.as_deref().unwrap_or_default();
    let latent = spec.model.latent_dim;
    let narrowest = hidden.iter().min().copied().unwrap_or(u64::MAX);
    let message = || format!("`model.latent_dim` is {latent}, more than the {narrowest} units of a hidden layer");
    let keys = ["model.latent_dim", "model.hidden"];
    checks.require(latent <= narrowest, &keys, message, "codes cannot carry more than the layers around them");
    if let Some(weight) = spec.objective.kl_weight.filter(|weight| *weight > 0.0) {
        let objective = crate::objective::Objective::new(&spec.objective, architecture.pixels(), architecture.latent);
        let beta = objective.effective_beta(weight);
        let message =
            || format!("`objective.kl_weight` of {} is an effective beta of {}", in_words(weight), digits(beta));
        let help = "so much the KL weighs beside the reconstruction, both in nats; 1 is the evidence lower bound";
        checks.require((0.01..=100.0).contains(&beta), &["objective.kl_weight"], message, help);
    }
    let strides = spec.model.strides.as_deref().unwrap_or_default();
    let halvings = strides.iter().filter(|stride| **stride == 2).count();
    // After so many the larger side is 1: each halves it, rounded up.
    let enough = architecture.height.max(architecture.width).next_power_of_two().ilog2() as usize;
    let message = || format!("the image is 1x1 after {enough} of {halvings} strides of 2");
    let help = "the others change nothing of its size: make them 1, or leave them out";
    checks.require(halvings <= enough, &["model.strides", "model.channels"], message, help);
    let bernoulli = spec.model.likelihood == Likelihood::Bernoulli;
    let grey = spec.data.binarize == Binarize::None && trial.dataset().is_grey;
    let message = || {
        "`model.likelihood = \"bernoulli\"` on grey pixels: not a likelihood of grey values, so `elbo_nats` is not a lower bound"
            .to_owned()
    };
    let help = "common in examples; for nats that compare with published ones set `data.binarize = \"dynamic\"` (or \
                \"static\", \"threshold\"), for a likelihood of grey values `model.likelihood = \"gaussian\"`";
    checks.require(!(bernoulli && grey), &["model.likelihood", "data.binarize"], message, help);
    let binary = spec.data.binarize != Binarize::None;
    let gaussian = spec.model.likelihood == Likelihood::Gaussian;
    let message = || "a Gaussian likelihood of pixels that `data.binarize` makes zeros and ones".to_owned();
    let help =
        "its density grows without bound on two values: set `model.likelihood = \"bernoulli\"`, or leave pixels grey";
    checks.require(!(gaussian && binary), &["model.likelihood", "data.binarize"], message, help);
    let rate = spec.train.learning_rate;
    let adaptive = spec.train.optimizer != Optimizer::Sgd;
    let message = || format!("`train.learning_rate` of {} is large", in_words(rate));
    let help = "a step moves each weight by about that much; 1e-4 to 1e-2 are usual";
    checks.require(!adaptive || rate <= 1.0, &["train.learning_rate"], message, help);
    let (train, epochs) = (&spec.train, spec.train.epochs);
    let late = train.milestones.iter().flatten().find(|milestone| **milestone as f64 >= epochs as f64);
    let message = || format!("a milestone is after the last of {}", counted(epochs as usize, "epoch"));
    checks.require(late.is_none(), &["train.milestones"], message, "the rate is not changed there any more");
    let at_once = train.milestones.iter().flatten().any(|milestone| *milestone == 0);
    let message = || "a milestone of 0 is before the first epoch".to_owned();
    let help = "the rate is multiplied by `gamma` from the first step on; set `train.learning_rate` to that";
    checks.require(!at_once, &["train.milestones"], message, help);
    let message = || format!("`train.warmup_epochs` is as long as all of {}", counted(epochs as usize, "epoch"));
    let help = "the rate is never, or only just, what `train.learning_rate` says";
    checks.require(
        train.warmup_epochs < epochs as f64 || train.warmup_epochs == 0.0,
        &["train.warmup_epochs"],
        message,
        help,
    );
    let warmup = spec.objective.kl_warmup_epochs.unwrap_or(0.0);
    let message = || format!("`objective.kl_warmup_epochs` is as long as all of {}", counted(epochs as usize, "epoch"));
    let help = "the KL's weight is never, or only just, what `objective.kl_weight` says";
    checks.require(warmup < epochs as f64 || warmup == 0.0, &["objective.kl_warmup_epochs"], message, help);
    if let Some(range) = far_range(spec) {
        let message = || format!("`data.range` of {range} has pixels far larger than 1");
        let help = "a network starts with weights for values of about 1, so that the first steps may diverge, whatever \
                    `model.variance` is; [0.0, 1.0] and [-1.0, 1.0] are usual";
        checks.require(false, &["data.range"], message, help);
    }
    let default = spec::Data::default().validation;
    let message = || "`data.validation` is not used: `data.test_images` is the validation split".to_owned();
    let unused = spec.data.test_images.is_some() && spec.data.validation != default;
    checks.require(!unused, &["data.validation"], message, "remove one of them");
    checks.problems
}

/// A range of pixels, as text, that the first steps of a Gaussian likelihood may not bear.
fn far_range(spec: &Spec) -> Option<String> {
    let [low, high] = spec.data.range;
    let far = low.abs().max(high.abs()) > FAR;
    (far && spec.model.likelihood == Likelihood::Gaussian).then(|| format!("[{}, {}]", in_words(low), in_words(high)))
}

/// What to do about a trial of that spec whose loss or gradient was not finite, the likely cause first.
pub(crate) fn diverged_advice(spec: &Spec) -> String {
    let (train, rate) = (&spec.train, spec.train.learning_rate);
    let cause = far_range(spec).map(|range| {
        format!(
            "the likely cause is `data.range` = {range}, as a network starts with weights for values of about 1: set it \
             to [0.0, 1.0]; or "
        )
    });
    let (name, most, usual) = match train.optimizer {
        Optimizer::Sgd => ("sgd", 10.0, "1e-3 to 1e-1"),
        Optimizer::Rmsprop => ("rmsprop", 0.1, "1e-4 to 1e-2"),
        Optimizer::Adam => ("adam", 0.1, "1e-4 to 1e-2"),
        Optimizer::Adamw => ("adamw", 0.1, "1e-4 to 1e-2"),
        Optimizer::Adagrad => ("adagrad", 1.0, "1e-3 to 1e-1"),
    };
    let large = (rate > most).then(|| format!(" ({} is large for `{name}`: {usual} are usual)", in_words(rate)));
    let clip = train.clip_norm.is_none().then_some(", or set `train.clip_norm`");
    let (cause, large, clip) = (cause.unwrap_or_default(), large.unwrap_or_default(), clip.unwrap_or_default());
    format!("{cause}try a smaller `train.learning_rate`{large}{clip}")
}

/// A number with three digits.
fn digits(value: f64) -> String {
    let rounded: f64 = format!("{value:.2e}").parse().unwrap_or(value);
    in_words(rounded)
}

/// IDX paths become absolute, so that a trial's own spec runs from anywhere.
pub(super) fn absolute_paths(spec: &mut Spec, folder: &std::path::Path) {
    if spec.data.source != Source::Idx {
        return;
    }
    let data = &mut spec.data;
    for path in [&mut data.images, &mut data.labels, &mut data.test_images, &mut data.test_labels].into_iter().flatten()
    {
        *path = std::path::absolute(folder.join(&*path)).unwrap_or_else(|_| folder.join(&*path));
    }
}

/// A trial's own spec names its files, and a spec is UTF-8.
pub(super) fn paths(checks: &mut Checks, spec: &Spec) {
    let data = &spec.data;
    let keys = ["data.images", "data.labels", "data.test_images", "data.test_labels"];
    for (key, path) in keys.into_iter().zip([&data.images, &data.labels, &data.test_images, &data.test_labels]) {
        if let Some(path) = path {
            let message = || format!("the path of `{key}` is not UTF-8 text: {}", path.display());
            checks.require(path.to_str().is_some(), &[key], message, "rename the folder or the file");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advice(text: &str) -> String {
        diverged_advice(&toml::from_str(text).unwrap())
    }

    #[test]
    fn a_diverged_trial_is_told_the_likely_cause_first() {
        assert_eq!(advice(""), "try a smaller `train.learning_rate`, or set `train.clip_norm`");
        assert_eq!(advice("[train]\nclip_norm = 1.0"), "try a smaller `train.learning_rate`");
        let far = "[data]\nrange = [0, 255]\n[model]\nlikelihood = \"gaussian\"\n";
        assert_eq!(
            advice(far),
            "the likely cause is `data.range` = [0, 255], as a network starts with weights for values of about 1: set it \
             to [0.0, 1.0]; or try a smaller `train.learning_rate`, or set `train.clip_norm`"
        );
        assert_eq!(
            advice(&format!("{far}[train]\nlearning_rate = 0.5\nclip_norm = 2.0")),
            "the likely cause is `data.range` = [0, 255], as a network starts with weights for values of about 1: set it \
             to [0.0, 1.0]; or try a smaller `train.learning_rate` (0.5 is large for `adam`: 1e-4 to 1e-2 are usual)"
        );
    }

    #[test]
    fn rates_are_large_for_their_optimizer() {
        let is_large = |optimizer: &str, rate: f64| {
            let advice = advice(&format!("[train]\noptimizer = \"{optimizer}\"\nlearning_rate = {rate:?}"));
            assert!(advice.ends_with(", or set `train.clip_norm`"), "{advice}");
            advice.contains(&format!("large for `{optimizer}`"))
        };
        for (optimizer, most) in [("sgd", 10.0), ("adagrad", 1.0), ("rmsprop", 0.1), ("adam", 0.1), ("adamw", 0.1)] {
            assert!(!is_large(optimizer, most) && is_large(optimizer, 1.01 * most), "{optimizer}");
        }
    }

    #[test]
    fn ranges_are_far_from_1_in_both_directions() {
        let of = |low: f64, high: f64, likelihood: &str| {
            let text = format!("[data]\nrange = [{low:?}, {high:?}]\n[model]\nlikelihood = \"{likelihood}\"");
            far_range(&toml::from_str(&text).unwrap())
        };
        assert_eq!(of(0.0, 10.0, "gaussian"), None);
        assert_eq!(of(0.0, 10.5, "gaussian").as_deref(), Some("[0, 10.5]"));
        assert_eq!(of(-128.0, 1.0, "gaussian").as_deref(), Some("[-128, 1]"));
        // Another error says what is wrong with it.
        assert_eq!(of(0.0, 255.0, "bernoulli"), None);
    }
}
