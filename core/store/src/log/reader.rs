//! Reading synced records while the log is being written.

use std::sync::{Arc, Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::bytes::length64;
use crate::disk::{read_range, Disk, OpenMode};
use crate::error::{Cure, DamageKind, Result, StoreError};
use crate::log::record::{self, Header, OVERHEAD, RECORD_HEADER};
use crate::log::segment::{self, HEADER};
use crate::log::{calm, Position, RecordKind, Table};

/// Segment files kept open for reading.
const OPEN_FILES: usize = 16;
/// Bytes read at once when records are read in order.
const READ_AHEAD: usize = 1 << 20;

/// A record as it was appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where it stands.
    pub position: Position,
    /// What it holds.
    pub kind: RecordKind,
    /// Height it belongs to.
    pub height: u64,
    /// The appended parts, joined.
    pub payload: Vec<u8>,
}

/// Reads the synced part of a [`crate::BlockLog`]; clones share it.
pub struct LogReader<D: Disk> {
    pub(crate) disk: D,
    pub(crate) chain_id: [u8; 32],
    table: Arc<RwLock<Table>>,
    files: Arc<Mutex<Vec<OpenSegment<D>>>>,
}

/// Number and file of a segment.
type OpenSegment<D> = (u64, Arc<<D as Disk>::File>);

impl<D: Disk> Clone for LogReader<D> {
    fn clone(&self) -> Self {
        Self {
            disk: self.disk.clone(),
            chain_id: self.chain_id,
            table: Arc::clone(&self.table),
            files: Arc::clone(&self.files),
        }
    }
}

impl<D: Disk> LogReader<D> {
    pub(crate) fn new(disk: D, chain_id: [u8; 32], table: Arc<RwLock<Table>>) -> Self {
        Self { disk, chain_id, table, files: Arc::default() }
    }

    pub(crate) fn table(&self) -> RwLockReadGuard<'_, Table> {
        calm(self.table.read())
    }

    pub(crate) fn write_table(&self) -> RwLockWriteGuard<'_, Table> {
        calm(self.table.write())
    }

    /// Height of the oldest block in the log.
    pub fn first_height(&self) -> Option<u64> {
        let table = self.table();
        table.segments.iter().find(|segment| !segment.blocks.is_empty()).map(|segment| segment.first_block)
    }

    /// Height of the newest synced block.
    pub fn last_height(&self) -> Option<u64> {
        self.table().segments.iter().rev().find_map(segment::Segment::last_block)
    }

    /// Where the block of `height` stands.
    pub fn block_position(&self, height: u64) -> Option<Position> {
        let table = self.table();
        // Segments without blocks carry the place of their first record, so the search goes by that.
        let candidates = table.segments.partition_point(|segment| segment.first_height <= height);
        let found = |segment: &segment::Segment| {
            segment.block_offset(height).map(|offset| Position { segment: segment.number, offset })
        };
        let near = table.segments.get(..candidates).unwrap_or_default().iter().rev().take(2).find_map(found);
        near.or_else(|| table.segments.iter().find_map(found))
    }

    /// The block record of `height`.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the log has no such block.
    pub fn block(&self, height: u64) -> Result<Record> {
        let position = self.block_position(height);
        self.read(position.ok_or_else(|| StoreError::NotFound { what: format!("block {height}") })?)
    }

    /// Block records from `height` on, in order, as far as they are synced when each is asked for.
    pub fn blocks(&self, height: u64) -> impl Iterator<Item = Result<Record>> + '_ {
        (height..).map_while(move |height| self.block_position(height).map(|position| self.read(position)))
    }

    /// The record at `position`.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] outside the synced log, [`StoreError::Damaged`] when the bytes are not a record.
    pub fn read(&self, position: Position) -> Result<Record> {
        let (seed, end) = self.bounds(position)?;
        let file = self.file(position.segment)?;
        let path = segment::path(position.segment);
        let head = read_range(&*file, &path, position.offset, RECORD_HEADER)?;
        let room = end.saturating_sub(position.offset);
        let header = record::header(&head).filter(|header| length64(header.total()) <= room);
        let total = header.ok_or_else(|| damaged(position))?.total();
        let bytes = read_range(&*file, &path, position.offset, total)?;
        decode(&bytes, seed, position).map(|(record, _)| record)
    }

    fn bounds(&self, position: Position) -> Result<(u32, u64)> {
        let table = self.table();
        let found = table.segments.iter().rev().find(|segment| segment.number == position.segment);
        let inside = found.filter(|segment| (length64(HEADER)..segment.length).contains(&position.offset));
        let missing = || StoreError::NotFound {
            what: format!("log record at segment {}, byte {}", position.segment, position.offset),
        };
        inside.map(|segment| (segment.seed, segment.length)).ok_or_else(missing)
    }

    fn file(&self, number: u64) -> Result<Arc<D::File>> {
        let mut files = calm(self.files.lock());
        if let Some((_, file)) = files.iter().find(|(known, _)| *known == number) {
            return Ok(Arc::clone(file));
        }
        let path = segment::path(number);
        let file = self.disk.open(&path, OpenMode::Read).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => StoreError::damaged(&path, 0, DamageKind::Missing, Cure::FromPeers),
            _ => StoreError::from_io(&path, "open", &error),
        })?;
        let file = Arc::new(file);
        if files.len() >= OPEN_FILES {
            files.remove(0);
        }
        files.push((number, Arc::clone(&file)));
        Ok(file)
    }

    /// Every record from `position` on (which must be the start of a record), in order, across segments.
    pub fn records(&self, position: Position) -> Records<D> {
        Records { reader: self.clone(), next: position, buffer: Vec::new(), start: 0, segment: 0, failed: false }
    }

    /// Heads of the records from `position` on (the start of a record), in order, each with the first bytes of its payload, at
    /// most `prefix`: to find one among many without reading all. Heads are not checked; [`LogReader::read`] checks.
    pub fn heads(&self, position: Position, prefix: usize) -> Heads<D> {
        Heads { reader: self.clone(), next: position, prefix, failed: false }
    }

    /// Where the log begins.
    pub fn start(&self) -> Position {
        Position { segment: 1, offset: length64(HEADER) }
    }

    /// Seed and length of the segment of the record at `next`, which moves on to the following segment where one ends.
    fn place(&self, next: &mut Position) -> Option<(u32, u64)> {
        let table = self.table();
        loop {
            let found = table.segments.iter().rev().find(|segment| segment.number == next.segment)?;
            if next.offset < found.length {
                return Some((found.seed, found.length));
            }
            *next = Position { segment: next.segment.saturating_add(1), offset: length64(HEADER) };
        }
    }

    /// Every record of the log.
    pub fn all(&self) -> Records<D> {
        self.records(self.start())
    }

    /// Records behind the newest block, across segments; all records while there is no block.
    pub fn after_last_block(&self) -> Records<D> {
        let newest = self.last_height().and_then(|height| self.block_position(height));
        let mut records = newest.map_or_else(|| self.all(), |position| self.records(position));
        if newest.is_some() {
            if let Some(Err(_)) = records.next() {
                // The iterator repeats its failure, so that the caller sees it.
                records.failed = false;
            }
        }
        records
    }

    /// The newest record of a kind; reads segments from the newest backwards.
    pub fn newest_of(&self, kind: RecordKind) -> Result<Option<Record>> {
        let numbers: Vec<u64> = self.table().segments.iter().map(|segment| segment.number).collect();
        for number in numbers.into_iter().rev() {
            let mut newest = None;
            for record in self.records(Position { segment: number, offset: length64(HEADER) }) {
                let record = record?;
                if record.position.segment != number {
                    break;
                }
                if record.kind == kind {
                    newest = Some(record);
                }
            }
            if newest.is_some() {
                return Ok(newest);
            }
        }
        Ok(None)
    }
}

fn damaged(position: Position) -> StoreError {
    let path = segment::path(position.segment);
    StoreError::damaged(&path, position.offset, DamageKind::Content, Cure::FromPeers)
}

fn decode(bytes: &[u8], seed: u32, position: Position) -> Result<(Record, Header)> {
    let (header, payload) = record::decode(bytes, seed, position.offset).ok_or_else(|| damaged(position))?;
    let record = Record { position, kind: header.kind, height: header.height, payload: payload.to_vec() };
    Ok((record, header))
}

/// Iterator over records in order; ends after the newest synced record or the first error.
pub struct Records<D: Disk> {
    reader: LogReader<D>,
    next: Position,
    buffer: Vec<u8>,
    /// Offset of the buffer in `segment`.
    start: u64,
    segment: u64,
    failed: bool,
}

impl<D: Disk> Records<D> {
    /// Bytes of the segment from `next` on, at least `wanted` of them unless the segment ends before.
    fn window(&mut self, wanted: usize, end: u64) -> Result<&[u8]> {
        let skip = |start: u64, next: u64| next.checked_sub(start).map(crate::bytes::offset);
        let covered = self.segment == self.next.segment
            && skip(self.start, self.next.offset).is_some_and(|skip| skip.saturating_add(wanted) <= self.buffer.len());
        if !covered {
            let left = crate::bytes::offset(end.saturating_sub(self.next.offset));
            let file = self.reader.file(self.next.segment)?;
            let path = segment::path(self.next.segment);
            self.buffer = read_range(&*file, &path, self.next.offset, wanted.max(READ_AHEAD).min(left))?;
            self.start = self.next.offset;
            self.segment = self.next.segment;
        }
        let skip = skip(self.start, self.next.offset).unwrap_or(0);
        Ok(self.buffer.get(skip..).unwrap_or_default())
    }

    fn step(&mut self) -> Result<Option<Record>> {
        let Some((seed, end)) = self.reader.place(&mut self.next) else { return Ok(None) };
        let position = self.next;
        let head = record::header(self.window(RECORD_HEADER, end)?).ok_or_else(|| damaged(position))?;
        let room = end.saturating_sub(position.offset);
        if length64(head.total()) > room || head.total() < OVERHEAD {
            return Err(damaged(position));
        }
        let (record, header) = decode(self.window(head.total(), end)?, seed, position)?;
        self.next.offset = position.offset.saturating_add(length64(header.total()));
        Ok(Some(record))
    }
}

impl<D: Disk> Iterator for Records<D> {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Result<Record>> {
        if self.failed {
            return None;
        }
        let outcome = self.step().transpose();
        self.failed = matches!(outcome, Some(Err(_)));
        outcome
    }
}

/// Where a record stands, what it is and how it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Where it stands.
    pub position: Position,
    /// What it holds.
    pub kind: RecordKind,
    /// Height it belongs to.
    pub height: u64,
    /// First bytes of its payload.
    pub prefix: Vec<u8>,
}

/// Iterator over heads in order; ends after the newest synced record or the first error.
pub struct Heads<D: Disk> {
    reader: LogReader<D>,
    next: Position,
    prefix: usize,
    failed: bool,
}

impl<D: Disk> Heads<D> {
    fn step(&mut self) -> Result<Option<Head>> {
        let Some((_, end)) = self.reader.place(&mut self.next) else { return Ok(None) };
        let position = self.next;
        let file = self.reader.file(position.segment)?;
        let path = segment::path(position.segment);
        let mut bytes = read_range(&*file, &path, position.offset, RECORD_HEADER.saturating_add(self.prefix))?;
        let room = end.saturating_sub(position.offset);
        let header = record::header(&bytes).filter(|header| length64(header.total()) <= room);
        let header = header.ok_or_else(|| damaged(position))?;
        self.next.offset = position.offset.saturating_add(length64(header.total()));
        bytes.truncate(RECORD_HEADER.saturating_add(header.length));
        let prefix = bytes.split_off(RECORD_HEADER.min(bytes.len()));
        Ok(Some(Head { position, kind: header.kind, height: header.height, prefix }))
    }
}

impl<D: Disk> Iterator for Heads<D> {
    type Item = Result<Head>;

    fn next(&mut self) -> Option<Result<Head>> {
        if self.failed {
            return None;
        }
        let outcome = self.step().transpose();
        self.failed = matches!(outcome, Some(Err(_)));
        outcome
    }
}
