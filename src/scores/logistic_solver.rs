//! The solver of [`super::logistic`]: Newton's method with conjugate gradients.
//!
//! A Newton step is found by conjugate gradients, preconditioned by an approximate diagonal of the Hessian, and
//! shortened until the objective decreases. Sums over points are taken in groups that do not depend on the number of
//! threads.

use super::sums::dot;
use crate::tensor::kernels::vectorized;
use rayon::prelude::*;

/// Points that are computed together.
const WIDTH: usize = 128;
/// The number of groups of points with a sum each; no more threads than this are used.
const GROUPS: usize = 64;
/// The solver stops when no element of the gradient of the mean objective, with standardized features, exceeds this.
const TOLERANCE: f64 = 1e-11;
const MOST_STEPS: usize = 200;
const MOST_PRODUCTS: usize = 1000;

/// The objective, divided by C and the number of points, of weights of standardized features.
pub(super) struct Problem {
    points: usize,
    features: usize,
    classes: usize,
    /// Blocks of points; in each the values of a feature lie together. Zeros after the last point.
    blocks: Vec<f64>,
    /// The class of each point.
    labels: Vec<u32>,
    /// The strength of the penalty of each feature's weights.
    penalties: Vec<f64>,
}

/// The weights of each class with its bias last, and how they were found.
pub(super) struct Solution {
    pub(super) weights: Vec<f64>,
    pub(super) converged: bool,
    pub(super) steps: usize,
}

/// The objective at some weights.
struct Value {
    objective: f64,
    gradient: Vec<f64>,
    /// For each class the mean of p(1 - p).
    curvatures: Vec<f64>,
}

impl Problem {
    /// The objective of points, given by the values of each standardized feature, the class of each point and the
    /// strength of the penalty of each feature's weights, divided by the number of points.
    pub(super) fn new(columns: &[Vec<f64>], labels: Vec<u32>, classes: usize, penalties: Vec<f64>) -> Problem {
        let (points, features) = (labels.len(), columns.len());
        let mut blocks = vec![0.0; points.div_ceil(WIDTH) * features * WIDTH];
        for (block, values) in blocks.chunks_exact_mut((features * WIDTH).max(1)).enumerate() {
            for (values, column) in values.chunks_exact_mut(WIDTH).zip(columns) {
                let part = &column[block * WIDTH..points.min((block + 1) * WIDTH)];
                values[..part.len()].copy_from_slice(part);
            }
        }
        Problem { points, features, classes, blocks, labels, penalties }
    }

    /// Finds the minimum.
    pub(super) fn solve(&self) -> Solution {
        let size = self.classes * (self.features + 1);
        let mut weights = vec![0.0; size];
        let mut probabilities = vec![0.0; self.points.div_ceil(WIDTH) * WIDTH * self.classes];
        let mut at = self.evaluate(&weights, &mut probabilities);
        for steps in 0..MOST_STEPS {
            let largest = at.gradient.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
            if largest <= TOLERANCE {
                return Solution { weights, converged: true, steps };
            }
            let direction = self.newton_direction(&at, &probabilities, largest.sqrt().min(0.1));
            let slope = dot(&at.gradient, &direction);
            let mut length = 1.0;
            let (moved, value) = loop {
                let moved: Vec<f64> = weights.iter().zip(&direction).map(|(w, d)| w + length * d).collect();
                let value = self.evaluate(&moved, &mut probabilities);
                // Near the minimum the decrease is lost in rounding.
                let bound = at.objective + 1e-4 * length * slope + 1e-14 * at.objective.abs();
                if value.objective <= bound || length < 1e-9 {
                    break (moved, value);
                }
                length /= 2.0;
            };
            (weights, at) = (moved, value);
        }
        Solution { weights, converged: false, steps: MOST_STEPS }
    }

    /// An approximate solution of Hessian * direction = -gradient: the residual is at most `accuracy` of the gradient.
    fn newton_direction(&self, at: &Value, probabilities: &[f64], accuracy: f64) -> Vec<f64> {
        let diagonal: Vec<f64> = at
            .curvatures
            .iter()
            .flat_map(|curvature| {
                let of_features = self.penalties.iter().map(move |penalty| curvature + penalty);
                of_features.chain([*curvature]).map(|value| value.max(1e-12))
            })
            .collect();
        let precondition = |residual: &[f64]| residual.iter().zip(&diagonal).map(|(r, d)| r / d).collect::<Vec<f64>>();
        let mut direction = vec![0.0; at.gradient.len()];
        let mut residual: Vec<f64> = at.gradient.iter().map(|value| -value).collect();
        let mut conditioned = precondition(&residual);
        let mut search = conditioned.clone();
        let mut norm = dot(&residual, &conditioned);
        let least = norm * accuracy * accuracy;
        for _ in 0..MOST_PRODUCTS {
            let product = self.hessian_product(probabilities, &search);
            let curvature = dot(&search, &product);
            if curvature <= 0.0 {
                break;
            }
            let length = norm / curvature;
            for i in 0..direction.len() {
                direction[i] += length * search[i];
                residual[i] -= length * product[i];
            }
            conditioned = precondition(&residual);
            let next = dot(&residual, &conditioned);
            if next <= least {
                break;
            }
            search.iter_mut().zip(&conditioned).for_each(|(search, value)| *search = value + next / norm * *search);
            norm = next;
        }
        direction
    }

    /// The objective at some weights. Leaves the probabilities of the points, which are 0 after the last one.
    fn evaluate(&self, weights: &[f64], probabilities: &mut [f64]) -> Value {
        let (classes, row) = (self.classes, self.features + 1);
        let of_group = |(group, probabilities): (usize, &mut [f64])| {
            let mut sums = vec![0.0; classes * row + classes + 1];
            let first = group * self.blocks_of_group();
            for (block, probabilities) in probabilities.chunks_exact_mut(WIDTH * classes).enumerate() {
                vectorized(
                    #[inline(always)]
                    || self.evaluate_block(first + block, weights, probabilities, &mut sums),
                );
            }
            sums
        };
        let groups = probabilities.par_chunks_mut(self.blocks_of_group() * WIDTH * classes).enumerate();
        let mut gradient = total(groups.map(of_group).collect());
        gradient.iter_mut().for_each(|sum| *sum /= self.points as f64);
        let mut objective = gradient.pop().unwrap_or(0.0);
        let curvatures = gradient.split_off(classes * row);
        for (gradient, weights) in gradient.chunks_exact_mut(row).zip(weights.chunks_exact(row)) {
            for ((gradient, weight), penalty) in gradient.iter_mut().zip(weights).zip(&self.penalties) {
                *gradient += penalty * weight;
                objective += penalty * weight * weight / 2.0;
            }
        }
        Value { objective, gradient, curvatures }
    }

    /// Adds a block's sums: for each class those of its gradient, for each class that of p(1 - p), and the loss.
    #[inline(always)]
    fn evaluate_block(&self, block: usize, weights: &[f64], probabilities: &mut [f64], sums: &mut [f64]) {
        let labels = &self.labels[block * WIDTH..self.points.min((block + 1) * WIDTH)];
        self.linear(block, weights, probabilities);
        let mut loss = 0.0;
        for (point, &label) in labels.iter().enumerate() {
            loss -= probabilities[label as usize * WIDTH + point];
        }
        let mut highest = [f64::NEG_INFINITY; WIDTH];
        for scores in probabilities.chunks_exact(WIDTH) {
            for (highest, &score) in highest.iter_mut().zip(scores) {
                *highest = if score > *highest { score } else { *highest };
            }
        }
        let mut exponentials = [0.0; WIDTH];
        for scores in probabilities.chunks_exact_mut(WIDTH) {
            for ((score, highest), sum) in scores.iter_mut().zip(&highest).zip(&mut exponentials) {
                *score = (*score - highest).exp();
                *sum += *score;
            }
        }
        for (highest, sum) in highest.iter().zip(&exponentials).take(labels.len()) {
            loss += highest + sum.ln();
        }
        let (gradients, others) = sums.split_at_mut(self.classes * (self.features + 1));
        for (class, probabilities) in probabilities.chunks_exact_mut(WIDTH).enumerate() {
            for (probability, sum) in probabilities.iter_mut().zip(&exponentials) {
                *probability /= sum;
            }
            probabilities[labels.len()..].fill(0.0);
            let mut differences = [0.0; WIDTH];
            for (difference, &probability) in differences.iter_mut().zip(probabilities.iter()) {
                *difference = probability;
                others[class] += probability * (1.0 - probability);
            }
            for (difference, &label) in differences.iter_mut().zip(labels) {
                *difference -= f64::from(label as usize == class);
            }
            self.accumulate(block, &differences, &mut gradients[class * (self.features + 1)..][..self.features + 1]);
        }
        others[self.classes] += loss;
    }

    /// The product of the Hessian at given probabilities and a direction.
    fn hessian_product(&self, probabilities: &[f64], direction: &[f64]) -> Vec<f64> {
        let (classes, row) = (self.classes, self.features + 1);
        let of_group = |(group, probabilities): (usize, &[f64])| {
            let mut sums = vec![0.0; classes * row];
            let mut changes = vec![0.0; classes * WIDTH];
            let first = group * self.blocks_of_group();
            for (block, probabilities) in probabilities.chunks_exact(WIDTH * classes).enumerate() {
                vectorized(
                    #[inline(always)]
                    || self.product_of_block(first + block, direction, probabilities, &mut changes, &mut sums),
                );
            }
            sums
        };
        let groups = probabilities.par_chunks(self.blocks_of_group() * WIDTH * classes).enumerate();
        let mut product = total(groups.map(of_group).collect());
        product.iter_mut().for_each(|sum| *sum /= self.points as f64);
        for (product, direction) in product.chunks_exact_mut(row).zip(direction.chunks_exact(row)) {
            for ((product, direction), penalty) in product.iter_mut().zip(direction).zip(&self.penalties) {
                *product += penalty * direction;
            }
        }
        product
    }

    #[inline(always)]
    fn product_of_block(
        &self,
        block: usize,
        direction: &[f64],
        probabilities: &[f64],
        changes: &mut [f64],
        sums: &mut [f64],
    ) {
        self.linear(block, direction, changes);
        let mut means = [0.0; WIDTH];
        for (changes, probabilities) in changes.chunks_exact(WIDTH).zip(probabilities.chunks_exact(WIDTH)) {
            for ((mean, change), probability) in means.iter_mut().zip(changes).zip(probabilities) {
                *mean += change * probability;
            }
        }
        let classes = changes.chunks_exact_mut(WIDTH).zip(probabilities.chunks_exact(WIDTH));
        for ((changes, probabilities), sums) in classes.zip(sums.chunks_exact_mut(self.features + 1)) {
            for ((change, probability), mean) in changes.iter_mut().zip(probabilities).zip(&means) {
                *change = probability * (*change - mean);
            }
            self.accumulate(block, changes, sums);
        }
    }

    /// For each class the weighted sum of the features of each point of a block, plus the bias.
    #[inline(always)]
    fn linear(&self, block: usize, weights: &[f64], results: &mut [f64]) {
        let values = &self.blocks[block * self.features * WIDTH..][..self.features * WIDTH];
        for (results, weights) in results.chunks_exact_mut(WIDTH).zip(weights.chunks_exact(self.features + 1)) {
            results.fill(weights[self.features]);
            for (values, weight) in values.chunks_exact(WIDTH).zip(weights) {
                for (result, value) in results.iter_mut().zip(values) {
                    *result += weight * value;
                }
            }
        }
    }

    /// Adds to `sums` the products of each feature with factors of the points, and at last the sum of the factors.
    #[inline(always)]
    fn accumulate(&self, block: usize, factors: &[f64], sums: &mut [f64]) {
        let values = &self.blocks[block * self.features * WIDTH..][..self.features * WIDTH];
        for (sum, values) in sums.iter_mut().zip(values.chunks_exact(WIDTH)) {
            *sum += dot(values, factors);
        }
        sums[self.features] += factors.iter().sum::<f64>();
    }

    /// The number of blocks of a group.
    fn blocks_of_group(&self) -> usize {
        self.points.div_ceil(WIDTH).div_ceil(GROUPS).max(1)
    }
}

/// The sum of lists, in their order.
fn total(lists: Vec<Vec<f64>>) -> Vec<f64> {
    let mut lists = lists.into_iter();
    let mut sums = lists.next().unwrap_or_default();
    for list in lists {
        sums.iter_mut().zip(list).for_each(|(sum, value)| *sum += value);
    }
    sums
}
