//! Precision and recall of samples, by nearest neighbors (Kynkäänniemi et al. 2019).
//!
//! The ball of a feature vector reaches to its k-th nearest neighbor within its own set. Precision is the share of
//! samples inside the ball of an image; recall is the share of images inside the ball of a sample.
//!
//! As in the authors' program, a point on the surface is inside (`<=`); the program `prdc` of Naeem et al. 2020 uses
//! `<`, which matters for repeated vectors. The authors' program counts the vector itself as its neighbor number 0, and
//! computes distances as |a|^2 - 2 a b + |b|^2 in single precision, whose rounding may move a vector across a surface.

use super::distances::by_row;
use super::input_error::InputError;
use super::points::Codes;
use super::rows;

/// The settings of precision and recall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrecisionRecallSettings {
    /// k: which nearest neighbor is on the surface of the ball. Default: 3, as in the paper.
    pub neighbors: usize,
}

impl Default for PrecisionRecallSettings {
    fn default() -> PrecisionRecallSettings {
        PrecisionRecallSettings { neighbors: 3 }
    }
}

/// Precision and recall, each from 0 to 1. Both depend on the numbers of images and samples: compare them at equal
/// numbers only.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PrecisionRecall {
    /// The share of samples that are as near to an image as its neighbors.
    pub precision: f64,
    /// The share of images that are as near to a sample as its neighbors.
    pub recall: f64,
}

/// Precision and recall of samples, given feature vectors of images and of samples, (Rows, Features) each. Exact; the
/// time grows with the product of the numbers of rows.
///
/// # Errors
/// `neighbors` is 0, or a set does not have more rows than that, or the numbers of features differ or are 0, or a
/// number is not finite.
pub fn precision_recall(
    images: &Codes,
    samples: &Codes,
    settings: &PrecisionRecallSettings,
) -> Result<PrecisionRecall, InputError> {
    let neighbors = settings.neighbors;
    if neighbors == 0 {
        return Err(InputError::OutOfRange { what: "the number of neighbors", range: "at least 1" });
    }
    rows::check_both(images, samples, "feature vectors", neighbors.saturating_add(1))?;
    let precision = share_inside(samples, images, &radii(images, neighbors));
    let recall = share_inside(images, samples, &radii(samples, neighbors));
    Ok(PrecisionRecall { precision, recall })
}

/// The squared distance of each row to its nearest neighbor of this number, itself not counted.
fn radii(set: &Codes, neighbors: usize) -> Vec<f64> {
    let nearest = by_row(
        set,
        set,
        &vec![f64::INFINITY; neighbors],
        #[inline(always)]
        |nearest: &mut Vec<f64>, row, first, distances| {
            let farthest = nearest[neighbors - 1];
            // Usually none is near, which is faster to see for all at once.
            let least = distances.iter().fold(f64::INFINITY, |least, one| if *one < least { *one } else { least });
            if least >= farthest {
                return;
            }
            for (column, distance) in distances.iter().enumerate() {
                if first + column != row && *distance < nearest[neighbors - 1] {
                    let place = nearest.partition_point(|near| near <= distance);
                    nearest[place..].rotate_right(1);
                    nearest[place] = *distance;
                }
            }
        },
    );
    nearest.into_iter().map(|nearest| nearest[neighbors - 1]).collect()
}

/// The share of `points` that are inside one of the balls around the rows of `centers`.
fn share_inside(points: &Codes, centers: &Codes, radii: &[f64]) -> f64 {
    let inside = by_row(
        points,
        centers,
        &false,
        #[inline(always)]
        |inside: &mut bool, _, first, distances| {
            let within = distances.iter().zip(&radii[first..]).fold(false, |any, (one, radius)| any | (one <= radius));
            *inside |= within;
        },
    );
    inside.iter().filter(|inside| **inside).count() as f64 / points.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scores::testing::{normals, on_threads, rows};
    use serde_json::Value;

    fn scores(images: &Codes, samples: &Codes, neighbors: usize) -> PrecisionRecall {
        on_threads(|| precision_recall(images, samples, &PrecisionRecallSettings { neighbors }).unwrap())
    }

    #[test]
    fn agrees_with_scipy() {
        let cases: Value =
            serde_json::from_str(include_str!("../../tests/fixtures/scores/precision_recall.json")).unwrap();
        for case in cases.as_array().unwrap() {
            let neighbors = case["neighbors"].as_u64().unwrap() as usize;
            let found = scores(&rows(&case["images"]), &rows(&case["samples"]), neighbors);
            let expected = ["precision", "recall"].map(|name| case[name].as_f64().unwrap());
            assert_eq!([found.precision, found.recall], expected);
        }
    }

    #[test]
    fn equal_sets_are_perfect_and_far_sets_are_not() {
        let images = normals(1, 90, 4);
        assert_eq!(scores(&images, &images, 3), PrecisionRecall { precision: 1.0, recall: 1.0 });
        let far = Codes { latent: 4, values: images.values.iter().map(|value| value + 100.0).collect() };
        assert_eq!(scores(&images, &far, 3), PrecisionRecall { precision: 0.0, recall: 0.0 });
        // Samples of one mode of two: precise, but they miss half of the images.
        let both = Codes { latent: 4, values: [&*images.values, &*far.values].concat() };
        let found = scores(&both, &images, 3);
        assert_eq!((found.precision, found.recall), (1.0, 0.5));
    }

    #[test]
    fn repeated_and_dead_vectors_are_inside() {
        let constant = Codes { latent: 2, values: vec![1.0; 20] };
        assert_eq!(scores(&constant, &constant, 3), PrecisionRecall { precision: 1.0, recall: 1.0 });
    }

    #[test]
    fn wrong_inputs_are_errors() {
        let score = |images: &Codes, samples: &Codes, neighbors| {
            precision_recall(images, samples, &PrecisionRecallSettings { neighbors })
        };
        let set = normals(1, 10, 2);
        assert!(score(&set, &set, 0).is_err());
        assert!(score(&set, &set, 10).is_err() && score(&set, &set, 9).is_ok());
        assert!(score(&set, &set, usize::MAX).is_err());
        assert!(score(&set, &normals(1, 10, 3), 3).is_err());
        let broken = Codes { latent: 2, values: vec![f32::NAN; 20] };
        assert!(score(&set, &broken, 3).is_err());
        let none = Codes { latent: 0, values: vec![] };
        assert!(score(&none, &none, 3).is_err());
    }
}
