//! `[[expect]]`: what an experiment is expected to give, for example the result of a paper.
//!
//! Each table has a metric, its expected value and a tolerance, and says which setting it is about. The table is not part of
//! a trial: no id depends on it, and the files that extend a spec do not get it.

use super::diagnostics::Location;
use super::entry::DottedKey;
use crate::evaluation;
use crate::metrics::{Metric, MetricKind, Split};
use crate::settings::{Description, Interval, Key, Keys, Role, Type, percent};
use crate::train::measure;
use std::collections::BTreeMap;
use std::sync::LazyLock;
use toml::Value;

/// The mean of a metric over the seeds of a setting, as it is expected.
#[derive(Clone, Debug, PartialEq)]
pub struct Expectation {
    /// The metric: a column of trials.parquet, or with `epoch` a metric of epochs with its split.
    pub metric: String,
    /// The epoch; `None` if the metric is a column of trials.parquet.
    pub epoch: Option<u64>,
    /// The expected value.
    pub value: f64,
    /// The largest difference from it, 0 or more.
    pub within: f64,
    /// The values of the setting, by dotted key.
    pub keys: BTreeMap<DottedKey, Value>,
    /// Where the value was published.
    pub source: Option<String>,
    /// The locations of its parts.
    pub place: Place,
}

/// The locations of the parts of an expectation.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// The head of the table.
    pub table: Location,
    /// The name of the metric.
    pub metric: Location,
    /// The epoch.
    pub epoch: Option<Location>,
    /// The values of the setting: `where`.
    pub keys: Option<Location>,
}

/// The name of the table.
pub(super) const TABLE: &str = "expect";

/// The key of the table in the description of specs.
pub(super) const EXPECT: Key = Key::new(
    TABLE,
    "What the experiment is expected to give: a list of tables, whose keys are at the end of this table. Trials do not \
     depend on it, and the files that extend a spec do not get it.",
)
.also("expected expectation expectations expects")
.example("[{ metric = \"final_validation_elbo_nats\", value = -101.0, within = \"1%\" }]")
.role(Role::Document);

/// The key of the metric.
pub(super) const METRIC: Key = part(
    "metric",
    "The name of a column of trials.parquet that has a number; with `epoch`, a metric of epochs after its split, such as \
     `validation_loss`.",
    "\"final_validation_elbo_nats\"",
)
.also("name column measure score");
/// The key of the expected value.
pub(super) const VALUE: Key =
    part("value", "The expected mean over all seeds of the setting.", "-101.0").also("mean target expected number");
/// The key of the tolerance.
pub(super) const WITHIN: Key = part(
    "within",
    "The largest difference from `value`: a number in the unit of the metric, or a percentage of `value`.",
    "\"1%\"",
)
.also("tolerance tol atol rtol error margin delta plus_minus");
/// The key of the values of the setting.
pub(super) const WHERE: Key = part(
    "where",
    "The setting: values of dotted keys in quotes, or of nested tables. By default the only setting of the experiment.",
    "{ \"objective.kl_weight\" = 4.0 }",
)
.also("setting keys if when with only for match");
/// The key of the epoch.
pub(super) const EPOCH: Key =
    part("epoch", "The epoch after which `metric` is compared, from 1.", "10").also("at_epoch after_epoch");
const SOURCE: Key =
    part("source", "Where the value was published; only for readers.", "\"Author et al. 2020, table 1\"")
        .also("paper reference citation url note");

const fn part(name: &'static str, doc: &'static str, example: &'static str) -> Key {
    Key::new(name, doc).example(example).role(Role::Document)
}

/// The keys that each table must have.
pub(super) const REQUIRED: [Key; 3] = [METRIC, VALUE, WITHIN];

/// A tolerance.
const TOLERANCE: Type = Type::OneOf(
    &[Type::Number(Interval::NOT_NEGATIVE), Type::Percentage],
    "a number, 0 or more, or a percentage in quotes, such as \"1%\"",
);

/// The keys of an `[[expect]]` table.
pub(super) fn description() -> &'static Description {
    static DESCRIPTION: LazyLock<Description> = LazyLock::new(|| Description::of(read));
    &DESCRIPTION
}

/// What the keys say, apart from the setting.
pub(super) struct Read {
    metric: Option<Value>,
    value: Option<f64>,
    within: Option<Value>,
    epoch: Option<u64>,
    source: Option<Value>,
}

fn read(keys: &mut Keys<'_>) -> Read {
    let doc = "What the experiment is expected to give.";
    keys.table(TABLE, doc, "", |keys| {
        let metric = keys.value(METRIC, Type::Text, None);
        let value = keys.optional_number(VALUE, Interval::ALL);
        let within = keys.value(WITHIN, TOLERANCE, None);
        keys.describe_only(WHERE, Type::Table, None);
        let epoch = keys.optional_whole(EPOCH, 1, Type::MOST);
        Read { metric, value, within, epoch, source: keys.value(SOURCE, Type::Text, None) }
    })
}

impl Expectation {
    /// The expectation of written values, which are valid for their keys; `None` if one of [`REQUIRED`] is missing.
    pub(super) fn new(
        written: &BTreeMap<String, Value>,
        keys: BTreeMap<DottedKey, Value>,
        place: Place,
    ) -> Option<Expectation> {
        let (Read { metric, value, within, epoch, source }, _) = Keys::read(written, read);
        let text = |value: Option<Value>| value.as_ref().and_then(Value::as_str).map(str::to_owned);
        let value = value?;
        let within = match within? {
            Value::String(text) => percent(&text)? / 100.0 * value.abs(),
            within => within.as_float()?,
        };
        Some(Expectation { metric: text(metric)?, epoch, value, within, keys, source: text(source), place })
    }
}

/// What measures a column of trials.parquet after training, and on which split; `None` for other columns.
pub fn of_evaluation(column: &str) -> Option<(&'static evaluation::Entry, Option<Split>)> {
    let mut columns = evaluation::columns();
    let found = columns.find(|(_, metric, split)| evaluation::column_name(metric, *split) == column);
    found.map(|(entry, _, split)| (entry, split))
}

/// The columns of trials.parquet with a number of the whole trial.
const OF_TRIALS: [&str; 10] = [
    "images_per_second",
    "seconds",
    "parameters",
    "peak_rss_mb",
    "threads",
    "numerics",
    "final_epoch",
    "kept_epoch",
    "best_epoch",
    "stopped_after",
];

fn is_number(metric: &Metric) -> bool {
    matches!(metric.kind, MetricKind::Number | MetricKind::Count)
}

/// The metrics of epochs, as `<split>_<name>`.
pub(super) fn metrics_of_epochs() -> &'static [String] {
    static NAMES: LazyLock<Vec<String>> =
        LazyLock::new(|| of_epochs(|metric, split| format!("{}_{}", split.name(), metric.name)));
    &NAMES
}

fn of_epochs(name: impl Fn(&Metric, Split) -> String) -> Vec<String> {
    let all = |split: Split| measure::all().filter(move |metric| is_number(metric) && metric.is_of(split));
    Split::OF_EPOCHS
        .into_iter()
        .flat_map(|split| all(split).map(move |metric| (metric, split)))
        .map(|(metric, split)| name(metric, split))
        .collect()
}

/// The columns of trials.parquet with numbers that a trial gives. The keys of a spec, which are columns too, are not given
/// by a trial.
pub fn number_columns() -> &'static [String] {
    static NAMES: LazyLock<Vec<String>> = LazyLock::new(|| {
        let evaluated = evaluation::columns().filter(|(_, metric, _)| is_number(metric));
        let evaluated = evaluated.map(|(_, metric, split)| evaluation::column_name(metric, split));
        let best = measure::with_best().filter(|metric| is_number(metric)).map(measure::best_name);
        let of_trials = OF_TRIALS.map(str::to_owned);
        of_epochs(measure::final_name)
            .into_iter()
            .chain(of_epochs(measure::kept_name))
            .chain(best)
            .chain(evaluated)
            .chain(of_trials)
            .collect()
    });
    &NAMES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_described() {
        let names: Vec<&str> = description().names().collect();
        let expected = ["metric", "value", "within", "where", "epoch", "source"].map(|name| format!("expect.{name}"));
        assert_eq!(names, expected);
        for key in &description().keys {
            assert!(key.meaning().len() > 10, "{}", key.dotted);
            let example: toml::Table = format!("a = {}", key.example()).parse().unwrap();
            assert!(key.kind().takes(&example["a"]), "{}", key.dotted);
            let mut also = key.also();
            assert!(also.all(|name| !names.contains(&&*format!("expect.{name}"))), "{}", key.dotted);
        }
    }

    #[test]
    fn percentages_are_plain_numbers_with_a_sign() {
        assert_eq!(["1%", " 2.5 % ", ".5%"].map(percent), [Some(1.0), Some(2.5), Some(0.5)]);
        for text in ["1", "%", "-1%", "1e3%", "inf%", "1%%", "one %", ""] {
            assert_eq!(percent(text), None, "{text}");
        }
        let pattern = Type::Percentage.schema()["pattern"].as_str().map(str::to_owned);
        assert!(pattern.is_some_and(|pattern| pattern.starts_with('^') && pattern.ends_with('$')));
    }

    #[test]
    fn names_of_columns_and_of_epochs_differ() {
        assert!(number_columns().len() > 60);
        assert!(metrics_of_epochs().iter().any(|name| name == "train_loss"));
        assert!(number_columns().iter().any(|name| name == "final_train_loss"));
        assert!(!number_columns().iter().any(|name| name.contains("kl_axis_nats")));
        assert_eq!(of_evaluation("test_nll_nats").unwrap().1, Some(Split::Test));
        assert!(of_evaluation("final_validation_loss").is_none());
    }
}
