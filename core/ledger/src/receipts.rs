//! Receipts: events root, leaf and block root, hashed by all cores.

use crate::cells::Defect;
use bubi_codec::{
    block::{Event, Receipt},
    ResultCode,
};
use bubi_crypto::{merkle_root, Hash, HashSuite, LeafTag};
use rayon::prelude::*;

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

pub(crate) fn seal(suite: HashSuite, ended: Vec<Ended>) -> Result<Sealed, Defect> {
    let no_events = merkle_root(suite, &[]);
    let seal = |ended: Ended| {
        let events_root = if ended.events.is_empty() { no_events } else { events_root(suite, &ended.events)? };
        let receipt = Receipt::V1 {
            transaction: ended.transaction,
            batch: ended.batch,
            index: ended.index,
            code: ended.code as u16,
            operation: ended.operation,
            events_root,
        };
        let leaf = suite.leaf_hash(LeafTag::Receipt, &encoded(&receipt)?);
        Ok(((receipt, ended.events), leaf))
    };
    let sealed: Result<Vec<_>, Defect> = ended.into_par_iter().with_min_len(256).map(seal).collect();
    let (sealed, leaves): (Vec<(Receipt, Vec<Event>)>, Vec<Hash>) = sealed?.into_iter().unzip();
    let (receipts, events) = sealed.into_iter().unzip();
    Ok((receipts, events, merkle_root(suite, &leaves)))
}

/// RFC 9162 root over encoded events.
fn events_root(suite: HashSuite, events: &[Event]) -> Result<Hash, Defect> {
    let leaf = |event| Ok(suite.leaf_hash(LeafTag::Event, &encoded(event)?));
    let leaves: Result<Vec<Hash>, Defect> = events.iter().map(leaf).collect();
    Ok(merkle_root(suite, &leaves?))
}

fn encoded<T: serde::Serialize>(value: &T) -> Result<Vec<u8>, Defect> {
    let mut bytes = Vec::with_capacity(192);
    bcs::serialize_into(&mut bytes, value).map_err(|_| Defect("a receipt or an event cannot be encoded"))?;
    Ok(bytes)
}
