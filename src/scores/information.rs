//! Entropies and mutual information of codes in equal-width bins and factors, in nats.

use super::chosen_points::Points;
use rayon::prelude::*;

/// The largest number of bins of an axis.
pub const MOST_BINS: usize = 4096;

/// How much each latent axis says about each factor.
#[derive(Clone, Debug, PartialEq)]
pub struct Information {
    /// The mutual information of each binned axis (row) and each factor (column), in nats.
    pub matrix: Vec<Vec<f64>>,
    /// The entropy of each factor, in nats; 0 of a constant factor.
    pub entropies: Vec<f64>,
}

/// Checks a number of bins.
///
/// # Errors
/// If there are none or more than [`MOST_BINS`].
pub fn check_bins(bins: usize) -> Result<(), String> {
    if (1..=MOST_BINS).contains(&bins) {
        Ok(())
    } else {
        Err(format!("put codes into {bins} bins: use 1 to {MOST_BINS}"))
    }
}

/// The bin, from 0, of each value: `bins` bins of equal width from the smallest to the largest value, as numpy's
/// `histogram` has them and as `_histogram_discretize` of disentanglement_lib uses them. A value on an edge is in the
/// upper bin; the largest value is in the last bin. All values of a constant list are in one bin.
///
/// The edges are computed in double precision. numpy 2 computes them in single precision if the values are; a value
/// that is within rounding of an edge may then be in the other bin.
pub fn equal_width_bins<T: Copy + Into<f64>>(values: &[T], bins: usize) -> Vec<u16> {
    let values = || values.iter().map(|&value| value.into());
    let (mut least, mut greatest) =
        (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
    if least == greatest {
        (least, greatest) = (least - 0.5, greatest + 0.5);
    }
    let width = (greatest - least) / bins as f64;
    // The lower edges but the first, below which there is nothing.
    let edges: Vec<f64> = (1..bins).map(|edge| edge as f64 * width + least).collect();
    values().map(|value| edges.partition_point(|&edge| edge <= value) as u16).collect()
}

/// The mutual information of two lists of the same length, in nats, from the shares of their values and pairs of
/// values; at least 0, and 0 of empty lists. That of a list and itself is its entropy.
///
/// This is the plug-in estimate, which is too large by about (r - 1) (s - 1) / (2 n) nats for r and s values and n
/// points (Miller 1955). scikit-learn's `mutual_info_score` is the same.
pub fn mutual_information(first: &[u16], second: &[u16]) -> f64 {
    // Sorted pairs instead of a table: no size of a factor can ask for too much memory.
    let mut pairs: Vec<u32> = first.iter().zip(second).map(|(&a, &b)| u32::from(a) << 16 | u32::from(b)).collect();
    pairs.sort_unstable();
    let (first_counts, second_counts) = (counts(&first[..pairs.len()]), counts(&second[..pairs.len()]));
    let total = pairs.len() as f64;
    let mut sum = 0.0;
    for run in pairs.chunk_by(|a, b| a == b) {
        let both = run.len() as f64;
        let product = first_counts[(run[0] >> 16) as usize] * second_counts[(run[0] & 0xffff) as usize];
        sum += both / total * (both * total / product).ln();
    }
    sum.max(0.0)
}

/// The entropy of a list, in nats, from the shares of its values.
pub fn entropy(values: &[u16]) -> f64 {
    mutual_information(values, values)
}

/// How often each value occurs, from 0 to the largest value.
fn counts(values: &[u16]) -> Vec<f64> {
    let mut counts = vec![0.0; values.iter().max().map_or(0, |&most| usize::from(most) + 1)];
    for &value in values {
        counts[usize::from(value)] += 1.0;
    }
    counts
}

/// The information of all pairs of an axis, in `bins` equal-width bins of its range, and a factor.
pub fn information(points: &Points, bins: usize) -> Information {
    let row = |axis: &Vec<f32>| {
        let binned = equal_width_bins(axis, bins);
        points.factors.iter().map(|factor| mutual_information(&binned, &factor.values)).collect()
    };
    Information {
        matrix: points.axes.par_iter().map(row).collect(),
        entropies: points.factors.iter().map(|factor| entropy(&factor.values)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scores::test_codes::{assert_near, assert_same_on_threads, fixture, numbers, wave_points, whole};

    #[test]
    fn the_published_vector() {
        let found = information(&wave_points(0..400), 20);
        let expected = [[1.311973578, 0.007519203], [0.026431173, 0.577050221], [0.063043698, 0.023946921]];
        for (row, expected) in found.matrix.iter().zip(expected) {
            assert_near(row, &expected, 1e-8);
        }
        assert_near(&found.entropies, &[1.311974, 0.686520], 1e-6);
    }

    #[test]
    fn bins_and_information_are_those_of_numpy_and_scikit_learn() {
        let fixture = fixture(include_str!("../../tests/fixtures/scores/information.json"));
        for case in fixture["cases"].as_array().unwrap() {
            let (values, factor) = (numbers(&case["values"]), whole(&case["factor"]));
            let binned = equal_width_bins(&values, case["bins"].as_u64().unwrap() as usize);
            assert_eq!(binned, whole(&case["binned"]), "{}", case["name"]);
            let found = [mutual_information(&binned, &factor), entropy(&factor), entropy(&binned)];
            assert_near(&found, &numbers(&case["information"]), 1e-12);
        }
    }

    #[test]
    fn edges_belong_to_the_upper_bin() {
        assert_eq!(equal_width_bins(&[0.0f32, 0.9, 1.0, 2.0, 3.9, 4.0], 4), [0, 0, 1, 2, 3, 3]);
        assert_eq!(equal_width_bins(&[7.0f32; 3], 20), [10; 3]);
        assert_eq!(equal_width_bins(&[3u16, 9], 1), [0, 0]);
        assert!(equal_width_bins::<f32>(&[], 20).is_empty());
        assert_eq!([check_bins(0).is_err(), check_bins(20).is_err(), check_bins(5000).is_err()], [true, false, true]);
    }

    #[test]
    fn information_of_lists_that_determine_each_other() {
        let values: Vec<u16> = (0..600).map(|image| image % 6).collect();
        let renamed: Vec<u16> = values.iter().map(|value| (7 * value) % 11).collect();
        assert_near(&[entropy(&values), mutual_information(&values, &renamed)], &[6.0f64.ln(); 2], 1e-12);
        let independent: Vec<u16> = (0..600).map(|image| image / 6).collect();
        assert_eq!(mutual_information(&values, &independent), 0.0);
        assert_eq!((entropy(&[5; 9]), entropy(&[]), mutual_information(&values, &[u16::MAX; 600])), (0.0, 0.0, 0.0));
    }

    #[test]
    fn threads_do_not_change_a_bit() {
        assert_same_on_threads(|| information(&wave_points(0..400), 20));
    }
}
