//! The trials of a search that are not to be started, because a scheduler has them or had them too often.

use crate::folder::{ExperimentFolder, TrialFolders};
use crate::launch::cluster::{self, Continuation, Scheduler, Submitted};
use crate::launch::{LaunchError, lock};
use crate::record::trial::TrialRecord;
use std::collections::{BTreeMap, BTreeSet};

/// How often a trial is submitted for the same rung before a person must look at it.
const ATTEMPTS: usize = 3;

/// The trials of a search that are not to be started.
pub(super) struct Handed {
    /// The ids of those that a scheduler has.
    pub(super) elsewhere: BTreeSet<String>,
    /// The ids of those that did not reach a rung, however often they were submitted.
    pub(super) given_up: BTreeSet<String>,
}

impl Handed {
    /// Those of an experiment, which is locked: no task submits others meanwhile. `has_reached` says whether a trial needs no further
    /// training up to an epoch (`None`: to its end). Without `continuation`, a person submits trials, and all may be tried again.
    ///
    /// # Errors
    /// A file of a submission cannot be read, or the scheduler does not report its queue.
    pub(super) fn read(
        experiment: &ExperimentFolder,
        (folders, name): (&TrialFolders, &str),
        continuation: Option<&Continuation>,
        has_reached: &dyn Fn(&str, Option<u64>) -> bool,
    ) -> Result<Handed, LaunchError> {
        let submitted = cluster::submitted(experiment)?;
        let last: BTreeMap<&str, &Submitted> = submitted.iter().map(|one| (one.id.as_str(), one)).collect();
        // A process of it has ended since it was last submitted.
        let has_ended = |id: &str| {
            let record = folders.find(id).and_then(|folder| TrialRecord::read(folder).ok());
            let before = last.get(id).and_then(|one| one.ended_before);
            record.and_then(|record| record.ended).is_some_and(|ended| before.is_none_or(|before| ended > before))
        };
        let mut elsewhere = BTreeSet::new();
        for (id, task) in cluster::active(experiment, name)? {
            let is_locked = folders.find(&id).map(|one| lock::holder(one.path())).transpose()?.flatten().is_some();
            // A task that has ended its trial may still be in the queue: it is this one, or waits for the lock of the experiment.
            if !task.running || is_locked || !has_ended(&id) {
                elsewhere.insert(id);
            }
        }
        let mut given_up = BTreeSet::new();
        if let Some(continuation) = continuation {
            let since: Vec<&Submitted> = submitted.iter().filter(|one| one.number >= continuation.first).collect();
            // Slurm reports its queue. Of another scheduler, what was handed over and has not ended is still to come.
            if let Scheduler::Template(_) = continuation.scheduler {
                elsewhere.extend(since.iter().map(|one| one.id.clone()).filter(|id| !has_ended(id)));
            }
            let mut attempts: BTreeMap<(&str, Option<u64>), usize> = BTreeMap::new();
            since.iter().for_each(|one| *attempts.entry((&one.id, one.until)).or_default() += 1);
            let is_given_up = |(id, until): &(&str, Option<u64>), count: usize| {
                count >= ATTEMPTS && !elsewhere.contains(*id) && !has_reached(id, *until)
            };
            let tried = attempts.into_iter().filter(|(key, count)| is_given_up(key, *count));
            given_up.extend(tried.map(|((id, _), _)| id.to_owned()));
        }
        Ok(Handed { elsewhere, given_up })
    }
}
