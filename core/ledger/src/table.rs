//! A hash table of positions, for the two places where a search tree costs more than everything else in a block: the
//! cells touched by a block and the live ids.
//!
//! Rules must not depend on an order of hashing, so this wrapper offers none: there is no iteration. Users choose what
//! is looked up (ids, names), hence the hash is seeded per process; the seed can change timing, never a result.

use hashbrown::HashTable;
use std::{
    hash::{BuildHasher, Hasher},
    sync::LazyLock,
};

static SEED: LazyLock<foldhash::fast::RandomState> = LazyLock::new(foldhash::fast::RandomState::default);

/// Hash of some parts, for the methods of [`Positions`].
pub(crate) fn hash(parts: &[&[u8]]) -> u64 {
    let mut hasher = SEED.build_hasher();
    for part in parts {
        hasher.write(part);
    }
    hasher.finish()
}

/// Values (positions in somebody's vector) found by the hash of what they stand for.
pub(crate) struct Positions<T>(HashTable<T>);

impl<T> Default for Positions<T> {
    fn default() -> Self {
        Self(HashTable::new())
    }
}

impl<T> Positions<T> {
    /// A table that needs not grow up to a number of values.
    pub(crate) fn with_capacity(values: usize) -> Self {
        Self(HashTable::with_capacity(values))
    }

    /// A value with this hash for which `is` holds.
    pub(crate) fn find(&self, hash: u64, is: impl FnMut(&T) -> bool) -> Option<&T> {
        self.0.find(hash, is)
    }

    /// Adds a value; `rehash` gives the hash of any value of the table.
    pub(crate) fn insert(&mut self, hash: u64, value: T, rehash: impl Fn(&T) -> u64) {
        self.0.insert_unique(hash, value, rehash);
    }

    /// Removes one value with this hash for which `is` holds; false if there is none.
    pub(crate) fn remove(&mut self, hash: u64, is: impl FnMut(&T) -> bool) -> bool {
        self.0.find_entry(hash, is).map(|entry| entry.remove()).is_ok()
    }
}
