//! What a run shows while it goes on: bars on a terminal, lines elsewhere, events as JSON where asked for.

mod bars;
mod events;
mod lines;
mod work;

pub(crate) use events::{keys, say_event, summary};
pub(crate) use lines::{label, say_line};

use super::terminal;
use crate::launch::RunEvent;
use crate::plan::{Plan, Trial};
use crate::record::trial::Status;
use crate::trial::Event;
use bars::Bars;
use events::json;
use lines::line;
use std::collections::BTreeMap;
use std::path::Path;
use work::Work;

/// The display of one plan's run.
pub(crate) struct Progress<'p> {
    plan: &'p Plan,
    mode: Mode,
    work: Work,
    statuses: BTreeMap<String, Status>,
    ended: usize,
}

enum Mode {
    Json,
    Lines,
    Bars(Bars),
}

impl<'p> Progress<'p> {
    pub(crate) fn new(plan: &'p Plan, json: bool) -> Progress<'p> {
        if json || !terminal::can_draw(&std::io::stderr()) {
            return Progress::lines(plan, json);
        }
        Progress { mode: Mode::Bars(Bars::new(plan)), ..Progress::lines(plan, json) }
    }

    /// Without bars.
    pub(crate) fn lines(plan: &'p Plan, json: bool) -> Progress<'p> {
        let mode = if json { Mode::Json } else { Mode::Lines };
        let statuses = plan.selected().map(|trial| (trial.id().to_owned(), Status::Planned)).collect();
        Progress { plan, mode, work: Work::of(plan), statuses, ended: 0 }
    }

    /// Shows what happened.
    pub(crate) fn show(&mut self, notice: &RunEvent<'_>) {
        self.work.note(notice);
        if let Some((trial, status)) = status(notice) {
            self.statuses.insert(trial.id().to_owned(), status);
        }
        match &mut self.mode {
            Mode::Json => say_event(json(self.plan, notice, &self.work)),
            Mode::Lines => {
                if let Some(line) = line(self.plan, notice, &mut self.ended, &self.work) {
                    say_line(&line);
                }
            }
            Mode::Bars(bars) => bars.show(self.plan, notice, &self.work),
        }
    }

    /// As JSON, says how all trials ended, and which is the best one in the experiment's folder.
    pub(crate) fn summarize(&self, experiment: &Path, disk_is_full: bool) {
        if let Mode::Json = self.mode {
            let statuses = self.statuses.values().map(|status| status.name());
            let mut summary = summary(self.plan, statuses, experiment);
            if disk_is_full {
                summary["stopped"] =
                    "the disk is full or read-only: make room, then give the same command again".into();
            }
            say_event(summary);
        }
    }

    /// Clears the bars.
    pub(crate) fn finish(self) {
        if let Mode::Bars(bars) = self.mode {
            bars.clear();
        }
    }
}

/// The status that a trial has from now on.
fn status<'a>(notice: &RunEvent<'a>) -> Option<(&'a Trial, Status)> {
    match notice {
        RunEvent::Kept(trial) => Some((trial, Status::Done)),
        RunEvent::KeptFailed(trial, record) => Some((trial, record.status)),
        RunEvent::Event(trial, Event::Started { .. }) => Some((trial, Status::Running)),
        RunEvent::Event(trial, Event::Ended { status, .. }) => Some((trial, *status)),
        RunEvent::Event(..)
        | RunEvent::Changed(_)
        | RunEvent::Damaged(_)
        | RunEvent::Warning(_)
        | RunEvent::Submitted(..) => None,
    }
}
