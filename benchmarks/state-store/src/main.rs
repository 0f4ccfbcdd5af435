//! Compares embedded stores as the state store of a node: load, atomic block commits, restart, scan, random reads.
//!
//! Usage: `state-store-bench ENGINE CELLS BLOCKS UPDATES DIRECTORY`. One engine per process, so that memory figures do not mix.
//! Times are wall clock with process CPU time beside them (the box of the published figures is shared).

use std::path::Path;
use std::time::Instant;

type Fault = Box<dyn std::error::Error>;
type Cell = (Vec<u8>, Vec<u8>);

/// What every engine under test has to do.
trait Engine: Sized + Sync {
    fn open(directory: &Path) -> Result<Self, Fault>;
    /// One atomic batch; durable only when `durable`.
    fn commit(&self, cells: &[Cell], durable: bool) -> Result<(), Fault>;
    fn get(&self, key: &[u8]) -> Result<usize, Fault>;
    /// Visits keys in `[from, to)` (an empty `to` is unbounded); returns (cells, bytes).
    fn scan(&self, from: &[u8], to: &[u8]) -> Result<(u64, u64), Fault>;
    /// Time to take a snapshot and the value length seen through it after a later commit.
    fn snapshot_holds(&self, key: &[u8], later: &[Cell]) -> Result<bool, Fault>;
}

/// Splitmix64: seeded, no dependency.
struct Random(u64);
impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }
}
fn mix(value: u64) -> u64 {
    let mut z = value;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Cell `number`: tag byte, 32-byte account, 32-byte asset out of 16; value of 40 to 100 bytes, half of it compressible.
fn cell(number: u64, version: u64) -> Cell {
    let mut key = Vec::with_capacity(65);
    key.push(1);
    for lane in 0..4 {
        key.extend_from_slice(
            &mix(number.wrapping_mul(4).wrapping_add(lane) ^ 0x5bd1_e995).to_be_bytes(),
        );
    }
    for lane in 0..4 {
        key.extend_from_slice(&mix((number % 16).wrapping_mul(4).wrapping_add(lane)).to_be_bytes());
    }
    let mut random = Random(number ^ version.wrapping_mul(0x1234_5678_9abc_def1));
    let length = 40 + (random.next() % 61) as usize;
    let mut value = vec![0u8; length];
    for chunk in value[..length / 2].chunks_mut(8) {
        let bytes = random.next().to_le_bytes();
        chunk.copy_from_slice(&bytes[..chunk.len()]);
    }
    (key, value)
}

#[cfg(feature = "fjall")]
mod with_fjall {
    use super::{Cell, Engine, Fault, Path};
    use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable};
    pub struct Store(Database, Keyspace);
    impl Engine for Store {
        fn open(directory: &Path) -> Result<Self, Fault> {
            let database = Database::builder(directory)
                .manual_journal_persist(true)
                .cache_size(64 << 20)
                .open()?;
            let cells = database.keyspace("cells", KeyspaceCreateOptions::default)?;
            Ok(Self(database, cells))
        }
        fn commit(&self, cells: &[Cell], durable: bool) -> Result<(), Fault> {
            let mode = if durable {
                PersistMode::SyncData
            } else {
                PersistMode::Buffer
            };
            let mut batch = self.0.batch().durability(Some(mode));
            for (key, value) in cells {
                batch.insert(&self.1, key.as_slice(), value.as_slice());
            }
            Ok(batch.commit()?)
        }
        fn get(&self, key: &[u8]) -> Result<usize, Fault> {
            Ok(self.1.get(key)?.map_or(0, |value| value.len()))
        }
        fn scan(&self, from: &[u8], to: &[u8]) -> Result<(u64, u64), Fault> {
            let range = if to.is_empty() {
                self.1.range(from..)
            } else {
                self.1.range(from..to)
            };
            let (mut count, mut bytes) = (0, 0);
            for item in range {
                let (key, value) = item.into_inner()?;
                count += 1;
                bytes += (key.len() + value.len()) as u64;
            }
            Ok((count, bytes))
        }
        fn snapshot_holds(&self, key: &[u8], later: &[Cell]) -> Result<bool, Fault> {
            let snapshot = self.0.snapshot();
            let before = snapshot.get(&self.1, key)?;
            self.commit(later, false)?;
            Ok(before == snapshot.get(&self.1, key)? && before != self.1.get(key)?)
        }
    }
}

#[cfg(feature = "redb")]
mod with_redb {
    use super::{Cell, Engine, Fault, Path};
    use redb::{Database, Durability, ReadableDatabase, TableDefinition};
    const CELLS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("cells");
    pub struct Store(Database);
    impl Engine for Store {
        fn open(directory: &Path) -> Result<Self, Fault> {
            std::fs::create_dir_all(directory)?;
            let database = Database::builder()
                .set_cache_size(512 << 20)
                .create(directory.join("state.redb"))?;
            Ok(Self(database))
        }
        fn commit(&self, cells: &[Cell], durable: bool) -> Result<(), Fault> {
            let mut transaction = self.0.begin_write()?;
            transaction.set_durability(if durable {
                Durability::Immediate
            } else {
                Durability::None
            })?;
            {
                let mut table = transaction.open_table(CELLS)?;
                for (key, value) in cells {
                    table.insert(key.as_slice(), value.as_slice())?;
                }
            }
            Ok(transaction.commit()?)
        }
        fn get(&self, key: &[u8]) -> Result<usize, Fault> {
            let table = self.0.begin_read()?.open_table(CELLS)?;
            Ok(table.get(key)?.map_or(0, |value| value.value().len()))
        }
        fn scan(&self, from: &[u8], to: &[u8]) -> Result<(u64, u64), Fault> {
            let table = self.0.begin_read()?.open_table(CELLS)?;
            let range = if to.is_empty() {
                table.range(from..)?
            } else {
                table.range(from..to)?
            };
            let (mut count, mut bytes) = (0, 0);
            for item in range {
                let (key, value) = item?;
                count += 1;
                bytes += (key.value().len() + value.value().len()) as u64;
            }
            Ok((count, bytes))
        }
        fn snapshot_holds(&self, key: &[u8], later: &[Cell]) -> Result<bool, Fault> {
            let snapshot = self.0.begin_read()?.open_table(CELLS)?;
            let before = snapshot.get(key)?.map(|value| value.value().to_vec());
            self.commit(later, false)?;
            let after = snapshot.get(key)?.map(|value| value.value().to_vec());
            let table = self.0.begin_read()?.open_table(CELLS)?;
            let newest = table.get(key)?.map(|value| value.value().to_vec());
            Ok(before == after && before != newest)
        }
    }
}

#[cfg(feature = "heed")]
mod with_heed {
    use super::{Cell, Engine, Fault, Path};
    use heed::types::Bytes;
    use heed::{Database, Env, EnvFlags, EnvOpenOptions};
    use std::ops::Bound;
    pub struct Store(Env, Database<Bytes, Bytes>);
    impl Engine for Store {
        fn open(directory: &Path) -> Result<Self, Fault> {
            std::fs::create_dir_all(directory)?;
            let mut options = EnvOpenOptions::new();
            options.map_size(32 << 30).max_dbs(2);
            // The map is private to this process and the directory to this run; heed offers no safe way to open one.
            let environment = unsafe {
                options.flags(EnvFlags::NO_SYNC | EnvFlags::NO_READ_AHEAD);
                options.open(directory)?
            };
            let mut transaction = environment.write_txn()?;
            let cells = environment.create_database(&mut transaction, Some("cells"))?;
            transaction.commit()?;
            Ok(Self(environment, cells))
        }
        fn commit(&self, cells: &[Cell], durable: bool) -> Result<(), Fault> {
            let mut transaction = self.0.write_txn()?;
            for (key, value) in cells {
                self.1.put(&mut transaction, key, value)?;
            }
            transaction.commit()?;
            if durable {
                self.0.force_sync()?;
            }
            Ok(())
        }
        fn get(&self, key: &[u8]) -> Result<usize, Fault> {
            let transaction = self.0.read_txn()?;
            Ok(self.1.get(&transaction, key)?.map_or(0, <[u8]>::len))
        }
        fn scan(&self, from: &[u8], to: &[u8]) -> Result<(u64, u64), Fault> {
            let transaction = self.0.read_txn()?;
            // LMDB refuses an empty key.
            let from = if from.is_empty() { &[0][..] } else { from };
            let upper = if to.is_empty() {
                Bound::Unbounded
            } else {
                Bound::Excluded(to)
            };
            let (mut count, mut bytes) = (0, 0);
            for item in self
                .1
                .range(&transaction, &(Bound::Included(from), upper))?
            {
                let (key, value) = item?;
                count += 1;
                bytes += (key.len() + value.len()) as u64;
            }
            Ok((count, bytes))
        }
        fn snapshot_holds(&self, key: &[u8], later: &[Cell]) -> Result<bool, Fault> {
            let environment = self.0.clone();
            let cells = self.1;
            let snapshot = environment.read_txn()?;
            let before = cells.get(&snapshot, key)?.map(<[u8]>::to_vec);
            std::thread::scope(|scope| {
                scope
                    .spawn(|| self.commit(later, false).is_ok())
                    .join()
                    .unwrap_or(false)
            });
            let after = cells.get(&snapshot, key)?.map(<[u8]>::to_vec);
            drop(snapshot);
            let fresh = environment.read_txn()?;
            let newest = cells.get(&fresh, key)?.map(<[u8]>::to_vec);
            Ok(before == after && before != newest)
        }
    }
}

/// Process CPU seconds (user and system).
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = stat.rsplit(')').next().unwrap_or_default();
    let field = |index: usize| {
        after
            .split_whitespace()
            .nth(index)
            .and_then(|text| text.parse::<f64>().ok())
            .unwrap_or(0.0)
    };
    (field(11) + field(12)) / 100.0
}

fn memory_mib(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status
        .lines()
        .find(|line| line.starts_with(field))
        .unwrap_or_default()
        .to_owned();
    line.split_whitespace()
        .nth(1)
        .and_then(|text| text.parse::<u64>().ok())
        .unwrap_or(0)
        / 1024
}

fn disk_mib(directory: &Path) -> u64 {
    fn bytes(directory: &Path) -> u64 {
        use std::os::unix::fs::MetadataExt;
        let mut total = 0;
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            if let Ok(metadata) = entry.metadata() {
                total += if metadata.is_dir() {
                    bytes(&entry.path())
                } else {
                    metadata.blocks() * 512
                };
            }
        }
        total
    }
    bytes(directory) >> 20
}

struct Clock(Instant, f64);
impl Clock {
    fn start() -> Self {
        Self(Instant::now(), cpu())
    }
    fn stop(&self) -> (f64, f64) {
        (self.0.elapsed().as_secs_f64(), cpu() - self.1)
    }
}

fn run<E: Engine>(cells: u64, blocks: u64, updates: u64, directory: &Path) -> Result<(), Fault> {
    let store = E::open(directory)?;
    let mut random = Random(7);
    let clock = Clock::start();
    let batch = 200_000;
    for start in (0..cells).step_by(batch as usize) {
        let mut chunk: Vec<Cell> = (start..cells.min(start + batch))
            .map(|number| cell(number, 0))
            .collect();
        chunk.sort();
        store.commit(&chunk, false)?;
    }
    store.commit(&[cell(0, 1)], true)?;
    let (wall, used) = clock.stop();
    println!(
        "load            {:8.2} s wall {used:8.2} s cpu  {:9.0} cells/s",
        wall,
        cells as f64 / wall
    );

    let mut times = Vec::new();
    // CPU of making the updates is taken off below: only the engine's share counts.
    let making = Clock::start();
    for block in 0..5 {
        let mut chunk: Vec<Cell> = (0..updates)
            .map(|_| cell(random.next() % cells, block + 2))
            .collect();
        chunk.sort();
        std::hint::black_box(&chunk);
    }
    let (_, making) = making.stop();
    let clock = Clock::start();
    for block in 0..blocks {
        let mut chunk: Vec<Cell> = (0..updates)
            .map(|_| cell(random.next() % cells, block + 2))
            .collect();
        chunk.sort();
        let begun = Instant::now();
        // Every tenth block is made durable: the store follows the log and may lag.
        store.commit(&chunk, block % 10 == 9)?;
        times.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    let (wall, used) = clock.stop();
    times.sort_by(f64::total_cmp);
    println!(
        "block commit    median {:7.1} ms  p95 {:7.1} ms  max {:7.1} ms  cpu/block {:6.1} ms  {:9.0} updates/s",
        times[times.len() / 2], times[times.len() * 95 / 100], times[times.len() - 1],
        (used / blocks as f64 - making / 5.0) * 1e3, (blocks * updates) as f64 / wall
    );
    let probe = cell(3, 0).0;
    println!(
        "snapshot holds  {}",
        store.snapshot_holds(&probe, &[cell(3, 999)])?
    );
    println!(
        "before restart  rss {} MiB  disk {} MiB",
        memory_mib("VmRSS"),
        disk_mib(directory)
    );
    let clock = Clock::start();
    drop(store);
    let (closed, _) = clock.stop();
    let clock = Clock::start();
    let store = E::open(directory)?;
    let (opened, _) = clock.stop();
    println!("close {closed:.2} s  open {opened:.2} s");

    let clock = Clock::start();
    let (count, bytes) = store.scan(&[], &[])?;
    let (wall, used) = clock.stop();
    println!("scan 1 thread   {wall:8.2} s wall {used:8.2} s cpu  {:9.0} cells/s  ({count} cells, {} MiB)", count as f64 / wall, bytes >> 20);
    let clock = Clock::start();
    let middle = [1u8, 0x80];
    let counted = std::thread::scope(|scope| {
        let low = scope.spawn(|| store.scan(&[], &middle).map(|pair| pair.0).unwrap_or(0));
        let high = store.scan(&middle, &[]).map(|pair| pair.0).unwrap_or(0);
        low.join().unwrap_or(0) + high
    });
    let (wall, used) = clock.stop();
    println!(
        "scan 2 threads  {wall:8.2} s wall {used:8.2} s cpu  {:9.0} cells/s",
        counted as f64 / wall
    );

    let reads = 200_000;
    let clock = Clock::start();
    let mut found = 0;
    for _ in 0..reads {
        found += u64::from(store.get(&cell(random.next() % cells, 0).0)? > 0);
    }
    let (wall, _) = clock.stop();
    println!(
        "random get      {:9.0} gets/s ({found} of {reads} found)",
        reads as f64 / wall
    );
    println!(
        "at the end      rss {} MiB  peak {} MiB  disk {} MiB",
        memory_mib("VmRSS"),
        memory_mib("VmHWM"),
        disk_mib(directory)
    );
    Ok(())
}

fn main() -> Result<(), Fault> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, engine, cells, blocks, updates, directory] = arguments.as_slice() else {
        return Err("usage: state-store-bench ENGINE CELLS BLOCKS UPDATES DIRECTORY".into());
    };
    let (cells, blocks, updates) = (cells.parse()?, blocks.parse()?, updates.parse()?);
    let directory = Path::new(directory);
    println!("{engine}: {cells} cells, {blocks} blocks of {updates} updates");
    match engine.as_str() {
        #[cfg(feature = "fjall")]
        "fjall" => run::<with_fjall::Store>(cells, blocks, updates, directory),
        #[cfg(feature = "redb")]
        "redb" => run::<with_redb::Store>(cells, blocks, updates, directory),
        #[cfg(feature = "heed")]
        "heed" => run::<with_heed::Store>(cells, blocks, updates, directory),
        other => Err(format!("engine {other} is not built in").into()),
    }
}
