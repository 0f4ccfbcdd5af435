//! Ed25519 keys that were decoded before.
//!
//! A key is 32 bytes; the equation needs the point, and finding its other coordinate takes a third of a verification. Who signs
//! again is found here. What is remembered is a function of the key's bytes alone, so it decides nothing: a table that is empty, full
//! or off gives the same verdicts.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Mutex, MutexGuard, PoisonError};

use curve25519_dalek::EdwardsPoint;
use hashbrown::HashTable;

use crate::ed25519;
use crate::key::PublicKey;

/// Parts with a lock each: threads that verify side by side seldom meet.
const SHARDS: usize = 64;

/// How far a shard looks for a key that nobody used since it last looked, before it takes the next one all the same.
const PATIENCE: usize = 8;

/// A bounded table of decoded keys; the ones that were not used lately make room. A key takes about 220 bytes.
pub struct KnownKeys {
    shards: Vec<Mutex<Shard>>,
    shard_capacity: usize,
    // Keyed anew in every process: nobody can choose keys that meet in one place of the table.
    hasher: RandomState,
}

#[derive(Default)]
struct Shard {
    /// Where in `keys` a key is.
    places: HashTable<u32>,
    keys: Vec<Known>,
    /// The place that is looked at next when one is needed.
    hand: usize,
}

struct Known {
    encoded: [u8; 32],
    /// −A.
    minus_key: EdwardsPoint,
    is_used: bool,
}

impl KnownKeys {
    /// A table for up to about `capacity` keys; 0 remembers none.
    pub fn new(capacity: usize) -> Self {
        let shard_capacity = capacity.div_ceil(SHARDS).min(u32::MAX as usize);
        let shards = if capacity == 0 { 0 } else { SHARDS };
        Self { shards: (0..shards).map(|_| Mutex::default()).collect(), shard_capacity, hasher: RandomState::new() }
    }

    /// How many keys it holds.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).keys.len()).sum()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether another key takes the place of one that is held; always if it remembers none.
    pub fn is_full(&self) -> bool {
        self.shards.iter().all(|shard| lock(shard).keys.len() >= self.shard_capacity)
    }

    /// Decodes a key ahead of its first signature. Keys of other algorithms and such as nobody can use are passed over.
    pub fn learn(&self, key: &PublicKey) {
        let PublicKey::Ed25519(encoded) = key else { return };
        if self.shards.is_empty() || self.find(encoded).is_some() {
            return;
        }
        if let Some(minus_key) = ed25519::decode_key(encoded) {
            self.keep(encoded, minus_key);
        }
    }

    /// −A of a key that is known.
    pub(crate) fn find(&self, encoded: &[u8; 32]) -> Option<EdwardsPoint> {
        let (shard, hash) = self.shard(encoded)?;
        lock(shard).find(encoded, hash)
    }

    /// Remembers −A of a key.
    pub(crate) fn keep(&self, encoded: &[u8; 32], minus_key: EdwardsPoint) {
        if let Some((shard, hash)) = self.shard(encoded) {
            let known = Known { encoded: *encoded, minus_key, is_used: false };
            lock(shard).keep(known, hash, self.shard_capacity, |known| self.hasher.hash_one(known.encoded));
        }
    }

    /// Where a key belongs, and its hash.
    fn shard(&self, encoded: &[u8; 32]) -> Option<(&Mutex<Shard>, u64)> {
        let hash = self.hasher.hash_one(encoded);
        // The table uses the upper and the lowest bits.
        let number = usize::try_from((hash >> 32) % SHARDS as u64).ok()?;
        Some((self.shards.get(number)?, hash))
    }
}

impl Shard {
    fn find(&mut self, encoded: &[u8; 32], hash: u64) -> Option<EdwardsPoint> {
        let Self { places, keys, .. } = self;
        let place = *places.find(hash, |place| at(keys, *place).is_some_and(|known| known.encoded == *encoded))?;
        let known = keys.get_mut(place as usize)?;
        known.is_used = true;
        Some(known.minus_key)
    }

    fn keep(&mut self, known: Known, hash: u64, capacity: usize, hash_of: impl Fn(&Known) -> u64) {
        if self.find(&known.encoded, hash).is_some() {
            return;
        }
        let place = if self.keys.len() < capacity { self.keys.len() } else { self.make_room(&hash_of) };
        let Ok(number) = u32::try_from(place) else { return };
        if let Some(old) = self.keys.get_mut(place) {
            *old = known;
        } else {
            if self.keys.len() == self.keys.capacity() {
                // Doubling would leave a quarter of the memory unused.
                self.keys.reserve_exact(self.keys.len() / 8 + 16);
            }
            self.keys.push(known);
        }
        let keys = &self.keys;
        self.places.insert_unique(hash, number, |place| at(keys, *place).map_or(0, &hash_of));
    }

    /// A place whose key was not used since the hand passed it last, or one after [`PATIENCE`] that were; out of the index.
    fn make_room(&mut self, hash_of: impl Fn(&Known) -> u64) -> usize {
        let mut place = self.hand;
        for _ in 0..PATIENCE {
            place = self.hand;
            self.hand = (self.hand + 1) % self.keys.len().max(1);
            match self.keys.get_mut(place) {
                Some(known) if known.is_used => known.is_used = false,
                _ => break,
            }
        }
        if let Some(known) = self.keys.get(place) {
            if let Ok(entry) = self.places.find_entry(hash_of(known), |other| *other as usize == place) {
                entry.remove();
            }
        }
        place
    }
}

fn at(keys: &[Known], place: u32) -> Option<&Known> {
    keys.get(place as usize)
}

/// A panic elsewhere leaves the table whole: each change of it is complete before anything can fail.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{SecretKey, SignatureAlgorithm};

    fn key(number: u64) -> [u8; 32] {
        let mut seed = [7; 32];
        seed[..8].copy_from_slice(&number.to_le_bytes());
        match SecretKey::generate(SignatureAlgorithm::Ed25519, &seed).map(|key| key.public_key()) {
            Ok(PublicKey::Ed25519(encoded)) => encoded,
            _ => unreachable!("an Ed25519 key"),
        }
    }

    #[test]
    fn what_is_found_is_what_decoding_gives() {
        let known = KnownKeys::new(1_000);
        for number in 0..300 {
            known.learn(&PublicKey::Ed25519(key(number)));
        }
        assert_eq!(known.len(), 300);
        for number in 0..300 {
            assert_eq!(known.find(&key(number)), ed25519::decode_key(&key(number)));
        }
        assert_eq!(known.find(&key(300)), None);
    }

    #[test]
    fn it_never_grows_beyond_its_capacity_and_forgets_what_is_not_used() {
        let known = KnownKeys::new(2 * SHARDS);
        let favourite = key(0);
        known.learn(&PublicKey::Ed25519(favourite));
        for number in 1..2_000 {
            known.learn(&PublicKey::Ed25519(key(number)));
            assert!(known.find(&favourite).is_some(), "used before each other key, gone after {number}");
        }
        assert!(known.is_full());
        assert_eq!(known.len(), 2 * SHARDS);
        let left = (0..2_000).filter(|number| known.find(&key(*number)).is_some()).count();
        assert_eq!(left, 2 * SHARDS, "the index and the keys have drifted apart");
    }

    #[test]
    fn without_room_nothing_is_kept() {
        let known = KnownKeys::new(0);
        known.learn(&PublicKey::Ed25519(key(1)));
        known.keep(&key(1), EdwardsPoint::default());
        assert!(known.is_empty() && known.is_full());
    }

    #[test]
    fn bytes_that_are_no_key_are_not_kept() {
        let known = KnownKeys::new(100);
        let mut none = [2; 32];
        while ed25519::decode_key(&none).is_some() {
            none[0] += 1;
        }
        known.learn(&PublicKey::Ed25519(none));
        assert!(known.is_empty());
    }
}
