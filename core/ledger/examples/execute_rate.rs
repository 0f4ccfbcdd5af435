//! Measures the execution of plain transfers of one fungible asset among many accounts, without tree hashing.
//!
//! `RAYON_NUM_THREADS=1 cargo run --release -p bubi-ledger --example execute_rate -- [ACCOUNTS] [TRANSACTIONS] [standard|national]`
#![allow(clippy::print_stdout, clippy::cast_precision_loss, clippy::float_arithmetic)]

use bubi_codec::{
    block::{Genesis, GenesisV1, NetworkKind},
    encode,
    identity::{Address, AssetId, ChainId},
    operation::{AssetFeatures, AssetKind, Operation, OperationBody, Signer, Thresholds},
    state::{key, AccountHeader, AssetDefinition, AssetV1, Holding, HoldingV1, ParametersV1, Validator, ValidatorSet},
    transaction::{transaction_hash, BodyV1, ReplayKey, TransactionBody},
};
use bubi_crypto::{Hash, HashSuite, PublicKey};
use bubi_ledger::{
    execute, genesis_state,
    tree::{OwnerKey, State, View},
    Context, LiveIds, VerifiedTransaction,
};
use std::{collections::BTreeMap, error::Error};

const BLOCKS: u64 = 15;
const START: u64 = 1_790_000_000_000;
const SUPPLY_EACH: u128 = 1_000_000;

type Anything<T> = Result<T, Box<dyn Error>>;

/// A small deterministic generator (splitmix64), so that every run measures the same transfers.
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

fn public_key(number: u64) -> PublicKey {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    PublicKey::Ed25519(bytes)
}

fn address(suite: HashSuite, number: u64) -> Address {
    Address::of_key(suite, &public_key(number))
}

fn genesis(suite: HashSuite) -> Genesis {
    let validator = Validator { name: "v".into(), organisation: "o".into(), key: public_key(u64::MAX), weight: 1 };
    Genesis::V1(GenesisV1 {
        nonce: Hash::ZERO,
        name: "rate".into(),
        kind: NetworkKind::Development,
        suite,
        time: 0,
        protocol_version: 1,
        parameters: ParametersV1::default(),
        validators: ValidatorSet::V1 {
            epoch: 0,
            engine: "solo".into(),
            validators: vec![validator],
            quorum_numerator: 2,
            quorum_denominator: 3,
        },
        accounts: Vec::new(),
        organisations: Vec::new(),
        predecessor: None,
    })
}

/// A genesis state with accounts that each hold some of the asset.
fn state(genesis: &Genesis, accounts: u64) -> Anything<(State, AssetId)> {
    let suite = genesis.v1().suite;
    let issuer = address(suite, 0);
    let asset = AssetId::derived(suite, &issuer, "RATE");
    let definition = AssetV1 {
        issuer,
        code: "RATE".into(),
        name: "Rate".into(),
        kind: AssetKind::Fungible,
        decimals: 2,
        cap: None,
        features: AssetFeatures::default(),
        frozen: false,
        supply: SUPPLY_EACH * u128::from(accounts),
    };
    let holding = encode(&Holding::V1(HoldingV1 { balance: SUPPLY_EACH, ..HoldingV1::default() }))?;
    let owned = |(owner, key, value): (&OwnerKey, &[u8], &[u8])| (*owner, key.to_vec(), value.to_vec());
    let mut cells: Vec<_> = genesis_state(genesis)?.all_cells().map(owned).collect();
    cells.push((
        OwnerKey::new(OwnerKey::ASSET, *asset.bytes()),
        key::HEADER.to_vec(),
        encode(&AssetDefinition::V1(definition))?,
    ));
    for number in 0..accounts {
        let account = OwnerKey::new(OwnerKey::ACCOUNT, *address(suite, number).bytes());
        let header = AccountHeader::V1 {
            signers: vec![Signer { key: public_key(number), weight: 1, limits: None }],
            thresholds: Thresholds { default: 1, operations: BTreeMap::new() },
            created: 0,
        };
        cells.push((account, key::HEADER.to_vec(), encode(&header)?));
        cells.push((account, key::holding(&asset), holding.clone()));
    }
    Ok((State::from_cells(suite, cells)?, asset))
}

fn transfer(
    suite: HashSuite,
    chain: &ChainId,
    asset: AssetId,
    accounts: u64,
    numbers: &mut Numbers,
    time: u64,
) -> Anything<VerifiedTransaction> {
    let from = numbers.next() % accounts;
    let to = (from + 1 + numbers.next() % (accounts - 1)) % accounts;
    let mut id = [0; 16];
    id[..8].copy_from_slice(&numbers.next().to_le_bytes());
    let body = TransactionBody::V1(BodyV1 {
        source: address(suite, from),
        replay: ReplayKey::Id(id),
        valid_until: time + 60_000 + numbers.next() % 1_000,
        preconditions: Vec::new(),
        memo: Vec::new(),
        operations: vec![Operation {
            source: None,
            body: OperationBody::Transfer { asset, to: address(suite, to), amount: 1 },
        }],
    });
    let bytes = encode(&body)?;
    let hash = transaction_hash(suite, chain, &bytes);
    let TransactionBody::V1(body) = body;
    Ok(VerifiedTransaction { hash, body, signers: vec![public_key(from)], bytes: 0..bytes.len() })
}

/// Processor time of all threads in µs: other work on the machine does not count.
fn cpu_time() -> f64 {
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let time = |path: std::path::PathBuf| {
        std::fs::read_to_string(path.join("schedstat")).ok()?.split(' ').next()?.parse::<f64>().ok()
    };
    threads.filter_map(|thread| time(thread.path())).sum::<f64>() / 1_000.0
}

fn median(mut times: Vec<f64>) -> (f64, f64, f64) {
    times.sort_by(f64::total_cmp);
    let at = |position: usize| times.get(position).copied().unwrap_or_default();
    (at(times.len() / 2), at(0), at(times.len().saturating_sub(1)))
}

fn main() -> Anything<()> {
    let mut arguments = std::env::args().skip(1);
    let accounts: u64 = arguments.next().map_or(Ok(1_000_000), |text| text.parse())?;
    let count: u64 = arguments.next().map_or(Ok(10_000), |text| text.parse())?;
    let suite = if arguments.next().as_deref() == Some("national") { HashSuite::National } else { HashSuite::Standard };
    let genesis = genesis(suite);
    let chain = genesis.chain_id(&encode(&genesis)?);
    let network = bubi_ledger::Network::new(&genesis, chain);
    let (mut state, asset) = state(&genesis, accounts)?;
    let mut ids = LiveIds::new(suite);
    let mut numbers = Numbers(1);
    let (mut executing, mut hashing, mut merging) = (Vec::new(), Vec::new(), Vec::new());
    for height in 1..=BLOCKS {
        let time = START + height * 1_000;
        let batch: Anything<Vec<_>> =
            (0..count).map(|_| transfer(suite, &chain, asset, accounts, &mut numbers, time)).collect();
        let batch = batch?;
        let view = View::new(&state, &[])?;
        let context = Context::new(&view, &network, height, time)?;
        let start = cpu_time();
        let result = execute(&view, ids.view(&[]), &context, &[&batch])?;
        executing.push((cpu_time() - start) / count as f64);
        if result.receipts.len() as u64 != count || result.events.iter().any(|events| events.len() != 1) {
            return Err("a transfer failed".into());
        }
        let start = cpu_time();
        let executed = result.finish(&view);
        hashing.push((cpu_time() - start) / count as f64);
        let start = cpu_time();
        state.merge(executed.overlay)?;
        ids.merge(executed.ids);
        merging.push((cpu_time() - start) / count as f64);
    }
    println!("{accounts} accounts, {BLOCKS} blocks of {count} transfers, {suite:?}; µs of processor time per transfer: median (least, most)");
    for (what, times) in [("execute", executing), ("finish (tree)", hashing), ("merge", merging)] {
        let (middle, least, most) = median(times);
        println!("{what:>14}: {middle:.2} ({least:.2}, {most:.2})");
    }
    Ok(())
}
