//! The whole pipeline on a disk that fails: crashes of every kind, failed writes and syncs, no space.

// A test that panics is a test that fails; numbers here are small.
#![allow(clippy::unwrap_used, clippy::panic, clippy::cast_possible_truncation)]

use bubi_chain::{join_bulk, Batch, Chain, ChainError, Execution, Options, Tip};
use bubi_codec::{
    block::{signed, Certificate, CertificateVote, CommitStatement, Genesis, GenesisAccount, GenesisV1, NetworkKind},
    domain, encode,
    identity::Address,
    operation::{Operation, OperationBody, Signer, Thresholds},
    state::{ParametersV1, Validator, ValidatorSet},
    transaction::{
        signing_bytes, transaction_hash, BodyV1, ReplayKey, SignatureEntry, SignedTransaction, TransactionBody,
    },
};
use bubi_crypto::{Hash, HashSuite, SecretKey, SignatureAlgorithm};
use bubi_store::{CrashKind, Disk, MemoryDisk, Operation as Fault, RecordKind, StoreError};
use std::{collections::BTreeMap, sync::Arc};

const TIME: u64 = 1_700_000_000_000;
const SUITE: HashSuite = HashSuite::Standard;
const OPTIONS: Options = Options { proof_window: 8, segment_bytes: 20_000, leases: 4, known_keys: 8 };
const KINDS: [CrashKind; 4] = [CrashKind::Process, CrashKind::LoseUnsynced, CrashKind::Torn, CrashKind::Reordered];

fn key(label: &str) -> SecretKey {
    SecretKey::generate(SignatureAlgorithm::Ed25519, &SUITE.hash(&[label.as_bytes()]).0).unwrap()
}

fn genesis() -> Vec<u8> {
    let owner = key("owner").public_key();
    let validators = vec![Validator {
        name: "node".to_owned(),
        organisation: "test".to_owned(),
        key: key("validator").public_key(),
        weight: 1,
    }];
    let genesis = Genesis::V1(GenesisV1 {
        nonce: SUITE.hash(&[b"nonce"]),
        name: "faults".to_owned(),
        kind: NetworkKind::Development,
        suite: SUITE,
        time: TIME,
        protocol_version: 1,
        parameters: ParametersV1::default(),
        validators: ValidatorSet::V1 {
            epoch: 0,
            engine: "solo".to_owned(),
            validators,
            quorum_numerator: 2,
            quorum_denominator: 3,
        },
        accounts: vec![GenesisAccount {
            address: Address::of_key(SUITE, &owner),
            signers: vec![Signer { key: owner, weight: 1, limits: None }],
            thresholds: Thresholds { default: 1, operations: BTreeMap::new() },
            organisation: None,
        }],
        organisations: Vec::new(),
        predecessor: None,
    });
    encode(&genesis).unwrap()
}

fn open(disk: &MemoryDisk) -> Result<Chain<MemoryDisk>, ChainError> {
    Chain::open(disk.clone(), &genesis(), OPTIONS)
}

/// A transaction that sets a data entry, with its hash.
fn transaction(chain: &Chain<MemoryDisk>, number: u64) -> (Vec<u8>, Hash) {
    let owner = key("owner");
    let mut id = [0; 16];
    id[..8].copy_from_slice(&number.to_le_bytes());
    let body = OperationBody::SetData {
        name: format!("n{}", number % 40),
        value: Some(vec![number as u8; 200]),
        expected_version: None,
    };
    let body = TransactionBody::V1(BodyV1 {
        source: Address::of_key(SUITE, &owner.public_key()),
        replay: ReplayKey::Id(id),
        valid_until: chain.tip().time + 300_000,
        preconditions: Vec::new(),
        memo: Vec::new(),
        operations: vec![Operation { source: None, body }],
    });
    let body = encode(&body).unwrap();
    let signature = owner.sign(&signing_bytes(chain.chain_id(), &body)).unwrap();
    let hash = transaction_hash(SUITE, chain.chain_id(), &body);
    let signatures = vec![SignatureEntry { key: owner.public_key(), signature }];
    (encode(&SignedTransaction::V1 { body, signatures }).unwrap(), hash)
}

fn certificate(chain: &Chain<MemoryDisk>, execution: &Execution) -> Certificate {
    let statement = CommitStatement::V1 {
        epoch: 0,
        engine: "solo".to_owned(),
        height: execution.height(),
        round: 0,
        digest: execution.digest,
        outcome: execution.outcome_hash,
    };
    let message = signed(domain::COMMIT_VOTE, chain.chain_id(), &statement).unwrap();
    let signature = key("validator").sign(&message).unwrap();
    Certificate::V1 { statement, votes: vec![CertificateVote { validator: 0, signature }] }
}

/// What was acknowledged: height, state root and a transaction of each block.
type Acknowledged = Vec<(Tip, Hash)>;

/// Executes the next block up to the point where only the commit is missing.
fn prepare(chain: &Chain<MemoryDisk>, number: u64) -> Result<(Execution, Hash), ChainError> {
    let made: Vec<(Vec<u8>, Hash)> = (0..3).map(|index| transaction(chain, number * 3 + index)).collect();
    let bulk = join_bulk(made.len(), made.iter().map(|(bytes, _)| bytes.as_slice()));
    let admission = chain.admit(&bulk, chain.tip().time)?;
    assert!(admission.verdicts.iter().all(Option::is_none), "{:?}", admission.verdicts);
    let batch: Arc<Batch> = Arc::new(chain.batch(admission.verified, number, &key("validator"))?);
    let batches = [batch];
    let proposal = chain.propose(chain.tip().time + 10, 0, &batches)?;
    let height = chain.tip().height + 1;
    chain.append(RecordKind::Proposal, height, &encode(&proposal)?)?;
    chain.append(RecordKind::GuardRecord, height, format!("first vote {height}").as_bytes())?;
    chain.append_bodies(height, &batches)?;
    let execution = chain.execute(&proposal, &batches)?;
    chain.append(RecordKind::GuardRecord, height, format!("commit vote {height}").as_bytes())?;
    Ok((execution, made[0].1))
}

fn decide(chain: &Chain<MemoryDisk>, number: u64, acknowledged: &mut Acknowledged) -> Result<(), ChainError> {
    let (execution, hash) = prepare(chain, number)?;
    let certificate = certificate(chain, &execution);
    chain.commit(execution, certificate).0?;
    acknowledged.push((chain.tip(), hash));
    Ok(())
}

/// Everything acknowledged is there, and state and height equal a replay of the log from the genesis.
fn verify(disk: &MemoryDisk, chain: &Chain<MemoryDisk>, acknowledged: &Acknowledged) {
    let tip = chain.tip();
    let newest = acknowledged.last().map_or(0, |(tip, _)| tip.height);
    assert!(tip.height >= newest, "block {newest} was acknowledged, the chain ends at {}", tip.height);
    for (then, hash) in acknowledged {
        let status = chain.status_json(hash, false).unwrap().unwrap();
        assert_eq!(
            (status["status"].as_str(), status["height"].as_str()),
            (Some("final"), Some(then.height.to_string().as_str()))
        );
        let block = chain.block_json(then.height, false).unwrap().unwrap();
        assert_eq!(block["state_root"].as_str(), Some(then.state_root.to_string().as_str()));
    }
    assert_eq!(chain.recomputed_root(), tip.state_root);
    assert_eq!(replay(disk).tip(), tip);
}

/// The chain of a copy of the disk that has nothing but the log and the guard file.
fn replay(disk: &MemoryDisk) -> Chain<MemoryDisk> {
    let copy = disk.copy(1);
    for file in copy.files() {
        if file.starts_with("state/") || file.starts_with("txindex/") {
            copy.remove(&file).unwrap();
        }
    }
    open(&copy).unwrap()
}

fn is_no_space(error: &ChainError) -> bool {
    matches!(error, ChainError::Store(StoreError::NoSpace { .. }))
}

fn is_fatal(error: &ChainError) -> bool {
    matches!(error, ChainError::Store(StoreError::Fatal { .. } | StoreError::Poisoned { .. }))
}

#[test]
fn crashes_lose_nothing_acknowledged() {
    for seed in 0..60u64 {
        let disk = MemoryDisk::new(seed);
        let mut acknowledged = Acknowledged::new();
        let mut number = 0;
        for round in 0..4u64 {
            let chain = open(&disk).unwrap();
            verify(&disk, &chain, &acknowledged);
            for _ in 0..(seed + round * 7) % 11 {
                decide(&chain, number, &mut acknowledged).unwrap();
                number += 1;
            }
            if seed % 3 == 0 {
                chain.flush().unwrap();
            }
            // A height in work is lost or not; it was not acknowledged.
            drop(prepare(&chain, number).unwrap());
            number += 1;
            if seed % 2 == 0 {
                chain.sync().unwrap();
            }
            disk.crash(KINDS[((seed + round) % 4) as usize]);
        }
        let chain = open(&disk).unwrap();
        verify(&disk, &chain, &acknowledged);
        // The second place holds a vote of one of the newest blocks: how many it may lag behind after a crash is bounded.
        let newest = acknowledged.last().map_or(0, |(tip, _)| tip.height);
        let second = String::from_utf8(chain.guard_read()).unwrap();
        let held = second.strip_prefix("commit vote ").map_or(0, |height| height.parse::<u64>().unwrap());
        assert!(held <= newest && newest - held < 16, "the second place holds height {held} of {newest}");
    }
}

#[test]
fn a_failed_write_or_sync_stops_the_chain_and_loses_nothing() {
    let mut hit = 0;
    for fault in [Fault::Sync, Fault::Write] {
        for nth in 1..60u64 {
            let disk = MemoryDisk::new(nth);
            let mut acknowledged = Acknowledged::new();
            let chain = open(&disk).unwrap();
            disk.fail(fault, nth);
            let failure = (0..40).find_map(|number| decide(&chain, number, &mut acknowledged).err());
            // Late ones hit the threads behind the log, or nothing.
            if let Some(error) = failure {
                hit += 1;
                assert!(is_fatal(&error), "{fault:?} {nth}: {error}");
                assert!(error.to_string().contains("stop the node"), "{error}");
                let tip = chain.tip();
                let again = decide(&chain, 99, &mut acknowledged).unwrap_err();
                assert!(is_fatal(&again), "{fault:?} {nth}: {again}");
                assert_eq!(chain.tip(), tip, "nothing happens after a failure");
            }
            disk.heal();
            disk.crash(KINDS[(nth % 4) as usize]);
            drop(chain);
            let chain = open(&disk).unwrap_or_else(|error| panic!("{fault:?} {nth}: {error}"));
            verify(&disk, &chain, &acknowledged);
            decide(&chain, 1_000, &mut acknowledged).unwrap();
        }
    }
    assert!(hit > 60, "only {hit} faults were met");
}

#[test]
fn a_full_disk_pauses_and_resumes_with_the_same_block() {
    let mut paused = 0;
    for space in (0..24_000u64).step_by(311) {
        let disk = MemoryDisk::new(space);
        let mut acknowledged = Acknowledged::new();
        let chain = open(&disk).unwrap();
        decide(&chain, 0, &mut acknowledged).unwrap();
        disk.set_space(Some(space));
        for number in 1..12 {
            let (execution, hash) = match prepare(&chain, number) {
                Ok(prepared) => prepared,
                Err(error) => {
                    assert!(is_no_space(&error), "{error}");
                    paused += 1;
                    assert!(chain.status_json(&acknowledged[0].1, false).unwrap().is_some(), "reads go on");
                    disk.set_space(None);
                    prepare(&chain, number).unwrap()
                }
            };
            let certificate = certificate(&chain, &execution);
            let (outcome, back) = chain.commit(execution, certificate.clone());
            if let Err(error) = outcome {
                assert!(is_no_space(&error), "{error}");
                paused += 1;
                let tip = chain.tip();
                assert_eq!(tip, acknowledged.last().unwrap().0, "nothing is visible before it is durable");
                let (outcome, back) = chain.commit(back.unwrap(), certificate.clone());
                assert!(is_no_space(&outcome.unwrap_err()));
                disk.set_space(None);
                chain.commit(back.unwrap(), certificate).0.unwrap();
            }
            acknowledged.push((chain.tip(), hash));
        }
        disk.crash(KINDS[(space % 4) as usize]);
        disk.set_space(None);
        drop(chain);
        verify(&disk, &open(&disk).unwrap(), &acknowledged);
    }
    assert!(paused > 20, "only {paused} pauses");
}

#[test]
fn a_full_disk_behind_the_log_is_waited_out() {
    let disk = MemoryDisk::new(5);
    let mut acknowledged = Acknowledged::new();
    let chain = open(&disk).unwrap();
    for number in 0..20 {
        decide(&chain, number, &mut acknowledged).unwrap();
    }
    disk.set_space(Some(100));
    assert!(is_no_space(&chain.flush().unwrap_err()));
    let error = decide(&chain, 20, &mut acknowledged).unwrap_err();
    assert!(is_no_space(&error), "{error}");
    let chain = Arc::new(chain);
    assert_eq!(chain.lease().unwrap().height(), 20, "lists are served from memory");
    disk.set_space(None);
    chain.flush().unwrap();
    disk.crash(CrashKind::LoseUnsynced);
    drop(chain);
    let chain = open(&disk).unwrap();
    verify(&disk, &chain, &acknowledged);
}

#[test]
fn a_log_that_lost_an_acknowledged_block_is_refused() {
    let disk = MemoryDisk::new(3);
    let mut acknowledged = Acknowledged::new();
    let chain = open(&disk).unwrap();
    for number in 0..9 {
        decide(&chain, number, &mut acknowledged).unwrap();
    }
    drop(chain);
    // Nothing was flushed: the mark of the guard file alone knows.
    let newest = disk.files().into_iter().rfind(|file| file.starts_with("log/") && file.ends_with("log")).unwrap();
    let length = disk.content(&newest).unwrap().len() as u64;
    for offset in (71..length).step_by(13) {
        let copy = disk.copy(offset);
        copy.flip(&newest, offset, 1);
        let Err(error) = open(&copy) else { panic!("byte {offset} went unnoticed") };
        let text = error.to_string();
        assert!(text.contains(&newest) && text.contains("another node"), "{text}");
        copy.flip(&newest, offset, 1);
        verify(&copy, &open(&copy).unwrap(), &acknowledged);
    }
}

#[test]
fn damaged_derived_files_are_built_again() {
    let disk = MemoryDisk::new(4);
    let mut acknowledged = Acknowledged::new();
    let chain = open(&disk).unwrap();
    for number in 0..9 {
        decide(&chain, number, &mut acknowledged).unwrap();
    }
    chain.flush().unwrap();
    drop(chain);
    for file in disk.files() {
        if !file.starts_with("state/") && !file.starts_with("txindex/") {
            continue;
        }
        let length = disk.content(&file).unwrap().len() as u64;
        for offset in (0..length).step_by(97) {
            for cut in [false, true] {
                let copy = disk.copy(offset);
                if cut {
                    copy.cut(&file, offset);
                } else {
                    copy.flip(&file, offset, 4);
                }
                let chain = open(&copy).unwrap_or_else(|error| panic!("{file}, byte {offset}, cut {cut}: {error}"));
                assert_eq!(chain.tip(), acknowledged.last().unwrap().0);
                assert_eq!(chain.recomputed_root(), chain.tip().state_root);
            }
        }
    }
}
