//! Multinomial logistic regression with an L2 penalty, solved to convergence.
//!
//! Minimizes C * sum of -log p(label | point) + 1/2 |weights|^2 with a bias per class that is not penalized: what
//! scikit-learn 1.9.1's `LogisticRegression` minimizes. (Older ones differ: until 0.22 the default was one classifier
//! per class with penalized biases.) With two classes scikit-learn has a single vector of weights w; here each class
//! has one, w/2 and -w/2, and the penalty is doubled, so that the probabilities are the same.
//!
//! The features are standardized inside, which changes only the speed: the penalty is that of the given features.
//! scikit-learn's L-BFGS stops after 100 steps by default, often before the minimum; results differ where it does.

use super::inputs::ScoreError;
use super::logistic_solver::Problem;
use super::sums::moments;

/// A trained classifier.
#[derive(Clone, Debug, PartialEq)]
pub struct Logistic {
    /// The number of features of a point.
    pub features: usize,
    /// The number of classes.
    pub classes: usize,
    /// The weights: `features` numbers for each class. 0 for a class without training points.
    pub weights: Vec<f64>,
    /// The bias of each class; their sum is 0. Minus infinity for a class without training points.
    pub biases: Vec<f64>,
    /// Whether the solver reached the minimum.
    pub converged: bool,
    /// The number of Newton steps.
    pub steps: usize,
}

/// Trains on points (`features` numbers each, one after the other), their labels (below `classes`) and `c`, the inverse
/// of the strength of the penalty.
///
/// If only one class has points, that class is always predicted.
///
/// # Errors
/// If the points do not fit the labels, a number is not finite, a label is not below `classes`, or `c` is not positive.
pub fn fit(points: &[f64], features: usize, labels: &[u32], classes: usize, c: f64) -> Result<Logistic, ScoreError> {
    if !(c.is_finite() && c > 0.0) {
        return Err(ScoreError::Setting { name: "c", range: "finite and positive" });
    }
    if points.len() != labels.len() * features {
        let list = "the points".to_string();
        return Err(ScoreError::Length { list, entries: points.len(), expected: labels.len() * features });
    }
    if let Some(position) = points.iter().position(|value| !value.is_finite()) {
        return Err(ScoreError::NotFinite { image: position / features, axis: position % features });
    }
    if let Some(&label) = labels.iter().find(|&&label| label as usize >= classes) {
        return Err(ScoreError::Value { factor: "a label".into(), value: label as usize, size: classes });
    }
    if labels.is_empty() {
        return Err(ScoreError::Setting { name: "labels", range: "at least one" });
    }
    let mut present = vec![false; classes];
    labels.iter().for_each(|&label| present[label as usize] = true);
    let present: Vec<usize> = (0..classes).filter(|&class| present[class]).collect();
    let mut model = Logistic {
        features,
        classes,
        weights: vec![0.0; classes * features],
        biases: vec![f64::NEG_INFINITY; classes],
        converged: true,
        steps: 0,
    };
    present.iter().for_each(|&class| model.biases[class] = 0.0);
    if present.len() > 1 {
        let scales: Vec<Scale> = (0..features).filter_map(|feature| Scale::of(points, features, feature)).collect();
        let columns: Vec<Vec<f64>> = scales.iter().map(|scale| scale.standardized(points, features)).collect();
        let mut numbers = vec![0; classes];
        present.iter().enumerate().for_each(|(number, &class)| numbers[class] = number as u32);
        let of_point = labels.iter().map(|&label| numbers[label as usize]).collect();
        let strength = if present.len() == 2 { 2.0 } else { 1.0 } / (c * labels.len() as f64);
        let penalties = scales.iter().map(|scale| strength / (scale.deviation * scale.deviation)).collect();
        let solution = Problem::new(&columns, of_point, present.len(), penalties).solve();
        model.converged = solution.converged;
        model.steps = solution.steps;
        model.set(&present, &scales, &solution.weights);
    }
    Ok(model)
}

impl Logistic {
    /// The most probable class of a point, the first of equal ones.
    pub fn predict_row(&self, point: &[f64]) -> u32 {
        let scores = self.scores(point);
        (1..scores.len()).fold(0, |best, class| if scores[class] > scores[best] { class } else { best }) as u32
    }

    /// The most probable class of each point. Points without features are not counted: use [`Logistic::predict_row`].
    pub fn predict(&self, points: &[f64]) -> Vec<u32> {
        points.chunks_exact(self.features.max(1)).map(|point| self.predict_row(point)).collect()
    }

    /// The probabilities of the classes of each point, `classes` numbers each, one after the other.
    pub fn probabilities(&self, points: &[f64]) -> Vec<f64> {
        let of_point = |point| {
            let scores = self.scores(point);
            let highest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let exponentials: Vec<f64> = scores.iter().map(|score| (score - highest).exp()).collect();
            let sum: f64 = exponentials.iter().sum();
            exponentials.into_iter().map(move |exponential| exponential / sum)
        };
        points.chunks_exact(self.features.max(1)).flat_map(of_point).collect()
    }

    fn scores(&self, point: &[f64]) -> Vec<f64> {
        let score = |(class, bias)| {
            let weights = &self.weights[class * self.features..][..self.features];
            weights.iter().zip(point).fold(bias, |score, (weight, value)| score + weight * value)
        };
        self.biases.iter().copied().enumerate().map(score).collect()
    }

    /// Sets the weights of the classes with points from those of standardized features, each class's bias last.
    fn set(&mut self, present: &[usize], scales: &[Scale], standardized: &[f64]) {
        for (&class, values) in present.iter().zip(standardized.chunks_exact(scales.len() + 1)) {
            let mut bias = values[scales.len()];
            for (scale, value) in scales.iter().zip(values) {
                let weight = value / scale.deviation;
                self.weights[class * self.features + scale.feature] = weight;
                bias -= weight * scale.mean;
            }
            self.biases[class] = bias;
        }
        // Adding a number to all biases changes nothing.
        let mean = present.iter().map(|&class| self.biases[class]).sum::<f64>() / present.len() as f64;
        present.iter().for_each(|&class| self.biases[class] -= mean);
    }
}

/// The mean and the standard deviation of a feature that varies.
struct Scale {
    feature: usize,
    mean: f64,
    deviation: f64,
}

impl Scale {
    /// `None` if the feature is constant: its weights are 0.
    fn of(points: &[f64], features: usize, feature: usize) -> Option<Scale> {
        let (mean, deviation) = moments(points.iter().skip(feature).step_by(features).copied());
        (deviation > 0.0).then_some(Scale { feature, mean, deviation })
    }

    fn standardized(&self, points: &[f64], features: usize) -> Vec<f64> {
        let values = points.iter().skip(self.feature).step_by(features);
        values.map(|value| (value - self.mean) / self.deviation).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::constructed::{assert_close, labels, noise, numbers, on_threads, vector, vectors};
    use super::*;
    use serde_json::Value;

    #[test]
    fn test_vectors() {
        let (_, factors) = vectors();
        let points: Vec<f64> = (0..400).flat_map(|i| vector(f64::from(i))).collect();
        let labels: Vec<u32> = factors[0].values.iter().map(|&value| value.into()).collect();
        let model = fit(&points[..900], 3, &labels[..300], 4, 1.0).unwrap();
        assert_close(&model.weights[..3], &[-5.987544, 0.012792, 0.125132], 2e-6);
        assert_close(&model.weights[9..], &[6.137495, 0.028316, 0.137385], 2e-6);
        assert_close(&[model.biases[0], model.biases[3]], &[-0.826553, -0.848140], 2e-6);
        let right = model.predict(&points[900..]).iter().zip(&labels[300..]).filter(|(a, b)| a == b).count();
        assert_eq!((right, model.converged), (88, true));
    }

    #[test]
    fn models_are_those_of_scikit_learn() {
        let fixture: Vec<Value> =
            serde_json::from_str(include_str!("../../tests/fixtures/scores/logistic.json")).unwrap();
        for problem in fixture {
            let points = numbers(&problem["points"]);
            let classes = problem["classes"].as_u64().unwrap() as usize;
            let model = fit(&points, 3, &labels(&problem["labels"]), classes, problem["c"].as_f64().unwrap()).unwrap();
            assert!(model.converged, "{} steps", model.steps);
            let (mut weights, mut biases) = (model.weights.clone(), model.biases.clone());
            if classes == 2 {
                weights = (0..3).map(|feature| weights[3 + feature] - weights[feature]).collect();
                biases = vec![biases[1] - biases[0]];
            }
            let (expected, expected_biases) = (numbers(&problem["weights"]), numbers(&problem["biases"]));
            let size = expected.iter().chain(&expected_biases).fold(1.0f64, |size, value| size.max(value.abs()));
            assert_close(&weights, &expected, 1e-5 * size);
            assert_close(&biases, &expected_biases, 1e-5 * size);
            assert_close(&model.probabilities(&points[..60]), &numbers(&problem["probabilities"]), 1e-6);
        }
    }

    #[test]
    fn classes_and_features_without_information_are_left_out() {
        let points = [0.1, 0.0, 0.1, 1.0, 0.1, 2.0, 0.1, 3.0];
        let model = fit(&points, 2, &[1, 1, 4, 4], 6, 1.0).unwrap();
        assert_eq!((model.weights[2], model.weights[8]), (0.0, 0.0));
        assert_eq!(model.predict(&points), [1, 1, 4, 4]);
        let probabilities = model.probabilities(&points);
        assert_eq!((probabilities[0], probabilities[5]), (0.0, 0.0));
        assert!((probabilities[..6].iter().sum::<f64>() - 1.0).abs() < 1e-15);
        let constant = fit(&[], 0, &[0, 2, 2], 3, 1.0).unwrap();
        assert_eq!(constant.predict_row(&[]), 2);
        assert!((constant.biases[2] - constant.biases[0] - 2f64.ln()).abs() < 1e-9);
        let single = fit(&points, 2, &[3; 4], 6, 1.0).unwrap();
        assert_eq!((single.predict(&points), single.probabilities(&points)[3]), (vec![3; 4], 1.0));
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        assert!(fit(&[1.0, 2.0], 1, &[0], 1, 1.0).is_err());
        assert!(fit(&[1.0, f64::NAN], 1, &[0, 1], 2, 1.0).is_err());
        assert!(fit(&[1.0, 2.0], 1, &[0, 2], 2, 1.0).is_err());
        assert!(fit(&[1.0, 2.0], 1, &[0, 1], 2, 0.0).is_err());
        assert!(fit(&[], 1, &[], 2, 1.0).is_err());
    }

    #[test]
    fn the_result_does_not_depend_on_the_number_of_threads() {
        let points: Vec<f64> = noise(20_000, 3, 1).values.into_iter().map(f64::from).collect();
        let labels: Vec<u32> = points.chunks_exact(3).map(|x| (x[0] + x[1] * x[2]).abs().min(4.0) as u32).collect();
        let [one, two] = [1, 2].map(|threads| on_threads(threads, || fit(&points, 3, &labels, 5, 1.0).unwrap()));
        assert_eq!(one, two);
    }
}
