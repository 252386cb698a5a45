//! Densities of settings as sums of kernels around earlier settings (Bergstra et al. 2011), as Optuna 5.0 has them: a kernel for
//! each setting, and one that covers the whole space.

use super::space::{Domain, Draws};

/// The densities of one key: a kernel for each observation, and a last one for the whole range.
#[derive(Clone, Debug)]
pub(super) struct Kernels {
    domain: Domain,
    form: Form,
}

#[derive(Clone, Debug)]
enum Form {
    /// Means and standard deviations of normal densities that are cut to the line of the domain.
    Normal(Vec<[f64; 2]>),
    /// Probabilities of the choices.
    Choices(Vec<Vec<f64>>),
}

/// The weights of the kernels of so many observations, the oldest first, and of the last one: equal for the last 25, and less for
/// older ones. They sum to 1.
pub(super) fn weights(observations: usize) -> Vec<f64> {
    const EQUAL: usize = 25;
    let older = observations.saturating_sub(EQUAL);
    let first = 1.0 / observations.max(1) as f64;
    // From 1 / observations to 1.
    let rising = (0..older).map(|number| match older {
        1 => first,
        _ => first + (1.0 - first) * number as f64 / (older - 1) as f64,
    });
    let equal = std::iter::repeat_n(1.0, observations - older);
    let all: Vec<f64> = rising.chain(equal).chain([1.0]).collect();
    let sum: f64 = all.iter().sum();
    all.into_iter().map(|weight| weight / sum).collect()
}

impl Kernels {
    /// Kernels around observed values.
    pub(super) fn new(domain: Domain, observed: &[f64]) -> Kernels {
        let form = match domain {
            Domain::Choice(count) => Form::Choices(choices(count, observed)),
            Domain::Real { .. } | Domain::Whole { .. } => Form::Normal(normals(domain, observed)),
        };
        Kernels { domain, form }
    }

    /// Draws a value from a kernel.
    pub(super) fn draw(&self, kernel: usize, draws: &mut Draws) -> f64 {
        match &self.form {
            Form::Choices(shares) => shares.get(kernel).map_or(0.0, |shares| draws.weighted(shares) as f64),
            Form::Normal(normals) => {
                let ([low, high], [mean, deviation]) = (self.domain.line(), normals[kernel]);
                // The mean is on the line, and the deviation is not larger than the line: at least a third of the draws are on it.
                loop {
                    let place = mean + deviation * draws.normal();
                    if (low..=high).contains(&place) {
                        return self.domain.value(place);
                    }
                }
            }
        }
    }

    /// The logarithm of each kernel's density at a value; for whole numbers and choices, of its probability.
    pub(super) fn logs(&self, value: f64) -> Vec<f64> {
        match &self.form {
            Form::Choices(shares) => {
                let share = |shares: &Vec<f64>| shares.get(value as usize).copied().unwrap_or(0.0);
                shares.iter().map(|shares| libm::log(share(shares))).collect()
            }
            Form::Normal(normals) => {
                let ([low, high], place) = (self.domain.line(), self.domain.place(value));
                let log = |[mean, deviation]: &[f64; 2]| {
                    let standard = |place: f64| (place - mean) / deviation;
                    let whole = log_mass(standard(low), standard(high));
                    match self.domain {
                        Domain::Whole { .. } => {
                            let [below, above] = [-0.5, 0.5].map(|half| standard(self.domain.place(value + half)));
                            log_mass(below, above) - whole
                        }
                        _ => {
                            -0.5 * standard(place).powi(2) - libm::log(deviation * std::f64::consts::TAU.sqrt()) - whole
                        }
                    }
                };
                normals.iter().map(log).collect()
            }
        }
    }
}

/// ln(sum of weight times density), from the logarithms of the densities.
pub(super) fn log_sum(weights: &[f64], logs: &[f64]) -> f64 {
    let terms: Vec<f64> = weights.iter().zip(logs).map(|(weight, log)| libm::log(*weight) + log).collect();
    let most = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if most == f64::NEG_INFINITY {
        return most;
    }
    most + libm::log(terms.iter().map(|term| libm::exp(term - most)).sum())
}

/// The probabilities of choices: each observation prefers its own.
fn choices(count: usize, observed: &[f64]) -> Vec<Vec<f64>> {
    let uniform = vec![1.0 / count as f64; count];
    if observed.is_empty() {
        return vec![uniform];
    }
    let share = 1.0 / (observed.len() + 1) as f64;
    let sum = 1.0 + share * count as f64;
    let kernel = |value: &f64| -> Vec<f64> {
        let is_own = |choice: usize| choice == *value as usize;
        (0..count).map(|choice| (share + f64::from(u8::from(is_own(choice)))) / sum).collect()
    };
    observed.iter().map(kernel).chain([uniform]).collect()
}

/// Means and standard deviations. The deviation is the larger distance from a neighbor; the ends of the line count as neighbors only of
/// a single observation.
fn normals(domain: Domain, observed: &[f64]) -> Vec<[f64; 2]> {
    let [low, high] = domain.line();
    let (count, width) = (observed.len(), high - low);
    // A setting that was proposed for a wider range is at its end.
    let places: Vec<f64> = observed.iter().map(|value| domain.place(*value).clamp(low, high)).collect();
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by(|one, other| places[*one].total_cmp(&places[*other]));
    let least = width / 100f64.min(count as f64 + 2.0);
    let mut deviations = vec![width; count];
    for (rank, observation) in order.iter().enumerate() {
        let place = places[*observation];
        let below = rank.checked_sub(1).map(|rank| place - places[order[rank]]);
        let above = order.get(rank + 1).map(|above| places[*above] - place);
        let distance = match (below, above) {
            (None, None) => (place - low).max(high - place),
            (below, above) => below.unwrap_or(0.0).max(above.unwrap_or(0.0)),
        };
        deviations[*observation] = distance.clamp(least, width);
    }
    let all = [0.5 * (low + high), width];
    places.into_iter().zip(deviations).map(|(place, deviation)| [place, deviation]).chain([all]).collect()
}

/// ln(P(a < X < b)) of a standard normal X.
fn log_mass(a: f64, b: f64) -> f64 {
    let above = |x: f64| 0.5 * libm::erfc(x / std::f64::consts::SQRT_2);
    // In the tail where the probabilities are small, so that their difference keeps its digits.
    let mass = if a > 0.0 { above(a) - above(b) } else { above(-b) - above(-a) };
    libm::log(mass)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn density(domain: Domain, observed: &[f64], value: f64) -> f64 {
        log_sum(&weights(observed.len()), &Kernels::new(domain, observed).logs(value))
    }

    /// Optuna's source: four observations between 0 and 1.
    #[test]
    fn densities_are_those_of_optuna() {
        let unit = Domain::Real { ends: [0.0, 1.0], log: false };
        let observed = [0.1, 0.9, 0.4, 0.5];
        let Form::Normal(normals) = Kernels::new(unit, &observed).form else { panic!() };
        let deviations: Vec<f64> = normals.iter().map(|[_, deviation]| *deviation).collect();
        for (found, expected) in deviations.iter().zip([0.3, 0.4, 0.3, 0.4, 1.0]) {
            assert!((found - expected).abs() < 1e-15, "{deviations:?}");
        }
        let known = [(0.05, -0.075_759_813), (0.45, 0.139_531_574), (0.95, -0.323_464_747)];
        for (value, expected) in known {
            let found = density(unit, &observed, value);
            assert!((found - expected).abs() < 1e-9, "{value}: {found}");
        }
    }

    #[test]
    fn densities_sum_to_1() {
        for observed in [&[][..], &[3.0], &[3.0, 3.0, 8.0, 1.0]] {
            for log in [false, true] {
                let whole = Domain::Whole { ends: [1, 9], log };
                let sum: f64 = (1..10).map(|value| density(whole, observed, f64::from(value)).exp()).sum();
                assert!((sum - 1.0).abs() < 1e-12, "{sum}");
                let real = Domain::Real { ends: [1.0, 9.0], log };
                let [low, high] = real.line();
                let at =
                    |step: i32| density(real, observed, real.value(low + (high - low) * (f64::from(step) + 0.5) / 1e4));
                let sum: f64 = (0..10_000).map(|step| at(step).exp() * (high - low) / 1e4).sum();
                assert!((sum - 1.0).abs() < 1e-6, "{sum}");
            }
            let sum: f64 = (0..9).map(|choice| density(Domain::Choice(9), observed, f64::from(choice)).exp()).sum();
            assert!((sum - 1.0).abs() < 1e-12, "{sum}");
        }
    }

    /// The share of draws at each whole number is its probability.
    #[test]
    fn draws_follow_their_density() {
        let axis = super::super::Axis { name: "a".to_owned(), domain: Domain::Whole { ends: [1, 9], log: true } };
        let (observed, mut draws) = ([2.0, 2.0, 7.0], axis.draws(1, 0));
        let (kernels, weights) = (Kernels::new(axis.domain, &observed), weights(3));
        let mut found = [0.0; 10];
        for _ in 0..40_000 {
            let kernel = draws.weighted(&weights);
            found[kernels.draw(kernel, &mut draws) as usize] += 1.0 / 40_000.0;
        }
        for value in 1..10 {
            let expected = density(axis.domain, &observed, f64::from(value)).exp();
            let error = (expected * (1.0 - expected) / 40_000.0).sqrt();
            assert!(
                (found[value as usize] - expected).abs() < 4.5 * error,
                "{value}: {} {expected}",
                found[value as usize]
            );
        }
    }

    #[test]
    fn old_observations_weigh_less() {
        assert_eq!(weights(0), [1.0]);
        assert_eq!(weights(3), [0.25; 4]);
        let many = weights(30);
        let sum = 26.0 + (0..5).map(|step| 1.0 / 30.0 + (1.0 - 1.0 / 30.0) * f64::from(step) / 4.0).sum::<f64>();
        assert!((many[0] - 1.0 / 30.0 / sum).abs() < 1e-15 && (many[4] - 1.0 / sum).abs() < 1e-15);
        assert!(many[5..].iter().all(|weight| (weight - 1.0 / sum).abs() < 1e-15) && many.len() == 31);
    }

    #[test]
    fn masses_keep_their_digits_in_both_tails() {
        let known =
            [(-1.0, 1.0, 0.682_689_492_137_085_9), (8.0, 9.0, 6.219_831_985_8e-16), (-9.0, -8.0, 6.219_831_985_8e-16)];
        for (a, b, expected) in known {
            assert!((log_mass(a, b).exp() / expected - 1.0).abs() < 1e-9, "{a} {b}: {}", log_mass(a, b).exp());
        }
    }
}
