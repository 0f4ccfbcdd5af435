//! Live ids: what keeps a transaction with an id from happening twice.
//!
//! Consensus state, but not cells: the state holds only count and list root of each bucket, the lists stand here. As with
//! the tree, a base is changed by merging the [`IdDelta`] of a block, and deltas stack on it before they are merged.

use crate::id_lists::{IdList, IdState, Lists, CHUNK};
use bubi_codec::{
    identity::Address,
    state::{IdBucket, IdEntry},
};
use bubi_crypto::{merkle_root, Hash, HashSuite, LeafTag};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Root of a growing list (RFC 9162), from the roots of its perfect subtrees: an added leaf costs two hashes on average.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontier {
    count: u64,
    /// One root per bit of `count`, the largest first.
    peaks: Vec<Hash>,
}

impl Frontier {
    /// Number of leaves.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Adds leaf hashes at the end; long runs are hashed by all cores.
    pub fn append(&mut self, suite: HashSuite, mut leaves: &[Hash]) {
        while !leaves.is_empty() {
            let room = 1_usize.checked_shl(self.count.trailing_zeros()).unwrap_or(usize::MAX);
            let size = room.min(1 << leaves.len().ilog2());
            let (subtree, rest) = leaves.split_at(size);
            self.push(suite, merkle_root(suite, subtree), size as u64);
            leaves = rest;
        }
    }

    /// Adds a perfect subtree no larger than the smallest one.
    fn push(&mut self, suite: HashSuite, mut root: Hash, size: u64) {
        let mut level = size;
        while self.count & level != 0 {
            let Some(left) = self.peaks.pop() else { break };
            root = suite.node_hash(&left, &root);
            level <<= 1;
        }
        self.peaks.push(root);
        self.count += size;
    }

    /// Root of the list.
    pub fn root(&self, suite: HashSuite) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        let Some(last) = peaks.next() else { return suite.hash(&[]) };
        peaks.fold(*last, |right, left| suite.node_hash(left, &right))
    }

    /// The cell that commits to the list.
    pub fn cell(&self, suite: HashSuite) -> IdBucket {
        IdBucket::V1 { count: self.count, root: self.root(suite) }
    }

    fn extended(mut self, suite: HashSuite, chunks: &[impl AsRef<[IdEntry]> + Sync]) -> Self {
        let chunks = chunks.par_iter();
        let leaves: Vec<Hash> =
            chunks.flat_map_iter(|chunk| chunk.as_ref().iter().map(|entry| leaf(suite, entry))).collect();
        self.append(suite, &leaves);
        self
    }
}

/// Leaf of an entry. Its bytes are put together by hand because there is one per transaction; a test compares them with BCS.
fn leaf(suite: HashSuite, entry: &IdEntry) -> Hash {
    suite.leaf_hash(LeafTag::Id, &entry_bytes(entry))
}

/// Bytes of an encoded entry.
const ENTRY_BYTES: usize = 88;

fn entry_bytes(entry: &IdEntry) -> [u8; ENTRY_BYTES] {
    let mut bytes = [0; ENTRY_BYTES];
    bytes[..32].copy_from_slice(entry.source.bytes());
    bytes[32..48].copy_from_slice(&entry.id);
    bytes[48..80].copy_from_slice(entry.transaction.as_bytes());
    bytes[80..].copy_from_slice(&entry.valid_until.to_le_bytes());
    bytes
}

/// The live ids of the merged state.
pub struct LiveIds {
    suite: HashSuite,
    lists: Lists,
    frontiers: BTreeMap<u64, Frontier>,
}

/// What a block does to the live ids.
pub struct IdDelta {
    /// Buckets that passed.
    dropped: Vec<u64>,
    /// Entries added, by bucket in the order of their transactions.
    added: Lists,
    /// Frontiers of the buckets with additions, after them.
    frontiers: BTreeMap<u64, Frontier>,
}

/// A delta, or a whole set of lists, as bytes.
#[derive(Serialize, Deserialize)]
enum Blob {
    V1 { dropped: Vec<u64>, added: Vec<(u64, Vec<IdEntry>)> },
}

/// Bytes that are not those of a block's live ids.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a list of live ids: {0}")]
pub struct BadIdList(String);

/// The bytes of a [`Blob`], put together by hand because there is one entry per transaction; a test compares them with BCS.
fn encode(dropped: &[u64], lists: &Lists) -> Result<Vec<u8>, BadIdList> {
    let length = |bytes: &mut Vec<u8>, count: usize| {
        let count = u32::try_from(count).ok().filter(|count| *count < 1 << 31);
        let mut rest = count.ok_or_else(|| BadIdList("a list beyond 2^31 entries".to_owned()))?;
        while rest >= 0x80 {
            bytes.push(rest.to_le_bytes()[0] | 0x80);
            rest >>= 7;
        }
        bytes.push(rest.to_le_bytes()[0]);
        Ok(())
    };
    let count: usize = lists.iter().map(|(_, list)| list.len()).sum();
    let mut bytes = Vec::with_capacity(count * ENTRY_BYTES + (lists.len() + dropped.len()) * 16 + 16);
    bytes.push(0);
    length(&mut bytes, dropped.len())?;
    bytes.extend(dropped.iter().flat_map(|bucket| bucket.to_le_bytes()));
    length(&mut bytes, lists.len())?;
    for (bucket, list) in lists.iter() {
        bytes.extend_from_slice(&bucket.to_le_bytes());
        length(&mut bytes, list.len())?;
        for entry in list.iter() {
            bytes.extend_from_slice(&entry_bytes(entry));
        }
    }
    Ok(bytes)
}

impl LiveIds {
    /// No live ids.
    pub fn new(suite: HashSuite) -> Self {
        Self { suite, lists: Lists::default(), frontiers: BTreeMap::new() }
    }

    /// The ids seen through the deltas of blocks that are not merged yet, oldest first.
    pub fn view<'a>(&'a self, deltas: &[&'a IdDelta]) -> IdsView<'a> {
        IdsView { base: self, deltas: deltas.to_vec() }
    }

    /// Takes over what a block did. Linear in its additions and in the buckets that it dropped.
    pub fn merge(&mut self, delta: IdDelta) {
        for bucket in delta.dropped {
            self.lists.drop_bucket(bucket);
            self.frontiers.remove(&bucket);
        }
        for (bucket, list) in delta.added.iter() {
            self.lists.extend(bucket, list.iter());
        }
        self.frontiers.extend(delta.frontiers);
    }

    /// Takes over the bytes of [`IdDelta::encode`] or [`LiveIds::encode`], block by block from the oldest on.
    ///
    /// # Errors
    /// The bytes are damaged.
    pub fn replay(&mut self, blob: &[u8]) -> Result<(), BadIdList> {
        let Blob::V1 { dropped, added } = bcs::from_bytes(blob).map_err(|error| BadIdList(error.to_string()))?;
        for bucket in dropped {
            self.lists.drop_bucket(bucket);
            self.frontiers.remove(&bucket);
        }
        for (bucket, entries) in added {
            let frontier = self.frontiers.remove(&bucket).unwrap_or_default();
            let chunks: Vec<&[IdEntry]> = entries.chunks(CHUNK).collect();
            self.frontiers.insert(bucket, frontier.extended(self.suite, &chunks));
            self.lists.extend(bucket, &entries);
        }
        Ok(())
    }

    /// All lists as bytes, for a snapshot.
    ///
    /// # Errors
    /// None in practice; the encoder reports lists beyond 2^31 entries.
    pub fn encode(&self) -> Result<Vec<u8>, BadIdList> {
        encode(&[], &self.lists)
    }

    /// Number of live entries.
    pub fn len(&self) -> u64 {
        self.frontiers.values().map(Frontier::count).sum()
    }

    /// True without live entries.
    pub fn is_empty(&self) -> bool {
        self.frontiers.is_empty()
    }

    /// Every bucket with the cell that must commit to it, ascending.
    pub fn cells(&self) -> impl Iterator<Item = (u64, IdBucket)> + '_ {
        self.frontiers.iter().map(|(bucket, frontier)| (*bucket, frontier.cell(self.suite)))
    }

    /// The cells computed from the lists alone, without stored hashes: the check of the invariant.
    pub fn recomputed_cells(&self) -> Vec<(u64, IdBucket)> {
        let cell = |list: &IdList| Frontier::default().extended(self.suite, list.chunks()).cell(self.suite);
        self.lists.iter().map(|(bucket, list)| (bucket, cell(list))).collect()
    }
}

impl IdDelta {
    /// The delta as bytes, for [`LiveIds::replay`].
    ///
    /// # Errors
    /// None in practice; the encoder reports lists beyond 2^31 entries.
    pub fn encode(&self) -> Result<Vec<u8>, BadIdList> {
        encode(&self.dropped, &self.added)
    }

    /// Entries added.
    pub fn added(&self) -> impl Iterator<Item = &IdEntry> {
        self.added.iter().flat_map(|(_, list)| list.iter())
    }

    /// Buckets dropped, ascending.
    pub fn dropped(&self) -> &[u64] {
        &self.dropped
    }

    /// Cells of the buckets with additions.
    pub(crate) fn cells(&self, suite: HashSuite) -> impl Iterator<Item = (u64, IdBucket)> + '_ {
        self.frontiers.iter().map(move |(bucket, frontier)| (*bucket, frontier.cell(suite)))
    }
}

/// Live ids through the deltas of blocks that are not merged yet.
#[derive(Clone)]
pub struct IdsView<'a> {
    base: &'a LiveIds,
    deltas: Vec<&'a IdDelta>,
}

impl IdsView<'_> {
    /// Buckets that exist, ascending.
    fn buckets(&self) -> Vec<u64> {
        let mut buckets: BTreeSet<u64> = self.base.frontiers.keys().copied().collect();
        for delta in &self.deltas {
            buckets.retain(|bucket| !delta.dropped.contains(bucket));
            buckets.extend(delta.frontiers.keys());
        }
        buckets.into_iter().collect()
    }

    fn frontier(&self, bucket: u64) -> Frontier {
        for delta in self.deltas.iter().rev() {
            if let Some(frontier) = delta.frontiers.get(&bucket) {
                return frontier.clone();
            }
            if delta.dropped.contains(&bucket) {
                return Frontier::default();
            }
        }
        self.base.frontiers.get(&bucket).cloned().unwrap_or_default()
    }
}

/// The live ids under one block: a view, and what the block adds.
pub(crate) struct IdScratch<'a> {
    view: IdsView<'a>,
    /// First bucket that has not passed at the block's time.
    floor: u64,
    width: u64,
    added: Lists,
}

impl<'a> IdScratch<'a> {
    /// `width` is the parameter `id_bucket`, `time` the block time.
    /// `transactions`: about how many the block has.
    pub(crate) fn new(view: IdsView<'a>, width: u64, time: u64, transactions: usize) -> Self {
        let width = width.max(1);
        // (b + 1) · width ≤ t exactly if b < ⌊t / width⌋.
        Self { view, floor: time / width, width, added: Lists::with_capacity(transactions) }
    }

    /// Buckets that have passed, ascending.
    pub(crate) fn passed(&self) -> Vec<u64> {
        self.view.buckets().into_iter().take_while(|bucket| *bucket < self.floor).collect()
    }

    pub(crate) fn state(&self, source: &Address, id: &[u8; 16], transaction: &Hash) -> IdState {
        let layers = self.view.deltas.iter().map(|delta| &delta.added);
        let mut found = IdState::Fresh;
        for lists in layers.chain([&self.view.base.lists, &self.added]) {
            match lists.state(self.floor, source, id, transaction) {
                IdState::Used => return IdState::Used,
                IdState::Conflict => found = IdState::Conflict,
                IdState::Fresh => {}
            }
        }
        found
    }

    pub(crate) fn add(&mut self, entry: IdEntry) {
        self.added.add(entry.valid_until / self.width, entry);
    }

    /// Hashes the additions.
    pub(crate) fn finish(self, suite: HashSuite) -> IdDelta {
        let (dropped, view) = (self.passed(), self.view);
        let extend = |(bucket, list): (u64, &IdList)| (bucket, view.frontier(bucket).extended(suite, list.chunks()));
        let frontiers = self.added.iter().map(extend).collect();
        IdDelta { dropped, added: self.added, frontiers }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(number: u64, bucket: u64) -> IdEntry {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&number.to_be_bytes());
        IdEntry {
            source: Address(Hash([(number % 7) as u8; 32])),
            id,
            transaction: HashSuite::Standard.hash(&[&id]),
            valid_until: bucket * 10 + number % 10,
        }
    }

    /// An entry under one and the same key.
    fn rival(number: u64, bucket: u64) -> IdEntry {
        IdEntry { source: Address(Hash([1; 32])), id: [2; 16], ..entry(number, bucket) }
    }

    #[test]
    fn many_transactions_under_one_id_are_told_apart_quickly() {
        let mut lists = Lists::default();
        let begun = std::time::Instant::now();
        let count = 60_000;
        for number in 0..count {
            let rival = rival(number, 1 + number % 3);
            let before = if number == 0 { IdState::Fresh } else { IdState::Conflict };
            assert_eq!(lists.state(0, &rival.source, &rival.id, &rival.transaction), before);
            lists.add(1 + number % 3, rival);
            assert_eq!(lists.state(0, &rival.source, &rival.id, &rival.transaction), IdState::Used);
        }
        for bucket in 1..=3 {
            lists.drop_bucket(bucket);
        }
        let one = rival(0, 1);
        assert_eq!(lists.state(0, &one.source, &one.id, &one.transaction), IdState::Fresh);
        // A second is many times what it takes; looking at every rival took half a minute.
        assert!(begun.elapsed() < std::time::Duration::from_secs(20), "{:?}", begun.elapsed());
    }

    #[test]
    fn a_key_lives_as_long_as_its_latest_bucket() {
        for order in [[1, 2, 3], [3, 2, 1], [2, 3, 1], [2, 2, 2], [3, 1, 3]] {
            let mut lists = Lists::default();
            let rivals: Vec<(u64, IdEntry)> =
                (0..).zip(order).map(|(number, bucket)| (bucket, rival(number, bucket))).collect();
            for (bucket, entry) in &rivals {
                lists.add(*bucket, *entry);
            }
            for (floor, drop) in
                [(0, None), (1, Some(0)), (2, None), (2, Some(1)), (3, None), (3, Some(2)), (4, None), (4, Some(3))]
            {
                if let Some(bucket) = drop {
                    lists.drop_bucket(bucket);
                }
                let live = rivals.iter().any(|(bucket, _)| *bucket >= floor);
                let stranger = entry(99, 1).transaction;
                let expected = if live { IdState::Conflict } else { IdState::Fresh };
                assert_eq!(
                    lists.state(floor, &rivals[0].1.source, &[2; 16], &stranger),
                    expected,
                    "{order:?} from {floor}"
                );
                for (bucket, entry) in &rivals {
                    let expected = if *bucket >= floor { IdState::Used } else { expected };
                    assert_eq!(
                        lists.state(floor, &entry.source, &entry.id, &entry.transaction),
                        expected,
                        "{order:?} from {floor}"
                    );
                }
            }
        }
    }

    #[test]
    fn entries_are_hashed_as_bcs() {
        let entry = entry(77, 5);
        assert_eq!(bcs::to_bytes(&entry).unwrap(), entry_bytes(&entry));
    }

    #[test]
    fn lists_are_encoded_as_bcs() {
        for counts in [vec![], vec![1], vec![127, 128, 3], vec![300], vec![1024, 2050]] {
            let lists: BTreeMap<u64, Vec<IdEntry>> = (1..)
                .zip(&counts)
                .map(|(bucket, count)| (bucket, (0..*count).map(|number| entry(number, bucket)).collect()))
                .collect();
            let dropped: Vec<u64> = (0..counts.len() as u64 * 70).collect();
            let mut indexed = Lists::default();
            for (bucket, list) in &lists {
                indexed.extend(*bucket, list);
            }
            let blob = Blob::V1 { dropped: dropped.clone(), added: lists.into_iter().collect() };
            assert_eq!(encode(&dropped, &indexed).unwrap(), bcs::to_bytes(&blob).unwrap());
        }
    }

    #[test]
    fn a_frontier_gives_the_root_of_the_list_however_it_grew() {
        for suite in [HashSuite::Standard, HashSuite::National] {
            let leaves: Vec<Hash> = (0..70).map(|number| leaf(suite, &entry(number, 1))).collect();
            for step in [1, 2, 3, 5, 8, 31, 64, 70] {
                let mut frontier = Frontier::default();
                let mut length = 0;
                for chunk in leaves.chunks(step) {
                    frontier.append(suite, chunk);
                    length += chunk.len();
                    assert_eq!(
                        frontier.root(suite),
                        merkle_root(suite, &leaves[..length]),
                        "step {step}, length {length}"
                    );
                }
            }
            assert_eq!(Frontier::default().root(suite), merkle_root(suite, &[]));
        }
    }

    /// A block at `time` with the given entries.
    fn block(ids: &LiveIds, deltas: &[&IdDelta], time: u64, entries: &[IdEntry]) -> IdDelta {
        let mut scratch = IdScratch::new(ids.view(deltas), 10, time, entries.len());
        for entry in entries {
            scratch.add(*entry);
        }
        scratch.finish(HashSuite::Standard)
    }

    #[test]
    fn stacked_deltas_merge_and_replay_to_the_same_lists() {
        let suite = HashSuite::Standard;
        let first: Vec<IdEntry> = (0..100).map(|number| entry(number, 4 + number % 3)).collect();
        let second: Vec<IdEntry> = (100..130).map(|number| entry(number, 5 + number % 3)).collect();
        let mut ids = LiveIds::new(suite);
        let one = block(&ids, &[], 40, &first);
        let two = block(&ids, &[&one], 50, &second);
        assert_eq!(two.dropped(), [4]);
        let mut replayed = LiveIds::new(suite);
        replayed.replay(&one.encode().unwrap()).unwrap();
        replayed.replay(&two.encode().unwrap()).unwrap();
        let view = IdScratch::new(ids.view(&[&one, &two]), 10, 50, 0);
        assert_eq!(view.state(&first[1].source, &first[1].id, &first[1].transaction), IdState::Used);
        assert_eq!(view.state(&first[1].source, &first[1].id, &Hash::ZERO), IdState::Conflict);
        assert_eq!(view.state(&first[0].source, &first[0].id, &Hash::ZERO), IdState::Fresh, "its bucket passed");
        ids.merge(one);
        ids.merge(two);
        assert_eq!(ids.cells().collect::<Vec<_>>(), replayed.cells().collect::<Vec<_>>());
        assert_eq!(ids.cells().collect::<Vec<_>>(), ids.recomputed_cells());
        let mut copy = LiveIds::new(suite);
        copy.replay(&ids.encode().unwrap()).unwrap();
        assert_eq!(copy.recomputed_cells(), ids.recomputed_cells());
        let view = IdScratch::new(ids.view(&[]), 10, 50, 0);
        for entry in first.iter().filter(|entry| entry.valid_until >= 50).chain(&second) {
            assert_eq!(view.state(&entry.source, &entry.id, &entry.transaction), IdState::Used);
        }
        assert!(copy.replay(&[9]).is_err());
    }
}
