//! The block log: append-only segments, the commit point of every height.

mod reader;
mod record;
pub(crate) mod segment;

use std::hash::{BuildHasher, Hasher};
use std::sync::{Arc, PoisonError, RwLock};

pub use reader::{Head, Heads, LogReader, Record, Records};
pub use record::{RecordKind, PAYLOAD_LIMIT};

use crate::bytes::length64;
use crate::disk::{Disk, DiskFile, OpenMode};
use crate::error::{Cure, DamageKind, Result, StoreError};
use crate::witness::Witness;
use segment::{Segment, DIRECTORY, HEADER};

/// Bytes buffered before they are handed to the kernel without waiting for `sync`.
const WRITE_OUT: usize = 4 << 20;
/// Offsets inside a segment are kept in 32 bits.
const SEGMENT_END: u64 = u32::MAX as u64;

/// Place of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Number of the segment, from 1.
    pub segment: u64,
    /// Byte offset in its file.
    pub offset: u64,
}

/// Settings of a [`BlockLog`].
#[derive(Clone, Copy, Debug)]
pub struct LogOptions {
    /// A segment that has reached this many bytes is closed at the next group; at most 1 GiB.
    pub segment_limit: u64,
    /// Salt of new segments; `None` draws one. Only simulations that compare bytes fix it.
    pub salt: Option<u64>,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self { segment_limit: 64 << 20, salt: None }
    }
}

/// What opening found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Bytes of an unacknowledged write that were cut from the last segment.
    pub cut_bytes: u64,
    /// Sidecar files that were missing or damaged and were written again.
    pub indexes_rebuilt: u64,
    /// True when a segment whose creation was interrupted was removed.
    pub empty_segment_removed: bool,
}

/// Segments as readers see them: synced bytes only.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) segments: Vec<Segment>,
}

/// The log, opened for appending. One per data folder; readers are [`LogReader`] clones.
pub struct BlockLog<D: Disk> {
    reader: LogReader<D>,
    options: LogOptions,
    tail: Option<Tail<D>>,
    failure: Option<StoreError>,
    recovery: Recovery,
    fsyncs: u64,
}

/// The segment being written.
struct Tail<D: Disk> {
    file: D::File,
    path: String,
    number: u64,
    seed: u32,
    /// Bytes that are durable.
    synced: u64,
    /// Bytes handed to the kernel.
    written: u64,
    /// Bytes behind `written`, not handed over yet.
    buffer: Vec<u8>,
    /// Blocks behind `synced`: height and offset.
    blocks: Vec<(u64, u64)>,
}

impl<D: Disk> Tail<D> {
    fn end(&self) -> u64 {
        self.written.saturating_add(length64(self.buffer.len()))
    }

    fn is_synced(&self) -> bool {
        self.end() == self.synced
    }
}

impl<D: Disk> BlockLog<D> {
    /// Opens the log, creating an empty one; cuts a torn tail, rebuilds sidecars.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] for damage before the tail, [`StoreError::WrongChain`], [`StoreError::Version`], disk errors.
    pub fn open(disk: D, chain_id: [u8; 32], options: LogOptions) -> Result<Self> {
        Self::open_witnessed(disk, chain_id, options, None)
    }

    /// As [`BlockLog::open`], but refuses a log that ends before the height that `witness` has seen, and changes nothing then:
    /// what looks like a torn tail or a shorter log is a damaged one.
    ///
    /// # Errors
    /// [`StoreError::LogBehind`], and as [`BlockLog::open`].
    pub fn open_witnessed(disk: D, chain_id: [u8; 32], options: LogOptions, witness: Option<&Witness>) -> Result<Self> {
        if options.segment_limit > 1 << 30 {
            return Err(StoreError::Argument("a log segment has at most 1 GiB".to_owned()));
        }
        disk.create_directory(DIRECTORY).map_err(|error| StoreError::from_io(DIRECTORY, "create", &error))?;
        let numbers = segment_numbers(&disk)?;
        let table = Arc::new(RwLock::new(Table::default()));
        let mut log = Self {
            reader: LogReader::new(disk, chain_id, table),
            options,
            tail: None,
            failure: None,
            recovery: Recovery::default(),
            fsyncs: 0,
        };
        log.load(&numbers, witness)?;
        Ok(log)
    }

    fn disk(&self) -> &D {
        &self.reader.disk
    }

    fn load(&mut self, numbers: &[u64], witness: Option<&Witness>) -> Result<()> {
        let Some((&last, closed)) = numbers.split_last() else {
            return refuse_if_behind(1, &[], witness);
        };
        let mut segments = Vec::with_capacity(numbers.len());
        for &number in closed {
            segments.push(self.load_closed(number)?);
        }
        let newest = self.load_last(last)?;
        let unused = newest.is_none();
        if let Some(segment) = newest {
            segments.push(segment);
        } else if let Some(segment) = segments.pop() {
            // The file behind it was never used; this one is continued, and it was synced in full.
            segments.push(segment::read_closed(self.disk(), &self.reader.chain_id, segment.number)?);
        }
        check_heights(&segments)?;
        refuse_if_behind(last, &segments, witness)?;
        if unused {
            self.remove_segment(last)?;
        }
        if let Some(segment) = segments.last() {
            self.tail = Some(self.continue_segment(segment)?);
        }
        self.reader.write_table().segments = segments;
        Ok(())
    }

    fn load_closed(&mut self, number: u64) -> Result<Segment> {
        if let Some(segment) = segment::read_index(self.disk(), &self.reader.chain_id, number)? {
            return Ok(segment);
        }
        let segment = segment::read_closed(self.disk(), &self.reader.chain_id, number)?;
        self.recovery.indexes_rebuilt += 1;
        match segment::write_index(self.disk(), &segment) {
            // The sidecar only saves time; without space the log still opens for reading.
            Ok(()) | Err(StoreError::NoSpace { .. }) => Ok(segment),
            Err(error) => Err(error),
        }
    }

    fn load_last(&mut self, number: u64) -> Result<Option<Segment>> {
        let bytes = segment::read_all(self.disk(), number)?;
        let scan = match segment::scan(&bytes, &self.reader.chain_id, number, |_, _| ()) {
            Ok(scan) => scan,
            // The header is synced before the first record is written, so a file without more than a header holds nothing.
            Err(StoreError::Damaged { .. }) if bytes.len() <= HEADER => return Ok(None),
            Err(error) => return Err(error),
        };
        let path = segment::path(number);
        match scan.bad {
            Some((at, true)) => Err(StoreError::damaged(&path, at, DamageKind::Content, Cure::FromPeers)),
            Some((at, false)) => {
                self.recovery.cut_bytes = scan.found.saturating_sub(at);
                Ok(Some(scan.segment))
            }
            None => Ok(Some(scan.segment)),
        }
    }

    fn remove_segment(&mut self, number: u64) -> Result<()> {
        let path = segment::path(number);
        self.disk().remove(&path).map_err(|error| StoreError::from_io(&path, "remove", &error))?;
        self.disk().sync_directory(DIRECTORY).map_err(|error| StoreError::from_sync(DIRECTORY, &error))?;
        self.recovery.empty_segment_removed = true;
        Ok(())
    }

    /// Opens a segment for appending; what recovery accepted is made durable before anybody relies on it.
    fn continue_segment(&mut self, segment: &Segment) -> Result<Tail<D>> {
        let path = segment::path(segment.number);
        let file =
            self.disk().open(&path, OpenMode::Write).map_err(|error| StoreError::from_io(&path, "open", &error))?;
        if self.recovery.cut_bytes > 0 {
            file.truncate(segment.length).map_err(|error| StoreError::from_io(&path, "truncate", &error))?;
        }
        file.sync_data().map_err(|error| StoreError::from_sync(&path, &error))?;
        self.fsyncs += 1;
        Ok(Tail {
            file,
            path,
            number: segment.number,
            seed: segment.seed,
            synced: segment.length,
            written: segment.length,
            buffer: Vec::new(),
            blocks: Vec::new(),
        })
    }

    /// What opening found and did.
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// A handle that reads synced records, also while this log is being written.
    pub fn reader(&self) -> LogReader<D> {
        self.reader.clone()
    }

    /// Calls of fsync and fdatasync so far, those of segment changes included.
    pub fn fsyncs(&self) -> u64 {
        self.fsyncs
    }

    /// Height of the newest block appended, synced or not.
    pub fn last_height(&self) -> Option<u64> {
        let pending = self.tail.as_ref().and_then(|tail| tail.blocks.last()).map(|(height, _)| *height);
        pending.or_else(|| self.reader.last_height())
    }

    /// Appends a record, `parts` joined. It is durable and readable after [`BlockLog::sync`].
    ///
    /// # Errors
    /// [`StoreError::NoSpace`]: no new segment could be begun and the record was not taken, append it again later.
    /// [`StoreError::Argument`] for a payload too long or a block that does not follow. Fatal errors close the log.
    pub fn append(&mut self, kind: RecordKind, height: u64, parts: &[&[u8]]) -> Result<Position> {
        self.refuse_if_failed()?;
        let length = parts.iter().fold(0usize, |sum, part| sum.saturating_add(part.len()));
        if length > PAYLOAD_LIMIT {
            return Err(StoreError::Argument(format!("a log record has at most {PAYLOAD_LIMIT} bytes")));
        }
        if kind == RecordKind::Block && self.last_height().is_some_and(|last| last.checked_add(1) != Some(height)) {
            return Err(StoreError::Argument(format!("block {height} does not follow the newest block of the log")));
        }
        self.roll_when_due(height)?;
        let position = self.encode(kind, height, parts, length)?;
        if self.tail.as_ref().is_some_and(|tail| tail.buffer.len() >= WRITE_OUT) {
            match self.write_out() {
                // The group waits in memory; `sync` tells the caller that there is no space for it.
                Ok(()) | Err(StoreError::NoSpace { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(position)
    }

    fn encode(&mut self, kind: RecordKind, height: u64, parts: &[&[u8]], length: usize) -> Result<Position> {
        let Some(tail) = self.tail.as_mut() else {
            return Err(StoreError::NotFound { what: "open log segment".to_owned() });
        };
        let offset = tail.end();
        if offset.saturating_add(length64(length)).saturating_add(length64(record::OVERHEAD)) > SEGMENT_END {
            return Err(StoreError::Argument("one group of records has at most 4 GiB: sync earlier".to_owned()));
        }
        let unsynced = u32::try_from(offset.saturating_sub(tail.synced)).unwrap_or(u32::MAX);
        record::encode(&mut tail.buffer, (tail.seed, offset), kind, height, unsynced, parts);
        if kind == RecordKind::Block {
            tail.blocks.push((height, offset));
        }
        Ok(Position { segment: tail.number, offset })
    }

    fn refuse_if_failed(&self) -> Result<()> {
        self.failure.as_ref().map_or(Ok(()), |failure| Err(failure.repeated()))
    }

    /// Remembers a fatal error: the log takes no further writes.
    fn close_on_fatal<T>(&mut self, outcome: Result<T>) -> Result<T> {
        if let Err(error @ StoreError::Fatal { .. }) = &outcome {
            self.failure = Some(error.clone());
        }
        outcome
    }

    /// Segments change only between groups, so that a group lies in one file.
    fn roll_when_due(&mut self, height: u64) -> Result<()> {
        let due = self.tail.as_ref().is_none_or(|tail| tail.is_synced() && tail.synced >= self.options.segment_limit);
        if !due {
            return Ok(());
        }
        let outcome = self.roll(height);
        self.close_on_fatal(outcome)
    }

    fn roll(&mut self, height: u64) -> Result<()> {
        let number = self.tail.as_ref().map_or(0, |tail| tail.number).saturating_add(1);
        let closed = self.reader.table().segments.last().cloned();
        if let Some(segment) = closed {
            segment::write_index(self.disk(), &segment)?;
            self.fsyncs += 2;
        }
        let salt = self.options.salt.unwrap_or_else(|| std::hash::RandomState::new().build_hasher().finish());
        let header = segment::encode_header(&self.reader.chain_id, number, height, salt);
        let path = segment::path(number);
        let file = match create_segment(self.disk(), &path, &header) {
            Ok(file) => file,
            Err(error) => {
                // Without this an unusable file stays behind; opening would remove it as well.
                let _ = self.disk().remove(&path);
                return Err(error);
            }
        };
        self.fsyncs += 2;
        let segment = segment::decode_header(&header, &self.reader.chain_id, number)?;
        let (seed, length) = (segment.seed, segment.length);
        self.reader.write_table().segments.push(segment);
        let (buffer, blocks) = (Vec::new(), Vec::new());
        self.tail = Some(Tail { file, path, number, seed, synced: length, written: length, buffer, blocks });
        Ok(())
    }

    fn write_out(&mut self) -> Result<()> {
        let Some(tail) = self.tail.as_mut() else {
            return Ok(());
        };
        if tail.buffer.is_empty() {
            return Ok(());
        }
        let Err(error) = tail.file.write_at(tail.written, &tail.buffer) else {
            tail.written = tail.end();
            tail.buffer.clear();
            return Ok(());
        };
        // What was written in part is written again, or is a torn tail after a crash.
        let outcome = Err(StoreError::from_io(&tail.path, "write", &error));
        self.close_on_fatal(outcome)
    }

    /// Makes everything appended durable with one fdatasync; nothing is done when nothing was appended.
    ///
    /// # Errors
    /// [`StoreError::NoSpace`]: what was appended is kept in memory, call again later. After a failed write or fsync the log is
    /// closed to writing.
    pub fn sync(&mut self) -> Result<()> {
        self.refuse_if_failed()?;
        self.write_out()?;
        let Some(tail) = self.tail.as_mut() else {
            return Ok(());
        };
        if tail.is_synced() {
            return Ok(());
        }
        let outcome = tail.file.sync_data().map_err(|error| StoreError::from_sync(&tail.path, &error));
        self.close_on_fatal(outcome)?;
        self.fsyncs += 1;
        self.publish();
        Ok(())
    }

    /// Shows synced records to readers.
    fn publish(&mut self) {
        let Some(tail) = self.tail.as_mut() else {
            return;
        };
        tail.synced = tail.written;
        let mut table = self.reader.write_table();
        if let Some(segment) = table.segments.last_mut() {
            segment.length = tail.synced;
            for (height, offset) in tail.blocks.drain(..) {
                segment.add_block(height, offset);
            }
        }
    }

    /// Records found behind the newest block, across segments: what consensus has to take up again after a restart.
    pub fn unfinished(&self) -> Records<D> {
        self.reader.after_last_block()
    }
}

fn create_segment<D: Disk>(disk: &D, path: &str, header: &[u8]) -> Result<D::File> {
    let file = disk.open(path, OpenMode::Create).map_err(|error| StoreError::from_io(path, "create", &error))?;
    file.write_at(0, header).map_err(|error| StoreError::from_io(path, "write", &error))?;
    file.sync_data().map_err(|error| StoreError::from_sync(path, &error))?;
    disk.sync_directory(DIRECTORY).map_err(|error| StoreError::from_sync(DIRECTORY, &error))?;
    Ok(file)
}

/// Segment numbers on the disk, which must be 1, 2, 3 … without a gap; a sidecar proves that its segment existed.
pub(crate) fn segment_numbers<D: Disk>(disk: &D) -> Result<Vec<u64>> {
    let names = disk.list(DIRECTORY).map_err(|error| StoreError::from_io(DIRECTORY, "list", &error))?;
    let mut numbers: Vec<u64> = names.iter().filter_map(|name| segment::number_of(name, "log")).collect();
    numbers.sort_unstable();
    let proven = names.iter().filter_map(|name| segment::number_of(name, "idx")).max().unwrap_or(0);
    let newest = numbers.last().copied().unwrap_or(0).max(proven);
    let mut expected = 1;
    for number in &numbers {
        if *number != expected {
            break;
        }
        expected += 1;
    }
    if expected <= newest {
        return Err(StoreError::damaged(&segment::path(expected), 0, DamageKind::Missing, Cure::FromPeers));
    }
    Ok(numbers)
}

fn refuse_if_behind(newest: u64, segments: &[Segment], witness: Option<&Witness>) -> Result<()> {
    let last = segments.iter().rev().find_map(Segment::last_block);
    let last = last.unwrap_or(0);
    let Some(witness) = witness.filter(|witness| witness.height > last) else {
        return Ok(());
    };
    Err(StoreError::LogBehind {
        file: segment::path(newest),
        last,
        witness: witness.file.clone(),
        known: witness.height,
    })
}

/// Blocks of one segment follow those of the one before.
pub(crate) fn check_heights(segments: &[Segment]) -> Result<()> {
    let mut last: Option<u64> = None;
    for segment in segments.iter().filter(|segment| !segment.blocks.is_empty()) {
        if last.is_some_and(|last| last.checked_add(1) != Some(segment.first_block)) {
            let at = segment.blocks.first().copied().map_or(0, u64::from);
            return Err(StoreError::damaged(&segment::path(segment.number), at, DamageKind::Content, Cure::FromPeers));
        }
        last = segment.last_block();
    }
    Ok(())
}

/// Poisoned locks hold consistent data here: every critical section is a plain replacement of values.
pub(crate) fn calm<T>(outcome: std::result::Result<T, PoisonError<T>>) -> T {
    outcome.unwrap_or_else(PoisonError::into_inner)
}
