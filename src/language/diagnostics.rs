//! Errors and warnings in a spec, with location, message and help; all of them are reported together.

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

/// A text that a spec was read from: the spec file, a file that it extends, or a command-line argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceText {
    /// The path of the file as the user wrote it, or `--set`.
    pub name: String,
    /// Its content.
    pub text: String,
}

/// A location in one of the sources, in bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// Index into the sources.
    pub source: usize,
    /// The first byte.
    pub start: usize,
    /// The byte after the last one.
    pub end: usize,
}

impl Location {
    /// The bytes `span` of source number `source`.
    pub fn new(source: usize, span: Range<usize>) -> Location {
        Location { source, start: span.start, end: span.end }
    }
}

/// One error or warning.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Diagnostic {
    /// The location; `None` if something is missing.
    pub location: Option<Location>,
    /// Another location that it is about; shown if it is in the same source.
    pub beside: Option<Box<Location>>,
    /// What is wrong, as a fragment.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// The number of trials that it is about, if not all, and the number of similar messages.
    pub note: Option<String>,
    /// Whether it is a warning. The spec can run in spite of warnings.
    pub is_warning: bool,
}

impl Diagnostic {
    /// A diagnostic at a location.
    pub fn at(location: &Location, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(Some(location.clone()), message)
    }

    /// A diagnostic with or without a location.
    pub fn new(location: Option<Location>, message: impl Into<String>) -> Diagnostic {
        Diagnostic { location, beside: None, message: message.into(), help: None, note: None, is_warning: false }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn with_help(self, help: impl Into<String>) -> Diagnostic {
        Diagnostic { help: Some(help.into()), ..self }
    }
}

/// All errors and warnings of a spec. `Display` shows annotated snippets.
#[derive(Clone, Debug, thiserror::Error)]
pub struct Diagnostics {
    sources: Vec<SourceText>,
    items: Vec<Diagnostic>,
}

impl Diagnostics {
    /// Sorts by location and removes duplicates (each trial of a sweep can report the same error).
    pub fn new(sources: &[SourceText], items: impl IntoIterator<Item = Diagnostic>) -> Diagnostics {
        let unique: BTreeSet<Diagnostic> = items.into_iter().collect();
        Diagnostics { sources: sources.to_vec(), items: unique.into_iter().collect() }
    }

    fn groups<'a>(&'a self, item: &'a Diagnostic) -> Group<'a> {
        let level = if item.is_warning { Level::WARNING } else { Level::ERROR };
        let title = level.primary_title(item.message.as_str());
        let mut group = match &item.location {
            Some(location) => {
                let source = &self.sources[location.source];
                let beside = item.beside.iter().filter(|beside| beside.source == location.source);
                title.element(
                    Snippet::source(source.text.as_str())
                        .path(source.name.as_str())
                        .annotation(AnnotationKind::Primary.span(location.start..location.end))
                        .annotations(beside.map(|beside| AnnotationKind::Context.span(beside.start..beside.end))),
                )
            }
            None => title.element(Origin::path(self.sources[0].name.as_str())),
        };
        if let Some(help) = &item.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        if let Some(note) = &item.note {
            group = group.element(Level::NOTE.message(note.as_str()));
        }
        group
    }

    /// Whether there are no errors or warnings.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The JSON form: a list of objects with `level`, `message`, `help`, `note`, `file`, the `line` and `column` of the first
    /// character (columns are in characters; both count from 1), and the `end_line` and `end_column` after the last character.
    pub fn json(&self) -> serde_json::Value {
        let item = |item: &Diagnostic| {
            let mut value = serde_json::json!({
                "level": if item.is_warning { "warning" } else { "error" },
                "message": item.message,
                "help": item.help,
                "note": item.note,
                "file": self.sources.first().map(|source| &source.name),
            });
            if let Some((location, source)) =
                item.location.as_ref().and_then(|at| Some((at, self.sources.get(at.source)?)))
            {
                let (line, column) = line_and_column(&source.text, location.start);
                let (end_line, end_column) = line_and_column(&source.text, location.end);
                value["file"] = source.name.clone().into();
                value["line"] = line.into();
                value["column"] = column.into();
                value["end_line"] = end_line.into();
                value["end_column"] = end_column.into();
            }
            value
        };
        self.items.iter().map(item).collect()
    }

    /// The text for a terminal (`colour`) or for a file.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let snippets: Vec<String> = self.items.iter().map(|item| renderer.render(&[self.groups(item)])).collect();
        snippets.join("\n\n")
    }
}

/// The line and column of a byte of a text. The column is in characters; both count from 1.
pub fn line_and_column(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}
