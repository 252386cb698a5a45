//! What a search has told of its course, so that each decision is told once.

use crate::launch::SearchEvent;
use crate::plan::{Proposed, Searching, Trial};
use crate::record::trial::Pruned;
use crate::search::{Next, Reached, Rules, Stop};
use std::collections::BTreeSet;

/// What was told.
#[derive(Default)]
pub(super) struct Told {
    /// The numbers of the rungs that are decided.
    rungs: BTreeSet<usize>,
    /// The settings that were stopped.
    stopped: BTreeSet<usize>,
    /// The best setting, and its rung.
    best: Option<(usize, usize)>,
}

impl Told {
    /// Events of settings that were stopped; `going` has the ids of trials of other settings.
    pub(super) fn stopped(
        &mut self,
        settings: &[Proposed],
        stopped: &[Option<Pruned>],
        going: &BTreeSet<&str>,
    ) -> Vec<SearchEvent> {
        let event = |(number, (one, stopped)): (usize, (&Proposed, &Option<Pruned>))| {
            let pruned = stopped.clone().filter(|_| self.stopped.insert(number))?;
            let own = one.trials.iter().flatten().filter(|trial: &&Trial| !going.contains(trial.id()));
            let trials = own.map(|trial| trial.id().to_owned()).collect();
            Some(SearchEvent::Stopped { number: number as u64, trials, pruned })
        };
        settings.iter().zip(stopped).enumerate().filter_map(event).collect()
    }

    /// Events of rungs that are decided.
    pub(super) fn rungs(&mut self, rules: &Rules, next: &[Next]) -> Vec<SearchEvent> {
        let Stop::Halving { .. } = rules.stop else { return Vec::new() };
        let event = |(rung, [reached, promoted]): (usize, [usize; 2])| {
            let (epoch, reached, promoted) = (*rules.rungs.get(rung)?, reached as u64, promoted as u64);
            self.rungs.insert(rung).then_some(SearchEvent::Rung { epoch, reached, promoted })
        };
        rules.decided(next).into_iter().enumerate().filter_map(event).collect()
    }

    /// The event of a new best setting.
    pub(super) fn best(
        &mut self,
        searching: &Searching,
        settings: &[Proposed],
        results: &[Vec<Reached>],
    ) -> Option<SearchEvent> {
        let rungs = &searching.rules().rungs;
        let (number, rung, value) = super::results::best(results, rungs.len())?;
        let is_new = self.best.replace((number, rung)) != Some((number, rung));
        let values = settings.get(number).filter(|_| is_new)?.values.clone();
        let value = searching.metric().sign().unwrap_or(1.0) * value;
        Some(SearchEvent::Best { number: number as u64, values, value, epoch: *rungs.get(rung)? })
    }
}
