//! Accuracy of the k nearest neighbours: how well the labels of the closest codes tell a code's label.
//!
//! The nearest neighbours are found exactly, by Euclidean distance of the codes as they are; squared distances are
//! computed in single precision, axis after axis. Of equally distant training codes the earlier ones are taken. The
//! label with most neighbours is predicted; of labels with equally many, that with the smaller sum of distances, then
//! the smaller label. (scikit-learn's `KNeighborsClassifier` takes the smaller label in both cases.)

use super::inputs::{Least, ScoreError, accuracy, check_setting, checked_images};
use super::points::{Codes, Factor};
use crate::tensor::kernels::vectorized;
use rayon::prelude::*;

/// Training codes whose distances are computed together.
const LANES: usize = 128;
/// Axes whose differences are added in one pass over the distances.
const AXES: usize = 4;
/// Codes that are compared with a part of the training codes while it is in the cache.
const CODES: usize = 64;
/// The numbers in such a part of the training codes.
const PART: usize = 32_768;

/// How neighbours vote.
#[derive(Clone, Debug, PartialEq)]
pub struct NeighborSettings {
    /// The number of neighbours; 15, as in the continuous-Bernoulli paper (Loaiza-Ganem & Cunningham 2019).
    pub k: usize,
}

impl Default for NeighborSettings {
    fn default() -> NeighborSettings {
        NeighborSettings { k: 15 }
    }
}

/// The accuracy on some codes of the labels of their nearest neighbours among the training codes, between 0 and 1.
///
/// With fewer training codes than `k`, all vote. `None` if there are no axes, or no training codes or no others.
///
/// # Errors
/// If a code is not finite, the lists do not fit, or the setting is out of its range.
pub fn neighbor_accuracy(
    train: (&Codes, &Factor),
    test: (&Codes, &Factor),
    settings: &NeighborSettings,
) -> Result<Option<f64>, ScoreError> {
    let labels = neighbor_labels(train, test.0, settings)?;
    checked_images(test.0, std::slice::from_ref(test.1))?;
    let pairs =
        |labels: Vec<u16>| accuracy(labels.into_iter().map(u32::from).zip(test.1.values.iter().map(|&v| v.into())));
    Ok(labels.filter(|labels| !labels.is_empty()).map(pairs))
}

/// The labels that are predicted for some codes.
///
/// `None` if there are no axes or no training codes.
///
/// # Errors
/// As [`neighbor_accuracy`].
pub fn neighbor_labels(
    train: (&Codes, &Factor),
    test: &Codes,
    settings: &NeighborSettings,
) -> Result<Option<Vec<u16>>, ScoreError> {
    checked_images(train.0, std::slice::from_ref(train.1))?;
    checked_images(test, &[])?;
    check_setting("k", settings.k, Least::One)?;
    let axes = train.0.latent;
    if axes != test.latent {
        return Err(ScoreError::Axes { first: axes, second: test.latent });
    }
    if axes == 0 || train.0.is_empty() {
        return Ok(None);
    }
    let blocks = blocks(train.0);
    let labels_of = |codes: &[f32]| {
        let neighbors = vectorized(
            #[inline(always)]
            || nearest(&blocks, train.0.len(), codes, axes, settings.k),
        );
        neighbors.iter().map(|neighbors| vote(neighbors, &train.1.values)).collect::<Vec<u16>>()
    };
    let labels: Vec<Vec<u16>> = test.values.par_chunks(CODES * axes).map(labels_of).collect();
    Ok(Some(labels.concat()))
}

/// Codes in blocks of [`LANES`]; in each the values of an axis lie together.
fn blocks(codes: &Codes) -> Vec<f32> {
    let mut blocks = vec![0.0; codes.len().div_ceil(LANES) * codes.latent * LANES];
    for (image, code) in codes.values.chunks_exact(codes.latent).enumerate() {
        let block = image / LANES * codes.latent * LANES;
        for (axis, &value) in code.iter().enumerate() {
            blocks[block + axis * LANES + image % LANES] = value;
        }
    }
    blocks
}

/// For each of some codes the squared distances and numbers of the `k` nearest of `count` training codes, in ascending
/// order.
#[inline(always)]
fn nearest(blocks: &[f32], count: usize, codes: &[f32], axes: usize, k: usize) -> Vec<Vec<(f32, u32)>> {
    let queries = codes.len() / axes;
    let mut neighbors: Vec<Vec<(f32, u32)>> = vec![Vec::with_capacity(k.min(count) + 1); queries];
    let block_size = axes * LANES;
    let part_blocks = (PART / block_size).max(1);
    for (part, blocks) in blocks.chunks(part_blocks * block_size).enumerate() {
        for (code, neighbors) in codes.chunks_exact(axes).zip(neighbors.iter_mut()) {
            for (block, values) in blocks.chunks_exact(block_size).enumerate() {
                let first = (part * part_blocks + block) * LANES;
                let distances = distances(values, code);
                let furthest = if neighbors.len() < k { f32::INFINITY } else { neighbors[k - 1].0 };
                let nearer = distances.iter().fold(false, |any, &distance| any | (distance < furthest));
                if nearer || neighbors.len() < k {
                    for (&distance, number) in distances.iter().zip(first..count) {
                        insert(neighbors, k, distance, number as u32);
                    }
                }
            }
        }
    }
    neighbors
}

/// The squared distances between the codes of a block and a code.
#[inline(always)]
fn distances(values: &[f32], code: &[f32]) -> [f32; LANES] {
    let mut sums = [0.0; LANES];
    let (groups, others) = values.as_chunks::<LANES>().0.as_chunks::<AXES>();
    let (code_groups, code_others) = code.as_chunks::<AXES>();
    for (values, code) in groups.iter().zip(code_groups) {
        for (lane, sum) in sums.iter_mut().enumerate() {
            for axis in 0..AXES {
                let difference = values[axis][lane] - code[axis];
                *sum += difference * difference;
            }
        }
    }
    for (values, code) in others.iter().zip(code_others) {
        for (sum, value) in sums.iter_mut().zip(values) {
            let difference = value - code;
            *sum += difference * difference;
        }
    }
    sums
}

/// Inserts a training code if it is nearer than the furthest of `k`; codes come in ascending order of their numbers.
fn insert(neighbors: &mut Vec<(f32, u32)>, k: usize, distance: f32, number: u32) {
    if neighbors.len() == k && neighbors[k - 1].0 <= distance {
        return;
    }
    let place = neighbors.partition_point(|neighbor| neighbor.0 <= distance);
    neighbors.insert(place, (distance, number));
    neighbors.truncate(k);
}

/// The label with most neighbours, then the smallest sum of distances, then the smallest label.
fn vote(neighbors: &[(f32, u32)], labels: &[u16]) -> u16 {
    let mut votes: Vec<(u16, usize, f64)> = Vec::new();
    for &(distance, number) in neighbors {
        let label = labels[number as usize];
        let distance = f64::from(distance).sqrt();
        match votes.iter_mut().find(|vote| vote.0 == label) {
            Some(vote) => {
                vote.1 += 1;
                vote.2 += distance;
            }
            None => votes.push((label, 1, distance)),
        }
    }
    let better =
        |a: &(u16, usize, f64), b: &(u16, usize, f64)| b.1.cmp(&a.1).then(a.2.total_cmp(&b.2)).then(a.0.cmp(&b.0));
    votes.into_iter().min_by(better).map_or(0, |vote| vote.0)
}

#[cfg(test)]
mod tests {
    use super::super::constructed as made;
    use super::*;
    use serde_json::Value;

    #[test]
    fn labels_are_those_of_the_definition_and_of_scikit_learn() {
        let fixture: Vec<Value> =
            serde_json::from_str(include_str!("../../tests/fixtures/scores/neighbors.json")).unwrap();
        for problem in fixture {
            let (train, labels) = (made::codes(&problem["train"]), made::factor(6, &problem["labels"]));
            let (test, test_labels) = (made::codes(&problem["test"]), made::factor(6, &problem["test_labels"]));
            let settings = NeighborSettings { k: problem["k"].as_u64().unwrap() as usize };
            let found = neighbor_labels((&train, &labels), &test, &settings).unwrap().unwrap();
            assert_eq!(found, made::factor(6, &problem["predicted"]).values);
            let right = found.iter().zip(&test_labels.values).filter(|(a, b)| a == b).count();
            let accuracy = neighbor_accuracy((&train, &labels), (&test, &test_labels), &settings).unwrap().unwrap();
            assert_eq!(accuracy, right as f64 / found.len() as f64);
            if let Some(expected) = problem.get("scikit_learn") {
                // Only ties of votes may differ.
                let expected = made::factor(6, expected).values;
                let same = found.iter().zip(&expected).filter(|(a, b)| a == b).count();
                assert!(same >= found.len() - 10, "{same} of {}", found.len());
            }
        }
    }

    #[test]
    fn ties_are_decided_by_votes_then_distances_then_labels() {
        let vote_of = |neighbors: &[f32], labels: &[u16]| {
            let neighbors: Vec<(f32, u32)> = neighbors.iter().copied().zip(0..).collect();
            vote(&neighbors, labels)
        };
        assert_eq!(vote_of(&[1.0, 2.0, 3.0], &[1, 2, 2]), 2);
        assert_eq!(vote_of(&[1.0, 2.0, 3.0, 4.0], &[2, 1, 1, 2]), 2);
        assert_eq!(vote_of(&[1.0, 2.0, 2.0, 1.0], &[2, 1, 2, 1]), 1);
        let train = Codes { latent: 1, values: vec![1.0, -1.0, 1.0, -1.0] };
        let labels = Factor { name: "label".into(), size: 9, values: vec![5, 3, 3, 5] };
        let test = Codes { latent: 1, values: vec![0.0] };
        let settings = NeighborSettings { k: 1 };
        // The first of equally near training codes is the neighbour.
        assert_eq!(neighbor_labels((&train, &labels), &test, &settings), Ok(Some(vec![5])));
    }

    #[test]
    fn many_codes_are_compared_with_all_training_codes() {
        let (train, test) = (made::noise(3000, 40, 1), made::noise(131, 40, 2));
        let values = (0..3000).map(|image| image % 1000).collect();
        let labels = Factor { name: "label".into(), size: 1000, values };
        let settings = NeighborSettings { k: 1 };
        let compute = || neighbor_labels((&train, &labels), &test, &settings).unwrap().unwrap();
        let [one, two] = [1, 2].map(|threads| made::on_threads(threads, compute));
        assert_eq!(one, two);
        for (image, label) in one.into_iter().enumerate() {
            let distance = |other: usize| -> f64 {
                let pairs = test.row(image).iter().zip(train.row(other));
                pairs.map(|(a, b)| f64::from(a - b).powi(2)).sum()
            };
            let nearest = (0..3000).min_by(|&a, &b| distance(a).total_cmp(&distance(b))).unwrap();
            assert_eq!(usize::from(label), nearest % 1000);
        }
    }

    #[test]
    fn copied_labels_are_told_and_noise_is_not() {
        let factors = made::grid(&[2, 50, 10]);
        let copied = made::copied(&factors[..1]);
        let settings = NeighborSettings::default();
        let accuracy = |codes: &Codes| neighbor_accuracy((codes, &factors[0]), (codes, &factors[0]), &settings);
        assert_eq!(accuracy(&copied), Ok(Some(1.0)));
        assert_eq!(accuracy(&made::joined(&copied, &made::constant(1000, 1))), Ok(Some(1.0)));
        let [train, test] = [1, 2].map(|seed| made::noise(1000, 3, seed));
        let chance = neighbor_accuracy((&train, &factors[0]), (&test, &factors[0]), &settings).unwrap().unwrap();
        assert!((0.4..0.6).contains(&chance), "{chance}");
    }

    #[test]
    fn accuracies_that_are_not_defined_are_absent() {
        let factors = made::grid(&[4, 5]);
        let codes = made::copied(&factors);
        let settings = NeighborSettings::default();
        let labels = &factors[0];
        let nothing = (Codes { latent: 2, values: vec![] }, Factor { values: vec![], ..labels.clone() });
        assert_eq!(neighbor_accuracy((&nothing.0, &nothing.1), (&codes, labels), &settings), Ok(None));
        assert_eq!(neighbor_accuracy((&codes, labels), (&nothing.0, &nothing.1), &settings), Ok(None));
        let no_axes = Codes { latent: 0, values: vec![] };
        assert_eq!(neighbor_accuracy((&no_axes, labels), (&no_axes, labels), &settings), Ok(None));
        assert!(neighbor_accuracy((&codes, labels), (&made::constant(20, 1), labels), &settings).is_err());
        assert!(neighbor_labels((&codes, labels), &codes, &NeighborSettings { k: 0 }).is_err());
        let far = Codes { latent: 1, values: vec![3e38, -3e38, 3e38] };
        let labels = Factor { name: "label".into(), size: 2, values: vec![0, 1, 0] };
        assert!(neighbor_labels((&far, &labels), &far, &settings).unwrap().is_some());
    }
}
