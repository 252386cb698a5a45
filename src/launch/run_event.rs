//! The events of a run, and its summary.

use super::Changes;
use super::cluster::Task;
use crate::plan::Trial;
use crate::record::trial::{Pruned, TrialRecord};
use crate::trial::Event;
use std::collections::BTreeMap;

/// An event of a run.
#[derive(Debug)]
pub enum RunEvent<'a> {
    /// The plan differs from that of the last run.
    Changed(&'a Changes),
    /// A file of an earlier run is damaged, and will be written again.
    Damaged(&'a str),
    /// A warning about the run.
    Warning(&'a str),
    /// The trial is already done and is not trained again.
    Kept(&'a Trial),
    /// The trial is already queued or running in a scheduler.
    Submitted(&'a Trial, &'a Task),
    /// The trial failed by itself in an earlier run and is not retried.
    KeptFailed(&'a Trial, &'a TrialRecord),
    /// What a search has decided.
    Search(&'a SearchEvent),
    /// An event of a trial.
    Event(&'a Trial, &'a Event),
}

/// What a search has decided.
#[derive(Clone, Debug, PartialEq)]
pub enum SearchEvent {
    /// A setting was proposed.
    Proposed {
        /// Its number, from 0.
        number: u64,
        /// Its values, by dotted key.
        values: BTreeMap<String, serde_json::Value>,
        /// The number of settings whose results its proposal saw.
        seen: u64,
    },
    /// A setting was proposed that cannot be trained.
    Refused {
        /// Its number, from 0.
        number: u64,
        /// Its values, by dotted key.
        values: BTreeMap<String, serde_json::Value>,
        /// Why.
        error: String,
    },
    /// A setting was stopped early.
    Stopped {
        /// Its number, from 0.
        number: u64,
        /// The ids of its trials that no other setting has.
        trials: Vec<String>,
        /// Where.
        pruned: Pruned,
    },
    /// It is decided which settings go on from a rung.
    Rung {
        /// The epoch of the rung.
        epoch: u64,
        /// The number of settings that have reached it.
        reached: u64,
        /// The number of settings that go on.
        promoted: u64,
    },
    /// A setting has the best value so far, of those trained equally long.
    Best {
        /// Its number, from 0.
        number: u64,
        /// Its values, by dotted key.
        values: BTreeMap<String, serde_json::Value>,
        /// Its value of the metric.
        value: f64,
        /// The epochs after which it has this value.
        epoch: u64,
    },
    /// A trial cannot be trained now; the search goes on without it as far as possible.
    Blocked {
        /// Its id.
        trial: String,
        /// Why.
        reason: String,
    },
    /// A file cannot be read or written; the search ends.
    Failed(String),
}

/// How many trials ended in which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Done, in this run or an earlier one.
    pub done: usize,
    /// Failed or diverged.
    pub failed: usize,
    /// Those of `failed` that failed in an earlier run and were not retried.
    pub failed_before: usize,
    /// Those of `failed` whose cause was outside the trial: a signal, a full disk.
    pub from_outside: usize,
    /// Those of `done` whose evaluation failed.
    pub not_evaluated: usize,
    /// Stopped, or not started because the run was stopped.
    pub interrupted: usize,
    /// Whether the run was stopped because the disk is full or read-only.
    pub disk_is_full: bool,
}
