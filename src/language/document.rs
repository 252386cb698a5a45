//! A spec as it was written: all keys and values with their locations, and the syntax and type errors.

use super::description;
use super::diagnostics::{Diagnostic, Diagnostics, Location, SourceText, line_and_column};
use super::entry::{DottedKey, Entry};
use super::expectation::Expectation;
use super::search::Search;
use super::sweep::Sweep;
use crate::folder::FileError;
use crate::settings::Role;
use std::collections::{BTreeMap, BTreeSet};
use toml::de::DeTable;

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

/// A spec as it was written: keys known, values of the right type, places remembered.
#[derive(Clone, Debug)]
pub struct Document {
    pub(super) sources: Vec<SourceText>,
    /// The number of files. Sources from this number on are command-line arguments.
    pub(super) files: usize,
    /// The priority of each source.
    pub(super) ranks: BTreeMap<usize, usize>,
    pub(super) entries: BTreeMap<DottedKey, Entry>,
    pub(super) sweep: Sweep,
    pub(super) search: Option<Search>,
    pub(super) expectations: Vec<Expectation>,
    /// Keys with invalid values. Errors that follow from them are not reported.
    pub(super) faulty: BTreeSet<DottedKey>,
    pub(super) faults: Vec<Diagnostic>,
}

impl Document {
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

    /// The search; `None` if there is none, or if it has errors. The sweep then has the settings that do not depend on results.
    pub fn search(&self) -> Option<&Search> {
        self.search.as_ref()
    }

    /// What the experiment is expected to give: the tables of `[[expect]]`, without those that have errors.
    pub fn expectations(&self) -> &[Expectation] {
        &self.expectations
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

    /// Whether a command-line argument sets or varies a key.
    pub fn is_set_by_argument(&self, key: &str) -> bool {
        let points = self.sweep.blocks.iter().filter_map(|block| block.first()).chain(&self.sweep.include);
        let mut swept = points.flatten().filter(|assignment| assignment.key == key);
        swept.any(|assignment| self.is_argument(&assignment.location))
            || self.entry(key).is_some_and(|entry| self.is_argument(&entry.key))
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
        // Keys such as `extends` apply to one file only.
        let of_file = |key: &str| description().key(key).is_some_and(|key| key.role() == Role::Document);
        let mut written: BTreeMap<DottedKey, toml::Value> = written.filter(|(key, _)| !of_file(key)).collect();
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
