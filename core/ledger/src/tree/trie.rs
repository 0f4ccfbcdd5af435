//! One bucketed binary Merkle trie, used for the owners of a state and for the cells of a large owner.
//!
//! The nodes of the levels 0..=depth are stored in flat arrays; below them the leaves sit in one small
//! bucket per node of the last level and are hashed again when the bucket is touched. Changed nodes of an
//! overlay are a [`TrieDelta`]; a [`Stack`] reads a base through several of them. Layers may differ in
//! depth: a node below the stored levels of the layer that decides it is computed from the leaves.

use bubi_crypto::{Hash, HashSuite};
use rayon::prelude::*;

use super::hashing::{node_hash, Path, EMPTY_ROOT};

/// Deepest stored level: 2^28 buckets.
const MAX_DEPTH: u32 = 28;

/// Bucket size is between 2^`BUCKET_BITS` and twice that on average.
const BUCKET_BITS: u32 = 1;

/// Fewer changes than this are handled by one thread.
const PARALLEL_CHANGES: usize = 2048;

/// Index of a node in its level.
pub(crate) type Index = u32;

/// A leaf as the trie sees it.
#[derive(Clone, Copy)]
pub(crate) struct Leaf {
    pub(crate) path: Path,
    pub(crate) hash: Hash,
}

/// A node of the trie: its hash and whether it stands for no leaf, one leaf or several.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Slot {
    pub(crate) hash: Hash,
    /// 0, 1, or 2 for two and more leaves.
    pub(crate) count: u8,
}

impl Slot {
    pub(crate) const EMPTY: Self = Self { hash: EMPTY_ROOT, count: 0 };

    /// The node above `left` and `right`; a lone leaf moves up unchanged.
    fn join(suite: HashSuite, left: &Self, right: &Self) -> Self {
        match (left.count, right.count) {
            (0, 0) => Self::EMPTY,
            (1, 0) => *left,
            (0, 1) => *right,
            _ => Self { hash: node_hash(suite, &left.hash, &right.hash), count: 2 },
        }
    }
}

/// Root of the leaves below a node of `level`; `leaves` are sorted by path and distinct.
pub(crate) fn subtrie(suite: HashSuite, leaves: &[Leaf], level: u32) -> Slot {
    match leaves {
        [] => Slot::EMPTY,
        [leaf] => Slot { hash: leaf.hash, count: 1 },
        _ => {
            let (left, right) = split(leaves, level);
            let left = subtrie(suite, left, level + 1);
            let right = subtrie(suite, right, level + 1);
            Slot::join(suite, &left, &right)
        }
    }
}

/// Splits sorted leaves that share their first `level` bits on the next bit. Beyond the path's end (which
/// only equal paths reach) the first leaf goes left, so that the recursion ends.
pub(crate) fn split(leaves: &[Leaf], level: u32) -> (&[Leaf], &[Leaf]) {
    if level >= 256 {
        return leaves.split_at(1.min(leaves.len()));
    }
    leaves.split_at(leaves.partition_point(|leaf| !leaf.path.bit(level)))
}

/// Depth at which `count` leaves fill their buckets as intended.
pub(crate) fn ideal_depth(count: u64) -> u32 {
    count.checked_ilog2().unwrap_or(0).saturating_sub(BUCKET_BITS).min(MAX_DEPTH)
}

/// What a bucket holds.
pub(crate) trait Entry: Send + Sync {
    /// Path of the entry.
    fn path(&self, suite: HashSuite) -> Path;
    /// Leaf hash of the entry.
    fn leaf(&self) -> Hash;
    /// Some byte that depends on the memory of leaf and path.
    fn warm(&self) -> u8 {
        self.leaf().0[0]
    }
    /// Both as a leaf.
    fn as_leaf(&self, suite: HashSuite) -> Leaf {
        Leaf { path: self.path(suite), hash: self.leaf() }
    }
}

/// The stored trie.
pub(crate) struct Trie<E> {
    suite: HashSuite,
    depth: u32,
    /// Level k has 2^k nodes.
    levels: Vec<Vec<Slot>>,
    /// One bucket per node of level `depth`, its entries sorted by path.
    buckets: Vec<Vec<E>>,
}

impl<E: Entry> Trie<E> {
    /// A trie without entries.
    pub(crate) fn new(suite: HashSuite) -> Self {
        Self { suite, depth: 0, levels: vec![vec![Slot::EMPTY]], buckets: vec![Vec::new()] }
    }

    /// A trie of filled buckets, 2^depth in number, each sorted by path.
    pub(crate) fn from_buckets(suite: HashSuite, depth: u32, buckets: Vec<Vec<E>>) -> Self {
        let mut this = Self { suite, depth, levels: Vec::new(), buckets };
        let mut level: Vec<Slot> = this
            .buckets
            .par_iter()
            .with_min_len(256)
            .map_init(Vec::new, |leaves, bucket| bucket_slot(suite, bucket, depth, leaves))
            .collect();
        while level.len() > 1 {
            let upper = join_level(suite, &level);
            this.levels.push(level);
            level = upper;
        }
        this.levels.push(level);
        this.levels.reverse();
        this
    }

    /// A trie of entries sorted by path.
    pub(crate) fn from_sorted(suite: HashSuite, entries: Vec<E>) -> Self {
        let depth = ideal_depth(entries.len() as u64);
        let mut buckets: Vec<Vec<E>> = Vec::new();
        buckets.resize_with(1 << depth, Vec::new);
        for entry in entries {
            let index = entry.path(suite).prefix(depth);
            push_exact(&mut buckets[index as usize], entry);
        }
        Self::from_buckets(suite, depth, buckets)
    }

    pub(crate) fn depth(&self) -> u32 {
        self.depth
    }

    pub(crate) fn root(&self) -> Slot {
        self.levels[0][0]
    }

    /// The bucket that holds `path`.
    pub(crate) fn bucket(&self, path: &Path) -> &Vec<E> {
        &self.buckets[path.prefix(self.depth) as usize]
    }

    pub(crate) fn bucket_mut(&mut self, path: &Path) -> &mut Vec<E> {
        &mut self.buckets[path.prefix(self.depth) as usize]
    }

    /// All buckets in path order, for parallel changes.
    pub(crate) fn buckets_mut(&mut self) -> &mut [Vec<E>] {
        &mut self.buckets
    }

    /// All buckets in path order.
    pub(crate) fn buckets(&self) -> &[Vec<E>] {
        &self.buckets
    }

    /// Bytes of heap held by the arrays themselves, entries' own heap not included.
    pub(crate) fn array_bytes(&self) -> usize {
        let nodes: usize = self.levels.iter().map(|level| level.capacity() * size_of::<Slot>()).sum();
        let entries: usize = self.buckets.iter().map(|bucket| bucket.capacity() * size_of::<E>()).sum();
        nodes + entries + self.buckets.capacity() * size_of::<Vec<E>>()
    }

    /// Splits the buckets until the trie has `depth` stored levels. Leaf hashes are kept; the time is linear
    /// in the number of entries.
    pub(crate) fn grow(&mut self, depth: u32) {
        let depth = depth.min(MAX_DEPTH);
        while self.depth < depth {
            let (suite, level) = (self.suite, self.depth);
            let old = std::mem::take(&mut self.buckets);
            self.depth += 1;
            self.buckets.resize_with(2 * old.len(), Vec::new);
            // In place and by all cores: with millions of buckets, putting halves together afterwards takes longer than splitting.
            let pairs = self.buckets.par_chunks_exact_mut(2).with_min_len(256);
            pairs.zip(old).for_each(|(pair, mut bucket)| {
                let cut = bucket.partition_point(|entry| !entry.path(suite).bit(level));
                if let [left, right] = pair {
                    if cut < bucket.len() {
                        *right = bucket.split_off(cut);
                        bucket.shrink_to_fit();
                    }
                    *left = bucket;
                }
            });
            let below = self.depth;
            let slots = self
                .buckets
                .par_iter()
                .with_min_len(256)
                .map_init(Vec::new, |leaves, bucket| bucket_slot(suite, bucket, below, leaves));
            self.levels.push(slots.collect());
        }
    }

    /// Brings the stored nodes up to date after the entries at `paths` (sorted) have changed, and leaves the
    /// former nodes in `delta`, which then covers all stored levels.
    pub(crate) fn swap_nodes(&mut self, delta: &mut TrieDelta, paths: impl Iterator<Item = Path>) {
        let shared = (delta.depth.min(self.depth) + 1) as usize;
        let levels = self.levels[..shared].par_iter_mut().zip(&mut delta.levels[..shared]);
        levels.for_each(|(nodes, changed)| {
            for (index, slot) in changed {
                std::mem::swap(&mut nodes[*index as usize], slot);
            }
        });
        if delta.depth < self.depth {
            self.rehash_below(delta, paths);
        }
    }

    /// Recomputes the touched nodes of the levels that `delta` does not know and adds the former ones to it.
    fn rehash_below(&mut self, delta: &mut TrieDelta, paths: impl Iterator<Item = Path>) {
        let mut touched: Vec<Index> = paths.map(|path| path.prefix(self.depth)).collect();
        touched.dedup();
        delta.levels.resize_with(self.depth as usize + 1, Vec::new);
        let mut leaves = Vec::new();
        for level in (delta.depth + 1..=self.depth).rev() {
            for &index in &touched {
                let position = index as usize;
                let slot = if level == self.depth {
                    bucket_slot(self.suite, &self.buckets[position], level, &mut leaves)
                } else {
                    let below = &self.levels[level as usize + 1];
                    Slot::join(self.suite, &below[2 * position], &below[2 * position + 1])
                };
                let old = std::mem::replace(&mut self.levels[level as usize][position], slot);
                delta.levels[level as usize].push((index, old));
            }
            for index in &mut touched {
                *index /= 2;
            }
            touched.dedup();
        }
        delta.depth = self.depth;
    }
}

impl<E: Entry> Base for Trie<E> {
    fn depth(&self) -> u32 {
        self.depth
    }

    fn node(&self, level: u32, index: Index) -> Option<Slot> {
        self.levels.get(level as usize)?.get(index as usize).copied()
    }

    fn warm(&self, level: u32, paths: &[Path]) {
        let mut bits = 0;
        for level in level + 1..=self.depth {
            let nodes = &self.levels[level as usize];
            for path in paths {
                bits ^= nodes[(path.prefix(level) ^ 1) as usize].hash.0[0];
            }
        }
        let lengths: usize = paths.iter().map(|path| self.bucket(path).len()).sum();
        for path in paths {
            bits = self.bucket(path).iter().fold(bits, |bits, entry| bits ^ entry.warm());
        }
        std::hint::black_box((bits, lengths));
    }

    fn collect(&self, level: u32, index: Index, leaves: &mut Vec<Leaf>) {
        if level >= self.depth {
            let bucket = &self.buckets[(index >> (level - self.depth)) as usize];
            let entries = bucket.iter().map(|entry| entry.as_leaf(self.suite));
            leaves.extend(entries.filter(|leaf| leaf.path.prefix(level) == index));
        } else if self.levels[level as usize][index as usize].count > 0 {
            self.collect(level + 1, 2 * index, leaves);
            self.collect(level + 1, 2 * index + 1, leaves);
        }
    }
}

fn bucket_slot<E: Entry>(suite: HashSuite, bucket: &[E], level: u32, leaves: &mut Vec<Leaf>) -> Slot {
    leaves.clear();
    leaves.extend(bucket.iter().map(|entry| entry.as_leaf(suite)));
    subtrie(suite, leaves, level)
}

fn join_level(suite: HashSuite, level: &[Slot]) -> Vec<Slot> {
    level.par_chunks_exact(2).with_min_len(256).map(|pair| Slot::join(suite, &pair[0], &pair[1])).collect()
}

/// Appends without over-allocating: buckets are many and small.
pub(crate) fn push_exact<T>(bucket: &mut Vec<T>, entry: T) {
    bucket.reserve_exact(1);
    bucket.push(entry);
}

/// The changed nodes of one overlay: for each level 0..=depth all nodes above a changed leaf.
#[derive(Clone, Debug)]
pub(crate) struct TrieDelta {
    pub(crate) depth: u32,
    /// Per level, sorted by index.
    levels: Vec<Vec<(Index, Slot)>>,
}

impl TrieDelta {
    /// A delta with room for the nodes above so many changes.
    fn with_room(depth: u32, changes: usize) -> Self {
        // A level has no more nodes than there are numbers of its length, and no more than changes.
        let room = |level: u32| 1_usize.checked_shl(level).map_or(changes, |nodes| nodes.min(changes));
        Self { depth, levels: (0..=depth).map(|level| Vec::with_capacity(room(level))).collect() }
    }

    fn node(&self, level: u32, index: Index) -> Option<Slot> {
        let nodes = self.levels.get(level as usize)?;
        let position = nodes.binary_search_by_key(&index, |node| node.0).ok()?;
        Some(nodes[position].1)
    }

    fn append(&mut self, other: Self) {
        for (mine, theirs) in self.levels.iter_mut().zip(other.levels) {
            mine.extend(theirs);
        }
    }

    /// Forgets the lowest `levels`, where most of the nodes stand: they can be computed from leaves again.
    pub(crate) fn forget_lowest(&mut self, levels: u32) {
        self.depth = self.depth.saturating_sub(levels);
        self.levels.truncate(self.depth as usize + 1);
    }

    /// The root after the changes, if there were any.
    pub(crate) fn root(&self) -> Option<Slot> {
        self.node(0, 0)
    }
}

/// A changed leaf of an overlay.
pub(crate) trait Change: Sync {
    /// Path of the leaf.
    fn path(&self) -> &Path;
    /// The leaf after the change; `None` if it is gone.
    fn leaf(&self) -> Option<Hash>;
}

/// One overlay as a layer of a trie.
pub(crate) struct Layer<'a, C> {
    /// Sorted by path.
    pub(crate) changes: &'a [C],
    /// Changed nodes; without them every touched node is computed from leaves.
    pub(crate) delta: Option<&'a TrieDelta>,
}

impl<C: Change> Layer<'_, C> {
    fn stores(&self, level: u32) -> Option<&TrieDelta> {
        self.delta.filter(|delta| level <= delta.depth)
    }

    /// The changes below a node.
    fn below(&self, level: u32, index: Index) -> &[C] {
        let start = self.changes.partition_point(|change| change.path().prefix(level) < index);
        let length = self.changes[start..].partition_point(|change| change.path().prefix(level) == index);
        &self.changes[start..start + length]
    }
}

/// The lowest layer of a stack.
pub(crate) trait Base: Sync {
    /// Number of the last stored level.
    fn depth(&self) -> u32;
    /// A stored node.
    fn node(&self, level: u32, index: Index) -> Option<Slot>;
    /// Appends the leaves below a node in path order.
    fn collect(&self, level: u32, index: Index, leaves: &mut Vec<Leaf>);
    /// Reads what an update below `level` along `paths` will need, one kind after the other: independent reads
    /// wait for memory together, while those of the update would wait one after another.
    fn warm(&self, level: u32, paths: &[Path]);
}

/// Changes whose memory is fetched together.
const WARM_CHANGES: usize = 64;

/// A base of a few leaves, sorted by path, without stored nodes.
pub(crate) struct LeafBase(pub(crate) Vec<Leaf>);

impl Base for LeafBase {
    fn depth(&self) -> u32 {
        0
    }

    fn node(&self, _level: u32, _index: Index) -> Option<Slot> {
        None
    }

    fn warm(&self, _level: u32, _paths: &[Path]) {}

    fn collect(&self, level: u32, index: Index, leaves: &mut Vec<Leaf>) {
        leaves.extend(self.0.iter().filter(|leaf| leaf.path.prefix(level) == index));
    }
}

/// Where the walk along a path ended.
pub(crate) enum End {
    /// No leaf has the prefix.
    Empty,
    /// The only leaf with the prefix.
    Leaf(Leaf),
}

/// A base seen through overlays.
pub(crate) struct Stack<'a, C> {
    pub(crate) suite: HashSuite,
    pub(crate) base: &'a dyn Base,
    /// Oldest first.
    pub(crate) layers: Vec<Layer<'a, C>>,
}

impl<C: Change> Stack<'_, C> {
    fn depth(&self) -> u32 {
        let deltas = self.layers.iter().filter_map(|layer| layer.delta.map(|delta| delta.depth));
        deltas.fold(self.base.depth(), u32::max)
    }

    /// A node as the newest layer that touches it sees it.
    pub(crate) fn node(&self, level: u32, index: Index) -> Slot {
        for layer in self.layers.iter().rev() {
            if let Some(delta) = layer.stores(level) {
                if let Some(slot) = delta.node(level, index) {
                    return slot;
                }
            } else if !layer.below(level, index).is_empty() {
                return self.computed(level, index);
            }
        }
        self.base.node(level, index).unwrap_or_else(|| self.computed(level, index))
    }

    fn computed(&self, level: u32, index: Index) -> Slot {
        let mut leaves = Vec::new();
        self.collect(level, index, &mut leaves);
        subtrie(self.suite, &leaves, level)
    }

    /// The leaves below a node in path order.
    pub(crate) fn collect(&self, level: u32, index: Index, leaves: &mut Vec<Leaf>) {
        leaves.clear();
        self.base.collect(level, index, leaves);
        for layer in &self.layers {
            apply(leaves, layer.below(level, index));
        }
    }

    /// Hashes the tree above `changes` (sorted by path, seen on top of this stack) with `depth` stored
    /// levels.
    pub(crate) fn update(&self, changes: &[C], depth: u32) -> TrieDelta {
        let mut work = Work::new(depth.max(self.depth()), changes.len());
        if !changes.is_empty() {
            self.update_node(0, 0, changes, &mut work);
        }
        work.delta
    }

    /// Depth first, left to right: so every level of the delta comes out sorted.
    fn update_node(&self, level: u32, index: Index, changes: &[C], work: &mut Work) -> Slot {
        if changes.len() <= WARM_CHANGES && !work.warm {
            work.paths.clear();
            work.paths.extend(changes.iter().map(|change| *change.path()));
            self.base.warm(level, &work.paths);
            work.warm = true;
            let slot = self.update_node(level, index, changes, work);
            work.warm = false;
            return slot;
        }
        let slot = if level == work.delta.depth {
            self.collect(level, index, &mut work.leaves);
            apply(&mut work.leaves, changes);
            subtrie(self.suite, &work.leaves, level)
        } else {
            self.update_children(level + 1, 2 * index, changes, work)
        };
        work.delta.levels[level as usize].push((index, slot));
        slot
    }

    /// Updates the nodes `index` and `index + 1` of `level` and joins them.
    fn update_children(&self, level: u32, index: Index, changes: &[C], work: &mut Work) -> Slot {
        let cut = changes.partition_point(|change| !change.path().bit(level - 1));
        let (left, right) = changes.split_at(cut);
        let (left, right) = if changes.len() < PARALLEL_CHANGES {
            let left = self.child(level, index, left, work);
            (left, self.child(level, index + 1, right, work))
        } else {
            let mut other = Work::new(work.delta.depth, right.len());
            let slots = rayon::join(
                || self.child(level, index, left, work),
                || self.child(level, index + 1, right, &mut other),
            );
            work.delta.append(other.delta);
            slots
        };
        Slot::join(self.suite, &left, &right)
    }

    fn child(&self, level: u32, index: Index, changes: &[C], work: &mut Work) -> Slot {
        if changes.is_empty() {
            self.node(level, index)
        } else {
            self.update_node(level, index, changes, work)
        }
    }

    /// Siblings from the top along `path`, and what stands at its end.
    pub(crate) fn walk(&self, path: &Path) -> (Vec<Hash>, End) {
        let depth = self.depth();
        let (mut siblings, mut level) = (Vec::new(), 0);
        let mut slot = self.node(0, 0);
        while slot.count > 1 && level < depth {
            level += 1;
            let index = path.prefix(level);
            siblings.push(self.node(level, index ^ 1).hash);
            slot = self.node(level, index);
        }
        let mut leaves = Vec::new();
        self.collect(level, path.prefix(level), &mut leaves);
        let mut rest = leaves.as_slice();
        while rest.len() > 1 {
            let (left, right) = split(rest, level);
            let (mine, other) = if path.bit(level) { (right, left) } else { (left, right) };
            level += 1;
            siblings.push(subtrie(self.suite, other, level).hash);
            rest = mine;
        }
        (siblings, rest.first().map_or(End::Empty, |leaf| End::Leaf(*leaf)))
    }
}

/// Result and buffers of one thread's update.
struct Work {
    delta: TrieDelta,
    leaves: Vec<Leaf>,
    paths: Vec<Path>,
    /// The memory below the current node has been fetched.
    warm: bool,
}

impl Work {
    fn new(depth: u32, changes: usize) -> Self {
        Self { delta: TrieDelta::with_room(depth, changes), leaves: Vec::new(), paths: Vec::new(), warm: false }
    }
}

/// Applies changes (sorted by path) to leaves (sorted by path).
fn apply<C: Change>(leaves: &mut Vec<Leaf>, changes: &[C]) {
    for change in changes {
        let found = leaves.binary_search_by(|leaf| leaf.path.cmp(change.path()));
        match (found, change.leaf()) {
            (Ok(position), Some(hash)) => leaves[position].hash = hash,
            (Ok(position), None) => {
                leaves.remove(position);
            }
            (Err(position), Some(hash)) => leaves.insert(position, Leaf { path: *change.path(), hash }),
            (Err(_), None) => {}
        }
    }
}
