//! The remaining work of a run, and the estimated time that it takes.

use crate::launch::RunEvent;
use crate::plan::{Plan, Trial};
use crate::record::trial::Status;
use crate::trial::Event;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The remaining work of the sweep, in training images.
pub(super) struct Work {
    start: Instant,
    /// Images trained on since the start.
    done: u64,
    left: BTreeMap<String, u64>,
    /// The sum of `left`.
    all_left: u64,
    /// For each running trial: when this run started it, and how many images were left at that time.
    begun: BTreeMap<String, (Instant, u64)>,
    /// The work of a search, which trains most trials for a share of their epochs only.
    of_search: Option<u64>,
}

impl Work {
    /// All work of a plan.
    pub(super) fn of(plan: &Plan) -> Work {
        let images = |trial: &Trial| trial.dataset().train.len() as u64 * trial.spec().train.epochs;
        let left: BTreeMap<String, u64> = plan.selected().map(|trial| (trial.id().to_owned(), images(trial))).collect();
        let all_left = left.values().sum();
        let of_search = plan.search().and_then(|search| {
            let images = plan.selected().map(|trial| trial.dataset().train.len() as u64).max()?;
            Some(search.rules().epochs()?.saturating_mul(images).saturating_mul(search.seeds() as u64))
        });
        Work { start: Instant::now(), done: 0, left, all_left, begun: BTreeMap::new(), of_search }
    }

    /// Sets the last finished step of a trial. With `counts`, the steps since the previous call count as done by this run.
    fn set(&mut self, trial: &Trial, step: u64, counts: bool) {
        let left = trial.steps().saturating_sub(step) * trial.spec().train.batch_size;
        let before = self.left.insert(trial.id().to_owned(), left);
        self.all_left = self.all_left.saturating_sub(before.unwrap_or(0)).saturating_add(left);
        if counts {
            self.done += before.unwrap_or(left).saturating_sub(left);
        }
    }

    /// Updates the remaining work after an event.
    pub(super) fn note(&mut self, event: &RunEvent<'_>) {
        let (trial, event) = match event {
            RunEvent::Kept(trial) | RunEvent::KeptFailed(trial, _) => return self.set(trial, trial.steps(), false),
            RunEvent::Event(trial, event) => (trial, event),
            RunEvent::Changed(_)
            | RunEvent::Damaged(_)
            | RunEvent::Warning(_)
            | RunEvent::Search(_)
            | RunEvent::Submitted(..) => {
                return;
            }
        };
        match event {
            Event::Started { steps_done, .. } => {
                self.set(trial, *steps_done, false);
                let left = self.left.get(trial.id()).copied().unwrap_or_default();
                self.begun.insert(trial.id().to_owned(), (Instant::now(), left));
            }
            Event::Progress { step, .. } | Event::Epoch { step, .. } => self.set(trial, *step, true),
            // A failed trial has no work left either.
            Event::Ended { status: Status::Paused, .. } => drop(self.begun.remove(trial.id())),
            Event::Exhausted { .. } => self.set(trial, trial.steps(), false),
            Event::Ended { .. } => {
                self.set(trial, trial.steps(), false);
                self.begun.remove(trial.id());
            }
            // Trained before; the time of the evaluation is not estimated.
            Event::Evaluating { .. } | Event::Evaluated { .. } => self.set(trial, trial.steps(), false),
            Event::Waiting { .. } | Event::Warning { .. } => {}
        }
    }

    /// The estimated time that is left for all trials.
    pub(super) fn time_left(&self) -> Option<Duration> {
        let left = match self.of_search {
            Some(all) => all.saturating_sub(self.done),
            None => self.all_left,
        };
        // The run cannot end before its slowest running trial.
        let longest = self.begun.keys().filter_map(|id| self.time_left_by_id(id)).max();
        at_pace(self.start, self.done, left).max(longest)
    }

    /// The estimated time that is left for a running trial.
    pub(super) fn time_left_of(&self, trial: &Trial) -> Option<Duration> {
        self.time_left_by_id(trial.id())
    }

    fn time_left_by_id(&self, id: &str) -> Option<Duration> {
        let (start, before) = self.begun.get(id)?;
        let left = *self.left.get(id)?;
        at_pace(*start, before.saturating_sub(left), left)
    }
}

/// How long `left` will take if `done` took the time since `start`.
fn at_pace(start: Instant, done: u64, left: u64) -> Option<Duration> {
    Duration::try_from_secs_f64(start.elapsed().as_secs_f64() * (left as f64 / done as f64)).ok()
}
