//! The places of a card's memory. What is given back is reused, always the lowest place first: steps that do the same use the same places.

use super::driver::Address;
use std::collections::{BTreeMap, BTreeSet};

/// The memory that was reserved so far.
#[derive(Debug, Default)]
pub(super) struct Pool {
    /// The free places, by size.
    free: BTreeMap<usize, BTreeSet<Address>>,
    all: BTreeSet<Address>,
}

impl Pool {
    /// The size that holds some bytes: at most an eighth more than needed, so that nearby sizes share their memory.
    pub(super) fn size_of(bytes: usize) -> usize {
        let step = (bytes.max(1).next_power_of_two() / 16).max(256);
        bytes.max(1).next_multiple_of(step)
    }

    /// A free place of a size.
    pub(super) fn take(&mut self, size: usize) -> Option<Address> {
        self.free.get_mut(&size)?.pop_first()
    }

    pub(super) fn put(&mut self, address: Address, size: usize) {
        self.free.entry(size).or_default().insert(address);
    }

    pub(super) fn add(&mut self, address: Address) {
        self.all.insert(address);
    }

    /// Forgets all free places, and returns them.
    pub(super) fn clear(&mut self) -> Vec<Address> {
        let free: Vec<Address> = std::mem::take(&mut self.free).into_values().flatten().collect();
        free.iter().for_each(|address| {
            self.all.remove(address);
        });
        free
    }

    /// All places, free or not.
    pub(super) fn all(&self) -> impl Iterator<Item = Address> + '_ {
        self.all.iter().copied()
    }
}
