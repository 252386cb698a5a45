//! A TOML spec with the place of every key and value, and what is wrong with it as text and types.

use super::diagnostics::{Diagnostic, Diagnostics, Location, Source};
use super::{Device, Spec, known_keys};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A dotted key: `train.batch_size`.
pub type Key = String;

/// What the command line sets on top of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Override {
    /// `--set KEY=VALUE`
    Set(String),
    /// `--device DEVICE`
    Device(Device),
}

impl Override {
    fn source(&self) -> Source {
        match self {
            Override::Set(argument) => Source { name: "--set".to_owned(), text: as_toml(argument) },
            Override::Device(device) => {
                let name = if *device == Device::Cuda { "cuda" } else { "cpu" };
                Source { name: "--device".to_owned(), text: format!("train.device = \"{name}\"") }
            }
        }
    }
}

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
        overrides.iter().for_each(|argument| reader.read(argument.source()));
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
        Some((key, value))
            if DeTable::parse(argument).is_err()
                && DeTable::parse(&format!("{key}=0")).is_ok()
                && !value.trim_start().starts_with(['[', '{', '"', '\'']) =>
        {
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
            let span = clamped(&source.text, error.span().unwrap_or(0..0));
            let reason = if lacks_value(&source.text, &span) { "the value is missing" } else { error.message() };
            let message = format!("the TOML does not parse: {reason}");
            self.syntax.push(Diagnostic::at(&Location::new(number, span), message));
        }
        if source.name == "--set" && source.text.split_once('=').is_none_or(|(key, _)| key.trim().is_empty()) {
            self.syntax.retain(|fault| fault.location.as_ref().is_none_or(|place| place.source != number));
            let place = Location::new(number, 0..source.text.len());
            let help = "give a key of the spec and its value: --set train.epochs=20";
            self.syntax.push(Diagnostic::at(&place, "`--set` needs KEY=VALUE").with_help(help));
        }
        if self.syntax.is_empty() {
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
                    // An argument of `--set` has its tables in its key.
                    let mut fault = unknown_key(&self.known, &dotted, &location, source > 0);
                    if source == 0 && matches!(value.get_ref(), DeValue::Table(_)) {
                        fault.message = format!("unknown table `[{dotted}]`");
                    }
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
        if self.is_table(&dotted) {
            let fault = Diagnostic::at(&entry.value, format!("`{dotted}` must be a table"));
            self.faults.push(fault.with_help(format!("write `[{dotted}]` once, and its keys below it")));
            return;
        }
        // What the command line sets is not varied any more; what the file sets beside its sweep is.
        if source > 0 {
            self.grid.remove(&dotted);
        }
        match type_fault(&dotted, &entry.content) {
            None => {
                self.faulty.remove(&dotted);
                self.entries.insert(dotted, entry);
            }
            Some(fault) => {
                let fault = self.wrong_type(&dotted, &entry, fault);
                self.faults.push(fault);
                self.faulty.insert(dotted);
            }
        }
    }

    /// A type fault where it is, in the words that were written.
    fn wrong_type(&self, key: &str, entry: &Entry, fault: TypeFault) -> Diagnostic {
        let element = fault.element.and_then(|index| entry.content.get(index));
        let place = fault.element.and_then(|index| entry.elements.get(index));
        let (location, value) = (place.unwrap_or(&entry.value), element.unwrap_or(&entry.content));
        let written = self.text(location);
        let found = match value {
            toml::Value::Array(values) if fault.expected.starts_with("a list of") => {
                format!("{} of them", values.len())
            }
            toml::Value::Array(_) => "a list".to_owned(),
            toml::Value::Table(_) => "a table".to_owned(),
            _ if written.contains('\n') => "several lines of text".to_owned(),
            _ => format!("`{written}`"),
        };
        let subject = if element.is_some() { format!("each of `{key}`") } else { format!("`{key}`") };
        let too_large =
            written.bytes().all(|byte| byte.is_ascii_digit()) && fault.expected.starts_with("a whole number");
        let message = match too_large {
            true => format!("{subject} must be at most {}, found {found}", i64::MAX),
            false => format!("{subject} must be {}, found {found}", fault.expected),
        };
        Diagnostic { location: Some(location.clone()), message, help: fault.help }
    }

    fn axis(&mut self, source: usize, key: &str, location: Location, value: &Spanned<DeValue<'_>>) {
        let entry = Entry::new(source, location, value);
        let fault = if self.is_table(key) && matches!(value.get_ref(), DeValue::Table(_)) {
            let DeValue::Table(inner) = value.get_ref() else { return };
            let first = inner.iter().next().map_or("key", |(name, _)| name.get_ref());
            let help = format!("write the dotted key in quotes: `\"{key}.{first}\" = [...]`");
            Some(Diagnostic::at(&entry.key, format!("`{key}` in `[sweep.grid]` is a table")).with_help(help))
        } else if key == "name" || key.starts_with("sweep") {
            let help = "remove the line; what can be swept are the other keys of the spec";
            Some(Diagnostic::at(&entry.key, format!("`{key}` cannot be swept")).with_help(help))
        } else if !self.known.contains(key) {
            Some(unknown_key(&self.known, key, &entry.key, true))
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
                    if let Some(fault) = type_fault(key, &value) {
                        let fault = self.wrong_type(key, &entry.element(location, value), fault);
                        self.faults.push(fault);
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

    /// An element of the list as an entry of its own, the places of whose own elements are not known.
    fn element(&self, location: Location, content: toml::Value) -> Entry {
        Entry { key: self.key.clone(), value: location, content, elements: Vec::new() }
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

/// A value of the wrong type.
struct TypeFault {
    /// The element that is wrong, in a list of the right kind.
    element: Option<usize>,
    /// What the key takes, as in "must be ...".
    expected: String,
    help: Option<String>,
}

/// Why a value is not one for `key`, and what would be.
fn type_fault(key: &str, value: &toml::Value) -> Option<TypeFault> {
    let message = refusal(key, value.clone())?;
    let expected = match message.rsplit_once("expected ").map_or("", |(_, expected)| expected) {
        "u64" => "a whole number, 0 or more".to_owned(),
        "f64" => "a number".to_owned(),
        "a sequence" => "a list".to_owned(),
        "path string" => "a path in quotes".to_owned(),
        "a string" => "text in quotes".to_owned(),
        "an array of length 2" | "fewer elements in array" => "a list of two numbers".to_owned(),
        _ if message.starts_with("invalid type: unit variant") || message.contains("wanted string or table") => {
            // A word that no choice has: the refusal lists them.
            let refusal = refusal(key, toml::Value::String(String::new())).unwrap_or_default();
            refusal.rsplit_once("expected ").map_or_else(|| "text in quotes".to_owned(), |(_, all)| all.to_owned())
        }
        other => other.to_owned(),
    };
    let help = match value {
        toml::Value::String(text) => {
            let choices = expected.split('`').skip(1).step_by(2).chain(expected.split('"').skip(1).step_by(2));
            nearest(text, choices).map(|near| format!("did you mean `\"{near}\"`?"))
        }
        _ if expected == "a list" && refusal(key, toml::Value::Array(vec![value.clone()])).is_none() => {
            Some("put it in brackets".to_owned())
        }
        _ => None,
    };
    let element = value.as_array().filter(|_| takes_list(key)).and_then(|elements| {
        let fits = |element: &toml::Value| match element {
            toml::Value::Integer(number) => *number >= 0 || expected == "a number",
            toml::Value::Float(_) => expected == "a number",
            _ => false,
        };
        let numbers = expected == "a number" || expected.starts_with("a whole number");
        elements.iter().position(|element| numbers && !fits(element))
    });
    Some(TypeFault { element, expected, help })
}

/// What serde says against a value for `key`.
fn refusal(key: &str, value: toml::Value) -> Option<String> {
    let mut table = toml::Table::new();
    insert(&mut table, key, value);
    Spec::deserialize(table).err().map(|error| error.message().lines().next().unwrap_or_default().to_owned())
}

fn takes_list(key: &str) -> bool {
    refusal(key, toml::Value::Array(Vec::new())).is_none_or(|message| message.starts_with("invalid length"))
}

/// A key that is none; `whole` where keys are written with their table, as in `[sweep.grid]` and in `--set`.
fn unknown_key(known: &BTreeSet<String>, dotted: &str, location: &Location, whole: bool) -> Diagnostic {
    let fault = Diagnostic::at(location, format!("unknown key `{dotted}`"));
    match known_instead(known, dotted, whole) {
        Some(help) => fault.with_help(help),
        None => fault,
    }
}

fn known_instead(known: &BTreeSet<String>, dotted: &str, whole: bool) -> Option<String> {
    let (table, name) = dotted.rsplit_once('.').unwrap_or(("", dotted));
    let last = |key: &'_ str| key.rsplit('.').next().unwrap_or_default().to_owned();
    if dotted.strip_prefix("sweep.").is_some_and(|rest| known.contains(rest)) {
        return Some("what is varied is listed under `[sweep.grid]`".to_owned());
    }
    // The right name in the wrong table, then a misspelling in the right table, then one in any.
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
        return Some(format!("did you mean `{near}`?"));
    }
    let shown =
        here.iter().map(|rest| rest.split_once('.').map_or(format!("`{rest}`"), |(head, _)| format!("`[{head}]`")));
    let shown: BTreeSet<String> = shown.collect();
    (!shown.is_empty()).then(|| format!("what can be here: {}", Vec::from_iter(shown).join(", ")))
}

/// The candidate that a misspelled name most likely meant.
fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let name = name.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&name, candidate), candidate))
        .filter(|(similarity, _)| *similarity > 0.84)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, candidate)| candidate.to_owned())
}

/// Whether a line ends where its value should begin.
fn lacks_value(text: &str, span: &Range<usize>) -> bool {
    let (before, after) = (text.get(..span.start).unwrap_or(""), text.get(span.start..).unwrap_or(""));
    before.trim_end_matches([' ', '\t']).ends_with('=') && after.lines().next().unwrap_or("").trim().is_empty()
}

/// The part of a span that is in the text.
fn clamped(text: &str, span: Range<usize>) -> Range<usize> {
    let start = span.start.min(text.len());
    let end = span.end.clamp(start, text.len());
    start..end
}
