//! What a user wrote: the TOML experiment file as types, one to one with its keys.
//!
//! Nothing here is checked beyond its type; [`crate::plan`] turns a [`Spec`] into trials that can run.

pub mod diagnostics;
mod document;
mod names;
mod numbers;
mod schema;
pub mod sweep;
pub(crate) mod synonyms;
mod types;

pub use document::{Document, Entry, Key, Override, ReadError};
pub(crate) use names::nearest;
pub use schema::{json_schema, known_keys, reference};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// An experiment: one model, one objective, one training, and what to vary.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Spec {
    /// The version of this language that the file is written in; 1 is the only one yet.
    #[serde(skip_serializing)]
    #[schemars(range(min = 1, max = 1))]
    pub spec_version: Option<u64>,
    /// A file, or several, whose keys this one has too unless it gives them itself; paths relative to this file. The
    /// name is not taken over.
    #[serde(skip_serializing)]
    pub extends: Option<Extends>,
    /// The experiment's name, and its folder's below `runs`; by default the file's name.
    #[schemars(length(min = 1, max = 100), regex(pattern = r"^[^./\\\\][^/\\\\]*$"))]
    pub name: Option<String>,
    /// Words to find the trials by, in trial.json and the tables; they change nothing else.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Seed of all that is random in training: weights, order of the images, noise, `dynamic` binarisation. Held-out images
    /// are measured on the same numbers, whatever it is.
    pub seed: u64,
    /// Which images to train on.
    pub data: Data,
    /// The network and its distributions.
    pub model: Model,
    /// The loss and its conventions.
    pub objective: Objective,
    /// How the weights are found.
    pub train: Train,
    /// What is logged, and how often; it changes nothing else.
    #[serde(skip_serializing_if = "Log::is_default")]
    pub log: Log,
    /// What to vary: one trial for each combination of the listed values.
    #[serde(skip_serializing_if = "Sweep::is_empty")]
    pub sweep: Sweep,
}

/// The version of the language of specs.
pub const SPEC_VERSION: u64 = 1;

/// What a file is built upon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a path in quotes, or a list of them")]
pub enum Extends {
    /// One file.
    One(PathBuf),
    /// Several; later ones win.
    Several(Vec<PathBuf>),
}

/// Where images come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// Fashion-MNIST images that are embedded in the binary.
    #[default]
    FashionMini,
    /// IDX files, as MNIST is published in, plain or gzipped.
    Idx,
}

/// How grey pixels become zeros and ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Binarize {
    /// Grey values stay as they are.
    #[default]
    None,
    /// A pixel is one where its value is in the upper half of `stored`: 128 or more of 255.
    Threshold,
    /// Each pixel is drawn once, with its grey value as the probability of a one.
    Static,
    /// As `static`, drawn anew in each epoch for training images; validation images are drawn once.
    Dynamic,
}

/// Which share of the images is held out for validation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a count of images, or a fraction between 0 and 1")]
pub enum Validation {
    /// That many of the last images.
    Images(#[schemars(range(min = 1))] u64),
    /// That fraction of the images, the last ones, below 1.
    Fraction(#[schemars(extend("exclusiveMinimum" = 0, "exclusiveMaximum" = 1))] f64),
}

/// The `[data]` table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Data {
    /// 2,000 images of Fashion-MNIST that are in the binary, or IDX files as MNIST is published in.
    pub source: Source,
    /// IDX file of training images, plain or gzipped, relative to the spec file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images: Option<PathBuf>,
    /// IDX file of the training images' labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<PathBuf>,
    /// IDX file of validation images, all of which are used; without it the last training images are held out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_images: Option<PathBuf>,
    /// IDX file of the validation images' labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_labels: Option<PathBuf>,
    /// Use only that many images of the training file, the first ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub limit: Option<u64>,
    /// Images held out from the end of the training file: a count, or a fraction below 1. Not used with `test_images`.
    pub validation: Validation,
    /// The values that stand for black and white in the files, within 0 to 255: `[0, 1]` where pixels are bits. Others are
    /// an error; default `[0, 255]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stored: Option<[f64; 2]>,
    /// Grey pixels as they are; those in the upper half of `stored` are ones; drawn once; or drawn anew in each epoch.
    pub binarize: Binarize,
    /// The values that the ends of `stored` become.
    pub range: [f64; 2],
}

/// The values that stand for black and white where a spec does not say: all that a byte can have.
const STORED: [f64; 2] = [0.0, 255.0];

impl Data {
    /// `stored`, or its default.
    pub fn stored(&self) -> [f64; 2] {
        self.stored.unwrap_or(STORED)
    }
}

impl Default for Data {
    fn default() -> Self {
        Data {
            source: Source::default(),
            images: None,
            labels: None,
            test_images: None,
            test_labels: None,
            limit: None,
            validation: Validation::Fraction(0.1),
            stored: None,
            binarize: Binarize::default(),
            range: [0.0, 1.0],
        }
    }
}

/// Which network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// 3x3 convolutions, and their adjoints in the decoder; the defaults are the walkthrough's network.
    #[default]
    Conv,
    /// Dense layers; the decoder mirrors the encoder.
    Mlp,
}

/// Nonlinearity of hidden layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// max(0, x)
    #[default]
    Relu,
    /// Hyperbolic tangent; `mlp` only.
    Tanh,
}

/// p(x|z): the distribution of pixels given a code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Likelihood {
    /// One logit a pixel; needs data in [0, 1].
    #[default]
    Bernoulli,
    /// One mean a pixel, with `variance`; its full constant is in the loss.
    Gaussian,
}

/// q(z|x): the distribution of codes given an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Posterior {
    /// A mean and a log-variance per latent axis.
    #[default]
    Gaussian,
    /// A point: the plain autoencoder, without noise and without KL.
    None,
}

/// A variance that training finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LearnedVariance {
    /// One variance for the whole model.
    Learned,
    /// One variance for each pixel.
    PerPixel,
}

/// Variance of the Gaussian likelihood.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a number, \"learned\" or \"per_pixel\"")]
pub enum Variance {
    /// That number, in squared units of the data.
    Fixed(f64),
    /// Found by training, from 1 on.
    Learned(LearnedVariance),
}

/// How weights are drawn before training; biases start at zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Initializer {
    /// Uniform in ±sqrt(6 / (fan_in + fan_out)): Glorot and Bengio 2010.
    #[default]
    Glorot,
    /// Uniform in ±sqrt(6 / fan_in): He et al. 2015.
    He,
}

/// The `[model]` table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Model {
    /// 3x3 convolutions with TensorFlow's SAME padding, or dense layers.
    pub family: Family,
    /// Number of latent axes.
    #[schemars(range(min = 1))]
    pub latent_dim: u64,
    /// Sizes of the dense hidden layers. `conv`: between the convolutions and the heads, default `[32]`.
    /// `mlp`: of the encoder, mirrored in the decoder, default `[500]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(inner(range(min = 1)))]
    pub hidden: Option<Vec<u64>>,
    /// `conv`: output channels of each convolution of the encoder, default `[32, 64, 64, 64]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), inner(range(min = 1)))]
    pub channels: Option<Vec<u64>>,
    /// `conv`: stride of each convolution, default `[1, 2, 1, 1]`. The decoder has one transposed convolution for each
    /// stride of 2, back to the channels that it began with.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), inner(range(min = 1, max = 2)))]
    pub strides: Option<Vec<u64>>,
    /// Nonlinearity of hidden layers; `tanh` for `mlp` only.
    pub activation: Activation,
    /// p(x|z), the distribution of pixels given a code: logits, or means with `variance` and the full constant.
    pub likelihood: Likelihood,
    /// Of a Gaussian likelihood: that number, one that is learned, or one learned for each pixel; default 1.0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variance: Option<Variance>,
    /// q(z|x), the distribution of codes given an image; `none` is the plain autoencoder.
    pub posterior: Posterior,
    /// Weights are drawn uniformly, in bounds by both fans or by the inputs alone; biases start at zero.
    pub initializer: Initializer,
}

impl Default for Model {
    fn default() -> Self {
        Model {
            family: Family::default(),
            latent_dim: 2,
            hidden: None,
            channels: None,
            strides: None,
            activation: Activation::default(),
            likelihood: Likelihood::default(),
            variance: None,
            posterior: Posterior::default(),
            initializer: Initializer::default(),
        }
    }
}

/// The unit of the loss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reduction {
    /// Nats per image: reconstruction summed over pixels + kl_weight * KL summed over latent axes.
    #[default]
    Sum,
    /// The walkthrough's: reconstruction averaged over pixels + kl_weight * 2 KL averaged over latent axes.
    Mean,
}

/// What the posterior's second head is taken for when sampling.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PosteriorScale {
    /// A log-variance: std = exp(log_var / 2).
    #[default]
    LogVar,
    /// The walkthrough's slip: std = exp(log_var), while the KL still takes it for a log-variance.
    LogStd,
}

/// The `[objective]` table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Objective {
    /// Weight of the KL term, in the convention of `reduction`; default 1.0.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0))]
    pub kl_weight: Option<f64>,
    /// The weight rises linearly over that many epochs, from 0 in the first step; default 0.0.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0))]
    pub kl_warmup_epochs: Option<f64>,
    /// The unit of the loss and of `kl_weight`: nats per image, or the walkthrough's means; see below.
    pub reduction: Reduction,
    /// The posterior's deviation is exp(log_var / 2), or the walkthrough's slip exp(log_var); default `log_var`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub posterior_scale: Option<PosteriorScale>,
}

/// Update rule of the weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Optimizer {
    /// Stochastic gradient descent, with `momentum`.
    Sgd,
    /// RMSprop (Tieleman and Hinton 2012): weight -= rate * gradient / (sqrt(mean_square) + `epsilon`), with `rho`.
    Rmsprop,
    /// Adam (Kingma and Ba 2015): `beta1`, `beta2`, `epsilon`.
    #[default]
    Adam,
    /// Adam with decoupled `weight_decay` (Loshchilov and Hutter 2019).
    Adamw,
    /// Adagrad (Duchi et al. 2011): `epsilon`.
    Adagrad,
}

/// Learning rate over time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// Always `learning_rate`.
    #[default]
    Constant,
    /// Multiplied by `gamma` after each epoch listed in `milestones`.
    Step,
    /// Half a cosine from `learning_rate`, after the warm-up, down to 0 at the end of the last epoch.
    Cosine,
}

/// What computes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Device {
    /// The processor.
    #[default]
    Cpu,
    /// An NVIDIA GPU; needs a binary built with the `cuda` feature.
    Cuda,
}

/// The `[log]` table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// Epochs from one set of pictures to the next; by default they are drawn after epochs 1, 2, 4, 8, ... They always are
    /// after the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub pictures_every: Option<u64>,
}

impl Log {
    fn is_default(&self) -> bool {
        *self == Log::default()
    }
}

/// The `[train]` table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Train {
    /// Images in a step; the last step of an epoch takes what is left.
    #[schemars(range(min = 1))]
    pub batch_size: u64,
    /// Passes over the training images.
    #[schemars(range(min = 1))]
    pub epochs: u64,
    /// Update rule of the weights.
    pub optimizer: Optimizer,
    /// Learning rate before the schedule.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub learning_rate: f64,
    /// The rate stays, is multiplied by `gamma` after each of `milestones`, or falls to 0 in half a cosine after the warm-up.
    pub schedule: Schedule,
    /// `step`: epochs after which the rate is multiplied by `gamma`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub milestones: Option<Vec<u64>>,
    /// `step`: the factor, default 0.1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub gamma: Option<f64>,
    /// The rate rises linearly over that many epochs, and is reached in their last step.
    #[schemars(range(min = 0.0))]
    pub warmup_epochs: f64,
    /// `sgd`: share of the last update that is kept, default 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1))]
    pub momentum: Option<f64>,
    /// `rmsprop`: decay of the mean square, default 0.9.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1))]
    pub rho: Option<f64>,
    /// `adam`, `adamw`: decay of the mean, default 0.9.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1))]
    pub beta1: Option<f64>,
    /// `adam`, `adamw`: decay of the mean square, default 0.999.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1))]
    pub beta2: Option<f64>,
    /// All but `sgd`: added to the root of the mean square, as PyTorch does; default 1e-7 (`rmsprop`), 1e-8 (`adam`, `adamw`), 1e-10 (`adagrad`).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub epsilon: Option<f64>,
    /// `adamw`: decoupled decay, default 0.01.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0))]
    pub weight_decay: Option<f64>,
    /// Gradients with a larger Euclidean norm are scaled down to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub clip_norm: Option<f64>,
    /// Save the state of training after every so many steps too; it is saved after every epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub checkpoint_steps: Option<u64>,
    /// What computes; `cuda` needs `cargo build --release --features cuda`, with nvcc on the PATH.
    pub device: Device,
}

impl Default for Train {
    fn default() -> Self {
        Train {
            batch_size: 128,
            epochs: 10,
            optimizer: Optimizer::default(),
            learning_rate: 1e-3,
            schedule: Schedule::default(),
            milestones: None,
            gamma: None,
            warmup_epochs: 0.0,
            momentum: None,
            rho: None,
            beta1: None,
            beta2: None,
            epsilon: None,
            weight_decay: None,
            clip_norm: None,
            checkpoint_steps: None,
            device: Device::default(),
        }
    }
}

/// The `[sweep]` table: what to vary. Trials are the product of the samples, the zipped lists, the lists of the grid and
/// the seeds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Sweep {
    /// Dotted keys, each with the values to try, or a range of numbers: every combination is a trial.
    pub grid: BTreeMap<String, Values>,
    /// Dotted keys, each with as many values as the others: the first of each are a trial, then the second, and so on.
    pub zip: BTreeMap<String, Values>,
    /// Dotted keys, each with how its values are drawn.
    pub random: Random,
    /// How many seeds each setting is trained with, from 0 on, or a list of them.
    pub seeds: Option<Seeds>,
    /// Further trials: tables of dotted keys and their values.
    pub include: Vec<BTreeMap<String, AnyValue>>,
    /// Trials to leave out: those with all values of one of these tables; a list means any of its values.
    pub exclude: Vec<BTreeMap<String, AnyValue>>,
    /// Trials that there may be.
    #[schemars(range(min = 1, max = 1_000_000), extend("default" = 100_000))]
    pub limit: Option<u64>,
}

/// A value of some key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct AnyValue(#[schemars(with = "serde_json::Value")] pub toml::Value);

/// The values of a key that is varied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Values {
    /// One after the other.
    List(Vec<AnyValue>),
    /// Numbers at equal distances.
    Range(Range),
}

/// Numbers at equal distances, on a linear or a logarithmic scale.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// The first.
    pub from: f64,
    /// The last.
    pub to: f64,
    /// How many.
    #[schemars(range(min = 2))]
    pub steps: u64,
    /// `linear` or `log`.
    #[serde(default)]
    pub scale: Scale,
}

/// How numbers are spaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// By equal differences.
    #[default]
    Linear,
    /// By equal ratios.
    Log,
}

/// Seeds of each setting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Seeds {
    /// 0, 1, ... so many.
    Count(#[schemars(range(min = 1, max = 100_000))] u64),
    /// These.
    List(Vec<u64>),
}

/// The `[sweep.random]` table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Random {
    /// How many samples to draw.
    #[schemars(range(min = 1))]
    pub samples: Option<u64>,
    /// Seed of the draws; the same seed, key and number of the sample give the same value.
    pub seed: Option<u64>,
    /// How the values of dotted keys are drawn.
    #[serde(flatten)]
    pub keys: BTreeMap<String, Distribution>,
}

/// How the values of a key are drawn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Distribution {
    /// Numbers between two, each equally likely.
    Uniform([f64; 2]),
    /// Numbers between two, their logarithms equally likely.
    LogUniform([f64; 2]),
    /// Whole numbers from the first to the second, both among them.
    Int([i64; 2]),
    /// Values of a list.
    Choice(Vec<AnyValue>),
}

impl Sweep {
    fn is_empty(&self) -> bool {
        *self == Sweep::default()
    }
}
