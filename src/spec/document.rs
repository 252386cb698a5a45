//! A TOML spec with the place of every key and value, and what is wrong with it as text and types.

use super::diagnostics::{Diagnostic, Diagnostics, Location, Source};
use super::{Spec, known_keys};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A dotted key: `train.batch_size`.
pub type Key = String;

/// A `--set KEY=VALUE` argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override(pub String);

/// A value that was written, and where.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Where the key is.
    pub key: Location,
    /// Where the value is.
    pub value: Location,
    /// The value.
    pub content: toml::Value,
    /// Where the elements are, for a list.
    pub elements: Vec<Location>,
}

/// One key of `[sweep.grid]` with the values that it takes.
#[derive(Clone, Debug)]
pub struct Axis {
    /// The dotted key that varies.
    pub key: Key,
    /// Its values, and where they are.
    pub values: Vec<(toml::Value, Location)>,
}

/// A spec as it was written: keys known, values of the right type, places remembered.
#[derive(Clone, Debug)]
pub struct Document {
    sources: Vec<Source>,
    entries: BTreeMap<Key, Entry>,
    axes: Vec<Axis>,
    /// Keys whose values could not be read: what is derived from them is not worth an error of its own.
    faulty: BTreeSet<Key>,
    faults: Vec<Diagnostic>,
}

impl Document {
    /// Reads a spec's text, with what the command line sets on top.
    ///
    /// # Errors
    /// Text that is not TOML. Wrong keys and types are kept as [`Document::faults`], so that they can be
    /// reported together with what else is wrong.
    pub fn parse(name: &str, text: &str, overrides: &[Override]) -> Result<Document, Diagnostics> {
        let mut reader = Reader::default();
        reader.read(Source { name: name.to_owned(), text: text.to_owned() });
        for Override(argument) in overrides {
            reader.read(Source { name: "--set".to_owned(), text: as_toml(argument) });
        }
        if !reader.syntax.is_empty() {
            return Err(Diagnostics::new(&reader.sources, reader.syntax));
        }
        Ok(reader.finish())
    }

    /// The texts that locations point into.
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// Wrong keys and types.
    pub fn faults(&self) -> &[Diagnostic] {
        &self.faults
    }

    /// Whether the value of a key could not be read.
    pub fn is_faulty(&self, key: &str) -> bool {
        self.faulty.contains(key)
    }

    /// The keys to vary, in the order of the file: the first one varies slowest.
    pub fn axes(&self) -> &[Axis] {
        &self.axes
    }

    /// Where a key was given its value, outside of the sweep.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.get(key)
    }

    /// The spec with the keys of `values` replaced: one trial of the sweep.
    pub fn with_values<'a>(&self, values: impl IntoIterator<Item = (&'a str, &'a toml::Value)>) -> Spec {
        let mut table = toml::Table::new();
        for (key, entry) in &self.entries {
            insert(&mut table, key, entry.content.clone());
        }
        for (key, value) in values {
            insert(&mut table, key, value.clone());
        }
        // Each value was read by itself before, so all of them together can be.
        Spec::deserialize(table).unwrap_or_default()
    }
}

/// `KEY=VALUE` as TOML: a value that is no TOML is taken for a string, so that `--set train.optimizer=adam` works.
fn as_toml(argument: &str) -> String {
    match argument.split_once('=') {
        Some((key, value)) if DeTable::parse(argument).is_err() && DeTable::parse(&format!("{key}=0")).is_ok() => {
            format!("{key}={}", toml::Value::String(value.trim().to_owned()))
        }
        _ => argument.to_owned(),
    }
}

fn insert(table: &mut toml::Table, key: &str, value: toml::Value) {
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value);
        }
        Some((head, rest)) => {
            let inner = table.entry(head).or_insert_with(|| toml::Value::Table(toml::Table::new()));
            if let toml::Value::Table(inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}

/// Collects entries and faults from one source after another; later ones win.
#[derive(Default)]
struct Reader {
    sources: Vec<Source>,
    syntax: Vec<Diagnostic>,
    entries: BTreeMap<Key, Entry>,
    grid: BTreeMap<Key, Entry>,
    faulty: BTreeSet<Key>,
    faults: Vec<Diagnostic>,
    known: BTreeSet<String>,
}

impl Reader {
    fn read(&mut self, source: Source) {
        let number = self.sources.len();
        self.sources.push(source.clone());
        if self.known.is_empty() {
            self.known = known_keys();
        }
        let (table, errors) = DeTable::parse_recoverable(&source.text);
        for error in errors {
            let span = visible(&source.text, error.span().unwrap_or(0..0));
            let message = format!("the TOML does not parse: {}", error.message());
            self.syntax.push(Diagnostic::at(&Location::new(number, span), message));
        }
        if self.syntax.is_empty() {
            if source.name == "--set" && table.get_ref().is_empty() {
                let place = Location::new(number, 0..source.text.len());
                self.syntax.push(Diagnostic::at(&place, "`--set` wants KEY=VALUE"));
            }
            self.table(number, "", table.get_ref());
        }
    }

    fn table(&mut self, source: usize, prefix: &str, table: &DeTable<'_>) {
        for (key, value) in table.iter() {
            let name: &str = key.get_ref();
            let dotted = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") };
            let location = Location::new(source, key.span());
            match value.get_ref() {
                _ if prefix == "sweep.grid" => self.axis(source, name, location, value),
                DeValue::Table(inner) if self.is_table(&dotted) => self.table(source, &dotted, inner),
                _ if self.known.contains(&dotted) || self.is_table(&dotted) => {
                    self.leaf(source, dotted, location, value);
                }
                _ => {
                    let fault = unknown_key(&self.known, &dotted, location);
                    self.faults.push(fault);
                }
            }
        }
    }

    fn is_table(&self, dotted: &str) -> bool {
        let prefix = format!("{dotted}.");
        dotted == "sweep.grid" || self.known.iter().any(|key| key.starts_with(&prefix))
    }

    fn leaf(&mut self, source: usize, dotted: Key, key: Location, value: &Spanned<DeValue<'_>>) {
        let entry = Entry::new(source, key, value);
        if dotted == "sweep.grid" || dotted == "sweep" {
            let message = "`sweep.grid` is a table of keys and lists of values";
            let fault = Diagnostic::at(&entry.value, message)
                .with_help("write it as `[sweep.grid]`, with lines like `\"objective.kl_weight\" = [0.1, 1.0]`");
            self.faults.push(fault);
            return;
        }
        // What the command line sets is not varied any more.
        self.grid.remove(&dotted);
        match type_fault(&dotted, &entry.content) {
            None => {
                self.faulty.remove(&dotted);
                self.entries.insert(dotted, entry);
            }
            Some((message, help)) => {
                self.faults.push(Diagnostic { location: Some(entry.value), message, help });
                self.faulty.insert(dotted);
            }
        }
    }

    fn axis(&mut self, source: usize, key: &str, location: Location, value: &Spanned<DeValue<'_>>) {
        let entry = Entry::new(source, location, value);
        let fault = if self.is_table(key) && matches!(value.get_ref(), DeValue::Table(_)) {
            let DeValue::Table(inner) = value.get_ref() else { return };
            let first = inner.iter().next().map_or("key", |(name, _)| name.get_ref());
            let help = format!("write the dotted key in quotes: `\"{key}.{first}\" = [...]`");
            Some(Diagnostic::at(&entry.key, format!("`{key}` in `[sweep.grid]` is a table")).with_help(help))
        } else if key == "name" || key.starts_with("sweep") {
            Some(Diagnostic::at(&entry.key, format!("`{key}` cannot be swept")))
        } else if !self.known.contains(key) {
            Some(unknown_key(&self.known, key, entry.key.clone()))
        } else if !matches!(value.get_ref(), DeValue::Array(_)) {
            let help = format!("write `\"{key}\" = [{}]`", self.text(&entry.value));
            Some(Diagnostic::at(&entry.value, format!("`{key}` in `[sweep.grid]` is not a list")).with_help(help))
        } else if entry.elements.is_empty() {
            let help = "list the values to try, or remove the line";
            Some(Diagnostic::at(&entry.value, format!("the list of `{key}` is empty")).with_help(help))
        } else {
            None
        };
        match fault {
            Some(fault) => {
                self.faults.push(fault);
                self.faulty.insert(key.to_owned());
            }
            None => {
                for (value, location) in entry.values() {
                    if let Some((message, help)) = type_fault(key, &value) {
                        self.faults.push(Diagnostic { location: Some(location), message, help });
                        self.faulty.insert(key.to_owned());
                    }
                }
                self.grid.insert(key.to_owned(), entry);
            }
        }
    }

    fn text(&self, location: &Location) -> &str {
        self.sources[location.source].text.get(location.start..location.end).unwrap_or("")
    }

    fn finish(self) -> Document {
        let mut axes: Vec<(Location, Axis)> = Vec::new();
        for (key, entry) in self.grid {
            if !self.faulty.contains(&key) {
                axes.push((entry.key.clone(), Axis { values: entry.values(), key }));
            }
        }
        axes.sort_by(|left, right| left.0.cmp(&right.0));
        Document {
            sources: self.sources,
            entries: self.entries,
            axes: axes.into_iter().map(|(_, axis)| axis).collect(),
            faulty: self.faulty,
            faults: self.faults,
        }
    }
}

impl Entry {
    fn new(source: usize, key: Location, value: &Spanned<DeValue<'_>>) -> Entry {
        let elements = match value.get_ref() {
            DeValue::Array(array) => array.iter().map(|element| Location::new(source, element.span())).collect(),
            _ => Vec::new(),
        };
        Entry { key, value: Location::new(source, value.span()), content: plain(value.get_ref()), elements }
    }

    fn values(&self) -> Vec<(toml::Value, Location)> {
        let values = self.content.as_array().cloned().unwrap_or_default();
        values.into_iter().zip(self.elements.iter().cloned()).collect()
    }
}

/// The value without its places. A number too large for its type becomes a string, and so a type fault.
fn plain(value: &DeValue<'_>) -> toml::Value {
    match value {
        DeValue::String(text) => toml::Value::String(text.to_string()),
        DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix())
            .map_or_else(|_| toml::Value::String(integer.to_string()), toml::Value::Integer),
        DeValue::Float(float) => {
            float.as_str().parse().map_or_else(|_| toml::Value::String(float.to_string()), toml::Value::Float)
        }
        DeValue::Boolean(boolean) => toml::Value::Boolean(*boolean),
        DeValue::Datetime(datetime) => toml::Value::Datetime(*datetime),
        DeValue::Array(array) => toml::Value::Array(array.iter().map(|element| plain(element.get_ref())).collect()),
        DeValue::Table(table) => toml::Value::Table(
            table.iter().map(|(key, value)| (key.get_ref().to_string(), plain(value.get_ref()))).collect(),
        ),
    }
}

/// Why a value is not one for `key`, and what would be.
fn type_fault(key: &str, value: &toml::Value) -> Option<(String, Option<String>)> {
    let mut table = toml::Table::new();
    insert(&mut table, key, value.clone());
    let error = Spec::deserialize(table).err()?;
    let message = error.message().lines().next().unwrap_or_default();
    let readable = [
        ("expected u64", "expected a whole number, 0 or more"),
        ("expected f64", "expected a number"),
        ("expected a sequence", "expected a list"),
        ("expected path string", "expected a path in quotes"),
        ("expected a string", "expected text in quotes"),
        ("expected an array of length 2", "expected a list of two numbers"),
        ("expected struct Data", "expected a table, `[data]`"),
        ("expected struct Model", "expected a table, `[model]`"),
        ("expected struct Objective", "expected a table, `[objective]`"),
        ("expected struct Train", "expected a table, `[train]`"),
        ("wanted string or table", "expected text in quotes"),
        ("unknown variant", "unknown value"),
        ("invalid type: ", "found "),
        ("invalid value: ", "found "),
        ("floating point", "the number"),
        ("integer", "the number"),
    ];
    let message = readable.iter().fold(message.to_owned(), |text, (from, to)| text.replace(from, to));
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let help = match quoted.split_first() {
        Some((found, expected)) if message.starts_with("unknown value") => nearest(found, expected.iter().copied()),
        _ => None,
    };
    Some((format!("`{key}`: {message}"), help.map(|near| format!("did you mean `\"{near}\"`?"))))
}

fn unknown_key(known: &BTreeSet<String>, dotted: &str, location: Location) -> Diagnostic {
    let (table, name) = dotted.rsplit_once('.').unwrap_or(("", dotted));
    let fault = Diagnostic::at(&location, format!("unknown key `{dotted}`"));
    let last = |key: &'_ str| key.rsplit('.').next().unwrap_or_default().to_owned();
    // The right name in the wrong table, then a misspelling in the right table, then one in any.
    if let Some(key) = known.iter().find(|key| last(key) == name) {
        return fault.with_help(format!("`{name}` belongs to another table: `{key}`"));
    }
    let here: Vec<String> = known
        .iter()
        .filter_map(|key| if table.is_empty() { Some(key.as_str()) } else { key.strip_prefix(&format!("{table}.")) })
        .map(|rest| rest.split('.').next().unwrap_or_default().to_owned())
        .collect();
    if let Some(near) = nearest(name, here.iter().map(String::as_str)) {
        return fault.with_help(format!("did you mean `{near}`?"));
    }
    match nearest(dotted, known.iter().map(String::as_str)).or_else(|| {
        known.iter().map(String::as_str).find(|key| nearest(name, [last(key).as_str()]).is_some()).map(str::to_owned)
    }) {
        Some(near) => fault.with_help(format!("did you mean `{near}`?")),
        None if here.is_empty() => fault,
        None => {
            let keys: BTreeSet<&str> = here.iter().map(String::as_str).collect();
            let keys: Vec<String> = keys.into_iter().map(|key| format!("`{key}`")).collect();
            fault.with_help(format!("the keys here are {}", keys.join(", ")))
        }
    }
}

/// The candidate that a misspelled name most likely meant.
fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(similarity, _)| *similarity > 0.84)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, candidate)| candidate.to_owned())
}

/// A span of at least one character, so that there is something to underline.
fn visible(text: &str, span: Range<usize>) -> Range<usize> {
    let start = span.start.min(text.len());
    let end = span.end.clamp(start, text.len());
    start..end.max(start)
}
