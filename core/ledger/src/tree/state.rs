//! The base state: all cells in memory with their tree.

use std::ops::{Bound, Range};
use std::sync::Mutex;

use bubi_crypto::{Hash, HashSuite};
use rayon::prelude::*;

use super::cells::{CellRef, Cells, CellsIter};
use super::hashing::{cell_leaf, owner_leaf, path_of, Path};
use super::key::{check_cell, OwnerKey, TreeError};
use super::overlay::{Overlay, OwnerChange};
use super::trie::{ideal_depth, subtrie, Base, Entry, Leaf, Trie};

/// An owner with its cells.
pub(crate) struct Owner {
    pub(crate) key: OwnerKey,
    path: Path,
    leaf: Hash,
    pub(crate) cells: Cells,
}

impl Entry for Owner {
    fn path(&self, _suite: HashSuite) -> Path {
        self.path
    }

    fn leaf(&self) -> Hash {
        self.leaf
    }

    fn warm(&self) -> u8 {
        self.path.0[0] ^ self.leaf.0[31] ^ self.key.kind()
    }
}

/// All cells of a ledger in memory, with the tree above them.
pub struct State {
    suite: HashSuite,
    trie: Trie<Owner>,
    owners: u64,
    cells: u64,
}

/// One cell as [`State::all_cells`] yields it.
pub type StoredCell<'a> = (&'a OwnerKey, &'a [u8], &'a [u8]);

impl State {
    /// A state without cells.
    pub fn new(suite: HashSuite) -> Self {
        Self { suite, trie: Trie::new(suite), owners: 0, cells: 0 }
    }

    /// A state of cells in any order. Errors: a length out of bounds, a cell given twice.
    pub fn from_cells(
        suite: HashSuite,
        cells: impl IntoIterator<Item = (OwnerKey, Vec<u8>, Vec<u8>)>,
    ) -> Result<Self, TreeError> {
        let mut cells: Vec<(OwnerKey, Vec<u8>, Vec<u8>)> = cells.into_iter().collect();
        cells.par_sort_unstable();
        Self::from_grouped(suite, cells)
    }

    /// A state of cells that come owner by owner (in any order of owners), sorted by key within each, as
    /// [`State::all_cells`] yields them. Hashing overlaps with the reading of `cells`. Errors: a length out
    /// of bounds, another order, a cell given twice.
    pub fn from_grouped<K, V>(
        suite: HashSuite,
        cells: impl IntoIterator<Item = (OwnerKey, K, V)>,
    ) -> Result<Self, TreeError>
    where
        K: AsRef<[u8]>,
        V: AsRef<[u8]>,
    {
        let builder = StateBuilder::new(suite);
        rayon::in_place_scope(|scope| {
            let mut chunk = Chunk::default();
            for (owner, key, value) in cells {
                if chunk.owners.len() >= CHUNK_OWNERS && chunk.last() != Some(&owner) {
                    let full = std::mem::take(&mut chunk);
                    scope.spawn(|_| builder.add(full));
                }
                chunk.push(&owner, key.as_ref(), value.as_ref())?;
            }
            builder.add(chunk);
            Ok(())
        })?;
        builder.build()
    }

    /// Hash suite of the state.
    pub fn suite(&self) -> HashSuite {
        self.suite
    }

    /// State root: 32 zero bytes without cells.
    pub fn root(&self) -> Hash {
        self.trie.root().hash
    }

    /// Number of cells.
    pub fn cell_count(&self) -> u64 {
        self.cells
    }

    /// Number of owners with at least one cell.
    pub fn owner_count(&self) -> u64 {
        self.owners
    }

    /// Value of a cell.
    pub fn get(&self, owner: &OwnerKey, key: &[u8]) -> Option<&[u8]> {
        self.owner(&path_of(self.suite, owner.as_bytes()))?.cells.get(self.suite, key)
    }

    /// Cells of an owner in key order.
    pub fn cells(&self, owner: &OwnerKey) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.cells_from(owner, Bound::Unbounded)
    }

    /// Cells of an owner in key order from a key on (or after it).
    pub fn cells_from<'a>(
        &'a self,
        owner: &OwnerKey,
        from: Bound<&'a [u8]>,
    ) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let owner = self.owner(&path_of(self.suite, owner.as_bytes()));
        owner.into_iter().flat_map(move |owner| owner.cells.range(from))
    }

    /// Every cell, owner by owner in the order of their paths, sorted by key within each.
    pub fn all_cells(&self) -> impl Iterator<Item = StoredCell<'_>> {
        self.trie.buckets().iter().flatten().flat_map(|owner| {
            let cells: CellsIter<'_> = owner.cells.iter();
            cells.map(move |(key, value)| (&owner.key, key, value))
        })
    }

    /// One cell of each of the owners in some of the tree's buckets, which are numbered in the order of paths; nothing behind the
    /// last bucket. Buckets are split when the state grows: whoever comes back later may miss owners or see some twice.
    pub fn cells_in<'a>(
        &'a self,
        buckets: Range<usize>,
        key: &'a [u8],
    ) -> Option<impl Iterator<Item = (&'a OwnerKey, &'a [u8])>> {
        let all = self.trie.buckets();
        let chosen = all.get(buckets.start.min(all.len())..buckets.end.min(all.len()))?;
        let owners = chosen.iter().flatten();
        (!chosen.is_empty())
            .then(|| owners.filter_map(move |owner| Some((&owner.key, owner.cells.get(self.suite, key)?))))
    }

    /// Computes the root from the cells alone, without any stored hash: the invariant check of the tree.
    pub fn recompute_root(&self) -> Hash {
        let suite = self.suite;
        let leaf = |owner: &Owner| {
            let cell =
                |(key, value): CellRef<'_>| Leaf { path: path_of(suite, key), hash: cell_leaf(suite, key, value) };
            let mut leaves: Vec<Leaf> = owner.cells.iter().map(cell).collect();
            leaves.sort_unstable_by_key(|leaf| leaf.path);
            let root = subtrie(suite, &leaves, 0).hash;
            Leaf { path: path_of(suite, owner.key.as_bytes()), hash: owner_leaf(suite, &owner.key, &root) }
        };
        let mut leaves: Vec<Leaf> = self.trie.buckets().par_iter().flatten_iter().map(leaf).collect();
        leaves.par_sort_unstable_by_key(|leaf| leaf.path);
        subtrie(suite, &leaves, 0).hash
    }

    /// Bytes of memory that the state asks the allocator for (its overhead not included).
    pub fn memory_bytes(&self) -> usize {
        let cells: usize = self.trie.buckets().par_iter().flatten_iter().map(|owner| owner.cells.heap_bytes()).sum();
        cells + self.trie.array_bytes()
    }

    /// Applies an overlay that stands on this state and returns its inverse, whose merge would take the
    /// state back. Linear in the cells touched, except when the number of owners has doubled: then the
    /// buckets are split. Errors: the overlay stands on another state or uses another hash suite; the state
    /// is then unchanged.
    pub fn merge(&mut self, mut overlay: Overlay) -> Result<Overlay, TreeError> {
        if overlay.suite != self.suite {
            return Err(TreeError::WrongSuite);
        }
        if overlay.parent != self.root() {
            return Err(TreeError::WrongParent);
        }
        self.trie.grow(overlay.delta.depth);
        let depth = self.trie.depth();
        swap_owners(self.suite, depth, 0, self.trie.buckets_mut(), &mut overlay.changes);
        let paths = overlay.changes.iter().map(|change| change.path);
        self.trie.swap_nodes(&mut overlay.delta, paths);
        (self.owners, self.cells) = (overlay.owners.1, overlay.cells.1);
        std::mem::swap(&mut overlay.parent, &mut overlay.root);
        overlay.owners = (overlay.owners.1, overlay.owners.0);
        overlay.cells = (overlay.cells.1, overlay.cells.0);
        Ok(overlay)
    }

    pub(crate) fn owner(&self, path: &Path) -> Option<&Owner> {
        self.trie.bucket(path).iter().find(|owner| owner.path == *path)
    }

    /// Splits the buckets now for `owners` owners, so that no later merge up to that number has to pause for
    /// it. Never changes the root.
    pub fn reserve(&mut self, owners: u64) {
        self.trie.grow(ideal_depth(owners));
    }

    /// Fetches what the owners at `paths` will need.
    pub(crate) fn warm(&self, paths: &(impl Iterator<Item = Path> + Clone)) {
        warm_owners(self.trie.depth(), 0, self.trie.buckets(), paths);
    }

    pub(crate) fn upper(&self) -> &dyn Base {
        &self.trie
    }
}

/// Reads what the owners at `paths` will need, all of one kind before the next: independent reads wait for
/// memory together, while the look-ups that follow would wait one after another.
fn warm_owners(depth: u32, first: usize, buckets: &[Vec<Owner>], paths: &(impl Iterator<Item = Path> + Clone)) {
    let found = || paths.clone().map(|path| (path, &buckets[path.prefix(depth) as usize - first]));
    let lengths: usize = found().map(|(_, bucket)| bucket.len()).sum();
    let entries = found().flat_map(|(_, bucket)| bucket.iter().map(Entry::warm));
    let bits = entries.fold(0, std::ops::BitXor::bitxor);
    let cells = found().filter_map(|(path, bucket)| bucket.iter().find(|owner| owner.path == path));
    let bytes = cells.fold(0, |bits, owner| bits ^ owner.cells.warm());
    std::hint::black_box((lengths, bits, bytes));
}

/// Owners whose memory is fetched together.
const WARM_OWNERS: usize = 32;

/// Changes per thread below which a merge is not split further.
const PARALLEL_OWNERS: usize = 512;

/// Applies the changes of owners (sorted by path) to the buckets from number `first` on, and inverts them.
fn swap_owners(suite: HashSuite, depth: u32, first: usize, buckets: &mut [Vec<Owner>], changes: &mut [OwnerChange]) {
    if changes.len() > PARALLEL_OWNERS && buckets.len() > 1 {
        let middle = buckets.len() / 2;
        let cut = changes.partition_point(|change| (change.path.prefix(depth) as usize) < first + middle);
        let (left, right) = buckets.split_at_mut(middle);
        let (before, after) = changes.split_at_mut(cut);
        rayon::join(
            || swap_owners(suite, depth, first, left, before),
            || swap_owners(suite, depth, first + middle, right, after),
        );
        return;
    }
    for chunk in changes.chunks_mut(WARM_OWNERS) {
        warm_owners(depth, first, buckets, &chunk.iter().map(|change| change.path));
        for change in chunk {
            swap_owner(suite, &mut buckets[change.path.prefix(depth) as usize - first], change);
        }
    }
}

/// Applies one owner's change to its bucket and turns the change into its inverse.
fn swap_owner(suite: HashSuite, bucket: &mut Vec<Owner>, change: &mut OwnerChange) {
    std::mem::swap(&mut change.before, &mut change.after);
    let position = match bucket.binary_search_by(|owner| owner.path.cmp(&change.path)) {
        Ok(position) => position,
        Err(position) => {
            let Some(leaf) = change.leaf else { return };
            let mut owner = Owner { key: change.key, path: change.path, leaf, cells: Cells::default() };
            owner.cells.swap(suite, &mut change.cells, change.sub.as_deref_mut());
            bucket.reserve_exact(1);
            bucket.insert(position, owner);
            change.leaf = None;
            return;
        }
    };
    let owner = &mut bucket[position];
    owner.cells.swap(suite, &mut change.cells, change.sub.as_deref_mut());
    let old = owner.leaf;
    match change.leaf.replace(old) {
        Some(new) => owner.leaf = new,
        None => {
            bucket.remove(position);
        }
    }
}

/// Owners per chunk of [`State::from_grouped`].
const CHUNK_OWNERS: usize = 8192;

/// Number of partitions of a builder: by the first byte of the path.
const PARTITIONS: usize = 256;

/// Some owners with all their cells, ready to be hashed by any thread.
#[derive(Default)]
pub struct Chunk {
    /// Owner and the end of its cells in `cells`.
    owners: Vec<(OwnerKey, usize)>,
    /// Ends of key and value in `bytes`.
    cells: Vec<(usize, usize)>,
    bytes: Vec<u8>,
}

impl Chunk {
    /// Adds the next cell of the last owner or the first one of another. Errors: a length out of bounds, keys
    /// not ascending.
    pub fn push(&mut self, owner: &OwnerKey, key: &[u8], value: &[u8]) -> Result<(), TreeError> {
        check_cell(key, value)?;
        if self.last() == Some(owner) {
            let ascending = self.last_key().is_none_or(|last| last < key);
            if !ascending {
                return Err(TreeError::NotGrouped(*owner));
            }
        } else {
            self.owners.push((*owner, self.cells.len()));
        }
        self.bytes.extend_from_slice(key);
        let key_end = self.bytes.len();
        self.bytes.extend_from_slice(value);
        self.cells.push((key_end, self.bytes.len()));
        if let Some(last) = self.owners.last_mut() {
            last.1 = self.cells.len();
        }
        Ok(())
    }

    fn last(&self) -> Option<&OwnerKey> {
        self.owners.last().map(|owner| &owner.0)
    }

    fn last_key(&self) -> Option<&[u8]> {
        let (key_end, _) = *self.cells.last()?;
        let start = self.cells.len().checked_sub(2).map_or(0, |before| self.cells[before].1);
        self.bytes.get(start..key_end)
    }

    /// The hashed owners.
    fn hash(&self, suite: HashSuite) -> Vec<Owner> {
        let (mut cell, mut byte) = (0, 0);
        let mut owners = Vec::with_capacity(self.owners.len());
        let mut group: Vec<CellRef<'_>> = Vec::new();
        for (key, end) in &self.owners {
            group.clear();
            for (key_end, value_end) in &self.cells[cell..*end] {
                group.push((&self.bytes[byte..*key_end], &self.bytes[*key_end..*value_end]));
                byte = *value_end;
            }
            cell = *end;
            let (cells, root) = Cells::build(suite, &group);
            owners.push(Owner {
                key: *key,
                path: path_of(suite, key.as_bytes()),
                leaf: owner_leaf(suite, key, &root),
                cells,
            });
        }
        owners
    }
}

#[derive(Default)]
struct Partition {
    owners: Vec<Owner>,
    cells: u64,
}

/// Builds a state from chunks that several threads add in any order.
pub struct StateBuilder {
    suite: HashSuite,
    partitions: Vec<Mutex<Partition>>,
}

impl StateBuilder {
    /// A builder without cells.
    pub fn new(suite: HashSuite) -> Self {
        let mut partitions = Vec::new();
        partitions.resize_with(PARTITIONS, Mutex::default);
        Self { suite, partitions }
    }

    /// Hashes the owners of a chunk and adds them.
    pub fn add(&self, chunk: Chunk) {
        let owners = chunk.hash(self.suite);
        drop(chunk);
        let mut groups: Vec<Vec<Owner>> = Vec::new();
        groups.resize_with(PARTITIONS, Vec::new);
        for owner in owners {
            groups[usize::from(owner.path.0[0])].push(owner);
        }
        for (group, partition) in groups.into_iter().zip(&self.partitions) {
            if group.is_empty() {
                continue;
            }
            let mut partition = lock(partition);
            partition.cells += group.iter().map(|owner| owner.cells.count()).sum::<u64>();
            partition.owners.extend(group);
        }
    }

    /// Puts the tree together. Errors: an owner came in two groups.
    pub fn build(self) -> Result<State, TreeError> {
        let suite = self.suite;
        let partitions: Vec<Partition> = self.partitions.into_iter().map(unlock).collect();
        let owners = partitions.iter().map(|partition| partition.owners.len() as u64).sum();
        let cells = partitions.iter().map(|partition| partition.cells).sum();
        let depth = ideal_depth(owners);
        let parts: Result<Vec<Vec<Vec<Owner>>>, TreeError> = partitions
            .into_par_iter()
            .zip(0..=u8::MAX)
            .map(|(partition, first)| into_buckets(partition.owners, first, depth))
            .collect();
        let mut buckets: Vec<Vec<Owner>> = Vec::new();
        buckets.resize_with(1 << depth, Vec::new);
        let shift = 8_u32.saturating_sub(depth);
        for (first, part) in parts?.into_iter().enumerate() {
            let start = if depth >= 8 { first << (depth - 8) } else { first >> shift };
            for (bucket, more) in buckets[start..].iter_mut().zip(part) {
                if bucket.is_empty() {
                    *bucket = more;
                } else {
                    bucket.extend(more);
                }
            }
        }
        Ok(State { suite, trie: Trie::from_buckets(suite, depth, buckets), owners, cells })
    }
}

/// Distributes the owners whose path starts with byte `first` over their buckets: 2^(depth − 8) of them, or one.
fn into_buckets(owners: Vec<Owner>, first: u8, depth: u32) -> Result<Vec<Vec<Owner>>, TreeError> {
    let own_bits = depth.saturating_sub(8);
    let start = usize::from(first) << own_bits;
    let bucket_of = |owner: &Owner| {
        if own_bits == 0 {
            0
        } else {
            owner.path.prefix(depth) as usize - start
        }
    };
    let mut sizes = vec![0_usize; 1 << own_bits];
    for owner in &owners {
        sizes[bucket_of(owner)] += 1;
    }
    let mut buckets: Vec<Vec<Owner>> = sizes.into_iter().map(Vec::with_capacity).collect();
    for owner in owners {
        buckets[bucket_of(&owner)].push(owner);
    }
    for bucket in &mut buckets {
        bucket.sort_unstable_by_key(|owner| owner.path);
        if let Some(pair) = bucket.windows(2).find(|pair| pair[0].path == pair[1].path) {
            return Err(TreeError::NotGrouped(pair[0].key));
        }
    }
    Ok(buckets)
}

fn lock(partition: &Mutex<Partition>) -> std::sync::MutexGuard<'_, Partition> {
    // A poisoned lock means that another thread panicked while adding; the caller hears of that panic.
    partition.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn unlock(partition: Mutex<Partition>) -> Partition {
    partition.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}
