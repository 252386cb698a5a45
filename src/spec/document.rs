//! A TOML spec with the place of every key and value, and what is wrong with it as text and types.

use super::diagnostics::{Diagnostic, Diagnostics, Location, Source, line_and_column};
use super::sweep::{self, Assignment, Draft, Draw, HARD_LIMIT, Listed, Pattern, Sweep, TRIAL_LIMIT};
use super::{Device, SPEC_VERSION, Spec, known_keys};
use crate::files::FileError;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::ops::Range;
use std::path::{Path, PathBuf};
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

/// A spec as it was written: keys known, values of the right type, places remembered.
#[derive(Clone, Debug)]
pub struct Document {
    sources: Vec<Source>,
    /// Sources from this number on are arguments of the command line.
    files: usize,
    entries: BTreeMap<Key, Entry>,
    sweep: Sweep,
    /// Keys whose values could not be read: what is derived from them is not worth an error of its own.
    faulty: BTreeSet<Key>,
    faults: Vec<Diagnostic>,
}

impl Document {
    /// Reads a spec file and those that it extends, with what the command line sets on top.
    ///
    /// # Errors
    /// The file cannot be read, or one of them is not TOML. Wrong keys and types are kept as [`Document::faults`], so
    /// that they can be reported together with what else is wrong.
    pub fn read(path: &Path, overrides: &[Override]) -> Result<Document, ReadError> {
        let text = text_of(path)?;
        let mut reader = Reader::new();
        reader.file(path, text, None);
        // All files come before all arguments, so that a source's number says what it is.
        reader.files = reader.sources.len();
        overrides.iter().for_each(|argument| reader.argument(argument.source()));
        if !reader.syntax.is_empty() {
            return Err(Diagnostics::new(&reader.sources, reader.syntax).into());
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

    /// What to vary.
    pub fn sweep(&self) -> &Sweep {
        &self.sweep
    }

    /// A place in a word: the file and its line, or the argument's name.
    pub fn place(&self, location: &Location) -> String {
        match self.sources.get(location.source) {
            Some(source) if self.is_argument(location) => source.name.clone(),
            Some(source) => format!("{}:{}", source.name, line_and_column(&source.text, location.start).0),
            None => String::new(),
        }
    }

    /// Whether a place is in an argument of the command line.
    pub fn is_argument(&self, location: &Location) -> bool {
        location.source >= self.files
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

/// Why a spec's text cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// It, or one that it extends, is not TOML.
    #[error(transparent)]
    Syntax(#[from] Diagnostics),
}

fn text_of(path: &Path) -> Result<String, ReadError> {
    let bytes = std::fs::read(path).map_err(FileError::at("read the spec", path))?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
        let item = Diagnostic::new(None, format!("the spec is not UTF-8 text: line {line} has other bytes"));
        let source = Source { name: path.display().to_string(), text: String::new() };
        Diagnostics::new(&[source], [item.with_help("save it as UTF-8")]).into()
    })
}

/// Keys whose paths are relative to the file that has them.
const PATHS: [&str; 4] = ["data.images", "data.labels", "data.test_images", "data.test_labels"];

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
struct Reader {
    sources: Vec<Source>,
    /// How many of them are files, once all are read.
    files: usize,
    /// The folder of each file that another one extends, to which its paths are relative.
    folders: BTreeMap<usize, PathBuf>,
    /// The files that are being read, each extended by the one before.
    chain: Vec<PathBuf>,
    syntax: Vec<Diagnostic>,
    entries: BTreeMap<Key, Entry>,
    sweep: Draft,
    faulty: BTreeSet<Key>,
    faults: Vec<Diagnostic>,
    known: &'static BTreeSet<String>,
}

impl Reader {
    fn new() -> Reader {
        Reader {
            sources: Vec::new(),
            files: 0,
            folders: BTreeMap::new(),
            chain: Vec::new(),
            syntax: Vec::new(),
            entries: BTreeMap::new(),
            sweep: Draft::default(),
            faulty: BTreeSet::new(),
            faults: Vec::new(),
            known: known_keys(),
        }
    }

    /// Reads a file after those that it extends, which are in `folder` where it is itself extended.
    fn file(&mut self, path: &Path, text: String, folder: Option<PathBuf>) {
        let number = self.sources.len();
        self.sources.push(Source { name: path.display().to_string(), text: text.clone() });
        if let Some(folder) = folder {
            self.folders.insert(number, folder);
        }
        self.chain.push(std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf()));
        let (table, _) = DeTable::parse_recoverable(&text);
        if let Some(value) = table.get_ref().get("extends") {
            for (base, location) in self.bases(number, value) {
                self.base(&path.parent().unwrap_or(Path::new("")).join(base), location);
            }
        }
        self.parse(number, &text);
        self.chain.pop();
    }

    /// The files that `extends` names.
    fn bases(&mut self, source: usize, value: &Spanned<DeValue<'_>>) -> Vec<(String, Location)> {
        let entry = Entry::new(source, Location::new(source, value.span()), value);
        let all = match &entry.content {
            toml::Value::Array(_) => entry.values(),
            one => vec![(one.clone(), entry.value.clone())],
        };
        // What is no text is reported with the other keys.
        all.into_iter().filter_map(|(base, location)| Some((base.as_str()?.to_owned(), location))).collect()
    }

    fn base(&mut self, path: &Path, location: Location) {
        let canonical = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        let shown = path.display();
        if self.chain.contains(&canonical) {
            let fault = Diagnostic::at(&location, format!("{shown} extends itself"));
            self.syntax.push(fault.with_help("a file cannot be its own base, nor that of its bases"));
            return;
        }
        match text_of(path) {
            Ok(text) => {
                let folder = path.parent().unwrap_or(Path::new(""));
                let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_path_buf());
                self.file(path, text, Some(folder));
            }
            Err(error) => {
                let missing = matches!(&error, ReadError::File(error) if error.source.kind() == ErrorKind::NotFound);
                let message = match &error {
                    ReadError::File(error) => format!("cannot read {shown}: {}", error.source),
                    ReadError::Syntax(_) => format!("{shown} is not UTF-8 text"),
                };
                let fault = Diagnostic::at(&location, message);
                let help = "paths are relative to the folder of the file that has them";
                self.syntax.push(if missing { fault.with_help(help) } else { fault });
            }
        }
    }

    fn argument(&mut self, source: Source) {
        let number = self.sources.len();
        self.sources.push(source.clone());
        let no_key = source.text.split_once('=').is_none_or(|(key, _)| key.trim().is_empty());
        if source.name == "--set" && no_key {
            let place = Location::new(number, 0..source.text.len());
            let help = "give a key of the spec and its value: --set train.epochs=20";
            self.syntax.push(Diagnostic::at(&place, "`--set` needs KEY=VALUE").with_help(help));
            return;
        }
        self.parse(number, &source.text);
    }

    fn parse(&mut self, number: usize, text: &str) {
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            let span = clamped(text, error.span().unwrap_or(0..0));
            let reason = if lacks_value(text, &span) { "the value is missing" } else { error.message() };
            let message = format!("the TOML does not parse: {reason}");
            self.syntax.push(Diagnostic::at(&Location::new(number, span), message));
        }
        if errors.is_empty() {
            self.table(number, "", table.get_ref());
        }
    }

    /// Whether a source is an argument of the command line.
    fn is_argument(&self, source: usize) -> bool {
        self.files > 0 && source >= self.files
    }

    fn table(&mut self, source: usize, prefix: &str, table: &DeTable<'_>) {
        for (key, value) in table.iter() {
            let name: &str = key.get_ref();
            let dotted = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") };
            let location = Location::new(source, key.span());
            match (prefix, value.get_ref()) {
                ("sweep", _) if self.sweep_part(source, name, &location, value) => {}
                ("sweep.grid" | "sweep.zip", _) => self.axis(source, prefix, name, location, value),
                ("sweep.random", _) => self.draw(source, name, location, value),
                (_, DeValue::Table(inner)) if self.is_table(&dotted) => self.table(source, &dotted, inner),
                _ if self.known.contains(&dotted) || self.is_table(&dotted) => {
                    self.leaf(source, dotted, location, value);
                }
                (_, written) => {
                    // An argument of `--set` has its tables in its key.
                    let argument = self.is_argument(source);
                    let mut fault = unknown_key(self.known, &dotted, &location, argument);
                    if !argument && matches!(written, DeValue::Table(_)) {
                        fault.message = format!("unknown table `[{dotted}]`");
                    }
                    self.faults.push(fault);
                }
            }
        }
    }

    /// Reads a part of `[sweep]`; whether there is one of that name.
    fn sweep_part(&mut self, source: usize, name: &str, key: &Location, value: &Spanned<DeValue<'_>>) -> bool {
        let entry = Entry::new(source, key.clone(), value);
        let fault = |message: &str| Diagnostic::at(&entry.value, message);
        match (name, value.get_ref()) {
            ("grid" | "zip" | "random", DeValue::Table(inner)) => {
                self.table(source, &format!("sweep.{name}"), inner);
            }
            ("grid" | "zip", _) => {
                let fault = fault(&format!("`sweep.{name}` is a table of keys and lists of values"));
                let help =
                    format!("write it as `[sweep.{name}]`, with lines like `\"objective.kl_weight\" = [0.1, 1.0]`");
                self.faults.push(fault.with_help(help));
            }
            ("random", _) => {
                let fault = fault("`sweep.random` is a table of keys and how to draw their values");
                let help = "write it as `[sweep.random]`, with `samples = 20` and lines like \
                    `\"objective.kl_weight\" = { log_uniform = [0.01, 1.0] }`";
                self.faults.push(fault.with_help(help));
            }
            ("seeds", _) => match seeds(&entry) {
                Some(values) => self.sweep.seeds = Some(Listed { entry, values }),
                None => {
                    let fault = fault("`sweep.seeds` must be how many seeds, 1 or more, or a list of seeds");
                    self.faults.push(fault.with_help("write `seeds = 5` for the seeds 0 to 4, or `seeds = [7, 8]`"));
                }
            },
            ("limit", _) => match entry.content.as_integer() {
                Some(limit) if (1..=HARD_LIMIT as i64).contains(&limit) => self.sweep.limit = Some(entry),
                _ => self.faults.push(fault("`sweep.limit` must be a whole number from 1 to 1,000,000")),
            },
            ("include" | "exclude", _) => self.patterns(source, name, &entry, value),
            _ => return false,
        }
        true
    }

    /// Reads `[[sweep.include]]` or `[[sweep.exclude]]`.
    fn patterns(&mut self, source: usize, name: &str, entry: &Entry, value: &Spanned<DeValue<'_>>) {
        let help = format!("write `[[sweep.{name}]]` once for each, with lines like `\"objective.kl_weight\" = 0.1`");
        let DeValue::Array(tables) = value.get_ref() else {
            let fault = Diagnostic::at(&entry.value, format!("`sweep.{name}` is a list of tables"));
            self.faults.push(fault.with_help(help));
            return;
        };
        for table in tables.iter() {
            let place = Location::new(source, table.span());
            let DeValue::Table(table) = table.get_ref() else {
                let fault = Diagnostic::at(&place, format!("`sweep.{name}` is a list of tables"));
                self.faults.push(fault.with_help(help.clone()));
                continue;
            };
            let (mut point, mut values) = (Vec::new(), BTreeMap::new());
            for (key, value) in table.iter() {
                let dotted: &str = key.get_ref();
                let entry = Entry::new(source, Location::new(source, key.span()), value);
                if let Some(fault) = self.not_varied(dotted, &format!("[[sweep.{name}]]"), &entry, value) {
                    self.faults.push(fault);
                    continue;
                }
                let is_any = name == "exclude" && type_fault(dotted, &entry.content).is_some();
                let all = match &entry.content {
                    toml::Value::Array(_) if is_any => entry.values(),
                    one => vec![(one.clone(), entry.value.clone())],
                };
                for (value, location) in &all {
                    if let Some(fault) = type_fault(dotted, value) {
                        let fault = self.wrong_type(dotted, &entry.element(location.clone(), value.clone()), fault);
                        self.faults.push(fault);
                    }
                }
                let assignment = |(value, location)| Assignment { key: dotted.to_owned(), value, location };
                point.extend(all.iter().cloned().map(assignment));
                values.insert(dotted.to_owned(), all.into_iter().map(|(value, _)| value).collect());
            }
            match name {
                "include" => self.sweep.include.push(point),
                _ => self.sweep.exclude.push(Pattern { values, location: place }),
            }
        }
    }

    /// Reads a key of `[sweep.random]`.
    fn draw(&mut self, source: usize, name: &str, key: Location, value: &Spanned<DeValue<'_>>) {
        let entry = Entry::new(source, key, value);
        match name {
            "samples" | "seed" => {
                let least = i64::from(name == "samples");
                if entry.content.as_integer().is_none_or(|count| count < least) {
                    let message = format!("`{name}` of `[sweep.random]` must be a whole number, {least} or more");
                    self.faults.push(Diagnostic::at(&entry.value, message));
                }
                let place = if name == "samples" { &mut self.sweep.samples } else { &mut self.sweep.draw_seed };
                *place = Some(entry);
            }
            _ => {
                if let Some(fault) = self.not_varied(name, "[sweep.random]", &entry, value) {
                    self.faults.push(fault);
                    self.faulty.insert(name.to_owned());
                    return;
                }
                match Draw::read(name, &entry.content) {
                    Ok(draw) => {
                        for example in draw.examples() {
                            if let Some(fault) = type_fault(name, &example) {
                                let element = entry.element(entry.value.clone(), example);
                                let mut fault = self.wrong_type(name, &element, fault);
                                fault.help = fault.help.or(Some("whole numbers are drawn by `int`".to_owned()));
                                self.faults.push(fault);
                                self.faulty.insert(name.to_owned());
                                break;
                            }
                        }
                        self.sweep.random.insert(name.to_owned(), (entry, draw));
                    }
                    Err(reason) => {
                        let fault = Diagnostic::at(&entry.value, reason);
                        let takes = |value: toml::Value| type_fault(name, &value).is_none();
                        let example = match (takes(toml::Value::Float(0.5)), takes(toml::Value::Integer(1))) {
                            (true, _) => "uniform = [0.0, 1.0]",
                            (false, true) => "int = [2, 8]",
                            (false, false) => "choice = [...]",
                        };
                        let help = format!("write for example `\"{name}\" = {{ {example} }}`");
                        self.faults.push(fault.with_help(help));
                        self.faulty.insert(name.to_owned());
                    }
                }
            }
        }
    }

    /// Why a key of a part of the sweep is none that can vary.
    fn not_varied(&self, key: &str, part: &str, entry: &Entry, value: &Spanned<DeValue<'_>>) -> Option<Diagnostic> {
        if self.is_table(key) {
            let DeValue::Table(inner) = value.get_ref() else {
                let message = format!("`{key}` is a table, and `{part}` varies keys");
                let help = format!("write the dotted key in quotes: `\"{key}.some_key\" = ...`");
                return Some(Diagnostic::at(&entry.key, message).with_help(help));
            };
            let first = inner.iter().next().map_or("key", |(name, _)| name.get_ref());
            let help = format!("write the dotted key in quotes: `\"{key}.{first}\" = [...]`");
            return Some(Diagnostic::at(&entry.key, format!("`{key}` in `{part}` is a table")).with_help(help));
        }
        let fixed = ["name", "extends", "spec_version"].contains(&key) || key.starts_with("sweep");
        if fixed {
            let help = "remove the line; what can be swept are the other keys of the spec";
            return Some(Diagnostic::at(&entry.key, format!("`{key}` cannot be swept")).with_help(help));
        }
        (!self.known.contains(key)).then(|| unknown_key(self.known, key, &entry.key, true))
    }

    fn is_table(&self, dotted: &str) -> bool {
        let prefix = format!("{dotted}.");
        self.known.iter().any(|key| key.starts_with(&prefix))
    }

    fn leaf(&mut self, source: usize, dotted: Key, key: Location, value: &Spanned<DeValue<'_>>) {
        let mut entry = Entry::new(source, key, value);
        if dotted == "sweep" {
            let fault = Diagnostic::at(&entry.value, "`sweep` must be a table");
            self.faults.push(fault.with_help("write `[sweep.grid]`, and the keys to vary below it"));
            return;
        }
        if self.is_table(&dotted) {
            let fault = Diagnostic::at(&entry.value, format!("`{dotted}` must be a table"));
            self.faults.push(fault.with_help(format!("write `[{dotted}]` once, and its keys below it")));
            return;
        }
        // What a later source sets is not varied any more; what a file sets beside its own sweep is.
        self.sweep.forget(&dotted, source);
        if let Some(folder) = self.folders.get(&source) {
            if dotted == "name" {
                // Two experiments of one name would share a folder.
                return;
            }
            if let Some(path) = entry.content.as_str().filter(|_| PATHS.contains(&&*dotted)) {
                entry.content = toml::Value::String(folder.join(path).to_string_lossy().into_owned());
            }
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
        Diagnostic { help: fault.help, ..Diagnostic::at(location, message) }
    }

    /// Reads a key of `[sweep.grid]` or `[sweep.zip]`.
    fn axis(&mut self, source: usize, part: &str, key: &str, location: Location, value: &Spanned<DeValue<'_>>) {
        let entry = Entry::new(source, location, value);
        let fault = match (self.not_varied(key, &format!("[{part}]"), &entry, value), value.get_ref()) {
            (Some(fault), _) => Err(fault),
            (None, DeValue::Table(_)) => self.range(key, &entry),
            (None, DeValue::Array(_)) if entry.elements.is_empty() => {
                let help = "list the values to try, or remove the line";
                Err(Diagnostic::at(&entry.value, format!("the list of `{key}` is empty")).with_help(help))
            }
            (None, DeValue::Array(_)) => Ok(entry.values()),
            (None, _) => {
                let help = format!("write `\"{key}\" = [{}]`", self.text(&entry.value));
                Err(Diagnostic::at(&entry.value, format!("`{key}` in `[{part}]` is not a list")).with_help(help))
            }
        };
        let values = match fault {
            Ok(values) => values,
            Err(fault) => {
                self.faults.push(fault);
                self.faulty.insert(key.to_owned());
                return;
            }
        };
        for (value, location) in &values {
            if let Some(fault) = type_fault(key, value) {
                let fault = self.wrong_type(key, &entry.element(location.clone(), value.clone()), fault);
                self.faults.push(fault);
                self.faulty.insert(key.to_owned());
            }
        }
        // What a later source varies in one way is not varied in another any more.
        self.sweep.forget(key, source);
        let table = if part == "sweep.grid" { &mut self.sweep.grid } else { &mut self.sweep.zip };
        table.insert(key.to_owned(), Listed { entry, values });
    }

    /// The numbers of a range, whole ones for a key that takes whole ones.
    fn range(&self, key: &str, entry: &Entry) -> Result<Vec<(toml::Value, Location)>, Diagnostic> {
        let table = entry.content.as_table().cloned().unwrap_or_default();
        let numbers = sweep::range(&table).map_err(|reason| {
            let fault = Diagnostic::at(&entry.value, format!("`{key}`: {reason}"));
            fault.with_help("write a list of values, or `{ from = 0.001, to = 1.0, steps = 4, scale = \"log\" }`")
        })?;
        let whole = type_fault(key, &toml::Value::Float(0.5)).is_some();
        let value = |number: f64| match whole {
            true => toml::Value::Integer(number.round() as i64),
            false => toml::Value::Float(number),
        };
        Ok(numbers.into_iter().map(|number| (value(number), entry.value.clone())).collect())
    }

    fn text(&self, location: &Location) -> &str {
        self.sources[location.source].text.get(location.start..location.end).unwrap_or("")
    }

    fn finish(mut self) -> Document {
        let written = self.entries.get("spec_version");
        if let Some(entry) = written
            && let Some(version) = entry.content.as_integer().filter(|version| *version != SPEC_VERSION as i64)
        {
            let fault = Diagnostic::at(
                &entry.value,
                format!("`spec_version` is {version}, and this vaex knows {SPEC_VERSION}"),
            );
            let newer = version > SPEC_VERSION as i64;
            let help = if newer { "use a newer vaex" } else { "versions begin at 1; remove the line" };
            self.faults.push(fault.with_help(help));
            self.faulty.insert("spec_version".to_owned());
        }
        let faulty = &self.faulty;
        self.sweep.grid.retain(|key, _| !faulty.contains(key));
        self.sweep.zip.retain(|key, _| !faulty.contains(key));
        self.sweep.random.retain(|key, _| !faulty.contains(key));
        let (sweep, faults) = self.sweep.finish();
        self.faults.extend(faults);
        Document {
            sources: self.sources,
            files: self.files,
            entries: self.entries,
            sweep,
            faulty: self.faulty,
            faults: self.faults,
        }
    }
}

/// The seeds of `seeds = 5` or `seeds = [7, 8]`.
fn seeds(entry: &Entry) -> Option<Vec<(toml::Value, Location)>> {
    let is_seed = |value: &toml::Value| value.as_integer().is_some_and(|seed| seed >= 0);
    match &entry.content {
        toml::Value::Integer(count) if (1..=TRIAL_LIMIT as i64).contains(count) => {
            Some((0..*count).map(|seed| (toml::Value::Integer(seed), entry.value.clone())).collect())
        }
        toml::Value::Array(seeds) if !seeds.is_empty() && seeds.iter().all(is_seed) => Some(entry.values()),
        _ => None,
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
pub(crate) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
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
