//! Errors in a spec: where they are, what is wrong, what to do; all of a file at once.

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

/// A text that a spec was read from: the file, or one `--set` argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The file's path as the user gave it, or `--set`.
    pub name: String,
    /// Its content.
    pub text: String,
}

/// A place in one of the sources, in bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// Index into the sources.
    pub source: usize,
    /// First byte of the text meant.
    pub start: usize,
    /// First byte after it.
    pub end: usize,
}

impl Location {
    /// The bytes `span` of the source numbered `source`.
    pub fn new(source: usize, span: Range<usize>) -> Location {
        Location { source, start: span.start, end: span.end }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Diagnostic {
    /// Where; nothing where the fault is in what is left out.
    pub location: Option<Location>,
    /// What is wrong, as a fragment.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Diagnostic {
    /// A diagnostic at a place.
    pub fn at(location: &Location, message: impl Into<String>) -> Diagnostic {
        Diagnostic { location: Some(location.clone()), message: message.into(), help: None }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn with_help(self, help: impl Into<String>) -> Diagnostic {
        Diagnostic { help: Some(help.into()), ..self }
    }
}

/// All that is wrong with a spec. Displays as annotated snippets.
#[derive(Clone, Debug, thiserror::Error)]
pub struct Diagnostics {
    sources: Vec<Source>,
    items: Vec<Diagnostic>,
}

impl Diagnostics {
    /// Sorts by place and drops repetitions (the same fault is found again in each trial of a sweep).
    pub fn new(sources: &[Source], items: impl IntoIterator<Item = Diagnostic>) -> Diagnostics {
        let unique: BTreeSet<Diagnostic> = items.into_iter().collect();
        Diagnostics { sources: sources.to_vec(), items: unique.into_iter().collect() }
    }

    fn groups<'a>(&'a self, item: &'a Diagnostic) -> Group<'a> {
        let title = Level::ERROR.primary_title(item.message.as_str());
        let mut group = match &item.location {
            Some(location) => {
                let source = &self.sources[location.source];
                title.element(
                    Snippet::source(source.text.as_str())
                        .path(source.name.as_str())
                        .annotation(AnnotationKind::Primary.span(location.start..location.end)),
                )
            }
            None => title.element(Origin::path(self.sources[0].name.as_str())),
        };
        if let Some(help) = &item.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        group
    }

    /// The text for a terminal (`colour`) or for a file.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let snippets: Vec<String> = self.items.iter().map(|item| renderer.render(&[self.groups(item)])).collect();
        snippets.join("\n\n")
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}
