//! Plans a spec from random bytes: no input may panic, hang or take much memory, and the resolved spec of a plan must
//! describe the same trial.

#![no_main]

#[path = "../../tests/mutations/planning.rs"]
mod planning;

use libfuzzer_sys::fuzz_target;
use planning::{BYTES, folder, limited, plan, write};
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;
use vaex::language::{Document, ReadError};

/// A spec that takes longer hangs.
const TIME: Duration = Duration::from_secs(10);

/// Sweeps with more trials are not resolved: they take long and reach no new code.
const TRIALS: u128 = 64;

/// The folder of the specs. It is never removed, because a fuzzer does not end by itself.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| folder().keep());

fuzz_target!(|bytes: &[u8]| {
    let spec = write(&FOLDER, bytes);
    let name = "the spec";
    let document = limited((&spec, name), TIME, |_| BYTES, || Document::read(&spec, &[]));
    if let Ok(document) = &document {
        let sweep = document.sweep();
        if sweep.count().is_some_and(|count| (TRIALS..=u128::from(sweep.limit)).contains(&count)) {
            return;
        }
    }
    plan(&spec, name, TIME);
    assert!(!matches!(document, Err(ReadError::File(_))));
});
