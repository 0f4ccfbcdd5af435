//! Live ids by bucket, with an index by (source, id).
//!
//! Memory: 88 bytes per entry in chunks of a fixed size, which are never copied, and 16 bytes in an index that is 44 to 88 %
//! full: 108 to 126 bytes.

use crate::table::{hash, Positions};
use bubi_codec::{identity::Address, state::IdEntry};
use bubi_crypto::Hash;
use std::collections::BTreeMap;

/// Entries of a chunk: about 0.3 ms of hashing.
pub(crate) const CHUNK: usize = 1024;

/// The entries of one bucket in their order. It grows chunk by chunk: growing one long vector would copy every entry several times.
pub(crate) struct IdList {
    bucket: u64,
    chunks: Vec<Vec<IdEntry>>,
}

impl IdList {
    /// The entries, in chunks.
    pub(crate) fn chunks(&self) -> &[Vec<IdEntry>] {
        &self.chunks
    }

    pub(crate) fn len(&self) -> usize {
        self.chunks.last().map_or(0, |last| (self.chunks.len() - 1) * CHUNK + last.len())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &IdEntry> {
        self.chunks.iter().flatten()
    }

    fn get(&self, position: u32) -> Option<&IdEntry> {
        let position = position as usize;
        self.chunks.get(position / CHUNK)?.get(position % CHUNK)
    }

    fn push(&mut self, entry: IdEntry) {
        match self.chunks.last_mut() {
            Some(chunk) if chunk.len() < CHUNK => chunk.push(entry),
            last => {
                // Most buckets of a quiet network hold few entries: the first chunk grows as it is needed.
                let mut chunk = Vec::with_capacity(if last.is_some() { CHUNK } else { 1 });
                chunk.push(entry);
                self.chunks.push(chunk);
            }
        }
    }
}

/// Where an entry stands.
#[derive(Clone, Copy)]
struct Place {
    /// What it is indexed by, so that neither a look-up nor a growing index has to read entries.
    hash: u64,
    /// Place of its list in [`Lists::lists`].
    list: u32,
    position: u32,
}

/// What the live ids know about a replay key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IdState {
    /// No live transaction used it.
    Fresh,
    /// This very transaction used it.
    Used,
    /// Another transaction used it.
    Conflict,
}

/// Lists of entries with an index by (source, id).
#[derive(Default)]
pub(crate) struct Lists {
    /// Places of the lists by bucket.
    buckets: BTreeMap<u64, u32>,
    lists: Vec<IdList>,
    /// Places of lists that were dropped.
    free: Vec<u32>,
    /// One entry of each key, by the key: none of the others is in a later bucket.
    newest: Positions<Place>,
    /// The others, by key and transaction, so that many transactions under one id do not make each other slow.
    rivals: Positions<Place>,
}

fn key_hash(source: &Address, id: &[u8; 16]) -> u64 {
    hash(&[source.bytes(), id])
}

fn rival_hash(source: &Address, id: &[u8; 16], transaction: &Hash) -> u64 {
    hash(&[source.bytes(), id, transaction.as_bytes()])
}

impl Lists {
    /// Empty lists with room for so many keys in the index.
    pub(crate) fn with_capacity(keys: usize) -> Self {
        Self { newest: Positions::with_capacity(keys), ..Self::default() }
    }

    /// Buckets with their lists, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &IdList)> {
        self.buckets.iter().filter_map(|(bucket, place)| Some((*bucket, self.lists.get(*place as usize)?)))
    }

    /// Number of buckets.
    pub(crate) fn len(&self) -> usize {
        self.buckets.len()
    }

    fn at(&self, place: &Place) -> Option<&IdEntry> {
        self.lists.get(place.list as usize)?.get(place.position)
    }

    fn bucket(&self, place: &Place) -> u64 {
        self.lists.get(place.list as usize).map_or(0, |list| list.bucket)
    }

    /// Place of a bucket's list, which is made if there is none.
    fn list(&mut self, bucket: u64) -> u32 {
        if let Some(place) = self.buckets.get(&bucket) {
            return *place;
        }
        let list = IdList { bucket, chunks: Vec::new() };
        let place = match self.free.pop() {
            Some(place) => {
                if let Some(slot) = self.lists.get_mut(place as usize) {
                    *slot = list;
                }
                place
            }
            None => {
                self.lists.push(list);
                u32::try_from(self.lists.len() - 1).unwrap_or(u32::MAX)
            }
        };
        self.buckets.insert(bucket, place);
        place
    }

    pub(crate) fn add(&mut self, bucket: u64, entry: IdEntry) {
        let list = self.list(bucket);
        self.add_to(list, entry);
    }

    pub(crate) fn extend<'e>(&mut self, bucket: u64, entries: impl IntoIterator<Item = &'e IdEntry>) {
        let list = self.list(bucket);
        for entry in entries {
            self.add_to(list, *entry);
        }
    }

    fn add_to(&mut self, list: u32, entry: IdEntry) {
        let hash = key_hash(&entry.source, &entry.id);
        let found = self.newest(hash, &entry.source, &entry.id);
        let Some(target) = self.lists.get_mut(list as usize) else { return };
        let Ok(position) = u32::try_from(target.len()) else { return };
        let bucket = target.bucket;
        target.push(entry);
        let place = Place { hash, list, position };
        match found {
            None => self.newest.insert(place.hash, place, |place| place.hash),
            Some(older) if self.bucket(&older) < bucket => {
                remove(&mut self.newest, &older);
                self.newest.insert(place.hash, place, |place| place.hash);
                self.add_rival(older);
            }
            Some(_) => self.add_rival(place),
        }
    }

    fn add_rival(&mut self, place: Place) {
        let Some(entry) = self.at(&place) else { return };
        let hash = rival_hash(&entry.source, &entry.id, &entry.transaction);
        self.rivals.insert(hash, Place { hash, ..place }, |place| place.hash);
    }

    /// The place that stands for a key.
    fn newest(&self, hash: u64, source: &Address, id: &[u8; 16]) -> Option<Place> {
        let is = |place: &Place| {
            place.hash == hash && self.at(place).is_some_and(|entry| entry.source == *source && entry.id == *id)
        };
        self.newest.find(hash, is).copied()
    }

    pub(crate) fn drop_bucket(&mut self, bucket: u64) {
        let Some(list) = self.buckets.remove(&bucket) else { return };
        let Some(slot) = self.lists.get_mut(list as usize) else { return };
        let chunks = std::mem::take(&mut slot.chunks);
        for (position, entry) in (0_u32..).zip(chunks.iter().flatten()) {
            let place = Place { hash: key_hash(&entry.source, &entry.id), list, position };
            if !remove(&mut self.newest, &place) {
                let hash = rival_hash(&entry.source, &entry.id, &entry.transaction);
                remove(&mut self.rivals, &Place { hash, ..place });
            }
        }
        self.free.push(list);
    }

    /// State of a key, looking only at buckets from `floor` on.
    pub(crate) fn state(&self, floor: u64, source: &Address, id: &[u8; 16], transaction: &Hash) -> IdState {
        let newest = self.newest(key_hash(source, id), source, id);
        let Some(newest) = newest.filter(|place| self.bucket(place) >= floor) else { return IdState::Fresh };
        let same = |place: &Place| {
            let entry = self.at(place).filter(|_| self.bucket(place) >= floor);
            entry.is_some_and(|entry| entry.transaction == *transaction && entry.source == *source && entry.id == *id)
        };
        if same(&newest) || self.rivals.find(rival_hash(source, id, transaction), same).is_some() {
            IdState::Used
        } else {
            IdState::Conflict
        }
    }
}

/// Takes a place out of an index; false if it is not there.
fn remove(index: &mut Positions<Place>, place: &Place) -> bool {
    index.remove(place.hash, |other| other.list == place.list && other.position == place.position)
}
