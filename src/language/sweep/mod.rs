//! The sweep of a spec: blocks of points, whose Cartesian product is the list of trials.
//!
//! A point sets values of some keys. `[sweep.random]` is a block with one point per sample. `[sweep.zip]` is a block with one
//! point per position in its lists. Each key of `[sweep.grid]` is a block with one point per value. `seeds` is a block with
//! one point per seed.

mod draw;
mod range;
mod raw;

pub(super) use draw::{DISTRIBUTIONS, Distribution, Draw};
pub(super) use range::{KEYS as RANGE_KEYS, NumberRange, SCALES};
pub(super) use raw::{ListedValues, RawSweep};

use super::diagnostics::Location;
use super::entry::DottedKey;
use crate::settings::{Key as KeyInfo, Keys, Role, Type, nearest};
use std::collections::BTreeMap;
use toml::Value;

/// The default of `sweep.limit`, and the maximum of the values that one number stands for: `seeds`, `steps` of a range.
/// They are made before the trials are counted.
pub const TRIAL_LIMIT: u64 = 100_000;

/// The maximum of `sweep.limit`: all trials are kept in memory.
pub const HARD_LIMIT: u64 = 1_000_000;

/// A key of `[sweep.random]` that is not the name of a key to draw.
pub(super) struct OfRandom {
    pub(super) name: &'static str,
    pub(super) doc: &'static str,
    pub(super) kind: Type,
    pub(super) default: Option<u64>,
}

/// The number of trials to draw.
pub(super) static SAMPLES: OfRandom = OfRandom {
    name: "samples",
    doc: "The number of random samples: each gives one trial.",
    kind: Type::COUNT,
    default: None,
};
/// The seed of the draws.
pub(super) static DRAW_SEED: OfRandom =
    OfRandom { name: "seed", doc: "The seed of the random samples.", kind: Type::WHOLE, default: Some(0) };

impl OfRandom {
    /// All of them.
    pub(super) const ALL: [&'static OfRandom; 2] = [&SAMPLES, &DRAW_SEED];

    /// The one with this name.
    pub(super) fn find(name: &str) -> Option<&'static OfRandom> {
        OfRandom::ALL.into_iter().find(|own| own.name == name)
    }

    /// The name that a misspelled one most likely means.
    pub(super) fn nearest(name: &str) -> Option<String> {
        nearest(name, OfRandom::ALL.map(|own| own.name))
    }
}

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
            "Dotted keys, each with the distribution that its values are drawn from, and `samples`, the number of random samples.",
            "{ samples = 20, \"objective.kl_weight\" = { log_uniform = [0.001, 1.0] } }",
        ),
        Type::Table,
        None,
    );
    keys.describe_only(
        part("seeds", "The number of seeds to train each setting with, counted from 0, or a list of seeds.", "5")
            .hint("write `seeds = 5` to use the seeds 0 to 4, or `seeds = [7, 8]` to use the seeds 7 and 8")
            .also("n_seeds num_seeds n_runs repeats n_repeats repetitions replicates"),
        Type::OneOf(
            &[Type::Whole { least: 1, most: TRIAL_LIMIT }, Type::List(&Type::WHOLE, 1)],
            "a number of seeds from 1 to 100,000, or a list of seeds",
        ),
        None,
    );
    keys.describe_only(
        part("limit", "A sweep with more trials than this is an error.", "200000"),
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
        // A key of a search may have no value in some points.
        let points = self.blocks.iter().flatten().chain(&self.include);
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
