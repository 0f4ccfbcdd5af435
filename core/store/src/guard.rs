//! The second place of the signer's record: two fixed slots written in turn.
//!
//! A crash in the middle of a write leaves the other slot, so the newest record that was made durable is always there. What
//! is written without a sync goes into one slot again and again: the other one is durable until the next sync.
//! Each slot also carries the mark: the newest block that was durable in the log when the slot was written. It is written
//! before anybody hears of that block, so a log that ends before the mark has lost something.

use crate::bytes::{length64, put_string, Fields};
use crate::disk::{read_range, replace_file, Disk, DiskFile, OpenMode};
use crate::error::{Cure, DamageKind, Result, StoreError};

/// Name of the file in the data folder.
pub const GUARD_FILE: &str = "guard.bin";
/// Longest record in bytes.
pub const GUARD_LIMIT: usize = 4000;

const SLOT: usize = 4096;
const MAGIC: &[u8; 8] = b"BUBIGRD\x02";

/// The newest block of the log, as the guard file remembers it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// Height; 0 before the first block.
    pub height: u64,
    /// Digest of its proposal.
    pub digest: [u8; 32],
}

/// Content of a slot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Content {
    sequence: u64,
    pub(crate) mark: Mark,
    record: Vec<u8>,
}

/// An open guard file.
pub struct GuardFile<D: Disk> {
    file: D::File,
    newest: Content,
    /// Sequence number of the newest content that is durable for sure.
    durable: u64,
    syncs: u64,
    one_slot_lost: bool,
    failure: Option<StoreError>,
}

/// Content of both slots.
pub(crate) struct Slots {
    pub(crate) slots: [Slot; 2],
}

pub(crate) enum Slot {
    Empty,
    Valid(Content),
    Damaged,
}

impl Slots {
    fn newest(self) -> Option<Content> {
        self.slots
            .into_iter()
            .filter_map(|slot| match slot {
                Slot::Valid(content) => Some(content),
                Slot::Empty | Slot::Damaged => None,
            })
            .max_by_key(|content| content.sequence)
    }
}

fn decode(bytes: &[u8], number: u64) -> Slot {
    if bytes.len() == SLOT && bytes.iter().all(|byte| *byte == 0) {
        return Slot::Empty;
    }
    let parsed = (|| {
        let mut fields = Fields(bytes);
        let magic = fields.array::<8>()?;
        let sequence = fields.u64()?;
        let mark = Mark { height: fields.u64()?, digest: fields.array()? };
        let record = fields.string()?;
        let covered = bytes.len().checked_sub(fields.0.len())?;
        let sum = fields.u32()?;
        let good = &magic == MAGIC
            && bytes.len() == SLOT
            && sequence % 2 == number
            && crc32c::crc32c(bytes.get(..covered)?) == sum
            && fields.0.iter().all(|byte| *byte == 0);
        good.then(|| Content { sequence, mark, record: record.to_vec() })
    })();
    parsed.map_or(Slot::Damaged, Slot::Valid)
}

fn encode(content: &Content) -> Vec<u8> {
    let mut slot = Vec::with_capacity(SLOT);
    slot.extend_from_slice(MAGIC);
    slot.extend_from_slice(&content.sequence.to_le_bytes());
    slot.extend_from_slice(&content.mark.height.to_le_bytes());
    slot.extend_from_slice(&content.mark.digest);
    put_string(&mut slot, &content.record);
    crate::bytes::seal(&mut slot);
    slot.resize(SLOT, 0);
    slot
}

/// Reads both slots; `None` when there is no file.
pub(crate) fn read_slots<D: Disk>(disk: &D) -> Result<Option<Slots>> {
    let Some(bytes) = crate::disk::read_file(disk, GUARD_FILE)? else {
        return Ok(None);
    };
    let slot = |number: usize| {
        let start = number.saturating_mul(SLOT).min(bytes.len());
        let end = start.saturating_add(SLOT).min(bytes.len());
        decode(bytes.get(start..end).unwrap_or_default(), length64(number))
    };
    Ok(Some(Slots { slots: [slot(0), slot(1)] }))
}

/// The newest block that the guard file of a folder knows of.
pub(crate) fn marked_height<D: Disk>(disk: &D) -> Result<Option<u64>> {
    let newest = read_slots(disk)?.and_then(Slots::newest);
    Ok(newest.map(|content| content.mark.height))
}

impl<D: Disk> GuardFile<D> {
    /// Opens the file, creating it when missing.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when something was written and neither slot is readable.
    pub fn open(disk: &D) -> Result<Self> {
        let slots = match read_slots(disk)? {
            Some(slots) => slots,
            None => Self::create(disk)?,
        };
        let one_slot_lost = slots.slots.iter().any(|slot| matches!(slot, Slot::Damaged));
        let Some(newest) = slots.newest() else {
            return Err(StoreError::damaged(GUARD_FILE, 0, DamageKind::Content, Cure::CompareCopies));
        };
        let file =
            disk.open(GUARD_FILE, OpenMode::Write).map_err(|error| StoreError::from_io(GUARD_FILE, "open", &error))?;
        // A process that was killed may have left the newest slot to the operating system.
        file.sync_data().map_err(|error| StoreError::from_sync(GUARD_FILE, &error))?;
        let durable = newest.sequence;
        Ok(Self { file, newest, durable, syncs: 1, one_slot_lost, failure: None })
    }

    /// The first slot starts with an empty record, so that there is always one to fall back to.
    fn create(disk: &D) -> Result<Slots> {
        let mut bytes = encode(&Content::default());
        bytes.resize(2 * SLOT, 0);
        replace_file(disk, "", GUARD_FILE, &bytes)?;
        Ok(Slots { slots: [Slot::Valid(Content::default()), Slot::Empty] })
    }

    /// True when one slot was unreadable at opening: a write that a crash interrupted, or damage to the newest record. The
    /// guard must then find the same record in the log before it signs.
    pub fn one_slot_lost(&self) -> bool {
        self.one_slot_lost
    }

    /// The newest record that was written, or one that was being written when the machine died.
    pub fn read(&self) -> Option<&[u8]> {
        let record = self.newest.record.as_slice();
        (!record.is_empty()).then_some(record)
    }

    /// The newest block that the log held when this file was last written.
    pub fn mark(&self) -> Mark {
        self.newest.mark
    }

    /// How often this file was synced since it was opened.
    pub fn syncs(&self) -> u64 {
        self.syncs
    }

    /// Reads the newest slot from the disk again, to compare with memory.
    pub fn verify(&self) -> Result<bool> {
        let place = Self::place(self.newest.sequence);
        let bytes = read_range(&self.file, GUARD_FILE, place, SLOT)?;
        Ok(bytes == encode(&self.newest))
    }

    fn place(sequence: u64) -> u64 {
        (sequence % 2).saturating_mul(length64(SLOT))
    }

    /// Writes a record and makes it durable (one fdatasync).
    ///
    /// # Errors
    /// [`StoreError::Argument`] above [`GUARD_LIMIT`]; a failed write or fsync closes the file to writing.
    pub fn write(&mut self, record: &[u8]) -> Result<()> {
        self.write_marked(self.newest.mark, Some(record))
    }

    /// As [`GuardFile::write`], with the newest block of the log; without a record the one held stays.
    ///
    /// # Errors
    /// As [`GuardFile::write`].
    pub fn write_marked(&mut self, mark: Mark, record: Option<&[u8]>) -> Result<()> {
        self.note(mark, record)?;
        self.sync()
    }

    /// Writes without a sync: the end of the process does not lose it, the end of the machine may, and then leaves what was
    /// durable before.
    ///
    /// # Errors
    /// As [`GuardFile::write`].
    pub fn note(&mut self, mark: Mark, record: Option<&[u8]>) -> Result<()> {
        if let Some(failure) = &self.failure {
            return Err(failure.repeated());
        }
        let record = record.unwrap_or(&self.newest.record).to_vec();
        if record.len() > GUARD_LIMIT {
            return Err(StoreError::Argument(format!("a guard record has at most {GUARD_LIMIT} bytes")));
        }
        // The slot of the newest durable content stays as it is.
        let step = if self.newest.sequence == self.durable { 1 } else { 2 };
        let sequence = self.newest.sequence.saturating_add(step);
        let next = Content { sequence, mark, record };
        // The slots exist since creation, so a full disk cannot refuse this write on ordinary file systems.
        let written = self.file.write_at(Self::place(sequence), &encode(&next));
        self.closing_on_failure(written.map_err(|error| StoreError::from_io(GUARD_FILE, "write", &error)))?;
        self.newest = next;
        Ok(())
    }

    /// Makes durable what was noted; nothing to do if nothing was.
    ///
    /// # Errors
    /// A failed fdatasync closes the file to writing.
    pub fn sync(&mut self) -> Result<()> {
        if self.newest.sequence == self.durable {
            return Ok(());
        }
        let synced = self.file.sync_data();
        self.closing_on_failure(synced.map_err(|error| StoreError::from_sync(GUARD_FILE, &error)))?;
        self.syncs = self.syncs.saturating_add(1);
        self.durable = self.newest.sequence;
        Ok(())
    }

    fn closing_on_failure(&mut self, outcome: Result<()>) -> Result<()> {
        if let Err(failure @ StoreError::Fatal { .. }) = &outcome {
            self.failure = Some(failure.clone());
        }
        outcome
    }
}
