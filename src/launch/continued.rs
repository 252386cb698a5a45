//! Which trials of a plan begin with the state of a shorter one.

use super::prospect::{Prospect, prospect};
use super::{LaunchError, Options};
use crate::folder::TrialFolders;
use crate::plan::{Plan, Trial};
use crate::record::trial::Continued;
use crate::trial::Prefixes;
use std::collections::BTreeMap;

/// For each trial that can continue another one of these trials, the longest of them.
pub(super) fn shorter<'t>(trials: impl Iterator<Item = &'t Trial>) -> BTreeMap<&'t str, &'t Trial> {
    let mut courses: BTreeMap<String, Vec<&Trial>> = BTreeMap::new();
    for trial in trials.filter(|trial| trial.can_continue()) {
        courses.entry(trial.course_hash()).or_default().push(trial);
    }
    let mut shorter = BTreeMap::new();
    for mut trials in courses.into_values() {
        trials.sort_by_key(|trial| trial.spec().train.epochs);
        shorter.extend(trials.windows(2).map(|pair| (pair[1].id(), pair[0])));
    }
    shorter
}

/// What a run of a plan would do with its trials.
pub struct Prospects<'p> {
    /// What it would do with each trial, by id.
    pub of: BTreeMap<&'p str, Prospect>,
    /// The trial that each new trial would continue, by id.
    pub continued: BTreeMap<&'p str, Continued>,
    /// The ids of new trials that cannot continue a trial that differs in the number of epochs only.
    pub from_scratch: Vec<&'p str>,
}

/// What a run would do with the selected trials, given the trial folders of their experiment.
///
/// # Errors
/// A trial folder cannot be read.
pub fn prospects<'p>(plan: &'p Plan, folders: &TrialFolders, options: &Options) -> Result<Prospects<'p>, LaunchError> {
    let mut of = BTreeMap::new();
    for trial in plan.selected() {
        of.insert(trial.id(), prospect(folders, trial, options)?);
    }
    let is_trained = |trial: &&Trial| matches!(of.get(trial.id()), Some(Prospect::New | Prospect::Resume));
    let (shorter, kept) = (shorter(plan.selected().filter(is_trained)), Prefixes::read(folders)?);
    let (mut continued, mut from_scratch) = (BTreeMap::new(), Vec::new());
    for trial in plan.selected().filter(|trial| of.get(trial.id()) == Some(&Prospect::New)) {
        let planned = shorter.get(trial.id()).map(|one| (one.spec().train.epochs, one.id().to_owned()));
        let kept = kept.longest_alike(trial).map(|prefix| (prefix.epochs, prefix.record.trial));
        if !trial.can_continue() {
            from_scratch.extend(kept.map(|_| trial.id()));
        } else if let Some((epochs, other)) = planned.into_iter().chain(kept).max() {
            continued.insert(trial.id(), Continued { trial: other, epochs });
        }
    }
    Ok(Prospects { of, continued, from_scratch })
}
