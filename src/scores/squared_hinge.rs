//! A linear support vector classifier of one number, solved exactly.

use crate::tensor::kernels::vectorized;

/// Partial sums of a pass, so that its loop is vectorized and every machine adds in the same order.
const LANES: usize = 8;
/// Newton steps at most; some 10 are usual.
const MOST_STEPS: usize = 200;

/// A one-vs-rest linear classifier of one number.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearClassifier {
    /// The labels that it knows, ascending.
    pub classes: Vec<u16>,
    /// For each class, slope and bias; for two classes, those of the second class alone.
    pub lines: Vec<[f64; 2]>,
}

impl LinearClassifier {
    /// Fits scikit-learn's `LinearSVC(C=c, class_weight="balanced")` to one number and one label for each point.
    ///
    /// For each class the slope w and the bias b minimise
    /// 1/2 (w^2 + b^2) + sum_i c_i max(0, 1 - y_i (w x_i + b))^2 with y_i = 1 for points of the class and -1 for
    /// others. The bias is penalised like the slope (`intercept_scaling` 1). c_i is `c` times points / (classes x
    /// points of the class) for points of the class. For other points it is `c` if there are more than two classes:
    /// LIBLINEAR weighs only the positive class of a one-vs-rest problem. With two classes there is one problem, and
    /// both sides are weighted.
    ///
    /// The minimum is unique. Newton's method reaches it in a finite number of steps, because the function is piecewise
    /// quadratic; LIBLINEAR stops earlier (`tol` 1e-4), and its dual solver depends on a random order.
    pub fn fit(codes: &[f64], labels: &[u16], c: f64) -> LinearClassifier {
        let mut classes = labels.to_vec();
        classes.sort_unstable();
        classes.dedup();
        let count = |class: u16| labels.iter().filter(|&&label| label == class).count() as f64;
        let weighted = |class: u16| c * labels.len() as f64 / (classes.len() as f64 * count(class));
        let line = |class: u16, cost_of_others: f64| {
            let signs: Vec<f64> = labels.iter().map(|&label| if label == class { 1.0 } else { -1.0 }).collect();
            solve(codes, &signs, [weighted(class), cost_of_others])
        };
        let lines = match classes[..] {
            [] | [_] => Vec::new(),
            [first, second] => vec![line(second, weighted(first))],
            _ => classes.iter().map(|&class| line(class, c)).collect(),
        };
        LinearClassifier { classes, lines }
    }

    /// The label of a number: that of the largest line, the first of equal ones. If only one class is known, it is that
    /// class; `None` if there is none.
    pub fn predict(&self, code: f64) -> Option<u16> {
        let score = |&[slope, bias]: &[f64; 2]| slope * code + bias;
        if let ([first, second], [line]) = (&self.classes[..], &self.lines[..]) {
            return Some(if score(line) > 0.0 { *second } else { *first });
        }
        let mut best = (self.classes.first().copied()?, f64::NEG_INFINITY);
        for (&class, line) in self.classes.iter().zip(&self.lines) {
            let score = score(line);
            if score > best.1 {
                best = (class, score);
            }
        }
        Some(best.0)
    }
}

/// The function at a line, with its gradient and its Hessian (of slope twice, slope and bias, bias twice).
#[derive(Clone, Copy)]
struct Value {
    function: f64,
    gradient: [f64; 2],
    hessian: [f64; 3],
}

impl Value {
    /// The Newton step.
    fn step(&self) -> [f64; 2] {
        // Cholesky; the Hessian is at least the identity.
        let [a, b, c] = self.hessian;
        let factor = b / a;
        let rest = (c - factor * b).max(1.0);
        let bias = -(self.gradient[1] - factor * self.gradient[0]) / rest;
        [(-self.gradient[0] - b * bias) / a, bias]
    }
}

/// Slope and bias at the minimum. `signs` are 1 or -1; `costs` are those of positive and of negative points.
fn solve(codes: &[f64], signs: &[f64], costs: [f64; 2]) -> [f64; 2] {
    let evaluate = |line: [f64; 2]| {
        vectorized(
            #[inline(always)]
            || value(codes, signs, costs, line),
        )
    };
    let mut line = [0.0; 2];
    let mut at = evaluate(line);
    for _ in 0..MOST_STEPS {
        let step = at.step();
        let decrease = -(at.gradient[0] * step[0] + at.gradient[1] * step[1]);
        // Twice the distance to the minimum; less is rounding.
        if decrease <= 1e-15 * at.function {
            break;
        }
        let mut length = 1.0;
        let next = loop {
            let next = [line[0] + length * step[0], line[1] + length * step[1]];
            let there = evaluate(next);
            if there.function <= at.function - 1e-4 * length * decrease {
                break Some((next, there));
            }
            if length < 1e-12 {
                break None;
            }
            length *= 0.5;
        };
        let Some(next) = next else { break };
        (line, at) = next;
    }
    line
}

#[inline(always)]
fn value(codes: &[f64], signs: &[f64], [positive, negative]: [f64; 2], [slope, bias]: [f64; 2]) -> Value {
    // Sums over the points with a loss: cost times loss^2, sign loss, sign loss x, 1, x and x^2.
    let mut sums = [[0.0; LANES]; 6];
    let add = |sums: &mut [[f64; LANES]; 6], lane: usize, x: f64, sign: f64| {
        let cost = if sign > 0.0 { positive } else { negative };
        let loss = (1.0 - sign * (slope * x + bias)).max(0.0);
        let active = if loss > 0.0 { cost } else { 0.0 };
        sums[0][lane] += cost * loss * loss;
        sums[1][lane] += cost * sign * loss;
        sums[2][lane] += cost * sign * loss * x;
        sums[3][lane] += active;
        sums[4][lane] += active * x;
        sums[5][lane] += active * x * x;
    };
    let (code_lanes, code_rest) = codes.as_chunks::<LANES>();
    let (sign_lanes, sign_rest) = signs.as_chunks::<LANES>();
    for (codes, signs) in code_lanes.iter().zip(sign_lanes) {
        for lane in 0..LANES {
            add(&mut sums, lane, codes[lane], signs[lane]);
        }
    }
    for (lane, (&x, &sign)) in code_rest.iter().zip(sign_rest).enumerate() {
        add(&mut sums, lane, x, sign);
    }
    let [loss, pull, pull_x, active, active_x, active_xx] = sums.map(|lanes| lanes.iter().sum::<f64>());
    Value {
        function: 0.5 * (slope * slope + bias * bias) + loss,
        gradient: [slope - 2.0 * pull_x, bias - 2.0 * pull],
        hessian: [1.0 + 2.0 * active_xx, 2.0 * active_x, 1.0 + 2.0 * active],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scores::test_codes::{assert_near, exact, fixture, numbers, wave_points, whole};

    fn wide(values: &[f32]) -> Vec<f64> {
        values.iter().map(|&value| f64::from(value)).collect()
    }

    #[test]
    fn the_published_vector() {
        let points = wave_points(0..300);
        let found = LinearClassifier::fit(&wide(&points.axes[0]), &points.factors[0].values, 0.01);
        let slopes: Vec<f64> = found.lines.iter().map(|line| line[0]).collect();
        let biases: Vec<f64> = found.lines.iter().map(|line| line[1]).collect();
        assert_near(&slopes, &[-0.791585, -0.172465, 0.145509, 0.785465], 2e-6);
        assert_near(&biases, &[-0.333311, -0.484751, -0.464125, -0.335850], 2e-6);
    }

    #[test]
    fn lines_are_those_of_scikit_learn() {
        let fixture = fixture(include_str!("../../tests/fixtures/scores/linear_svc.json"));
        for case in fixture["cases"].as_array().unwrap() {
            let scale = case["scale"].as_f64().unwrap();
            let codes: Vec<f64> = exact(&case["codes"]).into_iter().map(|code| f64::from(code) * scale).collect();
            let found = LinearClassifier::fit(&codes, &whole(&case["labels"]), case["c"].as_f64().unwrap());
            let scaled: Vec<f64> = found.lines.iter().flat_map(|[slope, bias]| [slope * scale, *bias]).collect();
            assert_near(&scaled, &numbers(&case["lines"]), 1e-6);
            let predicted: Vec<u16> = codes.iter().map(|&code| found.predict(code).unwrap()).collect();
            assert_eq!(predicted, whole(&case["predicted"]), "{}", case["name"]);
        }
    }

    #[test]
    fn one_class_is_always_predicted() {
        assert_eq!(LinearClassifier::fit(&[1.0, 2.0], &[7, 7], 0.01).predict(-3.0), Some(7));
        assert_eq!(LinearClassifier::fit(&[], &[], 0.01).predict(1.0), None);
    }

    #[test]
    fn extreme_codes_are_solved() {
        for scale in [1e-30, 1e-3, 1e6, 1e30] {
            let codes: Vec<f64> = (0..999).map(|point| scale * f64::from(point % 3 - 1)).collect();
            let labels: Vec<u16> = (0..999).map(|point| point % 3).collect();
            for (slope, bias) in
                LinearClassifier::fit(&codes, &labels, 0.01).lines.iter().map(|line| (line[0], line[1]))
            {
                assert!(slope.is_finite() && bias.is_finite());
                let at = value(&codes, &labels.iter().map(|_| 1.0).collect::<Vec<_>>(), [0.01; 2], [slope, bias]);
                assert!(at.function.is_finite());
            }
        }
    }
}
