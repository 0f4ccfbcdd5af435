//! The cells of one owner as the base state stores them.
//!
//! Few small cells lie in one sorted block of bytes and are hashed directly; many or big ones get their own
//! trie. The representation never shows in a root.

use std::borrow::Borrow;
use std::collections::{btree_set, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use bubi_crypto::{Hash, HashSuite};
use rayon::prelude::*;

use super::hashing::{cell_leaf, path_of, read_uleb, Path, Uleb};
use super::overlay::{CellChange, LeafChange, SubDelta};
use super::trie::{push_exact, subtrie, Entry, Leaf, Slot, Trie};

/// Most cells of an owner in the small representation.
pub(crate) const SMALL_CELLS: usize = 16;

/// Most bytes of an owner in the small representation.
pub(crate) const SMALL_BYTES: usize = 4096;

/// A cell: key and value.
pub type CellRef<'a> = (&'a [u8], &'a [u8]);

/// True if cells of this number and size are kept in one block.
pub(crate) fn is_small(cells: &[CellRef<'_>]) -> bool {
    cells.len() <= SMALL_CELLS && cells.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>() <= SMALL_BYTES
}

/// Cells root of a few cells.
pub(crate) fn direct_root(suite: HashSuite, cells: &[CellRef<'_>]) -> Slot {
    match cells {
        [] => Slot::EMPTY,
        [(key, value)] => Slot { hash: cell_leaf(suite, key, value), count: 1 },
        _ => subtrie(suite, &direct_leaves(suite, cells), 0),
    }
}

/// As [`direct_root`], with paths from a memo.
pub(crate) fn remembered_root(suite: HashSuite, cells: &[CellRef<'_>], memo: &mut PathMemo) -> Slot {
    match cells {
        [] => Slot::EMPTY,
        [(key, value)] => Slot { hash: cell_leaf(suite, key, value), count: 1 },
        _ => {
            let leaf =
                |(key, value): &CellRef<'_>| Leaf { path: memo.path(suite, key), hash: cell_leaf(suite, key, value) };
            let mut leaves: Vec<Leaf> = cells.iter().map(leaf).collect();
            leaves.sort_unstable_by_key(|leaf| leaf.path);
            subtrie(suite, &leaves, 0)
        }
    }
}

/// Places in a [`PathMemo`].
const REMEMBERED: usize = 64;

/// Paths of cell keys met before: most accounts of a block have the same few keys (header, holding of one asset).
#[derive(Default)]
pub(crate) struct PathMemo(Vec<Option<(Box<[u8]>, Path)>>);

impl PathMemo {
    /// Path of a cell key. One memo serves one suite.
    fn path(&mut self, suite: HashSuite, key: &[u8]) -> Path {
        if self.0.is_empty() {
            self.0.resize_with(REMEMBERED, || None);
        }
        // Keys are prefixes with hashes: their last byte and their length tell them apart well enough.
        let place = (usize::from(key.last().copied().unwrap_or(0)) + key.len()) % REMEMBERED;
        match &mut self.0[place] {
            Some((known, path)) if **known == *key => *path,
            slot => {
                let path = path_of(suite, key);
                *slot = Some((key.into(), path));
                path
            }
        }
    }
}

/// Leaves of a few cells, sorted by path.
pub(crate) fn direct_leaves(suite: HashSuite, cells: &[CellRef<'_>]) -> Vec<Leaf> {
    let leaf = |(key, value): &CellRef<'_>| Leaf { path: path_of(suite, key), hash: cell_leaf(suite, key, value) };
    let mut leaves: Vec<Leaf> = cells.iter().map(leaf).collect();
    leaves.sort_unstable_by_key(|leaf| leaf.path);
    leaves
}

/// A few cells in one block: length of key (1 byte), length of value (ULEB128), key, value; sorted by key.
#[derive(Default)]
pub(crate) struct SmallCells(Box<[u8]>);

impl SmallCells {
    /// Packs cells that are sorted by key.
    pub(crate) fn pack(cells: &[CellRef<'_>]) -> Self {
        let lengths = |(key, value): &CellRef<'_>| 1 + Uleb::of(value.len()).bytes().len() + key.len() + value.len();
        let mut block = Vec::with_capacity(cells.iter().map(lengths).sum());
        for (key, value) in cells {
            block.push(u8::try_from(key.len()).unwrap_or(u8::MAX));
            block.extend_from_slice(Uleb::of(value.len()).bytes());
            block.extend_from_slice(key);
            block.extend_from_slice(value);
        }
        Self(block.into_boxed_slice())
    }

    fn iter(&self) -> SmallIter<'_> {
        SmallIter(&self.0)
    }

    fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.iter().find(|cell| cell.0 == key).map(|cell| cell.1)
    }

    /// Overwrites a value of the same length in place; false if that is not the case.
    fn swap_in_place(&mut self, key: &[u8], value: &mut [u8]) -> bool {
        let range = match self.get(key) {
            Some(old) if old.len() == value.len() => {
                let start = old.as_ptr() as usize - self.0.as_ptr() as usize;
                start..start + old.len()
            }
            _ => return false,
        };
        self.0[range].swap_with_slice(value);
        true
    }
}

/// Cells of a [`SmallCells`] in key order.
#[derive(Clone)]
pub(crate) struct SmallIter<'a>(&'a [u8]);

impl<'a> Iterator for SmallIter<'a> {
    type Item = CellRef<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let (key_length, rest) = self.0.split_first()?;
        let (value_length, rest) = read_uleb(rest)?;
        let (key, rest) = rest.split_at_checked(usize::from(*key_length))?;
        let (value, rest) = rest.split_at_checked(value_length)?;
        self.0 = rest;
        Some((key, value))
    }
}

/// A cell of a large owner: length of key (1 byte), key, value. Shared by the trie and the key order.
#[derive(Clone)]
pub(crate) struct PackedCell(Arc<[u8]>);

impl PackedCell {
    fn new(key: &[u8], value: &[u8]) -> Self {
        let mut packed = Vec::with_capacity(1 + key.len() + value.len());
        packed.push(u8::try_from(key.len()).unwrap_or(u8::MAX));
        packed.extend_from_slice(key);
        packed.extend_from_slice(value);
        Self(packed.into())
    }

    fn parts(&self) -> CellRef<'_> {
        self.0[1..].split_at(usize::from(self.0[0]))
    }
}

impl Borrow<[u8]> for PackedCell {
    fn borrow(&self) -> &[u8] {
        self.parts().0
    }
}

impl PartialEq for PackedCell {
    fn eq(&self, other: &Self) -> bool {
        self.parts().0 == other.parts().0
    }
}

impl Eq for PackedCell {}

impl PartialOrd for PackedCell {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for PackedCell {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.parts().0.cmp(other.parts().0)
    }
}

/// A cell in the trie of a large owner.
pub(crate) struct CellEntry {
    leaf: Hash,
    cell: PackedCell,
}

impl Entry for CellEntry {
    fn path(&self, suite: HashSuite) -> Path {
        path_of(suite, self.cell.parts().0)
    }

    fn leaf(&self) -> Hash {
        self.leaf
    }
}

/// Many cells: a trie by path and an order by key.
pub(crate) struct LargeCells {
    pub(crate) trie: Trie<CellEntry>,
    ordered: BTreeSet<PackedCell>,
    bytes: usize,
}

impl LargeCells {
    fn new(suite: HashSuite, cells: &[CellRef<'_>]) -> Self {
        let mut entries: Vec<(Path, CellEntry)> = cells
            .par_iter()
            .with_min_len(256)
            .map(|(key, value)| {
                let entry = CellEntry { leaf: cell_leaf(suite, key, value), cell: PackedCell::new(key, value) };
                (path_of(suite, key), entry)
            })
            .collect();
        let ordered = entries.iter().map(|(_, entry)| entry.cell.clone()).collect();
        entries.par_sort_unstable_by(|one, other| one.0.cmp(&other.0));
        let entries = entries.into_iter().map(|(_, entry)| entry).collect();
        let bytes = cells.iter().map(|(key, value)| key.len() + value.len()).sum();
        Self { trie: Trie::from_sorted(suite, entries), ordered, bytes }
    }

    fn get(&self, suite: HashSuite, key: &[u8]) -> Option<&[u8]> {
        let bucket = self.trie.bucket(&path_of(suite, key));
        bucket.iter().map(|entry| entry.cell.parts()).find(|cell| cell.0 == key).map(|cell| cell.1)
    }

    /// Key of the cell at `path`.
    pub(crate) fn key_at(&self, suite: HashSuite, path: &Path) -> Option<&[u8]> {
        let bucket = self.trie.bucket(path);
        bucket.iter().find(|entry| entry.path(suite) == *path).map(|entry| entry.cell.parts().0)
    }

    /// Writes one cell and returns the former value and leaf.
    fn replace(
        &mut self,
        suite: HashSuite,
        path: &Path,
        key: &[u8],
        new: Option<(&[u8], Hash)>,
    ) -> Option<(Box<[u8]>, Hash)> {
        let bucket = self.trie.bucket_mut(path);
        let position = bucket.iter().position(|entry| entry.cell.parts().0 == key);
        let entry = new.map(|(value, leaf)| CellEntry { leaf, cell: PackedCell::new(key, value) });
        if let Some(entry) = &entry {
            self.ordered.replace(entry.cell.clone());
            self.bytes += entry.cell.0.len() - 1;
        } else {
            self.ordered.remove(key);
        }
        let old = match (position, entry) {
            (Some(position), Some(entry)) => Some(std::mem::replace(&mut bucket[position], entry)),
            (Some(position), None) => Some(bucket.remove(position)),
            (None, Some(entry)) => {
                push_exact(bucket, entry);
                bucket.sort_unstable_by_key(|entry| entry.path(suite));
                None
            }
            (None, None) => None,
        };
        old.map(|entry| {
            self.bytes -= entry.cell.0.len() - 1;
            (entry.cell.parts().1.into(), entry.leaf)
        })
    }

    /// Applies changes and turns them into their inverse.
    fn swap(&mut self, suite: HashSuite, cells: &mut [CellChange], sub: &mut SubDelta) {
        if sub.delta.depth > self.trie.depth() {
            self.trie.grow(sub.delta.depth);
        }
        for change in &mut sub.leaves {
            let cell = &mut cells[change.cell as usize];
            let new = cell.value.as_deref().zip(change.leaf);
            let old = self.replace(suite, &change.path, &cell.key, new);
            (cell.value, change.leaf) = old.map_or((None, None), |(value, leaf)| (Some(value), Some(leaf)));
        }
        self.trie.swap_nodes(&mut sub.delta, sub.leaves.iter().map(|leaf: &LeafChange| leaf.path));
    }

    fn iter(&self) -> impl Iterator<Item = CellRef<'_>> {
        self.ordered.iter().map(PackedCell::parts)
    }
}

/// The cells of one owner.
pub(crate) enum Cells {
    Small(SmallCells),
    Large(Box<LargeCells>),
}

impl Default for Cells {
    fn default() -> Self {
        Self::Small(SmallCells::default())
    }
}

impl Cells {
    /// Stores cells that are sorted by key, and returns their root too.
    pub(crate) fn build(suite: HashSuite, cells: &[CellRef<'_>]) -> (Self, Hash) {
        if is_small(cells) {
            return (Self::Small(SmallCells::pack(cells)), direct_root(suite, cells).hash);
        }
        let large = LargeCells::new(suite, cells);
        let root = large.trie.root().hash;
        (Self::Large(Box::new(large)), root)
    }

    pub(crate) fn get(&self, suite: HashSuite, key: &[u8]) -> Option<&[u8]> {
        match self {
            Self::Small(small) => small.get(key),
            Self::Large(large) => large.get(suite, key),
        }
    }

    /// Reads a byte of each cache line of a small block, see [`super::state::State::warm`].
    pub(crate) fn warm(&self) -> u8 {
        match self {
            Self::Small(small) => small.0.iter().step_by(64).fold(0, |bits, byte| bits ^ byte),
            Self::Large(_) => 0,
        }
    }

    pub(crate) fn count(&self) -> u64 {
        match self {
            Self::Small(small) => small.iter().count() as u64,
            Self::Large(large) => large.ordered.len() as u64,
        }
    }

    /// Cells in key order from a bound on.
    pub(crate) fn range<'a>(&'a self, from: Bound<&'a [u8]>) -> CellsIter<'a> {
        match self {
            Self::Small(small) => {
                let mut iter = small.iter();
                let before = |key: &[u8]| match from {
                    Bound::Unbounded => false,
                    Bound::Included(bound) => key < bound,
                    Bound::Excluded(bound) => key <= bound,
                };
                while iter.clone().next().is_some_and(|cell| before(cell.0)) {
                    iter.next();
                }
                CellsIter::Small(iter)
            }
            Self::Large(large) => CellsIter::Large(large.ordered.range::<[u8], _>((from, Bound::Unbounded))),
        }
    }

    pub(crate) fn iter(&self) -> CellsIter<'_> {
        self.range(Bound::Unbounded)
    }

    /// Bytes of heap behind this value, allocator overhead not included.
    pub(crate) fn heap_bytes(&self) -> usize {
        match self {
            Self::Small(small) => small.0.len(),
            // Reference counts, set entry and its share of the set's nodes.
            Self::Large(large) => large.trie.array_bytes() + large.bytes + large.ordered.len() * (1 + 16 + 24),
        }
    }

    /// Applies changes and turns them into their inverse. `sub` is present if either side of the change is
    /// large.
    pub(crate) fn swap(&mut self, suite: HashSuite, cells: &mut [CellChange], sub: Option<&mut SubDelta>) {
        let Some(sub) = sub else {
            self.demote();
            if let Self::Small(small) = self {
                swap_small(small, cells);
            }
            return;
        };
        if let Self::Small(small) = self {
            let cells: Vec<CellRef<'_>> = small.iter().collect();
            *self = Self::Large(Box::new(LargeCells::new(suite, &cells)));
        }
        if let Self::Large(large) = self {
            large.swap(suite, cells, sub);
            if large.ordered.len() <= SMALL_CELLS / 2 && large.bytes <= SMALL_BYTES / 2 {
                self.demote();
            }
        }
    }

    /// Goes back to the small representation.
    fn demote(&mut self) {
        if let Self::Large(large) = self {
            let cells: Vec<CellRef<'_>> = large.iter().collect();
            *self = Self::Small(SmallCells::pack(&cells));
        }
    }
}

fn swap_small(small: &mut SmallCells, changes: &mut [CellChange]) {
    if let [CellChange { key, value: Some(value) }] = changes {
        if small.swap_in_place(key, value) {
            return;
        }
    }
    let olds: Vec<Option<Box<[u8]>>> = changes.iter().map(|change| small.get(&change.key).map(Into::into)).collect();
    let mut cells: Vec<CellRef<'_>> = small.iter().collect();
    apply_changes(&mut cells, changes);
    let packed = SmallCells::pack(&cells);
    *small = packed;
    for (change, old) in changes.iter_mut().zip(olds) {
        change.value = old;
    }
}

/// Applies changes (sorted by key) to cells (sorted by key).
pub(crate) fn apply_changes<'a>(cells: &mut Vec<CellRef<'a>>, changes: &'a [CellChange]) {
    for change in changes {
        let found = cells.binary_search_by(|cell| cell.0.cmp(&change.key));
        match (found, &change.value) {
            (Ok(position), Some(value)) => cells[position].1 = value,
            (Ok(position), None) => {
                cells.remove(position);
            }
            (Err(position), Some(value)) => cells.insert(position, (&change.key, value)),
            (Err(_), None) => {}
        }
    }
}

/// Cells of one owner in key order.
pub(crate) enum CellsIter<'a> {
    Small(SmallIter<'a>),
    Large(btree_set::Range<'a, PackedCell>),
}

impl<'a> Iterator for CellsIter<'a> {
    type Item = CellRef<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Small(iter) => iter.next(),
            Self::Large(range) => range.next().map(PackedCell::parts),
        }
    }
}
