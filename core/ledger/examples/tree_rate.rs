//! Measures the account tree: load time, memory, reads, and finish + merge of a block overlay.
//!
//! `cargo run --release -p bubi-ledger --example tree_rate -- [ACCOUNTS] [CHANGED] [standard|national]`
#![allow(clippy::print_stdout, clippy::cast_precision_loss, clippy::float_arithmetic)]

use std::error::Error;
use std::time::Instant;

use bubi_crypto::HashSuite;
use bubi_ledger::tree::{Changes, Overlay, OwnerKey, ProofWindow, State};

const HEADER: [u8; 1] = [0];
const ROUNDS: u64 = 25;

/// A small deterministic generator (splitmix64), so that every run measures the same accounts.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

fn account(number: u64) -> OwnerKey {
    let mut id = [0; 32];
    let mut numbers = Numbers(number);
    for chunk in id.chunks_exact_mut(8) {
        chunk.copy_from_slice(&numbers.next().to_be_bytes());
    }
    OwnerKey::new(OwnerKey::ACCOUNT, id)
}

fn holding_key() -> [u8; 33] {
    let mut key = [7; 33];
    key[0] = 1;
    key
}

fn holding(amount: u64) -> [u8; 20] {
    let mut value = [0; 20];
    value[..8].copy_from_slice(&amount.to_le_bytes());
    value
}

fn resident_bytes() -> f64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let resident = pages.split(' ').nth(1).and_then(|text| text.parse::<f64>().ok());
    resident.unwrap_or(0.0) * 4096.0
}

fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks: f64 = stat.split(' ').skip(13).take(2).filter_map(|text| text.parse::<f64>().ok()).sum();
    ticks / 100.0
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let accounts: u64 = arguments.next().map_or(Ok(1_000_000), |text| text.parse())?;
    let touched: u64 = arguments.next().map_or(Ok(20_000), |text| text.parse())?;
    let suite = match arguments.next().as_deref() {
        Some("national") => HashSuite::National,
        _ => HashSuite::Standard,
    };
    let before = resident_bytes();
    let (start, cpu) = (Instant::now(), cpu_seconds());
    let cells = (0..accounts).flat_map(|number| {
        let owner = account(number);
        [(owner, HEADER.to_vec(), vec![9; 50]), (owner, holding_key().to_vec(), holding(1000).to_vec())]
    });
    let mut state = State::from_grouped(suite, cells)?;
    println!("load: {:.2} s ({:.2} s cpu)", start.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    let resident = resident_bytes() - before;
    println!(
        "memory: {:.0} resident bytes per cell ({:.0} requested)",
        resident / (2 * accounts) as f64,
        state.memory_bytes() as f64 / (2 * accounts) as f64
    );
    reads(&state, accounts);
    let mut window = ProofWindow::new(8, 0);
    let mut times = Vec::new();
    let mut numbers = Numbers(1);
    for round in 0..ROUNDS {
        let mut changes = Changes::new();
        for _ in 0..touched {
            changes.put(&account(numbers.next() % accounts), &holding_key(), &holding(2000 + round))?;
        }
        let (start, cpu) = (Instant::now(), cpu_seconds());
        let overlay = Overlay::finish(&state, &[], changes)?;
        let finished = start.elapsed().as_secs_f64() * 1e3;
        window.push(state.merge(overlay)?);
        let total = start.elapsed().as_secs_f64() * 1e3;
        times.push((total, finished, total - finished, (cpu_seconds() - cpu) * 1e3));
    }
    times.sort_by(|one, other| one.0.total_cmp(&other.0));
    let (total, finish, merge, cpu) = times[times.len() / 2];
    println!(
        "block of {touched}: median {total:.1} ms = finish {finish:.1} + merge {merge:.1} (cpu {cpu:.0}); best {:.1}",
        times[0].0
    );
    growth(&mut state, accounts)?;
    if accounts <= 1_000_000 {
        assert_eq!(state.root(), state.recompute_root());
    }
    Ok(())
}

/// Time of reads of random accounts, of the same few accounts, and of proofs.
fn reads(state: &State, accounts: u64) {
    const COUNT: u64 = 1_000_000;
    for (label, range) in [("random", accounts), ("warm", accounts.min(1000))] {
        let mut numbers = Numbers(3);
        let keys: Vec<OwnerKey> = (0..COUNT).map(|_| account(numbers.next() % range)).collect();
        let start = Instant::now();
        let found = keys.iter().filter(|key| state.get(key, &holding_key()).is_some()).count();
        let each = start.elapsed().as_secs_f64() * 1e9 / COUNT as f64;
        println!("get, {label}: {each:.0} ns ({found} found)");
    }
}

/// Adds accounts until the buckets are split once and reports the longest merge.
fn growth(state: &mut State, accounts: u64) -> Result<(), Box<dyn Error>> {
    let target = accounts.next_power_of_two() + 1;
    let (mut next, mut longest) = (accounts, (0.0, 0.0));
    while next < target {
        let mut changes = Changes::new();
        let end = target.min(next + 200_000);
        for number in next..end {
            changes.put(&account(number), &HEADER, &[9; 50])?;
        }
        next = end;
        let start = Instant::now();
        let overlay = Overlay::finish(state, &[], changes)?;
        let finished = start.elapsed().as_secs_f64() * 1e3;
        state.merge(overlay)?;
        let merged = start.elapsed().as_secs_f64() * 1e3 - finished;
        if merged > longest.1 {
            longest = (finished, merged);
        }
    }
    println!("split at {target} accounts: merge {:.0} ms, its finish {:.0} ms", longest.1, longest.0);
    Ok(())
}
