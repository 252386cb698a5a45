//! Problems of trials as diagnostics: each once, where the value that it is about was written.

use super::Problem;
use crate::language::Document;
use crate::language::diagnostics::{Diagnostic, Location, line_and_column};
use crate::language::sweep::Point;
use crate::text::grouped;
use std::collections::BTreeSet;

/// What is wrong in some trials, in one line of the spec about the same keys; what it says of the first.
pub(super) struct Repeated {
    line: Option<(usize, usize)>,
    keys: Vec<&'static str>,
    /// The message without its numbers.
    kind: String,
    item: Diagnostic,
    /// What is said, and where, if not the same everywhere.
    different: BTreeSet<(String, Option<Location>)>,
    /// Trials that it touches, and the last of them.
    trials: usize,
    last: usize,
}

impl Repeated {
    pub(super) fn add(all: &mut Vec<Repeated>, document: &Document, trial: usize, problem: &Problem, item: Diagnostic) {
        let source = item.location.as_ref().and_then(|at| Some((at, document.sources().get(at.source)?)));
        let line = source.map(|(at, source)| (at.source, line_and_column(&source.text, at.start).0));
        let kind: String = item.message.chars().filter(|c| !c.is_ascii_digit() && !".,-".contains(*c)).collect();
        let alike = |one: &&mut Repeated| {
            one.item.is_warning == item.is_warning && one.line == line && one.keys == problem.keys && one.kind == kind
        };
        let said = (item.message.clone(), item.location.clone());
        match all.iter_mut().find(alike) {
            Some(one) => {
                one.trials += usize::from(one.last != trial);
                one.last = trial;
                one.different.insert(said);
            }
            None => {
                let (keys, different) = (problem.keys.clone(), BTreeSet::from([said]));
                all.push(Repeated { line, keys, kind, item, different, trials: 1, last: trial });
            }
        }
    }

    /// With what it says of the other trials; how many it touches is not said of a sweep that is `partial`.
    pub(super) fn into_diagnostic(self, count: usize, partial: bool) -> Diagnostic {
        let touched = (self.trials < count && !partial).then(|| format!("in {} of {count} trials", self.trials));
        let more = self.different.len() - 1;
        let more = (more > 0).then(|| format!("and {} more like it", grouped(more)));
        let note: Vec<String> = touched.into_iter().chain(more).collect();
        Diagnostic { note: (!note.is_empty()).then(|| note.join(", ")), ..self.item }
    }
}

/// A key that no trial has a use for. Where what chooses against it is said later than the key, as by `--set` on top of
/// a file, that is meant, and a warning will do.
pub(super) fn locate_unused(document: &Document, choice: &[&Point], problem: &Problem) -> Option<Diagnostic> {
    let item = locate(document, choice, problem)?;
    let [key, chooser] = problem.keys[..] else { return Some(item) };
    let (Some(own), Some(chooser)) = (place_of(document, choice, key), place_of(document, choice, chooser)) else {
        return Some(item);
    };
    if !document.is_later(&chooser, &own) {
        return Some(item);
    }
    let place = format!("`{key}` of {}", document.place(&own));
    let message = problem.message.replacen(&format!("`{key}`"), &place, 1);
    let item = Diagnostic::at(&chooser, format!("{message}, and is left out"));
    Some(Diagnostic { is_warning: true, ..item })
}

/// Where a key's value in a trial was written: in the sweep, in a file, or nowhere.
pub(super) fn place_of(document: &Document, choice: &[&Point], key: &str) -> Option<Location> {
    let mut assignments = choice.iter().rev().flat_map(|point| point.iter());
    let swept = assignments.find(|assignment| assignment.key == key).map(|assignment| assignment.location.clone());
    swept.or_else(|| document.entry(key).map(|entry| entry.value.clone()))
}

/// Whether a problem is about a value that could not be read: what follows from that is not worth an error of its own.
pub(super) fn is_hidden(document: &Document, choice: &[&Point], problem: &Problem) -> bool {
    problem.keys.iter().any(|key| {
        let mut assignments = choice.iter().rev().flat_map(|point| point.iter());
        match assignments.find(|assignment| assignment.key == *key) {
            Some(assignment) => assignment.value.is_none(),
            None => document.is_faulty(key),
        }
    })
}

/// A problem, where the value that it is about was written.
pub(super) fn locate(document: &Document, choice: &[&Point], problem: &Problem) -> Option<Diagnostic> {
    if is_hidden(document, choice, problem) {
        return None;
    }
    let location = problem.keys.iter().find_map(|key| place_of(document, choice, key));
    Some(Diagnostic { help: problem.help.clone(), ..Diagnostic::new(location, problem.message.as_str()) })
}
