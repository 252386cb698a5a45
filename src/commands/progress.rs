//! What a run shows while it goes on: bars on a terminal, lines elsewhere, events as JSON where asked for.

use super::say;
use crate::data::counted;
use crate::launch::{Changes, Notice};
use crate::log::record::{Status, TrialRecord};
use crate::plan::{Plan, Trial};
use crate::trial::Event;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::io::IsTerminal;

/// The display of one plan's run.
pub(super) struct Progress<'p> {
    plan: &'p Plan,
    mode: Mode,
    ended: usize,
}

enum Mode {
    Json,
    Lines,
    Bars { all: MultiProgress, total: ProgressBar, trials: BTreeMap<String, ProgressBar> },
}

impl<'p> Progress<'p> {
    pub(super) fn new(plan: &'p Plan, json: bool) -> Progress<'p> {
        let mode = if json {
            Mode::Json
        } else if std::io::stderr().is_terminal() {
            let all = MultiProgress::new();
            let total = all.add(ProgressBar::new(plan.trials().len() as u64));
            total.set_style(style("{prefix} {wide_bar} {pos}/{len} trials, {elapsed} so far"));
            total.set_prefix(plan.name().to_owned());
            total.enable_steady_tick(std::time::Duration::from_millis(500));
            Mode::Bars { all, total, trials: BTreeMap::new() }
        } else {
            Mode::Lines
        };
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
            Mode::Bars { all, total, trials } => bars(self.plan, notice, all, total, trials),
        }
    }

    /// Clears the bars.
    pub(super) fn finish(self) {
        if let Mode::Bars { all, total, .. } = self.mode {
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
        Notice::KeptFailed(trial, record) => {
            *ended += 1;
            return Some(format!("{}: {}", label(plan, trial), failed_before(record)));
        }
        Notice::Event(trial, event) => (trial, event),
    };
    let text = match event {
        Event::Progress { .. } => return None,
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
            let of = format!("{} ({ended} of {} trials)", status.name(), plan.trials().len());
            error.as_ref().map_or(of.clone(), |error| format!("{of}: {error}"))
        }
    };
    Some(format!("{}: {text}", label(plan, trial)))
}

fn bars(
    plan: &Plan,
    notice: &Notice<'_>,
    all: &MultiProgress,
    total: &ProgressBar,
    trials: &mut BTreeMap<String, ProgressBar>,
) {
    let (trial, event) = match notice {
        Notice::Changed(changes) => {
            // A line above the bars, as below.
            let _ = all.println(changed(plan, changes));
            return;
        }
        Notice::Damaged(fault) => {
            let _ = all.println(fault);
            return;
        }
        Notice::Kept(_) => return total.inc(1),
        Notice::KeptFailed(trial, record) => {
            let _ = all.println(format!("{}: {}", label(plan, trial), failed_before(record)));
            return total.inc(1);
        }
        Notice::Event(trial, event) => (trial, event),
    };
    match event {
        Event::Started { steps, .. } => {
            let bar = all.insert_before(total, ProgressBar::new(*steps));
            bar.set_style(style("  {prefix} {wide_bar} {msg}"));
            bar.set_prefix(label(plan, trial));
            trials.insert(trial.id().to_owned(), bar);
        }
        Event::Progress { epoch, step, loss, images_per_second }
        | Event::Epoch { epoch, step, loss, images_per_second, .. } => {
            if let Some(bar) = trials.get(trial.id()) {
                bar.set_position(*step);
                let epochs = trial.spec().train.epochs;
                bar.set_message(format!("epoch {epoch}/{epochs} loss {} {images_per_second:.0} img/s", number(*loss)));
            }
        }
        Event::Ended { status, error } => {
            if let Some(bar) = trials.remove(trial.id()) {
                bar.finish_and_clear();
            }
            if let Some(error) = error {
                // A line above the bars; where the terminal is gone there is nobody to tell.
                let _ = all.println(format!("{}: {}: {error}", label(plan, trial), status.name()));
            }
            total.inc(1);
        }
    }
}
