//! What a search decides, as lines of text and as JSON.

use crate::launch::SearchEvent;
use crate::plan::{Plan, value_text};
use crate::report::significant;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The values of a setting: `kl_weight=0.5 latent_dim=8`.
pub(crate) fn values_text(values: &BTreeMap<String, Value>) -> String {
    let value = |(key, value): (&String, &Value)| {
        format!("{}={}", key.rsplit('.').next().unwrap_or(key), value_text(Some(value)))
    };
    values.iter().map(value).collect::<Vec<_>>().join(" ")
}

/// An event on one line; `None` if it says nothing new.
pub(super) fn line(plan: &Plan, event: &SearchEvent) -> Option<String> {
    let metric = plan.search().map(|search| format!("validation_{}", search.metric().name)).unwrap_or_default();
    Some(match event {
        // All of them are proposed at the start.
        SearchEvent::Proposed { seen: 0, .. } => return None,
        SearchEvent::Proposed { number, values, seen } => {
            format!("setting {number} is proposed from {seen} results: {}", values_text(values))
        }
        SearchEvent::Refused { number, values, error } => {
            format!("setting {number} cannot be trained ({}): {error}", values_text(values))
        }
        // The line about the rung says how many.
        SearchEvent::Stopped { .. } => return None,
        SearchEvent::Rung { epoch, reached, promoted } => {
            format!("rung at epoch {epoch}: {promoted} of {reached} settings go on")
        }
        SearchEvent::Best { number, values, value, epoch } => {
            let value = significant(*value, 5);
            format!("best so far: setting {number} ({}), {metric} {value} after epoch {epoch}", values_text(values))
        }
        SearchEvent::Failed(error) => format!("the search stops: {error}"),
    })
}

/// An event as JSON.
pub(super) fn json(event: &SearchEvent) -> Value {
    match event {
        SearchEvent::Proposed { number, values, seen } => {
            json!({ "event": "proposed", "setting": number, "values": values, "seen": seen })
        }
        SearchEvent::Refused { number, values, error } => {
            json!({ "event": "refused", "setting": number, "values": values, "error": error })
        }
        SearchEvent::Stopped { number, trials, pruned } => {
            json!({ "event": "stopped", "setting": number, "trials": trials, "pruned": pruned })
        }
        SearchEvent::Rung { epoch, reached, promoted } => {
            json!({ "event": "rung", "epoch": epoch, "reached": reached, "promoted": promoted })
        }
        SearchEvent::Best { number, values, value, epoch } => {
            json!({ "event": "best", "setting": number, "values": values, "value": value, "epoch": epoch })
        }
        SearchEvent::Failed(error) => json!({ "event": "warning", "text": format!("the search stops: {error}") }),
    }
}
