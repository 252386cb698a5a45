//! `[search]`: settings that are proposed from the results of earlier ones. The table is not part of a trial: no id depends on it.

use super::diagnostics::Location;
use super::entry::DottedKey;
use super::sweep::{Assignment, Draw, HARD_LIMIT, Point};
use crate::metrics::{Metric, MetricKind, Split};
use crate::search::{Axis, Domain, Method, Rules, Setting, Stop, Tpe, rungs};
use crate::settings::{Choices, Interval, Key, Keys, Kind, Role, Type};
use crate::train::measure;
use std::collections::BTreeMap;
use toml::Value;

/// The name of the table.
pub(super) const TABLE: &str = "search";
/// The table of the rules by which settings are stopped early.
pub(super) const STOP: &str = "search.stop";
/// The table of the keys to search.
pub(super) const SPACE: &str = "search.space";
/// The key of a distribution that also has no value.
pub(super) const UNSET: &str = "unset";

const fn part(name: &'static str, doc: &'static str, example: &'static str) -> Key {
    Key::new(name, doc).example(example).role(Role::Document)
}

pub(super) const TRIALS: Key =
    part("trials", "The number of settings to propose; each is trained with every seed of `sweep.seeds`.", "40")
        .also("n_trials num_trials num_samples n_iter max_trials budget");
pub(super) const HOURS: Key = part(
    "hours",
    "Propose settings for this time, in place of `trials`. How many there are then depends on the speed of the machine.",
    "8",
)
.also("timeout time_budget time_limit");
pub(super) const METRIC: Key = part(
    "metric",
    "What is compared: a metric of epochs on the validation images, in the epoch whose weights are kept. Which values are better \
     follows from the metric.",
    "\"validation_elbo_nats\"",
)
.also("objective_metric monitor goal target");
const METHOD: Key = part("method", "How settings are proposed.", "\"tpe\"").also("sampler algorithm");
const SEED: Key = part("seed", "The seed of the proposals.", "1");
const PARALLEL: Key = part(
    "parallel",
    "How many settings may be trained at the same time: the proposal of a setting sees the results of all earlier settings but the \
     last `parallel - 1`, whatever the number of processes. With 1 it sees all of them.",
    "1",
)
.also("concurrent n_jobs max_concurrent");
const SPACE_KEY: Key = part(
    "space",
    "Dotted keys, each with the distribution of its values as in `sweep.random`. With `unset = true`, the key may also have no value.",
    "{ \"objective.kl_weight\" = { log_uniform = [0.1, 10.0] }, \"train.clip_norm\" = { uniform = [1, 5], unset = true } }",
);
const STOP_METHOD: Key = part("method", "Which settings are stopped.", "\"halving\"");
pub(super) const MIN_EPOCHS: Key = part(
    "min_epochs",
    "The number of epochs at the first rung, where settings are compared for the first time. At each further rung it is `factor` \
     times as many.",
    "3",
)
.also("min_resource grace_period warmup_steps r");
pub(super) const FACTOR: Key =
    part("factor", "At each rung, one of `factor` settings goes on; it has `factor` times the epochs.", "3")
        .also("eta reduction_factor");

static TPE: Kind<Method> =
    Kind::new("tpe", "tree-structured Parzen estimators: near good settings, far from others", |_| {
        Method::Tpe(Tpe::default())
    })
    .also("bayes bayesian bohb parzen");
static RANDOM: Kind<Method> =
    Kind::new("random", "at random, independent of results", |_| Method::Random).also("random_search");
static METHODS: Choices<Method> = Choices(&[&TPE, &RANDOM]);

static HALVING: Kind<Stop> =
    Kind::new("halving", "successive halving: when all settings have reached a rung, the best go on", |keys| {
        Stop::Halving { factor: factor(keys) }
    })
    .also("sha successive_halving hyperband");
static ASHA: Kind<Stop> = Kind::new(
    "asha",
    "asynchronous halving: a setting goes on as soon as it is among the best of those at its rung, so the result depends on the time \
     that trials take",
    |keys| Stop::Asha { factor: factor(keys) },
)
.also("asynchronous_halving");
static MEDIAN: Kind<Stop> = Kind::new(
    "median",
    "a setting is stopped if its best value is worse than the median of the settings that its proposal saw; rungs are 2 times as far",
    |_| Stop::Median,
)
.also("median_pruner");
static STOPS: Choices<Stop> = Choices(&[&HALVING, &ASHA, &MEDIAN]);

/// The factor of the rungs of the median rule, which has no key for it.
const MEDIAN_FACTOR: u64 = 2;

fn factor(keys: &mut Keys<'_>) -> u64 {
    keys.whole(FACTOR, 2, 1000, 3)
}

/// What the keys say, apart from the space.
pub(super) struct Read {
    method: Method,
    pub(super) trials: Option<u64>,
    pub(super) hours: Option<f64>,
    metric: Option<Value>,
    seed: u64,
    parallel: u64,
    pub(super) stop: Stop,
    min_epochs: Option<u64>,
}

/// Reads the tables, or describes their keys.
pub(super) fn read(keys: &mut Keys<'_>) -> Read {
    let doc = "Settings that are proposed one after another, in place of a sweep.";
    let mut read = keys.table(TABLE, doc, "hpo tune tuning hyperopt optuna study", |keys| {
        let method = keys.choice(METHOD, &METHODS, &TPE);
        let trials = keys.optional_whole(TRIALS, 1, HARD_LIMIT);
        let hours = keys.optional_number(HOURS, Interval::POSITIVE);
        let metric = keys.value(METRIC, Type::Text, Some(Value::String("validation_loss".to_owned())));
        let seed = keys.whole(SEED, 0, Type::MOST, 0);
        let parallel = keys.whole(PARALLEL, 1, HARD_LIMIT, 4);
        keys.describe_only(SPACE_KEY, Type::Table, None);
        Read { method, trials, hours, metric, seed, parallel, stop: Stop::Never, min_epochs: None }
    });
    let doc = "Which settings of a search are stopped early; without this table, none.";
    keys.table(STOP, doc, "pruner pruning", |keys| {
        if keys.has_any() || keys.is_describing() {
            read.stop = keys.choice(STOP_METHOD, &STOPS, &HALVING);
            read.min_epochs = keys.optional_whole(MIN_EPOCHS, 1, Type::MOST);
        }
    });
    read
}

/// A key to search.
#[derive(Clone, Debug)]
pub(super) struct Searched {
    pub(super) key: DottedKey,
    pub(super) draw: Draw,
    /// Whether it may have no value.
    pub(super) unset: bool,
    pub(super) location: Location,
    /// The distribution as it was written.
    pub(super) written: Value,
}

/// A search.
#[derive(Clone, Debug)]
pub struct Search {
    /// The metric that settings are compared by.
    pub metric: &'static Metric,
    /// For how many hours settings are proposed; `None` if their number is given.
    pub hours: Option<f64>,
    /// The number of epochs at the first rung; `None` if no setting is stopped early.
    pub min_epochs: Option<u64>,
    method: Method,
    trials: Option<u64>,
    seed: u64,
    parallel: u64,
    stop: Stop,
    space: Vec<Searched>,
}

impl Search {
    /// A search of these keys; `None` without a metric.
    pub(super) fn new(read: Read, space: Vec<Searched>) -> Option<Search> {
        let Read { method, trials, hours, metric, seed, parallel, stop, min_epochs } = read;
        let metric = metric.as_ref().and_then(Value::as_str).and_then(metric_of)?;
        Some(Search { metric, hours, min_epochs, method, trials, seed, parallel, stop, space })
    }

    /// The name of the metric, with its split.
    pub fn metric_name(&self) -> String {
        name_of(self.metric)
    }

    /// The rules, for trials with this number of epochs.
    pub fn rules(&self, epochs: u64) -> Rules {
        let factor = match self.stop {
            Stop::Halving { factor } | Stop::Asha { factor } => factor,
            Stop::Never | Stop::Median => MEDIAN_FACTOR,
        };
        let rungs = self.min_epochs.map_or_else(|| vec![epochs], |least| rungs(least, factor, epochs));
        let Search { method, seed, parallel, trials: settings, stop, .. } = *self;
        Rules { method, seed, parallel, settings, stop, rungs }
    }

    /// The dotted keys that are searched.
    pub fn keys(&self) -> impl Iterator<Item = &DottedKey> {
        self.space.iter().map(|searched| &searched.key)
    }

    /// The keys that are searched, with their distributions as they were written.
    pub(super) fn written_space(&self) -> impl Iterator<Item = (&DottedKey, &Value)> {
        self.space.iter().map(|searched| (&searched.key, &searched.written))
    }

    /// The axes of the space. A number that may have no value has an axis before it, which says whether it has one.
    pub fn axes(&self) -> Vec<Axis> {
        let axes = self.space.iter().flat_map(|searched| {
            let own = match searched.draw.domain() {
                Domain::Choice(count) => Domain::Choice(count + usize::from(searched.unset)),
                domain => domain,
            };
            let is_set = searched.has_axis_before().then(|| (format!("{} is set", searched.key), Domain::Choice(2)));
            is_set.into_iter().chain([(searched.key.clone(), own)])
        });
        axes.map(|(name, domain)| Axis { name, domain }).collect()
    }

    /// The values of a setting, and the setting with these values: numbers are rounded, and what does not apply is missing.
    pub fn point(&self, setting: &Setting) -> (Point, Setting) {
        let (mut point, mut settled, mut numbers) = (Point::new(), Setting::new(), setting.iter());
        for searched in &self.space {
            let mut is_set = true;
            if searched.has_axis_before() {
                let chosen = numbers.next().copied().flatten();
                is_set = chosen == Some(1.0);
                settled.push(chosen);
            }
            let number = numbers.next().copied().flatten().filter(|_| is_set);
            let value = number.and_then(|number| searched.draw.value_of(number));
            let rounded = match &value {
                Some(Value::Float(value)) if !matches!(searched.draw, Draw::Choice(_)) => Some(*value),
                _ => number,
            };
            settled.push(rounded);
            let location = searched.location.clone();
            let assignment = |value| Assignment { key: searched.key.clone(), value: Some(value), location };
            point.extend(value.map(assignment));
        }
        (point, settled)
    }

    /// The setting without the values of keys for which `applies` is false.
    pub fn applying(&self, setting: &Setting, applies: &dyn Fn(&str) -> bool) -> Setting {
        let keys = self.space.iter().flat_map(|one| {
            let before = one.has_axis_before().then_some(&one.key);
            before.into_iter().chain([&one.key])
        });
        // Whether a key is unset is known even if it does not apply for that reason.
        let mut is_unset = false;
        let kept = setting.iter().zip(keys).zip(self.axes()).map(|((number, key), axis)| {
            let is_gate = axis.name != *key;
            if is_gate {
                is_unset = *number == Some(0.0);
            }
            number.filter(|_| applies(key) || is_gate && is_unset)
        });
        kept.collect()
    }

    /// The settings whose proposals do not depend on results, in order.
    pub fn free(&self) -> Vec<Setting> {
        let (rules, axes) = (self.rules(1), self.axes());
        // By the clock, their number is not known.
        let most = self.trials.unwrap_or(self.parallel.max(1));
        let free = (0..most).take_while(|number| rules.is_free(*number));
        free.map(|number| self.point(&rules.propose(&axes, &[], &[], number)).1).collect()
    }

    /// The definition as text: two searches with the same text make the same proposals from the same results. The number of settings
    /// is not part of it.
    pub fn definition(&self) -> String {
        let Search { method, seed, parallel, stop, min_epochs, metric, space, .. } = self;
        let space: Vec<String> = space.iter().map(|one| format!("{} {:?} {}", one.key, one.draw, one.unset)).collect();
        format!("{method:?} {seed} {parallel} {stop:?} {min_epochs:?} {} {}", metric.name, space.join("; "))
    }
}

impl Searched {
    fn has_axis_before(&self) -> bool {
        self.unset && !matches!(self.draw, Draw::Choice(_))
    }
}

/// The metrics that settings can be compared by: numbers of which lower or higher values are better.
fn metrics() -> impl Iterator<Item = &'static Metric> {
    let is_compared = |metric: &&Metric| {
        metric.kind == MetricKind::Number
            && metric.sign().is_some()
            && metric.is_of(Split::Validation)
            && !metric.is_timing
    };
    measure::all().filter(is_compared)
}

/// The names of the metrics that settings can be compared by, with their split.
pub(super) fn metric_names() -> Vec<String> {
    metrics().map(name_of).collect()
}

/// The name of a metric on the validation images.
fn name_of(metric: &Metric) -> String {
    format!("{}_{}", Split::Validation.name(), metric.name)
}

fn metric_of(name: &str) -> Option<&'static Metric> {
    let name = name.strip_prefix(Split::Validation.name())?.strip_prefix('_')?;
    metrics().find(|metric| metric.name == name)
}

/// The written values of the tables, from all that were written.
pub(super) fn written<'a>(entries: impl Iterator<Item = (&'a DottedKey, &'a Value)>) -> BTreeMap<String, Value> {
    let own = entries.filter(|(key, _)| key.starts_with("search."));
    own.map(|(key, value)| (key.clone(), value.clone())).collect()
}
