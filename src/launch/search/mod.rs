//! Runs a search: proposes settings, trains each up to the next rung, and stops those that do not go on.
//!
//! What to do next follows from the proposals in plan.json and from the results in the trial folders, so a search that was killed at
//! any moment goes on as if it had not been.

mod handed;
mod marks;
mod results;
mod told;

use self::handed::{GIVEN_UP, Handed};
use self::results::Left;
use self::told::Told;
use super::cluster::{Continuation, Task};
use super::frozen::{self, FrozenResult, FrozenSearch, FrozenSetting};
use super::inspect::{Inspected, inspect};
use super::ready::{Shorter, ready};
use super::{LaunchError, Options, Proposer, SearchEvent, Waiting, lock};
use crate::folder::{ExperimentFolder, TrialFolders};
use crate::plan::{Plan, Proposed, Searching, Trial};
use crate::record::trial::{Pruned, Status, TrialRecord};
use crate::search::{Next, Outcome, Rank, Reached, Rules, Setting};
use crate::trial::Prefixes;
use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// The most proposals that one call makes.
const PROPOSALS_AT_ONCE: usize = 20;

/// The settings of a search, and what is known of their trials.
pub(super) struct Searcher<'p> {
    plan: &'p Plan,
    searching: &'p Searching,
    experiment: ExperimentFolder,
    options: Options,
    threads: usize,
    frozen: FrozenSearch,
    settings: Vec<Proposed>,
    /// The results of each trial at the rungs, by id.
    known: BTreeMap<String, Vec<Reached>>,
    /// Trials that are done but not evaluated, with their settings.
    unevaluated: Vec<Trial>,
    kept: Prefixes,
    /// The trials that are running, with the rung that they are to reach.
    running: BTreeMap<String, usize>,
    /// Trials that are not started in this launch: they were stopped from outside, or a scheduler has them.
    blocked: BTreeSet<String>,
    /// Trials that this launch has started; with --fresh, the results of others do not count.
    started: BTreeSet<String>,
    is_stopped: bool,
    /// Whether the last call made as many proposals as one call may.
    is_at_work: bool,
    start: Instant,
    /// The seconds of earlier launches.
    seconds_before: f64,
    events: Vec<SearchEvent>,
    told: Told,
}

impl<'p> Searcher<'p> {
    /// The search of a plan, from the proposals that plan.json has of it. Proposals that do not depend on results are made at once.
    /// What a scheduler has is not started. With `continuation`, the search goes on from a submission.
    ///
    /// # Errors
    /// A file cannot be read or written.
    pub(super) fn new(
        plan: &'p Plan,
        searching: &'p Searching,
        experiment: ExperimentFolder,
        options: &Options,
        (threads, kept): (usize, Prefixes),
        continuation: Option<&Continuation>,
    ) -> Result<(Searcher<'p>, Left), LaunchError> {
        let frozen = frozen::search_of(&experiment, searching.hash()).filter(|_| !options.fresh);
        let mut frozen = frozen.unwrap_or_else(|| FrozenSearch::new(searching));
        frozen.describe(searching);
        let settings = frozen.settings.iter().map(|one| searching.proposed(&one.place)).collect();
        let mut searcher = Searcher {
            plan,
            searching,
            experiment,
            options: options.clone(),
            threads,
            seconds_before: frozen.seconds,
            frozen,
            settings,
            known: BTreeMap::new(),
            unevaluated: Vec::new(),
            kept,
            running: BTreeMap::new(),
            blocked: BTreeSet::new(),
            started: BTreeSet::new(),
            is_stopped: false,
            is_at_work: false,
            start: Instant::now(),
            events: Vec::new(),
            told: Told::default(),
        };
        let rules = searching.rules();
        // More than the search has: it was made shorter.
        if let Some(most) = rules.settings.and_then(|most| usize::try_from(most).ok()) {
            searcher.settings.truncate(most);
            searcher.frozen.settings.truncate(most);
        }
        let free = searching.search().free().len();
        let folders = searcher.experiment.trials()?;
        while searcher.settings.len() < free {
            searcher.add(&[]);
        }
        searcher.freeze()?;
        let mut left = searcher.look(&folders)?;
        left.submitted = searcher.block(&folders, continuation)?;
        searcher.decide()?;
        Ok((searcher, left))
    }

    /// Reads the results of all trials of earlier runs.
    fn look(&mut self, folders: &TrialFolders) -> Result<Left, LaunchError> {
        let mut left = Left::default();
        let trials: Vec<Trial> = self.trials().cloned().collect();
        let mut known = BTreeSet::new();
        for trial in trials {
            let Some(folder) = folders.find(trial.id()).filter(|_| known.insert(trial.id().to_owned())) else {
                continue;
            };
            let status = self.read(&trial, folders)?.map(|record| record.status);
            if matches!(status, Some(Status::Done | Status::Failed | Status::Diverged)) {
                match inspect(folder, &trial, &self.options)? {
                    (Inspected::Kept, damaged) => {
                        left.damaged.extend(damaged);
                        left.done.push(trial);
                    }
                    (Inspected::Failed(record), _) => left.failed.push((trial, record)),
                    (Inspected::Unfinished { is_trained: true, .. }, _) => self.unevaluated.push(trial),
                    // What is damaged is trained again when its turn comes.
                    (Inspected::Unfinished { .. }, _) => {}
                }
            }
        }
        Ok(left)
    }

    /// Blocks the trials that a scheduler has, or had too often. Returns those that it has.
    fn block(
        &mut self,
        folders: &TrialFolders,
        continuation: Option<&Continuation>,
    ) -> Result<Vec<(Trial, Task)>, LaunchError> {
        let rungs = &self.searching.rules().rungs;
        let has_reached = |id: &str, until: Option<u64>| {
            let rung = rungs.iter().position(|rung| Some(*rung) == until);
            self.has_reached(id, rung.unwrap_or(rungs.len().saturating_sub(1)))
        };
        let of_name = (folders, self.plan.name());
        let Handed { elsewhere, mut tasks, given_up } =
            Handed::read(&self.experiment, of_name, continuation, &has_reached)?;
        for id in &given_up {
            marks::give_up(folders.find(id), GIVEN_UP)?;
            self.events.push(SearchEvent::Blocked { trial: id.clone(), reason: GIVEN_UP.to_owned() });
        }
        self.blocked.extend(elsewhere.into_iter().chain(given_up));
        Ok(self.trials().filter_map(|trial| Some((trial.clone(), tasks.remove(trial.id())?))).collect())
    }

    /// The trials of all settings; one may be of several settings.
    fn trials(&self) -> impl Iterator<Item = &Trial> {
        self.settings.iter().filter_map(|one| one.trials.as_ref().ok()).flatten()
    }

    /// Whether a trial has reached a rung, or failed before.
    fn has_reached(&self, id: &str, rung: usize) -> bool {
        self.known.get(id).and_then(|known| known.get(rung)).is_some_and(|at| *at != Reached::NotYet)
    }

    /// The results of all settings.
    fn results(&self) -> Vec<Vec<Reached>> {
        let rungs = self.searching.rules().rungs.len();
        let none = vec![Reached::NotYet; rungs];
        let of = |one: &Proposed| {
            let trials = one.trials.iter().flatten();
            let known = trials.map(|trial| self.known.get(trial.id()).unwrap_or(&none).as_slice());
            results::of_setting(known, rungs)
        };
        self.settings.iter().map(of).collect()
    }

    fn next(&self, results: &[Vec<Reached>]) -> Vec<Next> {
        let rules = self.searching.rules();
        // By the clock, the number of settings is known when the time is over.
        let count = rules.settings.or_else(|| (!self.has_more()).then_some(self.settings.len() as u64));
        Rules { settings: count, ..rules.clone() }.next(results, &self.frozen.promoted)
    }

    /// Reads the results of a trial from its folder.
    fn read(&mut self, trial: &Trial, folders: &TrialFolders) -> Result<Option<TrialRecord>, LaunchError> {
        let is_new = self.options.fresh && !self.started.contains(trial.id());
        let Some(folder) = folders.find(trial.id()).filter(|_| !is_new) else { return Ok(None) };
        let retries = self.options.retry_failed && !self.started.contains(trial.id());
        let (metric, rungs) = (self.searching.metric(), &self.searching.rules().rungs);
        let found = results::read(folder, trial, metric, rungs, retries)?;
        self.known.insert(trial.id().to_owned(), found.rungs);
        Ok(found.record)
    }

    /// Whether another setting may be proposed, apart from the results that it needs.
    fn has_more(&self) -> bool {
        match (self.searching.rules().settings, self.searching.search().hours) {
            (Some(most), _) => (self.settings.len() as u64) < most,
            (None, hours) => hours.is_some_and(|hours| self.seconds() < 3600.0 * hours) && !self.is_exhausted(),
        }
    }

    /// Whether many proposals in a row brought no new trial: the space has no further settings.
    fn is_exhausted(&self) -> bool {
        const IN_A_ROW: usize = 50;
        let Some(first) = self.settings.len().checked_sub(IN_A_ROW) else { return false };
        let (before, last) = self.settings.split_at(first);
        let ids = |some: &[Proposed]| -> BTreeSet<String> {
            some.iter().flat_map(|one| one.trials.iter().flatten()).map(|trial| trial.id().to_owned()).collect()
        };
        ids(last).is_subset(&ids(before))
    }

    fn seconds(&self) -> f64 {
        self.seconds_before + self.start.elapsed().as_secs_f64()
    }

    /// Proposes the next setting, if there is one and the results that it needs are known.
    fn propose_setting(&mut self, results: &[Vec<Reached>]) -> Result<bool, LaunchError> {
        let number = self.settings.len() as u64;
        let Some(outcomes) = self.searching.rules().outcomes(results, number).filter(|_| self.has_more()) else {
            return Ok(false);
        };
        // Earlier proposals saw what is frozen, even if a trial was retried meanwhile.
        let outcomes: Vec<Outcome> = outcomes
            .into_iter()
            .zip(&mut self.frozen.settings)
            .map(|(outcome, frozen)| {
                let sign = self.searching.metric().sign().unwrap_or(1.0);
                frozen.result.get_or_insert_with(|| FrozenResult::of(outcome, sign)).outcome(sign)
            })
            .collect();
        self.add(&outcomes);
        let folders = self.experiment.trials()?;
        let trials: Vec<Trial> =
            self.settings.last().iter().flat_map(|one| one.trials.iter().flatten()).cloned().collect();
        trials.iter().try_for_each(|trial| self.read(trial, &folders).map(drop))?;
        self.freeze()?;
        Ok(true)
    }

    /// Adds the next setting, from the outcomes that its proposal sees.
    fn add(&mut self, outcomes: &[Outcome]) {
        let (searching, number) = (self.searching, self.settings.len() as u64);
        // Proposals that do not depend on results need no earlier settings.
        let earlier = self.settings.iter().filter(|_| !outcomes.is_empty()).map(|one| one.setting.clone());
        let earlier: Vec<Setting> = earlier.collect();
        let setting = searching.rules().propose(&searching.space(), &earlier, outcomes, number);
        let proposed = searching.proposed(&setting);
        let values = proposed.values.clone();
        self.events.push(match &proposed.trials {
            Ok(_) => SearchEvent::Proposed { number, values, seen: outcomes.len() as u64 },
            Err(error) => SearchEvent::Refused { number, values, error: error.clone() },
        });
        self.frozen.settings.push(FrozenSetting::new(&proposed, outcomes.len() as u64));
        self.settings.push(proposed);
    }

    fn freeze(&mut self) -> Result<(), LaunchError> {
        self.frozen.seconds = self.seconds();
        Ok(frozen::freeze_search(self.plan, self.trials(), &self.frozen, &self.experiment)?)
    }

    /// The trial to train next, and up to which rung: of the highest rung first.
    fn task(&self, next: &[Next]) -> Option<(Trial, usize)> {
        let training = next.iter().enumerate().filter_map(|(number, next)| match next {
            Next::Train(rung) => Some((Reverse(*rung), number)),
            _ => None,
        });
        let mut training: Vec<(Reverse<usize>, usize)> = training.collect();
        training.sort_unstable();
        training.into_iter().find_map(|(Reverse(rung), number)| {
            let trials = self.settings.get(number)?.trials.iter().flatten();
            let is_free = |trial: &&Trial| {
                let id = trial.id();
                !self.running.contains_key(id) && !self.blocked.contains(id) && !self.has_reached(id, rung)
            };
            Some((trials.into_iter().find(is_free)?.clone(), rung))
        })
    }

    /// Prepares the folder of a trial; `None` if it turns out to need no training.
    fn start(&mut self, trial: Trial, rung: usize) -> Result<Option<Waiting<'p>>, LaunchError> {
        let is_first = self.started.insert(trial.id().to_owned());
        let options = Options { fresh: self.options.fresh && is_first, ..self.options.clone() };
        let options = Options { retry_failed: options.retry_failed && is_first, ..options };
        let folders = self.experiment.trials()?;
        let folder = folders.find_or_name(trial.id(), || trial.label(self.plan.varied()));
        let id = trial.id().to_owned();
        let (is_trained, record) = match inspect(&folder, &trial, &options)? {
            (Inspected::Unfinished { is_trained, record }, _) => (is_trained, record),
            (Inspected::Kept | Inspected::Failed(_), _) => {
                self.read(&trial, &folders)?;
                // Its results are known now; if they are not, it must not be chosen again.
                self.blocked.insert(id);
                return Ok(None);
            }
        };
        if !is_trained && folder.path().exists() {
            match lock::take(folder.path(), lock::PATIENCE) {
                Ok(lock) => drop(lock),
                Err(error @ LaunchError::Busy { .. }) => {
                    self.blocked.insert(id.clone());
                    self.events.push(SearchEvent::Blocked { trial: id, reason: error.to_string() });
                    return Ok(None);
                }
                Err(error) => return Err(error),
            }
        }
        let shorter = if options.fresh { Shorter::default() } else { Shorter::of_kept(&trial, &self.kept) };
        let unfinished = (is_trained, folder, record);
        let waiting = ready(Cow::Owned(trial), unfinished, shorter, self.plan.varied(), self.threads, &options)?;
        self.running.insert(id, rung);
        let rungs = &self.searching.rules().rungs;
        let until = rungs.get(rung).copied().filter(|_| rung + 1 < rungs.len());
        Ok(Some(Waiting { until, ..waiting }))
    }

    /// Marks the trials of settings that were stopped early, and notes what was decided.
    fn decide(&mut self) -> Result<(), LaunchError> {
        let results = self.results();
        let next = self.next(&results);
        let is_stopped = |next: &Next| matches!(next, Next::Stopped(_));
        let going: BTreeSet<&str> = self
            .settings
            .iter()
            .zip(&next)
            .filter(|(_, next)| !is_stopped(next))
            .flat_map(|(one, _)| one.trials.iter().flatten().map(Trial::id))
            .collect();
        let by = self.searching.rules().stop.name();
        let pruned = |next: &Next| match *next {
            Next::Stopped(Rank { rung, rank, of }) => {
                let epoch = self.searching.rules().rungs.get(rung).copied().unwrap_or_default();
                Some(Pruned { epoch, rank: rank as u64, of: of as u64, by: by.to_owned() })
            }
            _ => None,
        };
        let stopped: Vec<Option<Pruned>> = next.iter().map(pruned).collect();
        // Of a trial of several settings, that of the best one counts; of one that goes on, none.
        let mut places: BTreeMap<&str, Option<&Pruned>> = BTreeMap::new();
        for (one, stopped) in self.settings.iter().zip(&stopped) {
            for trial in one.trials.iter().flatten() {
                let place = stopped.as_ref().filter(|_| !going.contains(trial.id()));
                let known = places.entry(trial.id()).or_insert(place);
                *known =
                    std::mem::take(known).into_iter().chain(place).min_by_key(|one| (Reverse(one.epoch), one.rank));
            }
        }
        let folders = self.experiment.trials()?;
        for (id, place) in places {
            marks::mark(folders.find(id), place)?;
        }
        self.events.extend(self.told.stopped(&self.settings, &stopped, &going));
        self.events.extend(self.told.rungs(self.searching.rules(), &next));
        self.events.extend(self.told.best(self.searching, &self.settings, &results));
        let frozen = self.frozen.settings.iter_mut().zip(stopped);
        let changes =
            frozen.filter_map(|(frozen, stopped)| (frozen.stopped != stopped).then(|| frozen.stopped = stopped));
        if changes.count() > 0 {
            self.freeze()?;
        }
        Ok(())
    }

    /// The next trial, or what failed.
    fn try_propose(&mut self) -> Result<Option<Waiting<'p>>, LaunchError> {
        if let Some(trial) = self.unevaluated.pop() {
            let last = self.searching.rules().rungs.len().saturating_sub(1);
            return self.start(trial, last);
        }
        // Proposals may bring no new trial; the launch handles events and signals between the calls.
        self.is_at_work = false;
        for _ in 0..PROPOSALS_AT_ONCE {
            let results = self.results();
            if let Some((rung, setting)) = self.searching.rules().promotion(&results, &self.frozen.promoted) {
                let promoted = &mut self.frozen.promoted;
                promoted.resize(promoted.len().max(rung + 1), Vec::new());
                promoted[rung].push(setting);
                self.freeze()?;
                continue;
            }
            if let Some((trial, rung)) = self.task(&self.next(&results)) {
                match self.start(trial, rung)? {
                    Some(waiting) => return Ok(Some(waiting)),
                    None => continue,
                }
            }
            if !self.propose_setting(&results)? {
                return Ok(None);
            }
        }
        self.is_at_work = true;
        Ok(None)
    }

    fn fail(&mut self, error: &LaunchError) {
        self.events.push(SearchEvent::Failed(error.to_string()));
        self.is_stopped = true;
    }
}

impl<'p> Proposer<'p> for Searcher<'p> {
    fn propose(&mut self) -> Option<Waiting<'p>> {
        if self.is_stopped {
            return None;
        }
        self.try_propose().unwrap_or_else(|error| {
            self.fail(&error);
            None
        })
    }

    fn ended(&mut self, trial: &Trial, status: Status) {
        let rung = self.running.remove(trial.id());
        let folders = self.experiment.trials().map_err(LaunchError::from);
        let read = folders.and_then(|folders| self.read(trial, &folders)).and_then(|record| {
            let is_from_outside = record.is_none_or(|record| record.from_outside);
            let is_known = rung.is_some_and(|rung| self.has_reached(trial.id(), rung));
            if status == Status::Interrupted || matches!(status, Status::Failed | Status::Diverged) && is_from_outside {
                self.blocked.insert(trial.id().to_owned());
            } else if !is_known {
                // It would be started again and again.
                let (trial, reason) = (trial.id().to_owned(), "its result cannot be read".to_owned());
                self.blocked.insert(trial.clone());
                self.events.push(SearchEvent::Blocked { trial, reason });
            }
            if self.searching.search().hours.is_some() {
                self.freeze()?;
            }
            self.decide()
        });
        read.unwrap_or_else(|error| self.fail(&error));
    }

    fn handed_over(&mut self, _: &Trial) {
        // It counts as running.
    }

    fn left(&self) -> usize {
        if self.is_stopped {
            return 0;
        }
        let results = self.results();
        let next = self.next(&results);
        let open = self.settings.iter().zip(&next).filter(|(_, next)| matches!(next, Next::Train(_) | Next::Wait(_)));
        let open: BTreeSet<&str> = open.flat_map(|(one, _)| one.trials.iter().flatten().map(Trial::id)).collect();
        let open = open.into_iter().filter(|id| !self.running.contains_key(*id)).count();
        let to_come = match self.searching.rules().settings {
            Some(most) => most.saturating_sub(self.settings.len() as u64) as usize,
            None => usize::from(self.has_more()),
        };
        let open = open + self.unevaluated.len() + self.searching.seeds() * to_come;
        if !self.running.is_empty() {
            return open;
        }
        // What is left may wait for a trial that was stopped from outside.
        let (rules, number) = (self.searching.rules(), self.settings.len() as u64);
        let can_go_on = !self.unevaluated.is_empty()
            || self.task(&next).is_some()
            || rules.promotion(&results, &self.frozen.promoted).is_some()
            || self.has_more() && rules.outcomes(&results, number).is_some();
        if can_go_on { open.max(1) } else { 0 }
    }

    fn is_at_work(&self) -> bool {
        self.is_at_work && !self.is_stopped
    }

    fn stop(&mut self) {
        self.is_stopped = true;
    }

    fn take_events(&mut self) -> Vec<SearchEvent> {
        std::mem::take(&mut self.events)
    }
}
