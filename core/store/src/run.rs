//! Sorted entries, in memory (a layer) and on disk (a run), and their merge.
//!
//! An entry is `key length u16, value length u32 (all ones: deleted), key, value`. A run is a magic, blocks of entries
//! of about 16 KiB each closed by a CRC-32C, an index of the blocks with their first keys, and a footer. Layers and runs
//! never change once made; a newer one hides older ones key by key.

use std::sync::Arc;

use crate::bytes::{length32, length64, offset as to_index, put_string, seal, unseal, Fields};
use crate::disk::{read_range, Disk, DiskFile, OpenMode};
use crate::error::{Cure, DamageKind, Result, StoreError};

const MAGIC: &[u8; 8] = b"BUBIRUN\x01";
const BLOCK: usize = 16 << 10;
const BUFFER: usize = 1 << 20;
/// Bytes after which a run that is being written goes to the disk: a block's sync must not wait behind all of a large run.
const SYNC_BYTES: u64 = 16 << 20;
const FOOTER: usize = 28;
const ENTRY_HEADER: usize = 6;
const DELETED: u32 = u32::MAX;
/// Most bytes read ahead by a long scan.
const READ_AHEAD: u64 = 512 << 10;

/// The two key spaces of the state store, changed by the same atomic commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Keyspace {
    /// Cells of the ledger's state.
    Cells = 0,
    /// Indexes derived from cells and blocks; never hashed.
    Derived = 1,
}

impl Keyspace {
    /// First byte of stored keys.
    pub(crate) const fn tag(self) -> u8 {
        match self {
            Self::Cells => 0,
            Self::Derived => 1,
        }
    }
}

/// Lengths of the entry at the front of `bytes`: key, value or deleted, whole entry.
fn lengths(bytes: &[u8]) -> Option<(usize, Option<usize>, usize)> {
    let mut fields = Fields(bytes);
    let key = usize::from(fields.u16()?);
    let value = match fields.u32()? {
        DELETED => None,
        length => Some(usize::try_from(length).ok()?),
    };
    let total = ENTRY_HEADER.checked_add(key)?.checked_add(value.unwrap_or(0))?;
    (total <= bytes.len()).then_some((key, value, total))
}

/// An entry inside a buffer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Place {
    start: usize,
    key: usize,
    value: Option<usize>,
}

impl Place {
    fn at(bytes: &[u8], start: usize) -> Option<Self> {
        let (key, value, _) = lengths(bytes.get(start..)?)?;
        Some(Self { start, key, value })
    }

    fn end(self) -> usize {
        self.start + ENTRY_HEADER + self.key + self.value.unwrap_or(0)
    }

    fn key(self, bytes: &[u8]) -> &[u8] {
        let from = self.start + ENTRY_HEADER;
        bytes.get(from..from + self.key).unwrap_or_default()
    }

    fn value(self, bytes: &[u8]) -> Option<&[u8]> {
        let from = self.start + ENTRY_HEADER + self.key;
        bytes.get(from..from + self.value?)
    }
}

/// What one source says about a key.
pub(crate) enum Found<T> {
    Deleted,
    Value(T),
}

/// Sorted entries in memory.
#[derive(Debug, Default)]
pub(crate) struct Layer {
    bytes: Vec<u8>,
    entries: Vec<u32>,
    /// How often its entries were merged in memory.
    pub(crate) tier: u8,
}

impl Layer {
    pub(crate) fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Appends an entry unsorted; used while a batch is collected.
    pub(crate) fn put(&mut self, space: Keyspace, key: &[u8], value: Option<&[u8]>) {
        self.entries.push(length32(self.bytes.len()));
        let key_length = u16::try_from(key.len() + 1).unwrap_or(u16::MAX);
        self.bytes.extend_from_slice(&key_length.to_le_bytes());
        self.bytes.extend_from_slice(&value.map_or(DELETED, |value| length32(value.len())).to_le_bytes());
        self.bytes.push(space.tag());
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(value.unwrap_or_default());
    }

    pub(crate) fn count(&self) -> usize {
        self.entries.len()
    }

    fn place(&self, number: usize) -> Option<Place> {
        Place::at(&self.bytes, usize::try_from(*self.entries.get(number)?).ok()?)
    }

    fn key(&self, number: usize) -> &[u8] {
        self.place(number).map_or(&[], |place| place.key(&self.bytes))
    }

    /// Sorts by key; of several entries for one key the last one put wins.
    pub(crate) fn sort(&mut self) {
        let bytes = &self.bytes;
        let at = |offset: u32| {
            usize::try_from(offset)
                .ok()
                .and_then(|start| Place::at(bytes, start))
                .map_or(&[][..], |place| place.key(bytes))
        };
        // Comparing the first bytes as one number avoids most comparisons of whole keys.
        let mut order: Vec<(u64, u32)> = self.entries.iter().map(|offset| (front(at(*offset)), *offset)).collect();
        order.sort_unstable_by(|left, right| {
            let by_front = left.0.cmp(&right.0);
            by_front.then_with(|| at(left.1).cmp(at(right.1))).then_with(|| right.1.cmp(&left.1))
        });
        order.dedup_by(|next, kept| next.0 == kept.0 && at(next.1) == at(kept.1));
        self.entries = order.into_iter().map(|(_, offset)| offset).collect();
    }

    fn lower_bound(&self, key: &[u8]) -> usize {
        let (mut low, mut high) = (0, self.entries.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.key(middle) < key {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// What this layer says about a key; `None` when nothing.
    pub(crate) fn get(&self, key: &[u8]) -> Option<Found<&[u8]>> {
        let place = self.place(self.lower_bound(key))?;
        (place.key(&self.bytes) == key).then(|| place.value(&self.bytes).map_or(Found::Deleted, Found::Value))
    }

    /// An empty layer with room: growing a large one step by step touches twice its memory.
    pub(crate) fn with_capacity(entries: usize, bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), entries: Vec::with_capacity(entries), tier: 0 }
    }

    /// Several sorted layers, newest first, as one of a tier: of equal keys the newest entry stays.
    pub(crate) fn merged(layers: &[Arc<Self>], tier: u8) -> Self {
        let together = Together::new(layers);
        let mut merged = Self::with_capacity(together.order.len(), layers.iter().map(|layer| layer.size()).sum());
        merged.tier = tier;
        for (_, raw) in together.entries() {
            merged.entries.push(length32(merged.bytes.len()));
            merged.bytes.extend_from_slice(raw);
        }
        merged
    }
}

/// Several sorted layers, newest first, read as one without copying their entries: of equal keys the newest entry is seen.
pub(crate) struct Together<'a> {
    layers: &'a [Arc<Layer>],
    /// First bytes of the key, number of the layer, number of the entry in it.
    order: Vec<(u64, u32, u32)>,
}

impl<'a> Together<'a> {
    /// A stable sort recognises the sorted stretches and merges them, comparing mostly the first bytes of keys as one number.
    pub(crate) fn new(layers: &'a [Arc<Layer>]) -> Self {
        let count = layers.iter().map(|layer| layer.count()).sum();
        let mut order: Vec<(u64, u32, u32)> = Vec::with_capacity(count);
        for (layer, source) in layers.iter().zip(0_u32..) {
            let fronts = layer.entries.iter().map(|offset| {
                let start = usize::try_from(*offset).unwrap_or(usize::MAX);
                front(Place::at(&layer.bytes, start).map_or(&[][..], |place| place.key(&layer.bytes)))
            });
            order.extend(fronts.zip(0_u32..).map(|(front, number)| (front, source, number)));
        }
        let key = |source: u32, number: u32| Self::at(layers, source, number).map_or(&[][..], |(key, _)| key);
        order.sort_by(|one, other| one.0.cmp(&other.0).then_with(|| key(one.1, one.2).cmp(key(other.1, other.2))));
        order.dedup_by(|next, kept| next.0 == kept.0 && key(next.1, next.2) == key(kept.1, kept.2));
        Self { layers, order }
    }

    /// Key and stored entry, in the order of keys.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + '_ {
        let layers = self.layers;
        self.order.iter().filter_map(move |(_, source, number)| Self::at(layers, *source, *number))
    }

    fn at(layers: &'a [Arc<Layer>], source: u32, number: u32) -> Option<(&'a [u8], &'a [u8])> {
        let layer = layers.get(usize::try_from(source).ok()?)?;
        let place = layer.place(usize::try_from(number).ok()?)?;
        Some((place.key(&layer.bytes), layer.bytes.get(place.start..place.end())?))
    }
}

fn front(key: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    for (target, byte) in bytes.iter_mut().zip(key) {
        *target = *byte;
    }
    u64::from_be_bytes(bytes)
}

/// Identity of a run, kept in the manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RunId {
    pub(crate) number: u64,
    pub(crate) length: u64,
    pub(crate) entries: u64,
    /// Checksum of the index, which holds the checksums' places of everything else.
    pub(crate) index_sum: u32,
}

#[derive(Clone, Copy, Debug)]
struct BlockPlace {
    offset: u64,
    length: u32,
    key_start: u32,
    key_length: u16,
}

/// An immutable sorted file.
pub(crate) struct Run<D: Disk> {
    pub(crate) id: RunId,
    pub(crate) path: String,
    file: D::File,
    blocks: Vec<BlockPlace>,
    keys: Vec<u8>,
}

pub(crate) fn run_path(number: u64) -> String {
    format!("{}/{number:012}.run", crate::state::DIRECTORY)
}

fn damaged(path: &str, offset: u64, kind: DamageKind) -> StoreError {
    StoreError::damaged(path, offset, kind, Cure::RebuildFromLog)
}

impl<D: Disk> Run<D> {
    /// Opens a run and reads its index; `id` is what the manifest says.
    pub(crate) fn open(disk: &D, id: RunId) -> Result<Self> {
        let path = run_path(id.number);
        let file = disk.open(&path, OpenMode::Read).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => damaged(&path, 0, DamageKind::Missing),
            _ => StoreError::from_io(&path, "open", &error),
        })?;
        let length = file.len().map_err(|error| StoreError::from_io(&path, "stat", &error))?;
        if length != id.length {
            return Err(damaged(&path, length.min(id.length), DamageKind::Content));
        }
        let footer_at = length.checked_sub(length64(FOOTER)).ok_or_else(|| damaged(&path, 0, DamageKind::Header))?;
        if read_range(&file, &path, 0, MAGIC.len())? != MAGIC {
            return Err(damaged(&path, 0, DamageKind::Header));
        }
        let footer = read_range(&file, &path, footer_at, FOOTER)?;
        let bad_footer = || damaged(&path, footer_at, DamageKind::Index);
        let (index_at, index_sum, entries) = parse_footer(&footer).ok_or_else(bad_footer)?;
        if index_sum != id.index_sum || entries != id.entries || index_at > footer_at {
            return Err(bad_footer());
        }
        let index = read_range(&file, &path, index_at, to_index(footer_at - index_at))?;
        let bad_index = || damaged(&path, index_at, DamageKind::Index);
        if crc32c::crc32c(&index) != index_sum {
            return Err(bad_index());
        }
        let (blocks, keys) = parse_index(&index, index_at).ok_or_else(bad_index)?;
        Ok(Self { id, path, file, blocks, keys })
    }

    fn first_key(&self, block: usize) -> &[u8] {
        self.blocks.get(block).map_or(&[], |place| {
            let start = to_index(u64::from(place.key_start));
            self.keys.get(start..start + usize::from(place.key_length)).unwrap_or_default()
        })
    }

    /// The block that holds the first key not below `key`, or the one before it.
    fn block_for(&self, key: &[u8]) -> usize {
        let (mut low, mut high) = (0, self.blocks.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.first_key(middle) <= key {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low.saturating_sub(1)
    }

    /// First keys of blocks that cut the run's range under a prefix into about `parts` equal parts.
    pub(crate) fn split(&self, prefix: &[u8], parts: usize) -> Vec<Vec<u8>> {
        let inside: Vec<usize> =
            (0..self.blocks.len()).filter(|block| self.first_key(*block).starts_with(prefix)).collect();
        let step = inside.len().checked_div(parts.max(1)).unwrap_or(0);
        if step == 0 {
            return Vec::new();
        }
        (1..parts).filter_map(|part| inside.get(part * step)).map(|block| self.first_key(*block).to_vec()).collect()
    }

    /// See [`Layer::get`].
    pub(crate) fn get(self: &Arc<Self>, key: &[u8]) -> Result<Option<Found<Vec<u8>>>> {
        let cursor = RunCursor::new(self, key)?;
        let hit = cursor.place.filter(|place| place.key(&cursor.buffer) == key);
        let value = |place: Place| place.value(&cursor.buffer).map(<[u8]>::to_vec);
        Ok(hit.map(|place| value(place).map_or(Found::Deleted, Found::Value)))
    }

    /// Reads everything; gives the number of entries.
    pub(crate) fn verify(self: &Arc<Self>) -> Result<u64> {
        let mut cursor = RunCursor::new(self, &[])?;
        let mut count = 0;
        let mut last: Option<Vec<u8>> = None;
        while let Some(place) = cursor.place {
            let key = place.key(&cursor.buffer);
            if last.as_deref().is_some_and(|last| last >= key) {
                return Err(damaged(&self.path, 0, DamageKind::Content));
            }
            last = Some(key.to_vec());
            count += 1;
            cursor.advance()?;
        }
        Ok(count)
    }
}

fn parse_footer(footer: &[u8]) -> Option<(u64, u32, u64)> {
    let mut fields = Fields(unseal(footer)?);
    let index_at = fields.u64()?;
    let index_sum = fields.u32()?;
    let entries = fields.u64()?;
    fields.take(4)?;
    Some((index_at, index_sum, entries))
}

fn parse_index(index: &[u8], end: u64) -> Option<(Vec<BlockPlace>, Vec<u8>)> {
    let mut fields = Fields(index);
    let (mut blocks, mut keys) = (Vec::new(), Vec::new());
    while !fields.0.is_empty() {
        let (offset, length) = (fields.u64()?, fields.u32()?);
        let key = fields.string()?;
        if offset.checked_add(u64::from(length))? > end {
            return None;
        }
        let key_start = u32::try_from(keys.len()).ok()?;
        blocks.push(BlockPlace { offset, length, key_start, key_length: u16::try_from(key.len()).ok()? });
        keys.extend_from_slice(key);
    }
    Some((blocks, keys))
}

/// Writes a run entry by entry, in key order.
pub(crate) struct RunWriter<'a, D: Disk> {
    disk: &'a D,
    path: String,
    number: u64,
    file: D::File,
    buffer: Vec<u8>,
    written: u64,
    synced: u64,
    block_start: usize,
    index: Vec<u8>,
    /// Place in `index` of the open block's length.
    pending_length: Option<usize>,
    entries: u64,
}

impl<'a, D: Disk> RunWriter<'a, D> {
    pub(crate) fn create(disk: &'a D, number: u64) -> Result<Self> {
        let path = run_path(number);
        let file = disk.open(&path, OpenMode::Create).map_err(|error| StoreError::from_io(&path, "create", &error))?;
        let mut buffer = Vec::with_capacity(BUFFER + 2 * BLOCK);
        buffer.extend_from_slice(MAGIC);
        let block_start = buffer.len();
        Ok(Self {
            disk,
            path,
            number,
            file,
            buffer,
            written: 0,
            synced: 0,
            block_start,
            index: Vec::new(),
            pending_length: None,
            entries: 0,
        })
    }

    pub(crate) fn push(&mut self, key: &[u8], raw: &[u8]) -> Result<()> {
        if self.block_start == self.buffer.len() {
            let at = self.written + length64(self.buffer.len());
            self.index.extend_from_slice(&at.to_le_bytes());
            // The length follows when the block is closed.
            self.index.extend_from_slice(&[0; 4]);
            put_string(&mut self.index, key);
            self.pending_length = Some(self.index.len() - key.len() - 8);
        }
        self.buffer.extend_from_slice(raw);
        self.entries += 1;
        if self.buffer.len() - self.block_start >= BLOCK {
            self.close_block()?;
        }
        Ok(())
    }

    fn close_block(&mut self) -> Result<()> {
        let content = self.buffer.get(self.block_start..).unwrap_or_default();
        if content.is_empty() {
            return Ok(());
        }
        let sum = crc32c::crc32c(content);
        let length = length32(content.len() + 4);
        self.buffer.extend_from_slice(&sum.to_le_bytes());
        if let Some(target) = self.pending_length.take().and_then(|at| self.index.get_mut(at..at + 4)) {
            target.copy_from_slice(&length.to_le_bytes());
        }
        if self.buffer.len() >= BUFFER {
            self.write_out()?;
            if self.written - self.synced >= SYNC_BYTES {
                self.sync()?;
            }
        }
        self.block_start = self.buffer.len();
        Ok(())
    }

    fn sync(&mut self) -> Result<()> {
        self.file.sync_data().map_err(|error| StoreError::from_sync(&self.path, &error))?;
        self.synced = self.written;
        Ok(())
    }

    fn write_out(&mut self) -> Result<()> {
        let outcome = self.file.write_at(self.written, &self.buffer);
        outcome.map_err(|error| StoreError::from_io(&self.path, "write", &error))?;
        self.written += length64(self.buffer.len());
        self.buffer.clear();
        Ok(())
    }

    /// Makes the file durable (its name is the manifest's matter) and opens it.
    pub(crate) fn finish(mut self) -> Result<Run<D>> {
        self.close_block()?;
        let index_at = self.written + length64(self.buffer.len());
        let index_sum = crc32c::crc32c(&self.index);
        self.buffer.extend_from_slice(&self.index);
        let mut footer = Vec::with_capacity(FOOTER);
        footer.extend_from_slice(&index_at.to_le_bytes());
        footer.extend_from_slice(&index_sum.to_le_bytes());
        footer.extend_from_slice(&self.entries.to_le_bytes());
        footer.extend_from_slice(&[0; 4]);
        seal(&mut footer);
        self.buffer.extend_from_slice(&footer);
        self.write_out()?;
        self.sync()?;
        let id = RunId { number: self.number, length: self.written, entries: self.entries, index_sum };
        Run::open(self.disk, id)
    }
}

/// Walks a layer or a run in key order.
pub(crate) enum Cursor<D: Disk> {
    Memory { layer: Arc<Layer>, next: usize, place: Option<Place> },
    Disk(RunCursor<D>),
}

pub(crate) struct RunCursor<D: Disk> {
    run: Arc<Run<D>>,
    /// Blocks read: raw bytes, and the next block inside them and in the run.
    buffer: Vec<u8>,
    next_in_buffer: usize,
    next_block: usize,
    entries_end: usize,
    read_ahead: u64,
    place: Option<Place>,
}

impl<D: Disk> RunCursor<D> {
    fn new(run: &Arc<Run<D>>, from: &[u8]) -> Result<Self> {
        let mut cursor = Self {
            run: Arc::clone(run),
            buffer: Vec::new(),
            next_in_buffer: 0,
            next_block: run.block_for(from),
            entries_end: 0,
            read_ahead: 0,
            place: None,
        };
        cursor.enter_block()?;
        while cursor.place.is_some_and(|place| place.key(&cursor.buffer) < from) {
            cursor.advance()?;
        }
        Ok(cursor)
    }

    /// Moves to the first entry of the next block.
    fn enter_block(&mut self) -> Result<()> {
        self.place = None;
        let Some(block) = self.run.blocks.get(self.next_block).copied() else {
            return Ok(());
        };
        if self.next_in_buffer >= self.buffer.len() {
            self.fill(block)?;
        }
        let bad = || damaged(&self.run.path, block.offset, DamageKind::Content);
        let end = self.next_in_buffer + to_index(u64::from(block.length));
        let content = self.buffer.get(self.next_in_buffer..end).and_then(unseal).ok_or_else(bad)?;
        self.entries_end = self.next_in_buffer + content.len();
        let place = Place::at(self.buffer.get(..self.entries_end).unwrap_or_default(), self.next_in_buffer);
        self.place = Some(place.ok_or_else(bad)?);
        self.next_in_buffer = end;
        self.next_block += 1;
        Ok(())
    }

    /// Reads whole blocks from `first` on; more of them the longer the scan lasts.
    fn fill(&mut self, first: BlockPlace) -> Result<()> {
        let end_of = |place: &BlockPlace| place.offset + u64::from(place.length);
        let wanted = first.offset + self.read_ahead;
        let mut end = end_of(&first);
        for place in self.run.blocks.get(self.next_block + 1..).unwrap_or_default() {
            if end_of(place) > wanted {
                break;
            }
            end = end_of(place);
        }
        let length = to_index(end - first.offset);
        self.buffer.resize(length, 0);
        let outcome = self.run.file.read_at(first.offset, &mut self.buffer);
        let count = outcome.map_err(|error| StoreError::from_io(&self.run.path, "read", &error))?;
        if count != length {
            return Err(damaged(&self.run.path, first.offset, DamageKind::Content));
        }
        self.next_in_buffer = 0;
        self.read_ahead = (self.read_ahead * 2).clamp(length64(2 * BLOCK), READ_AHEAD);
        Ok(())
    }

    fn advance(&mut self) -> Result<()> {
        let Some(place) = self.place else {
            return Ok(());
        };
        if place.end() >= self.entries_end {
            return self.enter_block();
        }
        let next = Place::at(self.buffer.get(..self.entries_end).unwrap_or_default(), place.end());
        let bad = || damaged(&self.run.path, 0, DamageKind::Content);
        self.place = Some(next.ok_or_else(bad)?);
        Ok(())
    }
}

impl<D: Disk> Cursor<D> {
    pub(crate) fn memory(layer: &Arc<Layer>, from: &[u8]) -> Self {
        let next = layer.lower_bound(from);
        Self::Memory { place: layer.place(next), layer: Arc::clone(layer), next }
    }

    pub(crate) fn disk(run: &Arc<Run<D>>, from: &[u8]) -> Result<Self> {
        RunCursor::new(run, from).map(Self::Disk)
    }

    fn current(&self) -> (Option<Place>, &[u8]) {
        match self {
            Self::Memory { layer, place, .. } => (*place, &layer.bytes),
            Self::Disk(cursor) => (cursor.place, &cursor.buffer),
        }
    }

    fn key(&self) -> Option<&[u8]> {
        let (place, bytes) = self.current();
        place.map(|place| place.key(bytes))
    }

    fn advance(&mut self) -> Result<()> {
        match self {
            Self::Memory { layer, next, place } => {
                *next += 1;
                *place = layer.place(*next);
                Ok(())
            }
            Self::Disk(cursor) => cursor.advance(),
        }
    }
}

/// An entry seen by a merge.
pub(crate) struct Seen<'a> {
    pub(crate) key: &'a [u8],
    /// `None` when the key was deleted.
    pub(crate) value: Option<&'a [u8]>,
    /// The entry as it is stored.
    pub(crate) raw: &'a [u8],
}

/// Several sources as one, newest first; of equal keys the newest source's entry is seen.
pub(crate) struct Merge<D: Disk> {
    sources: Vec<Cursor<D>>,
    best: Option<usize>,
    /// The source with the smallest key of all others: while the best stays below it, nothing else needs comparing.
    second: Option<usize>,
}

impl<D: Disk> Merge<D> {
    pub(crate) fn new(sources: Vec<Cursor<D>>) -> Result<Self> {
        let mut merge = Self { sources, best: None, second: None };
        merge.settle()?;
        Ok(merge)
    }

    fn key_of(&self, source: Option<usize>) -> Option<&[u8]> {
        self.sources.get(source?)?.key()
    }

    fn settle(&mut self) -> Result<()> {
        (self.best, self.second) = (None, None);
        for number in 0..self.sources.len() {
            if self.key_of(self.best).is_some() && self.key_of(Some(number)) == self.key_of(self.best) {
                // Hidden by the newer source.
                if let Some(source) = self.sources.get_mut(number) {
                    source.advance()?;
                }
            }
            let Some(key) = self.key_of(Some(number)) else {
                continue;
            };
            if self.key_of(self.best).is_none_or(|best| key < best) {
                self.second = self.best;
                self.best = Some(number);
            } else if self.key_of(self.second).is_none_or(|second| key < second) {
                self.second = Some(number);
            }
        }
        Ok(())
    }

    /// The entry in front.
    pub(crate) fn current(&self) -> Option<Seen<'_>> {
        let (place, bytes) = self.sources.get(self.best?)?.current();
        let place = place?;
        Some(Seen { key: place.key(bytes), value: place.value(bytes), raw: bytes.get(place.start..place.end())? })
    }

    pub(crate) fn advance(&mut self) -> Result<()> {
        if let Some(source) = self.best.and_then(|best| self.sources.get_mut(best)) {
            source.advance()?;
        }
        let still_best = match (self.key_of(self.best), self.key_of(self.second)) {
            (Some(best), Some(second)) => best < second,
            (Some(_), None) => true,
            (None, _) => false,
        };
        if still_best {
            Ok(())
        } else {
            self.settle()
        }
    }
}
