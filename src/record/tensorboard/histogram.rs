//! Histograms of numbers.

use super::{EventWriter, tensor};
use crate::folder::FileError;
use tensorboard_proto::types::DataType;

impl EventWriter {
    /// A histogram of numbers, with equal buckets from the smallest to the largest. Numbers that are not finite are left out;
    /// without numbers, nothing is written.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn histogram(&mut self, tag: &str, step: u64, numbers: &[f32], description: &str) -> Result<(), FileError> {
        let buckets = buckets(numbers);
        if buckets.is_empty() {
            return Ok(());
        }
        let mut counts = tensor(DataType::DT_FLOAT, &[buckets.len(), 3]);
        counts.set_float_val(buckets.concat());
        let mut value = self.value(tag, "histograms", description);
        value.set_tensor(counts);
        self.summary(step, vec![value])
    }
}

/// Number of buckets of a histogram.
const BUCKETS: usize = 40;

/// Lower edge, upper edge and count of equal buckets.
fn buckets(numbers: &[f32]) -> Vec<[f32; 3]> {
    let finite = || numbers.iter().copied().filter(|number| number.is_finite());
    let (low, high) =
        finite().fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), number| (low.min(number), high.max(number)));
    let width = (f64::from(high) - f64::from(low)) / BUCKETS as f64;
    if finite().next().is_none() {
        return Vec::new();
    }
    if width == 0.0 {
        return vec![[low, high, finite().count() as f32]];
    }
    let edge = |index: usize| (f64::from(low) + width * index as f64) as f32;
    let mut buckets: Vec<[f32; 3]> = (0..BUCKETS).map(|index| [edge(index), edge(index + 1), 0.0]).collect();
    for number in finite() {
        let index = ((f64::from(number) - f64::from(low)) / width) as usize;
        buckets[index.min(BUCKETS - 1)][2] += 1.0;
    }
    buckets
}
