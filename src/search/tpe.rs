//! Tree-structured Parzen estimators (Bergstra et al. 2011) as in Optuna 5.0: settings that are probable under the density of the
//! good results, relative to that of the others.

use super::parzen::{Kernels, log_sum, weights};
use super::random::spread;
use super::space::{Axis, Setting, Space};

/// The settings of the method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tpe {
    /// The number of results before which proposals are spread evenly.
    pub start: u64,
    /// The number of candidates of a proposal.
    pub candidates: usize,
    /// Whether the keys that all settings have are drawn from the same kernels, so that their values belong together.
    pub shares_kernels: bool,
}

impl Default for Tpe {
    fn default() -> Tpe {
        Tpe { start: 10, candidates: 24, shares_kernels: true }
    }
}

/// The result of a setting; lower values are better.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outcome {
    /// It was trained to its end.
    Done(f64),
    /// It was stopped early.
    Pruned {
        /// The number of epochs until then; more are better.
        reached: u64,
        /// The value at that point.
        value: f64,
    },
    /// It has no value: it failed or diverged.
    Failed,
    /// It has no value yet.
    Pending,
}

/// A setting that was proposed earlier.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// Its values.
    pub setting: Setting,
    /// Its result.
    pub outcome: Outcome,
}

impl Tpe {
    /// The next setting, from those proposed before, in the order of their proposals. It depends on nothing else than the arguments.
    pub fn propose(&self, space: &Space, seen: &[Seen], seed: u64, proposal: u64) -> Setting {
        let finished = seen.iter().filter(|one| one.outcome != Outcome::Pending).count();
        if (finished as u64) < self.start {
            return spread(space, seed, proposal);
        }
        let (good, others) = split(seen, finished);
        let has_all = |axis: usize| seen.iter().all(|one| one.setting.get(axis).is_some_and(Option::is_some));
        let is_shared: Vec<bool> = (0..space.len()).map(|axis| self.shares_kernels && has_all(axis)).collect();
        let mut setting = vec![None; space.len()];
        let groups = std::iter::once((0..space.len()).filter(|axis| is_shared[*axis]).collect::<Vec<usize>>());
        let groups = groups.chain((0..space.len()).filter(|axis| !is_shared[*axis]).map(|axis| vec![axis]));
        for group in groups.filter(|group| !group.is_empty()) {
            let axes: Vec<&Axis> = group.iter().map(|axis| &space[*axis]).collect();
            let [good, others] = [&good, &others].map(|some| Density::of(&axes, &group, some));
            let mut draws: Vec<_> = axes.iter().map(|axis| axis.draws(seed, proposal)).collect();
            let best = (0..self.candidates).map(|_| {
                let kernel = draws[0].weighted(&good.weights);
                let drawn = good.kernels.iter().zip(&mut draws);
                let values: Vec<f64> = drawn.map(|(kernels, draws)| kernels.draw(kernel, draws)).collect();
                (good.log(&values) - others.log(&values), values)
            });
            // The first of equally good ones.
            let best = best.reduce(|best, other| if other.0 > best.0 { other } else { best });
            for (axis, value) in group.iter().zip(best.into_iter().flat_map(|(_, values)| values)) {
                setting[*axis] = Some(value);
            }
        }
        setting
    }
}

/// The number of results that count as good.
fn good_results(finished: usize) -> usize {
    finished.div_ceil(10).min(25)
}

/// The good results and the others, each in the order of the proposals. Those that were stopped early are behind those that were
/// not, and those without a value are last; settings without a result count as bad.
fn split(seen: &[Seen], finished: usize) -> (Vec<&Seen>, Vec<&Seen>) {
    let rank = |one: &Seen| match one.outcome {
        Outcome::Done(value) if !value.is_nan() => (0, 0, value),
        Outcome::Pruned { reached, value } if !value.is_nan() => (1, u64::MAX - reached, value),
        Outcome::Done(_) | Outcome::Pruned { .. } | Outcome::Failed => (2, 0, 0.0),
        Outcome::Pending => (3, 0, 0.0),
    };
    let mut order: Vec<usize> = (0..seen.len()).collect();
    order.sort_by(|one, other| {
        let [(kind, epochs, value), (other_kind, other_epochs, other_value)] =
            [one, other].map(|one| rank(&seen[*one]));
        (kind, epochs).cmp(&(other_kind, other_epochs)).then(value.total_cmp(&other_value))
    });
    let (good, others) = order.split_at(good_results(finished).min(order.len()));
    let [good, others] = [good, others].map(|part| {
        let mut part = part.to_vec();
        part.sort_unstable();
        part.into_iter().map(|one| &seen[one]).collect()
    });
    (good, others)
}

/// A density over some keys, from the settings that have them.
struct Density {
    weights: Vec<f64>,
    kernels: Vec<Kernels>,
}

impl Density {
    fn of(axes: &[&Axis], group: &[usize], seen: &[&Seen]) -> Density {
        let values = |one: &&Seen| group.iter().map(|axis| one.setting[*axis]).collect::<Option<Vec<f64>>>();
        let rows: Vec<Vec<f64>> = seen.iter().filter_map(values).collect();
        let of_axis = |(place, axis): (usize, &&Axis)| {
            Kernels::new(axis.domain, &rows.iter().map(|row| row[place]).collect::<Vec<f64>>())
        };
        Density { weights: weights(rows.len()), kernels: axes.iter().enumerate().map(of_axis).collect() }
    }

    /// The logarithm of the density at values of the keys.
    fn log(&self, values: &[f64]) -> f64 {
        let mut logs = vec![0.0; self.weights.len()];
        for (kernels, value) in self.kernels.iter().zip(values) {
            logs.iter_mut().zip(kernels.logs(*value)).for_each(|(sum, log)| *sum += log);
        }
        log_sum(&self.weights, &logs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::Domain;

    fn axis(name: &str, domain: Domain) -> Axis {
        Axis { name: name.to_owned(), domain }
    }

    fn unit(name: &str) -> Axis {
        axis(name, Domain::Real { ends: [0.0, 1.0], log: false })
    }

    fn done(setting: &[f64], value: f64) -> Seen {
        Seen { setting: setting.iter().copied().map(Some).collect(), outcome: Outcome::Done(value) }
    }

    #[test]
    fn a_tenth_of_the_results_is_good() {
        assert_eq!([0, 1, 10, 11, 249, 250, 9000].map(good_results), [0, 1, 1, 2, 25, 25, 25]);
        let pruned = |reached, value| Seen { setting: Vec::new(), outcome: Outcome::Pruned { reached, value } };
        let other = |outcome| Seen { setting: Vec::new(), outcome };
        let seen = [
            other(Outcome::Failed),
            pruned(3, 0.1),
            done(&[], 5.0),
            pruned(9, 7.0),
            other(Outcome::Pending),
            done(&[], f64::NAN),
            done(&[], 4.0),
            pruned(9, 6.0),
        ];
        let of = |finished: usize| -> Vec<usize> {
            let (good, others) = split(&seen, finished);
            assert_eq!(good.len() + others.len(), seen.len());
            good.iter().map(|one| seen.iter().position(|other| std::ptr::eq(*one, other)).unwrap()).collect()
        };
        // From the best: 6, 2, 7, 3, 1, then those without a value.
        let expected: [&[usize]; 6] = [&[6], &[2, 6], &[2, 6, 7], &[2, 3, 6, 7], &[1, 2, 3, 6, 7], &[0, 1, 2, 3, 6, 7]];
        assert_eq!([1, 11, 21, 31, 41, 51].map(of), expected.map(<[usize]>::to_vec));
    }

    #[test]
    fn proposals_are_near_good_results() {
        let space = [unit("a"), axis("b", Domain::Choice(3)), axis("c", Domain::Whole { ends: [1, 64], log: true })];
        for shares_kernels in [false, true] {
            let tpe = Tpe { shares_kernels, ..Tpe::default() };
            let cost = |setting: &Setting| {
                let [a, b, c] = [0, 1, 2].map(|axis: usize| setting[axis].unwrap());
                (a - 0.3).abs() + if b == 2.0 { 0.0 } else { 0.5 } + (c.log2() - 4.0).abs() / 4.0
            };
            let mut seen: Vec<Seen> = Vec::new();
            for proposal in 0..80 {
                let setting = tpe.propose(&space, &seen, 5, proposal);
                assert_eq!(setting, tpe.propose(&space, &seen, 5, proposal));
                let outcome = Outcome::Done(cost(&setting));
                seen.push(Seen { setting, outcome });
            }
            let mean = |some: &[Seen]| some.iter().map(|one| cost(&one.setting)).sum::<f64>() / some.len() as f64;
            assert!(mean(&seen[60..]) < 0.4 * mean(&seen[..10]), "{} {}", mean(&seen[..10]), mean(&seen[60..]));
        }
    }

    /// With kernels of their own, values that are good together are mixed.
    #[test]
    fn shared_kernels_keep_values_that_belong_together() {
        let space = [unit("a"), unit("b")];
        // Good on the diagonal.
        let seen: Vec<Seen> = (0..200)
            .map(|number| {
                let setting = spread(&space, 1, number);
                let [a, b] = [0, 1].map(|axis: usize| setting[axis].unwrap());
                Seen { setting, outcome: Outcome::Done((a - b).abs()) }
            })
            .collect();
        let distance = |shares_kernels: bool| {
            let tpe = Tpe { shares_kernels, ..Tpe::default() };
            let of = |proposal| {
                let setting = tpe.propose(&space, &seen, 0, proposal);
                (setting[0].unwrap() - setting[1].unwrap()).abs()
            };
            (200..240).map(of).sum::<f64>() / 40.0
        };
        assert!(distance(true) < 0.5 * distance(false), "{} {}", distance(true), distance(false));
    }

    /// A key that only some settings have is proposed from those.
    #[test]
    fn keys_that_do_not_always_apply_are_searched() {
        let space = [axis("kind", Domain::Choice(2)), unit("own")];
        let mut seen = Vec::new();
        for proposal in 0..60 {
            let mut setting = Tpe::default().propose(&space, &seen, 2, proposal);
            let cost = match setting[0] {
                Some(1.0) => (setting[1].unwrap() - 0.8).abs(),
                _ => {
                    setting[1] = None;
                    0.6
                }
            };
            seen.push(Seen { setting, outcome: Outcome::Done(cost) });
        }
        let last = &seen[40..];
        let own: Vec<f64> = last.iter().filter_map(|one| one.setting[1]).collect();
        assert!(own.len() > 12, "{own:?}");
        let near = own.iter().filter(|value| (**value - 0.8).abs() < 0.2).count();
        assert!(near * 3 > own.len() * 2, "{own:?}");
    }
}
