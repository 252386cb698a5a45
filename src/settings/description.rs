//! The list of all keys, built by the functions that read them.

use super::{Key, Keys, Role, Type, Word};
use std::collections::BTreeMap;
use toml::Value;

/// A table of a spec.
#[derive(Clone, Copy, Debug)]
pub struct TableInfo {
    /// Its name.
    pub name: &'static str,
    /// What it contains.
    pub doc: &'static str,
    /// Its other names, separated by spaces.
    pub also: &'static str,
}

/// A condition for a key to apply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// The dotted key that decides.
    pub chooser: String,
    /// The values of that key for which this key applies.
    pub words: Vec<&'static str>,
}

/// A key as one kind declares it.
#[derive(Clone, Debug)]
pub struct Declared {
    /// The key.
    pub key: Key,
    /// Its dotted name.
    pub dotted: String,
    /// The type of its values.
    pub kind: Type,
    /// Its default; `None` if it has no default.
    pub default: Option<Value>,
    /// The conditions for it to apply; all must hold.
    pub conditions: Vec<Condition>,
}

/// The tables and keys that a function reads.
#[derive(Default)]
pub(super) struct Described {
    pub(super) tables: Vec<TableInfo>,
    pub(super) declared: Vec<Declared>,
    /// The conditions of the keys that are read now.
    pub(super) conditions: Vec<Condition>,
}

/// A key with the declarations of all kinds.
#[derive(Clone, Debug)]
pub struct KeyInfo {
    /// Its dotted name.
    pub dotted: String,
    /// The declaration of the first kind that has it.
    first: Declared,
    /// The declarations of other kinds, of the same type.
    others: Vec<Declared>,
}

/// The tables and keys of specs.
#[derive(Debug)]
pub struct Description {
    /// The tables, in order.
    pub tables: Vec<TableInfo>,
    /// The keys, in order.
    pub keys: Vec<KeyInfo>,
    index: BTreeMap<String, usize>,
}

impl Description {
    /// The tables and keys that a function reads.
    pub fn of<T>(read: impl FnOnce(&mut Keys<'_>) -> T) -> Description {
        let Described { tables, declared: all, .. } = Keys::describe(read);
        let (mut keys, mut index): (Vec<KeyInfo>, BTreeMap<String, usize>) = (Vec::new(), BTreeMap::new());
        for declared in all {
            match index.get(&declared.dotted).and_then(|place| keys.get_mut(*place)) {
                Some(known) => known.others.push(declared),
                None => {
                    index.insert(declared.dotted.clone(), keys.len());
                    keys.push(KeyInfo { dotted: declared.dotted.clone(), first: declared, others: Vec::new() });
                }
            }
        }
        Description { tables, keys, index }
    }

    /// The key with this dotted name.
    pub fn key(&self, dotted: &str) -> Option<&KeyInfo> {
        self.keys.get(*self.index.get(dotted)?)
    }

    /// Whether a table has this name.
    pub fn is_table(&self, name: &str) -> bool {
        self.tables.iter().any(|table| table.name == name)
    }

    /// The dotted names of all keys.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|key| key.dotted.as_str())
    }
}

impl KeyInfo {
    /// The type of its values.
    pub fn kind(&self) -> Type {
        self.first.kind
    }

    /// The declarations of all kinds that have it.
    pub fn declared(&self) -> impl Iterator<Item = &Declared> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// What it affects.
    pub fn role(&self) -> Role {
        self.first.key.role
    }

    /// An example value as TOML.
    pub fn example(&self) -> &'static str {
        let mut examples = self.declared().map(|declared| declared.key.example);
        examples.find(|example| !example.is_empty()).unwrap_or("")
    }

    /// Its other names.
    pub fn also(&self) -> impl Iterator<Item = &'static str> {
        self.declared().flat_map(|declared| declared.key.also.split(' ')).filter(|name| !name.is_empty())
    }

    /// What to do about a value out of range.
    pub fn hint(&self) -> &'static str {
        self.first.key.hint
    }

    /// Its name, without the name of its table.
    pub fn name(&self) -> &'static str {
        self.first.key.name
    }

    /// The name of its table; empty for top-level keys.
    pub fn table(&self) -> &str {
        self.dotted.rsplit_once('.').map_or("", |(table, _)| table)
    }

    /// What it means for the first kind that has it.
    pub fn doc(&self) -> &'static str {
        self.first.key.doc
    }

    /// What it means: one text if all kinds agree, otherwise one text per kind.
    pub fn meaning(&self) -> String {
        let docs = self.by_kind(|declared| declared.key.doc.to_owned());
        match &*docs {
            [(doc, _)] => doc.clone(),
            _ => docs.iter().map(|(doc, kinds)| format!("{}: {doc}", listed(kinds))).collect::<Vec<_>>().join(" "),
        }
    }

    /// Its defaults as TOML, each with the kinds that have it. The list of kinds is empty if all kinds have the same default.
    /// The result is empty if there is no default.
    pub fn defaults(&self) -> Vec<(String, Vec<&'static str>)> {
        let defaults = self.by_kind(|declared| declared.default.as_ref().map(written).unwrap_or_default());
        match &*defaults {
            [(default, _)] => {
                vec![(default.clone(), Vec::new())].into_iter().filter(|(text, _)| !text.is_empty()).collect()
            }
            _ => defaults,
        }
    }

    /// The words that must be chosen for the key to apply; empty if it always applies.
    pub fn kinds(&self) -> Vec<&'static str> {
        if self.declared().any(|declared| declared.conditions.is_empty()) {
            return Vec::new();
        }
        self.declared().filter_map(|declared| declared.conditions.last()).flat_map(|last| last.words.clone()).collect()
    }

    /// The choices with which it applies, as Markdown; empty if it always applies.
    pub fn applies_with(&self) -> String {
        if self.kinds().is_empty() {
            return String::new();
        }
        let choice = |(place, condition): (usize, &Condition)| {
            let name = condition.chooser.rsplit_once('.').map_or(&*condition.chooser, |(_, name)| name);
            let words = condition.words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
            // The first choice is usually of the key above in the same table.
            if place == 0 { words } else { format!("{words} as `{name}`") }
        };
        let choices =
            |declared: &Declared| declared.conditions.iter().enumerate().map(choice).collect::<Vec<_>>().join(" with ");
        self.declared().map(choices).collect::<Vec<_>>().join(", ")
    }

    /// Why it does not apply for these values: the deciding key, and the values of that key for which it would apply. `None`
    /// if it applies.
    pub fn unmet_condition(&self, value: impl Fn(&str) -> Option<String>) -> Option<(String, Vec<&'static str>)> {
        let fails = |condition: &&Condition| {
            value(&condition.chooser).is_none_or(|value| !condition.words.contains(&value.as_str()))
        };
        let failing = |declared: &Declared| declared.conditions.iter().find(fails).cloned();
        if self.declared().any(|declared| failing(declared).is_none()) {
            return None;
        }
        let chooser = failing(&self.first)?.chooser;
        let of_chooser = self.declared().flat_map(|declared| &declared.conditions);
        let mut words: Vec<&'static str> = Vec::new();
        for word in of_chooser.filter(|condition| condition.chooser == chooser).flat_map(|condition| &condition.words) {
            if !words.contains(word) {
                words.push(word);
            }
        }
        Some((chooser, words))
    }

    /// The texts of the kinds. Equal texts are listed once, with the words of all their kinds.
    fn by_kind(&self, text: impl Fn(&Declared) -> String) -> Vec<(String, Vec<&'static str>)> {
        let mut texts: Vec<(String, Vec<&'static str>)> = Vec::new();
        for declared in self.declared() {
            let text = text(declared);
            let words = declared.conditions.last().map(|last| last.words.clone()).unwrap_or_default();
            match texts.iter_mut().find(|(known, _)| *known == text) {
                Some((_, known)) => known.extend(words),
                None => texts.push((text, words)),
            }
        }
        texts
    }
}

/// Words in backticks: `` `a`, `b` ``.
fn listed(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// A value as one line of TOML, with the shortest form of each number.
pub fn written(value: &Value) -> String {
    match value {
        Value::Float(number) => format!("{number:?}"),
        Value::String(text) => {
            // JSON and TOML have the same escapes except for one character, and JSON strings are always one line.
            serde_json::Value::String(text.clone()).to_string().replace('\u{7f}', "\\u007f")
        }
        Value::Array(values) => format!("[{}]", values.iter().map(written).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

/// A value as JSON. Numbers that are not finite, which no key accepts, become null.
pub fn as_json(value: &Value) -> serde_json::Value {
    match value {
        Value::String(text) => text.as_str().into(),
        Value::Integer(integer) => (*integer).into(),
        Value::Float(number) => (*number).into(),
        Value::Boolean(boolean) => (*boolean).into(),
        Value::Datetime(time) => time.to_string().into(),
        Value::Array(values) => values.iter().map(as_json).collect(),
        Value::Table(table) => table.iter().map(|(key, value)| (key.clone(), as_json(value))).collect(),
    }
}

/// The word that has `name` as one of its other names.
pub fn other_name<'a>(words: impl IntoIterator<Item = &'a Word>, name: &str) -> Option<&'static str> {
    let name = plain(name);
    words.into_iter().find(|word| word.also.split(' ').any(|also| also == name)).map(|word| word.name)
}

/// A name in lower case, with underscores instead of spaces and hyphens.
pub fn plain(name: &str) -> String {
    name.trim().to_lowercase().replace(['-', ' '], "_")
}
