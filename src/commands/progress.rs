//! What a run shows while it goes on: bars on a terminal, lines elsewhere, events as JSON where asked for.

use super::say;
use crate::data::counted;
use crate::launch::cluster::Task;
use crate::launch::{Changes, Notice};
use crate::log::record::{Status, TrialRecord};
use crate::plan::{Plan, Trial};
use crate::trial::Event;
use indicatif::{HumanDuration, MultiProgress, ProgressBar, ProgressStyle};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// The display of one plan's run.
pub(super) struct Progress<'p> {
    plan: &'p Plan,
    mode: Mode,
    ended: usize,
}

/// A bar for each running trial, and below them one for the sweep.
struct Bars {
    all: MultiProgress,
    total: ProgressBar,
    trials: BTreeMap<String, ProgressBar>,
    work: Work,
}

/// How much of the sweep's work is left, in images to train on.
struct Work {
    start: Instant,
    /// Trained on since the start.
    done: u64,
    left: BTreeMap<String, u64>,
}

impl Work {
    /// All of a plan's.
    fn of(plan: &Plan) -> Work {
        let images = |trial: &Trial| trial.dataset().train.len() as u64 * trial.spec().train.epochs;
        let left = plan.selected().map(|trial| (trial.id().to_owned(), images(trial))).collect();
        Work { start: Instant::now(), done: 0, left }
    }

    /// A trial has so many steps left; what it did before this run does not count as done by it.
    fn set(&mut self, trial: &Trial, step: u64, counts: bool) {
        let left = trial.steps().saturating_sub(step) * trial.spec().train.batch_size;
        let before = self.left.insert(trial.id().to_owned(), left);
        if counts {
            self.done += before.unwrap_or(left).saturating_sub(left);
        }
    }

    /// What is left at the pace so far.
    fn time_left(&self) -> Option<Duration> {
        let left: u64 = self.left.values().sum();
        let factor = left as f64 / self.done as f64;
        Duration::try_from_secs_f64(self.start.elapsed().as_secs_f64() * factor).ok()
    }
}

enum Mode {
    Json,
    Lines,
    Bars(Bars),
}

impl<'p> Progress<'p> {
    pub(super) fn new(plan: &'p Plan, json: bool) -> Progress<'p> {
        let mode = if !json && std::io::stderr().is_terminal() {
            let all = MultiProgress::new();
            let total = all.add(ProgressBar::new(plan.selected().count() as u64));
            total.set_style(style("{prefix} {wide_bar} {pos}/{len} trials, {elapsed} so far{msg}"));
            total.set_prefix(plan.name().to_owned());
            total.enable_steady_tick(Duration::from_millis(500));
            Mode::Bars(Bars { all, total, trials: BTreeMap::new(), work: Work::of(plan) })
        } else {
            return Progress::lines(plan, json);
        };
        Progress { plan, mode, ended: 0 }
    }

    /// Without bars.
    pub(super) fn lines(plan: &'p Plan, json: bool) -> Progress<'p> {
        let mode = if json { Mode::Json } else { Mode::Lines };
        Progress { plan, mode, ended: 0 }
    }

    /// Shows what happened.
    pub(super) fn show(&mut self, notice: &Notice<'_>) {
        match &mut self.mode {
            Mode::Json => say(&json(notice).to_string()),
            Mode::Lines => {
                if let Some(line) = line(self.plan, notice, &mut self.ended) {
                    say(&line);
                }
            }
            Mode::Bars(bars) => bars.show(self.plan, notice),
        }
    }

    /// Clears the bars.
    pub(super) fn finish(self) {
        if let Mode::Bars(Bars { all, total, .. }) = self.mode {
            total.finish_and_clear();
            // What cannot be cleared stays on the screen.
            let _ = all.clear();
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// The trial's id and what sets it apart.
fn label(plan: &Plan, trial: &Trial) -> String {
    let values = plan.varied().iter().zip(trial.texts(plan.varied())).map(|(key, value)| {
        let name = key.rsplit('.').next().unwrap_or(key);
        format!(" {name}={value}")
    });
    format!("{}{}", trial.id(), values.collect::<String>())
}

fn json(notice: &Notice<'_>) -> serde_json::Value {
    let (trial, mut value) = match notice {
        Notice::Changed(Changes { added, kept, dropped }) => {
            return serde_json::json!({ "event": "changed", "added": added, "kept": kept, "dropped": dropped });
        }
        Notice::Damaged(fault) => return serde_json::json!({ "event": "damaged", "error": fault }),
        Notice::Kept(trial) => (trial, serde_json::json!({ "event": "kept", "status": Status::Done })),
        Notice::Submitted(trial, task) => {
            (trial, serde_json::json!({ "event": "submitted", "task": task.name, "running": task.running }))
        }
        Notice::KeptFailed(trial, record) => {
            (trial, serde_json::json!({ "event": "kept", "status": record.status, "error": record.error }))
        }
        Notice::Event(trial, event) => (trial, serde_json::to_value(event).unwrap_or_default()),
    };
    value["trial"] = trial.id().into();
    value
}

/// What changed since the last run, in a line.
fn changed(plan: &Plan, Changes { added, kept, dropped }: &Changes) -> String {
    let mut line = format!("{}: since the last run {} added, {kept} kept", plan.name(), counted(*added, "trial"));
    if !dropped.is_empty() {
        let _ = write!(line, ", {} no longer asked for, whose folders stay: {}", dropped.len(), dropped.join(" "));
    }
    line
}

/// What is said of a trial that the scheduler has.
fn submitted(task: &Task) -> String {
    format!("{} in the scheduler as {}", if task.running { "runs" } else { "waits" }, task.name)
}

/// What is said of a trial that is not tried again.
fn failed_before(record: &TrialRecord) -> String {
    format!("{} before: {}", record.status.name(), record.error.as_deref().unwrap_or_default())
}

fn number(value: Option<f64>) -> String {
    value.map_or("not finite".to_owned(), |value| format!("{value:.4}"))
}

fn line(plan: &Plan, notice: &Notice<'_>, ended: &mut usize) -> Option<String> {
    let (trial, event) = match notice {
        Notice::Changed(changes) => return Some(changed(plan, changes)),
        Notice::Damaged(fault) => return Some((*fault).to_owned()),
        Notice::Kept(trial) => {
            *ended += 1;
            return Some(format!("{}: finished before", label(plan, trial)));
        }
        Notice::Submitted(trial, task) => return Some(format!("{}: {}", label(plan, trial), submitted(task))),
        Notice::KeptFailed(trial, record) => {
            *ended += 1;
            return Some(format!("{}: {}", label(plan, trial), failed_before(record)));
        }
        Notice::Event(trial, event) => (trial, event),
    };
    let text = match event {
        Event::Progress { .. } => return None,
        Event::Waiting { holder } => format!("waits for {holder}"),
        Event::Warning { text } => format!("warning: {text}"),
        Event::Started { epochs_done, steps_done, note, .. } => {
            let from = match (epochs_done, steps_done) {
                (_, 0) => "started".to_owned(),
                (0, steps) => format!("goes on after step {steps}"),
                (epochs, _) => format!("goes on after epoch {epochs}"),
            };
            note.as_ref().map_or(from.clone(), |note| format!("{from}, {note}"))
        }
        Event::Epoch { epoch, loss, validation_loss, images_per_second, .. } => format!(
            "epoch {epoch}/{}, loss {}, validation {}, {images_per_second:.0} images/s",
            trial.spec().train.epochs,
            number(*loss),
            number(*validation_loss)
        ),
        Event::Ended { status, error } => {
            *ended += 1;
            let of = format!("{} ({ended} of {} trials)", status.name(), plan.selected().count());
            error.as_ref().map_or(of.clone(), |error| format!("{of}: {error}"))
        }
    };
    Some(format!("{}: {text}", label(plan, trial)))
}

impl Bars {
    fn show(&mut self, plan: &Plan, notice: &Notice<'_>) {
        // A line above the bars; where the terminal is gone there is nobody to tell.
        let print = |line: String| drop(self.all.println(line));
        match notice {
            Notice::Changed(changes) => print(changed(plan, changes)),
            Notice::Damaged(fault) => print((*fault).to_owned()),
            Notice::Kept(trial) => {
                self.work.set(trial, trial.steps(), false);
                self.total.inc(1);
            }
            Notice::Submitted(trial, task) => print(format!("{}: {}", label(plan, trial), submitted(task))),
            Notice::KeptFailed(trial, record) => {
                print(format!("{}: {}", label(plan, trial), failed_before(record)));
                self.work.set(trial, trial.steps(), false);
                self.total.inc(1);
            }
            Notice::Event(trial, event) => self.event(plan, trial, event),
        }
        let left = self.work.time_left().filter(|left| !left.is_zero());
        let message = left.map(|left| format!(", {} left", HumanDuration(left))).unwrap_or_default();
        self.total.set_message(message);
    }

    fn event(&mut self, plan: &Plan, trial: &Trial, event: &Event) {
        match event {
            Event::Waiting { holder } => {
                // As above.
                let _ = self.all.println(format!("{}: waits for {holder}", label(plan, trial)));
            }
            Event::Warning { text } => {
                // As above.
                let _ = self.all.println(format!("{}: warning: {text}", label(plan, trial)));
            }
            Event::Started { steps_done, steps, note, .. } => {
                if let Some(note) = note {
                    // As above.
                    let _ = self.all.println(format!("{}: goes on, {note}", label(plan, trial)));
                }
                let bar = self.all.insert_before(&self.total, ProgressBar::new(*steps));
                bar.set_style(style("  {prefix} {wide_bar} {msg}"));
                bar.set_prefix(label(plan, trial));
                bar.set_position(*steps_done);
                self.trials.insert(trial.id().to_owned(), bar);
                self.work.set(trial, *steps_done, false);
            }
            Event::Progress { epoch, step, loss, images_per_second }
            | Event::Epoch { epoch, step, loss, images_per_second, .. } => {
                if let Some(bar) = self.trials.get(trial.id()) {
                    bar.set_position(*step);
                    let epochs = trial.spec().train.epochs;
                    let loss = number(*loss);
                    bar.set_message(format!("epoch {epoch}/{epochs} loss {loss} {images_per_second:.0} img/s"));
                }
                self.work.set(trial, *step, true);
            }
            Event::Ended { status, error } => {
                if let Some(bar) = self.trials.remove(trial.id()) {
                    bar.finish_and_clear();
                }
                if let Some(error) = error {
                    // As above.
                    let _ = self.all.println(format!("{}: {}: {error}", label(plan, trial), status.name()));
                }
                // Of a trial that failed nothing is left to do either.
                self.work.set(trial, trial.steps(), false);
                self.total.inc(1);
            }
        }
    }
}
