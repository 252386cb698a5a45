//! Reads a table of a spec, or describes its keys, with the same function.

use super::description::{Condition, Declared, Described, TableInfo};
use super::{Advice, Choices, Interval, Key, Kind, Role, Type};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::path::PathBuf;
use toml::Value;

/// An error or a warning about keys of a spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The dotted keys that the problem is about. The diagnostic points at the first one that was written.
    pub keys: Vec<&'static str>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
    /// The element of the list that the first key has as its value; `None` for the whole value.
    pub element: Option<usize>,
    /// Another key whose value the diagnostic marks too.
    pub beside: Option<&'static str>,
}

impl Problem {
    /// A problem and what to do about it; `help` may be empty.
    pub fn new(keys: &[&'static str], message: impl Into<String>, help: impl Into<String>) -> Problem {
        let help = Some(help.into()).filter(|help| !help.is_empty());
        Problem { keys: keys.to_vec(), message: message.into(), help, element: None, beside: None }
    }

    /// The same, about an element of the list that the first key has as its value.
    #[must_use]
    pub fn at(self, element: usize) -> Problem {
        Problem { element: Some(element), ..self }
    }

    /// The same, with the value of another key marked too.
    #[must_use]
    pub fn beside(self, key: &'static str) -> Problem {
        Problem { beside: Some(key), ..self }
    }
}

/// A key of a resolved spec and its value.
#[derive(Clone, Debug, PartialEq)]
pub struct ResolvedKey {
    /// The dotted key.
    pub key: &'static str,
    /// The value, in the type of the key.
    pub value: Value,
    /// Whether it equals the default, whether written or not.
    pub is_default: bool,
    /// Whether a preset states it: it is not written.
    pub is_stated: bool,
    /// What the key affects.
    pub role: Role,
}

/// Gives the values of the keys of a spec, one by one.
pub struct Keys<'a> {
    table: &'static str,
    /// The written values. `None` to describe the keys: every kind is visited, and each key has its default value.
    written: Option<&'a BTreeMap<String, Value>>,
    /// Values of keys that were not written, which a preset states.
    stated: BTreeMap<String, Value>,
    found: Found,
    described: Described,
}

/// The settings and problems found while a spec was read.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The keys that apply, in order, with their values.
    pub settings: Vec<ResolvedKey>,
    /// Errors: with any of them, the spec cannot run.
    pub problems: Vec<Problem>,
    /// Warnings: probable mistakes that do not prevent a run.
    pub warnings: Vec<Problem>,
}

/// A number or a word.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum NumberOr<T> {
    /// The number.
    Number(f64),
    /// The choice made by a word.
    Word(T),
}

impl<'a> Keys<'a> {
    /// Runs `read` on written values, which are indexed by dotted key. Returns its result and what it found.
    pub fn read<T>(written: &'a BTreeMap<String, Value>, read: impl FnOnce(&mut Keys<'_>) -> T) -> (T, Found) {
        let mut keys = Keys::new(Some(written));
        let value = read(&mut keys);
        (value, keys.found)
    }

    /// The tables and keys that `read` reads, for all kinds.
    pub(super) fn describe<T>(read: impl FnOnce(&mut Keys<'_>) -> T) -> Described {
        let mut keys = Keys::new(None);
        read(&mut keys);
        keys.described
    }

    fn new(written: Option<&'a BTreeMap<String, Value>>) -> Keys<'a> {
        let (found, described) = (Found::default(), Described::default());
        Keys { table: "", written, stated: BTreeMap::new(), found, described }
    }

    /// Whether the keys are described: every kind is visited.
    pub fn is_describing(&self) -> bool {
        self.written.is_none()
    }

    /// Reads a table. `doc` is its meaning, `also` its other names.
    pub fn table<T>(
        &mut self,
        name: &'static str,
        doc: &'static str,
        also: &'static str,
        read: impl FnOnce(&mut Keys<'_>) -> T,
    ) -> T {
        if self.is_describing() {
            self.described.tables.push(TableInfo { name, doc, also });
        }
        let outer = std::mem::replace(&mut self.table, name);
        let value = read(self);
        self.table = outer;
        value
    }

    /// Reads keys that apply only if `chooser`, a dotted key that was read before, has one of `words`. `holds` says whether it
    /// has. `None` if it has not.
    pub fn only<T>(
        &mut self,
        holds: bool,
        chooser: &'static str,
        words: &[&'static str],
        read: impl FnOnce(&mut Keys<'_>) -> T,
    ) -> Option<T> {
        if self.is_describing() {
            self.described.conditions.push(Condition { chooser: chooser.to_owned(), words: words.to_vec() });
            let value = read(self);
            self.described.conditions.pop();
            return Some(value);
        }
        holds.then(|| read(self))
    }

    /// A key whose word chooses a kind. Returns what that kind reads from its own keys.
    pub fn choice<T>(&mut self, key: Key, choices: &'static Choices<T>, default: &'static Kind<T>) -> T {
        let chosen = self.take(key, Type::Word(choices), Some(Value::String(default.word.name.to_owned())));
        if self.is_describing() {
            let mut value = None;
            for kind in choices.0 {
                let one = self.visit(key, kind);
                value = value.or((kind.word.name == default.word.name).then_some(one));
            }
            return value.unwrap_or_else(|| self.visit(key, default));
        }
        let chosen = chosen.and_then(|word| choices.find(word.as_str()?));
        (chosen.unwrap_or(default).read)(self)
    }

    fn visit<T>(&mut self, key: Key, kind: &Kind<T>) -> T {
        let chooser = self.dotted(key.name);
        self.described.conditions.push(Condition { chooser, words: vec![kind.word.name] });
        let value = (kind.read)(self);
        self.described.conditions.pop();
        value
    }

    /// A number.
    pub fn number(&mut self, key: Key, range: Interval, default: f64) -> f64 {
        let value = self.take(key, Type::Number(range), Some(Value::Float(default)));
        value.and_then(|value| value.as_float()).unwrap_or(default)
    }

    /// A number; `None` if not written.
    pub fn optional_number(&mut self, key: Key, range: Interval) -> Option<f64> {
        self.take(key, Type::Number(range), None)?.as_float()
    }

    /// `true` or `false`; by default `false`.
    pub fn boolean(&mut self, key: Key) -> bool {
        self.boolean_or(key, false)
    }

    /// `true` or `false`.
    pub fn boolean_or(&mut self, key: Key, default: bool) -> bool {
        let value = self.take(key, Type::Bool, Some(Value::Boolean(default)));
        value.and_then(|value| value.as_bool()).unwrap_or(default)
    }

    /// A whole number.
    pub fn whole(&mut self, key: Key, least: u64, most: u64, default: u64) -> u64 {
        let value = self.take(key, Type::Whole { least, most }, Some(whole(default)));
        value.as_ref().and_then(as_whole).unwrap_or(default)
    }

    /// A whole number; `None` if not written.
    pub fn optional_whole(&mut self, key: Key, least: u64, most: u64) -> Option<u64> {
        as_whole(&self.take(key, Type::Whole { least, most }, None)?)
    }

    /// A list of whole numbers.
    pub fn wholes(&mut self, key: Key, list: Type, default: &[u64]) -> Vec<u64> {
        let default = Value::Array(default.iter().copied().map(whole).collect());
        as_wholes(self.take(key, list, Some(default)))
    }

    /// A list of whole numbers; `None` if not written.
    pub fn optional_wholes(&mut self, key: Key, list: Type) -> Option<Vec<u64>> {
        let written = self.take(key, list, None)?;
        Some(as_wholes(Some(written)))
    }

    /// A list of numbers; empty if not written.
    pub fn numbers(&mut self, key: Key, list: Type) -> Vec<f64> {
        let value = self.take(key, list, None);
        value.iter().filter_map(Value::as_array).flatten().filter_map(Value::as_float).collect()
    }

    /// Two numbers.
    pub fn pair(&mut self, key: Key, range: &'static Type, default: [f64; 2]) -> [f64; 2] {
        let both = Value::Array(default.map(Value::Float).into());
        let value = self.take(key, Type::Pair(range), Some(both));
        let numbers: Vec<f64> =
            value.iter().filter_map(Value::as_array).flatten().filter_map(Value::as_float).collect();
        numbers.try_into().unwrap_or(default)
    }

    /// A number, or the choice of a word.
    pub fn number_or<T>(&mut self, key: Key, kind: Type, choices: &'static Choices<T>, default: f64) -> NumberOr<T> {
        match self.take(key, kind, Some(Value::Float(default))) {
            Some(Value::String(word)) => match choices.find(&word) {
                Some(chosen) => NumberOr::Word((chosen.read)(self)),
                None => NumberOr::Number(default),
            },
            Some(Value::Float(number)) => NumberOr::Number(number),
            _ => NumberOr::Number(default),
        }
    }

    /// The path of a file; `None` if not written.
    pub fn optional_path(&mut self, key: Key) -> Option<PathBuf> {
        self.take(key, Type::Path, None)?.as_str().map(PathBuf::from)
    }

    /// Paths of files: one, or a list; `None` if not written.
    pub fn optional_paths(&mut self, key: Key) -> Option<Vec<PathBuf>> {
        const PATHS: Type =
            Type::OneOf(&[Type::Path, Type::List(&Type::Path, 1)], "a path in quotes, or a list of them");
        let path = |value: &Value| value.as_str().map(PathBuf::from);
        match self.take(key, PATHS, None)? {
            Value::Array(values) => Some(values.iter().filter_map(path).collect()),
            value => Some(path(&value).into_iter().collect()),
        }
    }

    /// A value of any type; `None` if it is not written and has no default.
    pub fn value(&mut self, key: Key, kind: Type, default: Option<Value>) -> Option<Value> {
        self.take(key, kind, default)
    }

    /// Describes a key that is not part of the spec of a trial: the key is valid, but not read here.
    pub fn describe_only(&mut self, key: Key, kind: Type, default: Option<Value>) {
        if self.is_describing() {
            self.take(key, kind, default);
        }
    }

    /// States the values of keys of the current table: each is used where the key is not written. Ids and tables have them as if
    /// they were written.
    pub fn state(&mut self, values: impl IntoIterator<Item = (String, Value)>) {
        let values: Vec<(String, Value)> =
            values.into_iter().map(|(name, value)| (self.dotted(&name), value)).collect();
        self.stated.extend(values);
    }

    /// The number of errors that are about one of these dotted keys so far.
    pub fn problems_of(&self, keys: &[&str]) -> usize {
        let is_about = |problem: &&Problem| problem.keys.iter().any(|key| keys.contains(key));
        self.found.problems.iter().filter(is_about).count()
    }

    /// Adds an error.
    pub fn add_problem(&mut self, problem: Problem) {
        if !self.is_describing() {
            self.found.problems.push(problem);
        }
    }

    /// Whether this key of the current table was written.
    pub fn is_written(&self, key: Key) -> bool {
        self.has(&self.dotted(key.name))
    }

    /// Whether a dotted key was written.
    pub fn has(&self, dotted: &str) -> bool {
        self.written.is_some_and(|written| written.contains_key(dotted))
    }

    /// Whether any key of the current table was written.
    pub fn has_any(&self) -> bool {
        let prefix = self.dotted("");
        self.written.is_some_and(|written| written.keys().any(|key| key.starts_with(&prefix)))
    }

    /// Whether a dotted key that was read before has this word as its value.
    pub fn is_word(&self, dotted: &str, word: &str) -> bool {
        let setting = self.found.settings.iter().find(|setting| setting.key == dotted);
        setting.is_some_and(|setting| setting.value.as_str() == Some(word))
    }

    /// Adds an error unless `holds`.
    pub fn require(&mut self, holds: bool, keys: &[&'static str], message: impl FnOnce() -> String, help: &str) {
        if !holds && !self.is_describing() {
            self.found.problems.push(Problem::new(keys, message(), help));
        }
    }

    /// Adds a warning unless `holds`.
    pub fn warn(&mut self, holds: bool, keys: &[&'static str], message: impl FnOnce() -> String, help: &str) {
        if !holds && !self.is_describing() {
            self.found.warnings.push(Problem::new(keys, message(), help));
        }
    }

    /// Adds a warning.
    pub fn add_warning(&mut self, warning: Problem) {
        if !self.is_describing() {
            self.found.warnings.push(warning);
        }
    }

    fn dotted(&self, name: &str) -> String {
        if self.table.is_empty() { name.to_owned() } else { format!("{}.{name}", self.table) }
    }

    fn take(&mut self, key: Key, kind: Type, default: Option<Value>) -> Option<Value> {
        let Some(written) = self.written else {
            let dotted = self.dotted(key.name);
            let (conditions, default_value) = (self.described.conditions.clone(), default.clone());
            self.described.declared.push(Declared { key, dotted, kind, default: default_value, conditions });
            return default;
        };
        let dotted = kept_dotted(self.table, key.name);
        let stated = self.stated.get(dotted).filter(|_| !written.contains_key(dotted));
        let is_stated = stated.is_some();
        let value = written.get(dotted).or(stated).and_then(|value| {
            if let Some(fault) = kind.fault(value) {
                // The values of a spec were already checked, with their locations. This one is a default, such as the name of
                // the file, or comes from a file that another program wrote.
                let message = format!("`{dotted}` must be {}, found {value}", fault.expected);
                let help = match fault.help {
                    Some(Advice::Text(text)) => text,
                    Some(Advice::ListOfValues) | None => key.hint.to_owned(),
                };
                self.found.problems.push(Problem::new(&[], message, help));
                return None;
            }
            Some(kind.canonical(value))
        });
        let is_default = value.is_none() || value == default;
        let value = value.or(default)?;
        let role = key.role;
        self.found.settings.push(ResolvedKey { key: dotted, value: value.clone(), is_default, is_stated, role });
        Some(value)
    }
}

/// The dotted name of a key of a table. It is made once in each thread and stays: there are few, and a sweep may have a million trials.
fn kept_dotted(table: &'static str, name: &'static str) -> &'static str {
    thread_local! {
        static KEPT: RefCell<HashMap<(usize, usize, usize, usize), &'static str, BuildHasherDefault<PlaceHasher>>> = RefCell::default();
    }
    // The place of a text in the program is quicker to compare than the text.
    let place = (table.as_ptr() as usize, table.len(), name.as_ptr() as usize, name.len());
    let make = || -> &'static str { if table.is_empty() { name } else { format!("{table}.{name}").leak() } };
    KEPT.with_borrow_mut(|kept| *kept.entry(place).or_insert_with(make))
}

/// A hash of the places of texts: quick, and good enough for a few hundred of them.
#[derive(Default)]
struct PlaceHasher(u64);

impl Hasher for PlaceHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_usize(usize::from(*byte)));
    }

    fn write_usize(&mut self, part: usize) {
        self.0 = (self.0.rotate_left(5) ^ part as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        // The upper bits are the good ones of a product, and the map uses the lower ones.
        self.0.rotate_left(26)
    }
}

fn whole(value: u64) -> Value {
    Value::Integer(i64::try_from(value).unwrap_or(i64::MAX))
}

fn as_whole(value: &Value) -> Option<u64> {
    u64::try_from(value.as_integer()?).ok()
}

fn as_wholes(value: Option<Value>) -> Vec<u64> {
    value.iter().filter_map(Value::as_array).flatten().filter_map(as_whole).collect()
}
