//! A spec as it was written: all keys and values with their locations, and the syntax and type errors.

use super::diagnostics::{Diagnostic, Diagnostics, Location, SourceText, line_and_column};
use super::reader::Reader;
use super::sweep::Sweep;
use crate::folder::FileError;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A dotted key: `train.batch_size`.
pub type DottedKey = String;

/// A command-line argument that overrides a key of the spec file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Override {
    /// `--set KEY=VALUE`
    Set(String),
    /// `--device DEVICE`
    Device(String),
}

impl Override {
    pub(super) fn source(&self) -> SourceText {
        match self {
            Override::Set(argument) => SourceText { name: "--set".to_owned(), text: as_toml(argument) },
            Override::Device(device) => {
                SourceText { name: "--device".to_owned(), text: format!("train.device = \"{device}\"") }
            }
        }
    }
}

/// A value that was written, with its location.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The location of the key.
    pub key: Location,
    /// The location of the value.
    pub value: Location,
    /// The value.
    pub content: toml::Value,
    /// The locations of the elements of a list.
    pub elements: Vec<Location>,
}

impl Entry {
    pub(super) fn new(source: usize, key: Location, value: &Spanned<DeValue<'_>>) -> Entry {
        let elements = match value.get_ref() {
            DeValue::Array(array) => array.iter().map(|element| Location::new(source, element.span())).collect(),
            _ => Vec::new(),
        };
        Entry { key, value: Location::new(source, value.span()), content: plain(value.get_ref()), elements }
    }

    /// An element of a list as a separate entry, without the locations of nested elements.
    pub(super) fn element(&self, location: Location, content: toml::Value) -> Entry {
        Entry { key: self.key.clone(), value: location, content, elements: Vec::new() }
    }

    pub(super) fn values(&self) -> Vec<(toml::Value, Location)> {
        let values = self.content.as_array().cloned().unwrap_or_default();
        values.into_iter().zip(self.elements.iter().cloned()).collect()
    }
}

/// The value without locations. A number that is too large for its type becomes a string, which gives a type error later.
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

/// A spec as it was written: valid keys with values of the right type and their locations, and the errors in the rest.
#[derive(Clone, Debug)]
pub struct Document {
    pub(super) sources: Vec<SourceText>,
    /// The number of files. Sources from this number on are command-line arguments.
    pub(super) files: usize,
    /// The priority of each source.
    pub(super) ranks: BTreeMap<usize, usize>,
    pub(super) entries: BTreeMap<DottedKey, Entry>,
    pub(super) sweep: Sweep,
    /// Keys with invalid values. Errors that follow from them are not reported.
    pub(super) faulty: BTreeSet<DottedKey>,
    pub(super) faults: Vec<Diagnostic>,
}

impl Document {
    /// Reads a spec file and the files that it extends, and applies the overrides of the command line.
    ///
    /// # Errors
    /// The file cannot be read, or one of the files is not valid TOML. Errors in keys and types are kept as
    /// [`Document::faults`] and are reported together with other errors.
    pub fn read(path: &Path, overrides: &[Override]) -> Result<Document, ReadError> {
        let mut reader = Reader::new();
        match text_of(path) {
            Ok(text) => reader.files(path, text),
            Err(Unread::File(error)) => return Err(error.into()),
            Err(Unread::Bytes(line)) => {
                let item = Diagnostic::new(None, format!("the spec {}", not_text(line)));
                let source = SourceText { name: path.display().to_string(), text: String::new() };
                return Err(Diagnostics::new(&[source], [item.with_help("save it as UTF-8")]).into());
            }
        }
        overrides.iter().for_each(|argument| reader.argument(argument.source()));
        if !reader.syntax.is_empty() {
            return Err(Diagnostics::new(&reader.sources, reader.syntax).into());
        }
        Ok(reader.finish())
    }

    /// The sources that locations refer to.
    pub fn sources(&self) -> &[SourceText] {
        &self.sources
    }

    /// Errors in keys and types.
    pub fn faults(&self) -> &[Diagnostic] {
        &self.faults
    }

    /// Whether the value of a key, or its list of values in the sweep, is invalid.
    pub fn is_faulty(&self, key: &str) -> bool {
        self.faulty.contains(key)
    }

    /// The sweep.
    pub fn sweep(&self) -> &Sweep {
        &self.sweep
    }

    /// A location as text: the file and its line, or the name of the argument.
    pub fn place(&self, location: &Location) -> String {
        match self.sources.get(location.source) {
            Some(source) if self.is_argument(location) => source.name.clone(),
            Some(source) => format!("{}:{}", source.name, line_and_column(&source.text, location.start).0),
            None => String::new(),
        }
    }

    /// Whether a location is in a source of higher priority than another location.
    pub fn is_later(&self, location: &Location, other: &Location) -> bool {
        self.ranks.get(&location.source) > self.ranks.get(&other.source)
    }

    /// Whether a location is in a command-line argument.
    pub fn is_argument(&self, location: &Location) -> bool {
        location.source >= self.files
    }

    /// The entry of a key outside the sweep.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.get(key)
    }

    /// The written values by dotted key, with the keys of `values` replaced: the values of one trial.
    pub fn with_values<'a>(
        &self,
        values: impl IntoIterator<Item = (&'a str, &'a toml::Value)>,
    ) -> BTreeMap<DottedKey, toml::Value> {
        let written = self.entries.iter().map(|(key, entry)| (key.clone(), entry.content.clone()));
        // `spec_version` and `extends` apply to one file only.
        let mut written: BTreeMap<DottedKey, toml::Value> =
            written.filter(|(key, _)| !["extends", "spec_version"].contains(&key.as_str())).collect();
        written.extend(values.into_iter().map(|(key, value)| (key.to_owned(), value.clone())));
        written
    }
}

/// Why a spec cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file, or a file that it extends, is not valid TOML.
    #[error(transparent)]
    Syntax(#[from] Diagnostics),
}

/// Why a file cannot be read as text.
pub(super) enum Unread {
    File(FileError),
    /// It is not UTF-8; the number is the line of the first invalid byte.
    Bytes(usize),
}

/// The error message for a file that is not UTF-8.
pub(super) fn not_text(line: usize) -> String {
    format!("is not UTF-8 text: line {line} has invalid bytes")
}

pub(super) fn text_of(path: &Path) -> Result<String, Unread> {
    let bytes = std::fs::read(path).map_err(|error| Unread::File(FileError::at("read the spec", path)(error)))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        Unread::Bytes(valid.iter().filter(|byte| **byte == b'\n').count() + 1)
    })?;
    // Some editors write a byte order mark at the start of the file.
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// `KEY=VALUE` as TOML. A value that is not valid TOML is read as a string, so `--set train.optimizer=adam` works.
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
