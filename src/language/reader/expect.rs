//! Reads the tables of `[[expect]]`.

use super::Reader;
use crate::language::diagnostics::{Diagnostic, Location};
use crate::language::entry::Entry;
use crate::language::expectation::{
    EPOCH, Expectation, METRIC, Place, REQUIRED, TABLE, VALUE, WHERE, WITHIN, description, metrics_of_epochs,
    number_columns,
};
use crate::language::suggestions::{Written, unknown_key};
use crate::language::types::{can_vary, fault};
use crate::settings::{Advice, Fault, nearest, plain};
use std::collections::{BTreeMap, BTreeSet};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The key of the seed: the mean over the seeds is compared.
const SEED: &str = "seed";

/// The entries of a table, by the names of their keys.
type Entries = BTreeMap<&'static str, Entry>;

impl Reader {
    /// Reads `[[expect]]`. That of a file that another file extends is not read.
    pub(super) fn expect(&mut self, source: usize, key: Location, value: &Spanned<DeValue<'_>>) {
        if self.is_argument(source) {
            let fault = Diagnostic::at(&key, "`--set` cannot set `expect`");
            self.faults.push(fault.with_help("write `[[expect]]` in the spec file"));
            return;
        }
        if source > 0 {
            return;
        }
        let no_list = |place: &Location| {
            let fault = Diagnostic::at(place, "`expect` must be a list of tables");
            fault.with_help("write `[[expect]]` with two brackets, and its keys below it")
        };
        let DeValue::Array(tables) = value.get_ref() else {
            self.faults.push(no_list(&Location::new(source, value.span())));
            return;
        };
        for table in tables.iter() {
            let place = Location::new(source, table.span());
            match table.get_ref() {
                DeValue::Table(table) => self.expectation(source, place, table),
                _ => self.faults.push(no_list(&place)),
            }
        }
    }

    fn expectation(&mut self, source: usize, place: Location, table: &DeTable<'_>) {
        let (mut entries, mut keys, mut meant) = (Entries::new(), BTreeMap::new(), BTreeSet::new());
        let before = self.faults.len();
        for (key, value) in table.iter() {
            let name: &str = key.get_ref();
            let location = Location::new(source, key.span());
            let Some(info) = description().key(&format!("{TABLE}.{name}")) else {
                let near = likely(name);
                self.faults.push(unknown(name, near, &location));
                meant.extend(near);
                continue;
            };
            let entry = Entry::new(source, location, value);
            match info.kind().fault(&entry.content) {
                Some(fault) => {
                    let fault = self.wrong_type(&info.dotted, &entry, one_value(fault));
                    self.faults.push(fault);
                }
                None => {
                    if let (true, DeValue::Table(inner)) = (name == WHERE.name, value.get_ref()) {
                        self.setting(source, "", inner, &mut keys);
                    }
                }
            }
            entries.insert(info.name(), entry);
        }
        for key in REQUIRED.iter().filter(|key| !entries.contains_key(key.name) && !meant.contains(key.name)) {
            let fault = Diagnostic::at(&place, format!("this `[[expect]]` has no `{}`", key.name));
            self.faults.push(fault.with_help(format!("add a line such as `{} = {}`", key.name, key.example)));
        }
        if self.faults.len() > before {
            return;
        }
        self.faults.extend(wrong_metric(&entries));
        self.faults.extend(share_of_nothing(&entries));
        let written = entries.iter().map(|(name, entry)| (format!("{TABLE}.{name}"), entry.content.clone())).collect();
        let value_of = |name: &str| entries.get(name).map(|entry| entry.value.clone());
        let place = Place {
            metric: value_of(METRIC.name).unwrap_or_else(|| place.clone()),
            epoch: value_of(EPOCH.name),
            keys: value_of(WHERE.name),
            table: place,
        };
        self.expectations.extend(Expectation::new(&written, keys, place).filter(|_| self.faults.len() == before));
    }

    /// Reads the values of `where`: dotted keys, or nested tables.
    fn setting(&mut self, source: usize, prefix: &str, table: &DeTable<'_>, keys: &mut BTreeMap<String, toml::Value>) {
        for (key, value) in table.iter() {
            let name: &str = key.get_ref();
            let dotted = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") };
            let location = Location::new(source, key.span());
            let entry = Entry::new(source, location.clone(), value);
            let fault = match value.get_ref() {
                DeValue::Table(inner) if self.is_table(&dotted) => {
                    self.setting(source, &dotted, inner, keys);
                    continue;
                }
                _ if self.is_table(&dotted) => {
                    let fault = Diagnostic::at(&location, format!("`{dotted}` in `where` is a table, not a key"));
                    let written = self.one_line(&entry.value);
                    fault.with_help(format!("write the dotted key in quotes: `\"{dotted}.some_key\" = {written}`"))
                }
                _ if dotted == SEED => {
                    let fault = Diagnostic::at(&location, "`where` names a setting, which has no `seed`");
                    fault.with_help("remove it: `value` is the mean over all seeds of the setting")
                }
                _ if !self.known.contains(&dotted) => {
                    let written = Written { whole: prefix.is_empty(), is_table: false };
                    unknown_key(self.known, &dotted, &location, written)
                }
                _ if !can_vary(&dotted) => {
                    let fault =
                        Diagnostic::at(&location, format!("`{dotted}` in `where` does not tell settings apart"));
                    fault.with_help("remove it: all settings have the same value")
                }
                _ => match fault(&dotted, &entry.content) {
                    Some(fault) => self.wrong_type(&dotted, &entry, one_value(fault)),
                    None if keys.insert(dotted.clone(), entry.content).is_some() => {
                        Diagnostic::at(&location, format!("`{dotted}` is twice in `where`")).with_help("remove one")
                    }
                    None => continue,
                },
            };
            self.faults.push(fault);
        }
    }

    fn one_line(&self, location: &Location) -> &str {
        let written = self.text(location);
        if written.contains('\n') { "..." } else { written }
    }
}

/// The fault, with what to do about a list of values: a sweep has such lists, but not an expectation.
fn one_value(fault: Fault) -> Fault {
    let help = fault.help.map(|help| match help {
        Advice::ListOfValues => Advice::Text("write one `[[expect]]` for each value".to_owned()),
        help => help,
    });
    Fault { help, ..fault }
}

/// The key of the table that an unknown name most likely means.
fn likely(name: &str) -> Option<&'static str> {
    let keys = &description().keys;
    let synonym = keys.iter().find(|key| key.also().any(|also| also == plain(name)));
    let near = || nearest(name, keys.iter().map(|key| key.name()));
    let near = || near().and_then(|near| keys.iter().find(|key| key.name() == near));
    synonym.or_else(near).map(|key| key.name())
}

fn unknown(name: &str, near: Option<&str>, location: &Location) -> Diagnostic {
    let names: Vec<String> = description().keys.iter().map(|key| format!("`{}`", key.name())).collect();
    let help = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("expected one of {}", names.join(", ")),
    };
    Diagnostic::at(location, format!("unknown key `{name}` of `[[expect]]`")).with_help(help)
}

/// An error if there is no such metric.
fn wrong_metric(entries: &Entries) -> Option<Diagnostic> {
    let entry = entries.get(METRIC.name)?;
    let name = entry.content.as_str()?;
    let (columns, of_epochs) = (number_columns(), metrics_of_epochs());
    let is_in = |names: &[String], name: &str| names.iter().any(|one| one == name);
    let near = |names: &[String]| nearest(name, names.iter().map(String::as_str));
    let (what, help) = if entries.contains_key(EPOCH.name) {
        if is_in(of_epochs, name) {
            return None;
        }
        let bare = name.strip_prefix("final_").or_else(|| name.strip_prefix("best_"));
        let help = match bare.filter(|bare| is_in(of_epochs, bare)).map(str::to_owned) {
            Some(bare) => format!("with `epoch`, write `{bare}`; without `epoch`, `{name}` is a column"),
            None if is_in(columns, name) => "remove `epoch`: this is a number of the whole trial".to_owned(),
            None => match near(of_epochs) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "write for example `validation_loss`; docs/output.md lists the metrics of epochs".to_owned(),
            },
        };
        (format!("`{name}` is not a metric of epochs with a number"), help)
    } else {
        if is_in(columns, name) {
            return None;
        }
        let last = format!("final_{name}");
        let help = match is_in(columns, &last) {
            true => format!("write `{last}` for the last epoch, or add `epoch`"),
            false => match near(columns) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "write for example `final_validation_loss`; schemas/tables.json lists the columns".to_owned(),
            },
        };
        (format!("trials.parquet has no metric `{name}` with a number"), help)
    };
    Some(Diagnostic::at(&entry.value, what).with_help(help))
}

/// An error if the tolerance is a share of 0.
fn share_of_nothing(entries: &Entries) -> Option<Diagnostic> {
    let (value, within) = (entries.get(VALUE.name)?, entries.get(WITHIN.name)?);
    let is_zero = value.content.as_float() == Some(0.0) || value.content.as_integer() == Some(0);
    (is_zero && within.content.is_str()).then(|| {
        let fault = Diagnostic::at(&within.value, "`within` is a percentage, but `value` is 0");
        fault.with_help("write `within` as a number, in the unit of the metric")
    })
}
