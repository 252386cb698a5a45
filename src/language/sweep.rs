//! The sweep of a spec: blocks of points, whose Cartesian product is the list of trials.
//!
//! A point sets values of some keys. `[sweep.random]` is a block with one point per sample. `[sweep.zip]` is a block with one
//! point per position in its lists. Each key of `[sweep.grid]` is a block with one point per value. `seeds` is a block with
//! one point per seed.

use super::diagnostics::{Diagnostic, Location};
use super::document::{DottedKey, Entry};
use super::numbers::{finite, magnitude, significant, to_place, whole_end};
use super::types::fault;
use crate::folder::digest;
use crate::random::{Purpose, Stream};
use crate::settings::{Key as KeyInfo, Keys, Role, Type, nearest};
use crate::text::grouped;
use std::collections::BTreeMap;
use toml::Value;

/// The default of `sweep.limit`.
pub const TRIAL_LIMIT: u64 = 100_000;

/// The maximum of `sweep.limit`: all trials are kept in memory.
pub const HARD_LIMIT: u64 = 1_000_000;

/// Describes the table. The reader of specs reads its parts, with their locations.
pub(super) fn describe(keys: &mut Keys<'_>) {
    const fn part(name: &'static str, doc: &'static str, example: &'static str) -> KeyInfo {
        KeyInfo::new(name, doc).example(example).role(Role::Document)
    }
    keys.describe_only(
        part(
            "grid",
            "Dotted keys, each with a list of values or a range of numbers. Every combination of values is a trial.",
            "{ \"objective.kl_weight\" = [0.1, 1.0], \"model.latent_dim\" = { from = 2, to = 8, steps = 4 } }",
        ),
        Type::Table,
        None,
    );
    keys.describe_only(
        part(
            "zip",
            "Dotted keys with lists of equal length. The first values of all lists are one trial, the second values another, and \
             so on.",
            "{ \"train.epochs\" = [10, 20], \"train.learning_rate\" = [0.001, 0.0005] }",
        ),
        Type::Table,
        None,
    );
    keys.describe_only(
        part(
            "random",
            "Dotted keys, each with the distribution that its values are drawn from, and `samples`, the number of draws.",
            "{ samples = 20, \"objective.kl_weight\" = { log_uniform = [0.001, 1.0] } }",
        ),
        Type::Table,
        None,
    );
    keys.describe_only(
        part("seeds", "The number of seeds to train each setting with, counted from 0, or a list of seeds.", "5")
            .also("n_seeds num_seeds n_runs repeats n_repeats repetitions replicates"),
        Type::OneOf(&[Type::Whole { least: 1, most: TRIAL_LIMIT }, Type::List(&Type::WHOLE, 1)], "seeds"),
        None,
    );
    keys.describe_only(
        part("limit", "The maximum number of trials.", "200000"),
        Type::Whole { least: 1, most: HARD_LIMIT },
        Some(Value::Integer(TRIAL_LIMIT as i64)),
    );
    keys.describe_only(
        part(
            "include",
            "Additional trials: tables of dotted keys, each with one value.",
            "[{ \"objective.kl_weight\" = 0.0 }]",
        ),
        Type::Tables,
        None,
    );
    keys.describe_only(
        part(
            "exclude",
            "Trials to exclude: a trial is excluded if it has all values of one of these tables. A list matches any of its values.",
            "[{ \"model.latent_dim\" = [2, 4], seed = 0 }]",
        ),
        Type::Tables,
        None,
    );
}

/// The value of a key in some trials, with its location.
#[derive(Clone, Debug)]
pub struct Assignment {
    /// The dotted key.
    pub key: DottedKey,
    /// Its value; `None` if the value is invalid, which the document reports.
    pub value: Option<Value>,
    /// The location of the value, or of the range or distribution that it comes from.
    pub location: Location,
}

/// Values of several keys.
pub type Point = Vec<Assignment>;

/// Alternative points: each trial has one of them.
pub type Block = Vec<Point>;

/// The sweep of a spec.
#[derive(Clone, Debug, Default)]
pub struct Sweep {
    /// The blocks, whose Cartesian product is the list of trials; the first varies slowest.
    pub blocks: Vec<Block>,
    /// Additional trials: the spec with the values of one of these points.
    pub include: Vec<Point>,
    /// The block of the seeds; the additional trials are trained with each seed too.
    pub seeds: Block,
    /// Patterns of trials to exclude.
    pub exclude: Vec<Pattern>,
    /// The maximum number of trials.
    pub limit: u64,
    /// Whether a part is invalid and missing, so that the list of trials is incomplete.
    pub is_partial: bool,
}

/// For each key a list of values. A trial matches if it has one of the values for every key.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// The matching values by key.
    pub values: BTreeMap<DottedKey, Vec<Value>>,
    /// The location of the table.
    pub location: Location,
}

impl Sweep {
    /// The dotted keys that vary, in the order of the blocks.
    pub fn keys(&self) -> Vec<DottedKey> {
        let points = self.blocks.iter().filter_map(|block| block.first()).chain(&self.include);
        let mut keys: Vec<DottedKey> = Vec::new();
        for assignment in points.flatten() {
            if !keys.contains(&assignment.key) {
                keys.push(assignment.key.clone());
            }
        }
        keys
    }

    /// The number of trials: the product of the blocks plus the additional trials; `None` if it needs more than 128 bits.
    pub fn count(&self) -> Option<u128> {
        let mut lengths = self.blocks.iter().map(|block| block.len() as u128);
        let product = lengths.try_fold(1u128, u128::checked_mul);
        let further = (self.include.len() as u128).checked_mul(self.seeds.len().max(1) as u128);
        product?.checked_add(further?)
    }

    /// The points of trial `number`, which must be below [`Sweep::count`]. The trials of the product come first, then the
    /// additional trials with each seed. Later points have priority.
    pub fn choice(&self, number: usize) -> Vec<&Point> {
        let product: usize = self.blocks.iter().map(Vec::len).product();
        match number.checked_sub(product) {
            None => choose(&self.blocks, number),
            Some(further) => {
                let seeds = self.seeds.len().max(1);
                let seed = self.seeds.get(further % seeds);
                seed.into_iter().chain(self.include.get(further / seeds)).collect()
            }
        }
    }

    /// The location of the longest list.
    pub fn longest(&self) -> Option<Location> {
        let block = self.blocks.iter().rev().max_by_key(|block| block.len())?;
        let (first, last) = (block.first()?.first()?, block.last()?.first()?);
        let same = first.location.source == last.location.source;
        Some(Location { end: if same { last.location.end } else { first.location.end }, ..first.location.clone() })
    }
}

/// The points of one trial of the product: one per block.
fn choose(blocks: &[Block], number: usize) -> Vec<&Point> {
    let mut rest = number;
    let mut choice: Vec<&Point> = Vec::new();
    for block in blocks.iter().rev() {
        choice.extend(block.get(rest % block.len().max(1)));
        rest /= block.len().max(1);
    }
    choice.reverse();
    choice
}

/// An error in a part of a sweep, and what to do if that is known.
pub(super) type Reason = (String, Option<String>);

/// A range of numbers, `{ from = 1e-4, to = 1.0, steps = 9, scale = "log" }`.
pub(super) struct NumberRange {
    from: Value,
    to: Value,
    steps: u64,
    log: bool,
}

impl NumberRange {
    /// Reads it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn read(table: &toml::Table) -> Result<NumberRange, Reason> {
        const KEYS: [&str; 4] = ["from", "to", "steps", "scale"];
        if let Some(key) = table.keys().find(|key| !KEYS.contains(&key.as_str())) {
            let meant = match key.as_str() {
                "start" | "begin" | "first" | "low" | "min" => Some("from".to_owned()),
                "stop" | "end" | "last" | "high" | "max" => Some("to".to_owned()),
                "num" | "n" | "count" | "number" | "points" => Some("steps".to_owned()),
                key => nearest(key, KEYS),
            };
            let help = meant.map(|key| format!("did you mean `{key}`?"));
            return Err((format!("unknown key `{key}` in a range"), help));
        }
        let end = |key: &str| match table.get(key) {
            Some(value) if finite(value).is_some() => Ok(value.clone()),
            _ => Err((format!("a range needs `{key}`, a number"), None)),
        };
        let (from, to) = (end("from")?, end("to")?);
        let steps = table.get("steps").and_then(Value::as_integer).filter(|steps| *steps > 1);
        let steps = steps.ok_or(("a range needs `steps`, a whole number, 2 or more".to_owned(), None))? as u64;
        if steps > TRIAL_LIMIT {
            return Err((format!("`steps` of a range must be at most {}", grouped(TRIAL_LIMIT)), None));
        }
        let log = match table.get("scale").map(|scale| scale.as_str().unwrap_or_default()) {
            None | Some("linear") => false,
            Some("log") => true,
            Some(_) => return Err(("`scale` of a range must be \"linear\" or \"log\"".to_owned(), None)),
        };
        let range = NumberRange { from, to, steps, log };
        let (from, to) = range.ends();
        if log && (from <= 0.0 || to <= 0.0) {
            return Err(("a range on a logarithmic scale needs `from` and `to` above 0".to_owned(), None));
        }
        Ok(range)
    }

    fn ends(&self) -> (f64, f64) {
        (finite(&self.from).unwrap_or_default(), finite(&self.to).unwrap_or_default())
    }

    /// Number `step` of the range, before rounding.
    fn at(&self, step: u64) -> f64 {
        let (from, to) = self.ends();
        let share = step as f64 / (self.steps - 1) as f64;
        if self.log { (from.ln() + share * (to.ln() - from.ln())).exp() } else { from + share * (to - from) }
    }

    /// The numbers of the range. The first and the last are exactly as written.
    ///
    /// The others are rounded, to keep labels short and to remove the last digits of logarithms, which differ between
    /// systems. On a linear scale, they are rounded to four digits of the step. On a logarithmic scale, they are rounded to
    /// four digits, or, if neighbours differ by less than a thousandth, to three digits of their distance.
    pub(super) fn numbers(&self) -> Vec<f64> {
        let ((from, to), last) = (self.ends(), self.steps - 1);
        let step = (to - from) / last as f64;
        let ratio = ((to.ln() - from.ln()).abs() / last as f64).exp_m1();
        let digits = if ratio < 1e-3 { 3 - magnitude(ratio) } else { 4 };
        let inner = |number: f64| match self.log {
            true => significant(number, digits),
            false => to_place(number, magnitude(step) - 3),
        };
        let number = |at: u64| match at {
            0 => from,
            _ if at == last => to,
            _ => inner(self.at(at)),
        };
        (0..self.steps).map(number).collect()
    }

    /// The numbers, rounded to whole numbers.
    ///
    /// # Errors
    /// `from` or `to` is not a whole number.
    pub(super) fn whole(&self) -> Result<Vec<i64>, Reason> {
        let end = |key: &str, value: &Value| {
            let help = || Some(format!("write a whole number as `{key}`"));
            whole_end(value)
                .ok_or_else(|| (format!("`{key}` of this range must be a whole number, found `{value}`"), help()))
        };
        let (from, to) = (end("from", &self.from)?, end("to", &self.to)?);
        let last = i128::from(self.steps - 1);
        let number = |step: u64| {
            if self.log && step > 0 && i128::from(step) < last {
                return self.at(step).round() as i64;
            }
            // Rounds half up. 64 bits times the number of steps fit in 128 bits.
            let sum = i128::from(from) * last + i128::from(step) * (i128::from(to) - i128::from(from));
            (2 * sum + last).div_euclid(2 * last) as i64
        };
        Ok((0..self.steps).map(number).collect())
    }
}

/// The distribution of a key.
#[derive(Clone, Debug)]
pub(super) enum Draw {
    Uniform(f64, f64),
    LogUniform(f64, f64),
    Int(i64, i64),
    Choice(Vec<Value>),
}

impl Draw {
    /// Reads a distribution such as `{ log_uniform = [1e-4, 1.0] }`.
    pub(super) fn read(key: &str, value: &Value) -> Result<Draw, Reason> {
        let mut entries = value.as_table().into_iter().flatten();
        let (Some((name, bounds)), None) = (entries.next(), entries.next()) else {
            let message = format!("`{key}` needs one distribution: `uniform`, `log_uniform`, `int` or `choice`");
            return Err((message, None));
        };
        let list = bounds.as_array().cloned().unwrap_or_default();
        let numbers = match &list[..] {
            [low, high] => finite(low).zip(finite(high)).filter(|(low, high)| low < high),
            _ => None,
        };
        let needs = |what: &str| (format!("`{name}` of `{key}` needs {what}"), None);
        let rising = || numbers.ok_or_else(|| needs("a list of two numbers, the smaller one first"));
        match name.as_str() {
            "uniform" => rising().map(|(low, high)| Draw::Uniform(low, high)),
            "log_uniform" => match rising()? {
                (low, high) if low > 0.0 => Ok(Draw::LogUniform(low, high)),
                _ => Err(needs("two numbers above 0")),
            },
            "int" => match &list[..] {
                [Value::Integer(low), Value::Integer(high)] if low < high => Ok(Draw::Int(*low, *high)),
                _ => Err(needs("a list of two whole numbers, the smaller one first")),
            },
            "choice" if !list.is_empty() => Ok(Draw::Choice(list)),
            "choice" => Err(needs("a list with at least one value")),
            other => {
                let near = nearest(other, ["uniform", "log_uniform", "int", "choice"]);
                Err((
                    format!(
                        "unknown distribution `{other}` of `{key}`; expected `uniform`, `log_uniform`, `int` or `choice`"
                    ),
                    near.map(|near| format!("did you mean `{near}`?")),
                ))
            }
        }
    }

    /// The value of a sample. It depends only on the seed, the key and the number of the sample.
    pub(super) fn value(&self, seed: u64, key: &str, sample: u64) -> Value {
        let of_key = u64::from_str_radix(&digest(&[key.as_bytes()], 16), 16).unwrap_or_default();
        let mut stream = Stream::new(seed, Purpose::Sweep, sample, of_key);
        let mut share = || stream.below(1 << 53) as f64 / (1u64 << 53) as f64;
        match self {
            Draw::Uniform(low, high) => Value::Float(between(low + share() * (high - low), *low, *high)),
            Draw::LogUniform(low, high) => {
                Value::Float(between((low.ln() + share() * (high.ln() - low.ln())).exp(), *low, *high))
            }
            Draw::Int(low, high) => {
                let span = high.abs_diff(*low).saturating_add(1);
                Value::Integer(low.wrapping_add_unsigned(stream.below(span)))
            }
            Draw::Choice(values) => {
                let index = stream.below(values.len() as u64) as usize;
                values.get(index).cloned().unwrap_or(Value::Boolean(false))
            }
        }
    }
}

/// Rounds a drawn number to four digits of the number or of the width of the bounds, whichever is finer. If rounding would
/// move it to a bound, it is not rounded.
fn between(drawn: f64, low: f64, high: f64) -> f64 {
    let rounded = to_place(drawn, magnitude(drawn).min(magnitude(high - low)) - 3);
    if (low..high).contains(&rounded) { rounded } else { drawn.clamp(low, high) }
}

/// The sweep as it was written in all sources so far. Later sources replace single keys.
#[derive(Debug, Default)]
pub(super) struct RawSweep {
    /// Values of the keys of `[sweep.grid]`.
    pub(super) grid: BTreeMap<DottedKey, ListedValues>,
    /// Of `[sweep.zip]`.
    pub(super) zip: BTreeMap<DottedKey, ListedValues>,
    /// The keys of `[sweep.random]`; the distribution is `None` if it is invalid.
    pub(super) random: BTreeMap<DottedKey, (Entry, Option<Draw>)>,
    /// Whether any source has a key in `[sweep.random]`.
    pub(super) draws: bool,
    pub(super) samples: Option<Entry>,
    pub(super) draw_seed: Option<Entry>,
    pub(super) seeds: Option<ListedValues>,
    pub(super) limit: Option<Entry>,
    pub(super) include: Vec<Point>,
    pub(super) exclude: Vec<Pattern>,
    pub(super) is_partial: bool,
}

/// A key with its list of values; invalid values are `None`.
#[derive(Debug)]
pub(super) struct ListedValues {
    pub(super) entry: Entry,
    pub(super) values: Vec<(Option<Value>, Location)>,
}

impl RawSweep {
    /// Applies that `source` sets a key to one value: other sources no longer vary it, in their sweeps and includes.
    pub(super) fn fix_key(&mut self, key: &str, source: usize) {
        self.drop_other_sources(key, source);
        self.include.retain_mut(|point| {
            let before = point.len();
            point.retain(|assignment| assignment.key != key || assignment.location.source == source);
            // An include that lost all its keys would add one more trial without changes.
            before == 0 || !point.is_empty()
        });
    }

    /// Removes how other sources vary a key.
    pub(super) fn drop_other_sources(&mut self, key: &str, source: usize) {
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
    pub(super) fn finish(self) -> (Sweep, Vec<Diagnostic>) {
        let mut faults = self.varied_twice();
        let whole = |entry: &Option<Entry>| {
            let value = entry.as_ref().and_then(|entry| entry.content.as_integer());
            value.and_then(|value| u64::try_from(value).ok())
        };
        let limit = whole(&self.limit).unwrap_or(TRIAL_LIMIT);
        let mut blocks = Vec::new();
        if let Some((first, _)) = self.random.values().next() {
            match (whole(&self.samples), &self.samples) {
                (Some(samples), Some(entry)) if samples > limit => {
                    let (found, most) = (grouped(samples), grouped(limit));
                    let message = format!("{found} samples are more than the limit of {most} trials");
                    let can_raise = samples <= HARD_LIMIT;
                    let help = if can_raise { "lower `samples`, or raise `sweep.limit`" } else { "lower `samples`" };
                    faults.push(Diagnostic::at(&entry.value, message).with_help(help));
                }
                (Some(samples @ 1..), _) => {
                    let block = self.draw(samples, whole(&self.draw_seed).unwrap_or(0));
                    faults.extend(out_of_range(&block));
                    blocks.push(block);
                }
                (None, None) => {
                    let fault =
                        Diagnostic::at(&first.key, "`[sweep.random]` needs `samples`, the number of trials to draw");
                    faults.push(fault.with_help("add a line like `samples = 20`"));
                }
                // An invalid value of `samples` was already reported.
                (Some(0) | None, Some(_)) | (Some(_), None) => {}
            }
        } else if let Some(samples) = self.samples.as_ref().filter(|_| !self.draws) {
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
                value: draw.as_ref().map(|draw| draw.value(seed, key, sample)),
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
        let (key, count) = (key.as_str(), other.values.len());
        let message = format!("`{key}` has {count} values in `[sweep.zip]`, but `{first_key}` has {length}");
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
