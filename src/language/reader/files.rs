//! Reads the files of a spec: the main file and the files that it extends.

use super::Reader;
use super::text::{Unread, not_text, text_of};
use crate::folder::without_links;
use crate::language::diagnostics::{Diagnostic, Location, SourceText};
use crate::language::entry::Entry;
use std::io::ErrorKind;
use std::path::Path;
use toml::de::DeTable;

impl Reader {
    /// Reads a file after the files that it extends. A file that several files extend is read once, at its last place.
    pub(in crate::language) fn files(&mut self, path: &Path, text: String) {
        let first = self.source(path, text);
        let mut order = Vec::new();
        self.order(first, &mut order);
        // All files come before all arguments, so the number of a source tells which of them it is.
        self.files = self.sources.len();
        for number in order.into_iter().rev() {
            let text = self.sources[number].text.clone();
            self.parse(number, &text);
        }
        let folder = path.parent().unwrap_or(Path::new(""));
        if folder != Path::new("") {
            self.working = std::env::current_dir().ok();
        }
    }

    /// Adds a file to the sources and returns its number.
    fn source(&mut self, path: &Path, text: String) -> usize {
        self.sources.push(SourceText { name: path.display().to_string(), text });
        self.paths.push(path.to_path_buf());
        self.canonical.push(without_links(path));
        self.sources.len() - 1
    }

    /// Lists a file and the files that it extends, in order of decreasing priority.
    fn order(&mut self, number: usize, order: &mut Vec<usize>) {
        order.push(number);
        self.chain.push(number);
        let bases: Vec<(String, Location)> = self.bases(number);
        let folder = self.paths[number].parent().unwrap_or(Path::new("")).to_path_buf();
        let bases: Vec<usize> =
            bases.into_iter().filter_map(|(base, location)| self.base(&folder.join(base), &location)).collect();
        for base in bases.into_iter().rev() {
            if !order.contains(&base) {
                self.order(base, order);
            }
        }
        self.chain.pop();
    }

    /// The files that `extends` names.
    fn bases(&self, source: usize) -> Vec<(String, Location)> {
        let (table, _) = DeTable::parse_recoverable(&self.sources[source].text);
        let Some(value) = table.get_ref().get("extends") else { return Vec::new() };
        let entry = Entry::new(source, Location::new(source, value.span()), value);
        let all = match &entry.content {
            toml::Value::Array(_) => entry.values(),
            one => vec![(one.clone(), entry.value.clone())],
        };
        // Values that are not text are reported with the other keys.
        all.into_iter().filter_map(|(base, location)| Some((base.as_str()?.to_owned(), location))).collect()
    }

    /// Reads a file that another file extends, if it was not read before. Returns its number, or `None` after an error.
    fn base(&mut self, path: &Path, location: &Location) -> Option<usize> {
        let canonical = without_links(path);
        let shown = path.display();
        if let Some(known) = self.canonical.iter().position(|known| *known == canonical) {
            if !self.chain.contains(&known) {
                return Some(known);
            }
            let fault = Diagnostic::at(location, format!("{shown} extends itself"));
            self.syntax.push(fault.with_help("a file must not extend itself, directly or through other files"));
            return None;
        }
        let fault = match text_of(path) {
            Ok(text) => {
                let folder = path.parent().unwrap_or(Path::new(""));
                let number = self.source(path, text);
                // An empty path is the working directory.
                let folder = std::env::current_dir().map(|working| working.join(folder));
                self.folders.extend(folder.ok().map(|folder| (number, folder)));
                return Some(number);
            }
            Err(Unread::File(error)) => {
                let fault = Diagnostic::at(location, format!("cannot read {shown}: {}", error.source));
                match error.source.kind() {
                    ErrorKind::NotFound => {
                        fault.with_help("a path in `extends` is relative to the folder of the file that contains it")
                    }
                    _ => fault,
                }
            }
            Err(Unread::Bytes(line)) => {
                Diagnostic::at(location, format!("{shown} {}", not_text(line))).with_help("save it as UTF-8")
            }
        };
        self.syntax.push(fault);
        None
    }
}
