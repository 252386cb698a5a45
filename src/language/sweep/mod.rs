//! What a sweep asks for: blocks of points, whose product is the trials.
//!
//! A point gives values to some keys. `[sweep.random]` is a block with a point a sample, `[sweep.zip]` one with a point a
//! place in its lists, each key of `[sweep.grid]` one with a point a value, and `seeds` one with a point a seed.

mod draw;
mod range;
mod raw;

pub(super) use draw::Draw;
pub(super) use range::NumberRange;
pub(super) use raw::{ListedValues, RawSweep};

use super::diagnostics::Location;
use super::entry::DottedKey;
use crate::settings::{Key as KeyInfo, Keys, Role, Type};
use std::collections::BTreeMap;
use toml::Value;

/// Trials that one experiment may have, unless `sweep.limit` says more.
pub const TRIAL_LIMIT: u64 = 100_000;

/// Trials that an experiment may have at all: they are kept in memory.
pub const HARD_LIMIT: u64 = 1_000_000;

/// Describes the table: its parts are read with their places, by the reader of specs.
pub(super) fn describe(keys: &mut Keys<'_>) {
    const fn part(name: &'static str, doc: &'static str, example: &'static str) -> KeyInfo {
        KeyInfo::new(name, doc).example(example).role(Role::Document)
    }
    keys.describe_only(
        part(
            "grid",
            "Dotted keys, each with the values to try, or a range of numbers: every combination is a trial.",
            "{ \"objective.kl_weight\" = [0.1, 1.0], \"model.latent_dim\" = { from = 2, to = 8, steps = 4 } }",
        ),
        Type::Table,
        None,
    );
    keys.describe_only(
        part(
            "zip",
            "Dotted keys, each with as many values as the others: the first of each are a trial, then the second, and so on.",
            "{ \"train.epochs\" = [10, 20], \"train.learning_rate\" = [0.001, 0.0005] }",
        ),
        Type::Table,
        None,
    );
    keys.describe_only(
        part(
            "random",
            "Dotted keys, each with how its values are drawn.",
            "{ samples = 20, \"objective.kl_weight\" = { log_uniform = [0.001, 1.0] } }",
        ),
        Type::Table,
        None,
    );
    keys.describe_only(
        part("seeds", "How many seeds each setting is trained with, from 0 on, or a list of them.", "5")
            .also("n_seeds num_seeds n_runs repeats n_repeats repetitions replicates"),
        Type::OneOf(&[Type::Whole { least: 1, most: TRIAL_LIMIT }, Type::List(&Type::WHOLE, 1)], "seeds"),
        None,
    );
    keys.describe_only(
        part("limit", "Trials that there may be.", "200000"),
        Type::Whole { least: 1, most: HARD_LIMIT },
        Some(Value::Integer(TRIAL_LIMIT as i64)),
    );
    keys.describe_only(
        part(
            "include",
            "Further trials: tables of dotted keys and their values.",
            "[{ \"objective.kl_weight\" = 0.0 }]",
        ),
        Type::Tables,
        None,
    );
    keys.describe_only(
        part(
            "exclude",
            "Trials to leave out: those with all values of one of these tables; a list means any of its values.",
            "[{ \"model.latent_dim\" = [2, 4], seed = 0 }]",
        ),
        Type::Tables,
        None,
    );
}

/// A key's value in some trials, and where it was written.
#[derive(Clone, Debug)]
pub struct Assignment {
    /// The dotted key.
    pub key: DottedKey,
    /// Its value; nothing where that could not be read, which is a fault of the document.
    pub value: Option<Value>,
    /// Where that, or what it was made from, was written.
    pub location: Location,
}

/// Values of some keys.
pub type Point = Vec<Assignment>;

/// Points of which each trial has one.
pub type Block = Vec<Point>;

/// The sweep of a spec.
#[derive(Clone, Debug, Default)]
pub struct Sweep {
    /// The blocks whose product is the trials; the first varies slowest.
    pub blocks: Vec<Block>,
    /// Further trials, each with the values of one of these points beside the spec's own.
    pub include: Vec<Point>,
    /// The block of the seeds, which further trials have too.
    pub seeds: Block,
    /// Trials with all values of one of these patterns are left out: for each key the values that match.
    pub exclude: Vec<Pattern>,
    /// Trials that there may be.
    pub limit: u64,
    /// Whether a part could not be read, so that there are other trials than were meant.
    pub is_partial: bool,
}

/// Keys, each with the values of which a trial must have one.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// The values by key.
    pub values: BTreeMap<DottedKey, Vec<Value>>,
    /// Where it was written.
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

    /// How many trials the product has, and the further ones; nothing where these are more than 128 bits count.
    pub fn count(&self) -> Option<u128> {
        let mut lengths = self.blocks.iter().map(|block| block.len() as u128);
        let product = lengths.try_fold(1u128, u128::checked_mul);
        let further = (self.include.len() as u128).checked_mul(self.seeds.len().max(1) as u128);
        product?.checked_add(further?)
    }

    /// The points of a trial, by its number: those of the product come first, then the further ones with each seed. A
    /// later point counts more. There is one of each number below [`Sweep::count`].
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

    /// The longest list.
    pub fn longest(&self) -> Option<Location> {
        let block = self.blocks.iter().rev().max_by_key(|block| block.len())?;
        let (first, last) = (block.first()?.first()?, block.last()?.first()?);
        let same = first.location.source == last.location.source;
        Some(Location { end: if same { last.location.end } else { first.location.end }, ..first.location.clone() })
    }
}

/// The points of one trial of the product: for each block, one.
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

/// What is wrong with a part of a sweep, and what to do where that is known.
pub(super) type Reason = (String, Option<String>);
