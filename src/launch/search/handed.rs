//! The trials of a search that are not to be started, because a scheduler has them or had them too often.

use crate::folder::{ExperimentFolder, TrialFolders};
use crate::launch::cluster::{self, Continuation, Scheduler, Submitted, Task};
use crate::launch::{LaunchError, lock};
use crate::record::trial::{Status, TrialRecord};
use std::collections::{BTreeMap, BTreeSet};

/// How often a trial is submitted for the same rung before a person must look at it.
const ATTEMPTS: usize = 3;

/// Why a trial is not started that was submitted so often.
pub(super) const GIVEN_UP: &str = "it was submitted three times and not finished; to try again, run `vaex run` again";

/// The trials of a search that are not to be started.
pub(super) struct Handed {
    /// The ids of those that a scheduler has.
    pub(super) elsewhere: BTreeSet<String>,
    /// The tasks of those that a scheduler reports.
    pub(super) tasks: BTreeMap<String, Task>,
    /// The ids of those that did not reach a rung, however often they were submitted.
    pub(super) given_up: BTreeSet<String>,
}

impl Handed {
    /// Those of an experiment, which is locked: no task submits others meanwhile. `has_reached` says whether a trial needs nothing
    /// further up to an epoch (`None`: to its end). Without `continuation`, a person submits trials, and all may be tried again.
    ///
    /// # Errors
    /// A file of a submission cannot be read, or the scheduler does not report its queue.
    pub(super) fn read(
        experiment: &ExperimentFolder,
        (folders, name): (&TrialFolders, &str),
        continuation: Option<&Continuation>,
        has_reached: &dyn Fn(&str, Option<u64>) -> bool,
    ) -> Result<Handed, LaunchError> {
        let record = |id: &str| folders.find(id).and_then(|folder| TrialRecord::read(folder).ok());
        let mut elsewhere = BTreeSet::new();
        let mut tasks = cluster::active(experiment, name)?;
        for (id, task) in &tasks {
            let is_locked = folders.find(id).map(|one| lock::holder(one.path())).transpose()?.flatten().is_some();
            // A task that has ended its trial may still be in the queue: it is this one, or waits for the lock of the experiment. One
            // that was interrupted goes back into the queue.
            let has_ended = |record: TrialRecord| record.ended.is_some() && record.status != Status::Interrupted;
            if !task.running || is_locked || !record(id).is_some_and(has_ended) {
                elsewhere.insert(id.clone());
            }
        }
        let mut given_up = BTreeSet::new();
        if let Some(continuation) = continuation {
            let submitted = cluster::submitted(experiment)?;
            let since: Vec<&Submitted> = submitted.iter().filter(|one| one.number >= continuation.first).collect();
            // Slurm reports its queue. Of another scheduler, what was handed over and has not ended is still to come. The time of the
            // end is removed from the record when a trial is handed over, but not if only metrics are missing.
            if let Scheduler::Template(_) = continuation.scheduler {
                let is_to_come = |one: &&&Submitted| {
                    let record = record(&one.id);
                    let is_trained = record.as_ref().is_some_and(|record| record.status == Status::Done);
                    record.and_then(|record| record.ended).is_none() || is_trained && one.until.is_none()
                };
                elsewhere.extend(since.iter().filter(is_to_come).map(|one| one.id.clone()));
            }
            let mut attempts: BTreeMap<(&str, Option<u64>), usize> = BTreeMap::new();
            since.iter().for_each(|one| *attempts.entry((&one.id, one.until)).or_default() += 1);
            let is_given_up = |(id, until): &(&str, Option<u64>), count: usize| {
                count >= ATTEMPTS && !elsewhere.contains(*id) && !has_reached(id, *until)
            };
            let tried = attempts.into_iter().filter(|(key, count)| is_given_up(key, *count));
            given_up.extend(tried.map(|((id, _), _)| id.to_owned()));
        }
        tasks.retain(|id, _| elsewhere.contains(id));
        Ok(Handed { elsewhere, tasks, given_up })
    }
}
