//! The `[train]` table: how the weights are found.

use super::optimizer::{ADAM, OPTIMIZERS, Rule};
use super::schedule::{CONSTANT, Course, SCHEDULES};
use crate::settings::{Choices, Interval, Key, Keys, Kind, Role, Type};
use std::sync::Arc;

/// The `[train]` table.
#[derive(Clone, Debug)]
pub struct TrainSettings {
    /// Images in a step; the last step of an epoch takes what is left.
    pub batch_size: u64,
    /// Passes over the training images.
    pub epochs: u64,
    /// Update rule of the weights.
    pub optimizer: Arc<dyn Rule>,
    /// Learning rate before the schedule.
    pub learning_rate: f64,
    /// How the rate changes.
    pub schedule: Arc<dyn Course>,
    /// The rate rises linearly over that many epochs.
    pub warmup_epochs: f64,
    /// Gradients with a larger norm are scaled down to it.
    pub clip_norm: Option<f64>,
    /// The state is saved after every so many steps too.
    pub checkpoint_steps: Option<u64>,
    /// What computes.
    pub device: Device,
}

/// What computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// The processor.
    Cpu,
    /// An NVIDIA GPU; needs a binary built with the `cuda` feature.
    Cuda,
}

static CPU: Kind<Device> = Kind::new("cpu", "The processor.", |_| Device::Cpu);
static CUDA: Kind<Device> =
    Kind::new("cuda", "An NVIDIA GPU; needs a binary built with the `cuda` feature.", |_| Device::Cuda)
        .also("gpu nvidia");

/// The devices that a spec can choose.
pub static DEVICES: Choices<Device> = Choices(&[&CPU, &CUDA]);

/// Images in a step where a spec does not say.
pub const BATCH_SIZE_BY_DEFAULT: u64 = 128;

const BATCH_SIZE: Key = Key::new("batch_size", "Images in a step; the last step of an epoch takes what is left.")
    .also("bs batch minibatch minibatch_size")
    .example("32");
const EPOCHS: Key = Key::new("epochs", "Passes over the training images.")
    .also("n_epochs num_epochs max_epochs nb_epochs total_epochs")
    .example("20");
const OPTIMIZER: Key =
    Key::new("optimizer", "Update rule of the weights.").also("opt optim optimiser").example("\"rmsprop\"");
const LEARNING_RATE: Key = Key::new("learning_rate", "Learning rate before the schedule.")
    .also("lr learn_rate base_lr init_lr initial_lr max_lr")
    .example("0.0003");
const SCHEDULE: Key = Key::new(
    "schedule",
    "The rate stays, is multiplied by `gamma` after each of `milestones`, or falls to 0 in half a cosine after the warm-up.",
)
.also("scheduler lr_schedule lr_scheduler lr_policy learning_rate_schedule")
.example("\"cosine\"");
const WARMUP_EPOCHS: Key =
    Key::new("warmup_epochs", "The rate rises linearly over that many epochs, and is reached in their last step.")
        .also("warmup lr_warmup lr_warmup_epochs")
        .example("1");
const CLIP_NORM: Key = Key::new("clip_norm", "Gradients with a larger Euclidean norm are scaled down to it.")
    .also(
        "clip clipnorm clipping clip_grad clip_grad_norm grad_clip grad_norm gradient_clip gradient_clip_val max_norm \
         max_grad_norm",
    )
    .example("1.0");
const CHECKPOINT_STEPS: Key = Key::new(
    "checkpoint_steps",
    "Save the state of training after every so many steps too; it is saved after every epoch.",
)
.also("checkpoint_every checkpoint_interval save_every save_interval save_steps")
.example("1000")
.hint("leave it out to save after every epoch only")
.role(Role::Output);
const DEVICE: Key =
    Key::new("device", "What computes; `cuda` needs `cargo build --release --features cuda`, with nvcc on the PATH.")
        .also("gpu use_gpu cuda use_cuda accelerator")
        .example("\"cuda\"");

impl TrainSettings {
    /// Reads the table.
    pub fn read(keys: &mut Keys<'_>) -> TrainSettings {
        let batch_size = keys.whole(BATCH_SIZE, 1, Type::MOST, BATCH_SIZE_BY_DEFAULT);
        let epochs = keys.whole(EPOCHS, 1, 1_000_000, 10);
        let optimizer = keys.choice(OPTIMIZER, &OPTIMIZERS, &ADAM);
        let learning_rate = keys.number(LEARNING_RATE, Interval::POSITIVE, 1e-3);
        let schedule = keys.choice(SCHEDULE, &SCHEDULES, &CONSTANT);
        let warmup_epochs = keys.number(WARMUP_EPOCHS, Interval::NOT_NEGATIVE, 0.0);
        let clip_norm = keys.optional_number(CLIP_NORM, Interval::POSITIVE);
        let checkpoint_steps = keys.optional_whole(CHECKPOINT_STEPS, 1, Type::MOST);
        let device = keys.choice(DEVICE, &DEVICES, &CPU);
        keys.require(
            device != Device::Cuda || cfg!(feature = "cuda"),
            &["train.device"],
            || "`train.device` is \"cuda\", but this vaex was built without CUDA".to_owned(),
            "build it with the `cuda` feature: cargo build --release --features cuda",
        );
        let (rate, is_adaptive) = (learning_rate, optimizer.rates().is_adaptive);
        let message = || format!("`train.learning_rate` of {} is large", crate::text::short(rate));
        let help = "a step moves each weight by about that much; 1e-4 to 1e-2 are usual";
        keys.warn(!is_adaptive || rate <= 1.0, &["train.learning_rate"], message, help);
        schedule.warnings(epochs).into_iter().for_each(|warning| keys.add_warning(warning));
        let message =
            || format!("`train.warmup_epochs` is as long as all of {}", crate::text::counted(epochs, "epoch"));
        let help = "the rate is never, or only just, what `train.learning_rate` says";
        keys.warn(warmup_epochs < epochs as f64 || warmup_epochs == 0.0, &["train.warmup_epochs"], message, help);
        TrainSettings {
            batch_size,
            epochs,
            optimizer,
            learning_rate,
            schedule,
            warmup_epochs,
            clip_norm,
            checkpoint_steps,
            device,
        }
    }

    /// The settings of the text of a `[train]` table, all keys of which are good.
    #[cfg(test)]
    pub(super) fn from_toml(text: &str) -> TrainSettings {
        let table: toml::Table = text.parse().unwrap();
        let written = table.into_iter().map(|(key, value)| (format!("train.{key}"), value)).collect();
        let (settings, found) = Keys::read(&written, |keys| keys.table("train", "", "", TrainSettings::read));
        assert_eq!(found.problems, []);
        settings
    }
}
