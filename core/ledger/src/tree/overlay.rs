//! Sets of changed cells on top of a state, and the view through them.
#![allow(clippy::option_option, reason = "outer: whether this layer wrote the cell; inner: value or removal")]

use std::borrow::Cow;
use std::collections::{btree_map, BTreeMap};
use std::iter::Peekable;
use std::ops::Bound;

use bubi_crypto::{Hash, HashSuite};
use rayon::prelude::*;

use super::cells::{
    apply_changes, direct_leaves, direct_root, is_small, remembered_root, CellRef, Cells, CellsIter, LargeCells,
    PathMemo, SMALL_CELLS,
};
use super::hashing::{cell_leaf, owner_leaf, path_of, Path};
use super::key::{check_cell, check_key, OwnerKey, TreeError};
use super::state::{Owner, State};
use super::trie::{ideal_depth, Base, Change, Layer, Leaf, LeafBase, Slot, Stack, TrieDelta};

/// Writes to the cells of one owner: the new value, or `None` for a removal.
pub(crate) type Writes = BTreeMap<Box<[u8]>, Option<Box<[u8]>>>;

/// Owners whose memory is fetched together.
const WARM_OWNERS: usize = 32;

/// Owners per task when their changes are hashed: about 0.2 ms of work.
const FINISH_OWNERS: usize = 128;

/// A write set: changed cells by owner and key, without any hash.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    pub(crate) owners: BTreeMap<OwnerKey, Writes>,
}

impl Changes {
    /// An empty write set.
    pub fn new() -> Self {
        Self::default()
    }

    /// True if no cell was written.
    pub fn is_empty(&self) -> bool {
        self.owners.is_empty()
    }

    /// Writes a cell. Errors: key or value length out of bounds.
    pub fn put(&mut self, owner: &OwnerKey, key: &[u8], value: &[u8]) -> Result<(), TreeError> {
        check_cell(key, value)?;
        self.write(owner, key, Some(value.into()));
        Ok(())
    }

    /// Removes a cell, if there is one. Errors: key length out of bounds.
    pub fn remove(&mut self, owner: &OwnerKey, key: &[u8]) -> Result<(), TreeError> {
        check_key(key)?;
        self.write(owner, key, None);
        Ok(())
    }

    /// The write to a cell, if there was one: `Some(None)` is a removal.
    pub fn get(&self, owner: &OwnerKey, key: &[u8]) -> Option<Option<&[u8]>> {
        self.owners.get(owner)?.get(key).map(Option::as_deref)
    }

    /// Adds the writes of `newer`, which win. Linear in the cells of `newer`.
    pub fn absorb(&mut self, newer: Self) {
        for (owner, writes) in newer.owners {
            self.owners.entry(owner).or_default().extend(writes);
        }
    }

    /// Writes without a check and returns what was written before.
    pub(crate) fn write(
        &mut self,
        owner: &OwnerKey,
        key: &[u8],
        value: Option<Box<[u8]>>,
    ) -> Option<Option<Box<[u8]>>> {
        let writes = self.owners.entry(*owner).or_default();
        match writes.get_mut(key) {
            Some(slot) => Some(std::mem::replace(slot, value)),
            None => writes.insert(key.into(), value),
        }
    }

    /// Takes a write back to what [`Changes::write`] returned.
    pub(crate) fn unwrite(&mut self, owner: &OwnerKey, key: &[u8], before: Option<Option<Box<[u8]>>>) {
        let Some(writes) = self.owners.get_mut(owner) else {
            return;
        };
        if let Some(value) = before {
            writes.insert(key.into(), value);
            return;
        }
        writes.remove(key);
        if writes.is_empty() {
            self.owners.remove(owner);
        }
    }
}

/// A changed cell.
#[derive(Clone, Debug)]
pub(crate) struct CellChange {
    pub(crate) key: Box<[u8]>,
    pub(crate) value: Option<Box<[u8]>>,
}

/// A changed leaf of a large owner's trie.
#[derive(Clone, Debug)]
pub(crate) struct LeafChange {
    pub(crate) path: Path,
    pub(crate) leaf: Option<Hash>,
    /// Position of the cell among the owner's changes.
    pub(crate) cell: u32,
}

impl Change for LeafChange {
    fn path(&self) -> &Path {
        &self.path
    }

    fn leaf(&self) -> Option<Hash> {
        self.leaf
    }
}

/// Changed leaves and nodes of a large owner's trie.
#[derive(Clone, Debug)]
pub(crate) struct SubDelta {
    /// Sorted by path.
    pub(crate) leaves: Vec<LeafChange>,
    pub(crate) delta: TrieDelta,
}

/// A changed owner.
#[derive(Clone, Debug)]
pub(crate) struct OwnerChange {
    pub(crate) key: OwnerKey,
    pub(crate) path: Path,
    /// New owner leaf; `None` if the owner has no cells any more.
    pub(crate) leaf: Option<Hash>,
    /// Number of the owner's cells before and after.
    pub(crate) before: u64,
    pub(crate) after: u64,
    /// Sorted by key.
    pub(crate) cells: Vec<CellChange>,
    /// Absent if the owner was small in every layer when this change was made.
    pub(crate) sub: Option<Box<SubDelta>>,
}

impl Change for OwnerChange {
    fn path(&self) -> &Path {
        &self.path
    }

    fn leaf(&self) -> Option<Hash> {
        self.leaf
    }
}

impl OwnerChange {
    fn cell(&self, key: &[u8]) -> Option<Option<&[u8]>> {
        let position = self.cells.binary_search_by(|cell| (*cell.key).cmp(key)).ok()?;
        Some(self.cells[position].value.as_deref())
    }

    /// The change as leaves of the owner's own trie.
    fn leaf_changes(&self, suite: HashSuite) -> Cow<'_, [LeafChange]> {
        match &self.sub {
            Some(sub) => Cow::Borrowed(&sub.leaves),
            None => Cow::Owned(leaf_changes(suite, &self.cells)),
        }
    }
}

fn leaf_changes(suite: HashSuite, cells: &[CellChange]) -> Vec<LeafChange> {
    let mut leaves: Vec<LeafChange> = cells
        .par_iter()
        .with_min_len(256)
        .zip(0_u32..u32::MAX)
        .map(|(change, cell)| LeafChange {
            path: path_of(suite, &change.key),
            leaf: change.value.as_ref().map(|value| cell_leaf(suite, &change.key, value)),
            cell,
        })
        .collect();
    leaves.par_sort_unstable_by_key(|leaf| leaf.path);
    leaves
}

/// A finished set of changes with the new root and the changed tree nodes. Stands on exactly one parent state.
#[derive(Clone, Debug)]
pub struct Overlay {
    pub(crate) suite: HashSuite,
    pub(crate) parent: Hash,
    pub(crate) root: Hash,
    /// Number of owners before and after.
    pub(crate) owners: (u64, u64),
    /// Number of cells before and after.
    pub(crate) cells: (u64, u64),
    /// Sorted by path.
    pub(crate) changes: Vec<OwnerChange>,
    pub(crate) delta: TrieDelta,
}

impl Overlay {
    /// Computes the state root after `changes` on top of `state` and its `parents` (oldest first).
    /// Errors: the parents do not stand on each other and on the state.
    pub fn finish(state: &State, parents: &[&Overlay], changes: Changes) -> Result<Self, TreeError> {
        Ok(View::new(state, parents)?.finish(changes))
    }

    /// State root after the changes.
    pub fn root(&self) -> Hash {
        self.root
    }

    /// State root that the changes stand on.
    pub fn parent_root(&self) -> Hash {
        self.parent
    }

    /// Every changed cell: owner, key, new value (`None` if removed); by owner path, then key.
    pub fn changed_cells(&self) -> impl Iterator<Item = (&OwnerKey, &[u8], Option<&[u8]>)> {
        self.changes
            .iter()
            .flat_map(|change| change.cells.iter().map(move |cell| (&change.key, &*cell.key, cell.value.as_deref())))
    }

    /// As [`Overlay::changed_cells`], with whether the cell existed before; `before` is the view that the overlay stands on. It is
    /// asked only where an owner got some of several cells new, because most changes follow from the numbers of cells.
    pub fn changed_cells_since<'b>(
        &'b self,
        before: &'b View<'_>,
    ) -> impl Iterator<Item = (&'b OwnerKey, &'b [u8], Option<&'b [u8]>, bool)> {
        self.changes.iter().flat_map(move |change| {
            let written = change.cells.iter().filter(|cell| cell.value.is_some()).count() as u64;
            let removed = change.cells.len() as u64 - written;
            let created = (change.after + removed).saturating_sub(change.before);
            change.cells.iter().map(move |cell| {
                let existed = cell.value.is_none()
                    || created == 0
                    || (created != written && before.get(&change.key, &cell.key).is_some());
                (&change.key, &*cell.key, cell.value.as_deref(), existed)
            })
        })
    }

    /// Number of changed cells.
    pub fn changed_count(&self) -> usize {
        self.changes.iter().map(|change| change.cells.len()).sum()
    }

    /// Number of cells after the changes.
    pub fn cell_count(&self) -> u64 {
        self.cells.1
    }

    /// Number of owners after the changes.
    pub fn owner_count(&self) -> u64 {
        self.owners.1
    }

    pub(crate) fn owner(&self, path: &Path) -> Option<&OwnerChange> {
        let position = self.changes.binary_search_by(|change| change.path.cmp(path)).ok()?;
        Some(&self.changes[position])
    }

    pub(crate) fn layer(&self) -> Layer<'_, OwnerChange> {
        Layer { changes: &self.changes, delta: Some(&self.delta) }
    }
}

/// A state seen through a stack of overlays.
#[derive(Clone)]
pub struct View<'a> {
    pub(crate) state: &'a State,
    /// Oldest first.
    overlays: Vec<&'a Overlay>,
}

impl<'a> View<'a> {
    /// A view through `overlays`, oldest first. Errors: one of them does not stand on the one before, or uses
    /// another hash suite.
    pub fn new(state: &'a State, overlays: &[&'a Overlay]) -> Result<Self, TreeError> {
        let mut root = state.root();
        for overlay in overlays {
            if overlay.suite != state.suite() {
                return Err(TreeError::WrongSuite);
            }
            if overlay.parent != root {
                return Err(TreeError::WrongParent);
            }
            root = overlay.root;
        }
        Ok(Self { state, overlays: overlays.to_vec() })
    }

    /// Root of the viewed state.
    pub fn root(&self) -> Hash {
        self.overlays.last().map_or_else(|| self.state.root(), |overlay| overlay.root)
    }

    /// Hash suite of the state.
    pub fn suite(&self) -> HashSuite {
        self.state.suite()
    }

    /// Number of cells.
    pub fn cell_count(&self) -> u64 {
        self.overlays.last().map_or_else(|| self.state.cell_count(), |overlay| overlay.cells.1)
    }

    /// Number of owners with at least one cell.
    pub fn owner_count(&self) -> u64 {
        self.overlays.last().map_or_else(|| self.state.owner_count(), |overlay| overlay.owners.1)
    }

    /// Value of a cell.
    pub fn get(&self, owner: &OwnerKey, key: &[u8]) -> Option<&'a [u8]> {
        let path = path_of(self.suite(), owner.as_bytes());
        for overlay in self.overlays.iter().rev() {
            if let Some(value) = overlay.owner(&path).and_then(|change| change.cell(key)) {
                return value;
            }
        }
        self.state.owner(&path)?.cells.get(self.suite(), key)
    }

    /// Cells of an owner in key order.
    pub fn cells(&self, owner: &OwnerKey) -> MergedCells<'a> {
        self.cells_from(owner, Bound::Unbounded)
    }

    /// Cells of an owner in key order from a key on (or after it).
    pub fn cells_from<'b>(&self, owner: &OwnerKey, from: Bound<&'b [u8]>) -> MergedCells<'b>
    where
        'a: 'b,
    {
        self.owner(owner).range(from)
    }

    /// Computes the state root after `changes` on top of this view.
    pub fn finish(&self, changes: Changes) -> Overlay {
        let suite = self.suite();
        let mut writes: Vec<(Path, OwnerKey, Writes)> = changes
            .owners
            .into_par_iter()
            .map(|(owner, writes)| (path_of(suite, owner.as_bytes()), owner, writes))
            .collect();
        // In path order the owners lie side by side in memory.
        writes.par_sort_unstable_by(|one, other| one.0.cmp(&other.0));
        let owners: Vec<OwnerWrites<'_>> = writes
            .par_chunks_mut(WARM_OWNERS)
            .flat_map_iter(|chunk| {
                self.state.warm(&chunk.iter().map(|(path, ..)| *path));
                chunk.iter_mut().map(|(path, owner, writes)| OwnerWrites {
                    view: self.owner_at(*path, owner),
                    cells: std::mem::take(writes).into_iter().map(|(key, value)| CellChange { key, value }).collect(),
                })
            })
            .collect();
        self.finish_owners(owners)
    }

    /// Computes the state root after writes to owners that were looked up in this very view, each at most once and in the order of
    /// their paths.
    pub(crate) fn finish_owners(&self, writes: Vec<OwnerWrites<'_>>) -> Overlay {
        let owners: Vec<Option<OwnerChange>> = writes
            .into_par_iter()
            .with_min_len(FINISH_OWNERS)
            .map_init(PathMemo::default, |memo, OwnerWrites { view, cells }| view.finish(cells, memo))
            .collect();
        // In place: a change is large, and most owners have one.
        let owners: Vec<OwnerChange> = owners.into_iter().flatten().collect();
        let (mut owner_count, mut cell_count) = (self.owner_count(), self.cell_count());
        for change in &owners {
            owner_count = owner_count + u64::from(change.after > 0) - u64::from(change.before > 0);
            cell_count = cell_count + change.after - change.before;
        }
        let delta = self.stack().update(&owners, ideal_depth(owner_count));
        Overlay {
            suite: self.suite(),
            parent: self.root(),
            root: delta.root().map_or_else(|| self.root(), |slot| slot.hash),
            owners: (self.owner_count(), owner_count),
            cells: (self.cell_count(), cell_count),
            changes: owners,
            delta,
        }
    }

    /// Looks up owners whose memory is fetched together; those of a block are looked up by all cores before it is executed.
    pub(crate) fn owners_at(&self, paths: &[(OwnerKey, Path)]) -> Vec<OwnerView<'a>> {
        self.state.warm(&paths.iter().map(|(_, path)| *path));
        paths.iter().map(|(key, path)| self.owner_at(*path, key)).collect()
    }

    /// Path of an owner's leaf.
    pub(crate) fn path(&self, key: &OwnerKey) -> Path {
        path_of(self.suite(), key.as_bytes())
    }

    /// The upper trie.
    pub(crate) fn stack(&self) -> Stack<'a, OwnerChange> {
        let layers = self.overlays.iter().map(|overlay| overlay.layer()).collect();
        Stack { suite: self.suite(), base: self.state.upper(), layers }
    }

    pub(crate) fn owner(&self, key: &OwnerKey) -> OwnerView<'a> {
        self.owner_at(path_of(self.suite(), key.as_bytes()), key)
    }

    fn owner_at(&self, path: Path, key: &OwnerKey) -> OwnerView<'a> {
        OwnerView {
            suite: self.suite(),
            key: *key,
            path,
            base: self.state.owner(&path).map(|owner| &owner.cells),
            layers: self.overlays.iter().filter_map(|overlay| overlay.owner(&path)).collect(),
        }
    }

    /// Key of the owner whose leaf stands at `path`.
    pub(crate) fn owner_key_at(&self, path: &Path) -> Option<OwnerKey> {
        let changed = self.overlays.iter().rev().find_map(|overlay| overlay.owner(path));
        changed.map(|change| change.key).or_else(|| self.state.owner(path).map(|owner: &Owner| owner.key))
    }
}

/// Writes to the cells of one owner, sorted by key, each key once.
pub(crate) struct OwnerWrites<'a> {
    pub(crate) view: OwnerView<'a>,
    pub(crate) cells: Vec<CellChange>,
}

/// One owner seen through overlays.
#[derive(Clone)]
pub(crate) struct OwnerView<'a> {
    pub(crate) suite: HashSuite,
    pub(crate) key: OwnerKey,
    pub(crate) path: Path,
    base: Option<&'a Cells>,
    /// Oldest first.
    layers: Vec<&'a OwnerChange>,
}

impl<'a> OwnerView<'a> {
    pub(crate) fn get(&self, key: &[u8]) -> Option<&'a [u8]> {
        for layer in self.layers.iter().rev() {
            if let Some(value) = layer.cell(key) {
                return value;
            }
        }
        self.base?.get(self.suite, key)
    }

    pub(crate) fn count(&self) -> u64 {
        match self.layers.last() {
            Some(layer) => layer.after,
            None => self.base.map_or(0, Cells::count),
        }
    }

    pub(crate) fn range<'b>(&self, from: Bound<&'b [u8]>) -> MergedCells<'b>
    where
        'a: 'b,
    {
        let mut merged = MergedCells { sources: Vec::with_capacity(self.layers.len() + 1) };
        if let Some(cells) = self.base {
            merged.push(Source::Stored(cells.range(from)));
        }
        for layer in &self.layers {
            let start = layer.cells.partition_point(|cell| match from {
                Bound::Unbounded => false,
                Bound::Included(bound) => *cell.key < *bound,
                Bound::Excluded(bound) => *cell.key <= *bound,
            });
            merged.push(Source::Changed(layer.cells[start..].iter()));
        }
        merged
    }

    /// True if the owner is small in every layer, so that its tree is computed from its cells.
    pub(crate) fn is_direct(&self) -> bool {
        !matches!(self.base, Some(Cells::Large(_))) && self.layers.iter().all(|layer| layer.sub.is_none())
    }

    /// The cells of a small owner, with `own` changes on top.
    pub(crate) fn materialise<'b>(&self, own: &'b [CellChange]) -> Vec<CellRef<'b>>
    where
        'a: 'b,
    {
        let mut cells = Vec::with_capacity(SMALL_CELLS / 2);
        cells.extend(self.base.into_iter().flat_map(Cells::iter));
        for layer in &self.layers {
            apply_changes(&mut cells, &layer.cells);
        }
        apply_changes(&mut cells, own);
        cells
    }

    /// Cells root; the empty root if there is no cell.
    pub(crate) fn cells_root(&self) -> Hash {
        if self.is_direct() {
            return direct_root(self.suite, &self.materialise(&[])).hash;
        }
        self.lower().stack().node(0, 0).hash
    }

    pub(crate) fn lower(&self) -> Lower<'a> {
        let base = match self.base {
            Some(Cells::Large(large)) => LowerBase::Large(large),
            small => {
                let cells: Vec<CellRef<'a>> = small.into_iter().flat_map(Cells::iter).collect();
                LowerBase::Small(LeafBase(direct_leaves(self.suite, &cells)), cells)
            }
        };
        let layer = |change: &&'a OwnerChange| LowerLayer {
            cells: &change.cells,
            leaves: change.leaf_changes(self.suite),
            delta: change.sub.as_ref().map(|sub| &sub.delta),
        };
        Lower { suite: self.suite, base, layers: self.layers.iter().map(layer).collect() }
    }

    /// The owner after `writes`; `None` if they change nothing.
    fn finish(&self, writes: Vec<CellChange>, memo: &mut PathMemo) -> Option<OwnerChange> {
        if self.is_direct() {
            let stored = self.materialise(&[]);
            let find =
                |key: &[u8]| stored.binary_search_by(|cell| cell.0.cmp(key)).ok().map(|position| stored[position].1);
            let before = stored.len() as u64;
            let (cells, after) = effective(before, writes, find)?;
            let mut merged = stored;
            apply_changes(&mut merged, &cells);
            if is_small(&merged) {
                let root = remembered_root(self.suite, &merged, memo).hash;
                return Some(self.changed(root, (before, after), cells, None));
            }
            return Some(self.finish_large((before, after), cells));
        }
        let before = self.count();
        let (cells, after) = effective(before, writes, |key| self.get(key))?;
        Some(self.finish_large((before, after), cells))
    }

    fn finish_large(&self, counts: (u64, u64), cells: Vec<CellChange>) -> OwnerChange {
        let leaves = leaf_changes(self.suite, &cells);
        let delta = self.lower().stack().update(&leaves, ideal_depth(counts.1));
        let root = delta.root().unwrap_or(Slot::EMPTY).hash;
        self.changed(root, counts, cells, Some(Box::new(SubDelta { leaves, delta })))
    }

    fn changed(
        &self,
        root: Hash,
        (before, after): (u64, u64),
        cells: Vec<CellChange>,
        sub: Option<Box<SubDelta>>,
    ) -> OwnerChange {
        let leaf = (after > 0).then(|| owner_leaf(self.suite, &self.key, &root));
        OwnerChange { key: self.key, path: self.path, leaf, before, after, cells, sub }
    }
}

/// The writes that change a cell, and the number of cells after them; `None` if there is none.
fn effective<'b>(
    before: u64,
    mut writes: Vec<CellChange>,
    old: impl Fn(&[u8]) -> Option<&'b [u8]>,
) -> Option<(Vec<CellChange>, u64)> {
    let mut after = before;
    writes.retain(|CellChange { key, value }| {
        let old = old(key);
        let changes = old != value.as_deref();
        if changes {
            after = after + u64::from(value.is_some()) - u64::from(old.is_some());
        }
        changes
    });
    (!writes.is_empty()).then_some((writes, after))
}

enum LowerBase<'a> {
    Large(&'a LargeCells),
    Small(LeafBase, Vec<CellRef<'a>>),
}

struct LowerLayer<'a> {
    cells: &'a [CellChange],
    leaves: Cow<'a, [LeafChange]>,
    delta: Option<&'a TrieDelta>,
}

/// The trie of one owner's cells through overlays.
pub(crate) struct Lower<'a> {
    suite: HashSuite,
    base: LowerBase<'a>,
    /// Oldest first.
    layers: Vec<LowerLayer<'a>>,
}

impl Lower<'_> {
    pub(crate) fn stack(&self) -> Stack<'_, LeafChange> {
        let base: &dyn Base = match &self.base {
            LowerBase::Large(large) => &large.trie,
            LowerBase::Small(leaves, _) => leaves,
        };
        let layers = self.layers.iter().map(|layer| Layer { changes: &layer.leaves, delta: layer.delta });
        Stack { suite: self.suite, base, layers: layers.collect() }
    }

    /// Key of the cell whose leaf stands at the place of `leaf`.
    pub(crate) fn key_at(&self, leaf: &Leaf) -> Option<&[u8]> {
        for layer in self.layers.iter().rev() {
            if let Ok(position) = layer.leaves.binary_search_by(|change| change.path.cmp(&leaf.path)) {
                return layer.cells.get(layer.leaves[position].cell as usize).map(|cell| &*cell.key);
            }
        }
        match &self.base {
            LowerBase::Large(large) => large.key_at(self.suite, &leaf.path),
            LowerBase::Small(_, cells) => {
                cells.iter().map(|cell| cell.0).find(|key| path_of(self.suite, key) == leaf.path)
            }
        }
    }
}

/// Cells of one layer in key order.
pub(crate) enum Source<'a> {
    Stored(CellsIter<'a>),
    Changed(std::slice::Iter<'a, CellChange>),
    Written(btree_map::Range<'a, Box<[u8]>, Option<Box<[u8]>>>),
}

impl<'a> Iterator for Source<'a> {
    type Item = (&'a [u8], Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Stored(cells) => cells.next().map(|(key, value)| (key, Some(value))),
            Self::Changed(cells) => cells.next().map(|cell| (&*cell.key, cell.value.as_deref())),
            Self::Written(cells) => cells.next().map(|(key, value)| (&**key, value.as_deref())),
        }
    }
}

/// Cells of one owner in key order, the newest layer's value for each key.
pub struct MergedCells<'a> {
    /// Oldest first.
    sources: Vec<Peekable<Source<'a>>>,
}

impl<'a> MergedCells<'a> {
    pub(crate) fn push(&mut self, source: Source<'a>) {
        self.sources.push(source.peekable());
    }
}

impl<'a> Iterator for MergedCells<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let key = self.sources.iter_mut().filter_map(|source| source.peek().map(|cell| cell.0)).min()?;
            let mut newest = None;
            for source in &mut self.sources {
                if let Some(cell) = source.next_if(|cell| cell.0 == key) {
                    newest = cell.1;
                }
            }
            if let Some(value) = newest {
                return Some((key, value));
            }
        }
    }
}
