//! The door: bytes become verified transactions, once per node and in batches over all cores.

use crate::{
    chain::Chain,
    error::{ChainError, Result},
    rule::Rule,
};
use bubi_codec::{
    decode, domain,
    identity::{Address, ChainId},
    limits,
    state::{key, AccountHeader, OwnerKind},
    transaction::{SignatureEntry, SignedTransaction, TransactionBody},
    DecodeError,
};
use bubi_crypto::{Hash, HashSuite, KnownKeys, LeafTag, PublicKey, SignedItem};
use bubi_ledger::VerifiedTransaction;
use bubi_store::Disk;
use rayon::prelude::*;
use std::{collections::BTreeSet, ops::Range, sync::Arc};

/// Where the bytes of an admitted transaction stand, and its leaf of the batch root.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Leaf of the batch root.
    pub leaf: Hash,
    wire: Arc<[u8]>,
    range: Range<usize>,
}

impl Entry {
    /// The signed transaction as received.
    pub fn bytes(&self) -> &[u8] {
        self.wire.get(self.range.clone()).unwrap_or_default()
    }
}

/// Verified transactions with their bytes, in order.
#[derive(Debug, Default)]
pub struct Verified {
    /// What execution needs.
    pub transactions: Vec<VerifiedTransaction>,
    /// The bytes of each.
    pub entries: Vec<Entry>,
}

impl Verified {
    fn with_capacity(count: usize) -> Self {
        Self { transactions: Vec::with_capacity(count), entries: Vec::with_capacity(count) }
    }

    /// Bytes of all together.
    pub fn bytes(&self) -> usize {
        self.entries.iter().map(|entry| entry.range.len()).sum()
    }

    /// The transactions as a bulk body.
    pub fn bulk(&self) -> Vec<u8> {
        join_bulk(self.entries.len(), self.entries.iter().map(Entry::bytes))
    }

    /// Adds others at the end.
    pub fn append(&mut self, mut other: Self) {
        self.transactions.append(&mut other.transactions);
        self.entries.append(&mut other.entries);
    }
}

/// Transactions that came together, and what the door said of each.
#[derive(Debug, Default)]
pub struct Admission {
    /// The admitted ones, in the order received.
    pub verified: Verified,
    /// One per transaction received: none if admitted, else the code of the refusal.
    pub verdicts: Vec<Option<&'static str>>,
    /// Hash per transaction received; zero where it could not be decoded.
    pub hashes: Vec<Hash>,
    /// `valid_until` (ms) per transaction received; 0 where it was refused.
    pub expiries: Vec<u64>,
    /// Operations per transaction received; 0 where it was refused.
    pub operations: Vec<u8>,
    /// Fingerprint of the source account per transaction received; 0 where it was refused.
    pub sources: Vec<u64>,
}

/// What the pool says of a transaction for which it keeps no room.
const NO_ROOM: &str = "pool_full";

impl Admission {
    /// Smallest `valid_until` of the admitted ones, 0 if there are none.
    pub fn earliest_expiry(&self) -> u64 {
        self.verified.transactions.iter().map(|one| one.body.valid_until).min().unwrap_or(0)
    }

    /// The same without some of the admitted ones, which are refused as `pool_full`. `places` count transactions as received;
    /// those that were refused before stay as they are.
    #[must_use]
    pub fn without(mut self, places: &BTreeSet<usize>) -> Self {
        let verified = std::mem::take(&mut self.verified);
        let mut admitted = verified.transactions.into_iter().zip(verified.entries);
        for (place, verdict) in self.verdicts.iter_mut().enumerate() {
            if verdict.is_some() {
                continue;
            }
            let Some((transaction, entry)) = admitted.next() else { break };
            if places.contains(&place) {
                *verdict = Some(NO_ROOM);
                for number in [self.expiries.get_mut(place), self.sources.get_mut(place)].into_iter().flatten() {
                    *number = 0;
                }
                if let Some(count) = self.operations.get_mut(place) {
                    *count = 0;
                }
            } else {
                self.verified.transactions.push(transaction);
                self.verified.entries.push(entry);
            }
        }
        self
    }
}

/// The first bytes of an account's address as a number: enough to count by.
fn fingerprint(Address(Hash(bytes)): &Address) -> u64 {
    bytes.iter().take(8).rev().fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

/// What decoding needs to know of the chain.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gate<'a> {
    /// Hash suite.
    pub suite: HashSuite,
    /// Chain id.
    pub chain: &'a ChainId,
    /// Which signatures are good.
    pub rule: Rule,
}

/// A decoded transaction whose signatures are not checked yet.
struct Decoded {
    signatures: Vec<SignatureEntry>,
    message: Vec<u8>,
    leaf: Hash,
    transaction: VerifiedTransaction,
}

/// Why a transaction is refused, and its hash if it has one.
struct Refusal(&'static str, Hash);

/// Transactions that one thread takes at a time: they share what the door has read.
const DOOR_CHUNK: usize = 512;

impl Gate<'_> {
    /// Decodes the transactions of a bulk body: the first of three steps, after which come [`Entered::check`] and [`Entered::verify`].
    ///
    /// # Errors
    /// The list itself is not canonical or too large. A bad transaction only gets its own verdict.
    pub(crate) fn enter(&self, bulk: &[u8]) -> Result<Entered> {
        let wire: Arc<[u8]> = bulk.into();
        let decoded = split_bulk(&wire)?
            .par_iter()
            .with_min_len(64)
            .map(|range| self.decode(&wire, range).map_err(|error| Refusal(error.code(), Hash::ZERO)))
            .collect();
        Ok(Entered { wire, decoded, rule: self.rule })
    }

    /// Reads transactions that this node verified before: from its own log, or from a batch that came to nothing.
    ///
    /// # Errors
    /// They do not decode.
    pub(crate) fn reread(&self, bulk: &[u8]) -> Result<Verified> {
        let wire: Arc<[u8]> = bulk.into();
        let decoded: Vec<Decoded> = split_bulk(&wire)?
            .par_iter()
            .with_min_len(32)
            .map(|range| {
                self.decode(&wire, range)
                    .map_err(|error| ChainError::Broken(format!("a verified transaction does not decode: {error}")))
            })
            .collect::<Result<_>>()?;
        let mut verified = Verified::with_capacity(decoded.len());
        for one in decoded {
            let range = one.transaction.bytes.clone();
            verified.entries.push(Entry { leaf: one.leaf, wire: Arc::clone(&wire), range });
            verified.transactions.push(one.transaction);
        }
        Ok(verified)
    }

    fn decode(&self, wire: &[u8], range: &Range<usize>) -> std::result::Result<Decoded, DecodeError> {
        let bytes = wire.get(range.clone()).unwrap_or_default();
        let SignedTransaction::V1 { body, signatures } = decode(bytes)?;
        let message = [domain::TRANSACTION.as_slice(), self.chain.bytes(), &body].concat();
        let TransactionBody::V1(fields) = decode(&body)?;
        let transaction = VerifiedTransaction {
            hash: self.suite.hash(&[&message]),
            body: fields,
            signers: signatures.iter().map(|entry| entry.key).collect(),
            bytes: range.clone(),
        };
        let leaf = self.suite.leaf_hash(LeafTag::Transaction, bytes);
        Ok(Decoded { signatures, message, leaf, transaction })
    }
}

/// Transactions on their way through the door.
pub(crate) struct Entered {
    wire: Arc<[u8]>,
    decoded: Vec<std::result::Result<Decoded, Refusal>>,
    rule: Rule,
}

impl Entered {
    /// The part of the door that reads state. `door` makes one check per chunk, whose transactions it is shown first: what it has
    /// read serves the whole chunk. It comes before the signatures, because it is cheaper, and holds the state no longer than it must.
    ///
    /// # Errors
    /// The state is damaged.
    pub(crate) fn check<C>(&mut self, door: impl Fn(&[&VerifiedTransaction]) -> C + Sync) -> Result<()>
    where
        C: FnMut(&VerifiedTransaction) -> Result<std::result::Result<(), &'static str>>,
    {
        self.decoded.par_chunks_mut(DOOR_CHUNK).try_for_each(|chunk| {
            let expected: Vec<&VerifiedTransaction> = chunk.iter().flatten().map(|one| &one.transaction).collect();
            let mut check = door(&expected);
            for entry in chunk {
                if let Ok(one) = entry {
                    if let Err(code) = check(&one.transaction)? {
                        *entry = Err(Refusal(code, one.transaction.hash));
                    }
                }
            }
            Ok(())
        })
    }

    /// How many signatures [`Entered::verify`] will look at.
    pub(crate) fn signatures(&self) -> usize {
        self.decoded.iter().flatten().map(|one| one.signatures.len()).sum()
    }

    /// Verifies every signature and says what became of each transaction.
    pub(crate) fn verify(self, known: &KnownKeys) -> Admission {
        let verdicts = verify_signatures(self.rule, &self.decoded, known);
        let count = self.decoded.len();
        let mut admission = Admission {
            verified: Verified::with_capacity(count),
            verdicts: Vec::with_capacity(count),
            hashes: Vec::with_capacity(count),
            expiries: Vec::with_capacity(count),
            operations: Vec::with_capacity(count),
            sources: Vec::with_capacity(count),
        };
        for (entry, good) in self.decoded.into_iter().zip(verdicts) {
            let (mut expiry, mut operations, mut source) = (0, 0, 0);
            let (hash, verdict) = match entry {
                Err(Refusal(code, hash)) => (hash, Some(code)),
                Ok(one) if !good => (one.transaction.hash, Some("signature_invalid")),
                Ok(one) => {
                    let hash = one.transaction.hash;
                    expiry = one.transaction.body.valid_until;
                    source = fingerprint(&one.transaction.body.source);
                    operations = u8::try_from(one.transaction.body.operations.len()).unwrap_or(u8::MAX);
                    let range = one.transaction.bytes.clone();
                    admission.verified.entries.push(Entry { leaf: one.leaf, wire: Arc::clone(&self.wire), range });
                    admission.verified.transactions.push(one.transaction);
                    (hash, None)
                }
            };
            admission.hashes.push(hash);
            admission.verdicts.push(verdict);
            admission.expiries.push(expiry);
            admission.operations.push(operations);
            admission.sources.push(source);
        }
        admission
    }
}

/// Buckets of the account tree whose keys are learned in one go, a few accounts each: readers of the state hold it for microseconds.
const LEARNED_BUCKETS: usize = 256;

impl<D: Disk> Chain<D> {
    /// Decodes the keys of some accounts before they sign: the costly third of a signature's verification, for a node with nothing
    /// better to do. `from` is 0 at first, then what the last call returned; nothing once all accounts were looked at or no more
    /// keys are remembered.
    ///
    /// # Errors
    /// The state is damaged.
    pub fn learn_keys(&self, from: usize) -> Result<Option<usize>> {
        if self.known_keys.is_full() {
            return Ok(None);
        }
        let until = from.saturating_add(LEARNED_BUCKETS);
        // The state is not held while keys are decoded.
        let Some(keys) = self.signers(from..until)? else { return Ok(None) };
        for key in &keys {
            self.known_keys.learn(key);
        }
        Ok(Some(until))
    }

    /// How many keys are decoded already.
    pub fn known_keys(&self) -> usize {
        self.known_keys.len()
    }

    fn signers(&self, buckets: Range<usize>) -> Result<Option<Vec<PublicKey>>> {
        let inner = self.read();
        let Some(headers) = inner.state.cells_in(buckets, key::HEADER) else { return Ok(None) };
        let mut keys = Vec::new();
        for (owner, header) in headers.filter(|(owner, _)| owner.kind() == OwnerKind::Account as u8) {
            match decode(header) {
                Ok(AccountHeader::V1 { signers, .. }) => keys.extend(signers.iter().map(|signer| signer.key)),
                Ok(AccountHeader::Closed { .. }) => {}
                Err(error) => return Err(ChainError::Broken(format!("the header of {owner:?}: {error}"))),
            }
        }
        Ok(Some(keys))
    }
}

/// One verdict per entry: whether every one of its signatures is good. Refused entries count as bad.
fn verify_signatures(rule: Rule, decoded: &[std::result::Result<Decoded, Refusal>], known: &KnownKeys) -> Vec<bool> {
    let items: Vec<SignedItem<'_>> = decoded
        .iter()
        .flatten()
        .flat_map(|one| {
            one.signatures.iter().map(|entry| SignedItem {
                public_key: &entry.key,
                message: &one.message,
                signature: &entry.signature,
            })
        })
        .collect();
    let mut verdicts = rule.verify_batch(&items, known).into_iter();
    let mut take = |count: usize| verdicts.by_ref().take(count).fold(true, |all, good| all & good);
    decoded.iter().map(|entry| entry.as_ref().is_ok_and(|one| take(one.signatures.len()))).collect()
}

/// Ranges of the byte strings in a bulk body (a BCS list of byte strings).
///
/// # Errors
/// `not_canonical`, or more transactions than a batch may hold.
pub fn split_bulk(bulk: &[u8]) -> Result<Vec<Range<usize>>> {
    let bad = || ChainError::refused("not_canonical", "the body is not a canonical list of byte strings");
    let mut position = 0;
    let count = read_length(bulk, &mut position).ok_or_else(bad)?;
    if count > limits::BATCH_TRANSACTIONS_MAX {
        let detail = format!("{count} transactions in one request; the limit is {}", limits::BATCH_TRANSACTIONS_MAX);
        return Err(ChainError::refused("too_large", detail));
    }
    let mut ranges = Vec::with_capacity(count);
    for _ in 0..count {
        let length = read_length(bulk, &mut position).ok_or_else(bad)?;
        let end = position.checked_add(length).filter(|end| *end <= bulk.len()).ok_or_else(bad)?;
        ranges.push(position..end);
        position = end;
    }
    if position == bulk.len() {
        Ok(ranges)
    } else {
        Err(bad())
    }
}

/// A bulk body from signed transactions.
pub fn join_bulk<'a>(count: usize, transactions: impl Iterator<Item = &'a [u8]> + Clone) -> Vec<u8> {
    let length: usize = transactions.clone().map(|bytes| bytes.len() + 5).sum();
    let mut bulk = Vec::with_capacity(length + 5);
    write_length(&mut bulk, count);
    for bytes in transactions {
        write_length(&mut bulk, bytes.len());
        bulk.extend_from_slice(bytes);
    }
    bulk
}

/// Reads a ULEB128 length in its shortest form.
fn read_length(bytes: &[u8], position: &mut usize) -> Option<usize> {
    let mut value = 0usize;
    for shift in [0, 7, 14, 21, 28] {
        let byte = *bytes.get(*position)?;
        *position += 1;
        value |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            let shortest = shift == 0 || byte != 0;
            return (shortest && value <= 0x7fff_ffff).then_some(value);
        }
    }
    None
}

fn write_length(bytes: &mut Vec<u8>, mut value: usize) {
    loop {
        #[allow(clippy::cast_possible_truncation)] // Seven bits are kept.
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return;
        }
        bytes.push(low | 0x80);
    }
}
