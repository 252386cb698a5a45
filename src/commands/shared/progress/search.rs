//! What a search decides, as lines of text and as JSON.

use crate::launch::SearchEvent;
use crate::plan::Plan;
use crate::record::trial::Pruned;
use crate::report::{significant, values_text};
use crate::search::Stop;
use serde_json::{Value, json};

/// An event on one line; `None` if it says nothing new.
pub(super) fn line(plan: &Plan, event: &SearchEvent) -> Option<String> {
    let metric = plan.search().map(|search| search.search().metric_name()).unwrap_or_default();
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
        SearchEvent::Stopped { pruned, .. } if pruned.by == Stop::HALVING => return None,
        SearchEvent::Stopped { number, pruned: Pruned { epoch, rank, of, by }, .. } => {
            format!("setting {number} is stopped after epoch {epoch}: rank {rank} of {of} ({by})")
        }
        SearchEvent::Rung { epoch, reached, promoted } => {
            format!("rung at epoch {epoch}: {promoted} of {reached} settings go on")
        }
        SearchEvent::Best { number, values, value, epoch } => {
            let value = significant(*value, 5);
            format!("best after epoch {epoch}: setting {number} ({}), {metric} {value}", values_text(values))
        }
        SearchEvent::Blocked { trial, reason } => format!("{trial}: not trained: {reason}"),
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
        SearchEvent::Blocked { trial, reason } => json!({ "event": "blocked", "trial": trial, "reason": reason }),
        SearchEvent::Failed(error) => json!({ "event": "warning", "text": format!("the search stops: {error}") }),
    }
}
