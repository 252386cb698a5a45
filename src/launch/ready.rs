//! Preparing the folder of a trial that is to be trained.

use super::continued::Chains;
use super::{LaunchError, Options, Waiting};
use crate::folder::{TrialFolder, exists};
use crate::plan::Trial;
use crate::record::trial::TrialRecord;
use crate::trial::{self, Prefixes};
use std::borrow::Cow;

/// The shorter trials that a trial may continue.
#[derive(Default)]
pub(super) struct Shorter {
    /// Their ids, the longest first.
    ids: Vec<String>,
    /// The one that it waits for.
    pub(super) after: Option<String>,
}

impl Shorter {
    /// Those that are done.
    pub(super) fn of_kept(trial: &Trial, kept: &Prefixes) -> Shorter {
        Shorter::of(trial, &Chains::default(), kept)
    }

    pub(super) fn of(trial: &Trial, chains: &Chains<'_>, kept: &Prefixes) -> Shorter {
        let kept = || kept.of(trial).filter(|_| trial.can_continue());
        let longest = chains.shorter(trial).next_back();
        // It does not wait for a trial that is shorter than one that is done.
        let is_longer = |other: &&Trial| kept().next_back().is_none_or(|kept| kept.epochs < other.spec().train.epochs);
        let planned = chains.shorter(trial).map(|other| (other.spec().train.epochs, other.id().to_owned()));
        let mut all: Vec<(u64, String)> = kept().map(|one| (one.epochs, one.trial.clone())).chain(planned).collect();
        all.sort();
        Shorter {
            ids: all.into_iter().rev().map(|(_, id)| id).collect(),
            after: longest.filter(is_longer).map(|other| other.id().to_owned()),
        }
    }
}

/// Prepares the folder of a trial. With --fresh, an existing folder is left unchanged until the trial starts, so that old
/// results are kept as long as possible.
pub(super) fn ready<'p>(
    trial: Cow<'p, Trial>,
    (is_trained, folder, earlier): (bool, TrialFolder, Option<Box<TrialRecord>>),
    shorter: Shorter,
    varied: &[String],
    threads: usize,
    options: &Options,
) -> Result<Waiting<'p>, LaunchError> {
    let Shorter { ids, after } = shorter;
    if is_trained {
        return Ok(Waiting { trial, folder, fresh_record: None, after, until: None });
    }
    let mut record = trial::planned(&trial, varied, threads);
    if let Some(earlier) = earlier {
        record.seconds = earlier.seconds;
        record.started = earlier.started;
        record.images_per_second = earlier.images_per_second;
        (record.continued, record.from_scratch) = (earlier.continued, earlier.from_scratch);
    }
    record.from_scratch |= options.fresh;
    record.shorter = ids;
    let replaces_results = options.fresh && exists(folder.path())?;
    if !replaces_results {
        trial::prepare(&folder, &trial, &record)?;
    }
    let fresh_record = replaces_results.then_some(Box::new(record));
    Ok(Waiting { trial, folder, fresh_record, after, until: None })
}
