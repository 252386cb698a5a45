//! The metrics of one epoch and split, by name.

use super::{Metric, MetricKind, Split};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;

/// The columns that identify a row: names and meanings.
pub const POSITION: [(&str, &str); 4] = [
    ("epoch", "Epoch, from 1."),
    ("split", "The images that the metrics were measured on: `train` or `validation`."),
    ("step", "Optimizer steps since the start of training."),
    ("images_seen", "Training images seen since the start of training, repetitions included."),
];

/// One row of metrics.parquet: an epoch and a split.
#[derive(Clone, PartialEq)]
pub struct Row {
    /// Epoch, from 1.
    pub epoch: u64,
    /// The images that the metrics were measured on.
    pub split: Split,
    /// Optimizer steps since the start of training.
    pub step: u64,
    /// Training images seen since the start of training, repetitions included.
    pub images_seen: u64,
    values: Vec<(&'static Metric, Value)>,
}

/// The value of a metric.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// A number.
    Number(f64),
    /// A whole number.
    Count(u64),
    /// One number per latent axis; empty for a plain autoencoder.
    List(Vec<f64>),
    /// A word.
    Text(String),
}

impl Value {
    fn is_finite(&self) -> bool {
        match self {
            Value::Number(number) => number.is_finite(),
            Value::Count(_) | Value::Text(_) => true,
            Value::List(list) => list.iter().all(|number| number.is_finite()),
        }
    }

    /// A value of a kind from JSON; `None` for null, and for a value of another kind.
    pub fn of_json(kind: MetricKind, value: &serde_json::Value) -> Option<Value> {
        match kind {
            MetricKind::Number => value.as_f64().map(Value::Number),
            MetricKind::Count => value.as_u64().map(Value::Count),
            MetricKind::Text => value.as_str().map(|text| Value::Text(text.to_owned())),
            MetricKind::List => {
                let number = |one: &serde_json::Value| one.as_f64().unwrap_or(f64::NAN);
                Some(Value::List(value.as_array()?.iter().map(number).collect()))
            }
        }
    }

    /// The number; `None` for a list or a word.
    pub fn number(&self) -> Option<f64> {
        match self {
            Value::Number(number) => Some(*number),
            Value::Count(count) => Some(*count as f64),
            Value::List(_) | Value::Text(_) => None,
        }
    }
}

impl Row {
    /// A row without values yet.
    pub fn new(epoch: u64, split: Split, step: u64, images_seen: u64) -> Row {
        Row { epoch, split, step, images_seen, values: Vec::new() }
    }

    /// Sets the value of a metric.
    pub fn set(&mut self, metric: &'static Metric, value: Value) {
        match self.values.iter_mut().find(|(one, _)| one.name == metric.name) {
            Some((_, old)) => *old = value,
            None => self.values.push((metric, value)),
        }
    }

    /// A metric's value; `None` if absent.
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.values.iter().find(|(metric, _)| metric.name == name).map(|(_, value)| value)
    }

    /// A metric's number, which may not be finite; `None` if absent or a list.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.value(name)?.number()
    }

    /// A metric's list; empty if absent.
    pub fn list(&self, name: &str) -> &[f64] {
        match self.value(name) {
            Some(Value::List(list)) => list,
            _ => &[],
        }
    }

    /// The values of [`POSITION`].
    fn position(&self) -> [serde_json::Value; 4] {
        [self.epoch.into(), self.split.name().into(), self.step.into(), self.images_seen.into()]
    }

    /// Its metrics, with their values.
    pub fn values(&self) -> impl Iterator<Item = (&'static Metric, &Value)> {
        self.values.iter().map(|(metric, value)| (*metric, value))
    }

    /// Whether all metrics with [`Metric::must_be_finite`] are finite.
    pub fn is_finite(&self) -> bool {
        self.values().filter(|(metric, _)| metric.must_be_finite).all(|(_, value)| value.is_finite())
    }

    /// The row without the metrics that depend on the clock.
    pub fn without_timing(self) -> Row {
        self.with_only(|metric| !metric.is_timing)
    }

    /// The row with these metrics only.
    pub fn with_only(mut self, is_kept: impl Fn(&Metric) -> bool) -> Row {
        self.values.retain(|(metric, _)| is_kept(metric));
        self
    }
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        map.entries(POSITION.iter().map(|(name, _)| name).zip(self.position()));
        map.entries(self.values().map(|(metric, value)| (&metric.name, value))).finish()
    }
}

/// One flat object. Numbers that are not finite are null in JSON.
impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        POSITION.iter().zip(self.position()).try_for_each(|((name, _), value)| map.serialize_entry(name, &value))?;
        self.values().try_for_each(|(metric, value)| map.serialize_entry(&metric.name, value))?;
        map.end()
    }
}

/// The numbers of rows as `train_loss`, `validation_elbo_nats` and so on; null if not finite.
pub fn named<'a>(rows: impl IntoIterator<Item = &'a Row>) -> BTreeMap<String, serde_json::Value> {
    let of_row = |row: &'a Row| {
        let numbers = row.values().filter(|(metric, _)| metric.kind != MetricKind::List);
        numbers.map(|(metric, value)| (format!("{}_{}", row.split.name(), metric.name), serde_json::json!(value)))
    };
    rows.into_iter().flat_map(of_row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::LazyLock;

    static METRICS: LazyLock<[Metric; 3]> = LazyLock::new(|| {
        [
            Metric { must_be_finite: true, ..Metric::new("loss", MetricKind::Number, "", "") },
            Metric { must_be_finite: true, ..Metric::new("axes", MetricKind::List, "", "") },
            Metric { is_timing: true, ..Metric::new("seconds", MetricKind::Number, "s", "") },
        ]
    });

    fn row(loss: f64, axes: &[f64]) -> Row {
        let [of_loss, of_axes, seconds] = &*METRICS;
        let mut row = Row::new(2, Split::Validation, 20, 320);
        row.set(of_loss, Value::Number(loss));
        row.set(of_axes, Value::List(axes.to_vec()));
        row.set(seconds, Value::Number(f64::NAN));
        row
    }

    #[test]
    fn values_are_found_by_name() {
        let row = row(0.5, &[1.0]);
        assert_eq!((row.get("loss"), row.get("axes"), row.get("elbo")), (Some(0.5), None, None));
        assert_eq!((row.list("axes"), row.list("loss")), (&[1.0][..], &[][..]));
        assert_eq!(row.without_timing().get("seconds"), None);
    }

    #[test]
    fn what_must_be_finite_decides() {
        assert!(row(0.5, &[1.0]).is_finite() && row(0.5, &[]).is_finite());
        assert!(!row(f64::INFINITY, &[1.0]).is_finite() && !row(0.5, &[1.0, f64::NAN]).is_finite());
    }

    #[test]
    fn a_row_is_one_flat_object() {
        let json = serde_json::to_value(row(f64::NAN, &[1.0, f64::INFINITY])).unwrap();
        let expected = serde_json::json!({
            "epoch": 2, "split": "validation", "step": 20, "images_seen": 320, "loss": null, "axes": [1.0, null],
            "seconds": null,
        });
        assert_eq!(json, expected);
        let named = named([&row(0.5, &[])]);
        let expected = [("validation_loss", serde_json::json!(0.5)), ("validation_seconds", serde_json::Value::Null)];
        assert_eq!(named, expected.map(|(name, value)| (name.to_owned(), value)).into());
    }
}
