//! The state store: cells in key order, behind the block log.
//!
//! Commits are sorted layers in memory; some of them together become a sorted run on disk, and runs are merged as they
//! grow in number. The manifest names the runs of one height and is replaced whole, so after a crash the store stands
//! exactly at a height that was committed, at most [`StateOptions::flush_commits`] commits behind. The rest is replayed
//! from the block log, which is the commit point. Everything is immutable once made: a snapshot is a list of references.

use std::hash::{BuildHasher, RandomState};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{channel, sync_channel, Receiver, Sender, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::bytes::{length32, length64, offset as to_index, put_string, seal, unseal, Fields};
use crate::disk::{read_file, replace_file, Disk};
use crate::error::{Cure, DamageKind, Result, StoreError};
use crate::log::calm;
use crate::run::{run_path, Cursor, Found, Keyspace, Layer, Merge, Run, RunId, RunWriter, Together};

pub(crate) const DIRECTORY: &str = "state";
pub(crate) const MANIFEST: &str = "state/manifest";
const MAGIC: &[u8; 8] = b"BUBISTM\x01";
/// Longest key in bytes.
const KEY_LIMIT: usize = 4096;
/// Longest value in bytes.
const VALUE_LIMIT: usize = 64 << 20;
/// Layers of one tier that are merged in memory into one of the next.
const LAYERS_PER_TIER: usize = 8;
/// Of [`StateOptions::flush_bytes`], the part (one in so many) above which layers are not merged in memory: they are soon written.
const LARGE_LAYERS: usize = 4;
/// Runs above which young ones are merged.
const YOUNG_RUNS: usize = 6;
/// Runs at which the writer waits for the merger, so that reads stay fast.
const RUN_LIMIT: usize = 24;
/// How far writer and merger stand back: what they do may take long, and blocks must not wait for it.
const WRITER_NICE: i32 = 5;
const MERGER_NICE: i32 = 10;
/// How long the writer waits before it looks again.
const STALL: Duration = Duration::from_millis(5);

/// Bytes of an entry in memory beside key and value.
const ENTRY_OVERHEAD: usize = 7;

/// Settings of a [`StateStore`].
#[derive(Clone, Copy, Debug)]
pub struct StateOptions {
    /// Bytes of commits in memory at which they are written as a run; with `background` up to a quarter more or less, drawn
    /// at the start: validators hold the same state, and would otherwise all write, and merge, after the same block.
    pub flush_bytes: usize,
    /// Commits in memory at which they are written as a run: bounds what is replayed after a crash.
    pub flush_commits: u64,
    /// Commits that may wait for the writer before [`StateStore::commit`] blocks.
    pub queue: usize,
    /// Snapshots that may be held at once.
    pub snapshots: usize,
    /// Write and merge in threads of the store; without them every call does its work itself (simulation).
    pub background: bool,
}

impl Default for StateOptions {
    fn default() -> Self {
        Self { flush_bytes: 64 << 20, flush_commits: 256, queue: 32, snapshots: 64, background: true }
    }
}

/// Changes of one commit. Of several changes of one key the last one counts.
#[derive(Debug, Default)]
pub struct Batch {
    layer: Layer,
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty batch with room for so many changes of so many bytes together, keys included.
    pub fn with_capacity(changes: usize, bytes: usize) -> Self {
        Self { layer: Layer::with_capacity(changes, bytes + changes * ENTRY_OVERHEAD) }
    }

    /// Sets a key.
    ///
    /// # Errors
    /// [`StoreError::Argument`] for a key above 4,096 bytes, a value above 64 MiB or a batch above 2 GiB.
    pub fn put(&mut self, space: Keyspace, key: &[u8], value: &[u8]) -> Result<()> {
        self.add(space, key, Some(value))
    }

    /// Removes a key; nothing happens when it is not there.
    ///
    /// # Errors
    /// As [`Batch::put`].
    pub fn delete(&mut self, space: Keyspace, key: &[u8]) -> Result<()> {
        self.add(space, key, None)
    }

    fn add(&mut self, space: Keyspace, key: &[u8], value: Option<&[u8]>) -> Result<()> {
        let value_length = value.map_or(0, <[u8]>::len);
        if key.len() > KEY_LIMIT || value_length > VALUE_LIMIT || self.layer.size() > 2 << 30 {
            return Err(StoreError::Argument("key, value or batch of the state store is too long".to_owned()));
        }
        self.layer.put(space, key, value);
        Ok(())
    }

    /// Number of changes.
    pub fn len(&self) -> usize {
        self.layer.count()
    }

    /// True without changes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One consistent content of the store.
struct View<D: Disk> {
    /// Newest first.
    layers: Vec<Arc<Layer>>,
    /// Newest first.
    runs: Vec<Arc<Run<D>>>,
    height: u64,
    meta: Vec<u8>,
}

impl<D: Disk> Clone for View<D> {
    fn clone(&self) -> Self {
        Self { layers: self.layers.clone(), runs: self.runs.clone(), height: self.height, meta: self.meta.clone() }
    }
}

impl<D: Disk> View<D> {
    fn memory(&self) -> usize {
        self.layers.iter().map(|layer| layer.size()).sum()
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        if let Some(hit) = self.layers.iter().find_map(|layer| layer.get(key)) {
            return Ok(present(hit).map(<[u8]>::to_vec));
        }
        for run in &self.runs {
            if let Some(hit) = run.get(key)? {
                return Ok(present(hit));
            }
        }
        Ok(None)
    }

    fn merge(&self, from: &[u8]) -> Result<Merge<D>> {
        let mut sources: Vec<Cursor<D>> = self.layers.iter().map(|layer| Cursor::memory(layer, from)).collect();
        for run in &self.runs {
            sources.push(Cursor::disk(run, from)?);
        }
        Merge::new(sources)
    }
}

fn present<T>(found: Found<T>) -> Option<T> {
    match found {
        Found::Value(value) => Some(value),
        Found::Deleted => None,
    }
}

/// What is durable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub(crate) height: u64,
    pub(crate) meta: Vec<u8>,
    next_number: u64,
    pub(crate) runs: Vec<RunId>,
}

impl Manifest {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&self.height.to_le_bytes());
        bytes.extend_from_slice(&self.next_number.to_le_bytes());
        put_string(&mut bytes, &self.meta);
        bytes.extend_from_slice(&length32(self.runs.len()).to_le_bytes());
        for run in &self.runs {
            for field in [run.number, run.length, run.entries] {
                bytes.extend_from_slice(&field.to_le_bytes());
            }
            bytes.extend_from_slice(&run.index_sum.to_le_bytes());
        }
        seal(&mut bytes);
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(unseal(bytes)?);
        if &fields.array::<8>()? != MAGIC {
            return None;
        }
        let (height, next_number) = (fields.u64()?, fields.u64()?);
        let meta = fields.string()?.to_vec();
        let mut runs = Vec::new();
        for _ in 0..fields.u32()? {
            let (number, length, entries) = (fields.u64()?, fields.u64()?, fields.u64()?);
            runs.push(RunId { number, length, entries, index_sum: fields.u32()? });
        }
        fields.0.is_empty().then_some(Self { height, meta, next_number, runs })
    }

    /// The manifest on the disk; `None` for a store that was never written.
    pub(crate) fn read<D: Disk>(disk: &D) -> Result<Option<Self>> {
        let Some(bytes) = read_file(disk, MANIFEST)? else {
            return Ok(None);
        };
        let damaged = || StoreError::damaged(MANIFEST, 0, DamageKind::Content, Cure::RebuildFromLog);
        Self::decode(&bytes).ok_or_else(damaged).map(Some)
    }
}

/// Figures for monitoring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Height of the newest visible commit.
    pub height: u64,
    /// Height that survives a crash.
    pub durable_height: u64,
    /// Bytes of commits in memory.
    pub memory: usize,
    /// Layers in memory.
    pub layers: usize,
    /// Run files.
    pub runs: usize,
    /// Entries in run files, hidden ones included.
    pub run_entries: u64,
    /// Bytes of run files.
    pub run_bytes: u64,
    /// Snapshots held.
    pub snapshots: usize,
    /// True while runs are being merged.
    pub merging: bool,
}

struct Core<D: Disk> {
    disk: D,
    options: StateOptions,
    view: RwLock<Arc<View<D>>>,
    manifest: Mutex<Manifest>,
    failure: Mutex<Option<StoreError>>,
    snapshots: AtomicUsize,
    commits_in_memory: AtomicUsize,
    stopping: AtomicBool,
    /// True while the merger has work.
    merging: AtomicBool,
}

enum Task {
    Commit(u64, Vec<u8>, Layer),
    Flush(Sender<Result<()>>),
    Barrier(Sender<Result<()>>),
}

/// See the module text.
pub struct StateStore<D: Disk> {
    core: Arc<Core<D>>,
    queued_height: u64,
    tasks: Option<SyncSender<Task>>,
    threads: Vec<JoinHandle<()>>,
}

/// A size drawn between three and five quarters of this one.
fn spread(bytes: usize) -> usize {
    let drawn = to_index(RandomState::new().hash_one(bytes));
    bytes - bytes / 4 + drawn % (bytes / 2 + 1)
}

/// Lowers the calling thread's priority: on Linux the value is the thread's own.
fn stand_back(nice: i32) {
    // Where it is refused, the thread is merely less polite.
    let _ = rustix::process::nice(nice);
}

impl<D: Disk> Core<D> {
    fn view(&self) -> Arc<View<D>> {
        let view = calm(self.view.read());
        Arc::clone(&view)
    }

    fn change_view(&self, change: impl FnOnce(&mut View<D>)) {
        let mut guard = calm(self.view.write());
        let mut view = View::clone(&guard);
        change(&mut view);
        *guard = Arc::new(view);
    }

    fn manifest(&self) -> MutexGuard<'_, Manifest> {
        calm(self.manifest.lock())
    }

    fn failure(&self) -> MutexGuard<'_, Option<StoreError>> {
        calm(self.failure.lock())
    }

    fn note<T>(&self, outcome: Result<T>) -> Result<T> {
        if let Err(error) = &outcome {
            let mut failure = self.failure();
            // A fatal failure is never forgotten for a lesser one.
            if !matches!(*failure, Some(StoreError::Fatal { .. } | StoreError::Damaged { .. })) {
                *failure = Some(error.clone());
            }
        }
        outcome
    }

    fn apply(&self, height: u64, meta: Vec<u8>, mut layer: Layer) -> Result<()> {
        layer.sort();
        self.change_view(|view| {
            view.layers.insert(0, Arc::new(layer));
            view.height = height;
            view.meta = meta;
        });
        self.merge_layers();
        let commits = self.commits_in_memory.fetch_add(1, Ordering::SeqCst) + 1;
        let full = self.view().memory() >= self.options.flush_bytes;
        if full || length64(commits) >= self.options.flush_commits {
            self.flush()?;
        }
        Ok(())
    }

    /// Keeps the number of layers small, so that reads stay fast; each entry is merged once per tier.
    fn merge_layers(&self) {
        loop {
            let view = self.view();
            let group = view.layers.get(..LAYERS_PER_TIER).unwrap_or_default();
            let Some(tier) = group.first().map(|layer| layer.tier) else {
                return;
            };
            let bytes: usize = group.iter().map(|layer| layer.size()).sum();
            if group.iter().any(|layer| layer.tier != tier) || bytes > self.options.flush_bytes / LARGE_LAYERS {
                return;
            }
            let merged = Layer::merged(group, tier.saturating_add(1));
            self.change_view(|view| {
                view.layers.splice(..LAYERS_PER_TIER, [Arc::new(merged)]);
            });
        }
    }

    /// Writes the layers in memory as a run. Only the writer calls this, so the layers cannot change meanwhile.
    fn flush(&self) -> Result<()> {
        let view = self.view();
        if view.height == self.manifest().height {
            return Ok(());
        }
        let number = self.take_number();
        let outcome = self.write_layers(number, &view.layers);
        let run = self.remove_unless(outcome, &run_path(number))?;
        let path = run.path.clone();
        let outcome = self.install(Some((view.height, view.meta.clone())), |runs| runs.insert(0, Arc::new(run)));
        self.remove_unless(outcome, &path)?;
        self.commits_in_memory.store(0, Ordering::SeqCst);
        // Space was found: what was refused for want of it may be tried again.
        let mut failure = self.failure();
        if matches!(*failure, Some(StoreError::NoSpace { .. })) {
            *failure = None;
        }
        Ok(())
    }

    fn take_number(&self) -> u64 {
        let mut manifest = self.manifest();
        manifest.next_number += 1;
        manifest.next_number
    }

    /// Straight from the layers: a copy of them all would be as much memory that nobody has touched yet.
    fn write_layers(&self, number: u64, layers: &[Arc<Layer>]) -> Result<Run<D>> {
        let mut writer = RunWriter::create(&self.disk, number)?;
        for (key, raw) in Together::new(layers).entries() {
            writer.push(key, raw)?;
        }
        self.finish_run(writer)
    }

    /// Runs as one, without what was deleted if nothing older is left. Gives `None` when interrupted because the store is
    /// being closed.
    fn write_merged(&self, number: u64, mut merge: Merge<D>, whole: bool) -> Result<Option<Run<D>>> {
        let mut writer = RunWriter::create(&self.disk, number)?;
        while let Some(seen) = merge.current() {
            if seen.value.is_some() || !whole {
                writer.push(seen.key, seen.raw)?;
            }
            merge.advance()?;
            if self.stopping.load(Ordering::Relaxed) {
                // The unfinished file is an orphan that the next start removes.
                return Ok(None);
            }
        }
        self.finish_run(writer).map(Some)
    }

    fn finish_run(&self, writer: RunWriter<'_, D>) -> Result<Run<D>> {
        let run = writer.finish()?;
        // The name must be durable before a manifest refers to it.
        self.disk.sync_directory(DIRECTORY).map_err(|error| StoreError::from_sync(DIRECTORY, &error))?;
        Ok(run)
    }

    /// A file that did not come into use is removed; if that fails too, the next start does it.
    fn remove_unless<T>(&self, outcome: Result<T>, path: &str) -> Result<T> {
        if matches!(outcome, Err(StoreError::NoSpace { .. })) {
            let _ = self.disk.remove(path);
        }
        outcome
    }

    /// Changes the runs of manifest and view; the manifest reaches the disk first. `flushed` is the height, and what was said
    /// of it, of layers that have become a run.
    ///
    /// The manifest's lock keeps others from changing runs meanwhile; readers wait for the swap only, not for the disk.
    fn install(&self, flushed: Option<(u64, Vec<u8>)>, change: impl FnOnce(&mut Vec<Arc<Run<D>>>)) -> Result<()> {
        let mut manifest = self.manifest();
        let mut runs = self.view().runs.clone();
        change(&mut runs);
        let mut next = manifest.clone();
        next.runs = runs.iter().map(|run| run.id).collect();
        let layers_are_written = flushed.is_some();
        if let Some((height, meta)) = flushed {
            (next.height, next.meta) = (height, meta);
        }
        replace_file(&self.disk, DIRECTORY, MANIFEST, &next.encode())?;
        self.change_view(|view| {
            view.runs = runs;
            if layers_are_written {
                view.layers.clear();
            }
        });
        *manifest = next;
        Ok(())
    }

    /// Merges young runs; gives false when there was nothing to do.
    fn compact(&self) -> Result<bool> {
        let view = self.view();
        let Some(count) = group_to_merge(&view.runs.iter().map(|run| run.id.length).collect::<Vec<_>>()) else {
            return Ok(false);
        };
        let group: Vec<Arc<Run<D>>> = view.runs.iter().take(count).map(Arc::clone).collect();
        // A deletion has done its duty once nothing older is left that it could hide.
        let whole = count == view.runs.len();
        let mut sources = Vec::new();
        for run in &group {
            sources.push(Cursor::disk(run, &[])?);
        }
        let number = self.take_number();
        let outcome = self.write_merged(number, Merge::new(sources)?, whole);
        let Some(merged) = self.remove_unless(outcome, &run_path(number))? else {
            return Ok(false);
        };
        let path = merged.path.clone();
        let first = group.first().map(|run| run.id);
        let outcome = self.install(None, |runs| {
            // Newer runs may have come in front of the group meanwhile.
            let at = runs.iter().position(|run| Some(run.id) == first).unwrap_or(0);
            runs.splice(at..at + count, [Arc::new(merged)]);
        });
        self.remove_unless(outcome, &path)?;
        for run in &group {
            // Snapshots keep reading through their open files.
            self.disk.remove(&run.path).map_err(|error| StoreError::from_io(&run.path, "remove", &error))?;
        }
        Ok(true)
    }
}

/// How many of the newest runs to merge: all that are not much larger than what is merged into them.
fn group_to_merge(lengths: &[u64]) -> Option<usize> {
    if lengths.len() <= YOUNG_RUNS {
        return None;
    }
    let mut total = 0u64;
    let mut count = 0;
    for length in lengths {
        if count >= YOUNG_RUNS && *length > total.saturating_mul(2) {
            break;
        }
        total = total.saturating_add(*length);
        count += 1;
    }
    Some(count)
}

fn writer<D: Disk>(core: &Core<D>, tasks: &Receiver<Task>, flushed: &SyncSender<()>) {
    stand_back(WRITER_NICE);
    while let Ok(task) = tasks.recv() {
        match task {
            Task::Commit(height, meta, layer) => {
                let _ = core.note(core.apply(height, meta, layer));
            }
            Task::Flush(answer) => {
                let _ = answer.send(core.note(core.flush()));
            }
            Task::Barrier(answer) => {
                let _ = answer.send(Ok(()));
            }
        }
        // A full channel means that the compactor is awake already.
        let _ = flushed.try_send(());
        let crowded = || core.view().runs.len() > RUN_LIMIT && core.failure().is_none();
        while core.merging.load(Ordering::SeqCst) && crowded() && !core.stopping.load(Ordering::SeqCst) {
            std::thread::sleep(STALL);
        }
    }
}

fn compactor<D: Disk>(core: &Core<D>, flushed: &Receiver<()>) {
    stand_back(MERGER_NICE);
    while flushed.recv().is_ok() {
        core.merging.store(true, Ordering::SeqCst);
        while !core.stopping.load(Ordering::SeqCst) && core.failure().is_none() {
            match core.compact() {
                Ok(true) => {}
                // Without space nothing is lost by merging later.
                Ok(false) | Err(StoreError::NoSpace { .. }) => break,
                Err(error) => {
                    let _ = core.note::<()>(Err(error));
                }
            }
        }
        core.merging.store(false, Ordering::SeqCst);
    }
}

impl<D: Disk> StateStore<D> {
    /// Opens the store at the height of its manifest, or an empty one at height 0; removes files that no manifest names.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] with [`Cure::RebuildFromLog`]: call [`StateStore::reset`] and replay the log.
    pub fn open(disk: D, mut options: StateOptions) -> Result<Self> {
        if options.background {
            options.flush_bytes = spread(options.flush_bytes);
        }
        disk.create_directory(DIRECTORY).map_err(|error| StoreError::from_io(DIRECTORY, "create", &error))?;
        let manifest = Manifest::read(&disk)?.unwrap_or_default();
        remove_orphans(&disk, &manifest)?;
        let mut runs = Vec::new();
        for id in &manifest.runs {
            runs.push(Arc::new(Run::open(&disk, *id)?));
        }
        let height = manifest.height;
        let view = View { layers: Vec::new(), runs, height, meta: manifest.meta.clone() };
        let core = Arc::new(Core {
            disk,
            options,
            view: RwLock::new(Arc::new(view)),
            manifest: Mutex::new(manifest),
            failure: Mutex::new(None),
            snapshots: AtomicUsize::new(0),
            commits_in_memory: AtomicUsize::new(0),
            stopping: AtomicBool::new(false),
            merging: AtomicBool::new(false),
        });
        let mut store = Self { core, queued_height: height, tasks: None, threads: Vec::new() };
        if options.background {
            store.start_threads()?;
        }
        Ok(store)
    }

    /// Removes everything and opens an empty store at height 0.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn reset(disk: D, options: StateOptions) -> Result<Self> {
        let names = disk.list(DIRECTORY).map_err(|error| StoreError::from_io(DIRECTORY, "list", &error))?;
        // The manifest goes first: without it every other file is an orphan.
        let mut paths: Vec<String> = names.iter().map(|name| format!("{DIRECTORY}/{name}")).collect();
        paths.sort_by_key(|path| path != MANIFEST);
        for path in paths {
            disk.remove(&path).map_err(|error| StoreError::from_io(&path, "remove", &error))?;
            if path == MANIFEST {
                disk.sync_directory(DIRECTORY).map_err(|error| StoreError::from_sync(DIRECTORY, &error))?;
            }
        }
        Self::open(disk, options)
    }

    fn start_threads(&mut self) -> Result<()> {
        let (tasks, queue) = sync_channel(self.core.options.queue.max(1));
        let (flushed, wake) = sync_channel(1);
        let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
            let thread = std::thread::Builder::new().name(name.to_owned()).spawn(work);
            thread.map_err(|error| StoreError::from_io(DIRECTORY, "start a thread", &error))
        };
        let core = Arc::clone(&self.core);
        self.threads.push(spawn("state-writer", Box::new(move || writer(&core, &queue, &flushed)))?);
        let core = Arc::clone(&self.core);
        self.threads.push(spawn("state-merger", Box::new(move || compactor(&core, &wake)))?);
        self.tasks = Some(tasks);
        Ok(())
    }

    /// Queues a commit: after it the store stands at `height` with `meta`. Blocks only while the queue is full. It becomes
    /// visible soon, all at once, and durable some commits later.
    ///
    /// # Errors
    /// The commit was not taken: [`StoreError::Argument`] unless `height` rises; [`StoreError::NoSpace`] while the disk is
    /// full (retry later); failures of earlier commits.
    pub fn commit(&mut self, height: u64, meta: &[u8], batch: Batch) -> Result<()> {
        if height > self.queued_height {
            self.ready()?;
        }
        self.submit(height, meta, batch)
    }

    /// As [`StateStore::commit`], but takes the commit also while the disk is full; it waits in memory then.
    /// Call [`StateStore::ready`] before, or the memory grows without bound.
    ///
    /// # Errors
    /// As [`StateStore::commit`], without [`StoreError::NoSpace`].
    pub fn submit(&mut self, height: u64, meta: &[u8], batch: Batch) -> Result<()> {
        if height <= self.queued_height {
            return Err(StoreError::Argument(format!("state commit {height} is not above {}", self.queued_height)));
        }
        match &self.tasks {
            Some(tasks) => send(tasks, Task::Commit(height, meta.to_vec(), batch.layer))?,
            None => self.work_inline(|core| core.apply(height, meta.to_vec(), batch.layer))?,
        }
        self.queued_height = height;
        Ok(())
    }

    /// Reports an earlier failure; a full disk is tried again first.
    ///
    /// # Errors
    /// Failures of earlier commits; [`StoreError::NoSpace`] while the disk is still full.
    pub fn ready(&self) -> Result<()> {
        let failure = self.core.failure().clone();
        match failure {
            None => Ok(()),
            Some(StoreError::NoSpace { .. }) => self.flush(),
            Some(error) => Err(error.repeated()),
        }
    }

    fn work_inline(&self, work: impl FnOnce(&Core<D>) -> Result<()>) -> Result<()> {
        let outcome = self.core.note(work(&self.core));
        match outcome {
            // The commit itself stands in memory; the caller hears of the full disk at its next call.
            Ok(()) | Err(StoreError::NoSpace { .. }) => {}
            Err(error) => return Err(error),
        }
        while self.core.failure().is_none() {
            match self.core.compact() {
                Ok(true) => {}
                Ok(false) | Err(StoreError::NoSpace { .. }) => break,
                Err(error) => return self.core.note(Err(error)),
            }
        }
        Ok(())
    }

    /// Waits until every queued commit is visible.
    ///
    /// # Errors
    /// Failures of the writer; a full disk is none, for what is in memory can be read.
    pub fn wait(&self) -> Result<()> {
        if let Some(tasks) = &self.tasks {
            ask(tasks, Task::Barrier)?;
        }
        match self.core.failure().as_ref() {
            None | Some(StoreError::NoSpace { .. }) => Ok(()),
            Some(error) => Err(error.repeated()),
        }
    }

    /// Waits until every queued commit is durable.
    ///
    /// # Errors
    /// Failures of the writer; [`StoreError::NoSpace`] leaves the commits in memory, to be tried again.
    pub fn flush(&self) -> Result<()> {
        if let Some(error) = self.core.failure().as_ref().filter(|error| !matches!(error, StoreError::NoSpace { .. })) {
            return Err(error.repeated());
        }
        match &self.tasks {
            Some(tasks) => ask(tasks, Task::Flush),
            None => self.core.note(self.core.flush()),
        }
    }

    /// Height of the newest visible commit; 0 for an empty store.
    pub fn height(&self) -> u64 {
        self.core.view().height
    }

    /// What the newest visible commit said about itself.
    pub fn meta(&self) -> Vec<u8> {
        self.core.view().meta.clone()
    }

    /// Value of a key in the newest visible commit.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] and disk errors.
    pub fn get(&self, space: Keyspace, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.core.view().get(&stored(space, key))
    }

    /// A handle on the newest visible commit, valid while later ones happen, until dropped.
    ///
    /// # Errors
    /// [`StoreError::TooManySnapshots`].
    pub fn snapshot(&self) -> Result<Snapshot<D>> {
        let limit = self.core.options.snapshots;
        let claim = |held: usize| (held < limit).then_some(held + 1);
        let claimed = self.core.snapshots.fetch_update(Ordering::SeqCst, Ordering::SeqCst, claim);
        claimed.map_err(|_| StoreError::TooManySnapshots { limit })?;
        Ok(Snapshot { view: self.core.view(), core: Arc::clone(&self.core) })
    }

    /// Figures for monitoring.
    pub fn statistics(&self) -> Statistics {
        let view = self.core.view();
        Statistics {
            height: view.height,
            durable_height: self.core.manifest().height,
            memory: view.memory(),
            layers: view.layers.len(),
            runs: view.runs.len(),
            run_entries: view.runs.iter().map(|run| run.id.entries).sum(),
            run_bytes: view.runs.iter().map(|run| run.id.length).sum(),
            snapshots: self.core.snapshots.load(Ordering::SeqCst),
            merging: self.core.merging.load(Ordering::SeqCst),
        }
    }
}

impl<D: Disk> Drop for StateStore<D> {
    fn drop(&mut self) {
        // Nothing is flushed here: the log has it all, and stopping must look like a crash to be tested by one.
        self.core.stopping.store(true, Ordering::SeqCst);
        self.tasks = None;
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn stopped() -> StoreError {
    StoreError::Poisoned { file: DIRECTORY.to_owned(), cause: "the writer has stopped".to_owned() }
}

fn send(tasks: &SyncSender<Task>, task: Task) -> Result<()> {
    tasks.send(task).map_err(|_| stopped())
}

fn ask(tasks: &SyncSender<Task>, task: impl FnOnce(Sender<Result<()>>) -> Task) -> Result<()> {
    let (answer, wait) = channel();
    send(tasks, task(answer))?;
    wait.recv().map_err(|_| stopped())?
}

fn stored(space: Keyspace, key: &[u8]) -> Vec<u8> {
    let mut stored = Vec::with_capacity(key.len() + 1);
    stored.push(space.tag());
    stored.extend_from_slice(key);
    stored
}

/// Names in the folder that the manifest does not know.
pub(crate) fn orphans<D: Disk>(disk: &D, manifest: &Manifest) -> Result<Vec<String>> {
    let names = disk.list(DIRECTORY).map_err(|error| StoreError::from_io(DIRECTORY, "list", &error))?;
    let paths = names.into_iter().map(|name| format!("{DIRECTORY}/{name}"));
    let known = |path: &String| path == MANIFEST || manifest.runs.iter().any(|run| run_path(run.number) == *path);
    Ok(paths.filter(|path| !known(path)).collect())
}

fn remove_orphans<D: Disk>(disk: &D, manifest: &Manifest) -> Result<()> {
    for path in orphans(disk, manifest)? {
        disk.remove(&path).map_err(|error| StoreError::from_io(&path, "remove", &error))?;
    }
    Ok(())
}

/// Key and value as one list entry.
pub type Entry = (Vec<u8>, Vec<u8>);

/// One consistent content, held until dropped; see [`StateStore::snapshot`].
pub struct Snapshot<D: Disk> {
    view: Arc<View<D>>,
    core: Arc<Core<D>>,
}

impl<D: Disk> Drop for Snapshot<D> {
    fn drop(&mut self) {
        self.core.snapshots.fetch_sub(1, Ordering::SeqCst);
    }
}

impl<D: Disk> Snapshot<D> {
    /// Height of the commit it shows.
    pub fn height(&self) -> u64 {
        self.view.height
    }

    /// What that commit said about itself.
    pub fn meta(&self) -> &[u8] {
        &self.view.meta
    }

    /// Value of a key.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] and disk errors.
    pub fn get(&self, space: Keyspace, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.view.get(&stored(space, key))
    }

    /// Visits keys from `from` on, below `to` (`None`: to the end), in order, until the visitor breaks.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] and disk errors.
    pub fn scan(
        &self,
        space: Keyspace,
        from: &[u8],
        to: Option<&[u8]>,
        mut visit: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<()> {
        let mut merge = self.view.merge(&stored(space, from))?;
        while let Some(seen) = merge.current() {
            let Some(key) = seen.key.strip_prefix(&[space.tag()]) else {
                break;
            };
            if to.is_some_and(|to| key >= to) || seen.value.is_some_and(|value| visit(key, value).is_break()) {
                break;
            }
            merge.advance()?;
        }
        Ok(())
    }

    /// Up to `limit` entries under `prefix`, those behind `after` when given: one page of a list.
    ///
    /// # Errors
    /// As [`Snapshot::scan`].
    pub fn page(&self, space: Keyspace, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<Entry>> {
        let mut page = Vec::new();
        let from = after.filter(|after| *after >= prefix).unwrap_or(prefix);
        self.scan(space, from, None, |key, value| {
            if page.len() >= limit || !key.starts_with(prefix) {
                return ControlFlow::Break(());
            }
            if after != Some(key) {
                page.push((key.to_vec(), value.to_vec()));
            }
            ControlFlow::Continue(())
        })?;
        Ok(page)
    }

    /// Keys that cut a key space into about `parts` ranges of equal size, for scans by several threads.
    pub fn split(&self, space: Keyspace, parts: usize) -> Vec<Vec<u8>> {
        let largest = self.view.runs.iter().max_by_key(|run| run.id.length);
        let keys = largest.map(|run| run.split(&[space.tag()], parts)).unwrap_or_default();
        keys.into_iter().filter_map(|key| key.strip_prefix(&[space.tag()]).map(<[u8]>::to_vec)).collect()
    }
}

/// Reads every run in full; for `check`.
pub(crate) fn verify_run<D: Disk>(disk: &D, id: RunId) -> Result<()> {
    let run = Arc::new(Run::open(disk, id)?);
    let entries = run.verify()?;
    let wrong = || StoreError::damaged(&run.path, 0, DamageKind::Index, Cure::RebuildFromLog);
    (entries == id.entries).then_some(()).ok_or_else(wrong)
}
