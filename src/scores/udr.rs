//! UDR: how far models that differ only in their seed agree on their axes (Duan et al. 2020), as computed by
//! disentanglement_lib.
//!
//! Of each model the axes with a mean KL term above a threshold are kept and standardized. For a pair of models i and j
//! the table R has, for each axis of i (row) and of j (column), the absolute coefficient of the row in a Lasso
//! regression of the column on all rows, or the absolute rank correlation. The score of the pair is the mean over rows
//! of max^2 / sum, plus the mean over columns, divided by 2: 1 if each axis of a model corresponds to one of the other.
//! The UDR of a model is the median of the scores of the pairs in which it is j.
//!
//! Differences: the Lasso is solved to convergence, where scikit-learn stops at a tolerance of 1e-4. An axis that is
//! kept but constant has correlation 0 with the others; in disentanglement_lib its rank correlations are not a number,
//! and it makes all rows count 0. There the codes are zeroed by a fixed threshold of 0.01, whatever the setting. A
//! model without axes that are kept stops disentanglement_lib; its pairs score 0 here. The models may have different
//! numbers of axes.

use super::draws::{UDR_POINTS, draw_images};
use super::inputs::{Least, ScoreError, check_finite, check_setting};
use super::points::Codes;
use super::sums::{dot, moments};
use crate::tensor::kernels::vectorized;
use rayon::prelude::*;

/// The Lasso regression stops when no coefficient changes by more than this.
const TOLERANCE: f64 = 1e-12;
const MOST_SWEEPS: usize = 10_000;

/// What relates the axes of two models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// Coefficients of a Lasso regression (UDR-L).
    Lasso,
    /// Spearman's rank correlations (UDR-S).
    Spearman,
}

/// How the UDR is computed; the default is disentanglement_lib's.
#[derive(Clone, Debug, PartialEq)]
pub struct UdrSettings {
    /// What relates the axes of two models (`correlation_matrix`); the Lasso.
    pub relation: Relation,
    /// The weight of the Lasso's penalty (`alpha`); 0.1. The objective is 1/(2n) |y - X w|^2 + alpha |w|_1.
    pub alpha: f64,
    /// Axes with a mean KL term up to this, in nats, are left out (`kl_filter_threshold`); 0.01.
    pub threshold: f64,
    /// The number of images (`num_data_points`, which has no default there); 10,000. They are drawn with replacement if
    /// there are more, else each is used once.
    pub points: usize,
}

impl Default for UdrSettings {
    fn default() -> UdrSettings {
        UdrSettings { relation: Relation::Lasso, alpha: 0.1, threshold: 0.01, points: 10_000 }
    }
}

/// A model's codes of the images, which are the same and in the same order for all models.
#[derive(Clone, Copy, Debug)]
pub struct ModelCodes<'a> {
    /// The posterior means of the images.
    pub codes: &'a Codes,
    /// For each axis the mean KL term over the images, in nats.
    pub kl: &'a [f64],
}

/// The scores of the models of a setting, between 0 and about 1; higher is better.
#[derive(Clone, Debug, PartialEq)]
pub struct Udr {
    /// The UDR of each model: the median of its column of `pairs` without itself.
    pub scores: Vec<f64>,
    /// The score of each pair: model i (row) to model j (column), row after row; 0 on the diagonal. With the Lasso the
    /// table is not symmetric.
    pub pairs: Vec<f64>,
    /// The number of axes of each model that are kept.
    pub kept_axes: Vec<usize>,
}

/// The UDR of models of the same setting.
///
/// `None` with fewer than two models, or without images.
///
/// # Errors
/// If a code or a KL term is not finite, the lists do not fit, the models have different numbers of images, or a
/// setting is out of its range.
pub fn udr(models: &[ModelCodes<'_>], settings: &UdrSettings, seed: u64) -> Result<Option<Udr>, ScoreError> {
    check_setting("points", settings.points, Least::One)?;
    if !(settings.alpha.is_finite() && settings.alpha > 0.0) {
        return Err(ScoreError::Setting { name: "alpha", range: "finite and positive" });
    }
    if !settings.threshold.is_finite() {
        return Err(ScoreError::Setting { name: "threshold", range: "finite" });
    }
    let with_axes = || models.iter().filter(|model| model.codes.latent > 0);
    let images = with_axes().next().map_or(0, |model| model.codes.len());
    for (number, model) in models.iter().enumerate() {
        check_finite(model.codes)?;
        let list = |what: &str| format!("{what} of model {number}");
        if model.kl.len() != model.codes.latent {
            let (entries, expected) = (model.kl.len(), model.codes.latent);
            return Err(ScoreError::Length { list: list("the KL terms"), entries, expected });
        }
        if let Some(axis) = model.kl.iter().position(|value| !value.is_finite()) {
            return Err(ScoreError::Kl { model: number, axis });
        }
        if model.codes.latent > 0 && model.codes.len() != images {
            return Err(ScoreError::Length { list: list("the codes"), entries: model.codes.len(), expected: images });
        }
    }
    if models.len() < 2 || images == 0 {
        return Ok(None);
    }
    let drawn = if images > settings.points {
        draw_images(seed, UDR_POINTS, settings.points, images)
    } else {
        (0..images).collect()
    };
    let table = Table::new(models, settings, &drawn);
    let count = models.len();
    let pair = |pair: usize| {
        let (from, to) = (pair / count, pair % count);
        if from == to { 0.0 } else { agreement(&table.relations(from, to, settings)) }
    };
    let pairs: Vec<f64> = (0..count * count).into_par_iter().map(pair).collect();
    let score = |model: usize| {
        let partners = (0..count).filter(|&partner| partner != model);
        median(partners.map(|partner| pairs[partner * count + model]).collect())
    };
    let scores = (0..count).map(score).collect();
    let kept_axes = table.starts.windows(2).map(|pair| pair[1] - pair[0]).collect();
    Ok(Some(Udr { scores, pairs, kept_axes }))
}

/// The correlations of the kept axes of all models.
struct Table {
    /// Where the axes of each model begin, and at last their number.
    starts: Vec<usize>,
    /// The correlation of each axis with each, row after row.
    correlations: Vec<f64>,
}

impl Table {
    fn new(models: &[ModelCodes<'_>], settings: &UdrSettings, images: &[usize]) -> Table {
        let mut starts = vec![0];
        let mut axes = Vec::new();
        for model in models {
            let kept = (0..model.codes.latent).filter(|&axis| model.kl[axis] > settings.threshold);
            axes.extend(kept.map(|axis| (model.codes, axis)));
            starts.push(axes.len());
        }
        let column = |(codes, axis): (&Codes, usize)| {
            let values: Vec<f64> = images.iter().map(|&image| codes.row(image)[axis].into()).collect();
            standardized(match settings.relation {
                Relation::Lasso => values,
                Relation::Spearman => ranks(&values),
            })
        };
        let columns: Vec<Vec<f64>> = axes.into_par_iter().map(column).collect();
        let row = |first: usize| -> Vec<f64> {
            let product = |second: &Vec<f64>| {
                vectorized(
                    #[inline(always)]
                    || dot(&columns[first], second),
                )
            };
            columns[first..].iter().map(|second| product(second) / images.len() as f64).collect()
        };
        let rows: Vec<Vec<f64>> = (0..columns.len()).into_par_iter().map(row).collect();
        let mut correlations = vec![0.0; columns.len() * columns.len()];
        for (first, row) in rows.iter().enumerate() {
            for (second, &correlation) in (first..).zip(row) {
                correlations[first * columns.len() + second] = correlation;
                correlations[second * columns.len() + first] = correlation;
            }
        }
        Table { starts, correlations }
    }

    fn correlation(&self, first: usize, second: usize) -> f64 {
        let axes = self.starts.last().copied().unwrap_or(0);
        self.correlations[first * axes + second]
    }

    /// For each axis of a model (row) how much it tells of each axis of another one (column).
    fn relations(&self, from: usize, to: usize, settings: &UdrSettings) -> Vec<Vec<f64>> {
        let (rows, columns) = (self.starts[from]..self.starts[from + 1], self.starts[to]..self.starts[to + 1]);
        let mut relations = vec![vec![0.0; columns.len()]; rows.len()];
        let within: Vec<f64> =
            rows.clone().flat_map(|first| rows.clone().map(move |second| self.correlation(first, second))).collect();
        for (place, column) in columns.enumerate() {
            let with_target: Vec<f64> = rows.clone().map(|row| self.correlation(row, column)).collect();
            let of_column = match settings.relation {
                Relation::Lasso => lasso(&within, &with_target, settings.alpha),
                Relation::Spearman => with_target,
            };
            for (row, value) in relations.iter_mut().zip(of_column) {
                row[place] = value.abs();
            }
        }
        relations
    }
}

/// Values with mean 0 and variance 1; zeros if they are all equal.
fn standardized(mut values: Vec<f64>) -> Vec<f64> {
    let (mean, deviation) = moments(values.iter().copied());
    let standardize = |value: f64| if deviation > 0.0 { (value - mean) / deviation } else { 0.0 };
    values.iter_mut().for_each(|value| *value = standardize(*value));
    values
}

/// The ranks of values, from 1; equal values have the mean of their ranks.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|&a, &b| values[a].total_cmp(&values[b]).then(a.cmp(&b)));
    let mut ranks = vec![0.0; values.len()];
    let mut rank = 0.0;
    for equal in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let count = equal.len() as f64;
        equal.iter().for_each(|&place| ranks[place] = rank + (count + 1.0) / 2.0);
        rank += count;
    }
    ranks
}

/// The coefficients w of the Lasso: 1/2 w G w - c w + alpha |w|_1, with the correlations G of the inputs and c with the
/// target, by cyclic coordinate descent from 0, as in scikit-learn. Of equal inputs the first gets all.
fn lasso(within: &[f64], with_target: &[f64], alpha: f64) -> Vec<f64> {
    let inputs = with_target.len();
    let mut weights = vec![0.0; inputs];
    for _ in 0..MOST_SWEEPS {
        let mut largest_change = 0.0f64;
        for input in 0..inputs {
            let row = &within[input * inputs..][..inputs];
            let square = row[input];
            if square <= 0.0 {
                continue;
            }
            let before = weights[input];
            let explained: f64 = row.iter().zip(&weights).map(|(g, w)| g * w).sum::<f64>() - square * before;
            let rest = with_target[input] - explained;
            let after = rest.signum() * (rest.abs() - alpha).max(0.0) / square;
            weights[input] = after;
            largest_change = largest_change.max((after - before).abs());
        }
        if largest_change <= TOLERANCE {
            break;
        }
    }
    weights
}

/// The score of a pair: the mean of max^2 / sum over rows and over columns; 0 for a row or column of zeros, and without
/// any.
fn agreement(relations: &[Vec<f64>]) -> f64 {
    let columns = relations.first().map_or(0, Vec::len);
    if columns == 0 {
        return 0.0;
    }
    let strength = |values: &mut dyn Iterator<Item = f64>| {
        let (largest, sum) = values.fold((0.0f64, 0.0), |(largest, sum), value| (largest.max(value), sum + value));
        if sum > 0.0 { largest * largest / sum } else { 0.0 }
    };
    let of_rows: f64 = relations.iter().map(|row| strength(&mut row.iter().copied())).sum();
    let of_columns: f64 = (0..columns).map(|column| strength(&mut relations.iter().map(|row| row[column]))).sum();
    (of_rows / relations.len() as f64 + of_columns / columns as f64) / 2.0
}

/// The median of at least one number.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}

#[cfg(test)]
mod tests {
    use super::super::constructed as made;
    use super::super::constructed::assert_close;
    use super::*;
    use serde_json::Value;

    fn score(codes: &[&Codes], relation: Relation) -> Udr {
        let kl = [1.0; 10];
        let models: Vec<ModelCodes<'_>> =
            codes.iter().map(|codes| ModelCodes { codes, kl: &kl[..codes.latent] }).collect();
        udr(&models, &UdrSettings { relation, ..UdrSettings::default() }, 1).unwrap().unwrap()
    }

    #[test]
    fn scores_are_those_of_scikit_learn_and_scipy() {
        let fixture: Value = serde_json::from_str(include_str!("../../tests/fixtures/scores/udr.json")).unwrap();
        let array = |name: &str| fixture[name].as_array().unwrap().clone();
        let codes: Vec<Codes> = array("models").iter().map(made::codes).collect();
        let kl: Vec<Vec<f64>> = array("kl").iter().map(made::numbers).collect();
        let models: Vec<ModelCodes<'_>> = codes.iter().zip(&kl).map(|(codes, kl)| ModelCodes { codes, kl }).collect();
        for (relation, name) in [(Relation::Lasso, "lasso"), (Relation::Spearman, "spearman")] {
            let udr = udr(&models, &UdrSettings { relation, ..UdrSettings::default() }, 1).unwrap().unwrap();
            assert_close(&udr.pairs, &made::numbers(&fixture[name]["pairs"]), 1e-8);
            assert_close(&udr.scores, &made::numbers(&fixture[name]["scores"]), 1e-8);
            assert_eq!(udr.kept_axes, [4, 3, 4, 2]);
        }
    }

    #[test]
    fn permuted_axes_agree_and_rotated_or_unrelated_ones_do_not() {
        let codes = made::noise(5000, 4, 1);
        let mut permuted = codes.clone();
        for row in permuted.values.chunks_exact_mut(4) {
            let [a, b, c, d] = [row[0], row[1], row[2], row[3]];
            row.copy_from_slice(&[-b, 2.0 * d, a, -c]);
        }
        let rotated = made::rotated(&codes);
        let other = made::noise(5000, 4, 2);
        let spearman = |second: &Codes| score(&[&codes, second], Relation::Spearman).scores[0];
        let lasso = |second: &Codes| score(&[&codes, second], Relation::Lasso).scores[0];
        assert!(spearman(&permuted) > 0.9 && spearman(&rotated) < 0.4 && spearman(&other) < 0.05);
        // The penalty takes 0.1 of each coefficient.
        assert_close(&[lasso(&permuted)], &[0.9], 0.02);
        assert!(lasso(&rotated) < 0.4 && lasso(&other) == 0.0);
    }

    #[test]
    fn axes_without_information_and_dead_models_do_not_count() {
        let codes = made::noise(500, 2, 1);
        let (dead, none) = (made::joined(&codes, &made::noise(500, 3, 5)), Codes { latent: 0, values: vec![] });
        let models = [
            ModelCodes { codes: &codes, kl: &[1.0, 1.0] },
            ModelCodes { codes: &dead, kl: &[1.0, 1.0, 0.0, 0.01, 0.005] },
            ModelCodes { codes: &dead, kl: &[0.0; 5] },
            ModelCodes { codes: &none, kl: &[] },
        ];
        let udr = udr(&models, &UdrSettings::default(), 1).unwrap().unwrap();
        assert_eq!(udr.kept_axes, [2, 2, 0, 0]);
        assert_close(&[udr.pairs[1], udr.pairs[4]], &[0.9, 0.9], 1e-6);
        assert_eq!((&udr.pairs[2..4], &udr.scores[2..]), (&[0.0; 2][..], &[0.0; 2][..]));
        for relation in [Relation::Lasso, Relation::Spearman] {
            let constant = score(&[&made::joined(&codes, &made::constant(500, 1)), &codes], relation);
            let expected = if relation == Relation::Lasso { 0.9 } else { 0.95 };
            // One row of three counts 0.
            assert_close(&[constant.pairs[1]], &[(expected * 2.0 / 3.0 + expected) / 2.0], 0.1);
        }
    }

    #[test]
    fn few_models_and_images_are_accepted() {
        let codes = made::noise(3, 2, 1);
        let model = ModelCodes { codes: &codes, kl: &[1.0, 1.0] };
        assert!(udr(&[model], &UdrSettings::default(), 1).unwrap().is_none());
        assert!(udr(&[], &UdrSettings::default(), 1).unwrap().is_none());
        assert!(score(&[&codes, &codes], Relation::Lasso).scores[0] <= 1.0);
        let empty = Codes { latent: 2, values: vec![] };
        let nothing = ModelCodes { codes: &empty, kl: &[1.0, 1.0] };
        assert!(udr(&[nothing, nothing], &UdrSettings::default(), 1).unwrap().is_none());
        assert!(udr(&[model, nothing], &UdrSettings::default(), 1).is_err());
        let wrong = |kl| ModelCodes { codes: &codes, kl };
        assert!(udr(&[model, wrong(&[1.0])], &UdrSettings::default(), 1).is_err());
        assert!(udr(&[model, wrong(&[1.0, f64::NAN])], &UdrSettings::default(), 1).is_err());
        assert!(udr(&[model, model], &UdrSettings { alpha: 0.0, ..UdrSettings::default() }, 1).is_err());
    }

    #[test]
    fn the_result_does_not_depend_on_the_number_of_threads() {
        let codes = [1, 2, 3].map(|seed| made::plus(&made::noise(12_000, 4, 7), 1.0, &made::noise(12_000, 4, seed)));
        let all = [&codes[0], &codes[1], &codes[2]];
        for relation in [Relation::Lasso, Relation::Spearman] {
            let [one, two] = [1, 2].map(|threads| made::on_threads(threads, || score(&all, relation)));
            assert_eq!(one, two);
        }
    }

    #[test]
    fn ranks_and_medians_are_those_of_the_definition() {
        assert_eq!(ranks(&[3.0, 1.0, 3.0, 2.0, 3.0]), [4.0, 1.0, 4.0, 2.0, 4.0]);
        assert_eq!((median(vec![3.0, 1.0, 2.0]), median(vec![4.0, 1.0, 2.0, 3.0])), (2.0, 2.5));
    }
}
