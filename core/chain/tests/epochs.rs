//! Several epochs: sets, engines and keys that change, over restarts, crashes, sync and proofs.

// A test that panics is a test that fails; numbers here are small.
#![allow(clippy::unwrap_used, clippy::panic, clippy::cast_possible_truncation)]

use bubi_chain::{
    join_bulk,
    proof::{verify_finality, verify_receipt, Trust},
    Batch, Chain, ChainError, Options,
};
use bubi_codec::{
    block::{
        digest, signed, Certificate, CertificateVote, CommitStatement, Genesis, GenesisAccount, GenesisOrganisation,
        GenesisV1, NetworkKind, Proposal, ProposalV1, VoteStatement,
    },
    decode, domain, encode,
    governance::{Change, Evidence, Statement},
    identity::{Address, ProposalId},
    operation::{Operation, OperationBody as Op, Signer, Thresholds},
    proof::FinalityProof,
    state::{ParametersV1, Validator, ValidatorSet},
    transaction::{signing_bytes, BodyV1, ReplayKey, SignatureEntry, SignedTransaction, TransactionBody},
};
use bubi_crypto::{from_hex, Hash, HashSuite, PublicKey, SecretKey, SignatureAlgorithm};
use bubi_store::{CrashKind, Disk, MemoryDisk, Operation as Fault, RecordKind};
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc};

const TIME: u64 = 1_700_000_000_000;
const SUITE: HashSuite = HashSuite::Standard;
const OPTIONS: Options = Options { proof_window: 64, segment_bytes: 20_000, leases: 4, known_keys: 8 };
const KINDS: [CrashKind; 4] = [CrashKind::Process, CrashKind::LoseUnsynced, CrashKind::Torn, CrashKind::Reordered];
/// Validators and organisations of the genesis.
const FOUNDERS: u8 = 5;

type TestChain = Chain<MemoryDisk>;

fn key(label: &str, number: u8) -> SecretKey {
    SecretKey::generate(SignatureAlgorithm::Ed25519, &SUITE.hash(&[label.as_bytes(), &[number]]).0).unwrap()
}

/// Vote key of a validator; those from 100 on are later keys.
fn vote_key(number: u8) -> SecretKey {
    key("validator", number)
}

fn organisation_key(number: u8) -> SecretKey {
    key("organisation", number)
}

fn account(key: &SecretKey) -> Address {
    Address::of_key(SUITE, &key.public_key())
}

fn validator(number: u8) -> Validator {
    let (name, organisation) = (format!("v{number}"), format!("o{number}"));
    Validator { name, organisation, key: vote_key(number).public_key(), weight: 1 }
}

fn validators() -> ValidatorSet {
    ValidatorSet::V1 {
        epoch: 0,
        engine: "pbft".to_owned(),
        validators: (0..FOUNDERS).map(validator).collect(),
        quorum_numerator: 2,
        quorum_denominator: 3,
    }
}

fn genesis() -> Vec<u8> {
    let owner = |number| GenesisAccount {
        address: account(&organisation_key(number)),
        signers: vec![Signer { key: organisation_key(number).public_key(), weight: 1, limits: None }],
        thresholds: Thresholds { default: 1, operations: BTreeMap::new() },
        organisation: None,
    };
    let mut accounts: Vec<GenesisAccount> = (0..=FOUNDERS).map(owner).collect();
    accounts.sort_by_key(|account| account.address);
    let organisation = |number| GenesisOrganisation {
        name: format!("o{number}"),
        governance: Some(account(&organisation_key(number))),
        certificate: vec![number],
    };
    let genesis = Genesis::V1(GenesisV1 {
        nonce: SUITE.hash(&[b"nonce"]),
        name: "epochs".to_owned(),
        kind: NetworkKind::Development,
        suite: SUITE,
        time: TIME,
        protocol_version: 1,
        parameters: ParametersV1 { turn_blocks: 4, ready_lifetime: 10_000, ..ParametersV1::default() },
        validators: validators(),
        accounts,
        organisations: (0..FOUNDERS).map(organisation).collect(),
        predecessor: None,
    });
    encode(&genesis).unwrap()
}

fn open(disk: &MemoryDisk) -> TestChain {
    Chain::open_simulated(disk.clone(), &genesis(), OPTIONS, false).unwrap()
}

fn trust(chain: &TestChain) -> Trust {
    Trust { chain: *chain.chain_id(), suite: SUITE, validators: validators() }
}

/// The disk without what is derived from the log.
fn log_only(disk: &MemoryDisk) -> MemoryDisk {
    let copy = disk.copy(1);
    for file in copy.files().iter().filter(|file| file.starts_with("state/") || file.starts_with("txindex/")) {
        copy.remove(file).unwrap();
    }
    copy
}

/// A signed transaction of a key's own account; `number` makes its id.
fn transaction(chain: &TestChain, key: &SecretKey, number: u64, body: Op) -> Vec<u8> {
    transaction_until(chain, key, number, body, chain.tip().time + 300_000)
}

fn transaction_until(chain: &TestChain, key: &SecretKey, number: u64, body: Op, valid_until: u64) -> Vec<u8> {
    let body = TransactionBody::V1(BodyV1 {
        source: account(key),
        replay: replay(number),
        valid_until,
        preconditions: Vec::new(),
        memo: Vec::new(),
        operations: vec![Operation { source: None, body }],
    });
    let body = encode(&body).unwrap();
    let signature = key.sign(&signing_bytes(chain.chain_id(), &body)).unwrap();
    encode(&SignedTransaction::V1 { body, signatures: vec![SignatureEntry { key: key.public_key(), signature }] })
        .unwrap()
}

fn replay(number: u64) -> ReplayKey {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&number.to_le_bytes());
    ReplayKey::Id(id)
}

fn batch_of(chain: &TestChain, author: u8, transactions: &[Vec<u8>]) -> Result<Batch, ChainError> {
    let bulk = join_bulk(transactions.len(), transactions.iter().map(Vec::as_slice));
    let admission = chain.admit(&bulk, chain.tip().time).unwrap();
    assert!(admission.verdicts.iter().all(Option::is_none), "{:?}", admission.verdicts);
    let batch = chain.batch(admission.verified, chain.tip().height, &vote_key(author)).unwrap();
    chain.decode_batch(&encode(&batch.header)?, &batch.verified.bulk())
}

/// The secret of a validator's key.
fn secret_of(public: &PublicKey) -> SecretKey {
    (0..=u8::MAX).map(vote_key).find(|key| key.public_key() == *public).unwrap()
}

/// A certificate by everybody of a set.
fn certificate_by(
    chain: &TestChain,
    set: &ValidatorSet,
    height: u64,
    proposal: Hash,
    outcome: Hash,
    round: u64,
) -> Certificate {
    let ValidatorSet::V1 { epoch, engine, validators, .. } = set;
    let (epoch, engine) = (*epoch, engine.clone());
    let statement = CommitStatement::V1 { epoch, engine, height, round, digest: proposal, outcome };
    let message = signed(domain::COMMIT_VOTE, chain.chain_id(), &statement).unwrap();
    let votes = (0_u32..).zip(validators).map(|(index, validator)| CertificateVote {
        validator: index,
        signature: secret_of(&validator.key).sign(&message).unwrap(),
    });
    Certificate::V1 { statement, votes: votes.collect() }
}

/// Decides a block of these transactions up to its commit; an error is one of the disk.
fn decide(chain: &TestChain, batches: &[Arc<Batch>], time: u64) -> Result<(), ChainError> {
    let height = chain.tip().height + 1;
    let parent_round = match chain.tip_certificate()? {
        Some(Certificate::V1 { statement: CommitStatement::V1 { round, .. }, .. }) => round,
        _ => 0,
    };
    let proposal = chain.propose(time, parent_round, batches)?;
    chain.append(RecordKind::Proposal, height, &encode(&proposal)?)?;
    chain.append_bodies(height, batches)?;
    let execution = chain.execute(&proposal, batches)?;
    chain.append(RecordKind::GuardRecord, height, format!("commit vote {height}").as_bytes())?;
    let round = height % 3;
    let set = chain.validators()?;
    let certificate = certificate_by(chain, &set, height, execution.digest, execution.outcome_hash, round);
    chain.check_certificate(&certificate)?;
    chain.commit(execution, certificate).0
}

/// What the script does at each height; each entry is a block.
struct Script {
    blocks: Vec<Vec<(SecretKey, Op)>>,
}

/// The id of the proposal that a block's first transaction opens.
fn opened(chain_id: &bubi_codec::identity::ChainId, by: u8, number: u64) -> ProposalId {
    ProposalId::derived(SUITE, chain_id, &account(&organisation_key(by)), &replay(number), 0)
}

impl Script {
    /// Three changes after one another. Ids of transactions: 1000 × height + place.
    fn new(chain: &TestChain) -> Self {
        let mut script = Self { blocks: Vec::new() };
        let id = *chain.chain_id();
        let remove = vec![
            Change::RemoveValidator { name: "v4".into() },
            Change::SetEngine { name: "raft".into() },
            Change::SetQuorum { numerator: 3, denominator: 4 },
        ];
        script.change(&id, remove, &[0, 1, 2, 3], &[0, 1, 2]);
        let organisation = Change::SetOrganisation {
            name: "o5".into(),
            governance: Some(account(&organisation_key(5))),
            certificate: Vec::new(),
        };
        let rotate = Change::ChangeValidator { name: "v0".into(), weight: None, key: Some(vote_key(100).public_key()) };
        let grow = vec![organisation, Change::AddValidator(validator(5)), rotate];
        script.change(&id, grow, &[0, 1, 2], &[100, 1, 2, 5]);
        let parameter = Change::SetParameter { name: "block_transactions".into(), value: 77 };
        script.change(&id, vec![parameter], &[5, 0, 1, 2], &[100, 5, 2, 3]);
        script.blocks.extend([Vec::new(), Vec::new()]);
        script
    }

    fn change(&mut self, chain: &bubi_codec::identity::ChainId, changes: Vec<Change>, voters: &[u8], ready: &[u8]) {
        let number = (self.blocks.len() as u64 + 1) * 1_000;
        let proposal = opened(chain, voters[0], number);
        let expires = TIME + 600_000;
        let propose = Op::Propose { changes, expires, not_before: None, acknowledged: Vec::new(), memo: String::new() };
        self.blocks.push(vec![(organisation_key(voters[0]), propose)]);
        let vote = |voter: &u8| (organisation_key(*voter), Op::Vote { proposal, approve: true });
        self.blocks.push(voters.iter().map(vote).collect());
        self.blocks.push(ready.iter().map(|member| (vote_key(*member), Op::Ready { proposal })).collect());
        // Approved at h, ready at h + 1: in force at h + 3, so that block h + 2 is the last of the epoch.
        self.blocks.push(Vec::new());
    }

    /// Decides the next block of the script.
    fn step(&self, chain: &TestChain) -> Result<(), ChainError> {
        let height = chain.tip().height;
        let asked = &self.blocks[height as usize];
        let numbers = (height + 1) * 1_000..;
        let transactions: Vec<Vec<u8>> =
            numbers.zip(asked).map(|(number, (key, body))| transaction(chain, key, number, body.clone())).collect();
        let batches: Vec<Arc<Batch>> =
            if transactions.is_empty() { Vec::new() } else { vec![Arc::new(batch_of(chain, 1, &transactions)?)] };
        decide(chain, &batches, chain.tip().time + 1_000)
    }

    fn run(&self, chain: &TestChain) {
        while (chain.tip().height as usize) < self.blocks.len() {
            self.step(chain).unwrap();
        }
    }
}

/// First heights of the epochs of the script.
const STARTS: [u64; 4] = [1, 5, 9, 13];

fn epoch_at(height: u64) -> u64 {
    STARTS.iter().filter(|start| **start <= height).count() as u64 - 1
}

/// Everything that a chain with the whole script must show.
fn verify(chain: &TestChain) {
    let trust = trust(chain);
    assert_eq!(chain.epoch().unwrap(), (3, STARTS[3]));
    let governance = chain.governance_json().unwrap();
    assert_eq!((governance["epoch"].as_str(), governance["pending"].is_null()), (Some("3"), true));
    for height in 1..=chain.tip().height {
        let proof = chain.finality(height).unwrap().unwrap();
        let FinalityProof::Native { proposal: Proposal::V1(fields), certificate, handovers, .. } = &proof else {
            panic!("a native engine decided");
        };
        assert_eq!(handovers.len() as u64, epoch_at(height), "height {height}");
        let (signers, weight, quorum) = verify_finality(&trust, &proof).unwrap();
        let set = chain.validators_of_epoch(epoch_at(height)).unwrap();
        let ValidatorSet::V1 { validators, .. } = &set;
        assert_eq!((signers.len(), weight, quorum), (validators.len(), set.total(), set.quorum()));
        assert_eq!(fields.validators, digest(SUITE, domain::VALIDATORS, chain.chain_id(), &set).unwrap());
        chain.check_certificate(certificate).unwrap();
        // Another epoch's members do not decide this height.
        let Certificate::V1 { statement: CommitStatement::V1 { digest, outcome, round, .. }, .. } = certificate else {
            panic!("a native engine decided");
        };
        for epoch in (0..4).filter(|epoch| *epoch != epoch_at(height)) {
            let other = chain.validators_of_epoch(epoch).unwrap();
            let forged = certificate_by(chain, &other, height, *digest, *outcome, *round);
            assert_eq!(chain.check_certificate(&forged).unwrap_err().code(), "certificate_invalid");
            let FinalityProof::Native { proposal, outcome, handovers, .. } = proof.clone() else {
                panic!("a native engine decided");
            };
            let forged = FinalityProof::Native { proposal, outcome, certificate: forged, handovers };
            assert!(verify_finality(&trust, &forged).is_err());
        }
        // No hand-over may be missing or too many.
        if !handovers.is_empty() {
            let FinalityProof::Native { proposal, outcome, certificate, mut handovers } = proof.clone() else {
                panic!("a native engine decided");
            };
            handovers.remove(0);
            assert!(
                verify_finality(&trust, &FinalityProof::Native { proposal, outcome, certificate, handovers }).is_err()
            );
        }
        for index in 0..receipts(chain, height) {
            let status = receipt(chain, height, index);
            let bytes = from_hex(status["proof"].as_str().unwrap()).unwrap();
            assert_eq!(verify_receipt(&trust, &bytes).map(|proven| proven.height).ok(), Some(height));
        }
    }
    assert_eq!(chain.parameters_json().unwrap()["v1"]["block_transactions"].as_u64(), Some(77));
    let ValidatorSet::V1 { engine, validators, .. } = chain.validators().unwrap();
    let names: Vec<&str> = validators.iter().map(|one| one.name.as_str()).collect();
    assert_eq!((engine.as_str(), names.as_slice()), ("raft", &["v0", "v1", "v2", "v3", "v5"][..]));
    assert_eq!(chain.recomputed_root(), chain.tip().state_root);
    let proposals = chain.list_proposals(&[], 2).unwrap();
    let next = from_hex(proposals["next"].as_str().unwrap()).unwrap();
    let rest = chain.list_proposals(&next, 2).unwrap();
    let active = |list: &Value| -> usize {
        list["items"].as_array().unwrap().iter().filter(|one| one["value"]["v1"]["status"] == "active").count()
    };
    assert_eq!((active(&proposals), active(&rest), rest["next"].is_null()), (2, 1, true));
    assert_eq!(chain.organisations_json().unwrap().as_array().unwrap().len(), 6);
}

fn receipts(chain: &TestChain, height: u64) -> usize {
    let block = chain.block_json(height, true).unwrap().unwrap();
    let entries = block["transactions"].as_array().unwrap();
    assert!(entries.iter().all(|entry| entry["code"] == "final"), "{block}");
    entries.iter().filter(|entry| !entry["id"].as_str().unwrap().starts_with("000000000000")).count()
}

fn receipt(chain: &TestChain, height: u64, index: usize) -> Value {
    let block = chain.block_json(height, true).unwrap().unwrap();
    let id = from_hex(block["transactions"][index]["id"].as_str().unwrap()).unwrap();
    chain.status_json(&Hash(id.try_into().unwrap()), true).unwrap().unwrap()
}

#[test]
fn epochs_survive_restarts_and_sync() {
    let disk = MemoryDisk::new(1);
    let chain = open(&disk);
    let script = Script::new(&chain);
    for height in 1..=script.blocks.len() as u64 {
        script.step(&chain).unwrap();
        assert_eq!(chain.epoch().unwrap().0, epoch_at(height + 1), "after block {height}");
        if STARTS.contains(&(height + 1)) {
            let (round, leaders) = chain.leaders(3).unwrap();
            assert_eq!((round, leaders), (0, vec![0, 1, 2]), "each epoch begins at round 0");
        }
    }
    verify(&chain);
    chain.flush().unwrap();
    let tip = chain.tip();
    drop(chain);
    for disk in [disk.clone(), log_only(&disk)] {
        let chain = open(&disk);
        assert_eq!(chain.tip(), tip);
        verify(&chain);
    }
    // Another node takes the blocks from their parts.
    let (chain, other) = (open(&disk), open(&MemoryDisk::new(2)));
    for height in 1..=tip.height {
        let parts = chain.block_parts(height).unwrap().unwrap();
        let certificate: Certificate = decode(&parts.certificate).unwrap();
        other.check_certificate(&certificate).unwrap();
        let proposal: Proposal = decode(&parts.proposal).unwrap();
        let pairs = parts.headers.iter().zip(&parts.bodies);
        let batches: Vec<Arc<Batch>> =
            pairs.map(|(header, body)| Arc::new(other.decode_batch(header, body).unwrap())).collect();
        other.append_bodies(height, &batches).unwrap();
        let execution = other.execute(&proposal, &batches).unwrap();
        other.commit(execution, certificate).0.unwrap();
    }
    assert_eq!(other.tip(), tip);
    verify(&other);
}

#[test]
fn a_proposal_of_the_old_settings_is_refused_after_the_barrier() {
    let chain = open(&MemoryDisk::new(3));
    let script = Script::new(&chain);
    let old = chain.validators().unwrap();
    while chain.tip().height + 1 < STARTS[1] {
        script.step(&chain).unwrap();
    }
    let proposal = chain.propose(chain.tip().time + 5, 1, &[]).unwrap();
    let hash = |proposal: &Proposal| digest(SUITE, domain::PROPOSAL, chain.chain_id(), proposal).unwrap();
    chain.check_proposal(&proposal, &hash(&proposal), &[], Some(1)).unwrap();
    let Proposal::V1(fields) = proposal;
    let validators = digest(SUITE, domain::VALIDATORS, chain.chain_id(), &old).unwrap();
    let stale = [
        Proposal::V1(ProposalV1 { validators, ..fields.clone() }),
        Proposal::V1(ProposalV1 { parameters: Hash::ZERO, ..fields.clone() }),
        Proposal::V1(ProposalV1 { protocol_version: 2, ..fields }),
    ];
    for stale in stale {
        let error = chain.check_proposal(&stale, &hash(&stale), &[], None).unwrap_err();
        assert_eq!(error.code(), "proposal_invalid");
    }
    // Nor does the old set decide: not even with everybody's signature.
    let certificate = certificate_by(&chain, &old, STARTS[1], Hash::ZERO, Hash::ZERO, 0);
    assert_eq!(chain.check_certificate(&certificate).unwrap_err().code(), "certificate_invalid");
}

#[test]
fn batches_of_a_member_that_left_live_as_long_as_their_transactions() {
    let chain = open(&MemoryDisk::new(4));
    let script = Script::new(&chain);
    let data = |number: u8| Op::SetData { name: format!("n{number}"), value: Some(vec![1]), expected_version: None };
    let signed = |number: u8| transaction(&chain, &organisation_key(0), 500 + u64::from(number), data(number));
    let waiting = Arc::new(batch_of(&chain, 4, &[signed(1)]).unwrap());
    let stranger = batch_of(&chain, 77, &[signed(2)]).err().unwrap();
    assert_eq!(stranger.code(), "batch_invalid");
    while chain.tip().height + 1 < STARTS[1] {
        script.step(&chain).unwrap();
    }
    let ended = chain.tip().time;
    // It was made before, or even after the barrier.
    let late = Arc::new(batch_of(&chain, 4, &[signed(3)]).unwrap());
    decide(&chain, &[Arc::clone(&waiting)], ended + 1).unwrap();
    let lifetime = ParametersV1::default().max_lifetime;
    decide(&chain, &[], ended + lifetime).unwrap();
    chain.propose(ended + lifetime + 5, 1, &[Arc::clone(&late)]).unwrap();
    decide(&chain, &[], ended + lifetime + 1).unwrap();
    let error = chain.propose(ended + lifetime + 5, 1, &[late]).err().unwrap();
    assert!(error.to_string().contains("author"), "{error}");
    assert_eq!(batch_of(&chain, 4, &[signed(4)]).err().unwrap().code(), "batch_invalid");
    batch_of(&chain, 0, &[signed(5)]).unwrap();
}

#[test]
fn a_restart_after_the_lifetime_was_shortened_changes_nothing() {
    // Two nodes, of which one starts again: what both remember must be the same, in the same order.
    let disks = [MemoryDisk::new(8), MemoryDisk::new(9)];
    let chains = disks.each_ref().map(open);
    let until = TIME + 150_000;
    let block = |chain: &TestChain, number: u64, time: u64| {
        let body = Op::SetData { name: format!("n{number}"), value: Some(vec![1]), expected_version: None };
        let signed = transaction_until(chain, &organisation_key(0), number, body, until);
        let batch = Arc::new(batch_of(chain, 1, &[signed]).unwrap());
        decide(chain, &[batch], time).unwrap();
    };
    for chain in &chains {
        let mut script = Script { blocks: vec![Vec::new()] };
        let shorter = Change::SetParameter { name: "max_lifetime".into(), value: 100_000 };
        script.change(chain.chain_id(), vec![shorter], &[0, 1, 2, 3], &[0, 1, 2, 3]);
        block(chain, 1, TIME + 1_000);
        script.run(chain);
        assert_eq!(chain.epoch().unwrap().0, 1);
        decide(chain, &[], TIME + 59_000).unwrap();
        // In the same bucket of live ids, and to be forgotten before the one that came first.
        block(chain, 2, TIME + 60_000);
        chain.flush().unwrap();
    }
    let [stays, starts_again] = chains;
    drop(starts_again);
    let chains = [stays, open(&disks[1])];
    for chain in &chains {
        block(chain, 3, TIME + 70_000);
    }
    assert_eq!(chains[0].tip(), chains[1].tip(), "the live ids have another order");
    // As long as the first batch is remembered so is the second, whose time is over before.
    for time in [TIME + 100_000, TIME + 161_000] {
        for chain in &chains {
            decide(chain, &[], time).unwrap();
        }
        assert_eq!(chains[0].ordered_batches(), chains[1].ordered_batches(), "at {time}");
    }
    assert_eq!(chains[0].tip(), chains[1].tip());
}

#[test]
fn a_crash_at_any_block_around_the_barriers_loses_nothing() {
    let reference = open(&MemoryDisk::new(5));
    let script = Script::new(&reference);
    script.run(&reference);
    let expected = reference.tip();
    for (number, kind) in (0_u64..).zip(KINDS.iter().cycle()).take(script.blocks.len()) {
        let disk = MemoryDisk::new(100 + number);
        let chain = open(&disk);
        while chain.tip().height < number {
            script.step(&chain).unwrap();
        }
        if number % 2 == 0 {
            chain.flush().unwrap();
        }
        let tip = chain.tip();
        // The next block is on its way when the machine stops.
        let proposal = chain.propose(tip.time + 1, 0, &[]).unwrap();
        chain.append(RecordKind::Proposal, tip.height + 1, &encode(&proposal).unwrap()).unwrap();
        drop(chain.execute(&proposal, &[]).unwrap());
        drop(chain);
        disk.crash(*kind);
        for disk in [disk.clone(), log_only(&disk)] {
            let chain = open(&disk);
            assert_eq!(chain.tip(), tip);
            assert_eq!(chain.epoch().unwrap().0, epoch_at(number + 1));
            script.run(&chain);
            assert_eq!(chain.tip(), expected, "killed after block {number}");
            assert_eq!(chain.finality(expected.height).unwrap(), reference.finality(expected.height).unwrap());
        }
    }
    verify(&reference);
}

#[test]
fn a_disk_that_fails_at_a_barrier_loses_nothing() {
    let reference = open(&MemoryDisk::new(6));
    let script = Script::new(&reference);
    script.run(&reference);
    let mut hit = 0;
    for fault in [Fault::Sync, Fault::Write] {
        for nth in 1..14_u64 {
            let disk = MemoryDisk::new(nth);
            let chain = open(&disk);
            while chain.tip().height + 2 < STARTS[1 + (nth % 3) as usize] {
                script.step(&chain).unwrap();
            }
            disk.fail(fault, nth);
            let mut acknowledged = chain.tip();
            let steps = (script.blocks.len() as u64 - chain.tip().height).min(6);
            let failed = (0..steps).find_map(|_| {
                let done = script.step(&chain).err();
                acknowledged = if done.is_none() { chain.tip() } else { acknowledged };
                done
            });
            hit += usize::from(failed.is_some());
            drop(chain);
            disk.heal();
            disk.crash(KINDS[(nth % 4) as usize]);
            let chain = open(&disk);
            assert!(chain.tip().height >= acknowledged.height);
            script.run(&chain);
            assert_eq!(chain.tip(), reference.tip(), "{fault:?} {nth}");
        }
    }
    assert!(hit > 10, "only {hit} faults were met");
}

#[test]
fn a_version_that_this_program_does_not_know_leaves_it_behind() {
    let disk = MemoryDisk::new(7);
    let chain = open(&disk);
    let mut script = Script { blocks: Vec::new() };
    script.change(chain.chain_id(), vec![Change::SetProtocolVersion { version: 2 }], &[0, 1, 2, 3], &[0, 1, 2, 3]);
    script.run(&chain);
    assert_eq!(chain.governance_json().unwrap()["protocol_version"].as_u64(), Some(2));
    let tip = chain.tip();
    drop(chain);
    for disk in [disk.clone(), log_only(&disk)] {
        let chain = open(&disk);
        assert_eq!(chain.tip(), tip, "what was decided before can be read");
        let proposal = chain.propose(tip.time + 1, 1, &[]).unwrap();
        let error = chain.execute(&proposal, &[]).err().unwrap();
        assert_eq!(error.code(), "protocol_version_unknown", "{error}");
    }
}

#[test]
fn ideal_votes_convict_in_ideal_simulations_alone() {
    let statement = |digest: u8| {
        let (engine, digest) = ("pbft".to_owned(), Hash([digest; 32]));
        VoteStatement::V1 { epoch: 0, engine, height: 1, round: 0, phase: 3, digest }
    };
    for (ideal, code) in [(true, "final"), (false, "evidence_signature")] {
        let chain = Chain::open_simulated(MemoryDisk::new(8), &genesis(), OPTIONS, ideal).unwrap();
        let member = vote_key(2).public_key();
        let sign = |statement: &VoteStatement| {
            let message = signed(domain::FIRST_VOTE, chain.chain_id(), statement).unwrap();
            bubi_chain::ideal_signature(&member, &message)
        };
        let (one, two) = (statement(1), statement(2));
        let report = Op::ReportEvidence(Box::new(Evidence {
            member,
            signature_one: sign(&one),
            signature_two: sign(&two),
            statement_one: Statement::Vote(one),
            statement_two: Statement::Vote(two),
        }));
        let signed = transaction(&chain, &organisation_key(0), 1, report);
        let simulated = chain.simulate_json(&signed, chain.tip().time).unwrap();
        assert_eq!(simulated["code"].as_str(), Some(code), "{simulated}");
    }
}
