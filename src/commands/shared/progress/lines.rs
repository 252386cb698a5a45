//! Progress as lines of text, each starting with the time (UTC), and the parts of these lines that the bars also show.

use super::work::Work;
use crate::commands::shared::format::brief;
use crate::commands::shared::print::say;
use crate::evaluation;
use crate::launch::cluster::Task;
use crate::launch::{Changes, RunEvent};
use crate::plan::{Plan, Trial, value_text};
use crate::record::trial::{Continued, Status, TrialRecord};
use crate::report::significant;
use crate::text::counted;
use crate::trial::Event;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::SystemTime;

/// Prints a line of progress, starting with the current time.
pub(crate) fn say_line(line: &str) {
    say(&format!("{} {line}", humantime::format_rfc3339_seconds(SystemTime::now())));
}

pub(super) fn line(plan: &Plan, event: &RunEvent<'_>, ended: &mut usize, work: &Work) -> Option<String> {
    let (trial, event) = match event {
        RunEvent::Changed(changes) => return Some(changed(plan, changes)),
        RunEvent::Damaged(fault) => return Some((*fault).to_owned()),
        RunEvent::Warning(text) => return Some(format!("warning: {text}")),
        RunEvent::Kept(trial) => {
            *ended += 1;
            return Some(format!("{}: already done", label(plan, trial)));
        }
        RunEvent::Search(event) => return super::search::line(plan, event),
        RunEvent::Submitted(trial, task) => return Some(format!("{}: {}", label(plan, trial), submitted(task))),
        RunEvent::KeptFailed(trial, record) => {
            *ended += 1;
            return Some(format!("{}: {}", label(plan, trial), failed_before(record)));
        }
        RunEvent::Event(trial, event) => (trial, event),
    };
    let text = match event {
        Event::Progress { .. } | Event::Evaluating { .. } => return None,
        Event::Evaluated { metric, values, seconds, refused, .. } => {
            evaluated(metric, values, *seconds, refused.as_deref())
        }
        Event::Waiting { holder } => format!("waiting for {holder}"),
        Event::Warning { text } => format!("warning: {text}"),
        Event::Exhausted { epoch, best_epoch } => exhausted(*epoch, *best_epoch),
        Event::Started { epochs_done, steps_done, continued, note, .. } => {
            started([*epochs_done, *steps_done], continued.as_ref(), note.as_deref())
        }
        Event::Epoch { epoch, loss, validation_loss, images_per_second, .. } => format!(
            "epoch {epoch}/{}, loss {}{}, {}, ETA {} (all trials: {})",
            trial.spec().train.epochs,
            number(*loss),
            // A trial whose metrics are not finite has no such event, so without a loss there are no validation images.
            validation_loss.map(|loss| format!(", validation {}", significant(loss, 5))).unwrap_or_default(),
            speed(*images_per_second),
            brief(work.time_left_of(trial).map(|left| left.as_secs_f64())),
            brief(work.time_left().map(|left| left.as_secs_f64())),
        ),
        Event::Ended { status: Status::Paused, .. } => "has reached its rung".to_owned(),
        Event::Ended { status, error } => {
            // An interrupted trial has not ended: it will resume.
            *ended += usize::from(*status != Status::Interrupted);
            let all = plan.trial_count().map(|count| format!(" of {count}")).unwrap_or_default();
            let of = format!("{} ({ended}{all} trials)", status.name());
            error.as_ref().map_or(of.clone(), |error| format!("{of}: {error}"))
        }
    };
    Some(format!("{}: {text}", label(plan, trial)))
}

/// Why training ends before its last epoch.
pub(super) fn exhausted(epoch: u64, best_epoch: u64) -> String {
    format!("ends after epoch {epoch}: the lowest validation loss was that of epoch {best_epoch} (train.patience)")
}

/// The trial's id and its values of the varied keys.
pub(crate) fn label(plan: &Plan, trial: &Trial) -> String {
    let values = plan.varied().iter().zip(trial.texts(plan.varied())).map(|(key, value)| {
        let name = key.rsplit('.').next().unwrap_or(key);
        format!(" {name}={value}")
    });
    format!("{}{}", trial.id(), values.collect::<String>())
}

/// The changes of the plan since the last run, on one line.
pub(super) fn changed(plan: &Plan, Changes { added, kept, dropped, version }: &Changes) -> String {
    let mut line = format!("{}: since the last run: {} added, {kept} kept", plan.name(), counted(*added, "trial"));
    if !dropped.is_empty() {
        let (are, folders) = if dropped.len() == 1 { ("is", "its folder is") } else { ("are", "their folders are") };
        let count = counted(dropped.len(), "trial");
        let why = match version {
            Some(version) => format!("of vaex {version} {are} not in the plan of this version"),
            None => format!("{are} no longer in the spec"),
        };
        let _ = write!(line, "; {count} {why}; {folders} kept: {}", dropped.join(" "));
    }
    line
}

/// The message for a trial that is already in the scheduler.
pub(super) fn submitted(task: &Task) -> String {
    format!("{} in the scheduler as {}", if task.running { "running" } else { "queued" }, task.name)
}

/// The message for a trial that failed in an earlier run and is not retried.
pub(super) fn failed_before(record: &TrialRecord) -> String {
    format!("{} in an earlier run: {}", record.status.name(), record.error.as_deref().unwrap_or_default())
}

/// The values of a metric of the evaluation, on one line.
pub(crate) fn evaluated(metric: &str, values: &BTreeMap<String, Value>, seconds: f64, refused: Option<&str>) -> String {
    if let Some(why) = refused {
        return format!("{metric}: {why}");
    }
    // In the order of the metric's columns, whatever the split.
    let columns = evaluation::columns().filter(|(entry, ..)| entry.measure.word().name == metric);
    let named = columns.filter_map(|(_, metric, split)| {
        let name = evaluation::column_name(metric, split);
        let value = values.get(&name)?;
        match value {
            Value::Number(number) if number.is_f64() => Some(format!("{name} {}", significant(number.as_f64()?, 5))),
            Value::Number(_) | Value::String(_) => Some(format!("{name} {}", value_text(Some(value)))),
            _ => None,
        }
    });
    format!("{metric}: {} ({})", named.collect::<Vec<_>>().join(", "), brief(Some(seconds)))
}

/// The epoch or step from which training starts, and a note about it.
pub(super) fn started(
    [epochs_done, steps_done]: [u64; 2],
    continued: Option<&Continued>,
    note: Option<&str>,
) -> String {
    let from = match (continued, epochs_done, steps_done) {
        (Some(Continued { trial, epochs }), ..) => format!("continues {trial} after epoch {epochs}"),
        (None, _, 0) => "started".to_owned(),
        (None, 0, steps) => format!("resuming after step {steps}"),
        (None, epochs, _) => format!("resuming after epoch {epochs}"),
    };
    note.map_or(from.clone(), |note| format!("{from}; {note}"))
}

pub(super) fn speed(images_per_second: Option<f64>) -> String {
    images_per_second.map_or("? images/s".to_owned(), |speed| format!("{speed:.0} images/s"))
}

pub(super) fn number(value: Option<f64>) -> String {
    value.map_or("not finite".to_owned(), |value| significant(value, 5))
}
