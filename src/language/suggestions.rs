//! Suggests the key that an unknown key most likely means.

use super::diagnostics::{Diagnostic, Location};
use super::types::can_vary;
use super::{description, known_keys};
use crate::settings::{nearest, plain};
use std::collections::BTreeSet;

/// How an unknown key was written.
#[derive(Clone, Copy)]
pub(super) struct Written {
    /// Whether it was written with its table, as in `[sweep.grid]` and `--set`.
    pub(super) whole: bool,
    /// Whether it was written as a table.
    pub(super) is_table: bool,
}

/// The error for an unknown key.
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
    // All of them are in one table.
    let named = |keys: &[&str]| {
        let names: Vec<String> =
            keys.iter().map(|key| format!("`{}`", if whole { (*key).to_owned() } else { last(key) })).collect();
        let names = match &*names {
            [all @ .., last] if !all.is_empty() => format!("{} or {last}", all.join(", ")),
            names => names.concat(),
        };
        match keys.first().and_then(|key| key.rsplit_once('.')).map_or("", |(of, _)| of) {
            of if whole || of == table => format!("did you mean {names}?"),
            "" => format!("did you mean {names}, at the top of the file?"),
            of => format!("did you mean {names}, in `[{of}]`?"),
        }
    };
    // Order of the suggestions: a synonym; the right name in the wrong table; a misspelling in the right table; a misspelling
    // in any table.
    let synonym = match written.is_table {
        true if table.is_empty() => Vec::from_iter(named_table(name)),
        true => Vec::new(),
        false => named_keys(dotted),
    };
    if !synonym.is_empty() {
        return Some(named(&synonym));
    }
    // At the top of the file before a table: `seed`.
    let same = || known.iter().filter(|key| last(key) == name);
    if let Some(key) = same().find(|key| *key == name).or_else(|| same().next()) {
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
        return Some(named(&[&near]));
    }
    let shown =
        here.iter().map(|rest| rest.split_once('.').map_or(format!("`{rest}`"), |(head, _)| format!("`[{head}]`")));
    let shown: BTreeSet<String> = shown.collect();
    (!shown.is_empty()).then(|| format!("expected one of {}", Vec::from_iter(shown).join(", ")))
}

/// The key that a name in `[sweep]` means: the full key, the last part of a key, or a synonym.
pub(super) fn varied_instead(known: &BTreeSet<String>, name: &str) -> Option<String> {
    let ending = format!(".{name}");
    let mut ending = known.iter().filter(|key| can_vary(key) && key.ends_with(&ending));
    match (known.get(name).filter(|key| can_vary(key)), ending.next(), ending.next()) {
        (Some(key), _, _) | (None, Some(key), None) => Some(key.clone()),
        _ => named_key(name).filter(|key| can_vary(key)).map(str::to_owned),
    }
}

/// The key with values to choose from that a name without its table means: the last part of one key, or a synonym.
pub(crate) fn key_of_name(name: &str) -> Option<String> {
    varied_instead(known_keys(), name)
}

/// The key that has a dotted name as a synonym: preferably in the same table, otherwise the first one.
pub(crate) fn named_key(dotted: &str) -> Option<&'static str> {
    named_keys(dotted).first().copied()
}

/// All keys of one table that have a dotted name as a synonym: preferably of the same table, otherwise of the first one.
fn named_keys(dotted: &str) -> Vec<&'static str> {
    let (table, name) = dotted.rsplit_once('.').unwrap_or(("", dotted));
    let name = plain(name);
    let named = || description().keys.iter().filter(|key| key.also().any(|also| also == name));
    let found = named().find(|key| key.table() == table).or_else(|| named().next());
    let Some(table) = found.map(|key| key.table()) else { return Vec::new() };
    named().filter(|key| key.table() == table).map(|key| key.dotted.as_str()).collect()
}

/// The table that has a name as a synonym.
fn named_table(name: &str) -> Option<&'static str> {
    let name = plain(name);
    description().tables.iter().find(|table| table.also.split(' ').any(|also| also == name)).map(|table| table.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Word, other_name};

    #[test]
    fn no_other_name_of_a_key_or_a_table_is_a_key_or_a_table() {
        let keys = known_keys();
        let tables: BTreeSet<&str> = description().tables.iter().map(|table| table.name).collect();
        let last: BTreeSet<&str> = description().keys.iter().map(|key| key.name()).collect();
        for key in &description().keys {
            for also in key.also() {
                assert!(!last.contains(also) && !tables.contains(also), "{also} is a key or a table");
            }
        }
        for table in &description().tables {
            let mut also = table.also.split(' ');
            assert!(also.all(|name| !keys.contains(name) && !tables.contains(name)), "{}", table.also);
        }
    }

    #[test]
    fn no_other_name_of_a_word_is_a_word_of_the_same_key() {
        for key in &description().keys {
            let words: Vec<&Word> = key.kind().words();
            for word in &words {
                let mut also = word.also.split(' ').filter(|name| !name.is_empty());
                assert!(also.all(|name| !words.iter().any(|word| word.name == name)), "{}: {}", key.dotted, word.also);
            }
        }
    }

    #[test]
    fn the_key_of_the_same_table_comes_first_and_case_and_hyphens_are_free() {
        assert_eq!(named_key("warmup"), Some("objective.kl_warmup_epochs"));
        assert_eq!(named_key("train.warmup"), Some("train.warmup_epochs"));
        assert_eq!(named_key("train.KL-Coef"), Some("objective.kl_weight"));
        let words = |key: &str| description().key(key).unwrap().kind().words();
        assert_eq!(other_name(words("data.source"), "Fashion-MNIST"), Some("fashion-mnist"));
        assert_eq!(other_name(words("data.source"), "Fashion_Mini"), Some("fashion-mini"));
        assert_eq!(other_name(words("train.schedule"), "none"), Some("constant"));
    }
}
