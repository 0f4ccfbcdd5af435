//! A hash table of positions, for the two places where a search tree costs more than everything else in a block: the
//! cells touched by a block and the live ids.
//!
//! Rules must not depend on an order of hashing, so this wrapper offers none: there is no iteration. Users choose what
//! is looked up (ids, names), hence the hash is seeded per process; the seed can change timing, never a result.

use hashbrown::HashTable;
use std::hash::{BuildHasher, Hasher};

/// Values (positions in somebody's vector) found by the hash of what they stand for.
pub(crate) struct Positions<T> {
    table: HashTable<T>,
    seed: foldhash::fast::RandomState,
}

impl<T> Default for Positions<T> {
    fn default() -> Self {
        Self { table: HashTable::new(), seed: foldhash::fast::RandomState::default() }
    }
}

impl<T> Positions<T> {
    /// A table that needs not grow up to a number of values.
    pub(crate) fn with_capacity(values: usize) -> Self {
        Self { table: HashTable::with_capacity(values), ..Self::default() }
    }

    /// Hash of some parts, for the other methods.
    pub(crate) fn hash(&self, parts: &[&[u8]]) -> u64 {
        let mut hasher = self.seed.build_hasher();
        for part in parts {
            hasher.write(part);
        }
        hasher.finish()
    }

    /// A value with this hash for which `is` holds.
    pub(crate) fn find(&self, hash: u64, is: impl FnMut(&T) -> bool) -> Option<&T> {
        self.table.find(hash, is)
    }

    /// Adds a value; `rehash` gives the hash of any value of the table.
    pub(crate) fn insert(&mut self, hash: u64, value: T, rehash: impl Fn(&Self, &T) -> u64) {
        // The table wants to call back while it is borrowed: hash with a copy of the seed beside it.
        let seed = Self { table: HashTable::new(), seed: self.seed.clone() };
        self.table.insert_unique(hash, value, |value| rehash(&seed, value));
    }

    /// Removes one value with this hash for which `is` holds.
    pub(crate) fn remove(&mut self, hash: u64, is: impl FnMut(&T) -> bool) {
        if let Ok(entry) = self.table.find_entry(hash, is) {
            entry.remove();
        }
    }
}
