//! The split of a pool of images into training, validation and test images.

use super::{DataError, Images};
use crate::random::{Purpose, Stream, shuffled};
use crate::settings::{Choices, Kind};
use std::collections::BTreeMap;

/// Which images of the pool are held out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SplitMethod {
    /// The last ones.
    Tail,
    /// Images drawn at random.
    Random,
    /// As `Random`, with the same share of each label in each split.
    Stratified,
}

pub(super) static TAIL: Kind<SplitMethod> =
    Kind::new("tail", "The last images of the pool are held out.", |_| SplitMethod::Tail).also("last none sequential");
pub(super) static RANDOM: Kind<SplitMethod> =
    Kind::new("random", "The images that are held out are drawn with `split_seed`.", |_| SplitMethod::Random)
        .also("shuffle shuffled");
static STRATIFIED: Kind<SplitMethod> = Kind::new(
    "stratified",
    "As `random`, with the same share of each label in each split (the column `label`, or the first column).",
    |_| SplitMethod::Stratified,
)
.also("balanced stratify");

/// The ways to split.
pub(super) static METHODS: Choices<SplitMethod> = Choices(&[&TAIL, &RANDOM, &STRATIFIED]);

/// The size of a split.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Held {
    /// The number of images.
    Images(u64),
    /// The fraction of the images; above 0 and below 1.
    Fraction(f64),
}

impl Held {
    /// The number of images of a pool; a fraction is rounded to the nearest.
    pub(super) fn of(self, pool: usize) -> u64 {
        match self {
            Held::Images(count) => count,
            Held::Fraction(fraction) => (fraction * pool as f64).round() as u64,
        }
    }
}

/// The pool in the order in which it is limited and cut.
///
/// # Errors
/// A stratified split needs labels.
pub(super) fn arranged(pool: &Images, method: SplitMethod, seed: u64) -> Result<Images, DataError> {
    if method == SplitMethod::Tail {
        return Ok(pool.clone());
    }
    let mut order = shuffled(Stream::new(seed, Purpose::Split, 0, 0), pool.len() as u32);
    if method == SplitMethod::Stratified {
        let named = pool.columns().iter().find(|column| column.name == "label");
        let column = named.or(pool.columns().first()).ok_or(DataError::NoLabels)?;
        order = stratified(&order, &pool.values_of(column));
    }
    Ok(pool.listed(&order))
}

/// Spreads the images of each label evenly over the whole order, so that every part of it has the same share of each label.
fn stratified(order: &[u32], labels: &[u32]) -> Vec<u32> {
    let label = |image: &u32| labels.get(*image as usize).copied().unwrap_or_default();
    let mut sizes: BTreeMap<u32, u64> = BTreeMap::new();
    order.iter().for_each(|image| *sizes.entry(label(image)).or_default() += 1);
    let mut seen: BTreeMap<u32, u64> = BTreeMap::new();
    let place = |image: &u32| {
        let (label, rank) = (label(image), seen.entry(label(image)).or_default());
        *rank += 1;
        // The middle of the image's share of the order, as an exact fraction: (2 rank - 1) / (2 size).
        (2 * *rank - 1, sizes.get(&label).copied().unwrap_or(1), *image)
    };
    let mut places: Vec<(u64, u64, u32)> = order.iter().map(place).collect();
    // Stable, so equal places keep their random order.
    places.sort_by(|(a, of_a, _), (b, of_b, _)| (a * of_b).cmp(&(b * of_a)));
    places.into_iter().map(|(_, _, image)| image).collect()
}

/// The training images and the cut splits.
#[derive(Debug)]
pub(super) struct Cut {
    pub(super) train: Images,
    pub(super) validation: Images,
    pub(super) test: Images,
}

/// Cuts test images, then validation images, from the end of the pool.
///
/// # Errors
/// No images are left for training, or a fraction is less than one image.
pub(super) fn cut(pool: &Images, validation: Held, test: Held) -> Result<Cut, DataError> {
    let count = pool.len();
    let (held, tested) = (validation.of(count), test.of(count));
    let error = |(key, value, held): (&'static str, Held, u64)| DataError::Split { key, value, held, images: count };
    for (key, value, held) in [("data.validation", validation, held), ("data.test", test, tested)] {
        if held == 0 && matches!(value, Held::Fraction(_)) {
            return Err(error((key, value, held)));
        }
    }
    let all = held.saturating_add(tested);
    if all >= count as u64 {
        return Err(match (held, tested) {
            (_, 0) => error(("data.validation", validation, held)),
            (held, tested) if held == 0 || tested >= count as u64 => error(("data.test", test, tested)),
            (validation, test) => DataError::Splits { validation, test, images: count },
        });
    }
    let (train, end) = (count - all as usize, count - tested as usize);
    Ok(Cut { train: pool.slice(0..train), validation: pool.slice(train..end), test: pool.slice(end..count) })
}

/// The first column whose values never decrease although they differ: the images are ordered by it.
pub(super) fn ordered_by(pool: &Images) -> Option<String> {
    let is_ordered = |values: &[u32]| values.first() < values.last() && values.is_sorted();
    pool.columns().iter().find(|column| is_ordered(&pool.values_of(column))).map(|column| column.name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_stratified_order_has_the_same_share_of_each_label() {
        // 60 images of label 0, 30 of label 1, 10 of label 2, in this order.
        let labels: Vec<u32> = [(0, 60), (1, 30), (2, 10)].into_iter().flat_map(|(l, n)| vec![l; n]).collect();
        let order = stratified(&shuffled(Stream::new(5, Purpose::Split, 0, 0), 100), &labels);
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..100).collect::<Vec<_>>());
        for start in (0..100).step_by(10) {
            let of = |label| order[start..start + 10].iter().filter(|i| labels[**i as usize] == label).count();
            assert_eq!([of(0), of(1), of(2)], [6, 3, 1], "{start}: {order:?}");
        }
        assert_ne!(order, stratified(&shuffled(Stream::new(6, Purpose::Split, 0, 0), 100), &labels));
    }
}
