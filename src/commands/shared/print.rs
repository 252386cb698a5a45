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

/// Prints what deserves a look.
pub(crate) fn warn(plan: &Plan) {
    if !plan.warnings().is_empty() {
        complain(&plan.warnings().render(terminal::has_colour(&std::io::stderr())));
    }
}

/// Prints an error as JSON where that is asked for, else as text.
pub(crate) fn explain_as(error: &anyhow::Error, json: bool) {
    match error.downcast_ref::<PlanError>() {
        Some(PlanError::Spec(diagnostics)) if json => say(&json!({ "errors": diagnostics.json() }).to_string()),
        _ if json => say(&json!({ "errors": [{ "message": with_causes(error) }] }).to_string()),
        _ => explain(error),
    }
}

/// Prints an error; a spec's as the snippets that it is made of.
pub(crate) fn explain(error: &anyhow::Error) {
    let text = match error.downcast_ref::<PlanError>() {
        Some(PlanError::Spec(diagnostics)) => diagnostics.render(terminal::has_colour(&std::io::stderr())),
        _ => format!("error: {}", with_causes(error)),
    };
    complain(&text);
}

/// An error and what caused it; some errors name their cause themselves.
fn with_causes(error: &anyhow::Error) -> String {
    error.chain().skip(1).map(ToString::to_string).fold(error.to_string(), |text, cause| match text.ends_with(&cause) {
        true => text,
        false => format!("{text}: {cause}"),
    })
}
