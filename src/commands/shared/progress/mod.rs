//! The progress of a run: bars on a terminal, otherwise lines, and with `--json` events.

mod bars;
mod events;
mod lines;
mod search;
mod work;

pub(crate) use events::{keys, say_event, summary};
pub(crate) use lines::{evaluated, say_line};

use super::terminal;
use crate::launch::{RunEvent, SearchEvent};
use crate::plan::{Plan, Trial};
use crate::record::trial::Status;
use crate::trial::Event;
use bars::Bars;
use events::json;
use lines::line;
use std::collections::BTreeMap;
use std::path::Path;
use work::Work;

/// The progress display of one plan.
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

    /// A display without bars.
    pub(crate) fn lines(plan: &'p Plan, json: bool) -> Progress<'p> {
        let mode = if json { Mode::Json } else { Mode::Lines };
        let statuses = plan.selected().map(|trial| (trial.id().to_owned(), Status::Planned)).collect();
        Progress { plan, mode, work: Work::of(plan), statuses, ended: 0 }
    }

    /// Shows an event.
    pub(crate) fn show(&mut self, event: &RunEvent<'_>) {
        self.work.note(event);
        if let RunEvent::Search(SearchEvent::Stopped { trials, .. }) = event {
            self.statuses.extend(trials.iter().map(|id| (id.clone(), Status::Pruned)));
        }
        if let Some((trial, status)) = status(event) {
            self.statuses.insert(trial.id().to_owned(), status);
        }
        match &mut self.mode {
            Mode::Json => say_event(json(self.plan, event, &self.work)),
            Mode::Lines => {
                if let Some(line) = line(self.plan, event, &mut self.ended, &self.work) {
                    say_line(&line);
                }
            }
            Mode::Bars(bars) => bars.show(self.plan, event, &self.work),
        }
    }

    /// In JSON mode, prints how all trials ended, the best trial in the experiment folder, and what was expected. Returns
    /// whether an expectation is not met.
    pub(crate) fn summarize(&self, experiment: &Path, disk_is_full: bool) -> bool {
        if let Mode::Json = self.mode {
            let statuses = self.statuses.values().map(|status| status.name());
            let (mut summary, is_unmet) = summary(self.plan, statuses, experiment);
            if disk_is_full {
                summary["stopped"] =
                    "the disk is full or read-only; free some space, then run the same command again".into();
            }
            say_event(summary);
            return is_unmet;
        }
        false
    }

    /// Clears the bars.
    pub(crate) fn finish(self) {
        if let Mode::Bars(bars) = self.mode {
            bars.clear();
        }
    }
}

/// The new status of a trial, if the event changes it.
fn status<'a>(event: &RunEvent<'a>) -> Option<(&'a Trial, Status)> {
    match event {
        RunEvent::Kept(trial) => Some((trial, Status::Done)),
        RunEvent::KeptFailed(trial, record) => Some((trial, record.status)),
        RunEvent::Event(trial, Event::Started { .. }) => Some((trial, Status::Running)),
        RunEvent::Event(trial, Event::Ended { status, .. }) => Some((trial, *status)),
        RunEvent::Event(..)
        | RunEvent::Changed(_)
        | RunEvent::Damaged(_)
        | RunEvent::Warning(_)
        | RunEvent::Search(_)
        | RunEvent::Submitted(..) => None,
    }
}
