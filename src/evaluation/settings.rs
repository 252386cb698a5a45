//! The `[evaluate]` table: what is measured when a trial is done.

use super::METRICS;
use crate::metrics::Split;
use crate::scores::collapse::CollapseSettings;
use crate::scores::factor_vae_score::FactorVaeSettings;
use crate::scores::information::MOST_BINS;
use crate::scores::mig::MigSettings;
use crate::settings::{Choices, Interval, Key, Keys, Kind, Role, Type, Word, Words};
use toml::Value;

/// The `[evaluate]` table.
#[derive(Clone, Debug, PartialEq)]
pub struct EvaluateSettings {
    /// The images to measure; `None` for the test images or, if there are none, the validation images.
    pub split: Option<Split>,
    /// What to measure; `None` for everything that is measured by default.
    pub metrics: Option<Vec<&'static str>>,
    /// The number of importance samples for each image.
    pub nll_samples: u64,
    /// The number of images whose likelihood is estimated: the first ones of the split; `None` for all.
    pub nll_images: Option<u64>,
    /// The seed of the draws of the evaluation.
    pub seed: u64,
    /// The number of bins of an axis, for mutual information.
    pub bins: u64,
    /// The standard deviation below which an axis is left out of the FactorVAE score.
    pub factor_vae_threshold: f64,
    /// The variance of posterior means above which an axis is active.
    pub active_threshold: f64,
}

impl Default for EvaluateSettings {
    fn default() -> EvaluateSettings {
        EvaluateSettings {
            split: None,
            metrics: None,
            nll_samples: NLL_SAMPLES,
            nll_images: None,
            seed: 0,
            bins: MigSettings::default().bins as u64,
            factor_vae_threshold: FactorVaeSettings::default().threshold,
            active_threshold: CollapseSettings::default().threshold,
        }
    }
}

/// The default number of importance samples, as in the papers on IWAE and the VampPrior.
const NLL_SAMPLES: u64 = 5_000;
/// The largest number of importance samples.
const MOST_SAMPLES: u64 = 1_000_000;

static TEST: Kind<Split> = Kind::new("test", "The test images.", |_| Split::Test);
static VALIDATION: Kind<Split> =
    Kind::new("validation", "The validation images.", |_| Split::Validation).also("val dev");
static TRAIN: Kind<Split> =
    Kind::new("train", "The training images, not mirrored, with the draws of epoch 0.", |_| Split::Train)
        .also("training");

/// The splits that a spec can choose.
pub static SPLITS: Choices<Split> = Choices(&[&TEST, &VALIDATION, &TRAIN]);

/// The names of all metrics.
#[derive(Debug)]
struct Names;

impl Words for Names {
    fn words(&self) -> Vec<&'static Word> {
        METRICS.iter().map(|metric| metric.word()).collect()
    }
}

/// The word for everything that is measured by default.
#[derive(Debug)]
struct ByDefault;

const DEFAULT: Word =
    Word { name: "default", doc: "Every metric that is measured by default and that applies.", also: "all" };

impl Words for ByDefault {
    fn words(&self) -> Vec<&'static Word> {
        static WORD: Word = DEFAULT;
        vec![&WORD]
    }
}

const SPLIT: Key = Key::new(
    "split",
    "The images that are measured; by default the test images or, if there are none, the validation images.",
)
.also("subset part")
.example("\"test\"")
.role(Role::Output);
const METRICS_KEY: Key = Key::new(
    "metrics",
    "What is measured when a trial is done: a list of names, or `\"default\"` for every metric that applies except the slow \
     ones (`nll`, `mig_sampled`, `frechet_labels`).",
)
.also("scores measures")
.example("[\"nll\", \"active_units\"]")
.role(Role::Output);
const NLL_SAMPLES_KEY: Key = Key::new("nll_samples", "The number of importance samples per image for `nll`.")
    .also("n_samples num_samples iw_samples importance_samples k")
    .example("1000")
    .role(Role::Output);
const NLL_IMAGES: Key = Key::new(
    "nll_images",
    "The number of images whose likelihood `nll` estimates: the first ones of the split; by default all.",
)
.also("n_images num_images")
.example("1000")
.role(Role::Output);
const SEED: Key = Key::new("seed", "The seed of the draws of the evaluation; training does not use it.")
    .also("random_state")
    .example("1")
    .role(Role::Output);
const BINS: Key = Key::new(
    "bins",
    "The number of bins of each latent axis, for the mutual information of `mig`, `modularity` and `unsupervised`.",
)
.also("num_bins n_bins mig_bins")
.example("50")
.role(Role::Output);
const FACTOR_VAE_THRESHOLD: Key = Key::new(
    "factor_vae_threshold",
    "Latent axes whose posterior means have a standard deviation below it are left out of `factor_vae_score`.",
)
.also("prune_threshold pruning_threshold")
.example("0.1")
.role(Role::Output);
const ACTIVE_THRESHOLD: Key = Key::new(
    "active_threshold",
    "A latent axis is active in `active_units` if the variance of its posterior means over the images is above it.",
)
.also("au_threshold active_units_threshold")
.example("0.05")
.role(Role::Output);

impl EvaluateSettings {
    /// The name of the table.
    pub const TABLE: &'static str = "evaluate";
    /// The key of the metrics, in the table.
    pub const METRICS: &'static str = METRICS_KEY.name;
    /// The word for every metric that is measured by default.
    pub const BY_DEFAULT: &'static str = DEFAULT.name;
    /// The numbers of importance samples that are possible.
    pub const SAMPLES: std::ops::RangeInclusive<u64> = 1..=MOST_SAMPLES;

    /// The split with a name; `None` if there is none.
    pub fn split_of_name(name: &str) -> Option<Split> {
        Split::ALL.into_iter().find(|split| split.name() == name)
    }

    /// Reads the table; `None` if it is not written: then nothing is evaluated.
    pub fn read(keys: &mut Keys<'_>) -> Option<EvaluateSettings> {
        if !keys.is_describing() && !keys.has_any() {
            return None;
        }
        const KINDS: &[Type] = &[Type::Word(&ByDefault), Type::List(&Type::Word(&Names), 1)];
        let kind = Type::OneOf(KINDS, "`\"default\"`, or a list of names of metrics");
        let metrics = keys.value(METRICS_KEY, kind, Some(Value::String(DEFAULT.name.to_owned())));
        let names = metrics.as_ref().and_then(Value::as_array).map(|names| {
            let known = |name: &Value| super::find(name.as_str()?).map(|metric| metric.word().name);
            names.iter().filter_map(known).collect()
        });
        let split = keys.value(SPLIT, Type::Word(&SPLITS), None);
        let split = split.and_then(|word| Some((SPLITS.find(word.as_str()?)?.read)(keys)));
        let nll_samples = keys.whole(NLL_SAMPLES_KEY, 1, MOST_SAMPLES, NLL_SAMPLES);
        let nll_images = keys.optional_whole(NLL_IMAGES, 1, Type::MOST);
        let seed = keys.whole(SEED, 0, Type::MOST, 0);
        let usual = EvaluateSettings::default();
        let bins = keys.whole(BINS, 2, MOST_BINS as u64, usual.bins);
        let factor_vae_threshold =
            keys.number(FACTOR_VAE_THRESHOLD, Interval::NOT_NEGATIVE, usual.factor_vae_threshold);
        let active_threshold = keys.number(ACTIVE_THRESHOLD, Interval::NOT_NEGATIVE, usual.active_threshold);
        Some(EvaluateSettings {
            split,
            metrics: names,
            nll_samples,
            nll_images,
            seed,
            bins,
            factor_vae_threshold,
            active_threshold,
        })
    }
}
