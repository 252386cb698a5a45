//! A document as the text of one file: what it extends and what the command line overrides is in it.

use super::document::Document;
use super::types::is_path;
use toml::{Table, Value};

/// Keys that belong to one file, not to what it says.
const OF_FILE: [&str; 3] = ["extends", "spec_version", "name"];

impl Document {
    /// The spec of a search as one file. `whole` makes a path absolute; `more` has keys that are not written.
    pub fn standalone(&self, name: &str, more: &[(String, Value)], whole: &dyn Fn(&str) -> String) -> String {
        let mut all = Table::new();
        let written = self.entries.iter().map(|(key, entry)| (key.clone(), entry.content.clone()));
        let name = [("name".to_owned(), Value::String(name.to_owned()))];
        for (key, value) in
            written.filter(|(key, _)| !OF_FILE.contains(&&**key)).chain(more.iter().cloned()).chain(name)
        {
            let value = if is_path(&key) { with_paths(value, whole) } else { value };
            insert(&mut all, &key, value);
        }
        let seeds = self.sweep.seeds.iter().flatten().filter_map(|one| one.value.clone());
        let seeds: Vec<Value> = seeds.collect();
        if !seeds.is_empty() {
            insert(&mut all, "sweep.seeds", Value::Array(seeds));
        }
        for (key, distribution) in self.search.iter().flat_map(|search| search.written_space()) {
            let distribution =
                if is_path(key) { with_paths(distribution.clone(), whole) } else { distribution.clone() };
            let place = all.entry("search").or_insert_with(|| Value::Table(Table::new()));
            let place =
                place.as_table_mut().map(|table| table.entry("space").or_insert_with(|| Value::Table(Table::new())));
            if let Some(space) = place.and_then(Value::as_table_mut) {
                space.insert(key.clone(), distribution);
            }
        }
        all.to_string()
    }
}

/// Sets a dotted key.
fn insert(all: &mut Table, key: &str, value: Value) {
    match key.split_once('.') {
        None => drop(all.insert(key.to_owned(), value)),
        Some((table, rest)) => {
            if let Some(inner) = all.entry(table).or_insert_with(|| Value::Table(Table::new())).as_table_mut() {
                insert(inner, rest, value);
            }
        }
    }
}

/// The value with each text in it as an absolute path.
fn with_paths(value: Value, whole: &dyn Fn(&str) -> String) -> Value {
    match value {
        Value::String(path) => Value::String(whole(&path)),
        Value::Array(values) => Value::Array(values.into_iter().map(|value| with_paths(value, whole)).collect()),
        Value::Table(table) => {
            Value::Table(table.into_iter().map(|(key, value)| (key, with_paths(value, whole))).collect())
        }
        other => other,
    }
}
