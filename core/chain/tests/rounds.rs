//! Several validators: proposals that are not decided, batches of several authors, what a restart finds of them.

// A test that panics is a test that fails; numbers here are small.
#![allow(clippy::unwrap_used, clippy::panic, clippy::cast_possible_truncation)]

use bubi_chain::{ideal_signature, join_bulk, Batch, Chain, ChainError, Options};
use bubi_codec::{
    block::{
        digest, signed, Certificate, CertificateVote, CommitStatement, Genesis, GenesisAccount, GenesisV1, NetworkKind,
        Proposal,
    },
    domain, encode,
    identity::Address,
    operation::{Operation, OperationBody, Signer, Thresholds},
    state::{ParametersV1, Validator, ValidatorSet},
    transaction::{
        signing_bytes, transaction_hash, BodyV1, ReplayKey, SignatureEntry, SignedTransaction, TransactionBody,
    },
};
use bubi_crypto::{Hash, HashSuite, SecretKey, SignatureAlgorithm};
use bubi_store::{CrashKind, Disk, MemoryDisk, RecordKind};
use std::{collections::BTreeMap, sync::Arc};

const TIME: u64 = 1_700_000_000_000;
const SUITE: HashSuite = HashSuite::Standard;
const OPTIONS: Options = Options { proof_window: 8, segment_bytes: 8_000, leases: 4, known_keys: 8 };
const KINDS: [CrashKind; 4] = [CrashKind::Process, CrashKind::LoseUnsynced, CrashKind::Torn, CrashKind::Reordered];

type TestChain = Chain<MemoryDisk>;

fn key(label: &str) -> SecretKey {
    SecretKey::generate(SignatureAlgorithm::Ed25519, &SUITE.hash(&[label.as_bytes()]).0).unwrap()
}

fn validator(number: usize) -> SecretKey {
    key(&format!("validator {number}"))
}

fn genesis() -> Vec<u8> {
    let owner = key("owner").public_key();
    let validators = (0..4).map(|number| Validator {
        name: format!("v{number}"),
        organisation: format!("o{number}"),
        key: validator(number).public_key(),
        weight: 1,
    });
    let genesis = Genesis::V1(GenesisV1 {
        nonce: SUITE.hash(&[b"nonce"]),
        name: "rounds".to_owned(),
        kind: NetworkKind::Development,
        suite: SUITE,
        time: TIME,
        protocol_version: 1,
        parameters: ParametersV1 { turn_blocks: 4, block_transactions: 40, ..ParametersV1::default() },
        validators: ValidatorSet::V1 {
            epoch: 0,
            engine: "pbft".to_owned(),
            validators: validators.collect(),
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

fn open(disk: &MemoryDisk) -> TestChain {
    Chain::open_simulated(disk.clone(), &genesis(), OPTIONS, true).unwrap()
}

/// A transaction by the ideal rule, with its hash.
fn transaction(chain: &TestChain, number: u64) -> (Vec<u8>, Hash) {
    let owner = key("owner").public_key();
    let mut id = [0; 16];
    id[..8].copy_from_slice(&number.to_le_bytes());
    let set = OperationBody::SetData { name: format!("n{number}"), value: Some(vec![1; 40]), expected_version: None };
    let body = TransactionBody::V1(BodyV1 {
        source: Address::of_key(SUITE, &owner),
        replay: ReplayKey::Id(id),
        valid_until: chain.tip().time + 300_000,
        preconditions: Vec::new(),
        memo: Vec::new(),
        operations: vec![Operation { source: None, body: set }],
    });
    let body = encode(&body).unwrap();
    let signature = ideal_signature(&owner, &signing_bytes(chain.chain_id(), &body));
    let hash = transaction_hash(SUITE, chain.chain_id(), &body);
    (encode(&SignedTransaction::V1 { body, signatures: vec![SignatureEntry { key: owner, signature }] }).unwrap(), hash)
}

/// A batch of one validator with one transaction for each number.
fn batch(chain: &TestChain, author: usize, numbers: std::ops::Range<u64>) -> (Arc<Batch>, Vec<Hash>) {
    let made: Vec<(Vec<u8>, Hash)> = numbers.clone().map(|number| transaction(chain, number)).collect();
    let admission =
        chain.admit(&join_bulk(made.len(), made.iter().map(|one| one.0.as_slice())), chain.tip().time).unwrap();
    assert!(admission.verdicts.iter().all(Option::is_none), "{:?}", admission.verdicts);
    let batch = chain.batch(admission.verified, numbers.start, &validator(author)).unwrap();
    // As another node takes it.
    let again = chain.decode_batch(&encode(&batch.header).unwrap(), &batch.verified.bulk()).unwrap();
    assert_eq!((again.digest, again.author()), (batch.digest, &validator(author).public_key()));
    (Arc::new(again), made.into_iter().map(|one| one.1).collect())
}

fn digest_of(chain: &TestChain, proposal: &Proposal) -> Hash {
    digest(SUITE, domain::PROPOSAL, chain.chain_id(), proposal).unwrap()
}

fn certificate(chain: &TestChain, height: u64, round: u64, proposal: Hash, outcome: Hash) -> Certificate {
    let statement =
        CommitStatement::V1 { epoch: 0, engine: "pbft".to_owned(), height, round, digest: proposal, outcome };
    let message = signed(domain::COMMIT_VOTE, chain.chain_id(), &statement).unwrap();
    let votes = (0..3_u32).map(|number| CertificateVote {
        validator: number,
        signature: ideal_signature(&validator(number as usize).public_key(), &message),
    });
    Certificate::V1 { statement, votes: votes.collect() }
}

/// Decides a proposal in a round.
fn decide(chain: &TestChain, proposal: &Proposal, batches: &[Arc<Batch>], round: u64) {
    let height = chain.tip().height + 1;
    chain.append_bodies(height, batches).unwrap();
    let execution = chain.execute(proposal, batches).unwrap();
    let certificate = certificate(chain, height, round, execution.digest, execution.outcome_hash);
    chain.check_certificate(&certificate).unwrap();
    chain.commit(execution, certificate).0.unwrap();
}

/// Decides a block with these batches.
fn block(chain: &TestChain, parent_round: u64, round: u64, batches: &[Arc<Batch>]) {
    let proposal = chain.propose(chain.tip().time + 10, parent_round, batches).unwrap();
    decide(chain, &proposal, batches, round);
}

fn refusal(result: Result<impl Sized, ChainError>) -> String {
    let error = result.err().unwrap();
    assert_eq!(error.code(), "proposal_invalid", "{error}");
    error.to_string()
}

fn digests(batches: &[Arc<Batch>]) -> Vec<Hash> {
    batches.iter().map(|batch| batch.digest).collect()
}

/// The disk without what is derived from the log.
fn log_only(disk: &MemoryDisk) -> MemoryDisk {
    let copy = disk.copy(1);
    for file in copy.files().iter().filter(|file| file.starts_with("state/") || file.starts_with("txindex/")) {
        copy.remove(file).unwrap();
    }
    copy
}

#[test]
fn an_undecided_height_of_several_rounds_survives_a_restart() {
    for seed in 0..24_u64 {
        let disk = MemoryDisk::new(seed);
        let chain = open(&disk);
        for number in 0..3 {
            let (one, _) = batch(&chain, number as usize, number * 10..number * 10 + 2);
            block(&chain, 0, 0, &[one]);
        }
        let tip = chain.tip();
        let (first, lost) = batch(&chain, 0, 100..103);
        let (second, kept) = batch(&chain, 1, 200..202);
        let (third, also) = batch(&chain, 2, 300..304);
        // Round 0: first and second. Round 1: third and second, prepared. Both are in the log.
        let rounds = [vec![Arc::clone(&first), Arc::clone(&second)], vec![third, second]];
        let mut proposals = Vec::new();
        for (round, batches) in rounds.iter().enumerate() {
            let proposal = chain.propose(tip.time + 10 + round as u64, 0, batches).unwrap();
            chain.append_bodies(4, batches).unwrap();
            chain.append(RecordKind::Proposal, 4, &encode(&proposal).unwrap()).unwrap();
            chain.append(RecordKind::GuardRecord, 4, format!("first {round}").as_bytes()).unwrap();
            proposals.push(proposal);
        }
        chain.append(RecordKind::Prepared, 4, b"prepared 1").unwrap();
        chain.append(RecordKind::GuardRecord, 4, b"commit 1").unwrap();
        chain.sync().unwrap();
        let length = |disk: &MemoryDisk| -> usize {
            let logs = disk.files().into_iter().filter(|file| file.starts_with("log/"));
            logs.map(|file| disk.content(&file).unwrap().len()).sum()
        };
        let before = length(&disk);
        drop(chain);
        disk.crash(KINDS[(seed % 4) as usize]);

        for copy in [disk.copy(seed), log_only(&disk)] {
            let chain = open(&copy);
            assert_eq!(chain.tip(), tip);
            let pending = chain.pending_bodies().unwrap();
            assert_eq!(digests(&pending), [rounds[0][0].digest, rounds[0][1].digest, rounds[1][0].digest]);
            let records = |kind| -> Vec<Vec<u8>> {
                chain.log_records(kind, 4).unwrap().into_iter().map(|record| record.1).collect()
            };
            assert_eq!(records(RecordKind::Proposal), [&proposals[0], &proposals[1]].map(|one| encode(one).unwrap()));
            assert_eq!(records(RecordKind::GuardRecord), [&b"first 0"[..], b"first 1", b"commit 1"]);
            assert_eq!(records(RecordKind::Prepared), [b"prepared 1"]);

            // The bodies that came back decide the height; none is written a second time.
            let again: Vec<Arc<Batch>> = [2, 1].map(|place: usize| Arc::clone(&pending[place])).into_iter().collect();
            assert_eq!(digests(&again), digests(&rounds[1]));
            chain.check_proposal(&proposals[1], &digest_of(&chain, &proposals[1]), &again, Some(0)).unwrap();
            chain.append_bodies(4, &again).unwrap();
            chain.sync().unwrap();
            let logs = length(&copy);
            assert!(logs <= before, "bodies were written again: {logs} bytes instead of {before}");
            decide(&chain, &proposals[1], &again, 1);
            assert!(chain.pending_bodies().unwrap().is_empty());
            check_decided(&chain, &again, &lost, &[also.clone(), kept.clone()].concat());
            let decided = chain.tip();
            drop(chain);
            for disk in [copy.clone(), log_only(&copy)] {
                disk.crash(CrashKind::LoseUnsynced);
                let chain = open(&disk);
                assert_eq!(chain.tip(), decided);
                check_decided(&chain, &again, &lost, &kept);
                assert_eq!(chain.recomputed_root(), decided.state_root);
            }
        }
    }
}

/// Block 4 holds these batches and finds these transactions, and not those of the other proposal.
fn check_decided(chain: &TestChain, batches: &[Arc<Batch>], lost: &[Hash], kept: &[Hash]) {
    let bulks: Vec<Vec<u8>> = batches.iter().map(|batch| batch.verified.bulk()).collect();
    assert_eq!(chain.bodies(4).unwrap(), bulks);
    let parts = chain.block_parts(4).unwrap().unwrap();
    assert_eq!(parts.bodies, bulks);
    let headers: Vec<Vec<u8>> = batches.iter().map(|batch| encode(&batch.header).unwrap()).collect();
    assert_eq!(parts.headers, headers);
    assert_eq!(encode(&chain.tip_certificate().unwrap().unwrap()).unwrap(), parts.certificate);
    assert_eq!(chain.tip_batches().unwrap(), digests(batches));
    for hash in kept {
        let status = chain.status_json(hash, true).unwrap().unwrap();
        assert_eq!(status["height"].as_str(), Some("4"), "{status}");
    }
    assert!(lost.iter().all(|hash| chain.status_json(hash, false).unwrap().is_none()));
}

#[test]
fn a_node_that_was_away_applies_blocks_from_their_parts() {
    let chain = open(&MemoryDisk::new(1));
    for number in 0..6 {
        let (one, _) = batch(&chain, number as usize % 4, number * 10..number * 10 + 3);
        block(&chain, 0, 0, &[one]);
    }
    block(&chain, 0, 0, &[]);
    let other = open(&MemoryDisk::new(2));
    assert!(other.tip_certificate().unwrap().is_none() && other.tip_batches().unwrap().is_empty());
    assert!(chain.block_parts(0).unwrap().is_none() && chain.block_parts(8).unwrap().is_none());
    for height in 1..=7 {
        let parts = chain.block_parts(height).unwrap().unwrap();
        let certificate = bubi_codec::decode(&parts.certificate).unwrap();
        other.check_certificate(&certificate).unwrap();
        let proposal: Proposal = bubi_codec::decode(&parts.proposal).unwrap();
        let pairs = parts.headers.iter().zip(&parts.bodies);
        let batches: Vec<Arc<Batch>> =
            pairs.map(|(header, body)| Arc::new(other.decode_batch(header, body).unwrap())).collect();
        other.check_proposal(&proposal, &digest_of(&other, &proposal), &batches, None).unwrap();
        other.append_bodies(height, &batches).unwrap();
        let execution = other.execute(&proposal, &batches).unwrap();
        other.commit(execution, certificate).0.unwrap();
    }
    assert_eq!(other.tip(), chain.tip());
}

#[test]
fn an_ordered_batch_must_not_come_back_before_its_transactions_are_void() {
    let lifetime = ParametersV1::default().max_lifetime;
    let disk = MemoryDisk::new(3);
    let chain = open(&disk);
    let (one, _) = batch(&chain, 0, 0..2);
    let (two, _) = batch(&chain, 1, 10..12);
    block(&chain, 0, 0, &[Arc::clone(&one), Arc::clone(&two)]);
    block(&chain, 0, 0, &[]);
    let expected = vec![(1, one.digest), (1, two.digest)];
    assert_eq!(chain.ordered_batches(), expected);
    assert!(refusal(chain.propose(chain.tip().time + 1, 0, &[Arc::clone(&two)])).contains("ordered before"));
    chain.flush().unwrap();
    drop(chain);
    for disk in [disk.clone(), log_only(&disk)] {
        let chain = open(&disk);
        assert_eq!(chain.ordered_batches(), expected, "after a restart");
        assert!(refusal(chain.propose(chain.tip().time + 1, 0, &[Arc::clone(&one)])).contains("ordered before"));
        // Up to the last millisecond, counted from the parent's time.
        let until = TIME + 10 + lifetime;
        let proposal = chain.propose(until, 0, &[]).unwrap();
        decide(&chain, &proposal, &[], 0);
        assert!(refusal(chain.propose(until + 9, 0, &[Arc::clone(&one)])).contains("ordered before"));
        let proposal = chain.propose(until + 1, 0, &[]).unwrap();
        decide(&chain, &proposal, &[], 0);
        assert!(chain.ordered_batches().is_empty());
        let proposal = chain.propose(until + 9, 0, &[Arc::clone(&one)]).unwrap();
        let skipped = chain.execute(&proposal, &[Arc::clone(&one)]).unwrap();
        assert_eq!(skipped.skipped().len(), 2, "its transactions are void");
    }
}

#[test]
fn what_makes_a_proposal_invalid_is_named() {
    let chain = open(&MemoryDisk::new(4));
    let (one, _) = batch(&chain, 0, 0..12);
    let (more, _) = batch(&chain, 0, 20..29);
    let (other, _) = batch(&chain, 1, 40..60);
    let time = chain.tip().time + 5;
    let propose =
        |batches: &[&Arc<Batch>]| chain.propose(time, 0, &batches.iter().copied().cloned().collect::<Vec<_>>());
    assert!(
        refusal(propose(&[&one, &other, &one])).contains("twice") || refusal(propose(&[&one, &one])).contains("half")
    );
    assert!(refusal(propose(&[&one, &more])).contains("half"), "21 of 40 by one author");
    propose(&[&one, &other]).unwrap();
    let (last, _) = batch(&chain, 2, 70..79);
    assert!(refusal(propose(&[&one, &other, &last])).contains("budget"));
    assert!(refusal(chain.propose(time, 1, &[])).contains("round"), "the genesis has no round");
    assert!(refusal(chain.propose(TIME, 0, &[])).contains("time"));

    block(&chain, 0, 3, &[]);
    let batches = [one];
    let proposal = chain.propose(time + 9, 3, &batches).unwrap();
    let digest = digest_of(&chain, &proposal);
    chain.check_proposal(&proposal, &digest, &batches, Some(3)).unwrap();
    chain.check_proposal(&proposal, &digest, &batches, None).unwrap();
    assert!(refusal(chain.check_proposal(&proposal, &digest, &batches, Some(2))).contains("round"));
    assert!(refusal(chain.check_proposal(&proposal, &Hash::ZERO, &batches, Some(3))).contains("digest"));
    assert!(refusal(chain.check_proposal(&proposal, &digest, &[], Some(3))).contains("payload"));
    let Proposal::V1(mut fields) = proposal;
    fields.parent = Hash::ZERO;
    let stray = Proposal::V1(fields);
    let digest = digest_of(&chain, &stray);
    assert!(refusal(chain.check_proposal(&stray, &digest, &batches, None)).contains("newest block"));
}

#[test]
fn leaders_follow_the_rounds_that_proposals_record() {
    let disk = MemoryDisk::new(5);
    let chain = open(&disk);
    assert_eq!(chain.leaders(5).unwrap(), (0, vec![0, 1, 2, 3, 0]));
    // Height 1 is decided in round 2: members 0 and 1 failed.
    block(&chain, 0, 2, &[]);
    assert_eq!(chain.leaders(1).unwrap(), (0, vec![0]), "nothing is recorded yet");
    block(&chain, 2, 2, &[]);
    assert_eq!(chain.leaders(5).unwrap(), (2, vec![2, 3, 0, 1, 2]), "0 and 1 are passed over once");
    let tip = chain.tip();
    drop(chain);
    for disk in [disk.clone(), log_only(&disk)] {
        let chain = open(&disk);
        assert_eq!((chain.tip(), chain.leaders(3).unwrap()), (tip, (2, vec![2, 3, 0])));
    }
}

#[test]
fn ideal_signatures_count_in_ideal_simulations_alone() {
    let ideal = open(&MemoryDisk::new(6));
    let (one, _) = batch(&ideal, 0, 0..1);
    let (header, bulk) = (encode(&one.header).unwrap(), one.verified.bulk());
    let message = b"anything";
    let forged = ideal_signature(&validator(0).public_key(), message);
    assert!(bubi_crypto::verify_vote(&validator(0).public_key(), message, &forged).is_err());
    for real in [
        Chain::open_simulated(MemoryDisk::new(7), &genesis(), OPTIONS, false).unwrap(),
        Chain::open(MemoryDisk::new(8), &genesis(), OPTIONS).unwrap(),
    ] {
        let error = real.decode_batch(&header, &bulk).unwrap_err();
        assert_eq!((error.code(), error.to_string().contains("signature")), ("batch_invalid", true));
        let admission = real.admit(&bulk, TIME).unwrap();
        assert_eq!(admission.verdicts, [Some("signature_invalid")]);
        let certificate = certificate(&real, 1, 0, Hash::ZERO, Hash::ZERO);
        assert_eq!(real.check_certificate(&certificate).unwrap_err().code(), "certificate_invalid");
        ideal.check_certificate(&certificate).unwrap();
    }
    // A quorum is needed there as well, and every signature must fit.
    let Certificate::V1 { statement, mut votes } = certificate(&ideal, 1, 0, Hash::ZERO, Hash::ZERO) else {
        panic!("a native certificate has votes");
    };
    votes[2].signature.0[63] ^= 1;
    let wrong = Certificate::V1 { statement: statement.clone(), votes: votes.clone() };
    assert!(ideal.check_certificate(&wrong).is_err());
    votes.pop();
    assert!(ideal.check_certificate(&Certificate::V1 { statement, votes }).is_err());
}

/// Header and bulk body as another node receives them.
fn sent(batch: &Batch) -> (Vec<u8>, Vec<u8>) {
    (encode(&batch.header).unwrap(), batch.verified.bulk())
}

/// The digest of a batch, or the text of its refusal.
fn verdict(result: Result<Batch, ChainError>) -> Result<Hash, String> {
    result.map(|batch| batch.digest).map_err(|error| error.to_string())
}

#[test]
fn batches_that_wait_together_get_the_verdicts_that_they_get_alone() {
    let chain = open(&MemoryDisk::new(9));
    let good: Vec<(Vec<u8>, Vec<u8>)> =
        (0..4).map(|n| sent(&batch(&chain, n, n as u64 * 10..n as u64 * 10 + 3).0)).collect();
    let (first, second) = (&good[0], &good[1]);
    // A transaction whose last byte, one of its signature, is another one.
    let mut forged = first.clone();
    *forged.1.last_mut().unwrap() ^= 1;
    let mut unsigned = second.clone();
    *unsigned.0.last_mut().unwrap() ^= 1;
    let mut torn = second.clone();
    torn.1.pop();
    let swapped = (first.0.clone(), second.1.clone());
    let empty = (first.0.clone(), join_bulk(0, std::iter::empty()));
    let [a, b, c, d] = [0, 1, 2, 3].map(|place: usize| good[place].clone());
    let all = [forged, a, unsigned, b, torn, swapped, c, empty, d];
    let borrowed: Vec<(&[u8], &[u8])> = all.iter().map(|(header, bulk)| (&header[..], &bulk[..])).collect();
    let together: Vec<Result<Hash, String>> = chain.decode_batches(&borrowed).into_iter().map(verdict).collect();
    let alone: Vec<Result<Hash, String>> =
        borrowed.iter().map(|(header, bulk)| verdict(chain.decode_batch(header, bulk))).collect();
    assert_eq!(together, alone);
    let taken: Vec<bool> = together.iter().map(Result::is_ok).collect();
    assert_eq!(taken, [false, true, false, true, false, false, true, false, true]);
    assert!(chain.decode_batches(&[]).is_empty());
    for (decoded, sent) in chain.decode_batches(&borrowed).into_iter().zip(&all) {
        // What was cut apart again is byte for byte what came.
        if let Ok(batch) = decoded {
            assert_eq!(batch.verified.bulk(), sent.1);
            assert_eq!(batch.verified.transactions.len(), 3);
        }
    }
}

#[test]
fn more_batches_than_are_verified_in_one_go_are_all_verified() {
    let chain = open(&MemoryDisk::new(10));
    let sent: Vec<(Vec<u8>, Vec<u8>)> =
        (0..4).map(|n| sent(&batch(&chain, n, n as u64 * 2_000..n as u64 * 2_000 + 1_500).0)).collect();
    let borrowed: Vec<(&[u8], &[u8])> = sent.iter().map(|(header, bulk)| (&header[..], &bulk[..])).collect();
    let decoded: Vec<Batch> = chain.decode_batches(&borrowed).into_iter().map(Result::unwrap).collect();
    let bulks: Vec<Vec<u8>> = decoded.iter().map(|batch| batch.verified.bulk()).collect();
    assert_eq!(bulks, sent.into_iter().map(|(_, bulk)| bulk).collect::<Vec<_>>());
}
