//! Printing: lines, warnings and errors, as text or as JSON.

use super::terminal;
use crate::plan::{Plan, PlanError};
use serde_json::json;
use std::io::Write;

/// Prints a line.
pub(crate) fn say(line: &str) {
    terminal::write(&format!("{line}\n"));
}

/// Prints a line to standard error.
pub(crate) fn complain(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Prints the warnings of a plan.
pub(crate) fn warn(plan: &Plan) {
    if !plan.warnings().is_empty() {
        complain(&plan.warnings().render(terminal::has_colour(&std::io::stderr())));
    }
}

/// Prints an error, as JSON or as text.
pub(crate) fn explain_as(error: &anyhow::Error, json: bool) {
    match error.downcast_ref::<PlanError>() {
        Some(PlanError::Spec(diagnostics)) if json => say(&json!({ "errors": diagnostics.json() }).to_string()),
        _ if json => say(&json!({ "errors": [{ "message": with_causes(error) }] }).to_string()),
        _ => explain(error),
    }
}

/// Prints an error. Errors of a spec are printed with the lines of the spec.
pub(crate) fn explain(error: &anyhow::Error) {
    let text = match error.downcast_ref::<PlanError>() {
        Some(PlanError::Spec(diagnostics)) => diagnostics.render(terminal::has_colour(&std::io::stderr())),
        _ => format!("error: {}", with_causes(error)),
    };
    complain(&text);
}

/// An error and its causes, without those that the message already contains.
fn with_causes(error: &anyhow::Error) -> String {
    error.chain().skip(1).map(ToString::to_string).fold(error.to_string(), |text, cause| match text.ends_with(&cause) {
        true => text,
        false => format!("{text}: {cause}"),
    })
}
