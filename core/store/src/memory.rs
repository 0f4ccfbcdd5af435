//! A disk in memory that fails on request: seeded, counted, and forgetful when it crashes.
//!
//! What is modelled: file contents and names become durable separately (fdatasync of the file, sync of the folder); a
//! crash keeps what was synced and, by kind, none, a prefix or any subset of what was not, the last write torn.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::bytes::{length64, offset as to_index};
use crate::disk::{Disk, DiskFile, OpenMode};

/// What survives of unsynced writes when the machine dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrashKind {
    /// The process dies, the machine lives: every write survives.
    Process,
    /// Nothing that was not synced.
    LoseUnsynced,
    /// A prefix of the unsynced writes of each file, the last one torn at a random byte.
    Torn,
    /// Any subset of the unsynced writes of each file, each possibly torn.
    Reordered,
}

/// Operations that can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// `write_at`
    Write,
    /// `read_at`
    Read,
    /// `sync_data` and `sync_directory`
    Sync,
}

/// What happened on a disk so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls of `write_at`.
    pub writes: u64,
    /// Calls of `read_at`.
    pub reads: u64,
    /// Calls of `sync_data` and `sync_directory`.
    pub syncs: u64,
    /// Crashes.
    pub crashes: u64,
    /// Unsynced writes dropped or torn by crashes.
    pub lost_writes: u64,
    /// Errors injected (EIO).
    pub errors: u64,
    /// Refusals for lack of space.
    pub no_space: u64,
    /// Bits flipped.
    pub flips: u64,
}

#[derive(Clone, Debug)]
enum Change {
    Write(u64, Vec<u8>),
    Truncate(u64),
}

#[derive(Debug, Default)]
struct Content {
    current: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Change>,
}

type Shared = Arc<Mutex<Content>>;

#[derive(Clone)]
enum Naming {
    Set(String, Shared),
    Unset(String),
    Rename(String, String),
}

#[derive(Default)]
struct World {
    names: BTreeMap<String, Shared>,
    durable_names: BTreeMap<String, Shared>,
    pending_names: Vec<Naming>,
    random: u64,
    /// Bytes that may still be written; `None` is without limit.
    space: Option<u64>,
    /// Operation → calls left until one fails.
    failures: BTreeMap<Operation, u64>,
    /// The machine dies in the next sync of a file.
    dying: bool,
    /// It died: nothing works until `crash`.
    dead: bool,
    counts: Counts,
    generation: u64,
    locked: Arc<AtomicBool>,
}

/// See the module text. Clones share the disk.
#[derive(Clone)]
pub struct MemoryDisk {
    world: Arc<Mutex<World>>,
}

/// An open file of a [`MemoryDisk`]; unusable after a crash.
pub struct MemoryFile {
    disk: MemoryDisk,
    content: Shared,
    generation: u64,
}

/// Lock of a [`MemoryDisk`].
pub struct MemoryLock(Arc<AtomicBool>);

impl Drop for MemoryLock {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn apply(content: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write(offset, bytes) => {
            let start = to_index(*offset);
            let end = start.saturating_add(bytes.len());
            if content.len() < end {
                content.resize(end, 0);
            }
            if let Some(target) = content.get_mut(start..end) {
                target.copy_from_slice(bytes);
            }
        }
        Change::Truncate(length) => content.resize(to_index(*length), 0),
    }
}

fn name_in(names: &mut BTreeMap<String, Shared>, naming: &Naming) {
    match naming {
        Naming::Set(path, content) => {
            names.insert(path.clone(), Arc::clone(content));
        }
        Naming::Unset(path) => {
            names.remove(path);
        }
        Naming::Rename(from, to) => {
            if let Some(content) = names.remove(from) {
                names.insert(to.clone(), content);
            }
        }
    }
}

impl World {
    fn random(&mut self, below: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)).checked_rem(below).unwrap_or(0)
    }

    fn enter(&mut self, operation: Operation) -> io::Result<()> {
        match operation {
            Operation::Write => self.counts.writes += 1,
            Operation::Read => self.counts.reads += 1,
            Operation::Sync => self.counts.syncs += 1,
        }
        if self.dead {
            return Err(io::Error::other("the machine died"));
        }
        let due = match self.failures.get_mut(&operation) {
            Some(left) => {
                *left = left.saturating_sub(1);
                *left == 0
            }
            None => false,
        };
        if due {
            self.failures.remove(&operation);
            self.counts.errors += 1;
            return Err(io::Error::other("injected input/output error"));
        }
        Ok(())
    }

    /// Reserves space for `wanted` bytes; returns how many fit.
    fn reserve(&mut self, wanted: u64) -> u64 {
        let Some(space) = self.space.as_mut() else {
            return wanted;
        };
        let granted = wanted.min(*space);
        *space -= granted;
        if granted < wanted {
            self.counts.no_space += 1;
        }
        granted
    }

    fn tear(&mut self, change: &Change) -> Change {
        match change {
            Change::Write(offset, bytes) => {
                let keep = to_index(self.random(length64(bytes.len()).saturating_add(1)));
                Change::Write(*offset, bytes.iter().copied().take(keep).collect())
            }
            Change::Truncate(length) => Change::Truncate(*length),
        }
    }

    /// The unsynced changes that reach the platter.
    fn survivors(&mut self, pending: &[Change], kind: CrashKind) -> Vec<Change> {
        let mut kept = Vec::new();
        match kind {
            CrashKind::Process => kept.extend_from_slice(pending),
            CrashKind::LoseUnsynced => self.counts.lost_writes += length64(pending.len()),
            CrashKind::Torn => {
                let whole = to_index(self.random(length64(pending.len()).saturating_add(1)));
                kept.extend_from_slice(pending.get(..whole).unwrap_or_default());
                if let Some(torn) = pending.get(whole) {
                    kept.push(self.tear(torn));
                }
                self.counts.lost_writes += length64(pending.len().saturating_sub(whole));
            }
            CrashKind::Reordered => {
                for change in pending {
                    match self.random(3) {
                        0 => kept.push(change.clone()),
                        1 => {
                            kept.push(self.tear(change));
                            self.counts.lost_writes += 1;
                        }
                        _ => self.counts.lost_writes += 1,
                    }
                }
            }
        }
        kept
    }
}

impl MemoryDisk {
    /// An empty disk without limit; `seed` decides what crashes keep.
    pub fn new(seed: u64) -> Self {
        Self { world: Arc::new(Mutex::new(World { random: seed, ..World::default() })) }
    }

    /// The machine dies: open files and locks of before are dead, unsynced data is lost as `kind` says.
    pub fn crash(&self, kind: CrashKind) {
        let mut world = hold(&self.world);
        world.counts.crashes += 1;
        world.dying = false;
        world.dead = false;
        world.generation += 1;
        world.locked = Arc::new(AtomicBool::new(false));
        let pending = std::mem::take(&mut world.pending_names);
        // Names are journaled in order by the file systems in use: a prefix survives.
        let kept = match kind {
            CrashKind::Process => pending.len(),
            CrashKind::LoseUnsynced => 0,
            CrashKind::Torn | CrashKind::Reordered => to_index(world.random(length64(pending.len()).saturating_add(1))),
        };
        let mut names = std::mem::take(&mut world.durable_names);
        for naming in pending.iter().take(kept) {
            name_in(&mut names, naming);
        }
        for content in names.values() {
            let mut content = hold(content);
            let pending = std::mem::take(&mut content.pending);
            for change in world.survivors(&pending, kind) {
                apply(&mut content.durable, &change);
            }
            let Content { current, durable, .. } = &mut *content;
            current.clone_from(durable);
        }
        world.names.clone_from(&names);
        world.durable_names = names;
    }

    /// Limits what may still be written; `None` lifts the limit.
    pub fn set_space(&self, bytes: Option<u64>) {
        hold(&self.world).space = bytes;
    }

    /// Makes the `nth` call from now (1 is the next) of `operation` fail.
    pub fn fail(&self, operation: Operation, nth: u64) {
        hold(&self.world).failures.insert(operation, nth.max(1));
    }

    /// The machine dies in the next sync of a file: what was written reaches the platter as far as the `crash` that must
    /// follow says. Until then every operation fails.
    pub fn die_in_next_sync(&self) {
        hold(&self.world).dying = true;
    }

    /// Withdraws every failure asked for.
    pub fn heal(&self) {
        hold(&self.world).failures.clear();
    }

    /// Flips the bits of `mask` in one byte, on the platter; false when there is no such byte.
    pub fn flip(&self, path: &str, offset: u64, mask: u8) -> bool {
        let mut world = hold(&self.world);
        let Some(content) = world.names.get(path).map(Arc::clone) else {
            return false;
        };
        world.counts.flips += 1;
        let mut content = hold(&content);
        if let Some(byte) = content.durable.get_mut(to_index(offset)) {
            *byte ^= mask;
        }
        content.current.get_mut(to_index(offset)).map(|byte| *byte ^= mask).is_some()
    }

    /// Cuts a file to `length` bytes, on the platter.
    pub fn cut(&self, path: &str, length: u64) {
        if let Some(content) = hold(&self.world).names.get(path) {
            let mut content = hold(content);
            content.current.truncate(to_index(length));
            content.durable.truncate(to_index(length));
            content.pending.clear();
        }
    }

    /// All bytes of a file as a reader sees them.
    pub fn content(&self, path: &str) -> Option<Vec<u8>> {
        hold(&self.world).names.get(path).map(|content| hold(content).current.clone())
    }

    /// Every file name, sorted.
    pub fn files(&self) -> Vec<String> {
        hold(&self.world).names.keys().cloned().collect()
    }

    /// An independent copy of what a reader sees now, everything durable.
    #[must_use]
    pub fn copy(&self, seed: u64) -> Self {
        let world = hold(&self.world);
        let mut names = BTreeMap::new();
        for (path, content) in &world.names {
            let current = hold(content).current.clone();
            names.insert(
                path.clone(),
                Arc::new(Mutex::new(Content { durable: current.clone(), current, pending: Vec::new() })),
            );
        }
        let copy = World { durable_names: names.clone(), names, random: seed, ..World::default() };
        Self { world: Arc::new(Mutex::new(copy)) }
    }

    /// What happened so far.
    pub fn counts(&self) -> Counts {
        hold(&self.world).counts
    }

    fn rename_or_remove(&self, naming: Naming, path: &str) -> io::Result<()> {
        let mut world = hold(&self.world);
        if !world.names.contains_key(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        name_in(&mut world.names, &naming);
        world.pending_names.push(naming);
        Ok(())
    }
}

impl MemoryFile {
    fn enter(&self, operation: Operation) -> io::Result<MutexGuard<'_, World>> {
        let mut world = hold(&self.disk.world);
        if world.generation != self.generation {
            return Err(io::Error::other("the machine was restarted"));
        }
        world.enter(operation)?;
        Ok(world)
    }
}

impl DiskFile for MemoryFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        drop(self.enter(Operation::Read)?);
        let content = hold(&self.content);
        let rest = content.current.get(to_index(offset)..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        for (target, byte) in buffer.iter_mut().zip(rest) {
            *target = *byte;
        }
        Ok(count)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut world = self.enter(Operation::Write)?;
        let mut content = hold(&self.content);
        let end = offset.saturating_add(length64(bytes.len()));
        let growth = end.saturating_sub(length64(content.current.len()));
        let missing = growth.saturating_sub(world.reserve(growth));
        // As a real disk does: what fits is written before the call fails.
        let fitting = bytes.get(..bytes.len().saturating_sub(to_index(missing))).unwrap_or_default();
        let change = Change::Write(offset, fitting.to_vec());
        apply(&mut content.current, &change);
        content.pending.push(change);
        if missing > 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(length64(hold(&self.content).current.len()))
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        let mut world = self.enter(Operation::Write)?;
        let mut content = hold(&self.content);
        let freed = length64(content.current.len()).saturating_sub(length);
        if let Some(space) = world.space.as_mut() {
            *space = space.saturating_add(freed);
        }
        apply(&mut content.current, &Change::Truncate(length));
        content.pending.push(Change::Truncate(length));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut world = hold(&self.disk.world);
        if world.dying {
            world.dead = true;
        }
        let dead = world.dead;
        drop(world);
        let outcome = self.enter(Operation::Sync).map(drop);
        let mut content = hold(&self.content);
        if dead {
            return outcome;
        }
        if outcome.is_err() {
            // As Linux does after a failed fsync: the dirty pages are forgotten, a second fsync would succeed.
            content.pending.clear();
            return outcome;
        }
        let pending = std::mem::take(&mut content.pending);
        for change in &pending {
            apply(&mut content.durable, change);
        }
        Ok(())
    }
}

impl Disk for MemoryDisk {
    type File = MemoryFile;
    type Lock = MemoryLock;

    fn open(&self, path: &str, mode: OpenMode) -> io::Result<MemoryFile> {
        let mut world = hold(&self.world);
        let existing = world.names.get(path).map(Arc::clone);
        let content = match (existing, mode) {
            (Some(content), OpenMode::Read | OpenMode::Write) => content,
            (None, OpenMode::Read | OpenMode::Write) => return Err(io::ErrorKind::NotFound.into()),
            (Some(content), OpenMode::Create) => {
                let mut held = hold(&content);
                held.current.clear();
                held.pending.push(Change::Truncate(0));
                drop(held);
                content
            }
            (None, OpenMode::Create) => {
                let content = Shared::default();
                let naming = Naming::Set(path.to_owned(), Arc::clone(&content));
                name_in(&mut world.names, &naming);
                world.pending_names.push(naming);
                content
            }
        };
        Ok(MemoryFile { disk: self.clone(), content, generation: world.generation })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.rename_or_remove(Naming::Rename(from.to_owned(), to.to_owned()), from)
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        let length = self.content(path).map_or(0, |content| length64(content.len()));
        self.rename_or_remove(Naming::Unset(path.to_owned()), path)?;
        if let Some(space) = hold(&self.world).space.as_mut() {
            *space = space.saturating_add(length);
        }
        Ok(())
    }

    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        let prefix = format!("{directory}/");
        let world = hold(&self.world);
        let names = world.names.keys().filter_map(|path| path.strip_prefix(&prefix)).filter(|name| !name.contains('/'));
        Ok(names.map(str::to_owned).collect())
    }

    fn create_directory(&self, _directory: &str) -> io::Result<()> {
        Ok(())
    }

    fn sync_directory(&self, _directory: &str) -> io::Result<()> {
        let mut world = hold(&self.world);
        world.enter(Operation::Sync)?;
        // One journal for all names, as on the file systems in use.
        let pending = std::mem::take(&mut world.pending_names);
        let mut names = std::mem::take(&mut world.durable_names);
        for naming in &pending {
            name_in(&mut names, naming);
        }
        world.durable_names = names;
        Ok(())
    }

    fn free_space(&self) -> io::Result<u64> {
        Ok(hold(&self.world).space.unwrap_or(u64::MAX))
    }

    fn try_lock(&self) -> io::Result<Option<MemoryLock>> {
        let flag = Arc::clone(&hold(&self.world).locked);
        Ok((!flag.swap(true, Ordering::SeqCst)).then_some(MemoryLock(flag)))
    }

    fn name(&self) -> String {
        "memory".to_owned()
    }
}
