//! Turns problems of trials into diagnostics with locations, and merges problems that several trials share.

use super::Problem;
use crate::language::Document;
use crate::language::diagnostics::{Diagnostic, Location, line_and_column};
use crate::language::sweep::Point;
use crate::model::NETWORK_WAYS;
use crate::text::counted;
use std::collections::BTreeSet;

/// A problem that several trials share: the same keys in the same line of the spec. It shows the message of the first one.
pub(super) struct Repeated {
    line: Option<(usize, usize)>,
    keys: Vec<&'static str>,
    /// The message without its numbers.
    kind: String,
    item: Diagnostic,
    /// The different messages and locations.
    different: BTreeSet<(String, Option<Location>)>,
    /// The number of trials with this problem, and the last of them.
    trials: usize,
    last: usize,
}

impl Repeated {
    pub(super) fn add(all: &mut Vec<Repeated>, document: &Document, trial: usize, problem: &Problem, item: Diagnostic) {
        let said = (item.message.clone(), item.location.clone());
        let is_same = |one: &Repeated| one.item.is_warning == item.is_warning && one.keys == problem.keys;
        // Most trials of a sweep have a problem in the same words.
        if let Some(one) = all.iter_mut().find(|one| is_same(one) && one.different.contains(&said)) {
            return one.count(trial);
        }
        let source = item.location.as_ref().and_then(|at| Some((at, document.sources().get(at.source)?)));
        let line = source.map(|(at, source)| (at.source, line_and_column(&source.text, at.start).0));
        let kind: String = item.message.chars().filter(|c| !c.is_ascii_digit() && !".,-".contains(*c)).collect();
        match all.iter_mut().find(|one| is_same(one) && one.line == line && one.kind == kind) {
            Some(one) => {
                one.count(trial);
                one.different.insert(said);
            }
            None => {
                let (keys, different) = (problem.keys.clone(), BTreeSet::from([said]));
                all.push(Repeated { line, keys, kind, item, different, trials: 1, last: trial });
            }
        }
    }

    fn count(&mut self, trial: usize) {
        self.trials += usize::from(self.last != trial);
        self.last = trial;
    }

    /// Whether it is a warning, not an error.
    pub(super) fn is_warning(&self) -> bool {
        self.item.is_warning
    }

    /// The diagnostic with a note on the other trials. For a `partial` sweep, the note does not give the number of trials.
    pub(super) fn into_diagnostic(self, count: usize, partial: bool) -> Diagnostic {
        let touched = (self.trials < count && !partial).then(|| format!("in {} of {count} trials", self.trials));
        let more = self.different.len() - 1;
        let more = (more > 0).then(|| format!("and {}", counted(more, "similar message")));
        let note: Vec<String> = touched.into_iter().chain(more).collect();
        Diagnostic { note: (!note.is_empty()).then(|| note.join(", ")), ..self.item }
    }
}

/// The diagnostic for a key that applies to no trial. It is an error, or a warning if the key that makes it inapplicable was
/// set by a source of higher priority, for example by `--set`.
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
    let item = Diagnostic::at(&chooser, format!("{message}; it is ignored"));
    Some(Diagnostic { is_warning: true, ..item })
}

/// The keys of a trial that give its network in another way than keys of a source of higher priority, each with one of those
/// keys.
pub(super) fn overridden(document: &Document, choice: &[&Point]) -> Vec<[&'static str; 2]> {
    let placed = |keys: &&[&'static str]| -> Vec<(&'static str, Location)> {
        keys.iter().filter_map(|key| Some((*key, place_of(document, choice, key)?))).collect()
    };
    let ways: Vec<_> = NETWORK_WAYS.iter().map(placed).collect();
    // The key of the source with the highest priority, and its way.
    let all = ways.iter().enumerate().flat_map(|(way, keys)| keys.iter().map(move |(key, place)| (way, *key, place)));
    let last = all.clone().reduce(|one, other| if document.is_later(other.2, one.2) { other } else { one });
    let Some((chosen, by, place)) = last else { return Vec::new() };
    let loses = |(way, _, other): &(usize, &str, &Location)| *way != chosen && document.is_later(place, other);
    all.filter(loses).map(|(_, key, _)| [key, by]).collect()
}

/// The location of the value of a key in a trial: in the sweep or in a file; `None` if it was not written.
pub(super) fn place_of(document: &Document, choice: &[&Point], key: &str) -> Option<Location> {
    let mut assignments = choice.iter().rev().flat_map(|point| point.iter());
    let swept = assignments.find(|assignment| assignment.key == key).map(|assignment| assignment.location.clone());
    swept.or_else(|| document.entry(key).map(|entry| entry.value.clone()))
}

/// Whether a problem follows from an invalid value, which is already reported.
pub(super) fn is_hidden(document: &Document, choice: &[&Point], problem: &Problem) -> bool {
    problem.keys.iter().any(|key| {
        let mut assignments = choice.iter().rev().flat_map(|point| point.iter());
        match assignments.find(|assignment| assignment.key == *key) {
            Some(assignment) => assignment.value.is_none(),
            None => document.is_faulty(key),
        }
    })
}

/// The location of the element that a problem is about, in the list of its first key; `None` if a sweep varies the key.
fn element_of(document: &Document, choice: &[&Point], problem: &Problem) -> Option<Location> {
    let key = problem.keys.first()?;
    let is_swept = choice.iter().flat_map(|point| point.iter()).any(|assignment| assignment.key == *key);
    if is_swept { None } else { document.entry(key)?.elements.get(problem.element?).cloned() }
}

/// The diagnostic of a problem, with the location of the value that it is about.
pub(super) fn locate(document: &Document, choice: &[&Point], problem: &Problem) -> Option<Diagnostic> {
    if is_hidden(document, choice, problem) {
        return None;
    }
    let location = element_of(document, choice, problem);
    let location = location.or_else(|| problem.keys.iter().find_map(|key| place_of(document, choice, key)));
    let beside = problem.beside.and_then(|key| place_of(document, choice, key)).map(Box::new);
    Some(Diagnostic { help: problem.help.clone(), beside, ..Diagnostic::new(location, problem.message.as_str()) })
}
