//! The course of a search: which settings are proposed, how long each is trained, and which go on. Everything follows from the rules
//! and from the results at the rungs, so a search that was stopped at any moment goes on as if it had not been.

use super::random::drawn;
use super::space::{Setting, Space};
use super::stop;
use super::tpe::{Outcome, Seen, Tpe};
use std::collections::BTreeMap;

/// How settings are proposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// By tree-structured Parzen estimators.
    Tpe(Tpe),
    /// At random.
    Random,
}

/// How settings are stopped early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Never.
    Never,
    /// When all settings have reached a rung, the best 1 / `factor` of them go on.
    Halving {
        /// The factor.
        factor: u64,
    },
    /// As soon as a setting is among the best 1 / `factor` of those that have reached a rung, it goes on.
    Asha {
        /// The factor.
        factor: u64,
    },
    /// A setting that is worse than the median of those that its proposal saw is stopped.
    Median,
}

impl Stop {
    /// The name of successive halving in a spec.
    pub const HALVING: &'static str = "halving";

    /// Its name in a spec.
    pub fn name(self) -> &'static str {
        match self {
            Stop::Never => "none",
            Stop::Halving { .. } => Stop::HALVING,
            Stop::Asha { .. } => "asha",
            Stop::Median => "median",
        }
    }
}

impl Method {
    /// Its name in a spec.
    pub fn name(self) -> &'static str {
        match self {
            Method::Tpe(_) => "tpe",
            Method::Random => "random",
        }
    }
}

/// The rules of a search.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// How settings are proposed.
    pub method: Method,
    /// The seed of the proposals.
    pub seed: u64,
    /// A proposal sees the results of all settings before it but the last `parallel - 1`.
    pub parallel: u64,
    /// The number of settings; `None` if the search ends by the clock.
    pub settings: Option<u64>,
    /// How settings are stopped early.
    pub stop: Stop,
    /// The numbers of epochs at which settings are compared; the last is the number of all epochs.
    pub rungs: Vec<u64>,
}

/// The result of a setting at a rung.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reached {
    /// It has not reached the rung.
    NotYet,
    /// It has reached the rung with this value; lower values are better.
    Value(f64),
    /// It failed or diverged before the rung.
    Failed,
}

impl Reached {
    fn value(self) -> Option<f64> {
        match self {
            Reached::Value(value) => Some(value).filter(|value| !value.is_nan()),
            Reached::NotYet | Reached::Failed => None,
        }
    }
}

/// The rank of a setting at a rung.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rank {
    /// The number of the rung, from 0.
    pub rung: usize,
    /// Its place among those that reached the rung, from 1.
    pub rank: usize,
    /// The number of settings that reached the rung.
    pub of: usize,
}

/// What a setting is to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Train up to this rung.
    Train(usize),
    /// Wait at this rung until it is decided which settings go on.
    Wait(usize),
    /// Nothing: it was stopped at a rung.
    Stopped(Rank),
    /// Nothing: it is trained to its end.
    Done,
    /// Nothing: it failed.
    Failed,
}

/// The results of each setting that was proposed, in order: one for each rung.
pub type Results = [Vec<Reached>];

impl Rules {
    /// The number of settings before proposal `number` whose results it sees.
    pub fn seen(&self, number: u64) -> u64 {
        (number + 1).saturating_sub(self.parallel.max(1))
    }

    /// The epochs of all settings together, if `factor` decides how many reach each rung; otherwise the most. `None` if the search
    /// ends by the clock.
    pub fn epochs(&self) -> Option<u64> {
        let factor = match self.stop {
            Stop::Halving { factor } | Stop::Asha { factor } => factor.max(1),
            Stop::Never | Stop::Median => 1,
        };
        let (mut going, mut before, mut sum) = (self.settings?, 0, 0u64);
        for rung in &self.rungs {
            sum = sum.saturating_add(going.saturating_mul(rung - before));
            (going, before) = ((going / factor).max(1), *rung);
        }
        Some(sum)
    }

    /// Whether proposal `number` does not depend on any result.
    pub fn is_free(&self, number: u64) -> bool {
        match self.method {
            Method::Tpe(tpe) => self.seen(number) < tpe.start,
            Method::Random => true,
        }
    }

    /// The outcomes that proposal `number` sees; `None` if one of them is not known yet.
    pub fn outcomes(&self, results: &Results, number: u64) -> Option<Vec<Outcome>> {
        if self.is_free(number) {
            return Some(Vec::new());
        }
        let seen = usize::try_from(self.seen(number)).unwrap_or(usize::MAX);
        let next = self.each(results);
        (0..seen).map(|setting| self.outcome(results.get(setting)?, *next.get(setting)?)).collect()
    }

    /// The outcome of a setting for later proposals; `None` if it is not known yet. With rungs at which settings compete, it is that
    /// of the first rung, which all of them reach.
    fn outcome(&self, own: &[Reached], next: Next) -> Option<Outcome> {
        if matches!(self.stop, Stop::Halving { .. } | Stop::Asha { .. }) {
            return match own.first()? {
                Reached::NotYet => None,
                Reached::Value(value) => Some(Outcome::Done(*value)),
                Reached::Failed => Some(Outcome::Failed),
            };
        }
        match next {
            Next::Done => Some(own.last()?.value().map_or(Outcome::Failed, Outcome::Done)),
            Next::Stopped(Rank { rung, .. }) => {
                let value = own.get(rung)?.value();
                let reached = *self.rungs.get(rung)?;
                Some(value.map_or(Outcome::Failed, |value| Outcome::Pruned { reached, value }))
            }
            Next::Failed => Some(Outcome::Failed),
            Next::Train(_) | Next::Wait(_) => None,
        }
    }

    /// The setting of proposal `number`, from the settings before it and the outcomes of the first of them.
    pub fn propose(&self, space: &Space, settings: &[Setting], outcomes: &[Outcome], number: u64) -> Setting {
        match self.method {
            Method::Random => drawn(space, self.seed, number),
            Method::Tpe(tpe) => {
                let outcomes = outcomes.iter().copied().chain(std::iter::repeat(Outcome::Pending));
                let seen = settings.iter().cloned().zip(outcomes);
                let seen: Vec<Seen> = seen.map(|(setting, outcome)| Seen { setting, outcome }).collect();
                tpe.propose(space, &seen, self.seed, number)
            }
        }
    }

    /// What each setting that was proposed is to do. `promoted` has the settings that were promoted from each rung, if that depends
    /// on the order in which they reach it.
    pub fn next(&self, results: &Results, promoted: &[Vec<usize>]) -> Vec<Next> {
        match self.stop {
            Stop::Never | Stop::Median => self.each(results),
            Stop::Halving { factor } => self.halved(results, factor),
            Stop::Asha { .. } => {
                let is_over =
                    self.settings == Some(results.len() as u64) && self.promotion(results, promoted).is_none();
                let all: Vec<Next> = (0..results.len()).map(|one| self.of_promoted(results, promoted, one)).collect();
                // Those that wait when nothing is left to wait for are stopped.
                let is_over = is_over && !all.iter().any(|next| matches!(next, Next::Train(_)));
                let stopped = |(setting, next)| match next {
                    Next::Wait(rung) if is_over => Next::Stopped(rank(results, rung, setting)),
                    next => next,
                };
                all.into_iter().enumerate().map(stopped).collect()
            }
        }
    }

    /// The rung and the setting to promote next, if that depends on the order in which settings reach their rungs.
    pub fn promotion(&self, results: &Results, promoted: &[Vec<usize>]) -> Option<(usize, usize)> {
        let Stop::Asha { factor } = self.stop else { return None };
        let inner = self.rungs.len().saturating_sub(1);
        let at = |rung: usize| results.iter().map(move |own| own.get(rung).copied().unwrap_or(Reached::NotYet));
        let values: Vec<Vec<Option<f64>>> = (0..inner).map(|rung| at(rung).map(Reached::value).collect()).collect();
        let reached: Vec<usize> =
            (0..inner).map(|rung| at(rung).filter(|one| *one != Reached::NotYet).count()).collect();
        let none = Vec::new();
        let gone: Vec<Vec<usize>> = (0..inner).map(|rung| promoted.get(rung).unwrap_or(&none).clone()).collect();
        stop::promotable(&values, &reached, &gone, factor)
    }

    /// What settings are to do whose course does not depend on later settings.
    fn each(&self, results: &Results) -> Vec<Next> {
        let mut next = Vec::new();
        while next.len() < results.len() {
            next.push(self.after(results, &next));
        }
        next
    }

    /// What the setting after these is to do.
    fn after(&self, results: &Results, before: &[Next]) -> Next {
        let last = self.rungs.len().saturating_sub(1);
        let seen = usize::try_from(self.seen(before.len() as u64)).unwrap_or(usize::MAX).min(before.len());
        let mut best = f64::INFINITY;
        for (rung, reached) in results[before.len()].iter().enumerate() {
            match reached {
                Reached::NotYet => return Next::Train(rung),
                Reached::Failed => return Next::Failed,
                Reached::Value(_) if rung == last => return Next::Done,
                Reached::Value(_) => best = reached.value().map_or(best, |value| best.min(value)),
            }
            if self.stop == Stop::Median {
                let at = |other: usize| results[other].get(rung).copied().unwrap_or(Reached::NotYet);
                let is_coming = |other: usize| matches!(before[other], Next::Train(_) | Next::Wait(_));
                if (0..seen).any(|other| at(other) == Reached::NotYet && is_coming(other)) {
                    return Next::Wait(rung);
                }
                let others: Vec<Option<f64>> = (0..seen).map(|other| at(other).value()).collect();
                if stop::is_hopeless(best, &others) {
                    let better = others.iter().flatten().filter(|value| **value < best).count();
                    return Next::Stopped(Rank { rung, rank: better + 1, of: others.iter().flatten().count() + 1 });
                }
            }
        }
        Next::Done
    }

    fn halved(&self, results: &Results, factor: u64) -> Vec<Next> {
        let all = self.settings.and_then(|count| usize::try_from(count).ok()).unwrap_or(usize::MAX);
        let mut next = vec![Next::Failed; results.len()];
        // Those that were to reach the rung.
        let mut going: Vec<usize> = (0..results.len()).collect();
        for rung in 0..self.rungs.len() {
            let at = |setting: usize| results[setting].get(rung).copied().unwrap_or(Reached::NotYet);
            let is_whole = results.len() >= all && going.iter().all(|setting| at(*setting) != Reached::NotYet);
            let is_last = rung + 1 == self.rungs.len();
            let promoted: Vec<usize> = if is_whole && !is_last {
                let values: Vec<Option<f64>> = going.iter().map(|setting| at(*setting).value()).collect();
                stop::promoted(&values, factor).into_iter().map(|place| going[place]).collect()
            } else {
                Vec::new()
            };
            let ranks = if is_whole { ranks(results, rung, &going) } else { BTreeMap::new() };
            for &setting in &going {
                next[setting] = match at(setting) {
                    Reached::NotYet => Next::Train(rung),
                    Reached::Failed => Next::Failed,
                    Reached::Value(_) if is_last => Next::Done,
                    Reached::Value(_) if is_whole => {
                        Next::Stopped(Rank { rung, rank: ranks[&setting], of: going.len() })
                    }
                    Reached::Value(_) => Next::Wait(rung),
                };
            }
            if !is_whole {
                break;
            }
            going = promoted;
        }
        next
    }

    /// For each rung of successive halving that is decided, but the last: how many were to reach it, and how many go on.
    pub fn decided(&self, next: &[Next]) -> Vec<[usize; 2]> {
        let last = self.rungs.len().saturating_sub(1);
        let is_stopped = |rung: usize| move |next: &&Next| matches!(next, Next::Stopped(rank) if rank.rung == rung);
        let mut decided = Vec::new();
        for rung in 0..last {
            let stopped = next.iter().filter(is_stopped(rung));
            let Some(Next::Stopped(Rank { of, .. })) = stopped.clone().next() else { break };
            let goes_on = |next: &&Next| match next {
                Next::Train(to) | Next::Wait(to) => *to > rung,
                Next::Stopped(rank) => rank.rung > rung,
                Next::Done => true,
                Next::Failed => false,
            };
            decided.push([*of, next.iter().filter(goes_on).count()]);
        }
        decided
    }

    /// What a setting is to do if it goes on from a rung when it is promoted.
    fn of_promoted(&self, results: &Results, promoted: &[Vec<usize>], setting: usize) -> Next {
        let last = self.rungs.len().saturating_sub(1);
        for (rung, reached) in results[setting].iter().enumerate() {
            match reached {
                Reached::NotYet => return Next::Train(rung),
                Reached::Failed => return Next::Failed,
                Reached::Value(_) if rung == last => return Next::Done,
                Reached::Value(_) if promoted.get(rung).is_some_and(|promoted| promoted.contains(&setting)) => {}
                Reached::Value(_) => return Next::Wait(rung),
            }
        }
        Next::Done
    }
}

/// The places of settings at a rung, from 1; those without a value are last.
fn ranks(results: &Results, rung: usize, among: &[usize]) -> BTreeMap<usize, usize> {
    let value = |setting: usize| results[setting].get(rung).and_then(|at| at.value()).unwrap_or(f64::INFINITY);
    let mut order = among.to_vec();
    order.sort_by(|one, other| value(*one).total_cmp(&value(*other)).then(one.cmp(other)));
    order.into_iter().enumerate().map(|(place, setting)| (setting, place + 1)).collect()
}

/// The rank of a setting among all that have reached a rung.
fn rank(results: &Results, rung: usize, setting: usize) -> Rank {
    let reached = |one: &usize| results[*one].get(rung).is_some_and(|at| *at != Reached::NotYet);
    let reached: Vec<usize> = (0..results.len()).filter(reached).collect();
    Rank { rung, rank: ranks(results, rung, &reached).get(&setting).copied().unwrap_or(0), of: reached.len() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Reached::{Failed, NotYet, Value};

    fn rules(stop: Stop, settings: u64, rungs: &[u64]) -> Rules {
        let rungs = rungs.to_vec();
        Rules { method: Method::Random, seed: 0, parallel: 4, settings: Some(settings), stop, rungs }
    }

    fn stopped(rung: usize, rank: usize, of: usize) -> Next {
        Next::Stopped(Rank { rung, rank, of })
    }

    #[test]
    fn proposals_see_the_results_before_those_in_parallel() {
        let tpe = Rules { method: Method::Tpe(Tpe::default()), ..rules(Stop::Never, 30, &[5]) };
        assert_eq!([0, 3, 4, 13].map(|number| tpe.seen(number)), [0, 0, 1, 10]);
        assert_eq!([0, 12, 13].map(|number| tpe.is_free(number)), [true, true, false]);
        let one = Rules { parallel: 1, ..tpe.clone() };
        assert_eq!([0, 1, 9, 10].map(|number| one.seen(number)), [0, 1, 9, 10]);
        // The tenth result is missing.
        let mut results = vec![vec![Value(1.0)]; 13];
        results[9] = vec![NotYet];
        assert_eq!(tpe.outcomes(&results, 13), None);
        results[9] = vec![Failed];
        let outcomes = tpe.outcomes(&results, 13).unwrap();
        assert_eq!((outcomes.len(), outcomes[0], outcomes[9]), (10, Outcome::Done(1.0), Outcome::Failed));
    }

    /// Nine settings, rungs of 1, 3 and 9 epochs: the table of halving.rs.
    #[test]
    fn halving_decides_a_rung_when_all_have_reached_it() {
        let halving = rules(Stop::Halving { factor: 3 }, 9, &[1, 3, 9]);
        let first = [5.0, 4.0, 9.0, -1.0, 3.0, 8.0, 4.0, 7.0, 6.0];
        let of = |value: f64| if value < 0.0 { Failed } else { Value(value) };
        let mut results: Vec<Vec<Reached>> = first.iter().map(|value| vec![of(*value), NotYet, NotYet]).collect();
        let missing = Vec::from(&results[..8]);
        assert_eq!(halving.next(&missing, &[])[..4], [Next::Wait(0), Next::Wait(0), Next::Wait(0), Next::Failed]);
        results[8][0] = NotYet;
        assert_eq!(halving.next(&results, &[])[7..], [Next::Wait(0), Next::Train(0)]);
        results[8][0] = Value(6.0);
        let next = halving.next(&results, &[]);
        let train = Next::Train(1);
        let expected = [stopped(0, 4, 9), train, stopped(0, 8, 9), Next::Failed, train, stopped(0, 7, 9), train];
        assert_eq!(next[..7], expected);
        assert_eq!(next[7..], [stopped(0, 6, 9), stopped(0, 5, 9)]);
        (results[1][1], results[4][1], results[6][1]) = (Value(3.5), Value(2.0), Value(1.5));
        let next = halving.next(&results, &[]);
        assert_eq!([next[1], next[4], next[6]], [stopped(1, 3, 3), stopped(1, 2, 3), Next::Train(2)]);
        results[6][2] = Value(1.0);
        assert_eq!(halving.next(&results, &[])[6], Next::Done);
        // More settings: the first rung is open again.
        let more = Rules { settings: Some(10), ..halving };
        assert_eq!(more.next(&results, &[])[2], Next::Wait(0));
    }

    #[test]
    fn halving_takes_a_share_of_the_epochs() {
        let all = rules(Stop::Never, 27, &[27]);
        let halving = rules(Stop::Halving { factor: 3 }, 27, &[3, 9, 27]);
        // 27 * 3 + 9 * 6 + 3 * 18
        assert_eq!((all.epochs(), halving.epochs()), (Some(729), Some(189)));
        assert_eq!(Rules { settings: None, ..all }.epochs(), None);
    }

    #[test]
    fn the_median_is_that_of_the_settings_that_a_proposal_saw() {
        let median = Rules { parallel: 1, ..rules(Stop::Median, 8, &[2, 4]) };
        let mut results: Vec<Vec<Reached>> = (0..5).map(|value| vec![Value(f64::from(value)), Value(0.0)]).collect();
        results.push(vec![Value(2.5), NotYet]);
        results.push(vec![Value(2.0), NotYet]);
        let next = median.next(&results, &[]);
        assert_eq!(next[..5], [Next::Done; 5]);
        assert_eq!(next[5..], [stopped(0, 4, 6), Next::Train(1)]);
        // One that it saw has not reached the rung.
        results[4] = vec![NotYet, NotYet];
        assert_eq!(median.next(&results, &[])[4..], [Next::Train(0), Next::Wait(0), Next::Wait(0)]);
        results[4] = vec![Failed, Failed];
        // Four others are too few.
        assert_eq!(median.next(&results, &[])[4..6], [Next::Failed, Next::Train(1)]);
    }

    #[test]
    fn asha_ends_when_nothing_is_left_to_promote() {
        let asha = rules(Stop::Asha { factor: 2 }, 3, &[1, 2]);
        let mut results = vec![vec![Value(2.0), NotYet], vec![Value(1.0), NotYet]];
        assert_eq!(asha.promotion(&results, &[]), Some((0, 1)));
        assert_eq!(asha.next(&results, &[vec![1]]), [Next::Wait(0), Next::Train(1)]);
        results.push(vec![Value(3.0), NotYet]);
        results[1][1] = Value(0.5);
        assert_eq!(asha.promotion(&results, &[vec![1]]), None);
        assert_eq!(asha.next(&results, &[vec![1]]), [stopped(0, 2, 3), Next::Done, stopped(0, 3, 3)]);
    }
}
