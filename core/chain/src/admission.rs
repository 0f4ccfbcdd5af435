//! The door: bytes become verified transactions, once per node and in batches over all cores.

use crate::error::{ChainError, Result};
use bubi_codec::{
    decode,
    domain,
    identity::ChainId,
    limits,
    transaction::{SignatureEntry, SignedTransaction, TransactionBody},
};
use bubi_crypto::{verify_batch, Hash, HashSuite, LeafTag, SignedItem};
use bubi_ledger::VerifiedTransaction;
use rayon::prelude::*;
use std::{ops::Range, sync::Arc};

/// A transaction that passed the door.
#[derive(Debug, Clone)]
pub struct Admitted {
    /// What execution needs.
    pub transaction: Arc<VerifiedTransaction>,
    /// Leaf of the batch root.
    pub leaf: Hash,
    wire: Arc<[u8]>,
    range: Range<usize>,
}

impl Admitted {
    /// The signed transaction as received.
    pub fn bytes(&self) -> &[u8] {
        self.wire.get(self.range.clone()).unwrap_or_default()
    }
}

/// Transactions that came together, and what the door said of each.
#[derive(Debug, Default)]
pub struct Admission {
    /// The admitted ones, in the order received.
    pub transactions: Vec<Admitted>,
    /// One per transaction received: none if admitted, else the code of the refusal.
    pub verdicts: Vec<Option<&'static str>>,
    /// Hash per transaction received; zero where it could not be decoded.
    pub hashes: Vec<Hash>,
}

impl Admission {
    /// Bytes of the admitted transactions.
    pub fn bytes(&self) -> usize {
        self.transactions.iter().map(|one| one.range.len()).sum()
    }

    /// Smallest `valid_until` of the admitted ones, 0 if there are none.
    pub fn earliest_expiry(&self) -> u64 {
        self.transactions.iter().map(|one| one.transaction.body.valid_until).min().unwrap_or(0)
    }
}

/// What the door needs to know of the chain.
#[derive(Debug, Clone, Copy)]
pub struct Door<'a> {
    /// Hash suite.
    pub suite: HashSuite,
    /// Chain id.
    pub chain: &'a ChainId,
}

struct Decoded {
    signed: SignedTransaction,
    body: TransactionBody,
    message: Vec<u8>,
    hash: Hash,
    leaf: Hash,
}

impl Door<'_> {
    /// Admits the transactions of a bulk body. `check` is the part of the door that reads state; it runs before signatures are verified.
    ///
    /// # Errors
    /// The list itself is not canonical or too large. A bad transaction only gets its own verdict.
    pub fn admit(
        &self,
        bulk: &[u8],
        check: impl Fn(&VerifiedTransaction) -> std::result::Result<(), &'static str> + Sync,
    ) -> Result<Admission> {
        let wire: Arc<[u8]> = bulk.into();
        let ranges = split_bulk(&wire)?;
        let decoded: Vec<std::result::Result<(Decoded, VerifiedTransaction), (&'static str, Hash)>> = ranges
            .par_iter()
            .with_min_len(32)
            .map(|range| {
                let one = self.decode(wire.get(range.clone()).unwrap_or_default()).map_err(|code| (code, Hash::ZERO))?;
                let transaction = one.verified();
                check(&transaction).map_err(|code| (code, one.hash))?;
                Ok((one, transaction))
            })
            .collect();
        let verdicts = verify_signatures(&decoded);
        let mut admission = Admission::default();
        for ((entry, good), range) in decoded.into_iter().zip(verdicts).zip(ranges) {
            let verdict = match entry {
                Err((code, hash)) => {
                    admission.hashes.push(hash);
                    Some(code)
                }
                Ok((one, _)) if !good => {
                    admission.hashes.push(one.hash);
                    Some("signature_invalid")
                }
                Ok((one, transaction)) => {
                    admission.hashes.push(one.hash);
                    let wire = Arc::clone(&wire);
                    admission.transactions.push(Admitted { transaction: Arc::new(transaction), leaf: one.leaf, wire, range });
                    None
                }
            };
            admission.verdicts.push(verdict);
        }
        Ok(admission)
    }

    /// Reads transactions that this node verified before: from its own log.
    ///
    /// # Errors
    /// They do not decode.
    pub fn reread(&self, bulk: &[u8]) -> Result<Vec<Admitted>> {
        let wire: Arc<[u8]> = bulk.into();
        split_bulk(&wire)?
            .into_par_iter()
            .with_min_len(32)
            .map(|range| {
                let one = self
                    .decode(wire.get(range.clone()).unwrap_or_default())
                    .map_err(|code| ChainError::Broken(format!("a logged transaction does not decode: {code}")))?;
                let transaction = Arc::new(one.verified());
                Ok(Admitted { transaction, leaf: one.leaf, wire: Arc::clone(&wire), range })
            })
            .collect()
    }

    fn decode(&self, bytes: &[u8]) -> std::result::Result<Decoded, &'static str> {
        let signed: SignedTransaction = decode(bytes).map_err(|error| error.code())?;
        let body: TransactionBody = decode(signed.body_bytes()).map_err(|error| error.code())?;
        let message = [domain::TRANSACTION.as_slice(), self.chain.bytes(), signed.body_bytes()].concat();
        let hash = self.suite.hash(&[&message]);
        let leaf = self.suite.leaf_hash(LeafTag::Transaction, bytes);
        Ok(Decoded { signed, body, message, hash, leaf })
    }
}

impl Decoded {
    fn verified(&self) -> VerifiedTransaction {
        let signers = self.signed.signatures().iter().map(|entry| entry.key).collect();
        VerifiedTransaction { hash: self.hash, body: self.body.v1().clone(), signers }
    }
}

/// One verdict per entry: whether every one of its signatures is good. Undecodable entries count as bad.
fn verify_signatures<T, E>(decoded: &[std::result::Result<(Decoded, T), E>]) -> Vec<bool> {
    let good = decoded.iter().flatten();
    let items: Vec<SignedItem<'_>> = good
        .flat_map(|(one, _)| {
            let item = |entry: &'_ SignatureEntry| SignedItem {
                public_key: &entry.key,
                message: &one.message,
                signature: &entry.signature,
            };
            one.signed.signatures().iter().map(item)
        })
        .collect();
    let mut verdicts = verify_batch(&items).into_iter();
    decoded
        .iter()
        .map(|entry| match entry {
            Ok((one, _)) => {
                // Every signature takes its verdict, also behind a bad one.
                one.signed.signatures().iter().map(|_| verdicts.next().unwrap_or(false)).fold(true, |all, one| all & one)
            }
            Err(_) => false,
        })
        .collect()
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
pub fn join_bulk<'a>(count: usize, transactions: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut bulk = Vec::new();
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
