//! Reads the files and arguments of a spec in order; later ones have priority.

mod expect;
mod files;
mod search;
mod sweep;
mod text;

use super::diagnostics::{Diagnostic, Diagnostics, Location, SourceText};
use super::document::{Document, Override, ReadError};
use super::entry::{DottedKey, Entry};
use super::expectation::Expectation;
use super::suggestions::{Written, unknown_key, varied_instead};
use super::sweep::RawSweep;
use super::types::{dotted, fault, is_path, kind_of};
use super::{SPEC_VERSION, expectation, known_keys};
use crate::evaluation::EvaluateSettings;
use crate::settings::{Advice, Fault, Type};
use crate::text::counted;
use search::RawSearch;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use text::{Unread, not_text, text_of};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

impl Document {
    /// Reads a spec file and the files that it extends, and applies the overrides of the command line.
    ///
    /// # Errors
    /// The file cannot be read, or one of the files is not valid TOML. Errors in keys and types are kept as
    /// [`Document::faults`] and are reported together with other errors.
    pub fn read(path: &Path, overrides: &[Override]) -> Result<Document, ReadError> {
        match text_of(path) {
            Ok(text) => Document::of_text(path, text, overrides).map_err(ReadError::from),
            Err(Unread::File(error)) => Err(error.into()),
            Err(Unread::Bytes(line)) => {
                let item = Diagnostic::new(None, format!("the spec {}", not_text(line)));
                let source = SourceText { name: path.display().to_string(), text: String::new() };
                Err(Diagnostics::new(&[source], [item.with_help("save it as UTF-8")]).into())
            }
        }
    }

    /// As [`Document::read`], of a text. `path` is its name in messages, and paths in it are relative to the folder of `path`.
    ///
    /// # Errors
    /// It is not valid TOML, or a file that it extends cannot be read.
    pub fn of_text(path: &Path, text: String, overrides: &[Override]) -> Result<Document, Diagnostics> {
        let mut reader = Reader::new();
        reader.files(path, text);
        overrides.iter().for_each(|argument| reader.argument(argument.source()));
        if !reader.syntax.is_empty() {
            return Err(Diagnostics::new(&reader.sources, reader.syntax));
        }
        Ok(reader.finish())
    }
}

/// Collects entries and errors from the sources in order; later sources have priority.
pub(super) struct Reader {
    pub(super) sources: Vec<SourceText>,
    /// The number of sources that are files; set after all files are read.
    files: usize,
    /// The path of each file.
    paths: Vec<PathBuf>,
    /// The canonical path of each file, by which a file is recognized.
    canonical: Vec<PathBuf>,
    /// The absolute folder of each file that another file extends. Paths in the file are relative to it.
    folders: BTreeMap<usize, PathBuf>,
    /// The working directory, to which paths in arguments are relative; `None` if it is the folder of the spec.
    working: Option<PathBuf>,
    /// The priority of each source.
    ranks: BTreeMap<usize, usize>,
    /// The files that are being read; each is extended by the one before it.
    chain: Vec<usize>,
    pub(super) syntax: Vec<Diagnostic>,
    entries: BTreeMap<DottedKey, Entry>,
    sweep: RawSweep,
    search: RawSearch,
    expectations: Vec<Expectation>,
    /// Keys whose values are invalid, and keys whose values in the sweep are invalid.
    faulty: BTreeSet<DottedKey>,
    faulty_swept: BTreeSet<DottedKey>,
    faults: Vec<Diagnostic>,
    known: &'static BTreeSet<String>,
}

impl Reader {
    pub(super) fn new() -> Reader {
        Reader {
            sources: Vec::new(),
            files: 0,
            paths: Vec::new(),
            canonical: Vec::new(),
            folders: BTreeMap::new(),
            working: None,
            ranks: BTreeMap::new(),
            chain: Vec::new(),
            syntax: Vec::new(),
            entries: BTreeMap::new(),
            sweep: RawSweep::default(),
            search: RawSearch::default(),
            expectations: Vec::new(),
            faulty: BTreeSet::new(),
            faulty_swept: BTreeSet::new(),
            faults: Vec::new(),
            known: known_keys(),
        }
    }

    pub(super) fn argument(&mut self, source: SourceText) {
        let number = self.sources.len();
        self.sources.push(source.clone());
        let no_key = source.text.split_once('=').is_none_or(|(key, _)| key.trim().is_empty());
        if source.name == "--set" && no_key {
            let place = Location::new(number, 0..source.text.len());
            let help = "write a key and its value, for example --set train.epochs=20";
            self.syntax.push(Diagnostic::at(&place, "`--set` needs KEY=VALUE").with_help(help));
            return;
        }
        self.parse(number, &source.text);
    }

    fn parse(&mut self, number: usize, text: &str) {
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            let span = clamped(text, error.span().unwrap_or(0..0));
            let bare = without_zero(text, span.start);
            let reason = match bare {
                Some(_) => "a number needs a digit before the decimal point",
                None if lacks_value(text, &span) => "the value is missing",
                None => error.message(),
            };
            let fault = Diagnostic::at(&Location::new(number, span), format!("invalid TOML: {reason}"));
            self.syntax.push(match bare {
                Some(number) => fault.with_help(format!("write 0{number}")),
                None => fault,
            });
        }
        self.ranks.insert(number, self.ranks.len());
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
            let quoted = name.contains('.') && !matches!(kind_of(prefix), Some(Type::Table));
            match (prefix, value.get_ref()) {
                _ if quoted && (self.known.contains(&dotted) || self.is_table(&dotted)) => {
                    self.quoted(source, &dotted, location, value);
                }
                ("", _) if name == expectation::TABLE => self.expect(source, location, value),
                _ if self.search_part(source, &dotted, &location, value) => {}
                ("search.space", _) => self.searched(source, name, location, value),
                ("sweep", _) if self.sweep_part(source, name, &location, value) => {}
                ("sweep.grid" | "sweep.zip", _) => self.axis(source, prefix, name, location, value),
                ("sweep.random", _) => self.draw(source, name, location, value),
                (_, DeValue::Table(inner)) if self.is_table(&dotted) => {
                    self.table(source, &dotted, inner);
                    if inner.is_empty() && dotted == EvaluateSettings::TABLE {
                        self.evaluate_by_default(location);
                    }
                }
                _ if self.known.contains(&dotted) || self.is_table(&dotted) => {
                    self.leaf(source, dotted, location, value);
                }
                (_, content) => {
                    // The key of `--set` contains its tables.
                    let is_table = matches!(content, DeValue::Table(_));
                    let written = Written { whole: self.is_argument(source), is_table };
                    let mut fault = unknown_key(self.known, &dotted, &location, written);
                    fault.help = self.of_grid(source, &dotted, value).or(fault.help);
                    if is_table && !written.whole {
                        fault.message = format!("unknown table `[{dotted}]`");
                    }
                    self.faults.push(fault);
                }
            }
        }
    }

    /// An empty `[evaluate]` asks for what is measured by default, unless an earlier source asks for something.
    fn evaluate_by_default(&mut self, location: Location) {
        let prefix = format!("{}.", EvaluateSettings::TABLE);
        if !self.entries.keys().any(|key| key.starts_with(&prefix)) {
            let content = toml::Value::String(EvaluateSettings::BY_DEFAULT.to_owned());
            let entry = Entry { key: location.clone(), value: location, content, elements: Vec::new() };
            self.entries.insert(format!("{prefix}{}", EvaluateSettings::METRICS), entry);
        }
    }

    /// An error for a dotted key in quotes: TOML reads the dot as part of the name.
    fn quoted(&mut self, source: usize, dotted: &str, key: Location, value: &Spanned<DeValue<'_>>) {
        let name = self.text(&key).trim_matches('"');
        let message = format!("unknown key `\"{name}\"`: inside quotes, a dot does not separate table and key");
        let fault = Diagnostic::at(&key, message);
        let (table, name) = dotted.rsplit_once('.').unwrap_or(("", dotted));
        let written = self.text(&Location::new(source, value.span()));
        let written = if written.contains('\n') { "..." } else { written };
        let help = match (self.is_argument(source), value.get_ref()) {
            (true, _) => format!("remove the quotes: --set {dotted}={written}"),
            (false, DeValue::Table(_)) => format!("write `[{dotted}]`"),
            (false, _) => format!("write `{name} = {written}` in the table `[{table}]`"),
        };
        self.faults.push(fault.with_help(help));
        self.faulty.insert(dotted.to_owned());
    }

    /// What to write instead of a key that is in `[sweep]` but belongs in `[sweep.grid]`.
    fn of_grid(&self, source: usize, dotted_key: &str, value: &Spanned<DeValue<'_>>) -> Option<String> {
        let name = dotted_key.strip_prefix("sweep.")?;
        let (name, value) = match value.get_ref() {
            DeValue::Table(inner) => {
                let (key, value) = inner.iter().next()?;
                (format!("{name}.{}", key.get_ref()), value)
            }
            _ => (name.to_owned(), value),
        };
        let key = varied_instead(self.known, &name)?;
        let written = self.text(&Location::new(source, value.span()));
        let list = match value.get_ref() {
            DeValue::Array(_) | DeValue::Table(_) if !written.contains('\n') => written.to_owned(),
            DeValue::Array(_) | DeValue::Table(_) => "[...]".to_owned(),
            _ => format!("[{written}]"),
        };
        Some(format!("write `{} = {list}` in `[sweep.grid]`", dotted(&key)))
    }

    /// Makes the paths of files absolute, unless the value is in the main spec file.
    fn placed(&self, source: usize, key: &str, value: toml::Value) -> toml::Value {
        let folder = if self.is_argument(source) { self.working.as_ref() } else { self.folders.get(&source) };
        match folder.filter(|_| is_path(key)) {
            Some(folder) => in_folder(folder, value),
            None => value,
        }
    }

    fn is_table(&self, dotted: &str) -> bool {
        let prefix = format!("{dotted}.");
        self.known.iter().any(|key| key.starts_with(&prefix))
    }

    fn leaf(&mut self, source: usize, dotted: DottedKey, key: Location, value: &Spanned<DeValue<'_>>) {
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
        if dotted == "extends" && self.is_argument(source) {
            let fault = Diagnostic::at(&entry.key, "`--set` cannot set `extends`");
            self.faults.push(fault.with_help("write `extends` in the spec file"));
            return;
        }
        // A key that a later source sets is no longer varied, unless the same source varies it.
        self.sweep.fix_key(&dotted, source);
        self.search.fix_key(&dotted, source);
        if dotted == "name" && self.folders.contains_key(&source) {
            // The name of a base is not used: two experiments with the same name would share a folder.
            return;
        }
        if dotted == "spec_version" && entry.content.is_integer() {
            self.version(&entry);
            return;
        }
        entry.content = self.placed(source, &dotted, entry.content);
        if let Some(fault) = fault(&dotted, &entry.content) {
            let fault = self.wrong_type(&dotted, &entry, fault);
            self.faults.push(fault);
            self.faulty.insert(dotted);
            return;
        }
        self.faulty.remove(&dotted);
        self.entries.insert(dotted, entry);
    }

    /// Checks `spec_version`. Each file has its own.
    fn version(&mut self, entry: &Entry) {
        let known = SPEC_VERSION as i64;
        if let Some(version) = entry.content.as_integer().filter(|version| *version != known) {
            let message = format!("`spec_version` is {version}, but this version of vaex supports only {known}");
            let help = if version > known {
                "install a newer version of vaex"
            } else {
                "remove the line; the first version is 1"
            };
            self.faults.push(Diagnostic::at(&entry.value, message).with_help(help));
        }
    }

    /// The diagnostic of an invalid value, with its location and the text that was written.
    fn wrong_type(&self, key: &str, entry: &Entry, fault: Fault) -> Diagnostic {
        let element = fault.element.and_then(|index| entry.content.get(index));
        let place = fault.element.and_then(|index| entry.elements.get(index));
        let (location, value) = (place.unwrap_or(&entry.value), element.unwrap_or(&entry.content));
        let written = self.text(location);
        let found = match value {
            toml::Value::Array(values) if matches!(kind_of(key), Some(Type::Pair(_))) => {
                format!("a list of {}", counted(values.len(), "value"))
            }
            toml::Value::Array(values) if values.is_empty() => "an empty list".to_owned(),
            toml::Value::Array(_) => "a list".to_owned(),
            toml::Value::Table(_) => "a table".to_owned(),
            toml::Value::String(text) if text.chars().count() > 100 => {
                format!("a text of {}", counted(text.chars().count(), "character"))
            }
            _ if written.contains('\n') => "several lines of text".to_owned(),
            // For the numbers of a range or a distribution, show the number, not the table.
            toml::Value::Float(_) | toml::Value::Integer(_) if written.starts_with('{') => format!("`{value}`"),
            _ => format!("`{written}`"),
        };
        let subject = if element.is_some() { format!("each value of `{key}`") } else { format!("`{key}`") };
        let message = format!("{subject} must be {}, found {found}", fault.expected);
        let help = fault.help.map(|help| match help {
            Advice::ListOfValues if self.is_argument(location.source) => {
                format!("to try several values, write --set 'sweep.grid.{}={value}'", dotted(key))
            }
            Advice::ListOfValues => {
                format!("to try several values, write `{} = {value}` in `[sweep.grid]`", dotted(key))
            }
            Advice::Text(text) => text,
        });
        Diagnostic { help, ..Diagnostic::at(location, message) }
    }

    fn text(&self, location: &Location) -> &str {
        self.sources[location.source].text.get(location.start..location.end).unwrap_or("")
    }

    pub(super) fn finish(mut self) -> Document {
        let search = self.finish_search();
        self.faulty.append(&mut self.faulty_swept);
        let (mut sweep, faults) = self.sweep.finish();
        self.faults.extend(faults);
        if let Some(search) = &search {
            let free = search.free();
            sweep.blocks.insert(0, free.iter().map(|setting| search.point(setting).0).collect());
        }
        Document {
            sources: self.sources,
            files: self.files,
            ranks: self.ranks,
            entries: self.entries,
            sweep,
            search,
            expectations: self.expectations,
            faulty: self.faulty,
            faults: self.faults,
        }
    }
}

/// A path, or a list of paths, in this folder.
fn in_folder(folder: &Path, value: toml::Value) -> toml::Value {
    match value {
        toml::Value::String(path) => toml::Value::String(folder.join(path).to_string_lossy().into_owned()),
        toml::Value::Array(paths) => {
            toml::Value::Array(paths.into_iter().map(|path| in_folder(folder, path)).collect())
        }
        other => other,
    }
}

/// A number such as `.5` in the line of a byte. TOML requires a digit before the decimal point.
fn without_zero(text: &str, byte: usize) -> Option<&str> {
    let start = text.get(..byte)?.rfind('\n').map_or(0, |end| end + 1);
    let line = text.get(start..)?.lines().next()?;
    let dots = line.match_indices('.').map(|(index, _)| line.split_at(index));
    let bare = |(before, after): (&str, &str)| {
        before.trim_end().ends_with(['=', '[', ',']) && after[1..].starts_with(|c: char| c.is_ascii_digit())
    };
    let (_, number) = dots.into_iter().find(|parts| bare(*parts))?;
    let end = number.find(|c: char| c.is_whitespace() || ",]}#".contains(c)).unwrap_or(number.len());
    number.get(..end)
}

/// Whether a line ends where its value should start.
fn lacks_value(text: &str, span: &std::ops::Range<usize>) -> bool {
    let (before, after) = (text.get(..span.start).unwrap_or(""), text.get(span.start..).unwrap_or(""));
    before.trim_end_matches([' ', '\t']).ends_with('=') && after.lines().next().unwrap_or("").trim().is_empty()
}

/// The span, limited to the text.
fn clamped(text: &str, span: std::ops::Range<usize>) -> std::ops::Range<usize> {
    let start = span.start.min(text.len());
    let end = span.end.clamp(start, text.len());
    start..end
}
