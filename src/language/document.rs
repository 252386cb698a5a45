//! A TOML spec with the place of every key and value, and what is wrong with it as text and types.

use super::diagnostics::{Diagnostic, Diagnostics, Location, SourceText, line_and_column};
use super::entry::{DottedKey, Entry};
use super::sweep::Sweep;
use crate::folder::FileError;
use std::collections::{BTreeMap, BTreeSet};
use toml::de::DeTable;

/// What the command line sets on top of a file.
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
    /// Sources from this number on are arguments of the command line.
    pub(super) files: usize,
    /// How much each source counts.
    pub(super) ranks: BTreeMap<usize, usize>,
    pub(super) entries: BTreeMap<DottedKey, Entry>,
    pub(super) sweep: Sweep,
    /// Keys whose values could not be read: what is derived from them is not worth an error of its own.
    pub(super) faulty: BTreeSet<DottedKey>,
    pub(super) faults: Vec<Diagnostic>,
}

impl Document {
    /// The texts that locations point into.
    pub fn sources(&self) -> &[SourceText] {
        &self.sources
    }

    /// Wrong keys and types.
    pub fn faults(&self) -> &[Diagnostic] {
        &self.faults
    }

    /// Whether a key's own value, or the list of those that it takes, could not be read.
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

    /// Whether a place is in a source that counts more than another one's.
    pub fn is_later(&self, location: &Location, other: &Location) -> bool {
        self.ranks.get(&location.source) > self.ranks.get(&other.source)
    }

    /// Whether a place is in an argument of the command line.
    pub fn is_argument(&self, location: &Location) -> bool {
        location.source >= self.files
    }

    /// Where a key was given its value, outside of the sweep.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.get(key)
    }

    /// What was written, by dotted keys, with the keys of `values` replaced: one trial of the sweep.
    pub fn with_values<'a>(
        &self,
        values: impl IntoIterator<Item = (&'a str, &'a toml::Value)>,
    ) -> BTreeMap<DottedKey, toml::Value> {
        let written = self.entries.iter().map(|(key, entry)| (key.clone(), entry.content.clone()));
        // Each file says which version of the language it is in, and what it extends, of itself alone.
        let mut written: BTreeMap<DottedKey, toml::Value> =
            written.filter(|(key, _)| !["extends", "spec_version"].contains(&key.as_str())).collect();
        written.extend(values.into_iter().map(|(key, value)| (key.to_owned(), value.clone())));
        written
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
