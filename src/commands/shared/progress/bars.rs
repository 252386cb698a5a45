//! Progress on a terminal: one bar per running trial, and below them one bar for the sweep.

use super::lines::{changed, exhausted, failed_before, label, number, speed, started, submitted};
use super::search;
use super::work::Work;
use crate::launch::{RunEvent, SearchEvent};
use crate::plan::{Plan, Trial};
use crate::record::trial::Status;
use crate::trial::Event;
use indicatif::{HumanDuration, MultiProgress, ProgressBar, ProgressStyle};
use std::collections::BTreeMap;
use std::time::Duration;

/// One bar per running trial, and below them one bar for the sweep.
pub(super) struct Bars {
    all: MultiProgress,
    total: ProgressBar,
    trials: BTreeMap<String, ProgressBar>,
}

impl Bars {
    pub(super) fn new(plan: &Plan) -> Bars {
        let all = MultiProgress::new();
        let total = all.add(ProgressBar::new(plan.trial_count().unwrap_or_default() as u64));
        total.set_style(style("{prefix} {wide_bar} {pos}/{len} trials, {elapsed} so far{msg}"));
        total.set_prefix(plan.name().to_owned());
        total.enable_steady_tick(Duration::from_millis(500));
        Bars { all, total, trials: BTreeMap::new() }
    }

    pub(super) fn show(&mut self, plan: &Plan, event: &RunEvent<'_>, work: &Work) {
        // Prints a line above the bars. If the terminal is gone, the error does not matter.
        let print = |line: String| drop(self.all.println(line));
        match event {
            RunEvent::Changed(changes) => print(changed(plan, changes)),
            RunEvent::Damaged(fault) => print((*fault).to_owned()),
            RunEvent::Warning(text) => print(format!("warning: {text}")),
            RunEvent::Kept(_) => self.total.inc(1),
            RunEvent::Search(event) => {
                if let SearchEvent::Stopped { trials, .. } = event {
                    self.total.inc(trials.len() as u64);
                }
                search::line(plan, event).into_iter().for_each(print);
            }
            RunEvent::Submitted(trial, task) => print(format!("{}: {}", label(plan, trial), submitted(task))),
            RunEvent::KeptFailed(trial, record) => {
                print(format!("{}: {}", label(plan, trial), failed_before(record)));
                self.total.inc(1);
            }
            RunEvent::Event(trial, event) => self.event(plan, trial, event),
        }
        let left = work.time_left().filter(|left| !left.is_zero());
        let message = left.map(|left| format!(", {} left", HumanDuration(left))).unwrap_or_default();
        self.total.set_message(message);
    }

    pub(super) fn clear(self) {
        self.total.finish_and_clear();
        // If this fails, the bars stay on the screen.
        let _ = self.all.clear();
    }

    fn event(&mut self, plan: &Plan, trial: &Trial, event: &Event) {
        match event {
            Event::Waiting { holder } => {
                // As above.
                let _ = self.all.println(format!("{}: waiting for {holder}", label(plan, trial)));
            }
            Event::Exhausted { epoch, best_epoch } => {
                // As above.
                let _ = self.all.println(format!("{}: {}", label(plan, trial), exhausted(*epoch, *best_epoch)));
            }
            Event::Warning { text } => {
                // As above.
                let _ = self.all.println(format!("{}: warning: {text}", label(plan, trial)));
            }
            Event::Evaluating { metric, share, .. } => {
                let bar = self.trials.entry(trial.id().to_owned()).or_insert_with(|| {
                    let bar = self.all.insert_before(&self.total, ProgressBar::new(0));
                    bar.set_style(style("  {prefix} {wide_bar} {msg}"));
                    bar.set_prefix(label(plan, trial));
                    bar
                });
                bar.set_length(1000);
                bar.set_position((1000.0 * share.unwrap_or(0.0)) as u64);
                bar.set_message(format!("evaluating {metric}"));
            }
            Event::Evaluated { metric, refused, .. } => {
                if let Some(why) = refused {
                    // As above.
                    let _ = self.all.println(format!("{}: {metric}: {why}", label(plan, trial)));
                }
            }
            Event::Started { epochs_done, steps_done, steps, continued, note, .. } => {
                if continued.is_some() || note.is_some() {
                    let started = started([*epochs_done, *steps_done], continued.as_ref(), note.as_deref());
                    // As above.
                    let _ = self.all.println(format!("{}: {started}", label(plan, trial)));
                }
                let bar = self.all.insert_before(&self.total, ProgressBar::new(*steps));
                bar.set_style(style("  {prefix} {wide_bar} {msg}"));
                bar.set_prefix(label(plan, trial));
                bar.set_position(*steps_done);
                self.trials.insert(trial.id().to_owned(), bar);
            }
            Event::Progress { epoch, step, loss, images_per_second }
            | Event::Epoch { epoch, step, loss, images_per_second, .. } => {
                if let Some(bar) = self.trials.get(trial.id()) {
                    bar.set_position(*step);
                    let epochs = trial.spec().train.epochs;
                    let (loss, speed) = (number(*loss), speed(*images_per_second));
                    bar.set_message(format!("epoch {epoch}/{epochs} loss {loss} {speed}"));
                }
            }
            Event::Ended { status: Status::Paused, .. } => {
                if let Some(bar) = self.trials.remove(trial.id()) {
                    bar.finish_and_clear();
                }
            }
            Event::Ended { status, error } => {
                if let Some(bar) = self.trials.remove(trial.id()) {
                    bar.finish_and_clear();
                }
                if let Some(error) = error {
                    // As above.
                    let _ = self.all.println(format!("{}: {}: {error}", label(plan, trial), status.name()));
                }
                self.total.inc(u64::from(*status != Status::Interrupted));
            }
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
