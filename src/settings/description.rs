//! The list of all keys, as the functions that read them describe it.

use super::{Key, Keys, Role, Type, Word};
use std::collections::BTreeMap;
use toml::Value;

/// A table of a spec.
#[derive(Clone, Copy, Debug)]
pub struct TableInfo {
    /// Its name.
    pub name: &'static str,
    /// What it is about.
    pub doc: &'static str,
    /// What else it is called, separated by blanks.
    pub also: &'static str,
}

/// What must hold for a key to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// The dotted key that chooses.
    pub chooser: String,
    /// Its values with which the key is read.
    pub words: Vec<&'static str>,
}

/// A key as one kind has it.
#[derive(Clone, Debug)]
pub struct Declared {
    /// The key.
    pub key: Key,
    /// Its dotted name.
    pub dotted: String,
    /// What it takes.
    pub kind: Type,
    /// Its value where none is written.
    pub default: Option<Value>,
    /// What must hold for it to be read; all of it.
    pub conditions: Vec<Condition>,
}

/// A key with all that kinds say of it.
#[derive(Clone, Debug)]
pub struct KeyInfo {
    /// Its dotted name.
    pub dotted: String,
    /// As each kind has it; at least one. They agree on the type.
    pub declared: Vec<Declared>,
}

/// The tables and keys of specs.
#[derive(Debug)]
pub struct Description {
    /// The tables, in their order.
    pub tables: Vec<TableInfo>,
    /// The keys, in their order.
    pub keys: Vec<KeyInfo>,
    index: BTreeMap<String, usize>,
}

impl Description {
    /// All that a function reads.
    pub fn of<T>(read: impl FnOnce(&mut Keys<'_>) -> T) -> Description {
        let (tables, all) = Keys::describe(read);
        let (mut keys, mut index): (Vec<KeyInfo>, BTreeMap<String, usize>) = (Vec::new(), BTreeMap::new());
        for declared in all {
            match index.get(&declared.dotted).and_then(|place| keys.get_mut(*place)) {
                Some(known) => known.declared.push(declared),
                None => {
                    index.insert(declared.dotted.clone(), keys.len());
                    keys.push(KeyInfo { dotted: declared.dotted.clone(), declared: vec![declared] });
                }
            }
        }
        Description { tables, keys, index }
    }

    /// A key by its dotted name.
    pub fn key(&self, dotted: &str) -> Option<&KeyInfo> {
        self.keys.get(*self.index.get(dotted)?)
    }

    /// Whether a name is that of a table.
    pub fn is_table(&self, name: &str) -> bool {
        self.tables.iter().any(|table| table.name == name)
    }

    /// The names of all keys, dotted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|key| key.dotted.as_str())
    }
}

impl KeyInfo {
    /// What it takes.
    pub fn kind(&self) -> Type {
        self.declared.first().map_or(Type::Text, |declared| declared.kind)
    }

    /// What it has a part in.
    pub fn role(&self) -> Role {
        self.first().role
    }

    /// A value that it may have, as TOML.
    pub fn example(&self) -> &'static str {
        let mut examples = self.declared.iter().map(|declared| declared.key.example);
        examples.find(|example| !example.is_empty()).unwrap_or("")
    }

    /// Its other names.
    pub fn also(&self) -> impl Iterator<Item = &'static str> {
        self.first().also.split(' ').filter(|name| !name.is_empty())
    }

    /// What to do about a value out of range.
    pub fn hint(&self) -> &'static str {
        self.first().hint
    }

    fn first(&self) -> Key {
        self.declared.first().map_or(Key::new("", ""), |declared| declared.key)
    }

    /// Its name without the table's.
    pub fn name(&self) -> &'static str {
        self.first().name
    }

    /// Its table's name; empty for keys above all tables.
    pub fn table(&self) -> &str {
        self.dotted.rsplit_once('.').map_or("", |(table, _)| table)
    }

    /// What it means: in one sentence where all kinds agree, and else of each.
    pub fn meaning(&self) -> String {
        let docs = self.by_kind(|declared| declared.key.doc.to_owned());
        match &*docs {
            [(doc, _)] => doc.clone(),
            _ => docs.iter().map(|(doc, kinds)| format!("{}: {doc}", listed(kinds))).collect::<Vec<_>>().join(" "),
        }
    }

    /// Its defaults as TOML, each with the kinds that have it, which are none where all agree; empty without a default.
    pub fn defaults(&self) -> Vec<(String, Vec<&'static str>)> {
        let defaults = self.by_kind(|declared| declared.default.as_ref().map(written).unwrap_or_default());
        match &*defaults {
            [(default, _)] => {
                vec![(default.clone(), Vec::new())].into_iter().filter(|(text, _)| !text.is_empty()).collect()
            }
            _ => defaults,
        }
    }

    /// The words that must have been chosen for it to be read, nearest chooser first; none where it always is.
    pub fn kinds(&self) -> Vec<&'static str> {
        if self.declared.iter().any(|declared| declared.conditions.is_empty()) {
            return Vec::new();
        }
        self.declared
            .iter()
            .filter_map(|declared| declared.conditions.last())
            .flat_map(|last| last.words.clone())
            .collect()
    }

    /// Why it is not read where keys have these values: the chooser, and the words of it that would do.
    pub fn unread(&self, value: impl Fn(&str) -> Option<String>) -> Option<(String, Vec<&'static str>)> {
        let fails = |condition: &&Condition| {
            value(&condition.chooser).is_none_or(|value| !condition.words.contains(&value.as_str()))
        };
        let failing = |declared: &Declared| declared.conditions.iter().find(fails).cloned();
        let chooser = failing(self.declared.first()?)?.chooser;
        let of_chooser = self.declared.iter().flat_map(|declared| &declared.conditions);
        let mut words: Vec<&'static str> = Vec::new();
        for word in of_chooser.filter(|condition| condition.chooser == chooser).flat_map(|condition| &condition.words) {
            if !words.contains(word) {
                words.push(word);
            }
        }
        Some((chooser, words))
    }

    /// What kinds say, equal texts once, each with the words of its kinds.
    fn by_kind(&self, text: impl Fn(&Declared) -> String) -> Vec<(String, Vec<&'static str>)> {
        let mut texts: Vec<(String, Vec<&'static str>)> = Vec::new();
        for declared in &self.declared {
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

/// Words in code marks: `` `a`, `b` ``.
fn listed(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// A value as TOML on one line, numbers as short as they can be.
pub fn written(value: &Value) -> String {
    match value {
        Value::Float(number) => format!("{number:?}"),
        Value::String(text) => {
            // JSON escapes as TOML does, but for one character, and not in several lines.
            serde_json::Value::String(text.clone()).to_string().replace('\u{7f}', "\\u007f")
        }
        Value::Array(values) => format!("[{}]", values.iter().map(written).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

/// The word that a name is another name of, among some.
pub fn other_name<'a>(words: impl IntoIterator<Item = &'a Word>, name: &str) -> Option<&'static str> {
    let name = plain(name);
    words.into_iter().find(|word| word.also.split(' ').any(|also| also == name)).map(|word| word.name)
}

/// A name in lower case, with underscores.
pub fn plain(name: &str) -> String {
    name.trim().to_lowercase().replace(['-', ' '], "_")
}
