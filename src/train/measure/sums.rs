//! Sums over the images and steps of an epoch, in double precision.

use super::{Entry, MeasuredBatch, TrainingStep, entries};
use crate::folder::digest;
use crate::metrics::Split;

/// Sums over images: the sums of each measure, one measure after another.
#[derive(Clone, Debug)]
pub struct Sums {
    split: Split,
    latent: usize,
    images: f64,
    values: Vec<f64>,
    /// The objective's own terms, each the sum over batches of its value times the images of the batch; empty before the first.
    terms: Vec<f64>,
}

/// The number of sums for a standard error: of the values, and of their squares.
const MOMENTS: usize = 2;

impl Entry {
    /// The number of its own sums, and of the sums for its standard error.
    fn lengths(&self, split: Split, latent: usize) -> (usize, usize) {
        (self.measure.sums(latent), if self.has_error(split) { MOMENTS } else { 0 })
    }
}

impl Sums {
    /// Sums over no images.
    pub(in crate::train) fn new(split: Split, latent: usize) -> Sums {
        let lengths = entries(split).map(|entry| entry.lengths(split, latent));
        let length = lengths.map(|(own, moments)| own + moments).sum();
        Sums { split, latent, images: 0.0, values: vec![0.0; length], terms: Vec::new() }
    }

    /// Calls `give` for each measure with its own sums and with the sums for its standard error.
    fn each(&mut self, mut give: impl FnMut(&Entry, &mut [f64], &mut [f64])) {
        let mut rest = self.values.as_mut_slice();
        for entry in entries(self.split) {
            let (own_length, moments_length) = entry.lengths(self.split, self.latent);
            let (own, after) = rest.split_at_mut(own_length);
            let (moments, after) = after.split_at_mut(moments_length);
            rest = after;
            give(entry, own, moments);
        }
    }

    /// Adds a micro-batch.
    pub(in crate::train) fn measure(&mut self, batch: &MeasuredBatch) {
        self.images += batch.images() as f64;
        self.each(|entry, own, moments| {
            entry.measure.add(batch, own);
            if let [sum, squares] = moments {
                for value in entry.measure.each(batch) {
                    *sum += value;
                    *squares += value * value;
                }
            }
        });
    }

    /// Adds a training step, without its images.
    pub(in crate::train) fn step(&mut self, step: TrainingStep) {
        self.each(|entry, own, _| entry.measure.step(step, own));
    }

    /// Adds the sums over other images.
    pub(in crate::train) fn add(&mut self, other: &Sums) {
        self.images += other.images;
        self.values.iter_mut().zip(&other.values).for_each(|(value, other)| *value += other);
        self.add_terms(1.0, &other.terms);
    }

    /// Adds the objective's own terms of a batch of this number of images.
    pub(in crate::train) fn add_terms(&mut self, images: f64, terms: &[f64]) {
        self.terms.resize(self.terms.len().max(terms.len()), 0.0);
        self.terms.iter_mut().zip(terms).for_each(|(sum, term)| *sum += images * term);
    }

    /// The means over the images of the objective's own terms.
    pub(super) fn own_terms(&self) -> Vec<f64> {
        self.terms.iter().map(|sum| sum / self.images).collect()
    }

    /// The mean of an own term; NaN if it was not added.
    pub(super) fn own_term(&self, place: usize) -> f64 {
        self.terms.get(place).map_or(f64::NAN, |sum| sum / self.images)
    }

    /// The number of latent axes.
    pub(in crate::train) fn latent(&self) -> usize {
        self.latent
    }

    /// The split of the images.
    pub(in crate::train) fn split(&self) -> Split {
        self.split
    }

    /// Number of images.
    pub(in crate::train) fn images(&self) -> f64 {
        self.images
    }

    /// The own sums of a measure and the sums for its standard error; empty if it is not measured on this split.
    fn part(&self, is_meant: impl Fn(&Entry) -> bool) -> (&[f64], &[f64]) {
        let mut rest = self.values.as_slice();
        for entry in entries(self.split) {
            let (own_length, moments_length) = entry.lengths(self.split, self.latent);
            let (own, after) = rest.split_at(own_length);
            let (moments, after) = after.split_at(moments_length);
            if is_meant(entry) {
                return (own, moments);
            }
            rest = after;
        }
        (&[], &[])
    }

    /// The sums of a metric's measure; empty if it is not measured on this split.
    pub(super) fn of(&self, metric: &str) -> &[f64] {
        self.part(|entry| entry.metrics.iter().any(|one| one.name == metric)).0
    }

    /// One of the sums of a metric's measure, divided by the number of images; NaN if absent.
    pub(super) fn mean(&self, metric: &str, index: usize) -> f64 {
        self.of(metric).get(index).map_or(f64::NAN, |sum| sum / self.images)
    }

    /// The standard error of a measure's first metric: the sample standard deviation over the images,
    /// divided by the square root of their number.
    pub(super) fn standard_error(&self, entry: &Entry) -> f64 {
        match self.part(|one| std::ptr::eq(one, entry)).1 {
            [sum, squares] => {
                let mean = sum / self.images;
                let variance = (squares / self.images - mean * mean).max(0.0) * self.images / (self.images - 1.0);
                (variance / self.images).sqrt()
            }
            _ => f64::NAN,
        }
    }

    /// A number that identifies the list of measures and the number of sums of each.
    fn layout(&self) -> f64 {
        // Metrics without sums can be added without another layout.
        let summed = entries(self.split).filter(|entry| entry.lengths(self.split, self.latent) != (0, 0));
        let parts = summed.map(|entry| {
            let names: Vec<&str> = entry.metrics.iter().map(|metric| &*metric.name).collect();
            format!("{} {:?};", names.join(","), entry.lengths(self.split, self.latent))
        });
        let digits = digest(&[parts.collect::<String>().as_bytes()], 8);
        u32::from_str_radix(&digits, 16).map_or(f64::NAN, f64::from)
    }

    /// The sums as numbers, for [`Sums::from_numbers`]; the own terms of the objective come last.
    pub(in crate::train) fn numbers(&self) -> Vec<f64> {
        [self.layout(), self.images].into_iter().chain(self.values.iter().chain(&self.terms).copied()).collect()
    }

    /// The inverse of [`Sums::numbers`]; `None` if the numbers are of other measures or of another number of latent axes.
    pub(in crate::train) fn from_numbers(split: Split, latent: usize, numbers: &[f64]) -> Option<Sums> {
        let &[layout, images, ref values @ ..] = numbers else { return None };
        let empty = Sums::new(split, latent);
        let (values, terms) = values.split_at_checked(empty.values.len())?;
        (empty.layout() == layout).then(|| Sums { images, values: values.to_vec(), terms: terms.to_vec(), ..empty })
    }
}
