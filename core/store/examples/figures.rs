//! Measures the state store (the way `benchmarks/state-store` measures other engines), the transaction index and the log.
//!
//! Usage: `figures CELLS BLOCKS UPDATES DIRECTORY`. The directory must be empty; it is left for inspection.

#![allow(clippy::print_stdout, clippy::float_arithmetic, clippy::cast_precision_loss, clippy::cast_possible_truncation)]

use std::ops::ControlFlow;
use std::time::Instant;

use bubi_store::{
    Batch, BlockLog, IndexOptions, Keyspace, LogOptions, RealDisk, RecordKind, Snapshot, StateOptions, StateStore,
    TransactionIndex,
};

type Fault = Box<dyn std::error::Error>;

fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Tag byte, 32-byte account, 32-byte asset out of 16; 40 to 100 bytes of value.
fn cell(number: u64, version: u64) -> ([u8; 65], Vec<u8>) {
    let mut key = [1; 65];
    for (lane, chunk) in key[1..33].chunks_mut(8).enumerate() {
        chunk.copy_from_slice(&mix(number.wrapping_mul(4).wrapping_add(lane as u64)).to_be_bytes());
    }
    for (lane, chunk) in key[33..].chunks_mut(8).enumerate() {
        chunk.copy_from_slice(&mix((number % 16) * 4 + lane as u64).to_be_bytes());
    }
    let random = mix(number ^ version.wrapping_mul(0x1234_5678_9abc_def1));
    let mut value = vec![0; 40 + (random % 61) as usize];
    let half = value.len() / 2;
    for (lane, chunk) in value[..half].chunks_mut(8).enumerate() {
        let bytes = mix(random ^ lane as u64).to_le_bytes();
        chunk.copy_from_slice(&bytes[..chunk.len()]);
    }
    (key, value)
}

fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = stat.rsplit(')').next().unwrap_or_default();
    let field =
        |index: usize| after.split_whitespace().nth(index).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    (field(11) + field(12)) / 100.0
}

fn memory_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default().to_owned();
    line.split_whitespace().nth(1).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0) / 1024
}

fn count(snapshot: &Snapshot<RealDisk>, from: &[u8], to: Option<&[u8]>) -> Result<(u64, u64), bubi_store::StoreError> {
    let (mut cells, mut bytes) = (0, 0);
    snapshot.scan(Keyspace::Cells, from, to, |key, value| {
        cells += 1;
        bytes += (key.len() + value.len()) as u64;
        ControlFlow::Continue(())
    })?;
    Ok((cells, bytes))
}

fn state(cells: u64, blocks: u64, updates: u64, directory: &str) -> Result<(), Fault> {
    let options = StateOptions::default();
    let mut store = StateStore::open(RealDisk::new(directory)?, options)?;
    let (clock, used) = (Instant::now(), cpu());
    let mut height = 0;
    for start in (0..cells).step_by(200_000) {
        let mut batch = Batch::new();
        for number in start..cells.min(start + 200_000) {
            let (key, value) = cell(number, 0);
            batch.put(Keyspace::Cells, &key, &value)?;
        }
        height += 1;
        store.commit(height, b"", batch)?;
    }
    store.flush()?;
    let wall = clock.elapsed().as_secs_f64();
    println!("load            {wall:8.2} s wall {:8.2} s cpu  {:9.0} cells/s", cpu() - used, cells as f64 / wall);

    let make = |block: u64| -> Result<Batch, bubi_store::StoreError> {
        let mut batch = Batch::new();
        for step in 0..updates {
            let (key, value) = cell(mix(block * 1_000_003 + step) % cells, block + 2);
            batch.put(Keyspace::Cells, &key, &value)?;
        }
        Ok(batch)
    };
    let used = cpu();
    for block in 0..10 {
        std::hint::black_box(make(block)?);
    }
    let making = (cpu() - used) / 10.0;
    let (clock, used) = (Instant::now(), cpu());
    let mut times = Vec::new();
    for block in 0..blocks {
        let batch = make(block)?;
        let begun = Instant::now();
        height += 1;
        store.commit(height, b"", batch)?;
        times.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    store.flush()?;
    let wall = clock.elapsed().as_secs_f64();
    // Merging still running belongs to these updates.
    while store.statistics().merging {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    times.sort_by(f64::total_cmp);
    let at = |per_mille: usize| times.get((times.len() - 1) * per_mille / 1000).copied().unwrap_or(0.0);
    println!(
        "block commit    median {:7.2} ms  p95 {:7.2} ms  max {:7.2} ms  cpu/block {:6.1} ms  {:9.0} updates/s",
        at(500),
        at(950),
        at(1000),
        ((cpu() - used) / blocks as f64 - making) * 1e3,
        (blocks * updates) as f64 / wall
    );
    println!("before restart  rss {} MiB  {:?}", memory_mib(), store.statistics());
    Ok(())
}

/// What a node does at its start, then random reads.
fn state_again(cells: u64, directory: &str) -> Result<(), Fault> {
    let options = StateOptions::default();

    let clock = Instant::now();
    let store = StateStore::open(RealDisk::new(directory)?, options)?;
    println!("open            {:8.3} s", clock.elapsed().as_secs_f64());
    let snapshot = store.snapshot()?;
    let (clock, used) = (Instant::now(), cpu());
    let (seen, bytes) = count(&snapshot, &[], None)?;
    let wall = clock.elapsed().as_secs_f64();
    println!(
        "scan 1 thread   {wall:8.2} s wall {:8.2} s cpu  {:9.0} cells/s  ({seen} cells, {} MiB)",
        cpu() - used,
        seen as f64 / wall,
        bytes >> 20
    );
    let middle = snapshot.split(Keyspace::Cells, 2).pop().unwrap_or_default();
    let clock = Instant::now();
    let both = std::thread::scope(|scope| {
        let low = scope.spawn(|| count(&snapshot, &[], Some(&middle)));
        let high = count(&snapshot, &middle, None);
        low.join().map(|low| Ok::<_, bubi_store::StoreError>(low?.0 + high?.0))
    });
    let wall = clock.elapsed().as_secs_f64();
    let both = both.map_err(|_| "scan thread failed")??;
    println!("scan 2 threads  {wall:8.2} s wall  {:9.0} cells/s  (same cells: {})", both as f64 / wall, both == seen);
    let clock = Instant::now();
    let reads = 200_000u64;
    let mut found = 0;
    for step in 0..reads {
        found += u64::from(store.get(Keyspace::Cells, &cell(mix(step) % cells, 0).0)?.is_some());
    }
    println!("random get      {:9.0} gets/s ({found} of {reads} found)", reads as f64 / clock.elapsed().as_secs_f64());
    println!("at the end      rss {} MiB", memory_mib());
    Ok(())
}

fn hash(number: u64) -> [u8; 32] {
    let mut hash = [0; 32];
    for (lane, chunk) in hash.chunks_mut(8).enumerate() {
        chunk.copy_from_slice(&mix(number * 4 + lane as u64).to_be_bytes());
    }
    hash
}

fn index(directory: &str) -> Result<(), Fault> {
    let index = TransactionIndex::open(RealDisk::new(directory)?, 1, IndexOptions::default())?;
    let (blocks, per_block) = (2_000u64, 10_000u64);
    let (mut spent, used, clock) = (0.0, cpu(), Instant::now());
    let mut making = 0.0;
    for block in 0..blocks {
        let begun = Instant::now();
        let hashes: Vec<_> = (0..per_block).map(|step| hash(block * per_block + step)).collect();
        making += begun.elapsed().as_secs_f64();
        let begun = Instant::now();
        index.insert(block + 1, &hashes)?;
        spent += begun.elapsed().as_secs_f64();
    }
    index.flush()?;
    let total = (blocks * per_block) as f64;
    println!(
        "index insert    {:6.3} us on the hot path, {:6.3} us cpu with all merging, {:9.0} inserts/s",
        spent * 1e6 / total,
        (cpu() - used - making) * 1e6 / total,
        total / (clock.elapsed().as_secs_f64() - making)
    );
    let clock = Instant::now();
    let lookups = 100_000;
    let mut right = 0;
    for step in 0..lookups {
        let number = mix(step) % (blocks * per_block);
        let candidates = index.candidates(&hash(number))?;
        right +=
            u64::from(candidates.iter().any(|place| (place.height - 1) * per_block + u64::from(place.index) == number));
    }
    println!(
        "index lookup    {:9.0} lookups/s ({right} of {lookups} right)",
        lookups as f64 / clock.elapsed().as_secs_f64()
    );
    Ok(())
}

/// Blocks of 10,000 transactions of 200 bytes: body, then certificate, two syncs each.
fn log(directory: &str) -> Result<(), Fault> {
    let chain = [1; 32];
    let body: Vec<u8> = (0..2_000_000u64).map(|step| mix(step) as u8).collect();
    let mut log = BlockLog::open(RealDisk::new(directory)?, chain, LogOptions::default())?;
    let blocks = 300u64;
    let (mut append, mut sync) = (Vec::new(), Vec::new());
    for height in 1..=blocks {
        for kind in [RecordKind::BatchBody, RecordKind::Block] {
            let parts: &[&[u8]] = if kind == RecordKind::BatchBody { &[&body] } else { &[&body[..5_000]] };
            let begun = Instant::now();
            log.append(kind, height, parts)?;
            append.push(begun.elapsed().as_secs_f64() * 1e3);
            let begun = Instant::now();
            log.sync()?;
            sync.push(begun.elapsed().as_secs_f64() * 1e3);
        }
    }
    sync.sort_by(f64::total_cmp);
    let middle = sync.get(sync.len() / 2).copied().unwrap_or(0.0);
    let worst = sync.last().copied().unwrap_or(0.0);
    let mean = append.iter().sum::<f64>() / blocks as f64;
    println!("log             {mean:6.2} ms to append a block of 2 MB, sync median {middle:.2} ms max {worst:.2} ms");
    drop(log);
    let clock = Instant::now();
    let log = BlockLog::open(RealDisk::new(directory)?, chain, LogOptions::default())?;
    println!(
        "log open        {:6.3} s with {blocks} blocks in 600 MB, last {:?}",
        clock.elapsed().as_secs_f64(),
        log.last_height()
    );
    let clock = Instant::now();
    let bytes: usize = log.reader().all().map(|record| record.map_or(0, |record| record.payload.len())).sum();
    println!("log read        {:6.0} MB/s in order", bytes as f64 / 1e6 / clock.elapsed().as_secs_f64());
    Ok(())
}

fn main() -> Result<(), Fault> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, cells, blocks, updates, directory] = arguments.as_slice() else {
        return Err("usage: figures CELLS BLOCKS UPDATES DIRECTORY".into());
    };
    let cells = cells.parse()?;
    state(cells, blocks.parse()?, updates.parse()?, directory)?;
    state_again(cells, directory)?;
    index(directory)?;
    log(directory)
}
