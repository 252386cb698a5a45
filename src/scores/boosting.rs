//! Gradient boosting of classes, as computed by scikit-learn 1.9.1's `GradientBoostingClassifier` (Friedman 2001).
//!
//! With K > 2 classes each round grows one tree per class on the residuals (1 if the point has the class, else 0) minus
//! the softmax probability; the residuals of all trees of a round are computed before the first one. A leaf's value is
//! one Newton step, (K-1)/K * mean r / mean p(1-p). With two classes one tree per round is grown on the residuals of
//! the second class's logistic probability, and the leaf's value is mean r / mean p(1-p). The initial prediction is the
//! logarithm (centered), or the log-odds, of the classes' shares.
//!
//! Importances are those of `feature_importances_`: the decrease of the mean squared error by the splits of an axis,
//! averaged over all trees that have a split, not normalized per tree, and then divided by the sum over axes.
//! (Before scikit-learn 0.20 each tree was normalized first.)

use super::inputs::{Least, ScoreError, check_setting};
use super::points::Codes;
use super::tree::{SortedPoints, Ties, Tree, Workspace};
use crate::tensor::kernels::vectorized;
use rayon::prelude::*;

/// Points whose probabilities are computed together.
const BLOCK: usize = 256;
/// Where the sum of p(1-p) of a leaf is smaller, its value is 0. scikit-learn's limit for the mean is the same.
const LEAST_VARIANCE: f64 = 1e-150;

/// How boosting is done; the default is scikit-learn's.
#[derive(Clone, Debug, PartialEq)]
pub struct BoostingSettings {
    /// The number of rounds (`n_estimators`); 100.
    pub rounds: usize,
    /// What the leaves' values are multiplied by (`learning_rate`); 0.1.
    pub rate: f64,
    /// The largest number of splits above a leaf (`max_depth`); 3.
    pub depth: usize,
}

impl Default for BoostingSettings {
    fn default() -> BoostingSettings {
        BoostingSettings { rounds: 100, rate: 0.1, depth: 3 }
    }
}

/// A classifier of codes by boosted trees.
#[derive(Clone, Debug)]
pub struct Boosting {
    /// The labels of the training points that occur, in ascending order.
    labels: Vec<u32>,
    /// The prediction before the first round: one number per class, or one in all with two classes.
    initial: Vec<f64>,
    rate: f64,
    /// The trees, round by round: as many as `initial` in each.
    trees: Vec<Tree>,
    /// The importance of each axis; the sum is 1, or 0 if no tree has a split.
    pub importances: Vec<f64>,
    /// The predicted label of each training point.
    pub train_predictions: Vec<u32>,
}

/// The labels as numbers from 0, in ascending order of those that occur.
struct Classes {
    labels: Vec<u32>,
    of_point: Vec<u32>,
}

impl Boosting {
    /// Trains on points and their labels. `problem` tells apart the trainings of a seed, for the draws between axes
    /// that split equally well; it must be below 2^24.
    ///
    /// `None` if the labels are fewer than two different ones.
    ///
    /// # Errors
    /// If a setting is out of its range, or there is not one label per point.
    pub fn fit(
        points: &SortedPoints,
        labels: &[u32],
        settings: &BoostingSettings,
        seed: u64,
        problem: u64,
    ) -> Result<Option<Boosting>, ScoreError> {
        check_setting("rounds", settings.rounds, Least::One)?;
        check_setting("depth", settings.depth, Least::One)?;
        if !(settings.rate.is_finite() && settings.rate > 0.0) {
            return Err(ScoreError::Setting { name: "rate", range: "finite and positive" });
        }
        if points.axes() > 0 && labels.len() != points.points() {
            let list = "the labels".to_string();
            return Err(ScoreError::Length { list, entries: labels.len(), expected: points.points() });
        }
        let classes = Classes::new(labels);
        if classes.labels.len() < 2 {
            return Ok(None);
        }
        Ok(Some(train(points, classes, settings, seed, problem)))
    }

    /// The predicted label of each code; nothing if they have no axes. Of equally likely labels it is the smallest,
    /// with two classes the larger one.
    pub fn predict(&self, codes: &Codes) -> Vec<u32> {
        self.decisions(codes).chunks_exact(self.initial.len()).map(|raw| self.labels[class_of(raw)]).collect()
    }

    /// The predictions of each code before the softmax, one for each label in ascending order; with two labels a single
    /// one, the log-odds of the larger label. scikit-learn's `decision_function`.
    pub fn decisions(&self, codes: &Codes) -> Vec<f64> {
        let columns = self.initial.len();
        let of_block = |block: &[f32]| {
            let mut raw = self.initial.repeat(block.len() / codes.latent.max(1));
            for round in self.trees.chunks_exact(columns) {
                for (column, tree) in round.iter().enumerate() {
                    let rows = raw.chunks_exact_mut(columns).zip(block.chunks_exact(codes.latent.max(1)));
                    rows.for_each(|(raw, code)| raw[column] += self.rate * tree.predict(code));
                }
            }
            raw
        };
        let blocks: Vec<Vec<f64>> = codes.values.par_chunks(BLOCK * codes.latent.max(1)).map(of_block).collect();
        blocks.concat()
    }
}

impl Classes {
    fn new(labels: &[u32]) -> Classes {
        let mut sorted = labels.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        // Each label occurs in the sorted ones, so that the error is never taken.
        let of_point = labels.iter().map(|label| sorted.binary_search(label).unwrap_or_else(|i| i) as u32).collect();
        Classes { labels: sorted, of_point }
    }
}

/// The class with the highest prediction, the first of equal ones; with a single prediction the second class if it is
/// not negative.
fn class_of(raw: &[f64]) -> usize {
    match raw {
        [odds] => usize::from(*odds >= 0.0),
        _ => (1..raw.len()).fold(0, |best, class| if raw[class] > raw[best] { class } else { best }),
    }
}

/// The prediction before the first round.
fn initial(classes: &Classes) -> Vec<f64> {
    let mut counts = vec![0.0; classes.labels.len()];
    for &class in &classes.of_point {
        counts[class as usize] += 1.0;
    }
    let least = f64::EPSILON;
    let share = |count: f64| (count / classes.of_point.len() as f64).clamp(least, 1.0 - least);
    if let [_, second] = counts[..] {
        let share = share(second);
        return vec![(share / (1.0 - share)).ln()];
    }
    let logarithms: Vec<f64> = counts.into_iter().map(|count| share(count).ln()).collect();
    let mean = logarithms.iter().sum::<f64>() / logarithms.len() as f64;
    logarithms.into_iter().map(|logarithm| logarithm - mean).collect()
}

fn train(points: &SortedPoints, classes: Classes, settings: &BoostingSettings, seed: u64, problem: u64) -> Boosting {
    let count = classes.of_point.len();
    let initial = initial(&classes);
    let columns = initial.len();
    let mut raw: Vec<Vec<f64>> = initial.iter().map(|&value| vec![value; count]).collect();
    // Blocks of points; in each the probabilities of a class lie together.
    let mut probabilities = vec![0.0; count.div_ceil(BLOCK) * BLOCK * columns];
    let mut trees = Vec::with_capacity(settings.rounds * columns);
    let mut importances = vec![0.0; points.axes()];
    for round in 0..settings.rounds {
        probabilities.par_chunks_mut(BLOCK * columns).enumerate().for_each(|(block, probabilities)| {
            vectorized(
                #[inline(always)]
                || class_probabilities(&raw, block * BLOCK, probabilities),
            );
        });
        let grown: Vec<(Tree, Vec<f64>)> = raw
            .par_iter_mut()
            .enumerate()
            .map_init(Column::default, |memory, (column, raw)| {
                memory.take_probabilities(&probabilities, column, columns, count);
                let number = (problem << 40) | ((round as u64) << 20) | column as u64;
                memory.add_tree(points, &classes, (column, columns), settings, Ties::new(seed, number), raw)
            })
            .collect();
        for (tree, decreases) in grown {
            for (importance, decrease) in importances.iter_mut().zip(decreases) {
                *importance += decrease;
            }
            trees.push(tree);
        }
    }
    let sum: f64 = importances.iter().sum();
    if sum > 0.0 {
        importances.iter_mut().for_each(|importance| *importance /= sum);
    }
    let label_of = |point: usize| {
        let raw: Vec<f64> = raw.iter().map(|column| column[point]).collect();
        classes.labels[class_of(&raw)]
    };
    let train_predictions = (0..count).map(label_of).collect();
    Boosting { labels: classes.labels, initial, rate: settings.rate, trees, importances, train_predictions }
}

/// The probabilities of the points of a block from `start` on: the softmax over the columns, or the logistic function
/// of a single one.
#[inline(always)]
fn class_probabilities(raw: &[Vec<f64>], start: usize, probabilities: &mut [f64]) {
    if let [odds] = raw {
        for (probability, odds) in probabilities.iter_mut().zip(&odds[start..]) {
            *probability = 1.0 / (1.0 + (-odds).exp());
        }
        return;
    }
    let mut highest = [f64::NEG_INFINITY; BLOCK];
    for column in raw {
        for (highest, &value) in highest.iter_mut().zip(&column[start..]) {
            *highest = if value > *highest { value } else { *highest };
        }
    }
    let mut sums = [0.0; BLOCK];
    for (column, probabilities) in raw.iter().zip(probabilities.chunks_exact_mut(BLOCK)) {
        let values = column[start..].iter().zip(&highest);
        for ((probability, sum), (value, highest)) in probabilities.iter_mut().zip(&mut sums).zip(values) {
            *probability = (value - highest).exp();
            *sum += *probability;
        }
    }
    for probabilities in probabilities.chunks_exact_mut(BLOCK) {
        for (probability, sum) in probabilities.iter_mut().zip(&sums) {
            // Past the last point the sum is 0 and the quotient is not used.
            *probability /= sum;
        }
    }
}

/// Memory for the trees of a class.
#[derive(Default)]
struct Column {
    workspace: Workspace,
    probabilities: Vec<f64>,
    residuals: Vec<f64>,
    residual_sums: Vec<f64>,
    variance_sums: Vec<f64>,
}

impl Column {
    fn take_probabilities(&mut self, blocks: &[f64], column: usize, columns: usize, count: usize) {
        self.probabilities.clear();
        for block in blocks.chunks_exact(BLOCK * columns) {
            self.probabilities.extend_from_slice(&block[column * BLOCK..][..BLOCK]);
        }
        self.probabilities.truncate(count);
    }

    /// Grows the tree of a class and adds it to the class's predictions.
    fn add_tree(
        &mut self,
        points: &SortedPoints,
        classes: &Classes,
        (column, columns): (usize, usize),
        settings: &BoostingSettings,
        mut ties: Ties,
        raw: &mut [f64],
    ) -> (Tree, Vec<f64>) {
        // With two classes the only column is that of the second.
        let class = if columns == 1 { 1 } else { column as u32 };
        let of_point = classes.of_point.iter().zip(&self.probabilities);
        self.residuals.clear();
        self.residuals.extend(of_point.map(|(&of, probability)| f64::from(of == class) - probability));
        let mut grown = self.workspace.grow(points, &self.residuals, settings.depth, &mut ties);
        for sums in [&mut self.residual_sums, &mut self.variance_sums] {
            sums.clear();
            sums.resize(grown.tree.nodes(), 0.0);
        }
        let leaves = self.workspace.leaves();
        for ((&leaf, residual), probability) in leaves.iter().zip(&self.residuals).zip(&self.probabilities) {
            self.residual_sums[leaf as usize] += residual;
            self.variance_sums[leaf as usize] += probability * (1.0 - probability);
        }
        let share = if columns == 1 { 1.0 } else { (columns as f64 - 1.0) / columns as f64 };
        for (leaf, (residual, variance)) in self.residual_sums.iter().zip(&self.variance_sums).enumerate() {
            // Nodes with children have no points.
            let step = if *variance < LEAST_VARIANCE { 0.0 } else { share * residual / variance };
            grown.tree.set_value(leaf, step);
        }
        for (raw, &leaf) in raw.iter_mut().zip(leaves) {
            *raw += settings.rate * grown.tree.value(leaf as usize);
        }
        (grown.tree, grown.importances)
    }
}

#[cfg(test)]
mod tests {
    use super::super::constructed::{assert_close, codes, labels, noise, numbers, on_threads};
    use super::super::inputs::accuracy;
    use super::*;
    use serde_json::Value;

    fn fixture() -> Vec<Value> {
        serde_json::from_str(include_str!("../../tests/fixtures/scores/boosting.json")).unwrap()
    }

    fn train_on(problem: &Value, seed: u64) -> Boosting {
        let number = |name: &str| problem[name].as_u64().unwrap() as usize;
        let settings = BoostingSettings { rounds: number("rounds"), rate: 0.1, depth: number("depth") };
        let points = SortedPoints::new(&codes(&problem["train"]));
        Boosting::fit(&points, &labels(&problem["labels"]), &settings, seed, 0).unwrap().unwrap()
    }

    #[test]
    fn without_ties_classifiers_are_those_of_scikit_learn() {
        for problem in fixture().iter().filter(|problem| problem["exact"] == true) {
            let model = train_on(problem, 1);
            let test = codes(&problem["test"]);
            assert_close(&model.importances, &numbers(&problem["importances"]), 1e-4);
            assert_close(&model.decisions(&test), &numbers(&problem["decisions"]), 1e-8);
            assert_eq!(model.train_predictions, labels(&problem["train_predictions"]));
            assert_eq!(model.predict(&test), labels(&problem["test_predictions"]));
        }
    }

    #[test]
    fn with_ties_importances_are_on_average_those_of_scikit_learn() {
        for problem in fixture().iter().filter(|problem| problem["exact"] == false) {
            let models: Vec<Boosting> = (0..20).map(|seed| train_on(problem, seed)).collect();
            let mean = |of: &dyn Fn(&Boosting) -> f64| models.iter().map(of).sum::<f64>() / 20.0;
            let expected = numbers(&problem["importances"]).into_iter().zip(numbers(&problem["deviations"]));
            for (axis, (expected, deviation)) in expected.enumerate() {
                let mean = mean(&|model| model.importances[axis]);
                // Four standard errors of the difference of two means of 20.
                assert!((mean - expected).abs() < 4.0 * deviation * 0.1f64.sqrt(), "{mean}, expected {expected}");
            }
            let (test, test_labels) = (codes(&problem["test"]), labels(&problem["test_labels"]));
            let right = |model: &Boosting| accuracy(model.predict(&test).into_iter().zip(test_labels.iter().copied()));
            assert!((mean(&right) - problem["test_accuracy"].as_f64().unwrap()).abs() < 0.015);
        }
    }

    #[test]
    fn the_result_does_not_depend_on_the_number_of_threads() {
        let problem = &fixture()[0];
        let [one, two] = [1, 2].map(|threads| on_threads(threads, || train_on(problem, 1)));
        assert_eq!((one.trees, one.importances), (two.trees, two.importances));
    }

    #[test]
    fn training_predictions_are_those_of_the_trees() {
        let problem = &fixture()[0];
        let model = train_on(problem, 1);
        assert_eq!(model.predict(&codes(&problem["train"])), model.train_predictions);
    }

    #[test]
    fn one_label_has_no_classifier_and_dead_axes_have_no_splits() {
        let points = SortedPoints::new(&Codes { latent: 1, values: vec![0.5; 10] });
        let settings = BoostingSettings::default();
        assert!(Boosting::fit(&points, &[3; 10], &settings, 1, 0).unwrap().is_none());
        let labels = [0, 0, 0, 2, 2, 2, 2, 7, 7, 7];
        let model = Boosting::fit(&points, &labels, &settings, 1, 0).unwrap().unwrap();
        assert_eq!(model.importances, [0.0]);
        assert_eq!(model.train_predictions, [2; 10]);
        let sorted = SortedPoints::new(&noise(0, 0, 1));
        let model = Boosting::fit(&sorted, &labels, &settings, 1, 0).unwrap().unwrap();
        assert_eq!(model.train_predictions, [2; 10]);
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let points = SortedPoints::new(&noise(10, 2, 1));
        let fit = |labels: &[u32], settings| Boosting::fit(&points, labels, &settings, 1, 0).map(|_| ());
        let default = BoostingSettings::default;
        assert!(fit(&[0, 1], default()).is_err());
        assert!(fit(&[0; 10], BoostingSettings { rounds: 0, ..default() }).is_err());
        assert!(fit(&[0; 10], BoostingSettings { depth: 0, ..default() }).is_err());
        assert!(fit(&[0; 10], BoostingSettings { rate: f64::NAN, ..default() }).is_err());
    }
}
