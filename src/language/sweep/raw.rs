//! A sweep as it is read from one source after another, and how its blocks are made from it.

use super::draw::Draw;
use super::{Assignment, Block, DRAW_SEED, HARD_LIMIT, Pattern, Point, SAMPLES, Sweep, TRIAL_LIMIT};
use crate::language::diagnostics::{Diagnostic, Location};
use crate::language::entry::{DottedKey, Entry};
use crate::language::types::fault;
use crate::text::{counted, grouped};
use std::collections::BTreeMap;
use toml::Value;

/// The sweep as it was written in all sources so far. Later sources replace single keys.
#[derive(Debug, Default)]
pub(in crate::language) struct RawSweep {
    /// Values of the keys of `[sweep.grid]`.
    pub(in crate::language) grid: BTreeMap<DottedKey, ListedValues>,
    /// Of `[sweep.zip]`.
    pub(in crate::language) zip: BTreeMap<DottedKey, ListedValues>,
    /// The keys of `[sweep.random]`; the distribution is `None` if it is invalid.
    pub(in crate::language) random: BTreeMap<DottedKey, (Entry, Option<Draw>)>,
    /// Whether any source has a key in `[sweep.random]`.
    pub(in crate::language) draws: bool,
    /// The other keys of `[sweep.random]`, by name.
    pub(in crate::language) of_random: BTreeMap<&'static str, Entry>,
    pub(in crate::language) seeds: Option<ListedValues>,
    pub(in crate::language) limit: Option<Entry>,
    pub(in crate::language) include: Vec<Point>,
    pub(in crate::language) exclude: Vec<Pattern>,
    pub(in crate::language) is_partial: bool,
}

/// A key with its list of values; invalid values are `None`.
#[derive(Debug)]
pub(in crate::language) struct ListedValues {
    pub(in crate::language) entry: Entry,
    pub(in crate::language) values: Vec<(Option<Value>, Location)>,
}

impl RawSweep {
    /// Applies that `source` sets a key to one value: other sources no longer vary it, in their sweeps and includes.
    pub(in crate::language) fn fix_key(&mut self, key: &str, source: usize) {
        self.drop_other_sources(key, source);
        self.include.retain_mut(|point| {
            let before = point.len();
            point.retain(|assignment| assignment.key != key || assignment.location.source == source);
            // An include that lost all its keys would add one more trial without changes.
            before == 0 || !point.is_empty()
        });
    }

    /// Removes how other sources vary a key.
    pub(in crate::language) fn drop_other_sources(&mut self, key: &str, source: usize) {
        let other = |entry: &Entry| entry.key.source != source;
        for table in [&mut self.grid, &mut self.zip] {
            if table.get(key).is_some_and(|listed| other(&listed.entry)) {
                table.remove(key);
            }
        }
        if self.random.get(key).is_some_and(|(entry, _)| other(entry)) {
            self.random.remove(key);
        }
        if key == "seed" && self.seeds.as_ref().is_some_and(|listed| other(&listed.entry)) {
            self.seeds = None;
        }
    }

    /// Builds the sweep, and checks its parts together.
    pub(in crate::language) fn finish(self) -> (Sweep, Vec<Diagnostic>) {
        let mut faults = self.varied_twice();
        let whole = |entry: &Entry| entry.content.as_integer().and_then(|value| u64::try_from(value).ok());
        let limit = self.limit.as_ref().and_then(whole).unwrap_or(TRIAL_LIMIT);
        let samples = self.of_random.get(SAMPLES.name);
        let draw_seed = self.of_random.get(DRAW_SEED.name).and_then(whole).or(DRAW_SEED.default);
        let mut blocks = Vec::new();
        if let Some((first, _)) = self.random.values().next() {
            match (samples.and_then(whole), samples) {
                (Some(samples), Some(entry)) if samples > limit => {
                    let (found, most) = (grouped(samples), grouped(limit));
                    let message = format!("{found} samples are more than the limit of {most} trials");
                    let can_raise = samples <= HARD_LIMIT;
                    let help = if can_raise { "lower `samples`, or raise `sweep.limit`" } else { "lower `samples`" };
                    faults.push(Diagnostic::at(&entry.value, message).with_help(help));
                }
                (Some(samples @ 1..), _) => {
                    let block = self.draw(samples, draw_seed.unwrap_or_default());
                    faults.extend(out_of_range(&block));
                    blocks.push(block);
                }
                // An unknown key may be meant as `samples`, and is already reported.
                (None, None) if self.random.values().all(|(_, draw)| draw.is_some()) => {
                    let fault =
                        Diagnostic::at(&first.key, "`[sweep.random]` needs `samples`, the number of random samples");
                    faults.push(fault.with_help("add a line like `samples = 20`"));
                }
                (None, None) => {}
                // An invalid value of `samples` was already reported.
                (Some(0) | None, Some(_)) | (Some(_), None) => {}
            }
        } else if let Some(samples) = samples.filter(|_| !self.draws) {
            let fault = Diagnostic::at(&samples.key, "`[sweep.random]` has `samples`, but no key to draw");
            let help = "add a line like `\"objective.kl_weight\" = { log_uniform = [0.01, 1.0] }`, or remove `samples`";
            faults.push(fault.with_help(help));
        }
        match zipped(&self.zip) {
            Ok(block) => blocks.extend(block),
            Err(fault) => faults.push(fault),
        }
        let mut grid: Vec<(DottedKey, ListedValues)> = self.grid.into_iter().collect();
        grid.sort_by(|left, right| left.1.entry.key.cmp(&right.1.entry.key));
        blocks.extend(grid.into_iter().map(|(key, listed)| block_of(&key, listed)));
        let seeds = self.seeds.map(|listed| block_of("seed", listed)).unwrap_or_default();
        if !seeds.is_empty() {
            blocks.push(seeds.clone());
        }
        let (include, exclude, is_partial) = (self.include, self.exclude, self.is_partial);
        (Sweep { blocks, include, seeds, exclude, limit, is_partial }, faults)
    }

    /// Errors for keys that several parts vary.
    fn varied_twice(&self) -> Vec<Diagnostic> {
        let grid = self.grid.iter().map(|(key, listed)| (key, "[sweep.grid]", &listed.entry));
        let zip = self.zip.iter().map(|(key, listed)| (key, "[sweep.zip]", &listed.entry));
        let random = self.random.iter().map(|(key, (entry, _))| (key, "[sweep.random]", entry));
        let seed = "seed".to_owned();
        let seeds = self.seeds.iter().map(|listed| (&seed, "sweep.seeds", &listed.entry));
        let mut known: BTreeMap<&DottedKey, &str> = BTreeMap::new();
        let mut faults = Vec::new();
        for (key, part, entry) in grid.chain(zip).chain(random).chain(seeds) {
            if let Some(other) = known.insert(key, part) {
                let message = format!("`{key}` is varied twice, by `{other}` and by `{part}`");
                faults.push(Diagnostic::at(&entry.key, message).with_help("remove one of them"));
            }
        }
        faults
    }

    fn draw(&self, samples: u64, seed: u64) -> Block {
        let point = |sample: u64| {
            let assignment = |(key, (entry, draw)): (&DottedKey, &(Entry, Option<Draw>))| Assignment {
                key: key.clone(),
                value: draw.as_ref().and_then(|draw| draw.value(seed, key, sample)),
                location: entry.value.clone(),
            };
            self.random.iter().map(assignment).collect()
        };
        (0..samples).map(point).collect()
    }
}

/// Errors for drawn numbers that are invalid for their key; one error per key.
fn out_of_range(block: &Block) -> Vec<Diagnostic> {
    let mut faulty: BTreeMap<&DottedKey, Diagnostic> = BTreeMap::new();
    for Assignment { key, value, location } in block.iter().flatten() {
        if let Some((value, fault)) = value.as_ref().and_then(|value| Some((value, fault(key, value)?))) {
            let message = format!("`{key}` must be {}, but {value} was drawn", fault.expected);
            faulty.entry(key).or_insert_with(|| Diagnostic::at(location, message));
        }
    }
    faulty.into_values().collect()
}

/// The block of one key.
fn block_of(key: &str, listed: ListedValues) -> Block {
    let point =
        |(value, location): (Option<Value>, Location)| vec![Assignment { key: key.to_owned(), value, location }];
    listed.values.into_iter().map(point).collect()
}

/// The block of `[sweep.zip]`; all lists must have the same length.
fn zipped(zip: &BTreeMap<DottedKey, ListedValues>) -> Result<Option<Block>, Diagnostic> {
    let mut lists: Vec<(&DottedKey, &ListedValues)> = zip.iter().collect();
    lists.sort_by(|left, right| left.1.entry.key.cmp(&right.1.entry.key));
    let Some((first_key, first)) = lists.first() else { return Ok(None) };
    let length = first.values.len();
    if let Some((key, other)) = lists.iter().find(|(_, listed)| listed.values.len() != length) {
        let count = counted(other.values.len(), "value");
        let message = format!("`{key}` has {count} in `[sweep.zip]`, but `{first_key}` has {length}");
        let fault = Diagnostic::at(&other.entry.value, message);
        return Err(fault.with_help("all lists in `[sweep.zip]` must have the same length"));
    }
    let point = |place: usize| {
        let assignment = |(key, listed): &(&DottedKey, &ListedValues)| {
            let (value, location) = listed.values.get(place)?.clone();
            Some(Assignment { key: (*key).clone(), value, location })
        };
        lists.iter().filter_map(assignment).collect()
    };
    Ok(Some((0..length).map(point).collect()))
}
