//! Progress as lines of text, and the parts of them that the bars use too. A line begins with the time, UTC.

use super::work::Work;
use crate::commands::shared::format::brief;
use crate::commands::shared::print::say;
use crate::launch::cluster::Task;
use crate::launch::{Changes, RunEvent};
use crate::plan::{Plan, Trial};
use crate::record::trial::{Status, TrialRecord};
use crate::report::significant;
use crate::text::counted;
use crate::trial::Event;
use std::fmt::Write;
use std::time::SystemTime;

/// Prints a line of progress, with the time before it.
pub(crate) fn say_line(line: &str) {
    say(&format!("{} {line}", humantime::format_rfc3339_seconds(SystemTime::now())));
}

pub(super) fn line(plan: &Plan, notice: &RunEvent<'_>, ended: &mut usize, work: &Work) -> Option<String> {
    let (trial, event) = match notice {
        RunEvent::Changed(changes) => return Some(changed(plan, changes)),
        RunEvent::Damaged(fault) => return Some((*fault).to_owned()),
        RunEvent::Warning(text) => return Some(format!("warning: {text}")),
        RunEvent::Kept(trial) => {
            *ended += 1;
            return Some(format!("{}: finished before", label(plan, trial)));
        }
        RunEvent::Submitted(trial, task) => return Some(format!("{}: {}", label(plan, trial), submitted(task))),
        RunEvent::KeptFailed(trial, record) => {
            *ended += 1;
            return Some(format!("{}: {}", label(plan, trial), failed_before(record)));
        }
        RunEvent::Event(trial, event) => (trial, event),
    };
    let text = match event {
        Event::Progress { .. } => return None,
        Event::Waiting { holder } => format!("waiting for {holder}"),
        Event::Warning { text } => format!("warning: {text}"),
        Event::Started { epochs_done, steps_done, note, .. } => started(*epochs_done, *steps_done, note.as_deref()),
        Event::Epoch { epoch, loss, validation_loss, images_per_second, .. } => format!(
            "epoch {epoch}/{}, loss {}, validation {}, {images_per_second:.0} images/s, ETA {} (all trials: {})",
            trial.spec().train.epochs,
            number(*loss),
            number(*validation_loss),
            brief(work.time_left_of(trial).map(|left| left.as_secs_f64())),
            brief(work.time_left().map(|left| left.as_secs_f64())),
        ),
        Event::Ended { status, error } => {
            // One that was stopped has not come to its end.
            *ended += usize::from(*status != Status::Interrupted);
            let of = format!("{} ({ended} of {} trials)", status.name(), plan.selected().count());
            error.as_ref().map_or(of.clone(), |error| format!("{of}: {error}"))
        }
    };
    Some(format!("{}: {text}", label(plan, trial)))
}

/// The trial's id and what sets it apart.
pub(crate) fn label(plan: &Plan, trial: &Trial) -> String {
    let values = plan.varied().iter().zip(trial.texts(plan.varied())).map(|(key, value)| {
        let name = key.rsplit('.').next().unwrap_or(key);
        format!(" {name}={value}")
    });
    format!("{}{}", trial.id(), values.collect::<String>())
}

/// What changed since the last run, in a line.
pub(super) fn changed(plan: &Plan, Changes { added, kept, dropped, version }: &Changes) -> String {
    let mut line = format!("{}: since the last run {} added, {kept} kept", plan.name(), counted(*added, "trial"));
    if !dropped.is_empty() {
        let (are, folders) = if dropped.len() == 1 { ("is", "its folder is") } else { ("are", "their folders are") };
        let count = counted(dropped.len(), "trial");
        let why = match version {
            Some(version) => format!("of vaex {version} {are} not among those of this version"),
            None => format!("{are} no longer in the spec"),
        };
        let _ = write!(line, "; {count} {why}, and {folders} kept: {}", dropped.join(" "));
    }
    line
}

/// What is said of a trial that the scheduler has.
pub(super) fn submitted(task: &Task) -> String {
    format!("{} in the scheduler as {}", if task.running { "runs" } else { "waits" }, task.name)
}

/// What is said of a trial that is not tried again.
pub(super) fn failed_before(record: &TrialRecord) -> String {
    format!("{} before: {}", record.status.name(), record.error.as_deref().unwrap_or_default())
}

/// From where training begins, and what is to be known about that.
pub(super) fn started(epochs_done: u64, steps_done: u64, note: Option<&str>) -> String {
    let from = match (epochs_done, steps_done) {
        (_, 0) => "started".to_owned(),
        (0, steps) => format!("resuming after step {steps}"),
        (epochs, _) => format!("resuming after epoch {epochs}"),
    };
    note.map_or(from.clone(), |note| format!("{from}; {note}"))
}

pub(super) fn number(value: Option<f64>) -> String {
    value.map_or("not finite".to_owned(), |value| significant(value, 5))
}
