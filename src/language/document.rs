//! A TOML spec with the place of every key and value, and what is wrong with it as text and types.

use super::diagnostics::{Diagnostic, Diagnostics, Location, Source, line_and_column};
use super::names::{Written, nearest, unknown_key, varied_instead};
use super::sweep::{Assignment, Draft, Draw, HARD_LIMIT, Listed, Pattern, Range, Reason, Sweep, TRIAL_LIMIT};
use super::types::{FIXED, TypeFault, can_vary, dotted, insert, type_fault};
use super::{Device, SPEC_VERSION, Spec, known_keys};
use crate::folder::FileError;
use crate::text::grouped;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
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
    /// How much each source counts.
    ranks: BTreeMap<usize, usize>,
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
        let mut reader = Reader::new();
        match text_of(path) {
            Ok(text) => reader.files(path, text),
            Err(Unread::File(error)) => return Err(error.into()),
            Err(Unread::Bytes(line)) => {
                let item = Diagnostic::new(None, format!("the spec {}", not_text(line)));
                let source = Source { name: path.display().to_string(), text: String::new() };
                return Err(Diagnostics::new(&[source], [item.with_help("save it as UTF-8")]).into());
            }
        }
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

    /// The spec with the keys of `values` replaced: one trial of the sweep.
    pub fn with_values<'a>(&self, values: impl IntoIterator<Item = (&'a str, &'a toml::Value)>) -> Spec {
        let mut table = toml::Table::new();
        for (key, entry) in &self.entries {
            insert(&mut table, key, entry.content.clone());
        }
        for (key, value) in values {
            insert(&mut table, key, value.clone());
        }
        // Only values that could be read by themselves are kept, so all of them together can be.
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

/// Why a file has no text.
enum Unread {
    File(FileError),
    /// It is not UTF-8, in that line.
    Bytes(usize),
}

/// What is wrong with a file that is not text.
fn not_text(line: usize) -> String {
    format!("is not UTF-8 text: line {line} has other bytes")
}

fn text_of(path: &Path) -> Result<String, Unread> {
    let bytes = std::fs::read(path).map_err(|error| Unread::File(FileError::at("read the spec", path)(error)))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        Unread::Bytes(valid.iter().filter(|byte| **byte == b'\n').count() + 1)
    })?;
    // Some editors begin a file with a mark that is no part of its text.
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
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

/// Collects entries and faults from one source after another; later ones win.
struct Reader {
    sources: Vec<Source>,
    /// How many of them are files, once all are read.
    files: usize,
    /// Each file's own path.
    paths: Vec<PathBuf>,
    /// The same without links, by which a file is known.
    canonical: Vec<PathBuf>,
    /// The folder of each file that another one extends, to which its paths are relative.
    folders: BTreeMap<usize, PathBuf>,
    /// The folder to which paths in arguments are relative, where it is not the spec's.
    working: Option<PathBuf>,
    /// How much each source counts.
    ranks: BTreeMap<usize, usize>,
    /// The files that are being read, each extended by the one before.
    chain: Vec<usize>,
    syntax: Vec<Diagnostic>,
    entries: BTreeMap<Key, Entry>,
    sweep: Draft,
    /// Keys whose values could not be read, and those whose values in the sweep could not.
    faulty: BTreeSet<Key>,
    faulty_swept: BTreeSet<Key>,
    faults: Vec<Diagnostic>,
    known: &'static BTreeSet<String>,
}

impl Reader {
    fn new() -> Reader {
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
            sweep: Draft::default(),
            faulty: BTreeSet::new(),
            faulty_swept: BTreeSet::new(),
            faults: Vec::new(),
            known: known_keys(),
        }
    }

    /// Reads a file after those that it extends. One that several extend is read once, where it comes last.
    fn files(&mut self, path: &Path, text: String) {
        let first = self.source(path, text);
        let mut order = Vec::new();
        self.order(first, &mut order);
        // All files come before all arguments, so that a source's number says what it is.
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

    /// A file's number among the sources.
    fn source(&mut self, path: &Path, text: String) -> usize {
        self.sources.push(Source { name: path.display().to_string(), text });
        self.paths.push(path.to_path_buf());
        self.canonical.push(std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf()));
        self.sources.len() - 1
    }

    /// Lists a file and those that it extends, what counts most first.
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
        // What is no text is reported with the other keys.
        all.into_iter().filter_map(|(base, location)| Some((base.as_str()?.to_owned(), location))).collect()
    }

    /// The number of a file that another one extends.
    fn base(&mut self, path: &Path, location: &Location) -> Option<usize> {
        let canonical = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        let shown = path.display();
        if let Some(known) = self.canonical.iter().position(|known| *known == canonical) {
            if !self.chain.contains(&known) {
                return Some(known);
            }
            let fault = Diagnostic::at(location, format!("{shown} extends itself"));
            self.syntax.push(fault.with_help("a file cannot be its own base, nor that of its bases"));
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
                        fault.with_help("paths are relative to the folder of the file that has them")
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
            let fault = Diagnostic::at(&Location::new(number, span.clone()), message);
            self.syntax.push(match without_zero(text, span.start) {
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
            let quoted = name.contains('.') && !["sweep.grid", "sweep.zip", "sweep.random"].contains(&prefix);
            match (prefix, value.get_ref()) {
                _ if quoted && (self.known.contains(&dotted) || self.is_table(&dotted)) => {
                    self.quoted(source, &dotted, location, value);
                }
                ("sweep", _) if self.sweep_part(source, name, &location, value) => {}
                ("sweep.grid" | "sweep.zip", _) => self.axis(source, prefix, name, location, value),
                ("sweep.random", _) => self.draw(source, name, location, value),
                (_, DeValue::Table(inner)) if self.is_table(&dotted) => self.table(source, &dotted, inner),
                _ if self.known.contains(&dotted) || self.is_table(&dotted) => {
                    self.leaf(source, dotted, location, value);
                }
                (_, content) => {
                    // An argument of `--set` has its tables in its key.
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

    /// A key in quotes with the table in it, where TOML takes the dot for a part of the name.
    fn quoted(&mut self, source: usize, dotted: &str, key: Location, value: &Spanned<DeValue<'_>>) {
        let fault = Diagnostic::at(&key, format!("`\"{}\"` in quotes is one name", self.text(&key).trim_matches('"')));
        let (table, name) = dotted.rsplit_once('.').unwrap_or(("", dotted));
        let written = self.text(&Location::new(source, value.span()));
        let written = if written.contains('\n') { "..." } else { written };
        let help = match (self.is_argument(source), value.get_ref()) {
            (true, _) => format!("write it without quotes: --set {dotted}={written}"),
            (false, DeValue::Table(_)) => format!("write `[{dotted}]`"),
            (false, _) => format!("write `[{table}]`, and `{name} = {written}` below it"),
        };
        self.faults.push(fault.with_help(help));
        self.faulty.insert(dotted.to_owned());
    }

    /// What to write instead of a key in `[sweep]` that is one of the spec.
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

    /// A file's path in a value, whole where the value is not in the spec's own file.
    fn placed(&self, source: usize, key: &str, value: toml::Value) -> toml::Value {
        let folder = if self.is_argument(source) { self.working.as_ref() } else { self.folders.get(&source) };
        match (&value, folder) {
            (toml::Value::String(path), Some(folder)) if PATHS.contains(&key) => {
                toml::Value::String(folder.join(path).to_string_lossy().into_owned())
            }
            _ => value,
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
                Some(values) => {
                    let values = values.into_iter().map(|(value, location)| (Some(value), location)).collect();
                    self.sweep.forget("seed", source);
                    self.sweep.seeds = Some(Listed { entry, values });
                }
                None => {
                    let most = grouped(TRIAL_LIMIT);
                    let message = format!("`sweep.seeds` must be how many seeds, 1 to {most}, or a list of seeds");
                    let fault = fault(&message);
                    self.sweep.is_partial = true;
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
            let (mut point, mut values, before) = (Vec::new(), BTreeMap::new(), self.faults.len());
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
                let mut any = Vec::new();
                for (value, location) in all {
                    let fits = self.takes(dotted, &entry.element(location.clone(), value.clone()));
                    let value = fits.then(|| self.placed(source, dotted, value));
                    any.extend(value.clone());
                    point.push(Assignment { key: dotted.to_owned(), value, location });
                }
                values.insert(dotted.to_owned(), any);
            }
            match name {
                "include" => self.sweep.include.push(point),
                // Without a value of it, a pattern would match other trials than it should.
                _ if self.faults.len() > before => self.sweep.is_partial = true,
                _ => self.sweep.exclude.push(Pattern { values, location: place }),
            }
        }
    }

    /// Whether a swept value is one for its key; if not, that is reported.
    fn takes(&mut self, key: &str, entry: &Entry) -> bool {
        let Some(fault) = type_fault(key, &entry.content) else { return true };
        let fault = self.wrong_type(key, entry, fault);
        self.faults.push(fault);
        false
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
                self.sweep.draws = true;
                let draw = match self.not_varied(name, "[sweep.random]", &entry, value) {
                    Some(mut fault) => {
                        // Its own keys are meant more often than a spec's that sound like them.
                        if let Some(near) = nearest(name, ["samples", "seed"]).filter(|_| !name.contains('.')) {
                            fault.help = Some(format!("did you mean `{near}`?"));
                        }
                        self.faults.push(fault);
                        None
                    }
                    None => self.distribution(name, &entry, value),
                };
                self.sweep.forget(name, source);
                self.sweep.random.insert(name.to_owned(), (entry, draw));
            }
        }
    }

    /// How a key is drawn; nothing where that could not be read, which is reported.
    fn distribution(&mut self, key: &str, entry: &Entry, value: &Spanned<DeValue<'_>>) -> Option<Draw> {
        let takes = |value: toml::Value| type_fault(key, &value).is_none();
        let example = match (takes(toml::Value::Float(0.5)), takes(toml::Value::Integer(1))) {
            (true, _) => "uniform = [0.0, 1.0]",
            (false, true) => "int = [2, 8]",
            (false, false) => "choice = [...]",
        };
        let draw = match Draw::read(key, &entry.content) {
            Ok(draw) => draw,
            Err((reason, help)) => {
                let help = help.unwrap_or_else(|| format!("write for example `\"{key}\" = {{ {example} }}`"));
                self.faults.push(Diagnostic::at(&entry.value, reason).with_help(help));
                return None;
            }
        };
        // The bounds or choices, where they are.
        let inner = value.get_ref().as_table().and_then(|table| table.iter().next());
        let elements = inner.and_then(|(_, list)| list.get_ref().as_array()).into_iter().flat_map(|list| list.iter());
        let elements: Vec<Entry> =
            elements.map(|element| Entry::new(entry.value.source, entry.key.clone(), element)).collect();
        match draw {
            Draw::Uniform(..) | Draw::LogUniform(..) => {
                let number = toml::Value::Float(0.5);
                if let Some(fault) = type_fault(key, &number) {
                    let mut fault = self.wrong_type(key, &entry.element(entry.value.clone(), number), fault);
                    fault.help = Some(match takes(toml::Value::Integer(1)) {
                        true => "whole numbers are drawn by `int`".to_owned(),
                        false => "values that are no numbers are drawn by `choice`".to_owned(),
                    });
                    self.faults.push(fault);
                    return None;
                }
                Some(draw)
            }
            Draw::Choice(values) => {
                let fit = elements.iter().filter(|element| self.takes(key, element)).count();
                let placed = values.into_iter().map(|value| self.placed(entry.value.source, key, value));
                let placed = placed.collect();
                (fit == elements.len()).then_some(Draw::Choice(placed))
            }
            Draw::Int(..) => {
                let fit = elements.iter().filter(|element| self.takes(key, element)).count();
                (fit == elements.len()).then_some(draw)
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
            let (first, written) = match inner.iter().next() {
                Some((name, value)) => (&**name.get_ref(), self.text(&Location::new(entry.key.source, value.span()))),
                None => ("key", "..."),
            };
            let written = if written.contains('\n') { "..." } else { written };
            let help = format!("write the dotted key in quotes: `\"{key}.{first}\" = {written}`");
            return Some(Diagnostic::at(&entry.key, format!("`{key}` in `{part}` is a table")).with_help(help));
        }
        if !can_vary(key) && (self.known.contains(key) || key.starts_with("sweep")) {
            let of_all = ["name", "extends", "spec_version"].contains(&key) || !FIXED.contains(&key);
            let help = match of_all {
                true => "remove the line; what can be swept are the other keys of the spec",
                false => "it changes nothing of what a trial comes to; set it outside of the sweep",
            };
            return Some(Diagnostic::at(&entry.key, format!("`{key}` cannot be swept")).with_help(help));
        }
        (!self.known.contains(key))
            .then(|| unknown_key(self.known, key, &entry.key, Written { whole: true, is_table: false }))
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
        if dotted == "extends" && self.is_argument(source) {
            let fault = Diagnostic::at(&entry.key, "`--set` cannot set `extends`");
            self.faults.push(fault.with_help("write it into the file; `--set` sets keys on top of it"));
            return;
        }
        // What a later source sets is not varied any more; what a file sets beside its own sweep is.
        self.sweep.settle(&dotted, source);
        if dotted == "name" && self.folders.contains_key(&source) {
            // Two experiments of one name would share a folder.
            return;
        }
        entry.content = self.placed(source, &dotted, entry.content);
        if let Some(fault) = type_fault(&dotted, &entry.content) {
            let fault = self.wrong_type(&dotted, &entry, fault);
            self.faults.push(fault);
            self.faulty.insert(dotted);
            return;
        }
        if dotted == "spec_version" {
            self.version(&entry);
        }
        self.faulty.remove(&dotted);
        self.entries.insert(dotted, entry);
    }

    /// Each file has its own version.
    fn version(&mut self, entry: &Entry) {
        let known = SPEC_VERSION as i64;
        if let Some(version) = entry.content.as_integer().filter(|version| *version != known) {
            let message = format!("`spec_version` is {version}, and this vaex knows {known}");
            let help = if version > known { "use a newer vaex" } else { "versions begin at 1; remove the line" };
            self.faults.push(Diagnostic::at(&entry.value, message).with_help(help));
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
        let values = match (self.not_varied(key, &format!("[{part}]"), &entry, value), value.get_ref()) {
            (Some(fault), _) => Err(fault),
            (None, DeValue::Table(_)) => self.range(key, &entry),
            (None, DeValue::Array(_)) if entry.elements.is_empty() => {
                let help = "list the values to try, or remove the line";
                Err(Diagnostic::at(&entry.value, format!("the list of `{key}` is empty")).with_help(help))
            }
            (None, DeValue::Array(_)) => match one_list(key, part, &entry) {
                Some(fault) => Err(fault),
                None => Ok(entry.values()),
            },
            (None, _) => {
                let help = format!("write `\"{key}\" = [{}]`", self.text(&entry.value));
                Err(Diagnostic::at(&entry.value, format!("`{key}` in `[{part}]` is not a list")).with_help(help))
            }
        };
        let values = match values {
            Ok(values) => values,
            Err(fault) => {
                self.faults.push(fault);
                self.faulty_swept.insert(key.to_owned());
                self.sweep.is_partial = true;
                return;
            }
        };
        let mut listed = Vec::new();
        for (value, location) in values {
            let fits = self.takes(key, &entry.element(location.clone(), value.clone()));
            listed.push((fits.then(|| self.placed(source, key, value)), location));
        }
        // What a later source varies in one way is not varied in another any more.
        self.sweep.forget(key, source);
        let table = if part == "sweep.grid" { &mut self.sweep.grid } else { &mut self.sweep.zip };
        table.insert(key.to_owned(), Listed { entry, values: listed });
    }

    /// The numbers of a range, whole ones for a key that takes whole ones.
    fn range(&self, key: &str, entry: &Entry) -> Result<Vec<(toml::Value, Location)>, Diagnostic> {
        let takes = |value: toml::Value| type_fault(key, &value).is_none();
        let table = entry.content.as_table().cloned().unwrap_or_default();
        let numbers = |range: Range| -> Result<Vec<toml::Value>, Reason> {
            Ok(match (takes(toml::Value::Float(0.5)), takes(toml::Value::Integer(1))) {
                (false, true) => range.whole()?.into_iter().map(toml::Value::Integer).collect(),
                _ => range.numbers().into_iter().map(toml::Value::Float).collect(),
            })
        };
        if !takes(toml::Value::Float(0.5)) && !takes(toml::Value::Integer(1)) {
            // A key that takes no numbers.
            return Ok(vec![(toml::Value::Float(0.5), entry.value.clone())]);
        }
        let numbers = Range::read(&table).and_then(numbers).map_err(|(reason, help)| {
            let fault = Diagnostic::at(&entry.value, format!("`{key}`: {reason}"));
            let example = "write a list of values, or `{ from = 0.001, to = 1.0, steps = 4, scale = \"log\" }`";
            fault.with_help(help.unwrap_or_else(|| example.to_owned()))
        })?;
        Ok(numbers.into_iter().map(|number| (number, entry.value.clone())).collect())
    }

    fn text(&self, location: &Location) -> &str {
        self.sources[location.source].text.get(location.start..location.end).unwrap_or("")
    }

    fn finish(mut self) -> Document {
        self.faulty.append(&mut self.faulty_swept);
        let (sweep, faults) = self.sweep.finish();
        self.faults.extend(faults);
        Document {
            sources: self.sources,
            files: self.files,
            ranks: self.ranks,
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

/// One list where a list of lists is needed: the values of a key that takes lists.
fn one_list(key: &str, part: &str, entry: &Entry) -> Option<Diagnostic> {
    let values = entry.content.as_array()?;
    let of_none = values.iter().all(|value| type_fault(key, value).is_some());
    if !of_none || type_fault(key, &entry.content).is_some() {
        return None;
    }
    let alone: Vec<toml::Value> = values.iter().map(|value| toml::Value::Array(vec![value.clone()])).collect();
    let each = alone.iter().all(|value| type_fault(key, value).is_none()) && alone.len() > 1;
    let each = if each { format!(", or `{}` to try each", toml::Value::Array(alone)) } else { String::new() };
    let message = format!("`{key}` takes a list, so that its values in `[{part}]` are a list of lists");
    Some(
        Diagnostic::at(&entry.value, message)
            .with_help(format!("write `[{}]` to try this one list{each}", entry.content)),
    )
}

/// A number such as `.5` in the line of a byte, which TOML does not take.
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

/// Whether a line ends where its value should begin.
fn lacks_value(text: &str, span: &std::ops::Range<usize>) -> bool {
    let (before, after) = (text.get(..span.start).unwrap_or(""), text.get(span.start..).unwrap_or(""));
    before.trim_end_matches([' ', '\t']).ends_with('=') && after.lines().next().unwrap_or("").trim().is_empty()
}

/// The part of a span that is in the text.
fn clamped(text: &str, span: std::ops::Range<usize>) -> std::ops::Range<usize> {
    let start = span.start.min(text.len());
    let end = span.end.clamp(start, text.len());
    start..end
}
