//! The random draws of the classifier-based scores: their addresses, and points drawn from the images.
//!
//! Each number is the `epoch` of a [`Stream`] with [`Purpose::Evaluation`]. Scores depend on them: do not change
//! existing ones.

use super::points::{Codes, Factor};
use crate::random::{Purpose, Stream};

/// The images that DCI trains on; the index is 0.
pub(super) const DCI_TRAIN: u64 = 100;
/// The images that DCI is tested on; the index is 0.
pub(super) const DCI_TEST: u64 = 101;
/// Choices between axes that split a node of a boosted tree equally well; the index is the tree.
pub(super) const BOOSTING_TIES: u64 = 102;
/// The pairs of images of the BetaVAE score's training points; the index is the point.
pub(super) const BETA_TRAIN: u64 = 103;
/// The pairs of images of the BetaVAE score's evaluation points; the index is the point.
pub(super) const BETA_EVAL: u64 = 104;
/// The images of the FactorVAE score's global variances; the index is 0.
pub(super) const FACTOR_VARIANCE: u64 = 105;
/// The images of the FactorVAE score's training votes; the index is the vote.
pub(super) const FACTOR_TRAIN: u64 = 106;
/// The images of the FactorVAE score's evaluation votes; the index is the vote.
pub(super) const FACTOR_EVAL: u64 = 107;
/// The images of the UDR; the index is 0.
pub(super) const UDR_POINTS: u64 = 108;

/// `count` images out of `images`, with replacement, each equally likely.
pub(super) fn draw_images(seed: u64, draw: u64, count: usize, images: usize) -> Vec<usize> {
    let mut stream = Stream::new(seed, Purpose::Evaluation, draw, 0);
    (0..count).map(|_| stream.below(images as u64) as usize).collect()
}

/// The codes of some images.
pub(super) fn codes_of(codes: &Codes, images: &[usize]) -> Codes {
    let values = images.iter().flat_map(|&image| codes.row(image)).copied().collect();
    Codes { latent: codes.latent, values }
}

/// The factors of some images.
pub(super) fn factors_of(factors: &[Factor], images: &[usize]) -> Vec<Factor> {
    let of = |factor: &Factor| Factor {
        name: factor.name.clone(),
        size: factor.size,
        values: images.iter().map(|&image| factor.values[image]).collect(),
    };
    factors.iter().map(of).collect()
}
