//! The id of a trial: a hash of the version of the numbers, of the identity of the images, and of every key that differs
//! from its default and has a part in the result.
//!
//! A key that is added later, with the default that was meant before, changes no id; nor does another way to write the same
//! network, which enters as its list of layers.

use crate::files::digest;
use crate::language::Spec;
use crate::model::Architecture;
use crate::settings::Role;
use serde_json::Value;
use std::collections::BTreeMap;

/// The version of the numbers that a trial comes to: a change of vaex that changes the bits of any result raises it, so that
/// results of both are never taken for those of one trial. Versions of vaex before 0.2.0 have 1.
pub const NUMERICS: u64 = 2;

/// Digits of an id.
const DIGITS: usize = 10;

/// What determines a trial's result, beside its images and [`NUMERICS`]: keys with other values than their defaults, sorted.
pub(super) fn determining(spec: &Spec, architecture: &Architecture) -> BTreeMap<String, Value> {
    let trained = spec.settings().iter().filter(|setting| setting.role == Role::Training && !setting.is_default);
    let mut keys: BTreeMap<String, Value> = trained
        .map(|setting| (setting.key.clone(), serde_json::to_value(&setting.value).unwrap_or(Value::Null)))
        .collect();
    let [encoder, decoder] = architecture.canonical();
    keys.insert("model.encoder".to_owned(), encoder.into());
    keys.insert("model.decoder".to_owned(), decoder.into());
    keys
}

/// Ten hexadecimal digits.
pub(super) fn id(numerics: u64, data_hash: &str, keys: &BTreeMap<String, Value>) -> String {
    digest(&[&numerics.to_le_bytes(), data_hash.as_bytes(), text(keys).as_bytes()], DIGITS)
}

/// A hash of keys and values, 32 hexadecimal digits.
pub(super) fn hash(keys: &BTreeMap<String, Value>) -> String {
    digest(&[text(keys).as_bytes()], 32)
}

/// A line for each key, with its value as JSON.
fn text(keys: &BTreeMap<String, Value>) -> String {
    keys.iter().map(|(key, value)| format!("{key} = {value}\n")).collect()
}
