//! One record of a segment: header, payload, checksum.
//!
//! | bytes | field |
//! |---|---|
//! | 4 | payload length |
//! | 1 | kind |
//! | 8 | height |
//! | 4 | bytes between this record and the last synced offset when it was written |
//! | n | payload |
//! | 4 | CRC-32C over all of the above, started from the segment's seed and the record's offset |
//!
//! The fourth field tells a torn tail from damage: a crash may keep later pages of one unsynced group and lose
//! earlier ones, so a valid record behind a bad one proves damage only if it was written after the bad place was synced.
//! The seed ties a record to its segment and place, so that bytes inside a payload cannot pass for a record.

use crate::bytes::{length32, length64, Fields};

/// Longest payload in bytes.
pub const PAYLOAD_LIMIT: usize = 128 << 20;

pub(crate) const RECORD_HEADER: usize = 17;
/// Bytes a record needs beyond its payload.
pub(crate) const OVERHEAD: usize = RECORD_HEADER + 4;

/// What a record holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum RecordKind {
    /// Body of a transaction batch.
    BatchBody = 1,
    /// A proposal with the node's first vote.
    Proposal = 2,
    /// First place of the signer's record.
    GuardRecord = 3,
    /// Prepared certificate with the node's commit vote.
    Prepared = 4,
    /// Block with its certificate: the commit point of its height.
    Block = 5,
    /// Light block of CometBFT that proves an earlier block.
    LightBlock = 6,
}

impl RecordKind {
    /// The kind with this number; other numbers are reserved.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::BatchBody),
            2 => Some(Self::Proposal),
            3 => Some(Self::GuardRecord),
            4 => Some(Self::Prepared),
            5 => Some(Self::Block),
            6 => Some(Self::LightBlock),
            _ => None,
        }
    }

    /// The number stored in the record.
    pub const fn number(self) -> u8 {
        match self {
            Self::BatchBody => 1,
            Self::Proposal => 2,
            Self::GuardRecord => 3,
            Self::Prepared => 4,
            Self::Block => 5,
            Self::LightBlock => 6,
        }
    }
}

/// Decoded header of a record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    pub(crate) length: usize,
    pub(crate) kind: RecordKind,
    pub(crate) height: u64,
    pub(crate) unsynced: u64,
}

impl Header {
    /// Bytes of the whole record.
    pub(crate) fn total(&self) -> usize {
        self.length.saturating_add(OVERHEAD)
    }
}

pub(crate) fn header(bytes: &[u8]) -> Option<Header> {
    let mut fields = Fields(bytes);
    let length = usize::try_from(fields.u32()?).ok()?;
    let kind = RecordKind::from_number(fields.u8()?)?;
    let height = fields.u64()?;
    let unsynced = u64::from(fields.u32()?);
    (length <= PAYLOAD_LIMIT).then_some(Header { length, kind, height, unsynced })
}

fn start(seed: u32, offset: u64) -> u32 {
    crc32c::crc32c_append(seed, &offset.to_le_bytes())
}

/// Appends a record that will stand at `offset` of its segment.
pub(crate) fn encode(
    to: &mut Vec<u8>,
    (seed, offset): (u32, u64),
    kind: RecordKind,
    height: u64,
    unsynced: u32,
    parts: &[&[u8]],
) {
    let length = parts.iter().map(|part| part.len()).sum();
    to.reserve(OVERHEAD.saturating_add(length));
    let from = to.len();
    to.extend_from_slice(&length32(length).to_le_bytes());
    to.push(kind.number());
    to.extend_from_slice(&height.to_le_bytes());
    to.extend_from_slice(&unsynced.to_le_bytes());
    for part in parts {
        to.extend_from_slice(part);
    }
    let sum = crc32c::crc32c_append(start(seed, offset), to.get(from..).unwrap_or_default());
    to.extend_from_slice(&sum.to_le_bytes());
}

/// Decodes the record at the front of `bytes`, which stand at `offset`; `None` when it is incomplete or wrong.
pub(crate) fn decode(bytes: &[u8], seed: u32, offset: u64) -> Option<(Header, &[u8])> {
    let header = header(bytes)?;
    let covered = RECORD_HEADER.checked_add(header.length)?;
    let sum = Fields(bytes.get(covered..)?).u32()?;
    let content = bytes.get(..covered)?;
    if crc32c::crc32c_append(start(seed, offset), content) != sum || header.unsynced > offset {
        return None;
    }
    Some((header, content.get(RECORD_HEADER..)?))
}

/// Bytes a scan may hash while looking for records behind a bad one; a crafted tail must not stop a node from starting.
const SEARCH_BUDGET: u64 = 4 << 30;

/// Looks for a record behind the bad one at `bad` that was written after that place had been synced.
/// `bytes` is the whole segment. Gives `true` (refuse rather than cut) when the search becomes too expensive.
pub(crate) fn durable_record_after(bytes: &[u8], seed: u32, bad: u64) -> bool {
    let mut spent = 0u64;
    let mut at = crate::bytes::offset(bad).saturating_add(1);
    while let Some(rest) = bytes.get(at..) {
        if rest.len() < OVERHEAD {
            return false;
        }
        let Some(candidate) = header(rest).filter(|header| header.total() <= rest.len()) else {
            at += 1;
            continue;
        };
        spent = spent.saturating_add(length64(candidate.total()));
        if spent > SEARCH_BUDGET {
            return true;
        }
        match decode(rest, seed, length64(at)) {
            Some((found, _)) if length64(at).saturating_sub(found.unsynced) > bad => return true,
            Some((found, _)) => at = at.saturating_add(found.total()),
            None => at += 1,
        }
    }
    false
}
