//! Reads `[search]` and its tables.

use super::Reader;
use crate::language::diagnostics::{Diagnostic, Location};
use crate::language::entry::{DottedKey, Entry};
use crate::language::search::{
    FACTOR, HOURS, METRIC, MIN_EPOCHS, SPACE, STOP, Search, Searched, TABLE, TRIALS, UNSET, metric_names, read, written,
};
use crate::language::sweep::RawSweep;
use crate::search::Stop;
use crate::settings::{Keys, nearest};
use std::collections::BTreeMap;
use toml::Spanned;
use toml::de::DeValue;

/// The search as it was written in all sources so far.
#[derive(Debug, Default)]
pub(super) struct RawSearch {
    /// The head of the table.
    place: Option<Location>,
    /// The keys of `[search.space]`; `None` if the distribution is invalid.
    space: BTreeMap<DottedKey, (Entry, Option<Searched>)>,
    /// Whether any source has a key in `[search.space]`.
    has_space: bool,
}

impl RawSearch {
    /// Applies that `source` sets a key to one value, or varies it: other sources no longer search it.
    pub(super) fn fix_key(&mut self, key: &str, source: usize) {
        if self.space.get(key).is_some_and(|(entry, _)| entry.key.source != source) {
            self.space.remove(key);
        }
    }
}

impl Reader {
    /// Reads a part of the spec that belongs to a search. Returns false if it does not.
    pub(super) fn search_part(
        &mut self,
        source: usize,
        dotted: &str,
        key: &Location,
        value: &Spanned<DeValue<'_>>,
    ) -> bool {
        if dotted == TABLE && value.get_ref().is_table() {
            self.search.place.get_or_insert(key.clone());
        }
        if dotted != SPACE {
            return false;
        }
        match value.get_ref() {
            DeValue::Table(inner) => {
                self.search.has_space |= inner.is_empty();
                self.table(source, SPACE, inner);
            }
            _ => {
                let fault = Diagnostic::at(key, format!("`{SPACE}` must be a table with a distribution for each key"));
                let help = format!(
                    "write `[{SPACE}]`, and below it lines like `\"objective.kl_weight\" = {{ log_uniform = [0.01, 1.0] }}`"
                );
                self.faults.push(fault.with_help(help));
                self.search.has_space = true;
            }
        }
        true
    }

    /// Reads a key of `[search.space]`.
    pub(super) fn searched(&mut self, source: usize, name: &str, key: Location, value: &Spanned<DeValue<'_>>) {
        let mut entry = Entry::new(source, key, value);
        self.search.has_space = true;
        let fault = self.not_varied(name, "[search.space]", &entry, value).or_else(|| {
            (name == "seed").then(|| {
                let fault = Diagnostic::at(
                    &entry.key,
                    "`seed` cannot be searched: settings are compared by the mean of their seeds",
                );
                fault.with_help("write `seeds = 3` in `[sweep]` to train each setting with the seeds 0 to 2")
            })
        });
        let searched = match fault {
            Some(fault) => {
                self.faults.push(fault);
                None
            }
            None => {
                let written = entry.content.clone();
                let unset = match entry.content.as_table_mut().and_then(|table| table.remove(UNSET)) {
                    None => Some(false),
                    Some(toml::Value::Boolean(unset)) => Some(unset),
                    Some(other) => {
                        let message = format!("`{UNSET}` of `{name}` must be true or false, found `{other}`");
                        self.faults.push(Diagnostic::at(&entry.value, message));
                        None
                    }
                };
                let draw = self.distribution(name, &entry, value);
                let location = entry.value.clone();
                unset.zip(draw).map(|(unset, draw)| Searched { key: name.to_owned(), draw, unset, location, written })
            }
        };
        self.sweep.drop_other_sources(name, source);
        self.search.space.insert(name.to_owned(), (entry, searched));
    }

    /// Puts the search together, and checks its parts together. `None` if there is none, or after an error.
    pub(super) fn finish_search(&mut self) -> Option<Search> {
        let values = self.entries.iter().map(|(key, entry)| (key, &entry.content));
        let written = written(values);
        let place = self
            .search
            .place
            .clone()
            .or_else(|| written.keys().next().and_then(|key| Some(self.entries.get(key)?.key.clone())))?;
        let before = self.faults.len();
        let is_invalid = self.faulty.iter().any(|key| key.starts_with("search."));
        let entry = |name: &str| self.entries.get(&format!("{TABLE}.{name}"));
        let (keys, _) = Keys::read(&written, read);
        let mut faults = vec![];
        match (entry(TRIALS.name), entry(HOURS.name)) {
            (Some(_), Some(hours)) => {
                let fault = Diagnostic::at(&hours.key, "`[search]` has both `trials` and `hours`");
                faults.push(fault.with_help("remove one of them"));
            }
            (None, None) if !is_invalid => {
                let fault = Diagnostic::at(&place, "`[search]` needs `trials`, the number of settings, or `hours`");
                faults.push(fault.with_help("add a line like `trials = 40`"));
            }
            (None, Some(hours)) if matches!(keys.stop, Stop::Halving { .. }) => {
                let message = "`halving` needs `trials`: it compares a fixed number of settings";
                let help = "set `trials` in place of `hours`, or set `search.stop.method` to \"asha\" or \"median\"";
                faults.push(Diagnostic::at(&hours.key, message).with_help(help));
            }
            _ => {}
        }
        if let Some(entry) = entry(METRIC.name)
            && let Some(name) = entry.content.as_str().filter(|name| !metric_names().iter().any(|one| one == name))
        {
            let names = metric_names();
            let near = nearest(name, names.iter().map(String::as_str)).map(|near| format!("did you mean `{near}`?"));
            let all: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            let help = near.unwrap_or_else(|| format!("expected one of {}", all.join(", ")));
            let message = format!("a search cannot compare settings by `{name}`");
            faults.push(Diagnostic::at(&entry.value, message).with_help(help));
        }
        let stop = |name: &str| self.entries.get(&format!("{STOP}.{name}"));
        let first_of_stop = written.keys().find(|key| key.starts_with(STOP)).and_then(|key| self.entries.get(key));
        if let (Some(first), None, false) = (first_of_stop, stop(MIN_EPOCHS.name), is_invalid) {
            let fault = Diagnostic::at(
                &first.key,
                format!("`[{STOP}]` needs `min_epochs`, the epochs before settings are compared first"),
            );
            faults.push(fault.with_help("add a line like `min_epochs = 3`"));
        }
        if let (Stop::Median, Some(factor)) = (keys.stop, stop(FACTOR.name)) {
            let fault = Diagnostic::at(
                &factor.key,
                "`search.stop.factor` applies only if `search.stop.method` is \"halving\" or \"asha\"",
            );
            faults.push(fault.with_help("remove it"));
        }
        if !self.search.has_space {
            let fault = Diagnostic::at(&place, format!("`[{TABLE}]` has no keys to search"));
            let help = format!(
                "add a table `[{SPACE}]` with lines like `\"objective.kl_weight\" = {{ log_uniform = [0.1, 10.0] }}`"
            );
            faults.push(fault.with_help(help));
        } else if self.search.space.is_empty() && self.faults.is_empty() {
            let fault =
                Diagnostic::at(&place, format!("`[{SPACE}]` has no keys, or all of them are set to one value later"));
            faults.push(fault.with_help("add a key to it, or remove `[search]`"));
        }
        faults.extend(both(&self.sweep, &self.search.space));
        self.faults.extend(faults);
        let space = std::mem::take(&mut self.search.space);
        let is_whole = space.values().all(|(_, searched)| searched.is_some());
        let space: Vec<Searched> = space.into_values().filter_map(|(_, searched)| searched).collect();
        // A key without a value has none from elsewhere.
        for searched in space.iter().filter(|searched| searched.unset) {
            self.entries.remove(&searched.key);
        }
        if self.faults.len() > before || is_invalid || !is_whole {
            self.sweep.is_partial = true;
            return None;
        }
        Search::new(keys, space)
    }
}

/// Errors for what a sweep varies beside a search: only seeds.
fn both(sweep: &RawSweep, space: &BTreeMap<DottedKey, (Entry, Option<Searched>)>) -> Vec<Diagnostic> {
    let random = sweep.random.iter().map(|(key, (entry, _))| (key, entry, "[sweep.random]"));
    let grid = sweep.grid.iter().map(|(key, listed)| (key, &listed.entry, "[sweep.grid]"));
    let zip = sweep.zip.iter().map(|(key, listed)| (key, &listed.entry, "[sweep.zip]"));
    let swept: Vec<_> = grid.chain(zip).chain(random).collect();
    let fault = |(key, entry, part): &(&DottedKey, &Entry, &str)| {
        let searched = space.get(*key)?;
        let fault =
            Diagnostic::at(&entry.key, format!("`{key}` is both swept, by `{part}`, and searched, by `[{SPACE}]`"));
        let help = "remove one of them";
        let beside = Some(Box::new(searched.0.key.clone()));
        Some(Diagnostic { beside, ..fault.with_help(help) })
    };
    let twice: Vec<Diagnostic> = swept.iter().filter_map(fault).collect();
    if !twice.is_empty() {
        return twice;
    }
    if let Some(limit) = &sweep.limit {
        let fault = Diagnostic::at(&limit.key, "`sweep.limit` is for a sweep, not for a search");
        return vec![fault.with_help("remove it: `search.trials` is the number of settings")];
    }
    let of_tables = sweep.include.iter().flatten().map(|one| (&one.location, "[[sweep.include]]"));
    let of_tables = of_tables.chain(sweep.exclude.iter().map(|one| (&one.location, "[[sweep.exclude]]")));
    let others = swept.iter().map(|(_, entry, part)| (&entry.key, *part)).chain(of_tables);
    let fault = |(place, part): (&Location, &str)| {
        let fault = Diagnostic::at(place, format!("`[{TABLE}]` and `{part}` cannot be combined"));
        fault.with_help(format!(
            "move the keys to `[{SPACE}]`, or remove `[{TABLE}]`; of `[sweep]`, a search takes only `seeds`"
        ))
    };
    others.take(1).map(fault).collect()
}
