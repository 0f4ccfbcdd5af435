//! Receipts: events root, leaf and block root, hashed by all cores.

use crate::cells::Defect;
use bubi_codec::{
    block::{Event, Receipt},
    ResultCode,
};
use bubi_crypto::{merkle_root, Hash, HashSuite, LeafTag};
use std::sync::{Mutex, PoisonError};

/// What becomes a receipt.
pub(crate) struct Ended {
    pub(crate) transaction: Hash,
    pub(crate) batch: u32,
    pub(crate) index: u32,
    pub(crate) code: ResultCode,
    pub(crate) operation: Option<u8>,
    pub(crate) events: Vec<Event>,
}

/// Receipts, their events and the receipt root.
pub(crate) type Sealed = (Vec<Receipt>, Vec<Vec<Event>>, Hash);

/// Receipts sealed by other cores while the block is still being executed.
pub(crate) struct Sealer<'s> {
    suite: HashSuite,
    waiting: Vec<Ended>,
    sent: usize,
    done: &'s Mutex<Vec<(usize, Result<Part, Defect>)>>,
}

/// Receipts that one task seals: about 0.3 ms of work.
const PART: usize = 256;

/// Some receipts in their order, with their leaves.
#[derive(Default)]
pub(crate) struct Part {
    receipts: Vec<Receipt>,
    events: Vec<Vec<Event>>,
    leaves: Vec<Hash>,
}

/// Runs `execute` with a sealer and puts together what was sealed.
pub(crate) fn sealing<E: From<Defect>>(
    suite: HashSuite,
    execute: impl FnOnce(&mut dyn FnMut(Ended)) -> Result<(), E>,
) -> Result<Sealed, E> {
    let done = Mutex::new(Vec::new());
    rayon::in_place_scope(|scope| {
        let mut sealer = Sealer { suite, waiting: Vec::with_capacity(PART), sent: 0, done: &done };
        execute(&mut |ended| {
            sealer.waiting.push(ended);
            if sealer.waiting.len() == PART {
                sealer.send(scope);
            }
        })?;
        sealer.send(scope);
        Ok::<(), E>(())
    })?;
    let mut parts = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    parts.sort_unstable_by_key(|part| part.0);
    let mut whole = Part::with_capacity(parts.len() * PART);
    for (_, part) in parts {
        let part = part?;
        whole.receipts.extend(part.receipts);
        whole.events.extend(part.events);
        whole.leaves.extend(part.leaves);
    }
    Ok((whole.receipts, whole.events, merkle_root(suite, &whole.leaves)))
}

impl<'s> Sealer<'s> {
    fn send(&mut self, scope: &rayon::Scope<'s>) {
        let part = std::mem::replace(&mut self.waiting, Vec::with_capacity(PART));
        let (suite, number, done) = (self.suite, self.sent, self.done);
        self.sent += 1;
        scope.spawn(move |_| {
            let sealed = seal(suite, part);
            done.lock().unwrap_or_else(PoisonError::into_inner).push((number, sealed));
        });
    }
}

impl Part {
    fn with_capacity(receipts: usize) -> Self {
        Self {
            receipts: Vec::with_capacity(receipts),
            events: Vec::with_capacity(receipts),
            leaves: Vec::with_capacity(receipts),
        }
    }
}

fn seal(suite: HashSuite, ended: Vec<Ended>) -> Result<Part, Defect> {
    let no_events = merkle_root(suite, &[]);
    let mut part = Part::with_capacity(ended.len());
    let mut buffer = Vec::with_capacity(256);
    for ended in ended {
        let events_root = match ended.events.as_slice() {
            [] => no_events,
            events => events_root(suite, events, &mut buffer)?,
        };
        let receipt = Receipt::V1 {
            transaction: ended.transaction,
            batch: ended.batch,
            index: ended.index,
            code: ended.code as u16,
            operation: ended.operation,
            events_root,
        };
        part.leaves.push(suite.leaf_hash(LeafTag::Receipt, encoded(&receipt, &mut buffer)?));
        part.receipts.push(receipt);
        part.events.push(ended.events);
    }
    Ok(part)
}

/// RFC 9162 root over encoded events.
fn events_root(suite: HashSuite, events: &[Event], buffer: &mut Vec<u8>) -> Result<Hash, Defect> {
    if let [event] = events {
        return Ok(suite.leaf_hash(LeafTag::Event, encoded(event, buffer)?));
    }
    let leaf = |event| Ok(suite.leaf_hash(LeafTag::Event, encoded(event, buffer)?));
    let leaves: Result<Vec<Hash>, Defect> = events.iter().map(leaf).collect();
    Ok(merkle_root(suite, &leaves?))
}

/// The bytes of a receipt or an event, in a buffer that is used again.
fn encoded<'b, T: serde::Serialize>(value: &T, buffer: &'b mut Vec<u8>) -> Result<&'b [u8], Defect> {
    buffer.clear();
    bcs::serialize_into(&mut *buffer, value).map_err(|_| Defect("a receipt or an event cannot be encoded"))?;
    Ok(buffer)
}
