//! The workload of `bubi bench ledger` without Python, with processor times: what profilers look at.
//!
//! `cargo run --release -p bubi-chain --example ledger_rate -- DIRECTORY [ACCOUNTS] [BLOCKS] [standard|national] [ROUNDS]`
#![allow(clippy::print_stdout, clippy::cast_precision_loss, clippy::float_arithmetic, missing_docs)]

use bubi_chain::bench::{run, Workload};
use bubi_crypto::HashSuite;
use std::{error::Error, path::PathBuf, time::Instant};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BLOCK: usize = 10_000;

/// Least, median and most.
fn spread(mut values: Vec<f64>) -> String {
    values.sort_by(f64::total_cmp);
    let at = |position: usize| values.get(position).copied().unwrap_or_default();
    format!("{:.2} ({:.2} to {:.2})", at(values.len() / 2), at(0), at(values.len().saturating_sub(1)))
}

/// Seconds since the machine started, as profilers with that clock write them.
fn uptime() -> String {
    std::fs::read_to_string("/proc/uptime").unwrap_or_default().split(' ').next().unwrap_or_default().to_owned()
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = PathBuf::from(arguments.next().ok_or("name an empty directory")?);
    let accounts = arguments.next().map_or(Ok(1_000_000), |text| text.parse())?;
    let blocks = arguments.next().map_or(Ok(10), |text| text.parse())?;
    let suite = if arguments.next().as_deref() == Some("national") { HashSuite::National } else { HashSuite::Standard };
    let rounds = arguments.next().map_or(Ok(1), |text| text.parse())?;
    let workload = Workload { accounts, block_size: BLOCK, blocks, rounds, suite };
    let (begun, mut phase) = (Instant::now(), String::new());
    let measured = run(&directory, workload, |what, done| {
        let clock = || format!("{:.2} s (clock {})", begun.elapsed().as_secs_f64(), uptime());
        if phase != what {
            what.clone_into(&mut phase);
            println!("{what} from {}", clock());
        }
        if done >= 1.0 {
            println!("{what} until {}", clock());
        }
    })?;
    println!("end at {:.2} s (clock {})", begun.elapsed().as_secs_f64(), uptime());
    let per_transfer = |seconds: Vec<f64>, transfers: usize| {
        spread(seconds.into_iter().map(|seconds| seconds * 1e6 / transfers as f64).collect())
    };
    println!("{accounts} accounts, {blocks} blocks of {BLOCK}, {suite:?}; µs per transfer: median (least to most)");
    println!("    prechecked, wall: {}", per_transfer(measured.prechecked, BLOCK));
    println!("     of it execution: {}", per_transfer(measured.execute, BLOCK));
    println!("prechecked, all cores: {}", per_transfer(measured.prechecked_cpu, BLOCK));
    println!("        signed, wall: {}", per_transfer(measured.signed, BLOCK * blocks));
    println!("   signed, all cores: {}", per_transfer(measured.signed_cpu, BLOCK * blocks));
    println!("               start: {:.2} s, {} cells", measured.start, measured.cells);
    Ok(())
}
