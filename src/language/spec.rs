//! A resolved spec: all keys that apply, with their values, as one type per table.

use super::{expectation, search, sweep};
use crate::data;
use crate::evaluation::EvaluateSettings;
use crate::model::likelihood::{Grid, Support};
use crate::model::{self, Architecture};
use crate::objective::{self, Loss};
use crate::optimizer::Scaling;
use crate::settings::{Description, Found, Key, Keys, ResolvedKey, Role, Type, as_json, written};
use crate::text::short;
use crate::train;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use toml::Value;

/// The version of the spec language.
pub const SPEC_VERSION: u64 = 1;

/// The spec of one trial: the written values, and defaults for the rest.
#[derive(Clone, Debug)]
pub struct Spec {
    /// The experiment's name.
    pub name: String,
    /// Labels of the trials.
    pub tags: Vec<String>,
    /// The seed of all random numbers in training.
    pub seed: u64,
    /// The images.
    pub data: data::DataSettings,
    /// The network, the likelihood and the posterior.
    pub model: model::ModelSettings,
    /// The loss.
    pub objective: objective::ObjectiveSettings,
    /// The optimizer, the learning rate and the number of epochs.
    pub train: train::TrainSettings,
    /// What is logged, and how often.
    pub log: Log,
    /// What is measured when the trial is done; `None` for nothing.
    pub evaluate: Option<EvaluateSettings>,
    /// The keys that apply, in order. Trials of a sweep share them, because most are the same.
    settings: Box<[Arc<ResolvedKey>]>,
}

/// The `[log]` table.
#[derive(Clone, Copy, Debug)]
pub struct Log {
    /// After which epochs images are drawn, in addition to the last epoch.
    pub pictures: PictureEpochs,
}

/// Epochs after which images are drawn.
#[derive(Clone, Copy, Debug)]
pub enum PictureEpochs {
    /// Epochs 1, 2, 4, 8, ...
    PowersOfTwo,
    /// Every so many epochs.
    Every(u64),
}

impl PictureEpochs {
    /// Whether images are drawn after an epoch, counted from 1.
    pub fn contain(self, epoch: u64) -> bool {
        match self {
            PictureEpochs::PowersOfTwo => epoch.is_power_of_two(),
            PictureEpochs::Every(number) => epoch.is_multiple_of(number),
        }
    }
}

const NAME: Key =
    Key::new("name", "The name of the experiment and of its folder in `runs`; by default the name of the file.")
        .also("experiment experiment_name run_name title")
        .example("\"beta_sweep\"")
        .role(Role::Experiment);
const TAGS: Key =
    Key::new("tags", "Labels of the trials, saved in trial.json and in the tables; they do not affect results.")
        .example("[\"baseline\"]")
        .role(Role::Output);
const SEED: Key = Key::new(
    "seed",
    "The seed of all random numbers in training: initial weights, order of the images, noise, `dynamic` binarization. \
     Validation uses the same random numbers for every seed.",
)
.also("random_seed random_state manual_seed rng rng_seed")
.example("7");
const EXTENDS: Key = Key::new(
    "extends",
    "A spec file, or a list of them, to include: this file overrides their keys. Paths are relative to this file. `name` is \
     not included.",
)
.also("base bases inherits parent")
.example("\"base.toml\"")
.role(Role::Document);
const VERSION: Key = Key::new("spec_version", "The version of the spec language that this file uses.")
    .also("version")
    .example("1")
    .role(Role::Document);
const PICTURES_EVERY: Key = Key::new(
    "pictures_every",
    "The number of epochs between two sets of images in the log; by default, images are drawn after epochs 1, 2, 4, 8, ..., as long \
     as that takes less than a tenth of the time. They are always drawn after the last epoch.",
)
.example("5")
.hint("remove it to draw images after the default epochs")
.role(Role::Output);

/// The largest absolute pixel value for which the initial weights are suitable.
const FAR: f64 = 10.0;

/// All tables and keys of specs.
pub fn description() -> &'static Description {
    static DESCRIPTION: LazyLock<Description> = LazyLock::new(|| Description::of(read));
    &DESCRIPTION
}

fn read(keys: &mut Keys<'_>) -> Spec {
    let name = keys.value(NAME, Type::Name, None);
    let tags = keys.value(TAGS, Type::List(&Type::Text, 0), Some(Value::Array(Vec::new())));
    let seed = keys.whole(SEED, 0, Type::MOST, 0);
    keys.describe_only(
        EXTENDS,
        Type::OneOf(&[Type::Path, Type::List(&Type::Path, 0)], "a path in quotes, or a list of them"),
        None,
    );
    keys.describe_only(VERSION, Type::Whole { least: SPEC_VERSION, most: SPEC_VERSION }, None);
    keys.describe_only(expectation::EXPECT, Type::Tables, None);
    let data = keys.table(
        "data",
        "The images, their split, and their pixel values.",
        "dataset datasets",
        data::DataSettings::read,
    );
    let model = keys.table(
        "model",
        "The network, the likelihood and the posterior.",
        "network net arch architecture vae autoencoder",
        model::ModelSettings::read,
    );
    let objective = keys.table(
        "objective",
        "The loss and its unit.",
        "loss losses elbo criterion",
        objective::ObjectiveSettings::read,
    );
    let train = keys.table(
        "train",
        "The optimizer, the learning rate, the number of epochs and the device.",
        "training trainer fit optim optimizer optimization",
        train::TrainSettings::read,
    );
    let log =
        keys.table("log", "What is logged, and how often; it does not affect results.", "logging logger", |keys| Log {
            pictures: keys
                .optional_whole(PICTURES_EVERY, 1, Type::MOST)
                .map_or(PictureEpochs::PowersOfTwo, PictureEpochs::Every),
        });
    let evaluate = keys.table(
        "evaluate",
        "What is measured when a trial is done; without this table, nothing.",
        "evaluation eval test metrics",
        EvaluateSettings::read,
    );
    keys.table("sweep", "The keys to vary, and their values.", "sweeps hparams hyperparameters", sweep::describe);
    if keys.is_describing() {
        search::read(keys);
    }
    let name = name.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned();
    let tags = tags.iter().filter_map(Value::as_array).flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    let spec = Spec { name, tags, seed, data, model, objective, train, log, evaluate, settings: Box::default() };
    spec.check(keys);
    spec
}

impl Spec {
    /// Resolves the written values of one trial, by dotted key. Also returns the errors and warnings; the settings are those of the spec.
    pub fn read(written: &BTreeMap<String, Value>) -> (Spec, Found) {
        let (mut spec, mut found) = Keys::read(written, read);
        spec.settings = std::mem::take(&mut found.settings).into_iter().map(Arc::new).collect();
        (spec, found)
    }

    /// Shares the keys with another spec that are the same in it, to save memory.
    pub fn share(&mut self, other: &Spec) {
        // Both have their keys in the same order, but each may have some that the other lacks.
        let mut rest = &*other.settings;
        for own in &mut self.settings {
            if let Some((place, others)) = rest.iter().enumerate().find(|(_, others)| others.key == own.key) {
                if own == others {
                    *own = others.clone();
                }
                rest = &rest[place + 1..];
            }
        }
    }

    /// The dotted keys and values of a spec in TOML.
    ///
    /// # Errors
    /// The text is not valid TOML.
    pub fn keys_of(text: &str) -> Result<BTreeMap<String, Value>, toml::de::Error> {
        let mut keys = BTreeMap::new();
        for (name, value) in text.parse::<toml::Table>()? {
            match value {
                Value::Table(table) => {
                    keys.extend(table.into_iter().map(|(key, value)| (format!("{name}.{key}"), value)));
                }
                value => {
                    keys.insert(name, value);
                }
            }
        }
        Ok(keys)
    }

    /// Whether there is a prior to sample codes from: most plain autoencoders have none.
    pub fn has_prior(&self) -> bool {
        self.model.is_variational || self.objective.kind.has_prior()
    }

    /// The architecture for images of this shape, whose values are in the interval `stored`.
    pub fn architecture(&self, image: data::ImageShape, stored: [f64; 2]) -> Architecture {
        let grid = Grid::new(stored, self.data.range);
        self.model.architecture(image, grid, self.model.is_variational.then(|| self.objective.kind.posterior_scale()))
    }

    /// States the interval of the values of images of a type. In ids, bits differ from bytes by their interval.
    pub fn state_interval(&mut self, stored: [f64; 2], element: data::Element) {
        let stored = *self.data.stored.get_or_insert(stored);
        let by_default = if element == data::Element::Bit { data::BYTES } else { element.interval() };
        if let Some(setting) = self.settings.iter_mut().find(|setting| setting.key == data::STORED_DOTTED) {
            let setting = Arc::make_mut(setting);
            setting.value = Value::Array(stored.map(Value::Float).into());
            setting.is_default = stored == by_default;
        }
    }

    /// The keys that apply, in order, with their values.
    pub fn settings(&self) -> &[Arc<ResolvedKey>] {
        &self.settings
    }

    /// The values of all keys that apply, by dotted key.
    pub fn values(&self) -> BTreeMap<String, serde_json::Value> {
        self.settings.iter().map(|setting| (setting.key.to_owned(), as_json(&setting.value))).collect()
    }

    /// The same values, nested by table.
    pub fn tables(&self) -> serde_json::Value {
        let mut tables = serde_json::json!({});
        for (key, value) in self.values() {
            match key.split_once('.') {
                Some((table, name)) => tables[table][name] = value,
                None => tables[key] = value,
            }
        }
        tables
    }

    /// The spec as TOML: a complete spec of this trial.
    pub fn to_toml(&self) -> String {
        let (mut text, mut last) = (String::new(), "");
        for setting in &self.settings {
            let (table, name) = setting.key.split_once('.').unwrap_or(("", setting.key));
            if table != last {
                text.push_str(&format!("\n[{table}]\n"));
                last = table;
            }
            text.push_str(&format!("{name} = {}\n", written(&setting.value)));
        }
        text
    }

    /// Checks that involve several tables.
    fn check(&self, keys: &mut Keys<'_>) {
        let (likelihood, [low, high]) = (self.model.likelihood, self.data.range);
        let (title, support) = (likelihood.title(), likelihood.support());
        keys.require(
            matches!(support, Support::Line | Support::Levels) || self.data.is_unit(),
            &["data.range", "model.likelihood"],
            || format!("a {title} likelihood needs data in [0, 1], but `data.range` is [{low:?}, {high:?}]"),
            "remove `data.range`, or set `model.likelihood = \"gaussian\"`",
        );
        let (binary, name) = (self.data.binarize != data::Binarize::None, likelihood.name());
        let needs_levels = support == Support::Levels;
        keys.warn(
            support == Support::Bits || needs_levels || !binary,
            &["model.likelihood", "data.binarize"],
            || format!("`model.likelihood = \"{name}\"` on binarized pixels"),
            &format!(
                "on two pixel values, a {title} density has no upper bound: set `model.likelihood = \"bernoulli\"`, or \
                 `data.binarize = \"none\"`"
            ),
        );
        keys.require(
            !needs_levels || !binary,
            &["data.binarize", "model.likelihood"],
            || format!("a {title} likelihood needs bytes, but `data.binarize` makes every value 0 or 1"),
            "remove `data.binarize`, or set `model.likelihood = \"bernoulli\"`",
        );
        keys.require(
            !needs_levels || !self.data.dequantize,
            &["data.dequantize", "model.likelihood"],
            || format!("a {title} likelihood needs bytes, but `data.dequantize` makes them continuous"),
            "remove `data.dequantize`, or set `model.likelihood = \"gaussian\"`",
        );
        let far = self.far_range();
        keys.warn(
            far.is_none(),
            &["data.range"],
            || format!("`data.range` = {} has pixel values far from 1", far.as_deref().unwrap_or_default()),
            "the initial weights suit pixel values of about 1, so the first steps may diverge with any `model.variance`; \
             usual ranges are [0.0, 1.0] and [-1.0, 1.0]",
        );
    }

    /// The range of pixel values as text, if it is so far from 1 that training may diverge.
    fn far_range(&self) -> Option<String> {
        let [low, high] = self.data.range;
        let far = low.abs().max(high.abs()) > FAR;
        (far && self.model.likelihood.support() == Support::Line).then(|| format!("[{}, {}]", short(low), short(high)))
    }

    /// What to do if the loss or the gradient of this trial was not finite, the likely cause first.
    pub fn diverged_advice(&self) -> String {
        let (train, rate) = (&self.train, self.train.learning_rate);
        let cause = self.far_range().map(|range| {
            format!(
                "the likely cause is `data.range` = {range}, because the initial weights suit values of about 1: set it \
                 to [0.0, 1.0]; or "
            )
        });
        let (name, rates) = (train.optimizer.name(), train.optimizer.rates());
        let usual = rates.usual;
        let large =
            (rate > rates.large).then(|| format!(" ({} is large for `{name}`; usual values are {usual})", short(rate)));
        let clip = (train.scaling == Scaling::None).then_some(", or set `train.clip_norm`");
        let (cause, large, clip) = (cause.unwrap_or_default(), large.unwrap_or_default(), clip.unwrap_or_default());
        format!("{cause}try a smaller `train.learning_rate`{large}{clip}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(text: &str) -> Spec {
        Spec::read(&Spec::keys_of(text).unwrap()).0
    }

    fn advice(text: &str) -> String {
        spec(text).diverged_advice()
    }

    #[test]
    fn specs_share_the_keys_that_are_the_same_in_both() {
        let first = spec("[model]\nfamily = \"conv\"");
        let mut other = spec("[model]\nfamily = \"mlp\"\n[train]\nlearning_rate = 0.5");
        let before = other.to_toml();
        other.share(&first);
        assert_eq!(other.to_toml(), before);
        let is_shared = |one: &Arc<ResolvedKey>| first.settings().iter().any(|first| Arc::ptr_eq(one, first));
        let own: Vec<&str> = other.settings().iter().filter(|one| !is_shared(one)).map(|one| one.key).collect();
        assert_eq!(own, ["model.family", "model.hidden", "train.learning_rate"]);
    }

    #[test]
    fn a_diverged_trial_is_told_the_likely_cause_first() {
        assert_eq!(advice(""), "try a smaller `train.learning_rate`, or set `train.clip_norm`");
        assert_eq!(advice("[train]\nclip_norm = 1.0"), "try a smaller `train.learning_rate`");
        let far = "[data]\nrange = [0, 255]\n[model]\nlikelihood = \"gaussian\"\n";
        assert_eq!(
            advice(far),
            "the likely cause is `data.range` = [0, 255], because the initial weights suit values of about 1: set it \
             to [0.0, 1.0]; or try a smaller `train.learning_rate`, or set `train.clip_norm`"
        );
        assert_eq!(
            advice(&format!("{far}[train]\nlearning_rate = 0.5\nclip_norm = 2.0")),
            "the likely cause is `data.range` = [0, 255], because the initial weights suit values of about 1: set it \
             to [0.0, 1.0]; or try a smaller `train.learning_rate` (0.5 is large for `adam`; usual values are 1e-4 to 1e-2)"
        );
    }

    /// A model that was trained on a GPU can be used without one: only a plan refuses the device.
    #[test]
    fn a_spec_for_another_device_is_read() {
        let written = Spec::keys_of("[train]\ndevice = \"cuda\"").unwrap();
        assert_eq!(Spec::read(&written).1.problems, []);
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
            spec(&format!("[data]\nrange = [{low:?}, {high:?}]\n[model]\nlikelihood = \"{likelihood}\"")).far_range()
        };
        assert_eq!(of(0.0, 10.0, "gaussian"), None);
        assert_eq!(of(0.0, 10.5, "gaussian").as_deref(), Some("[0, 10.5]"));
        assert_eq!(of(-128.0, 1.0, "gaussian").as_deref(), Some("[-128, 1]"));
        // For a Bernoulli likelihood this range is an error.
        assert_eq!(of(0.0, 255.0, "bernoulli"), None);
    }

    #[test]
    fn every_key_is_described() {
        for key in &description().keys {
            assert!(key.meaning().len() > 10, "{}", key.dotted);
            assert!(!key.example().is_empty(), "{}", key.dotted);
            let kinds: Vec<String> = key.declared().map(|declared| format!("{:?}", declared.kind)).collect();
            assert!(kinds.windows(2).all(|pair| pair[0] == pair[1]), "{}: {kinds:?}", key.dotted);
            for default in key.declared().filter_map(|declared| declared.default.as_ref()) {
                assert!(key.kind().takes(default), "{}: {default}", key.dotted);
            }
            let example: toml::Table = format!("a = {}", key.example()).parse().unwrap();
            assert!(key.kind().takes(&example["a"]), "{}", key.dotted);
        }
    }
}
