//! What the tests of several scores share: random rows, fixtures, and runs with 1 and 2 threads.

use super::points::Codes;
use crate::random::{Purpose, Stream};
use serde_json::Value;
use std::fmt::Debug;

/// Rows of standard normals.
pub(crate) fn normals(seed: u64, count: usize, latent: usize) -> Codes {
    let mut values = vec![0.0; count * latent];
    Stream::new(seed, Purpose::Evaluation, 299, 0).fill_normal(&mut values);
    Codes { latent, values }
}

/// The result of `work`, which must be the same to the bit with 1 and 2 threads.
pub(crate) fn on_threads<R: PartialEq + Debug + Send>(work: impl Fn() -> R + Sync) -> R {
    let on = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(&work);
    let result = on(1);
    assert_eq!(result, on(2));
    result
}

/// The numbers of a JSON array.
pub(crate) fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|one| one.as_f64().unwrap()).collect()
}

/// The rows of a JSON array of arrays.
pub(crate) fn rows(value: &Value) -> Codes {
    let rows: Vec<Vec<f64>> = value.as_array().unwrap().iter().map(numbers).collect();
    Codes { latent: rows[0].len(), values: rows.concat().iter().map(|one| *one as f32).collect() }
}

/// Fails unless two numbers differ by at most `tolerance`, relative to the expected one if that is above 1.
#[track_caller]
pub(crate) fn assert_close(found: f64, expected: f64, tolerance: f64) {
    let difference = (found - expected).abs();
    assert!(difference <= tolerance * expected.abs().max(1.0), "{found} instead of {expected}: {difference:e}");
}
