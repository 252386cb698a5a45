//! What a key that does not exist most likely meant.

use super::diagnostics::{Diagnostic, Location};
use super::synonyms;
use super::types::can_vary;
use std::collections::BTreeSet;

/// How an unknown key was written.
#[derive(Clone, Copy)]
pub(super) struct Written {
    /// With its table, as in `[sweep.grid]` and in `--set`.
    pub(super) whole: bool,
    /// As a table of its own.
    pub(super) is_table: bool,
}

/// A key that does not exist.
pub(super) fn unknown_key(known: &BTreeSet<String>, dotted: &str, location: &Location, written: Written) -> Diagnostic {
    let fault = Diagnostic::at(location, format!("unknown key `{dotted}`"));
    match known_instead(known, dotted, written) {
        Some(help) => fault.with_help(help),
        None => fault,
    }
}

fn known_instead(known: &BTreeSet<String>, dotted: &str, written: Written) -> Option<String> {
    let (table, name) = dotted.rsplit_once('.').unwrap_or(("", dotted));
    let whole = written.whole;
    let last = |key: &'_ str| key.rsplit('.').next().unwrap_or_default().to_owned();
    let named = |key: &str| match key.rsplit_once('.').unwrap_or(("", key)) {
        _ if whole => format!("did you mean `{key}`?"),
        (of, name) if of == table => format!("did you mean `{name}`?"),
        ("", name) => format!("did you mean `{name}`, at the top of the file?"),
        (of, name) => format!("did you mean `{name}`, in `[{of}]`?"),
    };
    // Another name, then the right name in the wrong table, then a misspelling in the right table, then one in any.
    let synonym = match written.is_table {
        true if table.is_empty() => synonyms::table(name),
        true => None,
        false => synonyms::key(dotted),
    };
    if let Some(key) = synonym {
        return Some(named(key));
    }
    if let Some(key) = known.iter().find(|key| last(key) == name) {
        return Some(match key.rsplit_once('.') {
            _ if whole => format!("did you mean `{key}`?"),
            Some((table, _)) => format!("`{name}` belongs in `[{table}]`"),
            None => format!("`{name}` belongs at the top of the file, above all tables"),
        });
    }
    let below = |key: &'_ String| match table {
        "" => Some(key.clone()),
        _ => key.strip_prefix(&format!("{table}.")).map(str::to_owned),
    };
    let here: BTreeSet<String> = known.iter().filter_map(below).collect();
    let names = here.iter().filter_map(|rest| rest.split('.').next());
    if let Some(near) = nearest(name, names) {
        let prefix = if whole && !table.is_empty() { format!("{table}.") } else { String::new() };
        return Some(format!("did you mean `{prefix}{near}`?"));
    }
    let elsewhere = || known.iter().find(|key| nearest(name, [last(key).as_str()]).is_some()).cloned();
    let near = if here.is_empty() { nearest(dotted, known.iter().map(String::as_str)) } else { None };
    if let Some(near) = near.or_else(elsewhere) {
        return Some(named(&near));
    }
    let shown =
        here.iter().map(|rest| rest.split_once('.').map_or(format!("`{rest}`"), |(head, _)| format!("`[{head}]`")));
    let shown: BTreeSet<String> = shown.collect();
    (!shown.is_empty()).then(|| format!("what can be here: {}", Vec::from_iter(shown).join(", ")))
}

/// The key that a name in `[sweep]` is, or whose last part it is, or of which it is another name.
pub(super) fn varied_instead(known: &BTreeSet<String>, name: &str) -> Option<String> {
    let ending = format!(".{name}");
    let mut ending = known.iter().filter(|key| can_vary(key) && key.ends_with(&ending));
    match (known.get(name).filter(|key| can_vary(key)), ending.next(), ending.next()) {
        (Some(key), _, _) | (None, Some(key), None) => Some(key.clone()),
        _ => synonyms::key(name).filter(|key| can_vary(key)).map(str::to_owned),
    }
}

/// The candidate that a misspelled name most likely meant.
pub(crate) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let name = name.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&name, candidate), candidate))
        .filter(|(similarity, _)| *similarity > 0.84)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, candidate)| candidate.to_owned())
}

/// The choice that a word most likely meant: by another name, or misspelled.
pub(super) fn word_instead(word: &str, choices: &[&str]) -> Option<String> {
    let synonym = synonyms::word(word, choices.iter().copied()).map(str::to_owned);
    synonym.or_else(|| nearest(word, choices.iter().copied()))
}
