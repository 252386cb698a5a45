//! A dotted key, and a value with its location in the spec.

use super::diagnostics::Location;
use toml::Spanned;
use toml::de::{DeInteger, DeValue};

/// A dotted key: `train.batch_size`.
pub type DottedKey = String;

/// A value that was written, with its location.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The location of the key.
    pub key: Location,
    /// The location of the value.
    pub value: Location,
    /// The value.
    pub content: toml::Value,
    /// The locations of the elements of a list.
    pub elements: Vec<Location>,
}

impl Entry {
    pub(super) fn new(source: usize, key: Location, value: &Spanned<DeValue<'_>>) -> Entry {
        let elements = match value.get_ref() {
            DeValue::Array(array) => array.iter().map(|element| Location::new(source, element.span())).collect(),
            _ => Vec::new(),
        };
        Entry { key, value: Location::new(source, value.span()), content: plain(value.get_ref()), elements }
    }

    /// An element of a list as a separate entry, without the locations of nested elements.
    pub(super) fn element(&self, location: Location, content: toml::Value) -> Entry {
        Entry { key: self.key.clone(), value: location, content, elements: Vec::new() }
    }

    pub(super) fn values(&self) -> Vec<(toml::Value, Location)> {
        let values = self.content.as_array().cloned().unwrap_or_default();
        values.into_iter().zip(self.elements.iter().cloned()).collect()
    }
}

/// The value without locations. A whole number of more than 64 bits becomes a number with a fraction.
fn plain(value: &DeValue<'_>) -> toml::Value {
    match value {
        DeValue::String(text) => toml::Value::String(text.to_string()),
        DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix())
            .map_or_else(|_| toml::Value::Float(large(integer)), toml::Value::Integer),
        DeValue::Float(float) => {
            float.as_str().parse().map_or_else(|_| toml::Value::String(float.to_string()), toml::Value::Float)
        }
        DeValue::Boolean(boolean) => toml::Value::Boolean(*boolean),
        DeValue::Datetime(datetime) => toml::Value::Datetime(*datetime),
        DeValue::Array(array) => toml::Value::Array(array.iter().map(|element| plain(element.get_ref())).collect()),
        DeValue::Table(table) => toml::Value::Table(
            table.iter().map(|(key, value)| (key.get_ref().to_string(), plain(value.get_ref()))).collect(),
        ),
    }
}

/// A whole number of more than 64 bits, rounded; infinite if it is too large for that.
fn large(integer: &DeInteger<'_>) -> f64 {
    match u128::from_str_radix(integer.as_str(), integer.radix()) {
        Ok(number) => number as f64,
        // Only decimal numbers have a sign.
        Err(_) if integer.radix() == 10 => integer.as_str().parse().unwrap_or(f64::INFINITY),
        Err(_) => f64::INFINITY,
    }
}
