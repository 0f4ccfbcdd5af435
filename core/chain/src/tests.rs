//! Tests of the pipeline that need its inside: on a disk in memory, with times of their own.

use crate::{
    admission::join_bulk,
    chain::{Chain, Options},
    proof::{verify_finality, Trust},
};
use bubi_codec::{
    block::{
        digest, signed, Certificate, CertificateVote, CommitStatement, Genesis, GenesisAccount, GenesisV1, NetworkKind,
        Outcome, Proposal, ProposalV1, Receipt,
    },
    domain, encode,
    identity::{Address, AssetId},
    operation::{AssetFeatures, AssetKind, Operation, OperationBody, Signer, Thresholds},
    proof::{FinalityProof, Handover},
    state::{ParametersV1, Validator, ValidatorSet},
    transaction::{
        signing_bytes, transaction_hash, BodyV1, ReplayKey, SignatureEntry, SignedTransaction, TransactionBody,
    },
};
use bubi_crypto::{Hash, HashSuite, SecretKey, SignatureAlgorithm};
use bubi_store::MemoryDisk;
use serde_json::{json, Value};
use std::{
    collections::BTreeMap,
    sync::{mpsc::channel, Arc},
    time::Duration,
};

const START: u64 = 1_700_000_000_000;

fn key(number: u8) -> SecretKey {
    SecretKey::generate(SignatureAlgorithm::Ed25519, &[number; 32]).unwrap()
}

fn validators(epoch: u64) -> ValidatorSet {
    ValidatorSet::V1 {
        epoch,
        engine: "solo".to_owned(),
        validators: vec![Validator {
            name: "one".to_owned(),
            organisation: "one".to_owned(),
            key: key(1).public_key(),
            weight: 1,
        }],
        quorum_numerator: 2,
        quorum_denominator: 3,
    }
}

fn owner() -> Address {
    Address::of_key(HashSuite::Standard, &key(2).public_key())
}

fn genesis(parameters: ParametersV1) -> Vec<u8> {
    encode(&Genesis::V1(GenesisV1 {
        nonce: Hash([7; 32]),
        name: "test".to_owned(),
        kind: NetworkKind::Development,
        suite: HashSuite::Standard,
        time: START,
        protocol_version: 1,
        parameters,
        validators: validators(0),
        accounts: vec![GenesisAccount {
            address: owner(),
            signers: vec![Signer { key: key(2).public_key(), weight: 1, limits: None }],
            thresholds: Thresholds { default: 1, operations: BTreeMap::new() },
            organisation: None,
        }],
        organisations: Vec::new(),
        predecessor: None,
    }))
    .unwrap()
}

fn open(disk: &MemoryDisk) -> Arc<Chain<MemoryDisk>> {
    Arc::new(Chain::open(disk.clone(), &genesis(ParametersV1::default()), Options::default()).unwrap())
}

/// A signed transaction of the owner that sets a data entry.
fn transaction(chain: &Chain<MemoryDisk>, id: u8, name: &str, valid_until: u64) -> Vec<u8> {
    let set = OperationBody::SetData { name: name.to_owned(), value: Some(vec![1]), expected_version: None };
    signed_by_owner(chain, id, valid_until, vec![set])
}

fn signed_by_owner(chain: &Chain<MemoryDisk>, id: u8, valid_until: u64, operations: Vec<OperationBody>) -> Vec<u8> {
    let body = TransactionBody::V1(BodyV1 {
        source: owner(),
        replay: ReplayKey::Id([id; 16]),
        valid_until,
        preconditions: Vec::new(),
        memo: Vec::new(),
        operations: operations.into_iter().map(|body| Operation { source: None, body }).collect(),
    });
    let body = encode(&body).unwrap();
    let signature = key(2).sign(&signing_bytes(chain.chain_id(), &body)).unwrap();
    encode(&SignedTransaction::V1 { body, signatures: vec![SignatureEntry { key: key(2).public_key(), signature }] })
        .unwrap()
}

fn certificate(chain: &Chain<MemoryDisk>, epoch: u64, height: u64, digest: Hash, outcome: Hash) -> Certificate {
    let statement = CommitStatement::V1 { epoch, engine: "solo".to_owned(), height, round: 0, digest, outcome };
    let message = signed(domain::COMMIT_VOTE, chain.chain_id(), &statement).unwrap();
    Certificate::V1 {
        statement,
        votes: vec![CertificateVote { validator: 0, signature: key(1).sign(&message).unwrap() }],
    }
}

/// Decides one block at `time`; the codes of its receipts.
fn block(chain: &Chain<MemoryDisk>, time: u64, transactions: &[Vec<u8>]) -> Vec<u16> {
    let mut batches = Vec::new();
    if !transactions.is_empty() {
        let bulk = join_bulk(transactions.len(), transactions.iter().map(Vec::as_slice));
        let admission = chain.admit(&bulk, time).unwrap();
        assert!(admission.verdicts.iter().all(Option::is_none), "{:?}", admission.verdicts);
        batches.push(Arc::new(chain.batch(admission.verified, 1, &key(1)).unwrap()));
    }
    let proposal = chain.propose(time, 0, &batches).unwrap();
    let height = chain.tip().height + 1;
    chain.append_bodies(height, &batches).unwrap();
    let execution = chain.execute(&proposal, &batches).unwrap();
    let codes = execution.receipts().iter().map(|Receipt::V1 { code, .. }| *code).collect();
    let certificate = certificate(chain, 0, height, execution.digest, execution.outcome_hash);
    chain.commit(execution, certificate).0.unwrap();
    codes
}

fn live_ids(chain: &Chain<MemoryDisk>) -> Vec<(u64, bubi_codec::state::IdBucket)> {
    chain.read().live.cells().collect()
}

#[test]
fn an_id_whose_transaction_expired_stays_known_over_a_restart_until_its_bucket_passes() {
    let ParametersV1 { max_lifetime, id_bucket, .. } = ParametersV1::default();
    let disk = MemoryDisk::new(1);
    let chain = open(&disk);
    // Valid until the first millisecond of a bucket.
    let bucket_start = (START + 2 * max_lifetime).next_multiple_of(id_bucket);
    assert_eq!(block(&chain, bucket_start - max_lifetime, &[transaction(&chain, 9, "a", bucket_start)]), [0]);
    // Expired in each of these blocks, but its bucket has not passed.
    block(&chain, bucket_start + 1, &[]);
    block(&chain, bucket_start + 2, &[]);
    let before = live_ids(&chain);
    assert_eq!(before.len(), 1);
    chain.flush().unwrap();
    drop(chain);

    let chain = open(&disk);
    assert_eq!(chain.replayed, 0, "the state store holds everything");
    assert_eq!(live_ids(&chain), before);
    let second = transaction(&chain, 9, "b", bucket_start + id_bucket - 1);
    assert_eq!(block(&chain, bucket_start + 3, &[second]), [bubi_codec::ResultCode::IdConflict as u16]);
    // Once everything has passed, nothing is kept.
    block(&chain, bucket_start + 2 * max_lifetime, &[]);
    block(&chain, bucket_start + 2 * max_lifetime + 1, &[]);
    assert!(live_ids(&chain).is_empty());
    chain.flush().unwrap();
    drop(chain);
    let chain = open(&disk);
    assert!(live_ids(&chain).is_empty());
    let kept = chain.read().id_lists.len();
    assert!(kept <= 3, "{kept} lists are kept");
}

#[test]
fn a_proof_is_made_while_a_commit_waits_for_the_state() {
    let chain = open(&MemoryDisk::new(1));
    block(&chain, START + 1, &[transaction(&chain, 1, "a", START + 1_000)]);
    let reading = chain.read();
    let (commit, begun) = (Arc::clone(&chain), channel());
    let writer = std::thread::spawn(move || {
        begun.0.send(()).unwrap();
        drop(commit.inner.write().unwrap());
    });
    begun.1.recv().unwrap();
    // The writer has to be waiting by now; if it is not, the test passes without having shown anything.
    std::thread::sleep(Duration::from_millis(200));
    let (proving, (made, waits)) = (Arc::clone(&chain), channel());
    std::thread::spawn(move || made.send(proving.finality_hex(1).is_ok_and(|proof| proof.is_string())));
    assert_eq!(
        waits.recv_timeout(Duration::from_secs(120)),
        Ok(true),
        "the proof waits for the commit that waits for the reader"
    );
    drop(reading);
    writer.join().unwrap();
}

#[test]
fn a_block_is_found_as_soon_as_it_is_visible() {
    let chain = open(&MemoryDisk::new(1));
    let signed = transaction(&chain, 1, "a", START + 1_000);
    let SignedTransaction::V1 { body, .. } = bubi_codec::decode(&signed).unwrap();
    let hash = transaction_hash(HashSuite::Standard, chain.chain_id(), &body);
    // The commit shows the block and then waits here, before the index has it.
    let store = chain.store();
    let committing = Arc::clone(&chain);
    let writer = std::thread::spawn(move || block(&committing, START + 1, &[signed]));
    let begun = std::time::Instant::now();
    while chain.tip().height == 0 {
        assert!(begun.elapsed() < Duration::from_secs(120), "the block never became visible");
        std::thread::yield_now();
    }
    assert_eq!(chain.transactions.last_height(), 0);
    let status = chain.status_json(&hash, true).unwrap().unwrap();
    assert_eq!(status["status"].as_str(), Some("final"));
    drop(store);
    assert_eq!(writer.join().unwrap(), [0]);
    assert_eq!(chain.status_json(&hash, true).unwrap(), Some(status));
}

/// A hand-over at each of these heights, then a block at the last one.
fn finality(chain: &Chain<MemoryDisk>, heights: &[u64]) -> FinalityProof {
    let (suite, id) = (chain.suite(), chain.chain_id());
    let part = |epoch: u64, height: u64| {
        let proposal = Proposal::V1(ProposalV1 {
            chain: *id,
            height,
            time: START,
            parent: Hash::ZERO,
            parent_outcome: Hash::ZERO,
            parent_round: 0,
            payload_root: Hash::ZERO,
            validators: digest(suite, domain::VALIDATORS, id, &validators(epoch)).unwrap(),
            parameters: Hash::ZERO,
            protocol_version: 1,
        });
        let next = validators(epoch + 1);
        let outcome = Outcome::V1 {
            receipt_root: Hash::ZERO,
            state_root: Hash::ZERO,
            validators: digest(suite, domain::VALIDATORS, id, &next).unwrap(),
            parameters: Hash::ZERO,
        };
        let voted = digest(suite, domain::PROPOSAL, id, &proposal).unwrap();
        let certificate =
            certificate(chain, epoch, height, voted, digest(suite, domain::OUTCOME, id, &outcome).unwrap());
        Handover { proposal, outcome, certificate, next }
    };
    let mut parts: Vec<Handover> = (0..).zip(heights).map(|(epoch, height)| part(epoch, *height)).collect();
    let Handover { proposal, outcome, certificate, .. } = parts.pop().unwrap();
    FinalityProof::Native { proposal, outcome, certificate, handovers: parts }
}

#[test]
fn heights_of_hand_overs_rise() {
    let chain = open(&MemoryDisk::new(1));
    let trust = Trust { chain: *chain.chain_id(), suite: chain.suite(), validators: validators(0) };
    for good in [&[1][..], &[1, 2], &[5, 9, 10]] {
        assert!(verify_finality(&trust, &finality(&chain, good)).is_ok(), "{good:?}");
    }
    for bad in [&[5, 5][..], &[5, 4], &[5, 5, 6], &[5, 3, 6], &[0]] {
        assert!(verify_finality(&trust, &finality(&chain, bad)).is_err(), "{bad:?}");
    }
}

#[test]
fn the_keys_of_all_accounts_are_learned_and_change_no_verdict() {
    let chain = open(&MemoryDisk::new(1));
    let mut from = Some(0);
    while let Some(position) = from {
        from = chain.learn_keys(position).unwrap();
    }
    // The owner's, and that of the account which each validator has.
    assert_eq!(chain.known_keys(), 2);
    let good = transaction(&chain, 1, "name", START + 60_000);
    let mut bad = good.clone();
    *bad.last_mut().unwrap() ^= 1;
    let bulk = join_bulk(2, [good.as_slice(), bad.as_slice()].into_iter());
    let admission = chain.admit(&bulk, START).unwrap();
    assert_eq!(admission.verdicts, [None, Some("signature_invalid")]);
    assert_eq!(chain.signatures_verified(), 2);
}

/// One list of the newest state, without the cells themselves.
fn marks(chain: &Arc<Chain<MemoryDisk>>, kind: &str, scope: &str, now: u64) -> Value {
    let (items, _) = chain.lease().unwrap().page(kind, scope, &[], 10, now).unwrap();
    items.iter().map(|item| json!([item["expired"], item["lapsed"], item["spendable"]])).collect()
}

#[test]
fn what_has_lapsed_is_told_before_it_is_retired() {
    let parameters = ParametersV1 { due_per_block: 1, ..ParametersV1::default() };
    let chain = Arc::new(Chain::open(MemoryDisk::new(1), &genesis(parameters), Options::default()).unwrap());
    let (soon, late) = (START + 1_000, START + 5_000);
    let assets = ["D", "E"].map(|code| AssetId::derived(chain.suite(), &owner(), code));
    let mut operations: Vec<OperationBody> = ["D", "E"]
        .iter()
        .map(|code| OperationBody::CreateAsset {
            code: (*code).to_owned(),
            kind: AssetKind::Dated,
            decimals: 0,
            cap: None,
            features: AssetFeatures { freeze: false, whitelist: false, clawback: false },
            name: "Points".to_owned(),
        })
        .collect();
    let beneficiary = Address::of_key(HashSuite::Standard, &key(1).public_key());
    let issue = |asset, amount, expires| OperationBody::Issue { asset, to: owner(), amount, expires: Some(expires) };
    operations.extend([issue(assets[0], 60, soon), issue(assets[0], 40, late), issue(assets[1], 7, soon)]);
    operations.push(OperationBody::Reserve { asset: assets[0], beneficiary, amount: 10, expires: soon });
    assert_eq!(block(&chain, START + 1, &[signed_by_owner(&chain, 1, START + 60_000, operations)]), [0]);

    let address = owner().to_text(chain.prefix());
    let asset = bubi_crypto::to_hex(assets[0].bytes());
    let balance = |now| chain.balance_json(&address, &asset, now, false).unwrap().unwrap();
    // Nothing is decided any more: only the clock tells.
    let (before, after) = (balance(soon - 1), balance(soon));
    assert_eq!((&before["lapsed"], &before["spendable"]), (&json!("0"), &json!("90")));
    assert_eq!((&after["lapsed"], &after["spendable"]), (&json!("50"), &json!("40")));
    assert_eq!(before["value"], after["value"]);
    assert_eq!(marks(&chain, "holders", &asset, 0), json!([[null, "0", "90"]]));
    assert_eq!(marks(&chain, "holders", &asset, soon), json!([[null, "50", "40"]]));
    assert_eq!(marks(&chain, "holds", &address, soon - 1), json!([[false, "0", "10"]]));
    assert_eq!(marks(&chain, "holds", &address, soon), json!([[true, "10", "0"]]));
    assert_eq!(marks(&chain, "holds", &address, late), json!([[true, "10", "0"]]));

    // A block later than the expiry that retires one of two lots: its own time tells, whatever the clock says.
    block(&chain, soon + 1, &[]);
    let lapsed: Vec<String> = assets
        .iter()
        .filter_map(|asset| chain.balance_json(&address, &bubi_crypto::to_hex(asset.bytes()), 0, false).unwrap())
        .map(|found| found["lapsed"].as_str().unwrap().to_owned())
        .filter(|lapsed| lapsed != "0")
        .collect();
    assert!(lapsed == ["50"] || lapsed == ["7"], "{lapsed:?}");
    assert_eq!(marks(&chain, "holds", &address, 0), json!([[true, "10", "0"]]));
    // With all of them retired nothing is left to tell.
    block(&chain, soon + 2, &[]);
    block(&chain, soon + 3, &[]);
    assert_eq!(marks(&chain, "balances", &address, 0), json!([[null, "0", "40"]]));
    assert_eq!(marks(&chain, "holds", &address, 0), json!([]));
}
