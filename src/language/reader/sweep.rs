//! Reads the parts of `[sweep]`.

use super::Reader;
use crate::language::description;
use crate::language::diagnostics::{Diagnostic, Location};
use crate::language::entry::Entry;
use crate::language::suggestions::{Written, unknown_key};
use crate::language::sweep::{Assignment, Draw, ListedValues, NumberRange, OfRandom, Pattern, Reason};
use crate::language::types::{can_vary, fault, kind_of, takes};
use crate::settings::{Role, Type};
use crate::text::counted;
use std::collections::BTreeMap;
use toml::Spanned;
use toml::de::DeValue;

impl Reader {
    /// Reads a part of `[sweep]`. Returns false if no part has this name.
    pub(super) fn sweep_part(
        &mut self,
        source: usize,
        name: &str,
        key: &Location,
        value: &Spanned<DeValue<'_>>,
    ) -> bool {
        let entry = Entry::new(source, key.clone(), value);
        let fault = |message: &str| Diagnostic::at(&entry.value, message);
        match (name, value.get_ref()) {
            ("grid" | "zip" | "random", DeValue::Table(inner)) => {
                self.table(source, &format!("sweep.{name}"), inner);
            }
            ("grid" | "zip", _) => {
                let fault = fault(&format!("`sweep.{name}` must be a table with a list of values for each key"));
                let help =
                    format!("write `[sweep.{name}]`, and below it lines like `\"objective.kl_weight\" = [0.1, 1.0]`");
                self.faults.push(fault.with_help(help));
            }
            ("random", _) => {
                let fault = fault("`sweep.random` must be a table with a distribution for each key");
                let help = "write `[sweep.random]`, and below it `samples = 20` and lines like \
                    `\"objective.kl_weight\" = { log_uniform = [0.01, 1.0] }`";
                self.faults.push(fault.with_help(help));
            }
            ("seeds", _) => {
                if self.takes("sweep.seeds", &entry) {
                    let values = seeds(&entry).into_iter().map(|(value, location)| (Some(value), location)).collect();
                    self.sweep.drop_other_sources("seed", source);
                    self.sweep.seeds = Some(ListedValues { entry, values });
                } else {
                    self.sweep.is_partial = true;
                }
            }
            ("limit", _) => {
                if self.takes("sweep.limit", &entry) {
                    self.sweep.limit = Some(entry);
                }
            }
            ("include" | "exclude", _) => self.patterns(source, name, &entry, value),
            _ => return false,
        }
        true
    }

    /// Reads `[[sweep.include]]` or `[[sweep.exclude]]`.
    fn patterns(&mut self, source: usize, name: &str, entry: &Entry, value: &Spanned<DeValue<'_>>) {
        let help =
            format!("write one `[[sweep.{name}]]` per table, and below it lines like `\"objective.kl_weight\" = 0.1`");
        let DeValue::Array(tables) = value.get_ref() else {
            let fault = Diagnostic::at(&entry.value, format!("`sweep.{name}` must be a list of tables"));
            self.faults.push(fault.with_help(help));
            return;
        };
        for table in tables.iter() {
            let place = Location::new(source, table.span());
            let DeValue::Table(table) = table.get_ref() else {
                let fault = Diagnostic::at(&place, format!("`sweep.{name}` must be a list of tables"));
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
                let is_any = name == "exclude" && !takes(dotted, &entry.content);
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
                // A pattern with a missing value would match too many trials.
                _ if self.faults.len() > before => self.sweep.is_partial = true,
                _ => self.sweep.exclude.push(Pattern { values, location: place }),
            }
        }
    }

    /// Whether a swept value is valid for its key. Adds an error if it is not.
    fn takes(&mut self, key: &str, entry: &Entry) -> bool {
        let Some(fault) = fault(key, &entry.content) else { return true };
        let fault = self.wrong_type(key, entry, fault);
        self.faults.push(fault);
        false
    }

    /// Reads a key of `[sweep.random]`.
    pub(super) fn draw(&mut self, source: usize, name: &str, key: Location, value: &Spanned<DeValue<'_>>) {
        let entry = Entry::new(source, key, value);
        match OfRandom::find(name) {
            Some(own) => {
                if let Some(fault) = own.kind.fault(&entry.content) {
                    let message = format!("`{name}` of `[sweep.random]` must be {}", fault.expected);
                    self.faults.push(Diagnostic::at(&entry.value, message));
                }
                self.sweep.of_random.insert(own.name, entry);
            }
            None => {
                self.sweep.draws = true;
                let draw = match self.not_varied(name, "[sweep.random]", &entry, value) {
                    Some(mut fault) => {
                        // `samples` and `seed` are more likely meant than a similar key of the spec.
                        if let Some(near) = OfRandom::nearest(name).filter(|_| !name.contains('.')) {
                            fault.help = Some(format!("did you mean `{near}`?"));
                        }
                        self.faults.push(fault);
                        None
                    }
                    None => self.distribution(name, &entry, value),
                };
                self.sweep.drop_other_sources(name, source);
                self.sweep.random.insert(name.to_owned(), (entry, draw));
            }
        }
    }

    /// The distribution of a key; `None` after an error.
    pub(super) fn distribution(&mut self, key: &str, entry: &Entry, value: &Spanned<DeValue<'_>>) -> Option<Draw> {
        let example = match (numbers(key), &entry.content) {
            (_, toml::Value::Array(list)) if !list.is_empty() && list.iter().all(|value| takes(key, value)) => {
                format!("choice = {}", entry.content)
            }
            (_, toml::Value::Table(table)) if table.contains_key("log_uniform") => {
                "log_uniform = [1e-4, 1.0]".to_owned()
            }
            (_, toml::Value::Table(table)) if table.contains_key("int_log") => "int_log = [1, 64]".to_owned(),
            ((true, _), _) => "uniform = [0.0, 1.0]".to_owned(),
            ((false, true), _) => "int = [2, 8]".to_owned(),
            ((false, false), _) => "choice = [...]".to_owned(),
        };
        let draw = match Draw::read(key, &entry.content) {
            Ok(draw) => draw,
            Err((reason, help)) => {
                let help = help.unwrap_or_else(|| format!("write for example `\"{key}\" = {{ {example} }}`"));
                self.faults.push(Diagnostic::at(&entry.value, reason).with_help(help));
                return None;
            }
        };
        // The bounds or choices with their locations.
        let inner = value.get_ref().as_table().and_then(|table| table.iter().next());
        let elements = inner.and_then(|(_, list)| list.get_ref().as_array()).into_iter().flat_map(|list| list.iter());
        let elements: Vec<Entry> =
            elements.map(|element| Entry::new(entry.value.source, entry.key.clone(), element)).collect();
        match draw {
            Draw::Uniform(..) | Draw::LogUniform(..) => {
                let number = toml::Value::Float(0.5);
                if let (false, is_whole) = numbers(key)
                    && let Some(fault) = fault(key, &number)
                {
                    let (drawn, help) = match is_whole {
                        true => ("numbers with fractions", "use `int` for whole numbers"),
                        false => ("numbers", "use `choice` for values that are not numbers"),
                    };
                    let message = format!("this distribution draws {drawn}, but `{key}` must be {}", fault.expected);
                    self.faults.push(Diagnostic::at(&entry.value, message).with_help(help));
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
            Draw::Int(..) | Draw::IntLog(..) => {
                let fit = elements.iter().filter(|element| self.takes(key, element)).count();
                (fit == elements.len()).then_some(draw)
            }
        }
    }

    /// Why a part of the sweep cannot vary a key; `None` if it can.
    pub(super) fn not_varied(
        &self,
        key: &str,
        part: &str,
        entry: &Entry,
        value: &Spanned<DeValue<'_>>,
    ) -> Option<Diagnostic> {
        if self.is_table(key) {
            let DeValue::Table(inner) = value.get_ref() else {
                let message = format!("`{key}` in `{part}` is a table, not a key");
                let help = format!("write the dotted key in quotes: `\"{key}.some_key\" = ...`");
                return Some(Diagnostic::at(&entry.key, message).with_help(help));
            };
            let (first, written) = match inner.iter().next() {
                Some((name, value)) => (&**name.get_ref(), self.text(&Location::new(entry.key.source, value.span()))),
                None => ("key", "..."),
            };
            let written = if written.contains('\n') { "..." } else { written };
            let help = format!("write the dotted key in quotes: `\"{key}.{first}\" = {written}`");
            return Some(
                Diagnostic::at(&entry.key, format!("`{key}` in `{part}` is a table, not a key")).with_help(help),
            );
        }
        if !can_vary(key) && (self.known.contains(key) || key.starts_with("sweep")) {
            let role = description().key(key).map(|key| key.role());
            let help = match role != Some(Role::Output) {
                true => format!("remove the line: all trials have the same `{key}`"),
                false => format!("set `{key}` outside `[sweep]`: the results of a trial do not depend on it"),
            };
            return Some(Diagnostic::at(&entry.key, format!("a sweep cannot vary `{key}`")).with_help(help));
        }
        (!self.known.contains(key))
            .then(|| unknown_key(self.known, key, &entry.key, Written { whole: true, is_table: false }))
    }

    /// Reads a key of `[sweep.grid]` or `[sweep.zip]`.
    pub(super) fn axis(
        &mut self,
        source: usize,
        part: &str,
        key: &str,
        location: Location,
        value: &Spanned<DeValue<'_>>,
    ) {
        let entry = Entry::new(source, location, value);
        let values = match (self.not_varied(key, &format!("[{part}]"), &entry, value), value.get_ref()) {
            (Some(fault), _) => Err(fault),
            (None, DeValue::Table(_)) => self.range(key, &entry),
            (None, DeValue::Array(_)) if entry.elements.is_empty() => {
                let help = "list the values to try, or remove the line";
                Err(Diagnostic::at(&entry.value, format!("`{key}` has an empty list of values")).with_help(help))
            }
            (None, DeValue::Array(_)) => match one_list(key, part, &entry) {
                Some(fault) => Err(fault),
                None => Ok(entry.values()),
            },
            (None, _) => {
                let help = format!("write `\"{key}\" = [{}]`", self.text(&entry.value));
                Err(Diagnostic::at(&entry.value, format!("`{key}` in `[{part}]` must be a list of values"))
                    .with_help(help))
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
        // All numbers of a range have the same location: report only the first error.
        let (mut listed, mut place_of_fault) = (Vec::new(), None);
        for (value, location) in values {
            let is_known = place_of_fault.as_ref() == Some(&location) && !takes(key, &value);
            let fits = !is_known && self.takes(key, &entry.element(location.clone(), value.clone()));
            if !fits {
                place_of_fault = Some(location.clone());
            }
            listed.push((fits.then(|| self.placed(source, key, value)), location));
        }
        // A later source that varies a key replaces how earlier sources vary it.
        self.sweep.drop_other_sources(key, source);
        let table = if part == "sweep.grid" { &mut self.sweep.grid } else { &mut self.sweep.zip };
        table.insert(key.to_owned(), ListedValues { entry, values: listed });
    }

    /// The numbers of a range; whole numbers if the key takes whole numbers.
    fn range(&self, key: &str, entry: &Entry) -> Result<Vec<(toml::Value, Location)>, Diagnostic> {
        let (kinds, table) = (numbers(key), entry.content.as_table().cloned().unwrap_or_default());
        let numbers = |range: NumberRange| -> Result<Vec<toml::Value>, Reason> {
            Ok(match kinds {
                (false, true) => range.whole()?.into_iter().map(toml::Value::Integer).collect(),
                // Such as `data.validation`, where 100 is a number of images and 0.1 is a fraction.
                _ if is_either(key) && range.is_whole() => {
                    range.whole()?.into_iter().map(toml::Value::Integer).collect()
                }
                _ => range.numbers().into_iter().map(toml::Value::Float).collect(),
            })
        };
        if kinds == (false, false) {
            let expected = fault(key, &entry.content).map_or_else(String::new, |fault| fault.expected);
            return Err(Diagnostic::at(&entry.value, format!("`{key}` must be {expected}, found a range of numbers")));
        }
        let numbers = NumberRange::read(&table).and_then(numbers).map_err(|(reason, help)| {
            let fault = Diagnostic::at(&entry.value, format!("`{key}`: {reason}"));
            let example = "write a list of values, or `{ from = 0.001, to = 1.0, steps = 4, scale = \"log\" }`";
            fault.with_help(help.unwrap_or_else(|| example.to_owned()))
        })?;
        Ok(numbers.into_iter().map(|number| (number, entry.value.clone())).collect())
    }
}

/// Whether a key accepts numbers with fractions, and whether it accepts whole numbers.
fn numbers(key: &str) -> (bool, bool) {
    kind_of(key).map_or((false, false), |kind| kind.takes_numbers())
}

/// Whether whole numbers and other numbers mean different things for a key.
fn is_either(key: &str) -> bool {
    matches!(kind_of(key), Some(Type::OneOf(types, _)) if types.iter().any(|one| one.takes_numbers() == (false, true)))
}

/// The seeds of `seeds = 5` or `seeds = [7, 8]`.
fn seeds(entry: &Entry) -> Vec<(toml::Value, Location)> {
    match &entry.content {
        toml::Value::Integer(count) => {
            (0..*count).map(|seed| (toml::Value::Integer(seed), entry.value.clone())).collect()
        }
        _ => entry.values(),
    }
}

/// An error if a key whose values are lists has one list instead of a list of lists.
fn one_list(key: &str, part: &str, entry: &Entry) -> Option<Diagnostic> {
    let values = entry.content.as_array()?;
    let of_none = !values.iter().any(|value| takes(key, value));
    if !of_none || !takes(key, &entry.content) {
        return None;
    }
    let alone: Vec<toml::Value> = values.iter().map(|value| toml::Value::Array(vec![value.clone()])).collect();
    let each = alone.iter().all(|value| takes(key, value)) && alone.len() > 1;
    let lists = counted(alone.len(), "list");
    let each = match each {
        true => format!(", or `{}` to try {lists} with one element each", toml::Value::Array(alone)),
        false => String::new(),
    };
    let message = format!("each value of `{key}` is a list, so `[{part}]` needs a list of lists");
    Some(
        Diagnostic::at(&entry.value, message)
            .with_help(format!("write `[{0}]` to try the list `{0}`{each}", entry.content)),
    )
}
