//! Progress as JSON: one object per line. `event` is the kind of event, `time` its time (RFC 3339, UTC), `trial` the trial's
//! id, and `keys` the trial's values of the varied keys. The last event is `summary`.

use super::work::Work;
use crate::commands::shared::print::say;
use crate::launch::{Changes, RunEvent, State};
use crate::metrics::{Split, named};
use crate::plan::Plan;
use crate::record::trial::Status;
use crate::report;
use crate::trial::Event;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::SystemTime;

/// Prints an event, with the current time added.
pub(crate) fn say_event(mut event: Value) {
    event["time"] = humantime::format_rfc3339_millis(SystemTime::now()).to_string().into();
    say(&event.to_string());
}

/// The last event of a run: the number of trials per state, the best trial, and what was expected. Also whether an
/// expectation is not met.
pub(crate) fn summary<'a>(plan: &Plan, states: impl Iterator<Item = &'a str>, experiment: &Path) -> (Value, bool) {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    states.for_each(|state| *counts.entry(state).or_default() += 1);
    let (report, error) = match report::collect(experiment) {
        Ok(report) => (Some(report), None),
        Err(error) => (None, Some(error.to_string())),
    };
    let best = report.as_ref().and_then(report::Report::best).map(|trial| {
        let rows = Split::OF_EPOCHS.into_iter().filter_map(|split| trial.kept(split));
        let keys = plan.varied().iter().map(|key| (key.clone(), json!(trial.record.spec.get(key))));
        json!({
            "trial": trial.record.trial,
            "folder": trial.folder.to_string_lossy(),
            "keys": keys.collect::<Map<_, _>>(),
            "metrics": named(rows),
        })
    });
    let mut summary = json!({ "event": "summary", "name": plan.name(), "counts": counts, "best": best });
    summary["expectations"] = report.as_ref().map(report::Report::expectations).unwrap_or_default().into();
    if let Some(error) = error {
        summary["error"] = error.into();
    }
    (summary, report.is_some_and(|report| report.has_unmet()))
}

/// A run event as JSON.
pub(super) fn json(plan: &Plan, event: &RunEvent<'_>, work: &Work) -> Value {
    let (trial, mut value) = match event {
        RunEvent::Changed(Changes { added, kept, dropped, .. }) => {
            return json!({ "event": "changed", "added": added, "kept": kept, "dropped": dropped });
        }
        RunEvent::Damaged(fault) => return json!({ "event": "damaged", "error": fault }),
        RunEvent::Warning(text) => return json!({ "event": "warning", "text": text }),
        RunEvent::Kept(trial) => (trial, json!({ "event": "kept", "status": Status::Done })),
        RunEvent::Submitted(trial, task) => {
            (trial, json!({ "event": "submitted", "task": task.name, "running": task.running }))
        }
        RunEvent::Search(event) => return super::search::json(event),
        RunEvent::KeptFailed(trial, record) => {
            (trial, json!({ "event": "kept", "status": record.status, "error": record.error }))
        }
        RunEvent::Event(trial, event) => {
            let error = |error: serde_json::Error| json!({ "event": "warning", "text": error.to_string() });
            (trial, serde_json::to_value(event).unwrap_or_else(error))
        }
    };
    value["trial"] = trial.id().into();
    let values = trial.values();
    value["keys"] = plan.varied().iter().map(|key| (key.clone(), json!(values.get(key)))).collect::<Map<_, _>>().into();
    if let RunEvent::Event(_, Event::Epoch { .. }) = event {
        value["eta_seconds"] = json!(work.time_left_of(trial).map(|left| left.as_secs_f64()));
        value["eta_seconds_all"] = json!(work.time_left().map(|left| left.as_secs_f64()));
    }
    value
}

/// A trial's values of the varied keys, by their dotted names.
pub(crate) fn keys(state: &State) -> Map<String, Value> {
    state.keys.iter().map(|(key, value)| (key.clone(), json!(value))).collect()
}
