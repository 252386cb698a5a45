//! The `[train]` table: optimizer, learning rate, number of epochs and device.

use super::InitSettings;
use super::schedule::{CONSTANT, Course, SCHEDULES};
use crate::optimizer::{ADAM, OPTIMIZERS, Rule, Scaling};
use crate::settings::{Choices, Interval, Key, Keys, Kind, Role, Type};
use crate::tensor::backend::Precision;
use std::sync::Arc;

/// The `[train]` table.
#[derive(Clone, Debug)]
pub struct TrainSettings {
    /// The number of images per step; the last step of an epoch may have fewer.
    pub batch_size: u64,
    /// The number of passes over the training images.
    pub epochs: u64,
    /// The update rule of the weights.
    pub optimizer: Arc<dyn Rule>,
    /// The learning rate before warm-up and schedule.
    pub learning_rate: f64,
    /// The learning-rate schedule.
    pub schedule: Arc<dyn Course>,
    /// The number of epochs over which the learning rate rises linearly.
    pub warmup_epochs: f64,
    /// Whether the order of the images is drawn again in each epoch.
    pub shuffle: bool,
    /// How gradients are scaled.
    pub scaling: Scaling,
    /// The number of steps between two checkpoints, in addition to those that are saved by themselves.
    pub checkpoint_steps: Option<u64>,
    /// Which weights a trial that is done has.
    pub keep: Keep,
    /// Training ends when the validation loss has not improved for this number of epochs; `None` for all epochs.
    pub patience: Option<u64>,
    /// The weights that training starts with; `None` for drawn ones.
    pub init: Option<InitSettings>,
    /// The device to train on.
    pub device: Device,
}

/// Which weights a trial that is done has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Those after the last epoch.
    Last,
    /// Those of the best epoch: [`best_row`](super::best_row).
    Best,
}

static LAST: Kind<Keep> = Kind::new("last", "Those after the last epoch.", |_| Keep::Last);
static BEST: Kind<Keep> = Kind::new(
    "best",
    "Those after the epoch with the lowest validation loss, among the epochs with the full KL weight and capacity.",
    |_| Keep::Best,
)
.also("best_epoch lowest minimum");

/// The weights to keep that a spec can choose.
static KEEPS: Choices<Keep> = Choices(&[&LAST, &BEST]);

/// A device to train on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// The CPU.
    Cpu,
    /// An NVIDIA GPU; requires vaex with CUDA.
    Cuda(Precision),
}

impl Device {
    /// Whether it is a GPU.
    pub fn is_gpu(self) -> bool {
        matches!(self, Device::Cuda(_))
    }
}

static CPU: Kind<Device> = Kind::new("cpu", "The CPU.", |_| Device::Cpu);
static CUDA: Kind<Device> = Kind::new("cuda", "An NVIDIA GPU; requires vaex with CUDA.", |keys| {
    Device::Cuda(keys.choice(PRECISION, &PRECISIONS, &F32))
})
.also("gpu nvidia");

/// The devices that a spec can choose.
pub static DEVICES: Choices<Device> = Choices(&[&CPU, &CUDA]);

static F32: Kind<Precision> = Kind::new("f32", "In single precision, as on the CPU.", |_| Precision::F32)
    .also("float32 fp32 single full highest");
static TF32: Kind<Precision> = Kind::new(
    "tf32",
    "From factors whose mantissa is rounded to 10 bits (TF32), summed in single precision: faster, less exact.",
    |_| Precision::Tf32,
)
.also("tensorfloat32 tensor_float_32 high");

/// The precisions of a GPU that a spec can choose.
static PRECISIONS: Choices<Precision> = Choices(&[&F32, &TF32]);

const BATCH_SIZE: Key =
    Key::new("batch_size", "The number of images per step; the last step of an epoch may have fewer.")
        .also("bs batch minibatch minibatch_size")
        .example("32");
const EPOCHS: Key = Key::new("epochs", "The number of passes over the training images.")
    .also("n_epochs num_epochs max_epochs nb_epochs total_epochs")
    .example("20");
const OPTIMIZER: Key =
    Key::new("optimizer", "The update rule of the weights.").also("opt optim optimiser").example("\"rmsprop\"");
const LEARNING_RATE: Key = Key::new("learning_rate", "The learning rate before warm-up and schedule.")
    .also("lr learn_rate base_lr init_lr initial_lr max_lr")
    .example("0.0003");
const SCHEDULE: Key = Key::new("schedule", "The learning-rate schedule.")
    .also("scheduler lr_schedule lr_scheduler lr_policy learning_rate_schedule")
    .example("\"cosine\"");
const WARMUP_EPOCHS: Key = Key::new(
    "warmup_epochs",
    "The number of epochs over which the learning rate rises linearly; their last step has the full rate.",
)
.also("warmup lr_warmup lr_warmup_epochs")
.example("1");
const CLIP_NORM: Key = Key::new(
    "clip_norm",
    "The maximum Euclidean norm of the gradient; larger gradients are scaled down to it.",
)
.also(
    "clip clipnorm clipping clip_grad clip_grad_norm grad_clip grad_norm gradient_clip gradient_clip_val max_norm \
         max_grad_norm",
)
.example("1.0");
const NORMALIZE_GRADIENT: Key = Key::new(
    "normalize_gradient",
    "Whether the gradient of each tensor is divided by its Euclidean norm, as the VampPrior's authors do.",
)
.also("norm_grad grad_normalization gradient_normalization")
.example("true");
const SHUFFLE: Key = Key::new(
    "shuffle",
    "Whether the order of the training images is drawn again in each epoch; otherwise it is that of the data.",
)
.also("shuffling random_order")
.example("false");
const KEEP: Key = Key::new(
    "keep",
    "Which weights a trial that is done has: those that tables, `vaex evaluate` and all other commands use.",
)
.also("keep_weights save_best save_best_only restore_best_weights load_best_model_at_end")
.example("\"best\"");
const PATIENCE: Key = Key::new(
    "patience",
    "Training ends when the validation loss has not improved for this number of epochs; epochs before the full KL weight and \
     capacity do not count. By default, all epochs are trained.",
)
.also("early_stopping early_stop early_stopping_patience stopping_patience")
.example("5")
.hint("remove it to train all epochs");
const CHECKPOINT_STEPS: Key = Key::new(
    "checkpoint_steps",
    "The number of steps between two checkpoints, in addition to those that vaex saves by itself: docs/faults.md.",
)
.also("checkpoint_every checkpoint_interval save_every save_interval save_steps")
.example("1000")
.hint("remove it, to save checkpoints only as vaex decides")
.role(Role::Output);
const DEVICE: Key = Key::new("device", "The device to train on; `cuda` requires vaex with CUDA: docs/gpu.md.")
    .also("gpu use_gpu cuda use_cuda accelerator")
    .example("\"cuda\"");
const PRECISION: Key = Key::new("precision", "How a GPU computes products of matrices, which are most of the work.")
    .also("matmul_precision float32_matmul_precision allow_tf32 amp mixed_precision dtype")
    .example("\"tf32\"");

impl TrainSettings {
    /// Reads the table.
    pub fn read(keys: &mut Keys<'_>) -> TrainSettings {
        let batch_size = keys.whole(BATCH_SIZE, 1, Type::MOST, 128);
        let epochs = keys.whole(EPOCHS, 1, 1_000_000, 10);
        let optimizer = keys.choice(OPTIMIZER, &OPTIMIZERS, &ADAM);
        let learning_rate = keys.number(LEARNING_RATE, Interval::POSITIVE, 1e-3);
        let schedule = keys.choice(SCHEDULE, &SCHEDULES, &CONSTANT);
        let warmup_epochs = keys.number(WARMUP_EPOCHS, Interval::NOT_NEGATIVE, 0.0);
        let clip_norm = keys.optional_number(CLIP_NORM, Interval::POSITIVE);
        let normalizes = keys.boolean(NORMALIZE_GRADIENT);
        let message = || "`train.clip_norm` and `train.normalize_gradient` are both set".to_owned();
        keys.require(!normalizes || clip_norm.is_none(), &["train.clip_norm"], message, "remove one of them");
        let shuffle = keys.boolean_or(SHUFFLE, true);
        let checkpoint_steps = keys.optional_whole(CHECKPOINT_STEPS, 1, Type::MOST);
        let init = InitSettings::read(keys);
        let keep = keys.choice(KEEP, &KEEPS, &LAST);
        let patience = keys.optional_whole(PATIENCE, 1, Type::MOST);
        let device = keys.choice(DEVICE, &DEVICES, &CPU);
        let (rate, rates) = (learning_rate, optimizer.rates());
        let message = || format!("`train.learning_rate` of {} is large", crate::text::short(rate));
        let help = format!("each step changes each weight by about this much; usual values are {}", rates.usual);
        keys.warn(!rates.is_adaptive || rate <= rates.large, &["train.learning_rate"], message, &help);
        schedule.warnings(epochs).into_iter().for_each(|warning| keys.add_warning(warning));
        let message = || {
            let (warmup, epochs) = (crate::text::short(warmup_epochs), crate::text::grouped(epochs));
            format!("`train.warmup_epochs` ({warmup}) is not less than `train.epochs` ({epochs})")
        };
        let help = "the learning rate reaches `train.learning_rate` in the last step, or never";
        keys.warn(warmup_epochs < epochs as f64 || warmup_epochs == 0.0, &["train.warmup_epochs"], message, help);
        TrainSettings {
            batch_size,
            epochs,
            optimizer,
            learning_rate,
            schedule,
            warmup_epochs,
            shuffle,
            scaling: match clip_norm {
                Some(norm) => Scaling::ClipTo(norm),
                None if normalizes => Scaling::EachToOne,
                None => Scaling::None,
            },
            checkpoint_steps,
            keep,
            patience,
            init,
            device,
        }
    }

    /// Reads the text of a valid `[train]` table.
    #[cfg(test)]
    pub(super) fn from_toml(text: &str) -> TrainSettings {
        let table: toml::Table = text.parse().unwrap();
        let written = table.into_iter().map(|(key, value)| (format!("train.{key}"), value)).collect();
        let (settings, found) = Keys::read(&written, |keys| keys.table("train", "", "", TrainSettings::read));
        assert_eq!(found.problems, []);
        settings
    }
}
