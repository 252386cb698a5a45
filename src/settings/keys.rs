//! Reading a table of a spec, or describing it: each key is named once for both.

use super::description::{Condition, Declared, TableInfo};
use super::{Choices, Interval, Key, Kind, Role, Type};
use std::collections::BTreeMap;
use std::path::PathBuf;
use toml::Value;

/// Something that is wrong with a spec, by key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The dotted key to point at first, then others that the problem is about.
    pub keys: Vec<&'static str>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

impl Problem {
    /// A problem with what to do about it; `help` may be empty.
    pub fn new(keys: &[&'static str], message: impl Into<String>, help: impl Into<String>) -> Problem {
        let help = Some(help.into()).filter(|help| !help.is_empty());
        Problem { keys: keys.to_vec(), message: message.into(), help }
    }
}

/// A key of a resolved spec with its value.
#[derive(Clone, Debug, PartialEq)]
pub struct ResolvedKey {
    /// The dotted key.
    pub key: String,
    /// The value, in the key's own type.
    pub value: Value,
    /// Whether it is the key's default, written out or not.
    pub is_default: bool,
    /// What the key has a part in.
    pub role: Role,
}

/// Gives the values of a spec's keys, one after the other.
pub struct Keys<'a> {
    table: &'static str,
    mode: Mode<'a>,
}

enum Mode<'a> {
    /// Every kind is visited, and each key has its default.
    Describe { tables: Vec<TableInfo>, declared: Vec<Declared>, conditions: Vec<Condition> },
    /// Keys have the values that were written, or their defaults.
    Read { written: &'a BTreeMap<String, Value>, found: Found },
}

/// What was found in a spec while it was read.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The keys that apply, in their order, with their values.
    pub settings: Vec<ResolvedKey>,
    /// What is wrong: with any of it there is nothing to run.
    pub problems: Vec<Problem>,
    /// What its author may not have meant.
    pub warnings: Vec<Problem>,
}

/// A number or a word.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum NumberOr<T> {
    /// The number.
    Number(f64),
    /// What the word chose.
    Word(T),
}

impl<'a> Keys<'a> {
    /// What `read` makes of written values by their dotted keys, and what it found while it read them.
    pub fn read<T>(written: &'a BTreeMap<String, Value>, read: impl FnOnce(&mut Keys<'_>) -> T) -> (T, Found) {
        let found = Found::default();
        let mut keys = Keys { table: "", mode: Mode::Read { written, found } };
        let value = read(&mut keys);
        match keys.mode {
            Mode::Read { found, .. } => (value, found),
            Mode::Describe { .. } => (value, Found::default()),
        }
    }

    /// The tables and keys that `read` knows, of all kinds.
    pub(super) fn describe<T>(read: impl FnOnce(&mut Keys<'_>) -> T) -> (Vec<TableInfo>, Vec<Declared>) {
        let mode = Mode::Describe { tables: Vec::new(), declared: Vec::new(), conditions: Vec::new() };
        let mut keys = Keys { table: "", mode };
        read(&mut keys);
        match keys.mode {
            Mode::Describe { tables, declared, .. } => (tables, declared),
            Mode::Read { .. } => (Vec::new(), Vec::new()),
        }
    }

    /// Reads a table with this meaning and these other names.
    pub fn table<T>(
        &mut self,
        name: &'static str,
        doc: &'static str,
        also: &'static str,
        read: impl FnOnce(&mut Keys<'_>) -> T,
    ) -> T {
        if let Mode::Describe { tables, .. } = &mut self.mode {
            tables.push(TableInfo { name, doc, also });
        }
        let outer = std::mem::replace(&mut self.table, name);
        let value = read(self);
        self.table = outer;
        value
    }

    /// Reads keys that apply only where `chooser`, a dotted key that was read before, has one of `words`; `None` elsewhere.
    pub fn only<T>(
        &mut self,
        holds: bool,
        chooser: &'static str,
        words: &[&'static str],
        read: impl FnOnce(&mut Keys<'_>) -> T,
    ) -> Option<T> {
        if let Mode::Describe { conditions, .. } = &mut self.mode {
            conditions.push(Condition { chooser: chooser.to_owned(), words: words.to_vec() });
            let value = read(self);
            self.leave_condition();
            return Some(value);
        }
        holds.then(|| read(self))
    }

    /// A kind, by its word, with what it reads of its own keys.
    pub fn choice<T>(&mut self, key: Key, choices: &'static Choices<T>, default: &'static Kind<T>) -> T {
        let chosen = self.take(key, Type::Word(choices), Some(Value::String(default.word.name.to_owned())));
        if let Mode::Describe { .. } = self.mode {
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
        if let Mode::Describe { conditions, .. } = &mut self.mode {
            conditions.push(Condition { chooser, words: vec![kind.word.name] });
        }
        let value = (kind.read)(self);
        self.leave_condition();
        value
    }

    fn leave_condition(&mut self) {
        if let Mode::Describe { conditions, .. } = &mut self.mode {
            conditions.pop();
        }
    }

    /// A number.
    pub fn number(&mut self, key: Key, range: Interval, default: f64) -> f64 {
        let value = self.take(key, Type::Number(range), Some(Value::Float(default)));
        value.and_then(|value| value.as_float()).unwrap_or(default)
    }

    /// A number, where it is written.
    pub fn optional_number(&mut self, key: Key, range: Interval) -> Option<f64> {
        self.take(key, Type::Number(range), None)?.as_float()
    }

    /// A whole number.
    pub fn whole(&mut self, key: Key, least: u64, most: u64, default: u64) -> u64 {
        let value = self.take(key, Type::Whole { least, most }, Some(whole(default)));
        value.as_ref().and_then(as_whole).unwrap_or(default)
    }

    /// A whole number, where it is written.
    pub fn optional_whole(&mut self, key: Key, least: u64, most: u64) -> Option<u64> {
        as_whole(&self.take(key, Type::Whole { least, most }, None)?)
    }

    /// Whole numbers of a list type.
    pub fn wholes(&mut self, key: Key, list: Type, default: &[u64]) -> Vec<u64> {
        let default = Value::Array(default.iter().copied().map(whole).collect());
        as_wholes(self.take(key, list, Some(default)))
    }

    /// Whole numbers of a list type, where they are written.
    pub fn optional_wholes(&mut self, key: Key, list: Type) -> Option<Vec<u64>> {
        let written = self.take(key, list, None)?;
        Some(as_wholes(Some(written)))
    }

    /// Two numbers.
    pub fn pair(&mut self, key: Key, range: &'static Type, default: [f64; 2]) -> [f64; 2] {
        let both = Value::Array(default.map(Value::Float).into());
        let value = self.take(key, Type::Pair(range), Some(both));
        let numbers: Vec<f64> =
            value.iter().filter_map(Value::as_array).flatten().filter_map(Value::as_float).collect();
        numbers.try_into().unwrap_or(default)
    }

    /// A number, or what a word chooses.
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

    /// The path of a file, where it is written.
    pub fn optional_path(&mut self, key: Key) -> Option<PathBuf> {
        self.take(key, Type::Path, None)?.as_str().map(PathBuf::from)
    }

    /// A value of any type, where it is written or has a default.
    pub fn value(&mut self, key: Key, kind: Type, default: Option<Value>) -> Option<Value> {
        self.take(key, kind, default)
    }

    /// Describes a key that is no part of a trial's spec: it is known, and not read.
    pub fn describe_only(&mut self, key: Key, kind: Type, default: Option<Value>) {
        if let Mode::Describe { .. } = self.mode {
            self.take(key, kind, default);
        }
    }

    /// Whether a key of this table was written.
    pub fn is_written(&self, key: Key) -> bool {
        match &self.mode {
            Mode::Describe { .. } => false,
            Mode::Read { written, .. } => written.contains_key(&self.dotted(key.name)),
        }
    }

    /// Notes a problem where something does not hold.
    pub fn require(&mut self, holds: bool, keys: &[&'static str], message: impl FnOnce() -> String, help: &str) {
        if let Mode::Read { found, .. } = &mut self.mode
            && !holds
        {
            found.problems.push(Problem::new(keys, message(), help));
        }
    }

    /// Notes something that the author may not have meant, where something does not hold.
    pub fn warn(&mut self, holds: bool, keys: &[&'static str], message: impl FnOnce() -> String, help: &str) {
        if let Mode::Read { found, .. } = &mut self.mode
            && !holds
        {
            found.warnings.push(Problem::new(keys, message(), help));
        }
    }

    /// Notes something that the author may not have meant.
    pub fn add_warning(&mut self, warning: Problem) {
        if let Mode::Read { found, .. } = &mut self.mode {
            found.warnings.push(warning);
        }
    }

    fn dotted(&self, name: &str) -> String {
        if self.table.is_empty() { name.to_owned() } else { format!("{}.{name}", self.table) }
    }

    fn take(&mut self, key: Key, kind: Type, default: Option<Value>) -> Option<Value> {
        let dotted = self.dotted(key.name);
        match &mut self.mode {
            Mode::Describe { declared, conditions, .. } => {
                let (conditions, default_value) = (conditions.clone(), default.clone());
                declared.push(Declared { key, dotted, kind, default: default_value, conditions });
                default
            }
            Mode::Read { written, found: Found { settings, problems, .. } } => {
                let value = written.get(&dotted).and_then(|value| {
                    if let Some(fault) = kind.fault(value) {
                        // A spec's own values were checked where they were written: this is a file of another program.
                        let message = format!("`{dotted}` must be {}, found {value}", fault.expected);
                        problems.push(Problem { keys: Vec::new(), message, help: fault.help });
                        return None;
                    }
                    Some(kind.canonical(value))
                });
                let is_default = value.is_none() || value == default;
                let value = value.or(default)?;
                settings.push(ResolvedKey { key: dotted, value: value.clone(), is_default, role: key.role });
                Some(value)
            }
        }
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
