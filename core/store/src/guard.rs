//! The second place of the signer's record: two fixed slots written in turn.
//!
//! A crash in the middle of a write leaves the other slot, so the newest record that was acknowledged is always there.

use crate::bytes::{length64, put_string, Fields};
use crate::disk::{read_range, replace_file, Disk, DiskFile, OpenMode};
use crate::error::{Cure, DamageKind, Result, StoreError};

/// Name of the file in the data folder.
pub const GUARD_FILE: &str = "guard.bin";
/// Longest record in bytes.
pub const GUARD_LIMIT: usize = 4000;

const SLOT: usize = 4096;
const MAGIC: &[u8; 8] = b"BUBIGRD\x01";

/// An open guard file.
pub struct GuardFile<D: Disk> {
    file: D::File,
    newest: (u64, Vec<u8>),
    one_slot_lost: bool,
    failure: Option<StoreError>,
}

/// Content of both slots.
pub(crate) struct Slots {
    pub(crate) slots: [Slot; 2],
}

pub(crate) enum Slot {
    Empty,
    Valid(u64, Vec<u8>),
    Damaged,
}

impl Slots {
    fn newest(self) -> Option<(u64, Vec<u8>)> {
        self.slots
            .into_iter()
            .filter_map(|slot| match slot {
                Slot::Valid(sequence, record) => Some((sequence, record)),
                Slot::Empty | Slot::Damaged => None,
            })
            .max_by_key(|(sequence, _)| *sequence)
    }
}

fn decode(bytes: &[u8], number: u64) -> Slot {
    if bytes.iter().all(|byte| *byte == 0) {
        return Slot::Empty;
    }
    let parsed = (|| {
        let mut fields = Fields(bytes);
        let magic = fields.array::<8>()?;
        let sequence = fields.u64()?;
        let record = fields.string()?;
        let covered = bytes.len().checked_sub(fields.0.len())?;
        let sum = fields.u32()?;
        let good = &magic == MAGIC
            && bytes.len() == SLOT
            && sequence % 2 == number
            && crc32c::crc32c(bytes.get(..covered)?) == sum
            && fields.0.iter().all(|byte| *byte == 0);
        good.then(|| (sequence, record.to_vec()))
    })();
    parsed.map_or(Slot::Damaged, |(sequence, record)| {
        Slot::Valid(sequence, record)
    })
}

fn encode(sequence: u64, record: &[u8]) -> Vec<u8> {
    let mut slot = Vec::with_capacity(SLOT);
    slot.extend_from_slice(MAGIC);
    slot.extend_from_slice(&sequence.to_le_bytes());
    put_string(&mut slot, record);
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
    Ok(Some(Slots {
        slots: [slot(0), slot(1)],
    }))
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
            return Err(StoreError::damaged(
                GUARD_FILE,
                0,
                DamageKind::Content,
                Cure::CompareCopies,
            ));
        };
        let file = disk
            .open(GUARD_FILE, OpenMode::Write)
            .map_err(|error| StoreError::from_io(GUARD_FILE, "open", &error))?;
        Ok(Self {
            file,
            newest,
            one_slot_lost,
            failure: None,
        })
    }

    /// The first slot starts with an empty record, so that there is always one to fall back to.
    fn create(disk: &D) -> Result<Slots> {
        let mut bytes = encode(0, &[]);
        bytes.resize(2 * SLOT, 0);
        replace_file(disk, "", GUARD_FILE, &bytes)?;
        Ok(Slots {
            slots: [Slot::Valid(0, Vec::new()), Slot::Empty],
        })
    }

    /// True when one slot was unreadable at opening: a write that a crash interrupted, or damage to the newest record. The
    /// guard must then find the same record in the log before it signs.
    pub fn one_slot_lost(&self) -> bool {
        self.one_slot_lost
    }

    /// The newest record that was acknowledged, or one that was being written when the machine died.
    pub fn read(&self) -> Option<&[u8]> {
        let (sequence, record) = &self.newest;
        (*sequence > 0).then_some(record.as_slice())
    }

    /// Reads the newest slot from the disk again, to compare with memory.
    pub fn verify(&self) -> Result<bool> {
        let (sequence, record) = &self.newest;
        let bytes = read_range(&self.file, GUARD_FILE, Self::place(*sequence), SLOT)?;
        Ok(bytes == encode(*sequence, record))
    }

    fn place(sequence: u64) -> u64 {
        (sequence % 2).saturating_mul(length64(SLOT))
    }

    /// Writes a record and makes it durable (one fdatasync).
    ///
    /// # Errors
    /// [`StoreError::Argument`] above [`GUARD_LIMIT`]; a failed write or fsync closes the file to writing.
    pub fn write(&mut self, record: &[u8]) -> Result<()> {
        if let Some(failure) = &self.failure {
            return Err(failure.repeated());
        }
        if record.len() > GUARD_LIMIT {
            return Err(StoreError::Argument(format!(
                "a guard record has at most {GUARD_LIMIT} bytes"
            )));
        }
        let sequence = self.newest.0.saturating_add(1);
        let slot = encode(sequence, record);
        // The slots exist since creation, so a full disk cannot refuse this write on ordinary file systems.
        let written = self.file.write_at(Self::place(sequence), &slot);
        let outcome = written
            .map_err(|error| StoreError::from_io(GUARD_FILE, "write", &error))
            .and_then(|()| {
                self.file
                    .sync_data()
                    .map_err(|error| StoreError::from_sync(GUARD_FILE, &error))
            });
        if let Err(failure) = outcome {
            if matches!(failure, StoreError::Fatal { .. }) {
                self.failure = Some(failure.clone());
            }
            return Err(failure);
        }
        self.newest = (sequence, record.to_vec());
        Ok(())
    }
}
