//! The language of specs: reads spec files with the location of every value, reads the sweep, and resolves specs.

pub mod diagnostics;
mod document;
mod entry;
mod expectation;
mod numbers;
mod reader;
mod schema;
mod search;
mod spec;
mod standalone;
mod suggestions;
pub mod sweep;
mod types;

pub use document::{Document, Override, ReadError};
pub use entry::{DottedKey, Entry};
pub use expectation::{Expectation, Place, number_columns, of_evaluation};
pub use schema::{json_schema, reference};
pub use search::Search;
pub use spec::{Log, PictureEpochs, SPEC_VERSION, Spec, description};
pub(crate) use suggestions::{key_of_name, named_key};

use std::collections::BTreeSet;
use std::sync::LazyLock;

/// All dotted keys of a spec: `seed`, `train.batch_size`, ... Tables themselves are not included.
pub fn known_keys() -> &'static BTreeSet<String> {
    static KEYS: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
        let of_random = sweep::OfRandom::ALL.map(|own| format!("sweep.random.{}", own.name));
        description().names().map(str::to_owned).chain(of_random).collect()
    });
    &KEYS
}

/// Whether the result of a trial depends on a dotted key, possibly only through its images. True for unknown keys, such as
/// those in the record of another version.
pub fn determines(key: &str) -> bool {
    description().key(key).is_none_or(|key| key.role().determines())
}
