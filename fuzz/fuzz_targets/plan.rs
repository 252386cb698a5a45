//! From the bytes of a spec to its plan: no bytes may panic, hang or take much memory, and what a plan resolves to is a
//! spec of the same trial.

#![no_main]

#[path = "../../tests/mutations/planning.rs"]
mod planning;

use libfuzzer_sys::fuzz_target;
use planning::{folder, limited, plan, write};
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;
use vaex::language::{Document, ReadError};

/// Beyond it a spec hangs.
const TIME: Duration = Duration::from_secs(10);

/// Sweeps with more trials are not resolved: they take their time, and reach nothing new.
const TRIALS: u128 = 64;

/// The folder of the specs. It stays behind, as a fuzzer does not end by itself.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| folder().keep());

fuzz_target!(|bytes: &[u8]| {
    let spec = write(&FOLDER, bytes);
    let name = "the spec";
    let document = limited((&spec, name), TIME, |_| 0, || Document::read(&spec, &[]));
    if let Ok(document) = &document {
        let sweep = document.sweep();
        if sweep.count().is_some_and(|count| (TRIALS..=u128::from(sweep.limit)).contains(&count)) {
            return;
        }
    }
    plan(&spec, name, TIME);
    assert!(!matches!(document, Err(ReadError::File(_))));
});
