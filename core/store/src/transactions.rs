//! From transaction hash to its place in the log, for ever.
//!
//! An entry is the first 8 bytes of the hash, a height and an index: 20 bytes. New entries stay in memory, sorted per
//! block; a full memory becomes a sorted file of one range of heights; files of a size are merged into larger ones. Only
//! positions are given: the caller compares the whole hash in the log, so colliding prefixes cost time, not truth.
//! The index is derived: heights that no file covers are inserted again from the log after a restart.

use std::sync::mpsc::{sync_channel, Receiver, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, RwLock};
use std::thread::JoinHandle;

use crate::bytes::{length64, offset as to_index, seal, unseal, Fields};
use crate::disk::{publish, read_range, Disk, DiskFile, OpenMode};
use crate::error::{Cure, DamageKind, Result, StoreError};
use crate::log::calm;

pub(crate) const DIRECTORY: &str = "txindex";
const MAGIC: &[u8; 8] = b"BUBITXI\x01";
const PAGE: usize = 4096;
const ENTRY: usize = 20;
const PER_PAGE: usize = 204;
/// Files of one size that are merged into one.
const FAN: usize = 8;
/// Full memories that may wait to be written before `insert` has to help.
const WAITING: usize = 4;
/// Pages read at once while merging.
const MERGE_PAGES: usize = 64;

/// Settings of a [`TransactionIndex`].
#[derive(Clone, Copy, Debug)]
pub struct IndexOptions {
    /// Entries in memory (24 bytes each) at which they become a file.
    pub memory_entries: usize,
    /// Write and merge in a thread of the index; without it `insert` does the work itself (simulation).
    pub background: bool,
}

impl Default for IndexOptions {
    fn default() -> Self {
        Self { memory_entries: 1 << 20, background: true }
    }
}

/// Where a transaction may stand; compare the whole hash there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Candidate {
    /// Height of the block.
    pub height: u64,
    /// Index in the block.
    pub index: u32,
}

/// Ordered by prefix first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Item {
    prefix: u64,
    height: u64,
    index: u32,
}

/// Sorted chunks of a range of heights.
#[derive(Clone, Default)]
struct Chunks {
    first: u64,
    last: u64,
    count: usize,
    sorted: Vec<Vec<Item>>,
}

#[derive(Default)]
struct Memory {
    open: Chunks,
    waiting: Vec<Arc<Chunks>>,
    /// Newest height inserted or covered by files.
    last: u64,
}

struct IndexFile<D: Disk> {
    path: String,
    file: D::File,
    first: u64,
    last: u64,
    count: u64,
    /// First prefix of each page.
    pages: Vec<u64>,
}

type Files<D> = Arc<Vec<Arc<IndexFile<D>>>>;

struct Core<D: Disk> {
    disk: D,
    options: IndexOptions,
    memory: Mutex<Memory>,
    files: RwLock<Files<D>>,
    /// One maintenance at a time.
    working: Mutex<()>,
    failure: Mutex<Option<StoreError>>,
}

/// See the module text.
pub struct TransactionIndex<D: Disk> {
    core: Arc<Core<D>>,
    discarded: Vec<String>,
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

fn prefix_of(hash: &[u8; 32]) -> u64 {
    let mut bytes = [0; 8];
    for (target, byte) in bytes.iter_mut().zip(hash) {
        *target = *byte;
    }
    u64::from_be_bytes(bytes)
}

impl Chunks {
    fn add(&mut self, height: u64, items: Vec<Item>) {
        if self.sorted.is_empty() {
            self.first = height;
        }
        self.last = height;
        self.count += items.len();
        self.sorted.push(items);
        // Like a binary counter: each entry is merged a logarithmic number of times, lookups see few chunks.
        while let [.., older, newer] = self.sorted.as_slice() {
            if newer.len() < older.len() {
                break;
            }
            let merged = merge_two(older, newer);
            self.sorted.truncate(self.sorted.len() - 2);
            self.sorted.push(merged);
        }
    }

    fn find(&self, prefix: u64, into: &mut Vec<Candidate>) {
        for chunk in &self.sorted {
            let start = chunk.partition_point(|item| item.prefix < prefix);
            let matching = chunk.iter().skip(start).take_while(|item| item.prefix == prefix);
            into.extend(matching.map(|item| Candidate { height: item.height, index: item.index }));
        }
    }
}

fn merge_two(left: &[Item], right: &[Item]) -> Vec<Item> {
    let mut merged = Vec::with_capacity(left.len() + right.len());
    let (mut left, mut right) = (left.iter().peekable(), right.iter().peekable());
    loop {
        let take_left = match (left.peek(), right.peek()) {
            (Some(one), Some(other)) => one <= other,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (None, None) => return merged,
        };
        merged.extend(if take_left { left.next() } else { right.next() });
    }
}

fn path_of(first: u64, last: u64) -> String {
    format!("{DIRECTORY}/{first:020}-{last:020}.txi")
}

fn range_of(name: &str) -> Option<(u64, u64)> {
    let (first, last) = name.strip_suffix(".txi")?.split_once('-')?;
    (first.len() == 20 && last.len() == 20).then_some((first.parse().ok()?, last.parse().ok()?))
}

fn damaged(path: &str, offset: u64, kind: DamageKind) -> StoreError {
    StoreError::damaged(path, offset, kind, Cure::RebuildFromLog)
}

fn page_offset(page: usize) -> u64 {
    length64(page).saturating_add(1).saturating_mul(length64(PAGE))
}

impl<D: Disk> IndexFile<D> {
    fn open(disk: &D, path: String) -> Result<Self> {
        let file = disk.open(&path, OpenMode::Read).map_err(|error| StoreError::from_io(&path, "open", &error))?;
        let length = file.len().map_err(|error| StoreError::from_io(&path, "stat", &error))?;
        let head = read_range(&file, &path, 0, PAGE)?;
        let (first, last, count) = parse_head(&head).ok_or_else(|| damaged(&path, 0, DamageKind::Header))?;
        if path_of(first, last) != path {
            return Err(damaged(&path, 0, DamageKind::Header));
        }
        let pages = count.div_ceil(length64(PER_PAGE));
        let table_at = pages.checked_add(1).and_then(|pages| pages.checked_mul(length64(PAGE)));
        let table_at = table_at.filter(|at| at.saturating_add(pages.saturating_mul(8)).saturating_add(4) == length);
        let table_at = table_at.ok_or_else(|| damaged(&path, length, DamageKind::Content))?;
        let table = read_range(&file, &path, table_at, to_index(length - table_at))?;
        let content = unseal(&table).ok_or_else(|| damaged(&path, table_at, DamageKind::Index))?;
        let pages = content.chunks_exact(8).filter_map(|bytes| Fields(bytes).u64()).collect();
        Ok(Self { path, file, first, last, count, pages })
    }

    /// Entries of `number` pages from `page` on.
    fn read(&self, page: usize, number: usize) -> Result<Vec<Item>> {
        let number = number.min(self.pages.len().saturating_sub(page));
        let bytes = read_range(&self.file, &self.path, page_offset(page), number * PAGE)?;
        let mut items = Vec::with_capacity(number * PER_PAGE);
        for step in 0..number {
            let bad = || damaged(&self.path, page_offset(page + step), DamageKind::Content);
            let content = bytes.get(step * PAGE..(step + 1) * PAGE).and_then(unseal).ok_or_else(bad)?;
            let before = length64(page + step).saturating_mul(length64(PER_PAGE));
            let here = to_index(self.count.saturating_sub(before)).min(PER_PAGE);
            for entry in content.chunks_exact(ENTRY).take(here) {
                items.push(parse_item(entry).ok_or_else(bad)?);
            }
        }
        Ok(items)
    }

    fn find(&self, prefix: u64, into: &mut Vec<Candidate>) -> Result<()> {
        // Equal prefixes may start in the page before the first one that begins with them.
        let mut page = self.pages.partition_point(|first| *first < prefix).saturating_sub(1);
        while self.pages.get(page).is_some_and(|first| *first <= prefix) {
            let items = self.read(page, 1)?;
            let matching = items.iter().filter(|item| item.prefix == prefix);
            into.extend(matching.map(|item| Candidate { height: item.height, index: item.index }));
            page += 1;
        }
        Ok(())
    }

    fn verify(&self) -> Result<()> {
        let mut last = None;
        for page in (0..self.pages.len()).step_by(MERGE_PAGES) {
            for item in self.read(page, MERGE_PAGES)? {
                if last.is_some_and(|last| last > item) {
                    return Err(damaged(&self.path, page_offset(page), DamageKind::Content));
                }
                last = Some(item);
            }
        }
        Ok(())
    }
}

fn parse_head(head: &[u8]) -> Option<(u64, u64, u64)> {
    let mut fields = Fields(head.get(..PAGE).and_then(unseal)?);
    if &fields.array::<8>()? != MAGIC {
        return None;
    }
    Some((fields.u64()?, fields.u64()?, fields.u64()?))
}

fn parse_item(entry: &[u8]) -> Option<Item> {
    let mut fields = Fields(entry);
    Some(Item { prefix: fields.u64()?, height: fields.u64()?, index: fields.u32()? })
}

/// Walks the entries of one source in order.
enum Source<D: Disk> {
    Memory(std::vec::IntoIter<Item>),
    File { file: Arc<IndexFile<D>>, page: usize, items: std::vec::IntoIter<Item> },
}

impl<D: Disk> Source<D> {
    fn next(&mut self) -> Result<Option<Item>> {
        match self {
            Self::Memory(items) => Ok(items.next()),
            Self::File { file, page, items } => {
                if let Some(item) = items.next() {
                    return Ok(Some(item));
                }
                *items = file.read(*page, MERGE_PAGES)?.into_iter();
                *page += MERGE_PAGES;
                Ok(items.next())
            }
        }
    }
}

/// Writes a sorted file.
struct FileWriter<'a, F: DiskFile> {
    file: &'a F,
    path: &'a str,
    buffer: Vec<u8>,
    page_start: usize,
    written: u64,
    pages: Vec<u8>,
    count: u64,
}

impl<F: DiskFile> FileWriter<'_, F> {
    fn push(&mut self, item: Item) -> Result<()> {
        if self.buffer.len() == self.page_start {
            self.pages.extend_from_slice(&item.prefix.to_le_bytes());
        }
        self.buffer.extend_from_slice(&item.prefix.to_le_bytes());
        self.buffer.extend_from_slice(&item.height.to_le_bytes());
        self.buffer.extend_from_slice(&item.index.to_le_bytes());
        self.count += 1;
        if self.buffer.len() - self.page_start >= PER_PAGE * ENTRY {
            self.close_page()?;
        }
        Ok(())
    }

    fn close_page(&mut self) -> Result<()> {
        if self.buffer.len() == self.page_start {
            return Ok(());
        }
        self.buffer.resize(self.page_start + PAGE - 4, 0);
        let sum = crc32c::crc32c(self.buffer.get(self.page_start..).unwrap_or_default());
        self.buffer.extend_from_slice(&sum.to_le_bytes());
        if self.buffer.len() >= MERGE_PAGES * PAGE {
            self.write_out()?;
        }
        self.page_start = self.buffer.len();
        Ok(())
    }

    fn write_out(&mut self) -> Result<()> {
        let outcome = self.file.write_at(self.written, &self.buffer);
        outcome.map_err(|error| StoreError::from_io(self.path, "write", &error))?;
        self.written += length64(self.buffer.len());
        self.buffer.clear();
        Ok(())
    }
}

impl<D: Disk> Core<D> {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        calm(self.memory.lock())
    }

    fn files(&self) -> Files<D> {
        let files = calm(self.files.read());
        Arc::clone(&files)
    }

    /// Writes waiting memories and merges files until nothing is due.
    fn maintain(&self) -> Result<()> {
        let _one_at_a_time = calm(self.working.lock());
        loop {
            let waiting = self.memory().waiting.first().map(Arc::clone);
            if let Some(chunks) = waiting {
                self.write_chunks(&chunks)?;
                self.memory().waiting.remove(0);
            } else if !self.merge_files()? {
                return Ok(());
            }
        }
    }

    fn write_chunks(&self, chunks: &Chunks) -> Result<()> {
        let sources = chunks.sorted.iter().map(|chunk| Source::Memory(chunk.clone().into_iter())).collect();
        let file = self.write_file(chunks.first, chunks.last, sources)?;
        let mut files = Vec::clone(&self.files());
        files.push(Arc::new(file));
        *calm(self.files.write()) = Arc::new(files);
        Ok(())
    }

    fn merge_files(&self) -> Result<bool> {
        let files = self.files();
        let counts: Vec<u64> = files.iter().map(|file| file.count).collect();
        let group = group_to_merge(&counts, length64(self.options.memory_entries));
        let Some(group) = group.and_then(|count| files.get(files.len() - count..)) else {
            return Ok(false);
        };
        let [first, .., last] = group else {
            return Ok(false);
        };
        let source =
            |file: &Arc<IndexFile<D>>| Source::File { file: Arc::clone(file), page: 0, items: Vec::new().into_iter() };
        let merged = self.write_file(first.first, last.last, group.iter().map(source).collect())?;
        let mut next: Vec<_> = files.iter().take(files.len() - group.len()).map(Arc::clone).collect();
        next.push(Arc::new(merged));
        *calm(self.files.write()) = Arc::new(next);
        for file in group {
            self.disk.remove(&file.path).map_err(|error| StoreError::from_io(&file.path, "remove", &error))?;
        }
        Ok(true)
    }

    fn write_file(&self, first: u64, last: u64, sources: Vec<Source<D>>) -> Result<IndexFile<D>> {
        let path = path_of(first, last);
        let temporary = format!("{path}.tmp");
        let outcome = self.write_temporary(&temporary, first, last, sources);
        if let Err(error) = outcome {
            // A leftover is removed at the next start.
            let _ = self.disk.remove(&temporary);
            return Err(error);
        }
        publish(&self.disk, DIRECTORY, &temporary, &path)?;
        IndexFile::open(&self.disk, path)
    }

    fn write_temporary(&self, path: &str, first: u64, last: u64, mut sources: Vec<Source<D>>) -> Result<()> {
        let file =
            self.disk.open(path, OpenMode::Create).map_err(|error| StoreError::from_io(path, "create", &error))?;
        let (buffer, pages) = (Vec::with_capacity((MERGE_PAGES + 1) * PAGE), Vec::new());
        let written = length64(PAGE);
        let mut writer = FileWriter { file: &file, path, buffer, page_start: 0, written, pages, count: 0 };
        let mut heads = Vec::new();
        for source in &mut sources {
            heads.push(source.next()?);
        }
        while let Some((number, item)) = smallest(&heads) {
            writer.push(item)?;
            if let (Some(head), Some(source)) = (heads.get_mut(number), sources.get_mut(number)) {
                *head = source.next()?;
            }
        }
        writer.close_page()?;
        let mut table = std::mem::take(&mut writer.pages);
        seal(&mut table);
        writer.buffer.extend_from_slice(&table);
        writer.write_out()?;
        let mut head = MAGIC.to_vec();
        for field in [first, last, writer.count] {
            head.extend_from_slice(&field.to_le_bytes());
        }
        head.resize(PAGE - 4, 0);
        seal(&mut head);
        file.write_at(0, &head).map_err(|error| StoreError::from_io(path, "write", &error))?;
        file.sync_data().map_err(|error| StoreError::from_sync(path, &error))
    }
}

fn smallest(heads: &[Option<Item>]) -> Option<(usize, Item)> {
    let present = heads.iter().enumerate().filter_map(|(number, head)| head.map(|item| (number, item)));
    present.min_by_key(|(_, item)| *item)
}

/// How many of the newest files to merge: [`FAN`] of one size class, with the smaller ones behind them.
fn group_to_merge(counts: &[u64], unit: u64) -> Option<usize> {
    let class = |count: u64| count.checked_div(unit.max(1)).unwrap_or(0).max(1).ilog(length64(FAN));
    let largest = counts.iter().map(|count| class(*count)).max()?;
    (0..=largest).find_map(|wanted| {
        let group: Vec<u32> =
            counts.iter().rev().map(|count| class(*count)).take_while(|class| *class <= wanted).collect();
        let of_this_size = group.iter().filter(|class| **class == wanted).count();
        (of_this_size >= FAN).then_some(group.len())
    })
}

fn maintain_on_wake<D: Disk>(core: &Core<D>, wake: &Receiver<()>) {
    while wake.recv().is_ok() {
        if let Err(error) = core.maintain() {
            if !matches!(error, StoreError::NoSpace { .. }) {
                *calm(core.failure.lock()) = Some(error);
                return;
            }
        }
    }
}

impl<D: Disk> TransactionIndex<D> {
    /// Opens the index of a log that starts at `first_height`. Damaged files and those behind a gap are removed: insert the
    /// blocks above [`TransactionIndex::last_height`] again from the log.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn open(disk: D, first_height: u64, options: IndexOptions) -> Result<Self> {
        disk.create_directory(DIRECTORY).map_err(|error| StoreError::from_io(DIRECTORY, "create", &error))?;
        let (files, unused) = usable_files(&disk, first_height)?;
        for path in &unused {
            disk.remove(path).map_err(|error| StoreError::from_io(path, "remove", &error))?;
        }
        let last = files.last().map_or(first_height.saturating_sub(1), |file| file.last);
        let core = Arc::new(Core {
            disk,
            options,
            memory: Mutex::new(Memory { last, ..Memory::default() }),
            files: RwLock::new(Arc::new(files)),
            working: Mutex::new(()),
            failure: Mutex::new(None),
        });
        let mut index = Self { core, discarded: unused, wake: None, thread: None };
        if options.background {
            let (wake, woken) = sync_channel(1);
            let core = Arc::clone(&index.core);
            let thread = std::thread::Builder::new().name("txindex".to_owned());
            let thread = thread.spawn(move || maintain_on_wake(&core, &woken));
            index.thread = Some(thread.map_err(|error| StoreError::from_io(DIRECTORY, "start a thread", &error))?);
            index.wake = Some(wake);
        }
        Ok(index)
    }

    /// Files removed at opening: damaged, superseded by a merge, or behind a gap.
    pub fn discarded(&self) -> &[String] {
        &self.discarded
    }

    /// Newest height inserted; right after opening, the newest height that files cover.
    pub fn last_height(&self) -> u64 {
        self.core.memory().last
    }

    /// Adds the transactions of the next block, in order.
    ///
    /// # Errors
    /// [`StoreError::Argument`] unless `height` follows; [`StoreError::NoSpace`] when the block was not taken for want of
    /// space; failures of earlier writes.
    pub fn insert(&self, height: u64, hashes: &[[u8; 32]]) -> Result<()> {
        if let Some(error) = calm(self.core.failure.lock()).as_ref() {
            return Err(error.repeated());
        }
        if self.core.memory().waiting.len() >= WAITING {
            self.core.maintain()?;
        }
        let numbered = hashes.iter().zip(0u32..);
        let mut items: Vec<Item> =
            numbered.map(|(hash, index)| Item { prefix: prefix_of(hash), height, index }).collect();
        items.sort_unstable();
        let mut memory = self.core.memory();
        if memory.last.checked_add(1) != Some(height) {
            return Err(StoreError::Argument(format!("block {height} does not follow {} in the index", memory.last)));
        }
        memory.last = height;
        memory.open.add(height, items);
        if memory.open.count >= self.core.options.memory_entries {
            let full = std::mem::take(&mut memory.open);
            memory.waiting.push(Arc::new(full));
            drop(memory);
            match &self.wake {
                Some(wake) => drop(wake.try_send(())),
                None => self.core.maintain()?,
            }
        }
        Ok(())
    }

    /// Where a transaction with this hash may stand, oldest first; empty when it is in no block of the index.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] with [`Cure::RebuildFromLog`], disk errors.
    pub fn candidates(&self, hash: &[u8; 32]) -> Result<Vec<Candidate>> {
        let prefix = prefix_of(hash);
        let mut found = Vec::new();
        // Memory before files: entries move from the former to the latter, so none is missed; one may be seen twice.
        {
            let memory = self.core.memory();
            memory.open.find(prefix, &mut found);
            for chunks in &memory.waiting {
                chunks.find(prefix, &mut found);
            }
        }
        for file in self.core.files().iter() {
            file.find(prefix, &mut found)?;
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    /// Writes everything in memory to files and waits for it; done at an orderly stop, it saves replay.
    ///
    /// # Errors
    /// Those of the disk; nothing is lost by them.
    pub fn flush(&self) -> Result<()> {
        {
            let mut memory = self.core.memory();
            // Blocks without transactions count too: the files then cover every height.
            if !memory.open.sorted.is_empty() {
                let open = std::mem::take(&mut memory.open);
                memory.waiting.push(Arc::new(open));
            }
        }
        self.core.maintain()
    }
}

impl<D: Disk> Drop for TransactionIndex<D> {
    fn drop(&mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

type Usable<D> = (Vec<Arc<IndexFile<D>>>, Vec<String>);

/// Files that cover heights from `first_height` without a gap, and the names of all others.
fn usable_files<D: Disk>(disk: &D, first_height: u64) -> Result<Usable<D>> {
    let mut unused = Vec::new();
    let mut opened = Vec::new();
    for name in names(disk)? {
        let path = format!("{DIRECTORY}/{name}");
        if range_of(&name).is_none() {
            unused.push(path);
            continue;
        }
        match IndexFile::open(disk, path.clone()) {
            Ok(file) => opened.push(Arc::new(file)),
            Err(StoreError::Damaged { .. }) => unused.push(path),
            Err(error) => return Err(error),
        }
    }
    // The widest range of those that start together holds the others.
    opened.sort_by_key(|file| (file.first, u64::MAX - file.last));
    let mut next = first_height;
    let mut usable = Vec::new();
    for file in opened {
        if file.first == next && file.last >= file.first {
            next = file.last.saturating_add(1);
            usable.push(file);
        } else {
            unused.push(file.path.clone());
        }
    }
    Ok((usable, unused))
}

/// The readable file that reaches the greatest height, with that height.
pub(crate) fn newest_file<D: Disk>(disk: &D) -> Result<Option<(String, u64)>> {
    let mut newest = None;
    for name in names(disk)? {
        let path = format!("{DIRECTORY}/{name}");
        let Some((_, last)) = range_of(&name) else {
            continue;
        };
        if newest.as_ref().is_some_and(|(_, height)| *height >= last) {
            continue;
        }
        match IndexFile::open(disk, path.clone()) {
            Ok(_) => newest = Some((path, last)),
            Err(StoreError::Damaged { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(newest)
}

fn names<D: Disk>(disk: &D) -> Result<Vec<String>> {
    disk.list(DIRECTORY).map_err(|error| StoreError::from_io(DIRECTORY, "list", &error))
}

/// Newest height that the usable files cover; for `check`.
pub(crate) fn covered<D: Disk>(disk: &D, first_height: u64) -> Result<u64> {
    let (usable, _) = usable_files(disk, first_height)?;
    let newest = usable.last().map(|file| file.last);
    Ok(newest.unwrap_or(first_height.saturating_sub(1)))
}

/// Reads every file in full; for `check`.
pub(crate) fn verify<D: Disk>(disk: &D, first_height: u64) -> Result<Vec<StoreError>> {
    let mut problems = Vec::new();
    let (usable, unused) = usable_files(disk, first_height)?;
    for path in unused {
        problems.push(damaged(&path, 0, DamageKind::Orphan));
    }
    for file in usable {
        match file.verify() {
            Err(error @ StoreError::Damaged { .. }) => problems.push(error),
            other => other?,
        }
    }
    Ok(problems)
}
