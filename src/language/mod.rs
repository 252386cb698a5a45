//! The language of specs: what was written, with its places; its sweep; and what it resolves to.

pub mod diagnostics;
mod document;
mod entry;
mod names;
mod numbers;
mod reader;
mod schema;
mod spec;
pub mod sweep;
mod types;

pub use document::{Document, Override, ReadError};
pub use entry::{DottedKey, Entry};
pub(crate) use names::named_key;
pub use schema::{json_schema, reference};
pub use spec::{Log, SPEC_VERSION, Spec, description};

use std::collections::BTreeSet;
use std::sync::LazyLock;

/// Every key of a spec, dotted: `seed`, `train.batch_size`, ... Tables themselves are not listed.
pub fn known_keys() -> &'static BTreeSet<String> {
    static KEYS: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
        let of_random = ["samples", "seed"].map(|key| format!("sweep.random.{key}"));
        description().names().map(str::to_owned).chain(of_random).collect()
    });
    &KEYS
}

/// Whether the result of a trial depends on a dotted key, if only through its images. Of a key that is not known here, as in
/// the record of another version, it is taken to.
pub fn determines(key: &str) -> bool {
    description().key(key).is_none_or(|key| key.role().determines())
}
