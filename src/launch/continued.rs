//! Which trials of a plan begin with the state of a shorter one.

use super::prospect::{Prospect, prospect};
use super::{LaunchError, Options};
use crate::folder::TrialFolders;
use crate::plan::{Plan, Trial};
use crate::record::trial::{Continued, TrialRecord};
use crate::trial::{Prefix, Prefixes};
use std::collections::{BTreeMap, BTreeSet};

/// The trials of a plan that are still to be trained and that differ in the number of epochs only, by their course; the shortest
/// first.
#[derive(Default)]
pub(super) struct Chains<'t>(BTreeMap<String, Vec<&'t Trial>>);

impl<'t> Chains<'t> {
    pub(super) fn of(trials: impl Iterator<Item = &'t Trial>) -> Chains<'t> {
        let trials: Vec<&Trial> = trials.filter(|trial| trial.can_continue()).collect();
        let mut courses: BTreeMap<String, Vec<&Trial>> = BTreeMap::new();
        // Only then is one shorter than another. Without this, hashes are a quarter of the time of a large plan.
        let epochs: BTreeSet<u64> = trials.iter().map(|trial| trial.spec().train.epochs).collect();
        if epochs.len() < 2 {
            return Chains(courses);
        }
        for trial in trials {
            courses.entry(trial.course_hash()).or_default().push(trial);
        }
        courses.values_mut().for_each(|trials| trials.sort_by_key(|trial| trial.spec().train.epochs));
        Chains(courses)
    }

    /// Those that are shorter than a trial.
    pub(super) fn shorter(&self, trial: &Trial) -> impl DoubleEndedIterator<Item = &'t Trial> {
        let epochs = trial.spec().train.epochs;
        let may_continue = !self.0.is_empty() && trial.can_continue();
        let alike = may_continue.then(|| self.0.get(&trial.course_hash())).flatten();
        alike.into_iter().flatten().copied().filter(move |other| other.spec().train.epochs < epochs)
    }
}

/// What a run of a plan would do with its trials.
pub struct Prospects<'p> {
    /// What it would do with each trial, by id.
    pub of: BTreeMap<&'p str, Prospect>,
    /// The trial that each new trial would continue, by id.
    pub continued: BTreeMap<&'p str, Continued>,
    /// The ids of new trials that cannot continue a shorter trial that is done, with that trial.
    pub from_scratch: Vec<(&'p str, Prefix)>,
    /// Why other trials cannot be continued: their records cannot be read.
    pub unreadable: Vec<String>,
}

/// What a run would do with the selected trials, given the trial folders of their experiment.
///
/// # Errors
/// A trial folder cannot be read.
pub fn prospects<'p>(plan: &'p Plan, folders: &TrialFolders, options: &Options) -> Result<Prospects<'p>, LaunchError> {
    let mut of = BTreeMap::new();
    for trial in plan.selected() {
        of.insert(trial.id(), prospect(plan, folders, trial, options)?);
    }
    let from_start = |trial: &Trial| {
        let record = folders.find(trial.id()).and_then(|folder| TrialRecord::read(folder).ok());
        record.is_some_and(|record| record.from_scratch)
    };
    let is_trained = |trial: &&Trial| matches!(of.get(trial.id()), Some(Prospect::New | Prospect::Resume));
    let any_new = of.values().any(|prospect| *prospect == Prospect::New);
    let (chains, kept) = (Chains::of(plan.selected().filter(is_trained)), Prefixes::read_if(any_new, folders)?);
    let (mut continued, mut from_scratch) = (BTreeMap::new(), Vec::new());
    for trial in plan.selected().filter(|trial| of.get(trial.id()) == Some(&Prospect::New) && !from_start(trial)) {
        let planned = chains.shorter(trial).next_back().map(|one| (one.spec().train.epochs, one.id().to_owned()));
        let kept = kept.of(trial).next_back();
        if !trial.can_continue() || kept.is_some_and(|kept| !kept.has_state) && planned.is_none() {
            from_scratch.extend(kept.map(|kept| (trial.id(), kept.clone())));
        } else if let Some((epochs, other)) =
            planned.into_iter().chain(kept.map(|kept| (kept.epochs, kept.trial.clone()))).max()
        {
            continued.insert(trial.id(), Continued { trial: other, epochs });
        }
    }
    let unreadable = kept.unreadable.iter().filter(|(folder, _)| folder.id().is_none_or(|id| !of.contains_key(id)));
    let unreadable = unreadable.map(|(_, error)| error.to_string()).collect();
    Ok(Prospects { of, continued, from_scratch, unreadable })
}
