//! The workload of `bubi bench ledger`: transfers among many accounts through the pipeline that a node runs, with its durable log.
//!
//! Setting up and signing happen outside the measured times. The signed run admits the next block while the current one is
//! executed and committed, as a node does.

use crate::{
    admission::{join_bulk, Verified},
    chain::{broken, Batch, Chain, Options},
    error::Result,
};
use bubi_codec::{
    block::{signed, Certificate, CertificateVote, CommitStatement, Genesis, GenesisAccount, GenesisV1, NetworkKind},
    domain, encode,
    identity::{Address, AssetId},
    operation::{AccountTarget, AssetFeatures, AssetKind, Operation, OperationBody, Signer, Thresholds},
    state::{ParametersV1, Validator, ValidatorSet},
    transaction::{signing_bytes, BodyV1, ReplayKey, SignatureEntry, SignedTransaction, TransactionBody},
};
use bubi_crypto::{Hash, HashSuite, PublicKey, SecretKey, Signature, SignatureAlgorithm};
use bubi_store::RealDisk;
use rayon::prelude::*;
use std::{
    path::Path,
    sync::{mpsc::sync_channel, Arc},
    time::{Duration, Instant},
};

/// Transactions with many operations that set up accounts: per block.
const SETUP_TRANSACTIONS: u64 = 200;
/// Operations in each of them.
const SETUP_OPERATIONS: u64 = 100;
/// First block time (ms); the workload does not look at the clock.
const TIME: u64 = 1_700_000_000_000;

/// What was measured, in seconds.
#[derive(Debug, Clone, Default)]
pub struct Measured {
    /// One per block: execute, root and durable log with signatures already checked.
    pub prechecked: Vec<f64>,
    /// Of these, the part that executes and computes the root.
    pub execute: Vec<f64>,
    /// One per block of the prechecked run: processor time of all threads, those behind the log included.
    pub prechecked_cpu: Vec<f64>,
    /// One per round: the whole signed run.
    pub signed: Vec<f64>,
    /// One per round: processor time of all threads in the signed run.
    pub signed_cpu: Vec<f64>,
    /// Group syncs of the log, and blocks, in the prechecked run.
    pub fsyncs: (u64, usize),
    /// Opening the folder again until one more transaction is final.
    pub start: f64,
    /// Cells in the state.
    pub cells: u64,
}

/// Settings of the workload.
#[derive(Debug, Clone, Copy)]
pub struct Workload {
    /// Accounts among which is transferred.
    pub accounts: u64,
    /// Transfers per block.
    pub block_size: usize,
    /// Blocks per round.
    pub blocks: usize,
    /// Rounds of either kind.
    pub rounds: usize,
    /// Hash suite: standard with Ed25519, national with SM2.
    pub suite: HashSuite,
}

struct Bench {
    chain: Arc<Chain<RealDisk>>,
    validator: SecretKey,
    asset: AssetId,
    workload: Workload,
    next: u64,
    algorithm: SignatureAlgorithm,
    issuer: PublicKey,
    /// Public keys of the accounts: deriving them again for each transfer would take longer than what is measured.
    keys: Vec<PublicKey>,
}

fn seed(label: &str, number: u64) -> [u8; 32] {
    HashSuite::Standard.hash(&[label.as_bytes(), &number.to_le_bytes()]).0
}

fn key(algorithm: SignatureAlgorithm, label: &str, number: u64) -> Result<SecretKey> {
    SecretKey::generate(algorithm, &seed(label, number)).map_err(broken)
}

/// Runs the workload in an empty directory. `progress` hears what is being done and how far it is (0 to 1).
///
/// # Errors
/// Those of the chain.
pub fn run(directory: &Path, workload: Workload, mut progress: impl FnMut(&str, f64)) -> Result<Measured> {
    let (mut bench, genesis) = Bench::new(directory, workload)?;
    let mut measured = Measured::default();
    bench.set_up(&mut progress)?;
    let before = bench.fsyncs();
    let blocks = workload.blocks * workload.rounds;
    for round in 0..workload.rounds {
        let made: Vec<Vec<u8>> = (0..workload.blocks).map(|_| bench.transfers(true)).collect::<Result<_>>()?;
        for (number, block) in made.into_iter().enumerate() {
            let verified = bench.chain.gate().reread(&block)?;
            drop(block);
            let (start, cpu) = (Instant::now(), processor_time());
            let execute = bench.commit_verified(verified)?;
            measured.prechecked.push(start.elapsed().as_secs_f64());
            measured.prechecked_cpu.push(processor_time().saturating_sub(cpu).as_secs_f64());
            measured.execute.push(execute);
            progress("prechecked", fraction(round * workload.blocks + number + 1, blocks));
        }
    }
    measured.fsyncs = (bench.fsyncs() - before, blocks);
    for _ in 0..workload.rounds {
        let (seconds, cpu) = bench.signed_run(&mut progress)?;
        measured.signed.push(seconds);
        measured.signed_cpu.push(cpu);
    }
    measured.cells = bench.chain.read().state.cell_count();
    measured.start = bench.restart(directory, &genesis)?;
    Ok(measured)
}

#[allow(clippy::cast_precision_loss, clippy::float_arithmetic)] // A progress bar.
fn fraction(done: usize, all: usize) -> f64 {
    done as f64 / all.max(1) as f64
}

/// Processor time of all living threads (Linux; elsewhere 0): other work on the machine does not count.
fn processor_time() -> Duration {
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let time = |path: std::path::PathBuf| {
        std::fs::read_to_string(path.join("schedstat")).ok()?.split(' ').next()?.parse::<u64>().ok()
    };
    Duration::from_nanos(threads.filter_map(|thread| time(thread.path())).sum())
}

impl Bench {
    fn new(directory: &Path, workload: Workload) -> Result<(Self, Vec<u8>)> {
        let algorithm = match workload.suite {
            HashSuite::Standard => SignatureAlgorithm::Ed25519,
            HashSuite::National => SignatureAlgorithm::Sm2,
        };
        let validator = key(algorithm, "validator", 0)?;
        let issuer = key(algorithm, "issuer", 0)?.public_key();
        let address = Address::of_key(workload.suite, &issuer);
        let genesis = Genesis::V1(GenesisV1 {
            nonce: Hash(seed("bench", 0)),
            name: "bench".to_owned(),
            kind: NetworkKind::Development,
            suite: workload.suite,
            time: TIME,
            protocol_version: 1,
            parameters: ParametersV1 { block_transactions: 100_000, ..ParametersV1::default() },
            validators: ValidatorSet::V1 {
                epoch: 0,
                engine: "solo".to_owned(),
                validators: vec![Validator {
                    name: "bench".to_owned(),
                    organisation: "bench".to_owned(),
                    key: validator.public_key(),
                    weight: 1,
                }],
                quorum_numerator: 2,
                quorum_denominator: 3,
            },
            accounts: vec![GenesisAccount {
                address,
                signers: vec![Signer { key: issuer, weight: 1, limits: None }],
                thresholds: Thresholds { default: 1, operations: std::collections::BTreeMap::new() },
                organisation: None,
            }],
            organisations: Vec::new(),
            predecessor: None,
        });
        let genesis = encode(&genesis)?;
        let disk = RealDisk::new(directory).map_err(broken)?;
        let chain = Arc::new(Chain::open(disk, &genesis, Options::default())?);
        let asset = AssetId::derived(workload.suite, &address, "points");
        Ok((Self { chain, validator, asset, workload, next: 0, algorithm, issuer, keys: Vec::new() }, genesis))
    }

    fn fsyncs(&self) -> u64 {
        self.chain.statistics().iter().find(|(name, _)| *name == "fsyncs").map_or(0, |(_, count)| *count)
    }

    /// A transaction of the issuer, without a real signature: it only goes where signatures were checked before.
    fn issuer_transaction(&mut self, bodies: Vec<OperationBody>) -> Result<Vec<u8>> {
        let body = self.body(Address::of_key(self.workload.suite, &self.issuer), self.next, bodies);
        self.next += 1;
        wire(&body, self.issuer, Signature([0; 64]))
    }

    fn body(&self, source: Address, number: u64, bodies: Vec<OperationBody>) -> TransactionBody {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&number.to_le_bytes());
        TransactionBody::V1(BodyV1 {
            source,
            replay: ReplayKey::Id(id),
            valid_until: self.chain.tip().time + 300_000,
            preconditions: Vec::new(),
            memo: Vec::new(),
            operations: bodies.into_iter().map(|body| Operation { source: None, body }).collect(),
        })
    }

    /// Creates the asset and every account, and gives each an amount.
    fn set_up(&mut self, progress: &mut impl FnMut(&str, f64)) -> Result<()> {
        let create = OperationBody::CreateAsset {
            code: "points".to_owned(),
            name: "points".to_owned(),
            kind: AssetKind::Fungible,
            decimals: 0,
            cap: None,
            features: AssetFeatures::default(),
        };
        let first = self.issuer_transaction(vec![create])?;
        self.commit_bulk(&join_bulk(1, std::iter::once(first.as_slice())))?;
        let per_block = SETUP_TRANSACTIONS * SETUP_OPERATIONS / 2;
        let mut made = 0;
        while made < self.workload.accounts {
            let until = self.workload.accounts.min(made + per_block);
            let algorithm = self.algorithm;
            let keys: Vec<PublicKey> = (made..until)
                .into_par_iter()
                .map(|number| Ok(key(algorithm, "account", number)?.public_key()))
                .collect::<Result<_>>()?;
            let mut transactions = Vec::new();
            for chunk in keys.chunks(usize::try_from(SETUP_OPERATIONS / 2).map_err(broken)?) {
                let operations = chunk.iter().flat_map(|key| {
                    let to = Address::of_key(self.workload.suite, key);
                    let target = AccountTarget::Key(*key);
                    [
                        OperationBody::CreateAccount { target, signers: Vec::new(), thresholds: None },
                        OperationBody::Issue { asset: self.asset, to, amount: 1_000_000, expires: None },
                    ]
                });
                let operations = operations.collect();
                transactions.push(self.issuer_transaction(operations)?);
            }
            self.commit_bulk(&join_bulk(transactions.len(), transactions.iter().map(Vec::as_slice)))?;
            self.keys.extend(keys);
            made = until;
            #[allow(clippy::cast_possible_truncation)]
            progress("accounts", fraction(made as usize, self.workload.accounts as usize));
        }
        self.learn_keys(progress)
    }

    /// What a node does by itself after its start.
    fn learn_keys(&self, progress: &mut impl FnMut(&str, f64)) -> Result<()> {
        let mut from = Some(0);
        while let Some(bucket) = from {
            from = self.chain.learn_keys(bucket)?;
            progress("keys", fraction(self.chain.known_keys(), self.keys.len()).min(1.0));
        }
        Ok(())
    }

    /// One block of transfers between accounts drawn by a fixed rule, as a bulk body; without signatures if they are not looked at.
    fn transfers(&mut self, unsigned: bool) -> Result<Vec<u8>> {
        let first = self.next;
        self.next += self.workload.block_size as u64;
        let accounts = self.workload.accounts;
        let pick = |number: u64, side: u64| {
            let digest = seed("pick", number * 2 + side);
            u64::from_le_bytes([digest[0], digest[1], digest[2], digest[3], digest[4], digest[5], digest[6], digest[7]])
                % accounts
        };
        let transactions: Vec<Vec<u8>> = (first..self.next)
            .into_par_iter()
            .map(|number| {
                let (from, mut to) = (pick(number, 0), pick(number, 1));
                if from == to {
                    to = (to + 1) % accounts;
                }
                let public = self.account(from)?;
                let to = Address::of_key(self.workload.suite, &self.account(to)?);
                let transfer = OperationBody::Transfer { asset: self.asset, to, amount: 1 };
                let body = self.body(Address::of_key(self.workload.suite, &public), number, vec![transfer]);
                let signature = if unsigned {
                    Signature([0; 64])
                } else {
                    key(self.algorithm, "account", from)?
                        .sign(&signing_bytes(self.chain.chain_id(), &encode(&body)?))
                        .map_err(broken)?
                };
                wire(&body, public, signature)
            })
            .collect::<Result<_>>()?;
        Ok(join_bulk(transactions.len(), transactions.iter().map(Vec::as_slice)))
    }

    fn account(&self, number: u64) -> Result<PublicKey> {
        let key = usize::try_from(number).ok().and_then(|number| self.keys.get(number));
        key.copied().ok_or_else(|| broken("an account of the workload without a key"))
    }

    fn commit_bulk(&self, bulk: &[u8]) -> Result<()> {
        let verified = self.chain.gate().reread(bulk)?;
        self.commit_verified(verified).map(drop)
    }

    /// Decides one block of these transactions; seconds spent on execution and root.
    fn commit_verified(&self, verified: Verified) -> Result<f64> {
        let count = verified.entries.len();
        let batch = Arc::new(self.chain.batch(verified, self.chain.tip().height, &self.validator)?);
        self.decide(&[batch], count)
    }

    fn decide(&self, batches: &[Arc<Batch>], count: usize) -> Result<f64> {
        let chain = &self.chain;
        let proposal = chain.propose(chain.tip().time + 100, 0, batches)?;
        chain.append_bodies(chain.tip().height + 1, batches)?;
        let start = Instant::now();
        let execution = chain.execute(&proposal, batches)?;
        let seconds = start.elapsed().as_secs_f64();
        if let Some(wrong) = execution
            .receipts()
            .iter()
            .find(|receipt| !matches!(receipt, bubi_codec::block::Receipt::V1 { code: 0, .. }))
        {
            return Err(broken(format!("a transaction of the workload failed: {wrong:?}")));
        }
        if execution.receipts().len() != count {
            return Err(broken(format!("{} of {count} transactions got a receipt", execution.receipts().len())));
        }
        let statement = CommitStatement::V1 {
            epoch: 0,
            engine: "solo".to_owned(),
            height: execution.height(),
            round: 0,
            digest: execution.digest,
            outcome: execution.outcome_hash,
        };
        let message = signed(domain::COMMIT_VOTE, chain.chain_id(), &statement)?;
        let signature = self.validator.sign(&message).map_err(broken)?;
        let votes = vec![CertificateVote { validator: 0, signature }];
        chain.commit(execution, Certificate::V1 { statement, votes }).0?;
        Ok(seconds)
    }

    /// Signed blocks: the door works on the next block while this one is decided. Seconds, and processor seconds.
    fn signed_run(&mut self, progress: &mut impl FnMut(&str, f64)) -> Result<(f64, f64)> {
        let blocks: Vec<Vec<u8>> = (0..self.workload.blocks).map(|_| self.transfers(false)).collect::<Result<_>>()?;
        let count = blocks.len();
        let (sender, receiver) = sync_channel::<Result<Verified>>(1);
        let door = Arc::clone(&self.chain);
        let now = door.tip().time;
        let (start, cpu) = (Instant::now(), processor_time());
        let thread = std::thread::spawn(move || {
            for block in blocks {
                let admitted =
                    door.admit(&block, now).and_then(|admission| match admission.verdicts.iter().flatten().next() {
                        Some(code) => Err(broken(format!("the door refused a transaction of the workload: {code}"))),
                        None => Ok(admission.verified),
                    });
                if sender.send(admitted).is_err() {
                    return;
                }
            }
        });
        for (number, admitted) in receiver.into_iter().enumerate() {
            self.commit_verified(admitted?)?;
            progress("signed", fraction(number + 1, count));
        }
        let seconds = start.elapsed().as_secs_f64();
        let cpu = processor_time().saturating_sub(cpu).as_secs_f64();
        thread.join().map_err(|_| broken("the door of the workload panicked"))?;
        Ok((seconds, cpu))
    }

    /// Closes the folder, opens it again and decides one more transaction; seconds.
    fn restart(mut self, directory: &Path, genesis: &[u8]) -> Result<f64> {
        self.chain.flush()?;
        self.workload.block_size = 1;
        let Self { chain, validator, asset, workload, next, algorithm, issuer, keys } = self;
        drop(chain);
        let start = Instant::now();
        let disk = RealDisk::new(directory).map_err(broken)?;
        let chain = Arc::new(Chain::open(disk, genesis, Options::default())?);
        self = Self { chain, validator, asset, workload, next, algorithm, issuer, keys };
        let block = self.transfers(false)?;
        let now = self.chain.tip().time;
        let admission = self.chain.admit(&block, now)?;
        self.commit_verified(admission.verified)?;
        Ok(start.elapsed().as_secs_f64())
    }
}

fn wire(body: &TransactionBody, key: PublicKey, signature: Signature) -> Result<Vec<u8>> {
    let signed = SignedTransaction::V1 { body: encode(body)?, signatures: vec![SignatureEntry { key, signature }] };
    Ok(encode(&signed)?)
}
